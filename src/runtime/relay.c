/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One loop over the process, its terminal, our input and our signals. The output is drained to its end
 * after the process has ended: a terminal's master then reads EIO, or nothing more at once where a child
 * of it holds the other side.
 */
#include "runtime/relay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "kernel/tty.h"

struct relay {
	struct loop *loop;
	struct proc *process;
	struct relay_ends *ends;
	struct loop_source *input, *output[2];
	struct termios saved;
	bool raw;
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

/* 1: something was passed on, 0: nothing there now, -1: the end, or *err. */
static int pump(int from, int to, struct err *err)
{
	char buf[16384];
	ssize_t n = read(from, buf, sizeof buf);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	return fd_write_all(to, buf, (size_t)n, "the output", err) < 0 ? -1 : 1;
}

static void on_output(void *data, int fd, uint32_t events)
{
	struct relay *r = data;
	bool is_error = fd == r->ends->err_fd;

	if (pump(fd, is_error ? STDERR_FILENO : STDOUT_FILENO, &r->lost) >= 0)
		return;
	loop_remove(r->output[is_error]);
	r->output[is_error] = NULL;
	if (fd == r->ends->console_fd)
		return;
	/* Where nobody takes what it writes, it is to notice that, as in a pipeline without us. */
	fd_close(fd);
	*(is_error ? &r->ends->err_fd : &r->ends->out_fd) = -1;
}

static void on_input(void *data, int fd, uint32_t events)
{
	struct relay *r = data;
	int to = r->ends->console_fd >= 0 ? r->ends->console_fd : r->ends->in_fd;
	struct err ignored = ERR_INIT; /* it has closed its input */

	if (pump(STDIN_FILENO, to, &ignored) >= 0)
		return;
	loop_remove(r->input);
	r->input = NULL;
	fd_close(r->ends->in_fd);
	r->ends->in_fd = -1;
}

static void on_end(void *data, int fd, uint32_t events)
{
	struct relay *r = data;

	if (proc_wait(r->process, 0, &r->how, r->err) < 0)
		fail(r);
	loop_stop(r->loop, 0);
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
	else if (signal != SIGPIPE)
		proc_signal(r->process, signal, &ignored);
}

static int add_output(struct relay *r, int fd, int slot, struct err *err)
{
	if (fd < 0)
		return 0;
	if (fd_set_nonblock(fd, true, err) < 0)
		return -1;
	r->output[slot] = loop_add_io(r->loop, fd, EPOLLIN, on_output, r, err);
	return r->output[slot] ? 0 : -1;
}

static int add_input(struct relay *r, struct err *err)
{
	if (r->ends->console_fd >= 0 && isatty(STDIN_FILENO)) {
		if (tty_make_raw(STDIN_FILENO, &r->saved, err) < 0)
			return -1;
		r->raw = true;
	}
	r->input = loop_add_io(r->loop, STDIN_FILENO, EPOLLIN, on_input, r, err);
	return r->input ? 0 : -1;
}

static int add_sources(struct relay *r, bool interactive, struct err *err)
{
	static const int passed[] = {SIGINT,  SIGTERM, SIGHUP,	 SIGQUIT,
				     SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		sigaddset(&set, passed[i]);
	if (!loop_add_signals(r->loop, &set, on_signal, r, err) ||
	    !loop_add_io(r->loop, r->process->pidfd, EPOLLIN, on_end, r, err))
		return -1;
	copy_size(r);
	if (add_output(r, r->ends->console_fd, 0, err) < 0 ||
	    add_output(r, r->ends->out_fd, 0, err) < 0 ||
	    add_output(r, r->ends->err_fd, 1, err) < 0)
		return -1;
	bool wanted = r->ends->console_fd >= 0 || r->ends->in_fd >= 0;
	return interactive && wanted ? add_input(r, err) : 0;
}

static void drain(struct relay *r, int from, int to)
{
	while (from >= 0 && pump(from, to, &r->lost) > 0)
		;
}

int relay_process(struct proc *process, struct relay_ends *ends, bool interactive, int *ret_code,
		  struct err *err)
{
	struct relay r = {.process = process, .ends = ends, .err = err, .lost = ERR_INIT};
	int status = -1;

	r.loop = loop_new(err);
	if (r.loop && add_sources(&r, interactive, err) == 0 && loop_run(r.loop, err) >= 0)
		status = r.failed ? -1 : 0;
	drain(&r, ends->console_fd, STDOUT_FILENO);
	drain(&r, ends->out_fd, STDOUT_FILENO);
	drain(&r, ends->err_fd, STDERR_FILENO);
	if (r.raw)
		tty_restore(STDIN_FILENO, &r.saved);
	loop_free(r.loop);
	*ret_code = r.how.code;
	if (status < 0 || r.lost.kind == ERR_NONE || r.lost.errnum == EPIPE)
		return status;
	*err = r.lost;
	return -1;
}
