/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between path.c and reach.c; path_reach is in path.h. */
#ifndef INSULA_BASE_REACH_H
#define INSULA_BASE_REACH_H

#include <stdint.h>

#include "base/err.h"

/* Before openat2(2) with these RESOLVE_ flags: as path_reach where a file system that may not answer was met, else
 * nothing. */
int reach_first(int root_fd, const char *path, uint64_t resolve, struct err *err);

#endif
