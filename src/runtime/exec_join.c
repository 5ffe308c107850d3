/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The half of an exec that goes in: A, and the process that it bears. See exec.c.
 *
 * From its birth on, the processes of the container see the newborn. It is opaque to them, but one that
 * may trace all the same must find nothing in it that leads out: no procfs of the host, no cgroup, no
 * terminal of the user. So A closes what the newborn does not need before it goes in; a security label
 * needs the procfs, is set first, and then that goes, too.
 */
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <fcntl.h>
#include <linux/sched.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "kernel/scheduler.h"
#include "kernel/tty.h"
#include "runtime/exec.h"

#define FIXED 8 /* descriptors that are kept, whatever is preserved */

/* As the container's root: a terminal that belongs to an id which its user namespace does not have
 * could not be handed to the command's user. */
static int open_terminal(const struct spec_process *process, int *ret_master, int *ret_slave,
			 struct err *err)
{
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return err_errno(err, "cannot open the container's root");
	if (caps_act_as(0, 0, err) < 0)
		return -1;
	own_fd int pts_fd = path_open(root_fd, "dev/pts", PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0,
				      err);
	if (pts_fd < 0)
		return err_wrap(err, "the container has no terminals");
	if (tty_open_pair(pts_fd, ret_master, ret_slave, err) < 0)
		return -1;
	if (!process->console_rows)
		return 0;
	return tty_set_size(*ret_master, (unsigned short)process->console_rows,
			    (unsigned short)process->console_cols, err);
}

/* The filter comes last where no_new_privs allows it, see child.c. */
static size_t list_steps(const struct runtime_exec *r, struct step steps[static STEP_COUNT])
{
	bool late = r->process->no_new_privs;
	const struct {
		enum step_op op;
		bool wanted;
	} all[] = {
		{STEP_INIT_LABEL_FILE, plan_has_label(r->process)},
		{STEP_INIT_LABEL, plan_has_label(r->process)},
		{STEP_INIT_WAIT, true},
		{STEP_INIT_ROOT, true},
		{STEP_INIT_SESSION, true},
		{STEP_INIT_KEYRING, !r->keep_keyring},
		{STEP_INIT_PERSONALITY, true},
		{STEP_INIT_MEMORY_POLICY, true},
		{STEP_INIT_BOUND, true},
		{STEP_INIT_FILTER_EARLY, !late},
		{STEP_INIT_USER, true},
		{STEP_INIT_CWD, true},
		{STEP_INIT_READY, true},
		{STEP_INIT_FILTER, late},
		{STEP_INIT_EXEC, true},
	};
	size_t count = 0;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].wanted)
			steps[count++] = (struct step){.op = all[i].op};
	return count;
}

static _Noreturn void newborn(struct exec *x)
{
	const struct runtime_exec *r = x->request;
	struct step steps[STEP_COUNT];
	struct job job = {.spec = r->spec,
			  .process = r->process,
			  .caps = &x->caps,
			  .filter = x->has_filter ? &x->filter : NULL,
			  .filter_follows = x->filter_later,
			  .rlimits = x->rlimits,
			  .rlimit_count = r->process->rlimit_count,
			  .groups_are_fixed = x->groups_are_fixed,
			  .apparmor = x->apparmor,
			  .proc_fd = x->proc_fd,
			  .sync_fd = x->joiner_fd,
			  .preserve_fds = r->preserve_fds,
			  .listen = r->listen,
			  .id = r->id ? r->id : "",
			  .keyring = r->keyring,
			  .init_fd = -1,
			  .delegate_fd = -1,
			  .slave_fd = -1,
			  .root_fd = -1,
			  .apparmor_fd = -1,
			  .selinux_fd = -1,
			  .start_fd = -1,
			  .answer_fd = -1,
			  .hook_fds = {-1, -1}};

	memcpy(job.stdio, r->stdio, sizeof job.stdio);
	child_run(&job, steps, list_steps(r, steps));
}

/* The newborn gets the slave with its release, and never has the master. */
static int give_terminal(struct exec *x, struct err *err)
{
	own_fd int master = -1;
	own_fd int slave = -1;
	struct exec_born not_yet = {.pid = 0};

	if (!x->request->process->terminal)
		return 0;
	if (open_terminal(x->request->process, &master, &slave, err) < 0)
		return -1;
	int fds[] = {master, slave};
	return fd_send(x->joiner_fd, &not_yet, sizeof not_yet, fds, 2, err);
}

static int let_go(const struct exec *x, struct err *err)
{
	const struct runtime_exec *r = x->request;
	int kept[FIXED + RUNTIME_PRESERVE_MAX] = {
		x->joiner_fd,  r->init->pidfd,
		r->stdio[0],   r->stdio[1],
		r->stdio[2],   plan_has_label(r->process) ? x->proc_fd : -1,
		fail_log_fd(), x->shares_mounts ? x->root_fd : -1};
	size_t count = FIXED;

	for (int fd = 3; fd < 3 + r->preserve_fds; fd++)
		kept[count++] = fd;
	return fd_close_others(kept, count, err);
}

/* What the kernel says of a namespace whose first process is gone is ESRCH, ENOMEM or EINVAL. */
static int entry_error(const struct exec *x, const char *what, struct err *err)
{
	struct pollfd init = {.fd = x->request->init->pidfd, .events = POLLIN};

	err_errno(err, "%s", what);
	if (poll(&init, 1, 0) == 1)
		err_set(err, ERR_STATE, 0, "container not running: it ended while it was entered");
	return -1;
}

static int birth(struct exec *x, struct err *err)
{
	int pidfd = -1;
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT, .pidfd = (uintptr_t)&pidfd};

	if (give_terminal(x, err) < 0 || fail_point("exec.birth", err) < 0)
		return -1;
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		return entry_error(x, "cannot start a process in the container", err);
	if (pid == 0) {
		fd_close(x->request->init->pidfd);
		newborn(x);
	}
	struct exec_born born = {.pid = (pid_t)pid};
	return fd_send(x->joiner_fd, &born, sizeof born, &pidfd, 1, err);
}

/* Where the container has a mount namespace of its own, that one's root is its root. */
static int enter_root(struct exec *x, struct err *err)
{
	if (!x->shares_mounts)
		return 0;
	own_fd int root_fd = take_fd(x->root_fd);
	return mount_enter_root(root_fd, err);
}

static int go_in(struct exec *x, struct err *err)
{
	const struct spec_process *p = x->request->process;
	struct err ignored = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (x->must_attach && await_attached(x->joiner_fd, err) < 0)
		return -1;
	if ((p->oom_given && oom_score_apply(x->proc_fd, x->oom_score_adj, err) < 0) ||
	    cgroup_join_v1(&x->cgroup, err) < 0 || fail_point("exec.joined", err) < 0)
		return -1;
	/* As of the first process: our caller's means nothing, unless one is asked for. */
	if (!p->affinity_initial && !p->affinity_final && affinity_reset(err) < 0)
		return -1;
	if (let_go(x, err) < 0)
		return -1;
	if (setns(x->request->init->pidfd, x->namespaces) < 0)
		return entry_error(x, "cannot enter the container", err);
	if (enter_root(x, err) < 0)
		return -1;
	/* An ordinary user's are his own, and have a name in his containers; his right to give them away is
	 * one of theirs. Where they have none, they stay as they are. */
	if (x->ordinary)
		hand_over_pipes(x->request->stdio, x->identity.uid, x->identity.gid, &ignored);
	return birth(x, err);
}

_Noreturn void exec_join(struct exec *x)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;

	prctl(PR_SET_DUMPABLE, 0);
	if (go_in(x, &err) == 0)
		_exit(EXIT_SUCCESS);
	fd_send(x->joiner_fd, &err, sizeof err, NULL, 0, &ignored);
	_exit(EXIT_FAILURE);
}
