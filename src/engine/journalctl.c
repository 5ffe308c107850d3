/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journalctl(1) as a child, and the entries that it prints. It is the one reader of the journal's files that
 * knows all of their formats, and that needs no library of systemd's.
 *
 * An entry is as large as what was sent to the journal, and that is bounded by who sends it (log_journal.c). What
 * is larger is none of ours.
 */
#include "engine/journalctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

#define BLOCK_SIZE 65536u
#define LENGTH_SIZE 8u
#define SYNC_MS 10000
#define PRIORITY_NONE 6

static const char *program(void)
{
#ifdef INSULA_FAILPOINTS
	const char *other = getenv("INSULA_JOURNALCTL");

	if (other)
		return other;
#endif
	return "journalctl";
}

static bool is_there(void)
{
	return *program() == '/' ? access(program(), X_OK) == 0 : proc_has_program(program());
}

int journalctl_open(const struct strv *arguments, struct journalctl *ret, struct err *err)
{
	own(strv) struct strv argv = STRV_INIT;

	*ret = JOURNALCTL_INIT;
	if (!is_there()) {
		err_set(err, ERR_NOT_FOUND, 0, "cannot read the journal: there is no journalctl");
		return err_hint(err,
				"it is a part of systemd; --log-driver file needs nothing else");
	}
	if (strv_add(&argv, program(), err) < 0 || strv_copy(&argv, arguments, err) < 0)
		return -1;
	ret->said_fd = memfd_create("insula-journalctl", MFD_CLOEXEC);
	if (ret->said_fd < 0)
		return err_errno(err, "cannot read the journal");
	return proc_pipe(argv.items, ret->said_fd, &ret->proc, &ret->out_fd, err);
}

void journalctl_done(struct journalctl *j)
{
	proc_done(&j->proc);
	fd_close(j->out_fd);
	fd_close(j->said_fd);
	str_done(&j->data);
	*j = JOURNALCTL_INIT;
}

int journalctl_end(struct journalctl *j, struct err *err)
{
	struct proc_exit end;
	char said[256] = "";

	if (proc_wait(&j->proc, -1, &end, err) < 0)
		return -1;
	if (end.code == 0 && j->data.len == j->used)
		return 0;
	if (pread(j->said_fd, said, sizeof said - 1, 0) < 0)
		*said = '\0';
	said[strcspn(said, "\n")] = '\0';
	str_scrub(said);
	err_set(err, ERR_STATE, 0, "cannot read the journal: journalctl ended with %d%s%s",
		end.code, *said ? ": " : "", said);
	return err_hint(err,
			"root reads all of it; an ordinary user what is his, where it is on the "
			"disk (Storage=persistent in journald.conf(5)), or as a member of "
			"systemd-journal");
}

static uint64_t number_of(const char *text, size_t size)
{
	char digits[24] = "";

	if (size < sizeof digits)
		memcpy(digits, text, size);
	return strtoull(digits, NULL, 10);
}

static bool is_name(const char *name, size_t size, const char *wanted)
{
	return strlen(wanted) == size && memcmp(name, wanted, size) == 0;
}

static void take_field(struct journal_entry *e, const char *name, size_t length, const char *value,
		       size_t size)
{
	if (is_name(name, length, "MESSAGE")) {
		e->text = value;
		e->size = size;
	} else if (is_name(name, length, "__CURSOR") && size < sizeof e->cursor) {
		memcpy(e->cursor, value, size);
		e->cursor[size] = '\0';
	} else if (is_name(name, length, "__REALTIME_TIMESTAMP")) {
		e->time_ns = (int64_t)(number_of(value, size) * 1000);
	} else if (is_name(name, length, "PRIORITY")) {
		e->priority = (int)number_of(value, size);
	} else if (is_name(name, length, "CONTAINER_PARTIAL_MESSAGE")) {
		e->partial = true;
	} else if (is_name(name, length, "CONTAINER_LOST_MESSAGES")) {
		e->lost = number_of(value, size);
	}
}

/* Of the field that `data` begins with, of which `line` is the length of the first line: as journal_parse(). */
static ssize_t parse_field(const char *data, size_t size, size_t line, struct journal_entry *e)
{
	const char *equals = memchr(data, '=', line);
	size_t before = line + 1 + LENGTH_SIZE;
	uint64_t length = 0;

	if (equals) {
		size_t name = (size_t)(equals - data);

		take_field(e, data, name, equals + 1, line - name - 1);
		return (ssize_t)line + 1;
	}
	if (size < before)
		return 0;
	for (size_t i = 0; i < LENGTH_SIZE; i++) /* little-endian */
		length |= (uint64_t)(unsigned char)data[line + 1 + i] << 8 * i;
	if (length > JOURNALCTL_ENTRY_MAX)
		return -1;
	if (size - before < length + 1)
		return 0;
	if (data[before + length] != '\n')
		return -1;
	take_field(e, data, line, data + before, length);
	return (ssize_t)(before + length + 1);
}

ssize_t journal_parse(const char *data, size_t size, struct journal_entry *ret)
{
	size_t at = 0;

	*ret = (struct journal_entry){.priority = PRIORITY_NONE, .text = ""};
	while (at < size) {
		const char *end = memchr(data + at, '\n', size - at);
		size_t line = end ? (size_t)(end - data) - at : 0;
		ssize_t n;

		if (!end)
			return 0;
		if (line == 0)
			return (ssize_t)at + 1;
		n = parse_field(data + at, size - at, line, ret);
		if (n <= 0)
			return n;
		at += (size_t)n;
	}
	return 0;
}

/* Drop what was given, and read more. */
static int fill(struct journalctl *j, struct err *err)
{
	char block[BLOCK_SIZE];
	ssize_t n = read(j->out_fd, block, sizeof block);

	if (n < 0 && errno != EINTR)
		return err_errno(err, "cannot read the journal");
	j->ended = n == 0;
	if (n > 0)
		str_add_len(&j->data, block, (size_t)n);
	return str_check(&j->data, "an entry of the journal", err);
}

static void drop_used(struct journalctl *j)
{
	memmove(j->data.data, j->data.data + j->used, j->data.len - j->used);
	j->data.len -= j->used;
	j->used = 0;
}

int journalctl_next(struct journalctl *j, int timeout_ms, struct journal_entry *ret,
		    struct err *err)
{
	struct pollfd wait = {.fd = j->out_fd, .events = POLLIN};

	for (;;) {
		ssize_t n = journal_parse(j->data.data + j->used, j->data.len - j->used, ret);

		if (n < 0)
			return err_set(err, ERR_INVALID, 0,
				       "cannot read the journal: journalctl does not print "
				       "entries as we know them");
		j->used += (size_t)n;
		if (n == 1)
			continue; /* an empty line */
		if (n > 0)
			return JOURNAL_ENTRY;
		if (j->ended)
			return JOURNAL_END;
		if (poll(&wait, 1, timeout_ms) == 0)
			return JOURNAL_NOTHING_YET;
		if (j->used)
			drop_used(j);
		if (fill(j, err) < 0)
			return -1;
	}
}

void journalctl_sync(void)
{
	char *words[] = {(char *)"--sync", NULL};
	const struct strv arguments = {.items = words, .count = 1};
	own(journalctl) struct journalctl j = JOURNALCTL_INIT;
	struct err ignored = ERR_INIT;
	struct proc_exit end;

	if (geteuid() == 0 && journalctl_open(&arguments, &j, &ignored) == 0)
		proc_wait(&j.proc, SYNC_MS, &end, &ignored);
}
