/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a container's log, oldest entry first, over files that are being written and rotated.
 *
 * A rotation renames one file after the other, so all of them are opened first and then compared with
 * their names: if one moved in between, the whole set is opened again. From then on a rotation does
 * no harm, because a descriptor follows its file. Between two of its renames a name is missing, and for long where its
 * writer died there: so files are looked for by listing the directory, and a little beyond.
 *
 * What there is when it begins is what is read, up to the sizes that the files have then: a container that prints
 * faster than we do would otherwise have us go on for ever, and have more than N last lines.
 *
 * "The last N lines" takes two passes over the same descriptors: one counts the lines that the
 * options select, the other skips all but N of them. A line counts from its beginning, so that one without its end
 * (a prompt) is one as well, as it is to tail(1) and podman. At 10 MB a file and a few hundred MB/s that is
 * milliseconds, it is exact with every filter, and nothing of it is kept in memory.
 *
 * Following waits on inotify(7) for the directory, and looks again after 200 ms whatever happened:
 * for the end of the container, and where inotify instances are exhausted, for output too. At the
 * end of the newest file, a rotation shows as another file under its name: then the one that was
 * rotated last is read to its end and the next newer one is opened. The keeper's lock tells whether
 * more can come: it is looked at *before* the last read, so that what was written just before the
 * end is not missed. A reader that is slower than a flood loses what was rotated away: logs are
 * bounded, and a reader must not hold up a container.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/log.h"
#include "engine/log_format.h"

#define FILES_MAX 1000
#define OPEN_TRIES 64
#define OPEN_PAUSE_US 500
#define BLOCK_SIZE 65536u
#define WAIT_MS 200 /* the release of the keeper's lock is no change of the directory */

struct log_reader {
	int dir_fd, run_fd;
	const struct log_read_options *options;
	struct log_sink *sink;
	bool inside[2];	 /* by stream: a line that was begun by a partial entry */
	bool shown[2];	 /* and something of it was printed */
	int64_t line[2]; /* which one it is */
	int64_t lines;	 /* begun in this pass */
	int64_t skip;	 /* lines before the tail */
	bool counting;
	int fds[FILES_MAX];    /* newest first, as the names have them; -1: none has this name */
	off_t ends[FILES_MAX]; /* their sizes, when they were opened */
	int count;
	char block[BLOCK_SIZE];
	size_t used; /* an entry without its end, kept between reads of one file */
};

static void log_reader_close(struct log_reader *r)
{
	for (int i = 0; i < r->count; i++)
		fd_close(r->fds[i]);
	r->count = 0;
}

static void log_reader_free(struct log_reader **r)
{
	if (*r)
		log_reader_close(*r);
	free(*r);
}

/* Past the last file: the oldest may be on its way to the next name. */
static int count_names(const struct log_reader *r, int *ret, struct err *err)
{
	own_dir DIR *dir = fd_open_list(r->dir_fd, ".");
	int count = 0;

	if (!dir)
		return err_errno(err, "cannot list the log files");
	for (struct dirent *e; (e = readdir(dir));) {
		int index = log_file_index(e->d_name);

		if (index >= count)
			count = index + 1;
	}
	*ret = count + 1 < FILES_MAX ? count + 1 : FILES_MAX;
	return 0;
}

static int open_names(struct log_reader *r, struct err *err)
{
	char name[LOG_NAME_SIZE];
	struct stat st;
	int count = 0;

	if (count_names(r, &count, err) < 0)
		return -1;
	for (r->count = 0; r->count < count; r->count++) {
		int fd = openat(r->dir_fd, log_file_name(r->count, name),
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0 && errno != ENOENT)
			return err_errno(err, "cannot open the log file '%s'", name);
		r->fds[r->count] = fd;
		r->ends[r->count] = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
	}
	return 0;
}

static bool is_there(const struct log_reader *r, int index)
{
	char name[LOG_NAME_SIZE];

	return index < FILES_MAX &&
	       faccessat(r->dir_fd, log_file_name(index, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool names_still_match(const struct log_reader *r)
{
	char name[LOG_NAME_SIZE];

	for (int i = 0; i < r->count; i++)
		if (r->fds[i] < 0 ? is_there(r, i)
				  : !file_is_named(r->fds[i], r->dir_fd, log_file_name(i, name)))
			return false;
	return !is_there(r, r->count);
}

static int open_files(struct log_reader *r, struct err *err)
{
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		if (open_names(r, err) < 0)
			return -1;
		if (names_still_match(r))
			return 0;
		log_reader_close(r);
		usleep(OPEN_PAUSE_US);
	}
	return err_set(err, ERR_BUSY, 0, "cannot read the log: it is rotated too fast");
}

static bool selected(const struct log_reader *r, const struct log_entry *entry)
{
	const struct log_read_options *o = r->options;

	return (o->streams & 1 << entry->stream) &&
	       (o->since_ns == 0 || entry->time_ns >= o->since_ns) &&
	       (o->until_ns == 0 || entry->time_ns <= o->until_ns);
}

/* It belongs to a line that the options select, and that is not before the tail. */
static bool is_wanted(struct log_reader *r, const struct log_entry *entry)
{
	enum log_stream stream = entry->stream;

	if (!selected(r, entry))
		return false;
	if (!r->inside[stream]) {
		r->line[stream] = ++r->lines;
		r->shown[stream] = false;
	}
	r->inside[stream] = entry->partial;
	return !r->counting && r->line[stream] > r->skip;
}

static void handle_line(struct log_reader *r, const char *line, size_t size)
{
	struct log_entry entry;

	if (!log_parse(line, size, &entry) || !is_wanted(r, &entry))
		return;
	r->sink->put(r->sink, &(struct log_piece){.stream = entry.stream,
						  .time_ns = entry.time_ns,
						  .begins = !r->shown[entry.stream],
						  .ends = !entry.partial,
						  .text = entry.text,
						  .size = entry.size});
	r->shown[entry.stream] = true;
}

/* Every whole line of the block; the rest moves to its front. */
static void handle_block(struct log_reader *r)
{
	char *line = r->block, *end;
	size_t left = r->used;

	while ((end = memchr(line, '\n', left))) {
		handle_line(r, line, (size_t)(end - line));
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	if (left == BLOCK_SIZE) /* longer than any entry: no line of ours */
		left = 0;
	memmove(r->block, line, left);
	r->used = left;
}

#define TO_THE_END INT64_MAX

/* So many bytes, or to the present end of the file. */
static int read_file(struct log_reader *r, int fd, int64_t size, struct err *err)
{
	while (size > 0) {
		size_t room = BLOCK_SIZE - r->used;
		ssize_t n = read(fd, r->block + r->used,
				 size < (int64_t)room ? (size_t)size : room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot read the log");
		if (n == 0)
			break;
		r->used += (size_t)n;
		size -= n;
		handle_block(r);
	}
	return 0;
}

static int read_files(struct log_reader *r, struct err *err)
{
	memset(r->inside, 0, sizeof r->inside);
	r->lines = 0;
	for (int i = r->count - 1; i >= 0; i--) {
		r->used = 0;
		if (r->fds[i] < 0)
			continue;
		if (lseek(r->fds[i], 0, SEEK_SET) < 0)
			return err_errno(err, "cannot read the log");
		if (read_file(r, r->fds[i], r->ends[i], err) < 0)
			return -1;
	}
	return 0;
}

static int count_for_tail(struct log_reader *r, struct err *err)
{
	if (r->options->tail < 0)
		return 0;
	r->counting = true;
	if (read_files(r, err) < 0)
		return -1;
	r->counting = false;
	r->skip = r->lines - r->options->tail;
	return 0;
}

/* Which of the opened files is this one; count where it is none of them. */
static int index_of(const struct log_reader *r, int fd)
{
	char name[LOG_NAME_SIZE];
	int i = 0;

	while (i < r->count &&
	       (r->fds[i] < 0 || !file_is_named(fd, r->dir_fd, log_file_name(i, name))))
		i++;
	return i;
}

/* Go on with the file after the one we are in, where there is one: 1. Else 0. */
static int next_file(struct log_reader *r, int *fd, struct err *err)
{
	int next;

	if (*fd >= 0 && file_is_named(*fd, r->dir_fd, LOG_NAME))
		return 0;
	if (open_files(r, err) < 0)
		return -1;
	/* Where ours is gone altogether: the oldest that is left. */
	next = (*fd < 0 ? r->count : index_of(r, *fd)) - 1;
	while (next >= 0 && r->fds[next] < 0)
		next--;
	if (next < 0) {
		log_reader_close(r);
		return 0;
	}
	/* What was written to it before it was rotated. */
	if (*fd >= 0 && read_file(r, *fd, TO_THE_END, err) < 0)
		return -1;
	fd_close(*fd);
	*fd = r->fds[next];
	r->fds[next] = -1;
	r->used = 0;
	log_reader_close(r);
	return 1;
}

static int watch_directory(int dir_fd)
{
	own_fd int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	return take_fd(fd);
}

/* False: nobody reads what we print any more. */
static bool wait_for_change(int watch_fd)
{
	struct pollfd wait[] = {{.fd = watch_fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	char events[4096];

	if (poll(wait, 2, WAIT_MS) > 0 && wait[1].revents)
		return false;
	while (watch_fd >= 0 && read(watch_fd, events, sizeof(events)) > 0)
		;
	return true;
}

static bool is_over(const struct log_reader *r)
{
	return r->options->until_ns && clock_real_ns() > r->options->until_ns;
}

static int take_newest(struct log_reader *r)
{
	for (int i = 0; i < r->count; i++)
		if (r->fds[i] >= 0)
			return take_fd(r->fds[i]);
	return -1;
}

static int follow(struct log_reader *r, struct err *err)
{
	own_fd int fd = take_newest(r);
	own_fd int watch_fd = watch_directory(r->dir_fd);
	int alive, moved;

	log_reader_close(r);
	r->skip = 0; /* the end of a line is new, even if its beginning is none of the tail */
	do {
		alive = file_lock_held(r->run_fd, "alive", err);
		if (alive < 0)
			return -1;
		/* Decided before the last look: what came until then is printed. */
		if (is_over(r))
			alive = 0;
		do {
			if (fd >= 0 && read_file(r, fd, TO_THE_END, err) < 0)
				return -1;
			moved = next_file(r, &fd, err);
		} while (moved > 0);
		if (moved < 0 || r->sink->flush(r->sink, err) < 0)
			return -1;
	} while (alive && wait_for_change(watch_fd));
	return 0;
}

int log_read(int dir_fd, int run_fd, const struct log_read_options *options, struct log_sink *sink,
	     struct err *err)
{
	__attribute__((cleanup(log_reader_free))) struct log_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the log");
	r->dir_fd = dir_fd;
	r->run_fd = run_fd;
	r->options = options;
	r->sink = sink;
	if (open_files(r, err) < 0 || count_for_tail(r, err) < 0 || read_files(r, err) < 0 ||
	    sink->flush(sink, err) < 0)
		return -1;
	if (sink->caught_up)
		sink->caught_up(sink);
	return options->follow && run_fd >= 0 ? follow(r, err) : 0;
}
