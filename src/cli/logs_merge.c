/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several logs as one.
 *
 * Each is read in a process of its own, a copy of us that does what `logs` does of one, and whose pieces come
 * through a pipe, a frame each: so files and the journal are read by the same code, none waits for another, and
 * a reader that cannot go on is one error and not the end of the rest.
 *
 * First comes what is there when it begins: of each the next line is awaited, and the one with the earliest time
 * is printed, until all of them have said that they have caught up. Each pipe is a bound on what its reader is
 * ahead. Then, where the containers are followed, lines are printed as they come: an order by time would mean to
 * wait for who is silent.
 *
 * Here a line is a line: what has no end yet is kept until it has one or its container ends, for another's could
 * not be printed behind it. One that grows beyond LINE_MAX_SIZE is printed in parts.
 *
 * A reader's standard output is its pipe. So it notices by itself when we are gone (log_read.c looks at that
 * descriptor), even if it has nothing to say; and no sibling holds the other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/logs.h"

#define LINE_MAX_SIZE ((size_t)256 << 10)
#define PIECE_MAX ((size_t)16 << 10)

enum frame_kind { FRAME_PIECE, FRAME_CAUGHT_UP, FRAME_ERROR };

struct frame {
	enum frame_kind kind;
	enum log_stream stream;
	bool ends;
	uint32_t size; /* of what follows: the text, or a struct err */
	int64_t time_ns;
};

#define BUFFER_SIZE (2 * (sizeof(struct frame) + PIECE_MAX))
_Static_assert(sizeof(struct err) <= PIECE_MAX, "an error fits into a frame");

/* ---- a reader ---- */

struct frame_sink {
	struct log_sink sink; /* first */
	FILE *out;
};

static FILE *out_of(struct log_sink *sink)
{
	return ((struct frame_sink *)sink)->out;
}

static void put_frame(FILE *out, const struct frame *frame, const void *data)
{
	fwrite(frame, sizeof *frame, 1, out);
	fwrite(data, 1, frame->size, out);
}

static void put_piece(struct log_sink *sink, const struct log_piece *piece)
{
	size_t done = 0;

	do {
		size_t size = piece->size - done < PIECE_MAX ? piece->size - done : PIECE_MAX;
		struct frame frame = {.kind = FRAME_PIECE,
				      .stream = piece->stream,
				      .ends = piece->ends && done + size == piece->size,
				      .size = (uint32_t)size,
				      .time_ns = piece->time_ns};

		put_frame(out_of(sink), &frame, piece->text + done);
		done += size;
	} while (done < piece->size);
}

static int flush_frames(struct log_sink *sink, struct err *err)
{
	return fflush(out_of(sink)) < 0 ? err_errno(err, "cannot hand on the log") : 0;
}

static void put_caught_up(struct log_sink *sink)
{
	put_frame(out_of(sink), &(struct frame){.kind = FRAME_CAUGHT_UP}, "");
	fflush(out_of(sink));
}

static _Noreturn void be_reader(const struct container *ct, const struct log_read_options *how,
				int fd)
{
	struct frame_sink sink = {
		.sink = {.put = put_piece, .flush = flush_frames, .caught_up = put_caught_up}};
	struct err err = ERR_INIT;

	signal(SIGPIPE, SIG_DFL); /* who has nobody left to read for is done */
	if (dup2(fd, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	fd_close(fd);
	sink.out = fdopen(STDOUT_FILENO, "w");
	if (!sink.out)
		_exit(EXIT_FAILURE);
	if (logs_read(ct, how, &sink.sink, &err) < 0)
		put_frame(sink.out, &(struct frame){.kind = FRAME_ERROR, .size = sizeof err}, &err);
	fflush(sink.out);
	_exit(EXIT_SUCCESS);
}

/* ---- what is made of them ---- */

struct line {
	struct str text;
	int64_t time_ns; /* of its beginning */
	bool begun;
};

struct source {
	const struct container *ct;
	struct proc proc;
	int fd; /* -1: it has ended */
	struct line lines[2];
	int ready; /* the stream whose line is whole; -1: none is */
	bool caught_up;
	char *buffer; /* frames, the last one may be a part */
	size_t from, used;
};

struct merge {
	const struct merge_options *options;
	struct source *sources;
	size_t count;
	size_t open; /* that have not ended */
	bool colored[2];
	enum log_stream last;
	int failed;
};

static void merge_done(struct merge *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct source *s = &m->sources[i];

		proc_done(&s->proc);
		fd_close(s->fd);
		str_done(&s->lines[LOG_STDOUT].text);
		str_done(&s->lines[LOG_STDERR].text);
		free(s->buffer);
	}
	free(m->sources);
}

static int begin(struct merge *m, const struct container *ct, struct err *err)
{
	struct source *s = &m->sources[m->count];
	own_fd int read_fd = -1, write_fd = -1;

	*s = (struct source){.ct = ct,
			     .proc = PROC_INIT,
			     .fd = -1,
			     .ready = -1,
			     .lines = {{.text = STR_INIT(LINE_MAX_SIZE + PIECE_MAX)},
				       {.text = STR_INIT(LINE_MAX_SIZE + PIECE_MAX)}}};
	m->count++;
	s->buffer = malloc(BUFFER_SIZE);
	if (!s->buffer)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read logs");
	if (fd_pipe(&read_fd, &write_fd, err) < 0)
		return -1;
	pid_t pid = proc_clone(&s->proc, 0, -1, err);
	if (pid == 0) {
		for (size_t i = 0; i < m->count; i++)
			fd_close(m->sources[i].fd);
		fd_close(read_fd);
		be_reader(ct, &m->options->how, write_fd);
	}
	if (pid < 0)
		return err_wrap(err, "cannot read the log of '%s'", ct->record.name);
	s->fd = take_fd(read_fd);
	m->open++;
	return 0;
}

static void print_line(struct merge *m, struct source *s, enum log_stream stream)
{
	FILE *out = stream == LOG_STDERR ? stderr : stdout;
	struct line *line = &s->lines[stream];
	char time[CLOCK_TEXT_SIZE];

	if (stream != m->last)
		fflush(m->last == LOG_STDERR ? stderr : stdout);
	m->last = stream;
	if (m->colored[stream])
		fprintf(out, "%s%s%s ", color_of_number((size_t)(s - m->sources)),
			s->ct->record.name, color_off());
	else
		fprintf(out, "%s ", s->ct->record.name);
	if (m->options->timestamps)
		fprintf(out, "%s ", clock_text(line->time_ns, time));
	fwrite(line->text.data ? line->text.data : "", 1, line->text.len, out);
	putc('\n', out);
	str_reset(&line->text);
	line->begun = false;
}

static void say_error(struct merge *m, const struct err *err)
{
	if (!m->failed)
		m->failed = err_exit_code(err);
	fflush(stdout);
	cli_print_error(err);
}

static int take_piece(struct source *s, const struct frame *frame, const char *text,
		      struct err *err)
{
	struct line *line = &s->lines[frame->stream];

	if (!line->begun)
		line->time_ns = frame->time_ns;
	line->begun = true;
	str_add_len(&line->text, text, frame->size);
	if (frame->ends || line->text.len >= LINE_MAX_SIZE)
		s->ready = (int)frame->stream;
	return str_check(&line->text, "a line of the log", err);
}

static int take_frame(struct merge *m, struct source *s, const struct frame *frame,
		      const char *data, struct err *err)
{
	struct err theirs;

	switch (frame->kind) {
	case FRAME_PIECE:
		return take_piece(s, frame, data, err);
	case FRAME_CAUGHT_UP:
		s->caught_up = true;
		break;
	case FRAME_ERROR:
		memcpy(&theirs, data, sizeof theirs);
		say_error(m, &theirs);
		break;
	}
	return 0;
}

/* Frames that have come, up to one that makes a line whole. */
static int take_frames(struct merge *m, struct source *s, struct err *err)
{
	struct frame frame;

	while (s->ready < 0 && s->used - s->from >= sizeof frame) {
		memcpy(&frame, s->buffer + s->from, sizeof frame);
		if (s->used - s->from < sizeof frame + frame.size)
			break;
		if (take_frame(m, s, &frame, s->buffer + s->from + sizeof frame, err) < 0)
			return -1;
		s->from += sizeof frame + frame.size;
	}
	return 0;
}

/* Its last words may have no end. */
static void end(struct merge *m, struct source *s)
{
	struct proc_exit exit = {0};
	struct err err = ERR_INIT;

	fd_close(s->fd);
	s->fd = -1;
	s->caught_up = true;
	m->open--;
	if (proc_wait(&s->proc, -1, &exit, &err) == 1 && exit.code) {
		err_set(&err, ERR_IO, 0, "the log of '%s': its reader was killed",
			s->ct->record.name);
		say_error(m, &err);
	}
}

/* What one read(2) brings. */
static int read_more(struct merge *m, struct source *s, struct err *err)
{
	ssize_t n;

	memmove(s->buffer, s->buffer + s->from, s->used - s->from);
	s->used -= s->from;
	s->from = 0;
	do
		n = read(s->fd, s->buffer + s->used, BUFFER_SIZE - s->used);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, "cannot read the log of '%s'", s->ct->record.name);
	s->used += (size_t)n;
	if (n == 0)
		end(m, s);
	return 0;
}

/* Until its next line is whole, or there is none for now. */
static int await_line(struct merge *m, struct source *s, struct err *err)
{
	for (;;) {
		if (take_frames(m, s, err) < 0)
			return -1;
		if (s->ready >= 0 || s->caught_up)
			break;
		if (read_more(m, s, err) < 0)
			return -1;
	}
	if (s->ready < 0 && s->fd < 0)
		s->ready = s->lines[LOG_STDOUT].begun	? LOG_STDOUT
			   : s->lines[LOG_STDERR].begun ? LOG_STDERR
							: -1;
	return 0;
}

static int64_t time_of(const struct source *s)
{
	return s->lines[s->ready].time_ns;
}

static void print_ready(struct merge *m, struct source *s)
{
	print_line(m, s, (enum log_stream)s->ready);
	s->ready = -1;
}

static int print_known(struct merge *m, struct err *err)
{
	for (;;) {
		struct source *first = NULL;

		for (size_t i = 0; i < m->count; i++) {
			struct source *s = &m->sources[i];

			if (s->ready < 0 && await_line(m, s, err) < 0)
				return -1;
			if (s->ready >= 0 && (!first || time_of(s) < time_of(first)))
				first = s;
		}
		if (!first)
			return 0;
		print_ready(m, first);
	}
}

static int check_output(struct err *err)
{
	if (fflush(stdout) < 0 || fflush(stderr) < 0 || ferror(stdout) || ferror(stderr))
		return err_errno(err, "cannot write the log");
	return 0;
}

/* All that there is of it now. */
static int print_new(struct merge *m, struct source *s, struct err *err)
{
	if (read_more(m, s, err) < 0)
		return -1;
	for (;;) {
		if (await_line(m, s, err) < 0)
			return -1;
		if (s->ready < 0)
			return 0;
		print_ready(m, s);
	}
}

/* 1: nobody reads what we print. */
static int print_coming(struct merge *m, struct pollfd *polls, struct err *err)
{
	while (m->open) {
		for (size_t i = 0; i < m->count; i++)
			polls[i] = (struct pollfd){.fd = m->sources[i].fd, .events = POLLIN};
		polls[m->count] = (struct pollfd){.fd = STDOUT_FILENO};
		if (check_output(err) < 0)
			return -1;
		if (poll(polls, m->count + 1, -1) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for the logs");
		if (polls[m->count].revents)
			return 1;
		for (size_t i = 0; i < m->count; i++)
			if (polls[i].revents && print_new(m, &m->sources[i], err) < 0)
				return -1;
	}
	return 0;
}

int logs_merge(const struct container *cts, size_t count, const struct merge_options *options,
	       int *ret_failed, struct err *err)
{
	own(merge) struct merge m = {.options = options,
				     .colored = {options->color || color_is_on(stdout),
						 options->color || color_is_on(stderr)}};
	own_free struct pollfd *polls = calloc(count + 1, sizeof *polls);

	m.sources = calloc(count, sizeof *m.sources);
	if (!m.sources || !polls)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read logs");
	fflush(stdout); /* what is there to be written is written once */
	for (size_t i = 0; i < count; i++)
		if (begin(&m, &cts[i], err) < 0)
			return -1;
	if (print_known(&m, err) < 0 || print_coming(&m, polls, err) < 0 || check_output(err) < 0)
		return -1;
	*ret_failed = m.failed;
	return 0;
}
