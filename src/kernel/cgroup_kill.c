/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Freezing a group, and killing every process in it.
 *
 * Both prefer v2, also on a hybrid host, where every process of ours is in the v2 group too:
 * cgroup.kill (Linux 5.14) kills a whole tree at once, forks under way included, and a group frozen
 * by cgroup.freeze can still be killed. The v1 freezer leaves its processes in a sleep that even
 * SIGKILL does not end before they are thawed.
 *
 * Without v2 the processes are killed one by one, which a fork bomb can outrun; so the group is
 * frozen first, when nothing in it can fork, and thawed afterwards to let the signals act, its
 * sub-groups too: a guest may have frozen one of its own. Numbers of processes are read from
 * cgroup.procs and may be stale by the time they are used, so each is turned into a pidfd, and the
 * list is read again: what is still on it is the process that the pidfd holds. It is all repeated
 * until the group is empty, or the deadline: a process that waits for a dead disk ends never.
 *
 * One that waits for a throttled disk does not hear of SIGKILL either, and the last one of a container
 * writes back its root file system when that is unmounted, at the pace of its group (Linux 6.18 never
 * lets it go on where bytes and operations are limited both). So the limits on disks go first.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define BATCH 256
#define FREEZE_FIRST_MS 100
#define THROTTLES_SIZE 4096

/* Rounds of cgroup.kill before what is left must be outside the v2 group, or frozen on v1. */
#define V2_ROUNDS 5

static int remaining_ms(int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_boot_ms();

	return left < 0 ? 0 : left > 1000 ? 1000 : (int)left;
}

/* ---- freezing ---- */

bool cgroup_events_has(const char *events, const char *line)
{
	const char *at = strstr(events, line);
	size_t len = strlen(line);

	return at && (at == events || at[-1] == '\n') && (at[len] == '\n' || !at[len]);
}

static int freeze_v2(int dir_fd, bool freeze, int64_t deadline_ms)
{
	own_fd int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd wait = {.fd = fd, .events = POLLPRI};
	char text[128];

	if (fd < 0 || cgroup_put(dir_fd, "cgroup.freeze", freeze ? "1" : "0") < 0)
		return -1;
	for (;;) {
		ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

		if (len < 0)
			return -1;
		text[len] = '\0';
		if (cgroup_events_has(text, freeze ? "frozen 1" : "frozen 0"))
			return 0;
		if (remaining_ms(deadline_ms) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		poll(&wait, 1, remaining_ms(deadline_ms));
	}
}

/* FREEZING becomes FROZEN by itself, but a process that was being traced or forked meanwhile may
 * need the word again. */
static int freeze_v1(int dir_fd, bool freeze, int64_t deadline_ms)
{
	const char *state = freeze ? "FROZEN" : "THAWED";
	unsigned int pause = 0;
	char text[32];

	for (;;) {
		if (cgroup_put(dir_fd, "freezer.state", state) < 0 ||
		    cgroup_get(dir_fd, "freezer.state", text, sizeof(text)) < 0)
			return -1;
		if (strcmp(text, state) == 0)
			return 0;
		if (!cgroup_pause(&pause, deadline_ms)) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

static const struct cgroup_member *v2_member(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->members[i].v2)
			return &cg->members[i];
	return NULL;
}

static const struct cgroup_member *v1_freezer(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->members[i].v1_freezer)
			return &cg->members[i];
	return NULL;
}

const struct cgroup_member *cgroup_freezer(const struct cgroup *cg)
{
	const struct cgroup_member *member = v2_member(cg);

	return member ? member : v1_freezer(cg);
}

static int set_frozen(const struct cgroup_member *member, bool freeze, int64_t deadline_ms)
{
	return member->v2 ? freeze_v2(member->dir_fd, freeze, deadline_ms)
			  : freeze_v1(member->dir_fd, freeze, deadline_ms);
}

int cgroup_freeze(const struct cgroup *cg, bool freeze, int timeout_ms, struct err *err)
{
	const struct cgroup_member *member = cgroup_freezer(cg);
	const char *verb = freeze ? "freeze" : "thaw";
	int64_t deadline_ms = clock_boot_ms() + timeout_ms;

	if (!member)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "cannot %s cgroup '%s': this host has no freezer", verb, cg->name);
	if (set_frozen(member, freeze, deadline_ms) == 0)
		return 0;
	if (errno != ETIMEDOUT)
		return err_errno(err, "cannot %s cgroup '%s'", verb, cg->name);
	err_set(err, ERR_TIMEOUT, 0, "cannot %s cgroup '%s' within %d ms", verb, cg->name,
		timeout_ms);
	/* Half frozen helps nobody: as it was before. */
	if (freeze)
		set_frozen(member, false, clock_boot_ms());
	return -1;
}

bool cgroup_is_frozen(const struct cgroup *cg)
{
	char text[128];

	for (size_t i = 0; i < cg->count; i++) {
		int dir_fd = cg->members[i].dir_fd;

		if (cg->members[i].v2) {
			if (cgroup_get(dir_fd, "cgroup.events", text, sizeof(text)) >= 0 &&
			    cgroup_events_has(text, "frozen 1"))
				return true;
		} else if (cg->members[i].v1_freezer &&
			   cgroup_get(dir_fd, "freezer.state", text, sizeof(text)) >= 0 &&
			   strcmp(text, "THAWED") != 0) {
			return true;
		}
	}
	return false;
}

/* ---- disks ---- */

static const struct {
	const char *file, *unlimited;
} throttles[] = {
	{"io.max", "rbps=max wbps=max riops=max wiops=max"},
	{"blkio.throttle.read_bps_device", "0"},
	{"blkio.throttle.write_bps_device", "0"},
	{"blkio.throttle.read_iops_device", "0"},
	{"blkio.throttle.write_iops_device", "0"},
};

/* Each line begins with the number of a disk. */
static void lift(int dir_fd, const char *file, const char *unlimited)
{
	char text[THROTTLES_SIZE], line[128], *rest = text;

	if (cgroup_get(dir_fd, file, text, sizeof(text)) <= 0)
		return;
	for (char *old = strsep(&rest, "\n"); old; old = strsep(&rest, "\n")) {
		snprintf(line, sizeof(line), "%.*s %s", (int)strcspn(old, " "), old, unlimited);
		cgroup_put(dir_fd, file, line);
	}
}

static int lift_in_directory(int dir_fd, void *data)
{
	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++)
		lift(dir_fd, throttles[i].file, throttles[i].unlimited);
	return 0;
}

void cgroup_lift_disk_limits(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		cgroup_walk(cg->members[i].dir_fd, lift_in_directory, NULL);
}

/* ---- killing ---- */

static int thaw_directory(int dir_fd, void *data)
{
	(void)data;
	return cgroup_put(dir_fd, "freezer.state", "THAWED");
}

static bool has_pid(const int *pids, ssize_t count, int pid)
{
	for (ssize_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Those of the batch that are members before and after their pidfds were opened. */
static int kill_batch(const struct cgroup *cg, struct err *err)
{
	int pids[BATCH], fds[BATCH], still[BATCH];
	ssize_t count = cgroup_pids(cg, pids, BATCH, err);
	ssize_t left;

	if (count < 0)
		return -1;
	for (ssize_t i = 0; i < count; i++)
		fds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
	left = cgroup_pids(cg, still, BATCH, err);
	for (ssize_t i = 0; i < count; i++) {
		if (fds[i] >= 0 && has_pid(still, left, pids[i]))
			syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0);
		fd_close(fds[i]);
	}
	return left < 0 ? -1 : 0;
}

static int kill_one_by_one(const struct cgroup *cg, struct err *err)
{
	const struct cgroup_member *freezer = v1_freezer(cg);
	int rc;

	/* Not frozen in time: killed all the same, but perhaps in more rounds. */
	if (freezer && !v2_member(cg))
		freeze_v1(freezer->dir_fd, true, clock_boot_ms() + FREEZE_FIRST_MS);
	rc = kill_batch(cg, err);
	if (freezer)
		cgroup_walk(freezer->dir_fd, thaw_directory, NULL);
	return rc;
}

static int report_survivors(const struct cgroup *cg, int pid, int timeout_ms, struct err *err)
{
	err_set(err, ERR_TIMEOUT, 0, "process %d of cgroup '%s' is still alive after %d ms", pid,
		cg->name, timeout_ms);
	return err_hint(err,
			"it may wait for a device or a file server: see its state in "
			"/proc/%d/status",
			pid);
}

int cgroup_kill(const struct cgroup *cg, int timeout_ms, struct err *err)
{
	const struct cgroup_member *v2 = v2_member(cg);
	int64_t deadline_ms = clock_boot_ms() + timeout_ms;
	unsigned int pause = 0;

	cgroup_lift_disk_limits(cg);
	for (unsigned int round = 0;; round++) {
		bool whole = v2 && cgroup_put(v2->dir_fd, "cgroup.kill", "1") == 0;
		int pid;
		ssize_t count = cgroup_pids(cg, &pid, 1, err);

		if (count <= 0)
			return (int)count;
		if ((!whole || round >= V2_ROUNDS) && kill_one_by_one(cg, err) < 0)
			return -1;
		if (!cgroup_pause(&pause, deadline_ms))
			return report_survivors(cg, pid, timeout_ms, err);
	}
}
