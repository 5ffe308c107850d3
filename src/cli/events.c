/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula events: what happened to containers, and what happens. */
#include <errno.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/moment.h"
#include "cli/template.h"
#include "engine/event.h"
#include "engine/filter.h"

#define ROW_MAX ((size_t)1 << 20)

struct events_options {
	char *since, *until, *format;
	struct strv filters;
	bool stream, stream_given, no_stream;
};

#define EVENTS(field) offsetof(struct events_options, field)

static const struct template_field fields[] = {
	{"Time", "time", "TIME"},
	{"TimeNano", "time_ns", "TIME"},
	{"Type", "type", "TYPE"},
	{"Event", "event", "EVENT"},
	{"Status", "event", "EVENT"},
	{"Action", "event", "EVENT"},
	{"ID", "id", "CONTAINER ID"},
	{"Name", "name", "NAME"},
	{"Image", "image", "IMAGE"},
	{"Attributes", "attributes", "ATTRIBUTES"},
	{"Labels", "labels", "LABELS"},
	{"ContainerExitCode", "exit_code", "EXIT CODE"},
	{0},
};

struct telling {
	const struct events_options *options;
	const struct template *format; /* NULL: lines for people, or JSON */
	bool json;
	struct str text;
};

static void telling_done(struct telling *t)
{
	str_done(&t->text);
}

static void write_attributes(struct json_writer *w, const struct strv *attributes)
{
	json_write_key(w, "attributes");
	json_write_object(w);
	for (size_t i = 0; i < attributes->count; i++) {
		const char *text = attributes->items[i];
		char key[64];

		snprintf(key, sizeof key, "%.*s", (int)strcspn(text, "="), text);
		json_write_member(w, key, text + strcspn(text, "=") + (strchr(text, '=') != NULL));
	}
	json_write_end(w, '}');
}

static void write_row(struct json_writer *w, const struct event *e)
{
	const char *code = strv_env_get(&e->attributes, "code");
	char time[CLOCK_TEXT_SIZE];

	json_write_object(w);
	json_write_member(w, "time", clock_text(e->time_ns, time));
	json_write_member_i64(w, "time_ns", e->time_ns);
	json_write_member(w, "type", e->type);
	json_write_member(w, "event", e->event);
	json_write_member(w, "id", e->id);
	json_write_member(w, "name", e->name);
	json_write_member(w, "image", e->image);
	if (code) {
		json_write_member_i64(w, "exit_code", strtoll(code, NULL, 10));
	}
	write_attributes(w, &e->attributes);
	json_write_key(w, "labels");
	json_write_strings(w, &e->labels);
	json_write_end(w, '}');
}

static void add_pairs(struct str *out, const struct strv *pairs)
{
	for (size_t i = 0; i < pairs->count; i++)
		str_addf(out, ", %s", pairs->items[i]);
}

/* As podman and docker print it. */
static void add_line(struct str *out, const struct event *e)
{
	char time[CLOCK_TEXT_SIZE];

	str_addf(out, "%s %s %s %s (image=%s, name=%s", clock_text(e->time_ns, time), e->type,
		 e->event, e->id ? e->id : "", e->image ? e->image : "", e->name ? e->name : "");
	add_pairs(out, &e->attributes);
	add_pairs(out, &e->labels);
	str_add_char(out, ')');
	if (!out->failed)
		str_scrub(out->data);
}

static int render(const struct telling *t, const struct event *e, struct str *out, struct err *err)
{
	own(str) struct str row = STR_INIT(ROW_MAX);
	own_json struct json *doc = NULL;
	struct json_writer w;

	json_writer_init(&w, t->json ? out : &row, 0);
	write_row(&w, e);
	if (t->json)
		return str_check(out, "the event", err);
	doc = json_parse(row.data, row.len, "the event", err);
	return doc ? template_render(t->format, doc, 0, out, err) : -1;
}

static int tell(void *data, const struct event *e, struct err *err)
{
	struct telling *t = data;

	if (!filters_match(event_filter_keys, &t->options->filters, e))
		return 0;
	str_reset(&t->text);
	if (!t->json && !t->format)
		add_line(&t->text, e);
	else if (render(t, e, &t->text, err) < 0)
		return -1;
	puts(t->text.data);
	/* Whoever reads us is to see it now, and where nobody reads any more that is the end. */
	if (fflush(stdout) != 0)
		return err_errno(err, "cannot write to the standard output");
	return 0;
}

static int fill_query(const struct events_options *options, struct event_query *query,
		      struct err *err)
{
	bool stream = !options->no_stream && (!options->stream_given || options->stream);

	if (options->stream_given && options->stream && options->no_stream)
		return err_set(err, ERR_USAGE, 0, "--stream and --no-stream exclude each other");
	if (options->since && parse_moment("--since", options->since, &query->since_ns, err) < 0)
		return -1;
	if (options->until && parse_moment("--until", options->until, &query->until_ns, err) < 0)
		return -1;
	query->follow = stream && (!query->until_ns || query->until_ns > clock_real_ns());
	query->has_reader = true;
	query->only_new = stream && !options->since && !options->until;
	return 0;
}

static int run_events(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct events_options *options = data;
	own(telling) struct telling t = {.options = options, .text = STR_INIT(ROW_MAX)};
	own_template struct template *format = NULL;
	struct event_query query = {0};

	t.json = str_eq(options->format, "json");
	if (options->format && !t.json) {
		format = template_parse(options->format, fields, err);
		if (!format)
			return -1;
		if (template_is_table(format))
			return err_set(
				err, ERR_USAGE, 0,
				"--format: events come one by one, so there is no table of them");
		t.format = format;
	}
	if (filters_check(event_filter_keys, &options->filters, err) < 0 ||
	    fill_query(options, &query, err) < 0)
		return -1;
	return event_read(&cli->store, &query, tell, &t, err);
}

static const struct opt events_table[] = {
	{"filter", 'f', OPT_STRINGS, EVENTS(filters), .value_name = "KEY=VALUE",
	 .help = "only those of which container, event, image, label or type is VALUE"},
	{"format", 0, OPT_STRING, EVENTS(format), .value_name = "FORMAT",
	 .help = "json, an object a line, or a template: {{.Time}} {{.Event}} {{.Name}}"},
	{"no-stream", 0, OPT_BOOL, EVENTS(no_stream), .help = "do not wait for more"},
	{"since", 0, OPT_STRING, EVENTS(since), .value_name = "TIME",
	 .help = "from then on: a time, or how long ago"},
	{"stream", 0, OPT_BOOL, EVENTS(stream), EVENTS(stream_given),
	 .help = "wait for more (the default; --stream=false does not)"},
	{"until", 0, OPT_STRING, EVENTS(until), .value_name = "TIME",
	 .help = "until then: a time, how long ago, or in how long (+30s)"},
	{0},
};

const struct verb cli_verb_events = {
	.name = "events",
	.usage = "",
	.help = "print what happens to containers, or what happened",
	.table = events_table,
	.options_size = sizeof(struct events_options),
	.flags = VERB_STORE,
	.run = run_events,
};
