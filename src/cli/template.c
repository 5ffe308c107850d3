/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates, run: see template.h. What is printed is built first, so that a mistake that shows only in the middle
 * leaves nothing half printed of that row.
 *
 * Who hands on a template by another is protected from what it may ask for: so many steps, so many bytes of
 * values and of output, and no deeper recursion than the parser allowed.
 */
#include "cli/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/template_internal.h"

#define VALUE_MAX ((size_t)16 << 20)
#define COLUMNS_MAX 16

/* ---- values ---- */

static int evaluate(struct template_run *r, int at, const struct value *dot, struct value *ret,
		    struct err *err);

static int count_step(struct template_run *r, struct err *err)
{
	if (++r->steps > TEMPLATE_STEPS_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: more than %d steps for one output",
			       TEMPLATE_STEPS_MAX);
	return 0;
}

/* The row's members by the names that the verb has for them. */
static int get_row_field(struct template_run *r, const struct value *row, const struct expr *e,
			 struct value *ret, struct err *err)
{
	const struct template_field *f = r->t->fields;

	while (f->name && !template_is_same_name(e->text, strlen(e->text), f->name))
		f++;
	if (!f->name)
		return template_unknown_field(r->t->fields, e->text, err);
	*ret = value_of_node(row->doc, template_member(row->doc, row->node, f->key));
	return 0;
}

static bool is_row(const struct template_run *r, const struct value *v)
{
	return v->kind == VALUE_NODE && v->doc == r->doc && v->node == r->root;
}

static int get_field(struct template_run *r, const struct expr *e, const struct value *dot,
		     struct value *ret, struct err *err)
{
	struct value of;

	if (evaluate(r, e->of, dot, &of, err) < 0)
		return -1;
	*ret = (struct value){.kind = VALUE_NONE};
	if (of.kind == VALUE_NONE)
		return 0;
	if (r->t->fields && is_row(r, &of))
		return get_row_field(r, &of, e, ret, err);
	if (of.kind == VALUE_NODE)
		*ret = value_of_node(of.doc, template_member(of.doc, of.node, e->text));
	return ret->kind == VALUE_NONE ? template_no_member(r, &of, e, err) : 0;
}

static struct template_variable *find_variable(struct template_run *r, const char *name)
{
	for (size_t i = r->variable_count; i > 0; i--)
		if (strcmp(r->variables[i - 1].name, name) == 0)
			return &r->variables[i - 1];
	return NULL;
}

static int get_variable(struct template_run *r, const char *name, struct value *ret,
			struct err *err)
{
	const struct template_variable *v = find_variable(r, name);

	if (!v)
		return err_set(err, ERR_USAGE, 0, "--format: there is no variable '$%.60s'", name);
	*ret = v->value;
	return 0;
}

/* The first one that decides, or the last one. */
static int call_and_or(struct template_run *r, const struct expr *e, const struct value *dot,
		       struct value *ret, struct err *err)
{
	bool is_or = *e->function->name == 'o';

	for (int at = e->of; at != NOTHING; at = r->t->exprs[at].next) {
		if (evaluate(r, at, dot, ret, err) < 0)
			return -1;
		if (value_is_true(ret) == is_or)
			break;
	}
	return 0;
}

static int call(struct template_run *r, const struct expr *e, const struct value *dot,
		struct value *ret, struct err *err)
{
	struct value arguments[TEMPLATE_ARGUMENTS_MAX];
	size_t count = 0;

	if (!e->function->call)
		return call_and_or(r, e, dot, ret, err);
	for (int at = e->of; at != NOTHING; at = r->t->exprs[at].next)
		if (evaluate(r, at, dot, &arguments[count++], err) < 0)
			return -1;
	return e->function->call(r, arguments, count, ret, err);
}

static int evaluate(struct template_run *r, int at, const struct value *dot, struct value *ret,
		    struct err *err)
{
	const struct expr *e = &r->t->exprs[at];

	if (count_step(r, err) < 0)
		return -1;
	switch (e->kind) {
	case EXPR_DOT:
		*ret = *dot;
		return 0;
	case EXPR_ROOT:
		*ret = value_of_node(r->doc, r->root);
		return 0;
	case EXPR_VARIABLE:
		return get_variable(r, e->text, ret, err);
	case EXPR_FIELD:
		return get_field(r, e, dot, ret, err);
	case EXPR_CALL:
		return call(r, e, dot, ret, err);
	case EXPR_STRING:
		*ret = (struct value){.kind = VALUE_TEXT, .text = e->text};
		return 0;
	case EXPR_INTEGER:
		*ret = value_of_integer(e->integer);
		return 0;
	case EXPR_REAL:
		*ret = (struct value){.kind = VALUE_REAL, .real = e->real};
		return 0;
	case EXPR_BOOL:
		*ret = value_of_bool(e->boolean);
		return 0;
	case EXPR_NIL:
		break;
	}
	*ret = (struct value){.kind = VALUE_NONE};
	return 0;
}

/* ---- parts ---- */

static int run_list(struct template_run *r, int first, const struct value *dot, struct str *out,
		    struct err *err);

static int set_variable(struct template_run *r, const char *name, const struct value *v,
			struct err *err)
{
	if (!name)
		return 0;
	if (r->variable_count == TEMPLATE_VARIABLES_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: more than %d variables",
			       TEMPLATE_VARIABLES_MAX);
	r->variables[r->variable_count++] = (struct template_variable){.name = name, .value = *v};
	return 0;
}

/* With a variable, it prints nothing. */
static int run_action(struct template_run *r, const struct part *part, const struct value *dot,
		      struct str *out, struct err *err)
{
	struct value v;

	if (evaluate(r, part->expr, dot, &v, err) < 0)
		return -1;
	if (part->assigns) {
		struct template_variable *known = find_variable(r, part->value);

		if (!known)
			return get_variable(r, part->value, &v, err);
		known->value = v;
	} else if (part->value) {
		return set_variable(r, part->value, &v, err);
	} else {
		value_print(&v, ",", out);
	}
	return 0;
}

static int run_if(struct template_run *r, const struct part *part, const struct value *dot,
		  struct str *out, struct err *err)
{
	struct value v;

	if (evaluate(r, part->expr, dot, &v, err) < 0 || set_variable(r, part->value, &v, err) < 0)
		return -1;
	if (!value_is_true(&v))
		return run_list(r, part->otherwise, dot, out, err);
	return run_list(r, part->body, part->kind == PART_WITH ? &v : dot, out, err);
}

static int run_item(struct template_run *r, const struct part *part, const struct json *doc,
		    json_node n, int64_t at, struct str *out, struct err *err)
{
	struct value item = value_of_node(doc, n), key = value_of_integer(at);
	size_t variables = r->variable_count;
	own(str) struct str name = STR_INIT(VALUE_MAX);

	if (part->key && json_key(doc, n)) {
		str_add(&name, json_key(doc, n));
		if (!name.failed)
			str_scrub(name.data);
		if (value_take_text(r, &name, &key, err) < 0)
			return -1;
	}
	if (count_step(r, err) < 0 || set_variable(r, part->key, &key, err) < 0 ||
	    set_variable(r, part->value, &item, err) < 0 ||
	    run_list(r, part->body, &item, out, err) < 0)
		return -1;
	r->variable_count = variables;
	if (r->leaves == LEAVES_ITEM)
		r->leaves = LEAVES_NOTHING;
	return str_check(out, "the output", err);
}

static int run_range(struct template_run *r, const struct part *part, const struct value *dot,
		     struct str *out, struct err *err)
{
	struct value v;
	int64_t at = 0;

	if (evaluate(r, part->expr, dot, &v, err) < 0)
		return -1;
	enum json_type type = value_type(&v);
	if (type != JSON_NULL && type != JSON_ARRAY && type != JSON_OBJECT)
		return err_set(err, ERR_USAGE, 0, "--format: range wants a list or an object");
	json_node n = type == JSON_NULL ? JSON_NONE : json_first(v.doc, v.node);
	if (n == JSON_NONE &&
	    (set_variable(r, part->key, &v, err) < 0 || set_variable(r, part->value, &v, err) < 0))
		return -1;
	if (n == JSON_NONE)
		return run_list(r, part->otherwise, dot, out, err);
	for (; n != JSON_NONE && !r->leaves; n = json_next(v.doc, n))
		if (run_item(r, part, v.doc, n, at++, out, err) < 0)
			return -1;
	r->leaves = LEAVES_NOTHING;
	return 0;
}

static int run_part(struct template_run *r, const struct part *part, const struct value *dot,
		    struct str *out, struct err *err)
{
	size_t variables = r->variable_count;
	int status = 0;

	if (count_step(r, err) < 0)
		return -1;
	switch (part->kind) {
	case PART_TEXT:
		str_add(out, part->text);
		return 0;
	case PART_ACTION:
		return run_action(r, part, dot, out, err);
	case PART_IF:
	case PART_WITH:
		status = run_if(r, part, dot, out, err);
		break;
	case PART_RANGE:
		status = run_range(r, part, dot, out, err);
		break;
	case PART_BREAK:
	case PART_CONTINUE:
		r->leaves = part->kind == PART_BREAK ? LEAVES_RANGE : LEAVES_ITEM;
		break;
	}
	r->variable_count = variables;
	return status;
}

/* What it declares is known to its end. */
static int run_list(struct template_run *r, int first, const struct value *dot, struct str *out,
		    struct err *err)
{
	size_t variables = r->variable_count;

	for (int at = first; at != NOTHING && !r->leaves; at = r->t->parts[at].next)
		if (run_part(r, &r->t->parts[at], dot, out, err) < 0)
			return -1;
	r->variable_count = variables;
	return 0;
}

int template_render(const struct template *t, const struct json *doc, json_node n, struct str *out,
		    struct err *err)
{
	own(template_run) struct template_run r = {.t = t, .doc = doc, .root = n};
	struct value row = value_of_node(doc, n);

	if (run_list(&r, t->first, &row, out, err) < 0)
		return -1;
	return str_check(out, "the output", err);
}

/* ---- printing ---- */

static void add_head_of(const struct template *t, int at, struct str *out)
{
	const struct expr *e = &t->exprs[at];

	if (e->kind == EXPR_FIELD) {
		add_head_of(t, e->of, out);
		if (e->field)
			str_add(out, e->field->head);
		else
			str_addf(out, "%s%s", t->exprs[e->of].kind == EXPR_FIELD ? "." : "",
				 e->text);
		return;
	}
	for (int i = e->kind == EXPR_CALL ? e->of : NOTHING; i != NOTHING; i = t->exprs[i].next) {
		size_t before = out->len;

		add_head_of(t, i, out);
		if (out->len > before)
			return;
	}
}

/* Of a condition what its first branch has, of a list what it is. */
static void add_heads(const struct template *t, int first, struct str *out)
{
	for (int at = first; at != NOTHING; at = t->parts[at].next) {
		const struct part *part = &t->parts[at];

		if (part->kind == PART_TEXT)
			str_add(out, part->text);
		else if (part->kind == PART_IF || part->kind == PART_WITH)
			add_heads(t, part->body, out);
		else if (part->expr != NOTHING && !(part->kind == PART_ACTION && part->value))
			add_head_of(t, part->expr, out);
	}
}

static size_t count_cells(const char *line)
{
	size_t cells = 1;

	for (; *line; line++)
		cells += *line == '\t';
	return cells;
}

/* A tab that is no column's end was scrubbed; what an action prints of its own may have some. */
static void add_cells(struct table *table, char *line)
{
	char *rest = line, *cell;

	for (size_t i = 0; i < table->columns; i++) {
		cell = rest ? strsep(&rest, "\t") : NULL;
		table_add(table, cell ? cell : "");
	}
}

static int render_lines(const struct template *t, const struct json *doc, json_node array,
			struct strv *lines, struct err *err)
{
	own(str) struct str line = STR_INIT(VALUE_MAX);

	add_heads(t, t->first, &line);
	if (str_check(&line, "the heading", err) < 0 || strv_add(lines, line.data, err) < 0)
		return -1;
	for (json_node n = json_first(doc, array); n != JSON_NONE; n = json_next(doc, n)) {
		str_reset(&line);
		if (template_render(t, doc, n, &line, err) < 0 ||
		    strv_add(lines, line.data, err) < 0)
			return -1;
	}
	return 0;
}

static int print_table(const struct template *t, const struct json *doc, json_node array, FILE *out,
		       struct err *err)
{
	own(strv) struct strv lines = STRV_INIT;
	size_t columns = 0;

	if (render_lines(t, doc, array, &lines, err) < 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++)
		if (count_cells(lines.items[i]) > columns)
			columns = count_cells(lines.items[i]);
	if (columns > COLUMNS_MAX)
		return err_set(err, ERR_USAGE, 0, "--format: more than %d columns", COLUMNS_MAX);
	own(table) struct table table = TABLE_INIT(columns);
	for (size_t i = 0; i < lines.count; i++)
		add_cells(&table, lines.items[i]);
	return table_print(&table, out, err);
}

int template_print(const struct template *t, const struct json *doc, json_node array, FILE *out,
		   struct err *err)
{
	own(str) struct str line = STR_INIT(TEMPLATE_OUTPUT_MAX);

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

/* Only what is looked for in the row itself counts. */
bool template_names(const char *format, const char *name)
{
	struct err ignored = ERR_INIT;
	own_template struct template *t = format ? template_parse(format, NULL, &ignored) : NULL;

	for (size_t i = 0; t && i < t->expr_count; i++) {
		const struct expr *e = &t->exprs[i];

		if (e->kind == EXPR_FIELD && e->of_row &&
		    template_is_same_name(e->text, strlen(e->text), name))
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

static int print_with(struct template *t, const struct template_absent *absent,
		      const struct str *text, struct err *err)
{
	own_json struct json *doc = json_parse(text->data, text->len, "the list", err);

	t->absent = absent;
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

int print_document_rows(const char *format, const struct template_absent *absent,
			const struct str *text, struct err *err)
{
	own_template struct template *t = NULL;

	if (str_eq(format, "json")) {
		puts(text->data);
		return 0;
	}
	t = template_parse(format, NULL, err);
	return t ? print_with(t, absent, text, err) : -1;
}
