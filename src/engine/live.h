/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts and devices of a container that there is: added and removed where it runs, and in its record, which the
 * next start is made of.
 */
#ifndef INSULA_ENGINE_LIVE_H
#define INSULA_ENGINE_LIVE_H

#include "engine/store.h"
#include "json/json.h"

struct live_options {
	bool temporary;	 /* the record stays as it is */
	bool next_start; /* what runs stays as it is */
	bool force;	 /* unmount what is in use */
};

/* SOURCE:DESTINATION[:OPTIONS], or the value of --mount. ERR_EXISTS where there is a mount there. */
int engine_mount_add(struct container *ct, const char *value, const struct live_options *options,
		     struct err *err);
int engine_mount_remove(struct container *ct, const char *destination,
			const struct live_options *options, struct err *err);
/* As a member of an array: rows of what was asked for. */
int engine_write_mounts(struct container *ct, struct json_writer *w, struct err *err);
/* The same as inspect has them. */
int inspect_mounts(struct container *ct, struct json_writer *w, struct err *err);

/* HOST[:CONTAINER][:ACCESS] */
int engine_device_add(struct container *ct, const char *value, const struct live_options *options,
		      struct err *err);
/* Whoever holds it open keeps it, and is named in a warning. */
int engine_device_remove(struct container *ct, const char *path, const struct live_options *options,
			 struct err *err);
int engine_write_devices(struct container *ct, struct json_writer *w, struct err *err);

#endif
