/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership by cleanup attribute. A variable declared with own_* releases what it holds when it
 * leaves scope; it is always initialised; take() hands its value on and leaves it empty.
 *
 *	own_fd int fd = open(...);
 *	own_free char *text = NULL;
 *	...
 *	return take_fd(fd);
 */
#ifndef INSULA_BASE_OWN_H
#define INSULA_BASE_OWN_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"

/* Is what a program holds until it ends released by hand? Only in test builds, where a ledger of descriptors
 * and the sanitizers look for what leaks: the kernel does it at once, where we pay for each piece. */
static inline bool own_until_the_end(void)
{
#ifdef INSULA_FAILPOINTS
	return false;
#else
	return true;
#endif
}

static inline void own_free_done(void *slot)
{
	free(*(void **)slot);
}

static inline void own_fd_done(int *fd)
{
	fd_close(*fd);
}

static inline void own_dir_done(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void own_file_done(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define own_free __attribute__((cleanup(own_free_done)))
#define own_fd __attribute__((cleanup(own_fd_done)))
#define own_dir __attribute__((cleanup(own_dir_done)))
#define own_file __attribute__((cleanup(own_file_done)))

/* own(thing): calls thing_done(struct thing *) at the end of the scope, e.g.
 * own(str) struct str text = STR_INIT(limit); */
#define own(thing) __attribute__((cleanup(thing##_done)))

/* The value of an owned pointer, which is NULL afterwards. */
#define take(pointer) \
	({ \
		__auto_type taken_ = (pointer); \
		(pointer) = NULL; \
		taken_; \
	})

/* The value of an owned descriptor, which is -1 afterwards. */
#define take_fd(fd) \
	({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})

#endif
