/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One container: request -> plan -> running first process.
 *
 * runtime_plan() turns a specification, a root file system and facts of the host into a list of
 * typed steps (runtime/plan.h): data that can be printed and tested without root. runtime_create()
 * executes it. The order of the steps, and why, is docs/architecture.md "The way of a start".
 */
#ifndef INSULA_RUNTIME_RUNTIME_H
#define INSULA_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/problems.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/facts.h"
#include "runtime/place.h"
#include "runtime/state.h"
#include "spec/spec.h"

/* Descriptors can be passed on from 3 on, so many at most. */
#define RUNTIME_PRESERVE_MAX 512

/* The first of them are those of sd_listen_fds(3): the command is told so. */
struct runtime_listen {
	int count;
	const char *names; /* LISTEN_FDNAMES, or NULL */
};

/* One file system of the root: where it goes and what it is made of. */
struct runtime_layer {
	const char *target;	   /* absolute in the container; "/" first */
	const char *const *lowers; /* host directories, topmost first; count >= 1 */
	size_t lower_count;
	const char *writable; /* host directory that holds "upper" and "work"; NULL: read-only */
	bool guard;	  /* the last lower is read through a guard overlay, see image/image.h */
	bool is_volatile; /* no sync of upper: it does not outlive the container */
};

/* A detached mount that takes the place of a bind's source, whatever its name is. */
struct runtime_source {
	const char *destination; /* of the bind */
	int fd;			 /* the caller's */
};

/* A file that is in memory alone, and read-only; the data is the caller's. */
struct runtime_file {
	const char *path; /* absolute in the container, clean */
	const void *data;
	size_t size;
	uint32_t uid, gid; /* the container's */
	mode_t mode;
};

/* Those in it come as one mount, and only its name is made in the root file system. It has no directories. */
#define RUNTIME_FILES_DIR "/run/secrets"

struct runtime_request {
	const char *id;
	const struct spec *spec;
	/* Either layers (an overlay each), or a directory used as it is (the OCI bundle's root). */
	const struct runtime_layer *layers;
	size_t layer_count;
	const char *root_dir;
	const struct runtime_source *sources;
	size_t source_count;
	const struct runtime_file *files;
	size_t file_count;
	const char *bundle; /* where relative sources of binds begin; NULL: there are none */
	bool canonical_sources; /* absolute ones came from realpath(3): none of their links is followed */
	bool no_pivot;		/* the root is moved on "/" and entered by chroot(2): see runc(8) */
	/* Where its control group is: a place, or a directory below each hierarchy ("insula-<id>"); both
	 * NULL: it has none of its own. */
	const struct cgroup_place *place;
	const char *cgroup_name;
	unsigned int cgroup_foreign; /* its leading directories that somebody else manages */
	const char *run_root;	     /* "/run/insula": the launch pad is pinned below it */
	const char *init_program; /* insula-init, for a specification that wants one; else NULL */
	const char *resctrl; /* a recorded tree in place of /sys/fs/resctrl, for tests; or NULL */
	bool strict;	     /* what would be clamped or missing is an error */
	bool strict_limits;  /* the same for limits of its control group alone */
	int stdio[3];	     /* what becomes 0, 1, 2 without a terminal; -1: /dev/null */
	int preserve_fds;    /* descriptors 3 .. 2+N are passed on */
	struct runtime_listen listen; /* of them */
	bool keep_keyring;	      /* the caller's session keyring, instead of a new one */
	bool filter_later; /* a profile is compiled when C has been born: what is wrong with it is said then */
	bool entered; /* we are in a user namespace by rootless_clone() */
	/* There is no pid namespace that ends with the container, or with us: its group holds its processes
	 * together, so it must have one, and its first process dies with us. */
	bool tied;
	bool needs_group; /* it was asked for a place: to go without one is an error */
	/* Of an OCI runtime. Where `wait` is set, runtime_create() returns when all is done but execve: the
	 * process waits on start_fd, and answers on answer_fd (state_make_fifos). */
	bool wait;
	int start_fd, answer_fd;
	int lock_fd; /* of the caller alone: a process that hangs must not hold it; 0: none */
	const struct state *state; /* what hooks are told; NULL: there are no hooks */
	/* The process exists in its group and has not been released: write down who it is. */
	int (*born)(void *data, pid_t host_pid, const struct cgroup *cgroup, struct err *err);
	void *born_data;
};

struct plan;

struct plan *runtime_plan(const struct runtime_request *request, const struct facts *facts,
			  const struct cgroup_host *host, struct err *err);
void runtime_plan_free(struct plan *plan);
/* One line a step, for --dry-run. */
int runtime_plan_print(const struct plan *plan, struct str *out, struct err *err);
/* After runtime_create() has failed: is there a control group that it made, and could not remove again? */
bool runtime_plan_left_group(const struct plan *plan);
/* By what processes that are to join it find the session keyring of the container: to be kept to oneself. */
uint64_t runtime_plan_keyring(const struct plan *plan);
/* What was clamped or left out, one line each; empty when nothing was. runtime_create() adds what only
 * shows when it is done. */
const struct strv *runtime_plan_warnings(const struct plan *plan);
/* The same as problems, without those of capabilities and limits, of which check_host() names the member. */
int runtime_plan_note(const struct plan *plan, struct problems *found, struct err *err);

/* Mounts of layers that are written back when they are unmounted. Whoever holds them does that; else it is the
 * last process of the container, at the pace that its limits on disks allow. */
struct runtime_layers {
	int *fds;
	size_t count;
};

struct runtime_container {
	struct proc init;     /* the container's first process, a child of the caller */
	pid_t host_pid;	      /* its number in the host's /proc */
	struct cgroup cgroup; /* .name is what later verbs open; without any member: it has none */
	int console_fd;	      /* terminal master, or -1 */
	struct runtime_layers layers;
};

#define RUNTIME_CONTAINER_INIT \
	((struct runtime_container){.init = PROC_INIT, .cgroup = CGROUP_INIT, .console_fd = -1})

/* Execute the plan. Returns after the container's command has been executed, or waits to be. On failure nothing is left: no process, mount or cgroup. Must be called from a
 * single-threaded process. ERR_CMD_NOT_FOUND and ERR_CMD_NOT_EXEC for the command itself. */
int runtime_create(struct plan *plan, struct runtime_container *ret, struct err *err);
/* Kill, reap and remove everything (for failures after create). */
void runtime_container_done(struct runtime_container *container);

/* Remove the resctrl groups that a start with this specification made. Success where there are none. `place`
 * as in the request. */
int runtime_resctrl_remove(const struct spec *spec, const char *id, const char *place,
			   struct err *err);

/* A further process in a running container. */
struct runtime_exec {
	const struct spec *spec; /* the container's: seccomp */
	const struct spec_process
		*process;	 /* args, env, cwd, user, terminal, limits, capabilities */
	const struct proc *init; /* the container's first process */
	const char *cgroup_name; /* of its group; NULL: it has none, we stay in ours */
	const struct cgroup_place
		*place; /* who manages the group, where we may not enter it; or NULL */
	const struct strv
		*cgroup_below; /* "[CONTROLLER,...:]PATH", see cgroup_descend(); or NULL */
	bool even_frozen;      /* in one that is frozen, wait until it thaws */
	int stdio[3];
	int preserve_fds;
	struct runtime_listen listen; /* of them */
	bool keep_keyring;
	uint64_t keyring; /* runtime_plan_keyring() of the start; 0: a new one */
	/* What was clamped, one line each; NULL: not wanted. */
	struct strv *warnings;
	/* The process exists, and has not executed the command: tell whoever wants to know. console_fd: its
	 * terminal's master, or -1. */
	int (*born)(void *data, const struct proc *process, int console_fd, struct err *err);
	void *born_data;
	const char *id; /* of the container, and what is known of it: for an agent that */
	const struct state *state; /* is told of a seccomp listener; or NULL */
};

/* Returns after execve succeeded. With a terminal, *ret_console_fd is its master. */
int runtime_exec(const struct runtime_exec *request, const struct cgroup_host *host,
		 struct proc *ret, int *ret_console_fd, struct err *err);

/* The launch pad (a mount namespace with an empty root, pinned at RUN_ROOT/pad): make it where it is
 * absent; returns a descriptor of the namespace. */
int runtime_pad_open(const char *run_root, struct err *err);
/* Unmount and remove it. Success where there is none. */
int runtime_pad_remove(const char *run_root, struct err *err);
/* 1: pinned and alive, 0: none. */
int runtime_pad_present(const char *run_root, struct err *err);
/* 1: there is only the file, of a maker that died; 0 otherwise. */
int runtime_pad_is_debris(const char *run_root, struct err *err);
/* Remove that file. Success where there is none, or where it was pinned meanwhile. */
int runtime_pad_clean(const char *run_root, struct err *err);

#endif
