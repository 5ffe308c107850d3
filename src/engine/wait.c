/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for a container to become something.
 *
 * For its end there is its keeper to ask, which answers at that moment. Nobody tells of anything else, so
 * that is looked for again and again: by its id, as its name may be another's by then.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/keeper.h"
#include "engine/lifecycle.h"

#define CONNECT_MS 5000

/* What one that has ended left says how. */
static int code_of_ended(struct container *ct, int *ret_code, struct err *err)
{
	if (ct->status == CT_DEAD && engine_repair(ct, err) < 0)
		return -1;
	if (ct->record.remove || store_is_gone(ct))
		return err_set(err, ERR_NOT_FOUND, 0, "container '%s' has ended and was removed",
			       ct->record.name);
	if (ct->status != CT_EXITED)
		return engine_not_running(ct, err);
	*ret_code = ct->exit.code;
	return 0;
}

/* 1: its keeper said the code; 0: it said nothing, and ends; -1. */
static int ask_code(const struct container *ct, int *ret_code, struct err *err)
{
	struct keeper_header header = {0};
	own_free char *data = malloc(KEEPER_DATA_MAX);
	own_fd int fd = -1;

	if (!data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot wait");
	fd = keeper_connect(ct->run_fd, CONNECT_MS, err);
	if (fd < 0 || keeper_send(fd, KEEPER_WAIT, 0, 0, NULL, 0, err) < 0)
		return 0;
	while (header.type != KEEPER_EXIT) {
		if (keeper_receive(fd, &header, data, -1, err) <= 0)
			return 0;
	}
	*ret_code = (int)header.value;
	return 1;
}

/* Until it has ended. ERR_NOT_FOUND where it was removed at its end before we could ask for the code; ERR_STATE where
 * it was never started. */
static int wait_end(struct container *ct, int *ret_code, struct err *err)
{
	int asked;

	if (engine_settle(ct, err) < 0)
		return -1;
	if (!container_is_kept(ct))
		return code_of_ended(ct, ret_code, err);
	asked = ask_code(ct, ret_code, err);
	if (asked)
		return asked < 0 ? -1 : 0;
	if (engine_wait_cleared(ct, err) < 0 || store_refresh(ct, err) < 0)
		return -1;
	return code_of_ended(ct, ret_code, err);
}

/* What is true of it; what it is about to become is not looked at. */
static unsigned int conditions_of(const struct container *ct)
{
	switch (ct->status) {
	case CT_CREATED:
		return WAIT_CREATED | WAIT_STOPPED;
	case CT_RUNNING:
		return (ct->paused ? WAIT_PAUSED : WAIT_RUNNING) |
		       (ct->ready == READY_YES ? WAIT_READY : 0) |
		       (ct->health == HEALTH_HEALTHY ? WAIT_HEALTHY : 0) |
		       (ct->health == HEALTH_UNHEALTHY ? WAIT_UNHEALTHY : 0);
	case CT_EXITED:
		return WAIT_EXITED | WAIT_STOPPED;
	case CT_RESTARTING:
	case CT_STARTING:
	case CT_STOPPING:
	case CT_DEAD:
		break;
	}
	return 0;
}

/* 1: one of the conditions is true, and *ret_code tells how; 0: not yet; -1. */
static int look(struct container *ct, unsigned int conditions, int *ret_code, struct err *err)
{
	const unsigned int ends = WAIT_STOPPED | WAIT_EXITED;
	const unsigned int health = WAIT_HEALTHY | WAIT_UNHEALTHY;

	if (engine_settle(ct, err) < 0)
		return -1;
	if (ct->status == CT_STARTING) /* and nobody is at it */
		return err_set(err, ERR_STATE, 0, "container '%s' was never finished",
			       ct->record.name);
	if (ct->status == CT_DEAD && engine_repair(ct, err) < 0)
		return -1;
	if (store_is_gone(ct))
		return err_set(err, ERR_NOT_FOUND, 0, "container '%s' was removed",
			       ct->record.name);
	if (!(conditions & ~health) && !ct->record.health.command.count)
		return err_set(err, ERR_STATE, 0, "container '%s' has no health check",
			       ct->record.name);
	if (conditions == WAIT_READY && !ct->record.sdnotify) {
		err_set(err, ERR_STATE, 0, "nobody says when container '%s' is ready",
			ct->record.name);
		return err_hint(err, "it was made without --sdnotify");
	}
	if (conditions_of(ct) & conditions) {
		*ret_code = ct->status == CT_EXITED ? ct->exit.code : -1;
		return 1;
	}
	if (conditions == WAIT_READY && ct->status == CT_EXITED)
		return err_set(err, ERR_STATE, 0,
			       "container '%s' ended with code %d before it was ready",
			       ct->record.name, ct->exit.code);
	if (!container_is_kept(ct) || (conditions & ~ends))
		return 0;
	return wait_end(ct, ret_code, err) < 0 ? -1 : 1;
}

static void pause_ms(int64_t ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

int engine_wait_for(const struct container *which, unsigned int conditions, int64_t interval_ms,
		    int *ret_code, struct err *err)
{
	for (;;) {
		own(container) struct container ct = CONTAINER_INIT;
		int found = store_load(which->store, which->id, &ct, err) < 0
				    ? -1
				    : look(&ct, conditions, ret_code, err);

		if (found > 0)
			return 0;
		if (found < 0 && err->kind == ERR_NOT_FOUND && (conditions & WAIT_REMOVED)) {
			*err = ERR_INIT;
			*ret_code = -1;
			return 0;
		}
		if (found < 0)
			return err->kind != ERR_NOT_FOUND
				       ? -1
				       : err_set(err, ERR_NOT_FOUND, 0,
						 "container '%s' has ended and was removed",
						 which->record.name);
		if (fail_point("wait.again", err) < 0)
			return -1;
		pause_ms(interval_ms);
	}
}
