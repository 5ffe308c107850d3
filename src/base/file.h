/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files are the database: small files written beside and renamed, a lock per object. Only for
 * directories that belong to us; anything a container can write goes through base/path.
 */
#ifndef INSULA_BASE_FILE_H
#define INSULA_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Replace `name` in dir_fd by `data`, atomically: a temporary file beside it (".NAME.XXXXXXXX",
 * file_is_temporary), renamed over it. sync: fdatasync the file and fsync the
 * directory before returning. */
int file_write_atomic(int dir_fd, const char *name, const void *data, size_t size, mode_t mode,
		      bool sync, struct err *err);
/* Create exclusively with contents complete from the first moment (O_TMPFILE or temporary +
 * linkat). ERR_EXISTS where the name is taken: this is how names, ids and ranges are claimed. */
int file_create_excl(int dir_fd, const char *name, const void *data, size_t size, mode_t mode,
		     bool sync, struct err *err);
/* A regular file of ours, no symlink; as fd_read_all. ERR_NOT_FOUND where absent. */
ssize_t file_read(int dir_fd, const char *name, size_t limit, char **ret_data, struct err *err);
/* unlinkat; a missing name is success. */
int file_unlink(int dir_fd, const char *name, struct err *err);
/* mkdir -p of an absolute host path of ours (state directories), mode for new ones; symlinks in
 * parents that belong to root are followed. Returns an O_DIRECTORY descriptor usable with *at(). */
int file_open_dirs(const char *path, mode_t mode, struct err *err);
/* A state directory is to belong to us, and be nobody else's to write in, as whoever may has prepared it or will. */
int file_check_ours(int dir_fd, const char *path, struct err *err);
/* Names of what is in the directory `name` of dir_fd ("." for itself), appended in no order, without
 * "." and "..". An absent directory has none. */
int file_list(int dir_fd, const char *name, struct strv *ret, struct err *err);
/* Is it the name of a temporary file, of a writer that may have died? */
bool file_is_temporary(const char *name);

/* Is what `name` stands for, by now, the open file? */
bool file_is_named(int fd, int dir_fd, const char *name);

enum lock_how { LOCK_SHARED, LOCK_EXCLUSIVE };

/* An open-file-description lock on the whole of `name` in dir_fd (created 0600): it belongs to the
 * descriptor returned, survives execve when not CLOEXEC, ends with the last close. timeout_ms 0:
 * try once. ERR_BUSY (at the deadline, with the holder's pid in the text where known). Returns the fd. */
int file_lock(int dir_fd, const char *name, enum lock_how how, int timeout_ms, struct err *err);
/* The same, where the file is there: ERR_NOT_FOUND where it is not, or is removed while we wait. For an object
 * that is removed together with its lock. */
int file_lock_existing(int dir_fd, const char *name, enum lock_how how, int timeout_ms,
		       struct err *err);
/* Does anybody hold it? 1 yes, 0 no or no such file. Never blocks, takes nothing. */
int file_lock_held(int dir_fd, const char *name, struct err *err);
int file_lock_held_fd(int fd, struct err *err);
/* A directory as the lock of itself, for as long as the descriptor is open: 1 taken, 0 another has it. */
int file_lock_directory(int fd, struct err *err);

#endif
