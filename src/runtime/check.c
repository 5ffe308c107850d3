/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a configuration this host cannot do, or not for us.
 *
 * Two kinds of answers. A start that must fail is an error: a namespace, a file system, a controller or a
 * security module that the kernel does not have. What a start leaves out and says so (a resource limit or
 * a capability that is not ours to give) is a warning, and an error for who wants it strictly. Each names the kernel's feature or the privilege that is missing.
 *
 * The limits of control groups are asked one group of members at a time: the planner stops at the
 * first thing that it cannot do, and a document may have one in each.
 */
#include "runtime/check.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/procattr.h"
#include "spec/mount_options.h"

static int check_each(check_fn *const *checks, const struct check *c, struct problems *found,
		      struct err *err)
{
	for (; *checks; checks++)
		if ((*checks)(c, found, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* An error, or where the start would go on without it a warning. */
static int note_degraded(const struct check *c, struct problems *found, struct err *err)
{
	return c->strict ? problems_add(found, err) : problems_add_warning(found, err);
}

static bool has_cap(const struct check *c, int cap)
{
	return c->facts->caps_effective >> cap & 1;
}

static bool makes_userns(const struct check *c)
{
	const struct spec_namespace *user = &c->spec->linux_.namespaces[SPEC_NS_USER];

	return user->given && !user->path;
}

/* ---- namespaces ---- */

static const struct {
	enum ns_kind kind;
	const char *name, *feature;
} namespaces[SPEC_NS_COUNT] = {
	[SPEC_NS_USER] = {NS_USER, "user", "CONFIG_USER_NS"},
	[SPEC_NS_MNT] = {NS_MNT, "mount", "CONFIG_NAMESPACES"},
	[SPEC_NS_PID] = {NS_PID, "pid", "CONFIG_PID_NS"},
	[SPEC_NS_NET] = {NS_NET, "network", "CONFIG_NET_NS"},
	[SPEC_NS_UTS] = {NS_UTS, "uts", "CONFIG_UTS_NS"},
	[SPEC_NS_IPC] = {NS_IPC, "ipc", "CONFIG_IPC_NS"},
	[SPEC_NS_CGROUP] = {NS_CGROUP, "cgroup", "CONFIG_CGROUPS"},
	[SPEC_NS_TIME] = {NS_TIME, "time", "CONFIG_TIME_NS, Linux 5.6"},
};

static int check_namespace(const struct check *c, enum spec_ns kind, struct err *err)
{
	const struct spec_namespace *ns = &c->spec->linux_.namespaces[kind];
	own_fd int fd = -1;

	if (!ns->given)
		return 0;
	if (!c->support->namespaces[namespaces[kind].kind]) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"linux.namespaces[%u].type: this kernel has no %s namespaces", ns->index,
			namespaces[kind].name);
		return err_hint(err, "it needs %s", namespaces[kind].feature);
	}
	if (!ns->path)
		return 0;
	fd = ns_open_path(ns->path, namespaces[kind].kind, err);
	return fd < 0 ? err_wrap(err, "linux.namespaces[%u].path", ns->index) : 0;
}

static int check_namespaces(const struct check *c, struct problems *found, struct err *err)
{
	for (enum spec_ns kind = 0; kind < SPEC_NS_COUNT; kind++)
		if (check_namespace(c, kind, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

static int check_privilege(const struct check *c, struct problems *found, struct err *err)
{
	const struct spec_namespace *user = &c->spec->linux_.namespaces[SPEC_NS_USER];

	if (makes_userns(c) && c->support->namespaces[NS_USER] && !c->support->user_namespaces) {
		err_set(err, ERR_DENIED, 0,
			"linux.namespaces[%u].type: no user namespace may be made here",
			user->index);
		return err_hint(err, "see the sysctls user.max_user_namespaces and "
				     "kernel.unprivileged_userns_clone");
	}
	if (user->given || has_cap(c, CAP_SYS_ADMIN))
		return 0;
	err_set(err, ERR_DENIED, 0,
		"linux.namespaces: without a user namespace this takes CAP_SYS_ADMIN");
	return err_hint(err, "add {\"type\": \"user\"} with mappings, or be root");
}

/* ---- id maps ---- */

/* Is each id of the range one of those that our own user namespace has? */
static bool is_ours(const struct id_map *maps, size_t count, uint64_t first, uint64_t size)
{
	while (size) {
		size_t i = 0;

		while (i < count &&
		       (first < maps[i].inside || first >= (uint64_t)maps[i].inside + maps[i].size))
			i++;
		if (i == count)
			return false;
		uint64_t rest = (uint64_t)maps[i].inside + maps[i].size - first;
		rest = rest < size ? rest : size;
		first += rest;
		size -= rest;
	}
	return true;
}

static int check_map(const struct check *c, bool group, const struct spec_idmap *m, size_t i,
		     struct err *err)
{
	const struct support *s = c->support;
	const char letter = group ? 'g' : 'u';
	bool single = m->size == 1 && m->host_id == (group ? getegid() : geteuid());

	if (!is_ours(group ? s->gids : s->uids, group ? s->gid_count : s->uid_count, m->host_id,
		     m->size)) {
		err_set(err, ERR_DENIED, 0,
			"linux.%cidMappings[%zu].hostID: our user namespace has not all of %u to "
			"%u",
			letter, i, m->host_id, m->host_id + m->size - 1);
		return err_hint(err, "/proc/self/%cid_map lists what it has", letter);
	}
	if (single || has_cap(c, group ? CAP_SETGID : CAP_SETUID))
		return 0;
	err_set(err, ERR_DENIED, 0,
		"linux.%cidMappings[%zu].hostID: to map others than our own id takes CAP_SET%cID",
		letter, i, group ? 'G' : 'U');
	return err_hint(err, "be root, or map only %u", group ? getegid() : geteuid());
}

static int check_maps(const struct check *c, bool group, struct problems *found, struct err *err)
{
	const struct spec_linux *l = &c->spec->linux_;
	const struct spec_idmaps *maps = group ? &l->gid_maps : &l->uid_maps;

	for (size_t i = 0; i < maps->count; i++)
		if (check_map(c, group, &maps->items[i], i, err) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
	return 0;
}

static int check_uid_maps(const struct check *c, struct problems *found, struct err *err)
{
	return check_maps(c, false, found, err);
}

static int check_gid_maps(const struct check *c, struct problems *found, struct err *err)
{
	return check_maps(c, true, found, err);
}

/* ---- the process ---- */

static int check_cap_set(const struct check *c, const char *member, uint64_t wanted,
			 struct problems *found, struct err *err)
{
	uint64_t all = caps_all();
	uint64_t possible = makes_userns(c) ? all : c->facts->caps_effective & all;

	for (int cap = 0; cap < 64; cap++) {
		if (!(wanted & ~possible & UINT64_C(1) << cap))
			continue;
		err_set(err, all >> cap & 1 ? ERR_DENIED : ERR_UNSUPPORTED, 0,
			"process.capabilities.%s: %s cannot be granted: %s", member, caps_name(cap),
			all >> cap & 1 ? "we do not have it" : "this kernel does not know it");
		if (note_degraded(c, found, err) < 0)
			return -1;
	}
	return 0;
}

/* Of the five sets the widest is enough: what is not in it is not in the others, or was said already. */
static int check_caps(const struct check *c, struct problems *found, struct err *err)
{
	const struct caps *caps = &c->spec->process.caps;

	if (check_cap_set(c, "bounding", caps->bounding, found, err) < 0 ||
	    check_cap_set(c, "permitted", caps->permitted & ~caps->bounding, found, err) < 0)
		return -1;
	return check_cap_set(c, "inheritable",
			     caps->inheritable & ~caps->bounding & ~caps->permitted, found, err);
}

static int check_rlimits(const struct check *c, struct problems *found, struct err *err)
{
	const struct spec_process *p = &c->spec->process;

	for (size_t i = 0; i < p->rlimit_count; i++) {
		struct rlimit_entry limit = p->rlimits[i];

		if (rlimits_clamp(&limit, 1, true, NULL, err) == 0)
			continue;
		err_wrap(err, "process.rlimits[%zu].hard", i);
		snprintf(err->hint, sizeof(err->hint), "more takes CAP_SYS_RESOURCE");
		if (note_degraded(c, found, err) < 0)
			return -1;
	}
	return 0;
}

static int check_oom_score(const struct check *c, struct problems *found, struct err *err)
{
	int score = c->spec->process.oom_score_adj;
	own_fd int proc_fd = -1;

	if (!c->spec->process.oom_given)
		return 0;
	proc_fd = procfs_open(err);
	if (proc_fd < 0)
		return err_wrap(err, "process.oomScoreAdj");
	if (oom_score_clamp(proc_fd, &score, true, NULL, err) == 0)
		return 0;
	err_wrap(err, "process.oomScoreAdj");
	snprintf(err->hint, sizeof(err->hint), "less takes CAP_SYS_RESOURCE");
	return note_degraded(c, found, err);
}

static int check_apparmor(const struct check *c, struct problems *found, struct err *err)
{
	const char *profile = c->spec->process.apparmor_profile;

	if (!profile || str_eq(profile, "unconfined"))
		return 0;
	if (!c->support->apparmor) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"process.apparmorProfile: this kernel does not run AppArmor");
		return err_hint(err, "take the member out, or boot with lsm=...,apparmor");
	}
	if (!c->support->apparmor_listed || strv_contains(&c->support->apparmor_profiles, profile))
		return 0;
	err_set(err, ERR_NOT_FOUND, 0, "process.apparmorProfile: '%s' is not loaded", profile);
	return err_hint(err, "apparmor_parser -r FILE loads it");
}

static int check_selinux(const struct check *c, struct problems *found, struct err *err)
{
	if (!c->spec->process.selinux_label || c->support->selinux)
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0, "process.selinuxLabel: this kernel does not run SELinux");
	return err_hint(err, "take the member out");
}

/* ---- mounts ---- */

static int check_mount(const struct check *c, size_t i, struct problems *found, struct err *err)
{
	const struct spec_mount *m = &c->spec->mounts[i];
	own(mount_options) struct mount_options o = {0};
	struct err ignored = ERR_INIT;

	if (mount_options_of(m, &o, &ignored) < 0)
		return 0;
	if ((o.flags & (MOUNT_OPT_IDMAP | MOUNT_OPT_RIDMAP) || m->uid_maps.count) &&
	    !c->support->idmap) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"mounts[%zu].%s: this kernel has no idmapped mounts", i,
			m->uid_maps.count ? "uidMappings" : "options");
		err_hint(err, "they need Linux 5.12");
		if (problems_add(found, err) < 0)
			return -1;
	}
	/* The group's own directories: what they are mounted from is decided by the host. */
	if (mount_options_bind(&o) || !m->type || str_eq(m->type, "cgroup") ||
	    str_eq(m->type, "cgroup2") || support_has_filesystem(c->support, m->type))
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0, "mounts[%zu].type: this kernel has no file system '%s'", i,
		m->type);
	err_hint(err, "/proc/filesystems lists those that it has");
	return problems_add(found, err);
}

static int check_mounts(const struct check *c, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < c->spec->mount_count; i++)
		if (check_mount(c, i, found, err) < 0)
			return -1;
	return 0;
}

/* ---- sysctls ---- */

static int check_sysctl(const char *entry, int proc_fd, struct err *err)
{
	own_free char *name = str_dup_len(entry, strcspn(entry, "="), err);
	char value[4096];

	if (!name)
		return -1;
	if (sysctl_read(proc_fd, name, value, sizeof(value), err) == 0 ||
	    err->kind != ERR_NOT_FOUND) {
		*err = ERR_INIT; /* one that is only written, or longer: it is there */
		return 0;
	}
	*err = ERR_INIT;
	err_set(err, ERR_UNSUPPORTED, 0, "linux.sysctl[\"%s\"]: this kernel has no such sysctl",
		name);
	return err_hint(err, "a module that is not loaded may have it");
}

static int check_sysctls(const struct check *c, struct problems *found, struct err *err)
{
	const struct strv *sysctl = &c->spec->linux_.sysctl;
	own_fd int proc_fd = -1;

	if (!sysctl->count)
		return 0;
	proc_fd = procfs_open(err);
	if (proc_fd < 0)
		return err_wrap(err, "linux.sysctl");
	for (size_t i = 0; i < sysctl->count; i++)
		if (check_sysctl(sysctl->items[i], proc_fd, err) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* ---- seccomp ---- */

static const char *action_name(uint32_t action)
{
	const struct seccomp_name *name = seccomp_actions;

	while (name->name && name->value != action)
		name++;
	return name->name ? name->name : "an action";
}

static int check_actions(const struct seccomp_profile *p, struct problems *found, struct err *err)
{
	if (!support_seccomp_action(p->default_action)) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"linux.seccomp.defaultAction: this kernel does not know %s",
			action_name(p->default_action));
		if (problems_add(found, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < p->rule_count; i++) {
		if (support_seccomp_action(p->rules[i].action))
			continue;
		err_set(err, ERR_UNSUPPORTED, 0,
			"linux.seccomp.syscalls[%zu].action: this kernel does not know %s", i,
			action_name(p->rules[i].action));
		if (problems_add(found, err) < 0)
			return -1;
	}
	return 0;
}

static int check_flags(const struct check *c, const struct seccomp_profile *p,
		       struct problems *found, struct err *err)
{
	for (const struct seccomp_name *flag = seccomp_flags; flag->name; flag++) {
		if (!(p->flags & flag->value & ~c->support->seccomp_flags))
			continue;
		err_set(err, ERR_UNSUPPORTED, 0,
			"linux.seccomp.flags: this kernel does not know %s", flag->name);
		if (problems_add(found, err) < 0)
			return -1;
	}
	return 0;
}

static int check_filter(const struct check *c, const struct seccomp_profile *p,
			struct problems *found, struct err *err)
{
	own(seccomp_filter) struct seccomp_filter filter = SECCOMP_FILTER_INIT;
	size_t unknown = 0;

	if (seccomp_compile(p, &filter, &unknown, err) < 0)
		return err_wrap(err, "linux.seccomp.syscalls");
	if (!unknown)
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0,
		"linux.seccomp.syscalls: %zu names are of no system call that is known here",
		unknown);
	err_hint(err, "rules for them have no effect; a newer libseccomp may know them");
	return problems_add_warning(found, err);
}

static int check_seccomp(const struct check *c, struct problems *found, struct err *err)
{
	const struct seccomp_profile *p = c->spec->linux_.seccomp;

	if (!p)
		return 0;
	if (check_actions(p, found, err) < 0 || check_flags(c, p, found, err) < 0)
		return -1;
	return check_filter(c, p, found, err);
}

/* ---- control groups ---- */

/* Each gets a copy of the resources with nothing else in it. What is borrowed stays the document's. */
enum part {
	PART_MEMORY,
	PART_CPU,
	PART_CPUS,
	PART_MEMS,
	PART_PIDS,
	PART_IO,
	PART_HUGETLB,
	PART_NET,
	PART_RDMA,
	PART_UNIFIED,
	PART_DEVICES,
	PART_COUNT
};

static struct cgroup_resources take_part(const struct cgroup_resources *r, enum part part)
{
	struct cgroup_resources only;

	cgroup_resources_init(&only);
#define COPY(member) (only.member = r->member)
	switch (part) {
	case PART_MEMORY:
		COPY(memory_limit), COPY(memory_reservation), COPY(memory_swap);
		COPY(memory_kernel), COPY(memory_kernel_tcp), COPY(memory_swappiness);
		COPY(memory_disable_oom_killer);
		break;
	case PART_CPU:
		COPY(cpu_shares), COPY(cpu_quota), COPY(cpu_period), COPY(cpu_burst);
		COPY(cpu_rt_runtime), COPY(cpu_rt_period), COPY(cpu_idle);
		break;
	case PART_CPUS:
		COPY(cpuset_cpus);
		break;
	case PART_MEMS:
		COPY(cpuset_mems);
		break;
	case PART_PIDS:
		COPY(pids_limit);
		break;
	case PART_IO:
		COPY(io_weight), COPY(io_leaf_weight), COPY(io_weight_device);
		COPY(io_leaf_weight_device), COPY(io_read_bps), COPY(io_write_bps);
		COPY(io_read_iops), COPY(io_write_iops);
		break;
	case PART_HUGETLB:
		COPY(hugetlb), COPY(hugetlb_count);
		break;
	case PART_NET:
		COPY(net_cls_classid), COPY(net_prio);
		break;
	case PART_RDMA:
		COPY(rdma);
		break;
	case PART_UNIFIED:
		COPY(unified);
		break;
	case PART_DEVICES:
		COPY(devices), COPY(device_count);
		break;
	default:
		break;
	}
#undef COPY
	return only;
}

/* The planner's errors are sentences that begin with the member: "linux.resources.x is 1: ...". */
static void name_member(struct err *err)
{
	char rest[sizeof(err->message)];
	size_t len = strcspn(err->message, " ");

	if (!str_starts(err->message, "linux.") || !err->message[len] || !len ||
	    err->message[len - 1] == ':')
		return;
	memcpy(rest, err->message, sizeof(rest));
	snprintf(err->message, sizeof(err->message), "%.*s:%.700s", (int)len, rest, rest + len);
}

/* A bundle is started with exactly the limits that it asks for, or not. Only of kernel memory, which the
 * specification itself advises against, a start says that there is no such limit any more. */
static int note_missing(const struct cgroup_plan *plan, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < plan->missing.count; i++) {
		bool obsolete = str_starts(plan->missing.items[i], "linux.resources.memory.kernel");

		err_set(err, ERR_UNSUPPORTED, 0, "%s", plan->missing.items[i]);
		name_member(err);
		if ((obsolete ? problems_add_warning(found, err) : problems_add(found, err)) < 0)
			return -1;
	}
	return 0;
}

static int check_part(const struct check *c, const struct cgroup_resources *part,
		      struct problems *found, struct err *err)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};

	if (cgroup_plan_make(c->host, "insula-validate", part, false, &plan, err) < 0) {
		name_member(err);
		return problems_add(found, err);
	}
	return note_missing(&plan, found, err);
}

static int check_resources(const struct check *c, struct problems *found, struct err *err)
{
	const struct cgroup_resources *r = &c->spec->linux_.resources;

	for (enum part part = 0; part < PART_COUNT; part++) {
		struct cgroup_resources only = take_part(r, part);

		if (part != PART_UNIFIED) {
			if (check_part(c, &only, found, err) < 0)
				return -1;
			continue;
		}
		for (size_t i = 0; i < r->unified.count; i++) {
			only.unified = (struct strv){.items = r->unified.items + i, .count = 1};
			if (check_part(c, &only, found, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int check_page_sizes(const struct check *c, struct problems *found, struct err *err)
{
	const struct cgroup_resources *r = &c->spec->linux_.resources;

	for (size_t i = 0; i < r->hugetlb_count; i++) {
		if (strv_contains(&c->support->page_sizes, r->hugetlb[i].page_size))
			continue;
		err_set(err, ERR_UNSUPPORTED, 0,
			"linux.resources.hugepageLimits[%zu].pageSize: this machine has no pages "
			"of %s",
			i, r->hugetlb[i].page_size);
		if (problems_add(found, err) < 0)
			return -1;
	}
	return 0;
}

int check_host(const struct check *c, struct problems *found, struct err *err)
{
	static check_fn *const checks[] = {
		check_namespaces,  check_privilege,  check_uid_maps,
		check_gid_maps,	   check_caps,	     check_rlimits,
		check_oom_score,   check_apparmor,   check_selinux,
		check_policies,	   check_mounts,     check_sysctls,
		check_net_devices, check_seccomp,    check_resctrl,
		check_resources,   check_page_sizes, NULL,
	};

	return check_each(checks, c, found, err);
}
