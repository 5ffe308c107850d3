/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Executing a plan: P's side. Each step is a row of a table; they run in the plan's order, and the
 * first that fails names itself in the error. Whatever was done is undone by start_done: P returns to
 * its own namespaces, the half-built child is killed and reaped, the cgroup is removed; mounts need
 * no undoing, as they live in a mount namespace that ends with P and C.
 *
 * One socket pair joins P and C. C reads its release from it and writes its error to it; the end of
 * file, when C's end is closed by execve, tells P that the command runs. Nothing else holds C's end:
 * a helper that inherited it would make P wait for ever.
 */
#include "runtime/hooks.h"
#include "runtime/start.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "kernel/procattr.h"
#include "kernel/seal.h"
#include "runtime/filter.h"
#include "runtime/hooks.h"

#define CGROUP_REMOVE_MS 2000

/* What the container's root could write on the host goes in as a sealed copy: /proc/1/exe leads to it. A
 * root that is nobody on the host gets the file itself. */
static int step_own_init(struct start *s, const struct step *step, struct err *err)
{
	bool harmless = !spec_root_is_hosts(s->plan->spec);
	own_fd int fd = open(step->subject, (harmless ? O_PATH : O_RDONLY) | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot open '%s', the init of a container", step->subject);
	s->init_fd = harmless ? take_fd(fd) : seal_copy(fd, err);
	return s->init_fd < 0 ? -1 : 0;
}

static int keep_own(struct start *s, enum ns_kind kind, struct err *err)
{
	if (s->own_ns[kind] >= 0)
		return 0;
	/* One that may not be searched is no place that a relative path could begin at. */
	if (kind == NS_MNT && s->own_cwd_fd < 0)
		s->own_cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->own_ns[kind] = ns_open(s->proc_fd, 0, kind, err);
	return s->own_ns[kind] < 0 ? -1 : 0;
}

/* Entering a mount namespace has led to its root. */
static int return_to_cwd(const struct start *s, struct err *err)
{
	if (s->own_cwd_fd >= 0 && fchdir(s->own_cwd_fd) < 0)
		return err_errno(err, "cannot return to our working directory");
	return 0;
}

static int step_pad(struct start *s, const struct step *step, struct err *err)
{
	own_fd int pad_fd = s->plan->host_tree ? -1
					       : runtime_pad_open(s->plan->request.run_root, err);

	if ((pad_fd < 0 && !s->plan->host_tree) || keep_own(s, NS_MNT, err) < 0)
		return -1;
	s->moved = true;
	if (s->plan->host_tree)
		return mount_copy_namespace(err);
	if (setns(pad_fd, CLONE_NEWNS) < 0)
		return err_errno(err, "cannot enter the launch pad");
	/* The pad's mounts are private, and so are those of the copy. */
	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(err, "cannot make a mount namespace");
	return 0;
}

static struct job make_job(struct start *s, int sync_fd)
{
	struct plan *plan = s->plan;

	struct job job = {
		.plan = plan,
		.spec = plan->spec,
		.process = &plan->spec->process,
		.caps = &plan->caps,
		.filter = plan->has_filter ? &plan->filter : NULL,
		.filter_follows = plan->filter_later,
		.rlimits = plan->rlimits,
		.rlimit_count = plan->rlimit_count,
		.cgroup = &s->cgroup,
		.must_attach = s->must_attach,
		.oom_score_adj = plan->oom_score_adj,
		.proc_fd = s->proc_fd,
		.sync_fd = sync_fd,
		.preserve_fds = plan->request.preserve_fds,
		.listen = plan->request.listen,
		.id = plan->request.id,
		.keyring = plan->keyring,
		.init_fd = s->init_fd,
		.slave_fd = -1,
		.root_fd = -1,
		.apparmor_fd = -1,
		.selinux_fd = -1,
		.state = plan->request.state,
		.hook_fds = {s->hook_fds[0], s->hook_fds[1]},
		.start_fd = plan->request.wait ? plan->request.start_fd : -1,
		.answer_fd = plan->request.wait ? plan->request.answer_fd : -1,
		.groups_are_fixed = s->groups_are_fixed,
		.apparmor = s->apparmor,
		.opaque_late = plan->request.entered,
		.lock_mounts = plan->own[NS_USER] || s->joined_ns[NS_USER] >= 0,
		.delegate_fd = s->delegate_fd,
		.own_cgroup_ns = plan->own[NS_CGROUP],
	};
	memcpy(job.stdio, plan->request.stdio, sizeof job.stdio);
	return job;
}

/* Is C born by a helper (start_userns.c)? Nobody comes back out of a user namespace, nor Q out of the pid namespace
 * that it has for its children, as P's belongs to a user namespace above ours. */
static bool has_midwife(const struct start *s)
{
	return s->joined_ns[NS_USER] >= 0 || (s->is_proxy && s->joined_ns[NS_PID] >= 0);
}

/* Namespaces joined by path: P goes in so that C is born there, where that is not a helper's to do. */
static int enter_joined(struct start *s, struct err *err)
{
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		bool helpers = kind == NS_USER || (kind == NS_PID && has_midwife(s));

		if (s->joined_ns[kind] < 0 || helpers)
			continue;
		if (keep_own(s, kind, err) < 0)
			return -1;
		s->moved = true;
		if (setns(s->joined_ns[kind], (int)ns_flag(kind)) < 0)
			return err_errno(err, "cannot join the %s namespace", ns_name(kind));
	}
	return 0;
}

static int write_time_offsets(struct start *s, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;
	own(str) struct str text = STR_INIT(200);
	own_fd int fd = openat(s->proc_fd, "self/timens_offsets", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot set time offsets");
	if (linux_->time_monotonic.given)
		str_addf(&text, "monotonic %lld %u\n", (long long)linux_->time_monotonic.secs,
			 linux_->time_monotonic.nanosecs);
	if (linux_->time_boottime.given)
		str_addf(&text, "boottime %lld %u\n", (long long)linux_->time_boottime.secs,
			 linux_->time_boottime.nanosecs);
	if (!text.len)
		return 0;
	return fd_write_all(fd, text.data, text.len, "the time offsets", err);
}

/* Children are born into it; the offsets must be written before the first of them is. */
static int make_time_namespace(struct start *s, struct err *err)
{
	if (!s->plan->own[NS_TIME])
		return 0;
	if (keep_own(s, NS_TIME, err) < 0)
		return -1;
	s->moved = true;
	if (unshare((int)ns_flag(NS_TIME)) < 0)
		return err_errno(err, "cannot make a time namespace");
	return write_time_offsets(s, err);
}

static uint64_t clone_flags(const struct plan *plan)
{
	static const enum ns_kind born_with[] = {NS_USER, NS_PID, NS_NET, NS_UTS, NS_IPC};
	uint64_t flags = 0;

	for (size_t i = 0; i < sizeof born_with / sizeof *born_with; i++)
		if (plan->own[born_with[i]])
			flags |= ns_flag(born_with[i]);
	return plan->late_network ? flags & ~ns_flag(NS_NET) : flags;
}

static _Noreturn void run_child(struct start *s, int child_end)
{
	struct plan *plan = s->plan;
	struct job job = make_job(s, child_end);

	close(s->sync_fd);
	if (plan->request.lock_fd > 0)
		close(plan->request.lock_fd);
	child_run(&job, plan->steps + plan->child_first, plan->count - plan->child_first);
}

static int bear_child(struct start *s, int child_end, struct err *err)
{
	uint64_t flags = clone_flags(s->plan) | (s->is_proxy ? CLONE_PARENT : 0);

	if (has_midwife(s))
		return start_clone_inside(s, flags, child_end, run_child, err);
	pid_t pid = fail_point("start.cgroup-birth", err) < 0
			    ? -1
			    : proc_clone(&s->child, flags, s->cgroup.v2_fd, err);
	if (pid < 0 && start_cgroup_may_attach(s, err->errnum)) {
		*err = ERR_INIT;
		s->must_attach = true;
		pid = proc_clone(&s->child, flags, -1, err);
	}
	if (pid == 0)
		run_child(s, child_end);
	return pid < 0 ? -1 : 0;
}

/* C was born in the pid namespace that it joins. What P makes after it, a hook above all, belongs into P's
 * own, and no process can leave the one that it was born in. Likewise what P opens by a path from here on. */
static int leave_joined(struct start *s, struct err *err)
{
	static const enum ns_kind kinds[] = {NS_PID, NS_MNT};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		own_fd int mine = s->joined_ns[kinds[i]] >= 0 ? s->own_ns[kinds[i]] : -1;

		if (mine < 0)
			continue;
		s->own_ns[kinds[i]] = -1;
		if (setns(mine, (int)ns_flag(kinds[i])) < 0)
			return err_errno(err, "cannot return to our %s namespace",
					 ns_name(kinds[i]));
		if (kinds[i] == NS_MNT && return_to_cwd(s, err) < 0)
			return -1;
	}
	return 0;
}

static int step_clone(struct start *s, const struct step *step, struct err *err)
{
	own_fd int child_end = -1;

	if (enter_joined(s, err) < 0 || make_time_namespace(s, err) < 0 ||
	    fd_socket_pair(&s->sync_fd, &child_end, err) < 0)
		return -1;
	if (bear_child(s, child_end, err) < 0) {
		/* No process is made any more in a pid namespace whose first one is about to end. */
		if (s->joined_ns[NS_PID] >= 0 && err->errnum == ENOMEM)
			return err_set(err, ERR_STATE, ENOMEM,
				       "the pid namespace to be joined has ended");
		cgroup_explain(&s->cgroup, err);
		return err_wrap(err, "cannot make the container's namespaces");
	}
	/* Not where another process bore it, in a pid namespace that may be another. */
	bool same = s->plan->own_pids && s->joined_ns[NS_PID] < 0 && s->joined_ns[NS_USER] < 0 &&
		    !s->is_proxy;
	s->host_pid = same ? s->child.pid : proc_pid_of_fd(s->proc_fd, s->child.pidfd);
	return leave_joined(s, err) < 0 ? -1 : start_cgroup_entered(s, err);
}

static size_t copy_maps(const struct spec_idmaps *maps, struct id_map *ret, size_t max)
{
	size_t n = maps->count < max ? maps->count : max;

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct id_map){maps->items[i].container_id, maps->items[i].host_id,
					 maps->items[i].size};
	return n;
}

static int step_maps(struct start *s, const struct step *step, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;
	struct id_map uids[340], gids[340]; /* what the kernel takes at most, user_namespaces(7) */
	size_t uid_count = copy_maps(&linux_->uid_maps, uids, 340);
	size_t gid_count = copy_maps(&linux_->gid_maps, gids, 340);

	if (ns_write_maps(s->proc_fd, s->host_pid, uids, uid_count, gids, gid_count, err) < 0)
		return -1;
	s->userns_fd = ns_open(s->proc_fd, s->host_pid, NS_USER, err);
	return s->userns_fd < 0 ? -1 : 0;
}

/* C has its own memory by now, and what is left of it is made by the kernel. */
static int step_filter(struct start *s, const struct step *step, struct err *err)
{
	struct plan *plan = s->plan;

	return filter_make(plan->spec, plan->caps.bounding, &plan->filter, &plan->has_filter, err);
}

static int step_limits(struct start *s, const struct step *step, struct err *err)
{
	return rlimits_apply_to_child(s->child.pid, s->plan->rlimits, s->plan->rlimit_count, err);
}

int start_open_born(const struct start *s, enum ns_kind kind, struct err *err)
{
	int fd = s->born_ns[kind] >= 0 ? s->born_ns[kind] : s->joined_ns[kind];

	if (fd < 0)
		return ns_open(s->proc_fd, s->host_pid, kind, err);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_errno(err, "cannot keep the %s namespace", ns_name(kind)) : fd;
}

static int enter_born(struct start *s, const enum ns_kind *kinds, size_t count, struct err *err)
{
	int flags = 0;

	for (size_t i = 0; i < count; i++) {
		int fd = s->born_ns[kinds[i]];

		if (!s->plan->own[kinds[i]])
			continue;
		if (keep_own(s, kinds[i], err) < 0)
			return -1;
		if (fd < 0)
			flags |= (int)ns_flag(kinds[i]);
		else if (setns(fd, (int)ns_flag(kinds[i])) < 0)
			return err_errno(err, "cannot enter the container's %s namespace",
					 ns_name(kinds[i]));
	}
	if (flags && setns(s->child.pidfd, flags) < 0)
		return err_errno(err, "cannot enter the container's namespaces");
	return 0;
}

/* sysfs takes its mounter's network namespace, mqueue its ipc namespace, sysctls the writer's. */
static int step_join(struct start *s, const struct step *step, struct err *err)
{
	static const enum ns_kind joined[] = {NS_UTS, NS_IPC, NS_NET};
	bool late = s->plan->late_network;

	if (enter_born(s, joined, late ? 2 : 3, err) < 0)
		return -1;
	return s->plan->own[NS_NET] && !late ? ns_raise_loopback(err) : 0;
}

static int step_join_network(struct start *s, const struct step *step, struct err *err)
{
	static const enum ns_kind network = NS_NET;
	struct waiting waiting = start_waiting(s);

	return await_word(&waiting, err) < 0 ? -1 : enter_born(s, &network, 1, err);
}

/* Not a FIFO with a name: that is a file of the host's, and its owner's. */
static bool is_pipe(int fd)
{
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
}

/* One that belongs to somebody else, as an ordinary user's may, stays his. */
int hand_over_pipes(const int stdio[3], uint32_t uid, uint32_t gid, struct err *err)
{
	for (int i = 0; i < 3; i++)
		if (is_pipe(stdio[i]) && fchown(stdio[i], uid, gid) < 0 && errno != EPERM)
			return err_errno(err, "cannot hand over the container's pipes");
	return 0;
}

static int step_user(struct start *s, const struct step *step, struct err *err)
{
	const struct plan *plan = s->plan;

	path_use_proc(s->proc_fd); /* the pad has no /proc */
	int found = identity_resolve_as(s->root_fd, plan->root_uid, plan->root_gid,
					&plan->spec->process.user, &s->identity, err);
	path_use_proc(-1);
	if (found < 0)
		return -1;
	if (s->keep_groups)
		s->identity.group_count = 0;
	uint32_t uid, gid;
	if (start_host_id(s, false, s->identity.uid, &uid, err) < 0 ||
	    start_host_id(s, true, s->identity.gid, &gid, err) < 0)
		return -1;
	return hand_over_pipes(plan->request.stdio, uid, gid, err);
}

static int step_cwd(struct start *s, const struct step *step, struct err *err)
{
	own_fd int fd = path_mkdirs(s->root_fd, step->subject, PATH_IN_ROOT, 0755, err);

	if (fd < 0)
		return err_wrap(err, "cannot make the working directory '%s'", step->subject);
	return 0;
}

static int step_pivot(struct start *s, const struct step *step, struct err *err)
{
	return mount_pivot(s->root_fd, err);
}

/* In the launch pad nothing lies below the moved root. Where hooks wanted the host's tree it does, and whoever
 * may unmount could uncover it, so it goes unless the kernel refuses, as it does with an initramfs. */
static int step_move(struct start *s, const struct step *step, struct err *err)
{
	struct err ignored = ERR_INIT;

	if (s->plan->host_tree && mount_pivot(s->root_fd, &ignored) == 0)
		return 0;
	return mount_move_root(s->root_fd, err);
}

/* C stays in a mount namespace that has other users, so nothing may change there: the root is for C alone, a
 * tree of mounts that is in no namespace. It lives as long as somebody has it for a root. */
static int step_detach(struct start *s, const struct step *step, struct err *err)
{
	s->detached_fd = mount_clone(s->root_fd, "", true, 0, err);
	return s->detached_fd < 0 ? err_wrap(err, "root file system") : 0;
}

/* Return to every namespace that was left. Must not fail half-way: the caller ends otherwise. */
static int leave(struct start *s, struct err *err)
{
	int status = caps_act_as(0, 0, err);

	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++)
		if (s->own_ns[kind] >= 0 && setns(s->own_ns[kind], (int)ns_flag(kind)) < 0)
			status = err_errno(err, "cannot return to our %s namespace", ns_name(kind));
	if (return_to_cwd(s, err) < 0)
		status = -1;
	s->moved = false;
	return status;
}

/* Who leaves M as the last one waits until the kernel has taken it down. That would be C when it makes its copy, while P
 * waits for it; so P holds M until the command runs, or waits to. */
static int hold_shared_mounts(struct start *s, struct err *err)
{
	if (!s->plan->own[NS_USER] || s->plan->nested)
		return 0;
	s->shared_mounts_fd = ns_open(s->proc_fd, 0, NS_MNT, err);
	return s->shared_mounts_fd < 0 ? -1 : 0;
}

static int step_leave(struct start *s, const struct step *step, struct err *err)
{
	return hold_shared_mounts(s, err) < 0 ? -1 : leave(s, err);
}

struct waiting start_waiting(const struct start *s)
{
	return (struct waiting){.fd = s->sync_fd,
				.group = s->cgroup.count ? &s->cgroup : NULL,
				.timeout_ms = AWAIT_MS};
}

static int step_born(struct start *s, const struct step *step, struct err *err)
{
	const struct runtime_request *request = &s->plan->request;

	return request->born(request->born_data, s->host_pid, &s->cgroup, err);
}

static int tell_agent(struct start *s, struct err *err)
{
	const struct runtime_request *request = &s->plan->request;
	const struct filter_agent agent = {.spec = s->plan->spec,
					   .state = request->state,
					   .id = request->id,
					   .status = STATE_CREATING,
					   .pid = s->host_pid,
					   .process = &s->child};

	return filter_serve(&agent, s->sync_fd, err);
}

static int step_release(struct start *s, const struct step *step, struct err *err)
{
	struct waiting waiting = start_waiting(s);
	bool wait = s->plan->request.wait;
	int fds[2];
	size_t count = 0;

	if (s->detached_fd >= 0)
		fds[count++] = s->detached_fd;
	if (s->slave_fd >= 0)
		fds[count++] = s->slave_fd;
	if (fd_send(s->sync_fd, &s->identity, sizeof s->identity, fds, count, err) < 0 ||
	    (s->plan->filter_later && filter_send(&s->plan->filter, s->sync_fd, err) < 0))
		return -1;
	fd_close(take_fd(s->detached_fd));
	fd_close(take_fd(s->slave_fd));
	if (s->plan->filter.notify && tell_agent(s, err) < 0)
		return -1;
	if (wait)
		return await_word(&waiting, err);
	waiting.timeout_ms += hooks_timeout_ms(s->plan->spec, SPEC_HOOK_START_CONTAINER);
	return await_exec(&waiting, err);
}

typedef int step_fn(struct start *s, const struct step *step, struct err *err);

static const struct {
	step_fn *run;
	const char *failpoint;
} rows[STEP_INIT_CGROUP] = {
	[STEP_SCOPE] = {start_scope, "start.scope"},
	[STEP_CGROUP] = {start_cgroup, "start.cgroup"},
	[STEP_ROOT_SOURCE] = {start_root_source, "start.root-source"},
	[STEP_LAYER_SOURCE] = {start_layer_source, "start.layer-source"},
	[STEP_BIND_SOURCE] = {start_bind_source, "start.bind-source"},
	[STEP_FS_SOURCE] = {start_fs_source, "start.fs-source"},
	[STEP_NODE_SOURCE] = {start_node_source, "start.node-source"},
	[STEP_CGROUP_VIEW] = {start_cgroup_view, "start.cgroup-view"},
	[STEP_OWN_INIT] = {step_own_init, "start.own-init"},
	[STEP_RESCTRL] = {start_resctrl, "start.resctrl"},
	[STEP_NET_SOURCE] = {start_net_source, "start.net-source"},
	[STEP_PAD] = {step_pad, "start.pad"},
	[STEP_CLONE] = {step_clone, "start.clone"},
	[STEP_MAPS] = {step_maps, "start.maps"},
	[STEP_FILTER] = {step_filter, "start.filter"},
	[STEP_LIMITS] = {step_limits, "start.limits"},
	[STEP_RESCTRL_JOIN] = {start_resctrl_join, "start.resctrl-join"},
	[STEP_COVERS] = {start_covers, "start.covers"},
	[STEP_LAYER] = {start_layer, "start.layer"},
	[STEP_ROOT_DIR] = {start_root_dir, "start.root-dir"},
	[STEP_JOIN] = {step_join, "start.join"},
	[STEP_JOIN_NETWORK] = {step_join_network, "start.join-network"},
	[STEP_NET_DEVICE] = {start_net_device, "start.net-device"},
	[STEP_MOUNT] = {start_mount, "start.mount"},
	[STEP_DEVICES] = {start_devices, "start.devices"},
	[STEP_CONSOLE] = {start_console, "start.console"},
	[STEP_USER] = {step_user, "start.user"},
	[STEP_CWD] = {step_cwd, "start.cwd"},
	[STEP_MOUNT_READONLY] = {start_mount_readonly, "start.mount-readonly"},
	[STEP_FILES] = {start_files, "start.files"},
	[STEP_MASK] = {start_mask, "start.mask"},
	[STEP_READONLY] = {start_readonly, "start.readonly"},
	[STEP_ROOT_READONLY] = {start_root_readonly, "start.root-readonly"},
	[STEP_HOOKS] = {start_hooks, "start.hooks"},
	[STEP_HOOKS_CONTAINER] = {start_hooks_container, "start.hooks-container"},
	[STEP_PIVOT] = {step_pivot, "start.pivot"},
	[STEP_MOVE] = {step_move, "start.move"},
	[STEP_DETACH] = {step_detach, "start.detach"},
	[STEP_LEAVE] = {step_leave, "start.leave"},
	[STEP_SCHEDULER] = {start_scheduler, "start.scheduler"},
	[STEP_IO_PRIORITY] = {start_io_priority, "start.io-priority"},
	[STEP_BORN] = {step_born, "start.born"},
	[STEP_RELEASE] = {step_release, "start.release"},
};

int start_run_step(struct start *s, const struct step *step, struct err *err)
{
	debug_emit("start: %s%s%s", step_name(step->op), step->subject && *step->subject ? " " : "",
		   step->subject ? step->subject : "");
	if (fail_point(rows[step->op].failpoint, err) < 0)
		return -1;
	return rows[step->op].run(s, step, err);
}

static size_t find_step(const struct plan *plan, enum step_op op)
{
	size_t i = 0;

	while (i < plan->child_first && plan->steps[i].op != op)
		i++;
	return i;
}

static int run_steps(struct start *s, struct err *err)
{
	const struct plan *plan = s->plan;
	size_t away = plan->nested ? find_step(plan, STEP_PAD) : SIZE_MAX;

	for (size_t i = 0; i < plan->child_first; i++) {
		if (i != away) {
			if (start_run_step(s, &plan->steps[i], err) < 0)
				return -1;
			continue;
		}
		i = find_step(plan, STEP_PIVOT);
		if (start_run_nested(s, away, i, err) < 0)
			return -1;
	}
	return 0;
}

static int open_joined(struct start *s, struct err *err)
{
	for (enum spec_ns i = 0; i < SPEC_NS_COUNT; i++) {
		const char *path = s->plan->spec->linux_.namespaces[i].path;
		enum ns_kind kind = plan_ns_kind(i);

		if (!path)
			continue;
		s->joined_ns[kind] = ns_open_path(path, kind, err);
		if (s->joined_ns[kind] < 0)
			return err_wrap(err, "linux.namespaces");
	}
	return 0;
}

static void close_sources(struct start *s)
{
	for (size_t i = 0; s->layers && i < s->plan->request.layer_count; i++) {
		for (unsigned int k = 0; k < s->layers[i].lower_count; k++)
			fd_close(s->layers[i].lower_fds[k]);
		fd_close(s->layers[i].writable_fd);
		fd_close(s->layers[i].kept_fd);
	}
	for (size_t i = 0; s->mounts && i < s->plan->spec->mount_count; i++) {
		fd_close(s->mounts[i].source_fd);
		fd_close(s->mounts[i].kept_fd);
		free(s->mounts[i].link);
	}
	start_view_done(&s->view);
	free(s->layers);
	free(s->mounts);
	for (size_t i = 0; i < s->node_count; i++)
		fd_close(s->node_fds[i]);
	free(s->node_fds);
}

static void start_done(struct start *s)
{
	struct err ignored = ERR_INIT;

	start_fields_done(s);
	if (s->moved)
		leave(s, &ignored);
	umask(s->umask);
	close_sources(s);
	start_ids_done(s);
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		fd_close(s->own_ns[kind]);
		fd_close(s->joined_ns[kind]);
		fd_close(s->born_ns[kind]);
	}
	int fds[] = {s->init_fd,     s->proc_fd,     s->root_source_fd, s->sync_fd,
		     s->userns_fd,   s->covers_fd,   s->root_fd,	s->detached_fd,
		     s->devpts_fd,   s->console_fd,  s->slave_fd,	s->nodes_fd,
		     s->hook_fds[0], s->hook_fds[1], s->own_cwd_fd,	s->shared_mounts_fd};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		fd_close(fds[i]);
	proc_done(&s->child);
	proc_done(&s->midwife);
	start_cgroup_undo(s);
}

static int start_init(struct start *s, struct plan *plan, struct err *err)
{
	*s = START_INIT(plan);
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++)
		s->own_ns[kind] = s->joined_ns[kind] = s->born_ns[kind] = -1;
	s->layers = calloc(plan->request.layer_count + 1, sizeof *s->layers);
	s->mounts = calloc(plan->spec->mount_count + 1, sizeof *s->mounts);
	if (!s->layers || !s->mounts)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot start '%s'", plan->request.id);
	for (size_t i = 0; i < plan->request.layer_count; i++)
		s->layers[i].writable_fd = s->layers[i].kept_fd = -1;
	for (size_t i = 0; i < plan->spec->mount_count; i++)
		s->mounts[i].source_fd = s->mounts[i].kept_fd = -1;
	s->proc_fd = procfs_open(err);
	if (s->proc_fd < 0)
		return -1;
	/* Group 0 of ours must not open what the guard of a host image closes. */
	s->keep_groups = plan->request.root_dir && spec_keeps_groups(plan->spec);
	/* In the initial user namespace they never are. */
	s->groups_are_fixed = s->keep_groups || (plan->nested && groups_are_fixed(s->proc_fd, 0));
	if (geteuid() == 0 && groups_set(s->groups_are_fixed, 0, NULL, err) < 0)
		return -1;
	if (start_check_labels(&plan->spec->process, &s->apparmor, err) < 0)
		return -1;
	s->labelled = plan->spec->linux_.mount_label && lsm_active() == LSM_SELINUX;
	if (plan->request.state &&
	    hooks_open_output(plan->request.state, &s->hook_fds[0], &s->hook_fds[1], err) < 0)
		return -1;
	s->umask = umask(0);
	return open_joined(s, err) < 0 ? -1 : start_ids(s, err);
}

#define own_start __attribute__((cleanup(start_done)))

/* C that has failed is not there any more for what P does next: its own error says why. Words of C's that
 * nobody waited for may stand before it. */
static void hear_child(const struct start *s, struct err *err)
{
	struct err said;
	ssize_t n;

	do
		n = s->sync_fd < 0 ? -1 : recv(s->sync_fd, &said, sizeof said, MSG_DONTWAIT);
	while (n > 0 && n != sizeof said);
	if (n == sizeof said)
		*err = said;
}

static int hand_over_layers(struct start *s, struct runtime_layers *ret, struct err *err)
{
	size_t count = s->plan->request.layer_count;

	ret->fds = count ? calloc(count, sizeof *ret->fds) : NULL;
	if (count && !ret->fds)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot start '%s'", s->plan->request.id);
	for (size_t i = 0; i < count; i++)
		if (s->layers[i].kept_fd >= 0)
			ret->fds[ret->count++] = take_fd(s->layers[i].kept_fd);
	return 0;
}

int runtime_create(struct plan *plan, struct runtime_container *ret, struct err *err)
{
	own_start struct start s;

	if (start_init(&s, plan, err) < 0)
		return -1;
	if (run_steps(&s, err) < 0) {
		hear_child(&s, err);
		return -1;
	}
	struct runtime_layers layers = {0};
	if (hand_over_layers(&s, &layers, err) < 0)
		return -1;
	*ret = RUNTIME_CONTAINER_INIT;
	ret->layers = layers;
	ret->init = s.child;
	ret->host_pid = s.host_pid;
	ret->cgroup = s.cgroup;
	ret->console_fd = take_fd(s.console_fd);
	s.child = PROC_INIT;
	s.cgroup = CGROUP_INIT;
	s.scope_made = false;
	start_fields_keep(&s.fields);
	return 0;
}

void runtime_container_done(struct runtime_container *container)
{
	struct err ignored = ERR_INIT;

	proc_done(&container->init);
	fd_close(container->console_fd);
	container->console_fd = -1;
	for (size_t i = 0; i < container->layers.count; i++)
		fd_close(container->layers.fds[i]);
	free(container->layers.fds);
	container->layers = (struct runtime_layers){0};
	if (!cgroup_remove_empty(&container->cgroup)) {
		cgroup_kill(&container->cgroup, CGROUP_REMOVE_MS, &ignored);
		cgroup_remove(&container->cgroup, CGROUP_REMOVE_MS, &ignored);
	}
	cgroup_done(&container->cgroup);
}
