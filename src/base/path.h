/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The safe path walk: the one module that resolves a path inside a tree that a container, an image
 * or another user can write. A root is a directory descriptor; the result is a descriptor; nothing
 * is resolved twice. path.c is the only file that resolves strings in guest trees: everything else
 * asks it for a descriptor and works on that.
 *
 * Two ways to read a path (openat2(2), Linux 5.6):
 *   PATH_IN_ROOT  guest semantics: '/' and '..' stop at the root, symlinks are followed inside it;
 *		   magic links are refused. For what the guest's own programs would find there.
 *   PATH_BENEATH  ours: no symlink at all, nothing absolute, no '..' out. For trees that we made.
 * PATH_NO_XDEV may be or-ed: no mount point is crossed.
 */
#ifndef INSULA_BASE_PATH_H
#define INSULA_BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

enum path_how { PATH_IN_ROOT = 1, PATH_BENEATH = 2, PATH_NO_XDEV = 4 };

/* open(2) flags and mode as for openat2; O_CLOEXEC is added. Opening has its side effects (a FIFO
 * blocks): for what a stranger made, take path_handle and path_reopen. `path` relative or, for IN_ROOT,
 * absolute; "" or "." is the root itself. Retries EAGAIN (a rename during the walk) 64 times.
 * Returns the fd. */
int path_open(int root_fd, const char *path, enum path_how how, uint64_t flags, mode_t mode,
	      struct err *err);

/* An O_PATH handle (the last component is not followed with O_NOFOLLOW in extra_flags).
 * Returns the fd; -1 with ERR_NOT_FOUND if there is none. */
int path_handle(int root_fd, const char *path, enum path_how how, uint64_t extra_flags,
		struct err *err);

/* mkdir -p below root, component by component through descriptors; new directories get `mode` and
 * belong to the current fsuid. An existing component must be a directory (or, with IN_ROOT, a
 * symlink to one inside the root). Returns an O_PATH descriptor of the last one. */
int path_mkdirs(int root_fd, const char *path, enum path_how how, mode_t mode, struct err *err);

/* A mount target: as path_mkdirs for a directory; for a file its parents are made and the file is
 * created empty (0644) if absent. Only ever a directory or a regular file is created; anything
 * that exists is returned as it is, as O_PATH. */
int path_make_target(int root_fd, const char *path, enum path_how how, bool directory,
		     struct err *err);

/* The same where what exists may be of any type, for whoever looks at it himself; *ret_made: it, or a
 * directory above it, was absent. */
int path_find_or_make(int root_fd, const char *path, enum path_how how, bool directory,
		      bool *ret_made, struct err *err);

/* Open an O_PATH handle again for use, through self/fd of our own procfs, only if it is of
 * type `type` (S_IFREG, S_IFDIR, S_IFCHR; 0: any). FIFOs and devices never block: O_NONBLOCK is
 * added while opening a regular file. */
int path_reopen(int handle_fd, mode_t type, uint64_t flags, struct err *err);

/* The procfs that path_reopen goes through: one that shows ourselves, opened before the process went
 * where there is none, or none to trust (a launch pad, a container). Borrowed; -1: /proc again. */
void path_use_proc(int proc_fd);

/* Contents of a regular file below root: at most `limit` bytes, never a FIFO, device or socket, nor what
 * only looks like a file (procfs and its like).
 * ERR_NOT_FOUND where absent. As fd_read_all. */
ssize_t path_read_file(int root_fd, const char *path, enum path_how how, size_t limit,
		       char **ret_data, struct err *err);

/* Before a path of the host's tree is used that may lead to a file server which does not answer (openat(2)'s way to read
 * it): ERR_TIMEOUT after half a minute in which it did not, and a hint at who hangs there. Success where it answers,
 * whatever the answer. See reach.c. */
int path_reach(int dir_fd, const char *path, struct err *err);

/* rm -rf of `name` in dir_fd, never following a symlink nor crossing a mount point; a missing name
 * is success. Depth is bounded only by PATH_MAX-independent descent with two descriptors. */
int path_remove_tree(int dir_fd, const char *name, struct err *err);

/* The working directory as getcwd(2) has it: "(unreachable)/..." outside the root. getcwd(3) would go on
 * looking then, up through the directories of the host. -1 with errno. */
int path_cwd(char *buf, size_t size);

/* A file name of ours: 1 to 255 bytes, no '/', not "." or "..", no control characters. */
bool path_is_name(const char *name);

/* Lexical clean of an absolute path ("/a//b/./c/" -> "/a/b/c"); ".." or a relative path is
 * ERR_INVALID. *ret is freed by the caller. */
int path_clean(const char *path, char **ret, struct err *err);

#endif
