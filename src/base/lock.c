/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks on files: fcntl(2), F_OFD_SETLK.
 *
 * An open-file-description lock belongs to the descriptor: it goes where the descriptor goes (to a
 * child, over a socket, through execve when asked to), and it ends with the last copy, however the
 * holder dies. The older process locks vanish when any descriptor of the same file is closed.
 *
 * The kernel cannot wait for such a lock with a deadline, so the wait is a poll with growing
 * pauses, from a fraction of a millisecond to 20 ms: locks here are held for milliseconds.
 *
 * An object is removed under its lock, lock file included. Whoever waited then holds a lock on a
 * file that has no name, which excludes nobody: so after every success the name is compared with
 * the descriptor, and the lock is taken again on what stands there now. Where nothing stands there any
 * more, whoever makes the file anew holds "the" lock beside the one who is still removing the rest: so
 * only the maker of an object makes its lock file, and everybody else uses file_lock_existing().
 *
 * The kernel does not tell who holds the lock (it is a description, not a process), so an exclusive
 * holder writes its pid into the file, for the error message only.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/str.h"

#define PAUSE_FIRST_NS 200000
#define PAUSE_MAX_NS 20000000
#define HOLDER_SIZE 16 /* a number and zeros: who comes later overwrites all of it */

static struct flock whole_file(short type)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* 1 taken, 0 somebody else has it, -1 errno. */
static int try_lock(int fd, short type)
{
	struct flock lock = whole_file(type);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

bool file_is_named(int fd, int dir_fd, const char *name)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* The lock on what `name` stands for. 1: *ret_fd, 0 busy (*ret_fd too: who has it), -1 errno. */
static int lock_once(int dir_fd, const char *name, int create, short type, int *ret_fd)
{
	for (;;) {
		own_fd int fd = openat(dir_fd, name, O_RDWR | create | O_NOFOLLOW | O_CLOEXEC,
				       0600);
		int result = fd >= 0 ? try_lock(fd, type) : -1;

		if (result < 0)
			return -1;
		if (result > 0 && !file_is_named(fd, dir_fd, name))
			continue;
		*ret_fd = take_fd(fd);
		return result;
	}
}

static void write_holder(int fd)
{
	char text[HOLDER_SIZE] = "";

	snprintf(text, sizeof(text), "%d", (int)getpid());
	/* A full disk makes a poorer error message, no more. */
	if (pwrite(fd, text, sizeof(text), 0) < 0)
		return;
}

static int busy(int fd, const char *name, struct err *err)
{
	struct flock lock = whole_file(F_RDLCK);
	char text[HOLDER_SIZE] = "";
	struct err ignored;
	uint64_t pid;

	/* Only an exclusive holder, against which a reader would fail, has written its pid. */
	if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK &&
	    pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	    str_to_u64(text, 1, INT32_MAX, "pid", &pid, &ignored) == 0)
		return err_set(err, ERR_BUSY, 0, "cannot lock '%s': held by process %d", name,
			       (int)pid);
	return err_set(err, ERR_BUSY, 0, "cannot lock '%s': somebody else holds it", name);
}

static void pause_ns(int64_t ns)
{
	struct timespec pause = {.tv_nsec = (long)ns};

	nanosleep(&pause, NULL);
}

static int lock(int dir_fd, const char *name, int create, enum lock_how how, int timeout_ms,
		struct err *err)
{
	int64_t deadline = clock_boot_ns() + (int64_t)timeout_ms * 1000000, pause = PAUSE_FIRST_NS;
	short type = how == LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;

	for (;;) {
		own_fd int fd = -1;
		int result = lock_once(dir_fd, name, create, type, &fd);
		int64_t left = deadline - clock_boot_ns();

		if (result < 0)
			return err_errno(err, "cannot lock '%s'", name);
		if (result > 0) {
			if (how == LOCK_EXCLUSIVE)
				write_holder(fd);
			return take_fd(fd);
		}
		if (left <= 0)
			return busy(fd, name, err);
		pause_ns(pause < left ? pause : left);
		pause = pause * 2 < PAUSE_MAX_NS ? pause * 2 : PAUSE_MAX_NS;
	}
}

int file_lock(int dir_fd, const char *name, enum lock_how how, int timeout_ms, struct err *err)
{
	return lock(dir_fd, name, O_CREAT, how, timeout_ms, err);
}

int file_lock_existing(int dir_fd, const char *name, enum lock_how how, int timeout_ms,
		       struct err *err)
{
	return lock(dir_fd, name, 0, how, timeout_ms, err);
}

int file_lock_directory(int fd, struct err *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 1;
	return errno == EWOULDBLOCK ? 0 : err_errno(err, "cannot lock a directory");
}

int file_lock_held_fd(int fd, struct err *err)
{
	struct flock lock = whole_file(F_WRLCK);

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return err_errno(err, "cannot look at a lock");
	return lock.l_type != F_UNLCK;
}

int file_lock_held(int dir_fd, const char *name, struct err *err)
{
	own_fd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot look at the lock '%s'", name);
	return file_lock_held_fd(fd, err);
}
