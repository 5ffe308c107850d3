/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sched_setattr(2), ioprio_set(2) and sched_setaffinity(2), which the C library wraps not at all, or
 * for 1024 CPUs.
 *
 * The kernel answers EINVAL to nearly everything that is wrong with a scheduling policy. What can be told
 * beforehand is told by the specification's validation; what is left gets the hint that fits: a
 * privilege, a control group that has no real-time time to give, a kernel built without the feature.
 *
 * struct sched_attr is declared here with the members of Linux 5.3 (util_min, util_max): a flag that
 * clamps utilisation is refused with the older, shorter struct. runtime-spec has the flags and no member
 * for the values, which are 0 then, as runc has them.
 */
#include "kernel/scheduler.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/facts.h"

struct sched_attr_v1 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

_Static_assert(sizeof(struct sched_attr_v1) == 56, "SCHED_ATTR_SIZE_VER1");

static int explain(const struct scheduler *s, struct err *err)
{
	int error = errno;

	err_errno(err, "cannot set the scheduling policy");
	if (error == EPERM && (s->policy == SCHED_FIFO || s->policy == SCHED_RR))
		err_hint(err, "it needs CAP_SYS_NICE, and real-time time of the container's "
			      "control group (linux.resources.cpu.realtimeRuntime) where the "
			      "kernel has CONFIG_RT_GROUP_SCHED");
	else if (error == EPERM)
		err_hint(err, "it needs CAP_SYS_NICE, and for SCHED_DEADLINE every CPU");
	else if (error == EBUSY)
		err_hint(err, "the CPUs have no such share of time left for SCHED_DEADLINE");
	else if (error == EOPNOTSUPP && s->flags & SCHED_FLAG_UTIL_CLAMP)
		err_hint(err, "SCHED_FLAG_UTIL_CLAMP_* needs a kernel with CONFIG_UCLAMP_TASK");
	else if (error == EINVAL)
		err_hint(err, "this kernel may not know one of the flags, or does not take it with "
			      "this policy: see sched_setattr(2)");
	return -1;
}

int scheduler_apply(pid_t pid, const struct scheduler *s, struct err *err)
{
	struct sched_attr_v1 attr = {
		.size = sizeof attr,
		.policy = (uint32_t)s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = (uint32_t)s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};

	return syscall(SYS_sched_setattr, pid, &attr, 0) < 0 ? explain(s, err) : 0;
}

int io_priority_apply(pid_t pid, const struct io_priority *p, struct err *err)
{
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid,
		    IOPRIO_PRIO_VALUE(p->class, p->level)) == 0)
		return 0;
	err_errno(err, "cannot set the I/O priority");
	if (errno == EPERM)
		err_hint(err, "IOPRIO_CLASS_RT needs CAP_SYS_NICE or CAP_SYS_ADMIN");
	return -1;
}

/* ---- affinity ---- */

int affinity_apply(pid_t pid, const char *list, struct err *err)
{
	uint64_t words[8192 / 64];

	if (cpu_list_bits(list, words, sizeof words / sizeof *words, err) < 0)
		return -1;
	if (syscall(SYS_sched_setaffinity, pid, sizeof words, words) == 0)
		return 0;
	err_errno(err, "cannot run on the CPUs '%s'", list);
	if (errno == EINVAL)
		err_hint(err, "none of them is online and in the cpuset of the control group");
	return -1;
}

int affinity_reset(struct err *err)
{
	uint64_t words[8192 / 64];

	memset(words, 0xff, sizeof words);
	if (syscall(SYS_sched_setaffinity, 0, sizeof words, words) == 0)
		return 0;
	return err_errno(err, "cannot run on every CPU of the container's");
}

int affinity_save(struct affinity *ret, struct err *err)
{
	long size = syscall(SYS_sched_getaffinity, 0, sizeof ret->words, ret->words);

	if (size < 0)
		return err_errno(err, "cannot read the CPU affinity");
	ret->size = (size_t)size;
	return 0;
}

int affinity_restore(const struct affinity *saved, struct err *err)
{
	if (saved->size && syscall(SYS_sched_setaffinity, 0, saved->size, saved->words) < 0)
		return err_errno(err, "cannot go back to the CPUs of before");
	return 0;
}
