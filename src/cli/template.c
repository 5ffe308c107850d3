/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates: see template.h. Parsed once into a list of parts, so that a mistake in one is told before
 * anything is looked up or printed. What comes out of a document is shown with its control characters
 * replaced (a label is not to drive a terminal), but for `json`, which escapes them.
 */
#include "cli/template.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"

#define PARTS_MAX 256
#define WORDS_MAX 4
#define OUTPUT_MAX ((size_t)256 << 20)
#define VALUE_MAX ((size_t)16 << 20)
#define COLUMNS_MAX 16

enum part_kind { PART_TEXT, PART_VALUE, PART_JSON, PART_UPPER, PART_LOWER, PART_JOIN, PART_INDEX };

struct part {
	enum part_kind kind;
	char *text;	  /* the text; of a value its path without the first dot, "" for the row */
	char *argument;	  /* of join and index */
	const char *head; /* of a field from a table */
};

struct template
{
	bool is_table;
	const char *const *sometimes; /* see print_document_rows() */
	size_t count;
	struct part parts[PARTS_MAX];
};

static const struct function {
	const char *name;
	enum part_kind kind;
	bool takes_argument;
} functions[] = {
	{"json", PART_JSON},	   {"upper", PART_UPPER},	{"lower", PART_LOWER},
	{"join", PART_JOIN, true}, {"index", PART_INDEX, true},
};

void template_free(struct template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		free(t->parts[i].text);
		free(t->parts[i].argument);
	}
	free(t);
}

/* ---- parsing ---- */

static int refuse(struct err *err, const char *why, const char *at)
{
	err_set(err, ERR_USAGE, 0, "--format: %s: '%.60s'", why, at);
	return err_hint(err, "json, or a template: {{.ID}} {{json .}} {{upper .Name}} "
			     "{{join .Labels \",\"}} {{index .Labels \"key\"}}");
}

static struct part *add_part(struct template *t, enum part_kind kind, struct err *err)
{
	if (t->count == PARTS_MAX) {
		err_set(err, ERR_LIMIT, 0, "--format: more than %d parts", PARTS_MAX);
		return NULL;
	}
	t->parts[t->count] = (struct part){.kind = kind};
	return &t->parts[t->count++];
}

static int add_text(struct template *t, const char *text, size_t size, struct err *err)
{
	static const char names[] = "tn\\", bytes[] = "\t\n\\";
	own(str) struct str out = STR_INIT(VALUE_MAX);
	struct part *part;

	for (size_t i = 0; i < size; i++) {
		const char *escape = text[i] == '\\' && i + 1 < size ? strchr(names, text[i + 1])
								     : NULL;

		str_add_char(&out, escape ? bytes[escape - names] : text[i]);
		i += escape != NULL;
	}
	if (str_check(&out, "--format", err) < 0)
		return -1;
	part = size ? add_part(t, PART_TEXT, err) : NULL;
	if (!part)
		return size ? -1 : 0;
	part->text = str_dup(out.data, err);
	return part->text ? 0 : -1;
}

/* "a", "a b": words of an action, quoted ones without their quotes. Cuts up `text`. */
static int split_words(char *text, char *words[WORDS_MAX], struct err *err)
{
	int count = 0;

	for (char *p = text; *p;) {
		p += strspn(p, " \t\n");
		if (!*p)
			break;
		if (count == WORDS_MAX)
			return refuse(err, "too many words", p);
		char quote = *p == '"' || *p == '`' ? *p++ : '\0';
		char *end = quote ? strchr(p, quote) : p + strcspn(p, " \t\n");
		if (!end)
			return refuse(err, "a quote is not closed", p);
		words[count++] = p;
		p = *end ? end + 1 : end;
		*end = '\0';
	}
	return count;
}

/* Letters of both without regard to case and '_'. */
static bool is_same_name(const char *a, size_t size, const char *b)
{
	const char *end = a + size;

	for (;; a++, b++) {
		while (a < end && *a == '_')
			a++;
		while (*b == '_')
			b++;
		if (a == end || !*b)
			return a == end && !*b;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
	}
}

static int unknown_field(const struct template_field *fields, const char *name, struct err *err)
{
	own(str) struct str all = STR_INIT(300);

	err_set(err, ERR_USAGE, 0, "--format: there is no field '%.60s'", name);
	for (const struct template_field *f = fields; f->name; f++)
		str_addf(&all, "%s%s", f == fields ? "" : ", ", f->name);
	return err_hint(err, "fields: %s", all.data);
}

/* A name from the table becomes the key that rows have. */
static int set_path(struct part *part, const char *word, const struct template_field *fields,
		    struct err *err)
{
	size_t size = strcspn(word + 1, ".");

	if (fields && word[1]) {
		const struct template_field *f = fields;

		while (f->name && !is_same_name(word + 1, size, f->name))
			f++;
		if (!f->name)
			return unknown_field(fields, word + 1, err);
		part->head = f->head;
		part->text = str_printf(err, "%s%s", f->key, word + 1 + size);
	} else {
		part->text = str_dup(word + 1, err);
	}
	return part->text ? 0 : -1;
}

static int add_action(struct template *t, char *text, const struct template_field *fields,
		      struct err *err)
{
	const struct function *end = functions + sizeof functions / sizeof *functions;
	const struct function *f = functions;
	char *words[WORDS_MAX];
	int count = split_words(text, words, err);
	struct part *part;

	if (count < 0)
		return -1;
	if (count == 1 && *words[0] == '.') {
		part = add_part(t, PART_VALUE, err);
		return part ? set_path(part, words[0], fields, err) : -1;
	}
	while (count && f < end && strcmp(f->name, words[0]) != 0)
		f++;
	if (!count || f == end)
		return refuse(err, "neither a field nor a function", count ? words[0] : "{{}}");
	if (count != (f->takes_argument ? 3 : 2) || *words[1] != '.')
		return refuse(err, "a function wants a field", words[0]);
	part = add_part(t, f->kind, err);
	if (!part)
		return -1;
	part->argument = f->takes_argument ? str_dup(words[2], err) : NULL;
	if (f->takes_argument && !part->argument)
		return -1;
	return set_path(part, words[1], fields, err);
}

static int parse(struct template *t, const char *text, const struct template_field *fields,
		 struct err *err)
{
	while (*text) {
		const char *open = strstr(text, "{{");
		size_t before = open ? (size_t)(open - text) : strlen(text);

		if (add_text(t, text, before, err) < 0)
			return -1;
		if (!open)
			return 0;
		const char *close = strstr(open, "}}");
		if (!close)
			return refuse(err, "'{{' is not closed", open);
		own_free char *action = str_dup_len(open + 2, (size_t)(close - open - 2), err);
		if (!action || add_action(t, action, fields, err) < 0)
			return -1;
		text = close + 2;
	}
	return 0;
}

struct template *template_parse(const char *text, const struct template_field *fields,
				struct err *err)
{
	own_template struct template *t = calloc(1, sizeof *t);

	if (!t) {
		err_set(err, ERR_LIMIT, ENOMEM, "--format");
		return NULL;
	}
	if (str_starts(text, "table ") || str_starts(text, "table\\t")) {
		t->is_table = true;
		text += str_starts(text, "table ") ? 6 : 7;
	}
	if (!strstr(text, "{{")) {
		refuse(err, "not a format", text);
		return NULL;
	}
	return parse(t, text, fields, err) < 0 ? NULL : take(t);
}

/* ---- rendering ---- */

static json_node member(const struct json *doc, json_node object, const char *name, size_t size)
{
	json_node n = json_type(doc, object) == JSON_OBJECT ? json_first(doc, object) : JSON_NONE;

	while (n != JSON_NONE && !is_same_name(name, size, json_key(doc, n)))
		n = json_next(doc, n);
	return n;
}

static bool is_container_of(const struct json *doc, json_node n)
{
	return json_type(doc, n) == JSON_OBJECT || json_type(doc, n) == JSON_ARRAY;
}

/* JSON_NONE: it has none. */
static json_node look_up(const struct json *doc, json_node n, const char *path)
{
	while (*path && n != JSON_NONE) {
		size_t size = strcspn(path, ".");

		n = member(doc, n, path, size);
		path += size + (path[size] == '.');
	}
	return n;
}

static void add_scrubbed(struct str *out, const char *text)
{
	size_t before = out->len;

	str_add(out, text);
	if (!out->failed)
		str_scrub(out->data + before);
}

static void add_value(const struct json *doc, json_node n, const char *separator, struct str *out)
{
	switch (json_type(doc, n)) {
	case JSON_NULL:
		break;
	case JSON_BOOL:
		str_add(out, json_bool(doc, n) ? "true" : "false");
		break;
	case JSON_NUMBER:
		str_add(out, json_number(doc, n));
		break;
	case JSON_STRING:
		add_scrubbed(out, json_string(doc, n));
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i)) {
			str_add(out, i == json_first(doc, n) ? "" : separator);
			if (json_key(doc, i)) {
				add_scrubbed(out, json_key(doc, i));
				str_add_char(out, '=');
			}
			add_value(doc, i, ",", out);
		}
		break;
	}
}

static void add_json(const struct json *doc, json_node n, struct str *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_write_node(&w, doc, n);
}

/* A member of an object, or what follows KEY= in a list. */
static void add_index(const struct json *doc, json_node n, const char *key, struct str *out)
{
	size_t size = strlen(key);

	for (json_node i = is_container_of(doc, n) ? json_first(doc, n) : JSON_NONE; i != JSON_NONE;
	     i = json_next(doc, i)) {
		const char *text = json_type(doc, i) == JSON_STRING ? json_string(doc, i) : "";

		if (json_key(doc, i) && strcmp(json_key(doc, i), key) == 0)
			add_value(doc, i, ",", out);
		else if (!json_key(doc, i) && str_starts(text, key) && text[size] == '=')
			add_scrubbed(out, text + size + 1);
	}
}

static void add_in_case(const struct json *doc, json_node n, int (*convert)(int), struct str *out)
{
	size_t before = out->len;

	add_value(doc, n, ",", out);
	for (size_t i = before; !out->failed && i < out->len; i++)
		out->data[i] = (char)convert((unsigned char)out->data[i]);
}

static void add_part_of(const struct part *part, const struct json *doc, json_node row,
			struct str *out)
{
	json_node n = look_up(doc, row, part->text);

	if (n == JSON_NONE && part->kind != PART_JSON)
		return;
	switch (part->kind) {
	case PART_JSON:
		n == JSON_NONE ? str_add(out, "null") : add_json(doc, n, out);
		break;
	case PART_UPPER:
		add_in_case(doc, n, toupper, out);
		break;
	case PART_LOWER:
		add_in_case(doc, n, tolower, out);
		break;
	case PART_INDEX:
		add_index(doc, n, part->argument, out);
		break;
	case PART_VALUE:
	case PART_JOIN:
	case PART_TEXT:
		add_value(doc, n, part->argument ? part->argument : ",", out);
		break;
	}
}

/* Does the beginning of `path` of that size fit "State.Health", or "Config.Labels.*", below which any name
 * does? */
static bool fits(const char *path, size_t size, const char *pattern)
{
	size_t length = strlen(pattern);

	if (str_ends(pattern, "*"))
		return size >= length && strncasecmp(path, pattern, length - 1) == 0;
	return size == length && strncasecmp(path, pattern, size) == 0;
}

/* Is it one that such documents only have sometimes, or one of names that are not ours? */
static bool may_be_absent(const struct template *t, const char *path, size_t size)
{
	for (size_t i = 0; t->sometimes && t->sometimes[i]; i++)
		if (fits(path, size, t->sometimes[i]))
			return true;
	return false;
}

static int no_field(const char *path, const char *why, struct err *err)
{
	err_set(err, ERR_USAGE, 0, "--format: there is no field '%.60s'%s", path, why);
	return err_hint(err, "--format json shows all of them");
}

/* Without a table of fields only the document tells whether there is such a thing. */
static int check_field(const struct template *t, const struct part *part, const struct json *doc,
		       json_node row, struct err *err)
{
	const char *path = part->text;
	json_node n = row;

	if (part->head || json_type(doc, row) != JSON_OBJECT)
		return 0;
	for (size_t at = 0; path[at];) {
		size_t size = strcspn(path + at, ".");
		json_node next = member(doc, n, path + at, size);

		if (json_type(doc, n) == JSON_ARRAY)
			return no_field(path, ", as that is a list", err);
		if (next == JSON_NONE)
			return may_be_absent(t, path, at + size) ? 0 : no_field(path, "", err);
		n = next;
		at += size + (path[at + size] == '.');
	}
	return 0;
}

int template_render(const struct template *t, const struct json *doc, json_node n, struct str *out,
		    struct err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct part *part = &t->parts[i];

		if (part->kind == PART_TEXT) {
			str_add(out, part->text);
			continue;
		}
		if (check_field(t, part, doc, n, err) < 0)
			return -1;
		add_part_of(part, doc, n, out);
	}
	return str_check(out, "the output", err);
}

/* ---- printing ---- */

static void render_heads(const struct template *t, struct str *out)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct part *part = &t->parts[i];

		if (part->kind == PART_TEXT)
			str_add(out, part->text);
		else
			add_scrubbed(out, part->head ? part->head : part->text);
	}
}

static size_t count_columns(const struct template *t)
{
	size_t columns = 1;

	for (size_t i = 0; i < t->count; i++)
		for (const char *p = t->parts[i].kind == PART_TEXT ? t->parts[i].text : ""; *p; p++)
			columns += *p == '\t';
	return columns;
}

/* Values have no tabs: they were scrubbed. */
static void add_cells(struct table *table, struct str *line)
{
	char *rest = line->data, *cell;

	while ((cell = strsep(&rest, "\t")))
		table_add(table, cell);
	str_reset(line);
}

static int print_table(const struct template *t, const struct json *doc, json_node array, FILE *out,
		       struct err *err)
{
	own(table) struct table table = TABLE_INIT(count_columns(t));
	own(str) struct str line = STR_INIT(VALUE_MAX);

	if (table.columns > COLUMNS_MAX)
		return err_set(err, ERR_USAGE, 0, "--format: more than %d columns", COLUMNS_MAX);
	render_heads(t, &line);
	if (str_check(&line, "the heading", err) < 0)
		return -1;
	add_cells(&table, &line);
	for (json_node n = json_first(doc, array); n != JSON_NONE; n = json_next(doc, n)) {
		if (template_render(t, doc, n, &line, err) < 0)
			return -1;
		add_cells(&table, &line);
	}
	return table_print(&table, out, err);
}

int template_print(const struct template *t, const struct json *doc, json_node array, FILE *out,
		   struct err *err)
{
	own(str) struct str line = STR_INIT(OUTPUT_MAX);

	if (t->is_table)
		return print_table(t, doc, array, out, err);
	for (json_node n = json_first(doc, array); n != JSON_NONE; n = json_next(doc, n)) {
		if (template_render(t, doc, n, &line, err) < 0)
			return -1;
		fprintf(out, "%s\n", line.data);
		str_reset(&line);
	}
	return 0;
}

bool template_is_table(const struct template *t)
{
	return t->is_table;
}

bool template_names(const char *format, const char *name)
{
	struct err ignored = ERR_INIT;
	own_template struct template *t = format ? template_parse(format, NULL, &ignored) : NULL;

	for (size_t i = 0; t && i < t->count; i++) {
		const struct part *part = &t->parts[i];

		if (part->kind != PART_TEXT &&
		    is_same_name(part->text, strcspn(part->text, "."), name))
			return true;
	}
	return false;
}

int template_check(const char *format, const struct template_field *fields, struct err *err)
{
	own_template struct template *t = NULL;

	if (!format || str_eq(format, "json") || str_eq(format, "table"))
		return 0;
	t = template_parse(format, fields, err);
	return t ? 0 : -1;
}

static int print_with(struct template *t, const char *const *sometimes, const struct str *text,
		      struct err *err)
{
	own_json struct json *doc = json_parse(text->data, text->len, "the list", err);

	t->sometimes = sometimes;
	return doc ? template_print(t, doc, 0, stdout, err) : -1;
}

int print_rows(const char *format, const char *fallback, const struct template_field *fields,
	       const struct str *text, struct err *err)
{
	own_template struct template *t = NULL;

	if (str_eq(format, "json")) {
		puts(text->data);
		return 0;
	}
	t = template_parse(!fallback || (format && !str_eq(format, "table")) ? format : fallback,
			   fields, err);
	return t ? print_with(t, NULL, text, err) : -1;
}

int print_document_rows(const char *format, const char *const *sometimes, const struct str *text,
			struct err *err)
{
	own_template struct template *t = NULL;

	if (str_eq(format, "json")) {
		puts(text->data);
		return 0;
	}
	t = template_parse(format, NULL, err);
	return t ? print_with(t, sometimes, text, err) : -1;
}
