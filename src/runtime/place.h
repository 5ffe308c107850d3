/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a container's control group is, and who manages it.
 *
 * cgroup_place_decide() turns linux.cgroupsPath, the annotations and the caller's choice of a manager into
 * a place; runtime_plan() takes it (runtime_request.place), runtime_create() makes the group there, and
 * puts what later verbs need into runtime_container.cgroup. A caller that keeps state takes that over with
 * cgroup_place_note(), and records five things: manager, path, unit, user, made_parents. Every later
 * verb works from those:
 *
 *	kill, pause, resume, ps, events, update, exec:   cgroup_open(host, path, ...); no manager is asked,
 *	                                                 but by runtime_update (runtime/update.h)
 *	delete:                                          cgroup_place_remove()
 *
 * Managers:
 *
 * - cgroupfs: path is linux.cgroupsPath below every hierarchy's top, or "insula-ID" where there is none.
 *   We make and remove the directories.
 * - systemd: linux.cgroupsPath is "SLICE:PREFIX:NAME" and stands for the scope PREFIX-NAME.scope
 *   (NAME.scope where PREFIX is empty), made by the service manager over D-Bus. An empty
 *   SLICE is system.slice, or the user manager's own user.slice where we are not root ("user"). The
 *   helper insula-systemd speaks D-Bus (there is no static libsystemd); it is started for one request.
 *   Limits that systemd has a property for are set there too, so that `systemctl show` tells them and a
 *   reload keeps them; all limits are written by us, into a directory of our own in the scope
 *   ("container"; run.oci.systemd.subgroup names another, or none). Device rules are never systemd's: a
 *   reload would undo what it does not know (single writer).
 * - disabled: no group at all. Asking for a limit then is an error.
 */
#ifndef INSULA_RUNTIME_PLACE_H
#define INSULA_RUNTIME_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "json/json.h"
#include "kernel/cgroup.h"
#include "spec/spec.h"

enum cgroup_manager { CGROUP_MANAGER_CGROUPFS, CGROUP_MANAGER_SYSTEMD, CGROUP_MANAGER_DISABLED };

/* {"cgroupfs", ...}, {"systemd", ...}, {"disabled", ...}, {NULL}: for JSON_F_ENUM and OPT tables. */
extern const struct json_name cgroup_manager_names[];

struct cgroup_place {
	enum cgroup_manager manager;
	char *path; /* of the group, below every hierarchy's top, without a leading slash. NULL: none, or
		     * systemd before the start, when only the service manager knows it */
	char *unit; /* systemd: "crio-0123.scope"; else NULL */
	bool user;  /* systemd: the user's manager on the session bus, not the system's */
	struct strv
		made_parents; /* "MOUNT=N" of a hierarchy in which N directories above the group were
				   * made with it, to go with it */
	/* what only a start needs */
	char *slice;	/* systemd: "machine.slice", "system.slice" where none was given */
	char *subgroup; /* systemd: directory of the scope for the container, "" the scope itself */
	char *delegated; /* run.oci.delegate-cgroup: sub-group, without limits, that the container's
			   * first process is put into (v2 only); NULL: none */
	struct strv properties; /* org.systemd.property.NAME: "NAME=value" as GVariant text */
};

#define CGROUP_PLACE_INIT ((struct cgroup_place){.manager = CGROUP_MANAGER_CGROUPFS})

/* All of it from the specification and what was probed of the host; nothing is made. `rootless`: we are
 * not root of the initial user namespace: the user's manager is meant, and a path that is not absolute is
 * below the group that we live in, as nothing else may be ours. ERR_INVALID names linux.cgroupsPath or
 * the annotation. */
int cgroup_place_decide(enum cgroup_manager manager, bool rootless, const char *id,
			const struct spec *spec, const struct cgroup_host *host,
			struct cgroup_place *ret, struct err *err);
/* A name beside the group that we live in, in the v2 hierarchy: what may be ours. */
char *cgroup_place_beside(const struct cgroup_host *host, const char *name, struct err *err);
void cgroup_place_done(struct cgroup_place *place);

/* Is it one, "a-b.slice"? `what` names it in errors. And its directory, "a.slice/a-b.slice". */
int cgroup_place_check_slice(const char *slice, const char *what, struct err *err);
char *cgroup_place_slice_path(const char *slice, struct err *err);

/* The group as far as it can be told before a start: the path, or what the service manager is expected to
 * answer. NULL: none. */
char *cgroup_place_name(const struct cgroup_place *place, const struct cgroup_host *host,
			struct err *err);

/* Behind the directory of its unit in a group's name, NULL where the group is not in it. The unit of a manager
 * in a container may be called like the one around it: the last one. */
char *cgroup_place_end_of_unit(const struct cgroup_place *place, const char *group);

/* What a start made of it: the group's path, or none. */
int cgroup_place_note(struct cgroup_place *place, const struct cgroup_host *host,
		      const struct cgroup *cgroup, struct err *err);

/* delete: kill what is left, remove the group with all that is below it, stop and forget the unit.
 * Succeeds where it is gone already. Ends within timeout_ms, with the reason in *err. */
int cgroup_place_remove(const struct cgroup_place *place, const struct cgroup_host *host,
			int timeout_ms, struct err *err);

#endif
