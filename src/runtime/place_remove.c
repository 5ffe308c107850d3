/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking a container's control group away: see place.h. */
#include "base/own.h"
#include "runtime/place.h"

int cgroup_place_remove(const struct cgroup_place *place, const struct cgroup_host *host,
			int timeout_ms, struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;

	if (!place->path)
		return 0;
	if (cgroup_open(host, place->path, &cg, &opening) < 0) {
		if (opening.kind == ERR_NOT_FOUND)
			return 0;
		*err = opening;
		return -1;
	}
	if (cgroup_remove_empty(&cg))
		return 0;
	if (cgroup_kill(&cg, timeout_ms, err) < 0)
		return -1;
	return cgroup_remove(&cg, timeout_ms, err);
}
