/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts by ordinary users. */
#ifndef INSULA_RUNTIME_ROOTLESS_H
#define INSULA_RUNTIME_ROOTLESS_H

#include <stdbool.h>

#include "base/err.h"
#include "spec/spec.h"

/* May we make a container's mounts as we are? Root may, and so may root of a user namespace. */
bool rootless_is_needed(void);

/* Become root of a user namespace, and of a copy of the mount namespace, in which the container's own
 * will be nested, and change the specification's id maps to what its host ids are called there. Other ids
 * than our own are mapped by newuidmap(1) and newgidmap(1), which know whose they are. ERR_INVALID where
 * the specification has no new user namespace. */
int rootless_enter(struct spec *spec, struct err *err);

#endif
