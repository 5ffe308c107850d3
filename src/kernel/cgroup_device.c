/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device rules on cgroup v1. The specification's rules are an ordered list where the last match
 * wins; the kernel's v1 controller is one default (allow or deny) with a set of exceptions, where
 * order means nothing. So the list is played through here into default and exceptions, and only the
 * result is written, in one pass: "a" to the file that sets the default and empties the set, then
 * each exception to the other one. Where no rule matches, access is denied, as other runtimes have
 * it, whatever the parent allows.
 *
 * Two things the kernel does not do by itself:
 * - one exception alone must cover all that is asked for, so reading by one rule and writing by
 *   another would not add up to opening for both: what covers a rule gives it the other half. Making
 *   a node is never asked for together with opening one, and stays where it was written;
 * - denying a part of an exception ("c 1:3" out of "c 1:*") removes nothing at all, silently. Such
 *   a list cannot be expressed and is reported, never written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/cgroup_device.h"
#include "kernel/cgroup_internal.h"

unsigned int cgroup_device_access(const struct cgroup_device *d)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < sizeof(d->access) && d->access[i]; i++)
		bits |= d->access[i] == 'r'   ? DEVICE_READ
			: d->access[i] == 'w' ? DEVICE_WRITE
					      : DEVICE_MKNOD;
	return bits;
}

void cgroup_device_set_access(struct cgroup_device *d, unsigned int bits)
{
	size_t len = 0;

	memset(d->access, 0, sizeof(d->access));
	if (bits & DEVICE_READ)
		d->access[len++] = 'r';
	if (bits & DEVICE_WRITE)
		d->access[len++] = 'w';
	if (bits & DEVICE_MKNOD)
		d->access[len++] = 'm';
}

bool cgroup_device_is_all(const struct cgroup_device *d)
{
	return d->type == 'a' && d->major == -1 && d->minor == -1 &&
	       cgroup_device_access(d) == DEVICE_ALL;
}

static bool covers(const struct cgroup_device *a, const struct cgroup_device *b)
{
	return a->type == b->type && (a->major == -1 || a->major == b->major) &&
	       (a->minor == -1 || a->minor == b->minor);
}

static bool overlaps(const struct cgroup_device *a, const struct cgroup_device *b)
{
	return a->type == b->type && (a->major == -1 || b->major == -1 || a->major == b->major) &&
	       (a->minor == -1 || b->minor == -1 || a->minor == b->minor);
}

void device_set_done(struct device_set *set)
{
	free(set->items);
	*set = (struct device_set){0};
}

static int set_append(struct device_set *set, const struct cgroup_device *d, struct err *err)
{
	struct cgroup_device *items = set->items;

	if (set->count % 16 == 0)
		items = reallocarray(items, set->count + 16, sizeof(*items));
	if (!items)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	set->items = items;
	items[set->count++] = *d;
	return 0;
}

/* What `narrow` needs of an exception that covers it: the other half of opening for both. */
static unsigned int lent(unsigned int wide, unsigned int narrow)
{
	return narrow & DEVICE_OPEN ? wide & DEVICE_OPEN : 0;
}

/* A rule against the default: one more exception, or more access for those there are. */
static int add_exception(struct device_set *set, const struct cgroup_device *rule, struct err *err)
{
	struct cgroup_device d = *rule;
	unsigned int access = cgroup_device_access(rule);
	bool there = false;

	d.allow = !set->allow;
	for (size_t i = 0; i < set->count; i++)
		if (covers(&set->items[i], rule))
			access |= lent(cgroup_device_access(&set->items[i]), access);
	cgroup_device_set_access(&d, access);
	for (size_t i = 0; i < set->count; i++) {
		struct cgroup_device *have = &set->items[i];
		unsigned int bits = cgroup_device_access(have);
		bool same = covers(have, rule) && covers(rule, have);

		there = there || same || (covers(have, rule) && (bits & access) == access);
		if (covers(rule, have))
			cgroup_device_set_access(have, bits | (same ? access : lent(access, bits)));
	}
	return there ? 0 : set_append(set, &d, err);
}

/* A rule of the default's own kind: takes access away from exceptions. 1: it cannot be expressed. */
static int remove_exceptions(struct device_set *set, const struct cgroup_device *rule)
{
	unsigned int access = cgroup_device_access(rule);
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++)
		if (overlaps(rule, &set->items[i]) && !covers(rule, &set->items[i]) &&
		    (cgroup_device_access(&set->items[i]) & access))
			return 1;
	for (size_t i = 0; i < set->count; i++) {
		struct cgroup_device d = set->items[i];

		if (covers(rule, &d))
			cgroup_device_set_access(&d, cgroup_device_access(&d) & ~access);
		if (*d.access)
			set->items[kept++] = d;
	}
	set->count = kept;
	return 0;
}

static int apply_rule(struct device_set *set, const struct cgroup_device *rule, struct err *err)
{
	if (rule->allow != set->allow)
		return add_exception(set, rule, err);
	return remove_exceptions(set, rule);
}

int device_set_play(struct device_set *set, const struct cgroup_device *rule, struct err *err)
{
	struct cgroup_device d = *rule;
	int rc;

	if (cgroup_device_is_all(rule)) {
		set->allow = rule->allow;
		set->count = 0;
		return 0;
	}
	if (rule->type != 'a')
		return apply_rule(set, rule, err);
	/* "a" with numbers or with part of the access: the kernel would take it for everything. */
	d.type = 'b';
	rc = apply_rule(set, &d, err);
	if (rc != 0)
		return rc;
	d.type = 'c';
	return apply_rule(set, &d, err);
}

static const char *number_text(int64_t number, char buf[static 24])
{
	if (number == -1)
		snprintf(buf, 24, "*");
	else
		snprintf(buf, 24, "%lld", (long long)number);
	return buf;
}

const char *cgroup_device_text(const struct cgroup_device *d, char buf[static DEVICE_TEXT_SIZE])
{
	char major[24], minor[24];

	snprintf(buf, DEVICE_TEXT_SIZE, "%c %s:%s %s", d->type, number_text(d->major, major),
		 number_text(d->minor, minor), d->access);
	return buf;
}

static int play_all(struct cgroup_planner *p, struct device_set *set, struct err *err)
{
	for (size_t i = 0; i < p->r->device_count; i++) {
		const struct cgroup_device *rule = &p->r->devices[i];
		char text[DEVICE_TEXT_SIZE];
		int rc = device_set_play(set, rule, err);

		if (rc == 1)
			rc = cgroup_planner_missing(p, err,
						    "linux.resources.devices: cgroup v1 cannot %s "
						    "'%s' out of a wider rule before it",
						    rule->allow ? "allow" : "deny",
						    cgroup_device_text(rule, text));
		if (rc < 0)
			return -1;
	}
	return 0;
}

int cgroup_device_plan_v1(struct cgroup_planner *p, int hierarchy, struct err *err)
{
	own(device_set) struct device_set set = {0};

	if (play_all(p, &set, err) < 0)
		return -1;
	if (cgroup_planner_write(p, hierarchy, CGW_REQUIRED,
				 set.allow ? "devices.allow" : "devices.deny", err, "a") < 0)
		return -1;
	for (size_t i = 0; i < set.count; i++) {
		char text[DEVICE_TEXT_SIZE];

		if (cgroup_planner_write(p, hierarchy, CGW_REQUIRED,
					 set.allow ? "devices.deny" : "devices.allow", err, "%s",
					 cgroup_device_text(&set.items[i], text)) < 0)
			return -1;
	}
	return 0;
}
