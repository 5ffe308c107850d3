/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop.
 *
 * Every source is one descriptor in one epoll(7) set: the caller's, a timerfd for each timer (the
 * kernel keeps the order, and CLOCK_BOOTTIME counts through suspend), one signalfd.
 *
 * Removing is what event loops get wrong: a callback may remove any source, itself included, while
 * events for it are still in the batch that epoll_wait(2) returned. So a removed source is taken
 * out of the set at once and marked dead, which the rest of the batch respects, and its memory is
 * released when the batch is over.
 *
 * Two habits of epoll are hidden. It reports EPOLLHUP and EPOLLERR even to those who asked for
 * nothing, which turns a source that is paused on a dead peer into a busy loop: a source without
 * events leaves the set until it wants some again. And it refuses regular files (standard input
 * from a file), because those are always ready: such a source is called once per round.
 */
#include "base/loop.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"

#define BATCH 16

enum source_type { SOURCE_IO, SOURCE_TIMER, SOURCE_SIGNALS };

struct loop_source {
	struct loop *loop;
	struct loop_source *next;
	enum source_type type;
	int fd; /* ours for timers and signals */
	uint32_t events;
	bool in_set;	   /* known to epoll */
	bool always_ready; /* a regular file: epoll will not have it */
	bool dead;
	union {
		loop_io_fn *io;
		loop_timer_fn *timer;
		loop_signal_fn *signal;
	} fn;
	void *data;
	sigset_t saved_mask; /* of the thread, before loop_add_signals */
};

struct loop {
	int epoll_fd;
	struct loop_source *sources; /* dead ones too, until the batch is over */
	bool has_dead;
	bool stopped;
	int code;
};

struct loop *loop_new(struct err *err)
{
	own_free struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot create an event loop");
		return NULL;
	}
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err_errno(err, "cannot create an event loop");
		return NULL;
	}
	return take(loop);
}

/* Release dead sources. */
static void sweep(struct loop *loop)
{
	struct loop_source **link = &loop->sources;

	while (*link) {
		struct loop_source *source = *link;

		if (source->dead) {
			*link = source->next;
			free(source);
		} else {
			link = &source->next;
		}
	}
	loop->has_dead = false;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (struct loop_source *source = loop->sources; source; source = source->next)
		loop_remove(source);
	sweep(loop);
	fd_close(loop->epoll_fd);
	free(loop);
}

/* Tell epoll what the source wants; -1 with errno. */
static int sync_set(struct loop_source *source)
{
	struct epoll_event event = {.events = source->events, .data.ptr = source};
	int op = source->in_set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (source->always_ready || (source->events == 0 && !source->in_set))
		return 0;
	if (source->events == 0)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(source->loop->epoll_fd, op, source->fd, &event) < 0) {
		if (op != EPOLL_CTL_ADD || errno != EPERM)
			return -1;
		source->always_ready = true;
		return 0;
	}
	source->in_set = source->events != 0;
	return 0;
}

/* A source in the list and in the set; NULL with *err. `fd` stays the caller's on failure. */
static struct loop_source *add(struct loop *loop, enum source_type type, int fd, uint32_t events,
			       void *data, struct err *err)
{
	own_free struct loop_source *source = calloc(1, sizeof(*source));

	if (!source) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot watch descriptor %d", fd);
		return NULL;
	}
	*source = (struct loop_source){
		.loop = loop, .type = type, .fd = fd, .events = events, .data = data};
	if (sync_set(source) < 0) {
		err_errno(err, "cannot watch descriptor %d", fd);
		return NULL;
	}
	source->next = loop->sources;
	loop->sources = source;
	return take(source);
}

struct loop_source *loop_add_io(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn,
				void *data, struct err *err)
{
	struct loop_source *source = add(loop, SOURCE_IO, fd, events, data, err);

	if (source)
		source->fn.io = fn;
	return source;
}

int loop_set_events(struct loop_source *source, uint32_t events, struct err *err)
{
	if (source->events == events)
		return 0;
	source->events = events;
	if (sync_set(source) < 0)
		return err_errno(err, "cannot watch descriptor %d", source->fd);
	return 0;
}

struct loop_source *loop_add_timer(struct loop *loop, int64_t delay_ms, loop_timer_fn *fn,
				   void *data, struct err *err)
{
	own_fd int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *source;

	if (fd < 0) {
		err_errno(err, "cannot create a timer");
		return NULL;
	}
	source = add(loop, SOURCE_TIMER, fd, EPOLLIN, data, err);
	if (!source)
		return NULL;
	fd = -1; /* the source's */
	source->fn.timer = fn;
	loop_timer_set(source, delay_ms);
	return source;
}

void loop_timer_set(struct loop_source *source, int64_t delay_ms)
{
	struct itimerspec when = {0};

	if (delay_ms >= 0) {
		when.it_value.tv_sec = (time_t)(delay_ms / 1000);
		when.it_value.tv_nsec = (long)(delay_ms % 1000) * 1000000;
		if (delay_ms == 0)
			when.it_value.tv_nsec = 1; /* zero would disarm */
	}
	/* Cannot fail: the descriptor is a timer and the value is in range. Setting it also
	 * forgets an expiry that was not read yet. */
	timerfd_settime(source->fd, 0, &when, NULL);
}

struct loop_source *loop_add_signals(struct loop *loop, const sigset_t *set, loop_signal_fn *fn,
				     void *data, struct err *err)
{
	own_fd int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	struct loop_source *source;

	if (fd < 0) {
		err_errno(err, "cannot watch signals");
		return NULL;
	}
	source = add(loop, SOURCE_SIGNALS, fd, EPOLLIN, data, err);
	if (!source)
		return NULL;
	fd = -1; /* the source's */
	source->fn.signal = fn;
	sigprocmask(SIG_BLOCK, set, &source->saved_mask);
	return source;
}

void loop_remove(struct loop_source *source)
{
	if (!source || source->dead)
		return;
	if (source->in_set)
		epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->type == SOURCE_SIGNALS)
		sigprocmask(SIG_SETMASK, &source->saved_mask, NULL);
	if (source->type != SOURCE_IO)
		fd_close(source->fd);
	source->dead = true;
	source->loop->has_dead = true;
}

static void dispatch_timer(struct loop_source *source)
{
	uint64_t expiries;

	/* Nothing to read: set or disarmed by an earlier callback of this batch. */
	if (read(source->fd, &expiries, sizeof(expiries)) == sizeof(expiries))
		source->fn.timer(source->data);
}

static void dispatch_signals(struct loop_source *source)
{
	struct signalfd_siginfo info;

	while (!source->dead && read(source->fd, &info, sizeof(info)) == sizeof(info))
		source->fn.signal(source->data, (int)info.ssi_signo, (int32_t)info.ssi_pid);
}

static void dispatch(struct loop_source *source, uint32_t events)
{
	/* Events that were in the batch already when the source stopped wanting any. */
	if (source->dead || source->events == 0)
		return;
	switch (source->type) {
	case SOURCE_IO:
		source->fn.io(source->data, source->fd, events);
		break;
	case SOURCE_TIMER:
		dispatch_timer(source);
		break;
	case SOURCE_SIGNALS:
		dispatch_signals(source);
		break;
	}
}

static bool want_always_ready(const struct loop *loop)
{
	for (const struct loop_source *source = loop->sources; source; source = source->next)
		if (source->always_ready && !source->dead && source->events)
			return true;
	return false;
}

static void dispatch_always_ready(struct loop *loop)
{
	/* What callbacks add goes to the front of the list and waits for the next round. */
	for (struct loop_source *source = loop->sources; source; source = source->next)
		if (source->always_ready)
			dispatch(source, source->events);
}

static int round_once(struct loop *loop, struct err *err)
{
	struct epoll_event events[BATCH];
	bool always_ready = want_always_ready(loop);
	int n = epoll_wait(loop->epoll_fd, events, BATCH, always_ready ? 0 : -1);

	if (n < 0 && errno != EINTR)
		return err_errno(err, "cannot wait for events");
	for (int i = 0; i < n; i++)
		dispatch(events[i].data.ptr, events[i].events);
	if (always_ready)
		dispatch_always_ready(loop);
	if (loop->has_dead)
		sweep(loop);
	return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
	loop->stopped = false;
	while (!loop->stopped)
		if (round_once(loop, err) < 0)
			return -1;
	return loop->code;
}

void loop_stop(struct loop *loop, int code)
{
	loop->stopped = true;
	loop->code = code;
}
