/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that scripts ask for to find a container again: its id, its process. They are the caller's, and stay
 * when the container goes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/launch.h"

int launch_write_cidfile(const char *path, const char *id, struct err *err)
{
	own_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 && errno == EEXIST) {
		err_set(err, ERR_EXISTS, 0, "--cidfile: '%s' exists already", path);
		return err_hint(err, "remove it if the container that it names is no longer "
				     "wanted, or name another file");
	}
	if (fd < 0)
		return err_errno(err, "--cidfile: cannot make '%s'", path);
	if (fd_write_all(fd, id, strlen(id), path, err) == 0)
		return 0;
	unlink(path);
	return -1;
}

/* A container may have a volume above it, and have put a link in its way since it was made. */
static int open_directory_of(const char *path, const char *slash, struct err *err)
{
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_free char *directory = str_dup_len(path + 1,
					       slash > path ? (size_t)(slash - path) - 1 : 0, err);

	if (root_fd < 0 || !directory)
		return root_fd < 0 ? err_errno(err, "cannot open '/'") : -1;
	return path_handle(root_fd, *directory ? directory : ".", PATH_BENEATH, O_DIRECTORY, err);
}

int launch_write_pidfile(const char *path, pid_t pid, struct err *err)
{
	const char *slash = strrchr(path, '/');
	own_fd int dir_fd = open_directory_of(path, slash, err);
	char text[16];
	int length = snprintf(text, sizeof text, "%d\n", pid);

	if (dir_fd < 0)
		return err_wrap(err, "--pidfile: cannot write '%s'", path);
	own_fd int fd = openat(dir_fd, slash + 1,
			       O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, 0) < 0)
		return err_errno(err, "--pidfile: cannot write '%s'", path);
	return fd_write_all(fd, text, (size_t)length, path, err);
}
