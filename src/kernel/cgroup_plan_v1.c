/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resources as files of cgroup v1. The tables below are the whole mapping; the rows stand in the
 * order in which they must be written:
 *
 * - cpuset first: a new group has no CPUs and no memory nodes, and nothing can join it (ENOSPC)
 *   until it has both, so they are copied from the parent where nothing was asked for;
 * - memory before memory+swap, which the kernel keeps at or above it;
 * - idle before shares, because an idle group has none to set, and period before quota, whose
 *   ratio to it must not exceed the parent's at any moment;
 * - real-time period before runtime, for the same reason.
 *
 * Changing a running group may need the other order (raising memory above the old memory+swap);
 * cgroup_apply repeats what was refused after everything else was written.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/cgroup_internal.h"

#define FIELD(name) offsetof(struct cgroup_resources, name)

/* Unlimited is the word in pids.max, and -1 in all others. */
enum v1_kind { V1_NUMBER, V1_PIDS };

static const struct {
	unsigned int controller;
	size_t offset;
	const char *file;
	enum v1_kind kind;
	unsigned int flags;
} numbers[] = {
	{CG_MEMORY, FIELD(memory_limit), "memory.limit_in_bytes", V1_NUMBER, CGW_REQUIRED},
	{CG_MEMORY, FIELD(memory_swap), "memory.memsw.limit_in_bytes", V1_NUMBER, 0},
	{CG_MEMORY, FIELD(memory_reservation), "memory.soft_limit_in_bytes", V1_NUMBER, 0},
	{CG_MEMORY, FIELD(memory_kernel_tcp), "memory.kmem.tcp.limit_in_bytes", V1_NUMBER,
	 CGW_NOTED},
	{CG_MEMORY, FIELD(memory_swappiness), "memory.swappiness", V1_NUMBER, 0},
	{CG_CPU, FIELD(cpu_idle), "cpu.idle", V1_NUMBER, 0},
	{CG_CPU, FIELD(cpu_shares), "cpu.shares", V1_NUMBER, CGW_REQUIRED},
	{CG_CPU, FIELD(cpu_period), "cpu.cfs_period_us", V1_NUMBER, CGW_REQUIRED},
	{CG_CPU, FIELD(cpu_quota), "cpu.cfs_quota_us", V1_NUMBER, CGW_REQUIRED},
	{CG_CPU, FIELD(cpu_burst), "cpu.cfs_burst_us", V1_NUMBER, 0},
	{CG_CPU, FIELD(cpu_rt_period), "cpu.rt_period_us", V1_NUMBER, 0},
	{CG_CPU, FIELD(cpu_rt_runtime), "cpu.rt_runtime_us", V1_NUMBER, 0},
	{CG_PIDS, FIELD(pids_limit), "pids.max", V1_PIDS, CGW_REQUIRED},
	{CG_IO, FIELD(io_weight), "blkio.bfq.weight", V1_NUMBER, 0},
	{CG_NET_CLS, FIELD(net_cls_classid), "net_cls.classid", V1_NUMBER, CGW_REQUIRED},
};

static const struct {
	size_t offset;
	const char *file;
	unsigned int flags;
} throttles[] = {
	{FIELD(io_weight_device), "blkio.bfq.weight_device", 0},
	{FIELD(io_read_bps), "blkio.throttle.read_bps_device", CGW_REQUIRED},
	{FIELD(io_write_bps), "blkio.throttle.write_bps_device", CGW_REQUIRED},
	{FIELD(io_read_iops), "blkio.throttle.read_iops_device", CGW_REQUIRED},
	{FIELD(io_write_iops), "blkio.throttle.write_iops_device", CGW_REQUIRED},
};

/* The hierarchy of a controller if it is a v1 one, else -1. */
static int v1_hierarchy(const struct cgroup_planner *p, unsigned int controller)
{
	int h = cgroup_host_find(p->host, controller);

	return h >= 0 && !p->host->hierarchies[h].v2 ? h : -1;
}

static int plan_cpuset_file(struct cgroup_planner *p, int h, const char *file, const char *asked,
			    const char *have, struct err *err)
{
	unsigned int flags = CGW_REQUIRED | (asked ? 0 : CGW_INHERIT);

	return cgroup_planner_write(p, h, flags, file, err, "%s", asked ? asked : have);
}

static int plan_cpuset(struct cgroup_planner *p, struct err *err)
{
	int h = v1_hierarchy(p, CG_CPUSET);

	if (h < 0)
		return 0;
	if (plan_cpuset_file(p, h, "cpuset.cpus", p->r->cpuset_cpus, p->host->cpus, err) < 0)
		return -1;
	return plan_cpuset_file(p, h, "cpuset.mems", p->r->cpuset_mems, p->host->mems, err);
}

/* An idle group refuses shares; a limit on memory lifted without a word on swap lifts that too. */
static int64_t effective_value(const struct cgroup_resources *r, size_t offset)
{
	if (offset == FIELD(cpu_shares) && r->cpu_idle == 1)
		return CGROUP_UNSET;
	if (offset == FIELD(memory_swap) && r->memory_limit == -1 &&
	    !cgroup_resource_asked(r, offset))
		return -1;
	return cgroup_resource_asked(r, offset) ? cgroup_resource_value(r, offset) : CGROUP_UNSET;
}

static int plan_numbers(struct cgroup_planner *p, struct err *err)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t value = effective_value(p->r, numbers[i].offset);
		int h = v1_hierarchy(p, numbers[i].controller);
		char text[24];

		if (h < 0 || value == CGROUP_UNSET)
			continue;
		if (numbers[i].kind == V1_PIDS && value == -1)
			snprintf(text, sizeof(text), "max");
		else
			snprintf(text, sizeof(text), "%lld", (long long)value);
		if (cgroup_planner_write(p, h, numbers[i].flags, numbers[i].file, err, "%s", text) <
		    0)
			return -1;
	}
	return 0;
}

static int plan_throttles(struct cgroup_planner *p, struct err *err)
{
	int h = v1_hierarchy(p, CG_IO);

	for (size_t i = 0; h >= 0 && i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		const struct cgroup_throttles *list = (const void *)((const char *)p->r +
								     throttles[i].offset);

		for (size_t k = 0; k < list->count; k++)
			if (cgroup_planner_write(p, h, throttles[i].flags, throttles[i].file, err,
						 "%lld:%lld %llu", (long long)list->items[k].major,
						 (long long)list->items[k].minor,
						 (unsigned long long)list->items[k].rate) < 0)
				return -1;
	}
	return 0;
}

static int plan_hugetlb(struct cgroup_planner *p, struct err *err)
{
	int h = v1_hierarchy(p, CG_HUGETLB);

	for (size_t i = 0; h >= 0 && i < p->r->hugetlb_count; i++) {
		const struct cgroup_hugetlb *limit = &p->r->hugetlb[i];
		char file[64];

		snprintf(file, sizeof(file), "hugetlb.%s.limit_in_bytes", limit->page_size);
		if (cgroup_planner_write(p, h, CGW_REQUIRED, file, err, "%llu",
					 (unsigned long long)limit->limit) < 0)
			return -1;
		/* Without this one, reserved pages are charged only when they are touched, and
		 * the process gets SIGBUS instead of a failing mmap(2). */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.limit_in_bytes", limit->page_size);
		if (cgroup_planner_write(p, h, 0, file, err, "%llu",
					 (unsigned long long)limit->limit) < 0)
			return -1;
	}
	return 0;
}

static int plan_network(struct cgroup_planner *p, struct err *err)
{
	int h = v1_hierarchy(p, CG_NET_PRIO);

	for (size_t i = 0; h >= 0 && i < p->r->net_prio.count; i++) {
		const char *pair = p->r->net_prio.items[i];
		size_t len;

		if (cgroup_pair_split(pair, "linux.resources.network.priorities", &len, err) < 0 ||
		    cgroup_planner_write(p, h, CGW_REQUIRED, "net_prio.ifpriomap", err, "%.*s %s",
					 (int)len, pair, pair + len + 1) < 0)
			return -1;
	}
	return 0;
}

int cgroup_plan_v1(struct cgroup_planner *p, struct err *err)
{
	int memory = v1_hierarchy(p, CG_MEMORY);
	int devices = v1_hierarchy(p, CG_DEVICES);

	if (plan_cpuset(p, err) < 0 || plan_numbers(p, err) < 0)
		return -1;
	if (memory >= 0 && p->r->memory_disable_oom_killer &&
	    cgroup_planner_write(p, memory, CGW_REQUIRED, "memory.oom_control", err, "1") < 0)
		return -1;
	if (plan_throttles(p, err) < 0 || plan_hugetlb(p, err) < 0 || plan_network(p, err) < 0 ||
	    cgroup_planner_rdma(p, v1_hierarchy(p, CG_RDMA), err) < 0)
		return -1;
	if (devices >= 0 && p->r->device_count)
		return cgroup_device_plan_v1(p, devices, err);
	return 0;
}
