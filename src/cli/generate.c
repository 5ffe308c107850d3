/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula generate: unit files of systemd for containers that exist. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "cli/cli.h"
#include "engine/unit_file.h"

#define UNIT_MAX ((size_t)1 << 20)

struct generate_options {
	bool files, name, anew, no_header;
	char *prefix, *separator;
	int restart; /* of restart_policies */
	bool restart_given;
	uint64_t restart_ms, start_ms, stop_ms;
	bool stop_given;
	struct strv after, wants, requires;
};

#define GENERATE(field) offsetof(struct generate_options, field)

static const char *const restart_policies[] = {
	"on-failure", "no", "always", "on-success", "on-abnormal", "on-abort", "on-watchdog", NULL,
};

/* They become part of a file's name. */
static int check_part(const char *flag, const char *text, struct err *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.";

	if (!text || (strspn(text, good) == strlen(text) && *text != '.' && strlen(text) < 64))
		return 0;
	err_set(err, ERR_USAGE, 0, "--%s: '%.64s' cannot be part of a unit's name", flag, text);
	return err_hint(err, "letters, digits, '-', '_' and '.'");
}

static int check_units(const char *flag, const struct strv *units, struct err *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.@:\\";

	for (size_t i = 0; i < units->count; i++)
		if (!*units->items[i] || strspn(units->items[i], good) != strlen(units->items[i]) ||
		    units->items[i][strlen(units->items[i]) - 1] == '\\')
			return err_set(err, ERR_USAGE, 0, "--%s: '%s' is not the name of a unit",
				       flag, units->items[i]);
	return 0;
}

static int check_generate(const struct generate_options *o, const struct strv *operands,
			  struct err *err)
{
	if (!str_eq(operands->items[0], "systemd")) {
		err_set(err, ERR_USAGE, 0, "generate: there is no '%s'", operands->items[0]);
		return err_hint(err, "insula generate systemd CONTAINER...");
	}
	if (operands->count < 2)
		return err_set(err, ERR_USAGE, 0, "generate systemd: no container is named");
	if (check_part("container-prefix", o->prefix, err) < 0 ||
	    check_part("separator", o->separator, err) < 0 ||
	    check_units("after", &o->after, err) < 0 || check_units("wants", &o->wants, err) < 0)
		return -1;
	return check_units("requires", &o->requires, err);
}

static struct unit_options unit_options_of(const struct cli *cli, const struct generate_options *o)
{
	return (struct unit_options){
		.prefix = o->prefix ? o->prefix : "container",
		.separator = o->separator ? o->separator : "-",
		.root = cli_directory(cli, "root") ? cli->store.root : NULL,
		.run = cli_directory(cli, "runroot") ? cli->store.run : NULL,
		.restart = restart_policies[o->restart],
		.restart_ms = o->restart_ms,
		.start_ms = o->start_ms,
		.stop_ms = o->stop_ms,
		.stop_given = o->stop_given,
		.by_name = o->name,
		.anew = o->anew,
		.no_header = o->no_header,
		.after = &o->after,
		.wants = &o->wants,
		.requires = &o->requires,
	};
}

/* A value may be a secret, and the file is in whatever directory this is. */
static int write_file(const char *name, const struct str *text, bool has_values, struct err *err)
{
	mode_t mode = has_values ? 0600 : 0644;

	if (file_write_atomic(AT_FDCWD, name, text->data, text->len, mode, false, err) < 0)
		return -1;
	puts(name);
	if (has_values)
		warn_emit("%s has values of --env, so only its owner may read it; systemd shows "
			  "them to every user all the same: --env-file keeps secrets out of it",
			  name);
	return 0;
}

static int generate_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	const struct generate_options *o = data;
	const struct unit_options options = unit_options_of(cli, o);
	own(str) struct str text = STR_INIT(UNIT_MAX);
	own_free char *name = unit_file_name(&options, ct, err);

	if (!name || store_need_spec(ct, err) < 0 || unit_file_write(&options, ct, &text, err) < 0)
		return -1;
	if (o->files)
		return write_file(name, &text, unit_file_has_values(&options, ct), err);
	fputs(text.data, stdout);
	return 0;
}

static int run_generate(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct strv refs = {.items = operands->items + 1, .count = operands->count - 1};

	if (check_generate(data, operands, err) < 0)
		return -1;
	return cli_each_container(cli, &refs, data, generate_one, err);
}

static const struct opt generate_table[] = {
	{"files", 'f', OPT_BOOL, GENERATE(files),
	 .help = "write a file for each into the working directory, and print its name"},
	{"name", 'n', OPT_BOOL, GENERATE(name), .help = "call it by its name, not by its id"},
	{"new", 0, OPT_BOOL, GENERATE(anew),
	 .help = "make it anew at each start, as it was made, and remove it at its end"},
	{"restart-policy", 0, OPT_CHOICE, GENERATE(restart), GENERATE(restart_given),
	 .value_name = "POLICY", .help = "what systemd does about its end (default: on-failure)",
	 .choices = restart_policies},
	{"restart-sec", 0, OPT_MS, GENERATE(restart_ms), .value_name = "SECONDS",
	 .help = "wait so long before that"},
	{"start-timeout", 0, OPT_MS, GENERATE(start_ms), .value_name = "SECONDS",
	 .help = "a start that takes longer has failed"},
	{"time", 't', OPT_MS, GENERATE(stop_ms), GENERATE(stop_given), .value_name = "SECONDS",
	 .help = "wait so long before it is killed; -1: for ever (default: the container's)",
	 .min = -1, .max = INT64_MAX},
	{"after", 0, OPT_STRINGS, GENERATE(after), .value_name = "UNIT",
	 .help = "start it after this unit", .complete = "none"},
	{"wants", 0, OPT_STRINGS, GENERATE(wants), .value_name = "UNIT",
	 .help = "have this unit started too", .complete = "none"},
	{"requires", 0, OPT_STRINGS, GENERATE(requires), .value_name = "UNIT",
	 .help = "do not run without this unit", .complete = "none"},
	{"container-prefix", 0, OPT_STRING, GENERATE(prefix), .value_name = "TEXT",
	 .help = "first part of the unit's name (default: container)", .complete = "none"},
	{"separator", 0, OPT_STRING, GENERATE(separator), .value_name = "TEXT",
	 .help = "what is between that and the container's (default: -)", .complete = "none"},
	{"no-header", 0, OPT_BOOL, GENERATE(no_header), .help = "without the comment at the top"},
	{0},
};

const struct verb cli_verb_generate = {
	.name = "generate",
	.usage = "systemd CONTAINER...",
	.help = "write unit files of systemd for containers",
	.table = generate_table,
	.options_size = sizeof(struct generate_options),
	.flags = VERB_STORE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_generate,
	.complete = "container",
};
