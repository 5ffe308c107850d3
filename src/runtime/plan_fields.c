/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of members that few containers have: scheduling, memory policy, personality, resctrl, network
 * devices. Each is in the plan only where the specification asks for it.
 *
 * Where they stand: groups of resctrl and the devices' whereabouts are looked at first, while nothing has
 * been made; a device moves when P is in the container's network namespace; scheduling is set last from
 * outside, when C is in its control groups, as those decide what real-time share there is; memory policy
 * and personality are C's own business, and inherited.
 */
#include <string.h>

#include "runtime/plan.h"
#include "spec/names.h"

static int add_each(struct plan *plan, enum step_op op, struct err *err)
{
	const struct strv *devices = &plan->spec->linux_.net_devices;

	for (size_t i = 0; i < devices->count; i++)
		if (plan_add(plan, op, (unsigned int)i, "", err) < 0)
			return -1;
	return 0;
}

int plan_add_field_sources(struct plan *plan, struct err *err)
{
	if (plan->spec->linux_.intel_rdt && plan_add(plan, STEP_RESCTRL, 0, "", err) < 0)
		return -1;
	return add_each(plan, STEP_NET_SOURCE, err);
}

int plan_add_net_devices(struct plan *plan, struct err *err)
{
	return add_each(plan, STEP_NET_DEVICE, err);
}

int plan_add_scheduling(struct plan *plan, struct err *err)
{
	const struct spec_process *p = &plan->spec->process;

	if (p->scheduler && plan_add(plan, STEP_SCHEDULER, 0, "", err) < 0)
		return -1;
	return p->io_priority ? plan_add(plan, STEP_IO_PRIORITY, 0, "", err) : 0;
}

int plan_add_child_fields(struct plan *plan, struct err *err)
{
	const struct spec_linux *l = &plan->spec->linux_;

	if (l->personality_given && plan_add(plan, STEP_INIT_PERSONALITY, 0, "", err) < 0)
		return -1;
	return l->memory_policy ? plan_add(plan, STEP_INIT_MEMORY_POLICY, 0, "", err) : 0;
}

/* ---- as text ---- */

static void print_scheduler(const struct scheduler *s, struct str *out)
{
	str_addf(out, " %s", spec_name_of(spec_sched_policies, s->policy));
	if (s->nice)
		str_addf(out, " nice=%d", s->nice);
	if (s->priority)
		str_addf(out, " priority=%d", s->priority);
	if (s->runtime)
		str_addf(out, " runtime=%llu deadline=%llu period=%llu",
			 (unsigned long long)s->runtime, (unsigned long long)s->deadline,
			 (unsigned long long)s->period);
	for (const struct json_name *flag = spec_sched_flags; flag->name; flag++)
		if (s->flags & (unsigned int)flag->value)
			str_addf(out, " %s", flag->name);
}

static void print_memory_policy(const struct mempolicy *m, struct str *out)
{
	str_addf(out, " %s", spec_name_of(spec_mempolicy_modes, m->mode));
	if (m->nodes)
		str_addf(out, " nodes=%s", m->nodes);
	for (const struct json_name *flag = spec_mempolicy_flags; flag->name; flag++)
		if (m->flags & (unsigned int)flag->value)
			str_addf(out, " %s", flag->name);
}

static void print_resctrl(const struct plan *plan, struct str *out)
{
	const struct resctrl *r = plan->spec->linux_.intel_rdt;

	str_addf(out, " %s", r->group ? r->group : plan->request.id);
	if (r->l3_cache)
		str_addf(out, " %s", r->l3_cache);
	if (r->mem_bw)
		str_addf(out, " %s", r->mem_bw);
	for (size_t i = 0; i < r->lines.count; i++)
		str_addf(out, " %s", r->lines.items[i]);
	str_add(out, r->monitoring ? " monitoring" : "");
}

/* "eth0=inside" */
static void print_net_device(const struct plan *plan, const struct step *step, struct str *out)
{
	const char *item = plan->spec->linux_.net_devices.items[step->index];
	const char *inside = strchr(item, '=') + 1;

	str_addf(out, " %.*s", (int)(inside - 1 - item), item);
	if (step->op == STEP_NET_DEVICE)
		str_addf(out, " as %s", inside);
}

void plan_print_field(const struct plan *plan, const struct step *step, struct str *out)
{
	const struct spec *spec = plan->spec;

	switch (step->op) {
	case STEP_RESCTRL:
		print_resctrl(plan, out);
		break;
	case STEP_NET_SOURCE:
	case STEP_NET_DEVICE:
		print_net_device(plan, step, out);
		break;
	case STEP_SCHEDULER:
		print_scheduler(spec->process.scheduler, out);
		break;
	case STEP_IO_PRIORITY:
		str_addf(out, " %s %d",
			 spec_name_of(spec_io_classes, spec->process.io_priority->class),
			 spec->process.io_priority->level);
		break;
	case STEP_INIT_PERSONALITY:
		str_addf(out, " %s",
			 spec_name_of(spec_personality_domains, (int)spec->linux_.personality));
		break;
	case STEP_INIT_MEMORY_POLICY:
		print_memory_policy(spec->linux_.memory_policy, out);
		break;
	default:
		break;
	}
}
