/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula ps: what there is. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/cli.h"
#include "cli/moment.h"
#include "cli/template.h"
#include "engine/filter.h"
#include "engine/lifecycle.h"
#include "engine/ready.h"
#include "engine/space.h"
#include "json/json.h"

struct ps_options {
	bool all, quiet, no_trunc, latest, size;
	bool last_given;
	int64_t last;
	int sort;
	char *format;
	struct strv filters;
};

#define PS(field) offsetof(struct ps_options, field)

enum ps_sort { SORT_CREATED, SORT_ID, SORT_IMAGE, SORT_NAME, SORT_STATUS, SORT_SIZE };

static const char *const sorts[] = {"created", "id", "image", "name", "status", "size", NULL};

static const struct template_field ps_fields[] = {
	{"ID", "short_id", "CONTAINER ID"},
	{"Names", "name", "NAMES"},
	{"Name", "name", "NAME"},
	{"Image", "image", "IMAGE"},
	{"Command", "command_text", "COMMAND"},
	{"Created", "created_text", "CREATED"},
	{"CreatedHuman", "created_text", "CREATED"},
	{"RunningFor", "created_text", "CREATED"},
	{"CreatedAt", "created", "CREATED AT"},
	{"StartedAt", "started", "STARTED AT"},
	{"FinishedAt", "finished", "FINISHED AT"},
	{"Status", "status_text", "STATUS"},
	{"State", "status", "STATE"},
	{"Pid", "pid", "PID"},
	{"ExitCode", "exit_code", "EXIT CODE"},
	{"Labels", "labels", "LABELS"},
	{"Size", "size_text", "SIZE"},
	{0},
};

#define PS_DEFAULT \
	"table " \
	"{{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.Created}}\\t{{.Status}}\\t{{.Name}}\\t{{.Size}}"

/* "3 minutes", as people say it. */
static const char *age_text(int64_t since_ns, char *buf, size_t size)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	int64_t seconds = (clock_real_ns() - since_ns) / 1000000000;

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		int64_t n = seconds / units[i].seconds;

		if (n > 0) {
			snprintf(buf, size, "%lld %s%s", (long long)n, units[i].unit,
				 n == 1 ? "" : "s");
			return buf;
		}
	}
	return "less than a second";
}

/* Where the health does not say it already. */
static bool shows_ready(const struct container *ct)
{
	return str_eq(ct->record.sdnotify, READY_BY_CONTAINER);
}

static void status_text(const struct container *ct, char *buf, size_t size)
{
	char age[48];

	switch (ct->status) {
	case CT_RUNNING:
		snprintf(buf, size, "Up %s%s%s%s%s%s%s%s",
			 age_text(ct->state.started_ns, age, sizeof age),
			 ct->paused ? " (Paused)" : "", ct->health ? " (" : "",
			 health_status_names[ct->health], ct->health ? ")" : "",
			 shows_ready(ct) ? " (" : "", shows_ready(ct) ? ready_names[ct->ready] : "",
			 shows_ready(ct) ? ")" : "");
		break;
	case CT_RESTARTING:
		snprintf(buf, size, "Restarting (%d) %s ago", ct->exit.code,
			 age_text(ct->exit.finished_ns, age, sizeof age));
		break;
	case CT_STOPPING:
		snprintf(buf, size, "Stopping");
		break;
	case CT_EXITED:
		snprintf(buf, size, "Exited (%d) %s ago", ct->exit.code,
			 age_text(ct->exit.finished_ns, age, sizeof age));
		break;
	case CT_DEAD:
		snprintf(buf, size, "Dead (its keeper is gone)");
		break;
	case CT_STARTING:
		snprintf(buf, size, "Starting");
		break;
	case CT_CREATED:
		snprintf(buf, size, "Created");
		break;
	}
}

static void command_text(const struct container *ct, bool whole, struct str *out)
{
	own(str) struct str all = STR_INIT(1u << 20);

	for (size_t i = 0; i < ct->record.command.count; i++) {
		str_add(&all, i ? " " : "");
		str_add(&all, ct->record.command.items[i]);
	}
	if (whole || all.len <= 24)
		str_add(out, all.data ? all.data : "");
	else
		str_addf(out, "%.21s...", all.data);
}

/* What only people read, and templates. */
struct texts {
	char id[STORE_ID_LENGTH + 1], created[56], status[80];
	struct str command;
};

static void texts_done(struct texts *t)
{
	str_done(&t->command);
}

static void make_texts(struct texts *t, const struct container *ct, bool whole)
{
	char age[48];

	snprintf(t->id, sizeof t->id, "%.*s", whole ? STORE_ID_LENGTH : STORE_SHORT_ID, ct->id);
	command_text(ct, whole, &t->command);
	snprintf(t->created, sizeof t->created, "%s ago",
		 age_text(ct->record.created_ns, age, sizeof age));
	status_text(ct, t->status, sizeof t->status);
}

#define COLUMNS 6
#define STATUS_COLUMN 4

static void add_row(struct table *t, const struct container *ct, bool whole)
{
	own(texts) struct texts texts = {.command = STR_INIT(1u << 20)};

	make_texts(&texts, ct, whole);
	table_add(t, texts.id);
	table_add(t, ct->record.image);
	table_add(t, texts.command.data);
	table_add(t, texts.created);
	table_add(t, texts.status);
	table_add(t, ct->record.name);
}

static void write_times(struct json_writer *w, const struct container *ct)
{
	char text[CLOCK_TEXT_SIZE];

	json_write_member(w, "created", clock_text(ct->record.created_ns, text));
	if (ct->status == CT_RUNNING)
		json_write_member(w, "started", clock_text(ct->state.started_ns, text));
	if (ct->status == CT_EXITED || ct->status == CT_RESTARTING)
		json_write_member(w, "finished", clock_text(ct->exit.finished_ns, text));
}

static void write_texts(struct json_writer *w, const struct container *ct, bool whole)
{
	own(texts) struct texts texts = {.command = STR_INIT(1u << 20)};

	make_texts(&texts, ct, whole);
	json_write_member(w, "short_id", texts.id);
	json_write_member(w, "command_text", texts.command.data);
	json_write_member(w, "created_text", texts.created);
	json_write_member(w, "status_text", texts.status);
}

static void write_size(struct json_writer *w, uint64_t size)
{
	char text[24];

	json_write_member_u64(w, "size", size);
	json_write_member(w, "size_text", cli_size_text(size, text, sizeof text));
}

static void write_row(struct json_writer *w, const struct container *ct,
		      const struct ps_options *options, uint64_t size)
{
	json_write_object(w);
	if (options->format && !str_eq(options->format, "json"))
		write_texts(w, ct, options->no_trunc);
	else if (options->size && !options->format)
		write_texts(w, ct, options->no_trunc);
	if (options->size)
		write_size(w, size);
	json_write_member(w, "id", ct->id);
	json_write_member(w, "name", ct->record.name);
	json_write_member(w, "image", ct->record.image);
	json_write_key(w, "command");
	json_write_strings(w, &ct->record.command);
	json_write_member(w, "status", container_shown_status(ct));
	if (ct->health)
		json_write_member(w, "health", health_status_names[ct->health]);
	if (ct->ready)
		json_write_member_bool(w, "ready", ct->ready == READY_YES);
	write_times(w, ct);
	if (ct->status == CT_RUNNING) {
		json_write_member_i64(w, "pid", ct->state.init_pid);
	}
	if (ct->status == CT_EXITED || ct->status == CT_RESTARTING) {
		json_write_member_i64(w, "exit_code", ct->exit.code);
	}
	json_write_key(w, "labels");
	json_write_strings(w, &ct->record.labels);
	json_write_end(w, '}');
}

struct listed {
	struct container ct; /* first: what filters look at */
	uint64_t size;
};

struct listing {
	struct listed *items;
	size_t count;
	struct strv filters; /* resolved */
	bool wants_spec;
};

static void listing_done(struct listing *l)
{
	if (own_until_the_end())
		return;
	for (size_t i = 0; i < l->count; i++)
		container_done(&l->items[i].ct);
	free(l->items);
	strv_done(&l->filters);
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Newest first, as the field lists them; and whatever else is equal. */
static int compare_created(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return compare_numbers(y->ct.record.created_ns, x->ct.record.created_ns);
}

static int compare_by(const struct listed *x, const struct listed *y, enum ps_sort how)
{
	switch (how) {
	case SORT_ID:
		return strcmp(x->ct.id, y->ct.id);
	case SORT_IMAGE:
		return strcmp(x->ct.record.image, y->ct.record.image);
	case SORT_NAME:
		return strcmp(x->ct.record.name, y->ct.record.name);
	case SORT_STATUS:
		return strcmp(container_shown_status(&x->ct), container_shown_status(&y->ct));
	case SORT_SIZE:
		return compare_numbers((int64_t)y->size, (int64_t)x->size);
	case SORT_CREATED:
		break;
	}
	return 0;
}

static int compare(const void *a, const void *b, void *data)
{
	const enum ps_sort *how = data;
	int order = compare_by(a, b, *how);

	return order ? order : compare_created(a, b);
}

/* What its policy wants to run, and whose keeper was killed, is started again by who comes across it. */
static int look_at(struct cli *cli, const char *id, struct container *ret, struct err *err)
{
	if (store_summarize(&cli->store, id, ret, err) < 0)
		return -1;
	if (ret->status != CT_DEAD || !ret->record.restart)
		return 0;
	container_done(ret);
	if (store_load(&cli->store, id, ret, err) < 0)
		return -1;
	if (engine_revive(ret, err) < 0) {
		cli_print_error(err);
		*err = ERR_INIT;
	}
	container_done(ret);
	return store_summarize(&cli->store, id, ret, err);
}

static int look_at_whole(struct cli *cli, const struct listing *l, const char *id,
			 struct container *ret, struct err *err)
{
	if (look_at(cli, id, ret, err) < 0)
		return -1;
	if (!l->wants_spec)
		return 0;
	container_done(ret);
	if (store_load(&cli->store, id, ret, err) < 0)
		return -1;
	if (store_load_spec(ret, err) < 0) {
		container_done(ret);
		return -1;
	}
	fd_close(ret->root_fd);
	fd_close(ret->run_fd);
	ret->root_fd = ret->run_fd = -1;
	return 0;
}

/* Who asks for a status, or for the newest ones, means those that have ended, too. */
static bool means_all(const struct ps_options *options, const struct listing *l)
{
	if (options->all || options->latest || options->last_given)
		return true;
	for (size_t i = 0; i < l->filters.count; i++)
		if (str_starts(l->filters.items[i], "status=") ||
		    str_starts(l->filters.items[i], "exited="))
			return true;
	return false;
}

/* One that goes away while we look is not there; one that cannot be read is said and passed over. */
static int load_all(struct cli *cli, const struct ps_options *options, struct listing *l,
		    struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	bool all = means_all(options, l);

	if (store_list(&cli->store, &ids, err) < 0)
		return -1;
	l->items = calloc(ids.count + 1, sizeof *l->items);
	if (!l->items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list containers");
	for (size_t i = 0; i < ids.count; i++) {
		struct container *ct = &l->items[l->count].ct;
		struct err loading = ERR_INIT;

		if (look_at_whole(cli, l, ids.items[i], ct, &loading) < 0) {
			if (loading.kind != ERR_NOT_FOUND)
				cli_print_error(&loading);
			continue;
		}
		if ((all || container_is_kept(ct)) &&
		    filters_match(container_filter_keys, &l->filters, ct))
			l->count++;
		else
			container_done(ct);
	}
	return 0;
}

static void arrange(struct cli *cli, const struct ps_options *options, struct listing *l)
{
	enum ps_sort how = (enum ps_sort)options->sort;
	size_t most = options->latest ? 1 : options->last_given ? (size_t)options->last : SIZE_MAX;
	struct container_space space;

	if (l->count)
		qsort(l->items, l->count, sizeof *l->items, compare_created);
	while (l->count > most)
		container_done(&l->items[--l->count].ct);
	for (size_t i = 0; options->size && i < l->count; i++) {
		space_of_container(&cli->store, l->items[i].ct.id, &space);
		l->items[i].size = space.writes;
	}
	if (l->count && how != SORT_CREATED)
		qsort_r(l->items, l->count, sizeof *l->items, compare, &how);
}

static int print_document(const struct listing *l, const struct ps_options *options,
			  struct err *err)
{
	own(str) struct str text = STR_INIT(256u << 20);
	struct json_writer w;

	json_writer_init(&w, &text, 2);
	json_write_array(&w);
	for (size_t i = 0; i < l->count; i++)
		write_row(&w, &l->items[i].ct, options, l->items[i].size);
	json_write_end(&w, ']');
	if (str_check(&text, "the list", err) < 0)
		return -1;
	return print_rows(options->format, PS_DEFAULT, ps_fields, &text, err);
}

static enum color color_of(size_t column, const char *cell)
{
	if (column != STATUS_COLUMN)
		return COLOR_NONE;
	if (str_starts(cell, "Up"))
		return str_ends(cell, ")") && !str_ends(cell, "(healthy)") &&
				       !str_ends(cell, "(ready)")
			       ? COLOR_BUSY
			       : COLOR_GOOD;
	if (str_starts(cell, "Exited (0)") || str_starts(cell, "Created"))
		return COLOR_NONE;
	return str_starts(cell, "Exited") || str_starts(cell, "Dead") ? COLOR_BAD : COLOR_BUSY;
}

static int print_table(const struct listing *l, bool whole, struct err *err)
{
	static const char *const heads[COLUMNS] = {"CONTAINER ID", "IMAGE",  "COMMAND",
						   "CREATED",	   "STATUS", "NAME"};
	own(table) struct table t = TABLE_INIT(COLUMNS);

	t.color = color_of;
	for (size_t i = 0; i < COLUMNS; i++)
		table_add(&t, heads[i]);
	for (size_t i = 0; i < l->count; i++)
		add_row(&t, &l->items[i].ct, whole);
	return table_print(&t, stdout, err);
}

static int check_ps(const struct ps_options *options, struct err *err)
{
	if (options->latest && options->last_given)
		return err_set(err, ERR_USAGE, 0, "--latest and --last exclude each other");
	if (options->sort == SORT_SIZE && !options->size)
		return err_set(err, ERR_USAGE, 0, "--sort size wants --size");
	if (options->quiet && options->format)
		return err_set(err, ERR_USAGE, 0, "--quiet and --format exclude each other");
	return template_check(options->format, ps_fields, err);
}

static int run_ps(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct ps_options *options = data;
	own(listing) struct listing l = {0};

	if (options->format && strstr(options->format, ".Size"))
		options->size = true;
	if (check_ps(options, err) < 0 ||
	    filters_resolve_containers(&cli->store, &options->filters, parse_moment, &l.filters,
				       &l.wants_spec, err) < 0 ||
	    load_all(cli, options, &l, err) < 0)
		return -1;
	arrange(cli, options, &l);
	if (options->quiet) {
		for (size_t i = 0; i < l.count; i++)
			printf("%.*s\n", options->no_trunc ? STORE_ID_LENGTH : STORE_SHORT_ID,
			       l.items[i].ct.id);
		return 0;
	}
	if ((!options->format || str_eq(options->format, "table")) && !options->size)
		return print_table(&l, options->no_trunc, err);
	return print_document(&l, options, err);
}

static const struct opt ps_table[] = {
	{"all", 'a', OPT_BOOL, PS(all), .help = "those that do not run, too"},
	{"quiet", 'q', OPT_BOOL, PS(quiet), .help = "ids only"},
	{"no-trunc", 0, OPT_BOOL, PS(no_trunc), .help = "whole ids and commands"},
	{"filter", 'f', OPT_STRINGS, PS(filters), .value_name = "KEY=VALUE",
	 .help = "only those of which id, name, label, status, exited, health, ancestor, before, "
		 "since, until, volume or network is VALUE"},
	{"format", 0, OPT_STRING, PS(format), .value_name = "FORMAT",
	 .help = "table, json, or a template: {{.ID}} {{.Names}} {{.Status}}"},
	{"last", 'n', OPT_I64, PS(last), PS(last_given), .value_name = "N",
	 .help = "the N that were made last, whatever they do", .min = 1, .max = INT32_MAX},
	{"latest", 'l', OPT_BOOL, PS(latest), .help = "the one that was made last"},
	{"size", 's', OPT_BOOL, PS(size), .help = "what each has written to the disk, too"},
	{"sort", 0, OPT_CHOICE, PS(sort), .value_name = "KEY",
	 .help = "in the order of this: created, the default, newest first", .choices = sorts},
	{0},
};

const struct verb cli_verb_ps = {
	.name = "ps",
	.usage = "",
	.help = "list containers",
	.table = ps_table,
	.options_size = sizeof(struct ps_options),
	.flags = VERB_STORE,
	.run = run_ps,
};
