/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What containers and images take of the disk. */
#ifndef INSULA_ENGINE_SPACE_H
#define INSULA_ENGINE_SPACE_H

#include <stdint.h>

#include "engine/store.h"

struct container_space {
	uint64_t writes; /* its layers */
	uint64_t logs;
	uint64_t all; /* and its records */
};

/* A container in the store by its id. */
void space_of_container(const struct store *store, const char *id, struct container_space *ret);
/* The directories that a container of that image has below its own, as they are now. */
int space_of_image(const struct store *store, const char *image, uint64_t *ret, struct err *err);
/* The masks of the host image. */
uint64_t space_of_images(const struct store *store);

#endif
