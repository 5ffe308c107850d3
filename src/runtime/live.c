/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount for a container that runs. Two short-lived children do it, so that whatever they enter, and however
 * long a file system of the host's makes them wait, the caller stays where it is:
 *
 *	the maker	takes the source from the host, as a start does: a detached copy, with its owners mapped
 *			and its flags set, and those locked (kernel/mount_live). It never sees the container.
 *	the bringer	enters the container's user and mount namespaces, acts as container root, finds the target
 *			by base/path, and attaches what the maker has made. So nothing that the container does to
 *			the target meanwhile, by links or renames, can lead it out: "/" is the container's by then,
 *			and it has no right that container root has not.
 *
 * The bringer is in the caller's pid namespace and control group, and cannot be traced: the container does not
 * get to see it, and one that is paused gets its mount all the same. Before anything is attached the caller
 * hears which mount it will be, and says go.
 *
 * For an ordinary user the maker makes a user namespace of his first, in which the host's mounts may be copied.
 */
#include "runtime/live.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "kernel/procattr.h"
#include "runtime/live_inside.h"
#include "runtime/rootless.h"

#define LIVE_MS 60000 /* a file system of the host's may be slow */

static void live_done(struct live *l)
{
	for (size_t i = 0; l->start.mounts && i < l->plan.spec->mount_count; i++)
		fd_close(l->start.mounts[i].source_fd);
	free(l->start.mounts);
	fd_close(l->start.proc_fd);
	fd_close(l->start.userns_fd);
	fd_close(l->made_fd);
	fd_close(l->sync_fd);
	fd_close(l->helper_fd);
	plan_mounts_done(&l->plan);
	strv_done(&l->plan.warnings);
	free(l->plan.steps);
}

#define own_live __attribute__((cleanup(live_done)))
#define LIVE_INIT(request_) \
	{ \
		.request = (request_), .start = START_INIT(NULL), .made_fd = -1, .sync_fd = -1, \
		.helper_fd = -1 \
	}

static int find_namespaces(struct live *l, struct err *err)
{
	static const enum ns_kind kinds[] = {NS_USER, NS_MNT};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char theirs[48], ours[48];
		struct stat there, here;

		snprintf(theirs, sizeof theirs, "%d/ns/%s", l->init_pid, ns_name(kinds[i]));
		snprintf(ours, sizeof ours, "self/ns/%s", ns_name(kinds[i]));
		if (fstatat(l->start.proc_fd, theirs, &there, 0) < 0 ||
		    fstatat(l->start.proc_fd, ours, &here, 0) < 0)
			return err_errno(err, "cannot find the container's %s namespace",
					 ns_name(kinds[i]));
		if (there.st_ino != here.st_ino || there.st_dev != here.st_dev)
			l->namespaces |= (int)ns_flag(kinds[i]);
	}
	if (l->namespaces & CLONE_NEWNS)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, 0, "the container has no mount namespace of its own");
}

static int prepare(struct live *l, struct err *err)
{
	const struct spec *spec = l->request->spec;

	/* Nothing is left out with a warning: who asks is there to hear it. */
	l->plan = (struct plan){
		.spec = spec,
		.devpts_mount = -1,
		.request = {.spec = spec, .canonical_sources = true, .strict = true}};
	l->start.plan = &l->plan;
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++)
		l->start.own_ns[kind] = l->start.joined_ns[kind] = l->start.born_ns[kind] = -1;
	l->start.mounts = calloc(spec->mount_count + 1, sizeof *l->start.mounts);
	if (!l->start.mounts)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan a mount");
	for (size_t i = 0; i < spec->mount_count; i++)
		l->start.mounts[i].source_fd = l->start.mounts[i].kept_fd = -1;
	l->start.proc_fd = procfs_open(err);
	if (l->start.proc_fd < 0)
		return -1;
	l->init_pid = proc_pid_of_fd(l->start.proc_fd, l->request->init->pidfd);
	if (!l->init_pid)
		return err_set(err, ERR_STATE, 0, "container not running");
	l->ordinary = rootless_is_needed();
	if (find_namespaces(l, err) < 0)
		return -1;
	if (l->namespaces & CLONE_NEWUSER)
		l->start.userns_fd = ns_open(l->start.proc_fd, l->init_pid, NS_USER, err);
	return l->namespaces & CLONE_NEWUSER && l->start.userns_fd < 0 ? -1 : 0;
}

/* ---- the maker ---- */

/* Root of a user namespace that has his own id and no other. */
static int enter_own_userns(struct live *l, struct err *err)
{
	const struct id_map uid = {0, geteuid(), 1}, gid = {0, getegid(), 1};

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_errno(err, "cannot make a user namespace to copy a mount in");
	if (ns_deny_groups(l->start.proc_fd, 0, err) < 0)
		return -1;
	return ns_write_maps(l->start.proc_fd, 0, &uid, 1, &gid, 1, err);
}

static int make_bind(struct live *l, struct err *err)
{
	if ((l->ordinary && enter_own_userns(l, err) < 0) ||
	    start_bind_source(&l->start, &l->plan.steps[0], err) < 0)
		return -1;
	own_fd int fd = start_detached(&l->start, 0, err);
	if (fd < 0)
		return -1;
	l->directory = l->start.mounts[0].directory;
	/* Where container root is the host's, nothing that it has from its start is locked either. */
	if (!(l->namespaces & CLONE_NEWUSER))
		return take_fd(fd);
	return mount_lock_flags(fd, l->directory, err);
}

static int make_node(struct live *l, struct err *err)
{
	uint32_t uid, gid;

	if (l->ordinary)
		return enter_own_userns(l, err) < 0 ? -1 : start_take_node(l->device, err);
	if (l->namespaces & CLONE_NEWUSER) {
		l->start.uid_maps = &l->request->spec->linux_.uid_maps;
		l->start.gid_maps = &l->request->spec->linux_.gid_maps;
	}
	if (start_host_id(&l->start, false, 0, &uid, err) < 0 ||
	    start_host_id(&l->start, true, 0, &gid, err) < 0 || caps_act_as(uid, gid, err) < 0)
		return -1;
	own_fd int stage_fd = mount_own_stage(err);
	return stage_fd < 0 ? -1 : start_new_node(&l->start, stage_fd, l->device, err);
}

/* ---- the children ---- */

/* Nobody holds the caller's end but he, nor what else he has: the container's lock, say. */
static int let_go(struct live *l, struct err *err)
{
	const int kept[] = {0,
			    1,
			    2,
			    l->helper_fd,
			    l->start.proc_fd,
			    l->start.userns_fd,
			    l->made_fd,
			    l->request->init->pidfd,
			    fail_log_fd()};

	l->sync_fd = -1;
	return fd_close_others(kept, sizeof kept / sizeof *kept, err);
}

static _Noreturn void child(struct live *l, live_fn *fn)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;
	struct live_message message = {.kind = LIVE_DONE};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	/* Group 0 of ours would count. */
	if (let_go(l, &err) == 0 && (l->ordinary || groups_set(false, 0, NULL, &err) == 0)) {
		int result = fn(l, &err);
		bool made = fn == make_bind || fn == make_node;

		message.value = made ? l->directory : result;
		if (result >= 0)
			_exit(fd_send(l->helper_fd, &message, sizeof message, &result, made,
				      &ignored) < 0);
	}
	fd_send(l->helper_fd, &err, sizeof err, NULL, 0, &ignored);
	_exit(EXIT_FAILURE);
}

static int receive(const struct live *l, struct live_message *ret, int *ret_fd, struct err *err)
{
	union {
		struct live_message message;
		struct err err;
	} got;
	const struct waiting waiting = {.fd = l->sync_fd, .timeout_ms = LIVE_MS};
	size_t count = 0;

	if (await_message(&waiting, err) < 0)
		return -1;
	ssize_t n = fd_recv(l->sync_fd, &got, sizeof got, ret_fd, 1, &count, err);
	if (n == sizeof got.message &&
	    (got.message.kind != LIVE_DONE || count || ret_fd != &l->made_fd)) {
		*ret = got.message;
		return 0;
	}
	if (n == sizeof got.err)
		*err = got.err;
	else if (n >= 0)
		err_set(err, ERR_STATE, 0, "the container ended meanwhile");
	return -1;
}

static int spawn(struct live *l, live_fn *fn, struct proc *ret, struct err *err)
{
	*err = ERR_INIT;
	fd_close(l->sync_fd);
	l->sync_fd = -1;
	if (fd_socket_pair(&l->sync_fd, &l->helper_fd, err) < 0)
		return -1;
	pid_t pid = proc_clone(ret, 0, -1, err);
	if (pid == 0)
		child(l, fn);
	fd_close(l->helper_fd);
	l->helper_fd = -1;
	return pid < 0 ? -1 : 0;
}

static int call_maker(struct live *l, live_fn *fn, struct err *err)
{
	own(proc) struct proc maker = PROC_INIT;
	struct live_message message = {0};

	if (spawn(l, fn, &maker, err) < 0 || receive(l, &message, &l->made_fd, err) < 0)
		return -1;
	l->directory = message.value;
	return 0;
}

/* Its result, or -1. note: NULL where it attaches nothing. */
static int call_bringer(struct live *l, live_fn *fn, runtime_live_note *note, void *data,
			struct err *err)
{
	own(proc) struct proc bringer = PROC_INIT;
	struct live_message message = {0};
	int none = -1;

	if (spawn(l, fn, &bringer, err) < 0 || receive(l, &message, &none, err) < 0)
		return -1;
	if (message.kind == LIVE_FOUND &&
	    (note(data, &message.identity, err) < 0 || fail_point("live.noted", err) < 0 ||
	     fd_send(l->sync_fd, "g", 1, NULL, 0, err) < 0 || receive(l, &message, &none, err) < 0))
		return -1;
	return message.value;
}

/* ---- what is asked for ---- */

int runtime_live_mount(const struct runtime_live *live, runtime_live_note *note, void *data,
		       struct err *err)
{
	own_live struct live l = LIVE_INIT(live);

	if (prepare(&l, err) < 0 || plan_add_sources(&l.plan, err) < 0)
		return -1;
	if (l.plan.mounts[0].bind && call_maker(&l, make_bind, err) < 0)
		return -1;
	return call_bringer(&l, live_attach, note, data, err) < 0 ? -1 : 0;
}

int runtime_live_node(const struct runtime_live *live, const struct spec_device *device,
		      runtime_live_note *note, void *data, struct err *err)
{
	own_live struct live l = LIVE_INIT(live);

	l.device = device;
	if (prepare(&l, err) < 0 || call_maker(&l, make_node, err) < 0)
		return -1;
	return call_bringer(&l, live_attach_node, note, data, err) < 0 ? -1 : 0;
}

int runtime_live_unmount(const struct runtime_live *live, const struct mount_identity *identity,
			 const struct spec_device *node, bool lazy, struct err *err)
{
	own_live struct live l = LIVE_INIT(live);

	l.identity = *identity;
	l.device = node;
	l.lazy = lazy;
	return prepare(&l, err) < 0 ? -1 : call_bringer(&l, live_detach, NULL, NULL, err);
}

int runtime_live_remove_node(const struct runtime_live *live, const struct spec_device *device,
			     struct err *err)
{
	own_live struct live l = LIVE_INIT(live);

	l.device = device;
	return prepare(&l, err) < 0 ? -1 : call_bringer(&l, live_unlink_node, NULL, NULL, err);
}
