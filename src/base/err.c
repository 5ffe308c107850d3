/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling and wrapping the one error value.
 *
 * Everything here works on the caller's struct and on the stack: no allocation, no locale, no
 * lock, so that it may be called after clone(2), as PID 1 and when memory has run out. vsnprintf(3)
 * with plain %s, %d and %zu conversions allocates nothing in glibc and musl.
 *
 * What can go wrong is length. A message holds what a person needs (verb, object, reason) and its
 * most useful word is usually the last one: the reason. A hostile name of 4096 bytes must not push
 * it out. So the formatted part is cut to leave room for the errno text, and a wrap that does not
 * fit cuts the middle of the inner message and keeps its tail.
 *
 * The other danger is content. Names come from images, containers and other users, and an escape
 * sequence in one would be run by the terminal that shows the message: every result passes through
 * str_scrub, which also repairs a UTF-8 sequence that a cut has split.
 */
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define ELLIPSIS "..."
#define PREFIX_SIZE 256 /* what one err_wrap may put in front */
#define TAIL_LENGTH 96	/* of an inner message that is cut in the middle */

static const struct {
	const char *name;
	int exit_code;
} kinds[ERR_KIND_COUNT] = {
	[ERR_NONE] = {"none", 0},
	[ERR_USAGE] = {"usage", 125},
	[ERR_INVALID] = {"invalid", 125},
	[ERR_NOT_FOUND] = {"not-found", 125},
	[ERR_EXISTS] = {"exists", 125},
	[ERR_STATE] = {"state", 125},
	[ERR_BUSY] = {"busy", 125},
	[ERR_DENIED] = {"denied", 125},
	[ERR_UNSUPPORTED] = {"unsupported", 125},
	[ERR_LIMIT] = {"limit", 125},
	[ERR_IO] = {"io", 125},
	[ERR_TIMEOUT] = {"timeout", 125},
	[ERR_CORRUPT] = {"corrupt", 125},
	[ERR_CMD_NOT_FOUND] = {"command-not-found", 127},
	[ERR_CMD_NOT_EXEC] = {"command-not-executable", 126},
	[ERR_INTERNAL] = {"internal", 125},
};

/* Format into buf; where it does not fit, the end becomes "...". */
static void format_cut(char *buf, size_t size, const char *format, va_list ap)
	__attribute__((format(printf, 3, 0)));
static void format_cut(char *buf, size_t size, const char *format, va_list ap)
{
	int length = vsnprintf(buf, size, format, ap);

	if (length < 0)
		snprintf(buf, size, "(unprintable)");
	else if ((size_t)length >= size)
		memcpy(buf + size - sizeof(ELLIPSIS), ELLIPSIS, sizeof(ELLIPSIS));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int err_set_at(struct err *err, enum err_kind kind, int errnum, const char *file, unsigned int line,
	       const char *format, ...)
{
	const char *reason = errnum ? err_errno_text(errnum) : "";
	size_t reason_size = errnum ? strlen(": ") + strlen(reason) : 0;
	size_t length;
	va_list ap;

	*err = (struct err){.kind = kind, .errnum = errnum, .line = line};
	snprintf(err->file, sizeof(err->file), "%s", base_name(file));

	va_start(ap, format);
	format_cut(err->message, sizeof(err->message) - reason_size, format, ap);
	va_end(ap);
	if (errnum) {
		length = strlen(err->message);
		snprintf(err->message + length, sizeof(err->message) - length, ": %s", reason);
	}
	str_scrub(err->message);
	return -1;
}

enum err_kind err_kind_of(int errnum)
{
	switch (errnum) {
	case 0:
		return ERR_INTERNAL;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case ENOSYS:
	case EOPNOTSUPP:
		return ERR_UNSUPPORTED;
	default:
		return ERR_IO;
	}
}

int err_wrap(struct err *err, const char *format, ...)
{
	char prefix[PREFIX_SIZE], inner[sizeof(err->message)];
	size_t inner_length, room, head;
	va_list ap;
	bool cut;

	va_start(ap, format);
	format_cut(prefix, sizeof(prefix), format, ap);
	va_end(ap);

	memcpy(inner, err->message, sizeof(inner));
	inner_length = strlen(inner);
	room = sizeof(err->message) - 1 - strlen(prefix) - strlen(": ");
	cut = inner_length > room;
	head = cut ? room - strlen(ELLIPSIS) - TAIL_LENGTH : inner_length;
	snprintf(err->message, sizeof(err->message), "%s: %.*s%s%s", prefix, (int)head, inner,
		 cut ? ELLIPSIS : "", cut ? inner + inner_length - TAIL_LENGTH : "");
	str_scrub(err->message);
	return -1;
}

int err_hint(struct err *err, const char *format, ...)
{
	va_list ap;

	if (err->hint[0])
		return -1;
	va_start(ap, format);
	format_cut(err->hint, sizeof(err->hint), format, ap);
	va_end(ap);
	str_scrub(err->hint);
	return -1;
}

int err_exit_code(const struct err *err)
{
	return (size_t)err->kind < ERR_KIND_COUNT ? kinds[err->kind].exit_code : 125;
}

const char *err_kind_name(enum err_kind kind)
{
	return (size_t)kind < ERR_KIND_COUNT ? kinds[kind].name : "unknown";
}
