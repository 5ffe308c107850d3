/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers that need others to run.
 *
 * A record names by their ids those that its container requires. They had to exist when it was made, and nothing
 * is added later, so nobody can require himself by way of others; files that say so all the same are damaged, and
 * what is below bears it: everybody is visited once.
 *
 * Who is required is not told by any record of his. That somebody requires him is in a file "needed" of his
 * directory, which is made before the other container is, and stays: it only says that it is worth looking. A
 * removal, most of which are of containers that nobody needs, costs one look at a file.
 *
 * Who removes looks for such records with the lock of the one that goes, and removes it with that. Who has made a container
 * takes the lock of each that it requires, and finds it there or gone: so of the two, one is refused. He has the lock
 * of his own then; nobody takes another's lock with that of one that is required, so that this is in order.
 *
 * The order is that of starting; ended and removed is backwards.
 */
#include "engine/requires.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/store_private.h"

#define NEEDED "needed"
#define LOCK_TIMEOUT_MS 30000
#define NAMES_SHOWN 4 /* in an error */

/* ---- what was asked for ---- */

static int resolve_one(struct store *store, const char *name, struct strv *ids, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (!*name) {
		err_set(err, ERR_USAGE, 0, "--requires: a name is empty");
		return err_hint(err, "NAME, or several between commas");
	}
	if (store_find(store, name, &ct, err) < 0)
		return err_wrap(err, "--requires");
	if (ct.record.remove)
		return err_set(err, ERR_USAGE, 0,
			       "--requires: '%s' has --rm, and could not be started again", name);
	return strv_contains(ids, ct.id) ? 0 : strv_add(ids, ct.id, err);
}

int requires_split(const struct strv *lists, struct strv *ret, struct err *err)
{
	for (size_t i = 0; i < lists->count; i++) {
		own_free char *list = str_dup(lists->items[i], err);
		char *rest = list;

		if (!list)
			return -1;
		for (char *name = strsep(&rest, ","); name; name = strsep(&rest, ","))
			if (strv_add(ret, name, err) < 0)
				return -1;
	}
	return 0;
}

int requires_resolve(struct store *store, const struct strv *lists, struct record *record,
		     struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (lists->count && !store)
		return err_set(err, ERR_INTERNAL, 0, "--requires: there is no store");
	if (requires_split(lists, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (resolve_one(store, names.items[i], &record->requires, err) < 0)
			return -1;
	return 0;
}

int requires_announce(struct store *store, const struct record *record, struct err *err)
{
	for (size_t i = 0; i < record->requires.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;

		if (store_load(store, record->requires.items[i], &ct, err) < 0)
			return err_wrap(err, "--requires");
		own_fd int fd = openat(ct.root_fd, NEEDED,
				       O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_errno(err, "--requires: cannot write '%s' of '%s'", NEEDED,
					 ct.record.name);
	}
	return 0;
}

static int confirm(struct store *store, const char *id, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_load(store, id, &ct, err) < 0)
		return -1;
	own_fd int lock_fd = store_lock(&ct, LOCK_TIMEOUT_MS, err);
	if (lock_fd < 0 || store_refresh(&ct, err) < 0)
		return -1;
	if (store_is_going(&ct))
		return err_set(err, ERR_NOT_FOUND, 0, "container '%s' was removed", ct.record.name);
	/* Nobody would be told if it went. */
	if (ct.status == CT_STARTING && file_lock_held(ct.run_fd, STORE_ALIVE, err) == 0)
		return err_set(err, ERR_STATE, 0, "container '%s' was never finished",
			       ct.record.name);
	return 0;
}

int requires_confirm(struct store *store, const struct record *record, struct err *err)
{
	for (size_t i = 0; i < record->requires.count; i++)
		if (confirm(store, record->requires.items[i], err) < 0)
			return err_wrap(err, "--requires");
	return 0;
}

/* ---- order ---- */

struct node {
	const char *ref; /* as it was named, borrowed */
	char *id;	 /* NULL: not there */
	struct strv requires;
	bool done;
};

struct graph {
	struct node *nodes;
	size_t count;
};

static void graph_done(struct graph *g)
{
	for (size_t i = 0; i < g->count; i++) {
		free(g->nodes[i].id);
		strv_done(&g->nodes[i].requires);
	}
	free(g->nodes);
}

/* What cannot be read requires nobody, and may be required: it is told of when it is its turn. */
static int add_node(struct graph *g, struct store *store, const char *ref, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct node *node = &g->nodes[g->count++];
	struct err reading = ERR_INIT;

	*node = (struct node){.ref = ref};
	if (store_find_damaged(store, ref, &ct, &reading) < 0)
		return 0;
	node->id = str_dup(ct.id, err);
	return node->id ? strv_copy(&node->requires, &ct.record.requires, err) : -1;
}

static int make_graph(struct graph *g, struct store *store, const struct strv *refs,
		      struct err *err)
{
	g->nodes = calloc(refs->count + 1, sizeof *g->nodes);
	if (!g->nodes)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot order containers");
	for (size_t i = 0; i < refs->count; i++)
		if (add_node(g, store, refs->items[i], err) < 0)
			return -1;
	return 0;
}

static bool is_required(const struct graph *g, const struct node *node)
{
	for (size_t i = 0; node->id && i < g->count; i++)
		if (!g->nodes[i].done && strv_contains(&g->nodes[i].requires, node->id))
			return true;
	return false;
}

/* The next one whom nobody requires that is left; where files are damaged and there is none, the first. */
static struct node *next_to_end(struct graph *g)
{
	struct node *first = NULL;

	for (size_t i = 0; i < g->count; i++) {
		struct node *node = &g->nodes[i];

		if (node->done)
			continue;
		if (!is_required(g, node))
			return node;
		first = first ? first : node;
	}
	return first;
}

int requires_order_end(struct store *store, const struct strv *refs, struct strv *ret,
		       struct err *err)
{
	own(graph) struct graph g = {0};

	if (refs->count < 2)
		return strv_copy(ret, refs, err);
	if (make_graph(&g, store, refs, err) < 0)
		return -1;
	for (size_t i = 0; i < g.count; i++) {
		struct node *node = next_to_end(&g);

		node->done = true;
		if (strv_add(ret, node->ref, err) < 0)
			return -1;
	}
	return 0;
}

/* Their ids, and those of whom they require, in the order in which they are met. */
static int add_with_required(struct store *store, const char *ref, struct strv *ids,
			     struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err reading = ERR_INIT;

	if (store_find(store, ref, &ct, &reading) < 0)
		return 0;
	if (!strv_contains(ids, ct.id) && strv_add(ids, ct.id, err) < 0)
		return -1;
	for (size_t i = 0; i < ct.record.requires.count; i++)
		if (!strv_contains(ids, ct.record.requires.items[i]) &&
		    strv_add(ids, ct.record.requires.items[i], err) < 0)
			return -1;
	return 0;
}

int requires_all(struct store *store, const struct strv *refs, struct strv *ret_ids,
		 struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	own(strv) struct strv backwards = STRV_INIT;

	for (size_t i = 0; i < refs->count; i++)
		if (add_with_required(store, refs->items[i], &ids, err) < 0)
			return -1;
	for (size_t i = 0; i < ids.count; i++) /* it grows */
		if (add_with_required(store, ids.items[i], &ids, err) < 0)
			return -1;
	if (requires_order_end(store, &ids, &backwards, err) < 0)
		return -1;
	for (size_t i = backwards.count; i-- > 0;)
		if (strv_add(ret_ids, backwards.items[i], err) < 0)
			return -1;
	return 0;
}

/* ---- removal ---- */

/* A container that was named, and found again by its id: once is enough. */
static int drop_repeated(struct store *store, struct strv *refs, struct err *err)
{
	own(strv) struct strv kept = STRV_INIT, ids = STRV_INIT;

	for (size_t i = 0; i < refs->count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err looking = ERR_INIT;
		bool found = store_find_damaged(store, refs->items[i], &ct, &looking) == 0;

		if (found && strv_contains(&ids, ct.id))
			continue;
		if ((found && strv_add(&ids, ct.id, err) < 0) ||
		    strv_add(&kept, refs->items[i], err) < 0)
			return -1;
	}
	strv_done(refs);
	*refs = kept;
	kept = STRV_INIT;
	return 0;
}

static bool is_needed(const struct container *ct)
{
	return ct->root_fd >= 0 && faccessat(ct->root_fd, NEEDED, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Those that are there and require it themselves: what of them is asked for, their ids or their names. */
static int add_dependents(const struct container *ct, bool names, struct strv *ret, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (!is_needed(ct))
		return 0;
	if (store_list(ct->store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container other = CONTAINER_INIT;
		struct err reading = ERR_INIT;

		if (store_summarize(ct->store, ids.items[i], &other, &reading) < 0 ||
		    !strv_contains(&other.record.requires, ct->id))
			continue;
		const char *text = names ? other.record.name : other.id;
		if (!strv_contains(ret, text) && strv_add(ret, text, err) < 0)
			return -1;
	}
	return 0;
}

int requires_add_dependents(struct store *store, struct strv *refs, struct err *err)
{
	for (size_t i = 0; i < refs->count; i++) { /* it grows */
		own(container) struct container ct = CONTAINER_INIT;
		struct err looking = ERR_INIT;

		if (store_find_damaged(store, refs->items[i], &ct, &looking) == 0 &&
		    add_dependents(&ct, false, refs, err) < 0)
			return -1;
	}
	return drop_repeated(store, refs, err);
}

int requires_check_removal(const struct container *ct, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	own(str) struct str text = STR_INIT(NAMES_SHOWN * (STORE_NAME_MAX + 4) + 32);

	if (add_dependents(ct, true, &names, err) < 0)
		return -1;
	if (!names.count)
		return 0;
	for (size_t i = 0; i < names.count && i < NAMES_SHOWN; i++)
		str_addf(&text, "%s'%s'", i ? ", " : "", names.items[i]);
	if (names.count > NAMES_SHOWN)
		str_addf(&text, " and %zu more", names.count - NAMES_SHOWN);
	err_set(err, ERR_STATE, 0, "container '%s' is required by %s", ct->record.name, text.data);
	return err_hint(err, "rm --depend removes those, too");
}
