/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child of ours in the foreground, and what it reads and writes. */
#ifndef INSULA_RUNTIME_RELAY_H
#define INSULA_RUNTIME_RELAY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proc.h"

/* Our ends: a terminal's master, or pipes. -1: none. */
struct relay_ends {
	int console_fd;
	int in_fd, out_fd, err_fd;
};

#define RELAY_ENDS_NONE ((struct relay_ends){-1, -1, -1, -1})
void relay_ends_done(struct relay_ends *ends);

/* Until the process has ended and its output is drained: its ends and our 0, 1, 2 are joined, signals
 * and window sizes are passed on. Our terminal is as before on return. Takes ends->in_fd. Where that cannot be done, the
 * process, our child, is killed. */
int relay_process(struct proc *process, struct relay_ends *ends, bool interactive, int *ret_code,
		  struct err *err);

#endif
