/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A user attached to a container: their standard input, output and error on one side, a keeper's
 * connection on the other, until the container ends or the user detaches.
 *
 * Output is lossless with back-pressure: no message is taken from the keeper before the last one was
 * written. Writes are made when poll(2) says that there is room, and never larger than what a pipe
 * with room takes without blocking, so that signals and the keeper's end are seen even while the
 * output is stuck in somebody's pager. (Making standard output non-blocking would do it to the
 * user's shell as well: the flag belongs to the open file, not to us.)
 *
 * Input is read ahead into a small buffer, because the detach keys must be seen while the container
 * does not read, and sent piece by piece as the keeper acknowledges.
 *
 * With a terminal, the user's own is raw for that time. It is restored on every way out: all signals
 * that would end us are blocked and read from a signalfd; those that we do not forward are raised
 * again after the terminal has been restored.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "base/str.h"
#include "engine/keeper.h"
#include "engine/service.h"
#include "kernel/tty.h"

#define INPUT_SIZE 16384u
#define WRITE_MAX 4096u /* PIPE_BUF: what a pipe with room takes without blocking */
#define SEND_WAIT_MS 10000
#define FORCE_SIGNALS 3

static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

struct attach {
	int fd; /* borrowed */
	const struct attach_options *options;
	int signal_fd;
	sigset_t saved_mask;
	bool masked;
	struct sigaction saved_pipe;
	bool raw;
	struct termios saved;
	char *data; /* KEEPER_DATA_MAX: the message in hand */
	const char *out;
	size_t out_left;
	int out_fd;
	char *input; /* INPUT_SIZE */
	size_t input_used;
	bool may_send, input_ended, eof_sent;
	size_t keys_seen; /* of the detach keys; they are kept back until the next byte tells */
	unsigned int interrupts;
	bool detached, ended;
	int raise_signal;
	int exit_code;
};

static void attach_done(struct attach *a)
{
	if (a->raw)
		tty_restore(STDIN_FILENO, &a->saved);
	if (a->masked) {
		sigaction(SIGPIPE, &a->saved_pipe, NULL);
		sigprocmask(SIG_SETMASK, &a->saved_mask, NULL);
	}
	fd_close(a->signal_fd);
	free(a->data);
	free(a->input);
	if (a->raise_signal)
		raise(a->raise_signal);
}

/* A short-lived container may have ended before we get to say something. Its keeper left its last
 * words in the connection: reading them tells how it ended, so that it has gone is no error here. */
static int tell(const struct attach *a, enum keeper_message type, int64_t value, const void *data,
		size_t size, struct err *err)
{
	if (keeper_send(a->fd, type, value, 0, data, size, err) == 0)
		return 0;
	if (err->kind != ERR_STATE)
		return -1;
	*err = ERR_INIT;
	return 0;
}

static int send_size(const struct attach *a, struct err *err)
{
	struct winsize size;

	if (!a->options->terminal || (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 &&
				      ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0))
		return 0;
	return tell(a, KEEPER_RESIZE, (int64_t)size.ws_row << 16 | size.ws_col, NULL, 0, err);
}

static int make_raw(struct attach *a, struct err *err)
{
	if (!a->options->terminal || !a->options->interactive || !isatty(STDIN_FILENO))
		return 0;
	/* The first state is the one to come back to. */
	if (tty_make_raw(STDIN_FILENO, a->raw ? &(struct termios){0} : &a->saved, err) < 0)
		return -1;
	a->raw = true;
	return 0;
}

static int watch_signals(struct attach *a, struct err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(&set, forwarded[i]);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGCONT);
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->signal_fd < 0)
		return err_errno(err, "cannot watch signals");
	sigprocmask(SIG_BLOCK, &set, &a->saved_mask);
	sigaction(SIGPIPE, &ignore, &a->saved_pipe);
	a->masked = true;
	return 0;
}

static int attach_init(struct attach *a, int fd, const struct attach_options *options,
		       struct err *err)
{
	*a = (struct attach){.fd = fd, .options = options, .signal_fd = -1, .may_send = true};
	a->data = malloc(KEEPER_DATA_MAX);
	a->input = malloc(INPUT_SIZE);
	a->input_ended = !options->interactive;
	a->eof_sent = a->input_ended;
	if (!a->data || !a->input)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot attach");
	/* The size first: programs ask for it as soon as they start. */
	if (watch_signals(a, err) < 0 || make_raw(a, err) < 0 || send_size(a, err) < 0)
		return -1;
	if (options->notice && tell(a, KEEPER_WATCH, 0, NULL, 0, err) < 0)
		return -1;
	if (tell(a, KEEPER_ATTACH, (int64_t)options->replay, NULL, 0, err) < 0)
		return -1;
	return fail_point("attach.joined", err);
}

/* ---- signals ---- */

static int handle_signal(struct attach *a, int signal, struct err *err)
{
	if (signal == SIGCONT && make_raw(a, err) < 0)
		return -1;
	if (signal == SIGWINCH || signal == SIGCONT)
		return send_size(a, err);
	if (!a->options->sig_proxy) {
		a->raise_signal = signal;
		return err_set(err, ERR_STATE, 0, "interrupted by a signal");
	}
	/* A program that is PID 1 and has no handler never sees SIGINT: the third one is for us. */
	if ((signal == SIGINT || signal == SIGTERM) && ++a->interrupts >= FORCE_SIGNALS) {
		a->detached = true;
		return 0;
	}
	return tell(a, KEEPER_SIGNAL, signal, NULL, 0, err);
}

static int read_signals(struct attach *a, struct err *err)
{
	struct signalfd_siginfo info;

	while (read(a->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (handle_signal(a, (int)info.ssi_signo, err) < 0)
			return -1;
	return 0;
}

/* ---- input ---- */

/* One key of the list; -1: it is none. */
static int parse_key(const char *text, size_t size)
{
	if (size == 1)
		return (unsigned char)text[0];
	if (size != sizeof "ctrl-" || strncmp(text, "ctrl-", size - 1) != 0)
		return -1;
	char c = text[size - 1];

	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	return c >= '@' && c <= '_' ? c - '@' : -1;
}

int detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err)
{
	struct detach_keys keys = {.length = 0};

	if (!text) {
		*ret = DETACH_KEYS_DEFAULT;
		return 0;
	}
	for (const char *key = text; *key; key += strcspn(key, ","), key += *key == ',') {
		int value = parse_key(key, strcspn(key, ","));

		if (value < 0 || keys.length == KEEPER_KEYS_MAX) {
			err_set(err, ERR_USAGE, 0, "--detach-keys: '%s' is no sequence of keys",
				text);
			return err_hint(err,
					"up to %d of a character or ctrl- with a letter, between "
					"commas: ctrl-p,ctrl-q; nothing at all for none",
					KEEPER_KEYS_MAX);
		}
		keys.keys[keys.length++] = (unsigned char)value;
	}
	*ret = keys;
	return 0;
}

/* Of the keys that were kept back and do not go on with this byte, the first ones were the container's:
 * how many of the last ones may still be the beginning of the sequence. */
static size_t fall_back(const struct detach_keys *keys, size_t seen)
{
	for (size_t left = seen - 1; left > 0; left--)
		if (memcmp(keys->keys, keys->keys + seen - left, left) == 0)
			return left;
	return 0;
}

static void take_byte(struct attach *a, unsigned char typed)
{
	const struct detach_keys *keys = &a->options->keys;

	while (a->keys_seen > 0 && keys->keys[a->keys_seen] != typed) {
		size_t left = fall_back(keys, a->keys_seen);

		memcpy(a->input + a->input_used, keys->keys, a->keys_seen - left);
		a->input_used += a->keys_seen - left;
		a->keys_seen = left;
	}
	if (keys->length > 0 && keys->keys[a->keys_seen] == typed)
		a->detached = ++a->keys_seen == keys->length;
	else
		a->input[a->input_used++] = (char)typed;
}

/* Append what was typed, without the detach keys. */
static void take_typed(struct attach *a, const char *typed, size_t size)
{
	for (size_t i = 0; i < size && !a->detached; i++)
		take_byte(a, (unsigned char)typed[i]);
}

static int read_input(struct attach *a, struct err *err)
{
	/* Room for keys that were kept back. */
	size_t room = INPUT_SIZE - a->input_used - KEEPER_KEYS_MAX;
	char typed[4096];
	ssize_t n = read(STDIN_FILENO, typed, room < sizeof(typed) ? room : sizeof(typed));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* EIO: the terminal has gone. */
	if (n < 0 && errno != EIO)
		return err_errno(err, "cannot read standard input");
	if (n <= 0) {
		a->input_ended = true;
	} else if (a->options->terminal) {
		take_typed(a, typed, (size_t)n);
	} else {
		memcpy(a->input + a->input_used, typed, (size_t)n);
		a->input_used += (size_t)n;
	}
	return 0;
}

static int send_input(struct attach *a, struct err *err)
{
	if (a->input_used > 0 && a->may_send) {
		if (tell(a, KEEPER_STDIN, 0, a->input, a->input_used, err) < 0)
			return -1;
		a->input_used = 0;
		a->may_send = false;
	}
	if (!a->input_ended || a->eof_sent || a->input_used > 0)
		return 0;
	a->eof_sent = true;
	return tell(a, KEEPER_STDIN_EOF, 0, NULL, 0, err);
}

/* ---- output ---- */

static int write_output(struct attach *a, struct err *err)
{
	size_t size = a->out_left < WRITE_MAX ? a->out_left : WRITE_MAX;
	ssize_t n = write(a->out_fd, a->out, size);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return err_errno(err, "cannot write to standard %s",
				 a->out_fd == STDOUT_FILENO ? "output" : "error");
	a->out += n;
	a->out_left -= (size_t)n;
	return 0;
}

/* To the service manager that started us. */
static void pass_on(const struct attach *a, size_t size)
{
	char text[READY_TEXT_MAX + 1];

	if (!size || size >= sizeof(text))
		return;
	memcpy(text, a->data, size);
	text[size] = '\0';
	service_tell(text);
}

static int read_message(struct attach *a, struct err *err)
{
	struct keeper_header header;
	int got = keeper_receive(a->fd, &header, a->data, SEND_WAIT_MS, err);

	if (got < 0)
		return -1;
	if (got == 0)
		return err_set(err, ERR_STATE, 0, "the keeper of the container ended unexpectedly");
	switch (header.type) {
	case KEEPER_STDOUT:
	case KEEPER_STDERR:
		a->out_fd = header.type == KEEPER_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
		a->out = a->data;
		a->out_left = header.length;
		return 0;
	case KEEPER_STDIN_TAKEN:
		a->may_send = true;
		return 0;
	case KEEPER_NOTICE:
		pass_on(a, header.length);
		return 0;
	case KEEPER_EXIT:
		a->exit_code = (int)header.value;
		a->ended = true;
		return 0;
	default:
		/* Answers to a size or a signal that came too late for the container do not matter
		 * to the user. */
		return 0;
	}
}

/* ---- the relay ---- */

static int relay_once(struct attach *a, struct err *err)
{
	bool wants_input = !a->input_ended &&
			   (a->options->terminal ? a->input_used + KEEPER_KEYS_MAX < INPUT_SIZE
						 : a->input_used == 0);
	struct pollfd polls[] = {
		{a->signal_fd, POLLIN, 0},
		{a->out_left == 0 ? a->fd : -1, POLLIN, 0},
		{a->out_left > 0 ? a->out_fd : -1, POLLOUT, 0},
		{wants_input ? STDIN_FILENO : -1, POLLIN, 0},
	};

	if (poll(polls, sizeof(polls) / sizeof(polls[0]), -1) < 0)
		return errno == EINTR ? 0 : err_errno(err, "cannot wait for the container");
	if (polls[0].revents && read_signals(a, err) < 0)
		return -1;
	if (polls[1].revents && read_message(a, err) < 0)
		return -1;
	if (polls[2].revents && write_output(a, err) < 0)
		return -1;
	if (polls[3].revents && !a->ended && read_input(a, err) < 0)
		return -1;
	return a->ended ? 0 : send_input(a, err);
}

int keeper_attach(int fd, const struct attach_options *options, int *ret_code, struct err *err)
{
	own(attach) struct attach a = {.signal_fd = -1};

	if (attach_init(&a, fd, options, err) < 0)
		return -1;
	while (!a.ended && !a.detached)
		if (relay_once(&a, err) < 0)
			return -1;
	if (a.detached)
		return 1;
	*ret_code = a.exit_code;
	return 0;
}
