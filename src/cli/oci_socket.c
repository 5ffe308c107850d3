/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --console-socket and --pidfd-socket: the engine listens, we connect, send one message with one
 * descriptor (SCM_RIGHTS), and close.
 */
#include "cli/oci_socket.h"

#include <string.h>

#include "base/own.h"
#include "base/unix.h"

#define SEND_SECONDS 10

int oci_send_descriptor(const char *path, const char *text, int fd, struct err *err)
{
	own_fd int sock = unix_connect(path, SEND_SECONDS, err);

	return sock < 0 ? -1 : fd_send(sock, text, strlen(text), &fd, 1, err);
}
