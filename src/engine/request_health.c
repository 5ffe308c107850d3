/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --health-cmd and its family, as podman-run(1) and docker-run(1) have them. */
#include <string.h>

#include "base/own.h"
#include "engine/request.h"

/* A JSON array is a command, and anything else a line for a shell. */
static int add_command(const char *text, struct strv *ret, struct err *err)
{
	if (*text == '[')
		return engine_add_list(ret, "--health-cmd", text, err);
	return strv_add(ret, "/bin/sh", err) < 0 || strv_add(ret, "-c", err) < 0
		       ? -1
		       : strv_add(ret, text, err);
}

static int refuse_without_command(const struct run_options *options, struct err *err)
{
	const struct {
		const char *name;
		bool given;
	} rows[] = {{"interval", options->health_interval != NULL},
		    {"timeout", options->health_timeout_given},
		    {"retries", options->health_retries_given},
		    {"start-period", options->health_start_period_given},
		    {"on-failure", options->health_action_given}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].given) {
			err_set(err, ERR_USAGE, 0, "--health-%s is of no use without --health-cmd",
				rows[i].name);
			return err_hint(err, "--health-cmd 'COMMAND' is what is run");
		}
	return 0;
}

static int set_interval(const char *text, struct health_config *config, struct err *err)
{
	uint64_t ms;

	config->interval_ms = DEFAULT_HEALTH_INTERVAL_MS;
	if (!text)
		return 0;
	config->interval_ms = 0;
	if (!strcmp(text, "disable"))
		return 0;
	if (str_to_ms(text, "--health-interval", &ms, err) < 0) {
		err->kind = ERR_USAGE;
		return err_hint(err, "disable: it is run by insula healthcheck run alone");
	}
	if (ms > DEFAULT_HEALTH_MAX_MS || (ms && ms < DEFAULT_HEALTH_MIN_MS))
		return err_set(err, ERR_USAGE, 0, "--health-interval: from %d ms to a year",
			       DEFAULT_HEALTH_MIN_MS);
	config->interval_ms = (int64_t)ms;
	return 0;
}

int request_health(const struct run_options *options, struct health_config *config, struct err *err)
{
	bool none = !options->health_cmd || !strcmp(options->health_cmd, "none");

	if (options->no_healthcheck && !none)
		return err_set(err, ERR_USAGE, 0,
			       "--no-healthcheck and --health-cmd exclude each other");
	if (options->no_healthcheck || none)
		return refuse_without_command(options, err);
	if (!*options->health_cmd) {
		err_set(err, ERR_USAGE, 0, "--health-cmd: the command is empty");
		return err_hint(err, "none: --no-healthcheck");
	}
	config->timeout_ms = options->health_timeout_given ? (int64_t)options->health_timeout_ms
							   : DEFAULT_HEALTH_TIMEOUT_MS;
	config->start_period_ms = (int64_t)options->health_start_period_ms;
	config->retries = options->health_retries_given ? (int)options->health_retries
							: DEFAULT_HEALTH_RETRIES;
	config->action = options->health_action;
	if (config->timeout_ms < 1 || config->timeout_ms > DEFAULT_HEALTH_MAX_MS ||
	    config->start_period_ms > DEFAULT_HEALTH_MAX_MS)
		return err_set(err, ERR_USAGE, 0,
			       "--health-timeout and --health-start-period: at most a year, and a "
			       "timeout of some time");
	if (set_interval(options->health_interval, config, err) < 0)
		return -1;
	return add_command(options->health_cmd, &config->command, err);
}
