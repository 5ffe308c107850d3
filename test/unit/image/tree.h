/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host made for a test, and the composition of an image as the runtime does it. */
#ifndef INSULA_TEST_IMAGE_TREE_H
#define INSULA_TEST_IMAGE_TREE_H

#include <sys/types.h>

#include "image/image.h"

#define TREE_ID_BASE 1879048192U

/* Below test_dir(): "host" is the root of a small Debian-like host, "cache" is for masks. */
const char *tree_host(void);
const char *tree_cache(void);
void tree_make(void);

/* Paths are relative to the host's root. Parents are made, mode 0755. */
void tree_dir(const char *path, mode_t mode);
void tree_file(const char *path, const char *text, mode_t mode);
void tree_link(const char *target, const char *path);
void tree_node(const char *path, mode_t type_and_mode, dev_t device);

/* A private mount namespace for this test; skips without root. */
void tree_private_mounts(void);
/* Compose and mount the image below test_dir()/"root", idmapped: returns a descriptor of it, for an
 * own(tree_root) variable. */
int tree_compose(const struct image *image);
void tree_root_done(int *root_fd);
/* The rest of this test as root of the container's user namespace. */
void tree_become_container_root(void);

/* open(2) for reading, closed again: 0 or the errno value. */
int tree_try(int root_fd, const char *path);
bool tree_exists(int root_fd, const char *path);

#endif
