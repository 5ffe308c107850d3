/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resource limits (setrlimit(2)), out-of-memory score, scheduler and I/O priority of one process. */
#ifndef INSULA_KERNEL_LIMITS_H
#define INSULA_KERNEL_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct rlimit_entry {
	int resource;	     /* RLIMIT_* */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/* "RLIMIT_NOFILE", "nofile" -> RLIMIT_NOFILE; -1 with ERR_INVALID. */
int rlimit_parse(const char *name, struct err *err);
const char *rlimit_name(int resource); /* "RLIMIT_NOFILE" */
/* docker's --ulimit NAME=SOFT[:HARD], -1 or "unlimited". */
int rlimit_parse_option(const char *text, struct rlimit_entry *ret, struct err *err);
/* What this process cannot raise (hard above our hard without CAP_SYS_RESOURCE) is clamped and one
 * line is added to *warnings; with strict it is ERR_DENIED. */
int rlimits_clamp(struct rlimit_entry *limits, size_t count, bool strict, struct strv *warnings,
		  struct err *err);
/* prlimit(2) on a process (0: the caller): only the caller's own CAP_SYS_RESOURCE in the initial user
 * namespace can raise a hard limit, so a container's are set from outside. Async-signal-safe. */
int rlimits_apply(pid_t pid, const struct rlimit_entry *limits, size_t count, struct err *err);
/* The same for a child that has work to do before it executes a command: however small RLIMIT_NOFILE is to be, as
 * many descriptors as that takes are left to it, until it lowers the limit itself, for which it needs no right. */
int rlimits_apply_to_child(pid_t pid, const struct rlimit_entry *limits, size_t count,
			   struct err *err);
int rlimits_lower_files(const struct rlimit_entry *limits, size_t count, struct err *err);

/* proc_fd: O_PATH of a trusted procfs. Writes self/oom_score_adj; lowering below the present value
 * needs CAP_SYS_RESOURCE: clamped likewise by oom_score_clamp. */
int oom_score_clamp(int proc_fd, int *score, bool strict, struct strv *warnings, struct err *err);
int oom_score_apply(int proc_fd, int score, struct err *err);

#endif
