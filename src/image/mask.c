/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mask: a directory tree that, laid over a file system of the host as an overlay's upper layer,
 * leaves only what a container may see.
 *
 * Three of overlayfs's own marks do it (Documentation/filesystems/overlayfs.rst). A character device
 * 0:0 is a whiteout: the name is absent. A directory with trusted.overlay.opaque=y hides all that is
 * below it. A directory with trusted.overlay.redirect=/PATH inside an opaque one is merged with
 * /PATH of the layers below: so the package database comes back inside an empty /var.
 *
 * At the top the mask is an allowlist (tables.c). Below the allowed names the tree is walked once,
 * and a whiteout is made for whatever "other" may not read (for a directory: may not list and
 * enter), for sockets, FIFOs and devices, and for the rows of the hidden table. The directories that
 * hold whiteouts are made in the mask when the first is needed, with the owner, mode and times of
 * the host's, because a merged directory shows those of its uppermost layer.
 *
 * The host is alive during the walk, and its users may own what is walked. So nothing is followed:
 * one descriptor for each level, entries by single names, directories opened with O_NOFOLLOW and
 * examined once more through the descriptor. What cannot be examined or opened is hidden, and what
 * lies deeper than anybody installs is, too. What changes after its entry was read is the guard's
 * business (docs/decisions/0004-host-image.md), which refuses by mode whatever the mask says.
 *
 * Overlay layers do not include what is mounted on them, but what lies beneath such a mount becomes
 * visible. A directory that is a mount point is therefore opaque in the mask; it stays as a place
 * to mount on where its file system is one that can be composed separately.
 */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "image/host.h"

#define DEPTH_MAX 128
#define STATX_WANTED (STATX_BASIC_STATS | STATX_MNT_ID)

/* One directory of the host on the way down, with its counterpart in the mask. */
struct level {
	struct level *parent;
	const char *name;
	int host_fd; /* borrowed */
	int mask_fd; /* owned; -1 until something in it has to be hidden */
	struct statx st;
	uint64_t rows; /* of the hidden table that are about entries of this directory */
};

static void level_done(struct level *level)
{
	fd_close(level->mask_fd);
}

struct walk {
	char path[PATH_MAX]; /* of the present level, "" for the root */
	size_t length;
	size_t depth;
	struct strv *found;
};

static int statx_at(int dir_fd, const char *name, struct statx *ret)
{
	const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	return statx(dir_fd, name, flags, STATX_WANTED, ret);
}

static int open_dir(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
}

/* ---- writing the mask ---- */

/* A directory in the mask, open; whatever the umask, its mode is set by whoever knows it. */
static int make_dir(int mask_fd, const char *name, struct err *err)
{
	int fd = -1;

	if (mkdirat(mask_fd, name, 0700) == 0 || errno == EEXIST)
		fd = open_dir(mask_fd, name);
	if (fd < 0)
		err_errno(err, "cannot make directory '%s' of a mask", name);
	return fd;
}

static int set_mark(int fd, const char *attribute, const char *value, struct err *err)
{
	if (fsetxattr(fd, attribute, value, strlen(value), 0) == 0)
		return 0;
	err_errno(err, "cannot set attribute '%s' in a mask", attribute);
	return errno == EOPNOTSUPP ? err_hint(err, "keep the store on a file system with trusted "
						   "attributes: ext4, xfs, btrfs")
				   : -1;
}

/* The counterpart of a directory, made with its parents where there is none yet. */
static int counterpart(struct level *level, struct err *err)
{
	int above;

	if (level->mask_fd >= 0)
		return level->mask_fd;
	above = counterpart(level->parent, err);
	if (above < 0)
		return -1;
	level->mask_fd = make_dir(above, level->name, err);
	return level->mask_fd;
}

static int hide(struct level *level, const char *name, struct err *err)
{
	int mask_fd = counterpart(level, err);

	if (mask_fd < 0)
		return -1;
	if (mknodat(mask_fd, name, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make a whiteout for '%s'", name);
	return 0;
}

/* An ordinary user's overlay reads marks that he can write ("userxattr"). */
static const char *opaque_mark(void)
{
	return host_is_users() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

/* An empty directory in place of the host's. Returns its descriptor. */
static int make_opaque(int mask_fd, const char *name, mode_t mode, struct err *err)
{
	own_fd int fd = make_dir(mask_fd, name, err);

	if (fd < 0 || set_mark(fd, opaque_mark(), "y", err) < 0)
		return -1;
	if (fchmod(fd, mode) < 0)
		return err_errno(err, "cannot set the mode of '%s' in a mask", name);
	return take_fd(fd);
}

static struct timespec to_timespec(const struct statx_timestamp *t)
{
	return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

/* Make the counterpart look like the host's directory, now that it does not change any more. */
static int finish_level(struct level *level, struct err *err)
{
	const struct statx *st = &level->st;
	struct timespec times[2] = {to_timespec(&st->stx_atime), to_timespec(&st->stx_mtime)};

	if (level->mask_fd < 0)
		return 0;
	/* A user's own stays his: in his namespace, host root is nobody. */
	bool chowned = host_is_users() || fchown(level->mask_fd, st->stx_uid, st->stx_gid) == 0;

	if (!chowned || fchmod(level->mask_fd, st->stx_mode & 07777) < 0 ||
	    futimens(level->mask_fd, times) < 0)
		return err_errno(err, "cannot copy owner and mode of '%s' to a mask", level->name);
	return 0;
}

/* ---- what is hidden ---- */

static uint64_t rows_of(const char *path)
{
	uint64_t rows = 0;

	for (size_t i = 0; i < host_hidden_count; i++)
		if (strcmp(host_hidden[i].dir, path) == 0)
			rows |= UINT64_C(1) << i;
	return rows;
}

static bool is_listed(uint64_t rows, const char *name)
{
	for (; rows; rows &= rows - 1)
		if (fnmatch(host_hidden[__builtin_ctzll(rows)].pattern, name, 0) == 0)
			return true;
	return false;
}

static bool others_may_read(const struct statx *st)
{
	unsigned int needed = S_ISDIR(st->stx_mode) ? S_IROTH | S_IXOTH : S_IROTH;

	if (!S_ISREG(st->stx_mode) && !S_ISDIR(st->stx_mode))
		return S_ISLNK(st->stx_mode);
	return (st->stx_mode & needed) == needed;
}

/* File systems on disks, which overlay and idmapped mounts take as they are. What sits elsewhere in
 * the system's trees (automounts, FUSE, network) belongs to this host and is left out. */
static bool can_compose(int fd)
{
	static const unsigned long magics[] = {
		EXT4_SUPER_MAGIC,	   XFS_SUPER_MAGIC,	 BTRFS_SUPER_MAGIC,
		F2FS_SUPER_MAGIC,	   EROFS_SUPER_MAGIC_V1, SQUASHFS_MAGIC,
		0xca451a4e /* bcachefs */, 0x2fc12fc1 /* zfs */,
	};

	return fd_is_on(fd, magics, sizeof(magics) / sizeof(magics[0]), false);
}

/* A directory that another file system is mounted on: empty, and noted for composition of its own.
 * The system's top directories are noted whatever they are: without them nothing would run. */
static int visit_mount_point(struct walk *w, struct level *level, const char *name, int fd,
			     const struct statx *st, struct err *err)
{
	own_fd int made = -1;
	int mask_fd;

	if (!others_may_read(st) || (w->path[0] && !can_compose(fd)))
		return hide(level, name, err);
	mask_fd = counterpart(level, err);
	if (mask_fd < 0)
		return -1;
	made = make_opaque(mask_fd, name, 0755, err);
	if (made < 0)
		return -1;
	return strv_addf(w->found, err, "%s/%s", w->path, name);
}

/* ---- the walk ---- */

static int walk_dir(struct walk *w, struct level *level, struct err *err);

/* A directory that "other" may read: go down. fd is consumed. */
static int descend(struct walk *w, struct level *level, const char *name, int fd,
		   const struct statx *st, struct err *err)
{
	own(level) struct level below = {
		.parent = level, .name = name, .host_fd = fd, .mask_fd = -1, .st = *st};
	size_t length = w->length, added = strlen(name) + 1;
	int result;

	if (w->depth >= DEPTH_MAX || length + added >= sizeof(w->path)) {
		fd_close(fd);
		return hide(level, name, err);
	}
	snprintf(w->path + length, sizeof(w->path) - length, "/%s", name);
	w->length += added;
	w->depth++;
	result = walk_dir(w, &below, err);
	w->depth--;
	w->length = length;
	w->path[length] = '\0';
	return result;
}

static int visit_dir(struct walk *w, struct level *level, const char *name, struct err *err)
{
	own_fd int fd = open_dir(level->host_fd, name);
	struct statx st;

	if (fd < 0 || statx_at(fd, "", &st) < 0)
		return hide(level, name, err);
	if (st.stx_mnt_id != level->st.stx_mnt_id)
		return visit_mount_point(w, level, name, fd, &st, err);
	if (!others_may_read(&st))
		return hide(level, name, err);
	return descend(w, level, name, take_fd(fd), &st, err);
}

static int visit(struct walk *w, struct level *level, const struct dirent *entry, struct err *err)
{
	struct statx st;

	if (is_listed(level->rows, entry->d_name))
		return hide(level, entry->d_name, err);
	if (entry->d_type == DT_LNK)
		return 0;
	/* A name that has gone meanwhile (dpkg's *.dpkg-new) needs nothing. */
	if (statx_at(level->host_fd, entry->d_name, &st) < 0)
		return errno == ENOENT ? 0 : hide(level, entry->d_name, err);
	if (S_ISDIR(st.stx_mode) && !(st.stx_attributes & STATX_ATTR_AUTOMOUNT))
		return visit_dir(w, level, entry->d_name, err);
	if (!others_may_read(&st) || st.stx_mnt_id != level->st.stx_mnt_id)
		return hide(level, entry->d_name, err);
	return 0;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Every entry of a directory whose host_fd passes to us. */
static int walk_dir(struct walk *w, struct level *level, struct err *err)
{
	own_dir DIR *dir = fdopendir(level->host_fd);
	const struct dirent *entry;
	int result = 0;

	if (!dir) {
		fd_close(level->host_fd);
		return err_errno(err, "cannot read directory '%s'", w->path);
	}
	level->rows = rows_of(w->path);
	while (result == 0 && (errno = 0, entry = readdir(dir)))
		if (!is_dot(entry->d_name))
			result = visit(w, level, entry, err);
	if (result == 0 && errno != 0)
		result = err_errno(err, "cannot read directory '%s'", w->path);
	return finish_level(level, err) < 0 ? -1 : result;
}

/* ---- the root directory ---- */

static bool in_list(const char *const *list, const char *name)
{
	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

static bool is_own(const char *name)
{
	for (const struct host_own *own = host_own; own->name; own++)
		if (strcmp(own->name, name) == 0)
			return true;
	return false;
}

static int visit_top(struct walk *w, struct level *root, const struct dirent *entry,
		     struct err *err)
{
	if (is_own(entry->d_name))
		return 0;
	if (!in_list(host_shown, entry->d_name))
		return hide(root, entry->d_name, err);
	return visit(w, root, entry, err);
}

static int walk_root(struct walk *w, struct level *root, struct err *err)
{
	int fd = open_dir(root->host_fd, ".");
	own_dir DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		fd_close(fd);
		return err_errno(err, "cannot read the root directory");
	}
	while ((errno = 0, entry = readdir(dir)))
		if (!is_dot(entry->d_name) && visit_top(w, root, entry, err) < 0)
			return -1;
	return errno ? err_errno(err, "cannot read the root directory") : 0;
}

static int make_own(int out_fd, struct err *err)
{
	for (const struct host_own *own = host_own; own->name; own++) {
		own_fd int fd = -1;

		if (own->link) {
			if (symlinkat(own->link, out_fd, own->name) < 0)
				return err_errno(err, "cannot make link '%s' of a mask", own->name);
			continue;
		}
		fd = make_opaque(out_fd, own->name, own->mode, err);
		if (fd < 0)
			return -1;
	}
	return 0;
}

/* ---- package databases ---- */

/* The host's directory `path`, walked without following anything. -1: there is none to show. */
static int open_database(int root_fd, const char *path, struct statx *ret)
{
	struct err ignored = ERR_INIT;
	own_fd int fd = path_open(root_fd, path + 1, PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0,
				  &ignored);

	if (fd < 0 || statx_at(fd, "", ret) < 0 || !others_may_read(ret))
		return -1;
	return take_fd(fd);
}

/* On the file system of the root: merged from there by a redirect, and walked. */
static int merge_database(struct walk *w, struct level *level, const char *path, struct err *err)
{
	int result;

	if (set_mark(level->mask_fd, "trusted.overlay.redirect", path, err) < 0) {
		fd_close(level->host_fd);
		return -1;
	}
	snprintf(w->path, sizeof(w->path), "%s", path);
	w->length = strlen(path);
	result = walk_dir(w, level, err);
	w->length = 0;
	w->path[0] = '\0';
	return result;
}

/* On another one: an empty directory to mount on. */
static int place_database(struct walk *w, struct level *level, const char *path, struct err *err)
{
	own_fd int host_fd = take_fd(level->host_fd);

	if (!can_compose(host_fd))
		return 0;
	return strv_add(w->found, path, err) < 0 ? -1 : finish_level(level, err);
}

static int show_database(struct walk *w, const struct level *root, const char *path,
			 struct err *err)
{
	own(level) struct level level = {.name = path, .mask_fd = -1};

	level.host_fd = open_database(root->host_fd, path, &level.st);
	if (level.host_fd < 0)
		return 0;
	level.mask_fd = make_dir(root->mask_fd, path + 1, err);
	if (level.mask_fd < 0) {
		fd_close(level.host_fd);
		return -1;
	}
	if (level.st.stx_mnt_id == root->st.stx_mnt_id)
		return merge_database(w, &level, path, err);
	return place_database(w, &level, path, err);
}

/* ---- the whole ---- */

static int build_root(struct walk *w, struct level *root, struct err *err)
{
	if (make_own(root->mask_fd, err) < 0)
		return -1;
	for (const char *const *path = host_databases; *path; path++)
		if (show_database(w, root, *path, err) < 0)
			return -1;
	return walk_root(w, root, err) < 0 ? -1 : finish_level(root, err);
}

static int build_below(struct walk *w, struct level *top, const char *target, struct err *err)
{
	w->length = strlen(target);
	if (w->length >= sizeof(w->path))
		return err_set(err, ERR_LIMIT, ENAMETOOLONG, "'%s'", target);
	memcpy(w->path, target, w->length + 1);
	top->host_fd = open_dir(top->host_fd, ".");
	if (top->host_fd < 0)
		return err_errno(err, "cannot open '%s'", target);
	return walk_dir(w, top, err);
}

int mask_build(int root_fd, const char *target, int out_fd, struct strv *found, struct err *err)
{
	bool whole = strcmp(target, "/") == 0;
	own_fd int top_fd = path_open(root_fd, whole ? "." : target + 1, PATH_BENEATH,
				      O_PATH | O_DIRECTORY, 0, err);
	own(level) struct level top = {.name = target, .host_fd = top_fd, .mask_fd = -1};
	struct walk w = {.found = found};

	if (top_fd < 0)
		return -1;
	top.mask_fd = fcntl(out_fd, F_DUPFD_CLOEXEC, 0);
	if (top.mask_fd < 0 || statx_at(top_fd, "", &top.st) < 0)
		return err_errno(err, "cannot examine '%s'", target);
	return whole ? build_root(&w, &top, err) : build_below(&w, &top, target, err);
}
