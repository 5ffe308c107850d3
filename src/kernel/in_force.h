/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel enforces on a process just now: not what was asked for, but what proc(5) and
 * prlimit(2) say.
 */
#ifndef INSULA_KERNEL_IN_FORCE_H
#define INSULA_KERNEL_IN_FORCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/caps.h"
#include "kernel/limits.h"
#include "kernel/ns.h"

struct in_force {
	uint32_t uid, gid; /* effective, as the host has them */
	struct caps caps;
	bool no_new_privs;
	unsigned int seccomp_mode, seccomp_filters; /* 0 off, 1 strict, 2 filter; how many */
	struct {
		uint64_t inode; /* 0: this kernel has no such namespace */
		bool own;	/* another one than the caller's */
	} namespaces[NS_COUNT];
	struct strv uid_map, gid_map; /* "inside outside size" */
	struct rlimit_entry limits[RLIM_NLIMITS];
	int oom_score_adj;
	char label[256]; /* of the security module, "" where there is none */
};

void in_force_done(struct in_force *f);

/* proc_fd: a procfs that shows the process. ERR_NOT_FOUND where it ended meanwhile: what was read
 * before might be of another process with the same number. */
int in_force_read(int proc_fd, const struct proc *process, struct in_force *ret, struct err *err);

#endif
