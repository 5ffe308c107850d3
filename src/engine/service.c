/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd starts a command of ours as a service of Type=notify, and wants to be told when the container is ready.
 *
 * It listens to those who are in the service, and the keeper is not: it lives in a scope of its own. So a command in
 * the foreground, which is the service's main process, says on what the keeper tells it. One that goes names the
 * keeper as the main process first (MAINPID=), which is taken from root although that is elsewhere; after that the
 * keeper is heard, and is told where to speak. The first message is in the manager's queue before there can be a
 * second one.
 */
#include "engine/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/own.h"
#include "engine/keeper.h"
#include "engine/lifecycle.h"
#include "engine/ready.h"

#define ASK_MS 5000
#define LOOK_MS 50
#define BUSY_TRIES 50
#define READY_MS 90000 /* as systemd waits by default */

static void pause_ms(int64_t ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

bool service_wants_notice(const struct record *record)
{
	return notify_socket() && record->sdnotify && !str_eq(record->sdnotify, READY_BY_START);
}

void service_tell(const char *text)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < BUSY_TRIES; i++) {
		if (notify_send(notify_socket(), text, &err) == 0)
			return;
		if (err.errnum != EAGAIN)
			break;
		pause_ms(LOOK_MS);
	}
	warn_emit("the service manager does not hear of the container: %s", err.message);
}

int service_started(struct store *store, const char *id, bool attached, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	char text[64];

	if (!notify_socket())
		return 0;
	if (store_load(store, id, &ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1; /* it has ended */
	if (!ct.record.sdnotify || ct.status != CT_RUNNING)
		return 0;
	bool at_once = str_eq(ct.record.sdnotify, READY_BY_START);
	if (attached) {
		if (at_once)
			service_tell("READY=1");
		return 0;
	}
	snprintf(text, sizeof text, "MAINPID=%d%s", ct.state.keeper_pid,
		 at_once ? "\nREADY=1" : "");
	service_tell(text);
	if (fail_point("service.told", err) < 0)
		return -1;
	if (at_once || keeper_tell(ct.run_fd, KEEPER_MANAGER, notify_socket(), ASK_MS, err) == 0)
		return 0;
	return err->kind == ERR_STATE ? 0 : -1;
}

/* ---- waiting ---- */

static int64_t patience_ms(void)
{
#ifdef INSULA_FAILPOINTS
	const char *other = getenv("INSULA_TEST_READY_MS");

	if (other)
		return strtoll(other, NULL, 10);
#endif
	return READY_MS;
}

static int64_t extended_ms(const struct container *ct)
{
	struct readiness r = {0};
	struct err ignored = ERR_INIT;
	int64_t until = 0;

	if (ct->run_fd >= 0 && readiness_read(ct->run_fd, ".", &r, &ignored) == 0)
		until = r.extended_ms;
	readiness_done(&r);
	return until;
}

/* 1: it is; 0: not yet; -1. */
static int look(struct store *store, const char *id, int64_t *end_ms, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_load(store, id, &ct, err) < 0)
		return -1;
	if (ct.ready != READY_NOT_YET && ct.status == CT_RUNNING)
		return 1;
	if (!container_is_kept(&ct) && ct.status != CT_STARTING)
		return err_set(err, ERR_STATE, 0, "'%s' ended before it was ready", ct.record.name);
	int64_t until = extended_ms(&ct);
	*end_ms = until > *end_ms ? until : *end_ms;
	if (clock_boot_ms() < *end_ms)
		return 0;
	err_set(err, ERR_TIMEOUT, 0, "'%s' runs, and is not ready", ct.record.name);
	return err_hint(err, str_eq(ct.record.sdnotify, READY_BY_HEALTH)
				     ? "its health check has not been good yet"
				     : "it has not said READY=1 to its NOTIFY_SOCKET");
}

int service_await_ready(struct store *store, const char *id, struct err *err)
{
	int64_t end_ms = clock_boot_ms() + patience_ms();
	int found;

	while ((found = look(store, id, &end_ms, err)) == 0)
		pause_ms(LOOK_MS);
	return found < 0 ? -1 : 0;
}
