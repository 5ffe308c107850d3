/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules of the `linux` object.
 *
 * Namespaces decide most of them. Mount propagation needs a mount namespace of the container's own. Id maps belong to a user namespace: one that is joined has its
 * own, which are compared at the start, and without one they have no meaning. Names, clocks and sysctls
 * may only be set where they are the container's own and not the host's.
 *
 * Id maps are checked as the kernel will check them (user_namespaces(7): at most 340 lines, no
 * overlap on either side), because writing them happens after the first process exists.
 */
#include <linux/seccomp.h>
#include <string.h>

#include "base/own.h"
#include "kernel/procattr.h"
#include "spec/validate.h"

#define IDMAP_LINES_MAX 340 /* UID_GID_MAP_MAX_EXTENTS */

/* ---- id maps ---- */

static bool ranges_overlap(uint64_t a, uint64_t b, const struct spec_idmap *x,
			   const struct spec_idmap *y)
{
	return a < b + y->size && b < a + x->size;
}

static int idmap_check(const struct spec_idmaps *maps, const char *member, size_t i,
		       struct err *err)
{
	const struct spec_idmap *m = &maps->items[i];

	if (m->size == 0)
		return err_set(err, ERR_INVALID, 0, "%s[%zu].size: must not be 0", member, i);
	if ((uint64_t)m->container_id + m->size > UINT32_MAX)
		return err_set(err, ERR_INVALID, 0, "%s[%zu].containerID: the range ends beyond %u",
			       member, i, UINT32_MAX - 1);
	if ((uint64_t)m->host_id + m->size > UINT32_MAX)
		return err_set(err, ERR_INVALID, 0, "%s[%zu].hostID: the range ends beyond %u",
			       member, i, UINT32_MAX - 1);
	for (size_t j = 0; j < i; j++) {
		const struct spec_idmap *o = &maps->items[j];

		if (ranges_overlap(m->container_id, o->container_id, m, o))
			return err_set(err, ERR_INVALID, 0,
				       "%s[%zu].containerID: the range overlaps that of entry %zu",
				       member, i, j);
		if (ranges_overlap(m->host_id, o->host_id, m, o))
			return err_set(err, ERR_INVALID, 0,
				       "%s[%zu].hostID: the range overlaps that of entry %zu",
				       member, i, j);
	}
	return 0;
}

int spec_validate_idmaps(const struct spec_idmaps *maps, const char *member, struct problems *found,
			 struct err *err)
{
	if (maps->count > IDMAP_LINES_MAX)
		return err_set(err, ERR_INVALID, 0, "%s: has %zu entries, the kernel takes %d",
			       member, maps->count, IDMAP_LINES_MAX);
	for (size_t i = 0; i < maps->count; i++)
		if (idmap_check(maps, member, i, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

static int check_maps_given(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_linux *l = &s->linux_;
	const struct spec_namespace *user = &l->namespaces[SPEC_NS_USER];
	const char *given = l->uid_maps.count	? "linux.uidMappings"
			    : l->gid_maps.count ? "linux.gidMappings"
						: NULL;

	if (given && !user->given)
		return err_set(err, ERR_INVALID, 0, "%s: there is no user namespace", given);
	if (user->given && !user->path && (!l->uid_maps.count || !l->gid_maps.count))
		return err_set(err, ERR_INVALID, 0,
			       "linux.%sMappings: a new user namespace needs one",
			       l->uid_maps.count ? "gid" : "uid");
	return 0;
}

static int check_uid_maps(const struct spec *s, struct problems *found, struct err *err)
{
	return spec_validate_idmaps(&s->linux_.uid_maps, "linux.uidMappings", found, err);
}

static int check_gid_maps(const struct spec *s, struct problems *found, struct err *err)
{
	return spec_validate_idmaps(&s->linux_.gid_maps, "linux.gidMappings", found, err);
}

int spec_validate_userns(const struct spec *s, struct problems *found, struct err *err)
{
	static spec_rule_fn *const rules[] = {check_maps_given, check_uid_maps, check_gid_maps,
					      NULL};

	return spec_check_rules(rules, s, found, err);
}

/* ---- namespaces, clocks, sysctls ---- */

static int check_namespaces(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_namespace *all = s->linux_.namespaces;

	for (size_t i = 0; i < SPEC_NS_COUNT; i++)
		if (all[i].path && spec_check_path(all[i].path, err) < 0 &&
		    err_wrap(err, "linux.namespaces[%u].path", all[i].index) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
	return 0;
}

static int check_time(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_linux *l = &s->linux_;
	const struct spec_namespace *time = &l->namespaces[SPEC_NS_TIME];

	if (!l->time_monotonic.given && !l->time_boottime.given)
		return 0;
	if (!time->given || time->path)
		return err_set(err, ERR_INVALID, 0,
			       "linux.timeOffsets: needs a new time namespace of its own");
	return 0;
}

static int check_sysctl(const char *entry, const struct sysctl_ns *mine, struct err *err)
{
	own_free char *name = str_dup(entry, err);
	char *value;

	if (!name)
		return -1;
	value = strchr(name, '=');
	if (!value)
		return err_set(err, ERR_INVALID, 0, "linux.sysctl: '%s' has no value", name);
	*value++ = '\0';
	if (sysctl_check(name, value, mine, err) < 0)
		return err_wrap(err, "linux.sysctl[\"%s\"]", name);
	return 0;
}

static int check_sysctls(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_linux *l = &s->linux_;
	/* Sysctls are written from outside the user namespace, where those of user.* are the host's. */
	const struct sysctl_ns mine = {
		.net = l->namespaces[SPEC_NS_NET].given,
		.ipc = l->namespaces[SPEC_NS_IPC].given,
		.uts = l->namespaces[SPEC_NS_UTS].given,
	};

	for (size_t i = 0; i < l->sysctl.count; i++)
		if (check_sysctl(l->sysctl.items[i], &mine, err) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* ---- devices ---- */

static int check_device(const struct spec_linux *l, size_t i, struct err *err)
{
	const struct spec_device *d = &l->devices[i];

	if (spec_check_path(d->path, err) < 0)
		return err_wrap(err, "path");
	if (d->type && d->type != 'p' && (d->major < 0 || d->minor < 0))
		return err_set(err, ERR_INVALID, 0, "%s: is missing for a device of type '%c'",
			       d->major < 0 ? "major" : "minor", d->type);
	for (size_t j = 0; j < i; j++)
		if (str_eq(d->path, l->devices[j].path))
			return err_set(err, ERR_INVALID, 0, "path: '%s' is listed twice", d->path);
	return 0;
}

static int check_devices(const struct spec *s, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < s->linux_.device_count; i++)
		if (check_device(&s->linux_, i, err) < 0 &&
		    spec_within(err, "linux.devices[%zu]", i) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* ---- seccomp ---- */

static int check_notify(const struct spec *s, struct problems *found, struct err *err)
{
	const struct seccomp_profile *p = s->linux_.seccomp;

	if (!p)
		return 0;
	if (p->listener_path && spec_check_path(p->listener_path, err) < 0)
		return err_wrap(err, "linux.seccomp.listenerPath");
	if (p->listener_metadata && !p->listener_path)
		return err_set(
			err, ERR_INVALID, 0,
			"linux.seccomp.listenerMetadata: is for nobody without listenerPath");
	if (p->default_action != SECCOMP_RET_USER_NOTIF || spec_seccomp_listener(s))
		return 0;
	err_set(err, ERR_INVALID, 0,
		"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath");
	return err_hint(err, "nobody would answer: every call would wait for ever");
}

static int check_seccomp_rule(const struct spec *s, size_t i, struct err *err)
{
	const struct seccomp_rule *rule = &s->linux_.seccomp->rules[i];

	if (!rule->names.count)
		return err_set(err, ERR_INVALID, 0,
			       "linux.seccomp.syscalls[%zu].names: must name a call", i);
	if (rule->action != SECCOMP_RET_USER_NOTIF || spec_seccomp_listener(s))
		return 0;
	err_set(err, ERR_INVALID, 0,
		"linux.seccomp.syscalls[%zu].action: SCMP_ACT_NOTIFY needs "
		"linux.seccomp.listenerPath",
		i);
	return err_hint(err, "nobody would answer: the call would wait for ever");
}

/* What crun knows beside listenerPath. */
static int check_seccomp_annotations(const struct spec *s, struct problems *found, struct err *err)
{
	const char *receiver = strv_env_get(&s->annotations, "run.oci.seccomp.receiver");

	if (receiver && spec_check_path(receiver, err) < 0)
		return err_wrap(err, "annotations[\"run.oci.seccomp.receiver\"]");
	bool given = receiver || (s->linux_.seccomp && s->linux_.seccomp->listener_path);
	const char *listener = given ? NULL : spec_seccomp_listener(s);
	if (listener && spec_check_path(listener, err) < 0)
		return err_wrap(err, "RUN_OCI_SECCOMP_RECEIVER");
	return 0;
}

static int check_seccomp_rules(const struct spec *s, struct problems *found, struct err *err)
{
	const struct seccomp_profile *p = s->linux_.seccomp;

	for (size_t i = 0; p && i < p->rule_count; i++)
		if (check_seccomp_rule(s, i, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* ---- paths and labels ---- */

static int check_paths(const struct strv *paths, const char *member, struct problems *found,
		       struct err *err)
{
	for (size_t i = 0; i < paths->count; i++)
		if (spec_check_path(paths->items[i], err) < 0 &&
		    err_wrap(err, "linux.%s[%zu]", member, i) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

static int check_masked(const struct spec *s, struct problems *found, struct err *err)
{
	return check_paths(&s->linux_.masked_paths, "maskedPaths", found, err);
}

static int check_readonly(const struct spec *s, struct problems *found, struct err *err)
{
	return check_paths(&s->linux_.readonly_paths, "readonlyPaths", found, err);
}

/* A path below the hierarchy's top, or "slice:prefix:name" for the systemd driver. */
static int cgroups_path_check(const char *path, struct err *err)
{
	if (spec_check_optional(path, err) < 0)
		return -1;
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || !at[2]))
			return err_set(err, ERR_INVALID, 0, "'%s' has a '..'", path);
	}
	return 0;
}

static int check_cgroups_path(const struct spec *s, struct problems *found, struct err *err)
{
	if (cgroups_path_check(s->linux_.cgroups_path, err) < 0)
		return err_wrap(err, "linux.cgroupsPath");
	return 0;
}

/* Propagation is between mounts of namespaces. What the container has for a root in a namespace of others
 * belongs to none. */
static int check_propagates(const struct spec *s, const char *text, struct err *err)
{
	if (!spec_shares_mounts(s) || str_eq(text, "private") || str_eq(text, "rprivate"))
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0,
		"linux.rootfsPropagation: '%s' needs a mount namespace of the container's own",
		text);
	return err_hint(err, "add {\"type\": \"mount\"} without a path to linux.namespaces");
}

static int check_propagation(const struct spec *s, struct problems *found, struct err *err)
{
	const char *text = s->linux_.rootfs_propagation;
	static const char *const known[] = {"private", "rprivate", "slave",	 "rslave",
					    "shared",  "rshared",  "unbindable", "runbindable"};

	if (!text)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_eq(known[i], text))
			return check_propagates(s, text, err);
	return err_set(err, ERR_INVALID, 0,
		       "linux.rootfsPropagation: '%s' is not a mount propagation", text);
}

static int check_mount_label(const struct spec *s, struct problems *found, struct err *err)
{
	if (spec_check_optional(s->linux_.mount_label, err) < 0)
		return err_wrap(err, "linux.mountLabel");
	return 0;
}

int spec_validate_linux(const struct spec *s, struct problems *found, struct err *err)
{
	static spec_rule_fn *const rules[] = {
		check_sysctls,
		spec_validate_resources,
		check_namespaces,
		check_devices,
		check_notify,
		check_seccomp_rules,
		check_seccomp_annotations,
		check_cgroups_path,
		check_propagation,
		check_mount_label,
		check_masked,
		check_readonly,
		check_time,
		spec_check_memory_policy,
		spec_check_resctrl,
		spec_check_net_devices,
		NULL,
	};

	return spec_check_rules(rules, s, found, err);
}
