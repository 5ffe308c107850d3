/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readiness: a container that runs may not be of use yet. What tells is its --sdnotify, in podman's words:
 *
 *	container  the container says so, by sd_notify(3): its keeper has a socket for it (keeper_notify.c)
 *	healthy    its health check does
 *	conmon     it is as soon as its command runs
 *
 * What its keeper heard is in RUN/containers/ID/ready.json, for inspect, ps and wait. The service manager that
 * started us (NOTIFY_SOCKET) is told by the command that it started, in the foreground, or else by the keeper
 * (service.c).
 */
#ifndef INSULA_ENGINE_READY_H
#define INSULA_ENGINE_READY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/store.h"

#define READY_FILE "ready.json"
#define READY_STATUS_MAX 256
#define READY_TEXT_MAX 1024 /* of what is told to a service manager at once */

#define READY_BY_CONTAINER "container"
#define READY_BY_HEALTH "healthy"
#define READY_BY_START "conmon"

extern const char *const ready_names[]; /* by enum ready_state; "" for none */

struct readiness {
	bool ready;
	char *status;	     /* what it said of itself; NULL: nothing */
	int64_t extended_ms; /* it asked to be waited for until then, CLOCK_BOOTTIME; 0: it did not */
};

extern const struct json_field readiness_fields[];

void readiness_done(struct readiness *r);
/* Of a container with READY_BY_CONTAINER: its run directory is `path` below dir_fd. ERR_NOT_FOUND. */
int readiness_read(int dir_fd, const char *path, struct readiness *ret, struct err *err);
int readiness_write(int run_fd, const struct readiness *r, struct err *err);
/* Of one that runs, whose record and health are known. */
enum ready_state readiness_of(const struct container *ct, int dir_fd, const char *path);

#endif
