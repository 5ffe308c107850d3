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
#include "engine/journalctl.h"
#include "engine/log.h"
#include "engine/log_fields.h"
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

static struct strv *fields;

static struct log_journal *open_journal(const char *tag)
{
	struct log_journal *j = log_journal_new(path, "0123456789abcdef", "web", tag, fields, &err);

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

TEST(fields_go_with_every_entry)
{
	char *items[] = {(char *)"TEAM=blue", (char *)"MOTTO=a\nMESSAGE=b", NULL};
	struct strv given = {.items = items, .count = 2};
	int fd = listen_here();
	struct log_journal *j;

	fields = &given;
	j = open_journal(NULL);
	fields = NULL;
	for (int i = 0; i < 2; i++) {
		ssize_t n;

		log_journal_put(j, LOG_STDOUT, "one\n", 4);
		n = next_entry(fd);
		CHECK(has_line(n, "\nTEAM=blue\n"));
		CHECK(memmem(received, (size_t)n, "\nMOTTO\n\x0b\0\0\0\0\0\0\0a\nMESSAGE=b\n", 26));
	}
	log_journal_free(j);
	forget(fd);
}

/* As journalctl prints it. */
static const char printed[] =
	"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1764355500000001\n_BOOT_ID=ab\n"
	"MESSAGE\n\x05\0\0\0\0\0\0\0a\n\0\n\xff\nPRIORITY=3\n"
	"CONTAINER_PARTIAL_MESSAGE=true\nCONTAINER_LOST_MESSAGES=7\n\n";

TEST(an_entry_is_read_back)
{
	struct journal_entry entry;
	ssize_t size = sizeof printed - 1;

	CHECK(journal_parse(printed, sizeof printed - 1, &entry) == size);
	CHECK_STR(entry.cursor, "s=1;i=2");
	CHECK(entry.time_ns == INT64_C(1764355500000001000) && entry.priority == 3);
	CHECK(entry.partial && entry.lost == 7 && entry.size == 5);
	CHECK(memcmp(entry.text, "a\n\0\n\xff", 5) == 0);
	for (ssize_t cut = 0; cut < size; cut++)
		CHECK(journal_parse(printed, (size_t)cut, &entry) == 0);
}

TEST(what_is_no_entry_is_told_apart)
{
	static const char huge[] = "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff";
	static const char torn[] = "MESSAGE\n\x01\0\0\0\0\0\0\0abc\n\n";
	static const char plain[] = "MESSAGE=x\n\nMESSAGE=y\n\n";
	struct journal_entry entry;

	CHECK(journal_parse(huge, sizeof huge - 1, &entry) < 0);
	CHECK(journal_parse(torn, sizeof torn - 1, &entry) < 0);
	CHECK(journal_parse("\n", 1, &entry) == 1);
	CHECK(journal_parse(plain, sizeof plain - 1, &entry) == 11);
	CHECK(entry.size == 1 && *entry.text == 'x' && entry.priority == 6 && !entry.partial);
}

static struct strv labels;

static void check_fields(const char *names, const char *expected)
{
	own(strv) struct strv found = STRV_INIT;

	CHECK_OK(log_fields_add(&found, "labels", names, &labels, &err) == 0);
	CHECK_INT(found.count, *expected ? 1 : 0);
	if (*expected)
		CHECK_STR(found.items[0], expected);
}

static void check_refused(const char *names)
{
	own(strv) struct strv found = STRV_INIT;

	CHECK(log_fields_add(&found, "labels", names, &labels, &err) < 0);
	CHECK_INT(err.kind, ERR_USAGE);
	err = ERR_INIT;
}

TEST(labels_become_fields)
{
	CHECK_OK(strv_add(&labels, "com.example.team=blue", &err) == 0);
	CHECK_OK(strv_add(&labels, "__r\xc3\xb6t=x=y", &err) == 0);
	check_fields("com.example.team", "COM_EXAMPLE_TEAM=blue");
	check_fields("absent,__r\xc3\xb6t,", "R_T=x=y");
	check_fields("absent", "");
	check_refused("message");
	check_refused("Container.Id.Full");
	check_refused("-");
	check_refused("1st");
	check_refused("com.example.team,com/example/team,com.example.team");
	check_refused("a12345678901234567890123456789012345678901234567890123456789012345");
	strv_done(&labels);
}

TEST(a_tag_is_put_together)
{
	struct record record = {.id = (char *)"0123456789abcdef",
				.name = (char *)"web",
				.image = (char *)"dir:/a\nb"};
	own_free char *tag = log_tag_expand("<{{.Name}}|{{ .ID }}|{{.FullID}}|{{.ImageName}}>",
					    &record, &err);

	CHECK_OK(tag);
	CHECK_STR(tag, "<web|0123456789ab|0123456789abcdef|dir:/a?b>");
	CHECK(log_tag_check("{{.Title}}", &err) < 0);
	CHECK(log_tag_check("{{Name}}", &err) < 0);
	CHECK(log_tag_check("{{.Name", &err) < 0);
	CHECK(log_tag_check("", &err) < 0);
	CHECK(log_tag_check("a\nb", &err) < 0);
	err = ERR_INIT;
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
