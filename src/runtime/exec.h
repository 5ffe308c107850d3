/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two halves of an exec share. Private to runtime/. */
#ifndef INSULA_RUNTIME_EXEC_H
#define INSULA_RUNTIME_EXEC_H

#include "runtime/start.h"

struct exec_map {
	struct id_map items[NS_MAP_MAX];
	size_t count;
};

struct exec {
	const struct runtime_exec *request;
	int proc_fd, root_fd;
	pid_t init_pid;	      /* as proc_fd has it */
	int namespaces;	      /* CLONE_NEW* of those that are to be entered */
	struct cgroup cgroup; /* without members: none is joined */
	struct seccomp_filter filter;
	bool has_filter;
	bool filter_later; /* it is made while A goes in */
	struct caps caps;
	struct exec_map uids, gids;
	uint32_t root_uid, root_gid; /* of the container's root, on the host */
	struct identity identity;
	bool shares_mounts;    /* its mount namespace has others in it, with a root of their own */
	bool ordinary;	       /* user: no rights outside of his containers */
	bool groups_are_fixed; /* in the container's user namespace */
	bool apparmor;	       /* lsm_check_labels() */
	struct proc joiner;
	bool must_attach; /* A was born in our group, and waits until the service manager has moved it */
	struct rlimit_entry *rlimits; /* clamped to what we may set */
	int oom_score_adj;
	int sync_fd, joiner_fd; /* P's and A's end */
};

/* What A tells P: the two ends of a terminal, where one is wanted, and then the newborn. */
struct exec_born {
	pid_t pid; /* in A's, that is P's, pid namespace; 0: not yet */
};

/* A, born with the container's group: enter the container, bear its process, end. */
_Noreturn void exec_join(struct exec *x);

#endif
