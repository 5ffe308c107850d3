/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images: from a reference to the host directories that a root file system is composed of.
 *
 *	host	    the host's own system, as far as every user of the host may read it
 *	dir:PATH    a directory tree
 *
 * The result is plain data: nothing is mounted here.
 */
#ifndef INSULA_IMAGE_IMAGE_H
#define INSULA_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* One file system of the root: an overlay of host directories. */
struct image_mount {
	char *target;	    /* absolute path in the container; the first mount is "/" */
	struct strv lowers; /* host directories, topmost first; at least one */
	/* The last of the lowers may be read only through a guard: a read-only overlay of it and of an
	 * empty directory on another file system, created by a mounter with fsuid and fsgid 4294967293, no
	 * groups, and neither CAP_DAC_OVERRIDE nor CAP_DAC_READ_SEARCH effective. The kernel checks
	 * each access with its mounter's credentials too, so that what "other" may not read is refused
	 * to everybody, also where that became so after the image was composed. The guard takes the
	 * place of the last lower; the lowers before it lie above. docs/decisions/0004-host-image.md
	 * has the reasons. */
	bool guard;
};

struct image {
	struct image_mount *mounts;
	size_t count;
	char *stamp; /* state of the host's package database, "" where there is none to speak of */
	/* Keeps the composed directories from being swept: whoever runs the container holds it open as
	 * long as the container lives (a keeper inherits it). -1: nothing to hold. CLOEXEC. */
	int pin_fd;
};

#define IMAGE_INIT ((struct image){.pin_fd = -1})

/* The rights of an ordinary user are what the image is composed with, though we are root here: of a
 * namespace of his. */
void image_set_user(void);

/* cache_dir (e.g. /var/lib/insula/images/host, made where it is absent, root's own) holds what the
 * host image needs; building it takes about a second, once for each state of the host.
 * Errors: ERR_NOT_FOUND (no such image or directory), ERR_INVALID (not a directory, or "/"),
 * ERR_DENIED (host without privilege). */
int image_open(const char *ref, const char *cache_dir, struct image *ret, struct err *err);
void image_done(struct image *image);

/* The stamp that image_open would give now: differs from the one a running container was made with
 * after the host was upgraded. Freed by the caller. */
char *image_stamp(const char *ref, struct err *err);

/* Masks that builders did not finish, by name, appended; none while somebody builds. An absent cache has
 * none. */
int image_find_debris(const char *cache_dir, struct strv *ret, struct err *err);
/* Remove one of those; nothing is done while somebody builds. */
int image_remove_debris(const char *cache_dir, const char *name, struct err *err);

#endif
