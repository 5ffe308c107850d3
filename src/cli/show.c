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

#define DOCUMENT_MAX ((size_t)64 << 20)

/* ---- inspect ---- */

struct inspect_options {
	struct choice choice; /* first */
	bool security;
	char *format;
};

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
	"Spec.*",
	"Security.*",
	NULL,
};

struct inspection {
	bool security;
	struct str text;
	struct json_writer w;
	size_t count;
};

static void inspection_done(struct inspection *i)
{
	str_done(&i->text);
}

static int inspect_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct inspection *i = data;
	struct json_writer before = i->w;
	size_t length = i->text.len;

	if (engine_inspect(ct, i->security, &i->w, err) == 0) {
		i->count++;
		return 0;
	}
	/* No half of one that could not be read. */
	i->w = before;
	i->text.len = length;
	i->text.data[length] = '\0';
	return -1;
}

static int run_inspect(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct inspect_options *options = data;
	own(inspection) struct inspection i = {.text = STR_INIT(DOCUMENT_MAX)};
	struct err ignored = ERR_INIT;
	int status;

	if (template_check(options->format, NULL, err) < 0)
		return -1;
	i.security = options->security || template_names(options->format, "Security");
	json_writer_init(&i.w, &i.text, 4);
	json_write_array(&i.w);
	status = cli_each_container(cli, operands, &i, inspect_one, err);
	json_write_end(&i.w, ']');
	if (str_check(&i.text, "the description", status < 0 ? &ignored : err) < 0)
		return -1;
	if (!i.count)
		return status;
	if (print_document_rows(options->format ? options->format : "json", inspect_sometimes,
				&i.text, status < 0 ? &ignored : err) < 0)
		return -1;
	return status;
}

#define INSPECT(field) offsetof(struct inspect_options, field)

static const struct opt inspect_table[] = {
	{"security", 0, OPT_BOOL, INSPECT(security),
	 .help = "add what the kernel enforces on it just now"},
	{"format", 'f', OPT_STRING, INSPECT(format), .value_name = "FORMAT",
	 .help = "json, the default, or a template: {{.Name}} {{.State.Pid}}"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_inspect = {
	.name = "inspect",
	.usage = "CONTAINER...",
	.help = "show everything about containers, as JSON",
	.table = inspect_table,
	.options_size = sizeof(struct inspect_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_inspect,
	.complete = "container",
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
