/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula secret: values that containers get and that nobody else is to see. */
#include "engine/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/cli.h"
#include "cli/template.h"
#include "engine/filter.h"

#define DOCUMENT_MAX ((size_t)64 << 20)
#define LIST_DEFAULT \
	"table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.CreatedAt}}\\t{{.UpdatedAt}}\\t{{.Size}}"

struct secret_options {
	bool env, replace, ignore; /* create */
	int driver;
	bool driver_given;
	struct strv labels;
	bool quiet, no_heading; /* ls */
	struct strv filters;
	char *format;		  /* ls, inspect */
	bool show_secret, pretty; /* inspect */
	bool all, force;	  /* rm; --ignore too */
};

/* ---- create ---- */

static int value_of(const struct secret_options *o, const char *from, struct secret_value *ret,
		    struct err *err)
{
	const char *text = o->env ? getenv(from) : NULL;

	if (!o->env)
		return secret_value_read(from, ret, err);
	if (!text)
		return err_set(err, ERR_NOT_FOUND, 0, "there is no variable '%.64s'", from);
	ret->size = strlen(text);
	ret->data = str_dup(text, err);
	return ret->data ? 0 : -1;
}

static int run_create(struct cli *cli, const struct secret_options *o, const struct strv *operands,
		      struct err *err)
{
	own(secret_value) struct secret_value value = {0};
	own(secret) struct secret s = {0};
	enum secret_how how = o->replace ? SECRET_REPLACE : o->ignore ? SECRET_IGNORE : SECRET_NEW;

	if (o->replace && o->ignore)
		return err_set(err, ERR_USAGE, 0, "--replace and --ignore exclude each other");
	for (size_t i = 0; i < o->labels.count; i++)
		if (!*o->labels.items[i] || *o->labels.items[i] == '=' ||
		    str_has_control(o->labels.items[i]))
			return err_set(err, ERR_USAGE, 0, "--label: '%s' is not KEY[=VALUE]",
				       o->labels.items[i]);
	if (secret_check_name(operands->items[1], err) < 0 ||
	    value_of(o, operands->items[2], &value, err) < 0 ||
	    secret_create(&cli->store, operands->items[1], &o->labels, &value, how, &s, err) < 0)
		return -1;
	puts(s.id);
	return 0;
}

/* ---- ls ---- */

static bool by_name(const void *row, const char *value)
{
	const struct secret *s = row;

	return strstr(s->name, value) != NULL;
}

static bool by_id(const void *row, const char *value)
{
	const struct secret *s = row;

	return str_starts(s->id, value);
}

static bool by_label(const void *row, const char *value)
{
	const struct secret *s = row;

	return filter_label(&s->labels, value);
}

static const struct filter_key filter_keys[] = {
	{"name", by_name, .all = false},
	{"id", by_id, .all = false},
	{"label", by_label, .all = true},
	{0},
};

static const struct template_field list_fields[] = {
	{"ID", "id", "ID"},
	{"Name", "name", "NAME"},
	{"Driver", "driver", "DRIVER"},
	{"CreatedAt", "created_at", "CREATED"},
	{"UpdatedAt", "updated_at", "UPDATED"},
	{"Size", "size", "SIZE"},
	{"Labels", "labels", "LABELS"},
	{0},
};

static void write_row(struct json_writer *w, const struct secret *s)
{
	char time[CLOCK_TEXT_SIZE];

	json_write_object(w);
	json_write_member(w, "id", s->id);
	json_write_member(w, "name", s->name);
	json_write_member(w, "driver", "file");
	json_write_member(w, "created_at", clock_text(s->created_ns, time));
	json_write_member(w, "updated_at", clock_text(s->updated_ns, time));
	json_write_member_u64(w, "size", s->size);
	json_write_key(w, "labels");
	json_write_strings(w, &s->labels);
	json_write_end(w, '}');
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One that is damaged is said and passed over; one that goes away meanwhile is not there. */
static void list_one(struct cli *cli, const struct secret_options *o, const char *name,
		     struct json_writer *w)
{
	own(secret) struct secret s = {0};
	struct err looking = ERR_INIT;

	if (secret_find(&cli->store, name, &s, &looking) < 0) {
		if (looking.kind != ERR_NOT_FOUND)
			cli_print_error(&looking);
	} else if (filters_match(filter_keys, &o->filters, &s)) {
		if (o->quiet)
			puts(s.id);
		else
			write_row(w, &s);
	}
}

static const char *without_heading(const struct secret_options *o, const char *format)
{
	bool cut = o->no_heading && format && str_starts(format, "table ");

	return cut ? format + strlen("table ") : format;
}

static int run_ls(struct cli *cli, const struct secret_options *o, const struct strv *operands,
		  struct err *err)
{
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);
	own(strv) struct strv names = STRV_INIT;
	const char *fallback = without_heading(o, LIST_DEFAULT);
	struct json_writer w;

	if (o->quiet && o->format)
		return err_set(err, ERR_USAGE, 0, "--quiet and --format exclude each other");
	if (filters_check(filter_keys, &o->filters, err) < 0 ||
	    template_check(o->format, list_fields, err) < 0 ||
	    secret_list(&cli->store, &names, err) < 0)
		return -1;
	if (names.count)
		qsort(names.items, names.count, sizeof *names.items, compare_names);
	json_writer_init(&w, &text, 2);
	json_write_array(&w);
	for (size_t i = 0; i < names.count; i++)
		list_one(cli, o, names.items[i], &w);
	json_write_end(&w, ']');
	if (o->quiet)
		return 0;
	return print_rows(str_eq(o->format, "table") ? NULL : without_heading(o, o->format),
			  fallback, list_fields, &text, err);
}

/* ---- inspect ---- */

static void write_labels(struct json_writer *w, const struct strv *labels)
{
	json_write_key(w, "Labels");
	json_write_object(w);
	for (size_t i = 0; i < labels->count; i++) {
		char *equals = strchr(labels->items[i], '=');

		if (equals)
			*equals = '\0';
		json_write_member(w, labels->items[i], equals ? equals + 1 : "");
		if (equals)
			*equals = '=';
	}
	json_write_end(w, '}');
}

/* JSON is text: what is none is shown nowhere but in a container. */
static int write_value(struct cli *cli, const struct secret *s, struct json_writer *w,
		       struct err *err)
{
	own(secret_value) struct secret_value value = {0};
	own(str) struct str text = STR_INIT(8 * SECRET_SIZE_MAX);
	own_json struct json *doc = NULL;
	struct err ignored = ERR_INIT;
	struct json_writer alone;

	if (secret_load(&cli->store, s->name, &value, err) < 0)
		return -1;
	json_writer_init(&alone, &text, 0);
	json_write_string(&alone, value.data);
	doc = json_parse(text.data, text.len, "the value", &ignored);
	if (strlen(value.data) != value.size || !doc)
		return err_set(err, ERR_INVALID, 0, "secret '%s' is no text, and cannot be shown",
			       s->name);
	json_write_member(w, "SecretData", value.data);
	return 0;
}

static int write_secret(struct cli *cli, const struct secret *s, bool show, struct json_writer *w,
			struct err *err)
{
	char time[CLOCK_TEXT_SIZE];

	json_write_object(w);
	json_write_member(w, "ID", s->id);
	json_write_member(w, "CreatedAt", clock_text(s->created_ns, time));
	json_write_member(w, "UpdatedAt", clock_text(s->updated_ns, time));
	json_write_key(w, "Spec");
	json_write_object(w);
	json_write_member(w, "Name", s->name);
	json_write_key(w, "Driver");
	json_write_object(w);
	json_write_member(w, "Name", "file");
	json_write_end(w, '}');
	write_labels(w, &s->labels);
	json_write_end(w, '}');
	json_write_member_u64(w, "Size", s->size);
	if (show && write_value(cli, s, w, err) < 0)
		return -1;
	json_write_end(w, '}');
	return 0;
}

int cli_inspect_secret(struct cli *cli, const char *ref, bool show, struct json_writer *w,
		       struct err *err)
{
	own(secret) struct secret s = {0};

	return secret_find(&cli->store, ref, &s, err) < 0 ? -1
							  : write_secret(cli, &s, show, w, err);
}

/* Each is tried, whatever became of the others. */
static int run_inspect(struct cli *cli, const struct secret_options *o, const struct strv *operands,
		       struct err *err)
{
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);
	static const char *const sometimes[] = {"Spec.Labels.*", "SecretData", NULL};
	static const struct template_absent absent = {.names = sometimes};
	const char *format = o->format ? o->format : "json";
	struct err last = ERR_INIT;
	struct json_writer w;
	bool found = false;

	if (o->pretty && o->format)
		return err_set(err, ERR_USAGE, 0, "--pretty and --format exclude each other");
	if (o->pretty)
		format = "ID:\\t{{.ID}}\\nName:\\t{{.Spec.Name}}\\nLabels:\\t{{json "
			 ".Spec.Labels}}\\n"
			 "Driver:\\t{{.Spec.Driver.Name}}\\nCreated:\\t{{.CreatedAt}}\\n"
			 "Updated:\\t{{.UpdatedAt}}";
	if (template_check(format, NULL, err) < 0)
		return -1;
	json_writer_init(&w, &text, 4);
	json_write_array(&w);
	for (size_t i = 1; i < operands->count; i++) {
		struct json_writer before = w;
		size_t length = text.len;
		struct err looking = ERR_INIT;

		if (cli_inspect_secret(cli, operands->items[i], o->show_secret, &w, &looking) ==
		    0) {
			found = true;
			continue;
		}
		/* No half of one that could not be read. */
		w = before;
		text.len = length;
		text.data[length] = '\0';
		if (last.kind != ERR_NONE)
			cli_print_error(&last);
		last = looking;
	}
	json_write_end(&w, ']');
	if (found && print_document_rows(format, &absent, &text, err) < 0)
		return -1;
	*err = last;
	return last.kind == ERR_NONE ? 0 : -1;
}

/* ---- rm, exists ---- */

/* Each is tried, whatever became of the others. */
static int run_rm(struct cli *cli, const struct secret_options *o, const struct strv *operands,
		  struct err *err)
{
	own(strv) struct strv names = STRV_INIT, removed = STRV_INIT;
	struct err last = ERR_INIT;

	if (o->all ? operands->count > 1 : operands->count < 2)
		return err_set(err, ERR_USAGE, 0,
			       o->all ? "secret rm: --all and names exclude each other"
				      : "secret rm: no secret is named");
	for (size_t i = 1; i < operands->count; i++)
		if (strv_add(&names, operands->items[i], err) < 0)
			return -1;
	if (o->all && secret_list(&cli->store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		struct err removing = ERR_INIT;

		if (secret_remove(&cli->store, names.items[i], o->force, &removed, &removing) ==
		    0) {
			puts(removed.items[removed.count - 1]);
			continue;
		}
		if (removing.kind == ERR_NOT_FOUND && (o->ignore || o->all))
			continue;
		if (last.kind != ERR_NONE)
			cli_print_error(&last);
		last = removing;
	}
	*err = last;
	return last.kind == ERR_NONE ? 0 : -1;
}

static int run_exists(struct cli *cli, const struct secret_options *o, const struct strv *operands,
		      struct err *err)
{
	own(secret) struct secret s = {0};

	if (secret_find(&cli->store, operands->items[1], &s, err) == 0)
		return 0;
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	*err = ERR_INIT;
	cli->exit_code = 1;
	return 0;
}

/* ---- the verb ---- */

enum secret_action { CREATE = 1, LS = 2, INSPECT = 4, RM = 8, EXISTS = 16 };

static const struct {
	const char *name, *usage;
	enum secret_action action;
	size_t least, most; /* operands with its name */
	int (*run)(struct cli *cli, const struct secret_options *o, const struct strv *operands,
		   struct err *err);
} actions[] = {
	{"create", "NAME FILE|-", CREATE, 3, 3, run_create},
	{"ls", "", LS, 1, 1, run_ls},
	{"inspect", "SECRET...", INSPECT, 2, SIZE_MAX, run_inspect},
	{"rm", "SECRET...", RM, 1, SIZE_MAX, run_rm},
	{"exists", "SECRET", EXISTS, 2, 2, run_exists},
};

/* An option of another action is not passed over. */
static int check_options(const struct secret_options *o, const char *name,
			 enum secret_action action, struct err *err)
{
	const struct {
		const char *option;
		bool given;
		unsigned int of;
	} rows[] = {
		{"env", o->env, CREATE},
		{"replace", o->replace, CREATE},
		{"driver", o->driver_given, CREATE},
		{"label", o->labels.count > 0, CREATE},
		{"ignore", o->ignore, CREATE | RM},
		{"quiet", o->quiet, LS},
		{"noheading", o->no_heading, LS},
		{"filter", o->filters.count > 0, LS},
		{"format", o->format != NULL, LS | INSPECT},
		{"showsecret", o->show_secret, INSPECT},
		{"pretty", o->pretty, INSPECT},
		{"all", o->all, RM},
		{"force", o->force, RM},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].given && !(rows[i].of & action)) {
			err_set(err, ERR_USAGE, 0, "secret %s has no --%s", name, rows[i].option);
			return err_hint(err, "insula secret --help says of what each option is");
		}
	return 0;
}

static int run_secret(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const char *name = cli_action_name(operands->items[0], false);

	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (!str_eq(name, actions[i].name))
			continue;
		if (check_options(data, actions[i].name, actions[i].action, err) < 0)
			return -1;
		if (operands->count >= actions[i].least && operands->count <= actions[i].most)
			return actions[i].run(cli, data, operands, err);
		err_set(err, ERR_USAGE, 0, "secret %s: %s", actions[i].name,
			operands->count < actions[i].least ? "an argument is missing"
							   : "too many arguments");
		return err_hint(err, "insula secret %s %s", actions[i].name, actions[i].usage);
	}
	err_set(err, ERR_USAGE, 0, "secret: there is no '%.64s'", operands->items[0]);
	return err_hint(err, "insula secret create, ls, inspect, rm or exists");
}

#define SECRET(field) offsetof(struct secret_options, field)

static const char *const drivers[] = {"file", NULL};

static const struct opt secret_table[] = {
	{"env", 'e', OPT_BOOL, SECRET(env),
	 .help = "of create: the value is that of a variable of this name"},
	{"replace", 0, OPT_BOOL, SECRET(replace),
	 .help = "of create: one that there is gets the value"},
	{"ignore", 'i', OPT_BOOL, SECRET(ignore),
	 .help = "of create: one that there is stays as it is; of rm: one that is not there is no "
		 "error"},
	{"label", 'l', OPT_STRINGS, SECRET(labels), .value_name = "KEY[=VALUE]",
	 .help = "of create: attach a label", .complete = "none"},
	{"driver", 'd', OPT_CHOICE, SECRET(driver), SECRET(driver_given), .value_name = "DRIVER",
	 .help = "of create: where it is kept", .choices = drivers},
	{"quiet", 'q', OPT_BOOL, SECRET(quiet), .help = "of ls: ids only"},
	{"noheading", 'n', OPT_BOOL, SECRET(no_heading), .help = "of ls: no line of titles"},
	{"filter", 'f', OPT_STRINGS, SECRET(filters), .value_name = "KEY=VALUE",
	 .help = "of ls: only those of which name, id or label is VALUE", .complete = "none"},
	{"format", 0, OPT_STRING, SECRET(format), .value_name = "FORMAT",
	 .help = "of ls and inspect: table, json, or a template: {{.Name}}"},
	{"pretty", 0, OPT_BOOL, SECRET(pretty), .help = "of inspect: for people"},
	{"showsecret", 0, OPT_BOOL, SECRET(show_secret), .help = "of inspect: the value, too"},
	{"all", 'a', OPT_BOOL, SECRET(all), .help = "of rm: every secret"},
	{"force", 0, OPT_BOOL, SECRET(force), .help = "of rm: although containers want it"},
	{0},
};

const struct verb cli_verb_secret = {
	.name = "secret",
	.usage = "create|ls|inspect|rm|exists [SECRET] [FILE|-]",
	.help = "keep values that containers get and nobody else sees",
	.table = secret_table,
	.options_size = sizeof(struct secret_options),
	.flags = VERB_STORE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_secret,
	.complete = "secret",
};

/* Names, one a line, for the scripts of completion. */
static int run_names(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (secret_list(&cli->store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		puts(names.items[i]);
	return 0;
}

static const struct opt no_table[] = {{0}};

const struct verb cli_verb_secrets = {
	.name = CLI_SECRETS_VERB,
	.usage = "",
	.help = "names of secrets, for completion",
	.table = no_table,
	.flags = VERB_STORE | VERB_HIDDEN,
	.run = run_names,
};
