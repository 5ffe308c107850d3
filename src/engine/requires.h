/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers that need others to run: --requires. */
#ifndef INSULA_ENGINE_REQUIRES_H
#define INSULA_ENGINE_REQUIRES_H

#include "engine/store.h"

/* The names of lists between commas. */
int requires_split(const struct strv *lists, struct strv *ret, struct err *err);
/* From the lists that were asked for to the ids in the record. */
int requires_resolve(struct store *store, const struct strv *lists, struct record *record,
		     struct err *err);
/* Those whom the record names learn that somebody needs them; before there is a container of the record. */
int requires_announce(struct store *store, const struct record *record, struct err *err);
/* And when there is one, whose lock the caller holds: they are all there, and are not removed before it is. */
int requires_confirm(struct store *store, const struct record *record, struct err *err);
/* Whoever is named, whomever they require, and so on: each id once, who is required before who requires it. Those
 * that are not there are left out. */
int requires_all(struct store *store, const struct strv *refs, struct strv *ret_ids,
		 struct err *err);
/* The same names in an order in which they can be ended: who requires another before that one. */
int requires_order_end(struct store *store, const struct strv *refs, struct strv *ret,
		       struct err *err);
/* To those that are named come all that require them, by way of others too; each once. */
int requires_add_dependents(struct store *store, struct strv *refs, struct err *err);
/* ERR_STATE, which names them, where containers that are there require this one. */
int requires_check_removal(const struct container *ct, struct err *err);

#endif
