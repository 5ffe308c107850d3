/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be changed of a container that there is: its name, its limits. */
#ifndef INSULA_ENGINE_CHANGE_H
#define INSULA_ENGINE_CHANGE_H

#include "engine/engine.h"

/* ERR_EXISTS where another has the name. */
int engine_rename(struct container *ct, const char *name, struct err *err);

/* New limits. Texts as the options have them, NULL: not given. What takes -1 is without a limit then. */
struct update_options {
	char *memory, *memory_swap, *memory_reservation; /* bytes or -1 */
	char *cpus;	 /* as --cpus of run, or 0: without a limit */
	char *cpu_quota; /* microseconds or -1 */
	bool pids_limit_given;
	int64_t pids_limit; /* 0 and -1: without a limit */
	/* period, shares, sets of CPUs and of memory nodes, swappiness, and all of blkio */
	struct run_options limits;
};

/* In force at once where it runs, and recorded, so that inspect and the next start have it. Done whole or
 * not at all: what this kernel cannot do, or refuses, is an error and changes nothing. */
int engine_update(struct container *ct, const struct update_options *options, struct err *err);

/* Another restart policy, as --restart of run has it. Recorded, and told to the keeper of one that runs or waits
 * for its restart; a keeper that can start nothing is a warning. */
int engine_set_policy(struct container *ct, const char *text, struct err *err);
/* Is it one, and one that this container can have? */
int engine_check_policy(const struct container *ct, const char *text, struct err *err);

/* ---- shared with whoever changes a container ---- */

/* Its lock, and then the container as it is by now, record and specification included. Returns the lock. */
int change_begin(struct container *ct, struct err *err);

#endif
