/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host can do for containers: a table of checks. None of them changes anything; a row that is
 * not fulfilled says what a container will do without, or refuse, rather than that something is wrong.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/doctor.h"
#include "engine/group.h"
#include "kernel/caps.h"
#include "kernel/procattr.h"
#include "runtime/rootless.h"

#define KERNEL_MAJOR 5 /* the least: 5.15 */
#define KERNEL_MINOR 15
#define TEXT_MAX 1024
#define NOFILE_USUAL 1048576 /* what engines and their users ask for */

struct view {
	const struct facts *facts;
	const struct cgroup_host *cgroups;
	int proc_fd;
};

static bool has_cap(const struct view *v, int cap)
{
	return v->facts->caps_effective >> cap & 1;
}

static bool check_kernel(const struct view *v, struct str *text)
{
	bool ok = v->facts->major > KERNEL_MAJOR ||
		  (v->facts->major == KERNEL_MAJOR && v->facts->minor >= KERNEL_MINOR);

	str_addf(text, "%s", v->facts->release);
	if (!ok)
		str_addf(text, ": older than %d.%d, which Insula needs", KERNEL_MAJOR,
			 KERNEL_MINOR);
	return ok;
}

static bool check_privilege(const struct view *v, struct str *text)
{
	if (!v->facts->root)
		str_add(text, "not root of the host: containers are an ordinary user's");
	else if (!has_cap(v, CAP_SYS_ADMIN))
		str_add(text, "root without CAP_SYS_ADMIN: no container can be made");
	else
		str_add(text, "root of the host");
	return !v->facts->root || has_cap(v, CAP_SYS_ADMIN);
}

static bool check_limits(const struct view *v, struct str *text)
{
	bool ok = has_cap(v, CAP_SYS_RESOURCE);

	if (ok)
		str_add(text, "CAP_SYS_RESOURCE: any");
	else
		str_addf(text,
			 "no CAP_SYS_RESOURCE: hard limits stay at ours (nofile %llu), and "
			 "oom_score_adj cannot be lowered",
			 (unsigned long long)v->facts->nofile_hard);
	return ok || v->facts->nofile_hard >= NOFILE_USUAL;
}

static bool check_cgroups(const struct view *v, struct str *text)
{
	static const char *const modes[] = {[CGROUP_NONE] = "none mounted: no limit can be set",
					    [CGROUP_V1] = "version 1",
					    [CGROUP_HYBRID] = "versions 1 and 2 side by side",
					    [CGROUP_V2] = "version 2"};

	str_add(text, modes[v->cgroups->mode]);
	if (v->facts->root || v->cgroups->mode == CGROUP_NONE)
		return v->cgroups->mode != CGROUP_NONE;
	bool mine = group_is_to_be_had(v->cgroups);
	str_add(text, mine ? "; your containers have theirs"
			   : "; none was delegated to you (no limits, pause, stats): see "
			     "insula-rootless(7)");
	return mine;
}

/* What flags of `run` need. */
static bool check_controllers(const struct view *v, struct str *text)
{
	static const struct {
		unsigned int bit;
		const char *without;
	} wanted[] = {{CG_CPU, "--cpus"},	    {CG_CPUSET, "--cpuset-cpus"},
		      {CG_MEMORY, "--memory"},	    {CG_PIDS, "--pids-limit"},
		      {CG_DEVICES, "device rules"}, {CG_FREEZER, "freezing"}};
	bool ok = true;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		own(str) struct str name = STR_INIT(64);

		if (v->cgroups->controllers & wanted[i].bit)
			continue;
		cgroup_controllers_text(wanted[i].bit, true, &name);
		str_addf(text, "%s%s is missing (no %s)", ok ? "" : ", ", name.data,
			 wanted[i].without);
		ok = false;
	}
	if (ok)
		str_add(text, "cpu, cpuset, memory, pids, devices, freezer");
	return ok;
}

static bool check_device_programs(const struct view *v, struct str *text)
{
	bool needed = v->cgroups->mode == CGROUP_V2;
	bool ok = !needed || v->facts->cgroup_bpf;

	str_add(text, !needed ? "lists of version 1"
		      : ok    ? "BPF programs for control groups can be loaded"
			      : "no BPF program for control groups can be loaded: a container may "
				"open any device node that it has, and has none but harmless ones");
	return ok;
}

static bool check_overlay(const struct view *v, struct str *text)
{
	str_add(text, v->facts->overlay ? "the kernel has it"
					: "the kernel has none: no image can be used");
	return v->facts->overlay;
}

static bool check_seccomp(const struct view *v, struct str *text)
{
	struct err ignored = ERR_INIT;
	char actions[256];
	bool ok = sysctl_read(v->proc_fd, "kernel.seccomp.actions_avail", actions, sizeof actions,
			      &ignored) == 0 &&
		  strstr(actions, "errno");

	str_add(text, ok ? "filters"
			 : "the kernel has no filters: containers are refused, unless "
			   "with --security-opt seccomp=unconfined");
	return ok;
}

static uint64_t number_of(const struct view *v, const char *name, uint64_t otherwise)
{
	struct err ignored = ERR_INIT;
	char text[32];

	if (sysctl_read(v->proc_fd, name, text, sizeof text, &ignored) < 0)
		return otherwise;
	return strtoull(text, NULL, 10);
}

/* What ordinary users may, which says nothing of root. */
static bool check_policy(const struct view *v, struct str *text)
{
	static const char *const said[] = {
		[ROOTLESS_ALLOWED] = "",
		[ROOTLESS_FORBIDDEN] =
			"; none for ordinary users (sysctl kernel.unprivileged_userns_clone is 0)",
		[ROOTLESS_RESTRICTED] =
			"; for ordinary users only by a profile of AppArmor (sysctl "
			"kernel.apparmor_restrict_unprivileged_userns is 1), and we run by "
			"none: see insula-rootless(7)",
		[ROOTLESS_PROFILE] = "; for ordinary users by the profile of AppArmor",
	};
	enum rootless_policy policy = rootless_policy(v->proc_fd);

	if (v->facts->root && policy == ROOTLESS_RESTRICTED)
		str_add(text, "; for ordinary users only by a profile of AppArmor, such as ours");
	else
		str_add(text, said[policy]);
	return v->facts->root || policy == ROOTLESS_ALLOWED || policy == ROOTLESS_PROFILE;
}

static bool check_user_namespaces(const struct view *v, struct str *text)
{
	uint64_t most = number_of(v, "user.max_user_namespaces", 0);

	if (most)
		str_addf(text, "at most %llu", (unsigned long long)most);
	else
		str_add(text, "none allowed (sysctl user.max_user_namespaces): containers need "
			      "--userns=host");
	return most != 0 && check_policy(v, text);
}

/* An ordinary user's own, and those that he may map. */
static bool check_own_ids(struct str *text)
{
	struct spec_idmaps uids = {0}, gids = {0};
	struct err err = ERR_INIT;
	unsigned int count = 0;
	int status = rootless_own_ids(&uids, &gids, &err);

	for (size_t i = 1; status == 0 && i < uids.count; i++)
		count += uids.items[i].size;
	if (status < 0)
		str_add(text, err.message);
	else if (count)
		str_addf(text, "your own, and %u of /etc/subuid", count);
	else
		str_add(text, "your own alone: containers have the user root and no other");
	free(uids.items);
	free(gids.items);
	return status == 0;
}

static bool check_ids(const struct view *v, struct str *text)
{
	struct store_range ids;
	struct err err = ERR_INIT;

	if (geteuid() != 0)
		return check_own_ids(text);
	if (store_id_range(&ids, &err) < 0) {
		str_add(text, err.message);
		return false;
	}
	str_addf(text, "%llu ranges of %u from %llu, ",
		 (unsigned long long)(ids.count / STORE_RANGE_SIZE), STORE_RANGE_SIZE,
		 (unsigned long long)ids.start);
	str_add(text, ids.is_configured ? "the configuration"
		      : ids.is_entry	? "the line of 'insula' in /etc/subuid and /etc/subgid"
				     : "the default: there is no line of 'insula' in /etc/subuid");
	return true;
}

static const struct row {
	const char *subject;
	bool (*check)(const struct view *v, struct str *text);
} rows[] = {
	{"kernel", check_kernel},
	{"privilege", check_privilege},
	{"resource limits", check_limits},
	{"control groups", check_cgroups},
	{"controllers", check_controllers},
	{"device rules", check_device_programs},
	{"overlay file system", check_overlay},
	{"system call filter", check_seccomp},
	{"user namespaces", check_user_namespaces},
	{"id ranges", check_ids},
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

void host_checks_done(struct host_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++)
		free(checks->items[i].text);
	free(checks->items);
	*checks = (struct host_checks){0};
}

int doctor_check_host(const struct facts *facts, const struct cgroup_host *host, int proc_fd,
		      struct host_checks *ret, struct err *err)
{
	const struct view view = {.facts = facts, .cgroups = host, .proc_fd = proc_fd};

	ret->items = calloc(ROW_COUNT, sizeof *ret->items);
	if (!ret->items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot check the host");
	for (size_t i = 0; i < ROW_COUNT; i++) {
		own(str) struct str text = STR_INIT(TEXT_MAX);
		struct host_check *check = &ret->items[ret->count];

		check->ok = rows[i].check(&view, &text);
		check->subject = rows[i].subject;
		check->text = str_dup(text.data, err);
		if (!check->text)
			return -1;
		ret->count++;
	}
	return 0;
}
