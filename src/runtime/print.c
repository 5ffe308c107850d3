/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan as text, one line a step: what --dry-run shows and what the plan's tests compare. */
#include <string.h>

#include "runtime/plan.h"

static const char *const names[STEP_COUNT] = {
	[STEP_SCOPE] = "scope",
	[STEP_CGROUP] = "cgroup",
	[STEP_ROOT_SOURCE] = "take-root",
	[STEP_LAYER_SOURCE] = "take-layer",
	[STEP_BIND_SOURCE] = "take-bind",
	[STEP_FS_SOURCE] = "take-filesystem",
	[STEP_NODE_SOURCE] = "take-nodes",
	[STEP_CGROUP_VIEW] = "take-cgroup-view",
	[STEP_OWN_INIT] = "take-init",
	[STEP_RESCTRL] = "resctrl",
	[STEP_NET_SOURCE] = "take-net-device",
	[STEP_PAD] = "enter-pad",
	[STEP_CLONE] = "clone",
	[STEP_MAPS] = "map-ids",
	[STEP_FILTER] = "compile-filter",
	[STEP_LIMITS] = "set-limits",
	[STEP_RESCTRL_JOIN] = "resctrl-join",
	[STEP_COVERS] = "covers",
	[STEP_LAYER] = "layer",
	[STEP_ROOT_DIR] = "root",
	[STEP_JOIN] = "join",
	[STEP_JOIN_NETWORK] = "join-network",
	[STEP_NET_DEVICE] = "net-device",
	[STEP_MOUNT] = "mount",
	[STEP_DEVICES] = "devices",
	[STEP_CONSOLE] = "console",
	[STEP_USER] = "user",
	[STEP_CWD] = "make-cwd",
	[STEP_MOUNT_READONLY] = "mount-read-only",
	[STEP_FILES] = "files",
	[STEP_MASK] = "mask",
	[STEP_READONLY] = "read-only",
	[STEP_ROOT_READONLY] = "root-read-only",
	[STEP_HOOKS] = "hooks",
	[STEP_HOOKS_CONTAINER] = "container-hooks",
	[STEP_PIVOT] = "pivot",
	[STEP_MOVE] = "move-root",
	[STEP_DETACH] = "detach-root",
	[STEP_LEAVE] = "leave",
	[STEP_SCHEDULER] = "scheduler",
	[STEP_IO_PRIORITY] = "io-priority",
	[STEP_BORN] = "record",
	[STEP_RELEASE] = "release",
	[STEP_INIT_NETWORK] = "network",
	[STEP_INIT_CGROUP] = "join-cgroup",
	[STEP_INIT_OOM] = "oom-score",
	[STEP_INIT_HOOKS_CONTAINER] = "container-hooks",
	[STEP_INIT_REPORT] = "report",
	[STEP_INIT_WAIT] = "wait",
	[STEP_INIT_MOVED] = "enter-moved-root",
	[STEP_INIT_DETACHED] = "enter-root",
	[STEP_INIT_ROOT] = "become-root",
	[STEP_INIT_LOCK] = "lock-mounts",
	[STEP_INIT_SHARE] = "share-mounts",
	[STEP_INIT_HOSTNAME] = "hostname",
	[STEP_INIT_SYSCTL] = "sysctl",
	[STEP_INIT_SESSION] = "session",
	[STEP_INIT_KEYRING] = "keyring",
	[STEP_INIT_PERSONALITY] = "personality",
	[STEP_INIT_MEMORY_POLICY] = "memory-policy",
	[STEP_INIT_BOUND] = "bounding-set",
	[STEP_INIT_FILTER_EARLY] = "seccomp",
	[STEP_INIT_USER] = "become-user",
	[STEP_INIT_CWD] = "enter-cwd",
	[STEP_INIT_START] = "wait-for-start",
	[STEP_INIT_HOOKS_START] = "start-hooks",
	[STEP_INIT_LABEL_FILE] = "open-label",
	[STEP_INIT_LABEL] = "label",
	[STEP_INIT_READY] = "ready",
	[STEP_INIT_FILTER] = "no-new-privs-seccomp",
	[STEP_INIT_EXEC] = "execute",
};

const char *step_name(enum step_op op)
{
	return names[op];
}

static void print_namespaces(const struct plan *plan, struct str *out)
{
	static const enum spec_ns of_kind[NS_COUNT] = {
		[NS_USER] = SPEC_NS_USER,     [NS_MNT] = SPEC_NS_MNT,	[NS_PID] = SPEC_NS_PID,
		[NS_NET] = SPEC_NS_NET,	      [NS_UTS] = SPEC_NS_UTS,	[NS_IPC] = SPEC_NS_IPC,
		[NS_CGROUP] = SPEC_NS_CGROUP, [NS_TIME] = SPEC_NS_TIME,
	};

	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		const char *path = plan->spec->linux_.namespaces[of_kind[kind]].path;

		if (plan->own[kind])
			str_addf(out, " %s", ns_name(kind));
		else if (path)
			str_addf(out, " %s=%s", ns_name(kind), path);
	}
}

static void print_mount(const struct plan *plan, unsigned int i, struct str *out)
{
	const struct spec_mount *m = &plan->spec->mounts[i];

	str_addf(out, " type=%s", m->type ? m->type : "bind");
	if (m->source)
		str_addf(out, " source=%s", m->source);
	for (size_t k = 0; k < m->options.count; k++)
		str_addf(out, "%s%s", k ? "," : " options=", m->options.items[k]);
}

static void print_layer(const struct runtime_layer *layer, struct str *out)
{
	for (size_t i = 0; i < layer->lower_count; i++)
		str_addf(out, "%s%s", i ? ":" : " lower=", layer->lowers[i]);
	if (layer->writable)
		str_addf(out, " writable=%s", layer->writable);
	if (layer->guard)
		str_add(out, " guard");
	if (layer->is_volatile)
		str_add(out, " volatile");
}

static void print_maps(const struct plan *plan, struct str *out)
{
	const struct spec_idmaps *maps = &plan->spec->linux_.uid_maps;

	for (size_t i = 0; i < maps->count; i++)
		str_addf(out, " %u:%u:%u", maps->items[i].container_id, maps->items[i].host_id,
			 maps->items[i].size);
}

static void print_limits(const struct plan *plan, struct str *out)
{
	for (size_t i = 0; i < plan->rlimit_count; i++)
		str_addf(out, " %s=%lld:%lld", rlimit_name(plan->rlimits[i].resource),
			 (long long)plan->rlimits[i].soft, (long long)plan->rlimits[i].hard);
}

static void print_detail(const struct plan *plan, const struct step *step, struct str *out)
{
	switch (step->op) {
	case STEP_CLONE:
		print_namespaces(plan, out);
		break;
	case STEP_MAPS:
		print_maps(plan, out);
		break;
	case STEP_LIMITS:
		print_limits(plan, out);
		break;
	case STEP_MOUNT:
		print_mount(plan, step->index, out);
		break;
	case STEP_LAYER:
		print_layer(&plan->request.layers[step->index], out);
		break;
	case STEP_INIT_SYSCTL:
		for (size_t i = 0; i < plan->spec->linux_.sysctl.count; i++)
			str_addf(out, " %s", plan->spec->linux_.sysctl.items[i]);
		break;
	case STEP_INIT_EXEC:
		str_add(out, plan->request.init_program ? " under insula-init" : "");
		break;
	case STEP_INIT_BOUND:
		str_addf(out, " %#llx", (unsigned long long)plan->caps.bounding);
		break;
	case STEP_INIT_FILTER:
	case STEP_INIT_FILTER_EARLY:
		if (plan->has_filter)
			str_addf(out, " %u instructions", plan->filter.count);
		break;
	default:
		plan_print_field(plan, step, out);
		break;
	}
}

int runtime_plan_print(const struct plan *plan, struct str *out, struct err *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i];

		str_addf(out, "%-6s %s", i < plan->child_first ? "parent" : "init",
			 step_name(step->op));
		if (step->subject && *step->subject)
			str_addf(out, " %s", step->subject);
		print_detail(plan, step, out);
		str_add_char(out, '\n');
		if (step->op == STEP_CGROUP)
			cgroup_plan_print(plan->host, &plan->cgroup, out);
	}
	return str_check(out, "the plan", err);
}
