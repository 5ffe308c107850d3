/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A user namespace that is joined. Its container's other namespaces must belong to it, as they would to a
 * new one: else container root may not set its own host name or mount its own /proc. They belong to
 * whichever user namespace their maker is in, and nobody comes back out of one; so C is born by a
 * short-lived child of P (A, as for a further process) that goes in first, and with CLONE_PARENT it is P's
 * child all the same.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/sched.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "runtime/start.h"

struct birth {
	pid_t pid;
	bool must_attach; /* it is not in its control group: struct start */
};

static int enter(struct start *s, struct err *err)
{
	static const enum ns_kind kinds[] = {NS_PID, NS_USER};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (s->joined_ns[kinds[i]] >= 0 &&
		    setns(s->joined_ns[kinds[i]], (int)ns_flag(kinds[i])) < 0)
			return err_errno(err, "cannot join the %s namespace", ns_name(kinds[i]));
	return 0;
}

static long bear_into(struct clone_args args, int group_fd, struct err *err)
{
	if (group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group_fd;
	}
	long pid = syscall(SYS_clone3, &args, sizeof args);
	return pid < 0 ? err_errno(err, "cannot make the container's namespaces") : pid;
}

static int bear(struct start *s, uint64_t flags, int tell_fd, int child_end,
		start_child_fn *run_child, struct err *err)
{
	int pidfd = -1;
	/* The signal at its end is that of A's: CLONE_PARENT takes none. */
	struct clone_args args = {.flags = flags | CLONE_PIDFD | CLONE_PARENT,
				  .pidfd = (uintptr_t)&pidfd};

	if (enter(s, err) < 0)
		return -1;
	long pid = fail_point("start.cgroup-birth", err) < 0
			   ? -1
			   : bear_into(args, s->cgroup.v2_fd, err);
	if (pid < 0 && start_cgroup_may_attach(s, err->errnum)) {
		*err = ERR_INIT;
		s->must_attach = true;
		pid = bear_into(args, -1, err);
	}
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(tell_fd);
		run_child(s, child_end);
		_exit(EXIT_FAILURE);
	}
	struct birth birth = {.pid = (pid_t)pid, .must_attach = s->must_attach};
	return fd_send(tell_fd, &birth, sizeof birth, &pidfd, 1, err);
}

static _Noreturn void midwife(struct start *s, uint64_t flags, int tell_fd, int child_end,
			      start_child_fn *run_child)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;

	prctl(PR_SET_DUMPABLE, 0);
	if (bear(s, flags, tell_fd, child_end, run_child, &err) == 0)
		_exit(EXIT_SUCCESS);
	fd_send(tell_fd, &err, sizeof err, NULL, 0, &ignored);
	_exit(EXIT_FAILURE);
}

/* ---- P ---- */

static int receive(struct start *s, int hear_fd, struct err *err)
{
	union {
		struct birth birth;
		struct err err;
	} message;
	int pidfd = -1;
	size_t count = 0;

	const struct waiting waiting = {.fd = hear_fd, .timeout_ms = AWAIT_MS};

	if (await_message(&waiting, err) < 0)
		return -1;
	ssize_t n = fd_recv(hear_fd, &message, sizeof message, &pidfd, 1, &count, err);
	if (n == sizeof message.err) {
		*err = message.err;
		return -1;
	}
	if (n == sizeof message.birth && count == 1) {
		s->child = (struct proc){.pid = message.birth.pid, .pidfd = pidfd};
		s->must_attach = message.birth.must_attach;
		return 0;
	}
	fd_close(pidfd);
	return n < 0 ? -1 : err_set(err, ERR_IO, 0, "cannot start a process in the namespaces");
}

int start_clone_inside(struct start *s, uint64_t flags, int child_end, start_child_fn *run_child,
		       struct err *err)
{
	own(proc) struct proc helper = PROC_INIT;
	struct proc_exit how;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "cannot make a socket pair");
	own_fd int hear_fd = pair[0];
	own_fd int tell_fd = pair[1];
	/* Of Q (start_nested.c) neither may be the child: it ends before them. */
	pid_t pid = proc_clone(&helper, s->is_proxy ? CLONE_PARENT : 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		midwife(s, flags, tell_fd, child_end, run_child);
	fd_close(take_fd(tell_fd));
	if (receive(s, hear_fd, err) < 0)
		return -1;
	if (s->is_proxy) { /* P reaps it, when it is done with Q */
		s->midwife = helper;
		helper = PROC_INIT;
		return 0;
	}
	return proc_wait(&helper, -1, &how, err) < 0 ? -1 : 0;
}
