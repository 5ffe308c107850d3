/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a specification and facts of the host to a list of steps. Nothing here touches the host, so
 * that every decision can be tested without root, against recorded facts: which namespaces are made,
 * what is clamped (and said so), which controllers are missing, in which order things happen.
 *
 * What can go wrong is refused here, before anything exists: a value out of range, a resource that
 * nobody can limit on this host under --strict, an option that no kernel knows.
 */
#include "runtime/plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <linux/capability.h>

#include "base/own.h"
#include "kernel/procattr.h"
#include "runtime/filter.h"

int plan_add(struct plan *plan, enum step_op op, unsigned int index, const char *subject,
	     struct err *err)
{
	if (plan->count == plan->cap) {
		size_t cap = plan->cap ? plan->cap * 2 : 64;
		struct step *steps = NULL;

		if (cap <= PLAN_MAX_STEPS)
			steps = reallocarray(plan->steps, cap, sizeof *steps);
		if (!steps)
			return err_set(err, ERR_LIMIT, 0, "the plan has too many steps");
		plan->steps = steps;
		plan->cap = cap;
	}
	plan->steps[plan->count++] = (struct step){.op = op, .index = index, .subject = subject};
	return 0;
}

/* A run of steps that are about nothing in particular. */
static int add_all(struct plan *plan, const enum step_op *ops, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (plan_add(plan, ops[i], 0, "", err) < 0)
			return -1;
	return 0;
}

#define ADD_ALL(plan, err, ...) \
	add_all((plan), (const enum step_op[]){__VA_ARGS__}, \
		sizeof((const enum step_op[]){__VA_ARGS__}) / sizeof(enum step_op), (err))

static const enum ns_kind kind_of[SPEC_NS_COUNT] = {
	[SPEC_NS_USER] = NS_USER,     [SPEC_NS_MNT] = NS_MNT,	[SPEC_NS_PID] = NS_PID,
	[SPEC_NS_NET] = NS_NET,	      [SPEC_NS_UTS] = NS_UTS,	[SPEC_NS_IPC] = NS_IPC,
	[SPEC_NS_CGROUP] = NS_CGROUP, [SPEC_NS_TIME] = NS_TIME,
};

enum ns_kind plan_ns_kind(enum spec_ns kind)
{
	return kind_of[kind];
}

/* The host id that container id 0 has, or 0 without a map. */
static uint32_t root_of(const struct spec_idmaps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		if (maps->items[i].container_id == 0)
			return maps->items[i].host_id;
	return 0;
}

static bool has_hooks(const struct plan *plan, enum spec_hook_kind kind)
{
	return plan->request.state && plan->spec->hooks[kind].count;
}

/* Whoever is in a user namespace has come away from its caller's mount namespace, and could not enter another. A
 * container's own user namespace does not hold it, either: what root in it unshares is a copy of the mount namespace
 * that it is in, and its own to enter anew. */
static int check_shares_mounts(struct plan *plan, struct err *err)
{
	if (plan->nested) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"linux.namespaces: only root of the host can make a container without a "
			"mount namespace of its own");
		return err_hint(err, "add {\"type\": \"mount\"} without a path");
	}
	if (!(plan->spec->process.caps.bounding & UINT64_C(1) << CAP_SYS_ADMIN))
		return 0;
	return strv_add(&plan->warnings,
			"linux.namespaces: without a mount namespace of its own the container can "
			"leave its root, because it may have CAP_SYS_ADMIN",
			err);
}

static int plan_namespaces(struct plan *plan, const struct facts *facts, struct err *err)
{
	const struct spec_linux *linux_ = &plan->spec->linux_;

	for (int i = 0; i < SPEC_NS_COUNT; i++)
		plan->own[kind_of[i]] = linux_->namespaces[i].given && !linux_->namespaces[i].path;
	plan->nested = !facts->initial_userns;
	plan->signals_ignored = facts->signals_ignored;
	plan->own_pids = facts->own_pids;
	plan->shares_mounts = spec_shares_mounts(plan->spec);
	/* In a user namespace that is joined C has a helper for a parent, and below one of ours Q takes P's steps. */
	plan->late_network = plan->own[NS_NET] && !plan->nested &&
			     !linux_->namespaces[SPEC_NS_USER].path;
	if (plan->shares_mounts && check_shares_mounts(plan, err) < 0)
		return -1;
	plan->host_tree = plan->nested || has_hooks(plan, SPEC_HOOK_PRESTART) ||
			  has_hooks(plan, SPEC_HOOK_CREATE_RUNTIME) ||
			  has_hooks(plan, SPEC_HOOK_CREATE_CONTAINER);
	plan->root_uid = root_of(&linux_->uid_maps);
	plan->root_gid = root_of(&linux_->gid_maps);
	return 0;
}

/* What every container may use, whatever its rules deny ("Default Devices" of config-linux.md): these are
 * appended to them. */
static const struct cgroup_device default_devices[] = {
	{true, 'c', -1, -1, "m"}, {true, 'b', -1, -1, "m"},    {true, 'c', 1, 3, "rwm"},
	{true, 'c', 1, 5, "rwm"}, {true, 'c', 1, 7, "rwm"},    {true, 'c', 1, 8, "rwm"},
	{true, 'c', 1, 9, "rwm"}, {true, 'c', 5, 0, "rwm"},    {true, 'c', 5, 1, "rwm"},
	{true, 'c', 5, 2, "rwm"}, {true, 'c', 136, -1, "rwm"},
};

#define DEFAULT_DEVICE_COUNT (sizeof default_devices / sizeof *default_devices)

int plan_device_rules(struct cgroup_resources *r, struct cgroup_device **ret, struct err *err)
{
	struct cgroup_device *rules;

	if (!r->device_count)
		return 0;
	rules = calloc(r->device_count + DEFAULT_DEVICE_COUNT, sizeof *rules);
	if (!rules)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan device rules");
	memcpy(rules, r->devices, r->device_count * sizeof *r->devices);
	memcpy(rules + r->device_count, default_devices, sizeof default_devices);
	r->devices = *ret = rules;
	r->device_count += DEFAULT_DEVICE_COUNT;
	return 0;
}

/* Device rules are in every configuration that an engine writes, and without a group nobody has it. */
static int plan_without_cgroup(struct plan *plan, const struct cgroup_resources *r, struct err *err)
{
	if (r->device_count && plan->request.strict)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "linux.resources.devices: there is no control group to enforce it");
	if (r->device_count)
		return strv_add(&plan->warnings,
				"linux.resources.devices: there is no control group to enforce it",
				err);
	return 0;
}

/* Long enough for a loaded host, short enough to be noticed. */
#define SCOPE_TIMEOUT_MS 30000

static int plan_scope(struct plan *plan, const struct cgroup_resources *r, struct err *err)
{
	const struct cgroup_place *place = plan->request.place;
	struct scope_request *scope = &plan->scope;

	*scope = (struct scope_request){
		.verb = SCOPE_START,
		.user = place->user,
		.unit = str_dup(place->unit, err),
		.slice = str_dup(place->slice, err),
		.description = str_printf(err, "insula container %s", plan->request.id),
		.timeout_ms = SCOPE_TIMEOUT_MS,
	};
	if (!scope->unit || !scope->slice || !scope->description ||
	    scope_add_resources(&scope->properties, plan->host, r, err) < 0)
		return -1;
	for (size_t i = 0; i < place->properties.count; i++) {
		const char *item = place->properties.items[i];
		size_t len = strcspn(item, "=");
		own_free char *name = str_dup_len(item, len, err);

		if (!name ||
		    scope_add_annotation(&scope->properties, name, item + len + 1, err) < 0)
			return -1;
	}
	plan->cgroup.adopt = true;
	/* Whoever holds the place counts too, until the first process is there. */
	for (size_t i = 0; i < plan->cgroup.count; i++)
		if (str_eq(plan->cgroup.writes[i].file, "pids.max"))
			plan->cgroup.writes[i].late = true;
	return 0;
}

static int plan_cgroup(struct plan *plan, struct err *err)
{
	struct cgroup_resources resources = plan->spec->linux_.resources;
	const struct cgroup_place *place = plan->request.place;
	own_free char *name = NULL;

	if (place && place->manager == CGROUP_MANAGER_DISABLED) {
		if (cgroup_resources_refuse(&resources, "control groups are disabled", err) < 0)
			return -1;
		return plan_without_cgroup(plan, &resources, err);
	}
	if (!place && !plan->request.cgroup_name)
		return 0;
	if (place && place->delegated && plan->host->mode != CGROUP_V2)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"annotations: run.oci.delegate-cgroup: this host is not on cgroup v2 "
			"alone, and v1 has no safe delegation");
	/* An OCI runtime is asked for exactly this: what cannot be limited is an error there. */
	bool strict = plan->request.strict || plan->request.strict_limits || place;
	name = place ? cgroup_place_name(place, plan->host, err)
		     : str_dup(plan->request.cgroup_name, err);
	if (!name || plan_device_rules(&resources, &plan->device_rules, err) < 0 ||
	    cgroup_plan_make(plan->host, name, &resources, strict, &plan->cgroup, err) < 0)
		return -1;
	if (place && place->manager == CGROUP_MANAGER_SYSTEMD &&
	    plan_scope(plan, &resources, err) < 0)
		return -1;
	plan->cgroup.foreign = plan->request.cgroup_foreign;
	plan->cgroup.mark_parents = plan->request.needs_group;
	plan->has_cgroup = true;
	plan->cgroup.unprivileged = plan->nested && !plan->request.strict;
	plan->cgroup.unasked = place && !plan->spec->linux_.cgroups_path;
	for (size_t i = 0; i < plan->cgroup.missing.count; i++)
		if (strv_add(&plan->warnings, plan->cgroup.missing.items[i], err) < 0)
			return -1;
	return 0;
}

static int plan_filter(struct plan *plan, struct err *err)
{
	/* Q, who takes P's steps where we are nested, has a memory of its own. */
	plan->filter_later = plan->request.filter_later && !plan->nested &&
			     filter_can_wait(plan->spec);
	if (plan->filter_later) {
		plan->has_filter = true;
		return 0;
	}
	return filter_make(plan->spec, plan->caps.bounding, &plan->filter, &plan->has_filter, err);
}

static int plan_limits(struct plan *plan, struct err *err)
{
	const struct spec_process *process = &plan->spec->process;

	if (process->rlimit_count) {
		plan->rlimits = calloc(process->rlimit_count, sizeof *plan->rlimits);
		if (!plan->rlimits)
			return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan resource limits");
		memcpy(plan->rlimits, process->rlimits,
		       process->rlimit_count * sizeof *plan->rlimits);
		plan->rlimit_count = process->rlimit_count;
	}
	if (rlimits_clamp(plan->rlimits, plan->rlimit_count, plan->request.strict, &plan->warnings,
			  err) < 0)
		return -1;
	if (!process->oom_given)
		return 0;
	own_fd int proc_fd = procfs_open(err);
	plan->oom_score_adj = process->oom_score_adj;
	if (proc_fd < 0)
		return -1;
	return oom_score_clamp(proc_fd, &plan->oom_score_adj, plan->request.strict, &plan->warnings,
			       err);
}

/* The kernel makes only what is inheritable ambient. Engines ask for it all the same (buildah), and root has
 * its capabilities without: config.md wants no failure of what cannot be granted, but a warning. */
static int plan_ambient(struct plan *plan, struct err *err)
{
	uint64_t beyond = plan->caps.ambient & ~plan->caps.inheritable;
	const struct spec_user *user = &plan->spec->process.user;

	plan->caps.ambient &= plan->caps.inheritable;
	if (!beyond)
		return 0;
	const char *name = caps_name(__builtin_ctzll(beyond));
	if (plan->request.strict)
		return err_set(err, ERR_DENIED, 0,
			       "process.capabilities.ambient: %s is not in inheritable", name);
	if (user->uid == 0)
		return 0;
	return strv_addf(&plan->warnings, err,
			 "%d ambient capabilities are not granted: %s is not in inheritable",
			 __builtin_popcountll(beyond), name);
}

/* What the kernel does not know cannot be granted: it would fail at the very end. */
static int plan_caps(struct plan *plan, const struct facts *facts, struct err *err)
{
	uint64_t all = caps_all();
	bool userns = plan->spec->linux_.namespaces[SPEC_NS_USER].given;
	uint64_t possible = userns ? all : facts->caps_effective & all;
	struct caps wanted = plan->spec->process.caps;

	plan->caps = caps_within(&wanted, possible);
	for (int cap = 0; cap < 64; cap++) {
		if (!(wanted.bounding & ~possible & UINT64_C(1) << cap))
			continue;
		const char *name = caps_name(cap);
		if (plan->request.strict)
			return err_set(err, ERR_DENIED, 0,
				       "capability %s cannot be granted: we do not have it",
				       name ? name : "unknown to this kernel");
		if (name && strv_addf(&plan->warnings, err,
				      "capability %s is not granted: we do not have it", name) < 0)
			return -1;
	}
	return 0;
}

static int plan_parent_steps(struct plan *plan, struct err *err)
{
	if (plan->scope.unit && plan_add(plan, STEP_SCOPE, 0, plan->scope.unit, err) < 0)
		return -1;
	if (plan->has_cgroup && plan_add(plan, STEP_CGROUP, 0, plan->cgroup.name, err) < 0)
		return -1;
	if (plan_add_sources(plan, err) < 0 || plan_add_field_sources(plan, err) < 0)
		return -1;
	/* C is born where it is to stay: in P's copy of the pad, or in a mount namespace of others. */
	if (plan->shares_mounts ? ADD_ALL(plan, err, STEP_CLONE, STEP_PAD) < 0
				: ADD_ALL(plan, err, STEP_PAD, STEP_CLONE) < 0)
		return -1;
	if (plan->own[NS_USER] && ADD_ALL(plan, err, STEP_MAPS) < 0)
		return -1;
	if (plan->filter_later && ADD_ALL(plan, err, STEP_FILTER) < 0)
		return -1;
	if (plan->spec->linux_.intel_rdt && ADD_ALL(plan, err, STEP_RESCTRL_JOIN) < 0)
		return -1;
	/* Few descriptors are the container's, not those of C while it makes a network. */
	if (ADD_ALL(plan, err, STEP_COVERS) < 0 || plan_add_mounts(plan, err) < 0 ||
	    ADD_ALL(plan, err, STEP_LIMITS) < 0)
		return -1;
	if ((has_hooks(plan, SPEC_HOOK_PRESTART) || has_hooks(plan, SPEC_HOOK_CREATE_RUNTIME)) &&
	    ADD_ALL(plan, err, STEP_HOOKS) < 0)
		return -1;
	if (has_hooks(plan, SPEC_HOOK_CREATE_CONTAINER) &&
	    ADD_ALL(plan, err, STEP_HOOKS_CONTAINER) < 0)
		return -1;
	if (ADD_ALL(plan, err,
		    plan->shares_mounts	     ? STEP_DETACH
		    : plan->request.no_pivot ? STEP_MOVE
					     : STEP_PIVOT,
		    STEP_LEAVE) < 0)
		return -1;
	if (plan_add_scheduling(plan, err) < 0)
		return -1;
	if (plan->request.born && ADD_ALL(plan, err, STEP_BORN) < 0)
		return -1;
	return ADD_ALL(plan, err, STEP_RELEASE);
}

bool plan_has_label(const struct spec_process *process)
{
	return process->apparmor_profile || process->selinux_label;
}

/* From the moment in which the container waits for its start, if it does. */
static int plan_child_command(struct plan *plan, bool at_creation, struct err *err)
{
	const struct spec *spec = plan->spec;
	bool label = plan_has_label(&spec->process);

	if (at_creation && ADD_ALL(plan, err, STEP_INIT_FILTER) < 0)
		return -1;
	if (plan->request.wait && ADD_ALL(plan, err, STEP_INIT_START) < 0)
		return -1;
	if (!spec->process_given) /* waiting was all of it: see init_start() */
		return 0;
	if (label && ADD_ALL(plan, err, STEP_INIT_LABEL) < 0)
		return -1;
	if (has_hooks(plan, SPEC_HOOK_START_CONTAINER) &&
	    ADD_ALL(plan, err, STEP_INIT_HOOKS_START) < 0)
		return -1;
	if (ADD_ALL(plan, err, STEP_INIT_READY) < 0)
		return -1;
	if (spec->process.no_new_privs && !at_creation && ADD_ALL(plan, err, STEP_INIT_FILTER) < 0)
		return -1;
	return plan_add(plan, STEP_INIT_EXEC, 0, spec->process.args.items[0], err);
}

static int plan_child_steps(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;
	bool early = plan->has_filter && !spec->process.no_new_privs;
	bool label = plan_has_label(&spec->process);
	/* Whoever starts it later does not know of an agent, and a hook needs one as the command does. */
	bool at_creation = !early && plan->filter.notify &&
			   (plan->request.wait || has_hooks(plan, SPEC_HOOK_START_CONTAINER));

	plan->child_first = plan->count;
	if (plan->late_network && ADD_ALL(plan, err, STEP_INIT_NETWORK) < 0)
		return -1;
	if (ADD_ALL(plan, err, STEP_INIT_CGROUP) < 0)
		return -1;
	if (spec->process.oom_given && ADD_ALL(plan, err, STEP_INIT_OOM) < 0)
		return -1;
	if (has_hooks(plan, SPEC_HOOK_CREATE_CONTAINER) &&
	    ADD_ALL(plan, err, STEP_INIT_HOOKS_CONTAINER) < 0)
		return -1;
	if (spec->process.scheduler && ADD_ALL(plan, err, STEP_INIT_REPORT) < 0)
		return -1;
	if (ADD_ALL(plan, err, STEP_INIT_WAIT) < 0)
		return -1;
	if (plan->shares_mounts ? ADD_ALL(plan, err, STEP_INIT_DETACHED) < 0
				: plan->request.no_pivot && ADD_ALL(plan, err, STEP_INIT_MOVED) < 0)
		return -1;
	if ((plan->own[NS_USER] || spec->linux_.namespaces[SPEC_NS_USER].given) &&
	    ADD_ALL(plan, err, STEP_INIT_ROOT) < 0)
		return -1;
	if (ADD_ALL(plan, err, STEP_INIT_LOCK) < 0)
		return -1;
	if (plan_needs_share(plan) &&
	    plan_add(plan, STEP_INIT_SHARE, 0, spec->linux_.rootfs_propagation, err) < 0)
		return -1;
	if ((spec->hostname || spec->domainname) &&
	    plan_add(plan, STEP_INIT_HOSTNAME, 0, spec->hostname ? spec->hostname : "", err) < 0)
		return -1;
	if (spec->linux_.sysctl.count && ADD_ALL(plan, err, STEP_INIT_SYSCTL) < 0)
		return -1;
	if (ADD_ALL(plan, err, STEP_INIT_SESSION) < 0)
		return -1;
	if (!plan->request.keep_keyring && ADD_ALL(plan, err, STEP_INIT_KEYRING) < 0)
		return -1;
	if (plan_add_child_fields(plan, err) < 0 || ADD_ALL(plan, err, STEP_INIT_BOUND) < 0)
		return -1;
	if (label && ADD_ALL(plan, err, STEP_INIT_LABEL_FILE) < 0)
		return -1;
	if (early && ADD_ALL(plan, err, STEP_INIT_FILTER_EARLY) < 0)
		return -1;
	if (ADD_ALL(plan, err, STEP_INIT_USER) < 0 ||
	    (spec->process_given && plan_add(plan, STEP_INIT_CWD, 0, spec->process.cwd, err) < 0))
		return -1;
	return plan_child_command(plan, at_creation, err);
}

void runtime_plan_free(struct plan *plan)
{
	if (!plan)
		return;
	plan_mounts_done(plan);
	free(plan->rlimits);
	free(plan->device_rules);
	free(plan->steps);
	strv_done(&plan->warnings);
	seccomp_filter_done(&plan->filter);
	cgroup_plan_done(&plan->cgroup);
	scope_request_done(&plan->scope);
	free(plan);
}

static int plan_fill(struct plan *plan, const struct facts *facts, struct err *err)
{
	if (plan_namespaces(plan, facts, err) < 0 || plan_cgroup(plan, err) < 0)
		return -1;
	plan->granted_from = plan->warnings.count;
	if (plan_caps(plan, facts, err) < 0 || plan_limits(plan, err) < 0)
		return -1;
	plan->granted_to = plan->warnings.count;
	if (plan_ambient(plan, err) < 0 || plan_filter(plan, err) < 0)
		return -1;
	if (plan_parent_steps(plan, err) < 0)
		return -1;
	return plan_child_steps(plan, err);
}

struct plan *runtime_plan(const struct runtime_request *request, const struct facts *facts,
			  const struct cgroup_host *host, struct err *err)
{
	struct plan *plan = calloc(1, sizeof *plan);

	if (!plan) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot plan container '%s'", request->id);
		return NULL;
	}
	plan->request = *request;
	plan->spec = request->spec;
	if (!plan->spec->process_given && !request->wait) {
		err_set(err, ERR_INVALID, 0, "process: is missing: there is nothing to run");
		runtime_plan_free(plan);
		return NULL;
	}
	plan->host = host;
	plan->devpts_mount = -1;
	/* Where there is no random number, nobody joins. */
	if (!request->keep_keyring &&
	    getrandom(&plan->keyring, sizeof plan->keyring, GRND_NONBLOCK) < 0)
		plan->keyring = 0;
	plan->bind_nodes = !facts->initial_userns; /* mknod(2) is refused there */
	if (plan_fill(plan, facts, err) < 0) {
		runtime_plan_free(plan);
		return NULL;
	}
	return plan;
}

uint64_t runtime_plan_keyring(const struct plan *plan)
{
	return plan->keyring;
}

bool runtime_plan_left_group(const struct plan *plan)
{
	return plan->group_left;
}

const struct strv *runtime_plan_warnings(const struct plan *plan)
{
	return &plan->warnings;
}

int runtime_plan_note(const struct plan *plan, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < plan->warnings.count; i++) {
		if (i >= plan->granted_from && i < plan->granted_to)
			continue;
		err_set(err, ERR_UNSUPPORTED, 0, "%s", plan->warnings.items[i]);
		if (problems_add_warning(found, err) < 0)
			return -1;
	}
	return 0;
}
