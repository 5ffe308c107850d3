/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process in a container for the engine's own purposes; private to engine/. */
#ifndef INSULA_ENGINE_EXEC_H
#define INSULA_ENGINE_EXEC_H

#include "engine/store.h"
#include "runtime/relay.h"

/* Begin a command as `insula exec` does without options: our ends of its output are in *ret_ends. init_fd: pidfd
 * of the container's first process, for callers in another pid namespace; -1: by its number. */
int exec_begin(struct container *ct, const struct strv *command, int init_fd,
	       struct relay_ends *ret_ends, struct proc *ret, struct err *err);

#endif
