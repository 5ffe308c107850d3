/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tree as a target. The directory of an entry is looked up from the root each time it changes, in one
 * walk that a link cannot lead out of, and the last component is used by calls that follow none: what is
 * in the way there is replaced, if it is no directory.
 *
 * In a container new files belong to its root, because the caller acts with those file-system ids; on the host
 * they belong to the caller. What is there already, and is neither the container's nor the caller's, is never
 * written into. Devices are made nowhere: their numbers are the host's. Set-id bits and capabilities that a
 * container gave a file never reach a directory of the host.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/work.h"
#include "engine/transfer.h"
#include "kernel/caps.h"

#define TRIES 8

struct transfer_directory {
	char *path;
	struct timespec mtime;
};

static enum path_how how(const struct transfer_target *t)
{
	return t->in_root ? PATH_IN_ROOT : PATH_BENEATH;
}

static int full_path(const struct transfer_target *t, const char *path, char *buf, struct err *err)
{
	int n = snprintf(buf, TRANSFER_PATH_MAX, "%s%s%s", t->base, *t->base && *path ? "/" : "",
			 path);

	if (n < 0 || n >= TRANSFER_PATH_MAX)
		return err_set(err, ERR_LIMIT, 0, "the path of '%.60s...' is too long", path);
	return 0;
}

/* Is it in the range of the container's ids, or on the host the caller's? */
static bool is_own(const struct transfer_target *t, const struct stat *st)
{
	if (!t->in_root)
		return st->st_uid == t->uid;
	return !t->id_base || st->st_uid - t->id_base < 65536;
}

#define OVERRIDE (UINT64_C(1) << CAP_DAC_OVERRIDE)
#define OWNER (UINT64_C(1) << CAP_FOWNER)

/* Container root writes to everything that is of its range, and to nothing else: a link of the container's may
 * lead to a volume, where files of the host's root are. So our right to do so is ours only where it has it. */
static int act_without(const struct transfer_target *t, uint64_t refused, struct err *err)
{
	struct caps mine;

	if (!t->in_root || !t->id_base)
		return 0;
	if (caps_get(&mine, err) < 0)
		return -1;
	return caps_set_effective(mine.permitted & ~refused, err);
}

/* In a directory with the sticky bit it takes an owner. */
static int remove_name(const struct transfer_target *t, const char *name, const char *path,
		       struct err *err)
{
	if (!t->is_own_parent && act_without(t, OVERRIDE | OWNER, err) < 0)
		return -1;
	int status = unlinkat(t->parent_fd, name, 0) < 0 && errno != ENOENT
			     ? err_errno(err, "cannot replace '%s'", path)
			     : 0;
	return !t->is_own_parent && act_without(t, OVERRIDE, err) < 0 ? -1 : status;
}

/* The directory that the last component of a path is in, and that component. */
static int open_parent(struct transfer_target *t, const char *path, const char **ret_name,
		       struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t size = slash ? (size_t)(slash - path) : 0;
	char parent[TRANSFER_PATH_MAX];

	*ret_name = slash ? slash + 1 : path;
	snprintf(parent, sizeof parent, "%.*s", (int)size, path);
	if (t->has_parent && strcmp(parent, t->parent) == 0)
		return 0;
	own_fd int fd = -1;
	struct stat st;
	if (act_without(t, OVERRIDE, err) == 0)
		fd = path_mkdirs(t->root_fd, *parent ? parent : ".", how(t), 0755, err);
	if (fd < 0)
		return err_wrap(err, "cannot make '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, "cannot look at the directory of '%s'", path);
	if (act_without(t, is_own(t, &st) ? 0 : OVERRIDE, err) < 0)
		return -1;
	if (t->has_parent)
		fd_close(t->parent_fd);
	t->is_own_parent = is_own(t, &st);
	t->parent_fd = take_fd(fd);
	t->has_parent = true;
	memcpy(t->parent, parent, sizeof parent);
	return 0;
}

static int note_directory(struct transfer_target *t, const char *path,
			  const struct transfer_entry *e, struct err *err)
{
	struct transfer_directory *grown = reallocarray(t->directories, t->directory_count + 1,
							sizeof *grown);
	char *copy = grown ? str_dup(path, err) : NULL;

	if (grown)
		t->directories = grown;
	if (!copy)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot copy '%s'", path);
	grown[t->directory_count++] = (struct transfer_directory){
		.path = copy, .mtime = {e->mtime_s, e->mtime_ns}};
	return 0;
}

static mode_t kept_mode(const struct transfer_target *t, mode_t mode)
{
	return mode & (t->keep_set_id ? 07777 : 01777);
}

/* False: the container does not have them. */
static bool outer_ids(const struct transfer_target *t, const struct transfer_entry *e,
		      uint32_t *ret_uid, uint32_t *ret_gid)
{
	const struct transfer_ids *ids = t->ids;

	if (ids)
		return id_map_outer(ids->uids, ids->uid_count, e->uid, ret_uid) &&
		       id_map_outer(ids->gids, ids->gid_count, e->gid, ret_gid);
	*ret_uid = t->id_base + e->uid;
	*ret_gid = t->id_base + e->gid;
	return !t->id_base || (e->uid < 65536 && e->gid < 65536);
}

static int set_owner(const struct transfer_target *t, int fd, const struct transfer_entry *e,
		     struct err *err)
{
	uint32_t uid = t->uid, gid = t->gid;

	if (t->archive && !outer_ids(t, e, &uid, &gid))
		return err_set(err, ERR_INVALID, 0,
			       "'%s' belongs to %u:%u, which the container does not have", e->path,
			       e->uid, e->gid);
	if (fchownat(fd, "", uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return err_errno(err, "cannot give '%s' to %u:%u", e->path, uid, gid);
	return 0;
}

/* Of what was made by a name, which may be another file's by now. */
static int set_named_owner(const struct transfer_target *t, const char *name,
			   const struct transfer_entry *e, struct err *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {e->mtime_s, e->mtime_ns}};
	own_fd int fd = openat(t->parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot open '%s'", e->path);
	if (!is_own(t, &st))
		return err_set(err, ERR_DENIED, 0, "'%s' was exchanged meanwhile", e->path);
	if (set_owner(t, fd, e, err) < 0)
		return -1;
	utimensat(fd, "", times, AT_EMPTY_PATH);
	return 0;
}

/* Capabilities are the container root's, by whichever number the source had it. 0: they are malformed. */
static size_t own_capability(const struct transfer_target *t, const struct transfer_xattr *x,
			     struct vfs_ns_cap_data *ret)
{
	if (x->size < XATTR_CAPS_SZ_2 || x->size > sizeof *ret)
		return 0;
	memcpy(ret, x->value, XATTR_CAPS_SZ_2);
	ret->magic_etc = htole32((le32toh(ret->magic_etc) & VFS_CAP_FLAGS_MASK) |
				 (t->id_base ? VFS_CAP_REVISION_3 : VFS_CAP_REVISION_2));
	ret->rootid = htole32(t->id_base);
	return t->id_base ? XATTR_CAPS_SZ_3 : XATTR_CAPS_SZ_2;
}

static int set_xattr(const struct transfer_target *t, int fd, const struct transfer_entry *e,
		     const struct transfer_xattr *x, struct err *err)
{
	bool is_capability = str_eq(x->name, "security.capability");
	struct vfs_ns_cap_data capability;
	size_t size = is_capability ? own_capability(t, x, &capability) : 0;

	if (is_capability && !t->in_root)
		return 0;
	if (fsetxattr(fd, x->name, size ? &capability : x->value, size ? size : x->size, 0) < 0 &&
	    errno != EOPNOTSUPP && errno != EPERM)
		return err_errno(err, "cannot set the attribute '%s' of '%s'", x->name, e->path);
	return 0;
}

/* The owner first: a change of owner takes set-id bits and capabilities away. */
static int set_status(const struct transfer_target *t, int fd, const struct transfer_entry *e,
		      struct err *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {e->mtime_s, e->mtime_ns}};

	if (set_owner(t, fd, e, err) < 0)
		return -1;
	if (fchmod(fd, kept_mode(t, e->mode)) < 0)
		return err_errno(err, "cannot set the mode of '%s'", e->path);
	for (size_t i = 0; t->archive && i < e->xattr_count; i++)
		if (set_xattr(t, fd, e, &e->xattrs[i], err) < 0)
			return -1;
	if (futimens(fd, times) < 0)
		return err_errno(err, "cannot set the time of '%s'", e->path);
	return 0;
}

/* 1: nothing is there any more. 0: it is a regular file, *ret_fd. -1. */
static int clear_way(const struct transfer_target *t, const char *name, const char *path,
		     bool want_file, int *ret_fd, struct err *err)
{
	own_fd int handle_fd = openat(t->parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (handle_fd < 0)
		return errno == ENOENT ? 1 : err_errno(err, "cannot look at '%s'", path);
	if (fstat(handle_fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_EXISTS, 0,
			       "'%s' is a directory there, and no directory here", path);
	if (want_file && S_ISREG(st.st_mode) && is_own(t, &st)) {
		*ret_fd = path_reopen(handle_fd, S_IFREG, O_WRONLY | O_TRUNC, err);
		return *ret_fd < 0 ? err_wrap(err, "cannot write '%s'", path) : 0;
	}
	return remove_name(t, name, path, err) < 0 ? -1 : 1;
}

static int open_file(const struct transfer_target *t, const char *name, const char *path,
		     struct err *err)
{
	for (int i = 0; i < TRIES; i++) {
		int fd = openat(t->parent_fd, name,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return err_errno(err, "cannot make '%s'", path);
		int cleared = clear_way(t, name, path, true, &fd, err);
		if (cleared <= 0)
			return cleared < 0 ? -1 : fd;
	}
	return err_set(err, ERR_BUSY, 0, "'%s' is made again and again", path);
}

static int put_file(struct transfer_target *t, const char *name, const struct transfer_entry *e,
		    struct err *err)
{
	own_fd int fd = open_file(t, name, e->path, err);

	if (fd < 0 || transfer_data(e, fd, true, err) < 0)
		return -1;
	return set_status(t, fd, e, err);
}

/* What is made by a name, and is in the way of nothing but a directory. */
static int make_named(struct transfer_target *t, const char *name, const struct transfer_entry *e,
		      int (*make)(struct transfer_target *t, const char *name,
				  const struct transfer_entry *e, struct err *err),
		      struct err *err)
{
	int unused;

	for (int i = 0; i < TRIES; i++) {
		int status = make(t, name, e, err);

		if (status == 0)
			return 0;
		if (err->errnum != EEXIST)
			return -1;
		if (clear_way(t, name, e->path, false, &unused, err) < 0)
			return -1;
	}
	return err_set(err, ERR_BUSY, 0, "'%s' is made again and again", e->path);
}

static int make_link(struct transfer_target *t, const char *name, const struct transfer_entry *e,
		     struct err *err)
{
	if (symlinkat(e->link, t->parent_fd, name) < 0)
		return err_errno(err, "cannot make '%s'", e->path);
	return set_named_owner(t, name, e, err);
}

/* A name for a handle. Before Linux 6.10 it took CAP_DAC_READ_SEARCH, which an ordinary user has not. */
static int link_handle(int fd, int dir_fd, const char *name)
{
	char path[32];

	if (linkat(fd, "", dir_fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW);
}

static int make_hard_link(struct transfer_target *t, const char *name,
			  const struct transfer_entry *e, struct err *err)
{
	char path[TRANSFER_PATH_MAX];
	struct stat st;

	if (full_path(t, e->link, path, err) < 0)
		return -1;
	own_fd int first_fd = path_handle(t->root_fd, path, how(t), O_NOFOLLOW, err);
	if (first_fd < 0)
		return err_wrap(err, "'%s' is a link", e->path);
	if (fstat(first_fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", e->link);
	if (t->in_root && !is_own(t, &st))
		return err_set(err, ERR_DENIED, 0, "'%s' is not the container's", e->link);
	if (link_handle(first_fd, t->parent_fd, name) < 0)
		return err_errno(err, "cannot link '%s' to '%s'", e->path, e->link);
	return 0;
}

static int make_fifo(struct transfer_target *t, const char *name, const struct transfer_entry *e,
		     struct err *err)
{
	if (mknodat(t->parent_fd, name, S_IFIFO | (e->mode & 0777), 0) < 0)
		return err_errno(err, "cannot make '%s'", e->path);
	return set_named_owner(t, name, e, err);
}

/* One that exists stays as it is, but for its times. */
static int put_directory(struct transfer_target *t, const char *name, const char *path,
			 const struct transfer_entry *e, struct err *err)
{
	bool made = *name && mkdirat(t->parent_fd, name, 0700) == 0;
	struct stat st;

	if (!made && *name && errno != EEXIST)
		return err_errno(err, "cannot make the directory '%s'", e->path);
	if (!made) {
		own_fd int there_fd = path_handle(t->root_fd, *path ? path : ".", how(t), 0, err);

		if (there_fd < 0)
			return err_wrap(err, "'%s'", e->path);
		if (fstat(there_fd, &st) < 0 || !S_ISDIR(st.st_mode))
			return err_set(err, ERR_EXISTS, 0,
				       "'%s' is a directory here, and no directory there", e->path);
		return 0;
	}
	own_fd int fd = openat(t->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot open '%s'", e->path);
	if (!is_own(t, &st))
		return err_set(err, ERR_DENIED, 0, "'%s' was exchanged meanwhile", e->path);
	return set_status(t, fd, e, err) < 0 ? -1 : note_directory(t, path, e, err);
}

int transfer_tree_put(void *target, const struct transfer_entry *e, struct err *err)
{
	struct transfer_target *t = target;
	char path[TRANSFER_PATH_MAX];
	const char *name;

	work_note(1, 0);
	if (full_path(t, e->path, path, err) < 0)
		return -1;
	int left_out = transfer_leave_out(&t->left_out, e, err);
	if (left_out)
		return left_out < 0 ? -1 : 0;
	if (open_parent(t, path, &name, err) < 0)
		return -1;
	if (S_ISDIR(e->mode))
		return put_directory(t, name, path, e, err);
	if (!*name)
		return err_set(err, ERR_INVALID, 0, "'%s' is no name", e->path);
	if (e->hard_link)
		return make_named(t, name, e, make_hard_link, err);
	if (S_ISREG(e->mode))
		return put_file(t, name, e, err);
	return make_named(t, name, e, S_ISLNK(e->mode) ? make_link : make_fifo, err);
}

int transfer_tree_end(struct transfer_target *t, struct err *err)
{
	for (size_t i = t->directory_count; i-- > 0;) {
		const struct transfer_directory *d = &t->directories[i];
		const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, d->mtime};
		own_fd int handle_fd = path_handle(t->root_fd, d->path, how(t), O_NOFOLLOW, err);
		own_fd int fd = handle_fd < 0 ? -1
					      : path_reopen(handle_fd, S_IFDIR,
							    O_RDONLY | O_DIRECTORY, err);

		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || (t->in_root && !is_own(t, &st)) ||
		    futimens(fd, times) < 0)
			continue; /* it went away meanwhile */
	}
	return transfer_left_out_end(&t->left_out, err);
}

void transfer_tree_done(struct transfer_target *t)
{
	struct err ignored = ERR_INIT;

	act_without(t, 0, &ignored);
	for (size_t i = 0; i < t->directory_count; i++)
		free(t->directories[i].path);
	free(t->directories);
	if (t->has_parent)
		fd_close(t->parent_fd);
	strv_done(&t->left_out.lines);
	t->directories = NULL;
	t->directory_count = 0;
	t->has_parent = false;
}
