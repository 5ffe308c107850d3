/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading events: the older file, then the newer one, then whatever is added to it. Between two looks it
 * may have become the older one: then its rest is read, and the next one is opened. A writer that opened it
 * just before still writes to it, so it is looked at until it is moved once more.
 *
 * inotify(7) only says when it is time to look again, and where there is none to be had, a second is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "engine/event.h"
#include "engine/store_private.h"

#define BLOCK (4 * EVENT_LINE_MAX)
#define OPEN_TRIES 8
#define WAIT_MS 1000

struct tail {
	int fd; /* -1: none */
	size_t used;
	char block[BLOCK]; /* what was read and is no whole line yet */
};

struct reading {
	const struct event_query *query;
	event_fn *fn;
	void *data;
	int run_fd;
	bool enough;
	struct tail old, now;
};

static void reading_free(struct reading **slot)
{
	struct reading *r = *slot;

	if (!r)
		return;
	fd_close(r->old.fd);
	fd_close(r->now.fd);
	free(r);
}

static int open_named(int run_fd, const char *name)
{
	return openat(run_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Both at one moment: not the same file twice, as it was moved between our two looks. */
static void open_both(struct reading *r)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		fd_close(r->now.fd);
		fd_close(r->old.fd);
		r->now.fd = open_named(r->run_fd, EVENT_FILE);
		r->old.fd = open_named(r->run_fd, EVENT_OLD_FILE);
		if (r->now.fd < 0 || file_is_named(r->now.fd, r->run_fd, EVENT_FILE))
			return;
	}
}

static int take_line(struct reading *r, const char *line, size_t size, struct err *err)
{
	own(event) struct event e = {0};
	const struct store_part part = {event_fields, &e};
	struct err damaged = ERR_INIT;
	int told;

	if (size == 0 || store_bind_line(line, size, "event", &part, &damaged) < 0)
		return 0;
	if (r->query->since_ns && e.time_ns < r->query->since_ns)
		return 0;
	if (r->query->until_ns && e.time_ns > r->query->until_ns)
		return 0;
	told = r->fn(r->data, &e, err);
	r->enough = r->enough || told > 0;
	return told < 0 ? -1 : 0;
}

static int take_block(struct reading *r, struct tail *t, struct err *err)
{
	char *line = t->block, *end;
	size_t left = t->used;

	while (!r->enough && (end = memchr(line, '\n', left))) {
		if (take_line(r, line, (size_t)(end - line), err) < 0)
			return -1;
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	if (left == BLOCK) /* longer than any of ours */
		left = 0;
	memmove(t->block, line, left);
	t->used = left;
	return 0;
}

/* To its present end. */
static int read_tail(struct reading *r, struct tail *t, struct err *err)
{
	while (t->fd >= 0 && !r->enough) {
		ssize_t n = read(t->fd, t->block + t->used, BLOCK - t->used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot read the events");
		if (n == 0)
			return 0;
		t->used += (size_t)n;
		if (take_block(r, t, err) < 0)
			return -1;
	}
	return 0;
}

static int read_all(struct reading *r, struct err *err)
{
	if (read_tail(r, &r->old, err) < 0 || read_tail(r, &r->now, err) < 0)
		return -1;
	while (!r->enough && !file_is_named(r->now.fd, r->run_fd, EVENT_FILE)) {
		int next_fd = open_named(r->run_fd, EVENT_FILE);

		if (next_fd < 0)
			return 0;
		if (read_tail(r, &r->now, err) < 0) {
			fd_close(next_fd);
			return -1;
		}
		fd_close(r->old.fd);
		r->old = r->now;
		r->now.fd = next_fd;
		r->now.used = 0;
		if (read_tail(r, &r->now, err) < 0)
			return -1;
	}
	return 0;
}

static int watch(int run_fd)
{
	own_fd int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", run_fd);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	return take_fd(fd);
}

/* False: the end of what was asked for has come. */
static bool wait_for_more(const struct reading *r, int watch_fd)
{
	struct pollfd wait[] = {{.fd = watch_fd, .events = POLLIN},
				{.fd = r->query->has_reader ? STDOUT_FILENO : -1}};
	int64_t left_ms = WAIT_MS;
	char changes[4096];

	if (r->query->until_ns) {
		int64_t until_ms = (r->query->until_ns - clock_real_ns()) / 1000000;

		if (until_ms < 0)
			return false;
		left_ms = until_ms + 1 < WAIT_MS ? until_ms + 1 : WAIT_MS;
	}
	if (poll(wait, 2, (int)left_ms) > 0 && wait[1].revents)
		return false;
	while (watch_fd >= 0 && read(watch_fd, changes, sizeof changes) > 0)
		;
	return true;
}

static void skip_present(struct reading *r)
{
	if (r->old.fd >= 0)
		lseek(r->old.fd, 0, SEEK_END);
	if (r->now.fd >= 0)
		lseek(r->now.fd, 0, SEEK_END);
}

int event_read(const struct store *store, const struct event_query *query, event_fn *fn, void *data,
	       struct err *err)
{
	__attribute__((cleanup(reading_free))) struct reading *r = calloc(1, sizeof *r);

	if (!r)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the events");
	*r = (struct reading){.query = query,
			      .fn = fn,
			      .data = data,
			      .run_fd = store->run_fd,
			      .old = {.fd = -1},
			      .now = {.fd = -1}};
	own_fd int watch_fd = query->follow ? watch(store->run_fd) : -1;
	bool more = true;

	open_both(r);
	if (query->only_new)
		skip_present(r);
	if (read_all(r, err) < 0)
		return -1;
	while (more) {
		/* Decided before the last look: what came until then is told. */
		more = query->follow && !r->enough && wait_for_more(r, watch_fd);
		if (read_all(r, err) < 0)
			return -1;
	}
	return 0;
}
