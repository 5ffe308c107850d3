/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ending, removing and repairing containers. */
#ifndef INSULA_ENGINE_LIFECYCLE_H
#define INSULA_ENGINE_LIFECYCLE_H

#include "engine/store.h"

/* Wait until one that is being started or just ending is what it will be: for the verbs, neither is a state
 * to act upon. ERR_NOT_FOUND where it was removed at its end; ERR_TIMEOUT where whoever is at it hangs. */
int engine_settle(struct container *ct, struct err *err);
/* Fills *err: it is not, but what it is. Returns -1. */
int engine_not_running(const struct container *ct, struct err *err);

/* Ask it to end with its stop signal, kill it after the timeout (ms; < 0: the container's). Returns when
 * it has ended and its keeper has cleared up. Not running is success. */
int engine_stop(struct container *ct, int64_t timeout_ms, struct err *err);
/* Send a signal to its first process. ERR_STATE where it is not running. */
int engine_kill(struct container *ct, int signal, struct err *err);
/* Remove it; force: kill it first. ERR_STATE where it is running and force is not given. */
int engine_remove(struct container *ct, bool force, struct err *err);
/* What keepers that were killed have not removed of containers that are gone. */
int engine_sweep(struct store *store, struct err *err);
/* Wait until it has ended; its exit code. timeout_ms < 0: for ever. ERR_NOT_FOUND where it was removed
 * at its end before we could ask for the code; ERR_STATE where it was never started. */
int engine_wait(struct container *ct, int timeout_ms, int *ret_code, struct err *err);

/* A container whose keeper died (killed, or the host went down): whatever is left of it (cgroup, id
 * range, state, files of --rm) is removed and the end recorded. A container with --rm, and one whose
 * command never ran, is removed whole. Success, and nothing done, where there is nothing to do. Takes
 * its lock. */
int engine_repair(struct container *ct, struct err *err);
/* The same, for a caller that holds its lock. */
int engine_repair_locked(struct container *ct, struct err *err);
/* Take back a container that was created and could not be started, with all that a start that died
 * half way may have left. Its lock is held by the caller (store_create). */
int engine_discard(struct container *ct, struct err *err);

#endif
