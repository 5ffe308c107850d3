/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the writer and the reader of logs agree on: file names, and the prefix of an entry,
 * "2026-11-22T17:32:14.123456789Z stdout F ", which always has the same length.
 */
#ifndef INSULA_ENGINE_LOG_FORMAT_H
#define INSULA_ENGINE_LOG_FORMAT_H

#include <stdint.h>

#include "engine/log.h"

#define LOG_NAME "log"
#define LOG_NAME_SIZE 16
#define LOG_LINE_MAX 16384u   /* bytes of text in one entry */
#define LOG_TIME_SIZE 30u     /* RFC 3339, nanoseconds, Z */
#define LOG_STREAM_OFFSET 31u /* "stdout" or "stderr" */
#define LOG_TAG_OFFSET 38u    /* 'F' or 'P' */
#define LOG_PREFIX_SIZE 40u

/* "log", "log.1", "log.2"; returns buf. */
const char *log_file_name(int index, char buf[static LOG_NAME_SIZE]);
/* 0, 1, 2; -1: it is no such name. */
int log_file_index(const char *name);
/* The prefix of an entry with tag F; buf has LOG_PREFIX_SIZE + 1 bytes. */
void log_prefix(char buf[static LOG_PREFIX_SIZE + 1], int64_t realtime_ns, enum log_stream stream);

struct log_entry {
	enum log_stream stream;
	bool partial;
	const char *time; /* LOG_TIME_SIZE bytes, no NUL */
	int64_t time_ns;
	const char *text;
	size_t size;
};

/* One line of a file, without its newline. False where it is no entry. */
bool log_parse(const char *line, size_t size, struct log_entry *ret);

#endif
