/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula system and prune: what takes space, whether the store is whole, and what nobody needs any more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/moment.h"
#include "cli/progress.h"
#include "cli/template.h"
#include "engine/check.h"
#include "engine/filter.h"
#include "engine/lifecycle.h"
#include "engine/requires.h"
#include "engine/space.h"

#define DOCUMENT_MAX ((size_t)64 << 20)

/* Of the containers of the store; one that goes meanwhile is passed over. */
typedef int container_fn(struct container *ct, void *data, struct err *err);

static int each_container(struct store *store, container_fn *fn, void *data, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (store_list(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err loading = ERR_INIT;

		if (store_load(store, ids.items[i], &ct, &loading) == 0) {
			if (fn(&ct, data, err) < 0)
				return -1;
		} else if (loading.kind != ERR_NOT_FOUND) {
			cli_print_error(&loading);
		}
	}
	return 0;
}

/* ---- prune ---- */

struct prune_options {
	bool force;
	struct strv filters;
};

#define PRUNE(field) offsetof(struct prune_options, field)

struct pruning {
	struct progress progress;
	size_t done;
	struct strv filters; /* resolved */
	struct strv ids;     /* to be removed */
	struct strv order;   /* the same, in an order in which they can be */
	uint64_t freed;
	size_t failed;
};

static void pruning_done(struct pruning *p)
{
	strv_done(&p->filters);
	strv_done(&p->ids);
	strv_done(&p->order);
}

/* What may go: it does not run, and nobody is about to change that. */
static bool is_idle(const struct container *ct)
{
	return ct->status == CT_EXITED || ct->status == CT_CREATED || ct->status == CT_DEAD;
}

static int choose(struct container *ct, void *data, struct err *err)
{
	struct pruning *p = data;

	struct err loading = ERR_INIT;

	if (!is_idle(ct))
		return 0;
	if (store_load_spec(ct, &loading) < 0) {
		cli_print_error(&loading);
		p->failed++;
		return 0;
	}
	return filters_match(container_filter_keys, &p->filters, ct)
		       ? strv_add(&p->ids, ct->id, err)
		       : 0;
}

/* 1: yes. Without a terminal there is nobody to ask. */
static int ask(size_t count, struct err *err)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO)) {
		err_set(err, ERR_USAGE, 0, "prune: nobody can be asked whether to remove them");
		return err_hint(err, "give --force");
	}
	fprintf(stderr, "Remove %zu container%s that do%s not run, and what %s wrote? [y/N] ",
		count, count == 1 ? "" : "s", count == 1 ? "es" : "", count == 1 ? "it" : "they");
	fflush(stderr);
	if (!fgets(answer, sizeof answer, stdin))
		return 0;
	return *answer == 'y' || *answer == 'Y';
}

/* Once more: it may have been started while somebody thought about it. */
static void remove_one(struct cli *cli, struct pruning *p, const char *id)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct container_space space;
	struct err removing = ERR_INIT;

	space_of_container(&cli->store, id, &space);
	bool removed = store_load(&cli->store, id, &ct, &removing) == 0 && is_idle(&ct) &&
		       engine_remove(&ct, -1, &removing) == 0;
	progress_clear(&p->progress);
	p->done++;
	if (removed) {
		p->freed += space.all;
		printf("%s\n", id);
		fflush(stdout);
	} else if (removing.kind != ERR_NONE && removing.kind != ERR_NOT_FOUND &&
		   removing.kind != ERR_STATE) {
		cli_print_error(&removing);
		p->failed++;
	}
}

static void pruned_text(const struct progress *progress, char *text, size_t size)
{
	const struct pruning *p = progress->data;

	snprintf(text, size, "prune: %zu of %zu done", p->done, p->order.count);
}

static int remove_all(struct cli *cli, struct pruning *p, struct err *err)
{
	int status;

	progress_watch(&p->progress, pruned_text, p);
	for (size_t i = 0; i < p->order.count; i++)
		remove_one(cli, p, p->order.items[i]);
	status = engine_sweep(&cli->store, err);
	progress_end(&p->progress);
	return status;
}

static int run_prune(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct prune_options *options = data;
	own(pruning) struct pruning p = {0};
	bool wants_spec = false;
	char text[24];
	int yes = 1;

	if (filters_resolve_containers(&cli->store, &options->filters, parse_moment, &p.filters,
				       &wants_spec, err) < 0 ||
	    each_container(&cli->store, choose, &p, err) < 0)
		return -1;
	if (!options->force && p.ids.count)
		yes = ask(p.ids.count, err);
	if (yes <= 0)
		return yes;
	if (requires_order_end(&cli->store, &p.ids, &p.order, err) < 0)
		return -1;
	if (remove_all(cli, &p, err) < 0)
		return -1;
	printf("Total reclaimed space: %s\n", cli_size_text(p.freed, text, sizeof text));
	return p.failed ? err_set(err, ERR_IO, 0, "%zu of them could not be removed", p.failed) : 0;
}

static const struct opt prune_table[] = {
	{"filter", 0, OPT_STRINGS, PRUNE(filters), .value_name = "KEY=VALUE",
	 .help = "only those that match, as of ps: until=24h, label=team=blue"},
	{"force", 'f', OPT_BOOL, PRUNE(force), .help = "do not ask"},
	{0},
};

const struct verb cli_verb_prune = {
	.name = "prune",
	.usage = "",
	.help = "remove the containers that do not run, and what they wrote",
	.table = prune_table,
	.options_size = sizeof(struct prune_options),
	.flags = VERB_STORE,
	.run = run_prune,
};

/* ---- system ---- */

struct system_options {
	bool repair, verbose;
	char *format;
};

#define SYSTEM(field) offsetof(struct system_options, field)

struct accounting {
	struct progress progress;
	struct json_writer *w; /* a row for each container; NULL: only the sums */
	size_t total, active;
	uint64_t size, reclaimable;
};

static const struct template_field df_fields[] = {
	{"Type", "type", "TYPE"},
	{"Total", "total", "TOTAL"},
	{"Active", "active", "ACTIVE"},
	{"Size", "size_text", "SIZE"},
	{"Reclaimable", "reclaimable_text", "RECLAIMABLE"},
	{"RawSize", "size", "BYTES"},
	{"RawReclaimable", "reclaimable", "RECLAIMABLE"},
	{0},
};

static const struct template_field df_each_fields[] = {
	{"ID", "id", "CONTAINER ID"},	{"Name", "name", "NAME"},
	{"Status", "status", "STATUS"}, {"Writes", "writes_text", "WRITES"},
	{"Logs", "logs_text", "LOGS"},	{"Size", "size_text", "SIZE"},
	{"RawSize", "size", "BYTES"},	{0},
};

static void write_size(struct json_writer *w, const char *key, const char *text_key, uint64_t size)
{
	char text[24];

	json_write_member_u64(w, key, size);
	json_write_member(w, text_key, cli_size_text(size, text, sizeof text));
}

static int account(struct container *ct, void *data, struct err *err)
{
	struct accounting *a = data;
	struct container_space space;
	char id[STORE_SHORT_ID + 1];

	space_of_container(ct->store, ct->id, &space);
	a->total++;
	a->size += space.all;
	if (is_idle(ct))
		a->reclaimable += space.all;
	else
		a->active++;
	if (!a->w)
		return 0;
	snprintf(id, sizeof id, "%.*s", STORE_SHORT_ID, ct->id);
	json_write_object(a->w);
	json_write_member(a->w, "id", id);
	json_write_member(a->w, "name", ct->record.name);
	json_write_member(a->w, "status", container_shown_status(ct));
	write_size(a->w, "writes", "writes_text", space.writes);
	write_size(a->w, "logs", "logs_text", space.logs);
	write_size(a->w, "size", "size_text", space.all);
	json_write_end(a->w, '}');
	return 0;
}

static void counted_text(const struct progress *p, char *text, size_t size)
{
	const struct accounting *a = p->data;

	snprintf(text, size, "system df: %zu containers done", a->total);
}

static void write_kind(struct json_writer *w, const char *type, const struct accounting *a)
{
	json_write_object(w);
	json_write_member(w, "type", type);
	json_write_member_u64(w, "total", a->total);
	json_write_member_u64(w, "active", a->active);
	write_size(w, "size", "size_text", a->size);
	write_size(w, "reclaimable", "reclaimable_text", a->reclaimable);
	json_write_end(w, '}');
}

static int run_df(struct cli *cli, const struct system_options *options, struct err *err)
{
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);
	const struct template_field *fields = options->verbose ? df_each_fields : df_fields;
	struct accounting containers = {0}, images = {0};
	struct json_writer w;

	if (template_check(options->format, fields, err) < 0)
		return -1;
	json_writer_init(&w, &text, 2);
	json_write_array(&w);
	containers.w = options->verbose ? &w : NULL;
	progress_watch(&containers.progress, counted_text, &containers);
	int counted = each_container(&cli->store, account, &containers, err);
	images.size = counted == 0 && !options->verbose ? space_of_images(&cli->store) : 0;
	progress_end(&containers.progress);
	if (counted < 0)
		return -1;
	if (!options->verbose) {
		images.total = images.size ? 1 : 0;
		images.active = images.total;
		write_kind(&w, "Images", &images);
		write_kind(&w, "Containers", &containers);
	}
	json_write_end(&w, ']');
	if (str_check(&text, "the list", err) < 0)
		return -1;
	return print_rows(options->format,
			  options->verbose
				  ? "table {{.ID}}\\t{{.Name}}\\t{{.Status}}\\t{{.Writes}}\\t"
				    "{{.Logs}}\\t{{.Size}}"
				  : "table {{.Type}}\\t{{.Total}}\\t{{.Active}}\\t{{.Size}}\\t"
				    "{{.Reclaimable}}",
			  fields, &text, err);
}

static int run_check(struct cli *cli, const struct system_options *options, struct err *err)
{
	own(check_report) struct check_report report = {0};
	char shown[1200];
	size_t left = 0;

	if (options->format || options->verbose)
		return err_set(err, ERR_USAGE, 0, "system check takes --repair only");
	if (engine_check(&cli->store, options->repair, &report, err) < 0)
		return -1;
	for (size_t i = 0; i < report.count; i++) {
		const struct check_problem *p = &report.items[i];

		printf("%s: %s%s\n", p->object, str_printable(p->text, shown, sizeof shown),
		       p->repaired ? " (repaired)" : "");
		left += !p->repaired;
	}
	printf("%zu containers and %zu names looked at, %zu problems, %zu repaired\n",
	       report.containers, report.names, report.count, report.count - left);
	cli->exit_code = left ? 1 : 0;
	return 0;
}

static int upgrade_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	const bool *all = data;

	if (*all && engine_settle(ct, err) < 0)
		return -1;
	if (*all && ct->status != CT_RUNNING)
		return 0;
	return engine_upgrade(ct, err) < 0 ? -1 : cli_said(ct);
}

static int run_upgrade(struct cli *cli, const struct system_options *options,
		       const struct strv *operands, struct err *err)
{
	const struct strv refs = {.items = operands->items + 1, .count = operands->count - 1};
	own(strv) struct strv every = STRV_INIT;
	bool all = !refs.count;

	if (options->format || options->verbose || options->repair)
		return err_set(err, ERR_USAGE, 0, "system upgrade takes containers only");
	if (!all)
		return cli_each_container(cli, &refs, &all, upgrade_one, err);
	cli->missing_ok = true; /* what goes away meanwhile */
	return store_list(&cli->store, &every, err) < 0
		       ? -1
		       : cli_each_container(cli, &every, &all, upgrade_one, err);
}

static int run_system(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct system_options *options = data;
	const char *what = operands->items[0];

	if (str_eq(what, "upgrade"))
		return run_upgrade(cli, options, operands, err);
	if (operands->count > 1)
		return err_set(err, ERR_USAGE, 0, "system %s: too many arguments", what);
	if (str_eq(what, "df") && options->repair)
		return err_set(err, ERR_USAGE, 0, "--repair is for system check");
	if (str_eq(what, "df"))
		return run_df(cli, options, err);
	if (str_eq(what, "check"))
		return run_check(cli, options, err);
	err_set(err, ERR_USAGE, 0, "system: there is no '%s'", what);
	return err_hint(err, "insula system df, insula system check, or insula system upgrade");
}

static const struct opt system_table[] = {
	{"format", 0, OPT_STRING, SYSTEM(format), .value_name = "FORMAT",
	 .help = "of df: table, json, or a template: {{.Type}} {{.Size}}"},
	{"repair", 0, OPT_BOOL, SYSTEM(repair),
	 .help = "of check: make right what can be without losing anything"},
	{"verbose", 'v', OPT_BOOL, SYSTEM(verbose), .help = "of df: a line for each container"},
	{0},
};

const struct verb cli_verb_system = {
	.name = "system",
	.usage = "df|check|upgrade [CONTAINER...]",
	.help = "show what takes space, check the store, upgrade keepers",
	.table = system_table,
	.options_size = sizeof(struct system_options),
	.flags = VERB_STORE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_system,
	.complete = "container",
};
