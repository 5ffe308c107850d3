/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pseudo-terminals and the user's own terminal. */
#ifndef INSULA_KERNEL_TTY_H
#define INSULA_KERNEL_TTY_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/err.h"

/* A new pair from the "ptmx" of a devpts directory descriptor (checked to be devpts): the slave by
 * TIOCGPTPEER, so no path is involved. ONLCR is cleared on it, as runc has it: what the program
 * writes arrives unchanged in pipes and logs. */
int tty_open_pair(int devpts_fd, int *ret_master_fd, int *ret_slave_fd, struct err *err);
/* setsid, controlling terminal, dup to 0, 1, 2. Async-signal-safe. */
int tty_take_control(int slave_fd, struct err *err);
/* Of the first of our descriptors 0, 1, 2 that is a terminal; false where none is, or it does not say. */
bool tty_own_size(unsigned short *ret_rows, unsigned short *ret_cols);
int tty_set_size(int fd, unsigned short rows, unsigned short cols, struct err *err);
/* Raw input and signals, but output processing kept (OPOST), so that "\n" still returns. */
int tty_make_raw(int fd, struct termios *ret_saved, struct err *err);
void tty_restore(int fd, const struct termios *saved);

#endif
