/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify [-q|-f] MESSAGE...: send each to NOTIFY_SOCKET, and stay; -q: and go; -f: over and over, printing how
 * often a second; -b: with a descriptor, and wait until that is closed.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un addr = {.sun_family = AF_UNIX};

static int send_all(int fd, char *messages[])
{
	for (; *messages; messages++)
		if (sendto(fd, *messages, strlen(*messages), 0, (struct sockaddr *)&addr,
			   sizeof addr) < 0)
			return -1;
	return 0;
}

static int flood(int fd, char *messages[])
{
	time_t second = time(NULL);

	for (unsigned long count = 0;; count++) {
		if (send_all(fd, messages) < 0)
			return 2;
		if (time(NULL) == second)
			continue;
		printf("%lu\n", count);
		fflush(stdout);
		second = time(NULL);
		count = 0;
	}
}

/* As sd_notify_barrier(3). */
static int barrier(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec text = {(char *)"BARRIER=1", 9};
	struct msghdr message = {.msg_name = &addr,
				 .msg_namelen = sizeof addr,
				 .msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof control};
	int pair[2];

	if (pipe(pair) < 0)
		return 3;
	memcpy(CMSG_DATA(&control.header), &pair[1], sizeof(int));
	if (sendmsg(fd, &message, 0) < 0)
		return 2;
	close(pair[1]);
	struct pollfd wait = {.fd = pair[0]};
	return poll(&wait, 1, 20000) == 1 ? 0 : 4;
}

int main(int argc, char *argv[])
{
	const char *to = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	int first = argc > 1 && argv[1][0] == '-' ? 2 : 1;
	char how = first == 2 ? argv[1][1] : 's';

	if (!to || fd < 0)
		return 1;
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", to);
	if (how == 'f')
		return flood(fd, argv + first);
	if (send_all(fd, argv + first) < 0)
		return 2;
	if (how == 'b')
		return barrier(fd);
	if (how == 's')
		sleep(600);
	return 0;
}
