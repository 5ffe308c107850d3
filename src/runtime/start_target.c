/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a mount goes. A destination in /dev, /proc or /sys is found without following any symbolic link:
 * an image whose /proc leads elsewhere is refused, not obeyed. Any other follows the image's links, as
 * its own programs would, inside its root ("/var/run" is a link to "/run" in most images); what the link
 * names is made where it is absent. The result is a descriptor, and no name is looked at again.
 *
 * What can go wrong: a link that leads to the root itself (a mount there would be below what the
 * container gets as "/"), a file where a directory is wanted, and the other way round.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

struct place {
	const char *path;
	enum path_how how;
};

static struct place place_of(const char *target)
{
	return plan_is_own_place(target) ? (struct place){target + 1, PATH_BENEATH}
					 : (struct place){target, PATH_IN_ROOT};
}

static int refuse_link(const char *target, struct err *err)
{
	err_set(err, ERR_INVALID, 0, "'%s' in the image is a symbolic link", target);
	return err_hint(err, "an image must have a directory there, or nothing");
}

/* "dest-nofollow": the link itself is mounted on, and must be there. Not where the kernel makes links. */
static int target_nofollow(struct start *s, const char *target, struct err *err)
{
	struct place place = place_of(target);
	own_fd int fd = path_handle(s->root_fd, place.path, place.how, O_NOFOLLOW, err);
	struct statfs fs;

	if (fd < 0)
		return -1;
	if (fstatfs(fd, &fs) < 0)
		return err_errno(err, "cannot look at '%s'", target);
	if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
	    fs.f_type == DEVPTS_SUPER_MAGIC)
		return err_set(err, ERR_INVALID, 0,
			       "'dest-nofollow' is not possible in a file system of the kernel's");
	return take_fd(fd);
}

static int find_or_make(struct start *s, const char *target, bool directory, bool *ret_made,
			struct err *err)
{
	struct place place = place_of(target);
	struct err looking = ERR_INIT;
	int fd = path_find_or_make(s->root_fd, place.path, place.how, directory, ret_made,
				   &looking);

	if (fd >= 0)
		return fd;
	if (place.how == PATH_BENEATH && looking.errnum == ELOOP)
		return refuse_link(target, err);
	*err = looking;
	return -1;
}

int start_look(struct start *s, int fd, struct mount_place *ret, bool *ret_is_root, struct err *err)
{
	if (!s->root_place.mode && mount_place_of(s->root_fd, &s->root_place, err) < 0)
		return -1;
	if (mount_place_of(fd, ret, err) < 0)
		return -1;
	*ret_is_root = mount_place_equals(ret, &s->root_place);
	return 0;
}

static int check_target(struct start *s, int fd, bool directory, struct err *err)
{
	struct mount_place there;
	bool is_root;

	if (start_look(s, fd, &there, &is_root, err) < 0)
		return -1;
	if (is_root)
		return err_set(err, ERR_INVALID, 0, "in the image it leads to the root itself");
	if (directory != S_ISDIR(there.mode))
		return err_set(err, ERR_INVALID, directory ? ENOTDIR : EISDIR,
			       directory ? "there is something that is not a directory"
					 : "there is a directory, and the source is none");
	return 0;
}

int start_target(struct start *s, const struct planned_mount *m, bool directory, bool *ret_made,
		 struct err *err)
{
	*ret_made = false;
	own_fd int fd = m->options.flags & MOUNT_OPT_DEST_NOFOLLOW
				? target_nofollow(s, m->target, err)
				: find_or_make(s, m->target, directory, ret_made, err);

	if (fd < 0 || check_target(s, fd, directory, err) < 0)
		return -1;
	return take_fd(fd);
}

int start_keeps_inside(struct start *s, int target_fd, struct err *err)
{
	if (!plan_has_shared(s->plan))
		return 0;
	int peers = mount_peers(s->proc_fd, target_fd, err);
	if (peers < 0)
		return -1;
	if (!(peers & MS_SHARED))
		return 0;
	err_set(err, ERR_INVALID, 0,
		"it is in a mount that is shared with the host, which would be "
		"covered there, too");
	return err_hint(err, "bind with 'rslave' instead of 'rshared'");
}

/* There already: fine if it says the same. */
static int same_link(int dir_fd, const char *name, const char *text, struct err *err)
{
	char there[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, there, sizeof there - 1);

	if (n >= 0) {
		there[n] = '\0';
		if (str_eq(there, text))
			return 0;
	}
	return err_set(err, ERR_EXISTS, 0, "there is something else than a link to '%s'", text);
}

int start_link(struct start *s, const struct planned_mount *m, const char *text, struct err *err)
{
	struct place place = place_of(m->target);
	const char *name = strrchr(m->target, '/') + 1;
	own_free char *parent = str_dup_len(place.path, (size_t)(name - place.path), err);
	own_fd int dir_fd = parent ? path_mkdirs(s->root_fd, parent, place.how, 0755, err) : -1;

	if (dir_fd < 0)
		return -1;
	if (symlinkat(text, dir_fd, name) == 0)
		return 0;
	if (errno == EEXIST)
		return same_link(dir_fd, name, text, err);
	return err_errno(err, "cannot make the symbolic link");
}
