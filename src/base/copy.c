/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How it works: one directory of each side is open for every level. A name is only ever used in one of
 * those two descriptors, in one component, by calls that do not follow a link. The tree may change while
 * it is read: what an entry is (fstatat) decides how it is opened, and path_reopen checks again that a
 * regular file is one, so that a FIFO put in its place blocks nobody and a device is not touched.
 *
 * What can go wrong: a tree that is deeper than LEVELS_MAX is refused, because two descriptors are held for
 * each level; that it is too large is for the file system to say into which it goes.
 */
#include "base/copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"

#define LEVELS_MAX 128
#define CHUNK (1u << 30)
#define XATTRS_MAX 65536

static int copy_directory(int from_fd, int to_fd, int level, struct err *err);

static int copy_contents(int from_fd, int to_fd, const char *name, struct err *err)
{
	ssize_t n;

	do
		n = sendfile(to_fd, from_fd, NULL, CHUNK);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_errno(err, "cannot copy '%s'", name) : 0;
}

/* Attributes that the other file system does not have are left out: it has no use for them. */
static int copy_xattrs(int from_fd, int to_fd, const char *name, struct err *err)
{
	own_free char *names = malloc(2 * XATTRS_MAX);
	ssize_t total = names ? flistxattr(from_fd, names, XATTRS_MAX) : 0;
	char *value = names + XATTRS_MAX;

	if (!names)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot copy '%s'", name);
	for (const char *at = names; total > 0 && at < names + total; at += strlen(at) + 1) {
		ssize_t size = fgetxattr(from_fd, at, value, XATTRS_MAX);

		if (size < 0 || fsetxattr(to_fd, at, value, (size_t)size, 0) == 0 ||
		    errno == EOPNOTSUPP || errno == EPERM)
			continue;
		return err_errno(err, "cannot copy the attribute '%s' of '%s'", at, name);
	}
	return 0;
}

/* The owner first: a change of owner takes set-id bits away. */
static int copy_status(int to_fd, const char *name, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (fchownat(to_fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(to_fd, name, st->st_mode & 07777, 0) < 0) ||
	    utimensat(to_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "cannot give '%s' its owner and mode", name);
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, struct err *err)
{
	own_fd int handle = path_handle(from_dir, name, PATH_BENEATH, O_NOFOLLOW, err);
	own_fd int from_fd = handle < 0 ? -1 : path_reopen(handle, S_IFREG, O_RDONLY, err);

	if (from_fd < 0)
		return err_wrap(err, "cannot copy '%s'", name);
	own_fd int to_fd = openat(to_dir, name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return err_errno(err, "cannot make '%s'", name);
	if (copy_contents(from_fd, to_fd, name, err) < 0)
		return -1;
	return copy_xattrs(from_fd, to_fd, name, err);
}

static int copy_link(int from_dir, int to_dir, const char *name, struct err *err)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, text, sizeof(text) - 1);

	if (n < 0)
		return err_errno(err, "cannot read the link '%s'", name);
	text[n] = '\0';
	return symlinkat(text, to_dir, name) < 0 ? err_errno(err, "cannot make '%s'", name) : 0;
}

static int copy_subdirectory(int from_dir, int to_dir, const char *name, int level, struct err *err)
{
	struct err opening = ERR_INIT;

	if (mkdirat(to_dir, name, 0700) < 0)
		return err_errno(err, "cannot make '%s'", name);
	own_fd int from_fd = path_open(from_dir, name, PATH_BENEATH | PATH_NO_XDEV,
				       O_RDONLY | O_DIRECTORY, 0, &opening);
	own_fd int to_fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from_fd < 0 && opening.errnum == EXDEV)
		return 0; /* a mount */
	if (from_fd < 0) {
		*err = opening;
		return -1;
	}
	if (to_fd < 0)
		return err_errno(err, "cannot open '%s'", name);
	if (copy_xattrs(from_fd, to_fd, name, err) < 0 ||
	    copy_directory(from_fd, to_fd, level + 1, err) < 0)
		return err_wrap(err, "%s", name);
	return 0;
}

static int copy_entry(int from_dir, int to_dir, const char *name, int level, struct err *err)
{
	struct stat st;
	int status;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot look at '%s'", name);
	if (S_ISDIR(st.st_mode))
		status = copy_subdirectory(from_dir, to_dir, name, level, err);
	else if (S_ISREG(st.st_mode))
		status = copy_file(from_dir, to_dir, name, err);
	else if (S_ISLNK(st.st_mode))
		status = copy_link(from_dir, to_dir, name, err);
	else
		status = mknodat(to_dir, name, st.st_mode, st.st_rdev) < 0
				 ? err_errno(err, "cannot make '%s'", name)
				 : 0;
	return status < 0 ? -1 : copy_status(to_dir, name, &st, err);
}

static int copy_directory(int from_fd, int to_fd, int level, struct err *err)
{
	own_dir DIR *dir = fd_open_list(from_fd, ".");

	if (!dir)
		return err_errno(err, "cannot read a directory");
	if (level >= LEVELS_MAX)
		return err_set(err, ERR_LIMIT, 0, "directories are more than %d deep", LEVELS_MAX);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);

		if (!entry)
			return errno ? err_errno(err, "cannot read a directory") : 0;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (copy_entry(from_fd, to_fd, entry->d_name, level, err) < 0)
			return -1;
	}
}

int copy_tree(int from_fd, int to_fd, struct err *err)
{
	return copy_directory(from_fd, to_fd, 0, err);
}
