/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pausing: the freezer of the container's control group, without the keeper, which is not in that group
 * and goes on.
 *
 * Whether a container is paused is asked of the freezer. That takes several files for each container, so a
 * mark in its run directory, made before it is frozen and removed after it was thawed, says of which
 * containers it has to be asked at all. Even to look for that mark takes a list a seventh of its time, so one
 * in RUN says whether there ever was any.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/event.h"
#include "engine/group.h"
#include "engine/lifecycle.h"
#include "engine/store_private.h"

#define FREEZE_MS 10000
#define LOCK_TIMEOUT_MS 30000

static int open_group(const struct container *ct, struct cgroup *ret, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	return group_need(&host, ct, ret, err);
}

bool engine_is_paused(const struct container *ct, int dir_fd, const char *path)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	char mark[sizeof "containers//" STORE_PAUSED + STORE_ID_LENGTH];
	struct err ignored = ERR_INIT;

	snprintf(mark, sizeof mark, "%s/" STORE_PAUSED, path);
	if (faccessat(dir_fd, mark, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return open_group(ct, &cg, &ignored) == 0 && cgroup_is_frozen(&cg);
}

static int make_mark(int dir_fd, const char *name)
{
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : 0;
}

static int freeze(const struct container *ct, const struct cgroup *cg, struct err *err)
{
	struct err ignored = ERR_INIT;

	if (make_mark(ct->store->run_fd, STORE_PAUSES) < 0 ||
	    make_mark(ct->run_fd, STORE_PAUSED) < 0)
		return err_errno(err, "cannot mark the container as paused");
	if (fail_point("pause.marked", err) == 0 && cgroup_freeze(cg, true, FREEZE_MS, err) == 0)
		return 0;
	cgroup_freeze(cg, false, FREEZE_MS, &ignored); /* half frozen is neither */
	file_unlink(ct->run_fd, STORE_PAUSED, &ignored);
	return -1;
}

static int thaw(const struct container *ct, const struct cgroup *cg, struct err *err)
{
	if (cgroup_freeze(cg, false, FREEZE_MS, err) < 0 || fail_point("pause.thawed", err) < 0)
		return -1;
	return file_unlink(ct->run_fd, STORE_PAUSED, err);
}

int engine_pause(struct container *ct, bool pause, struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own_fd int lock_fd = -1;

	if (engine_settle(ct, err) < 0)
		return -1;
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, err);
	if (lock_fd < 0 || open_group(ct, &cg, err) < 0)
		return -1;
	if (cgroup_is_frozen(&cg) == pause)
		return err_set(err, ERR_STATE, 0, "container '%s' is %spaused", ct->record.name,
			       pause ? "already " : "not ");
	if ((pause ? freeze(ct, &cg, err) : thaw(ct, &cg, err)) < 0)
		return -1;
	event_note(ct, pause ? "pause" : "unpause", NULL, NULL);
	return 0;
}

void engine_thaw(struct container *ct)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err ignored = ERR_INIT;

	if (ct->run_fd >= 0 && engine_is_paused(ct, ct->run_fd, ".") &&
	    open_group(ct, &cg, &ignored) == 0)
		thaw(ct, &cg, &ignored);
}
