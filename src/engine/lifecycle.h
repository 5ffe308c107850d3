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
/* Its keeper becomes the program that is installed now; the container goes on. ERR_STATE where it does not
 * run. */
int engine_upgrade(struct container *ct, struct err *err);
/* Remove it. stop_ms: where it runs, stop it first as engine_stop does (0: kill it); below 0: ERR_STATE then. */
int engine_remove(struct container *ct, int64_t stop_ms, struct err *err);
/* What keepers that were killed have not removed of containers that are gone. */
int engine_sweep(struct store *store, struct err *err);
/* Freeze every process of a running container, or thaw them. ERR_STATE where that is nothing new. */
int engine_pause(struct container *ct, bool pause, struct err *err);
/* Thaw it where it is paused, for whoever ends it. */
void engine_thaw(struct container *ct);
/* Is one that runs paused? Its state was read; `path` of its run directory in dir_fd. */
bool engine_is_paused(const struct container *ct, int dir_fd, const char *path);

/* Until its keeper, which no longer takes requests, has cleared up. */
int engine_wait_cleared(const struct container *ct, struct err *err);

enum wait_condition {
	WAIT_STOPPED = 1, /* it does not run */
	WAIT_EXITED = 2,  /* it has run, and ended */
	WAIT_CREATED = 4,
	WAIT_RUNNING = 8,
	WAIT_PAUSED = 16,
	WAIT_REMOVED = 32,
	WAIT_HEALTHY = 64,
	WAIT_UNHEALTHY = 128,
	WAIT_READY = 256,
};

/* Until one of the conditions (bits) is true of the container. An end is told by its keeper; everything else
 * is looked for every interval_ms. *ret_code: its exit code, where it has ended; else -1. ERR_NOT_FOUND where
 * it was removed, and that was not waited for. */
int engine_wait_for(const struct container *which, unsigned int conditions, int64_t interval_ms,
		    int *ret_code, struct err *err);

/* By its restart policy and its record: ought it to be started, now that it has no keeper? booted: the host
 * was started anew, and so is what somebody had stopped of `always`. */
bool engine_is_due(const struct container *ct, bool booted);
/* Where its keeper was killed and its policy wants it: repair it, and start it by a command of its own. */
int engine_revive(struct container *ct, struct err *err);
/* The same after a boot, of one whose keeper is gone for whatever reason. 1: it was started, 0: it is not due. */
int engine_revive_booted(struct container *ct, struct err *err);

/* A container whose keeper died (killed, or the host went down): whatever is left of it (cgroup, id
 * range, state, files of --rm) is removed and the end recorded. A container with --rm, and one whose
 * command never ran, is removed whole. Success, and nothing done, where there is nothing to do. Takes
 * its lock. */
int engine_repair(struct container *ct, struct err *err);
/* The same, for a caller that holds its lock. */
int engine_repair_locked(struct container *ct, struct err *err);
/* The control group and the id ranges that a start has left which died half way. The caller holds its lock,
 * and it has no keeper. */
int engine_clear(struct container *ct, struct err *err);
/* Take back a container that was created and could not be started, with all that a start that died
 * half way may have left. Its lock is held by the caller (store_create). */
int engine_discard(struct container *ct, struct err *err);

#endif
