/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing a tree that somebody else has filled: path_remove_tree.
 *
 * A container can leave a tree of any depth (mkdir and chdir in a loop makes a million levels, far
 * beyond PATH_MAX and beyond any descriptor limit), of any width, with symbolic links to anywhere,
 * and mounts may still be on it. So there is no recursion, and one directory is open at a time: to
 * go down, the child replaces it; to go up, ".." is opened and compared with the device and inode
 * noted on the way down. A directory that was moved meanwhile fails that comparison, and the walk
 * starts again from the top instead of deleting at the other place (the oldest bug of rm(1)).
 *
 * Going up loses the position in the parent, which costs nothing: what was seen before has been
 * removed, so reading again from the start finds the rest. A directory is first tried with
 * rmdir, so that the child just emptied goes away when it is met again.
 *
 * Names are only ever used in a descriptor, in one component, by calls that do not follow a link.
 * Mount points are refused by the kernel twice: RESOLVE_NO_XDEV does not enter them (device numbers
 * would not show a bind of the same file system), and rmdir and unlink of one are EBUSY.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/work.h"

#define REFILL_MAX 64 /* times that somebody may put things back before we give up */

struct level {
	dev_t dev;
	ino_t ino;
};

struct removal {
	const char *name;     /* of the tree, for errors */
	int dir_fd;	      /* the open directory; owned */
	struct level *levels; /* the directories above it, outermost first */
	size_t depth, cap;
	struct level emptied; /* what was left last */
	int refills;
};

static void removal_done(struct removal *r)
{
	fd_close(r->dir_fd);
	free(r->levels);
}

static int remove_error(const struct removal *r, const char *entry, struct err *err)
{
	if (errno == EBUSY || errno == EXDEV)
		return err_set(err, ERR_BUSY, errno,
			       "cannot remove '%s' in '%s': something is "
			       "mounted there",
			       entry, r->name);
	return err_errno(err, "cannot remove '%s' in '%s'", entry, r->name);
}

/* 1 gone, 0 a directory with something in it, -1 errno. `type` (DT_DIR ...) saves a call where it is
 * right, and does no harm where it is not. */
static int remove_entry(int dir_fd, const char *name, unsigned char type)
{
	work_note(1, 0);
	if (type != DT_DIR) {
		if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
			return 1;
		/* Linux says EISDIR; POSIX, and some file systems, EPERM. */
		if (errno != EISDIR && errno != EPERM)
			return -1;
	}
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 1;
	if (errno == ENOTDIR && type == DT_DIR)
		return remove_entry(dir_fd, name, DT_UNKNOWN); /* swapped meanwhile */
	if (errno == ENOTDIR)
		errno = EPERM; /* a file after all, and not to be removed: immutable, sticky */
	return errno == ENOTEMPTY || errno == EEXIST ? 0 : -1;
}

static int open_child(int dir_fd, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

static int level_of(int fd, struct level *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*ret = (struct level){.dev = st.st_dev, .ino = st.st_ino};
	return 0;
}

static bool level_equal(struct level a, struct level b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

static int push(struct removal *r, struct level level, struct err *err)
{
	if (r->depth == r->cap) {
		size_t cap = r->cap > 0 ? r->cap * 2 : 32;
		struct level *levels = reallocarray(r->levels, cap, sizeof(*levels));

		if (!levels)
			return err_set(err, ERR_LIMIT, ENOMEM, "cannot remove '%s'", r->name);
		r->levels = levels;
		r->cap = cap;
	}
	r->levels[r->depth++] = level;
	return 0;
}

static int descend(struct removal *r, const char *name, struct err *err)
{
	own_fd int child = open_child(r->dir_fd, name);
	struct level here, below;

	if (child < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0; /* swapped for something else; it is met again */
	if (child < 0 || level_of(r->dir_fd, &here) < 0 || level_of(child, &below) < 0)
		return remove_error(r, name, err);
	if (level_equal(below, r->emptied) && ++r->refills > REFILL_MAX)
		return err_set(err, ERR_BUSY, 0, "cannot remove '%s': it keeps being filled",
			       r->name);
	if (push(r, here, err) < 0)
		return -1;
	fd_close(r->dir_fd);
	r->dir_fd = take_fd(child);
	return 0;
}

/* To the directory above. 1 done, 0 it is not the one that we came from. */
static int ascend(struct removal *r, struct err *err)
{
	own_fd int parent = openat(r->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct level above;

	if (parent < 0 || level_of(parent, &above) < 0 || level_of(r->dir_fd, &r->emptied) < 0)
		return remove_error(r, "..", err);
	if (!level_equal(above, r->levels[--r->depth]))
		return 0;
	fd_close(r->dir_fd);
	r->dir_fd = take_fd(parent);
	return 1;
}

/* Remove what the open directory holds. 1: it is empty, 0: went down into a child. */
static int clear_dir(struct removal *r, struct err *err)
{
	_Alignas(struct dirent64) char buf[8192];
	ssize_t size;

	while ((size = getdents64(r->dir_fd, buf, sizeof(buf))) > 0) {
		const struct dirent64 *entry;

		for (ssize_t at = 0; at < size; at += entry->d_reclen) {
			int gone;

			entry = (const struct dirent64 *)(buf + at);
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			gone = remove_entry(r->dir_fd, entry->d_name, entry->d_type);
			if (gone < 0)
				return remove_error(r, entry->d_name, err);
			if (gone == 0)
				return descend(r, entry->d_name, err);
		}
	}
	return size < 0 ? remove_error(r, ".", err) : 1;
}

/* Empty the tree whose top directory is open. 0 also where the walk lost its way. */
static int clear_tree(struct removal *r, struct err *err)
{
	for (;;) {
		int result = clear_dir(r, err);

		if (result > 0 && r->depth == 0)
			return 0;
		if (result > 0) {
			result = ascend(r, err);
			if (result == 0)
				return 0;
		}
		if (result < 0)
			return -1;
	}
}

int path_remove_tree(int dir_fd, const char *name, struct err *err)
{
	if (*name == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, ERR_INVALID, 0, "cannot remove '%s': not a file name", name);
	for (int pass = 0; pass <= REFILL_MAX; pass++) {
		own(removal) struct removal r = {.name = name, .dir_fd = -1};
		int gone = remove_entry(dir_fd, name, DT_UNKNOWN);

		if (gone > 0)
			return 0;
		if (gone < 0)
			return remove_error(&r, name, err);
		r.dir_fd = open_child(dir_fd, name);
		if (r.dir_fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			return remove_error(&r, name, err);
		if (r.dir_fd >= 0 && clear_tree(&r, err) < 0)
			return -1;
	}
	return err_set(err, ERR_BUSY, 0, "cannot remove '%s': it keeps changing", name);
}
