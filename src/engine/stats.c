/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula stats: what a container uses, from its control group and the counters of its network namespace,
 * which procfs shows of any process in it. No process enters anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "engine/group.h"
#include "engine/lifecycle.h"
#include "engine/observe.h"
#include "kernel/procattr.h"

/* "  eth0: BYTES packets errs drop fifo frame compressed multicast BYTES ...", without the loopback. */
static void add_device(const char *line, struct usage *u)
{
	const char *colon = strchr(line, ':');
	uint64_t received, sent;

	line += strspn(line, " ");
	if (!colon || str_starts(line, "lo:"))
		return;
	if (sscanf(colon + 1, "%" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &received,
		   &sent) != 2)
		return;
	u->received += received;
	u->sent += sent;
}

static void read_network(const struct container *ct, struct usage *u)
{
	struct err ignored = ERR_INIT;
	own_free char *text = procfs_read_net(ct->state.init_pid, &ignored);
	char *rest = text, *line;

	if (!text) /* it is in ours, or has ended */
		return;
	u->has_network = true;
	while ((line = strsep(&rest, "\n")))
		add_device(line, u);
}

/* "some avg10=1.50 avg60=..." */
static bool read_pressure(const struct cgroup_host *host, const struct cgroup *cg,
			  unsigned int controller, const char *file, double *ret)
{
	char text[256];

	return cgroup_read(host, cg, controller, NULL, file, text, sizeof text) > 0 &&
	       sscanf(text, "some avg10=%lf", ret) == 1;
}

int engine_usage(const struct cgroup_host *host, struct container *ct, struct usage *ret,
		 struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	*ret = (struct usage){0};
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	if (group_need(host, ct, &cg, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		ct->status = CT_STOPPING; /* since just now */
		return engine_not_running(ct, err);
	}
	ret->at_ns = clock_boot_ns();
	if (cgroup_stats(host, &cg, &ret->group, err) < 0)
		return -1;
	ret->has_pressure = read_pressure(host, &cg, CG_CPU, "cpu.pressure", &ret->cpu_pressure) &&
			    read_pressure(host, &cg, CG_MEMORY, "memory.pressure",
					  &ret->memory_pressure) &&
			    read_pressure(host, &cg, CG_IO, "io.pressure", &ret->io_pressure);
	read_network(ct, ret);
	return 0;
}

double usage_cpu_percent(const struct usage *before, const struct usage *now)
{
	int64_t passed_ns = now->at_ns - before->at_ns;

	if (passed_ns <= 0 || now->group.cpu_usage_ns < before->group.cpu_usage_ns)
		return 0;
	return 100.0 * (double)(now->group.cpu_usage_ns - before->group.cpu_usage_ns) /
	       (double)passed_ns;
}
