/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resources as files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
 *
 * The runtime specification speaks the language of v1, and its values are converted as runc and
 * crun do, so that a config means the same under every runtime:
 *
 * - cpu.shares (2..262144, default 1024) to cpu.weight (1..10000, default 100): the quadratic
 *   in log2(shares) that maps 2, 1024 and 262144 to 1, 100 and 10000. An older linear formula
 *   mapped 1024 to 39, and so gave a container with the default less than a host service has;
 * - memory+swap to swap alone: memory.swap.max = swap - limit;
 * - memory.reservation to memory.low; -1, "none" in v1, is 0 here, as "max" would protect all of it;
 * - quota and period to one line of cpu.max;
 * - block I/O weights (10..1000) to io.bfq.weight as they are or, where BFQ is not there, linearly
 *   to io.weight (1..10000);
 * - throttles to io.max, where 0, "no limit" in v1, is the word max.
 *
 * What v2 has no file for (swappiness, real-time scheduling, the OOM killer switched off) is
 * reported as missing.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define FIELD(name) offsetof(struct cgroup_resources, name)

enum v2_kind { V2_NUMBER, V2_LIMIT, V2_PROTECTION, V2_WEIGHT };

static const struct {
	unsigned int controller;
	size_t offset;
	const char *file;
	enum v2_kind kind;
	unsigned int flags;
} numbers[] = {
	{CG_MEMORY, FIELD(memory_limit), "memory.max", V2_LIMIT, CGW_REQUIRED},
	{CG_MEMORY, FIELD(memory_reservation), "memory.low", V2_PROTECTION, 0},
	{CG_CPU, FIELD(cpu_idle), "cpu.idle", V2_NUMBER, 0},
	{CG_CPU, FIELD(cpu_shares), "cpu.weight", V2_WEIGHT, CGW_REQUIRED},
	{CG_PIDS, FIELD(pids_limit), "pids.max", V2_LIMIT, CGW_REQUIRED},
};

static const struct {
	unsigned int controller;
	size_t offset;
	const char *name;
} absent[] = {
	{CG_MEMORY, FIELD(memory_swappiness), "memory.swappiness"},
	{CG_CPU, FIELD(cpu_rt_period), "cpu.realtimePeriod"},
	{CG_CPU, FIELD(cpu_rt_runtime), "cpu.realtimeRuntime"},
};

static const struct {
	size_t offset;
	const char *key;
} throttles[] = {
	{FIELD(io_read_bps), "rbps"},
	{FIELD(io_write_bps), "wbps"},
	{FIELD(io_read_iops), "riops"},
	{FIELD(io_write_iops), "wiops"},
};

/* Core files that act on processes instead of limiting them: not to be had through `unified`. */
static const char *const core_refused[] = {"cgroup.procs", "cgroup.threads",
					   "cgroup.kill",  "cgroup.freeze",
					   "cgroup.type",  "cgroup.subtree_control"};

static int v2_hierarchy(const struct cgroup_planner *p, unsigned int controller)
{
	int h = cgroup_host_find(p->host, controller);

	return h >= 0 && p->host->hierarchies[h].v2 ? h : -1;
}

/* The hierarchy itself, whatever it has. */
static int v2_index(const struct cgroup_host *host)
{
	for (size_t i = 0; i < host->count; i++)
		if (host->hierarchies[i].v2)
			return (int)i;
	return -1;
}

uint64_t cgroup_shares_to_weight(uint64_t shares)
{
	double l;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double)shares);
	return (uint64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

uint64_t cgroup_blkio_to_io_weight(uint64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

/* Who is born into a v2 group counts at once. On v1 processes are moved in, which nothing forbids. */
static unsigned int late_flag(size_t offset, int64_t value)
{
	return offset == FIELD(pids_limit) && value == 0 ? CGW_LATE : 0;
}

static int plan_numbers(struct cgroup_planner *p, struct err *err)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t value = cgroup_resource_value(p->r, numbers[i].offset);
		int h = v2_hierarchy(p, numbers[i].controller);
		bool idle = numbers[i].kind == V2_WEIGHT && p->r->cpu_idle == 1;
		char text[24];

		if (h < 0 || idle || !cgroup_resource_asked(p->r, numbers[i].offset))
			continue;
		if (numbers[i].kind == V2_WEIGHT)
			value = (int64_t)cgroup_shares_to_weight((uint64_t)value);
		if (numbers[i].kind == V2_PROTECTION && value == -1)
			value = 0;
		if (numbers[i].kind == V2_LIMIT && value == -1)
			snprintf(text, sizeof(text), "max");
		else
			snprintf(text, sizeof(text), "%lld", (long long)value);
		if (cgroup_planner_write(p, h,
					 numbers[i].flags | late_flag(numbers[i].offset, value),
					 numbers[i].file, err, "%s", text) < 0)
			return -1;
	}
	return 0;
}

static int report_absent(struct cgroup_planner *p, struct err *err)
{
	/* As with memory.kernel: the specification advises against it. */
	if (p->r->memory_kernel_tcp > 0 && v2_hierarchy(p, CG_MEMORY) >= 0 &&
	    strv_add(&p->plan->missing,
		     "linux.resources.memory.kernelTCP: cgroup v2 has no such file", err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		int64_t value = cgroup_resource_value(p->r, absent[i].offset);

		if (v2_hierarchy(p, absent[i].controller) < 0 || value == -1 ||
		    !cgroup_resource_asked(p->r, absent[i].offset))
			continue;
		if (cgroup_planner_missing(p, err, "linux.resources.%s: cgroup v2 has no such file",
					   absent[i].name) < 0)
			return -1;
	}
	if (p->r->memory_disable_oom_killer && v2_hierarchy(p, CG_MEMORY) >= 0)
		return cgroup_planner_missing(
			p, err,
			"linux.resources.memory.disableOOMKiller: cgroup v2 has no such file");
	return 0;
}

/* A limit on memory lifted without a word on swap lifts that too, as on v1. */
static int plan_swap(struct cgroup_planner *p, struct err *err)
{
	int64_t limit = p->r->memory_limit, swap = p->r->memory_swap;
	bool asked = cgroup_resource_asked(p->r, FIELD(memory_swap));
	int h = v2_hierarchy(p, CG_MEMORY);

	if (h < 0 || (!asked && limit != -1))
		return 0;
	if (!asked || swap == -1)
		return cgroup_planner_write(p, h, 0, "memory.swap.max", err, "max");
	return cgroup_planner_write(p, h, 0, "memory.swap.max", err, "%lld",
				    (long long)(swap - limit));
}

static int plan_cpu_max(struct cgroup_planner *p, struct err *err)
{
	bool quota = cgroup_resource_asked(p->r, FIELD(cpu_quota));
	bool period = cgroup_resource_asked(p->r, FIELD(cpu_period));
	int h = v2_hierarchy(p, CG_CPU);
	own(str) struct str value = STR_INIT(64);

	if (h < 0)
		return 0;
	if (quota && p->r->cpu_quota > 0)
		str_addf(&value, "%lld", (long long)p->r->cpu_quota);
	else
		str_add(&value, "max");
	if (period)
		str_addf(&value, " %lld", (long long)p->r->cpu_period);
	if ((quota || period) &&
	    cgroup_planner_write(p, h, CGW_REQUIRED, "cpu.max", err, "%s", value.data) < 0)
		return -1;
	if (cgroup_resource_asked(p->r, FIELD(cpu_burst)))
		return cgroup_planner_write(p, h, 0, "cpu.max.burst", err, "%lld",
					    (long long)p->r->cpu_burst);
	return 0;
}

static int plan_cpuset(struct cgroup_planner *p, struct err *err)
{
	int h = v2_hierarchy(p, CG_CPUSET);

	if (h < 0)
		return 0;
	if (p->r->cpuset_cpus && cgroup_planner_write(p, h, CGW_REQUIRED, "cpuset.cpus", err, "%s",
						      p->r->cpuset_cpus) < 0)
		return -1;
	if (p->r->cpuset_mems && cgroup_planner_write(p, h, CGW_REQUIRED, "cpuset.mems", err, "%s",
						      p->r->cpuset_mems) < 0)
		return -1;
	return 0;
}

/* `prefix` is "" for the group's own weight, "8:0 " for a device's. */
static int plan_io_weight(struct cgroup_planner *p, int h, const char *prefix, uint64_t weight,
			  struct err *err)
{
	const char *key = *prefix ? prefix : "default ";

	if (cgroup_planner_write(p, h, 0, "io.bfq.weight", err, "%s%llu", prefix,
				 (unsigned long long)weight) < 0)
		return -1;
	return cgroup_planner_write(p, h, CGW_ALTERNATIVE, "io.weight", err, "%s%llu", key,
				    (unsigned long long)cgroup_blkio_to_io_weight(weight));
}

static int plan_io_weights(struct cgroup_planner *p, int h, struct err *err)
{
	const struct cgroup_throttles *devices = &p->r->io_weight_device;

	if (cgroup_resource_asked(p->r, FIELD(io_weight)) &&
	    plan_io_weight(p, h, "", (uint64_t)p->r->io_weight, err) < 0)
		return -1;
	for (size_t i = 0; i < devices->count; i++) {
		char prefix[32];

		snprintf(prefix, sizeof(prefix), "%lld:%lld ", (long long)devices->items[i].major,
			 (long long)devices->items[i].minor);
		if (plan_io_weight(p, h, prefix, devices->items[i].rate, err) < 0)
			return -1;
	}
	return 0;
}

static int plan_throttle(struct cgroup_planner *p, int h, const char *key,
			 const struct cgroup_throttle *t, struct err *err)
{
	char rate[24] = "max";

	if (t->rate)
		snprintf(rate, sizeof(rate), "%llu", (unsigned long long)t->rate);
	return cgroup_planner_write(p, h, CGW_REQUIRED, "io.max", err, "%lld:%lld %s=%s",
				    (long long)t->major, (long long)t->minor, key, rate);
}

static int plan_io(struct cgroup_planner *p, struct err *err)
{
	int h = v2_hierarchy(p, CG_IO);

	if (h < 0)
		return 0;
	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		const struct cgroup_throttles *list = (const void *)((const char *)p->r +
								     throttles[i].offset);

		for (size_t k = 0; k < list->count; k++)
			if (plan_throttle(p, h, throttles[i].key, &list->items[k], err) < 0)
				return -1;
	}
	return plan_io_weights(p, h, err);
}

static int plan_hugetlb(struct cgroup_planner *p, struct err *err)
{
	static const struct {
		const char *suffix;
		unsigned int flags;
	} kinds[] = {{"max", CGW_REQUIRED}, {"rsvd.max", 0}};
	int h = v2_hierarchy(p, CG_HUGETLB);

	for (size_t i = 0; h >= 0 && i < 2 * p->r->hugetlb_count; i++) {
		const struct cgroup_hugetlb *limit = &p->r->hugetlb[i / 2];
		char file[64];

		snprintf(file, sizeof(file), "hugetlb.%s.%s", limit->page_size,
			 kinds[i % 2].suffix);
		if (cgroup_planner_write(p, h, kinds[i % 2].flags, file, err, "%llu",
					 (unsigned long long)limit->limit) < 0)
			return -1;
	}
	return 0;
}

/* ---- linux.resources.unified ---- */

static int check_unified_file(const struct cgroup_planner *p, int h, const char *file, size_t len,
			      struct err *err)
{
	size_t prefix = strcspn(file, ".=");
	unsigned int bit = cgroup_controller_bit(file, prefix);

	if (len >= 64 || prefix == 0 || prefix >= len || memchr(file, '/', len))
		return err_set(err, ERR_INVALID, 0,
			       "linux.resources.unified: '%.*s' is not a cgroup file", (int)len,
			       file);
	for (size_t i = 0; i < sizeof(core_refused) / sizeof(core_refused[0]); i++)
		if (strlen(core_refused[i]) == len && !memcmp(core_refused[i], file, len))
			return err_set(err, ERR_INVALID, 0,
				       "linux.resources.unified: '%s' is not a resource",
				       core_refused[i]);
	if (prefix == strlen("cgroup") && !memcmp(file, "cgroup", prefix))
		return 0;
	if (!(p->host->hierarchies[h].controllers & bit))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "linux.resources.unified: this host has no controller for '%.*s' "
			       "on cgroup v2",
			       (int)len, file);
	return 0;
}

/* A value of several lines (io.max of two devices) is several writes. */
static int plan_unified_lines(struct cgroup_planner *p, int h, const char *file, const char *value,
			      struct err *err)
{
	while (*value) {
		size_t len = strcspn(value, "\n");
		own_free char *line = str_dup_len(value, len, err);

		if (!line)
			return -1;
		if (str_has_control(line))
			return err_set(err, ERR_INVALID, 0,
				       "linux.resources.unified: the value of '%s' has control "
				       "characters",
				       file);
		if (len && cgroup_planner_write(p, h, CGW_REQUIRED, file, err, "%s", line) < 0)
			return -1;
		if (len)
			p->plan->writes[p->plan->count - 1].unified = true;
		value += len + (value[len] == '\n');
	}
	return 0;
}

static int plan_unified(struct cgroup_planner *p, struct err *err)
{
	int h = v2_index(p->host);

	if (h < 0 && p->r->unified.count)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "linux.resources.unified: this host has no cgroup v2");
	for (size_t i = 0; i < p->r->unified.count; i++) {
		const char *pair = p->r->unified.items[i];
		char file[64];
		size_t len;

		if (cgroup_pair_split(pair, "linux.resources.unified", &len, err) < 0 ||
		    check_unified_file(p, h, pair, len, err) < 0)
			return -1;
		snprintf(file, sizeof(file), "%.*s", (int)len, pair);
		if (plan_unified_lines(p, h, file, pair + len + 1, err) < 0)
			return -1;
	}
	return 0;
}

int cgroup_plan_v2(struct cgroup_planner *p, struct err *err)
{
	p->plan->device_bpf = p->r->device_count && v2_hierarchy(p, CG_DEVICES) >= 0;
	if (report_absent(p, err) < 0 || plan_cpuset(p, err) < 0 || plan_numbers(p, err) < 0 ||
	    plan_swap(p, err) < 0 || plan_cpu_max(p, err) < 0 || plan_io(p, err) < 0 ||
	    plan_hugetlb(p, err) < 0 || cgroup_planner_rdma(p, v2_hierarchy(p, CG_RDMA), err) < 0)
		return -1;
	return plan_unified(p, err);
}
