/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount out of another mount namespace. open_tree(2) copies only what is in our own, so a process of ours goes
 * there: nothing of what is there runs meanwhile, and its files are looked at by base/path alone.
 *
 * It need not come back: what is there may be a file system that never answers (FUSE, of somebody who is the same
 * user on the host as we are), and who has asked it can then not even be killed. So it holds nothing but what it
 * needs, and there is a time after which it is left to itself.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "kernel/mount.h"

#define LEFT_MS 100 /* for one that was killed, and may hang */

/* Of others nobody knows whom they ask, a FUSE below an overlay, for example, also later. */
static int check_memory(int fd, struct err *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_errno(err, "cannot look at the file system there");
	return fs.f_type == TMPFS_MAGIC ? 0
					: err_set(err, ERR_STATE, 0,
						  "the file system there is not in memory (tmpfs)");
}

static int clone_there(int there_fd, const char *path, struct err *err)
{
	if (setns(there_fd, CLONE_NEWNS) < 0)
		return err_errno(err, "cannot enter the other mount namespace");
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_errno(err, "cannot open the other root");
	own_fd int fd = path_handle(root_fd, path, PATH_IN_ROOT, O_DIRECTORY, err);
	return fd < 0 || check_memory(fd, err) < 0 ? -1 : mount_clone(fd, "", false, 0, err);
}

static _Noreturn void go_there(int there_fd, const char *path, int tell_fd)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;
	const int kept[] = {there_fd, tell_fd, fail_log_fd()};
	int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd_close_others(kept, sizeof kept / sizeof *kept, &err) == 0)
		fd = clone_there(there_fd, path, &err);
	fd_send(tell_fd, &err, sizeof err, &fd, fd < 0 ? 0 : 1, &ignored);
	_exit(EXIT_SUCCESS);
}

static int hear(int hear_fd, int timeout_ms, struct err *err)
{
	struct pollfd wait = {.fd = hear_fd, .events = POLLIN};
	struct err said = ERR_INIT;
	size_t count = 0;
	int fd = -1, ready;

	do
		ready = poll(&wait, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return err_set(err, ERR_IO, 0, "the file system there does not answer");
	ssize_t n = fd_recv(hear_fd, &said, sizeof said, &fd, 1, &count, err);
	if (n == sizeof said && count == 1)
		return fd;
	fd_close(fd);
	if (n == sizeof said)
		*err = said;
	return n == sizeof said || n < 0 ? -1 : err_set(err, ERR_IO, 0, "a process of ours died");
}

int mount_clone_inside(int there_fd, const char *path, int timeout_ms, struct err *err)
{
	struct proc helper = PROC_INIT;
	struct proc_exit how;
	struct err ignored = ERR_INIT;
	own_fd int hear_fd = -1, tell_fd = -1;

	if (fd_socket_pair(&hear_fd, &tell_fd, err) < 0)
		return -1;
	pid_t pid = proc_clone(&helper, 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		go_there(there_fd, path, tell_fd);
	fd_close(take_fd(tell_fd));
	int fd = hear(hear_fd, timeout_ms, err);
	if (fd < 0)
		proc_signal(&helper, SIGKILL, &ignored);
	proc_wait(&helper, fd < 0 ? LEFT_MS : -1, &how, &ignored);
	proc_forget(&helper);
	return fd;
}
