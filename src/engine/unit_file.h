/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit files of systemd for containers. */
#ifndef INSULA_ENGINE_UNIT_FILE_H
#define INSULA_ENGINE_UNIT_FILE_H

#include "engine/store.h"

struct unit_options {
	const char *prefix, *separator; /* of the unit's name */
	const char *root, *run;	       /* the store's, where they are not the defaults; else NULL */
	const char *restart;	       /* what systemd does about its end */
	uint64_t restart_ms, start_ms; /* 0: systemd's default */
	uint64_t stop_ms;
	bool stop_given; /* else the container's */
	bool by_name;	 /* not by id */
	bool anew;	 /* made at each start, removed at each end */
	bool no_header;
	const struct strv *after, *wants, *requires;
};

/* "container-web.service" */
char *unit_file_name(const struct unit_options *options, const struct container *ct,
		     struct err *err);
/* Its specification is loaded. */
int unit_file_write(const struct unit_options *options, const struct container *ct, struct str *out,
		    struct err *err);
/* Are there values of environment variables in its commands, as they were typed? */
bool unit_file_has_values(const struct unit_options *options, const struct container *ct);

#endif
