/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Output to the system's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram an
 * entry, which has a field a line, NAME=value; what could have a newline in it goes as the name, its length and
 * the bytes. One that does not fit into a datagram goes as a sealed memory file.
 *
 * As in the log files nothing is held back: what has no newline yet is an entry that says that more follows. A
 * journal that takes nothing is waited for once, and then not until it takes something again; one that takes little by
 * little, as when everybody's queue is full of another's, for some seconds, and then not for a while. It may cost
 * entries, and says how many, but never the container, nor those who want something of its keeper meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/str.h"
#include "engine/log.h"

#define SOCKET "/run/systemd/journal/socket"
#define PATIENCE_S 1
#define TOGETHER_MS 3000 /* for what was read at once; a keeper that is to stop has longer */
#define REST_MS 10000
#define ENTRY_MAX (1u << 20)
#define FIELDS_MAX (256u << 10)
#define PRIORITY_INFO 6
#define PRIORITY_ERROR 3

struct log_journal {
	int fd;
	struct sockaddr_un address;
	struct str fields;  /* of every entry, as they are sent */
	bool stuck;	    /* it took nothing last time */
	int64_t patient_ms; /* until then it is not waited for, CLOCK_BOOTTIME */
	unsigned long long lost;
};

const char *log_journal_socket(void)
{
#ifdef INSULA_FAILPOINTS
	const char *other = getenv("INSULA_JOURNAL_SOCKET");

	if (other)
		return other;
#endif
	return SOCKET;
}

static void add_bytes(struct str *out, const char *name, const char *data, size_t size)
{
	unsigned char length[8];

	for (size_t i = 0; i < sizeof length; i++) /* little-endian */
		length[i] = (unsigned char)((uint64_t)size >> 8 * i);
	str_addf(out, "%s\n", name);
	str_add_len(out, (const char *)length, sizeof length);
	str_add_len(out, data, size);
	str_add_char(out, '\n');
}

/* NAME=value: as a line where it is one. */
static void add_field(struct str *out, const char *field)
{
	const char *value = strchr(field, '=');
	own_free char *name = NULL;
	struct err ignored = ERR_INIT;

	if (!strchr(field, '\n')) {
		str_addf(out, "%s\n", field);
		return;
	}
	name = value ? str_dup_len(field, (size_t)(value - field), &ignored) : NULL;
	if (name)
		add_bytes(out, name, value + 1, strlen(value + 1));
}

static int open_socket(struct err *err)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	own_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
		return err_errno(err, "cannot open the journal");
	return take_fd(fd);
}

struct log_journal *log_journal_new(const char *socket_path, const char *id, const char *name,
				    const char *tag, const struct strv *fields, struct err *err)
{
	struct log_journal *j = calloc(1, sizeof *j);

	if (!j) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot open the journal");
		return NULL;
	}
	j->address.sun_family = AF_UNIX;
	snprintf(j->address.sun_path, sizeof j->address.sun_path, "%s", socket_path);
	j->fields = STR_INIT(FIELDS_MAX);
	str_addf(&j->fields,
		 "CONTAINER_ID=%.12s\nCONTAINER_ID_FULL=%s\nCONTAINER_NAME=%s\nCONTAINER_TAG=%s\n"
		 "SYSLOG_IDENTIFIER=%s\n",
		 id, id, name, tag ? tag : "", tag ? tag : name);
	for (size_t i = 0; fields && i < fields->count; i++)
		add_field(&j->fields, fields->items[i]);
	j->fd = open_socket(err);
	if (j->fd >= 0 && str_check(&j->fields, "fields of the journal", err) == 0)
		return j;
	log_journal_free(j);
	return NULL;
}

void log_journal_free(struct log_journal *j)
{
	if (!j)
		return;
	fd_close(j->fd);
	str_done(&j->fields);
	free(j);
}

static bool is_patient(const struct log_journal *j)
{
	return !j->stuck && clock_boot_ms() >= j->patient_ms;
}

static int send_with(const struct log_journal *j, struct iovec *data, void *control, size_t size)
{
	struct msghdr message = {.msg_name = (void *)&j->address,
				 .msg_namelen = sizeof j->address,
				 .msg_iov = data,
				 .msg_iovlen = data ? 1 : 0,
				 .msg_control = control,
				 .msg_controllen = size};

	return sendmsg(j->fd, &message, MSG_NOSIGNAL | (is_patient(j) ? 0 : MSG_DONTWAIT)) < 0 ? -1
											       : 0;
}

static int send_file(const struct log_journal *j, const struct str *text)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct err ignored = ERR_INIT;
	own_fd int fd = fd_sealed_memfd("insula-journal", text->data, text->len, &ignored);

	if (fd < 0)
		return -1;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return send_with(j, NULL, control.space, sizeof control.space);
}

static int send_text(struct log_journal *j, const struct str *text)
{
	struct iovec data = {.iov_base = text->data, .iov_len = text->len};
	int status = send_with(j, &data, NULL, 0);

	if (status < 0 && (errno == EMSGSIZE || errno == ENOBUFS))
		status = send_file(j, text);
	j->stuck = status < 0;
	return status;
}

static void put_entry(struct log_journal *j, enum log_stream stream, const char *data, size_t size,
		      bool whole)
{
	own(str) struct str text = STR_INIT(ENTRY_MAX);
	struct err ignored = ERR_INIT;

	str_addf(&text, "PRIORITY=%d\n", stream == LOG_STDERR ? PRIORITY_ERROR : PRIORITY_INFO);
	str_add_len(&text, j->fields.data, j->fields.len);
	if (!whole)
		str_add(&text, "CONTAINER_PARTIAL_MESSAGE=true\n");
	if (j->lost)
		str_addf(&text, "CONTAINER_LOST_MESSAGES=%llu\n", j->lost);
	add_bytes(&text, "MESSAGE", data, size);
	if (str_check(&text, "journal entry", &ignored) < 0 || send_text(j, &text) < 0)
		j->lost++;
	else
		j->lost = 0;
}

void log_journal_put(struct log_journal *j, enum log_stream stream, const char *data, size_t size)
{
	int64_t begun_ms = clock_boot_ms();

	while (size) {
		const char *end = memchr(data, '\n', size);
		size_t line = end ? (size_t)(end - data) : size;

		put_entry(j, stream, data, line, end != NULL);
		if (clock_boot_ms() - begun_ms >= TOGETHER_MS && is_patient(j))
			j->patient_ms = clock_boot_ms() + REST_MS;
		line += end != NULL;
		data += line;
		size -= line;
	}
}
