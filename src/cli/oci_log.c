/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What insula-runtime says. A person reads standard error; an engine reads the file of --log, line by
 * line, in the formats that runc has (docs: libcontainer's logrus): `time="..." level=error msg="..."`,
 * or an object with level, msg and time. An error goes to both, because conmon and the shims read one or
 * the other. Called as runc and without --log, standard error has that format, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/own.h"
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

static void write_line(const struct oci *oci, int fd, enum oci_log_level level, const char *text)
{
	own(str) struct str line = STR_INIT(16384);
	struct err ignored = ERR_INIT;
	char time[CLOCK_TEXT_SIZE];

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

/* crun takes "file:PATH", too. */
int oci_log_open(struct oci *oci, struct err *err)
{
	const char *path = oci->log;

	warn_set_sink(take_warning, oci);
	if (threshold(oci) == OCI_LOG_DEBUG)
		debug_set_sink(take_debug, oci);
	if (!path || !*path)
		return 0;
	if (str_starts(path, "journald:") || str_starts(path, "syslog:")) {
		err_set(err, ERR_UNSUPPORTED, 0, "--log: '%s' is not a file", path);
		return err_hint(err, "give a path, or file:PATH");
	}
	if (str_starts(path, "file:"))
		path += strlen("file:");
	oci->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	return oci->log_fd < 0 ? err_errno(err, "cannot open the log '%s'", path) : 0;
}
