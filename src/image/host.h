/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the host image; private to this layer and to its tests. */
#ifndef INSULA_IMAGE_HOST_H
#define INSULA_IMAGE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "image/image.h"

/* Names in "/" that are shown, NULL-terminated. */
extern const char *const host_shown[];

/* Package databases that are shown though they lie in /var, NULL-terminated, absolute. */
extern const char *const host_databases[];

/* What a container has instead of the host's: directories that start empty, and links. Parents come
 * before their children; `name` is relative to the root; NULL ends the table. */
struct host_own {
	const char *name;
	mode_t mode;
	const char *link; /* target; NULL: a directory */
};
extern const struct host_own host_own[];

/* Hidden though every user of the host may read it: entries of `dir` that match `pattern`
 * (glob(7)). At most 64 rows, so that a set of them is one word. */
struct host_hidden {
	const char *dir, *pattern;
	const char *reason;
};
extern const struct host_hidden host_hidden[];
extern const size_t host_hidden_count;

/* The mask of one file system of the host: whiteouts and opaque directories in out_fd for all of
 * `target` (absolute, "/" for the whole) below root_fd that is not to be seen. Directories on which
 * another file system is mounted are hidden, and appended to *found where they can be composed
 * separately. out_fd is an empty directory. */
int mask_build(int root_fd, const char *target, int out_fd, struct strv *found, struct err *err);

/* The root directory of an ordinary user's image, into the empty directory out_fd; what is to be mounted in it
 * is appended to *found. */
int skeleton_build(int root_fd, int out_fd, struct strv *found, struct err *err);

/* Is it composed for an ordinary user? */
bool host_is_users(void);

/* What the mask depends on, and the package database alone ("" without one), as hexadecimal text. */
#define STAMP_SIZE 17
int stamp_mask(int root_fd, char ret[static STAMP_SIZE], struct err *err);
void stamp_packages(int root_fd, char ret[static STAMP_SIZE]);

/* image_open("host") with another root than "/", for tests. */
int host_open(const char *root, const char *cache_dir, struct image *ret, struct err *err);

#endif
