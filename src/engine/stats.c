/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula stats: what a container uses, from its control group and the counters of its network namespace,
 * which procfs shows of any process in it. No process enters anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/group.h"
#include "engine/lifecycle.h"
#include "engine/observe.h"

#define NET_SIZE 65536

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
	own_free char *text = malloc(NET_SIZE);
	struct err ignored = ERR_INIT;
	char path[48], *rest = text, *line;

	snprintf(path, sizeof path, "/proc/%d/net/dev", ct->state.init_pid);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!text || fd < 0 || fd_read_buf(fd, text, NET_SIZE, path, &ignored) < 0)
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
	if (group_open_of(host, ct, &cg, err) < 0) {
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
	if (ct->has_spec && ct->record.spec.linux_.namespaces[SPEC_NS_NET].given)
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
