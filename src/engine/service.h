/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service manager that started the command, and readiness of containers (ready.h). */
#ifndef INSULA_ENGINE_SERVICE_H
#define INSULA_ENGINE_SERVICE_H

#include "engine/store.h"

/* Is what the container says of itself to be told by the command that it is attached to? */
bool service_wants_notice(const struct record *record);
/* What it said: to the manager. What cannot be told is warned of. */
void service_tell(const char *text);
/* A container was started, and its command stays (attached) or goes; where there is no manager, nothing. */
int service_started(struct store *store, const char *id, bool attached, struct err *err);
/* Until it is ready, for one that requires it. ERR_STATE where it ends before, ERR_TIMEOUT. */
int service_await_ready(struct store *store, const char *id, struct err *err);

#endif
