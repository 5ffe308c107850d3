/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several logs as one: each line with the name of its container before it. */
#ifndef INSULA_CLI_LOGS_H
#define INSULA_CLI_LOGS_H

#include "engine/log.h"
#include "engine/store.h"

struct merge_options {
	struct log_read_options how; /* of each */
	bool timestamps;
	bool color; /* of the names, whatever it is printed to */
};

/* One log, whatever keeps it; ERR_STATE where it keeps none. */
int logs_read(const struct container *ct, const struct log_read_options *how, struct log_sink *sink,
	      struct err *err);

/* What is known when it begins in the order of its times, and then, following, as it comes. What is wrong
 * with one is printed, and the others go on: *ret_failed is the first such error's exit code, else 0. */
int logs_merge(const struct container *cts, size_t count, const struct merge_options *options,
	       int *ret_failed, struct err *err);

#endif
