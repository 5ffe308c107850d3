/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --filter KEY=VALUE, of what is listed: a table of keys for each kind of row. Of several values of one key
 * one has to match, or all of them where the table says so (labels); of several keys each has to.
 */
#ifndef INSULA_ENGINE_FILTER_H
#define INSULA_ENGINE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* `value` was checked. */
typedef bool filter_match_fn(const void *row, const char *value);
/* 0: it is a value of this key. */
typedef int filter_check_fn(const char *value, struct err *err);

struct filter_key {
	const char *name; /* NULL ends */
	filter_match_fn *match;
	filter_check_fn *check; /* NULL: anything */
	bool all;
};

/* ERR_USAGE for a key that is not in the table, or a value that is none of it. */
int filters_check(const struct filter_key *keys, const struct strv *filters, struct err *err);
bool filters_match(const struct filter_key *keys, const struct strv *filters, const void *row);

/* One of these, NULL ends; or ERR_USAGE: `what` 'value', with the names in its hint. */
int filter_check_among(const char *value, const char *const *names, const char *what,
		       struct err *err);
bool filter_label(const struct strv *labels, const char *value);

struct event;
extern const struct filter_key event_filter_keys[]; /* of rows that are struct event */

/* Of rows that are struct container. What is named by time or by another container is made a number first:
 * filters_resolve_containers(). *ret_spec: some look at the specification, which rows then have to have. */
extern const struct filter_key container_filter_keys[];
struct store;
typedef int filter_moment_fn(const char *flag, const char *text, int64_t *ret_ns, struct err *err);
int filters_resolve_containers(struct store *store, const struct strv *filters,
			       filter_moment_fn *parse, struct strv *ret, bool *ret_spec,
			       struct err *err);

#endif
