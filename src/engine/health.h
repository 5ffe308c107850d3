/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Health checks: what is asked for, what is known, and its file. Part of the keeper, so nothing here knows
 * the rest of the engine.
 *
 * The keeper has the timers and the verdict; a check itself is a process of `insula`, which enters the
 * container as exec does and reports its result to the keeper (KEEPER_HEALTH), whoever started it. What
 * is known is in RUN/containers/ID/health.json, for inspect, ps and wait.
 */
#ifndef INSULA_ENGINE_HEALTH_H
#define INSULA_ENGINE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#define HEALTH_FILE "health.json"
#define HEALTH_OUTPUT_MAX 500 /* bytes of a check's output that are kept */
#define HEALTH_LOG_MAX 5      /* results */

enum health_status { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };
enum health_action { HEALTH_DO_NOTHING, HEALTH_DO_RESTART, HEALTH_DO_STOP, HEALTH_DO_KILL };
extern const char *const health_status_names[]; /* by value; "" for none; NULL ends */
extern const char *const health_action_names[];

struct health_config {
	struct strv command; /* empty: there is none */
	int64_t interval_ms; /* 0: only by hand */
	int64_t timeout_ms, start_period_ms;
	int retries;
	int action; /* enum health_action */
};

struct health_result {
	int64_t begun_ns, ended_ns; /* CLOCK_REALTIME */
	int code;
	char *output;
};

struct health {
	int status;	       /* enum health_status */
	int streak;	       /* failures in a row */
	struct json_array log; /* of struct health_result, the last one last */
};

extern const struct json_field health_config_fields[], health_fields[];

void health_done(struct health *h);
/* Into the log alone: a check that could not be run says nothing of the container. The output is taken. */
void health_note(struct health *h, struct health_result result);
/* Add a result, whose output is taken. starting: failures do not count yet. true: the status is another. */
bool health_add(struct health *h, const struct health_config *config, struct health_result result,
		bool starting);
/* What is known of the container with this run directory; HEALTH_NONE where there is nothing. */
int health_read(int dir_fd, const char *path, struct health *ret, struct err *err);

#endif
