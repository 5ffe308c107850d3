/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning a container's start, for engine_start and engine_dry_run; private to engine/. */
#ifndef INSULA_ENGINE_LAUNCH_H
#define INSULA_ENGINE_LAUNCH_H

#include "engine/engine.h"
#include "engine/group.h"
#include "kernel/cgroup.h"
#include "runtime/runtime.h"

struct launch {
	struct cgroup_host host;
	struct runtime_layer *layers;
	struct strv writable;	 /* a directory of the container for each layer */
	char init_program[4096]; /* PATH_MAX */
	struct plan *plan;
};

void launch_done(struct launch *l);
/* Fill the specification's id maps from id_base, check it, plan. What the plan points at is borrowed from
 * all arguments. */
int launch_plan(struct launch *l, struct store *store, struct record *record,
		const struct image *image, uint32_t id_base, const int stdio[3],
		const struct group_place *group, struct err *err);

/* upper and work of every layer, and in upper the files that say who the container is: hostname, hosts,
 * resolv.conf, machine-id (identity_files.c). Once, when the container is made. */
int launch_make_writable(const struct container *ct, const struct image *image, struct err *err);
int launch_write_identity(int upper_fd, const struct record *record, struct err *err);
/* The time zone of that name, as tzfile(5) has it; "local" is the host's. Returns its size. */
ssize_t launch_read_timezone(const char *name, char **ret, struct err *err);

/* id_files.c: files in which a user finds who the container is. --cidfile: a new file with its id. */
int launch_write_cidfile(const char *path, const char *id, struct err *err);
/* --pidfile: made or written anew. */
int launch_write_pidfile(const char *path, pid_t pid, struct err *err);

#endif
