/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `events` prints: the statistics of a container's group in the form of runc's `events --stats`
 * ({"type":"stats","id":...,"data":{cpu, cpuset, memory, pids, blkio, hugetlb, intel_rdt,
 * network_interfaces}}), which containerd, cAdvisor and others parse, and a notice for every kill by the
 * out-of-memory killer ({"type":"oom","id":...}).
 */
#ifndef INSULA_RUNTIME_EVENTS_H
#define INSULA_RUNTIME_EVENTS_H

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/resctrl.h"

/* Whose statistics. */
struct events_source {
	const struct cgroup_host *host;
	const struct cgroup *cg;
	const char *id;
	const struct proc *init;   /* its first process, for its network interfaces and its end */
	const struct resctrl *rdt; /* linux.intelRdt, or NULL */
	const char *resctrl; /* a recorded tree in place of /sys/fs/resctrl, for tests; or NULL */
};

/* One line with its newline, appended. */
int runtime_stats_print(const struct events_source *source, struct str *out, struct err *err);

/* Statistics every interval_ms and out-of-memory notices as they come, written to out_fd, until the
 * container's first process ends (0) or a write fails. A reader that went away (EPIPE) is 0 too. */
int runtime_events_follow(const struct events_source *source, int interval_ms, int out_fd,
			  struct err *err);

#endif
