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
 *
 * Nobody but the container's first process is asked what the container is: which namespaces, which ids
 * its root has, where it is on cgroup v2. So namespaces that were joined by path need nothing special.
 * A container can be frozen at any moment, and what enters it stops then: P looks, says so, and leaves
 * the rest to SIGKILL, which reaches a process that is frozen on cgroup v1 only when it thaws.
 */
#include "runtime/exec.h"
#include "runtime/filter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/own.h"
#include "kernel/procattr.h"
#include "kernel/scheduler.h"
#include "runtime/rootless.h"

#define ATTACH_TIMEOUT_MS 30000

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

/* Those that were made for the container. To enter one's own again changes nothing, should we be in it, and needs no
 * right that we do not have; but of a user namespace the kernel refuses it. */
static int made_for_it(const struct spec *spec)
{
	int flags = 0;

	for (enum spec_ns i = 0; i < SPEC_NS_COUNT; i++)
		if (i != SPEC_NS_USER && spec->linux_.namespaces[i].given &&
		    !spec->linux_.namespaces[i].path)
			flags |= (int)ns_flag(plan_ns_kind(i));
	return flags;
}

/* Namespaces of the container that are not our own already. A look at one costs the kernel two files of procfs and two
 * of nsfs: at all of them, a twentieth of an exec. */
static int find_namespaces(struct exec *x, struct err *err)
{
	char theirs[48], ours[48];

	x->namespaces = made_for_it(x->request->spec);
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		struct stat there, here;

		if (x->namespaces & (int)ns_flag(kind))
			continue;
		snprintf(theirs, sizeof theirs, "%d/ns/%s", x->init_pid, ns_name(kind));
		snprintf(ours, sizeof ours, "self/ns/%s", ns_name(kind));
		if (fstatat(x->proc_fd, ours, &here, 0) < 0 && errno == ENOENT)
			continue; /* unknown to this kernel */
		if (fstatat(x->proc_fd, theirs, &there, 0) < 0)
			return err_errno(err, "cannot find the container's %s namespace",
					 ns_name(kind));
		if (there.st_ino != here.st_ino || there.st_dev != here.st_dev)
			x->namespaces |= (int)ns_flag(kind);
	}
	return 0;
}

/* The kernel shows the map of our own user namespace as seen from the one above it, where we are not. */
static int read_map(struct exec *x, bool groups, struct exec_map *ret, struct err *err)
{
	if (!(x->namespaces & (int)ns_flag(NS_USER))) {
		ret->items[0] = (struct id_map){0, 0, UINT32_MAX};
		ret->count = 1;
		return 0;
	}
	ssize_t count = ns_read_map(x->proc_fd, x->init_pid, groups, ret->items, err);

	if (count < 0)
		return -1;
	ret->count = (size_t)count;
	return 0;
}

static int outer_id(const struct exec_map *map, const char *what, uint32_t inside, uint32_t *ret,
		    struct err *err)
{
	if (id_map_outer(map->items, map->count, inside, ret))
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "%s %u does not exist in the container's user namespace", what, inside);
}

static int find_ids(struct exec *x, struct err *err)
{
	if (read_map(x, false, &x->uids, err) < 0 || read_map(x, true, &x->gids, err) < 0)
		return -1;
	return outer_id(&x->uids, "user", 0, &x->root_uid, err) < 0 ||
			       outer_id(&x->gids, "group", 0, &x->root_gid, err) < 0
		       ? -1
		       : 0;
}

static int prepare_limits(struct exec *x, struct err *err)
{
	const struct spec_process *p = x->request->process;
	own(strv) struct strv said_at_start = STRV_INIT;
	struct strv *warnings = x->request->warnings ? x->request->warnings : &said_at_start;

	x->rlimits = calloc(p->rlimit_count + 1, sizeof *x->rlimits);
	if (!x->rlimits)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot set resource limits");
	for (size_t i = 0; i < p->rlimit_count; i++)
		x->rlimits[i] = p->rlimits[i];
	x->oom_score_adj = p->oom_score_adj;
	if (p->oom_given &&
	    oom_score_clamp(x->proc_fd, &x->oom_score_adj, false, warnings, err) < 0)
		return -1;
	return rlimits_clamp(x->rlimits, p->rlimit_count, false, warnings, err);
}

/* As at the start: what we do not have ourselves cannot be given where container root is host root. */
static int prepare_caps(struct exec *x, struct err *err)
{
	uint64_t possible = caps_all();
	struct caps mine;

	if (!(x->namespaces & (int)ns_flag(NS_USER))) {
		if (caps_get(&mine, err) < 0)
			return -1;
		possible &= mine.permitted;
	}
	x->caps = caps_within(&x->request->process->caps, possible);
	return 0;
}

static int make_filter(struct exec *x, struct err *err)
{
	return filter_make(x->request->spec, x->caps.bounding, &x->filter, &x->has_filter, err);
}

/* As container root, without any capability; an ordinary user is nobody else. */
static int resolve_as_root(struct exec *x, struct err *err)
{
	const struct spec_user *user = &x->request->process->user;
	int found;

	if (x->ordinary)
		return identity_resolve(x->root_fd, user, &x->identity, err);
	/* Group 0 of ours would count. */
	if (!spec_keeps_groups(x->request->spec) && geteuid() == 0 &&
	    groups_set(groups_are_fixed(x->proc_fd, 0), 0, NULL, err) < 0)
		return -1;
	found = identity_resolve_as(x->root_fd, x->root_uid, x->root_gid, user, &x->identity, err);
	return caps_act_as(0, 0, err) < 0 ? -1 : found;
}

static int open_root(struct exec *x, struct err *err)
{
	char root[32];

	snprintf(root, sizeof root, "%d/root", x->init_pid);
	x->root_fd = openat(x->proc_fd, root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return x->root_fd < 0 ? err_errno(err, "cannot open the container's root") : 0;
}

static int resolve_user(struct exec *x, struct err *err)
{
	uint32_t uid, gid;

	if (resolve_as_root(x, err) < 0)
		return -1;
	if (spec_keeps_groups(x->request->spec))
		x->identity.group_count = 0;
	if (outer_id(&x->uids, "user", x->identity.uid, &uid, err) < 0 ||
	    outer_id(&x->gids, "group", x->identity.gid, &gid, err) < 0)
		return -1;
	return x->ordinary ? 0 : hand_over_pipes(x->request->stdio, uid, gid, err);
}

/* ---- control groups ---- */

static int find_group(struct exec *x, const struct cgroup_host *host, struct err *err)
{
	const struct runtime_exec *r = x->request;

	if (!r->cgroup_name)
		return r->cgroup_below && r->cgroup_below->count
			       ? err_set(err, ERR_NOT_FOUND, 0,
					 "the container has no control group")
			       : 0;
	if (cgroup_open(host, r->cgroup_name, &x->cgroup, err) < 0)
		return -1;
	for (size_t i = 0; r->cgroup_below && i < r->cgroup_below->count; i++)
		if (cgroup_descend(host, &x->cgroup, r->cgroup_below->items[i], err) < 0)
			return -1;
	return r->even_frozen ? 0 : await_thawed(&x->cgroup, err);
}

static bool may_attach(const struct exec *x)
{
	const struct cgroup_place *place = x->request->place;

	return place && place->manager == CGROUP_MANAGER_SYSTEMD &&
	       cgroup_place_end_of_unit(place, x->cgroup.name);
}

/* Of an ordinary user in a login session: see runtime/scope.h. */
static int attach(struct exec *x, struct err *err)
{
	const struct cgroup_place *place = x->request->place;
	char *below = cgroup_place_end_of_unit(place, x->cgroup.name);
	const struct scope_request request = {
		.verb = SCOPE_ATTACH,
		.user = place->user,
		.unit = place->unit,
		.subgroup = below + (*below == '/'),
		.pid = (uint64_t)proc_pid_of_fd(x->proc_fd, x->joiner.pidfd),
		.timeout_ms = ATTACH_TIMEOUT_MS};

	if (scope_ask(&request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot enter the container's control group");
	return say_attached(x->sync_fd, err);
}

static pid_t bear_joiner(struct exec *x, struct err *err)
{
	pid_t pid = proc_clone(&x->joiner, 0, x->cgroup.v2_fd, err);

	/* Not the group itself any more, but one below it where the first process is: cgroup_descend.c. */
	if (pid < 0 && err->errnum == EBUSY && x->cgroup.v2_fd >= 0 &&
	    !(x->request->cgroup_below && x->request->cgroup_below->count)) {
		*err = ERR_INIT;
		if (cgroup_descend_to(x->proc_fd, x->init_pid, &x->cgroup, err) < 0)
			return -1;
		pid = proc_clone(&x->joiner, 0, x->cgroup.v2_fd, err);
	}
	if (pid < 0 && err->errnum == EACCES && may_attach(x)) {
		*err = ERR_INIT;
		x->must_attach = true;
		pid = proc_clone(&x->joiner, 0, -1, err);
	}
	return pid < 0 ? cgroup_explain(&x->cgroup, err) : pid;
}

/* ---- waiting ---- */

static struct waiting exec_waiting(const struct exec *x)
{
	return (struct waiting){.fd = x->sync_fd,
				.group = x->cgroup.count ? &x->cgroup : NULL,
				.timeout_ms = AWAIT_MS,
				.even_frozen = x->request->even_frozen};
}

/* Either A's error, or what it tells and as many descriptors as belong to that. */
static int receive(const struct exec *x, struct exec_born *ret, int *fds, size_t wanted,
		   struct err *err)
{
	union {
		struct exec_born born;
		struct err err;
	} message;
	const struct waiting waiting = exec_waiting(x);
	size_t count = 0;

	if (await_message(&waiting, err) < 0)
		return -1;
	ssize_t n = fd_recv(x->sync_fd, &message, sizeof message, fds, wanted, &count, err);
	if (n < 0)
		return -1;
	if (n == sizeof message.err) {
		*err = message.err;
		return cgroup_explain(&x->cgroup, err);
	}
	if (n == sizeof message.born && count == wanted) {
		*ret = message.born;
		return 0;
	}
	while (count > 0)
		fd_close(fds[--count]);
	return err_set(err, ERR_STATE, 0, "the container ended while it was entered");
}

static int receive_newborn(const struct exec *x, struct proc *ret, int *ret_master, int *ret_slave,
			   struct err *err)
{
	struct exec_born born;
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
	debug_emit("exec: process %d is born in the container", born.pid);
	return 0;
}

/* ---- all of it ---- */

static int prepare(struct exec *x, const struct cgroup_host *host, struct err *err)
{
	x->proc_fd = procfs_open(err);
	if (x->proc_fd < 0)
		return -1;
	x->init_pid = proc_pid_of_fd(x->proc_fd, x->request->init->pidfd);
	if (!x->init_pid)
		return err_set(err, ERR_STATE, 0, "container not running");
	x->shares_mounts = spec_shares_mounts(x->request->spec);
	x->ordinary = rootless_is_needed();
	x->groups_are_fixed = spec_keeps_groups(x->request->spec) ||
			      groups_are_fixed(x->proc_fd, x->init_pid);
	if (find_namespaces(x, err) < 0 || find_ids(x, err) < 0 || prepare_limits(x, err) < 0 ||
	    prepare_caps(x, err) < 0 || find_group(x, host, err) < 0 || open_root(x, err) < 0)
		return -1;
	if (start_check_labels(x->request->process, &x->apparmor, err) < 0)
		return -1;
	x->filter_later = x->has_filter = filter_can_wait(x->request->spec);
	if (!x->filter_later && make_filter(x, err) < 0)
		return -1;
	/* Of an ordinary user A wants to know. */
	return x->ordinary ? resolve_user(x, err) : 0;
}

/* What only the release wants, while A goes in. */
static int prepare_release(struct exec *x, struct err *err)
{
	if (!x->ordinary && resolve_user(x, err) < 0)
		return -1;
	return x->filter_later ? make_filter(x, err) : 0;
}

static int start_joiner(struct exec *x, struct err *err)
{
	if (fd_socket_pair(&x->sync_fd, &x->joiner_fd, err) < 0)
		return -1;
	debug_emit("exec: the namespaces of process %d are entered", x->init_pid);
	pid_t pid = bear_joiner(x, err);
	if (pid == 0)
		exec_join(x);
	fd_close(x->joiner_fd);
	x->joiner_fd = -1;
	if (pid < 0)
		return -1;
	return x->must_attach ? attach(x, err) : 0;
}

/* execCPUAffinity.initial is "a list of CPUs a runtime parent process to be run on initially, before the
 * transition to container's cgroup": A is born with ours. */
static int start_joiner_on(struct exec *x, struct err *err)
{
	const char *cpus = x->request->process->affinity_initial;
	struct affinity before = {.size = 0};
	struct err ignored = ERR_INIT;

	if (cpus && (affinity_save(&before, err) < 0 || affinity_apply(0, cpus, err) < 0))
		return err_wrap(err, "process.execCPUAffinity.initial");
	int status = start_joiner(x, err);
	affinity_restore(&before, &ignored);
	return status;
}

/* What the newborn may not do to itself, once it is in the container's control groups. Limits not before:
 * A needs more descriptors than they may leave. */
static int set_limits(const struct exec *x, pid_t pid, struct err *err)
{
	const struct spec_process *p = x->request->process;

	if (rlimits_apply_to_child(pid, x->rlimits, p->rlimit_count, err) < 0)
		return -1;
	if (p->affinity_final && affinity_apply(pid, p->affinity_final, err) < 0)
		return err_wrap(err, "process.execCPUAffinity.final");
	return apply_scheduler(pid, p, err) < 0 ? -1 : apply_io_priority(pid, p, err);
}

static int release(struct exec *x, const struct proc *born, int master, int slave, struct err *err)
{
	const struct runtime_exec *r = x->request;

	if (set_limits(x, born->pid, err) < 0 || fail_point("exec.born", err) < 0 ||
	    (r->born && r->born(r->born_data, born, master, err) < 0) ||
	    fail_point("exec.release", err) < 0)
		return -1;
	if (fd_send(x->sync_fd, &x->identity, sizeof x->identity, &slave, slave >= 0 ? 1 : 0, err) <
	    0)
		return -1;
	return x->filter_later ? filter_send(&x->filter, x->sync_fd, err) : 0;
}

static int tell_agent(const struct exec *x, const struct proc *born, struct err *err)
{
	const struct runtime_exec *request = x->request;
	const struct filter_agent agent = {.spec = request->spec,
					   .state = request->state,
					   .id = request->id ? request->id : "",
					   .status = STATE_RUNNING,
					   .pid = proc_pid_of_fd(x->proc_fd, born->pidfd),
					   .process = born};

	return filter_serve(&agent, x->sync_fd, err);
}

static int enter(struct exec *x, struct proc *born, int *ret_master, struct err *err)
{
	own_fd int slave = -1;
	struct err ignored = ERR_INIT;

	if (fail_point("exec.enter", err) < 0 || start_joiner_on(x, err) < 0)
		return -1;
	int prepared = prepare_release(x, err);
	/* Also one that is not to be released: it is to end before we do. */
	if (receive_newborn(x, born, ret_master, &slave, prepared < 0 ? &ignored : err) < 0 ||
	    prepared < 0 || release(x, born, *ret_master, slave, err) < 0)
		return -1;
	fd_close(take_fd(slave));
	if (x->filter.notify && tell_agent(x, born, err) < 0)
		return -1;
	const struct waiting waiting = exec_waiting(x);
	return await_exec(&waiting, err);
}

int runtime_exec(const struct runtime_exec *request, const struct cgroup_host *host,
		 struct proc *ret, int *ret_console_fd, struct err *err)
{
	own_exec struct exec x = {.request = request,
				  .proc_fd = -1,
				  .root_fd = -1,
				  .cgroup = CGROUP_INIT,
				  .joiner = PROC_INIT,
				  .sync_fd = -1,
				  .joiner_fd = -1};
	struct proc born = PROC_INIT;
	own_fd int master = -1;

	if (prepare(&x, host, err) < 0)
		return -1;
	if (enter(&x, &born, &master, err) < 0) {
		abandon(&born);
		abandon(&x.joiner);
		return -1;
	}
	*ret = born;
	*ret_console_fd = take_fd(master);
	return 0;
}
