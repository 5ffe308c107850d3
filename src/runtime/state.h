/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What insula-runtime knows of a container between its verbs. The engine has a store of its own and
 * does not use this.
 *
 *	ROOT (/run/insula/oci, 0700; means nothing after a reboot)
 *	  ID/state.json	  struct state
 *	  ID/config.json  the configuration as it was at `create`
 *	  ID/lock	  held by a verb that changes the container, by `create` from the first moment
 *	  ID/start	  a FIFO: the container's process waits on it for `start`
 *	  ID/answer	  a FIFO: why the command could not be executed, or end of file
 *
 * Both documents have a checksum: a byte that was changed is an error, never a guess.
 *
 * Nothing of a container's status is written down that could be asked instead. Whether its process lives
 * is asked of the kernel (pid and start time, and the boot id); whether it waits, of the FIFO: it holds
 * the read end until it executes the command. So a verb that is killed half-way leaves no lie behind.
 */
#ifndef INSULA_RUNTIME_STATE_H
#define INSULA_RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "json/json.h"
#include "kernel/cgroup.h"
#include "runtime/place.h"
#include "spec/spec.h"

/* Written by `create` before anything else is made, and again when the process is there. */
struct state {
	int version; /* of this format: 1 */
	char *id, *bundle, *rootfs;
	int64_t created_ns; /* CLOCK_REALTIME */
	int32_t owner;	    /* uid of whoever made it */
	int32_t pid; /* of its process, in the pid namespace of the runtime; 0: not born yet */
	uint64_t pid_start; /* start time, clock ticks since boot */
	char *boot_id;
	struct cgroup_place place; /* manager, path, unit, user */
	bool keep_keyring;   /* its processes have the session keyring of whoever starts them */
	uint64_t keyring;    /* else in the name of theirs; 0: each has its own */
	bool own_userns;     /* container root is not host root */
	uint32_t root_uid;   /* container root on the host */
	uint64_t config_sum; /* of config.json */
	bool ends_by_config; /* poststop hooks, or a group of resctrl: `delete` reads its configuration */
	struct strv annotations;
};

void state_init(struct state *s);
void state_done(struct state *s);

/* runtime.md "State", and paused, as engines know it. */
enum state_status { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_PAUSED, STATE_STOPPED };
const char *state_status_name(enum state_status status);

/* A container that was found, or is being made; released by state_dir_done. */
struct state_dir {
	int parent_fd, fd, lock_fd; /* ROOT, ROOT/ID; the lock or -1 */
	struct state state;
	enum state_status status;
	struct proc init; /* its process, where it lives */
};

#define STATE_DIR_INIT \
	((struct state_dir){.parent_fd = -1, .fd = -1, .lock_fd = -1, .init = PROC_INIT})
void state_dir_done(struct state_dir *dir);

/* ROOT, made where it is absent if `make`. -1: it is absent (ERR_NOT_FOUND), or cannot be opened. */
int state_open_root(const char *root, bool make, struct err *err);
/* Claim the id, take the lock, write state and configuration. What somebody left who was
 * killed while he made one of that id is removed by `clear` first. ERR_EXISTS where the id is taken; on
 * failure nothing is left. `state` is taken over. */
typedef int state_clear_fn(struct state_dir *dir, struct err *err);
int state_create(int root_fd, struct state *state, const char *config, size_t config_size,
		 state_clear_fn *clear, struct state_dir *ret, struct err *err);
/* ERR_NOT_FOUND "container 'ID' does not exist". */
int state_load(int root_fd, const char *id, struct state_dir *ret, struct err *err);
/* Exclusive, waits up to timeout_ms, and looks again what the container is by then. */
int state_lock(struct state_dir *dir, int timeout_ms, struct err *err);
/* config.json. */
int state_read_config(const struct state_dir *dir, struct spec *ret, struct err *err);
int state_write(struct state_dir *dir, struct err *err);
/* Who is running it now, and whether it waits. */
int state_refresh(struct state_dir *dir, struct err *err);
/* Take away the directory: its last trace. */
int state_remove(struct state_dir *dir, struct err *err);
int state_list(int root_fd, struct strv *ret_ids, struct err *err);

/* What the process writes into the answer before it executes its command; an error follows where it cannot. */
#define STATE_EXECUTES 'x'

/* Make the two FIFOs for the container's process, each held for reading and writing, so that neither waits. */
int state_make_fifos(const struct state_dir *dir, int *ret_start_fd, int *ret_answer_fd,
		     struct err *err);
/* Let it execute its command. 0: it has; an error: the one that it met, or that it died. */
int state_start(struct state_dir *dir, int timeout_ms, struct err *err);

/* The document of runtime.md "State": what `state` prints and hooks get. */
void state_write_document(const struct state *state, enum state_status status, int32_t pid,
			  struct json_writer *w);
int state_document(const struct state *state, enum state_status status, int32_t pid,
		   struct str *out, struct err *err);
/* RFC 3339, in `list` and `state`. */
const char *state_created_text(const struct state *state, char *buf, size_t size);

/* Its group; ERR_NOT_FOUND where it has none, or somebody has removed it. */
int state_open_cgroup(const struct state_dir *dir, const struct cgroup_host *host,
		      struct cgroup *ret, struct err *err);

#endif
