/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The service manager over D-Bus, for insula-systemd alone: no static library has it.
 */
#ifndef INSULA_RUNTIME_SCOPE_BUS_H
#define INSULA_RUNTIME_SCOPE_BUS_H

#include "runtime/scope.h"

struct sd_bus;

struct scope_bus {
	struct sd_bus *bus;
	int64_t deadline_ms; /* of everything that is asked */
	uint64_t timeout_ms; /* as it was given, for errors */
};

/* The system's manager, or the user's on the session bus. */
int scope_bus_open(struct scope_bus *ret, bool user, uint64_t timeout_ms, struct err *err);
void scope_bus_done(struct scope_bus *bus);
/* What is asked from now on has as long as the first. */
void scope_bus_renew(struct scope_bus *bus);

/* Make the scope with this process in it, wait until the manager is done, ask for its control group. One
 * of the same name that has failed or ended, and is only remembered, is forgotten first. */
int scope_bus_start(struct scope_bus *bus, const struct scope_request *request, uint32_t pid,
		    char ret_path[static SCOPE_PATH_MAX], struct err *err);
/* SetUnitProperties, until the next boot. */
int scope_bus_set(struct scope_bus *bus, const struct scope_request *request,
		  char ret_path[static SCOPE_PATH_MAX], struct err *err);
/* AttachProcessesToUnit: move a process into the unit, or a directory of it, which the manager may where the
 * caller may not. */
int scope_bus_attach(struct scope_bus *bus, const struct scope_request *request, struct err *err);
/* Stop it, wait for the end, forget a failure. One that does not exist is stopped. */
int scope_bus_stop(struct scope_bus *bus, const char *unit, struct err *err);

/* main() of insula-systemd (scope_helper.c). */
int scope_helper_main(void);

#endif
