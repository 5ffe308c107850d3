/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run from a sealed copy of ourselves. Where container root is host root, an entrypoint of
 * "#!/proc/self/exe" or an open of /proc/PID/exe would reach our executable on the host (CVE-2019-
 * 5736); a memfd with F_SEAL_WRITE cannot be written by anyone.
 */
#ifndef INSULA_KERNEL_SEAL_H
#define INSULA_KERNEL_SEAL_H

#include <stdbool.h>

#include "base/err.h"
#include "kernel/ns.h"

/* A sealed copy in memory of the program that is open at program_fd, to be executed by execveat(2). */
int seal_copy(int program_fd, struct err *err);

/* Is our executable a sealed memfd, or, after seal_execute, a file that nobody can write? */
bool seal_active(void);
/* Could root of a user namespace with these maps write our executable? The owner of a file is what its
 * capabilities count for, so it can where it has that owner. Without any map it is in our own namespace. */
bool seal_is_needed(const struct id_map *uids, size_t count);
/* If it is none, copy /proc/self/exe into a sealed memfd and execve it with the same arguments and
 * environment; returns 0 only where it was sealed already. */
int seal_reexec(char *const argv[], struct err *err);
/* Execute the copy of ourselves that is open at program_fd, on a tmpfs that is read-only as a whole. There
 * seal_begun() tells it from the first start. */
int seal_execute(int program_fd, char *const argv[], struct err *err);
/* True once in a process that was started from a copy: forgets the mark in the environment and gives the
 * process its name back. An error where it claims to be one and is not. 1, 0, -1. */
int seal_begun(char *const argv[], struct err *err);

#endif
