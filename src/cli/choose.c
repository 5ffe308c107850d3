/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which containers a verb is about: those that are named, the one that was made last, all, or those that
 * match. Whatever was chosen becomes operands before the verb is run, so none has to know how. An id is put
 * there, not a name: by the time it is looked up, another may have that.
 */
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "cli/moment.h"
#include "engine/filter.h"

static bool is_by_rule(const struct choice *c)
{
	return c->latest || c->all || c->filters.count;
}

static int check(const struct verb *verb, const struct choice *c, size_t operands, struct err *err)
{
	const char *flag = c->latest ? "--latest" : c->all ? "--all" : "--filter";

	if (c->latest && (c->all || c->filters.count))
		return err_set(err, ERR_USAGE, 0, "--latest and --%s exclude each other",
			       c->all ? "all" : "filter");
	if (verb->flags & VERB_NAMES && is_by_rule(c) && operands) {
		err_set(err, ERR_USAGE, 0, "%s and names exclude each other", flag);
		return err_hint(err, "give one of them");
	}
	if (!(verb->flags & VERB_ALL) || is_by_rule(c) || operands)
		return 0;
	err_set(err, ERR_USAGE, 0, "no container is named");
	return err_hint(err, "give names or ids, --latest, --filter or --all");
}

const char *cli_action_name(const char *word, bool whole)
{
	static const char *const words[][2] = {{"ls", "list"}, {"rm", "remove"}};

	for (size_t i = 0; i < 2; i++)
		if (str_eq(word, words[i][!whole]))
			return words[i][whole];
	return word;
}

int cli_check_choice(const struct verb *verb, const void *options, size_t *operands,
		     struct err *err)
{
	const struct choice *c = options;

	if (!(verb->flags & VERB_LATEST))
		return 0;
	if (check(verb, c, *operands, err) < 0)
		return -1;
	*operands += c->latest;
	return 0;
}

/* One whose files cannot be read is not the one that is meant. */
static int put_latest(struct store *store, struct strv *operands, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT, all = STRV_INIT;
	const char *latest = NULL;
	int64_t newest = INT64_MIN;

	if (store_list(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err loading = ERR_INIT;

		if (store_summarize(store, ids.items[i], &ct, &loading) < 0 ||
		    (latest && ct.record.created_ns <= newest))
			continue;
		newest = ct.record.created_ns;
		latest = ids.items[i];
	}
	if (!latest) {
		err_set(err, ERR_NOT_FOUND, 0, "--latest: there is no container");
		return err_hint(err, "insula create, or run without --rm, makes one");
	}
	if (strv_add(&all, latest, err) < 0 || strv_copy(&all, operands, err) < 0)
		return -1;
	strv_done(operands);
	*operands = all;
	all = STRV_INIT;
	return 0;
}

/* What was wrong with the last one is printed by main(). */
static void pass_over(struct cli *cli, const struct err *err)
{
	if (cli->passed_over.kind != ERR_NONE)
		cli_print_error(&cli->passed_over);
	cli->passed_over = *err;
}

/* Without filters also one that cannot be read: what is wrong with it is said when it is its turn. */
static bool is_chosen(struct cli *cli, const char *id, const struct strv *filters, bool wants_spec)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err loading = ERR_INIT;

	if (!filters->count)
		return true;
	if (store_load(&cli->store, id, &ct, &loading) < 0 ||
	    (wants_spec && store_load_spec(&ct, &loading) < 0)) {
		if (loading.kind != ERR_NOT_FOUND)
			pass_over(cli, &loading);
		return false;
	}
	return filters_match(container_filter_keys, filters, &ct);
}

static int put_matching(struct cli *cli, const struct choice *c, struct strv *operands,
			struct err *err)
{
	own(strv) struct strv filters = STRV_INIT, ids = STRV_INIT;
	bool wants_spec = false;

	if (filters_resolve_containers(&cli->store, &c->filters, parse_moment, &filters,
				       &wants_spec, err) < 0 ||
	    store_list(&cli->store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		if (is_chosen(cli, ids.items[i], &filters, wants_spec) &&
		    strv_add(operands, ids.items[i], err) < 0)
			return -1;
	return 0;
}

int cli_choose(struct cli *cli, const struct verb *verb, void *options, struct strv *operands,
	       struct err *err)
{
	struct choice *c = options;

	if (!(verb->flags & VERB_LATEST) || !is_by_rule(c))
		return 0;
	if (c->latest)
		return put_latest(&cli->store, operands, err);
	c->all = true;
	cli->missing_ok = true; /* what goes away meanwhile */
	return put_matching(cli, c, operands, err);
}
