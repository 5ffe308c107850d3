/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The safe path walk. This is the only file that resolves strings in guest trees.
 *
 * The kernel does the resolving: openat2(2) with RESOLVE_IN_ROOT (a chroot for one call) or
 * RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS, both without magic links. What comes back is a descriptor,
 * and everything after that goes through it, so that a name which a container swaps for a symbolic
 * link between check and use is a name that nobody looks at again. With "..", a rename elsewhere in
 * the tree makes the kernel answer EAGAIN, because it can no longer prove that the walk stayed
 * inside; that is tried again a bounded number of times.
 *
 * Creating is where walks go wrong, because there is no "openat2 with mkdir -p". The deepest prefix
 * that exists is resolved by the kernel; below it each component is made with mkdirat(2) in a
 * descriptor and opened without following anything. A component that turns out to be a dangling
 * symbolic link (an image's /etc/resolv.conf that points into an empty /run is the usual one) is
 * expanded by its text and the walk starts again from the root, so that it is confined like any
 * other. ".." behind something that does not exist yet is refused: nothing sensible means it.
 *
 * New directories get exactly the mode asked for: the umask is set aside for the one call, which is
 * sound because our programs have one thread.
 *
 * Opening for use is separate from finding: an O_PATH handle has no side effects (a FIFO does not
 * block, a tape does not rewind, a device driver is not entered), can be looked at with fstat(2),
 * and is then opened again through /proc/self/fd. That /proc is checked to be a procfs, and what
 * came out to be what went in, so that a forged /proc leads nowhere else.
 */
#include "base/path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/own.h"
#include "base/reach.h"
#include "base/str.h"

#define AGAIN_MAX 64 /* retries of a walk that a rename disturbed */
#define LINKS_MAX 40 /* dangling links expanded in one walk, as many as the kernel follows */

static uint64_t resolve_flags(enum path_how how)
{
	uint64_t flags = RESOLVE_NO_MAGICLINKS;

	flags |= how & PATH_BENEATH ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT;
	if (how & PATH_NO_XDEV)
		flags |= RESOLVE_NO_XDEV;
	return flags;
}

/* openat2(2); -1 with errno. */
static int open_how(int root_fd, const char *path, enum path_how how, uint64_t flags, mode_t mode)
{
	struct open_how request = {.flags = flags | O_CLOEXEC, .resolve = resolve_flags(how)};
	struct err unreachable = ERR_INIT;
	int again = 0, fd;

	if (reach_first(root_fd, *path ? path : ".", request.resolve, &unreachable) < 0) {
		errno = unreachable.errnum ? unreachable.errnum : EIO;
		return -1;
	}
	if (flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY)
		request.mode = mode & 07777;
	do
		fd = (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &request,
				  sizeof(request));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++again <= AGAIN_MAX)));
	return fd;
}

/* *err from errno, in words that fit how the path was read. */
static int walk_error(struct err *err, const char *verb, const char *path, enum path_how how)
{
	int errnum = errno;

	if (errnum == ELOOP && how & PATH_BENEATH)
		err_set(err, ERR_DENIED, 0, "cannot %s '%s': a symbolic link is in the way", verb,
			path);
	else if (errnum == ELOOP)
		err_set(err, ERR_DENIED, 0,
			"cannot %s '%s': too many symbolic links, or one of procfs's magic ones",
			verb, path);
	else if (errnum == EXDEV)
		err_set(err, ERR_DENIED, 0, "cannot %s '%s': it leads out of its tree or mount",
			verb, path);
	else if (errnum == ETIMEDOUT)
		err_set(err, ERR_TIMEOUT, 0, "cannot %s '%s': its file server does not answer",
			verb, path);
	else if (errnum == EAGAIN)
		err_set(err, ERR_BUSY, 0, "cannot %s '%s': the tree keeps changing", verb, path);
	else
		err_errno(err, "cannot %s '%s'", verb, path);
	err->errnum = errnum;
	return -1;
}

int path_open(int root_fd, const char *path, enum path_how how, uint64_t flags, mode_t mode,
	      struct err *err)
{
	int fd = open_how(root_fd, path, how, flags, mode);

	return fd >= 0 ? fd : walk_error(err, "open", path, how);
}

int path_handle(int root_fd, const char *path, enum path_how how, uint64_t extra_flags,
		struct err *err)
{
	return path_open(root_fd, path, how, O_PATH | extra_flags, 0, err);
}

/* ---- creating ---- */

/* What is being made below root_fd. `path` is the whole string; `rest` the part of it behind the
 * prefix that `dir_fd` stands for, one component after the other. */
struct creation {
	int root_fd;
	enum path_how how;
	mode_t mode;	     /* of new directories */
	bool file;	     /* the last component becomes a regular file */
	const char *request; /* what the caller asked for, for errors */
	char path[PATH_MAX];
	char *rest;
	int dir_fd; /* owned */
	int links;
};

static void creation_done(struct creation *c)
{
	fd_close(c->dir_fd);
}

static int mkdir_exact(int dir_fd, const char *name, mode_t mode)
{
	mode_t mask = umask(0);
	int result = mkdirat(dir_fd, name, mode);

	umask(mask);
	return result;
}

static int create_exact(int dir_fd, const char *name, mode_t mode)
{
	mode_t mask = umask(0);
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	umask(mask);
	return fd;
}

static bool has_dotdot(const char *path)
{
	for (; *path; path += strcspn(path, "/")) {
		path += strspn(path, "/");
		if (strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
			return true;
	}
	return false;
}

/* Open the longest prefix of c->path that exists and point c->rest behind it. */
static int open_prefix(struct creation *c, struct err *err)
{
	size_t end = strlen(c->path);

	fd_close(take_fd(c->dir_fd));
	while (c->dir_fd < 0) {
		char cut = c->path[end];

		c->path[end] = '\0';
		c->dir_fd = open_how(c->root_fd, c->path, c->how, O_PATH, 0);
		c->path[end] = cut;
		c->rest = c->path + end;
		if (c->dir_fd < 0 && (errno != ENOENT || end == 0))
			return walk_error(err, "create", c->request, c->how);
		while (end > 0 && c->path[end - 1] != '/')
			end--;
		while (end > 0 && c->path[end - 1] == '/')
			end--;
	}
	if (has_dotdot(c->rest))
		return err_set(err, ERR_INVALID, 0,
			       "cannot create '%s': '..' behind a directory that does not exist",
			       c->request);
	return 0;
}

/* Cut the first component off c->rest; NULL at the end. The text stays in place: *ret_start and
 * the new c->rest delimit it. */
static const char *next_component(struct creation *c, char name[NAME_MAX + 2], char **ret_start)
{
	size_t length;

	for (;;) {
		c->rest += strspn(c->rest, "/");
		length = strcspn(c->rest, "/");
		if (length != 1 || *c->rest != '.')
			break;
		c->rest++;
	}
	if (length == 0)
		return NULL;
	/* One byte more than a name may have, so that the kernel says ENAMETOOLONG. */
	snprintf(name, NAME_MAX + 2, "%.*s", (int)length, c->rest);
	*ret_start = c->rest;
	c->rest += length;
	return name;
}

/* The component at `start` was there although open_prefix did not find it: a symbolic link with
 * nothing behind it, whose text takes its place, or something that somebody else has made since. */
static int resume(struct creation *c, const char *name, const char *start, struct err *err)
{
	char target[PATH_MAX], joined[sizeof(c->path)];
	ssize_t length = readlinkat(c->dir_fd, name, target, sizeof(target) - 1);
	int total;

	if (length < 0 && errno != EINVAL && errno != ENOENT)
		return walk_error(err, "create", c->request, c->how);
	errno = ELOOP;
	if (++c->links > LINKS_MAX || (length >= 0 && c->how & PATH_BENEATH))
		return walk_error(err, "create", c->request, c->how);
	if (length < 0)
		return open_prefix(c, err);
	target[length] = '\0';
	total = snprintf(joined, sizeof(joined), "%.*s/%s/%s",
			 *target == '/' ? 0 : (int)(start - c->path), c->path, target, c->rest);
	errno = ENAMETOOLONG;
	if (total < 0 || (size_t)total >= sizeof(joined))
		return walk_error(err, "create", c->request, c->how);
	memcpy(c->path, joined, (size_t)total + 1);
	return open_prefix(c, err);
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* Returns an O_PATH descriptor; -1 with errno. */
static int make_file(int dir_fd, const char *name)
{
	own_fd int created = create_exact(dir_fd, name, 0644), handle = -1;

	if (created < 0)
		return -1;
	handle = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (handle >= 0 && !same_file(created, handle)) {
		errno = EEXIST; /* swapped already */
		return -1;
	}
	return take_fd(handle);
}

static int make_dir(int dir_fd, const char *name, mode_t mode)
{
	if (mkdir_exact(dir_fd, name, mode) < 0 && errno != EEXIST)
		return -1;
	return openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
}

/* One step of the walk. 1: more to do, 0: c->dir_fd is the result. */
static int create_step(struct creation *c, struct err *err)
{
	char name[NAME_MAX + 2], *start;
	bool last;
	int fd;

	if (!next_component(c, name, &start))
		return 0;
	last = c->rest[strspn(c->rest, "/")] == '\0';
	fd = c->file && last ? make_file(c->dir_fd, name) : make_dir(c->dir_fd, name, c->mode);
	if (fd < 0 && (errno == EEXIST || errno == ENOTDIR || errno == ENOENT))
		return resume(c, name, start, err) < 0 ? -1 : 1;
	if (fd < 0)
		return walk_error(err, "create", c->request, c->how);
	fd_close(c->dir_fd);
	c->dir_fd = fd;
	return 1;
}

static int create_path(int root_fd, const char *path, enum path_how how, mode_t mode, bool file,
		       bool *ret_made, struct err *err)
{
	own(creation) struct creation c = {.root_fd = root_fd,
					   .how = how,
					   .mode = mode,
					   .file = file,
					   .request = path,
					   .dir_fd = -1};
	int more = snprintf(c.path, sizeof(c.path), "%s", path);

	errno = ENAMETOOLONG;
	if (more < 0 || (size_t)more >= sizeof(c.path))
		return walk_error(err, "create", path, how);
	if (open_prefix(&c, err) < 0)
		return -1;
	*ret_made = *c.rest != '\0';
	do
		more = create_step(&c, err);
	while (more > 0);
	return more < 0 ? -1 : take_fd(c.dir_fd);
}

int path_mkdirs(int root_fd, const char *path, enum path_how how, mode_t mode, struct err *err)
{
	bool made;
	own_fd int fd = create_path(root_fd, path, how, mode, false, &made, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_EXISTS, ENOTDIR, "cannot create '%s'", path);
	return take_fd(fd);
}

int path_make_target(int root_fd, const char *path, enum path_how how, bool directory,
		     struct err *err)
{
	bool made;

	if (directory)
		return path_mkdirs(root_fd, path, how, 0755, err);
	return create_path(root_fd, path, how, 0755, true, &made, err);
}

int path_find_or_make(int root_fd, const char *path, enum path_how how, bool directory,
		      bool *ret_made, struct err *err)
{
	return create_path(root_fd, path, how, 0755, !directory, ret_made, err);
}

/* ---- opening a handle for use ---- */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "of an unknown type";
	}
}

static int proc_fd = -1; /* of path_use_proc; borrowed */

void path_use_proc(int fd)
{
	proc_fd = fd;
}

/* A descriptor of our /proc/self/fd that certainly is one. */
static int open_proc_fds(struct err *err)
{
	const char *path = proc_fd < 0 ? "/proc/self/fd" : "self/fd";
	own_fd int fd = openat(proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_errno(err, "cannot open '/proc/self/fd'");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, ERR_DENIED, 0, "cannot trust '/proc': it is not a procfs");
	return take_fd(fd);
}

int path_reopen(int handle_fd, mode_t type, uint64_t flags, struct err *err)
{
	own_fd int fds_fd = -1, fd = -1;
	struct stat want, got;
	char name[16];

	if (fstat(handle_fd, &want) < 0)
		return err_errno(err, "cannot look at descriptor %d", handle_fd);
	if (type && (want.st_mode & S_IFMT) != type)
		return err_set(err, ERR_INVALID, 0, "it is %s, not %s", type_name(want.st_mode),
			       type_name(type));
	fds_fd = open_proc_fds(err);
	if (fds_fd < 0)
		return -1;
	snprintf(name, sizeof(name), "%d", handle_fd);
	fd = openat(fds_fd, name, (int)flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_errno(err, "cannot open %s", type_name(want.st_mode));
	if (fstat(fd, &got) < 0 || got.st_dev != want.st_dev || got.st_ino != want.st_ino)
		return err_set(err, ERR_DENIED, 0, "cannot trust '/proc': it led elsewhere");
	if (!(flags & (O_NONBLOCK | O_PATH)) && fd_set_nonblock(fd, false, err) < 0)
		return -1;
	return take_fd(fd);
}

/* File systems whose regular files are doors to the kernel: reading takes messages from others, waits
 * for something to happen, or never ends (/proc/kmsg). None of them holds a file that somebody wrote. */
static bool is_kernel_interface(int fd)
{
	static const unsigned long magics[] = {
		PROC_SUPER_MAGIC,
		SYSFS_MAGIC,
		CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC,
		DEBUGFS_MAGIC,
		TRACEFS_MAGIC,
		SECURITYFS_MAGIC,
		SELINUX_MAGIC,
		PSTOREFS_MAGIC,
		BPF_FS_MAGIC,
		BINFMTFS_MAGIC,
		EFIVARFS_MAGIC,
		0x62656570 /* configfs */,
		0x19800202 /* mqueue */,
	};

	return fd_is_on(fd, magics, sizeof(magics) / sizeof(magics[0]), true);
}

ssize_t path_read_file(int root_fd, const char *path, enum path_how how, size_t limit,
		       char **ret_data, struct err *err)
{
	own_fd int handle = path_handle(root_fd, path, how, 0, err), fd = -1;

	if (handle < 0)
		return -1;
	if (is_kernel_interface(handle))
		return err_set(err, ERR_INVALID, 0,
			       "cannot read '%s': it is no file but a door to the kernel", path);
	fd = path_reopen(handle, S_IFREG, O_RDONLY, err);
	if (fd < 0)
		return err_wrap(err, "cannot read '%s'", path);
	return fd_read_all(fd, limit, path, ret_data, err);
}

int path_cwd(char *buf, size_t size)
{
	return (int)syscall(SYS_getcwd, buf, size);
}

/* ---- names ---- */

bool path_is_name(const char *name)
{
	size_t length = strnlen(name, NAME_MAX + 1);

	return length > 0 && length <= NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && !str_has_control(name);
}

int path_clean(const char *path, char **ret, struct err *err)
{
	own(str) struct str clean = STR_INIT(PATH_MAX - 1);
	const char *at = path;

	if (*path != '/')
		return err_set(err, ERR_INVALID, 0, "'%s' is not an absolute path", path);
	if (str_has_control(path))
		return err_set(err, ERR_INVALID, 0, "'%s' has control characters or is not UTF-8",
			       path);
	while (*(at += strspn(at, "/"))) {
		size_t length = strcspn(at, "/");

		if (length == 2 && strncmp(at, "..", 2) == 0)
			return err_set(err, ERR_INVALID, 0, "'%s' must not contain '..'", path);
		if (length != 1 || *at != '.') {
			str_add_char(&clean, '/');
			str_add_len(&clean, at, length);
		}
		at += length;
	}
	if (clean.len == 0)
		str_add_char(&clean, '/');
	if (str_check(&clean, "a path", err) < 0)
		return -1;
	*ret = str_take(&clean);
	return *ret ? 0 : err_set(err, ERR_LIMIT, 0, "out of memory");
}
