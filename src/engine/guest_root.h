/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root file system of a container, as a descriptor, whether it runs or not. */
#ifndef INSULA_ENGINE_GUEST_ROOT_H
#define INSULA_ENGINE_GUEST_ROOT_H

#include "engine/store.h"
#include "engine/transfer.h"

struct guest_root {
	int fd;			  /* O_PATH */
	uint32_t id_base;	  /* what the container's id 0 is through it */
	struct transfer_ids *ids; /* of an ordinary user's, in place of that; or NULL */
	int lock_fd; /* of one that does not run: nobody starts it meanwhile; -1: none */
};

#define GUEST_ROOT_INIT ((struct guest_root){.fd = -1, .lock_fd = -1})

/* Of one that runs it is the root that its first process has, with all its mounts. Of another it is made of
 * its image and its writes, in a mount namespace of the caller's own, which the caller is in from then on;
 * binds and volumes are not in it. An ordinary user's of that kind is only locked here (fd -1). */
int guest_root_open(struct container *ct, struct guest_root *ret, struct err *err);
/* What is left of it for an ordinary user, as root of a user namespace of his ids: rootless_call(). */
int guest_root_enter(struct container *ct, struct guest_root *root, struct err *err);
void guest_root_done(struct guest_root *root);

#endif
