/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Masks and read-only paths. A path is found as the container will find it, its links followed inside its
 * root; where there is nothing there is nothing to protect. What is below /proc or /sys is looked for from
 * the mount that we made there, not from the root: a name in the root file system may have been moved by
 * somebody who shares it, and the covers would then be missing where that mount has gone.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

/* The last mount that was kept on /proc or /sys, if the path is below it; else the root. */
static int base_of(struct start *s, const char *path, const char **ret_rest)
{
	*ret_rest = path;
	for (size_t i = s->plan->spec->mount_count; i > 0; i--) {
		const char *target = s->plan->mounts[i - 1].target;
		size_t n = strlen(target);

		if (s->mounts[i - 1].kept_fd < 0 || !plan_is_own_place(target) ||
		    strncmp(path, target, n) != 0 || path[n] != '/')
			continue;
		*ret_rest = path + n;
		return s->mounts[i - 1].kept_fd;
	}
	return s->root_fd;
}

/* The path as the container will see it, or -1 with *ret_absent where there is nothing to protect. */
static int find_protected(struct start *s, const char *path, bool *ret_absent, struct err *err)
{
	const char *rest;
	int base_fd = base_of(s, path, &rest);
	int fd = path_handle(base_fd, rest, PATH_IN_ROOT, 0, err);

	*ret_absent = fd < 0 && (err->errnum == ENOENT || err->errnum == ENOTDIR);
	return fd;
}

/* Nothing is staged any more: from here on the covers, and so every copy of them, are read-only. */
static int close_covers(struct start *s, struct err *err)
{
	if (s->covers_closed)
		return 0;
	s->covers_closed = true;
	return mount_set(s->covers_fd, MOUNT_ATTR_RDONLY, 0, false, err);
}

typedef int protect_fn(struct start *s, int target_fd, const char *path, struct err *err);

/* What is not there needs no protection. */
static int protect(struct start *s, const char *path, protect_fn *fn, struct err *err)
{
	struct err failed = ERR_INIT;
	bool absent;
	own_fd int target_fd = find_protected(s, path, &absent, &failed);

	if (absent || (target_fd >= 0 && fn(s, target_fd, path, &failed) == 0))
		return 0;
	*err = failed;
	return -1;
}

static int mask(struct start *s, int target_fd, const char *path, struct err *err)
{
	struct mount_place there;
	bool is_root;

	if (start_look(s, target_fd, &there, &is_root, err) < 0)
		return -1;
	if (is_root)
		return err_set(err, ERR_INVALID, 0, "it is the container's root");
	if (start_keeps_inside(s, target_fd, err) < 0 || close_covers(s, err) < 0)
		return -1;
	own_fd int cover_fd = mount_clone_own(s->covers_fd, S_ISDIR(there.mode) ? "empty" : "none",
					      err);
	return cover_fd < 0 ? -1 : mount_attach(cover_fd, target_fd, path, err);
}

int start_mask(struct start *s, const struct step *step, struct err *err)
{
	return protect(s, step->subject, mask, err) == 0
		       ? 0
		       : err_wrap(err, "cannot mask '%s'", step->subject);
}

static int make_readonly(struct start *s, int target_fd, const char *path, struct err *err)
{
	struct mount_place there;
	bool is_root;

	if (start_look(s, target_fd, &there, &is_root, err) < 0)
		return -1;
	if (is_root)
		return mount_set(s->root_fd, MOUNT_ATTR_RDONLY, 0, true, err);
	if (start_keeps_inside(s, target_fd, err) < 0)
		return -1;
	own_fd int copy_fd = mount_clone_with(target_fd, "", true, MOUNT_ATTR_RDONLY, err);
	return copy_fd < 0 ? -1 : mount_attach(copy_fd, target_fd, path, err);
}

int start_readonly(struct start *s, const struct step *step, struct err *err)
{
	return protect(s, step->subject, make_readonly, err) == 0
		       ? 0
		       : err_wrap(err, "cannot make '%s' read-only", step->subject);
}
