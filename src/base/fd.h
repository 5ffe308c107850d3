/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors. Every one is close-on-exec at birth; -1 means none.
 */
#ifndef INSULA_BASE_FD_H
#define INSULA_BASE_FD_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* close(2) that keeps errno and accepts a negative fd. Not for files whose write errors matter:
 * those go through base/file. */
void fd_close(int fd);

/* Mark every descriptor >= first close-on-exec (close_range(2), Linux 5.11; falls back to
 * /proc/self/fd). Called first thing in every main(), and again right before execve. */
int fd_cloexec_from(int first, struct err *err);

/* Close every descriptor, 0 to 2 too, but these, in any order; -1 among them: none. For a process that
 * goes where somebody else may look at what it holds. */
int fd_close_others(const int *kept, size_t count, struct err *err);

/* Make 0, 1 and 2 exist: a missing one is opened on /dev/null. Called first thing in every main(). */
int fd_sanitize_stdio(struct err *err);

/* pipe2(2), both ends close-on-exec and the caller's. */
int fd_pipe(int *ret_read, int *ret_write, struct err *err);
/* The same of socketpair(2): packets, both ways. */
int fd_socket_pair(int *ret_one, int *ret_other, struct err *err);

int fd_set_cloexec(int fd, bool on, struct err *err);
int fd_set_nonblock(int fd, bool on, struct err *err);

/* Is it on one of these kinds of file systems (statfs(2))? What cannot be told is `unknown`. */
bool fd_is_on(int fd, const unsigned long *kinds, size_t count, bool unknown);

/* Read until end of file or `limit` bytes; more than `limit` is ERR_LIMIT. Returns the length;
 * *ret_data is NUL-terminated (one byte more than the length is allocated), freed by the caller.
 * `what` names the object in errors. */
ssize_t fd_read_all(int fd, size_t limit, const char *what, char **ret_data, struct err *err);

/* As fd_read_all into a buffer of `size` bytes, always NUL-terminated; what does not fit is
 * ERR_LIMIT. For /proc and /sys: no allocation. */
ssize_t fd_read_buf(int fd, char *buf, size_t size, const char *what, struct err *err);

/* Write everything, restarting after EINTR and short writes. */
int fd_write_all(int fd, const void *data, size_t size, const char *what, struct err *err);

/* One message with up to 8 descriptors over a SOCK_SEQPACKET or SOCK_STREAM unix socket.
 * fd_recv: returns the number of bytes, 0 at end of file; *ret_nfds descriptors (CLOEXEC, owned by
 * the caller) are stored in fds[]; surplus ones are closed; a truncated message is ERR_LIMIT. */
int fd_send(int sock, const void *data, size_t size, const int *fds, size_t nfds, struct err *err);
ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t max_fds, size_t *ret_nfds,
		struct err *err);

#define FD_MESSAGE_MAX_FDS 8

/* A sealed memfd (F_SEAL_SEAL|SHRINK|GROW|WRITE) holding `data`. Returns the fd. */
int fd_sealed_memfd(const char *name, const void *data, size_t size, struct err *err);
/* Is fd such a file? */
bool fd_is_sealed(int fd);

/* The test-mode ledger: number of open descriptors of this process, for leak checks in tests. */
int fd_count_open(void);
/* The directory `name` of dir_fd ("." for itself), to be read from its beginning; no link. NULL with errno. */
DIR *fd_open_list(int dir_fd, const char *name);

#endif
