/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See notify.h. */
#include "base/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/own.h"

const char *notify_socket(void)
{
	const char *to = getenv(NOTIFY_VARIABLE);

	return to && *to ? to : NULL;
}

int notify_send(const char *to, const char *text, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(to);

	if (n >= sizeof addr.sun_path || (to[0] != '/' && to[0] != '@'))
		return err_set(err, ERR_INVALID, 0, NOTIFY_VARIABLE ": '%s' is not an address", to);
	own_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, to, n);
	if (to[0] == '@')
		addr.sun_path[0] = '\0';
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
			     (struct sockaddr *)&addr, size) < 0)
		return err_errno(err, "cannot tell '%s'", to);
	return 0;
}
