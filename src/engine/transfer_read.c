/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tree as a source. One directory is open for each level, and a name is used once: it becomes a handle that
 * follows no link, and everything else happens to the handle. So the tree may change while it is read,
 * on purpose too, and nothing outside of it is ever opened. FIFOs, sockets and devices are never opened.
 *
 * What only looks like files (procfs, sysfs, control groups and their like) is left empty: it is no data of
 * the container, and reading some of it does things.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/transfer.h"

#define LEVELS_MAX 400
#define XATTRS_MAX 65536
#define XATTR_COUNT_MAX 64
#define MQUEUE_MAGIC 0x19800202

struct first_name { /* of a file with several */
	dev_t dev;
	ino_t ino;
	char *path;
};

struct walk {
	const struct transfer_tree *tree;
	transfer_put_fn *put;
	void *target;
	char path[TRANSFER_PATH_MAX];
	int level;
	void *names; /* a tree of tsearch(3): struct first_name */
};

static bool is_data(int fd)
{
	static const unsigned long pseudo[] = {
		PROC_SUPER_MAGIC,   SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,      SECURITYFS_MAGIC,
		BPF_FS_MAGIC,	    MQUEUE_MAGIC,  BINFMTFS_MAGIC};

	return !fd_is_on(fd, pseudo, sizeof pseudo / sizeof *pseudo, false);
}

#define NOBODY 65534

/* Ids outside of the container's range are nobody's there. */
static uint32_t inner_id(const struct transfer_tree *tree, bool group, uint32_t id)
{
	const struct transfer_ids *ids = tree->ids;
	uint32_t inner;

	if (ids && group)
		return id_map_inner(ids->gids, ids->gid_count, id, &inner) ? inner : NOBODY;
	if (ids)
		return id_map_inner(ids->uids, ids->uid_count, id, &inner) ? inner : NOBODY;
	if (!tree->id_base)
		return id;
	return id - tree->id_base < 65536 ? id - tree->id_base : NOBODY;
}

static void fill(const struct walk *w, const struct stat *st, struct transfer_entry *e)
{
	*e = (struct transfer_entry){.path = w->path,
				     .mode = st->st_mode,
				     .uid = inner_id(w->tree, false, st->st_uid),
				     .gid = inner_id(w->tree, true, st->st_gid),
				     .mtime_s = st->st_mtim.tv_sec,
				     .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
				     .size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
				     .data_fd = -1};
}

static size_t read_xattrs(int fd, struct transfer_xattr *ret)
{
	own_free char *names = malloc(XATTRS_MAX);
	ssize_t total = names ? flistxattr(fd, names, XATTRS_MAX) : -1;
	size_t count = 0;

	for (const char *at = names; total > 0 && at < names + total && count < XATTR_COUNT_MAX;
	     at += strlen(at) + 1) {
		ssize_t size = transfer_keeps_xattr(at) ? fgetxattr(fd, at, NULL, 0) : -1;
		own_free void *value = size < 0 ? NULL : malloc((size_t)size + 1);

		if (!value || (size = fgetxattr(fd, at, value, (size_t)size)) < 0)
			continue;
		ret[count].name = strdup(at);
		ret[count].value = take(value);
		ret[count++].size = (size_t)size;
	}
	return count;
}

static void free_xattrs(struct transfer_xattr *xattrs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(xattrs[i].name);
		free(xattrs[i].value);
	}
}

/* open_fd: of the file or directory itself, for its attributes. */
static int put(struct walk *w, struct transfer_entry *e, int open_fd, struct err *err)
{
	struct transfer_xattr xattrs[XATTR_COUNT_MAX];
	size_t count = w->tree->archive && open_fd >= 0 ? read_xattrs(open_fd, xattrs) : 0;

	e->xattrs = xattrs;
	e->xattr_count = count;
	int status = w->put(w->target, e, err);
	free_xattrs(xattrs, count);
	return status;
}

static int compare_names(const void *left, const void *right)
{
	const struct first_name *a = left, *b = right;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static void free_name(void *node)
{
	struct first_name *name = node;

	free(name->path);
	free(name);
}

/* The name under which it was told already; NULL: this is the first. */
static const char *first_name(struct walk *w, const struct stat *st, struct err *err)
{
	const struct first_name key = {.dev = st->st_dev, .ino = st->st_ino};
	void *const *found = tfind(&key, &w->names, compare_names);

	if (found)
		return ((const struct first_name *)*found)->path;
	struct first_name *added = malloc(sizeof *added);
	if (!added)
		return NULL;
	*added = (struct first_name){key.dev, key.ino, str_dup(w->path, err)};
	if (!added->path || !tsearch(added, &w->names, compare_names))
		free_name(added);
	return NULL;
}

static int put_file(struct walk *w, int handle_fd, const struct stat *st, struct err *err)
{
	struct transfer_entry e;
	const char *first = st->st_nlink > 1 ? first_name(w, st, err) : NULL;

	fill(w, st, &e);
	if (first) {
		e.hard_link = true;
		e.link = first;
		e.size = 0;
		return put(w, &e, -1, err);
	}
	own_fd int fd = path_reopen(handle_fd, S_IFREG, O_RDONLY, err);
	if (fd < 0)
		return err_wrap(err, "cannot read '%s'", w->path);
	e.data_fd = fd;
	e.is_seekable = true;
	return put(w, &e, fd, err);
}

static int put_link(struct walk *w, int handle_fd, const struct stat *st, struct err *err)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(handle_fd, "", text, sizeof text - 1);
	struct transfer_entry e;

	if (n < 0)
		return err_errno(err, "cannot read the link '%s'", w->path);
	text[n] = '\0';
	fill(w, st, &e);
	e.link = text;
	return put(w, &e, -1, err);
}

static int put_entry(struct walk *w, int handle_fd, struct err *err);

static int put_child(struct walk *w, int dir_fd, const char *name, struct err *err)
{
	size_t before = strlen(w->path);
	own_fd int handle_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int n;

	if (handle_fd < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, "cannot look at '%s/%s'", w->path, name);
	n = snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof w->path - before) {
		w->path[before] = '\0';
		return err_set(err, ERR_LIMIT, 0, "'%s' is too deep to be copied", w->path);
	}
	int status = put_entry(w, handle_fd, err);
	w->path[before] = '\0';
	return status;
}

static int put_directory(struct walk *w, int handle_fd, const struct stat *st, struct err *err)
{
	own_dir DIR *dir = fd_open_list(handle_fd, ".");
	struct transfer_entry e;

	if (!dir)
		return err_errno(err, "cannot read the directory '%s'", w->path);
	int list_fd = dirfd(dir);
	fill(w, st, &e);
	if (put(w, &e, list_fd, err) < 0)
		return -1;
	if (!is_data(list_fd))
		return 0;
	if (w->level >= LEVELS_MAX)
		return err_set(err, ERR_LIMIT, 0, "directories are more than %d deep", LEVELS_MAX);
	w->level++;
	for (struct dirent *d; (errno = 0, d = readdir(dir));)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    put_child(w, list_fd, d->d_name, err) < 0)
			return -1;
	w->level--;
	return errno ? err_errno(err, "cannot read the directory '%s'", w->path) : 0;
}

static int put_entry(struct walk *w, int handle_fd, struct err *err)
{
	struct transfer_entry e;
	struct stat st;

	if (fstat(handle_fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", w->path);
	if (S_ISDIR(st.st_mode))
		return put_directory(w, handle_fd, &st, err);
	if (S_ISREG(st.st_mode) && is_data(handle_fd))
		return put_file(w, handle_fd, &st, err);
	if (S_ISREG(st.st_mode))
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"'%s' is a file of the kernel's (procfs, sysfs), which has no size: use "
			"exec and cat",
			w->path);
	if (S_ISLNK(st.st_mode))
		return put_link(w, handle_fd, &st, err);
	fill(w, &st, &e);
	return put(w, &e, -1, err);
}

int transfer_read_tree(const struct transfer_tree *tree, transfer_put_fn *put_, void *target,
		       struct err *err)
{
	own_free struct walk *w = calloc(1, sizeof *w);

	if (!w)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot copy");
	w->tree = tree;
	w->put = put_;
	w->target = target;
	snprintf(w->path, sizeof w->path, "%s", tree->name);
	int status = put_entry(w, tree->fd, err);
	tdestroy(w->names, free_name);
	return status;
}
