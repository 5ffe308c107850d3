/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One plain-data error. It is declared by the caller on its stack, passed as the last parameter and
 * never allocated, so that it works as PID 1, after clone(2) and at out-of-memory, and a child can
 * write it unchanged over a socket.
 *
 * A function that takes a `struct err *` returns 0 (or a value >= 0, or a pointer) on success, and
 * -1 (or NULL) after having filled *err. `err` is never NULL. The text is verb, object, reason; the
 * hint is what to do about it:
 *
 *	cannot mount '/srv/data' on '/data': permission denied
 *	hint: the path belongs to uid 1000; ...
 *
 * Each layer wraps once (err_wrap), from the inside out. What a caller is expected to handle ("not
 * found", "already running") is a kind of its own, compared with err->kind.
 */
#ifndef INSULA_BASE_ERR_H
#define INSULA_BASE_ERR_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE,	   /* the command line or a request is malformed */
	ERR_INVALID,	   /* a value, document or name is not acceptable */
	ERR_NOT_FOUND,	   /* the named object does not exist */
	ERR_EXISTS,	   /* the name is taken */
	ERR_STATE,	   /* the object is in the wrong state for this verb */
	ERR_BUSY,	   /* held by somebody else just now */
	ERR_DENIED,	   /* permission or privilege is missing */
	ERR_UNSUPPORTED,   /* this kernel, host or version cannot do it */
	ERR_LIMIT,	   /* a bound (size, depth, count, quota) was exceeded */
	ERR_IO,		   /* the host failed: a system call that should work did not */
	ERR_TIMEOUT,	   /* a deadline passed */
	ERR_CORRUPT,	   /* stored state is damaged */
	ERR_CMD_NOT_FOUND, /* the container's command does not exist (exit code 127) */
	ERR_CMD_NOT_EXEC,  /* the container's command cannot be executed (exit code 126) */
	ERR_INTERNAL,	   /* a bug of ours */
	ERR_KIND_COUNT
};

struct err {
	enum err_kind kind;
	int errnum;	   /* errno value, 0 where no system call was involved */
	unsigned int line; /* where it was first set */
	char file[36];	   /* base name of the source file */
	char message[768]; /* NUL-terminated, cut with "..." where too long, one line */
	char hint[384];	   /* NUL-terminated, empty where there is nothing to add */
};

#define ERR_INIT ((struct err){.kind = ERR_NONE})

/* Fill *err. `errnum` 0: none; otherwise ": " and the text of the errno value is appended. Control
 * characters in the result are replaced by '?', so that a hostile name cannot write escape
 * sequences to a terminal. Always returns -1. */
#define err_set(err, kind, errnum, ...) \
	err_set_at((err), (kind), (errnum), __FILE__, __LINE__, __VA_ARGS__)
int err_set_at(struct err *err, enum err_kind kind, int errnum, const char *file, unsigned int line,
	       const char *format, ...) __attribute__((format(printf, 6, 7)));

/* As err_set with the kind that belongs to the errno value (EACCES, EPERM -> ERR_DENIED, ENOENT ->
 * ERR_NOT_FOUND, EEXIST -> ERR_EXISTS, ENOSYS, EOPNOTSUPP -> ERR_UNSUPPORTED, everything else
 * ERR_IO). Reads the current errno. Returns -1. */
#define err_errno(err, ...) \
	err_set_at((err), err_kind_of(errno), errno, __FILE__, __LINE__, __VA_ARGS__)
enum err_kind err_kind_of(int errnum);

/* Put "TEXT: " before the message. Returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Set the hint (the first one set stays). Returns -1. */
int err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Exit code of a program that ends with this error: 125, but 126 and 127 for the two command
 * kinds (what docker-run(1) and podman-run(1) document). */
int err_exit_code(const struct err *err);

/* Lower-case word for a kind, e.g. "not-found"; stable, used in JSON output. */
const char *err_kind_name(enum err_kind kind);

/* Text of an errno value, lower case, without locale; never NULL, never allocates. */
const char *err_errno_text(int errnum);

/* The errno value of a name such as "EACCES"; 0 where it is unknown. */
int err_errno_of_name(const char *name);

#endif
