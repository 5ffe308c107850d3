/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify [-q|-f] MESSAGE...: send each to NOTIFY_SOCKET, and stay; -q: and go; -f: over and over, printing how
 * often a second; -b: with a descriptor, and wait until that is closed; -l: with a connection whose last close takes
 * ten minutes, and stay.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
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

static int send_with(int fd, const char *said, int passed)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec text = {(char *)said, strlen(said)};
	struct msghdr message = {.msg_name = &addr,
				 .msg_namelen = sizeof addr,
				 .msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof control};

	memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
	if (sendmsg(fd, &message, 0) < 0)
		return 2;
	close(passed);
	return 0;
}

/* As sd_notify_barrier(3). */
static int barrier(int fd)
{
	int pair[2];

	if (pipe(pair) < 0)
		return 3;
	if (send_with(fd, "BARRIER=1", pair[1]) != 0)
		return 2;
	struct pollfd wait = {.fd = pair[0]};
	return poll(&wait, 1, 20000) == 1 ? 0 : 4;
}

/* Full, with nobody who reads. */
static int connection(void)
{
	static const char data[65536];
	const struct linger linger = {1, 600};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(server, (struct sockaddr *)&at, sizeof at) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, (struct sockaddr *)&at, &size) < 0 ||
	    connect(client, (struct sockaddr *)&at, sizeof at) < 0 ||
	    setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
		return -1;
	while (send(client, data, sizeof data, MSG_DONTWAIT) > 0)
		;
	fcntl(client, F_SETFL, 0);
	return client;
}

static int leave_connection(int fd, const char *said)
{
	int passed = connection();

	if (passed < 0 || send_with(fd, said, passed) != 0)
		return 3;
	puts("left");
	fflush(stdout);
	sleep(600);
	return 0;
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
	if (how == 'l')
		return leave_connection(fd, argv[first]);
	if (send_all(fd, argv + first) < 0)
		return 2;
	if (how == 'b')
		return barrier(fd);
	if (how == 's')
		sleep(600);
	return 0;
}
