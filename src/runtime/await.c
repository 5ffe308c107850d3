/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for somebody inside: C, or who enters. There is always a deadline; and what is in a control
 * group that is frozen answers nobody, so that is looked for, too, and said at once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "runtime/start.h"

#define LOOK_MS 500    /* how often */
#define ABANDON_MS 200 /* for what was killed to be gone */

static int say_frozen(const struct cgroup *group, struct err *err)
{
	err_set(err, ERR_STATE, 0, "the container is paused: nothing can run in it");
	return err_hint(err, "thaw cgroup '%s', or what is above it, first", group->name);
}

int await_thawed(const struct cgroup *group, struct err *err)
{
	return cgroup_is_frozen(group) ? say_frozen(group, err) : 0;
}

int await_message(const struct waiting *w, struct err *err)
{
	struct pollfd wait = {.fd = w->fd, .events = POLLIN};
	int64_t deadline = clock_boot_ms() + w->timeout_ms;

	for (;;) {
		int ready = poll(&wait, 1, LOOK_MS);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for the container");
		if (w->group && cgroup_is_frozen(w->group)) {
			if (!w->even_frozen)
				return say_frozen(w->group, err);
			deadline = clock_boot_ms() + w->timeout_ms;
		} else if (clock_boot_ms() > deadline) {
			return err_set(err, ERR_TIMEOUT, 0,
				       "the command was not executed within %d seconds",
				       w->timeout_ms / 1000);
		}
	}
}

int await_attached(int fd, struct err *err)
{
	char word;
	size_t none;

	if (fd_recv(fd, &word, 1, NULL, 0, &none, err) == 1)
		return 0;
	return err->errnum ? -1 : err_set(err, ERR_STATE, 0, "our parent gave up");
}

int say_attached(int fd, struct err *err)
{
	return fd_send(fd, "g", 1, NULL, 0, err);
}

/* 0: n bytes other than an error; -1: the error that was sent. */
static int take_word(const struct waiting *w, void *word, size_t size, ssize_t *ret_size,
		     struct err *err)
{
	union {
		struct err err;
		char word[sizeof(struct err)];
	} message;
	size_t none;

	if (await_message(w, err) < 0)
		return -1;
	*ret_size = fd_recv(w->fd, &message, sizeof message, NULL, 0, &none, err);
	if (*ret_size < 0)
		return -1;
	if (*ret_size == sizeof message.err) {
		*err = message.err;
		return -1;
	}
	memcpy(word, message.word, (size_t)*ret_size < size ? (size_t)*ret_size : size);
	return 0;
}

int await_word(const struct waiting *w, struct err *err)
{
	char word = 0;
	ssize_t size;

	if (take_word(w, &word, 1, &size, err) < 0)
		return -1;
	if (size == 1 && word == WORD_DONE)
		return 0;
	return size ? err_set(err, ERR_INTERNAL, 0, "the container's process sent %zd bytes", size)
		    : err_set(err, ERR_STATE, 0,
			      "the container's process died while it was set up");
}

/* Nothing (its end was closed by execve), or its error. */
int await_exec(const struct waiting *w, struct err *err)
{
	char word;
	ssize_t size;

	if (take_word(w, &word, 1, &size, err) < 0)
		return -1;
	return size ? err_set(err, ERR_INTERNAL, 0, "the container's process sent %zd bytes", size)
		    : 0;
}

void abandon(struct proc *p)
{
	struct proc_exit how;
	struct err ignored = ERR_INIT;

	if (p->pidfd >= 0 && proc_signal(p, SIGKILL, &ignored) == 0)
		proc_wait(p, ABANDON_MS, &how, &ignored);
	proc_forget(p);
}
