/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words and the kernel's numbers for them. A word that stands here is one that is carried out: what a
 * kernel does not know is found out when it is asked, and said then.
 */
#include "spec/names.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <stddef.h>
#include <sys/personality.h>

#include "kernel/mempolicy.h"
#include "spec/spec.h"

const struct json_name spec_namespace_names[] = {
	{"user", SPEC_NS_USER},	    {"mount", SPEC_NS_MNT}, {"pid", SPEC_NS_PID},
	{"network", SPEC_NS_NET},   {"uts", SPEC_NS_UTS},   {"ipc", SPEC_NS_IPC},
	{"cgroup", SPEC_NS_CGROUP}, {"time", SPEC_NS_TIME}, {NULL, 0},
};

const struct json_name spec_sched_policies[] = {
	{"SCHED_OTHER", SCHED_NORMAL},
	{"SCHED_FIFO", SCHED_FIFO},
	{"SCHED_RR", SCHED_RR},
	{"SCHED_BATCH", SCHED_BATCH},
	{"SCHED_ISO", SPEC_SCHED_ISO},
	{"SCHED_IDLE", SCHED_IDLE},
	{"SCHED_DEADLINE", SCHED_DEADLINE},
	{NULL, 0},
};

const struct json_name spec_sched_flags[] = {
	{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
	{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
	{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
	{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
	{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
	{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
	{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
	{NULL, 0},
};

const struct json_name spec_io_classes[] = {
	{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
	{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
	{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
	{NULL, 0},
};

const struct json_name spec_mempolicy_modes[] = {
	{"MPOL_DEFAULT", MPOL_DEFAULT},
	{"MPOL_BIND", MPOL_BIND},
	{"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
	{"MPOL_WEIGHTED_INTERLEAVE", MEMPOLICY_WEIGHTED_INTERLEAVE},
	{"MPOL_PREFERRED", MPOL_PREFERRED},
	{"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
	{"MPOL_LOCAL", MPOL_LOCAL},
	{NULL, 0},
};

const struct json_name spec_mempolicy_flags[] = {
	{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
	{"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
	{"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
	{NULL, 0},
};

const struct json_name spec_personality_domains[] = {
	{"LINUX", PER_LINUX},
	{"LINUX32", PER_LINUX32},
	{NULL, 0},
};

const char *spec_name_of(const struct json_name *names, int value)
{
	while (names->name && names->value != value)
		names++;
	return names->name;
}
