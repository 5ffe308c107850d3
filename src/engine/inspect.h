/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that is known of one container, as JSON. */
#ifndef INSULA_ENGINE_INSPECT_H
#define INSULA_ENGINE_INSPECT_H

#include "engine/store.h"

enum inspect_more {
	INSPECT_SECURITY =
		1, /* what the kernel enforces on it just now; ERR_STATE where it does not run */
	INSPECT_SIZE = 2, /* what it takes of the disk, alone and with its image: takes a while */
};

/* One object, written to w. The names of members are those of docker inspect and podman inspect where
 * they mean the same. more: bits of inspect_more. */
int engine_inspect(struct container *ct, unsigned int more, struct json_writer *w, struct err *err);

/* "HostConfig" and "NetworkSettings", and what the top has of the process (inspect_host.c). */
int inspect_host_config(const struct container *ct, struct json_writer *w, struct err *err);
int inspect_network(const struct container *ct, struct json_writer *w, struct err *err);
void inspect_process(const struct container *ct, struct json_writer *w);

/* "Security": of its first process and its control group (inspect_security.c). */
int inspect_security(const struct container *ct, struct json_writer *w, struct err *err);

#endif
