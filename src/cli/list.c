/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula ps and logs: what there is, and what it printed. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/cli.h"
#include "cli/moment.h"
#include "engine/lifecycle.h"
#include "engine/log.h"
#include "json/json.h"

struct ps_options {
	bool all, quiet, no_trunc;
	int format;
};

#define PS(field) offsetof(struct ps_options, field)

static const char *const formats[] = {"table", "json", NULL};

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

static void status_text(const struct container *ct, char *buf, size_t size)
{
	char age[48];

	switch (ct->status) {
	case CT_RUNNING:
		snprintf(buf, size, "Up %s%s%s%s%s",
			 age_text(ct->state.started_ns, age, sizeof age),
			 ct->paused ? " (Paused)" : "", ct->health ? " (" : "",
			 health_status_names[ct->health], ct->health ? ")" : "");
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

	for (size_t i = 0; i < ct->record.command.count; i++)
		str_addf(&all, "%s%s", i ? " " : "", ct->record.command.items[i]);
	if (whole || all.len <= 24)
		str_add(out, all.data);
	else
		str_addf(out, "%.21s...", all.data);
}

#define COLUMNS 6

static void add_row(struct table *t, const struct container *ct, bool whole)
{
	own(str) struct str command = STR_INIT(1u << 20);
	char id[STORE_ID_LENGTH + 1], status[80], age[48], created[56];

	snprintf(id, sizeof id, "%.*s", whole ? STORE_ID_LENGTH : STORE_SHORT_ID, ct->id);
	command_text(ct, whole, &command);
	snprintf(created, sizeof created, "%s ago",
		 age_text(ct->record.created_ns, age, sizeof age));
	status_text(ct, status, sizeof status);
	table_add(t, id);
	table_add(t, ct->record.image);
	table_add(t, command.data);
	table_add(t, created);
	table_add(t, status);
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

static void write_row(struct json_writer *w, const struct container *ct)
{
	json_write_object(w);
	json_write_member(w, "id", ct->id);
	json_write_member(w, "name", ct->record.name);
	json_write_member(w, "image", ct->record.image);
	json_write_key(w, "command");
	json_write_strings(w, &ct->record.command);
	json_write_member(w, "status", container_shown_status(ct));
	if (ct->health)
		json_write_member(w, "health", health_status_names[ct->health]);
	write_times(w, ct);
	if (ct->status == CT_RUNNING) {
		json_write_key(w, "pid");
		json_write_i64(w, ct->state.init_pid);
	}
	if (ct->status == CT_EXITED || ct->status == CT_RESTARTING) {
		json_write_key(w, "exit_code");
		json_write_i64(w, ct->exit.code);
	}
	json_write_key(w, "labels");
	json_write_strings(w, &ct->record.labels);
	json_write_end(w, '}');
}

/* Newest first, as the field lists them. */
static int compare_created(const void *a, const void *b)
{
	const struct container *x = a, *y = b;

	return (x->record.created_ns < y->record.created_ns) -
	       (x->record.created_ns > y->record.created_ns);
}

struct listing {
	struct container *items;
	size_t count;
};

static void listing_done(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		container_done(&l->items[i]);
	free(l->items);
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

/* One that goes away while we look is not there; one that cannot be read is said and passed over. */
static int load_all(struct cli *cli, bool all, struct listing *l, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (store_list(&cli->store, &ids, err) < 0)
		return -1;
	l->items = calloc(ids.count + 1, sizeof *l->items);
	if (!l->items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list containers");
	for (size_t i = 0; i < ids.count; i++) {
		struct container *ct = &l->items[l->count];
		struct err loading = ERR_INIT;

		if (look_at(cli, ids.items[i], ct, &loading) < 0) {
			if (loading.kind != ERR_NOT_FOUND)
				cli_print_error(&loading);
			continue;
		}
		if (all || container_is_kept(ct))
			l->count++;
		else
			container_done(ct);
	}
	if (l->count)
		qsort(l->items, l->count, sizeof *l->items, compare_created);
	return 0;
}

static int print_json(const struct listing *l, struct err *err)
{
	own(str) struct str text = STR_INIT(256u << 20);
	struct json_writer w;

	json_writer_init(&w, &text, 2);
	json_write_array(&w);
	for (size_t i = 0; i < l->count; i++)
		write_row(&w, &l->items[i]);
	json_write_end(&w, ']');
	if (str_check(&text, "the list", err) < 0)
		return -1;
	puts(text.data);
	return 0;
}

static int print_table(const struct listing *l, bool whole, struct err *err)
{
	static const char *const heads[COLUMNS] = {"CONTAINER ID", "IMAGE",  "COMMAND",
						   "CREATED",	   "STATUS", "NAME"};
	own(table) struct table t = TABLE_INIT(COLUMNS);

	for (size_t i = 0; i < COLUMNS; i++)
		table_add(&t, heads[i]);
	for (size_t i = 0; i < l->count; i++)
		add_row(&t, &l->items[i], whole);
	return table_print(&t, stdout, err);
}

static int run_ps(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct ps_options *options = data;
	own(listing) struct listing l = {0};

	if (load_all(cli, options->all, &l, err) < 0)
		return -1;
	if (options->format == 1)
		return print_json(&l, err);
	if (!options->quiet)
		return print_table(&l, options->no_trunc, err);
	for (size_t i = 0; i < l.count; i++)
		printf("%.*s\n", options->no_trunc ? STORE_ID_LENGTH : STORE_SHORT_ID,
		       l.items[i].id);
	return 0;
}

static const struct opt ps_table[] = {
	{"all", 'a', OPT_BOOL, PS(all), .help = "those that do not run, too"},
	{"quiet", 'q', OPT_BOOL, PS(quiet), .help = "ids only"},
	{"no-trunc", 0, OPT_BOOL, PS(no_trunc), .help = "whole ids and commands"},
	{"format", 0, OPT_CHOICE, PS(format), .value_name = "FORMAT",
	 .help = "output, a table by default", .choices = formats},
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

struct log_options {
	bool follow, timestamps;
	char *since, *until;
	int64_t tail;
	bool tail_given;
};

#define LOGS(field) offsetof(struct log_options, field)

static int run_logs(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct log_options *options = data;
	struct log_read_options how = {.follow = options->follow,
				       .timestamps = options->timestamps,
				       .tail = options->tail_given ? options->tail : -1,
				       .streams = 1 << LOG_STDOUT | 1 << LOG_STDERR};
	struct container ct;

	if (options->since && parse_moment("--since", options->since, &how.since_ns, err) < 0)
		return -1;
	if (options->until && parse_moment("--until", options->until, &how.until_ns, err) < 0)
		return -1;
	if (store_find(&cli->store, operands->items[0], &ct, err) < 0)
		return -1;
	if (str_eq(ct.record.log_driver, "none")) {
		err_set(err, ERR_STATE, 0, "container '%s' keeps no log", ct.record.name);
		container_done(&ct);
		return err_hint(err, "it was made with --log-driver none");
	}
	int status = log_read(ct.root_fd, options->follow ? ct.run_fd : -1, &how, stdout, stderr,
			      err);
	container_done(&ct);
	return status;
}

static const struct opt logs_table[] = {
	{"follow", 'f', OPT_BOOL, LOGS(follow), .help = "go on until the container ends"},
	{"timestamps", 't', OPT_BOOL, LOGS(timestamps), .help = "put the time before each line"},
	{"tail", 'n', OPT_I64, LOGS(tail), LOGS(tail_given), .value_name = "N",
	 .help = "the last N lines only", .min = 0, .max = INT32_MAX},
	{"since", 0, OPT_STRING, LOGS(since), .value_name = "TIME",
	 .help = "what was printed from then on: a time, or how long ago"},
	{"until", 0, OPT_STRING, LOGS(until), .value_name = "TIME",
	 .help = "what was printed before then"},
	{0},
};

const struct verb cli_verb_logs = {
	.name = "logs",
	.usage = "CONTAINER",
	.help = "print what a container printed",
	.table = logs_table,
	.options_size = sizeof(struct log_options),
	.flags = VERB_STORE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_logs,
	.complete = "container",
};
