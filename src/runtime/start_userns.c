/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child in a user namespace that is joined. Its container's other namespaces must belong to it, as they would to a
 * new one: else container root may not set its own host name or mount its own /proc. They belong to
 * whichever user namespace their maker is in, and nobody comes back out of one; so C is born by a
 * short-lived child of P (A, as for a further process) that goes in first, and with CLONE_PARENT it is P's
 * child all the same.
 *
 * C is opaque from its birth on, as whoever is in that user namespace could trace it: also to a P that is root of the
 * one above and runs a program from outside of that (an ordinary user's keeper-to-be). So what P has to
 * enter of C's is made by A, before, and A hands over what stands for it.
 *
 * A pid namespace that is joined without its user namespace is entered by such a child, too, where P could not
 * return from it. C has a user namespace of its own then, into which nobody there may look; it is not opaque, as P
 * is to write its maps.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/sched.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "runtime/start.h"

/* What A makes, as far as it is wanted; with C's pidfd these are the descriptors of a birth, in this order. */
static const struct {
	enum ns_kind kind;
	const char *file;
} made[] = {
	{NS_PID, "self/ns/pid_for_children"},
	{NS_NET, "self/ns/net"},
	{NS_UTS, "self/ns/uts"},
	{NS_IPC, "self/ns/ipc"},
};

#define MADE_COUNT (sizeof made / sizeof *made)

struct birth {
	pid_t pid;
	bool must_attach; /* it is not in its control group: struct start */
	uint64_t made;	  /* flags */
};

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fd_close(fds[i]);
}

static int enter(struct start *s, struct err *err)
{
	static const enum ns_kind kinds[] = {NS_PID, NS_USER};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (s->joined_ns[kinds[i]] >= 0 &&
		    setns(s->joined_ns[kinds[i]], (int)ns_flag(kinds[i])) < 0)
			return err_errno(err, "cannot join the %s namespace", ns_name(kinds[i]));
	return 0;
}

static uint64_t made_flags(void)
{
	uint64_t flags = 0;

	for (size_t i = 0; i < MADE_COUNT; i++)
		flags |= ns_flag(made[i].kind);
	return flags;
}

/* Its own, by its own entry in procfs. That of processes is there once C is. */
static int open_made(const struct start *s, uint64_t flags, int *fds, size_t *count,
		     struct err *err)
{
	for (size_t i = 0; i < MADE_COUNT; i++) {
		if (!(flags & ns_flag(made[i].kind)))
			continue;
		fds[*count] = openat(s->proc_fd, made[i].file, O_RDONLY | O_CLOEXEC);
		if (fds[*count] < 0)
			return err_errno(err, "cannot open the container's %s namespace",
					 ns_name(made[i].kind));
		(*count)++;
	}
	return 0;
}

static long bear_into(struct clone_args args, int group_fd, struct err *err)
{
	if (group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group_fd;
	}
	long pid = syscall(SYS_clone3, &args, sizeof args);
	return pid < 0 ? err_errno(err, "cannot make the first process") : pid;
}

static int bear(struct start *s, uint64_t flags, int tell_fd, int child_end,
		start_child_fn *run_child, struct err *err)
{
	int fds[1 + MADE_COUNT] = {-1};
	size_t count = 1;
	uint64_t mine = s->joined_ns[NS_USER] >= 0 ? flags & made_flags() : 0;
	/* The signal at its end is that of A's: CLONE_PARENT takes none. */
	struct clone_args args = {.flags = (flags & ~mine) | CLONE_PIDFD | CLONE_PARENT,
				  .pidfd = (uintptr_t)fds};

	if (enter(s, err) < 0)
		return -1;
	if (mine && unshare((int)mine) < 0)
		return err_errno(err, "cannot leave ours");
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
	struct birth birth = {.pid = (pid_t)pid, .must_attach = s->must_attach, .made = mine};
	if (open_made(s, mine, fds, &count, err) < 0)
		return -1;
	return fd_send(tell_fd, &birth, sizeof birth, fds, count, err);
}

static _Noreturn void midwife(struct start *s, uint64_t flags, int tell_fd, int child_end,
			      start_child_fn *run_child)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;

	if (s->joined_ns[NS_USER] >= 0)
		prctl(PR_SET_DUMPABLE, 0);
	if (bear(s, flags, tell_fd, child_end, run_child, &err) == 0)
		_exit(EXIT_SUCCESS);
	fd_send(tell_fd, &err, sizeof err, NULL, 0, &ignored);
	_exit(EXIT_FAILURE);
}

/* ---- P ---- */

static size_t made_count(uint64_t flags)
{
	return (size_t)__builtin_popcountll(flags & made_flags());
}

static void take_birth(struct start *s, const struct birth *birth, const int *fds)
{
	s->child = (struct proc){.pid = birth->pid, .pidfd = *fds++};
	s->must_attach = birth->must_attach;
	for (size_t i = 0; i < MADE_COUNT; i++)
		if (birth->made & ns_flag(made[i].kind))
			s->born_ns[made[i].kind] = *fds++;
}

static int receive(struct start *s, int hear_fd, struct err *err)
{
	union {
		struct birth birth;
		struct err err;
	} message;
	int fds[1 + MADE_COUNT] = {-1};
	size_t count = 0;

	const struct waiting waiting = {.fd = hear_fd, .timeout_ms = AWAIT_MS};

	if (await_message(&waiting, err) < 0)
		return -1;
	ssize_t n = fd_recv(hear_fd, &message, sizeof message, fds, 1 + MADE_COUNT, &count, err);
	if (n == sizeof message.err) {
		*err = message.err;
		return -1;
	}
	if (n == sizeof message.birth && count == 1 + made_count(message.birth.made)) {
		take_birth(s, &message.birth, fds);
		return 0;
	}
	close_all(fds, count);
	return n < 0 ? -1 : err_set(err, ERR_IO, 0, "cannot start a process in the namespaces");
}

int start_clone_inside(struct start *s, uint64_t flags, int child_end, start_child_fn *run_child,
		       struct err *err)
{
	own(proc) struct proc helper = PROC_INIT;
	struct proc_exit how;
	own_fd int hear_fd = -1, tell_fd = -1;

	if (fd_socket_pair(&hear_fd, &tell_fd, err) < 0)
		return -1;
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
