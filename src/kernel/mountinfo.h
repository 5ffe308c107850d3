/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which mounts there are, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
#ifndef INSULA_KERNEL_MOUNTINFO_H
#define INSULA_KERNEL_MOUNTINFO_H

#include "base/err.h"
#include "base/str.h"

/* Mount points strictly below the directory (an absolute path without a trailing slash), appended in
 * the order in which they were mounted. proc_fd: a procfs, or a recorded tree. */
int mount_points_below(int proc_fd, const char *directory, struct strv *ret, struct err *err);

#endif
