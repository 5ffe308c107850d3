/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failpoints: named places where a test can make the program fail, die or stop. In a release build
 * (no -DINSULA_FAILPOINTS) fail_point() is nothing at all.
 *
 * INSULA_FAIL="NAME=ACTION[@N][,NAME=ACTION...]" with ACTION one of
 *   error:ERRNO  the point reports this error      kill   SIGKILL to itself
 *   stop	  SIGSTOP to itself		 log	only count
 * @N: at the N-th visit only (default 1). INSULA_FAIL_LOG=FILE appends "NAME ACTION|seen" for every
 * visit, so that a sweep knows which points exist and that the armed one was reached.
 *
 * "alloc" is each allocation of a program, those of libc too where it is static: fail_alloc.c.
 */
#ifndef INSULA_BASE_FAIL_H
#define INSULA_BASE_FAIL_H

#include <stdbool.h>

#include "base/err.h"

#ifdef INSULA_FAILPOINTS
/* 0: go on. -1: *err was filled as "failpoint NAME". */
int fail_point(const char *name, struct err *err);
/* Whether this allocation fails: a visit of the point "alloc", which alone is not logged until then. */
bool fail_alloc(void);
/* Of the log, or -1: for who closes all that he does not know. */
int fail_log_fd(void);
#else
static inline int fail_point(const char *name, struct err *err)
{
	(void)name;
	(void)err;
	return 0;
}

static inline int fail_log_fd(void)
{
	return -1;
}
#endif

#endif
