/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small event loop on epoll(7): descriptors, timers (CLOCK_BOOTTIME), signals (signalfd).
 * Single-threaded; a callback may add and remove sources, itself included. One allocation per
 * source, none while running.
 */
#ifndef INSULA_BASE_LOOP_H
#define INSULA_BASE_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

struct loop;
struct loop_source;

/* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as they came. */
typedef void loop_io_fn(void *data, int fd, uint32_t events);
typedef void loop_timer_fn(void *data);
typedef void loop_signal_fn(void *data, int signal, int32_t sender_pid);

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop);

/* The descriptor stays the caller's, who removes the source before closing it. With events 0 the
 * source is paused: no callback, not even for EPOLLHUP. Regular files are always ready. Returns
 * NULL on failure. */
struct loop_source *loop_add_io(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn,
				void *data, struct err *err);
int loop_set_events(struct loop_source *source, uint32_t events, struct err *err);
/* One-shot at now + delay_ms; loop_timer_set arms it again (delay_ms < 0 disarms). */
struct loop_source *loop_add_timer(struct loop *loop, int64_t delay_ms, loop_timer_fn *fn,
				   void *data, struct err *err);
void loop_timer_set(struct loop_source *source, int64_t delay_ms);
/* Blocks the signals of the set and delivers them here; one set per loop. Removing it restores the
 * signal mask. */
struct loop_source *loop_add_signals(struct loop *loop, const sigset_t *set, loop_signal_fn *fn,
				     void *data, struct err *err);
/* Safe inside any callback; NULL is fine. */
void loop_remove(struct loop_source *source);

/* Until loop_stop(); returns its code. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop, int code);

/* CLOCK_BOOTTIME in ms and ns: survives suspend, not set by anyone. */
int64_t clock_boot_ms(void);
int64_t clock_boot_ns(void);
/* CLOCK_REALTIME as RFC 3339 with nanoseconds in UTC ("2026-11-22T17:32:14.123456789Z"). */
#define CLOCK_TEXT_SIZE 48
const char *clock_text(int64_t realtime_ns, char buf[static CLOCK_TEXT_SIZE]);
int64_t clock_real_ns(void);

#endif
