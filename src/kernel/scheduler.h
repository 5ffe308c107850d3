/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a process competes: scheduling policy (sched(7)), I/O priority (ioprio_set(2)) and the CPUs that
 * it may run on (sched_setaffinity(2)). All of it is set by somebody with the privilege on somebody
 * else, by pid: a process in a user namespace of its own may not raise itself.
 */
#ifndef INSULA_KERNEL_SCHEDULER_H
#define INSULA_KERNEL_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct scheduler {
	int policy; /* SCHED_* of linux/sched.h */
	int32_t nice, priority;
	uint64_t flags;			    /* SCHED_FLAG_* */
	uint64_t runtime, deadline, period; /* ns, of SCHED_DEADLINE */
};

/* pid 0: the calling thread. */
int scheduler_apply(pid_t pid, const struct scheduler *s, struct err *err);

struct io_priority {
	int class; /* IOPRIO_CLASS_* */
	int level; /* 0 highest .. 7 */
};

/* Of the process and of every one that it will start. */
int io_priority_apply(pid_t pid, const struct io_priority *p, struct err *err);

/* The CPUs of a list ("0-3,8"). ERR_INVALID where the process may run on none of them. */
int affinity_apply(pid_t pid, const char *list, struct err *err);

/* Every CPU that there is, of the calling thread: its control group's cpuset bounds that, also when it
 * changes. The kernel keeps what somebody once asked for (from Linux 6.2 across cpusets, too). */
int affinity_reset(struct err *err);

/* The calling thread's affinity, to be put back: any number of CPUs that a kernel can have. */
struct affinity {
	uint64_t words[8192 / 64];
	size_t size; /* bytes that the kernel filled; 0: nothing saved */
};
int affinity_save(struct affinity *ret, struct err *err);
int affinity_restore(const struct affinity *saved, struct err *err);

#endif
