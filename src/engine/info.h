/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this installation is and what it has to work with, as JSON documents. */
#ifndef INSULA_ENGINE_INFO_H
#define INSULA_ENGINE_INFO_H

#include "engine/store.h"
#include "json/json.h"

/* Whoever asks may have something to add to the document. */
typedef int info_more_fn(const void *data, struct json_writer *w, struct err *err);

/* Program, keeper protocol, specification. */
int engine_version(struct str *out, struct err *err);
/* Host, control groups, store with counts, defaults. */
int engine_info(struct store *store, info_more_fn *more, const void *data, struct str *out,
		struct err *err);

/* How many containers the store has of each status (enum container_status); one that cannot be read counts
 * as `damaged`. */
struct store_counts {
	size_t by_status[CT_STATUS_COUNT], damaged;
};

int engine_count(struct store *store, struct store_counts *ret, struct err *err);

#endif
