/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * C's side: what the first process (and every exec'd one) does to itself between its birth and
 * execve. It is a forked copy of P, so everything it needs is in memory; it allocates next to
 * nothing, reads no file of the container, and reports its one error as plain data over the socket.
 *
 * The order matters: the mount namespace is copied after the ids are those of the new user namespace,
 * because a copy that belongs to a less privileged namespace locks every mount in it; the session
 * keyring and the terminal come before capabilities go; the filter comes last where no_new_privs
 * allows it, so that it need not permit what we still do. A limit of open files that would leave too few for all
 * this is lowered just before the filter.
 */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "kernel/scheduler.h"
#include "kernel/tty.h"
#include "runtime/command.h"
#include "runtime/filter.h"
#include "runtime/start.h"

/* The dearest of the namespaces: P is busy with mounts that do not depend on it meanwhile. It belongs to the user
 * namespace that we are in, as if we had been born with it. */
static int init_network(struct job *job, struct err *err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return err_errno(err, "cannot make a network namespace");
	/* P's mounts want the namespace, and only a hook could see what is up in it. */
	if (job->plan->host_tree)
		return ns_raise_loopback(err) < 0 ? -1 : init_report(job, err);
	return init_report(job, err) < 0 ? -1 : ns_raise_loopback(err);
}

/* Whoever started us may be bound to a few CPUs; that is no business of the container's. A cgroup namespace has
 * its root where its maker is: not made before we are where we belong. */
static int init_cgroup(struct job *job, struct err *err)
{
	if (job->must_attach && await_attached(job->sync_fd, err) < 0)
		return -1;
	if (cgroup_join_v1(job->cgroup, err) < 0 || affinity_reset(err) < 0)
		return -1;
	if (job->delegate_fd < 0)
		return 0;
	/* The namespace's root is the group with the limits, not what was delegated of it. */
	if (job->own_cgroup_ns && unshare(CLONE_NEWCGROUP) < 0)
		return err_errno(err, "cannot make a cgroup namespace");
	job->own_cgroup_ns = false;
	return write(job->delegate_fd, "0", 1) == 1
		       ? 0
		       : err_errno(err, "cannot move to the delegated control group");
}

static int init_oom(struct job *job, struct err *err)
{
	return oom_score_apply(job->proc_fd, job->oom_score_adj, err);
}

/* P's end closed without a word: P failed or died, and so do we, silently. */
static int init_wait(struct job *job, struct err *err)
{
	int fds[2];
	size_t count = 0, taken = 0;

	job->pid = getpid(); /* a filter may refuse it later */
	ssize_t n = fd_recv(job->sync_fd, &job->identity, sizeof job->identity, fds, 2, &count,
			    err);

	if (n != sizeof job->identity)
		_exit(EXIT_FAILURE);
	if (job->plan && job->plan->shares_mounts && taken < count)
		job->root_fd = fds[taken++];
	if (taken < count)
		job->slave_fd = fds[taken++];
	if (!job->filter_follows)
		return 0;
	job->filter = &job->received;
	return filter_receive(&job->received, job->sync_fd, err);
}

/* Nobody with the ids that we come to have may trace us, or look at our memory and descriptors. A change
 * of ids sets this anew, to whatever the host's fs.suid_dumpable says. */
static void stay_opaque(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

int init_root(struct job *job, struct err *err)
{
	if (groups_set(job->groups_are_fixed, 0, NULL, err) < 0)
		return -1;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_errno(err, "cannot become root of the user namespace");
	stay_opaque();
	return 0;
}

static int init_lock(struct job *job, struct err *err)
{
	/* What is in no mount namespace cannot be changed by anybody. */
	int flags = (job->lock_mounts && !job->plan->shares_mounts ? CLONE_NEWNS : 0) |
		    (job->own_cgroup_ns ? CLONE_NEWCGROUP : 0);

	if (flags && unshare(flags) < 0)
		return err_errno(err, "cannot copy the mount and cgroup namespaces");
	return 0;
}

static int init_hostname(struct job *job, struct err *err)
{
	const char *host = job->spec->hostname, *domain = job->spec->domainname;

	if (host && sethostname(host, strlen(host)) < 0)
		return err_errno(err, "cannot set the hostname '%s'", host);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return err_errno(err, "cannot set the domain name '%s'", domain);
	return 0;
}

/* "name=value" */
static int write_sysctl(int proc_fd, const char *item, struct err *err)
{
	const char *equals = strchr(item, '=');
	own_free char *name = str_dup_len(item, equals ? (size_t)(equals - item) : 0, err);

	if (!name)
		return -1;
	if (!equals)
		return err_set(err, ERR_INVALID, 0, "sysctl '%s' has no value", item);
	return sysctl_write(proc_fd, name, equals + 1, err);
}

static int init_sysctl(struct job *job, struct err *err)
{
	const struct strv *items = &job->spec->linux_.sysctl;

	for (size_t i = 0; i < items->count; i++)
		if (write_sysctl(job->proc_fd, items->items[i], err) < 0)
			return -1;
	return 0;
}

/* The container's own null device: of the host's, a container root that is host root could change the
 * owner and the mode. */
static int open_null(struct err *err)
{
	own_fd int fd = open("/dev/null", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot open the container's '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(err, ERR_INVALID, 0,
			       "the container's '/dev/null' is not the null device");
	if (fd_set_nonblock(fd, false, err) < 0)
		return -1;
	return take_fd(fd);
}

static bool is_in_place(const int from[3])
{
	return from[0] == 0 && from[1] == 1 && from[2] == 2;
}

/* 0, 1 and 2, whatever numbers they come from: out of the way first, then into place. Where they are there
 * already no further number is needed: RLIMIT_NOFILE may leave none. */
static int place_stdio(const int from[3], struct err *err)
{
	int aside[3];

	for (int i = 0; is_in_place(from) && i < 3; i++)
		if (fd_set_cloexec(i, false, err) < 0)
			return err_wrap(err, "cannot place descriptor %d", i);
	if (is_in_place(from))
		return 0;
	for (int i = 0; i < 3; i++) {
		own_fd int null_fd = from[i] < 0 ? open_null(err) : -1;

		if (from[i] < 0 && null_fd < 0)
			return -1;
		aside[i] = fcntl(from[i] < 0 ? null_fd : from[i], F_DUPFD_CLOEXEC, 3);
		if (aside[i] < 0)
			return err_errno(err, "cannot place descriptor %d", i);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(aside[i], i) < 0)
			return err_errno(err, "cannot place descriptor %d", i);
	return 0;
}

/* P has opened the terminal in its own copy of the mounts, where it has no path that C could see: ttyname(3)
 * of some C libraries finds none then. The same one by its path, where there is one. */
static void find_own_terminal(struct job *job)
{
	struct stat theirs, ours;
	char path[32];

	if (fstat(job->slave_fd, &theirs) < 0)
		return;
	snprintf(path, sizeof path, "/dev/pts/%u", minor(theirs.st_rdev));
	if (lstat(path, &ours) < 0 || ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return;
	own_fd int fd = open(path, O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &ours) < 0 || ours.st_dev != theirs.st_dev ||
	    ours.st_ino != theirs.st_ino || fcntl(fd, F_SETFL, 0) < 0)
		return;
	fd_close(job->slave_fd);
	job->slave_fd = take_fd(fd);
}

static int init_session(struct job *job, struct err *err)
{
	if (job->process->terminal) {
		find_own_terminal(job);
		uint32_t uid = job->identity.uid;

		/* The user of the terminal owns it, as after a log-in. */
		if (fchown(job->slave_fd, uid, (gid_t)-1) < 0)
			return err_errno(err, "cannot hand over the terminal");
		return tty_take_control(job->slave_fd, err);
	}
	if (setsid() < 0)
		return err_errno(err, "cannot make a session");
	return place_stdio(job->stdio, err);
}

/* What joins it later knows the name: two processes of a container find the same keys. */
static int init_keyring(struct job *job, struct err *err)
{
	char text[KEYRING_NAME_SIZE];
	const char *name = job->keyring ? text : NULL;
	struct err tried = ERR_INIT;

	snprintf(text, sizeof text, "_ses.%s.%016llx", job->id, (unsigned long long)job->keyring);
	int joined = name && !job->plan ? keyring_join_session(name, &tried)
					: keyring_new_session(name, &tried);
	if (joined == 0 || tried.kind == ERR_UNSUPPORTED)
		return 0;
	*err = tried;
	return -1;
}

static int init_bound(struct job *job, struct err *err)
{
	return caps_limit(job->caps, err);
}

int child_lower_files(struct job *job, struct err *err)
{
	if (job->files_lowered)
		return 0;
	job->files_lowered = true;
	return rlimits_lower_files(job->rlimits, job->rlimit_count, err);
}

/* A profile may refuse prlimit64(2), and one that knows nothing of close_range(2) refuses that: what must be
 * lowered and closed is so before. */
static int install_filter(struct job *job, struct err *err)
{
	if (child_let_go(job, err) < 0 || child_lower_files(job, err) < 0)
		return -1;
	job->filtered = true;
	return job->filter ? filter_install(job->filter, job->sync_fd, err) : 0;
}

/* Any change of credentials takes it back, so it stands after the last one. Who had died before is told by the
 * socket, which P alone has the other end of. */
static void die_with_parent(const struct job *job)
{
	struct pollfd peer = {.fd = job->sync_fd};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&peer, 1, 0) > 0 && peer.revents & POLLHUP)
		_exit(EXIT_FAILURE);
}

static int init_user(struct job *job, struct err *err)
{
	const struct identity *who = &job->identity;
	int64_t mask = job->process->user.umask;

	/* One that container root may search and the user may not is what the configuration asks for. */
	job->cwd_entered = job->process->cwd && chdir(job->process->cwd) == 0;
	if (groups_set(job->groups_are_fixed, who->group_count, who->groups, err) < 0)
		return -1;
	if (setresgid(who->gid, who->gid, who->gid) < 0)
		return err_errno(err, "cannot become gid %u", who->gid);
	if (setresuid(who->uid, who->uid, who->uid) < 0)
		return err_errno(err, "cannot become uid %u", who->uid);
	stay_opaque();
	umask(mask < 0 ? 022 : (mode_t)mask);
	if (caps_apply(job->caps, err) < 0)
		return -1;
	if (job->plan && job->plan->request.tied)
		die_with_parent(job);
	return 0;
}

/* A working directory outside the root (through /proc/self/fd, CVE-2024-21626) has no path from it. The root
 * itself needs no look, which a profile may refuse. */
static int init_cwd(struct job *job, struct err *err)
{
	char at[PATH_MAX] = "";

	if (!job->cwd_entered && chdir(job->process->cwd) < 0)
		return err_errno(err, "cannot enter the working directory '%s'", job->process->cwd);
	if (str_eq(job->process->cwd, "/"))
		return 0;
	if (path_cwd(at, sizeof at) < 0 && (errno == EPERM || errno == ENOSYS)) {
		err_errno(err, "cannot see whether the working directory '%s' is in the container",
			  job->process->cwd);
		return err_hint(err, "the seccomp profile refuses getcwd(2)");
	}
	if (at[0] != '/')
		return err_set(err, ERR_INVALID, 0,
			       "the working directory '%s' is outside the container",
			       job->process->cwd);
	return 0;
}

int start_check_labels(const struct spec_process *process, bool *ret_apparmor, struct err *err)
{
	bool wanted = plan_has_label(process);

	return lsm_check_labels(wanted ? lsm_active() : LSM_NONE, process->apparmor_profile,
				process->selinux_label, ret_apparmor, err);
}

/* Before a filter of an older time, which refuses openat2(2). */
static int init_label_file(struct job *job, struct err *err)
{
	const struct spec_process *p = job->process;

	if (job->apparmor && lsm_open_exec_label(job->proc_fd, LSM_APPARMOR, p->apparmor_profile,
						 &job->apparmor_fd, err) < 0)
		return -1;
	return lsm_open_exec_label(job->proc_fd, LSM_SELINUX, p->selinux_label, &job->selinux_fd,
				   err);
}

/* Before the container's startContainer hooks, which are files of the image and are bound as its command is. */
static int init_label(struct job *job, struct err *err)
{
	const struct spec_process *p = job->process;
	own_fd int apparmor_fd = take_fd(job->apparmor_fd);
	own_fd int selinux_fd = take_fd(job->selinux_fd);

	if (apparmor_fd >= 0 &&
	    lsm_write_exec_label(apparmor_fd, LSM_APPARMOR, p->apparmor_profile, err) < 0)
		return -1;
	if (selinux_fd >= 0 &&
	    lsm_write_exec_label(selinux_fd, LSM_SELINUX, p->selinux_label, err) < 0)
		return -1;
	fd_close(take_fd(job->proc_fd)); /* nothing else needs it any more */
	return 0;
}

int child_restrict(struct job *job, struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "cannot set no_new_privs");
	return install_filter(job, err);
}

static int command_error(struct err *err, const char *command, int errnum)
{
	if (errnum == ENOENT || errnum == ENOTDIR) {
		err_set(err, ERR_CMD_NOT_FOUND, 0,
			"cannot run '%s': no such command in the container", command);
		return err_hint(err, "give a path, or a name in the container's PATH");
	}
	err_set(err, ERR_CMD_NOT_EXEC, errnum, "cannot run '%s'", command);
	if (errnum == EACCES)
		err_hint(err, "it must be a regular file with execute permission");
	if (errnum == ENOEXEC)
		err_hint(err, "it is no program for this machine, or a script without '#!'");
	return -1;
}

struct command {
	char *const *argv, *const *envp;
};

static int execute(const char *file, void *data)
{
	const struct command *c = data;

	execve(file, c->argv, c->envp);
	return errno;
}

/* Would the kernel execute it? Found out before our init takes the command's place. */
static int look(const char *file, void *data)
{
	struct stat st;

	if (stat(file, &st) < 0 || access(file, X_OK) < 0)
		return errno;
	return S_ISREG(st.st_mode) ? 0 : EACCES;
}

/* insula-init -- COMMAND [ARGUMENT...], from its descriptor: it is no file of the container. */
static int execute_init(int init_fd, const struct command *c, struct err *err)
{
	own(strv) struct strv argv = STRV_INIT;

	if (strv_add(&argv, "insula-init", err) < 0 || strv_add(&argv, "--", err) < 0)
		return -1;
	for (size_t i = 0; c->argv[i]; i++)
		if (strv_add(&argv, c->argv[i], err) < 0)
			return -1;
	execveat(init_fd, "", argv.items, c->envp, AT_EMPTY_PATH);
	return err_errno(err, "cannot run insula-init");
}

static int set_home(struct job *job, struct strv *env, struct err *err)
{
	const char *home = job->identity.home;

	if (strv_env_get(env, "HOME"))
		return 0;
	return strv_env_set(env, "HOME", *home ? home : "/", err);
}

int command_check(const struct job *job, struct err *err)
{
	const struct spec_process *p = &job->spec->process;
	int error = command_find(p->args.items[0], command_path(p->env.items), look, NULL);

	return error ? command_error(err, p->args.items[0], error) : 0;
}

/* Those that the caller passes on: its own numbers. */
static int keep_preserved(int count, struct err *err)
{
	for (int fd = 3; fd < 3 + count; fd++)
		if (fd_set_cloexec(fd, false, err) < 0)
			return err_wrap(err, "cannot pass on descriptor %d", fd);
	return fd_cloexec_from(3 + count, err);
}

/* sd_listen_fds(3): the number is the command's own, whatever pid namespace it is in. */
static int set_listen(const struct job *job, struct strv *env, struct err *err)
{
	char count[16], pid[16];

	if (!job->listen.count)
		return 0;
	snprintf(count, sizeof count, "%d", job->listen.count);
	snprintf(pid, sizeof pid, "%d", (int)job->pid);
	if (strv_env_set(env, "LISTEN_FDS", count, err) < 0 ||
	    strv_env_set(env, "LISTEN_PID", pid, err) < 0)
		return -1;
	return job->listen.names ? strv_env_set(env, "LISTEN_FDNAMES", job->listen.names, err) : 0;
}

/* Whoever started it learns that from here on it is the command, unless an error follows. */
static int announce(int answer_fd, struct err *err)
{
	const char word = STATE_EXECUTES;

	return answer_fd < 0 ? 0 : fd_write_all(answer_fd, &word, 1, "the answer", err);
}

static int init_ready(struct job *job, struct err *err)
{
	if (child_let_go(job, err) < 0 || strv_copy(&job->env, &job->process->env, err) < 0 ||
	    set_home(job, &job->env, err) < 0 || set_listen(job, &job->env, err) < 0 ||
	    keep_preserved(job->preserve_fds, err) < 0 || child_lower_files(job, err) < 0)
		return -1;
	proc_reset_signals_of(job->plan ? job->plan->signals_ignored : UINT64_MAX);
	return announce(job->answer_fd, err);
}

static int init_exec(struct job *job, struct err *err)
{
	const struct spec_process *p = job->process;
	const char *name = p->args.items[0];
	bool below = job->init_fd >= 0;
	struct command command = {.argv = p->args.items, .envp = job->env.items};
	int error = command_find(name, command_path(job->env.items), below ? look : execute,
				 &command);

	if (error)
		return command_error(err, name, error);
	return execute_init(job->init_fd, &command, err);
}

typedef int init_fn(struct job *job, struct err *err);

static const struct {
	init_fn *run;
	const char *failpoint;
} rows[STEP_COUNT] = {
	[STEP_INIT_NETWORK] = {init_network, "init.network"},
	[STEP_INIT_CGROUP] = {init_cgroup, "init.cgroup"},
	[STEP_INIT_OOM] = {init_oom, "init.oom"},
	[STEP_INIT_HOOKS_CONTAINER] = {init_hooks_container, "init.hooks-container"},
	[STEP_INIT_REPORT] = {init_report, "init.report"},
	[STEP_INIT_WAIT] = {init_wait, "init.wait"},
	[STEP_INIT_MOVED] = {child_enter_moved, "init.moved"},
	[STEP_INIT_DETACHED] = {child_enter_detached, "init.detached"},
	[STEP_INIT_ROOT] = {init_root, "init.root"},
	[STEP_INIT_LOCK] = {init_lock, "init.lock"},
	[STEP_INIT_SHARE] = {child_share, "init.share"},
	[STEP_INIT_HOSTNAME] = {init_hostname, "init.hostname"},
	[STEP_INIT_SYSCTL] = {init_sysctl, "init.sysctl"},
	[STEP_INIT_SESSION] = {init_session, "init.session"},
	[STEP_INIT_KEYRING] = {init_keyring, "init.keyring"},
	[STEP_INIT_PERSONALITY] = {init_personality, "init.personality"},
	[STEP_INIT_MEMORY_POLICY] = {init_memory_policy, "init.memory-policy"},
	[STEP_INIT_BOUND] = {init_bound, "init.bound"},
	[STEP_INIT_FILTER_EARLY] = {install_filter, "init.filter"},
	[STEP_INIT_USER] = {init_user, "init.user"},
	[STEP_INIT_CWD] = {init_cwd, "init.cwd"},
	[STEP_INIT_START] = {init_start, "init.start"},
	[STEP_INIT_HOOKS_START] = {init_hooks_start, "init.hooks-start"},
	[STEP_INIT_LABEL_FILE] = {init_label_file, "init.label-file"},
	[STEP_INIT_LABEL] = {init_label, "init.label"},
	[STEP_INIT_READY] = {init_ready, "init.ready"},
	[STEP_INIT_FILTER] = {child_restrict, "init.filter"},
	[STEP_INIT_EXEC] = {init_exec, "init.exec"},
};

_Noreturn void child_run(struct job *job, const struct step *steps, size_t count)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;

	/* Our memory is still that of a program of the host's user namespace: once it is opaque, an ordinary
	 * user's P may not write our maps any more. Then become-root is where it begins. */
	if (!job->opaque_late)
		stay_opaque();
	for (size_t i = 0; i < count; i++)
		if (fail_point(rows[steps[i].op].failpoint, &err) < 0 ||
		    rows[steps[i].op].run(job, &err) < 0)
			break;
	if (job->sync_fd >= 0)
		fd_send(job->sync_fd, &err, sizeof err, NULL, 0, &ignored);
	else
		fd_write_all(job->answer_fd, &err, sizeof err, "the answer", &ignored);
	_exit(err_exit_code(&err));
}
