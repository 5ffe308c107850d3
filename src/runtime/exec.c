/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A further process in a running container. Three generations: P, the caller, which stays outside; A,
 * a short-lived child that joins the container's cgroups and namespaces; and the new process, born by
 * A with CLONE_PARENT, so that it is P's child and inside every namespace. A child is needed because
 * the pid namespace takes only those born after setns(2), and because entering a user namespace cannot
 * be undone.
 *
 * P resolves the user by the container's own passwd through a descriptor of its root, so that nothing
 * of the container's is read by a process inside. A's descriptor of the newborn reaches P over the
 * same socket that later carries the newborn's error, or its end of file at execve.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/sched.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/procattr.h"
#include "kernel/tty.h"
#include "runtime/start.h"

struct exec {
	const struct runtime_exec *request;
	const struct cgroup_host *host;
	int proc_fd, root_fd;
	struct cgroup cgroup;
	struct seccomp_filter filter;
	bool has_filter;
	struct identity identity;
	bool groups_are_fixed; /* in the container's user namespace */
	struct proc joiner;
	struct rlimit_entry *rlimits; /* clamped to what we may set */
	int sync_fd, joiner_fd;	      /* P's and A's end */
};

static void exec_done(struct exec *x)
{
	fd_close(x->proc_fd);
	fd_close(x->root_fd);
	fd_close(x->sync_fd);
	fd_close(x->joiner_fd);
	free(x->rlimits);
	cgroup_done(&x->cgroup);
	seccomp_filter_done(&x->filter);
	proc_done(&x->joiner);
}

#define own_exec __attribute__((cleanup(exec_done)))

/* Namespaces of the container that are not our own already: the kernel refuses to enter one's own user
 * namespace again. */
static int joined_flags(struct exec *x, int *ret, struct err *err)
{
	pid_t init = proc_pid_of_fd(x->proc_fd, x->request->init->pidfd);

	*ret = 0;
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		struct stat theirs, ours;
		own_fd int their_fd = ns_open(x->proc_fd, init, kind, err);
		own_fd int our_fd = ns_open(x->proc_fd, 0, kind, err);

		if (their_fd < 0 || our_fd < 0)
			return -1;
		if (fstat(their_fd, &theirs) < 0 || fstat(our_fd, &ours) < 0)
			return err_errno(err, "cannot compare namespaces");
		if (theirs.st_ino != ours.st_ino)
			*ret |= (int)ns_flag(kind);
	}
	return 0;
}

/* What A tells P: the two ends of a terminal, where one is wanted, and then the newborn. */
struct born {
	pid_t pid; /* in A's, that is P's, pid namespace; 0: not yet */
};

/* As the container's root: a terminal that belongs to an id which its user namespace does not have
 * could not be handed to the command's user. */
static int open_terminal(const struct spec_process *process, int *ret_master, int *ret_slave,
			 struct err *err)
{
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return err_errno(err, "cannot open the container's root");
	if (act_as(0, 0, err) < 0)
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

static const struct step exec_steps[] = {
	{.op = STEP_INIT_WAIT},	   {.op = STEP_INIT_ROOT},	  {.op = STEP_INIT_SESSION},
	{.op = STEP_INIT_KEYRING}, {.op = STEP_INIT_PERSONALITY}, {.op = STEP_INIT_MEMORY_POLICY},
	{.op = STEP_INIT_BOUND},   {.op = STEP_INIT_USER},	  {.op = STEP_INIT_CWD},
	{.op = STEP_INIT_LABEL},   {.op = STEP_INIT_FILTER},	  {.op = STEP_INIT_EXEC},
};

static const struct step exec_steps_early[] = {
	{.op = STEP_INIT_WAIT},	   {.op = STEP_INIT_ROOT},	   {.op = STEP_INIT_SESSION},
	{.op = STEP_INIT_KEYRING}, {.op = STEP_INIT_PERSONALITY},  {.op = STEP_INIT_MEMORY_POLICY},
	{.op = STEP_INIT_BOUND},   {.op = STEP_INIT_FILTER_EARLY}, {.op = STEP_INIT_USER},
	{.op = STEP_INIT_CWD},	   {.op = STEP_INIT_LABEL},	   {.op = STEP_INIT_EXEC},
};

static bool has_label(const struct spec_process *process)
{
	return process->apparmor_profile || process->selinux_label;
}

static _Noreturn void newborn(struct exec *x)
{
	const struct runtime_exec *r = x->request;
	struct job job = {.spec = r->spec,
			  .process = r->process,
			  .caps = &r->process->caps,
			  .filter = x->has_filter ? &x->filter : NULL,
			  .groups_are_fixed = x->groups_are_fixed,
			  .proc_fd = x->proc_fd,
			  .sync_fd = x->joiner_fd,
			  .init_fd = -1,
			  .slave_fd = -1,
			  .start_fd = -1,
			  .answer_fd = -1};

	memcpy(job.stdio, r->stdio, sizeof job.stdio);
	if (r->process->no_new_privs)
		child_run(&job, exec_steps, sizeof exec_steps / sizeof *exec_steps);
	child_run(&job, exec_steps_early, sizeof exec_steps_early / sizeof *exec_steps_early);
}

/* The newborn gets the slave with its release, and never has the master. */
static int give_terminal(struct exec *x, struct err *err)
{
	own_fd int master = -1;
	own_fd int slave = -1;
	struct born not_yet = {.pid = 0};

	if (!x->request->process->terminal)
		return 0;
	if (open_terminal(x->request->process, &master, &slave, err) < 0)
		return -1;
	int fds[] = {master, slave};
	return fd_send(x->joiner_fd, &not_yet, sizeof not_yet, fds, 2, err);
}

/* From its birth on, the processes of the container see the newborn. It is opaque to them, but one that
 * may trace all the same must find nothing in it that leads out: no procfs of the host, no cgroup, no
 * terminal of the user. */
static int let_go(const struct exec *x, struct err *err)
{
	const struct runtime_exec *r = x->request;
	const int kept[] = {x->joiner_fd, r->init->pidfd, r->stdio[0],
			    r->stdio[1],  r->stdio[2],	  has_label(r->process) ? x->proc_fd : -1};

	return fd_close_others(kept, sizeof kept / sizeof *kept, err);
}

static int birth(struct exec *x, struct err *err)
{
	int pidfd = -1;
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT, .pidfd = (uintptr_t)&pidfd};

	fd_close(x->request->init->pidfd);
	if (give_terminal(x, err) < 0)
		return -1;
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		return err_errno(err, "cannot start a process in the container");
	if (pid == 0)
		newborn(x);
	struct born born = {.pid = (pid_t)pid};
	return fd_send(x->joiner_fd, &born, sizeof born, &pidfd, 1, err);
}

/* A */
static _Noreturn void join(struct exec *x, int flags)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;

	prctl(PR_SET_DUMPABLE, 0);
	if (rlimits_apply(0, x->rlimits, x->request->process->rlimit_count, &err) == 0 &&
	    cgroup_join_v1(&x->cgroup, &err) == 0 && let_go(x, &err) == 0) {
		if (setns(x->request->init->pidfd, flags) < 0)
			err_errno(&err, "cannot enter the container");
		else if (birth(x, &err) == 0)
			_exit(EXIT_SUCCESS);
	}
	fd_send(x->joiner_fd, &err, sizeof err, NULL, 0, &ignored);
	_exit(EXIT_FAILURE);
}

/* Either A's error, or what it tells and as many descriptors as belong to that. */
static int receive(const struct exec *x, struct born *ret, int *fds, size_t wanted, struct err *err)
{
	union {
		struct born born;
		struct err err;
	} message;
	size_t count = 0;

	if (await_message(x->sync_fd, err) < 0)
		return -1;
	ssize_t n = fd_recv(x->sync_fd, &message, sizeof message, fds, wanted, &count, err);
	if (n < 0)
		return -1;
	if (n == sizeof message.err) {
		*err = message.err;
		return -1;
	}
	if (n == sizeof message.born && count == wanted) {
		*ret = message.born;
		return 0;
	}
	while (count > 0)
		fd_close(fds[--count]);
	return err_set(err, ERR_IO, 0, "the container ended while it was entered");
}

static int receive_newborn(const struct exec *x, struct proc *ret, int *ret_master, int *ret_slave,
			   struct err *err)
{
	struct born born;
	int ends[2] = {-1, -1}, pidfd = -1;

	if (x->request->process->terminal) {
		if (receive(x, &born, ends, 2, err) < 0)
			return -1;
		*ret_master = ends[0];
		*ret_slave = ends[1];
	}
	if (receive(x, &born, &pidfd, 1, err) < 0)
		return -1;
	*ret = (struct proc){.pid = born.pid, .pidfd = pidfd};
	return 0;
}

static int prepare_limits(struct exec *x, struct err *err)
{
	const struct spec_process *p = x->request->process;
	own(strv) struct strv said_at_start = STRV_INIT;

	x->rlimits = calloc(p->rlimit_count + 1, sizeof *x->rlimits);
	if (!x->rlimits)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot set resource limits");
	for (size_t i = 0; i < p->rlimit_count; i++)
		x->rlimits[i] = p->rlimits[i];
	return rlimits_clamp(x->rlimits, p->rlimit_count, false, &said_at_start, err);
}

static int resolve_user(struct exec *x, struct err *err)
{
	uint32_t root = x->request->id_base;
	int found;

	/* Group 0 of ours would count. */
	if (geteuid() == 0 && groups_set(groups_are_fixed(x->proc_fd, 0), 0, NULL, err) < 0)
		return -1;
	found = identity_resolve_as(x->root_fd, root, root, &x->request->process->user,
				    &x->identity, err);
	return act_as(0, 0, err) < 0 ? -1 : found;
}

static int prepare(struct exec *x, const struct runtime_exec *request, int *ret_flags,
		   struct err *err)
{
	char root[32];

	x->proc_fd = procfs_open(err);
	if (x->proc_fd < 0 || prepare_limits(x, err) < 0 || joined_flags(x, ret_flags, err) < 0 ||
	    cgroup_open(x->host, request->cgroup_name, &x->cgroup, err) < 0)
		return -1;
	if (cgroup_is_frozen(&x->cgroup)) {
		err_set(err, ERR_STATE, 0, "the container is frozen: nothing can run in it");
		return err_hint(err, "thaw its cgroup '%s' first", x->cgroup.name);
	}
	pid_t init = proc_pid_of_fd(x->proc_fd, request->init->pidfd);
	x->groups_are_fixed = groups_are_fixed(x->proc_fd, init);
	snprintf(root, sizeof root, "%d/root", init);
	x->root_fd = openat(x->proc_fd, root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (x->root_fd < 0)
		return err_errno(err, "cannot open the container's root");
	if (resolve_user(x, err) < 0 ||
	    hand_over_pipes(request->stdio, request->id_base + x->identity.uid,
			    request->id_base + x->identity.gid, err) < 0)
		return -1;
	if (!request->spec->seccomp_default && !request->spec->linux_.seccomp)
		return 0;
	x->has_filter = true;
	if (request->spec->seccomp_default)
		return seccomp_default_filter(request->process->caps.bounding, &x->filter, err);
	return seccomp_compile(request->spec->linux_.seccomp, &x->filter, NULL, err);
}

static int start_joiner(struct exec *x, int flags, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "cannot make a socket pair");
	x->sync_fd = pair[0];
	x->joiner_fd = pair[1];
	pid_t pid = proc_clone(&x->joiner, 0, x->cgroup.v2_fd, err);
	if (pid == 0)
		join(x, flags);
	fd_close(x->joiner_fd);
	x->joiner_fd = -1;
	return pid < 0 ? -1 : 0;
}

/* execCPUAffinity.initial is "a list of CPUs a runtime parent process to be run on initially, before the
 * transition to container's cgroup": A is born with ours. */
static int start_joiner_on(struct exec *x, int flags, struct err *err)
{
	const char *cpus = x->request->process->affinity_initial;
	struct affinity before = {.size = 0};
	struct err ignored = ERR_INIT;

	if (cpus && (affinity_save(&before, err) < 0 || affinity_apply(0, cpus, err) < 0))
		return err_wrap(err, "process.execCPUAffinity.initial");
	int status = start_joiner(x, flags, err);
	affinity_restore(&before, &ignored);
	return status;
}

/* What the newborn may not do to itself, once it is in the container's control groups. */
static int set_scheduling(const struct spec_process *p, pid_t pid, struct err *err)
{
	if (p->affinity_final && affinity_apply(pid, p->affinity_final, err) < 0)
		return err_wrap(err, "process.execCPUAffinity.final");
	return apply_scheduler(pid, p, err) < 0 ? -1 : apply_io_priority(pid, p, err);
}

int runtime_exec(const struct runtime_exec *request, const struct cgroup_host *host,
		 struct proc *ret, int *ret_console_fd, struct err *err)
{
	own_exec struct exec x = {.request = request,
				  .host = host,
				  .proc_fd = -1,
				  .root_fd = -1,
				  .cgroup = CGROUP_INIT,
				  .joiner = PROC_INIT,
				  .sync_fd = -1,
				  .joiner_fd = -1};
	own(proc) struct proc born = PROC_INIT;
	own_fd int master = -1;
	own_fd int slave = -1;
	int flags;

	if (prepare(&x, request, &flags, err) < 0 || start_joiner_on(&x, flags, err) < 0 ||
	    receive_newborn(&x, &born, &master, &slave, err) < 0 ||
	    set_scheduling(request->process, born.pid, err) < 0)
		return -1;
	struct release release = {.identity = x.identity};
	if (fail_point("exec.release", err) < 0 ||
	    fd_send(x.sync_fd, &release, sizeof release, &slave, slave >= 0 ? 1 : 0, err) < 0)
		return -1;
	fd_close(take_fd(slave));
	if (await_exec(x.sync_fd, err) < 0)
		return -1;
	*ret = born;
	born = PROC_INIT;
	*ret_console_fd = take_fd(master);
	return 0;
}
