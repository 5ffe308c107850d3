/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of ours as the database: whole or absent, never half.
 *
 * A file is written under a temporary name in the same directory and then renamed, so that a reader
 * sees the old contents or the new ones and a writer killed at any instant leaves at most a
 * temporary file, which file_is_temporary recognises. With `sync` the data reach
 * the disk before the name does, and the name before we return: a caller that acknowledges
 * afterwards tells the truth. Claiming a name uses RENAME_NOREPLACE, or link(2) on the few file
 * systems without it; both fail with EEXIST for all but one of any number of claimants.
 *
 * The temporary name is ".NAME.XXXXXXXX" with eight random hex digits, so NAME has at most 245
 * bytes. Modes are set with fchmod: the umask of whoever starts us does not decide who may read
 * our state.
 */
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "base/str.h"

#define SUFFIX_BYTES 4 /* random, as hex */
#define LINKS_MAX 40

struct temporary {
	int dir_fd;
	char name[NAME_MAX + 1]; /* empty once it is gone or renamed */
	int fd;
};

static void temporary_done(struct temporary *t)
{
	int saved = errno;

	fd_close(t->fd);
	if (t->name[0])
		unlinkat(t->dir_fd, t->name, 0);
	errno = saved;
}

static int temporary_open(struct temporary *t, const char *name, struct err *err)
{
	char suffix[2 * SUFFIX_BYTES + 1];
	int length;

	if (str_random_hex(suffix, SUFFIX_BYTES, err) < 0)
		return -1;
	length = snprintf(t->name, sizeof(t->name), ".%s.%s", name, suffix);
	if (length < 0 || (size_t)length >= sizeof(t->name)) {
		t->name[0] = '\0';
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cannot write '%s'", name);
	}
	t->fd = openat(t->dir_fd, t->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (t->fd >= 0)
		return 0;
	t->name[0] = '\0';
	return err_errno(err, "cannot create a file beside '%s'", name);
}

/* A complete temporary file, closed, so that what close(2) reports is not lost. */
static int temporary_fill(struct temporary *t, const char *name, const void *data, size_t size,
			  mode_t mode, bool sync, struct err *err)
{
	if (temporary_open(t, name, err) < 0 || fd_write_all(t->fd, data, size, name, err) < 0)
		return -1;
	if (fchmod(t->fd, mode) < 0 || (sync && fdatasync(t->fd) < 0) || close(take_fd(t->fd)) < 0)
		return err_errno(err, "cannot write '%s'", name);
	return fail_point("file.written", err);
}

static int sync_dir(int dir_fd, const char *name, struct err *err)
{
	if (fail_point("file.renamed", err) < 0)
		return -1;
	if (fsync(dir_fd) < 0)
		return err_errno(err, "cannot make '%s' durable", name);
	return 0;
}

int file_write_atomic(int dir_fd, const char *name, const void *data, size_t size, mode_t mode,
		      bool sync, struct err *err)
{
	own(temporary) struct temporary t = {.dir_fd = dir_fd, .fd = -1};

	if (temporary_fill(&t, name, data, size, mode, sync, err) < 0)
		return -1;
	if (renameat(dir_fd, t.name, dir_fd, name) < 0)
		return err_errno(err, "cannot replace '%s'", name);
	t.name[0] = '\0';
	return sync ? sync_dir(dir_fd, name, err) : 0;
}

/* Give the temporary file its name unless that is taken; -1 with errno. */
static int claim(struct temporary *t, const char *name)
{
	if (renameat2(t->dir_fd, t->name, t->dir_fd, name, RENAME_NOREPLACE) == 0) {
		t->name[0] = '\0';
		return 0;
	}
	return errno == EINVAL ? linkat(t->dir_fd, t->name, t->dir_fd, name, 0) : -1;
}

int file_create_excl(int dir_fd, const char *name, const void *data, size_t size, mode_t mode,
		     bool sync, struct err *err)
{
	own(temporary) struct temporary t = {.dir_fd = dir_fd, .fd = -1};

	if (temporary_fill(&t, name, data, size, mode, sync, err) < 0)
		return -1;
	if (claim(&t, name) < 0)
		return err_errno(err, "cannot create '%s'", name);
	return sync ? sync_dir(dir_fd, name, err) : 0;
}

ssize_t file_read(int dir_fd, const char *name, size_t limit, char **ret_data, struct err *err)
{
	own_fd int fd = openat(dir_fd, name,
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(err, ERR_CORRUPT, 0, "cannot read '%s': it is a symbolic link",
			       name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot read '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CORRUPT, 0, "cannot read '%s': it is not a regular file",
			       name);
	return fd_read_all(fd, limit, name, ret_data, err);
}

int file_unlink(int dir_fd, const char *name, struct err *err)
{
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", name);
	return 0;
}

/* ---- directories of ours ---- */

/* What is left of a walk: the open directory and the components still to come. */
struct walk {
	int dir_fd; /* O_PATH, owned */
	char rest[PATH_MAX];
	int links;
};

static void walk_done(struct walk *w)
{
	fd_close(w->dir_fd);
}

/* A new directory of exactly this mode; an O_PATH descriptor of it, or of one that was there. */
static int open_or_make(int dir_fd, const char *name, mode_t mode)
{
	own_fd int made = -1;
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dir_fd, name, mode & 0700) < 0)
		return errno == EEXIST ? openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	made = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 || fchmod(made, mode) < 0)
		return -1;
	return take_fd(made);
}

/* Continue with the text of the link that link_fd stands for. */
static int follow(struct walk *w, int link_fd, const struct stat *st)
{
	char target[PATH_MAX], joined[sizeof(w->rest)];
	ssize_t length = readlinkat(link_fd, "", target, sizeof(target) - 1);
	int total;

	if (length < 0)
		return -1;
	errno = ELOOP;
	if ((st->st_uid != 0 && st->st_uid != geteuid()) || ++w->links > LINKS_MAX)
		return -1;
	target[length] = '\0';
	total = snprintf(joined, sizeof(joined), "%s/%s", target, w->rest);
	errno = ENAMETOOLONG;
	if (total < 0 || (size_t)total >= sizeof(joined))
		return -1;
	memcpy(w->rest, joined, (size_t)total + 1);
	if (*target == '/') {
		fd_close(w->dir_fd);
		w->dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return w->dir_fd < 0 ? -1 : 0;
}

/* Go into the next component. 1: more to come, 0: done, -1: errno. */
static int step(struct walk *w, mode_t mode)
{
	char name[NAME_MAX + 2];
	const char *start = w->rest + strspn(w->rest, "/");
	size_t length = strcspn(start, "/");
	own_fd int fd = -1;
	struct stat st;

	if (length == 0)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)length, start);
	memmove(w->rest, start + length, strlen(start + length) + 1);
	fd = open_or_make(w->dir_fd, name, mode);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return follow(w, fd, &st) < 0 ? -1 : 1;
	errno = ENOTDIR;
	if (!S_ISDIR(st.st_mode))
		return -1;
	fd_close(w->dir_fd);
	w->dir_fd = take_fd(fd);
	return 1;
}

/* The usual case in one call: all of it is there, and no link on the way. */
static int open_plain(const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

int file_open_dirs(const char *path, mode_t mode, struct err *err)
{
	own(walk) struct walk w = {.dir_fd = -1};
	int length = snprintf(w.rest, sizeof(w.rest), "%s", path), more;
	int fd;

	if (*path != '/' || length < 0 || (size_t)length >= sizeof(w.rest))
		return err_set(err, ERR_INVALID, 0, "'%s' is not an absolute path", path);
	fd = open_plain(path);
	if (fd >= 0)
		return fd;
	w.dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.dir_fd < 0)
		return err_errno(err, "cannot open '/'");
	do
		more = step(&w, mode);
	while (more > 0);
	fd = more < 0 ? -1 : openat(w.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot create the directory '%s'", path);
	return fd;
}

int file_check_ours(int dir_fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return err_errno(err, "cannot look at the state directory '%s'", path);
	if (st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	return err_set(err, ERR_DENIED, 0,
		       "the state directory '%s' is not ours alone: owner %u, mode %03o", path,
		       st.st_uid, st.st_mode & 07777);
}

/* ---- what is there ---- */

int file_list(int dir_fd, const char *name, struct strv *ret, struct err *err)
{
	own_dir DIR *dir = fd_open_list(dir_fd, name);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, "cannot list '%s'", name);
	while ((errno = 0, entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
		    strv_add(ret, entry->d_name, err) < 0)
			return -1;
	return errno ? err_errno(err, "cannot list '%s'", name) : 0;
}

bool file_is_temporary(const char *name)
{
	size_t length = strlen(name), digits = 2 * SUFFIX_BYTES;

	return length > digits + 2 && name[0] == '.' && name[length - digits - 1] == '.' &&
	       strspn(name + length - digits, "0123456789abcdef") == digits;
}
