/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See health.h. */
#include "engine/health.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/store_private.h"

#define HEALTH_MAX 65536u

const char *const health_status_names[] = {"", "starting", "healthy", "unhealthy", NULL};
const char *const health_action_names[] = {"none", "restart", "stop", "kill", NULL};

#define FIELD(type_, name_, kind_, ...) \
	{ \
		.key = #name_, .kind = kind_, .offset = offsetof(struct type_, name_), __VA_ARGS__ \
	}

const struct json_field health_config_fields[] = {
	FIELD(health_config, command, JSON_F_STRINGS),
	FIELD(health_config, interval_ms, JSON_F_I64, JSON_UNLESS_ZERO, .min = 0,
	      .max = INT64_MAX / 2),
	FIELD(health_config, timeout_ms, JSON_F_I64, JSON_UNLESS_ZERO, .min = 0,
	      .max = INT64_MAX / 2),
	FIELD(health_config, start_period_ms, JSON_F_I64, JSON_UNLESS_ZERO, .min = 0,
	      .max = INT64_MAX / 2),
	FIELD(health_config, retries, JSON_F_INT, JSON_UNLESS_ZERO, .min = 0, .max = INT32_MAX),
	FIELD(health_config, action, JSON_F_INT, JSON_UNLESS_ZERO, .min = 0, .max = HEALTH_DO_KILL),
	{0},
};

static const struct json_field result_fields[] = {
	FIELD(health_result, begun_ns, JSON_F_I64),
	FIELD(health_result, ended_ns, JSON_F_I64),
	FIELD(health_result, code, JSON_F_INT),
	FIELD(health_result, output, JSON_F_STRING),
	{0},
};

const struct json_field health_fields[] = {
	FIELD(health, status, JSON_F_INT, .min = 0, .max = HEALTH_UNHEALTHY),
	FIELD(health, streak, JSON_F_INT, .min = 0, .max = INT32_MAX),
	FIELD(health, log, JSON_F_ARRAY, .fields = result_fields,
	      .item_size = sizeof(struct health_result), .max_count = HEALTH_LOG_MAX),
	{0},
};

void health_done(struct health *h)
{
	json_bind_done(health_fields, h);
	*h = (struct health){0};
}

/* The oldest goes when there is no room; where there is no memory, the new one does. */
static void add_to_log(struct json_array *log, struct health_result result)
{
	struct health_result *items = log->items;

	if (!items) {
		items = calloc(HEALTH_LOG_MAX, sizeof *items);
		log->items = items;
	} else if (log->count < HEALTH_LOG_MAX) {
		items = reallocarray(items, log->count + 1, sizeof *items);
		log->items = items ? items : log->items;
	}
	if (!items) {
		free(result.output);
		return;
	}
	if (log->count == HEALTH_LOG_MAX) {
		free(items[0].output);
		memmove(items, items + 1, (HEALTH_LOG_MAX - 1) * sizeof *items);
		log->count--;
	}
	items[log->count++] = result;
}

void health_note(struct health *h, struct health_result result)
{
	add_to_log(&h->log, result);
}

bool health_add(struct health *h, const struct health_config *config, struct health_result result,
		bool starting)
{
	int before = h->status;
	bool counts = !starting || before != HEALTH_STARTING;

	if (result.code == 0) {
		h->streak = 0;
		h->status = HEALTH_HEALTHY;
	} else if (counts && ++h->streak >= config->retries) {
		h->status = HEALTH_UNHEALTHY;
	}
	add_to_log(&h->log, result);
	return h->status != before;
}

int health_read(int dir_fd, const char *path, struct health *ret, struct err *err)
{
	own_free char *name = str_printf(err, "%s/" HEALTH_FILE, path);
	struct health h = {0};
	const struct store_part part = {health_fields, &h};

	if (!name)
		return -1;
	if (store_read_document(dir_fd, name, 0, &part, 1, HEALTH_MAX, err) < 0) {
		health_done(&h);
		return -1;
	}
	*ret = h;
	return 0;
}
