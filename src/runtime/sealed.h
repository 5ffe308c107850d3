/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A copy of our own program that nobody can write, for all starts. */
#ifndef INSULA_RUNTIME_SEALED_H
#define INSULA_RUNTIME_SEALED_H

#include "base/err.h"

/* Go on as that copy, with the same arguments, environment and working directory. Returns 0 only where we
 * run from one already. */
int runtime_seal(const char *run_root, char *const argv[], struct err *err);

#endif
