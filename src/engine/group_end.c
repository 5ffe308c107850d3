/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a container's scope.
 *
 * systemd ends a scope when the kernel tells it that the last process has left. It is told of a change, so a scope that
 * never had a process stays: when a keeper is killed while systemd moves it there, the kernel takes the number of
 * a process that is dying, moves nothing and reports success (Linux leaves out whoever is PF_EXITING), and systemd
 * (252 at least) holds the scope to be running. The helper that asked for it stops it then, unless it was killed
 * as well, or the bus lost what it said. So whoever clears up after a container looks whether its scope is still there
 * with nobody in it, and has it stopped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "engine/group.h"
#include "engine/store.h"
#include "runtime/scope.h"

#define SUFFIX ".scope"
#define END_MS \
	3000 /* systemd needs a few, once it was told; a busy one is not to be asked for more */
#define END_POLL_US 20000
#define STOP_MS 5000

int group_open_empty_scope(const struct cgroup_host *host, const char *id, const char *parent,
			   bool user, struct cgroup *ret, struct err *err)
{
	own_free char *name = group_scope(id, parent, user, err);
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;
	int pid;

	if (!name)
		return -1;
	if (cgroup_open(host, name, &cg, &opening) < 0) {
		if (opening.kind == ERR_NOT_FOUND)
			return 0;
		*err = opening;
		return -1;
	}
	ssize_t count = cgroup_pids(&cg, &pid, 1, err);
	if (count == 0) {
		*ret = cg;
		cg = CGROUP_INIT;
	}
	return count < 0 ? -1 : 0;
}

static int stop(const char *id, bool user, struct err *err)
{
	own_free char *unit = group_unit(id, err);
	const struct scope_request request = {
		.verb = SCOPE_STOP, .user = user, .unit = unit, .timeout_ms = STOP_MS};

	return unit ? scope_ask(&request, NULL, NULL, err) : -1;
}

int group_end_scope(const struct cgroup_host *host, const char *id, const char *parent, bool user,
		    struct err *err)
{
	int64_t deadline_ms = clock_boot_ms() + END_MS;
	bool empty = true;

	if (host->mode != CGROUP_V2 || !scope_available(user))
		return 0;
	while (empty && clock_boot_ms() < deadline_ms) {
		own(cgroup) struct cgroup cg = CGROUP_INIT;

		if (group_open_empty_scope(host, id, parent, user, &cg, err) < 0)
			return -1;
		empty = cg.count > 0;
		if (empty)
			usleep(END_POLL_US);
	}
	return empty ? stop(id, user, err) : 0;
}

int group_list_scopes(const struct cgroup_host *host, bool user, struct strv *ret_ids,
		      struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	own_free char *slice = NULL;

	if (host->mode != CGROUP_V2 || !scope_available(user))
		return 0;
	slice = group_scope("", NULL, user, err);
	if (!slice)
		return -1;
	*strrchr(slice, '/') = '\0';
	if (cgroup_list(host, slice, STORE_CGROUP_PREFIX, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		char *id = names.items[i] + strlen(STORE_CGROUP_PREFIX);

		if (!str_ends(id, SUFFIX))
			continue;
		id[strlen(id) - strlen(SUFFIX)] = '\0';
		if (store_is_id(id) && strv_add(ret_ids, id, err) < 0)
			return -1;
	}
	return 0;
}
