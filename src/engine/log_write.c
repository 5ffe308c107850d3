/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a container's log.
 *
 * Each call becomes entries in one buffer and, as a rule, one write(2): the clock is read once, the
 * prefix ("2026-11-22T17:32:14.123456789Z stdout F ") is made once, and a line costs a memchr(3) and
 * two copies. Nothing waits for a newline: what has none yet is logged at once as a partial entry
 * (P), as the container runtime interface foresees for long lines. So a prompt can be read in the
 * log while the program waits at it, there is no state to hand over when a keeper is replaced, and
 * nothing that was read from the container is lost with the keeper.
 *
 * The buffer is anonymous memory that is given back to the kernel when the container is silent: a
 * thousand idle keepers must not hold a thousand buffers.
 *
 * What can go wrong: the disk is full. Then the file is cut back to its last whole entry, the bytes
 * are counted as lost, and the next entry that can be written is preceded by one that says how many.
 * And a writer may be killed in the middle of a write: the next one ends the torn line first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/log.h"
#include "engine/log_format.h"

#define BUFFER_SIZE 65536u

struct log_writer {
	int dir_fd; /* borrowed */
	int fd;	    /* of the newest file; -1 before the first output */
	uint64_t max_size;
	int max_files;
	uint64_t size; /* of that file */
	uint64_t lost; /* bytes of output since the disk was full */
	char *buffer;  /* BUFFER_SIZE, mapped */
	size_t used;
	size_t carried; /* bytes of output in the buffer: lost with it */
};

struct log_writer *log_writer_new(int dir_fd, uint64_t max_size, int max_files, struct err *err)
{
	own_free struct log_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot open the log");
		return NULL;
	}
	*w = (struct log_writer){.dir_fd = dir_fd,
				 .fd = -1,
				 .max_size = max_size < BUFFER_SIZE ? BUFFER_SIZE : max_size,
				 .max_files = max_files < 1 ? 1 : max_files};
	w->buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	if (w->buffer == MAP_FAILED) {
		err_errno(err, "cannot open the log");
		return NULL;
	}
	return take(w);
}

/* A writer that was killed may have left half an entry: it becomes a line of its own. */
static int end_torn_line(int fd, uint64_t *size)
{
	char last = '\n';

	if (*size == 0 || (pread(fd, &last, 1, (off_t)*size - 1) == 1 && last == '\n'))
		return 0;
	if (write(fd, "\n", 1) != 1)
		return -1;
	++*size;
	return 0;
}

static int open_file(struct log_writer *w)
{
	own_fd int fd = openat(w->dir_fd, LOG_NAME,
			       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	w->size = (uint64_t)st.st_size;
	if (end_torn_line(fd, &w->size) < 0)
		return -1;
	w->fd = take_fd(fd);
	return 0;
}

/* The first name that is free, of a rotation whose writer died; or that of the oldest, which goes. */
static int make_room(struct log_writer *w)
{
	char name[LOG_NAME_SIZE];
	int last = 1;

	while (last < w->max_files - 1 &&
	       faccessat(w->dir_fd, log_file_name(last, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		last++;
	if (last >= w->max_files - 1)
		unlinkat(w->dir_fd, log_file_name(w->max_files - 1, name), 0);
	return last < w->max_files ? last : w->max_files - 1;
}

/* log.1 -> log.2, log -> log.1. A name that is missing, or a directory that was removed with its container, is no
 * error: the point is that `log` is free afterwards. */
static void rotate(struct log_writer *w)
{
	char from[LOG_NAME_SIZE], to[LOG_NAME_SIZE];

	for (int i = make_room(w); i > 0; i--) {
		struct err ignored;

		renameat(w->dir_fd, log_file_name(i - 1, from), w->dir_fd, log_file_name(i, to));
		if (fail_point("log.rotate", &ignored) < 0)
			break;
	}
	fd_close(w->fd);
	w->fd = -1;
}

/* All of the buffer, or nothing: half an entry is cut off again. */
static int write_buffer(struct log_writer *w)
{
	size_t done = 0;

	while (done < w->used) {
		ssize_t n = write(w->fd, w->buffer + done, w->used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* Where even that fails, the reader skips what is not an entry. */
			if (done > 0 && ftruncate(w->fd, (off_t)w->size) < 0)
				w->size += done;
			return -1;
		}
		done += (size_t)n;
	}
	w->size += done;
	return 0;
}

static int flush(struct log_writer *w)
{
	struct err ignored;
	int result = 0;

	if (w->used == 0)
		return 0;
	if (w->fd >= 0 && w->size > 0 && w->size + w->used > w->max_size)
		rotate(w);
	if (fail_point("keeper.log.write", &ignored) < 0 || (w->fd < 0 && open_file(w) < 0) ||
	    write_buffer(w) < 0) {
		w->lost += w->carried;
		result = -1;
	}
	w->used = 0;
	w->carried = 0;
	return result;
}

static void append(struct log_writer *w, const char *prefix, const char *text, size_t size)
{
	if (w->used + LOG_PREFIX_SIZE + size + 1 > BUFFER_SIZE)
		flush(w);
	memcpy(w->buffer + w->used, prefix, LOG_PREFIX_SIZE);
	memcpy(w->buffer + w->used + LOG_PREFIX_SIZE, text, size);
	w->used += LOG_PREFIX_SIZE + size;
	w->buffer[w->used++] = '\n';
}

/* Say what is missing, before what comes next. If there is still no room, it stays counted. */
static void report_lost(struct log_writer *w)
{
	char prefix[LOG_PREFIX_SIZE + 1], text[96];
	int length;

	log_prefix(prefix, clock_real_ns(), LOG_STDERR);
	length = snprintf(text, sizeof(text),
			  "[insula: %" PRIu64 " bytes of output are missing here: no room]",
			  w->lost);
	append(w, prefix, text, (size_t)length);
	if (flush(w) == 0)
		w->lost = 0;
}

void log_writer_put(struct log_writer *w, enum log_stream stream, const char *data, size_t size)
{
	char prefix[LOG_PREFIX_SIZE + 1];

	if (w->lost > 0)
		report_lost(w);
	log_prefix(prefix, clock_real_ns(), stream);
	while (size > 0) {
		size_t longest = size < LOG_LINE_MAX ? size : LOG_LINE_MAX;
		const char *end = memchr(data, '\n', longest);
		size_t length = end ? (size_t)(end - data) : longest;

		prefix[LOG_TAG_OFFSET] = end ? 'F' : 'P';
		append(w, prefix, data, length);
		length += end ? 1 : 0;
		w->carried += length;
		data += length;
		size -= length;
	}
	flush(w);
}

void log_writer_idle(struct log_writer *w)
{
	madvise(w->buffer, BUFFER_SIZE, MADV_DONTNEED);
}

void log_writer_free(struct log_writer *w)
{
	if (!w)
		return;
	munmap(w->buffer, BUFFER_SIZE);
	fd_close(w->fd);
	free(w);
}
