/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New limits for a running container: see update.h. */
#include "runtime/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "runtime/plan.h"
#include "runtime/scope.h"

#define SET_TIMEOUT_MS 30000

static bool is_given(int64_t value)
{
	return value != CGROUP_UNSET && value != 0;
}

/* What is in force: the number at `text`, -1 for "max" and for what v1 writes instead of it. */
static int64_t in_force(const char *text)
{
	unsigned long long value = strtoull(text, NULL, 10);

	return str_starts(text, "max") || value > (UINT64_C(1) << 62) ? -1 : (int64_t)value;
}

/* memory.swap is the sum of both: without a limit beside it, it is above the one that is in force. */
static void complete_swap(const struct cgroup_host *host, const struct cgroup *cg,
			  struct cgroup_resources *r)
{
	char text[64];

	if (r->memory_swap > 0 && !is_given(r->memory_limit) &&
	    cgroup_read(host, cg, CG_MEMORY, "memory.limit_in_bytes", "memory.max", text,
			sizeof(text)) > 0)
		r->memory_limit = in_force(text);
}

/* v2 has quota and period in one line, and a period written alone would lift the quota. */
static void complete_quota(const struct cgroup_host *host, const struct cgroup *cg,
			   struct cgroup_resources *r)
{
	char text[64];

	if (is_given(r->cpu_period) && !is_given(r->cpu_quota) &&
	    cgroup_read(host, cg, CG_CPU, NULL, "cpu.max", text, sizeof(text)) > 0)
		r->cpu_quota = in_force(text);
}

/* Everything above the unit is the service manager's. */
static unsigned int foreign_depth(const struct cgroup_place *place)
{
	const char *end = cgroup_place_end_of_unit(place, place->path);
	unsigned int depth = 0;

	for (const char *p = place->path; end && p < end; p++)
		depth += *p == '/';
	return end ? depth + 1 : 0;
}

static int tell_systemd(const struct cgroup_place *place, const struct cgroup_host *host,
			const struct cgroup_resources *r, struct err *err)
{
	struct scope_request request = {.verb = SCOPE_SET,
					.user = place->user,
					.unit = place->unit,
					.timeout_ms = SET_TIMEOUT_MS};
	int status = scope_add_resources(&request.properties, host, r, err);

	if (status == 0 && request.properties.count)
		status = scope_ask(&request, NULL, NULL, err);
	scope_properties_done(&request.properties);
	if (status < 0)
		return err_wrap(err, "the limits are changed, but systemd does not know");
	return 0;
}

static int note(struct strv *warnings, const struct strv *lines, struct err *err)
{
	for (size_t i = 0; i < lines->count; i++)
		if (strv_add(warnings, lines->items[i], err) < 0)
			return -1;
	return 0;
}

int runtime_update(const struct cgroup_place *place, const struct cgroup_host *host,
		   const struct cgroup_resources *asked, bool strict, struct strv *warnings,
		   struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own(cgroup_plan) struct cgroup_plan plan = {0};
	own_free struct cgroup_device *rules = NULL;
	struct cgroup_resources r = *asked; /* what it points to stays the caller's */

	if (!place->path)
		return cgroup_resources_refuse(asked, "the container has no control group", err);
	if (cgroup_open(host, place->path, &cg, err) < 0)
		return -1;
	complete_swap(host, &cg, &r);
	complete_quota(host, &cg, &r);
	if (plan_device_rules(&r, &rules, err) < 0 ||
	    cgroup_plan_make(host, place->path, &r, strict, &plan, err) < 0)
		return -1;
	plan.foreign = foreign_depth(place);
	if (cgroup_apply(host, &plan, &cg, err) < 0)
		return -1;
	if (place->manager == CGROUP_MANAGER_SYSTEMD && place->unit &&
	    tell_systemd(place, host, &r, err) < 0)
		return -1;
	return note(warnings, &plan.missing, err) < 0 ? -1 : note(warnings, &cg.skipped, err);
}
