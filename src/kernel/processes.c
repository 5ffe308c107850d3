/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking for processes of a program: /proc/PID/exe, cmdline, fd and stat.
 *
 * The link "exe" cannot be forged by a command line or a name (prctl(2) changes those), and the links
 * in "fd" tell which object is open, also after its name is gone. A pid that is given to another
 * process between two reads would mix two of them: the start time is read first and last.
 */
#include "kernel/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "kernel/ns.h"

#define STAT_SIZE 2048
#define ARGS_SIZE 16384
#define START_TIME_FIELD 20 /* behind the name, whose parentheses end field 2; it is field 22 */

static void process_info_done(struct process_info *p)
{
	strv_done(&p->args);
	strv_done(&p->files);
	strv_done(&p->numbers);
	fd_close(p->files_fd);
}

static int open_process(int proc_fd, const char *name)
{
	return openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* "/usr/libexec/insula/insula-keeper (deleted)" executes insula-keeper. */
static bool executes(int pid_fd, const char *program)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(pid_fd, "exe", target, sizeof(target) - 1);
	size_t wanted = strlen(program);
	const char *name;

	if (length <= 0)
		return false;
	target[length] = '\0';
	name = strrchr(target, '/');
	return name && strncmp(name + 1, program, wanted) == 0 &&
	       (!name[1 + wanted] || str_eq(name + 1 + wanted, " (deleted)"));
}

static uint64_t start_time(int pid_fd)
{
	char text[STAT_SIZE];
	struct err ignored = ERR_INIT;
	own_fd int fd = openat(pid_fd, "stat", O_RDONLY | O_CLOEXEC);
	const char *at;

	if (fd < 0 || fd_read_buf(fd, text, sizeof(text), "stat", &ignored) < 0)
		return 0;
	at = strrchr(text, ')');
	for (int i = 0; at && i < START_TIME_FIELD; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static int read_args(int pid_fd, struct strv *args, struct err *err)
{
	char text[ARGS_SIZE];
	struct err ignored = ERR_INIT;
	own_fd int fd = openat(pid_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : fd_read_buf(fd, text, sizeof(text), "cmdline", &ignored);

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(text + at) + 1)
		if (strv_add(args, text + at, err) < 0)
			return -1;
	return 0;
}

static int read_files(int pid_fd, struct process_info *p, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	char target[PATH_MAX];

	p->files_fd = open_process(pid_fd, "fd");
	if (p->files_fd < 0)
		return 0;
	if (file_list(p->files_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		ssize_t length = readlinkat(p->files_fd, names.items[i], target,
					    sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strv_add(&p->files, target, err) < 0 ||
		    strv_add(&p->numbers, names.items[i], err) < 0)
			return -1;
	}
	return 0;
}

static int visit(int proc_fd, const char *name, const char *program, process_fn *fn, void *data,
		 struct err *err)
{
	own(process_info) struct process_info p = {.pid = (pid_t)strtol(name, NULL, 10),
						   .files_fd = -1};
	own_fd int pid_fd = open_process(proc_fd, name);

	if (pid_fd < 0 || !executes(pid_fd, program))
		return 0;
	p.start_time = start_time(pid_fd);
	if (!p.start_time)
		return 0;
	if (read_args(pid_fd, &p.args, err) < 0 || read_files(pid_fd, &p, err) < 0)
		return -1;
	return start_time(pid_fd) == p.start_time ? fn(data, &p, err) : 0;
}

static int list_pids(int proc_fd, struct strv *ret, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	own_fd int dir_fd = open_process(proc_fd, ".");

	if (dir_fd < 0 || file_list(dir_fd, ".", &names, err) < 0)
		return err_wrap(err, "cannot list processes");
	for (size_t i = 0; i < names.count; i++)
		if (strspn(names.items[i], "0123456789") == strlen(names.items[i]) &&
		    strv_add(ret, names.items[i], err) < 0)
			return -1;
	return 0;
}

int processes_of_program(int proc_fd, const char *program, process_fn *fn, void *data,
			 struct err *err)
{
	own(strv) struct strv pids = STRV_INIT;

	if (list_pids(proc_fd, &pids, err) < 0)
		return -1;
	for (size_t i = 0; i < pids.count; i++)
		if (visit(proc_fd, pids.items[i], program, fn, data, err) < 0)
			return -1;
	return 0;
}

static int open_pid_namespace(int proc_fd, const char *pid)
{
	char path[32];

	snprintf(path, sizeof path, "%s/ns/pid", pid);
	return openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
}

static bool is_in(int proc_fd, const char *pid, const struct stat *wanted)
{
	int fd = open_pid_namespace(proc_fd, pid);
	struct err ignored = ERR_INIT;
	bool found = false;

	while (fd >= 0 && !found) {
		own_fd int inner_fd = fd;
		struct stat st;

		fd = -1;
		found = fstat(inner_fd, &st) == 0 && st.st_dev == wanted->st_dev &&
			st.st_ino == wanted->st_ino;
		if (!found)
			fd = ns_open_above(inner_fd, &ignored);
	}
	return found;
}

ssize_t processes_of_namespace(int proc_fd, pid_t pid, int *ret_pids, size_t max, struct err *err)
{
	own(strv) struct strv pids = STRV_INIT;
	struct stat wanted;
	ssize_t count = 0;
	char text[16];

	snprintf(text, sizeof text, "%d", pid);
	own_fd int fd = open_pid_namespace(proc_fd, text);
	if (fd < 0 || fstat(fd, &wanted) < 0)
		return err_errno(err, "cannot look at process %d", pid);
	if (list_pids(proc_fd, &pids, err) < 0)
		return -1;
	for (size_t i = 0; i < pids.count && (size_t)count < max; i++)
		if (is_in(proc_fd, pids.items[i], &wanted))
			ret_pids[count++] = (int)strtol(pids.items[i], NULL, 10);
	return count;
}

/* Of a file of the container's own file system (FUSE), which may never answer, what is known is enough. */
static bool look_at_file(int dir_fd, const char *name, struct statx *ret)
{
	return statx(dir_fd, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_UID, ret) == 0;
}

static bool is_device(int dir_fd, const char *name, mode_t type, dev_t number)
{
	struct statx st;

	return look_at_file(dir_fd, name, &st) && (st.stx_mode & S_IFMT) == type &&
	       makedev(st.stx_rdev_major, st.stx_rdev_minor) == number;
}

bool process_file_is(const struct process_info *process, size_t i, dev_t device, uid_t owner)
{
	struct statx st;

	return look_at_file(process->files_fd, process->numbers.items[i], &st) &&
	       S_ISREG(st.stx_mode) && st.stx_uid == owner &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == device;
}

bool process_holds_device(int proc_fd, pid_t pid, bool block, dev_t number)
{
	own(strv) struct strv names = STRV_INIT;
	struct err ignored = ERR_INIT;
	char path[32];

	snprintf(path, sizeof path, "%d/fd", pid);
	own_fd int dir_fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || file_list(dir_fd, ".", &names, &ignored) < 0)
		return false;
	for (size_t i = 0; i < names.count; i++)
		if (is_device(dir_fd, names.items[i], block ? S_IFBLK : S_IFCHR, number))
			return true;
	return false;
}

char process_state(pid_t pid)
{
	char path[32], text[512];
	struct err ignored;
	const char *end;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_buf(fd, text, sizeof text, path, &ignored) < 0)
		return '?';
	end = strrchr(text, ')'); /* the name before it may have anything in it */
	return end && end[1] == ' ' && end[2] ? end[2] : '?';
}
