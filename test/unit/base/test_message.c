/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages with descriptors: both socket types, every number of descriptors, hostile peers.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "test.h"

static void pair(int type, int ends[2])
{
	CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
}

static bool same(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino &&
	       sa.st_dev == sb.st_dev;
}

static void check_round_trip(int type, size_t nfds)
{
	int ends[2], sent[FD_MESSAGE_MAX_FDS], got[FD_MESSAGE_MAX_FDS];
	struct err err = ERR_INIT;
	size_t count = 99;
	char data[16];

	pair(type, ends);
	for (size_t i = 0; i < nfds; i++)
		sent[i] = memfd_create("test", MFD_CLOEXEC);
	CHECK_OK(fd_send(ends[0], "hello", 6, sent, nfds, &err));
	CHECK_INT(fd_recv(ends[1], data, sizeof(data), got, FD_MESSAGE_MAX_FDS, &count, &err), 6);
	CHECK_STR(data, "hello");
	CHECK_INT(count, nfds);
	for (size_t i = 0; i < nfds; i++) {
		CHECK(same(sent[i], got[i]));
		CHECK_INT(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		close(sent[i]);
		close(got[i]);
	}
	close(ends[0]);
	CHECK_INT(fd_recv(ends[1], data, sizeof(data), got, FD_MESSAGE_MAX_FDS, &count, &err), 0);
	CHECK_INT(count, 0);
	close(ends[1]);
}

TEST(every_number_of_descriptors_arrives)
{
	for (size_t n = 0; n <= FD_MESSAGE_MAX_FDS; n++) {
		check_round_trip(SOCK_SEQPACKET, n);
		check_round_trip(SOCK_STREAM, n);
	}
}

TEST(surplus_descriptors_are_closed)
{
	int ends[2], sent[3], got[1];
	struct err err = ERR_INIT;
	size_t count;
	char data[4];

	pair(SOCK_SEQPACKET, ends);
	for (int i = 0; i < 3; i++)
		sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_OK(fd_send(ends[0], "x", 1, sent, 3, &err));
	CHECK_INT(fd_recv(ends[1], data, sizeof(data), got, 1, &count, &err), 1);
	CHECK_INT(count, 1);
	close(got[0]);
	CHECK_OK(fd_send(ends[0], "x", 1, sent, 3, &err));
	CHECK_INT(fd_recv(ends[1], data, sizeof(data), NULL, 0, &count, &err), 1);
	CHECK_INT(count, 0);
	for (int i = 0; i < 3; i++)
		close(sent[i]);
	close(ends[0]);
	close(ends[1]); /* the harness counts what is left open */
}

TEST(a_peer_that_sends_too_many_descriptors_is_refused)
{
	union {
		char data[CMSG_SPACE(200 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	char byte = 'x';
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.data,
				 .msg_controllen = sizeof(control.data)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int ends[2], got[FD_MESSAGE_MAX_FDS];
	struct err err = ERR_INIT;
	size_t count = 99;
	char data[4];

	pair(SOCK_SEQPACKET, ends);
	*header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
				   .cmsg_type = SCM_RIGHTS,
				   .cmsg_len = CMSG_LEN(200 * sizeof(int))};
	for (size_t i = 0; i < 200; i++)
		memcpy(CMSG_DATA(header) + i * sizeof(int), &ends[0], sizeof(int));
	CHECK_INT(sendmsg(ends[0], &message, 0), 1);
	CHECK_ERR(fd_recv(ends[1], data, sizeof(data), got, FD_MESSAGE_MAX_FDS, &count, &err),
		  ERR_LIMIT, "8 descriptors");
	CHECK_INT(count, 99);
	close(ends[0]);
	close(ends[1]);
}

TEST(a_message_that_is_too_long_is_refused_and_its_descriptors_closed)
{
	int ends[2], got[2];
	struct err err = ERR_INIT;
	size_t count;
	char data[4];

	pair(SOCK_SEQPACKET, ends);
	CHECK_OK(fd_send(ends[0], "12345", 5, ends, 2, &err));
	CHECK_ERR(fd_recv(ends[1], data, sizeof(data), got, 2, &count, &err), ERR_LIMIT,
		  "more than 4 bytes");
	CHECK_OK(fd_send(ends[0], "1234", 4, NULL, 0, &err));
	CHECK_INT(fd_recv(ends[1], data, sizeof(data), got, 2, &count, &err), 4);
	close(ends[0]);
	close(ends[1]);
}

TEST(credentials_of_the_peer_do_not_disturb)
{
	int ends[2], got[FD_MESSAGE_MAX_FDS], sent[FD_MESSAGE_MAX_FDS], on = 1;
	struct err err = ERR_INIT;
	size_t count;
	char data[4];

	pair(SOCK_SEQPACKET, ends);
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	for (int i = 0; i < FD_MESSAGE_MAX_FDS; i++)
		sent[i] = ends[0];
	CHECK_OK(fd_send(ends[0], "x", 1, sent, FD_MESSAGE_MAX_FDS, &err));
	CHECK_INT(fd_recv(ends[1], data, sizeof(data), got, FD_MESSAGE_MAX_FDS, &count, &err), 1);
	CHECK_INT(count, FD_MESSAGE_MAX_FDS);
	for (size_t i = 0; i < count; i++)
		close(got[i]);
	close(ends[0]);
	close(ends[1]);
}

TEST(a_stream_takes_more_than_fits_at_once)
{
	size_t size = 1 << 20, seen = 0, count;
	own_free char *data = calloc(1, size);
	struct err err = ERR_INIT;
	int ends[2], got[1], status;
	char buf[65536];
	pid_t pid;

	pair(SOCK_STREAM, ends);
	pid = fork();
	if (pid == 0)
		_exit(fd_send(ends[0], data, size, &ends[1], 1, &err) < 0);
	close(ends[0]);
	while (seen < size) {
		ssize_t n = fd_recv(ends[1], buf, sizeof(buf), got, 1, &count, &err);

		CHECK(n > 0);
		CHECK_INT(count, seen == 0); /* with the first byte only */
		if (count > 0)
			close(got[0]);
		seen += (size_t)n;
	}
	CHECK_INT(seen, size);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	close(ends[1]);
}

TEST(errors_of_sending)
{
	int ends[2], bad = -1;
	struct err err = ERR_INIT;

	pair(SOCK_SEQPACKET, ends);
	CHECK_ERR(fd_send(ends[0], "", 0, NULL, 0, &err), ERR_INVALID, "0 bytes");
	CHECK_ERR(fd_send(ends[0], "x", 1, ends, 9, &err), ERR_INVALID, "9 descriptors");
	CHECK_ERR(fd_send(ends[0], "x", 1, &bad, 1, &err), ERR_IO, "bad file descriptor");
	close(ends[1]);
	CHECK_ERR(fd_send(ends[0], "x", 1, NULL, 0, &err), ERR_IO, "broken pipe"); /* no SIGPIPE */
	close(ends[0]);
	CHECK_ERR(fd_send(STDIN_FILENO, "x", 1, NULL, 0, &err), ERR_IO, "not a socket");
}

TEST(what_was_sent_arrives_though_its_sender_ended_with_something_unread)
{
	int ends[2];
	struct err err = ERR_INIT;
	size_t count = 99;
	char data[16];

	pair(SOCK_SEQPACKET, ends);
	CHECK_OK(fd_send(ends[0], "why", 4, NULL, 0, &err));
	CHECK_OK(fd_send(ends[1], "unread", 7, NULL, 0, &err));
	close(ends[0]);
	CHECK_INT(fd_recv(ends[1], data, sizeof data, NULL, 0, &count, &err), 4);
	CHECK_STR(data, "why");
	CHECK_INT(fd_recv(ends[1], data, sizeof data, NULL, 0, &count, &err), 0);
	close(ends[1]);
}

TEST_MAIN()
