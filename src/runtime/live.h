/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount or a device node for a container that runs, and its end. Made by the same code as at a start
 * (start_mount.c, start_dev.c), by processes that live for this alone: live.c.
 *
 * What was mounted at the start is not to be removed: with a user namespace the kernel has locked it.
 */
#ifndef INSULA_RUNTIME_LIVE_H
#define INSULA_RUNTIME_LIVE_H

#include "base/proc.h"
#include "kernel/mount.h"
#include "spec/spec.h"

struct runtime_live {
	/* The container's namespaces and id maps (host ids), and nothing in `mounts` but what is to be mounted */
	const struct spec *spec;
	const struct proc *init; /* its first process */
};

/* Which mount it is: before it is attached, so that a caller who is killed then knows what he has to remove. Where
 * this fails, nothing is attached. */
typedef int runtime_live_note(void *data, const struct mount_identity *identity, struct err *err);

/* spec->mounts[0]. ERR_EXISTS where something is mounted there. */
int runtime_live_mount(const struct runtime_live *live, runtime_live_note *note, void *data,
		       struct err *err);
/* A node, mounted on an empty file at the device's path. */
int runtime_live_node(const struct runtime_live *live, const struct spec_device *device,
		      runtime_live_note *note, void *data, struct err *err);
/* 1: the container had unmounted it already. ERR_BUSY where it is in use. node: whose empty file goes too, or
 * NULL. */
int runtime_live_unmount(const struct runtime_live *live, const struct mount_identity *identity,
			 const struct spec_device *node, bool lazy, struct err *err);
/* A node that was made at the start. 1: it is not there. */
int runtime_live_remove_node(const struct runtime_live *live, const struct spec_device *device,
			     struct err *err);

#endif
