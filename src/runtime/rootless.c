/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container of an ordinary user. The start wants rights over a mount namespace of which the container's
 * will be a copy, so that the copy is locked (docs/architecture.md). Root has them over the host's; an
 * ordinary user gets them over one of a user namespace U1 that we enter here, with his own id as root and
 * whatever other ids the container's maps name. The container's own user namespace is nested in U1: as
 * root's is nested in the host's.
 *
 * From outside, the user who owns U1 has every right over what is below it (user_namespaces(7)), so kill,
 * delete and exec need not enter it.
 */
#include "runtime/rootless.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/proc.h"
#include "kernel/caps.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"

#define MAP_TIMEOUT_MS 10000

/* U1's map: our id as 0, then what else the container's map has, one after the other. */
struct outer_map {
	struct id_map lines[341];
	size_t count;
};

bool rootless_is_needed(void)
{
	struct caps mine;
	struct err ignored;

	return caps_get(&mine, &ignored) < 0 || !(mine.effective & UINT64_C(1) << CAP_SYS_ADMIN);
}

/* One extent of the container's map becomes a line of U1's, less our own id, which is there already; its
 * host ids are changed to the names that they have in U1. An extent that has our id and others is
 * refused: it would have to be torn apart. */
static int nest_extent(struct outer_map *outer, struct spec_idmap *map, uint32_t own,
		       const char *what, size_t i, struct err *err)
{
	uint32_t next = 1;

	if (map->host_id == own && map->size == 1) {
		map->host_id = 0;
		return 0;
	}
	if (map->host_id <= own && own - map->host_id < map->size) {
		err_set(err, ERR_INVALID, 0, "linux.%s[%zu]: has our own id %u and others", what, i,
			own);
		return err_hint(err, "give it an entry of its own, of size 1");
	}
	for (size_t k = 1; k < outer->count; k++)
		next += outer->lines[k].size;
	outer->lines[outer->count++] = (struct id_map){next, map->host_id, map->size};
	map->host_id = next;
	return 0;
}

static int nest(struct outer_map *outer, struct spec_idmaps *maps, uint32_t own, const char *what,
		struct err *err)
{
	outer->lines[0] = (struct id_map){0, own, 1};
	outer->count = 1;
	for (size_t i = 0; i < maps->count; i++)
		if (nest_extent(outer, &maps->items[i], own, what, i, err) < 0)
			return -1;
	return 0;
}

/* newuidmap PID INSIDE OUTSIDE SIZE ... */
static int map_by_tool(const char *tool, pid_t pid, const struct outer_map *map, struct err *err)
{
	own(strv) struct strv argv = STRV_INIT;
	own(str) struct str output = STR_INIT(4096);
	int code;

	if (strv_add(&argv, tool, err) < 0 || strv_addf(&argv, err, "%d", pid) < 0)
		return -1;
	for (size_t i = 0; i < map->count; i++)
		if (strv_addf(&argv, err, "%u", map->lines[i].inside) < 0 ||
		    strv_addf(&argv, err, "%u", map->lines[i].outside) < 0 ||
		    strv_addf(&argv, err, "%u", map->lines[i].size) < 0)
			return -1;
	if (proc_run(argv.items, MAP_TIMEOUT_MS, &output, &code, err) < 0)
		return err_hint(err, "Debian's package is uidmap; a single id needs none");
	if (code == 0)
		return 0;
	err_set(err, ERR_DENIED, 0, "%s refuses the ids of the container's user namespace", tool);
	return err_hint(err, "they must be yours by /etc/sub%s: see sub%s(5)",
			tool[3] == 'u' ? "uid" : "gid", tool[3] == 'u' ? "uid" : "gid");
}

struct mapper {
	struct proc proc;
	int go_fd, result_fd; /* our ends */
};

static void mapper_done(struct mapper *m)
{
	proc_done(&m->proc);
	fd_close(m->go_fd);
	fd_close(m->result_fd);
}

/* Stays outside, and maps us when we are inside. */
static _Noreturn void be_mapper(pid_t pid, int go_fd, int result_fd, const struct outer_map *uids,
				const struct outer_map *gids)
{
	struct err err = ERR_INIT, ignored;
	char byte;

	if (read(go_fd, &byte, 1) != 1)
		_exit(EXIT_FAILURE);
	if (map_by_tool("newuidmap", pid, uids, &err) == 0)
		map_by_tool("newgidmap", pid, gids, &err);
	fd_write_all(result_fd, &err, sizeof err, "the result", &ignored);
	_exit(EXIT_SUCCESS);
}

static int start_mapper(struct mapper *m, const struct outer_map *uids,
			const struct outer_map *gids, struct err *err)
{
	int go_read, result_write;
	pid_t parent = getpid();

	if (fd_pipe(&go_read, &m->go_fd, err) < 0)
		return -1;
	own_fd int go = go_read;
	if (fd_pipe(&m->result_fd, &result_write, err) < 0)
		return -1;
	own_fd int result = result_write;
	pid_t pid = proc_clone(&m->proc, 0, -1, err);
	if (pid == 0) {
		close(m->go_fd);
		be_mapper(parent, go, result, uids, gids);
	}
	return pid < 0 ? -1 : 0;
}

static int await_maps(struct mapper *m, struct err *err)
{
	struct err said = ERR_INIT;

	if (fd_write_all(m->go_fd, "g", 1, "a helper", err) < 0)
		return -1;
	if (read(m->result_fd, &said, sizeof said) != sizeof said)
		return err_set(err, ERR_IO, 0, "the helper that maps ids died");
	if (said.kind == ERR_NONE)
		return 0;
	*err = said;
	return -1;
}

static int explain_userns(struct err *err)
{
	struct err ignored = ERR_INIT;
	own_fd int proc_fd = procfs_open(&ignored);

	return rootless_explain(proc_fd, err);
}

/* Our own id alone needs nobody's help, but no supplementary group can be given up then. */
static int map_alone(pid_t pid, const struct outer_map *uids, const struct outer_map *gids,
		     struct err *err)
{
	own_fd int proc_fd = procfs_open(err);

	if (proc_fd < 0 || ns_deny_groups(proc_fd, pid, err) < 0)
		return -1;
	return ns_write_maps(proc_fd, pid, uids->lines, 1, gids->lines, 1, err);
}

static int become_root(struct err *err)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_errno(err, "cannot become root of our user namespace");
	return 0;
}

static int enter(const struct outer_map *uids, const struct outer_map *gids, struct err *err)
{
	own(mapper) struct mapper mapper = {.proc = PROC_INIT, .go_fd = -1, .result_fd = -1};
	bool alone = uids->count == 1 && gids->count == 1;

	if (!alone && start_mapper(&mapper, uids, gids, err) < 0)
		return -1;
	if (fail_point("rootless.unshare", err) < 0)
		return explain_userns(err);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		err_errno(err, "cannot make a user namespace");
		return explain_userns(err);
	}
	/* Where it was made without a right over itself, this is the first thing that is refused. */
	if (alone && map_alone(0, uids, gids, err) < 0) {
		err_wrap(err, "cannot map our id in a user namespace");
		return explain_userns(err);
	}
	if (!alone && await_maps(&mapper, err) < 0)
		return -1;
	return become_root(err) < 0 ? -1 : rootless_check_rights(err);
}

static int nest_both(struct spec_idmaps *uid_maps, struct spec_idmaps *gid_maps,
		     struct outer_map *uids, struct outer_map *gids, struct err *err)
{
	if (nest(uids, uid_maps, geteuid(), "uidMappings", err) < 0)
		return -1;
	return nest(gids, gid_maps, getegid(), "gidMappings", err);
}

/* A U1 that is there. ERR_INVALID: it is not ours, or none. */
static int enter_there(int outer_fd, bool own_pids, struct err *err)
{
	if (setns(outer_fd, CLONE_NEWUSER) < 0)
		return err_set(err, ERR_INVALID, errno, "cannot enter the user namespace");
	if (unshare(CLONE_NEWNS | (own_pids ? CLONE_NEWPID : 0)) < 0)
		return err_errno(err, "cannot make a mount namespace");
	return become_root(err);
}

/* One that is joined has its U1 already: what it is nested in. */
static int enter_above(const char *path, struct err *err)
{
	own_fd int inner_fd = ns_open_path(path, NS_USER, err);
	own_fd int outer_fd = inner_fd < 0 ? -1 : ns_open_above(inner_fd, err);

	if (outer_fd < 0)
		return err_wrap(err, "linux.namespaces");
	if (enter_there(outer_fd, false, err) == 0)
		return 0;
	if (err->kind != ERR_INVALID)
		return -1;
	err_set(err, ERR_INVALID, 0,
		"linux.namespaces: '%s' is not nested in another user namespace of ours", path);
	return err_hint(err, "the mounts of a container in it could not be locked; join "
			     "that of a container that insula-runtime has made");
}

int rootless_enter(struct spec *spec, struct err *err)
{
	struct spec_linux *l = &spec->linux_;
	struct outer_map uids, gids;

	if (!l->namespaces[SPEC_NS_USER].given) {
		err_set(err, ERR_INVALID, 0,
			"linux.namespaces: an ordinary user's container needs a user namespace of "
			"its own, or joins another's");
		return err_hint(err,
				"'insula-runtime spec --rootless' writes such a configuration");
	}
	if (l->namespaces[SPEC_NS_USER].path)
		return enter_above(l->namespaces[SPEC_NS_USER].path, err);
	if (nest_both(&l->uid_maps, &l->gid_maps, &uids, &gids, err) < 0)
		return -1;
	return enter(&uids, &gids, err);
}

int rootless_entered(struct spec *spec, uint32_t *ret_owner, struct err *err)
{
	struct spec_linux *l = &spec->linux_;
	struct id_map uids[NS_MAP_MAX], gids[NS_MAP_MAX];
	struct outer_map outer;
	own_fd int proc_fd = procfs_open(err);
	uint32_t gid;

	if (proc_fd < 0)
		return -1;
	ssize_t uid_count = ns_read_map(proc_fd, 0, false, uids, err);
	ssize_t gid_count = uid_count < 0 ? -1 : ns_read_map(proc_fd, 0, true, gids, err);
	if (gid_count < 0)
		return -1;
	if (!id_map_outer(uids, (size_t)uid_count, 0, ret_owner) ||
	    !id_map_outer(gids, (size_t)gid_count, 0, &gid))
		return err_set(err, ERR_STATE, 0, "our user namespace has no root");
	if (nest(&outer, &l->uid_maps, *ret_owner, "uidMappings", err) < 0)
		return -1;
	return nest(&outer, &l->gid_maps, gid, "gidMappings", err);
}

/* ---- a child ---- */

/* The parent says when it has mapped us; an end of file says that it could not. */
static void await_parent(int fd)
{
	struct err ignored = ERR_INIT;
	char word;

	if (read(fd, &word, 1) != 1 || become_root(&ignored) < 0)
		_exit(EXIT_FAILURE);
}

static int map_child(pid_t pid, const struct outer_map *uids, const struct outer_map *gids,
		     struct err *err)
{
	if (uids->count == 1 && gids->count == 1)
		return map_alone(pid, uids, gids, err);
	if (map_by_tool("newuidmap", pid, uids, err) < 0)
		return -1;
	return map_by_tool("newgidmap", pid, gids, err);
}

static pid_t clone_mapped(const struct outer_map *uids, const struct outer_map *gids, bool own_pids,
			  struct proc *ret, struct err *err)
{
	int read_fd, write_fd;

	if (fd_pipe(&read_fd, &write_fd, err) < 0)
		return -1;
	own_fd int hear_fd = read_fd;
	own_fd int tell_fd = write_fd;
	uint64_t flags = CLONE_NEWUSER | CLONE_NEWNS | (own_pids ? CLONE_NEWPID : 0);
	pid_t pid = fail_point("rootless.clone", err) < 0 ? -1 : proc_clone(ret, flags, -1, err);
	if (pid < 0)
		return explain_userns(err);
	if (pid == 0) {
		fd_close(take_fd(tell_fd));
		await_parent(hear_fd);
		return 0;
	}
	if (map_child(pid, uids, gids, err) < 0 ||
	    fd_write_all(tell_fd, "g", 1, "a process of ours", err) < 0) {
		proc_done(ret);
		return -1;
	}
	return pid;
}

pid_t rootless_clone(struct spec_idmaps *uid_maps, struct spec_idmaps *gid_maps, bool own_pids,
		     struct proc *ret, struct err *err)
{
	struct outer_map uids, gids;

	if (nest_both(uid_maps, gid_maps, &uids, &gids, err) < 0)
		return -1;
	return clone_mapped(&uids, &gids, own_pids, ret, err);
}

/* Whose number does not come to the one whose child it is would be nobody's: it waits until it is known there. */
static void await_known(int go_fd)
{
	char word;

	if (read(go_fd, &word, 1) != 1)
		_exit(EXIT_FAILURE);
}

/* Goes in first, and bears the child, which is our caller's by CLONE_PARENT. Returns in the child. Whoever is in a
 * user namespace below this one may be called the same on the host, but has no right over what is in this
 * one, so neither needs to be opaque; the child could not be, as it is to write maps. */
static void bear_there(int outer_fd, bool own_pids, int tell_fd)
{
	struct proc child = PROC_INIT;
	struct err err = ERR_INIT, ignored = ERR_INIT;
	pid_t pid = enter_there(outer_fd, own_pids, &err);

	if (pid == 0)
		pid = proc_clone(&child, CLONE_PARENT, -1, &err);
	if (pid == 0)
		return;
	if (pid > 0 && fail_point("rootless.born", &err) < 0)
		pid = -1;
	if (pid > 0)
		fd_send(tell_fd, &pid, sizeof pid, &child.pidfd, 1, &ignored);
	else
		fd_send(tell_fd, &err, sizeof err, NULL, 0, &ignored);
	_exit(EXIT_SUCCESS);
}

static pid_t hear_of_child(int hear_fd, struct proc *ret, struct err *err)
{
	union {
		pid_t pid;
		struct err err;
	} message;
	size_t count = 0;
	int pidfd = -1;
	ssize_t n = fd_recv(hear_fd, &message, sizeof message, &pidfd, 1, &count, err);

	if (n == sizeof message.pid && count == 1) {
		*ret = (struct proc){.pid = message.pid, .pidfd = pidfd};
		return message.pid;
	}
	fd_close(pidfd);
	if (n == sizeof message.err)
		*err = message.err;
	return n == sizeof message.err || n < 0
		       ? -1
		       : err_set(err, ERR_IO, 0, "a process of ours died in a user namespace");
}

static pid_t adopt(int hear_fd, int go_fd, struct proc *ret, struct err *err)
{
	pid_t pid = hear_of_child(hear_fd, ret, err);

	if (pid > 0 && fd_write_all(go_fd, "g", 1, "a process of ours", err) < 0) {
		proc_done(ret);
		return -1;
	}
	return pid;
}

pid_t rootless_clone_into(int outer_fd, bool own_pids, struct proc *ret, struct err *err)
{
	own(proc) struct proc bearer = PROC_INIT;
	struct proc_exit how;
	struct err ignored;
	own_fd int hear_fd = -1, tell_fd = -1, await_fd = -1, go_fd = -1;

	if (fd_socket_pair(&hear_fd, &tell_fd, err) < 0 || fd_pipe(&await_fd, &go_fd, err) < 0)
		return -1;
	pid_t pid = fail_point("rootless.join", err) < 0 ? -1 : proc_clone(&bearer, 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0) {
		fd_close(take_fd(go_fd));
		bear_there(outer_fd, own_pids, tell_fd);
		fd_close(take_fd(tell_fd));
		await_known(await_fd);
		return 0;
	}
	fd_close(take_fd(tell_fd));
	pid = adopt(hear_fd, go_fd, ret, err);
	if (proc_wait(&bearer, -1, &how, &ignored) == 1)
		proc_forget(&bearer);
	return pid;
}

struct called {
	int status;
	struct err err;
};

static _Noreturn void call(rootless_fn *fn, void *data, int result_fd)
{
	struct called result = {.err = ERR_INIT};
	struct err ignored;

	/* It is the first process of its namespace, to which an interrupt from the terminal means nothing. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	result.status = rootless_check_rights(&result.err) < 0 ? -1 : fn(data, &result.err);
	fd_write_all(result_fd, &result, sizeof result, "the result", &ignored);
	_exit(EXIT_SUCCESS);
}

static pid_t clone_with_own_ids(struct proc *ret, struct err *err)
{
	struct spec_idmaps uids = {0}, gids = {0};
	pid_t pid = rootless_own_ids(&uids, &gids, err) < 0
			    ? -1
			    : rootless_clone(&uids, &gids, true, ret, err);

	free(uids.items);
	free(gids.items);
	return pid;
}

int rootless_call(rootless_fn *fn, void *data, struct err *err)
{
	own(proc) struct proc child = PROC_INIT;
	struct called result;
	own_fd int hear_fd = -1, tell_fd = -1;

	if (fd_pipe(&hear_fd, &tell_fd, err) < 0)
		return -1;
	pid_t pid = clone_with_own_ids(&child, err);
	if (pid == 0)
		call(fn, data, tell_fd);
	fd_close(take_fd(tell_fd));
	if (pid < 0)
		return -1;
	if (read(hear_fd, &result, sizeof result) != sizeof result)
		return err_set(err, ERR_IO, 0, "a process of ours died");
	if (result.status < 0)
		*err = result.err;
	return result.status;
}
