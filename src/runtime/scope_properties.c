/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties of a scope, from resources.
 *
 * What is set here is set a second time by us, as files of the group; it is the service manager's copy,
 * without which a daemon-reload or another unit's realisation would write its defaults over a limit of
 * the same group, and `systemctl show` and systemd-cgtop would tell nothing. Values per device are left
 * out: the manager wants paths of nodes, and refuses the whole unit where one is missing. So are device
 * rules, see place.h.
 *
 * A limit of 0 or 1 processes is left out as well: the placeholder and the container's first process are
 * two. It is in force all the same, written by us.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/facts.h"
#include "runtime/scope.h"

#define VALUE_MAX 4096
#define DEFAULT_PERIOD_US 100000
/* The manager keeps CPUQuotaPerSecUSec in steps of 10 ms. */
#define QUOTA_STEP_US 10000
#define CPU_MASK_WORDS 128 /* 8192 CPUs */

struct scope_property *scope_append(struct scope_properties *p, const char *name, const char *type,
				    struct err *err)
{
	struct scope_property *items = reallocarray(p->items, p->count + 1, sizeof(*items));

	if (!items) {
		err_set(err, ERR_LIMIT, 0, "out of memory");
		return NULL;
	}
	p->items = items;
	items[p->count] = (struct scope_property){.name = str_dup(name, err),
						  .type = str_dup(type, err)};
	p->count++;
	return items[p->count - 1].name && items[p->count - 1].type ? &items[p->count - 1] : NULL;
}

int scope_add(struct scope_properties *p, const char *name, const char *type, struct err *err,
	      const char *format, ...)
{
	struct scope_property *property = scope_append(p, name, type, err);
	own(str) struct str value = STR_INIT(VALUE_MAX);
	va_list ap;

	if (!property)
		return -1;
	va_start(ap, format);
	str_vaddf(&value, format, ap);
	va_end(ap);
	if (str_check(&value, name, err) < 0)
		return -1;
	return strv_add(&property->values, value.data, err);
}

/* ---- resources ---- */

/* UINT64_MAX is the manager's "infinity". */
static int add_amount(struct scope_properties *p, const char *name, int64_t value, struct err *err)
{
	return scope_add(p, name, "t", err, "%llu",
			 value < 0 ? (unsigned long long)UINT64_MAX : (unsigned long long)value);
}

static bool is_asked(int64_t value)
{
	return value != CGROUP_UNSET && value != 0;
}

static int add_memory(struct scope_properties *p, bool v2, const struct cgroup_resources *r,
		      struct err *err)
{
	int64_t swap = r->memory_swap;

	if (is_asked(r->memory_limit) &&
	    add_amount(p, v2 ? "MemoryMax" : "MemoryLimit", r->memory_limit, err) < 0)
		return -1;
	if (!v2)
		return 0;
	int64_t low = r->memory_reservation == -1 ? 0 : r->memory_reservation;
	if (is_asked(r->memory_reservation) && add_amount(p, "MemoryLow", low, err) < 0)
		return -1;
	if (r->memory_limit == -1 && !is_asked(swap))
		swap = -1;
	if (!is_asked(swap) || (swap > 0 && r->memory_limit <= 0))
		return 0;
	return add_amount(p, "MemorySwapMax", swap > 0 ? swap - r->memory_limit : -1, err);
}

/* Microseconds; a quota that is not positive is none, a period of 0 the manager's own. */
static int add_quota(struct scope_properties *p, int64_t quota, int64_t period, struct err *err)
{
	int64_t per_second = -1;

	if (period && add_amount(p, "CPUQuotaPeriodUSec", period, err) < 0)
		return -1;
	if (quota == CGROUP_UNSET)
		return 0;
	if (quota > 0)
		per_second = (quota * 1000000 / (period ? period : DEFAULT_PERIOD_US) +
			      QUOTA_STEP_US - 1) /
			     QUOTA_STEP_US * QUOTA_STEP_US;
	return add_amount(p, "CPUQuotaPerSecUSec", per_second, err);
}

static int add_cpu(struct scope_properties *p, bool v2, const struct cgroup_resources *r,
		   struct err *err)
{
	if (is_asked(r->cpu_shares) && r->cpu_idle != 1 &&
	    (v2 ? add_amount(p, "CPUWeight",
			     (int64_t)cgroup_shares_to_weight((uint64_t)r->cpu_shares), err)
		: add_amount(p, "CPUShares", r->cpu_shares, err)) < 0)
		return -1;
	return add_quota(p, is_asked(r->cpu_quota) ? r->cpu_quota : CGROUP_UNSET,
			 is_asked(r->cpu_period) ? r->cpu_period : 0, err);
}

/* "0-2,8" as a mask of bytes, the lowest CPU first. */
static int add_mask(struct scope_properties *p, const char *name, const char *list,
		    const char *field, struct err *err)
{
	uint64_t words[CPU_MASK_WORDS];
	struct scope_property *property;
	size_t bytes = sizeof(words);

	if (cpu_list_bits(list, words, CPU_MASK_WORDS, err) < 0)
		return err_wrap(err, "%s", field);
	while (bytes > 1 && !(words[(bytes - 1) / 8] >> (bytes - 1) % 8 * 8 & 0xff))
		bytes--;
	property = scope_append(p, name, "ay", err);
	if (!property)
		return -1;
	for (size_t i = 0; i < bytes; i++)
		if (strv_addf(&property->values, err, "%u",
			      (unsigned int)(words[i / 8] >> i % 8 * 8 & 0xff)) < 0)
			return -1;
	return 0;
}

static int add_cpuset(struct scope_properties *p, const struct cgroup_resources *r, struct err *err)
{
	static const char field[] = "linux.resources.cpu";

	if (r->cpuset_cpus && add_mask(p, "AllowedCPUs", r->cpuset_cpus, field, err) < 0)
		return -1;
	return r->cpuset_mems ? add_mask(p, "AllowedMemoryNodes", r->cpuset_mems, field, err) : 0;
}

static int add_pids(struct scope_properties *p, const struct cgroup_resources *r, struct err *err)
{
	if (r->pids_limit == CGROUP_UNSET || r->pids_limit == 0 || r->pids_limit == 1)
		return 0;
	return add_amount(p, "TasksMax", r->pids_limit, err);
}

static int add_io(struct scope_properties *p, bool v2, const struct cgroup_resources *r,
		  struct err *err)
{
	if (!is_asked(r->io_weight))
		return 0;
	return v2 ? add_amount(p, "IOWeight",
			       (int64_t)cgroup_blkio_to_io_weight((uint64_t)r->io_weight), err)
		  : add_amount(p, "BlockIOWeight", r->io_weight, err);
}

/* "QUOTA PERIOD" of cpu.max, each in microseconds, the first one perhaps "max", the second one perhaps not there. */
static int add_unified_quota(struct scope_properties *p, const char *value, struct err *err)
{
	const char *space = strchrnul(value, ' ');
	own_free char *first = str_dup_len(value, (size_t)(space - value), err);
	uint64_t quota = 0, period = 0;

	if (!first)
		return -1;
	if ((!str_eq(first, "max") &&
	     str_to_u64(first, 1, INT64_MAX / 1000000, "cpu.max", &quota, err) < 0) ||
	    (*space && str_to_u64(space + 1, 1, INT64_MAX, "cpu.max", &period, err) < 0))
		return -1;
	return add_quota(p, quota ? (int64_t)quota : -1, (int64_t)period, err);
}

static int add_unified_cpu(struct scope_properties *p, const struct strv *unified, struct err *err)
{
	static const char *const masks[][2] = {
		{"cpuset.cpus", "AllowedCPUs"},
		{"cpuset.mems", "AllowedMemoryNodes"},
	};
	const char *value = strv_env_get(unified, "cpu.max");

	if (value && add_unified_quota(p, value, err) < 0)
		return err_wrap(err, "linux.resources.unified");
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		value = strv_env_get(unified, masks[i][0]);
		if (value && *value &&
		    add_mask(p, masks[i][1], value, "linux.resources.unified", err) < 0)
			return -1;
	}
	return 0;
}

/* Files of linux.resources.unified that have a property of the same meaning. */
static int add_unified(struct scope_properties *p, const struct cgroup_resources *r,
		       struct err *err)
{
	static const char *const names[][2] = {
		{"memory.max", "MemoryMax"},	      {"memory.high", "MemoryHigh"},
		{"memory.low", "MemoryLow"},	      {"memory.min", "MemoryMin"},
		{"memory.swap.max", "MemorySwapMax"}, {"pids.max", "TasksMax"},
		{"cpu.weight", "CPUWeight"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = strv_env_get(&r->unified, names[i][0]);
		uint64_t number;

		if (!value)
			continue;
		if (str_eq(value, "max"))
			number = UINT64_MAX;
		else if (str_to_u64(value, 0, UINT64_MAX, names[i][0], &number, err) < 0)
			return err_wrap(err, "linux.resources.unified");
		if (str_eq(names[i][0], "pids.max") && number < 2)
			continue;
		if (scope_add(p, names[i][1], "t", err, "%llu", (unsigned long long)number) < 0)
			return -1;
	}
	return 0;
}

int scope_add_resources(struct scope_properties *p, const struct cgroup_host *host,
			const struct cgroup_resources *r, struct err *err)
{
	/* On a hybrid host the manager looks after what is on v1. */
	bool v2 = host->mode == CGROUP_V2;

	if (add_memory(p, v2, r, err) < 0 || add_cpu(p, v2, r, err) < 0 ||
	    add_pids(p, r, err) < 0 || add_io(p, v2, r, err) < 0)
		return -1;
	if (!v2)
		return 0;
	/* Later ones count: without them a scope would keep what unified overrides in the group below it. */
	if (add_cpuset(p, r, err) < 0 || add_unified(p, r, err) < 0)
		return -1;
	return add_unified_cpu(p, &r->unified, err);
}
