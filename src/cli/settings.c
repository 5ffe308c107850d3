/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration files on the side of the command line. A key of [run] is an option of a new container, by
 * its long name, and its value goes through the option's own row: what the command line refuses, a file
 * cannot say either. The command line is parsed afterwards, so it counts more; what may be given
 * several times is added to.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "json/json.h"

/* Options that are about one container cannot be everybody's. */
static const char *const of_one[] = {"name", "cidfile", "pidfile", "replace", "dry-run", NULL};

static bool is_of_one(const char *name)
{
	for (size_t i = 0; of_one[i]; i++)
		if (!strcmp(of_one[i], name))
			return true;
	return false;
}

static int unknown_key(const struct setting *s, struct err *err)
{
	const char *closest = NULL;
	unsigned int best = 3;

	for (const struct opt *row = cli_run_table; row->name; row++) {
		unsigned int d = str_distance(s->key, row->name, 3);

		if (d < best && row->type != OPT_REFUSED) {
			best = d;
			closest = row->name;
		}
	}
	err_set(err, ERR_INVALID, 0, "%s: insula run has no option '%s'", s->from, s->key);
	return closest ? err_hint(err, "did you mean '%s'?", closest)
		       : err_hint(err, "insula run --help lists them");
}

int cli_check_settings(const struct settings *settings, struct err *err)
{
	for (size_t i = 0; i < settings->count; i++) {
		const struct setting *s = &settings->items[i];

		if (!str_eq(s->section, "run"))
			continue;
		if (!opt_find(cli_run_table, s->key))
			return unknown_key(s, err);
		if (is_of_one(s->key))
			return err_set(
				err, ERR_INVALID, 0,
				"%s: '%s' is about one container, and belongs to a command line",
				s->from, s->key);
	}
	return 0;
}

static bool makes_containers(const struct verb *verb)
{
	return str_eq(verb->name, "run") || str_eq(verb->name, "create");
}

static int apply(const struct setting *s, const struct verb *verb, void *options, struct err *err)
{
	own_free char *argument = str_printf(err, "--%s=%s", s->key, s->value);
	own(strv) struct strv operands = STRV_INIT;
	char *argv[] = {argument, NULL};
	bool help = false;

	if (!argument)
		return -1;
	if (!opt_find(verb->table, s->key)) /* create is never in the foreground */
		return 0;
	return opt_parse(verb->table, 0, 1, argv, options, &operands, &help, err);
}

int cli_apply_settings(const struct settings *settings, const struct verb *verb, void *options,
		       struct err *err)
{
	for (size_t i = 0; makes_containers(verb) && i < settings->count; i++) {
		const struct setting *s = &settings->items[i];

		if (str_eq(s->section, "run") && apply(s, verb, options, err) < 0)
			return err_wrap(err, "%s", s->from);
	}
	return 0;
}

/* ---- directories ---- */

static const struct {
	const char *key, *variable, *flag;
	size_t offset; /* of the option */
} directories[] = {
	{"root", "INSULA_ROOT", "--root", offsetof(struct cli, root)},
	{"runroot", "INSULA_RUNROOT", "--runroot", offsetof(struct cli, run_root)},
};

static const char *find_directory(const struct cli *cli, size_t i, const char **ret_from)
{
	const char *given = *(char *const *)((const char *)cli + directories[i].offset);
	const char *variable = getenv(directories[i].variable);
	const struct setting *s = settings_get(&cli->settings, "store", directories[i].key);

	*ret_from = given		    ? directories[i].flag
		    : variable && *variable ? directories[i].variable
		    : s			    ? s->from
					    : "default";
	return given ? given : variable && *variable ? variable : s ? s->value : NULL;
}

const char *cli_directory(const struct cli *cli, const char *key)
{
	const char *ignored;

	return find_directory(cli, str_eq(key, "root") ? 0 : 1, &ignored);
}

/* ---- what is in force ---- */

static void write_one(struct json_writer *w, const char *name, const char *value, const char *from)
{
	json_write_object(w);
	json_write_member(w, "name", name);
	json_write_member(w, "value", value);
	json_write_member(w, "from", from);
	json_write_end(w, '}');
}

static int write_ids(const struct cli *cli, struct json_writer *w, struct err *err)
{
	const struct setting *s = settings_get(&cli->settings, "store", "ids");
	struct store_range range;
	own_free char *value = NULL;

	if (cli->store.user)
		return 0;
	if (store_id_range(&range, err) < 0)
		return -1;
	value = str_printf(err, "%llu:%llu", (unsigned long long)range.start,
			   (unsigned long long)range.count);
	if (!value)
		return -1;
	write_one(w, "store.ids", value, s ? s->from : range.is_entry ? "/etc/subuid" : "default");
	return 0;
}

int cli_write_settings(const struct cli *cli, struct json_writer *w, struct err *err)
{
	const char *from;

	json_write_key(w, "settings");
	json_write_array(w);
	find_directory(cli, 0, &from);
	write_one(w, "store.root", cli->store.root, from);
	find_directory(cli, 1, &from);
	write_one(w, "store.runroot", cli->store.run, from);
	if (write_ids(cli, w, err) < 0)
		return -1;
	for (size_t i = 0; i < cli->settings.count; i++) {
		const struct setting *s = &cli->settings.items[i];
		own_free char *name = str_printf(err, "run.%s", s->key);

		if (!name)
			return -1;
		if (str_eq(s->section, "run"))
			write_one(w, name, s->value, s->from);
	}
	json_write_end(w, ']');
	return 0;
}
