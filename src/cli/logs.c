/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula logs: what containers printed. */
#include "cli/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "cli/moment.h"

struct log_options {
	struct choice choice; /* first */
	bool follow, timestamps, only_out, only_err, names, color;
	char *since, *until, *tail;
};

#define LOGS(field) offsetof(struct log_options, field)

/* Those that are there, each once. */
struct found {
	struct container *items;
	size_t count;
};

static void found_done(struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		container_done(&f->items[i]);
	free(f->items);
}

/* Both, unless one is asked for. */
static int streams_of(const struct log_options *options)
{
	bool both = options->only_out == options->only_err;

	return (both || options->only_out ? 1 << LOG_STDOUT : 0) |
	       (both || options->only_err ? 1 << LOG_STDERR : 0);
}

int logs_read(const struct container *ct, const struct log_read_options *how, struct log_sink *sink,
	      struct err *err)
{
	int run_fd = how->follow ? ct->run_fd : -1;

	if (str_eq(ct->record.log_driver, "none")) {
		err_set(err, ERR_STATE, 0, "container '%s' keeps no log", ct->record.name);
		return err_hint(err, "it was made with --log-driver none");
	}
	if (str_eq(ct->record.log_driver, "journald"))
		return log_journal_read(ct->id, run_fd, how, sink, err);
	return log_read(ct->root_fd, run_fd, how, sink, err);
}

/* "all", or so many lines; -1: all. */
static int parse_tail(const char *text, int64_t *ret, struct err *err)
{
	uint64_t lines;

	if (!text || str_eq(text, "all") || str_eq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	if (str_to_u64(text, 0, INT32_MAX, "--tail", &lines, err) < 0)
		return err_hint(err, "a number of lines, or all");
	*ret = (int64_t)lines;
	return 0;
}

static int parse_options(const struct log_options *options, struct log_read_options *ret,
			 struct err *err)
{
	*ret = (struct log_read_options){.follow = options->follow, .streams = streams_of(options)};
	if (parse_tail(options->tail, &ret->tail, err) < 0)
		return -1;
	if (options->since && parse_moment("--since", options->since, &ret->since_ns, err) < 0)
		return -1;
	return options->until ? parse_moment("--until", options->until, &ret->until_ns, err) : 0;
}

static int add_found(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct found *f = data;

	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->items[i].id, ct->id) == 0)
			return 0;
	f->items[f->count++] = *ct;
	*ct = CONTAINER_INIT;
	return 0;
}

/* What is wrong with some is said at once: the others may be followed for days. */
static int find(struct cli *cli, const struct strv *refs, struct found *f, struct err *err)
{
	struct err one = ERR_INIT;

	f->items = calloc(refs->count, sizeof *f->items);
	if (!f->items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read logs");
	if (cli_each_container(cli, refs, f, add_found, &one) == 0)
		return 0;
	if (!f->count) {
		*err = one;
		return -1;
	}
	cli_print_error(&one);
	cli->exit_code = err_exit_code(&one);
	return 0;
}

static int print_several(struct cli *cli, const struct found *f, const struct merge_options *how,
			 struct err *err)
{
	int failed = 0;

	if (logs_merge(f->items, f->count, how, &failed, err) < 0)
		return -1;
	if (failed)
		cli->exit_code = failed;
	return 0;
}

static int run_logs(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct log_options *options = data;
	struct merge_options how = {.timestamps = options->timestamps, .color = options->color};
	own(found) struct found f = {0};
	struct log_printer printer;

	if (parse_options(options, &how.how, err) < 0 || find(cli, operands, &f, err) < 0)
		return -1;
	if (operands->count > 1 || options->names || options->color)
		return print_several(cli, &f, &how, err);
	log_printer_init(&printer, stdout, stderr, options->timestamps);
	return logs_read(&f.items[0], &how.how, &printer.sink, err);
}

static const struct opt logs_table[] = {
	{"follow", 'f', OPT_BOOL, LOGS(follow), .help = "go on until the containers end"},
	{"timestamps", 't', OPT_BOOL, LOGS(timestamps), .help = "put the time before each line"},
	{"names", 0, OPT_BOOL, LOGS(names),
	 .help = "put the container's name before each line, even if there is only one"},
	{"color", 0, OPT_BOOL, LOGS(color),
	 .help = "names in colours, even if it is no terminal; with --names"},
	{"tail", 'n', OPT_STRING, LOGS(tail), .value_name = "N",
	 .help = "the last N lines of each only (default: all)", .complete = "none"},
	{"since", 0, OPT_STRING, LOGS(since), .value_name = "TIME",
	 .help = "what was printed from then on: a time, or how long ago"},
	{"until", 0, OPT_STRING, LOGS(until), .value_name = "TIME",
	 .help = "what was printed before then"},
	{"stdout", 0, OPT_BOOL, LOGS(only_out), .help = "what went to the standard output only"},
	{"stderr", 0, OPT_BOOL, LOGS(only_err), .help = "what went to the standard error only"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_logs = {
	.name = "logs",
	.usage = "CONTAINER...",
	.help = "print what containers printed",
	.table = logs_table,
	.options_size = sizeof(struct log_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_logs,
	.complete = "container",
};
