/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula inspect, info and version. The engine makes JSON documents; people get info and version as an
 * outline of the same document, a member a line, as podman info and docker info have it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "cli/template.h"
#include "engine/info.h"
#include "engine/inspect.h"
#include "json/json.h"
#include "spec/spec.h"

#define DOCUMENT_MAX ((size_t)64 << 20)

/* ---- inspect ---- */

struct inspect_options {
	struct choice choice; /* first */
	bool security, size;
	int type;
	char *format;
};

enum inspect_type { TYPE_ALL, TYPE_CONTAINER, TYPE_SECRET };

static const char *const inspect_types[] = {"all", "container", "secret", NULL};

/* See print_document_rows(). */
static const char *const inspect_sometimes[] = {
	"State.Health",
	"State.Signal",
	"State.Reason",
	"State.Ready",
	"State.StatusText",
	"Config.Healthcheck",
	"Config.Labels.*",
	"Config.Annotations.*",
	"HostConfig.Tmpfs.*",
	"HostConfig.PortBindings.*",
	"NetworkSettings.Ports.*",
	"NetworkSettings.Networks.*",
	"ImageChanged",
	"IdMap",
	"Security.Namespaces.cgroup",
	"Security.Namespaces.time",
	"Security.Namespaces.user",
	"Security.Cgroup.*",
	NULL,
};

static const struct template_absent inspect_absent = {
	.names = inspect_sometimes, .schema_at = "Spec", .schema = spec_fields};

/* Where there are secrets among them. */
static const char *const any_sometimes[] = {"Spec.Labels.*", NULL};
static const struct template_absent any_absent = {
	.names = any_sometimes, .schema_at = "Spec", .schema = spec_fields};

struct inspection {
	enum inspect_type type;
	unsigned int more;
	struct str text;
	struct json_writer w;
	size_t containers, secrets;
};

static void inspection_done(struct inspection *i)
{
	str_done(&i->text);
}

/* 1; 0: there is no such container. */
static int inspect_container(struct cli *cli, const char *ref, struct inspection *i,
			     struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_find(&cli->store, ref, &ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	if (engine_inspect(&ct, i->more, &i->w, err) < 0)
		return -1;
	i->containers++;
	return 1;
}

/* Of all that has that name a container comes first. */
static int inspect_any(struct cli *cli, const char *ref, struct inspection *i, struct err *err)
{
	struct err none = ERR_INIT;
	int found = i->type == TYPE_SECRET ? 0 : inspect_container(cli, ref, i, err);

	if (found)
		return found;
	if (i->type == TYPE_CONTAINER)
		return -1;
	if (cli_inspect_secret(cli, ref, false, &i->w, &none) == 0) {
		*err = ERR_INIT;
		i->secrets++;
		return 0;
	}
	if (i->type == TYPE_SECRET || none.kind != ERR_NOT_FOUND)
		*err = none;
	return -1;
}

static int inspect_one(struct cli *cli, const char *ref, struct inspection *i, struct err *err)
{
	struct json_writer before = i->w;
	size_t length = i->text.len;

	if (inspect_any(cli, ref, i, err) >= 0)
		return 0;
	/* No half of one that could not be read. */
	i->w = before;
	i->text.len = length;
	i->text.data[length] = '\0';
	return -1;
}

/* Each is tried, whatever became of the others. */
static int inspect_all(struct cli *cli, const struct strv *refs, struct inspection *i,
		       struct err *err)
{
	struct err last = ERR_INIT;

	json_write_array(&i->w);
	for (size_t k = 0; k < refs->count; k++) {
		struct err one = ERR_INIT;

		if (inspect_one(cli, refs->items[k], i, &one) == 0)
			continue;
		if (last.kind != ERR_NONE)
			cli_print_error(&last);
		last = one;
	}
	json_write_end(&i->w, ']');
	*err = last;
	return last.kind == ERR_NONE ? 0 : -1;
}

/* What is asked for by an option, or by name. */
static int parse_inspect(const struct inspect_options *o, struct inspection *i, struct err *err)
{
	bool sizes = template_names(o->format, "SizeRw") || template_names(o->format, "SizeRootFs");

	if (o->type == TYPE_SECRET && (o->security || o->size || o->choice.latest))
		return err_set(err, ERR_USAGE, 0, "--%s is of containers, not of secrets",
			       o->security ? "security"
			       : o->size   ? "size"
					   : "latest");
	i->type = (enum inspect_type)o->type;
	if (o->security || template_names(o->format, "Security"))
		i->more |= INSPECT_SECURITY;
	if (o->size || sizes)
		i->more |= INSPECT_SIZE;
	return template_check(o->format, NULL, err);
}

static int run_inspect(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct inspect_options *options = data;
	own(inspection) struct inspection i = {.text = STR_INIT(DOCUMENT_MAX)};
	struct err ignored = ERR_INIT;
	int status;

	if (parse_inspect(options, &i, err) < 0)
		return -1;
	json_writer_init(&i.w, &i.text, 4);
	status = inspect_all(cli, operands, &i, err);
	if (str_check(&i.text, "the description", status < 0 ? &ignored : err) < 0)
		return -1;
	if (!i.containers && !i.secrets)
		return status;
	if (print_document_rows(options->format ? options->format : "json",
				i.secrets ? &any_absent : &inspect_absent, &i.text,
				status < 0 ? &ignored : err) < 0)
		return -1;
	return status;
}

#define INSPECT(field) offsetof(struct inspect_options, field)

static const struct opt inspect_table[] = {
	{"security", 0, OPT_BOOL, INSPECT(security),
	 .help = "add what the kernel enforces on it just now"},
	{"format", 'f', OPT_STRING, INSPECT(format), .value_name = "FORMAT",
	 .help = "json, the default, or a template: {{.Name}} {{.State.Pid}}"},
	{"size", 's', OPT_BOOL, INSPECT(size),
	 .help = "add what it takes of the disk, alone and with its image"},
	{"type", 't', OPT_CHOICE, INSPECT(type), .value_name = "TYPE",
	 .help = "of things of that type only: all, the default", .choices = inspect_types},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_inspect = {
	.name = "inspect",
	.usage = "NAME...",
	.help = "show everything about containers and secrets, as JSON",
	.table = inspect_table,
	.options_size = sizeof(struct inspect_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_inspect,
	.complete = "object",
};

/* ---- documents as outlines ---- */

static void print_scalar(const struct json *doc, json_node n)
{
	struct err ignored = ERR_INIT;
	char shown[4096];
	uint64_t number;

	switch (json_type(doc, n)) {
	case JSON_BOOL:
		fputs(json_bool(doc, n) ? "yes" : "no", stdout);
		break;
	case JSON_NUMBER: /* none of ours is negative */
		if (json_u64(doc, n, &number, &ignored) == 0)
			printf("%" PRIu64, number);
		break;
	case JSON_STRING:
		fputs(str_printable(json_string(doc, n), shown, sizeof shown), stdout);
		break;
	default:
		break;
	}
}

static bool is_scalar(const struct json *doc, json_node n)
{
	return json_type(doc, n) != JSON_ARRAY && json_type(doc, n) != JSON_OBJECT;
}

/* "mount: /sys/fs/cgroup/pids, version: 1", for an item of a list. */
static void print_on_one_line(const struct json *doc, json_node object)
{
	for (json_node n = json_first(doc, object); n != JSON_NONE; n = json_next(doc, n)) {
		printf("%s%s: ", n == json_first(doc, object) ? "" : ", ", json_key(doc, n));
		print_scalar(doc, n);
	}
}

/* Documents of ours: a few levels deep, lists of scalars and of small objects. */
static void print_members(const struct json *doc, json_node container, int depth)
{
	for (json_node n = json_first(doc, container); n != JSON_NONE; n = json_next(doc, n)) {
		printf("%*s", 2 * depth, "");
		if (json_type(doc, container) == JSON_ARRAY) {
			fputs("- ", stdout);
			is_scalar(doc, n) ? print_scalar(doc, n) : print_on_one_line(doc, n);
			putchar('\n');
		} else if (is_scalar(doc, n)) {
			printf("%s: ", json_key(doc, n));
			print_scalar(doc, n);
			putchar('\n');
		} else {
			printf("%s:\n", json_key(doc, n));
			print_members(doc, n, depth + 1);
		}
	}
}

static bool is_outline(const char *format)
{
	return !format || str_eq(format, "text");
}

/* Nothing is found out for a format that is none. */
static int check_format(const char *format, struct err *err)
{
	return is_outline(format) ? 0 : template_check(format, NULL, err);
}

static int print_document(const struct str *text, const char *format, struct err *err)
{
	own(str) struct str line = STR_INIT(DOCUMENT_MAX);
	own_template struct template *t = NULL;
	own_json struct json *doc = NULL;

	if (str_eq(format, "json")) {
		puts(text->data);
		return 0;
	}
	doc = json_parse(text->data, text->len, "the document", err);
	if (!doc)
		return -1;
	if (is_outline(format)) {
		print_members(doc, 0, 0);
		return 0;
	}
	t = template_parse(format, NULL, err);
	if (!t || template_render(t, doc, 0, &line, err) < 0)
		return -1;
	puts(line.data);
	return 0;
}

struct show_options {
	char *format;
};

static const struct opt show_table[] = {
	{"format", 0, OPT_STRING, offsetof(struct show_options, format), .value_name = "FORMAT",
	 .help = "text, the default, json, or a template: {{.version}}", .complete = "none"},
	{0},
};

static int add_settings(const void *data, struct json_writer *w, struct err *err)
{
	return cli_write_settings(data, w, err);
}

static int run_info(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct show_options *options = data;
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);

	if (check_format(options->format, err) < 0 ||
	    engine_info(&cli->store, add_settings, cli, &text, err) < 0)
		return -1;
	return print_document(&text, options->format, err);
}

const struct verb cli_verb_info = {
	.name = "info",
	.usage = "",
	.help = "show the host, the control groups, the store and the defaults",
	.table = show_table,
	.options_size = sizeof(struct show_options),
	.flags = VERB_STORE,
	.run = run_info,
};

static int run_version(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct show_options *options = data;
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);

	if (check_format(options->format, err) < 0 || engine_version(&text, err) < 0)
		return -1;
	return print_document(&text, options->format, err);
}

const struct verb cli_verb_version = {
	.name = "version",
	.usage = "",
	.help = "show the versions of the program, its protocol and its specification",
	.table = show_table,
	.options_size = sizeof(struct show_options),
	.run = run_version,
};
