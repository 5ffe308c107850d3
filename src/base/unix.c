/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses of unix sockets end at 107 bytes, and paths of engines do not: so the address is made of the
 * directory's descriptor and the last component.
 */
#include "base/unix.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/own.h"
#include "base/str.h"

static int connect_to(int fd, const char *path, int timeout_s, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = timeout_s};
	const char *slash = strrchr(path, '/');
	own_free char *parent = slash ? str_dup_len(path, (size_t)(slash - path + 1), err)
				      : str_dup(".", err);

	if (!parent)
		return -1;
	own_fd int dir_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_errno(err, "cannot connect to '%s'", path);
	int n = snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/%s", dir_fd,
			 slash ? slash + 1 : path);
	if (n >= (int)sizeof addr.sun_path)
		return err_set(err, ERR_LIMIT, 0, "the name of the socket '%s' is too long", path);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return err_errno(err, "cannot connect to '%s'", path);
	return 0;
}

static int connect_as(int type, const char *path, int timeout_s, struct err *err)
{
	own_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	return connect_to(fd, path, timeout_s, err) < 0 ? -1 : take_fd(fd);
}

int unix_connect(const char *path, int timeout_s, struct err *err)
{
	return connect_as(SOCK_STREAM, path, timeout_s, err);
}

int unix_connect_datagram(const char *path, int timeout_s, struct err *err)
{
	return connect_as(SOCK_DGRAM, path, timeout_s, err);
}
