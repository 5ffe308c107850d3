/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The resources of a container as they were asked for: their defaults, and whether they make sense.
 *
 * Every range is checked here, before anything is made, although the kernel checks most of them
 * too: its answer is EINVAL for a file that the user never heard of, and comes when half of the
 * group exists. Errors name the field as the runtime specification does, because that is what the
 * user, or the engine above, has written.
 *
 * Engines write 0 for "not asked for" in most fields (Docker sends all of them), and -1 for "no
 * limit". Which fields take which is one column of the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define FIELD(name) offsetof(struct cgroup_resources, name)
#define NAME(name) "linux.resources." name

enum {
	ZERO_UNSET = 1, /* 0 is written for "not asked for" */
	MINUS_ONE = 2,	/* -1 means unlimited */
};

/* The bounds are those of the kernel's own checks; INT64_MAX where it has none. */
static const struct field {
	size_t offset;
	const char *name;
	unsigned int controller;
	int flags;
	int64_t min, max;
	const char *hint;
} fields[] = {
	{FIELD(memory_limit), NAME("memory.limit"), CG_MEMORY, ZERO_UNSET | MINUS_ONE, 4096,
	 INT64_MAX, NULL},
	{FIELD(memory_reservation), NAME("memory.reservation"), CG_MEMORY, ZERO_UNSET | MINUS_ONE,
	 4096, INT64_MAX, NULL},
	{FIELD(memory_swap), NAME("memory.swap"), CG_MEMORY, ZERO_UNSET | MINUS_ONE, 4096,
	 INT64_MAX, "it is the sum of memory and swap, and -1 lifts the limit"},
	{FIELD(memory_kernel), NAME("memory.kernel"), CG_MEMORY, ZERO_UNSET | MINUS_ONE, 4096,
	 INT64_MAX, NULL},
	{FIELD(memory_kernel_tcp), NAME("memory.kernelTCP"), CG_MEMORY, ZERO_UNSET | MINUS_ONE,
	 4096, INT64_MAX, NULL},
	{FIELD(memory_swappiness), NAME("memory.swappiness"), CG_MEMORY, 0, 0, 100, NULL},
	{FIELD(cpu_shares), NAME("cpu.shares"), CG_CPU, ZERO_UNSET, 2, 262144, NULL},
	{FIELD(cpu_quota), NAME("cpu.quota"), CG_CPU, ZERO_UNSET | MINUS_ONE, 1000,
	 INT64_MAX / 1000, "it is in microseconds of CPU time per period, at least 1000"},
	{FIELD(cpu_period), NAME("cpu.period"), CG_CPU, ZERO_UNSET, 1000, 1000000,
	 "it is in microseconds, from 1000 to 1000000"},
	{FIELD(cpu_burst), NAME("cpu.burst"), CG_CPU, 0, 0, INT64_MAX / 1000, NULL},
	{FIELD(cpu_rt_runtime), NAME("cpu.realtimeRuntime"), CG_CPU, MINUS_ONE, 0, INT64_MAX / 1000,
	 NULL},
	{FIELD(cpu_rt_period), NAME("cpu.realtimePeriod"), CG_CPU, ZERO_UNSET, 1, INT64_MAX / 1000,
	 NULL},
	{FIELD(cpu_idle), NAME("cpu.idle"), CG_CPU, 0, 0, 1, NULL},
	{FIELD(pids_limit), NAME("pids.limit"), CG_PIDS, MINUS_ONE, 0, 4194304,
	 "-1 lifts the limit"},
	{FIELD(io_weight), NAME("blockIO.weight"), CG_IO, ZERO_UNSET, 10, 1000, NULL},
	{FIELD(io_leaf_weight), NAME("blockIO.leafWeight"), CG_IO, ZERO_UNSET, 10, 1000, NULL},
	{FIELD(net_cls_classid), NAME("network.classID"), CG_NET_CLS, 0, 0, UINT32_MAX, NULL},
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const struct list {
	size_t offset;
	const char *name;
	uint64_t min, max; /* of the rate */
} lists[] = {
	{FIELD(io_weight_device), NAME("blockIO.weightDevice"), 10, 1000},
	{FIELD(io_leaf_weight_device), NAME("blockIO.weightDevice.leafWeight"), 10, 1000},
	{FIELD(io_read_bps), NAME("blockIO.throttleReadBpsDevice"), 0, UINT64_MAX},
	{FIELD(io_write_bps), NAME("blockIO.throttleWriteBpsDevice"), 0, UINT64_MAX},
	{FIELD(io_read_iops), NAME("blockIO.throttleReadIOPSDevice"), 0, UINT32_MAX},
	{FIELD(io_write_iops), NAME("blockIO.throttleWriteIOPSDevice"), 0, UINT32_MAX},
};

#define LIST_COUNT (sizeof(lists) / sizeof(lists[0]))

/* dev_t of the kernel: 12 bits and 20 bits. */
#define MAJOR_MAX 4095
#define MINOR_MAX 1048575

static int64_t *field_at(struct cgroup_resources *r, size_t offset)
{
	return (int64_t *)((char *)r + offset);
}

int64_t cgroup_resource_value(const struct cgroup_resources *r, size_t offset)
{
	return *(const int64_t *)((const char *)r + offset);
}

bool cgroup_resource_asked(const struct cgroup_resources *r, size_t offset)
{
	int64_t value = cgroup_resource_value(r, offset);

	if (value != 0)
		return value != CGROUP_UNSET;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (fields[i].offset == offset)
			return !(fields[i].flags & ZERO_UNSET);
	return true;
}

void cgroup_resources_init(struct cgroup_resources *r)
{
	*r = (struct cgroup_resources){0};
	for (size_t i = 0; i < FIELD_COUNT; i++)
		*field_at(r, fields[i].offset) = CGROUP_UNSET;
}

void cgroup_resources_done(struct cgroup_resources *r)
{
	for (size_t i = 0; i < LIST_COUNT; i++)
		free(((struct cgroup_throttles *)((char *)r + lists[i].offset))->items);
	for (size_t i = 0; i < r->hugetlb_count; i++)
		free(r->hugetlb[i].page_size);
	free(r->hugetlb);
	free(r->devices);
	free(r->cpuset_cpus);
	free(r->cpuset_mems);
	strv_done(&r->net_prio);
	strv_done(&r->rdma);
	strv_done(&r->unified);
	cgroup_resources_init(r);
}

static int check_field(const struct field *field, int64_t value, struct err *err)
{
	if (value == CGROUP_UNSET || (value == 0 && (field->flags & ZERO_UNSET)) ||
	    (value == -1 && (field->flags & MINUS_ONE)))
		return 0;
	if (value >= field->min && value <= field->max)
		return 0;
	if (field->max == INT64_MAX || value < field->min)
		err_set(err, ERR_INVALID, 0, "%s is %lld: the least is %lld", field->name,
			(long long)value, (long long)field->min);
	else
		err_set(err, ERR_INVALID, 0, "%s is %lld: the most is %lld", field->name,
			(long long)value, (long long)field->max);
	return field->hint ? err_hint(err, "%s", field->hint) : -1;
}

static int check_list(const struct list *list, const struct cgroup_throttles *throttles,
		      struct err *err)
{
	for (size_t i = 0; i < throttles->count; i++) {
		const struct cgroup_throttle *t = &throttles->items[i];

		if (t->major < 0 || t->major > MAJOR_MAX || t->minor < 0 || t->minor > MINOR_MAX)
			return err_set(err, ERR_INVALID, 0, "%s has no such device: %lld:%lld",
				       list->name, (long long)t->major, (long long)t->minor);
		if (t->rate < list->min || t->rate > list->max)
			return err_set(err, ERR_INVALID, 0,
				       "%s for device %lld:%lld is %llu: it is from %llu to %llu",
				       list->name, (long long)t->major, (long long)t->minor,
				       (unsigned long long)t->rate, (unsigned long long)list->min,
				       (unsigned long long)list->max);
	}
	return 0;
}

static int check_device(const struct cgroup_device *d, struct err *err)
{
	static const char name[] = NAME("devices");
	size_t len = strnlen(d->access, sizeof(d->access));

	if (d->type != 'a' && d->type != 'b' && d->type != 'c')
		return err_set(err, ERR_INVALID, 0, "%s: type '%c' is not a, b or c", name,
			       d->type);
	if (d->major < -1 || d->major > MAJOR_MAX || d->minor < -1 || d->minor > MINOR_MAX)
		return err_set(err, ERR_INVALID, 0, "%s: no device has the number %lld:%lld", name,
			       (long long)d->major, (long long)d->minor);
	if (len == 0 || len == sizeof(d->access) || strspn(d->access, "rwm") != len)
		return err_set(err, ERR_INVALID, 0, "%s: access '%.4s' is not made of r, w and m",
			       name, d->access);
	return 0;
}

/* "64KB", "2MB", "1GB", as the kernel names its files. */
static int check_page_size(const char *size, struct err *err)
{
	size_t digits = size ? strspn(size, "0123456789") : 0;

	if (digits == 0 || digits > 8 || !strchr("KMG", size[digits]) || !size[digits] ||
	    strcmp(size + digits + 1, "B") != 0) {
		err_set(err, ERR_INVALID, 0, NAME("hugepageLimits") ": '%s' is not a page size",
			size ? size : "");
		return err_hint(err, "write it as the kernel does, for example 2MB or 1GB");
	}
	return 0;
}

/* Values that go into a file whole must not hold another line. */
static int check_texts(const struct strv *texts, const char *name, struct err *err)
{
	for (size_t i = 0; i < texts->count; i++)
		if (str_has_control(texts->items[i]))
			return err_set(err, ERR_INVALID, 0, "%s has control characters: '%s'", name,
				       texts->items[i]);
	return 0;
}

/* Relations between fields that the kernel answers with a bare EINVAL. */
static int check_relations(const struct cgroup_resources *r, struct err *err)
{
	bool limited = r->memory_limit > 0;

	if (r->memory_swap > 0 && !limited)
		return err_set(err, ERR_INVALID, 0,
			       NAME("memory.swap") " needs a " NAME("memory.limit"));
	if (r->memory_swap > 0 && r->memory_swap < r->memory_limit) {
		err_set(err, ERR_INVALID, 0,
			NAME("memory.swap") " is %lld, less than " NAME("memory.limit") " (%lld)",
			(long long)r->memory_swap, (long long)r->memory_limit);
		return err_hint(err, "it is the sum of memory and swap, and -1 lifts the limit");
	}
	if (limited && r->memory_reservation > r->memory_limit)
		return err_set(err, ERR_INVALID, 0,
			       NAME("memory.reservation") " is %lld, more than " NAME(
				       "memory.limit") " (%lld)",
			       (long long)r->memory_reservation, (long long)r->memory_limit);
	if (r->cpu_burst > 0 && r->cpu_quota > 0 && r->cpu_burst > r->cpu_quota)
		return err_set(err, ERR_INVALID, 0,
			       NAME("cpu.burst") " is %lld, more than " NAME("cpu.quota") " (%lld)",
			       (long long)r->cpu_burst, (long long)r->cpu_quota);
	return 0;
}

/* A value that asks for something: not "no limit", which is what a group without it has. */
static bool field_limits(const struct field *field, int64_t value)
{
	if (value == CGROUP_UNSET || (value == -1 && (field->flags & MINUS_ONE)))
		return false;
	return value != 0 || !(field->flags & ZERO_UNSET);
}

unsigned int cgroup_resources_controllers(const struct cgroup_resources *r)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (field_limits(&fields[i], cgroup_resource_value(r, fields[i].offset)))
			bits |= fields[i].controller;
	for (size_t i = 0; i < LIST_COUNT; i++)
		if (((const struct cgroup_throttles *)((const char *)r + lists[i].offset))->count)
			bits |= CG_IO;
	return bits | (r->memory_disable_oom_killer ? CG_MEMORY : 0) |
	       (r->cpuset_cpus || r->cpuset_mems ? CG_CPUSET : 0) |
	       (r->device_count ? CG_DEVICES : 0) | (r->hugetlb_count ? CG_HUGETLB : 0) |
	       (r->net_prio.count ? CG_NET_PRIO : 0) | (r->rdma.count ? CG_RDMA : 0);
}

/* The name of the first limit that is asked for, or NULL. */
static const char *first_asked(const struct cgroup_resources *r)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (field_limits(&fields[i], cgroup_resource_value(r, fields[i].offset)))
			return fields[i].name;
	for (size_t i = 0; i < LIST_COUNT; i++)
		if (((const struct cgroup_throttles *)((const char *)r + lists[i].offset))->count)
			return lists[i].name;
	return r->memory_disable_oom_killer ? NAME("memory.disableOOMKiller")
	       : r->cpuset_cpus		    ? NAME("cpu.cpus")
	       : r->cpuset_mems		    ? NAME("cpu.mems")
	       : r->hugetlb_count	    ? NAME("hugepageLimits")
	       : r->net_prio.count	    ? NAME("network.priorities")
	       : r->rdma.count		    ? NAME("rdma")
	       : r->unified.count	    ? NAME("unified")
					    : NULL;
}

int cgroup_resources_refuse(const struct cgroup_resources *r, const char *reason, struct err *err)
{
	const char *name = first_asked(r);

	return name ? err_set(err, ERR_UNSUPPORTED, 0, "%s: %s", name, reason) : 0;
}

int cgroup_resources_check(const struct cgroup_resources *r, struct err *err)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (check_field(&fields[i], cgroup_resource_value(r, fields[i].offset), err) < 0)
			return -1;
	for (size_t i = 0; i < LIST_COUNT; i++)
		if (check_list(&lists[i], (const void *)((const char *)r + lists[i].offset), err) <
		    0)
			return -1;
	for (size_t i = 0; i < r->device_count; i++)
		if (check_device(&r->devices[i], err) < 0)
			return -1;
	for (size_t i = 0; i < r->hugetlb_count; i++)
		if (check_page_size(r->hugetlb[i].page_size, err) < 0)
			return -1;
	if (check_texts(&r->net_prio, NAME("network.priorities"), err) < 0 ||
	    check_texts(&r->rdma, NAME("rdma"), err) < 0)
		return -1;
	return check_relations(r, err);
}
