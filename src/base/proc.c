/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes by pidfd: birth, look-up, signals, waiting, and running a host program.
 *
 * A pid is a number that the kernel gives to somebody else as soon as its owner has been reaped; a
 * pidfd goes on meaning the one process. So a pidfd comes with the child (CLONE_PIDFD), or is opened
 * first and then checked: the start time in /proc/PID/stat must be the recorded one, and the
 * process must still live after that was read, which proves that the number was not reused between. Start
 * times are those of the first time namespace, wherever we are.
 *
 * clone3(2) is called without glibc's fork(): no atfork handlers run and no lock is taken, so a
 * child may do what a child of a single-threaded program may do. Some filters answer clone3 with
 * ENOSYS to keep its flags from hiding in memory; clone(2) then does, except into a cgroup.
 *
 * A child ends by _exit() or execve: exit() would run the parent's handlers and flush its buffers.
 */
#include "base/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"

#define KILL_WAIT_MS 10000 /* for a killed child; one that hangs in the kernel stays a zombie */
#define STAT_SIZE 1024	   /* /proc/PID/stat: a name of 64 bytes and 51 numbers */

static bool is_our_child(const struct proc *p)
{
	siginfo_t info;

	return p->pidfd >= 0 &&
	       waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void proc_done(struct proc *p)
{
	int saved = errno;

	if (is_our_child(p)) {
		struct proc_exit exit;
		struct err ignored;

		pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
		proc_wait(p, KILL_WAIT_MS, &exit, &ignored);
	}
	errno = saved;
	proc_forget(p);
}

void proc_forget(struct proc *p)
{
	fd_close(p->pidfd);
	*p = PROC_INIT;
}

/* clone(2) as the raw call has it: on s390 the stack comes first. */
static pid_t clone_old(uint64_t flags, int *pidfd)
{
	unsigned long all = (unsigned long)flags | CLONE_PIDFD | SIGCHLD;

#ifdef __s390__
	return (pid_t)syscall(SYS_clone, NULL, all, pidfd, NULL, 0UL);
#else
	return (pid_t)syscall(SYS_clone, all, NULL, pidfd, NULL, 0UL);
#endif
}

pid_t proc_clone(struct proc *ret, uint64_t flags, int cgroup_fd, struct err *err)
{
	int pidfd = -1;
	struct clone_args args = {.flags = flags | CLONE_PIDFD,
				  .pidfd = (uint64_t)(uintptr_t)&pidfd,
				  .exit_signal = SIGCHLD};
	pid_t pid;

	if (flags & CLONE_PARENT)
		args.exit_signal = 0; /* it is ours, as our own parent was told of us */
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	/* CLONE_NEWTIME lies in the bits that clone(2) takes for the signal. */
	if (pid < 0 && errno == ENOSYS && cgroup_fd < 0 && !(flags & CSIGNAL))
		pid = clone_old(flags, &pidfd);
	if (pid < 0)
		return err_errno(err, "cannot create a process");
	if (pid > 0)
		*ret = (struct proc){.pid = pid, .pidfd = pidfd};
	return pid;
}

/* State and start time from /proc/PID/stat. The name, field 2, may hold anything, parentheses and
 * spaces too; the last ')' ends it. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start, struct err *err)
{
	char path[32], text[STAT_SIZE];
	own_fd int fd = -1;
	unsigned long long start;
	const char *after;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot find process %d", (int)pid);
	if (fd_read_buf(fd, text, sizeof(text), path, err) < 0) {
		if (err->errnum == ESRCH)
			err->kind = ERR_NOT_FOUND;
		return -1;
	}
	after = strrchr(text, ')');
	if (!after || sscanf(after,
			     ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			     "%*d %*d %*d %*d %llu",
			     ret_state, &start) != 2)
		return err_set(err, ERR_INTERNAL, 0, "cannot read '%s': not as expected", path);
	*ret_start = start;
	return 0;
}

/* timens_offsets of a process; 0 where there are no time namespaces. */
static int64_t read_boot_offset(const char *path)
{
	char text[256];
	long long secs = 0, nanosecs = 0;
	struct err ignored = ERR_INIT;
	const char *line = NULL;
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fd_read_buf(fd, text, sizeof text, path, &ignored) > 0)
		line = strstr(text, "boottime");
	if (!line || sscanf(line, "boottime %lld %lld", &secs, &nanosecs) != 2)
		return 0;
	return (secs * 1000000000 + nanosecs) * sysconf(_SC_CLK_TCK) / 1000000000;
}

static bool have_other_time_than_children(void)
{
	char own[64] = "", children[64] = "";

	return readlink("/proc/self/ns/time", own, sizeof own - 1) > 0 &&
	       readlink("/proc/self/ns/time_for_children", children, sizeof children - 1) > 0 &&
	       strcmp(own, children) != 0;
}

/* By how many ticks our time namespace is ahead of the first one: the kernel adds that to every start time that we
 * read (time_namespaces(7)). The offset of a process that lives does not change. The file is about the namespace of
 * the children. Before Linux 6.3 that is not ours after `unshare --time PROGRAM`, which makes it and executes the
 * program without a fork: then our parent's file is about ours. */
static int64_t boot_offset_ticks(void)
{
	static int64_t ticks;
	static bool known;
	char path[48];

	if (known)
		return ticks;
	ticks = read_boot_offset("/proc/self/timens_offsets");
	if (ticks && have_other_time_than_children()) {
		snprintf(path, sizeof path, "/proc/%d/timens_offsets", (int)getppid());
		ticks = read_boot_offset(path);
	}
	known = true;
	return ticks;
}

int proc_start_time(pid_t pid, uint64_t *ret, struct err *err)
{
	uint64_t start = 0;
	char state;

	if (read_stat(pid, &state, &start, err) < 0)
		return -1;
	*ret = start - (uint64_t)boot_offset_ticks();
	return 0;
}

/* An offset that is no number of ticks makes one of difference, here or where it was recorded. */
static bool is_same_start(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= 1;
}

bool proc_started_at(pid_t pid, uint64_t start_time)
{
	struct err ignored = ERR_INIT;
	uint64_t start;

	return proc_start_time(pid, &start, &ignored) == 0 && is_same_start(start, start_time);
}

static bool has_ended(int pidfd)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};

	return poll(&wait, 1, 0) > 0;
}

int proc_open(struct proc *ret, pid_t pid, uint64_t start_time, struct err *err)
{
	own_fd int pidfd = pidfd_open(pid, 0);
	uint64_t start = 0;

	if (pidfd < 0 && errno != ESRCH && errno != EINVAL && errno != ENOENT)
		return err_errno(err, "cannot open process %d", (int)pid);
	if (pidfd >= 0 && start_time != 0 && proc_start_time(pid, &start, err) < 0 &&
	    err->kind != ERR_NOT_FOUND)
		return -1;
	if (pidfd < 0 || !is_same_start(start, start_time) || has_ended(pidfd))
		return err_set(err, ERR_NOT_FOUND, ESRCH, "cannot open process %d", (int)pid);
	*ret = (struct proc){.pid = pid, .pidfd = take_fd(pidfd)};
	return 0;
}

pid_t proc_pid_of_fd(int proc_fd, int pidfd)
{
	char path[48], text[1024];
	own_fd int fd = -1;
	struct err ignored;
	const char *line;
	int pid;

	snprintf(path, sizeof(path), "%sself/fdinfo/%d", proc_fd < 0 ? "/proc/" : "", pidfd);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_buf(fd, text, sizeof(text), path, &ignored) < 0)
		return 0;
	line = strstr(text, "\nPid:");
	return line && sscanf(line, "\nPid: %d", &pid) == 1 && pid > 0 ? pid : 0;
}

int proc_signal(const struct proc *p, int signal, struct err *err)
{
	if (pidfd_send_signal(p->pidfd, signal, NULL, 0) == 0)
		return 0;
	if (errno == ESRCH)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "cannot signal process %d", (int)p->pid);
	return err_errno(err, "cannot send signal %d to process %d", signal, (int)p->pid);
}

int proc_wait_end(const struct proc *p, int timeout_ms, struct err *err)
{
	int64_t deadline = clock_boot_ms() + timeout_ms;
	struct pollfd wait = {.fd = p->pidfd, .events = POLLIN};
	int left = timeout_ms;

	for (;;) {
		int n = poll(&wait, 1, left);

		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for process %d", (int)p->pid);
		if (timeout_ms < 0)
			continue;
		left = (int)(deadline - clock_boot_ms());
		if (left < 0)
			left = 0;
		/* One that was interrupted has not looked. */
		if (n == 0 && left == 0)
			return 0;
	}
}

int proc_wait(struct proc *p, int timeout_ms, struct proc_exit *ret, struct err *err)
{
	int ended = proc_wait_end(p, timeout_ms, err), result;
	siginfo_t info;

	if (ended <= 0)
		return ended;
	do
		result = waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		return err_errno(err, "cannot wait for process %d", (int)p->pid);
	*ret = (struct proc_exit){.code = info.si_status};
	if (info.si_code != CLD_EXITED)
		*ret = (struct proc_exit){.code = 128 + info.si_status,
					  .signal = info.si_status,
					  .core = info.si_code == CLD_DUMPED};
	return 1;
}
