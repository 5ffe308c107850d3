/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates, parsed: once, before anything is looked up, so that a mistake in one is told first.
 *
 * A template is a list of parts: text, actions, and blocks with lists of their own. An action is an expression: a
 * tree of calls, members and constants in an array of the template's. A pipeline is written as the calls that it
 * means: "a | f b" is "f b a".
 *
 * Text by anybody may come here (scripts hand on what they are given), so the depth and the number of everything is
 * bounded, and the recursion with them. A fuzzer has been at it (test/fuzz/fuzz_template.c).
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/template_internal.h"

#define TEXT_MAX ((size_t)16 << 20)
#define SPACE " \t\r\n"

struct parser {
	struct template *t;
	const char *at;	      /* in the template */
	const char *in, *end; /* in an action */
	const char *begin;    /* of that */
	bool trims;	      /* the text that follows */
	unsigned int depth;   /* of blocks */
	unsigned int moved;   /* blocks around us in which the dot is another */
	unsigned int ranges;  /* blocks around us that {{break}} can end */
	unsigned int parentheses;
	const char *variables[TEMPLATE_VARIABLES_MAX]; /* that are known here */
	size_t variable_count;
};

/* What ended a list of parts. */
enum ender { ENDER_NONE, ENDER_END, ENDER_ELSE };

int template_refuse(struct err *err, const char *why, const char *at)
{
	err_set(err, ERR_USAGE, 0, "--format: %s: '%.60s'", why, at);
	return err_hint(err, "json, or a template: {{.ID}} {{json .}} {{join .Labels \",\"}} "
			     "{{range .Mounts}}{{.Source}}{{end}}");
}

int template_unknown_field(const struct template_field *fields, const char *name, struct err *err)
{
	own(str) struct str all = STR_INIT(300);

	err_set(err, ERR_USAGE, 0, "--format: there is no field '%.60s'", name);
	for (const struct template_field *f = fields; f->name; f++)
		str_addf(&all, "%s%s", f == fields ? "" : ", ", f->name);
	return err_hint(err, "fields: %s", all.data);
}

/* Where nothing is left, it is all of the action that lacks something. */
static int refuse_here(const struct parser *p, const char *why, struct err *err)
{
	const char *at = p->in < p->end ? p->in : p->begin;
	own_free char *rest = str_dup_len(at, (size_t)(p->end - at), err);

	return rest ? template_refuse(err, why, rest) : -1;
}

static int add_part(struct parser *p, enum part_kind kind, struct err *err)
{
	struct template *t = p->t;

	if (t->part_count == TEMPLATE_PARTS_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: more than %d parts",
			       TEMPLATE_PARTS_MAX);
	t->parts[t->part_count] = (struct part){.kind = kind,
						.expr = NOTHING,
						.body = NOTHING,
						.otherwise = NOTHING,
						.next = NOTHING};
	return (int)t->part_count++;
}

static int add_expr(struct parser *p, enum expr_kind kind, struct err *err)
{
	struct template *t = p->t;

	if (t->expr_count == TEMPLATE_EXPRS_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: more than %d values and functions",
			       TEMPLATE_EXPRS_MAX);
	t->exprs[t->expr_count] = (struct expr){.kind = kind, .of = NOTHING, .next = NOTHING};
	return (int)t->expr_count++;
}

/* ---- expressions ---- */

static void skip_space(struct parser *p)
{
	while (p->in < p->end && strchr(SPACE, *p->in))
		p->in++;
}

static bool skips_space(struct parser *p)
{
	const char *before = p->in;

	skip_space(p);
	return p->in > before;
}

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

/* A word of letters and digits at `in`; its size. */
static size_t word_size(const struct parser *p)
{
	const char *c = p->in;

	if (c < p->end && is_letter(*c))
		while (c < p->end && (is_letter(*c) || isdigit((unsigned char)*c)))
			c++;
	return (size_t)(c - p->in);
}

static bool takes_word(struct parser *p, const char *word)
{
	size_t size = word_size(p);

	if (size != strlen(word) || strncmp(p->in, word, size) != 0)
		return false;
	p->in += size;
	skip_space(p);
	return true;
}

static int parse_pipeline(struct parser *p, struct err *err);

static int parse_string(struct parser *p, struct err *err)
{
	own(str) struct str text = STR_INIT(TEXT_MAX);
	const char *begin = p->in;
	char quote = *p->in++;
	int e;

	for (; p->in < p->end && *p->in != quote; p->in++) {
		char bytes[5] = {*p->in};
		size_t size = 0;

		if (quote == '"' && *p->in == '\\') {
			size = template_unescape(p->in + 1, p->end, bytes);
			if (!size)
				return refuse_here(p, "this is no escape", err);
		}
		str_add(&text, bytes);
		p->in += size;
	}
	if (p->in >= p->end) {
		p->in = begin;
		return refuse_here(p, "a quote is not closed", err);
	}
	p->in++;
	e = add_expr(p, EXPR_STRING, err);
	if (e < 0 || str_check(&text, "--format", err) < 0)
		return -1;
	p->t->exprs[e].text = str_dup(text.data, err);
	return p->t->exprs[e].text ? e : -1;
}

static int parse_number(struct parser *p, struct err *err)
{
	size_t size = template_number_size(p->in, p->end);
	int64_t integer;
	bool is_integer;
	double real;
	char text[64];

	if (size >= sizeof text)
		return refuse_here(p, "not a number", err);
	memcpy(text, p->in, size);
	text[size] = '\0';
	if (!template_number(text, &integer, &real, &is_integer))
		return refuse_here(p, "not a number", err);
	int e = add_expr(p, is_integer ? EXPR_INTEGER : EXPR_REAL, err);
	if (e < 0)
		return -1;
	p->t->exprs[e].integer = integer;
	p->t->exprs[e].real = real;
	p->in += size;
	return e;
}

/* A name from the table is one of the row. Where the dot is another, it turns out when it is looked up. */
static int check_field(const struct parser *p, struct expr *e, struct err *err)
{
	enum expr_kind of = p->t->exprs[e->of].kind;
	const struct template_field *f = p->t->fields;

	e->of_row = of == EXPR_ROOT || (of == EXPR_DOT && !p->moved);
	if (!f || !e->of_row)
		return 0;
	while (f->name && !template_is_same_name(e->text, strlen(e->text), f->name))
		f++;
	if (!f->name)
		return template_unknown_field(p->t->fields, e->text, err);
	e->field = f;
	return 0;
}

#define NAME_ENDS " \t\r\n()|\"`'.,$={}"

static int add_field(struct parser *p, int of, size_t size, struct err *err)
{
	int e = add_expr(p, EXPR_FIELD, err);

	if (e < 0)
		return -1;
	struct expr *field = &p->t->exprs[e];
	field->of = of;
	field->text = str_dup_len(p->in, size, err);
	if (!field->text || check_field(p, field, err) < 0)
		return -1;
	p->in += size;
	return e;
}

static size_t name_size(const struct parser *p)
{
	const char *c = p->in;

	while (c < p->end && *c && !strchr(NAME_ENDS, *c))
		c++;
	return (size_t)(c - p->in);
}

/* ".a.b" behind what it is of. */
static int parse_members(struct parser *p, int of, struct err *err)
{
	while (of >= 0 && p->in < p->end && *p->in == '.') {
		p->in++;
		size_t size = name_size(p);
		if (!size)
			return refuse_here(p, "no name behind the dot", err);
		of = add_field(p, of, size, err);
	}
	return of;
}

static int parse_dot(struct parser *p, struct err *err)
{
	int e = add_expr(p, EXPR_DOT, err);

	if (e < 0)
		return -1;
	p->in++;
	if (name_size(p) == 0)
		return e;
	p->in--;
	return parse_members(p, e, err);
}

static int check_variable(const struct parser *p, const char *name, struct err *err)
{
	for (size_t i = 0; i < p->variable_count; i++)
		if (strcmp(p->variables[i], name) == 0)
			return 0;
	err_set(err, ERR_USAGE, 0, "--format: there is no variable '$%.60s'", name);
	return err_hint(err, "{{$%.60s := .Field}} makes one, up to the end of its block", name);
}

static int declare(struct parser *p, const char *name, struct err *err)
{
	if (!name)
		return 0;
	if (p->variable_count == TEMPLATE_VARIABLES_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: more than %d variables",
			       TEMPLATE_VARIABLES_MAX);
	p->variables[p->variable_count++] = name;
	return 0;
}

static int parse_variable(struct parser *p, struct err *err)
{
	p->in++;
	size_t size = word_size(p);
	int e = add_expr(p, size ? EXPR_VARIABLE : EXPR_ROOT, err);

	if (e < 0)
		return -1;
	if (size) {
		char *name = str_dup_len(p->in, size, err);

		p->t->exprs[e].text = name;
		if (!name || check_variable(p, name, err) < 0)
			return -1;
	}
	p->in += size;
	return parse_members(p, e, err);
}

static int parse_parentheses(struct parser *p, struct err *err)
{
	if (++p->parentheses > TEMPLATE_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: more than %d parentheses",
			       TEMPLATE_DEPTH_MAX);
	p->in++;
	int e = parse_pipeline(p, err);
	if (e < 0)
		return -1;
	if (p->in >= p->end || *p->in != ')')
		return refuse_here(p, "a parenthesis is not closed", err);
	p->in++;
	p->parentheses--;
	return parse_members(p, e, err);
}

/* true, false, nil: 0, or how long it is. */
static size_t constant_size(const struct parser *p, enum expr_kind *ret_kind, bool *ret)
{
	static const struct {
		const char *word;
		enum expr_kind kind;
		bool value;
	} constants[] = {
		{"true", EXPR_BOOL, true}, {"false", EXPR_BOOL, false}, {"nil", EXPR_NIL, false}};
	size_t size = word_size(p);

	for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
		if (strlen(constants[i].word) != size ||
		    strncmp(p->in, constants[i].word, size) != 0)
			continue;
		*ret_kind = constants[i].kind;
		*ret = constants[i].value;
		return size;
	}
	return 0;
}

static int parse_function(struct parser *p, struct err *err)
{
	size_t size = word_size(p);
	const struct template_function *f = template_function(p->in, size);

	if (!f)
		return refuse_here(p, "neither a field nor a function", err);
	int e = add_expr(p, EXPR_CALL, err);
	if (e < 0)
		return -1;
	p->t->exprs[e].function = f;
	p->in += size;
	return e;
}

static int parse_word(struct parser *p, struct err *err)
{
	enum expr_kind kind;
	bool value;
	size_t size = constant_size(p, &kind, &value);

	if (!size)
		return parse_function(p, err);
	int e = add_expr(p, kind, err);
	if (e < 0)
		return -1;
	p->t->exprs[e].boolean = value;
	p->in += size;
	return e;
}

static int parse_operand(struct parser *p, struct err *err)
{
	char c = p->in < p->end ? *p->in : '\0';

	if (c == '(')
		return parse_parentheses(p, err);
	if (c == '.')
		return parse_dot(p, err);
	if (c == '$')
		return parse_variable(p, err);
	if (c == '"' || c == '`')
		return parse_string(p, err);
	if (c == '-' || c == '+' || isdigit((unsigned char)c))
		return parse_number(p, err);
	if (c == '\'')
		return refuse_here(p, "a text stands in double quotes or backquotes", err);
	if (!c || c == '|' || c == ')')
		return refuse_here(p, "a value is missing", err);
	return parse_word(p, err);
}

static bool is_over(const struct parser *p)
{
	return p->in >= p->end || *p->in == '|' || *p->in == ')';
}

static int check_count(const struct parser *p, int call, size_t count, struct err *err)
{
	const struct template_function *f = p->t->exprs[call].function;

	if (count >= f->min && count <= f->max)
		return 0;
	err_set(err, ERR_USAGE, 0, "--format: %s wants %zu%s value%s, not %zu", f->name, f->min,
		f->max > f->min ? " or more" : "", f->min == 1 && f->max == 1 ? "" : "s", count);
	return err_hint(err, "insula(1) has the functions");
}

/* A function among another's values is one that takes none. */
static int parse_argument(struct parser *p, struct err *err)
{
	bool is_name = word_size(p) > 0;
	int e = parse_operand(p, err);

	if (e < 0 || !is_name || p->t->exprs[e].kind != EXPR_CALL)
		return e;
	return check_count(p, e, 0, err) < 0 ? -1 : e;
}

/* One command of a pipeline; last: what comes from before the bar, or NOTHING. */
static int parse_command(struct parser *p, int last, struct err *err)
{
	bool is_name = word_size(p) > 0; /* and no call in parentheses, which has its values */
	int e = parse_operand(p, err), tail = NOTHING, next;
	size_t count = 0;

	if (e < 0)
		return -1;
	bool calls = is_name && p->t->exprs[e].kind == EXPR_CALL;
	bool apart = skips_space(p);
	while (!is_over(p) || last != NOTHING) {
		if (!calls)
			return refuse_here(p, "only a function takes values", err);
		if (!apart && !is_over(p))
			return refuse_here(p, "space is missing before", err);
		next = is_over(p) ? last : parse_argument(p, err);
		if (next < 0)
			return -1;
		last = next == last ? NOTHING : last;
		*(tail == NOTHING ? &p->t->exprs[e].of : &p->t->exprs[tail].next) = next;
		tail = next;
		count++;
		apart = skips_space(p);
	}
	return !calls || check_count(p, e, count, err) == 0 ? e : -1;
}

static int parse_pipeline(struct parser *p, struct err *err)
{
	int e = NOTHING;

	for (;;) {
		skip_space(p);
		e = parse_command(p, e, err);
		if (e < 0 || p->in >= p->end || *p->in != '|')
			return e;
		p->in++;
	}
}

/* ---- parts ---- */

/* "$name"; *ret NULL: there is none. */
static int take_name(struct parser *p, char **ret, struct err *err)
{
	const char *before = p->in;

	*ret = NULL;
	if (p->in >= p->end || *p->in != '$')
		return 0;
	p->in++;
	size_t size = word_size(p);
	if (!size) {
		p->in = before;
		return 0;
	}
	*ret = str_dup_len(p->in, size, err);
	p->in += size;
	skip_space(p);
	return *ret ? 0 : -1;
}

/* "$a, $b := " or "$a = " in front of a pipeline; where it is something else, nothing was read. */
static int parse_declaration(struct parser *p, struct part *part, struct err *err)
{
	own_free char *one = NULL, *two = NULL;
	const char *before = p->in;

	if (take_name(p, &one, err) < 0)
		return -1;
	if (one && part->kind == PART_RANGE && p->in < p->end && *p->in == ',') {
		p->in++;
		skip_space(p);
		if (take_name(p, &two, err) < 0)
			return -1;
	}
	bool declares = p->end - p->in >= 2 && p->in[0] == ':' && p->in[1] == '=';
	bool assigns = !declares && p->in < p->end && *p->in == '=' && part->kind == PART_ACTION;
	if (!one || !(declares || assigns)) {
		p->in = before;
		return 0;
	}
	p->in += declares ? 2 : 1;
	part->assigns = assigns;
	part->key = two ? take(one) : NULL;
	part->value = two ? take(two) : take(one);
	return 0;
}

/* The rest of the action is a pipeline, maybe with variables in front. */
static int parse_subject(struct parser *p, int at, struct err *err)
{
	struct part *part = &p->t->parts[at];

	skip_space(p);
	if (parse_declaration(p, part, err) < 0)
		return -1;
	skip_space(p);
	if (p->begin == p->end)
		return template_refuse(err, "neither a field nor a function", "{{}}");
	part->expr = parse_pipeline(p, err);
	if (part->expr < 0)
		return -1;
	if (p->in < p->end)
		return refuse_here(p, "what is this", err);
	if (part->assigns)
		return check_variable(p, part->value, err);
	return declare(p, part->key, err) < 0 ? -1 : declare(p, part->value, err);
}

/* Text has escapes, as it comes from a shell. */
static void add_unescaped(struct str *out, const char *text, size_t size)
{
	static const char names[] = "tn\\", bytes[] = "\t\n\\";

	for (size_t i = 0; i < size; i++) {
		const char *escape = text[i] == '\\' && i + 1 < size && text[i + 1]
					     ? strchr(names, text[i + 1])
					     : NULL;

		str_add_char(out, escape ? bytes[escape - names] : text[i]);
		i += escape != NULL;
	}
}

static int add_text(struct parser *p, const char *text, size_t size, bool trim_end, int **link,
		    struct err *err)
{
	own(str) struct str out = STR_INIT(TEXT_MAX);

	add_unescaped(&out, text, size);
	if (str_check(&out, "--format", err) < 0)
		return -1;
	const char *begin = out.data + (p->trims ? strspn(out.data, SPACE) : 0);
	size_t length = out.len - (size_t)(begin - out.data);
	while (trim_end && length && strchr(SPACE, begin[length - 1]))
		length--;
	if (!length)
		return 0;
	int part = add_part(p, PART_TEXT, err);
	if (part < 0)
		return -1;
	p->t->parts[part].text = str_dup_len(begin, length, err);
	**link = part;
	*link = &p->t->parts[part].next;
	return p->t->parts[part].text ? 0 : -1;
}

/* Where the action's braces are closed; quoted ones are none. */
static const char *find_close(const char *in)
{
	if (str_starts(in, "/*") || str_starts(in, "- /*")) {
		const char *end = strstr(in + 2, "*/");

		return end ? strstr(end, "}}") : NULL;
	}
	for (char quote = '\0'; *in; in++) {
		if (quote && *in == '\\' && quote == '"' && in[1])
			in++;
		else if (quote)
			quote = *in == quote ? '\0' : quote;
		else if (*in == '"' || *in == '`')
			quote = *in;
		else if (in[0] == '}' && in[1] == '}')
			return in;
	}
	return NULL;
}

static const char *why_open(const char *in)
{
	if (str_starts(in, "/*") || str_starts(in, "- /*"))
		return "a comment is not closed";
	return strstr(in, "}}") ? "a quote is not closed" : "'{{' is not closed";
}

/* The text up to the next action, and the action's bounds: 1; 0: there is none. */
static int next_action(struct parser *p, int **link, struct err *err)
{
	const char *open = strstr(p->at, "{{");
	size_t before = open ? (size_t)(open - p->at) : strlen(p->at);
	bool trims = open && open[2] == '-' && open[3] && strchr(SPACE, open[3]);

	if (add_text(p, p->at, before, trims, link, err) < 0)
		return -1;
	p->trims = false;
	p->at += before;
	if (!open)
		return 0;
	const char *close = find_close(open + 2);
	if (!close)
		return template_refuse(err, why_open(open + 2), open);
	p->in = open + 2 + trims;
	p->end = close;
	p->at = close + 2;
	if (p->end - p->in >= 2 && p->end[-1] == '-' && strchr(SPACE, p->end[-2])) {
		p->trims = true;
		p->end--;
	}
	while (p->end > p->in && strchr(SPACE, p->end[-1]))
		p->end--;
	skip_space(p);
	p->begin = p->in;
	return 1;
}

static int parse_list(struct parser *p, int *ret_first, enum ender *ret_ender, struct err *err);

/* What follows {{else}}: an {{else if}} is a block of its own, which takes the {{end}} of all. */
static int parse_else(struct parser *p, int part, struct err *err);

static int parse_body(struct parser *p, int part, enum ender *ret_ender, struct err *err)
{
	bool moves = p->t->parts[part].kind != PART_IF;
	bool repeats = p->t->parts[part].kind == PART_RANGE;

	p->moved += moves;
	p->ranges += repeats;
	if (parse_list(p, &p->t->parts[part].body, ret_ender, err) < 0)
		return -1;
	p->moved -= moves;
	p->ranges -= repeats;
	return 0;
}

static int parse_block(struct parser *p, int part, struct err *err)
{
	own_free char *head = str_dup_len(p->begin, (size_t)(p->end - p->begin), err);
	size_t variables = p->variable_count;
	enum ender ender;

	if (!head || parse_subject(p, part, err) < 0)
		return -1;
	if (++p->depth > TEMPLATE_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: blocks are more than %d deep",
			       TEMPLATE_DEPTH_MAX);
	if (parse_body(p, part, &ender, err) < 0)
		return -1;
	if (ender == ENDER_ELSE && parse_else(p, part, err) < 0)
		return -1;
	p->depth--;
	p->variable_count = variables;
	return ender == ENDER_NONE ? template_refuse(err, "a block has no {{end}}", head) : 0;
}

static bool block_kind(struct parser *p, enum part_kind *ret)
{
	static const struct {
		const char *word;
		enum part_kind kind;
	} blocks[] = {{"if", PART_IF}, {"with", PART_WITH}, {"range", PART_RANGE}};

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
		if (takes_word(p, blocks[i].word)) {
			*ret = blocks[i].kind;
			return true;
		}
	return false;
}

static int parse_else(struct parser *p, int part, struct err *err)
{
	enum part_kind kind;
	enum ender ender;

	if (p->in < p->end) {
		if (!block_kind(p, &kind) || kind == PART_RANGE)
			return refuse_here(p, "else takes nothing but if and with", err);
		int inner = add_part(p, kind, err);
		if (inner < 0)
			return -1;
		p->t->parts[part].otherwise = inner;
		return parse_block(p, inner, err);
	}
	if (parse_list(p, &p->t->parts[part].otherwise, &ender, err) < 0)
		return -1;
	if (ender == ENDER_ELSE)
		return template_refuse(err, "a block has one of them at most", "else");
	return ender == ENDER_END ? 0 : template_refuse(err, "a block has no {{end}}", "else");
}

static bool is_comment(const struct parser *p)
{
	return p->end - p->in >= 2 && p->in[0] == '/' && p->in[1] == '*';
}

/* {{break}} and {{continue}} */
static int parse_leave(struct parser *p, int **link, struct err *err)
{
	enum part_kind kind = *p->begin == 'b' ? PART_BREAK : PART_CONTINUE;

	if (p->in < p->end)
		return refuse_here(p, "nothing belongs behind break and continue", err);
	if (!p->ranges)
		return refuse_here(p, "there is no range around it", err);
	int part = add_part(p, kind, err);
	if (part < 0)
		return -1;
	**link = part;
	*link = &p->t->parts[part].next;
	return 0;
}

static int parse_action(struct parser *p, int **link, struct err *err)
{
	enum part_kind kind = PART_ACTION;
	bool is_block;
	int part;

	if (is_comment(p))
		return strstr(p->in + 2, "*/") == p->end - 2
			       ? 0
			       : refuse_here(p, "a comment is all that its braces have", err);
	if (takes_word(p, "break") || takes_word(p, "continue"))
		return parse_leave(p, link, err);
	is_block = block_kind(p, &kind);
	part = add_part(p, kind, err);
	if (part < 0)
		return -1;
	**link = part;
	*link = &p->t->parts[part].next;
	return is_block ? parse_block(p, part, err) : parse_subject(p, part, err);
}

static int parse_list(struct parser *p, int *ret_first, enum ender *ret_ender, struct err *err)
{
	int *link = ret_first, more;
	size_t variables = p->variable_count;

	*ret_ender = ENDER_NONE;
	while ((more = next_action(p, &link, err)) > 0) {
		bool ends = takes_word(p, "end");

		if (ends && p->in < p->end)
			return refuse_here(p, "end takes nothing", err);
		if (ends || takes_word(p, "else")) {
			*ret_ender = ends ? ENDER_END : ENDER_ELSE;
			p->variable_count = variables;
			return p->depth ? 0
					: template_refuse(err, "there is no block",
							  ends ? "end" : "else");
		}
		if (parse_action(p, &link, err) < 0)
			return -1;
	}
	return more;
}

/* "table", and space behind it, which may be written as it is in text. */
static const char *skip_table(const char *text, bool *ret_is_table)
{
	const char *rest = text + strlen("table");

	*ret_is_table = str_starts(text, "table") &&
			((*rest && strchr(" \t{", *rest)) || str_starts(rest, "\\t"));
	if (!*ret_is_table)
		return text;
	while (*rest == ' ' || *rest == '\t' || str_starts(rest, "\\t"))
		rest += *rest == '\\' ? 2 : 1;
	return rest;
}

struct template *template_parse(const char *text, const struct template_field *fields,
				struct err *err)
{
	own_template struct template *t = calloc(1, sizeof *t);
	struct parser p = {.t = t};
	enum ender ender;

	if (!t) {
		err_set(err, ERR_LIMIT, ENOMEM, "--format");
		return NULL;
	}
	t->fields = fields;
	t->first = NOTHING;
	text = skip_table(text, &t->is_table);
	if (!strstr(text, "{{")) {
		template_refuse(err, "not a format", text);
		return NULL;
	}
	p.at = text;
	return parse_list(&p, &t->first, &ender, err) < 0 ? NULL : take(t);
}

void template_free(struct template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->part_count; i++) {
		free(t->parts[i].text);
		free(t->parts[i].key);
		free(t->parts[i].value);
	}
	for (size_t i = 0; i < t->expr_count; i++)
		free(t->exprs[i].text);
	free(t);
}
