/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which mounts there are, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
#ifndef INSULA_KERNEL_MOUNTINFO_H
#define INSULA_KERNEL_MOUNTINFO_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Mount points strictly below the directory (an absolute path without a trailing slash), appended in
 * the order in which they were mounted. proc_fd: a procfs, or a recorded tree. */
int mount_points_below(int proc_fd, const char *directory, struct strv *ret, struct err *err);

/* Where the mount of that number (mountinfo's) is, as process `pid` of proc_fd sees it; pid 0: we. 1 with the
 * path, the caller's to free; 0: there is none, or none that it can reach. */
int mount_point_of(int proc_fd, pid_t pid, uint64_t mount_id, char **ret, struct err *err);

/* The mount that a name in a directory is on, as statx(2) numbers it; a symlink is not followed. */
int mount_id_of(int dir_fd, const char *name, uint64_t *ret, struct err *err);
/* 1 where what is mounted on that mount appears in other namespaces too ("shared:"), 0 where not. */
int mount_is_shared(int proc_fd, uint64_t mount_id, struct err *err);

#endif
