/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a log, for whoever attaches to a terminal and wants to see what stands on it. The keeper
 * reads it, which is linked without the reader of whole logs and needs little of it: one file, some
 * kilobytes, no options.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/log.h"
#include "engine/log_format.h"

/* What is read begins anywhere. An entry that goes on with a line that began before is passed over too,
 * where a whole line follows; a line that never ended (a prompt) is all there is to show. */
static const char *first_line(const char *text, size_t size, bool whole_file)
{
	const char *begin = text, *end = text + size;

	if (whole_file)
		return begin;
	begin = memchr(text, '\n', size);
	begin = begin ? begin + 1 : end;
	for (const char *line = begin, *next; (next = memchr(line, '\n', (size_t)(end - line)));
	     line = next + 1) {
		struct log_entry entry;

		if (log_parse(line, (size_t)(next - line), &entry) && !entry.partial)
			return next + 1 < end ? next + 1 : begin;
	}
	return begin;
}

static void tell(const char *line, const char *end, log_tail_fn *fn, void *data)
{
	struct log_entry entry;

	if (!log_parse(line, (size_t)(end - line), &entry))
		return;
	fn(data, entry.stream, entry.text, entry.size + (entry.partial ? 0 : 1));
}

int log_tail(int dir_fd, size_t size, log_tail_fn *fn, void *data, struct err *err)
{
	own_fd int fd = openat(dir_fd, LOG_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	own_free char *text = malloc(size + 1);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || !text || fstat(fd, &st) < 0)
		return err_errno(err, "cannot read the log");
	off_t from = st.st_size > (off_t)size ? st.st_size - (off_t)size : 0;
	ssize_t n = pread(fd, text, size, from);
	if (n < 0)
		return err_errno(err, "cannot read the log");
	const char *end = text + n;
	for (const char *line = first_line(text, (size_t)n, from == 0), *next;
	     line < end && (next = memchr(line, '\n', (size_t)(end - line))); line = next + 1)
		tell(line, next, fn, data);
	return 0;
}
