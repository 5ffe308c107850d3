/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The warning sink.
 *
 * A library that prints is a nuisance to a daemon and to a test, and one that stays silent hides
 * what was degraded. So a warning is handed to one sink, which the program chooses: the command
 * line leaves the default (standard error), the engine records warnings with the container, and
 * tests collect them.
 *
 * The sink is one value per process and is set at the start, before anything can warn; it needs no
 * lock. A line is written with a single write(2), so that lines of a parent and its children on the
 * same terminal do not mix, and a failing standard error (closed, full) is nobody's error.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define WARN_MAX 1024

static const char *program = "insula";
static warn_fn *sink, *debug_sink;
static void *sink_data, *debug_data;

static void write_stderr(const char *text)
{
	char line[WARN_MAX + 128];
	int length = snprintf(line, sizeof(line), "%.64s: warning: %s\n", program, text);
	ssize_t written = write(STDERR_FILENO, line, (size_t)length);

	(void)written;
}

__attribute__((format(printf, 2, 0))) static void format_line(char text[static WARN_MAX],
							      const char *format, va_list ap)
{
	if (vsnprintf(text, WARN_MAX, format, ap) >= WARN_MAX)
		memcpy(text + WARN_MAX - sizeof("..."), "...", sizeof("..."));
	str_scrub(text);
}

void debug_emit(const char *format, ...)
{
	char text[WARN_MAX];
	int saved = errno;
	va_list ap;

	if (!debug_sink)
		return;
	va_start(ap, format);
	format_line(text, format, ap);
	va_end(ap);
	debug_sink(debug_data, text);
	errno = saved;
}

void debug_set_sink(warn_fn *fn, void *data)
{
	debug_sink = fn;
	debug_data = data;
}

void warn_emit(const char *format, ...)
{
	char text[WARN_MAX];
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	format_line(text, format, ap);
	va_end(ap);
	if (sink)
		sink(sink_data, text);
	else
		write_stderr(text);
	errno = saved;
}

void warn_set_program(const char *name)
{
	program = name;
}

void warn_set_sink(warn_fn *fn, void *data)
{
	sink = fn;
	sink_data = data;
}
