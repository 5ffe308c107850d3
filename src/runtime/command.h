/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a command is, as execvp(3) looks for it but for two things: a file without "#!" is not handed to
 * a shell, and an empty element of PATH is not the working directory. No call of the C library, no
 * allocation: for the container's first process, and for insula-init, which has no library.
 */
#ifndef INSULA_RUNTIME_COMMAND_H
#define INSULA_RUNTIME_COMMAND_H

/* Where the environment has no PATH. */
#define COMMAND_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* 0 ends the search; else an errno value. */
typedef int command_try_fn(const char *file, void *data);

/* Try `name` where it has a slash, else each directory of `path` (NULL: the default one). 0, or the errno
 * value that says most. */
int command_find(const char *name, const char *path, command_try_fn *try_file, void *data);

/* The value of PATH, or NULL. */
const char *command_path(char *const envp[]);

#endif
