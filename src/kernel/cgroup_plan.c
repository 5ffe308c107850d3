/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From resources to a list of files and values: everything that will be written, in order, before
 * anything is made. The list can be printed (--dry-run) and is tested against recorded hosts.
 *
 * Each controller is asked where it lives, one by one, so that the same code serves v1, v2 and any
 * mixture: cgroup_plan_v1.c emits the lines of the controllers that live on v1, cgroup_plan_v2.c
 * those of v2. What no hierarchy can do is a line in plan->missing, or an error if the caller wants
 * all or nothing. Files that a kernel may lack although it has their controller (swap accounting,
 * BFQ's weights) cannot be known here, because a hierarchy's top does not have them: such a write
 * is marked as not required, and its absence shows when the group is made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"
#include "kernel/facts.h"

#define VALUE_MAX 4096
#define WRITES_MAX 4096

static const struct {
	unsigned int controller;
	const char *asked_by;
} askers[] = {
	{CG_CPUSET, "linux.resources.cpu.cpus"},
	{CG_CPU, "linux.resources.cpu"},
	{CG_MEMORY, "linux.resources.memory"},
	{CG_PIDS, "linux.resources.pids"},
	{CG_IO, "linux.resources.blockIO"},
	{CG_DEVICES, "linux.resources.devices"},
	{CG_HUGETLB, "linux.resources.hugepageLimits"},
	{CG_NET_CLS, "linux.resources.network.classID"},
	{CG_NET_PRIO, "linux.resources.network.priorities"},
	{CG_RDMA, "linux.resources.rdma"},
};

/* ---- names ---- */

static int check_part(const char *part, size_t len, const char *name, struct err *err)
{
	if (len > 255)
		return err_set(err, ERR_INVALID, 0, "cgroup name '%s' is too long", name);
	if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
		return err_set(err, ERR_INVALID, 0, "cgroup name '%s' must not contain '.' or '..'",
			       name);
	return 0;
}

int cgroup_name_clean(const char *name, char ret[static 256], struct err *err)
{
	char clean[256];
	size_t used = 0;

	if (str_has_control(name))
		return err_set(err, ERR_INVALID, 0, "cgroup name '%s' has control characters",
			       name);
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (check_part(p, len, name, err) < 0)
			return -1;
		if (used + (used > 0) + len + 1 > sizeof(clean))
			return err_set(err, ERR_INVALID, 0,
				       "cgroup name '%s' is too long: 255 bytes at most", name);
		if (len && used)
			clean[used++] = '/';
		memcpy(clean + used, p, len);
		used += len;
		p += len + (p[len] == '/');
	}
	if (!used)
		return err_set(err, ERR_INVALID, 0, "a cgroup name is empty");
	memcpy(ret, clean, used);
	ret[used] = '\0';
	return 0;
}

unsigned int cgroup_name_depth(const char *name)
{
	unsigned int depth = 1;

	for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/'))
		depth++;
	return depth;
}

const char *cgroup_name_part(const char *name, unsigned int nth, char buf[static 256])
{
	while (nth-- > 0)
		name = strchr(name, '/') + 1;
	snprintf(buf, 256, "%.*s", (int)strcspn(name, "/"), name);
	return buf;
}

/* ---- building ---- */

static struct cgroup_write *add_write(struct cgroup_plan *plan, struct err *err)
{
	struct cgroup_write *writes = plan->writes;

	if (plan->count == WRITES_MAX) {
		err_set(err, ERR_LIMIT, 0, "the resources need more than %d cgroup writes",
			WRITES_MAX);
		return NULL;
	}
	/* Room for eight at a time: few containers need more than two rounds. */
	if (plan->count % 8 == 0)
		writes = reallocarray(writes, plan->count + 8, sizeof(*writes));
	if (!writes) {
		err_set(err, ERR_LIMIT, 0, "out of memory");
		return NULL;
	}
	plan->writes = writes;
	return memset(&writes[plan->count], 0, sizeof(*writes));
}

int cgroup_planner_write(struct cgroup_planner *p, int hierarchy, unsigned int flags,
			 const char *file, struct err *err, const char *format, ...)
{
	own(str) struct str value = STR_INIT(VALUE_MAX);
	struct cgroup_write *write = add_write(p->plan, err);
	va_list ap;

	if (!write)
		return -1;
	va_start(ap, format);
	str_vaddf(&value, format, ap);
	va_end(ap);
	if (str_check(&value, file, err) < 0)
		return -1;
	write->value = str_dup_len(value.data, value.len, err);
	if (!write->value)
		return -1;
	snprintf(write->file, sizeof(write->file), "%s", file);
	write->hierarchy = (unsigned int)hierarchy;
	write->required = (flags & CGW_REQUIRED) || (p->strict && !(flags & CGW_NOTED));
	write->inherit = flags & CGW_INHERIT;
	write->alternative = flags & CGW_ALTERNATIVE;
	write->late = flags & CGW_LATE;
	p->plan->count++;
	return 0;
}

int cgroup_planner_rdma(struct cgroup_planner *p, int hierarchy, struct err *err)
{
	for (size_t i = 0; hierarchy >= 0 && i < p->r->rdma.count; i++)
		if (cgroup_planner_write(p, hierarchy, CGW_REQUIRED, "rdma.max", err, "%s",
					 p->r->rdma.items[i]) < 0)
			return -1;
	return 0;
}

int cgroup_planner_missing(struct cgroup_planner *p, struct err *err, const char *format, ...)
{
	own(str) struct str text = STR_INIT(512);
	va_list ap;

	va_start(ap, format);
	str_vaddf(&text, format, ap);
	va_end(ap);
	if (p->strict)
		return err_set(err, ERR_UNSUPPORTED, 0, "%s", text.data);
	return strv_add(&p->plan->missing, text.data, err);
}

int cgroup_pair_split(const char *pair, const char *what, size_t *ret_len, struct err *err)
{
	const char *equals = strchr(pair, '=');

	if (!equals || equals == pair || !equals[1])
		return err_set(err, ERR_INVALID, 0, "%s: '%s' is not of the form NAME=VALUE", what,
			       pair);
	*ret_len = (size_t)(equals - pair);
	return 0;
}

static int report_missing(struct cgroup_planner *p, struct err *err)
{
	unsigned int missing = cgroup_resources_controllers(p->r) & ~p->host->controllers;

	for (size_t i = 0; i < sizeof(askers) / sizeof(askers[0]); i++)
		if ((askers[i].controller & missing) &&
		    cgroup_planner_missing(p, err, "%s: this host has no %s controller",
					   askers[i].asked_by,
					   cgroup_controller_name(askers[i].controller, false)) < 0)
			return -1;
	return 0;
}

/* v2 accepts CPUs that are not there, and uses the parent's instead: refuse them here. */
static int check_cpuset(const char *asked, const char *have, const char *field, struct err *err)
{
	int subset;

	if (!asked)
		return 0;
	if (!*asked)
		return err_set(err, ERR_INVALID, 0, "%s is empty", field);
	subset = *have ? cpu_list_subset(asked, have, err) : cpu_list_count(asked, err);
	if (subset < 0)
		return err_wrap(err, "%s", field);
	if (subset > 0)
		return 0;
	err_set(err, ERR_INVALID, 0, "%s asks for '%s', which this host does not have", field,
		asked);
	return err_hint(err, "available: %s", have);
}

/* Fields that no supported kernel acts on, wherever their controller lives. The specification itself says
 * of memory.kernel that it should not be used, and the other runtimes ignore it: it is said, and never
 * an error. */
static int report_obsolete(struct cgroup_planner *p, struct err *err)
{
	if (p->r->memory_kernel > 0 &&
	    strv_add(&p->plan->missing,
		     "linux.resources.memory.kernel: the kernel has no such limit", err) < 0)
		return -1;
	if ((p->r->io_leaf_weight > 0 || p->r->io_leaf_weight_device.count) &&
	    cgroup_planner_missing(
		    p, err, "linux.resources.blockIO.leafWeight: the kernel has no leaf weights") <
		    0)
		return -1;
	return 0;
}

static int make_plan(struct cgroup_planner *p, struct err *err)
{
	const struct cgroup_resources *r = p->r;

	if (cgroup_resources_check(r, err) < 0)
		return -1;
	if (check_cpuset(r->cpuset_cpus, p->host->cpus, "linux.resources.cpu.cpus", err) < 0 ||
	    check_cpuset(r->cpuset_mems, p->host->mems, "linux.resources.cpu.mems", err) < 0)
		return -1;
	if (report_missing(p, err) < 0 || report_obsolete(p, err) < 0)
		return -1;
	if (r->memory_check_before_update && r->memory_limit > 0)
		p->plan->memory_check = r->memory_limit;
	p->plan->devices = r->devices;
	p->plan->device_count = r->device_count;
	return cgroup_plan_v1(p, err) < 0 ? -1 : cgroup_plan_v2(p, err);
}

int cgroup_plan_make(const struct cgroup_host *host, const char *name,
		     const struct cgroup_resources *r, bool strict, struct cgroup_plan *ret,
		     struct err *err)
{
	own(cgroup_plan) struct cgroup_plan plan = {.memory_check = CGROUP_UNSET};
	struct cgroup_planner planner = {.host = host, .r = r, .plan = &plan, .strict = strict};

	if (cgroup_name_clean(name, plan.name, err) < 0 || make_plan(&planner, err) < 0)
		return -1;
	*ret = plan;
	plan = (struct cgroup_plan){0};
	return 0;
}

void cgroup_plan_done(struct cgroup_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->writes[i].value);
	free(plan->writes);
	strv_done(&plan->missing);
	*plan = (struct cgroup_plan){0};
}

/* ---- printing ---- */

static void print_write(const struct cgroup_host *host, const struct cgroup_plan *plan,
			const struct cgroup_write *write, struct str *out)
{
	str_addf(out, "write %s/%s/%s '%s'", host->hierarchies[write->hierarchy].mount, plan->name,
		 write->file, write->value);
	if (write->inherit)
		str_add(out, " (the parent's)");
	if (write->alternative)
		str_add(out, " (instead, where that is missing)");
	else if (!write->required)
		str_add(out, " (where present)");
	str_add_char(out, '\n');
}

void cgroup_plan_print(const struct cgroup_host *host, const struct cgroup_plan *plan,
		       struct str *out)
{
	for (size_t i = 0; i < host->count; i++)
		str_addf(out, "mkdir %s/%s\n", host->hierarchies[i].mount, plan->name);
	for (size_t i = 0; i < plan->count; i++)
		print_write(host, plan, &plan->writes[i], out);
	if (plan->device_bpf)
		str_addf(out, "attach a device program of %zu rules\n", plan->device_count);
	for (size_t i = 0; i < plan->missing.count; i++)
		str_addf(out, "missing: %s\n", plan->missing.items[i]);
}
