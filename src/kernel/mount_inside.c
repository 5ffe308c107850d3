/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount out of another mount namespace. open_tree(2) copies only what is in our own, so we go there and
 * come back: nothing of what is there runs meanwhile, and its files are looked at by base/path alone.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"

static int clone_here(const char *path, struct err *err)
{
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return err_errno(err, "cannot open the other root");
	own_fd int fd = path_handle(root_fd, path, PATH_IN_ROOT, O_DIRECTORY, err);
	return fd < 0 ? -1 : mount_clone(fd, "", false, 0, err);
}

int mount_clone_inside(int here_fd, int there_fd, const char *path, struct err *err)
{
	if (setns(there_fd, CLONE_NEWNS) < 0)
		return err_errno(err, "cannot enter the other mount namespace");
	own_fd int fd = clone_here(path, err);
	/* Not an error like others: whoever handles it would look up its paths in there. */
	if (setns(here_fd, CLONE_NEWNS) < 0) {
		fputs("cannot return to our mount namespace\n", stderr);
		_exit(EXIT_FAILURE);
	}
	return fd < 0 ? -1 : take_fd(fd);
}
