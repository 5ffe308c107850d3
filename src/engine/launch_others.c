/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces of other containers, at the start of one that shares them: "container:ID" in the record becomes a
 * namespace to be entered.
 *
 * Entering takes rights over the user namespace that a namespace belongs to. Root has them. An ordinary user's
 * keeper has them over what is below its own user namespace (U1, runtime/rootless.c) only, and whoever is in
 * one cannot go to another. So a container of his that shares something with another begins in the U1 of
 * that one, as the user may enter whatever U1 is his; its own user namespace, where it is to have one, is beside the
 * other's in there. All of those that it joins must have the same U1, as all have that were made by joining one
 * another.
 *
 * A keeper that starts its container again stays where it is. The other one may have been started anew meanwhile, and
 * be below another U1 then: that is an error which says so, and a start by the user does it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/proc.h"
#include "engine/launch.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"

#define SHM_MS 5000 /* for a look at a file system in memory */

static const struct {
	enum spec_ns kind;
	enum ns_kind of;
} joinable[] = {
	{SPEC_NS_NET, NS_NET}, {SPEC_NS_IPC, NS_IPC},	{SPEC_NS_UTS, NS_UTS},
	{SPEC_NS_PID, NS_PID}, {SPEC_NS_USER, NS_USER},
};

void launch_others_done(struct launch_others *o)
{
	for (size_t i = 0; i < SPEC_NS_COUNT; i++)
		fd_close(o->fds[i]);
	fd_close(o->shm_fd);
	fd_close(o->notify_fd);
	free(o->processes_of);
}

/* The directory that a container has as its /dev/shm, as a mount of nobody's. It is looked up in that
 * container's own namespace and root, where links of its making lead nowhere else. */
static int take_shm(int proc_fd, pid_t pid, struct err *err)
{
	own_fd int there_fd = ns_open(proc_fd, pid, NS_MNT, err);
	own_fd int shm_fd = -1;

	if (there_fd < 0)
		return -1;
	shm_fd = mount_clone_inside(there_fd, "dev/shm", SHM_MS, err);
	return shm_fd < 0 ? err_wrap(err, "cannot share /dev/shm") : take_fd(shm_fd);
}

/* Does its first process live? Asked of procfs: a keeper sees no other container's processes. */
static int check_first(const struct container *other, struct err *err)
{
	if (other->status == CT_RUNNING &&
	    proc_started_at(other->state.init_pid, other->state.init_start))
		return 0;
	return err_set(err, ERR_STATE, 0, "container '%s' is not running", other->record.name);
}

/* ---- an ordinary user's ---- */

static bool is_same(int a_fd, int b_fd)
{
	struct stat a, b;

	return fstat(a_fd, &a) == 0 && fstat(b_fd, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* What the user namespace of its first process is nested in. */
static int open_outer(const struct container *other, int proc_fd, struct err *err)
{
	if (check_first(other, err) < 0)
		return -1;
	own_fd int inner_fd = ns_open(proc_fd, other->state.init_pid, NS_USER, err);
	own_fd int outer_fd = inner_fd < 0 ? -1 : ns_open_above(inner_fd, err);
	/* By then it is known that the number was still that process's. */
	return outer_fd < 0 || check_first(other, err) < 0 ? -1 : take_fd(outer_fd);
}

static int refuse_apart(const char *name, const char *other, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, 0,
		"containers '%s' and '%s' are apart: one of yours cannot join both", other, name);
	return err_hint(
		err,
		"each is in a user namespace of its own, unless the one was started to share "
		"something with the other (--network container:%s, for example)",
		other);
}

struct outer {
	int fd, proc_fd;
	char *of; /* the name of whose it is */
};

static void outer_done(struct outer *o)
{
	fd_close(o->fd);
	fd_close(o->proc_fd);
	free(o->of);
}

static int add_outer(struct store *store, const char *id, struct outer *o, struct err *err)
{
	own(container) struct container other = CONTAINER_INIT;

	if (store_load(store, id, &other, err) < 0)
		return -1;
	own_fd int fd = open_outer(&other, o->proc_fd, err);
	if (fd < 0)
		return err_wrap(err, "cannot join container '%s'", other.record.name);
	if (o->fd >= 0)
		return is_same(o->fd, fd) ? 0 : refuse_apart(other.record.name, o->of, err);
	o->fd = take_fd(fd);
	o->of = str_dup(other.record.name, err);
	return o->of ? 0 : -1;
}

int launch_find_outer(struct store *store, const char *const paths[SPEC_NS_COUNT], int *ret_fd,
		      struct err *err)
{
	own(outer) struct outer o = {.fd = -1, .proc_fd = procfs_open(err)};

	if (o.proc_fd < 0)
		return -1;
	for (size_t i = 0; i < SPEC_NS_COUNT; i++)
		if (paths[i] && str_starts(paths[i], LAUNCH_BY_CONTAINER) &&
		    add_outer(store, paths[i] + strlen(LAUNCH_BY_CONTAINER), &o, err) < 0)
			return -1;
	*ret_fd = take_fd(o.fd);
	return 0;
}

/* Are we where it can be joined from? Below another U1 we may not even look at it. */
static int check_outer(const struct container *other, int proc_fd, struct err *err)
{
	own_fd int mine_fd = ns_open(proc_fd, 0, NS_USER, err);
	own_fd int outer_fd = mine_fd < 0 ? -1 : open_outer(other, proc_fd, err);

	if (mine_fd < 0 || (outer_fd < 0 && err->kind != ERR_DENIED))
		return -1;
	if (outer_fd >= 0 && is_same(mine_fd, outer_fd))
		return 0;
	err_set(err, ERR_STATE, 0, "container '%s' was started anew, in another user namespace",
		other->record.name);
	return err_hint(err, "insula start begins there: a keeper of yours cannot leave its own");
}

/* ---- anybody's ---- */

/* Whoever has the same user namespace has the same ids on the host, and for as long. An ordinary user's are his own
 * in any case. */
static int share_range(const struct container *ct, const struct container *other,
		       struct launch_others *o, struct err *err)
{
	if (ct->store->user)
		return 0;
	if (other->state.id_slot < 0)
		return err_set(err, ERR_STATE, 0, "container '%s' has no id range",
			       other->record.name);
	if (store_share_ids(ct->store, ct->id, other->id, other->state.id_base, err) < 0)
		return err_wrap(err, "container '%s'", other->record.name);
	o->id_base = other->state.id_base;
	o->id_slot = other->state.id_slot;
	return 0;
}

/* The namespace of its first process, which is there before and after: so it is that one's. */
static int open_other(const struct container *ct, const char *id, enum ns_kind kind,
		      struct launch_others *o, size_t slot, struct err *err)
{
	own(container) struct container other = CONTAINER_INIT;
	own_fd int proc_fd = procfs_open(err);

	if (proc_fd < 0 || store_load(ct->store, id, &other, err) < 0 ||
	    check_first(&other, err) < 0 ||
	    (ct->store->user && check_outer(&other, proc_fd, err) < 0))
		return -1;
	o->fds[slot] = ns_open(proc_fd, other.state.init_pid, kind, err);
	if (o->fds[slot] < 0)
		return -1;
	if (kind == NS_PID && !(o->processes_of = str_dup(other.record.name, err)))
		return -1;
	if (kind == NS_USER && share_range(ct, &other, o, err) < 0)
		return -1;
	if (kind == NS_IPC) {
		o->shm_fd = take_shm(proc_fd, other.state.init_pid, err);
		if (o->shm_fd < 0)
			return -1;
	}
	return check_first(&other, err);
}

int launch_join_others(struct container *ct, struct launch_others *o, struct err *err)
{
	struct spec_namespace *ns = ct->record.spec.linux_.namespaces;

	for (size_t i = 0; i < sizeof joinable / sizeof *joinable; i++) {
		char **path = &ns[joinable[i].kind].path;

		if (!*path || !str_starts(*path, LAUNCH_BY_CONTAINER))
			continue;
		if (open_other(ct, *path + strlen(LAUNCH_BY_CONTAINER), joinable[i].of, o,
			       joinable[i].kind, err) < 0)
			return err_wrap(err, "cannot join the %s namespace",
					ns_name(joinable[i].of));
		free(*path);
		*path = str_printf(err, "/proc/self/fd/%d", o->fds[joinable[i].kind]);
		if (!*path)
			return -1;
	}
	return 0;
}

/* The namespace of a process by its file: to be looked at, not joined. */
static int name_other(struct store *store, char **path, enum ns_kind kind, struct err *err)
{
	own(container) struct container other = CONTAINER_INIT;

	if (store_load(store, *path + strlen(LAUNCH_BY_CONTAINER), &other, err) < 0 ||
	    check_first(&other, err) < 0)
		return -1;
	free(*path);
	*path = str_printf(err, "/proc/%d/ns/%s", other.state.init_pid, ns_name(kind));
	return *path ? 0 : -1;
}

int launch_name_others(struct store *store, struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < sizeof joinable / sizeof *joinable; i++) {
		char **path = &spec->linux_.namespaces[joinable[i].kind].path;

		if (*path && str_starts(*path, LAUNCH_BY_CONTAINER) &&
		    name_other(store, path, joinable[i].of, err) < 0)
			return -1;
	}
	return 0;
}

int launch_explain_ended(const struct launch_others *o, struct err *err)
{
	if (err->kind == ERR_STATE && err->errnum == ENOMEM && o->processes_of)
		err_set(err, ERR_STATE, 0, "container '%s' is not running", o->processes_of);
	return -1;
}
