/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a bundle is not on the disk, or not as it would have to be.
 *
 * The root file system is looked at as a container would see it: every path is resolved inside it by
 * base/path, links stop at it, and only regular files are opened. Mounts change that view, so nothing is
 * said about a place below the destination of one. What an ordinary user may not look at is no problem
 * of the bundle and is left out.
 *
 * Relative paths of the document (root.path, the source of a bind mount) are relative to the bundle.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "runtime/check.h"
#include "runtime/hooks.h"
#include "spec/mount_options.h"

static char *in_bundle(const struct check *c, const char *path, struct err *err)
{
	return path[0] == '/' ? str_dup(path, err) : str_printf(err, "%s/%s", c->bundle, path);
}

/* ---- root ---- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

/* A relative root that a link leads elsewhere is not what the bundle looks like. */
static int check_links(const struct check *c, const char *path, struct problems *found,
		       struct err *err)
{
	own_free char *real = realpath(path, NULL), *bundle = realpath(c->bundle, NULL);

	if (!real || !bundle)
		return 0;
	if (str_eq(real, "/"))
		return err_set(err, ERR_INVALID, 0, "root.path: leads to the host's own root");
	if (c->spec->root_path[0] == '/' || is_below(real, bundle))
		return 0;
	err_set(err, ERR_INVALID, 0, "root.path: '%s' leads out of the bundle, to '%s'",
		c->spec->root_path, real);
	err_hint(err, "write the absolute path if that is meant");
	return problems_add_warning(found, err);
}

/* The root as a descriptor; -1 where a problem was noted, or *err is set. */
static int open_root(const struct check *c, struct problems *found, struct err *err)
{
	own_free char *path = in_bundle(c, c->spec->root_path, err);
	own_fd int fd = -1;
	struct stat st;

	if (!path)
		return -1;
	if (path_reach(AT_FDCWD, path, err) < 0) {
		err_wrap(err, "root.path");
		return -1;
	}
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_errno(err, "root.path: cannot open '%s'", path);
		err_hint(err, "the root file system of the container belongs there");
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, 0, "root.path: '%s' is not a directory", path);
	return check_links(c, path, found, err) < 0 ? -1 : take_fd(fd);
}

/* ---- mounts ---- */

bool check_is_mounted_over(const struct spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		own_free char *clean = NULL;
		struct err ignored = ERR_INIT;

		if (path_clean(spec->mounts[i].destination, &clean, &ignored) == 0 &&
		    is_below(path, clean))
			return true;
	}
	return false;
}

/* What is at a place of the root, links followed: 0 with *ret, or -1 with errno's kind in *err. */
static int look(int root_fd, const char *path, struct stat *ret, struct err *err)
{
	own_fd int fd = path_handle(root_fd, path, PATH_IN_ROOT, 0, err);

	if (fd < 0)
		return -1;
	return fstat(fd, ret) < 0 ? err_errno(err, "'%s'", path) : 0;
}

/* An earlier mount decides what is at the destination of a later one. */
static bool is_below_earlier(const struct spec *spec, size_t i, const char *path)
{
	struct spec earlier = {.mounts = spec->mounts, .mount_count = i};

	return check_is_mounted_over(&earlier, path);
}

static int check_destination(const struct check *c, size_t i, int root_fd, bool directory,
			     struct err *err)
{
	const char *path = c->spec->mounts[i].destination;
	struct err reason = ERR_INIT;
	struct stat st;

	if (is_below_earlier(c->spec, i, path))
		return 0;
	if (look(root_fd, path, &st, &reason) < 0) {
		if (reason.errnum != ENOTDIR && reason.errnum != ELOOP)
			return 0;
		return err_set(err, ERR_INVALID, reason.errnum,
			       "mounts[%zu].destination: cannot make '%s' in the root file system",
			       i, path);
	}
	if (S_ISDIR(st.st_mode) == directory)
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "mounts[%zu].destination: '%s' is %s directory in the root file system, and "
		       "what is mounted is %s",
		       i, path, directory ? "no" : "a", directory ? "one" : "none");
}

static int check_mount(const struct check *c, size_t i, int root_fd, struct err *err)
{
	const struct spec_mount *m = &c->spec->mounts[i];
	own(mount_options) struct mount_options o = {0};
	own_free char *source = NULL;
	struct err ignored = ERR_INIT;
	struct stat st = {.st_mode = S_IFDIR};

	if (mount_options_of(m, &o, &ignored) < 0)
		return 0;
	if (!mount_options_bind(&o))
		return check_destination(c, i, root_fd, true, err);
	if (o.flags & MOUNT_OPT_REMOUNT || !m->source || !*m->source)
		return 0;
	source = in_bundle(c, m->source, err);
	if (!source)
		return -1;
	if (path_reach(AT_FDCWD, source, err) < 0)
		return err_wrap(err, "mounts[%zu].source", i);
	if (stat(source, &st) < 0) {
		if (errno == EACCES)
			return 0;
		err_errno(err, "mounts[%zu].source: cannot open '%s'", i, source);
		return err_hint(err, "make it first: a bind mount shows what is there");
	}
	return check_destination(c, i, root_fd, S_ISDIR(st.st_mode), err);
}

static int check_mounts(const struct check *c, int root_fd, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < c->spec->mount_count; i++)
		if (check_mount(c, i, root_fd, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* ---- the process ---- */

/* A working directory that is missing is made. */
static int check_cwd(const struct check *c, int root_fd, struct err *err)
{
	const char *cwd = c->spec->process.cwd;
	struct err reason = ERR_INIT;
	struct stat st;

	if (!cwd || check_is_mounted_over(c->spec, cwd))
		return 0;
	if (look(root_fd, cwd, &st, &reason) < 0)
		return reason.errnum == ENOTDIR || reason.errnum == ELOOP
			       ? err_set(err, ERR_INVALID, reason.errnum,
					 "process.cwd: cannot make '%s' in the root file system",
					 cwd)
			       : 0;
	if (S_ISDIR(st.st_mode))
		return 0;
	return err_set(err, ERR_INVALID, 0, "process.cwd: '%s' is not a directory", cwd);
}

/* ---- hooks ---- */

/* Those of startContainer are programs of the container, all others of the host ("Namespaces" of
 * config.md, "POSIX-platform Hooks"). */
static int check_hooks(const struct check *c, struct problems *found, struct err *err)
{
	for (enum spec_hook_kind kind = 0; kind < SPEC_HOOK_COUNT; kind++) {
		const struct spec_hooks *hooks = &c->spec->hooks[kind];

		if (kind == SPEC_HOOK_START_CONTAINER)
			continue;
		for (size_t i = 0; i < hooks->count; i++)
			if (check_host_program(hooks->items[i].path, err) < 0 &&
			    err_wrap(err, "hooks.%s[%zu].path", hooks_name(kind), i) < 0 &&
			    problems_add(found, err) < 0)
				return -1;
	}
	return 0;
}

int check_bundle(const struct check *c, struct problems *found, struct err *err)
{
	own_fd int root_fd = -1;

	if (check_hooks(c, found, err) < 0)
		return -1;
	if (!c->spec->root_path || !*c->spec->root_path)
		return 0;
	root_fd = open_root(c, found, err);
	if (root_fd < 0)
		return problems_add(found, err);
	if (check_mounts(c, root_fd, found, err) < 0 ||
	    (check_cwd(c, root_fd, err) < 0 && problems_add(found, err) < 0))
		return -1;
	return check_command(c, root_fd, found, err);
}
