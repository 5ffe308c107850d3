/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules of `linux.resources` that need no host: lists that must be lists, names that become file
 * names or lines in the cgroup file system, and combinations that no kernel accepts. Whether the
 * controller exists, the CPUs are there and the value is within this kernel's bounds is said by the
 * cgroup layer when it plans.
 */
#include <string.h>

#include "kernel/facts.h"
#include "spec/validate.h"

static bool is_set(int64_t value)
{
	return value != CGROUP_UNSET;
}

/* swap is memory and swap together; -1 is no limit. */
static int check_swap(const struct spec *s, struct problems *found, struct err *err)
{
	const struct cgroup_resources *r = &s->linux_.resources;

	if (is_set(r->memory_swap) && r->memory_swap != -1) {
		if (!is_set(r->memory_limit) || r->memory_limit == -1)
			return err_set(
				err, ERR_INVALID, 0,
				"linux.resources.memory.swap: needs a memory limit beside it");
		if (r->memory_swap < r->memory_limit)
			return err_set(
				err, ERR_INVALID, 0,
				"linux.resources.memory.swap: is below the memory limit, which it "
				"includes");
	}
	return 0;
}

static int check_reservation(const struct spec *s, struct problems *found, struct err *err)
{
	const struct cgroup_resources *r = &s->linux_.resources;

	if (is_set(r->memory_reservation) && is_set(r->memory_limit) && r->memory_limit != -1 &&
	    r->memory_reservation > r->memory_limit)
		return err_set(err, ERR_INVALID, 0,
			       "linux.resources.memory.reservation: is above the memory limit");
	return 0;
}

static int check_list(const char *list, const char *member, struct err *err)
{
	if (list && cpu_list_count(list, err) < 0)
		return err_wrap(err, "linux.resources.cpu.%s", member);
	return 0;
}

static int check_burst(const struct spec *s, struct problems *found, struct err *err)
{
	const struct cgroup_resources *r = &s->linux_.resources;

	if (is_set(r->cpu_burst) && is_set(r->cpu_quota) && r->cpu_quota > 0 &&
	    r->cpu_burst > r->cpu_quota)
		return err_set(err, ERR_INVALID, 0,
			       "linux.resources.cpu.burst: is above the quota");
	return 0;
}

static int check_cpus(const struct spec *s, struct problems *found, struct err *err)
{
	return check_list(s->linux_.resources.cpuset_cpus, "cpus", err);
}

static int check_mems(const struct spec *s, struct problems *found, struct err *err)
{
	return check_list(s->linux_.resources.cpuset_mems, "mems", err);
}

/* "2MB", "1GB", "64KB": a number and a unit, as the names of the controller's files have it. */
static bool is_page_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits < 8 && text[0] != '0' &&
	       (str_eq(text + digits, "KB") || str_eq(text + digits, "MB") ||
		str_eq(text + digits, "GB"));
}

static int check_page_limit(const struct cgroup_resources *r, size_t i, struct err *err)
{
	const char *size = r->hugetlb[i].page_size;

	if (!is_page_size(size))
		return err_set(err, ERR_INVALID, 0,
			       "linux.resources.hugepageLimits[%zu].pageSize: '%s' is not a page "
			       "size such as 2MB",
			       i, size);
	for (size_t j = 0; j < i; j++)
		if (str_eq(size, r->hugetlb[j].page_size))
			return err_set(err, ERR_INVALID, 0,
				       "linux.resources.hugepageLimits[%zu].pageSize: '%s' is "
				       "listed twice",
				       i, size);
	return 0;
}

static int check_hugetlb(const struct spec *s, struct problems *found, struct err *err)
{
	const struct cgroup_resources *r = &s->linux_.resources;

	for (size_t i = 0; i < r->hugetlb_count; i++)
		if (check_page_limit(r, i, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* "memory.high=..." names a file of the group itself: no directory part, and never one of those that
 * move processes or controllers. */
static bool is_unified_file(const char *name, size_t len)
{
	if (len == 0 || len > 63 || memchr(name, '/', len) || !memchr(name, '.', len) ||
	    name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    name[i]))
			return false;
	return strncmp(name, "cgroup.", 7) != 0 || strncmp(name, "cgroup.max.", 11) == 0;
}

static int check_unified_entry(const char *entry, struct err *err)
{
	size_t len = strcspn(entry, "=");

	if (!is_unified_file(entry, len))
		return err_set(err, ERR_INVALID, 0,
			       "linux.resources.unified: '%.*s' is not a file of a controller",
			       (int)(len < 64 ? len : 64), entry);
	if (str_has_control(entry + len))
		return err_set(err, ERR_INVALID, 0,
			       "linux.resources.unified[\"%.*s\"]: has control characters",
			       (int)len, entry);
	return 0;
}

static int check_unified(const struct spec *s, struct problems *found, struct err *err)
{
	const struct strv *unified = &s->linux_.resources.unified;

	for (size_t i = 0; i < unified->count; i++)
		if (check_unified_entry(unified->items[i], err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

int spec_validate_resources(const struct spec *s, struct problems *found, struct err *err)
{
	static spec_rule_fn *const rules[] = {
		check_swap, check_reservation, check_burst,   check_cpus,
		check_mems, check_hugetlb,     check_unified, NULL,
	};

	return spec_check_rules(rules, s, found, err);
}
