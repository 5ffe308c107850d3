/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output to a journal: the entries it gets, long ones, and one that takes nothing. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/log.h"
#include "test.h"

static struct err err;
static char received[1 << 20];
static char path[100]; /* of the socket */

/* The socket of a journal of our own. */
static int listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "/tmp/insula-journal-%d", getpid());
	unlink(address.sun_path);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	snprintf(path, sizeof path, "%s", address.sun_path);
	return fd;
}

static void forget(int fd)
{
	unlink(path);
	fd_close(fd);
}

/* The next entry, from the datagram or the file that came with it; its size, -1: there is none. */
static ssize_t next_entry(int fd)
{
	char space[CMSG_SPACE(sizeof(int))];
	struct iovec data = {.iov_base = received, .iov_len = sizeof received};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = space,
				 .msg_controllen = sizeof space};
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
	own_fd int file_fd = -1;

	if (!header)
		return n;
	memcpy(&file_fd, CMSG_DATA(header), sizeof file_fd);
	CHECK(fd_is_sealed(file_fd));
	return pread(file_fd, received, sizeof received, 0);
}

/* The value of a field that is a line. */
static bool has_line(ssize_t size, const char *line)
{
	return memmem(received, (size_t)size, line, strlen(line)) != NULL;
}

static void check_message(ssize_t size, const char *text, size_t length)
{
	const char *at = memmem(received, (size_t)size, "\nMESSAGE\n", 9);

	CHECK(at);
	at += 9;
	for (size_t i = 0; i < 8; i++)
		CHECK((unsigned char)at[i] == (unsigned char)((uint64_t)length >> 8 * i));
	CHECK(memcmp(at + 8, text, length) == 0 && at[8 + length] == '\n');
	CHECK(at + 8 + length + 1 == received + size);
}

static struct log_journal *open_journal(const char *tag)
{
	struct log_journal *j = log_journal_new(path, "0123456789abcdef", "web", tag, &err);

	CHECK_OK(j);
	return j;
}

TEST(an_entry_a_line)
{
	int fd = listen_here();
	struct log_journal *j = open_journal(NULL);
	ssize_t n;

	log_journal_put(j, LOG_STDOUT, "one\n\ntw", 7);
	n = next_entry(fd);
	check_message(n, "one", 3);
	CHECK(has_line(n, "PRIORITY=6\n") && has_line(n, "\nCONTAINER_ID=0123456789ab\n"));
	CHECK(has_line(n, "\nCONTAINER_ID_FULL=0123456789abcdef\nCONTAINER_NAME=web\n"));
	CHECK(has_line(n, "\nSYSLOG_IDENTIFIER=web\n") && !has_line(n, "PARTIAL"));
	check_message(next_entry(fd), "", 0);
	n = next_entry(fd);
	check_message(n, "tw", 2);
	CHECK(has_line(n, "\nCONTAINER_PARTIAL_MESSAGE=true\n"));
	CHECK(next_entry(fd) < 0);
	log_journal_free(j);
	forget(fd);
}

TEST(a_tag_and_the_other_stream)
{
	int fd = listen_here();
	struct log_journal *j = open_journal("shop");
	ssize_t n;

	log_journal_put(j, LOG_STDERR, "bad\n", 4);
	n = next_entry(fd);
	CHECK(has_line(n, "PRIORITY=3\n") && has_line(n, "\nSYSLOG_IDENTIFIER=shop\n"));
	CHECK(has_line(n, "\nCONTAINER_TAG=shop\n"));
	log_journal_free(j);
	forget(fd);
}

TEST(what_is_too_long_for_a_datagram_goes_as_a_file)
{
	static char text[600000];
	int fd = listen_here();
	struct log_journal *j = open_journal(NULL);

	memset(text, 'x', sizeof text);
	log_journal_put(j, LOG_STDOUT, text, sizeof text);
	check_message(next_entry(fd), text, sizeof text);
	log_journal_free(j);
	forget(fd);
}

TEST(a_journal_that_takes_nothing_is_waited_for_once)
{
	int fd = listen_here();
	struct log_journal *j = open_journal(NULL);
	int64_t begin = clock_boot_ms();
	ssize_t n = 0;

	for (int i = 0; i < 3000; i++)
		log_journal_put(j, LOG_STDOUT, "line\n", 5);
	CHECK(clock_boot_ms() - begin < 60000); /* 3000 waits would be 50 minutes */
	while (next_entry(fd) >= 0)
		n++;
	CHECK(n > 0 && n < 3000);
	log_journal_put(j, LOG_STDOUT, "again\n", 6);
	n = next_entry(fd);
	check_message(n, "again", 5);
	CHECK(has_line(n, "\nCONTAINER_LOST_MESSAGES="));
	log_journal_put(j, LOG_STDOUT, "more\n", 5);
	CHECK(!has_line(next_entry(fd), "LOST"));
	log_journal_free(j);
	forget(fd);
}

TEST(where_there_is_none_nothing_happens)
{
	struct log_journal *j;

	snprintf(path, sizeof path, "/nonexistent/socket");
	j = open_journal(NULL);
	log_journal_put(j, LOG_STDOUT, "lost\n", 5);
	log_journal_free(j);
}

TEST_MAIN()
