/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Warnings: what a user must know although the command goes on ("the memory limit was lowered to
 * what this host allows"). Errors are values (base/err.h) and are printed by main() alone; nothing
 * below the command line prints anything else.
 */
#ifndef INSULA_BASE_LOG_H
#define INSULA_BASE_LOG_H

/* Where warnings go; `text` is one line without prefix and newline, already free of control
 * characters, valid during the call. */
typedef void warn_fn(void *data, const char *text);

/* One warning. To the sink, or without one to standard error as "PROGRAM: warning: TEXT". Keeps
 * errno, allocates nothing; longer than 1 KiB is cut with "...". */
void warn_emit(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is being done, for who looks for a fault: lost unless there is a sink for it. Same bounds. */
void debug_emit(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* NULL: none. */
void debug_set_sink(warn_fn *fn, void *data);

/* The program name in front; a string that lives as long as the process. Default "insula". */
void warn_set_program(const char *name);

/* Replace the sink; NULL: standard error again. */
void warn_set_sink(warn_fn *fn, void *data);

#endif
