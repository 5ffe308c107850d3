/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running hooks: see hooks.h.
 *
 * A hook is somebody else's program that runs in the middle of our start, so it gets nothing but what the
 * specification says: its arguments, its environment, the state on its standard input, and no descriptor
 * of ours. The state comes in a sealed memory file, so that a hook that does not read it blocks nobody.
 * What it prints is collected and shown if it fails; collecting ends with the hook, as it may leave
 * something behind that keeps the pipe open. At its deadline it is killed, with all of its process group.
 */
#include "runtime/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/own.h"

#define OUTPUT_MAX 4096
#define READS_MAX 64

struct hook_run {
	const struct spec_hook *hook;
	const struct hook_place *place;
	int state_fd, out_read, out_write, result_read, result_write;
	struct proc proc;
	char output[OUTPUT_MAX]; /* the end of what it printed */
	size_t output_len;
};

static void hook_run_done(struct hook_run *run)
{
	proc_done(&run->proc);
	fd_close(run->out_read);
	fd_close(run->out_write);
	fd_close(run->result_read);
	fd_close(run->result_write);
}

const char *hooks_name(enum spec_hook_kind kind)
{
	static const char *const names[SPEC_HOOK_COUNT] = {
		[SPEC_HOOK_PRESTART] = "prestart",
		[SPEC_HOOK_CREATE_RUNTIME] = "createRuntime",
		[SPEC_HOOK_CREATE_CONTAINER] = "createContainer",
		[SPEC_HOOK_START_CONTAINER] = "startContainer",
		[SPEC_HOOK_POSTSTART] = "poststart",
		[SPEC_HOOK_POSTSTOP] = "poststop",
	};

	return names[kind];
}

static int timeout_of(const struct spec_hook *hook)
{
	return hook->timeout ? hook->timeout : HOOK_TIMEOUT_S;
}

int hooks_timeout_ms(const struct spec *spec, enum spec_hook_kind kind)
{
	int64_t sum = 0;

	for (size_t i = 0; i < spec->hooks[kind].count; i++)
		sum += timeout_of(&spec->hooks[kind].items[i]) * INT64_C(1000);
	return sum > INT32_MAX / 2 ? INT32_MAX / 2 : (int)sum;
}

/* In the child. args has the program's name first; where it is absent, it is the path. */
static int execute(struct hook_run *run, struct err *err)
{
	const struct spec_hook *hook = run->hook;
	char *only_name[] = {hook->path, NULL};
	char **argv = hook->args.count ? hook->args.items : only_name;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0); /* what it has started goes with it at the deadline */
	if (run->place->enter && run->place->enter(run->place->data, err) < 0)
		return -1;
	proc_reset_signals();
	int out_fd = run->place->out_fd >= 0 ? run->place->out_fd : run->out_write;
	int err_fd = run->place->err_fd >= 0 ? run->place->err_fd : run->out_write;
	if (dup2(run->state_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 ||
	    dup2(err_fd, STDERR_FILENO) < 0)
		return err_errno(err, "cannot set its descriptors");
	if (fd_cloexec_from(STDERR_FILENO + 1, err) < 0)
		return -1;
	if (run->place->confine && run->place->confine(run->place->data, err) < 0)
		return -1;
	execve(hook->path, argv, hook->env.count ? hook->env.items : environ);
	return err_errno(err, "cannot execute it");
}

static int start(struct hook_run *run, struct err *err)
{
	struct err from_child = ERR_INIT;
	pid_t pid;

	if (fd_pipe(&run->out_read, &run->out_write, err) < 0 ||
	    fd_pipe(&run->result_read, &run->result_write, err) < 0)
		return -1;
	pid = proc_clone(&run->proc, 0, -1, err);
	if (pid < 0 && err->errnum == EAGAIN)
		err_hint(err,
			 "a hook of the container's own process is bound by process.rlimits, too");
	if (pid < 0)
		return -1;
	if (pid == 0) {
		struct err ignored;

		execute(run, &from_child);
		fd_write_all(run->result_write, &from_child, sizeof from_child, "", &ignored);
		_exit(127);
	}
	fd_close(take_fd(run->out_write));
	fd_close(take_fd(run->result_write));
	ssize_t n;
	do
		n = read(run->result_read, &from_child, sizeof from_child);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return fd_set_nonblock(run->out_read, true, err);
	if (n != sizeof from_child)
		return err_set(err, ERR_IO, 0, "it died before it was executed");
	*err = from_child;
	return -1;
}

/* Keep the end of what it prints, as much as is there; one that prints faster than we read must not keep us
 * from its deadline. False: end of file. */
static bool take_output(struct hook_run *run)
{
	for (int tries = 0; tries < READS_MAX; tries++) {
		char *at;
		ssize_t n;

		if (run->output_len > OUTPUT_MAX / 2) {
			size_t drop = run->output_len - OUTPUT_MAX / 2;

			memmove(run->output, run->output + drop, run->output_len - drop);
			run->output_len -= drop;
		}
		at = run->output + run->output_len;
		n = read(run->out_read, at, OUTPUT_MAX - 1 - run->output_len);
		if (n == 0)
			return false;
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN;
		if (n > 0)
			run->output_len += (size_t)n;
	}
	return true;
}

static int wait_for(struct hook_run *run, int timeout_s, struct err *err)
{
	int64_t deadline = clock_boot_ms() + (int64_t)timeout_s * 1000;
	struct pollfd wait[2] = {{.fd = run->proc.pidfd, .events = POLLIN},
				 {.fd = run->out_read, .events = POLLIN}};

	while (!(wait[0].revents & POLLIN)) {
		int64_t left = deadline - clock_boot_ms();

		if (left <= 0) {
			kill(-run->proc.pid, SIGKILL); /* not reaped yet: still its group */
			return err_set(err, ERR_TIMEOUT, 0,
				       "did not end within %d s, and was killed", timeout_s);
		}
		if (poll(wait, 2, left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for it");
		if (wait[1].fd >= 0 && !take_output(run))
			wait[1].fd = -1;
	}
	if (wait[1].fd >= 0)
		take_output(run);
	return 0;
}

/* The last line that is not empty, "" where there is none. */
static const char *last_line(struct hook_run *run)
{
	char *text = run->output;

	text[run->output_len] = '\0';
	for (size_t n = strlen(text); n && text[n - 1] == '\n';)
		text[--n] = '\0';
	char *newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

static int run_one(struct hook_run *run, struct err *err)
{
	int timeout = timeout_of(run->hook);
	struct proc_exit how;

	if (start(run, err) < 0 || wait_for(run, timeout, err) < 0 ||
	    proc_wait(&run->proc, -1, &how, err) < 0)
		return -1;
	if (how.code == 0)
		return 0;
	const char *said = last_line(run);
	if (how.signal)
		return err_set(err, ERR_IO, 0, "was ended by signal %d%s%.300s", how.signal,
			       *said ? ": " : "", said);
	return err_set(err, ERR_IO, 0, "exited with %d%s%.300s", how.code, *said ? ": " : "", said);
}

static int open_output(const struct state *state, const char *annotation, int *ret_fd,
		       struct err *err)
{
	const char *path = strv_env_get(&state->annotations, annotation);

	*ret_fd = -1;
	if (!path)
		return 0;
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? err_errno(err, "annotation %s: cannot open '%s'", annotation, path)
			   : 0;
}

int hooks_open_output(const struct state *state, int *ret_out_fd, int *ret_err_fd, struct err *err)
{
	own_fd int out_fd = -1;

	if (open_output(state, "run.oci.hooks.stdout", &out_fd, err) < 0 ||
	    open_output(state, "run.oci.hooks.stderr", ret_err_fd, err) < 0)
		return -1;
	*ret_out_fd = take_fd(out_fd);
	return 0;
}

/* Each reads the state in a file of its own: what one leaves behind may still be reading. */
static int run_hook(const struct spec *spec, enum spec_hook_kind kind, size_t i,
		    const struct str *text, const struct hook_place *place, struct err *err)
{
	const struct spec_hook *hook = &spec->hooks[kind].items[i];

	if (fail_point("hooks.run", err) < 0)
		return -1;
	own_fd int state_fd = fd_sealed_memfd("state", text->data, text->len, err);
	own(hook_run) struct hook_run run = {.hook = hook,
					     .place = place,
					     .state_fd = state_fd,
					     .out_read = -1,
					     .out_write = -1,
					     .result_read = -1,
					     .result_write = -1,
					     .proc = PROC_INIT};
	if (state_fd < 0 || run_one(&run, err) < 0)
		return err_wrap(err, "hook '%s' (%s[%zu])", hook->path, hooks_name(kind), i);
	return 0;
}

int hooks_run(const struct spec *spec, enum spec_hook_kind kind, const struct state *state,
	      enum state_status status, int32_t pid, const struct hook_place *place,
	      struct err *err)
{
	own(str) struct str text = STR_INIT(8u << 20);
	struct err failed = ERR_INIT;

	if (!spec->hooks[kind].count)
		return 0;
	if (state_document(state, status, pid, &text, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->hooks[kind].count; i++) {
		if (run_hook(spec, kind, i, &text, place, &failed) == 0)
			continue;
		if (kind != SPEC_HOOK_POSTSTOP) {
			*err = failed;
			return -1;
		}
		warn_emit("%s", failed.message);
		failed = ERR_INIT;
	}
	return 0;
}
