/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What insula-runtime says. A person reads standard error; an engine reads the file of --log, line by
 * line, in the formats that runc has (docs: libcontainer's logrus): `time="..." level=error msg="..."`,
 * or an object with level, msg and time. An error goes to both, because conmon and the shims read one or
 * the other. Called as runc and without --log, standard error has that format, too.
 *
 * As crun does, --log also takes journald:NAME and syslog:NAME: a datagram for each line, with its priority and
 * without our own time, as whoever takes it writes the time down. One that cannot be sent within a second is lost, and
 * no further one is waited for until one goes: a log that hangs costs a start a second, and not one a line.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/unix.h"
#include "cli/oci.h"
#include "json/json.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static void format_json(struct str *out, enum oci_log_level level, const char *text,
			const char *time)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_write_object(&w);
	json_write_member(&w, "level", level_names[level]);
	json_write_member(&w, "msg", text);
	json_write_member(&w, "time", time);
	json_write_end(&w, '}');
	str_add_char(out, '\n');
}

/* As logrus quotes: a string of JSON. */
static void format_text(struct str *out, enum oci_log_level level, const char *text,
			const char *time)
{
	struct json_writer w;

	str_addf(out, "time=\"%s\" level=%s msg=", time, level_names[level]);
	json_writer_init(&w, out, 0);
	json_write_string(&w, text);
	str_add_char(out, '\n');
}

/* syslog(3)'s numbers, by our levels. */
static const int priorities[] = {3, 4, 6, 7};

/* systemd.io/JOURNAL_NATIVE_PROTOCOL: a field that could have a newline is its name, its length and itself. */
static void format_journald(struct str *out, const char *name, enum oci_log_level level,
			    const char *text)
{
	uint64_t size = htole64(strlen(text));

	str_addf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nID=%s\nMESSAGE\n", priorities[level],
		 name, name);
	str_add_len(out, (const char *)&size, sizeof size);
	str_addf(out, "%s\n", text);
}

#define FACILITY_DAEMON (3 << 3)

static void send_line(struct oci *oci, enum oci_log_level level, const char *text)
{
	own(str) struct str line = STR_INIT(16384);
	int flags = MSG_NOSIGNAL | (oci->log_stuck ? MSG_DONTWAIT : 0);
	ssize_t n;

	if (oci->log_kind == OCI_LOG_JOURNALD)
		format_journald(&line, oci->log_name, level, text);
	else
		str_addf(&line, "<%d>%s[%d]: %s", FACILITY_DAEMON | priorities[level],
			 oci->log_name, (int)getpid(), text);
	do
		n = send(oci->log_fd, line.data, line.len, flags);
	while (n < 0 && errno == EINTR);
	oci->log_stuck = n < 0;
}

static void write_line(struct oci *oci, int fd, enum oci_log_level level, const char *text)
{
	own(str) struct str line = STR_INIT(16384);
	struct err ignored = ERR_INIT;
	char time[CLOCK_TEXT_SIZE];

	if (fd == oci->log_fd && oci->log_kind != OCI_LOG_FILE) {
		send_line(oci, level, text);
		return;
	}
	clock_text(clock_real_ns(), time);
	(oci->log_format == OCI_LOG_JSON ? format_json : format_text)(&line, level, text, time);
	fd_write_all(fd, line.data, line.len, "the log", &ignored);
}

/* The most talkative level that is written. */
static enum oci_log_level threshold(const struct oci *oci)
{
	if (oci->debug)
		return OCI_LOG_DEBUG;
	return oci->log_level_given ? (enum oci_log_level)oci->log_level : OCI_LOG_INFO;
}

void oci_log_line(struct oci *oci, enum oci_log_level level, const char *text)
{
	if (level > threshold(oci))
		return;
	if (oci->log_fd >= 0)
		write_line(oci, oci->log_fd, level, text);
	else if (oci->persona == OCI_RUNC || oci->log_format == OCI_LOG_JSON)
		write_line(oci, STDERR_FILENO, level, text);
	else
		fprintf(stderr, "%s: %s: %s\n", oci->program, level_names[level], text);
}

/* Engines tell exit codes 127 and 126 by these words. */
static void add_known_words(struct err *err)
{
	size_t n = strlen(err->message);
	const char *words = NULL;

	if (err->kind == ERR_CMD_NOT_FOUND)
		words = "executable file not found in $PATH: No such file or directory";
	if (err->kind == ERR_CMD_NOT_EXEC && err->errnum != EACCES)
		words = "permission denied";
	if (words)
		snprintf(err->message + n, sizeof err->message - n, ": %s", words);
}

void oci_log_error(struct oci *oci, const struct err *from)
{
	struct err known = *from, *err = &known;
	bool structured = oci->persona == OCI_RUNC || oci->log_format == OCI_LOG_JSON;

	add_known_words(err);
	if (oci->log_fd >= 0)
		write_line(oci, oci->log_fd, OCI_LOG_ERROR, err->message);
	else if (structured) {
		write_line(oci, STDERR_FILENO, OCI_LOG_ERROR, err->message);
		return;
	}
	fprintf(stderr, "%s: %s\n", oci->program, err->message);
	if (*err->hint)
		fprintf(stderr, "hint: %s\n", err->hint);
}

static void take_warning(void *data, const char *text)
{
	oci_log_line(data, OCI_LOG_WARNING, text);
}

static void take_debug(void *data, const char *text)
{
	oci_log_line(data, OCI_LOG_DEBUG, text);
}

/* ---- where it goes ---- */

/* Where datagrams are taken; a build with failpoints can have them elsewhere. */
static const char *socket_of(enum oci_log_kind kind)
{
#ifdef INSULA_FAILPOINTS
	const char *other = getenv(kind == OCI_LOG_JOURNALD ? "INSULA_JOURNAL_SOCKET"
							    : "INSULA_SYSLOG_SOCKET");

	if (other)
		return other;
#endif
	return kind == OCI_LOG_JOURNALD ? "/run/systemd/journal/socket" : "/dev/log";
}

#define PATIENCE_S 1

static int open_datagrams(struct oci *oci, enum oci_log_kind kind, const char *name,
			  struct err *err)
{
	char shown[64];

	if (!str_eq(str_printable(name, shown, sizeof shown), name) || !*name)
		return err_set(err, ERR_USAGE, 0, "--log: '%s' is no name", shown);
	oci->log_name = name;
	oci->log_kind = kind;
	oci->log_fd = unix_connect_datagram(socket_of(kind), PATIENCE_S, err);
	return oci->log_fd < 0 ? err_wrap(err, "--log") : 0;
}

/* crun's, and one without a kind is a file. */
static const struct {
	const char *prefix;
	enum oci_log_kind kind;
} kinds[] = {
	{"journald:", OCI_LOG_JOURNALD},
	{"syslog:", OCI_LOG_SYSLOG},
	{"file:", OCI_LOG_FILE},
};

static int open_log(struct oci *oci, const char *path, struct err *err)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!str_starts(path, kinds[i].prefix))
			continue;
		path += strlen(kinds[i].prefix);
		if (kinds[i].kind != OCI_LOG_FILE)
			return open_datagrams(oci, kinds[i].kind, path, err);
		break;
	}
	oci->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	return oci->log_fd < 0 ? err_errno(err, "cannot open the log '%s'", path) : 0;
}

int oci_log_open(struct oci *oci, struct err *err)
{
	warn_set_sink(take_warning, oci);
	if (threshold(oci) == OCI_LOG_DEBUG)
		debug_set_sink(take_debug, oci);
	return oci->log && *oci->log ? open_log(oci, oci->log, err) : 0;
}
