/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One loop over the process, its terminal or pipes, our input and output, and our signals.
 *
 * Each direction is a channel with a buffer of its own, and nobody waits in read(2) or write(2): else a
 * program that prints more than it is fed would stop with us, each waiting for the other to read, and a
 * reader of ours who never reads would keep signals from the process. Whoever cannot write now stops
 * reading until he can, so the process is slowed as in a pipeline without us. Our own output is shared with
 * whoever started us, and must not become non-blocking for him: outlet_open().
 *
 * The output is drained to its end after the process has ended: a terminal's master then reads EIO, or
 * nothing more at once where a child of it holds the other side. If nobody takes the rest, a signal ends
 * the wait.
 */
#include "runtime/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "kernel/tty.h"

#define CHUNK 16384
#define TURNS 16 /* of one channel, before the others have theirs */

enum channel_kind { CHANNEL_IN, CHANNEL_OUT, CHANNEL_ERR, CHANNEL_COUNT };

struct channel {
	struct relay *relay;
	int from, to;
	int owned; /* `to`, where nobody else closes it; or -1 */
	enum { TO_NONBLOCKING, TO_SHARED, TO_SOCKET } how;
	struct loop_source *reader, *writer;
	bool ended;    /* nothing more comes, or nobody takes it */
	bool discards; /* what a terminal shows to nobody */
	size_t at, len;
	char *data; /* CHUNK bytes, of a channel that is used */
};

struct relay {
	struct loop *loop;
	struct proc *process;
	struct relay_ends *ends;
	struct channel channels[CHANNEL_COUNT];
	struct termios saved;
	bool raw;
	struct loop_source *end;
	bool process_ended;
	struct proc_exit how;
	struct err *err, lost; /* lost: output that could not be written */
	bool failed;
};

void relay_ends_done(struct relay_ends *ends)
{
	fd_close(ends->console_fd);
	fd_close(ends->in_fd);
	fd_close(ends->out_fd);
	fd_close(ends->err_fd);
	*ends = RELAY_ENDS_NONE;
}

static void fail(struct relay *r)
{
	r->failed = true;
	loop_stop(r->loop, 0);
}

/* ---- writing without waiting ---- */

/* A pipe or terminal is opened anew, for an open file description of our own. Where that is not allowed
 * (a pipe of another user's), and of anything else, what poll(2) says must do: a pipe then takes PIPE_BUF in
 * one piece. */
static void outlet_open(struct channel *c, int fd)
{
	char path[32];
	struct stat st;

	c->to = fd;
	c->how = TO_SHARED;
	if (fstat(fd, &st) < 0 || S_ISREG(st.st_mode) ||
	    S_ISBLK(st.st_mode)) /* they have a position, which is shared */
		return;
	if (S_ISSOCK(st.st_mode)) {
		c->how = TO_SOCKET;
		return;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	c->owned = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (c->owned < 0)
		return;
	c->to = c->owned;
	c->how = TO_NONBLOCKING;
}

static ssize_t write_some(const struct channel *c)
{
	struct pollfd ready = {.fd = c->to, .events = POLLOUT};
	const char *data = c->data + c->at;
	size_t size = c->len - c->at;

	if (c->how == TO_SOCKET)
		return send(c->to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (c->how == TO_SHARED && poll(&ready, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(c->to, data, c->how == TO_SHARED && size > PIPE_BUF ? PIPE_BUF : size);
}

/* 1: all is written, 0: not now, -1: nobody takes it. */
static int flush(struct channel *c)
{
	while (c->at < c->len) {
		ssize_t n = c->discards ? (ssize_t)(c->len - c->at) : write_some(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->at += (size_t)n;
	}
	c->at = c->len = 0;
	return 1;
}

/* ---- channels ---- */

static void stop_if_drained(struct relay *r)
{
	if (r->process_ended && r->channels[CHANNEL_OUT].ended && r->channels[CHANNEL_ERR].ended)
		loop_stop(r->loop, 0);
}

static void close_end(int *end)
{
	fd_close(*end);
	*end = -1;
}

/* Where nobody takes what the process writes, it is to notice that, as in a pipeline without us; where it has no
 * more input, too. A terminal stays: it is read as well as written. */
static void end_channel(struct channel *c)
{
	struct relay *r = c->relay;
	struct relay_ends *ends = r->ends;

	c->ended = true;
	loop_remove(c->reader);
	loop_remove(c->writer);
	c->reader = c->writer = NULL;
	if (c == &r->channels[CHANNEL_IN])
		close_end(&ends->in_fd);
	else if (c->from != ends->console_fd)
		close_end(c == &r->channels[CHANNEL_OUT] ? &ends->out_fd : &ends->err_fd);
	stop_if_drained(r);
}

static void refused(struct channel *c)
{
	struct relay *r = c->relay;

	if (c != &r->channels[CHANNEL_IN] && r->lost.kind == ERR_NONE)
		err_errno(&r->lost, "cannot write 'the output'");
	/* A terminal that is full would stop the process, and it would never notice. */
	if (c->from == r->ends->console_fd && c != &r->channels[CHANNEL_IN])
		c->discards = true;
	else
		end_channel(c);
}

/* 1: something was read, 0: nothing there now, -1: the end. Our input is our caller's, too, and may wait. */
static int fill(struct channel *c)
{
	struct pollfd ready = {.fd = c->from, .events = POLLIN};

	if (c->from == STDIN_FILENO && poll(&ready, 1, 0) == 0)
		return 0;
	ssize_t n = read(c->from, c->data, CHUNK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	c->len = (size_t)n;
	return n == 0 ? -1 : 1;
}

static void wait_for(struct channel *c, bool writable)
{
	if ((c->reader && loop_set_events(c->reader, writable ? 0 : EPOLLIN, c->relay->err) < 0) ||
	    (c->writer && loop_set_events(c->writer, writable ? EPOLLOUT : 0, c->relay->err) < 0))
		fail(c->relay);
}

/* After the process has ended everything that is there is passed on, and then it is over. */
static void move(struct channel *c)
{
	for (int turn = 0; turn < TURNS; turn++) {
		int written = flush(c);

		if (written < 0)
			refused(c);
		if (c->ended)
			return;
		if (written == 0) {
			wait_for(c, true);
			return;
		}
		int got = fill(c);
		if (got < 0 || (got == 0 && c->relay->process_ended)) {
			end_channel(c);
			return;
		}
		if (got == 0)
			break;
	}
	wait_for(c, c->len > 0);
}

static void on_channel(void *data, int fd, uint32_t events)
{
	struct channel *c = data;

	if (!c->ended)
		move(c);
}

static void on_end(void *data, int fd, uint32_t events)
{
	struct relay *r = data;

	loop_remove(r->end);
	r->process_ended = true;
	if (proc_wait(r->process, 0, &r->how, r->err) < 0) {
		fail(r);
		return;
	}
	if (!r->channels[CHANNEL_IN].ended)
		end_channel(&r->channels[CHANNEL_IN]);
	for (int i = CHANNEL_OUT; i <= CHANNEL_ERR; i++)
		if (!r->channels[i].ended)
			move(&r->channels[i]);
	stop_if_drained(r);
}

static void copy_size(struct relay *r)
{
	struct winsize size;
	struct err ignored = ERR_INIT;

	if (r->ends->console_fd >= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		tty_set_size(r->ends->console_fd, size.ws_row, size.ws_col, &ignored);
}

static void on_signal(void *data, int signal, int32_t sender)
{
	struct relay *r = data;
	struct err ignored = ERR_INIT;

	if (signal == SIGWINCH)
		copy_size(r);
	else if (r->process_ended)
		loop_stop(r->loop, 0); /* nobody takes the rest of its output */
	else
		proc_signal(r->process, signal, &ignored);
}

/* ---- what is joined ---- */

static int watch(struct channel *c, struct err *err)
{
	c->data = malloc(CHUNK);
	if (!c->data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot relay the container's output");
	c->ended = false;
	c->reader = loop_add_io(c->relay->loop, c->from, EPOLLIN, on_channel, c, err);
	c->writer = c->reader ? loop_add_io(c->relay->loop, c->to, 0, on_channel, c, err) : NULL;
	return c->writer ? 0 : -1;
}

static int add_output(struct relay *r, enum channel_kind kind, int fd, int to, struct err *err)
{
	struct channel *c = &r->channels[kind];

	if (fd < 0)
		return 0;
	if (fd_set_nonblock(fd, true, err) < 0)
		return -1;
	c->from = fd;
	outlet_open(c, to);
	return watch(c, err);
}

static int add_input(struct relay *r, struct err *err)
{
	struct channel *c = &r->channels[CHANNEL_IN];
	int console_fd = r->ends->console_fd;

	if (console_fd >= 0 && isatty(STDIN_FILENO)) {
		if (tty_make_raw(STDIN_FILENO, &r->saved, err) < 0)
			return -1;
		r->raw = true;
	}
	/* A number of its own: the terminal's is watched as output. */
	c->owned = console_fd >= 0 ? fcntl(console_fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (console_fd >= 0 && c->owned < 0)
		return err_errno(err, "cannot watch the terminal");
	c->from = STDIN_FILENO;
	c->to = console_fd >= 0 ? c->owned : r->ends->in_fd;
	return fd_set_nonblock(c->to, true, err) < 0 ? -1 : watch(c, err);
}

static int add_sources(struct relay *r, bool interactive, struct err *err)
{
	static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	const struct relay_ends *ends = r->ends;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		sigaddset(&set, passed[i]);
	r->end = loop_add_io(r->loop, r->process->pidfd, EPOLLIN, on_end, r, err);
	if (!r->end || !loop_add_signals(r->loop, &set, on_signal, r, err))
		return -1;
	copy_size(r);
	int out_fd = ends->console_fd >= 0 ? ends->console_fd : ends->out_fd;
	if (add_output(r, CHANNEL_OUT, out_fd, STDOUT_FILENO, err) < 0 ||
	    add_output(r, CHANNEL_ERR, ends->err_fd, STDERR_FILENO, err) < 0)
		return -1;
	bool wanted = ends->console_fd >= 0 || ends->in_fd >= 0;
	return interactive && wanted ? add_input(r, err) : 0;
}

static void relay_done(struct relay *r)
{
	if (r->raw)
		tty_restore(STDIN_FILENO, &r->saved);
	loop_free(r->loop);
	for (int i = 0; i < CHANNEL_COUNT; i++) {
		fd_close(r->channels[i].owned);
		free(r->channels[i].data);
	}
}

int relay_process(struct proc *process, struct relay_ends *ends, bool interactive, int *ret_code,
		  struct err *err)
{
	struct relay r = {.process = process, .ends = ends, .err = err, .lost = ERR_INIT};
	/* Held back, it would be ours as soon as it is let through again. */
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	int status = -1;

	sigaction(SIGPIPE, &ignore, &before);

	for (int i = 0; i < CHANNEL_COUNT; i++) {
		r.channels[i].relay = &r;
		r.channels[i].owned = -1;
		r.channels[i].ended = true;
	}
	r.loop = loop_new(err);
	if (r.loop && add_sources(&r, interactive, err) == 0 && loop_run(r.loop, err) >= 0)
		status = r.failed ? -1 : 0;
	relay_done(&r);
	sigaction(SIGPIPE, &before, NULL);
	if (status < 0)
		proc_done(process); /* nobody else would see its end */
	*ret_code = r.how.code;
	if (status < 0 || r.lost.kind == ERR_NONE || r.lost.errnum == EPIPE)
		return status;
	*err = r.lost;
	return -1;
}
