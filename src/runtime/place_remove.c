/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking a container's control group away: see place.h.
 *
 * Ours goes first, by our own means, which do not depend on a bus that may be gone by now; then the
 * service manager is told to stop its unit. What it does not know (v1 hierarchies without a controller
 * of its own) it does not remove, so the directory of the scope is removed by us wherever it is left. A
 * user's manager ends with his last session, and its units with it: one that is not there is no error.
 */
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "runtime/place.h"
#include "runtime/scope.h"

#define STOP_LEAST_MS 2000
#define MADE_PARENTS_MAX 128

int cgroup_place_note(struct cgroup_place *place, const struct cgroup_host *host,
		      const struct cgroup *cgroup, struct err *err)
{
	own_free char *path = cgroup->count ? str_dup(cgroup->name, err) : NULL;

	if (cgroup->count && !path)
		return -1;
	free(place->path);
	place->path = take(path);
	strv_done(&place->made_parents);
	/* A directory may have been there in one hierarchy, and not in another. */
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct cgroup_member *member = &cgroup->members[i];
		const char *mount = host->hierarchies[member->hierarchy].mount;

		if (member->made_parents &&
		    strv_addf(&place->made_parents, err, "%s=%u", mount, member->made_parents) < 0)
			return -1;
	}
	return 0;
}

static unsigned int parents_made(const struct cgroup_place *place, const char *mount)
{
	const char *text = strv_env_get(&place->made_parents, mount);
	struct err ignored = ERR_INIT;
	uint64_t count = 0;

	if (text && str_to_u64(text, 0, MADE_PARENTS_MAX, "cgroup_made", &count, &ignored) < 0)
		return 0;
	return (unsigned int)count;
}

static int remove_group(const struct cgroup_place *place, const struct cgroup_host *host,
			int timeout_ms, struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;

	if (cgroup_open(host, place->path, &cg, &opening) < 0) {
		if (opening.kind == ERR_NOT_FOUND)
			return 0;
		*err = opening;
		return -1;
	}
	for (size_t i = 0; i < cg.count; i++)
		cg.members[i].made_parents = parents_made(
			place, host->hierarchies[cg.members[i].hierarchy].mount);
	if (cgroup_remove_empty(&cg))
		return 0;
	if (cgroup_kill(&cg, timeout_ms, err) < 0)
		return -1;
	return cgroup_remove(&cg, timeout_ms, err);
}

/* 1: there is no manager that would know it. */
static int stop_unit(const struct cgroup_place *place, int timeout_ms, struct err *err)
{
	struct scope_request request = {.verb = SCOPE_STOP,
					.user = place->user,
					.unit = place->unit,
					.timeout_ms = (uint64_t)timeout_ms};

	if (scope_ask(&request, NULL, NULL, err) == 0)
		return 0;
	if (!place->user || err->kind != ERR_UNSUPPORTED)
		return -1;
	*err = ERR_INIT;
	return 1;
}

/* With what is left in it. */
static int remove_scope(const struct cgroup_place *place, const struct cgroup_host *host,
			int timeout_ms, struct err *err)
{
	const char *end = cgroup_place_end_of_unit(place, place->path);
	struct cgroup_place scope = {.manager = CGROUP_MANAGER_CGROUPFS};
	int status;

	if (!end)
		return 0;
	scope.path = str_dup_len(place->path, (size_t)(end - place->path), err);
	status = scope.path ? remove_group(&scope, host, timeout_ms, err) : -1;
	free(scope.path);
	return status;
}

int cgroup_place_remove(const struct cgroup_place *place, const struct cgroup_host *host,
			int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_boot_ms() + timeout_ms;
	int64_t left_ms;

	if (place->path && remove_group(place, host, timeout_ms, err) < 0)
		return -1;
	if (place->manager != CGROUP_MANAGER_SYSTEMD || !place->unit)
		return 0;
	left_ms = deadline_ms - clock_boot_ms();
	if (left_ms < STOP_LEAST_MS)
		left_ms = STOP_LEAST_MS;
	if (stop_unit(place, (int)left_ms, err) < 0)
		return -1;
	return place->path ? remove_scope(place, host, (int)left_ms, err) : 0;
}
