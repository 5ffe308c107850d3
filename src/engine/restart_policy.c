/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See restart_policy.h. */
#include "engine/restart_policy.h"

#include <stddef.h>
#include <string.h>

#include "base/str.h"

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS 60000
#define RAN_WELL_MS 10000
#define MAX_RESTARTS 1000000

static const char *const names[] = {[RESTART_NO] = "no",
				    [RESTART_ON_FAILURE] = "on-failure",
				    [RESTART_ALWAYS] = "always",
				    [RESTART_UNLESS_STOPPED] = "unless-stopped"};
#define KIND_COUNT (sizeof names / sizeof *names)

const char *restart_policy_name(enum restart_kind kind)
{
	return names[kind];
}

static int refuse(const char *text, struct err *err)
{
	err_set(err, ERR_USAGE, 0, "--restart: '%s' is no restart policy", text);
	return err_hint(err, "no, on-failure, on-failure:TIMES, always or unless-stopped");
}

static int parse_max(const char *text, const char *count, struct restart_policy *policy,
		     struct err *err)
{
	uint64_t max;

	if (policy->kind != RESTART_ON_FAILURE)
		return refuse(text, err);
	if (str_to_u64(count, 1, MAX_RESTARTS, "--restart: on-failure", &max, err) < 0) {
		err->kind = ERR_USAGE;
		return -1;
	}
	policy->max = (int)max;
	return 0;
}

int restart_policy_parse(const char *text, struct restart_policy *ret, struct err *err)
{
	struct restart_policy policy = {.kind = RESTART_NO};
	const char *colon = text ? strchr(text, ':') : NULL;
	size_t length = colon ? (size_t)(colon - text) : text ? strlen(text) : 0;
	size_t kind = 0;

	if (!text) {
		*ret = policy;
		return 0;
	}
	while (kind < KIND_COUNT &&
	       (strlen(names[kind]) != length || strncmp(names[kind], text, length) != 0))
		kind++;
	if (kind == KIND_COUNT)
		return refuse(text, err);
	policy.kind = (enum restart_kind)kind;
	if (colon && parse_max(text, colon + 1, &policy, err) < 0)
		return -1;
	*ret = policy;
	return 0;
}

bool restart_policy_wants(const struct restart_policy *policy, int code, bool stopped, int restarts)
{
	if (stopped || policy->kind == RESTART_NO)
		return false;
	if (policy->kind != RESTART_ON_FAILURE)
		return true;
	return code != 0 && (policy->max == 0 || restarts < policy->max);
}

int64_t restart_policy_delay_ms(int64_t last_ms, int64_t ran_ms)
{
	if (last_ms < DELAY_FIRST_MS || ran_ms >= RAN_WELL_MS)
		return DELAY_FIRST_MS;
	return last_ms < DELAY_MAX_MS / 2 ? 2 * last_ms : DELAY_MAX_MS;
}
