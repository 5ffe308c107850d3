/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules of members that are a world of their own: scheduling, CPUs of a further process, memory policy,
 * resctrl, network devices that move. The kernel answers EINVAL to most of what is wrong with them, in
 * the middle of a start; what its manual pages say beforehand is said here, with the member's name.
 */
#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "kernel/facts.h"
#include "kernel/netdev.h"
#include "spec/names.h"
#include "spec/validate.h"

#define DEADLINE_MIN_NS 1024 /* sched(7) */
#define DEADLINE_MAX_NS (UINT64_C(1) << 63)

/* ---- process.scheduler ---- */

static bool is_real_time(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int check_priority(const struct scheduler *s, const char *policy, struct err *err)
{
	if (is_real_time(s->policy) && s->priority < 1)
		return err_set(err, ERR_INVALID, 0, "priority: %s needs one of 1 to 99", policy);
	if (!is_real_time(s->policy) && s->priority != 0)
		return err_set(err, ERR_INVALID, 0, "priority: %s has none, %d is given", policy,
			       s->priority);
	if (s->nice != 0 && s->policy != SCHED_NORMAL && s->policy != SCHED_BATCH)
		return err_set(err, ERR_INVALID, 0, "nice: %s has no nice value, %d is given",
			       policy, s->nice);
	return 0;
}

static int check_deadline(const struct scheduler *s, struct err *err)
{
	uint64_t period = s->period ? s->period : s->deadline;

	if (s->policy != SCHED_DEADLINE) {
		if (!s->runtime && !s->deadline && !s->period)
			return 0;
		return err_set(err, ERR_INVALID, 0, "%s: is of SCHED_DEADLINE only",
			       s->runtime    ? "runtime"
			       : s->deadline ? "deadline"
					     : "period");
	}
	if (s->runtime < DEADLINE_MIN_NS)
		return err_set(err, ERR_INVALID, 0, "runtime: is below %d ns", DEADLINE_MIN_NS);
	if (period >= DEADLINE_MAX_NS)
		return err_set(err, ERR_INVALID, 0, "period: is not below 2^63 ns");
	if (s->runtime > s->deadline)
		return err_set(err, ERR_INVALID, 0, "runtime: is above the deadline");
	if (s->deadline > period)
		return err_set(err, ERR_INVALID, 0, "deadline: is above the period");
	return 0;
}

static int check_scheduler(const struct scheduler *s, struct err *err)
{
	const char *policy = spec_name_of(spec_sched_policies, s->policy);

	if (s->policy == SPEC_SCHED_ISO) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"policy: SCHED_ISO is a reserved name that no Linux kernel carries out");
		return err_hint(err, "SCHED_RR is what comes nearest");
	}
	/* Without a policy, or with that of before, there is nothing to hold the rest against. */
	if (!policy || s->flags & SCHED_FLAG_KEEP_POLICY)
		return 0;
	return check_priority(s, policy, err) < 0 ? -1 : check_deadline(s, err);
}

/* sched(7): fork(2) of a process with this policy fails with EAGAIN. Its hooks are such processes. */
static int check_may_fork(const struct spec *s, struct err *err)
{
	const struct scheduler *scheduler = s->process.scheduler;

	if (scheduler->policy != SCHED_DEADLINE || scheduler->flags & SCHED_FLAG_RESET_ON_FORK ||
	    !s->hooks[SPEC_HOOK_START_CONTAINER].count)
		return 0;
	err_set(err, ERR_INVALID, 0,
		"flags: a process with SCHED_DEADLINE cannot start hooks.startContainer");
	return err_hint(err, "add SCHED_FLAG_RESET_ON_FORK: without it the command cannot start "
			     "anything either");
}

int spec_check_scheduler(const struct spec *s, struct problems *found, struct err *err)
{
	const struct scheduler *scheduler = s->process.scheduler;

	if (scheduler && (check_scheduler(scheduler, err) < 0 || check_may_fork(s, err) < 0))
		return spec_within(err, "process.scheduler");
	return 0;
}

static int check_cpus(const char *list, const char *member, struct err *err)
{
	if (list && cpu_list_count(list, err) < 0)
		return err_wrap(err, "process.execCPUAffinity.%s", member);
	return 0;
}

int spec_check_affinity(const struct spec *s, struct problems *found, struct err *err)
{
	if (check_cpus(s->process.affinity_initial, "initial", err) < 0 &&
	    problems_add(found, err) < 0)
		return -1;
	return check_cpus(s->process.affinity_final, "final", err);
}

/* ---- linux.memoryPolicy ---- */

/* set_mempolicy(2) */
static int check_nodes(const struct mempolicy *m, struct err *err)
{
	static const int without[] = {MPOL_DEFAULT, MPOL_LOCAL};
	const char *mode = spec_name_of(spec_mempolicy_modes, m->mode);
	int count = m->nodes ? cpu_list_count(m->nodes, err) : 0;

	if (count < 0)
		return err_wrap(err, "nodes");
	for (size_t i = 0; i < sizeof without / sizeof *without; i++)
		if (m->mode == without[i] && count)
			return err_set(err, ERR_INVALID, 0, "nodes: %s takes none", mode);
	if (m->mode == MPOL_DEFAULT || m->mode == MPOL_LOCAL || m->mode == MPOL_PREFERRED || count)
		return 0;
	return err_set(err, ERR_INVALID, 0, "nodes: %s needs at least one", mode);
}

static int check_mode_flags(const struct mempolicy *m, struct err *err)
{
	const unsigned int where = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;

	if ((m->flags & where) == where)
		return err_set(err, ERR_INVALID, 0,
			       "flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each "
			       "other");
	if (m->flags & where && !m->nodes)
		return err_set(err, ERR_INVALID, 0, "flags: %s needs nodes",
			       spec_name_of(spec_mempolicy_flags, (int)(m->flags & where)));
	if (m->flags & MPOL_F_NUMA_BALANCING && m->mode != MPOL_BIND &&
	    m->mode != MPOL_PREFERRED_MANY)
		return err_set(err, ERR_INVALID, 0,
			       "flags: MPOL_F_NUMA_BALANCING is of MPOL_BIND and "
			       "MPOL_PREFERRED_MANY only");
	return 0;
}

int spec_check_memory_policy(const struct spec *s, struct problems *found, struct err *err)
{
	const struct mempolicy *m = s->linux_.memory_policy;

	if (m && m->mode >= 0 && (check_nodes(m, err) < 0 || check_mode_flags(m, err) < 0))
		return spec_within(err, "linux.memoryPolicy");
	return 0;
}

int spec_check_resctrl(const struct spec *s, struct problems *found, struct err *err)
{
	if (s->linux_.intel_rdt && resctrl_check(s->linux_.intel_rdt, err) < 0)
		return spec_within(err, "linux.intelRdt");
	return 0;
}

/* ---- linux.netDevices ---- */

static const char *inside_of(const char *item)
{
	return strchr(item, '=') + 1;
}

static int check_net_device(const struct strv *list, size_t i, struct err *err)
{
	const char *item = list->items[i], *inside = inside_of(item);
	char host[64];

	snprintf(host, sizeof host, "%.*s", (int)(inside - 1 - item), item);
	if (netdev_check_name(host, false, err) < 0)
		return err_wrap(err, "linux.netDevices");
	if (netdev_check_name(inside, true, err) < 0)
		return err_wrap(err, "linux.netDevices.%s.name", host);
	for (size_t j = 0; j < i && !strchr(inside, '%'); j++)
		if (strcmp(inside_of(list->items[j]), inside) == 0)
			return err_set(err, ERR_INVALID, 0,
				       "linux.netDevices.%s.name: '%s' is the name of another one",
				       host, inside);
	return 0;
}

int spec_check_net_devices(const struct spec *s, struct problems *found, struct err *err)
{
	const struct strv *devices = &s->linux_.net_devices;

	if (!devices->count)
		return 0;
	if (!s->linux_.namespaces[SPEC_NS_NET].given) {
		err_set(err, ERR_INVALID, 0,
			"linux.netDevices: the container has no network namespace of its own");
		return err_hint(err, "add {\"type\": \"network\"} to linux.namespaces");
	}
	for (size_t i = 0; i < devices->count; i++)
		if (check_net_device(devices, i, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}
