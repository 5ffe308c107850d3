/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * New limits for a container: into the kernel first, which may refuse, then into the record. A refused write
 * undoes those before it (kernel/cgroup_apply), and a record that cannot be written undoes them all, so
 * nothing is half applied. Who is killed between the two has changed what is in force and not what
 * the next start has; the same update again does the rest.
 *
 * What is asked for is checked together with what the record has: a memory limit below the reservation, say.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "engine/change.h"
#include "engine/event.h"
#include "engine/group.h"
#include "engine/request.h"
#include "runtime/place.h"
#include "runtime/update.h"

#define CPU_PERIOD_US 100000
#define NO_LIMIT (-1)

struct update {
	const struct update_options *options;
	struct container *ct;
	struct cgroup_resources asked; /* only what is to change */
	struct facts facts;
};

static struct cgroup_resources *recorded(const struct update *u)
{
	return &u->ct->record.spec.linux_.resources;
}

/* "-1" or bytes. */
static int take_bytes(const char *text, const char *flag, int64_t *ret, struct err *err)
{
	uint64_t bytes;

	if (!text)
		return 0;
	if (str_eq(text, "-1")) {
		*ret = NO_LIMIT;
		return 0;
	}
	if (str_to_bytes(text, flag, &bytes, err) < 0)
		return -1;
	if (bytes == 0) {
		err_set(err, ERR_USAGE, 0, "%s: '%s' is no limit", flag, text);
		return err_hint(err, "-1 is without a limit");
	}
	*ret = (int64_t)bytes;
	return 0;
}

/* What will be in force: what is asked for, or else what the record has. */
static int64_t effective(int64_t asked, int64_t before)
{
	int64_t value = asked == CGROUP_UNSET ? before : asked;

	return value == CGROUP_UNSET || value == 0 ? NO_LIMIT : value;
}

/* Swap is counted with memory: where there was none beyond it, there is none afterwards. */
static int take_memory(struct update *u, struct err *err)
{
	const struct cgroup_resources *before = recorded(u);
	const struct update_options *o = u->options;
	struct cgroup_resources *r = &u->asked;

	if (take_bytes(o->memory, "--memory", &r->memory_limit, err) < 0 ||
	    take_bytes(o->memory_swap, "--memory-swap", &r->memory_swap, err) < 0 ||
	    take_bytes(o->memory_reservation, "--memory-reservation", &r->memory_reservation, err) <
		    0)
		return -1;
	if (r->memory_limit > 0 && (uint64_t)r->memory_limit < REQUEST_MEMORY_MINIMUM) {
		err_set(err, ERR_USAGE, 0, "--memory: %s is too little", o->memory);
		return err_hint(err, "at least 6m");
	}
	if (o->memory && !o->memory_swap &&
	    (r->memory_limit < 0 ||
	     before->memory_swap == effective(CGROUP_UNSET, before->memory_limit) ||
	     before->memory_swap == CGROUP_UNSET))
		r->memory_swap = r->memory_limit;
	else if (o->memory && !o->memory_swap) /* on v2 it is counted alone, from the sum */
		r->memory_swap = before->memory_swap;
	int64_t memory = effective(r->memory_limit, before->memory_limit);
	int64_t swap = effective(r->memory_swap, before->memory_swap);
	int64_t reserved = effective(r->memory_reservation, before->memory_reservation);
	if (swap > 0 && (memory < 0 || swap < memory)) {
		err_set(err, ERR_USAGE, 0,
			"--memory-swap is memory and swap together, and would be %lld of %lld "
			"bytes",
			(long long)swap, (long long)memory);
		return err_hint(err, "give both, or --memory-swap -1");
	}
	if (reserved > 0 && memory > 0 && reserved > memory)
		return err_set(err, ERR_USAGE, 0,
			       "--memory-reservation would be above --memory: %lld of %lld bytes",
			       (long long)reserved, (long long)memory);
	if (o->limits.memory_swappiness_given)
		r->memory_swappiness = o->limits.memory_swappiness;
	return 0;
}

/* As run has it: a quota, and beside it as many CPUs. */
static int take_cpus(struct update *u, struct err *err)
{
	const struct update_options *o = u->options;
	struct run_options as_run = {.cpuset_cpus = o->limits.cpuset_cpus};
	own_free char *all = NULL;

	if (!o->cpus && !o->limits.cpuset_cpus)
		return 0;
	if (o->cpus && str_to_milli(o->cpus, "--cpus", &as_run.cpus_milli, err) < 0)
		return -1;
	if (request_cpus(&as_run, &u->facts, u->ct->id, &u->asked, err) < 0)
		return -1;
	if (!o->cpus)
		return 0;
	if (!as_run.cpus_milli) {
		u->asked.cpu_period = CPU_PERIOD_US;
		u->asked.cpu_quota = NO_LIMIT;
	}
	if (u->asked.cpuset_cpus)
		return 0;
	/* Perhaps there are fewer from the last time. */
	all = str_dup(u->facts.cpus_allowed.text, err);
	u->asked.cpuset_cpus = recorded(u)->cpuset_cpus ? take(all) : NULL;
	return 0;
}

static int take_quota(struct update *u, struct err *err)
{
	const struct update_options *o = u->options;
	struct cgroup_resources *r = &u->asked;

	if (o->cpus && (o->cpu_quota || o->limits.cpu_period))
		return err_set(err, ERR_USAGE, 0,
			       "--cpus excludes --cpu-period and --cpu-quota: it is both of them");
	if (o->cpu_quota && str_to_i64(o->cpu_quota, NO_LIMIT, INT64_MAX / 1000, "--cpu-quota",
				       &r->cpu_quota, err) < 0)
		return -1;
	if (r->cpu_quota == 0 && o->cpu_quota)
		return err_set(err, ERR_USAGE, 0,
			       "--cpu-quota: 1000 microseconds at the least, or -1");
	if (o->limits.cpu_period)
		r->cpu_period = (int64_t)o->limits.cpu_period;
	if (o->limits.cpu_shares == 1)
		return err_set(err, ERR_USAGE, 0, "--cpu-shares: 2 at the least");
	if (o->limits.cpu_shares)
		r->cpu_shares = (int64_t)o->limits.cpu_shares;
	return 0;
}

static int take_all(struct update *u, struct err *err)
{
	const struct update_options *o = u->options;

	if (take_memory(u, err) < 0 || take_cpus(u, err) < 0 || take_quota(u, err) < 0 ||
	    request_mems(&o->limits, &u->facts, &u->asked, err) < 0 ||
	    request_io(&o->limits, true, &u->asked, err) < 0)
		return -1;
	if (o->pids_limit_given)
		u->asked.pids_limit = o->pids_limit > 0 ? o->pids_limit : NO_LIMIT;
	return 0;
}

/* ---- what changes, and what was ---- */

#define OFFSET(field) offsetof(struct cgroup_resources, field)

/* And what the kernel has where nothing was asked for. */
static const struct {
	size_t offset;
	int64_t unset;
} numbers[] = {
	{OFFSET(memory_limit), NO_LIMIT},
	{OFFSET(memory_swap), NO_LIMIT},
	{OFFSET(memory_reservation), NO_LIMIT},
	{OFFSET(memory_swappiness), 60},
	{OFFSET(cpu_shares), 1024},
	{OFFSET(cpu_quota), NO_LIMIT},
	{OFFSET(cpu_period), CPU_PERIOD_US},
	{OFFSET(pids_limit), NO_LIMIT},
	{OFFSET(io_weight), 500},
};

static const size_t throttles[] = {OFFSET(io_weight_device), OFFSET(io_read_bps),
				   OFFSET(io_write_bps), OFFSET(io_read_iops),
				   OFFSET(io_write_iops)};

static int64_t *number_at(struct cgroup_resources *r, size_t i)
{
	return (int64_t *)((char *)r + numbers[i].offset);
}

static struct cgroup_throttles *throttles_at(struct cgroup_resources *r, size_t i)
{
	return (struct cgroup_throttles *)((char *)r + throttles[i]);
}

static int merge_text(char **slot, const char *text, struct err *err)
{
	char *copy = text ? str_dup(text, err) : NULL;

	if (!text)
		return 0;
	if (!copy)
		return -1;
	free(*slot);
	*slot = copy;
	return 0;
}

/* What has no rate any more is no limit, in the record. */
static void drop_unlimited(struct cgroup_throttles *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].rate)
			list->items[kept++] = list->items[i];
	list->count = kept;
}

static struct cgroup_throttle *find_throttle(const struct cgroup_throttles *list,
					     const struct cgroup_throttle *of)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].major == of->major && list->items[i].minor == of->minor)
			return &list->items[i];
	return NULL;
}

static int merge_throttles(struct cgroup_throttles *into, const struct cgroup_throttles *from,
			   struct err *err)
{
	struct cgroup_throttle *grown;

	if (!from->count)
		return 0;
	grown = reallocarray(into->items, into->count + from->count, sizeof *grown);
	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot record the limits");
	into->items = grown;
	for (size_t i = 0; i < from->count; i++) {
		struct cgroup_throttle *same = find_throttle(into, &from->items[i]);

		if (same)
			*same = from->items[i];
		else
			into->items[into->count++] = from->items[i];
	}
	return 0;
}

/* Into the record's. */
static int merge(struct update *u, struct err *err)
{
	struct cgroup_resources *into = recorded(u);

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (*number_at(&u->asked, i) != CGROUP_UNSET)
			*number_at(into, i) = *number_at(&u->asked, i);
	for (size_t i = 0; i < sizeof throttles / sizeof *throttles; i++) {
		struct cgroup_throttles *list = throttles_at(into, i);

		if (merge_throttles(list, throttles_at(&u->asked, i), err) < 0)
			return -1;
		drop_unlimited(list);
	}
	if (merge_text(&into->cpuset_cpus, u->asked.cpuset_cpus, err) < 0)
		return -1;
	return merge_text(&into->cpuset_mems, u->asked.cpuset_mems, err);
}

/* The same disks, with the rates that they have by the record; 0 is none. */
static int old_throttles(const struct cgroup_throttles *asked,
			 const struct cgroup_throttles *before, struct cgroup_throttles *old,
			 struct err *err)
{
	if (merge_throttles(old, asked, err) < 0)
		return -1;
	for (size_t i = 0; i < old->count; i++) {
		struct cgroup_throttle *item = &old->items[i];
		const struct cgroup_throttle *same = find_throttle(before, item);

		item->rate = same ? same->rate : 0;
	}
	return 0;
}

/* What is to change, as it was: only that is written again. */
static int take_old(struct update *u, struct cgroup_resources *old, struct err *err)
{
	const struct cgroup_resources *before = recorded(u);
	const char *all_cpus = u->facts.cpus_allowed.text, *all_mems = u->facts.mems_allowed.text;

	cgroup_resources_init(old);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (*number_at(&u->asked, i) != CGROUP_UNSET)
			*number_at(old, i) = *number_at(recorded(u), i) == CGROUP_UNSET
						     ? numbers[i].unset
						     : *number_at(recorded(u), i);
	for (size_t i = 0; i < sizeof throttles / sizeof *throttles; i++)
		if (old_throttles(throttles_at(&u->asked, i), throttles_at(recorded(u), i),
				  throttles_at(old, i), err) < 0)
			return -1;
	if (u->asked.cpuset_cpus &&
	    merge_text(&old->cpuset_cpus, before->cpuset_cpus ? before->cpuset_cpus : all_cpus,
		       err) < 0)
		return -1;
	return u->asked.cpuset_mems
		       ? merge_text(&old->cpuset_mems,
				    before->cpuset_mems ? before->cpuset_mems : all_mems, err)
		       : 0;
}

static int apply(const struct update *u, const struct cgroup_resources *r, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(strv) struct strv warnings = STRV_INIT;
	own_free char *name = NULL, *unit = NULL;

	if (u->ct->status != CT_RUNNING)
		return 0;
	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	if (group_name_of(&host, u->ct, &name, err) < 0)
		return -1;
	if (!name)
		return group_refuse_none(u->ct, err);
	unit = group_unit(u->ct->id, err);
	if (!unit)
		return -1;
	/* The scope has no limits of its own, so systemd has nothing to be told. */
	const struct cgroup_place place = {.manager = CGROUP_MANAGER_CGROUPFS,
					   .path = name,
					   .unit = strstr(name, unit) ? unit : NULL};
	return runtime_update(&place, &host, r, true, &warnings, err);
}

static int record(struct update *u, struct err *err)
{
	return fail_point("update.applied", err) < 0 || merge(u, err) < 0
		       ? -1
		       : store_rewrite_record(u->ct, err);
}

static int change(struct update *u, struct err *err)
{
	struct cgroup_resources old;
	struct err undoing = ERR_INIT;
	int status = take_old(u, &old, err);

	if (status == 0)
		status = apply(u, &u->asked, err);
	if (status == 0) {
		status = record(u, err);
		if (status < 0)
			apply(u, &old, &undoing);
	}
	cgroup_resources_done(&old);
	return status;
}

/* Of a container that does not run the host is asked by nobody else. */
static int check(const struct update *u, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup_plan) struct cgroup_plan plan = {0};

	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	return cgroup_plan_make(&host, "update", &u->asked, true, &plan, err);
}

int engine_update(struct container *ct, const struct update_options *options, struct err *err)
{
	struct update u = {.options = options, .ct = ct};
	own_fd int lock_fd = change_begin(ct, err);
	int status;

	if (lock_fd < 0 || facts_probe_process(AT_FDCWD, &u.facts, err) < 0)
		return -1;
	cgroup_resources_init(&u.asked);
	status = take_all(&u, err) < 0 || check(&u, err) < 0 ? -1 : change(&u, err);
	cgroup_resources_done(&u.asked);
	if (status == 0)
		event_note(ct, "update", NULL, NULL);
	return status;
}
