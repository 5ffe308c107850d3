/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container without a pid namespace of its own (--pid host, --pid container:NAME).
 *
 * Elsewhere the keeper is process 1 of a pid namespace around the container, and the kernel ends the one with
 * the other. A pid namespace can only be joined from above, so here the keeper lives among the processes
 * of the host, and what holds the container's processes together is their control group alone:
 *
 *	the first process ends		the keeper kills the rest of the group before it records the end
 *	the keeper dies			the kernel kills the first process (PR_SET_PDEATHSIG), and the guard
 *					the rest
 *	the guard dies			the keeper makes another, and tries again where it cannot (no process, no
 *					descriptor), which is an event
 *	the keeper is replaced		the next one takes the guard over until it has one of its own
 *	both are killed at once		the kernel kills the first process, and whoever finds the container
 *					dead next (ps, rm, doctor) the rest
 *
 * The guard is a fork of the keeper which holds nothing but the group's directories and waits for the keeper's
 * end. They are directories and not names: a group that is made anew, for the next run, is another one. It
 * takes no signal but SIGKILL, as a service manager that ends a scope sends SIGTERM to all that is in it.
 *
 * Orphans of the container are the keeper's to reap where it sees them: it is a subreaper (start.c).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "engine/keeper_private.h"
#include "kernel/cgroup.h"

#define KILL_MS 30000
#define RETRY_MS 200
#define GUARD_NAME "insula-guard"

static int open_group(const struct keeper *k, struct cgroup *ret, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (!k->state.cgroup_name)
		return err_set(err, ERR_STATE, 0, "the container has no control group");
	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	return cgroup_open(&host, k->state.cgroup_name, ret, err);
}

static void close_the_rest(const struct cgroup *cg, int keeper_fd)
{
	int kept[2 * CGROUP_MAX_HIERARCHIES + 1];
	struct err ignored = ERR_INIT;
	size_t count = 0;

	kept[count++] = keeper_fd;
	for (size_t i = 0; i < cg->count; i++) {
		kept[count++] = cg->members[i].dir_fd;
		kept[count++] = cg->members[i].parent_fd;
	}
	fd_close_others(kept, count, &ignored);
}

static _Noreturn void be_guard(const struct cgroup *cg, int keeper_fd)
{
	struct pollfd wait = {.fd = keeper_fd, .events = POLLIN};
	struct err ignored = ERR_INIT;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, GUARD_NAME);
	close_the_rest(cg, keeper_fd);
	while (poll(&wait, 1, -1) < 0 && errno == EINTR)
		;
	cgroup_kill(cg, KILL_MS, &ignored);
	_exit(0);
}

static int make_guard(const struct keeper *k, struct proc *ret, struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	if (fail_point("keeper.guard", err) < 0 || open_group(k, &cg, err) < 0)
		return -1;
	own_fd int keeper_fd = pidfd_open(getpid(), 0);
	if (keeper_fd < 0)
		return err_errno(err, "cannot open ourselves");
	pid_t pid = proc_clone(ret, 0, -1, err);
	if (pid == 0)
		be_guard(&cg, keeper_fd);
	return pid < 0 ? -1 : 0;
}

static void on_guard_time(void *data)
{
	keeper_guard_renew(data);
}

/* The last keeper's, until there is one of our own: a container that runs is not ended for want of that. */
static void take_over(struct keeper *k)
{
	siginfo_t info = {0};
	int pidfd = -1;

	if (k->state.guard_pid > 0 &&
	    waitid(P_PID, (id_t)k->state.guard_pid, &info, WEXITED | WNOHANG) == 0 && !info.si_pid)
		pidfd = pidfd_open(k->state.guard_pid, 0);
	if (pidfd >= 0)
		k->guard = (struct proc){.pid = k->state.guard_pid, .pidfd = pidfd};
	keeper_guard_renew(k);
}

/* The timer is there before it is needed, as there may be no memory then. */
int keeper_guard_start(struct keeper *k, struct err *err)
{
	if (!k->state.shared_pids)
		return 0;
	k->guard_timer = loop_add_timer(k->loop, -1, on_guard_time, k, err);
	if (!k->guard_timer)
		return -1;
	if (k->state.replaced)
		take_over(k);
	else if (make_guard(k, &k->guard, err) < 0)
		return err_wrap(err, "cannot guard the container");
	return 0;
}

/* An event for each time without one, and for its end. */
static void note_unguarded(struct keeper *k, const struct err *why)
{
	bool unguarded = !k->guard.pid;

	if (unguarded && !k->unguarded)
		keeper_note_event(k, "unguarded", "reason", why->message);
	if (!unguarded && k->unguarded)
		keeper_note_event(k, "guarded", NULL, NULL);
	k->unguarded = unguarded;
}

void keeper_guard_renew(struct keeper *k)
{
	struct proc next = PROC_INIT;
	struct err err = ERR_INIT;

	if (k->phase != KEEPER_RUNNING || k->has_exited)
		return;
	if (fail_point("keeper.guard.renew", &err) == 0 && make_guard(k, &next, &err) == 0) {
		if (k->guard.pid)
			proc_done(&k->guard);
		k->guard = next;
	} else {
		loop_timer_set(k->guard_timer, RETRY_MS);
	}
	note_unguarded(k, &err);
}

void keeper_guard_ended(struct keeper *k)
{
	proc_forget(&k->guard);
	keeper_guard_renew(k);
}

void keeper_guard_done(struct keeper *k)
{
	loop_remove(k->guard_timer);
	k->guard_timer = NULL;
	if (k->guard.pid)
		proc_done(&k->guard);
	k->guard = PROC_INIT;
}

void keeper_end_processes(struct keeper *k)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err ignored = ERR_INIT;

	if (k->state.shared_pids && open_group(k, &cg, &ignored) == 0)
		cgroup_kill(&cg, KILL_MS, &ignored);
}
