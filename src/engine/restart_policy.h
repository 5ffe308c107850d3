/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a container is started again by itself (--restart), as docker-run(1) has it. Part of the keeper, so
 * nothing here knows the rest of the engine.
 */
#ifndef INSULA_ENGINE_RESTART_POLICY_H
#define INSULA_ENGINE_RESTART_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum restart_kind { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_UNLESS_STOPPED };

struct restart_policy {
	enum restart_kind kind;
	int max; /* of on-failure; 0: any number */
};

/* "no", "on-failure", "on-failure:N", "always", "unless-stopped"; NULL is "no". */
int restart_policy_parse(const char *text, struct restart_policy *ret, struct err *err);
const char *restart_policy_name(enum restart_kind kind);

/* Of one that has ended with this code: is it to be started again? stopped: somebody asked for its end;
 * restarts: so often it was started by itself since somebody started it. */
bool restart_policy_wants(const struct restart_policy *policy, int code, bool stopped,
			  int restarts);
/* How long to wait before that: 100 ms, twice as long each time, at most a minute, and from the beginning
 * again where it ran for ten seconds. last_ms: the wait before this run; 0: none. */
int64_t restart_policy_delay_ms(int64_t last_ms, int64_t ran_ms);

#endif
