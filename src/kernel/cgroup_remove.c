/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing a group with everything that a guest made below it.
 *
 * The usual case is one unlinkat(2) for each hierarchy. Only where that is refused (EBUSY) are the
 * sub-groups walked: a guest with its own cgroups may leave thousands, and may nest them as deep as
 * it likes to make this fail. So the walk is a loop with two descriptors and a list of names, never
 * a recursion, and its only bound is the deadline. It goes up by "..", which is safe here and
 * almost nowhere else: directories of a cgroup file system cannot be moved to another parent.
 *
 * A process that has been killed leaves its group a little later than it disappears from the list
 * of processes, so EBUSY is waited for, up to the deadline.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/loop.h"
#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define PAUSE_FIRST_US 100
#define PAUSE_LAST_US 10000

bool cgroup_pause(unsigned int *pause_us, int64_t deadline_ms)
{
	struct timespec pause = {.tv_nsec = 0};

	if (clock_boot_ms() >= deadline_ms)
		return false;
	if (*pause_us == 0)
		*pause_us = PAUSE_FIRST_US;
	pause.tv_nsec = *pause_us * 1000L;
	nanosleep(&pause, NULL);
	*pause_us = *pause_us * 2 > PAUSE_LAST_US ? PAUSE_LAST_US : *pause_us * 2;
	return true;
}

int cgroup_first_child(int dir_fd, char ret[static 256])
{
	own_dir DIR *dir = fd_open_list(dir_fd, ".");
	const struct dirent *entry;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(ret, 256, "%s", entry->d_name);
		return 1;
	}
	return 0;
}

/* From a directory without children to its parent, removing it on the way. */
static int climb(int *fd, struct strv *names)
{
	char *name = names->items[names->count - 1];
	int up = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (up < 0)
		return -1;
	fd_close(*fd);
	*fd = up;
	rc = unlinkat(up, name, AT_REMOVEDIR);
	free(name);
	names->items[--names->count] = NULL;
	return rc < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_below(int dir_fd, int64_t deadline_ms, struct err *err)
{
	own_fd int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(strv) struct strv names = STRV_INIT;
	unsigned int pause = 0;
	char name[256];

	while (fd >= 0) {
		int rc = cgroup_first_child(fd, name);

		if (rc < 0)
			break;
		if (rc == 0 && !names.count)
			return 0;
		if (rc == 1) {
			int down = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (down < 0 && errno != ENOENT)
				break;
			if (down < 0)
				continue;
			fd_close(fd);
			fd = down;
			if (strv_add(&names, name, err) < 0)
				return -1;
		} else if (climb(&fd, &names) < 0 &&
			   (errno != EBUSY || !cgroup_pause(&pause, deadline_ms))) {
			break;
		}
	}
	return err_errno(err, "cannot remove a sub-group");
}

/* Try, clear what is below, and try again until the deadline. */
static int remove_member(const struct cgroup *cg, const struct cgroup_member *member,
			 int64_t deadline_ms, struct err *err)
{
	unsigned int pause = 0;

	for (;;) {
		if (unlinkat(member->parent_fd, cgroup_leaf(cg), AT_REMOVEDIR) == 0 ||
		    errno == ENOENT)
			return 0;
		if (errno != EBUSY &&
		    errno != ENOTEMPTY) /* as a recorded tree of plain directories says */
			return err_errno(err, "cannot remove cgroup '%s'", cg->name);
		if (remove_below(member->dir_fd, deadline_ms, err) < 0)
			return err_wrap(err, "cannot remove cgroup '%s'", cg->name);
		if (unlinkat(member->parent_fd, cgroup_leaf(cg), AT_REMOVEDIR) == 0)
			return 0;
		if (!cgroup_pause(&pause, deadline_ms))
			return err_set(err, ERR_BUSY, EBUSY, "cannot remove cgroup '%s'", cg->name);
	}
}

bool cgroup_remove_empty(struct cgroup *cg)
{
	bool all = true;

	for (size_t i = 0; i < cg->count; i++) {
		struct cgroup_member *member = &cg->members[i];

		if (unlinkat(member->parent_fd, cgroup_leaf(cg), AT_REMOVEDIR) < 0 &&
		    errno != ENOENT) {
			all = false;
			continue;
		}
		member->made = false;
		cgroup_remove_parents(cg, member);
	}
	return all;
}

/* What still lives there, so that somebody can look. */
static int hint_processes(const struct cgroup *cg, struct err *err)
{
	struct err ignored = ERR_INIT;
	int pids[1];

	if (cgroup_pids(cg, pids, 1, &ignored) > 0)
		return err_hint(err, "process %d is still in it", pids[0]);
	return -1;
}

int cgroup_remove(struct cgroup *cg, int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_boot_ms() + timeout_ms;
	bool failed = false;

	for (size_t i = 0; i < cg->count; i++) {
		struct err later = ERR_INIT;

		if (remove_member(cg, &cg->members[i], deadline_ms, failed ? &later : err) < 0 ||
		    fail_point("cgroup-removed", failed ? &later : err) < 0) {
			failed = true;
			continue;
		}
		cg->members[i].made = false;
		cgroup_remove_parents(cg, &cg->members[i]);
	}
	return failed ? hint_processes(cg, err) : 0;
}
