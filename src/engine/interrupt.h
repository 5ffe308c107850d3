/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command that is interrupted while a container starts takes the start back, as any that fails, and is ended by the
 * signal only then. Without that the container would go on by itself, as it does when its command is killed: nobody
 * who presses ctrl-C wants that.
 */
#ifndef INSULA_ENGINE_INTERRUPT_H
#define INSULA_ENGINE_INTERRUPT_H

#include <signal.h>

#include "base/err.h"

struct interrupt {
	sigset_t before, set;
	int fd; /* readable when one of them has come */
};

/* From here on SIGINT, SIGTERM and SIGHUP wait, unless they are ignored or waited already. */
int interrupt_begin(struct interrupt *i, struct err *err);
/* Wait for fd; -1 where a signal came first, or the deadline. */
int interrupt_wait(const struct interrupt *i, int fd, int timeout_ms, struct err *err);
/* Back to what it was; but a signal that came waits on. */
void interrupt_end(struct interrupt *i);
/* At the end of a command: a signal that came takes effect. */
void interrupt_raise(void);

#endif
