/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces by descriptor. A user namespace needs a process to be born with; ns_make_user starts one
 * that only waits to be killed, and keeps the namespace by its descriptor.
 */
#include "kernel/ns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	uint64_t flag;
	const char *name;
} kinds[NS_COUNT] = {
	[NS_USER] = {CLONE_NEWUSER, "user"},	   [NS_MNT] = {CLONE_NEWNS, "mnt"},
	[NS_PID] = {CLONE_NEWPID, "pid"},	   [NS_NET] = {CLONE_NEWNET, "net"},
	[NS_UTS] = {CLONE_NEWUTS, "uts"},	   [NS_IPC] = {CLONE_NEWIPC, "ipc"},
	[NS_CGROUP] = {CLONE_NEWCGROUP, "cgroup"}, [NS_TIME] = {CLONE_NEWTIME, "time"},
};

uint64_t ns_flag(enum ns_kind kind)
{
	return kinds[kind].flag;
}

const char *ns_name(enum ns_kind kind)
{
	return kinds[kind].name;
}

int ns_open(int proc_fd, pid_t pid, enum ns_kind kind, struct err *err)
{
	char name[48];

	if (pid)
		snprintf(name, sizeof name, "%d/ns/%s", pid, kinds[kind].name);
	else
		snprintf(name, sizeof name, "self/ns/%s", kinds[kind].name);
	int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open namespace '/proc/%s'", name);
	return fd;
}

int ns_open_path(const char *path, enum ns_kind kind, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_errno(err, "cannot open namespace '%s'", path);
	int type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0 || (uint64_t)type != kinds[kind].flag)
		return err_set(err, ERR_INVALID, 0, "'%s' is not a %s namespace", path,
			       kinds[kind].name);
	return take_fd(fd);
}

int ns_open_above(int userns_fd, struct err *err)
{
	int fd = ioctl(userns_fd, NS_GET_PARENT);

	return fd < 0 ? err_errno(err, "cannot find what a user namespace is nested in") : fd;
}

static int write_map(int proc_fd, pid_t pid, const char *file, const struct id_map *map,
		     size_t count, struct err *err)
{
	own(str) struct str text = STR_INIT(8192);
	char name[48];

	for (size_t i = 0; i < count; i++)
		str_addf(&text, "%u %u %u\n", map[i].inside, map[i].outside, map[i].size);
	if (str_check(&text, file, err) < 0)
		return -1;
	if (pid)
		snprintf(name, sizeof name, "%d/%s", pid, file);
	else
		snprintf(name, sizeof name, "self/%s", file);
	own_fd int fd = openat(proc_fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '/proc/%s'", name);
	/* One write or nothing: the kernel takes a map only whole. */
	if (write(fd, text.data, text.len) != (ssize_t)text.len)
		return err_errno(err, "cannot write the %s", file);
	return 0;
}

int ns_deny_groups(int proc_fd, pid_t pid, struct err *err)
{
	char name[32] = "self/setgroups";

	if (pid)
		snprintf(name, sizeof name, "%d/setgroups", pid);
	own_fd int fd = openat(proc_fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '/proc/%s'", name);
	return fd_write_all(fd, "deny", 4, "setgroups", err);
}

int ns_write_maps(int proc_fd, pid_t pid, const struct id_map *uids, size_t uid_count,
		  const struct id_map *gids, size_t gid_count, struct err *err)
{
	if (write_map(proc_fd, pid, "gid_map", gids, gid_count, err) < 0)
		return -1;
	return write_map(proc_fd, pid, "uid_map", uids, uid_count, err);
}

ssize_t ns_read_map(int proc_fd, pid_t pid, bool groups, struct id_map ret[static NS_MAP_MAX],
		    struct err *err)
{
	char name[48], who[16] = "self", text[NS_MAP_MAX * 36];
	ssize_t count = 0;

	if (pid)
		snprintf(who, sizeof who, "%d", pid);
	snprintf(name, sizeof name, "%s/%s", who, groups ? "gid_map" : "uid_map");
	own_fd int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '/proc/%s'", name);
	if (fd_read_buf(fd, text, sizeof text, name, err) < 0)
		return -1;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line && count < NS_MAP_MAX;
	     line = strtok_r(NULL, "\n", &save), count++)
		if (sscanf(line, "%u %u %u", &ret[count].inside, &ret[count].outside,
			   &ret[count].size) != 3)
			return err_set(err, ERR_INTERNAL, 0, "cannot read '/proc/%s'", name);
	return count;
}

bool id_map_outer(const struct id_map *maps, size_t count, uint32_t inside, uint32_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		/* UINT32_MAX: an id of an outer namespace that ours does not have. */
		if (inside < maps[i].inside || inside - maps[i].inside >= maps[i].size ||
		    maps[i].outside == UINT32_MAX)
			continue;
		*ret = maps[i].outside + (inside - maps[i].inside);
		return true;
	}
	return false;
}

bool id_map_inner(const struct id_map *maps, size_t count, uint32_t outside, uint32_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (outside < maps[i].outside || outside - maps[i].outside >= maps[i].size ||
		    maps[i].outside == UINT32_MAX)
			continue;
		*ret = maps[i].inside + (outside - maps[i].outside);
		return true;
	}
	return false;
}

bool id_map_has(const struct id_map *maps, size_t count, uint32_t outside)
{
	for (size_t i = 0; i < count; i++)
		if (outside >= maps[i].outside && outside - maps[i].outside < maps[i].size)
			return true;
	return false;
}

int ns_make_user(int proc_fd, const struct id_map *uids, size_t uid_count,
		 const struct id_map *gids, size_t gid_count, struct err *err)
{
	own(proc) struct proc holder = PROC_INIT;
	pid_t pid = proc_clone(&holder, CLONE_NEWUSER, -1, err);

	if (pid < 0)
		return err_wrap(err, "cannot make a user namespace");
	if (pid == 0)
		for (;;)
			pause();
	pid_t host_pid = proc_pid_of_fd(proc_fd, holder.pidfd);
	if (ns_write_maps(proc_fd, host_pid, uids, uid_count, gids, gid_count, err) < 0)
		return -1;
	return ns_open(proc_fd, host_pid, NS_USER, err);
}

/* Only a process in it has the files: one that enters, says so, and waits to be killed. */
static _Noreturn void hold_user(int userns_fd, int ready_fd)
{
	int error = setns(userns_fd, CLONE_NEWUSER) < 0 ? errno : 0;

	if (write(ready_fd, &error, sizeof error) != sizeof error)
		_exit(1);
	for (;;)
		pause();
}

static int cannot_enter(int error, struct err *err)
{
	errno = error;
	if (error != EINVAL)
		return err_errno(err, "cannot enter the user namespace to be joined");
	err_set(err, ERR_INVALID, 0, "the user namespace to be joined is our own already");
	return err_hint(err, "leave it out of linux.namespaces");
}

int ns_read_maps(int proc_fd, int userns_fd, struct id_map *ret_uids, size_t *ret_uid_count,
		 struct id_map *ret_gids, size_t *ret_gid_count, struct err *err)
{
	own(proc) struct proc holder = PROC_INIT;
	int ready[2], error = EIO;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	own_fd int read_end = ready[0], write_end = ready[1];
	pid_t pid = proc_clone(&holder, 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		hold_user(userns_fd, write_end);
	fd_close(take_fd(write_end));
	if (read(read_end, &error, sizeof error) != sizeof error || error)
		return cannot_enter(error, err);
	pid_t host_pid = proc_pid_of_fd(proc_fd, holder.pidfd);
	ssize_t uids = ns_read_map(proc_fd, host_pid, false, ret_uids, err);
	ssize_t gids = uids < 0 ? -1 : ns_read_map(proc_fd, host_pid, true, ret_gids, err);
	if (gids < 0)
		return -1;
	*ret_uid_count = (size_t)uids;
	*ret_gid_count = (size_t)gids;
	return 0;
}

int ns_raise_loopback(struct err *err)
{
	own_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return err_errno(err, "cannot find the loopback interface");
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_errno(err, "cannot bring up the loopback interface");
	return 0;
}

static int spawn(int shared, int (*fn)(void *data), void *data, void *stack_top, struct proc *ret,
		 struct err *err)
{
	int pidfd = -1;
	pid_t pid = clone(fn, stack_top, shared | CLONE_PIDFD | SIGCHLD, data, &pidfd);

	if (pid < 0)
		return err_errno(err, "cannot make a process");
	*ret = (struct proc){.pid = pid, .pidfd = pidfd};
	return 0;
}

int ns_spawn_sharing(int (*fn)(void *data), void *data, void *stack_top, struct proc *ret,
		     struct err *err)
{
	return spawn(CLONE_VM | CLONE_FILES, fn, data, stack_top, ret, err);
}

int ns_spawn_beside(int (*fn)(void *data), void *data, void *stack_top, struct proc *ret,
		    struct err *err)
{
	return spawn(CLONE_FILES, fn, data, stack_top, ret, err);
}
