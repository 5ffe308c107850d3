/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Container logs: one line of output a line, in the format of the Kubernetes container runtime
 * interface ("2026-11-22T17:32:14.123456789Z stdout F text", P where a line was cut), in files of
 * bounded size that are rotated: log, log.1, log.2. A flood costs no memory and a bounded disk.
 */
#ifndef INSULA_ENGINE_LOG_H
#define INSULA_ENGINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

enum log_stream { LOG_STDOUT, LOG_STDERR };

struct log_writer;
/* dir_fd: the container's directory in ROOT (borrowed, kept). The file is made by the first output. */
struct log_writer *log_writer_new(int dir_fd, uint64_t max_size, int max_files, struct err *err);
/* Splits into lines; what has no newline yet, and a line longer than 16 KiB, becomes partial entries:
 * nothing is held back, so nothing is lost with the writer. One write(2) for a call, or for each
 * 64 KiB. A full disk loses entries (and the log says so once there is room again), but never blocks
 * nor fails the container. */
void log_writer_put(struct log_writer *w, enum log_stream stream, const char *data, size_t size);
/* Give the buffer's memory back until the next output. */
void log_writer_idle(struct log_writer *w);
void log_writer_free(struct log_writer *w);

/* The system's journal in place of files (log_journal.c); tag: NULL: the name; fields: NAME=value, for every entry. */
struct log_journal;
struct log_journal *log_journal_new(const char *socket_path, const char *id, const char *name,
				    const char *tag, const struct strv *fields, struct err *err);
/* As log_writer_put. One that takes nothing loses entries, and is told how many. */
void log_journal_put(struct log_journal *j, enum log_stream stream, const char *data, size_t size);
void log_journal_free(struct log_journal *j);
/* Where it takes entries. */
const char *log_journal_socket(void);

/* The entries at the end of the newest file, at most `size` bytes of it, from the beginning of a line on:
 * each goes to fn, with its newline where the line had one. For one that attaches. */
typedef void log_tail_fn(void *data, enum log_stream stream, const char *text, size_t size);
int log_tail(int dir_fd, size_t size, log_tail_fn *fn, void *data, struct err *err);

/* A piece of a line, as a reader finds it. */
struct log_piece {
	enum log_stream stream;
	int64_t time_ns; /* CLOCK_REALTIME */
	bool begins;	 /* nothing of the line came before */
	bool ends;	 /* it is the last of the line */
	const char *text;
	size_t size;
};

/* Where a reader's pieces go. */
struct log_sink {
	void (*put)(struct log_sink *sink, const struct log_piece *piece);
	/* Let it be seen; and was everything taken? */
	int (*flush)(struct log_sink *sink, struct err *err);
	/* All that there was in the beginning has come; NULL: who cares. */
	void (*caught_up)(struct log_sink *sink);
};

/* Each stream to its file; with the time before each line. Pieces come in their order where both are one. */
struct log_printer {
	struct log_sink sink; /* first */
	FILE *out[2];
	bool timestamps;
	enum log_stream last;
};
void log_printer_init(struct log_printer *p, FILE *out, FILE *err_out, bool timestamps);

struct log_read_options {
	bool follow;		    /* until the container ends */
	int64_t tail;		    /* last N lines; -1: all */
	int64_t since_ns, until_ns; /* CLOCK_REALTIME; 0: none */
	int streams;		    /* bits 1 << LOG_STDOUT, 1 << LOG_STDERR */
};
/* Oldest first over the rotated files. run_fd: for follow, the container's run directory to tell
 * whether the keeper lives (-1: no follow). */
int log_read(int dir_fd, int run_fd, const struct log_read_options *options, struct log_sink *sink,
	     struct err *err);
/* The same of what the system's journal has of the container, by journalctl(1) (log_journal_read.c). */
int log_journal_read(const char *id, int run_fd, const struct log_read_options *options,
		     struct log_sink *sink, struct err *err);

#endif
