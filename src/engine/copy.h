/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula cp and diff: files into and out of containers, and which of them they have changed. */
#ifndef INSULA_ENGINE_COPY_H
#define INSULA_ENGINE_COPY_H

#include "engine/store.h"
#include "json/json.h"

struct copy_options {
	bool archive;	  /* owners and extended attributes too */
	bool follow_link; /* of the source, its last component */
};

/* One end is CONTAINER:PATH; the other that too, a path of the host, or "-", a tar stream on the standard
 * input or output. What could not be made at the target is a line in *left_out each. */
int engine_copy(struct store *store, const struct copy_options *options, const char *from,
		const char *to, struct strv *left_out, struct err *err);

/* Its changes against its image, as an array of {"path", "change"}: A added, C changed, D deleted. */
int engine_diff(struct container *ct, struct json_writer *w, struct err *err);

#endif
