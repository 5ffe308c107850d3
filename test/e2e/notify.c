/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify MESSAGE...: send each to NOTIFY_SOCKET, and stay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *to = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (!to || fd < 0)
		return 1;
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", to);
	for (int i = 1; i < argc; i++)
		if (sendto(fd, argv[i], strlen(argv[i]), 0, (struct sockaddr *)&addr, sizeof addr) <
		    0)
			return 2;
	sleep(600);
	return 0;
}
