/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deciding where a container's group is; see place.h for who manages what.
 *
 * Names come from an engine, but also from annotations, which some engines copy from image labels or pod
 * manifests. So a unit's name is checked against the service manager's own alphabet (systemd.unit(5))
 * before it is sent: a name with a slash, or one that the manager would escape, cannot be the unit that
 * somebody meant. Sub-groups are single directories for the same reason.
 */
#include "runtime/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

#define UNIT_MAX 255
#define DEFAULT_SUBGROUP "container"
#define PROPERTY_PREFIX "org.systemd.property."
#define UNIT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"

const struct json_name cgroup_manager_names[] = {
	{"cgroupfs", CGROUP_MANAGER_CGROUPFS},
	{"systemd", CGROUP_MANAGER_SYSTEMD},
	{"disabled", CGROUP_MANAGER_DISABLED},
	{NULL, 0},
};

void cgroup_place_done(struct cgroup_place *place)
{
	free(place->path);
	free(place->unit);
	free(place->slice);
	free(place->subgroup);
	free(place->delegated);
	strv_done(&place->properties);
	strv_done(&place->made_parents);
	*place = CGROUP_PLACE_INIT;
}

/* ---- cgroupfs ---- */

/* The directory above the group that we live in: its own has processes, us, and on v2 nothing may be
 * limited below such a one. */
char *cgroup_place_beside(const struct cgroup_host *host, const char *path, struct err *err)
{
	const char *own = "/";

	for (size_t i = 0; i < host->count; i++)
		if (host->hierarchies[i].v2) own
			= host->hierarchies[i].own;
	size_t len = (size_t)(strrchr(own, '/') - own);
	return len ? str_printf(err, "%.*s/%s", (int)len - 1, own + 1, path) : str_dup(path, err);
}

static int decide_cgroupfs(bool rootless, const char *id, const struct spec *spec,
			   const struct cgroup_host *host, struct cgroup_place *ret,
			   struct err *err)
{
	const char *path = spec->linux_.cgroups_path;
	own_free char *name = path && *path ? str_dup(path, err) : str_printf(err, "insula-%s", id);

	if (!name)
		return -1;
	if (strchr(name, ':') && !strchr(name, '/')) {
		err_set(err, ERR_INVALID, 0,
			"linux.cgroupsPath: '%s' is a unit of systemd, and the manager is cgroupfs",
			name);
		return err_hint(err, "run with --systemd-cgroup, or name a directory");
	}
	while (name[0] == '/' && name[1] == '/')
		memmove(name, name + 1, strlen(name));
	if (name[0] == '/')
		ret->path = str_dup(name + 1, err);
	else if (rootless)
		ret->path = cgroup_place_beside(host, name, err);
	else
		ret->path = take(name);
	return ret->path ? 0 : -1;
}

/* ---- systemd ---- */

static int check_unit(const char *name, const char *what, struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > UNIT_MAX || strspn(name, UNIT_CHARS) != len || name[0] == '.')
		return err_set(err, ERR_INVALID, 0, "%s: '%s' is not the name of a unit", what,
			       name);
	return 0;
}

/* "a-b.slice" is below "a.slice": an empty part, as in "a--b.slice" or "-b.slice", has no parent. */
int cgroup_place_check_slice(const char *slice, const char *what, struct err *err)
{
	if (str_eq(slice, "-.slice"))
		return 0;
	if (check_unit(slice, what, err) < 0)
		return -1;
	if (str_ends(slice, ".slice") && slice[0] != '-' && slice[0] != '.' &&
	    !strstr(slice, "--") && !strstr(slice, "-.slice"))
		return 0;
	err_set(err, ERR_INVALID, 0, "%s: '%s' is not the name of a slice", what, slice);
	return err_hint(err, "a slice is named like machine.slice or a-b.slice");
}

static int refuse_path(const char *path, struct err *err)
{
	err_set(err, ERR_INVALID, 0,
		"linux.cgroupsPath: '%s' is not of the form SLICE:PREFIX:NAME, as the systemd "
		"manager needs it",
		path);
	return err_hint(err, "for example machine.slice:insula:web; SLICE and PREFIX may be empty");
}

static int split_path(const char *path, struct cgroup_place *ret, const char *default_slice,
		      struct err *err)
{
	const char *prefix = strchr(path, ':');
	const char *name = prefix ? strchr(prefix + 1, ':') : NULL;

	if (!name || strchr(name + 1, ':') || !name[1])
		return refuse_path(path, err);
	ret->slice = prefix == path ? str_dup(default_slice, err)
				    : str_dup_len(path, (size_t)(prefix - path), err);
	ret->unit = name == prefix + 1 ? str_printf(err, "%s.scope", name + 1)
				       : str_printf(err, "%.*s-%s.scope", (int)(name - prefix - 1),
						    prefix + 1, name + 1);
	return ret->slice && ret->unit ? 0 : -1;
}

static int take_properties(const struct strv *annotations, struct cgroup_place *ret,
			   struct err *err)
{
	for (size_t i = 0; i < annotations->count; i++) {
		const char *item = annotations->items[i];
		const char *name = item + strlen(PROPERTY_PREFIX);

		if (!str_starts(item, PROPERTY_PREFIX))
			continue;
		if (strspn(name,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") !=
			    strcspn(name, "=") ||
		    *name == '=')
			return err_set(err, ERR_INVALID, 0,
				       "annotations: '%.*s' does not name a property of a unit",
				       (int)strcspn(item, "="), item);
		if (strv_add(&ret->properties, name, err) < 0)
			return -1;
	}
	return 0;
}

static int decide_systemd(bool rootless, const char *id, const struct spec *spec,
			  struct cgroup_place *ret, struct err *err)
{
	const char *default_slice = rootless ? "user.slice" : "system.slice";
	own_free char *ours = str_printf(err, ":insula:%s", id);
	const char *path = spec->linux_.cgroups_path;

	if (!ours || split_path(path && *path ? path : ours, ret, default_slice, err) < 0 ||
	    cgroup_place_check_slice(ret->slice, "linux.cgroupsPath", err) < 0 ||
	    check_unit(ret->unit, "linux.cgroupsPath", err) < 0)
		return -1;
	ret->user = rootless;
	if (!ret->subgroup)
		ret->subgroup = str_dup(DEFAULT_SUBGROUP, err);
	if (!ret->subgroup)
		return -1;
	return take_properties(&spec->annotations, ret, err);
}

/* ---- both ---- */

/* One directory, whose name comes from an annotation. */
static int take_directory(const struct strv *annotations, const char *key, bool may_be_empty,
			  char **ret, struct err *err)
{
	const char *value = strv_env_get(annotations, key);

	if (!value)
		return 0;
	if ((!*value && !may_be_empty) || strlen(value) > 128 || strchr(value, '/') ||
	    value[0] == '.' || str_starts(value, "cgroup.") || str_has_control(value))
		return err_set(err, ERR_INVALID, 0, "annotations: %s: '%s' is not a directory name",
			       key, value);
	*ret = str_dup(value, err);
	return *ret ? 0 : -1;
}

int cgroup_place_decide(enum cgroup_manager manager, bool rootless, const char *id,
			const struct spec *spec, const struct cgroup_host *host,
			struct cgroup_place *ret, struct err *err)
{
	own(cgroup_place) struct cgroup_place place = {.manager = manager};
	const struct strv *annotations = &spec->annotations;

	if (take_directory(annotations, "run.oci.systemd.subgroup", true, &place.subgroup, err) <
		    0 ||
	    take_directory(annotations, "run.oci.delegate-cgroup", false, &place.delegated, err) <
		    0)
		return -1;
	if ((manager == CGROUP_MANAGER_CGROUPFS &&
	     decide_cgroupfs(rootless, id, spec, host, &place, err) < 0) ||
	    (manager == CGROUP_MANAGER_SYSTEMD &&
	     decide_systemd(rootless, id, spec, &place, err) < 0))
		return -1;
	*ret = place;
	place = CGROUP_PLACE_INIT;
	return 0;
}

/* ---- where the service manager will put it ---- */

/* "a-b.slice" is the directory "a.slice/a-b.slice". */
static void add_slice(struct str *path, const char *slice)
{
	if (str_eq(slice, "-.slice"))
		return;
	for (const char *dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
		str_addf(path, "%.*s.slice/", (int)(dash - slice), slice);
	str_addf(path, "%s/", slice);
}

char *cgroup_place_slice_path(const char *slice, struct err *err)
{
	own(str) struct str path = STR_INIT(255);

	add_slice(&path, slice);
	if (str_check(&path, slice, err) < 0)
		return NULL;
	if (path.len)
		path.data[path.len - 1] = '\0'; /* the slash */
	return str_take(&path);
}

/* What the user's manager has: everything up to "user@1000.service" of the group that we live in. */
static void add_user_manager(struct str *path, const struct cgroup_host *host)
{
	for (size_t i = 0; i < host->count; i++) {
		const char *own = host->hierarchies[i].own;
		const char *manager = host->hierarchies[i].v2 ? strstr(own, "/user@") : NULL;

		if (manager)
			str_addf(path, "%.*s/", (int)(strchrnul(manager + 1, '/') - own) - 1,
				 own + 1);
	}
}

char *cgroup_place_name(const struct cgroup_place *place, const struct cgroup_host *host,
			struct err *err)
{
	own(str) struct str path = STR_INIT(255);

	if (place->path)
		return str_dup(place->path, err);
	if (place->manager != CGROUP_MANAGER_SYSTEMD)
		return NULL;
	if (place->user)
		add_user_manager(&path, host);
	add_slice(&path, place->slice);
	str_add(&path, place->unit);
	if (place->subgroup && *place->subgroup)
		str_addf(&path, "/%s", place->subgroup);
	if (str_check(&path, "linux.cgroupsPath", err) < 0)
		return NULL;
	return str_take(&path);
}

char *cgroup_place_end_of_unit(const struct cgroup_place *place, const char *group)
{
	size_t len = place->unit ? strlen(place->unit) : 0;
	char *found = NULL, *end;

	for (const char *part = group; len && part && *part; part = *end ? end + 1 : end) {
		end = strchrnul(part, '/');
		if ((size_t)(end - part) == len && !memcmp(part, place->unit, len))
			found = end;
	}
	return found;
}
