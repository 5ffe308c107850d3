/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's input and output.
 *
 * Output: a piece is read from the terminal or a pipe, goes into the log, and to every attached
 * client. Nothing is dropped and nothing is stored: while one attached client has not taken the last
 * piece, no further one is read, the pipe fills, and the program that writes waits, as it would on a
 * slow terminal. Without attached clients the log alone sets the pace.
 *
 * At the end the rule changes, because a dead container's pipes must not wait for a client that is
 * stopped in a pager: what they still hold is read at once, logged, and queued for the slow. That is
 * bounded by the size of the pipes, and by DRAIN_MAX where somebody outside holds a writing end.
 *
 * Input: what a client sends is written at once where it fits. What does not is kept with the
 * client, which sends no more until it was acknowledged.
 *
 * A terminal hangs up (EIO, EPOLLHUP without end) whenever no process holds its other side, which
 * for a system's console is most of the time. So the keeper holds that side itself, and takes it
 * again should it be hung up all the same.
 */
#include <errno.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/keeper_private.h"
#include "kernel/tty.h"

#define IDLE_MS 2000
#define DRAIN_MAX (8u << 20)

/* Unmap the program's own text and constants. They stay in the page cache and come back by the few
 * pages that waiting needs, where a start has touched nearly all of them. */
static void forget_program(void)
{
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uintptr_t page = (uintptr_t)getpagesize(), base = 0;

	for (size_t i = 0; i < getauxval(AT_PHNUM); i++)
		if (headers[i].p_type == PT_PHDR) /* only where the program can be moved */
			base = (uintptr_t)headers - headers[i].p_vaddr;
	for (size_t i = 0; i < getauxval(AT_PHNUM); i++) {
		uintptr_t from = (base + headers[i].p_vaddr) & ~(page - 1);

		if (headers[i].p_type == PT_LOAD && !(headers[i].p_flags & PF_W))
			madvise((void *)from, base + headers[i].p_vaddr + headers[i].p_memsz - from,
				MADV_DONTNEED);
	}
}

static void on_idle(void *data)
{
	struct keeper *k = data;

	if (k->buffer_used) {
		k->buffer_used = false;
		loop_timer_set(k->idle_timer, IDLE_MS);
		return;
	}
	madvise(k->buffer, KEEPER_PACKET_MAX, MADV_DONTNEED);
	log_writer_idle(k->log);
	forget_program();
	loop_remove(k->idle_timer);
	k->idle_timer = NULL;
}

void keeper_touch(struct keeper *k)
{
	struct err ignored;

	k->buffer_used = true;
	/* Without a timer the memory stays, no more. */
	if (!k->idle_timer)
		k->idle_timer = loop_add_timer(k->loop, IDLE_MS, on_idle, k, &ignored);
}

/* ---- output ---- */

static void take_slave(struct keeper *k)
{
	fd_close(k->slave_fd);
	k->slave_fd = ioctl(k->state.console_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void stream_close(struct keeper_stream *s)
{
	loop_remove(s->source);
	s->source = NULL;
	fd_close(s->fd);
	s->fd = -1;
}

/* One piece. Returns its size, 0 where there is nothing now, -1 where nothing can follow. */
static ssize_t read_piece(struct keeper_stream *s)
{
	struct keeper *k = s->keeper;
	ssize_t n;

	keeper_touch(k);
	do
		n = read(s->fd, k->buffer, KEEPER_DATA_MAX);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (n == 0)
		return -1;
	if (k->journal)
		log_journal_put(k->journal, s->log, k->buffer, (size_t)n);
	else if (!k->state.log_none)
		log_writer_put(k->log, s->log, k->buffer, (size_t)n);
	keeper_clients_output(k, s->message, k->buffer, (size_t)n);
	return n;
}

static void on_output(void *data, int fd, uint32_t events)
{
	struct keeper_stream *s = data;
	struct keeper *k = s->keeper;

	if (read_piece(s) < 0) {
		if (k->state.terminal)
			take_slave(k);
		if (!k->state.terminal || k->slave_fd < 0)
			stream_close(s);
	}
	keeper_settle(k);
}

void keeper_io_drain(struct keeper *k)
{
	/* A terminal is at its end when its other side is closed. */
	fd_close(k->slave_fd);
	k->slave_fd = -1;
	for (size_t i = 0; i < 2; i++) {
		size_t total = 0;
		ssize_t n = k->streams[i].fd >= 0 ? 1 : 0;

		while (n > 0 && total < DRAIN_MAX) {
			n = read_piece(&k->streams[i]);
			total += n > 0 ? (size_t)n : 0;
		}
		stream_close(&k->streams[i]);
	}
}

void keeper_io_update(struct keeper *k)
{
	uint32_t events = keeper_clients_behind(k) ? 0 : EPOLLIN;
	struct err ignored;

	for (size_t i = 0; i < 2; i++)
		if (k->streams[i].source)
			loop_set_events(k->streams[i].source, events, &ignored);
}

static void replay_entry(void *data, enum log_stream stream, const char *text, size_t size)
{
	struct keeper_client *c = data;

	keeper_client_send(c, stream == LOG_STDERR ? KEEPER_STDERR : KEEPER_STDOUT, 0, 0, text,
			   size);
}

/* Where the log cannot be read there is nothing to show. */
void keeper_replay(struct keeper_client *c, size_t size)
{
	struct err ignored;

	log_tail(c->keeper->log_dir_fd, size, replay_entry, c, &ignored);
}

/* ---- input ---- */

static void input_close(struct keeper *k)
{
	loop_remove(k->input_source);
	k->input_source = NULL;
	fd_close(k->input_fd);
	k->input_fd = -1;
}

/* How much of it the container took; -1 where nobody reads any more. */
static ssize_t write_input(const struct keeper *k, const char *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(k->input_fd, data + done, size - done);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

static void input_taken(struct keeper_client *c)
{
	free(c->input);
	c->input = NULL;
	keeper_client_send(c, KEEPER_STDIN_TAKEN, 0, 0, NULL, 0);
}

/* Go on with what waits; in turn, where several clients type at once. */
static void write_pending(struct keeper *k)
{
	for (struct keeper_client *c = k->clients; c && k->input_fd >= 0; c = c->next) {
		ssize_t n;

		if (!c->input)
			continue;
		n = write_input(k, c->input + c->input_done, c->input_size - c->input_done);
		if (n < 0) {
			input_close(k);
			return;
		}
		c->input_done += (size_t)n;
		if (c->input_done < c->input_size)
			return;
		input_taken(c);
	}
}

static bool input_pending(const struct keeper *k)
{
	for (const struct keeper_client *c = k->clients; c; c = c->next)
		if (c->input)
			return true;
	return false;
}

/* Watch for room while something waits; close the pipe after the last of it. */
void keeper_input_update(struct keeper *k)
{
	bool pending = input_pending(k);
	struct err ignored;

	if (k->input_source)
		loop_set_events(k->input_source, pending ? EPOLLOUT : 0, &ignored);
	if (k->input_eof && !pending)
		input_close(k);
}

static void on_input_room(void *data, int fd, uint32_t events)
{
	struct keeper *k = data;

	write_pending(k);
	keeper_input_update(k);
	keeper_settle(k);
}

/* What nobody will read is not acknowledged, so that its sender stops. */
void keeper_input(struct keeper_client *c, const char *data, size_t size)
{
	struct keeper *k = c->keeper;
	ssize_t done = 0;

	if (k->input_fd < 0 || k->input_eof)
		return;
	if (!input_pending(k))
		done = write_input(k, data, size);
	if (done < 0) {
		input_close(k);
		return;
	}
	if ((size_t)done == size) {
		input_taken(c);
		return;
	}
	c->input_size = size - (size_t)done;
	c->input_done = 0;
	c->input = malloc(c->input_size);
	if (c->input)
		memcpy(c->input, data + done, c->input_size);
	else
		c->dead = true; /* its data cannot be kept, and must not be lost in silence */
	keeper_input_update(k);
}

/* A terminal's input never ends: others may attach and type. */
void keeper_input_eof(struct keeper *k)
{
	if (k->state.terminal)
		return;
	k->input_eof = true;
	keeper_input_update(k);
}

int keeper_resize(struct keeper *k, int64_t rows_cols, struct err *err)
{
	if (!k->state.terminal || k->state.console_fd < 0)
		return err_set(err, ERR_STATE, 0, "the container has no terminal");
	return tty_set_size(k->state.console_fd, (unsigned short)(rows_cols >> 16),
			    (unsigned short)(rows_cols & 0xffff), err);
}

/* ---- set-up ---- */

static int stream_init(struct keeper *k, size_t i, int fd, struct err *err)
{
	struct keeper_stream *s = &k->streams[i];

	*s = (struct keeper_stream){.keeper = k,
				    .fd = fd,
				    .log = i == 0 ? LOG_STDOUT : LOG_STDERR,
				    .message = i == 0 ? KEEPER_STDOUT : KEEPER_STDERR};
	if (fd < 0)
		return 0;
	if (fd_set_nonblock(fd, true, err) < 0)
		return -1;
	s->source = loop_add_io(k->loop, fd, EPOLLIN, on_output, s, err);
	return s->source ? 0 : -1;
}

/* Reading and writing are two sources, and epoll has one for each descriptor. */
static int input_init(struct keeper *k, struct err *err)
{
	k->input_fd = k->state.stdin_fd;
	if (k->state.terminal && k->state.console_fd >= 0)
		k->input_fd = fcntl(k->state.console_fd, F_DUPFD_CLOEXEC, 3);
	if (k->input_fd < 0)
		return 0;
	if (fd_set_nonblock(k->input_fd, true, err) < 0)
		return -1;
	k->input_source = loop_add_io(k->loop, k->input_fd, 0, on_input_room, k, err);
	k->input_eof = k->state.input_eof;
	return k->input_source ? 0 : -1;
}

int keeper_io_init(struct keeper *k, struct err *err)
{
	const struct keeper_state *state = &k->state;

	k->buffer = mmap(NULL, KEEPER_PACKET_MAX, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (k->buffer == MAP_FAILED)
		return err_errno(err, "cannot map a buffer");
	keeper_touch(k); /* what the start needed goes too */
	if (state->terminal)
		take_slave(k);
	if (stream_init(k, 0, state->terminal ? state->console_fd : state->stdout_fd, err) < 0 ||
	    stream_init(k, 1, state->terminal ? -1 : state->stderr_fd, err) < 0)
		return -1;
	return input_init(k, err);
}

void keeper_io_done(struct keeper *k)
{
	input_close(k);
	stream_close(&k->streams[0]);
	stream_close(&k->streams[1]);
	loop_remove(k->idle_timer);
	k->idle_timer = NULL;
	fd_close(k->slave_fd);
	k->slave_fd = -1;
}
