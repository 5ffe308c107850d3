/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning a container's start, for engine_start and engine_dry_run; private to engine/. */
#ifndef INSULA_ENGINE_LAUNCH_H
#define INSULA_ENGINE_LAUNCH_H

#include "engine/engine.h"
#include "engine/group.h"
#include "kernel/cgroup.h"
#include "runtime/runtime.h"

/* Files in memory; what they say is released with them. */
struct launch_files {
	struct runtime_file *items;
	size_t count;
};

void launch_files_done(struct launch_files *f);

struct launch {
	struct cgroup_host host;
	struct runtime_layer *layers;
	struct runtime_source sources[2];
	size_t source_count;
	struct launch_files files;
	struct strv writable;	 /* a directory of the container for each layer */
	char init_program[4096]; /* PATH_MAX */
	struct plan *plan;
};

void launch_done(struct launch *l);
/* Namespaces of other containers, as long as they are to be joined. */
struct launch_others {
	int fds[SPEC_NS_COUNT];
	int shm_fd; /* what is mounted on the other's /dev/shm, detached */
	/* Of a user namespace: the range that is shared from now on; the start's to release. */
	uint32_t id_base;
	int id_slot;	    /* -1: none */
	int notify_fd;	    /* what is mounted on LAUNCH_NOTIFY_DIR */
	char *processes_of; /* whose end is this one's; NULL */
};

#define LAUNCH_NOTIFY_DIR "/run/notify"
/* Where the container says itself that it is ready: its socket, and what that is in. Else nothing
 * (launch_notify.c). */
int launch_notify(struct record *record, int *ret_mount_fd, int *ret_socket_fd, struct err *err);

#define LAUNCH_OTHERS_INIT \
	((struct launch_others){.fds = {-1, -1, -1, -1, -1, -1, -1, -1}, \
				.shm_fd = -1, \
				.notify_fd = -1, \
				.id_slot = -1})

void launch_others_done(struct launch_others *o);
/* In place of the path of a namespace in the record, with an id. */
#define LAUNCH_BY_CONTAINER "container:"
/* The user namespace in which an ordinary user's keeper must be to join those that are named in such paths; -1: none
 * is (launch_others.c). */
int launch_find_outer(struct store *store, const char *const paths[SPEC_NS_COUNT], int *ret_fd,
		      struct err *err);
/* What the record says of other containers becomes something to join. */
int launch_join_others(struct container *ct, struct launch_others *o, struct err *err);
/* Something to look at, for a plan that nobody executes. */
int launch_name_others(struct store *store, struct spec *spec, struct err *err);
/* A start failed: was it that its processes' namespace has ended? -1. */
int launch_explain_ended(const struct launch_others *o, struct err *err);

/* Has it no pid namespace of its own? Then its keeper has none either: engine/keeper_guard.c. */
bool launch_shares_pids(const struct record *record);
/* Fill the specification's id maps from id_base, check it, plan. What the plan points at is borrowed from
 * all arguments. */
int launch_plan(struct launch *l, struct store *store, struct record *record,
		const struct image *image, uint32_t id_base, const int stdio[3],
		const struct group_place *group, const struct launch_others *others,
		struct err *err);

/* upper and work of every layer, and in upper the files that say who the container is: hostname, hosts,
 * resolv.conf, machine-id (identity_files.c). Once, when the container is made. */
int launch_make_writable(const struct container *ct, const struct image *image, struct err *err);
/* The same for one that is started again: what is missing is made, as the image may have more layers now, or the host
 * may have gone down before what was made was on the disk. */
int launch_keep_writable(const struct container *ct, const struct image *image, struct err *err);
struct keeper_state;
/* As engine_start, in this process, which was the keeper of the last run and becomes the next: returns only
 * where that failed. */
int engine_start_in_place(struct container *ct, const struct image *image,
			  struct keeper_state *from, struct err *err);
/* Start those that are required, and whom they require, where they do not run; begin.c. */
int launch_begin_required(struct store *store, const struct strv *ids, struct err *err);
/* Are the secrets that the record names there, and what they are to be? Before anything is made (launch_secrets.c). */
int launch_check_secrets(struct store *store, const struct record *record, struct err *err);
/* Those that are variables. */
int launch_add_secret_env(struct store *store, const struct record *record, struct strv *env,
			  struct err *err);
/* Those that are files; what is in them: only where values are wanted. */
int launch_take_files(struct store *store, const struct record *record, bool values,
		      struct launch_files *f, struct err *err);
/* May the caller start containers at all? */
int launch_check_caller(struct err *err);
int launch_write_identity(int etc_fd, const struct record *record, struct err *err);
/* Those that a host which went down left empty, or all where it left none. */
int launch_mend_identity(int etc_fd, const struct record *record, struct err *err);
/* The time zone of that name, as tzfile(5) has it; "local" is the host's. Returns its size. */
ssize_t launch_read_timezone(const char *name, char **ret, struct err *err);

/* id_files.c: files in which a user finds who the container is. --cidfile: a new file with its id. */
int launch_write_cidfile(const char *path, const char *id, struct err *err);
/* --pidfile: made or written anew. */
int launch_write_pidfile(const char *path, pid_t pid, struct err *err);

#endif
