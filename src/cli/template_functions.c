/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions of templates: those of text/template that make sense of a document, and docker's and podman's own
 * (json, upper, lower, title, join, split, truncate, pad). As there, a comparison of what cannot be compared and an
 * index that is not there are errors; but what a document has not is no error where it is only looked at.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/template_internal.h"

#define MADE_MAX ((size_t)16 << 20)
#define WIDTH_MAX 1000

#define CALL(name_) \
	static int call_##name_(struct template_run *r, const struct value *v, size_t count, \
				struct value *ret, struct err *err)

static int text_of(struct template_run *r, const struct value *v, struct value *ret,
		   struct err *err)
{
	own(str) struct str text = STR_INIT(MADE_MAX);

	value_print(v, ",", &text);
	return value_take_text(r, &text, ret, err);
}

/* A string of the document as it is, for whoever compares: not to be printed. NULL: it is no string. */
static const char *string_in(const struct value *v)
{
	if (v->kind == VALUE_TEXT)
		return v->text;
	return v->kind == VALUE_NODE && json_type(v->doc, v->node) == JSON_STRING
		       ? json_string(v->doc, v->node)
		       : NULL;
}

/* The same, to be printed: a value of the document without its control characters. 1; 0: it is no string. */
static int text_in(struct template_run *r, const struct value *v, const char **ret, struct err *err)
{
	struct value text = *v;

	*ret = NULL;
	if (!string_in(v))
		return 0;
	if (v->kind == VALUE_NODE && text_of(r, v, &text, err) < 0)
		return -1;
	*ret = text.text;
	return 1;
}

/* 1; 0: it is no whole number. */
static int integer_in(const struct value *v, int64_t *ret)
{
	struct err ignored = ERR_INIT;

	if (v->kind == VALUE_INTEGER)
		*ret = v->integer;
	return v->kind == VALUE_INTEGER ||
	       (v->kind == VALUE_NODE && json_type(v->doc, v->node) == JSON_NUMBER &&
		json_i64(v->doc, v->node, ret, &ignored) == 0);
}

static double real_in(const struct value *v)
{
	if (v->kind == VALUE_NODE)
		return strtod(json_number(v->doc, v->node), NULL);
	return v->kind == VALUE_REAL ? v->real : (double)v->integer;
}

static int wants(const char *function, const char *what, struct err *err)
{
	return err_set(err, ERR_USAGE, 0, "--format: %s wants %s", function, what);
}

static bool is_container_value(const struct value *v)
{
	return value_type(v) == JSON_ARRAY || value_type(v) == JSON_OBJECT;
}

/* ---- text ---- */

static void print_json(const struct value *v, struct str *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	if (v->kind == VALUE_NODE)
		json_write_node(&w, v->doc, v->node);
	else if (v->kind == VALUE_TEXT)
		json_write_string(&w, v->text);
	else if (v->kind == VALUE_NONE)
		str_add(out, "null");
	else
		value_print(v, ",", out);
}

CALL(json)
{
	own(str) struct str text = STR_INIT(MADE_MAX);

	print_json(v, &text);
	return value_take_text(r, &text, ret, err);
}

static int convert(struct template_run *r, const struct value *v, int (*how)(int), bool only_first,
		   struct value *ret, struct err *err)
{
	own(str) struct str text = STR_INIT(MADE_MAX);
	bool in_word = false;

	value_print(v, ",", &text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (!only_first || !in_word)
			text.data[i] = (char)how(c);
		in_word = !isspace(c);
	}
	return value_take_text(r, &text, ret, err);
}

CALL(upper)
{
	return convert(r, v, toupper, false, ret, err);
}

CALL(lower)
{
	return convert(r, v, tolower, false, ret, err);
}

CALL(title)
{
	return convert(r, v, toupper, true, ret, err);
}

CALL(join)
{
	own(str) struct str text = STR_INIT(MADE_MAX);
	const char *separator;
	int known = text_in(r, &v[1], &separator, err);

	if (known <= 0)
		return known < 0 ? -1 : wants("join", "a list and a text", err);
	value_print(&v[0], separator, &text);
	return value_take_text(r, &text, ret, err);
}

static size_t letter_size(const char *text)
{
	size_t size = 1;

	while ((text[size] & 0xc0) == 0x80)
		size++;
	return size;
}

/* By nothing: every letter. */
CALL(split)
{
	own(str) struct str all = STR_INIT(MADE_MAX);
	const char *by = string_in(&v[1]), *at, *end;
	struct json_writer w;
	struct value text;

	if (!by)
		return wants("split", "a text, and where it is split", err);
	if (text_of(r, &v[0], &text, err) < 0)
		return -1;
	json_writer_init(&w, &all, 0);
	json_write_array(&w);
	at = text.text;
	for (bool more = *by || *at; more; at = end + strlen(by)) {
		end = *by ? strstr(at, by) : at + letter_size(at);
		own_free char *piece = end ? str_dup_len(at, (size_t)(end - at), err)
					   : str_dup(at, err);

		if (!piece)
			return -1;
		json_write_string(&w, piece);
		if (!end)
			break;
		more = *by || *end;
	}
	json_write_end(&w, ']');
	return value_take_json(r, &all, ret, err);
}

CALL(truncate)
{
	own(str) struct str text = STR_INIT(MADE_MAX);
	int64_t most;

	if (!integer_in(&v[1], &most) || most < 0)
		return wants("truncate", "a text and a number of letters", err);
	value_print(&v[0], ",", &text);
	size_t size = 0;
	while (text.data[size] && most-- > 0)
		size += letter_size(text.data + size);
	if (size < text.len) {
		text.len = size;
		text.data[size] = '\0';
	}
	return value_take_text(r, &text, ret, err);
}

static void add_spaces(struct str *out, int64_t count)
{
	while (count-- > 0)
		str_add_char(out, ' ');
}

CALL(pad)
{
	own(str) struct str text = STR_INIT(MADE_MAX);
	int64_t before, after;

	if (!integer_in(&v[1], &before) || !integer_in(&v[2], &after) || before > WIDTH_MAX ||
	    after > WIDTH_MAX)
		return wants("pad", "a text, and two numbers up to 1000", err);
	add_spaces(&text, before);
	value_print(&v[0], ",", &text);
	add_spaces(&text, after);
	return value_take_text(r, &text, ret, err);
}

/* A space between two of which neither is a text; with `line`, between all. */
static int print_all(struct template_run *r, const struct value *v, size_t count, bool line,
		     struct value *ret, struct err *err)
{
	own(str) struct str text = STR_INIT(MADE_MAX);

	for (size_t i = 0; i < count; i++) {
		if (i && (line || (!string_in(&v[i - 1]) && !string_in(&v[i]))))
			str_add_char(&text, ' ');
		value_print(&v[i], ",", &text);
	}
	if (line)
		str_add_char(&text, '\n');
	return value_take_text(r, &text, ret, err);
}

CALL(print)
{
	return print_all(r, v, count, false, ret, err);
}

CALL(println)
{
	return print_all(r, v, count, true, ret, err);
}

/* ---- printf ---- */

struct directive {
	bool left, zero, plus;
	int width, precision; /* -1: none */
	char verb;
};

static int read_number(const char **at)
{
	int n = 0;

	while (isdigit((unsigned char)**at) && n <= WIDTH_MAX)
		n = 10 * n + *(*at)++ - '0';
	return n;
}

/* What follows a '%'. */
static int read_directive(const char **at, struct directive *d, struct err *err)
{
	*d = (struct directive){.precision = -1};
	for (; **at && strchr("-+0 #", **at); (*at)++) {
		d->left |= **at == '-';
		d->zero |= **at == '0';
		d->plus |= **at == '+';
	}
	d->width = read_number(at);
	if (**at == '.') {
		(*at)++;
		d->precision = read_number(at);
	}
	d->verb = **at;
	if (d->width > WIDTH_MAX || d->precision > WIDTH_MAX)
		return err_set(err, ERR_USAGE, 0, "--format: printf: a width is at most %d",
			       WIDTH_MAX);
	if (!d->verb || !strchr("svqdxXfgt%", d->verb)) {
		err_set(err, ERR_USAGE, 0, "--format: printf does not know '%%%.1s'", *at);
		return err_hint(err, "%%s %%v %%q %%d %%x %%f %%g %%t and %%%%");
	}
	(*at)++;
	return 0;
}

static int add_number(const struct directive *d, const struct value *v, struct str *out,
		      struct err *err)
{
	int64_t n = 0;
	char text[2 * WIDTH_MAX];

	if (value_type(v) != JSON_NUMBER || (strchr("dxX", d->verb) && !integer_in(v, &n))) {
		snprintf(text, sizeof text, "a number for %%%c", d->verb);
		return wants("printf", text, err);
	}
	if (d->verb == 'd')
		snprintf(text, sizeof text, d->plus ? "%+lld" : "%lld", (long long)n);
	else if (d->verb == 'f')
		snprintf(text, sizeof text, "%.*f", d->precision < 0 ? 6 : d->precision,
			 real_in(v));
	else if (d->verb == 'g')
		snprintf(text, sizeof text, "%g", real_in(v));
	else
		snprintf(text, sizeof text, d->verb == 'x' ? "%s%llx" : "%s%llX", n < 0 ? "-" : "",
			 n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n);
	str_add(out, text);
	return 0;
}

static int add_converted(const struct directive *d, const struct value *v, struct str *out,
			 struct err *err)
{
	if (d->verb == 'q') {
		own(str) struct str text = STR_INIT(MADE_MAX);
		struct json_writer w;

		value_print(v, ",", &text);
		json_writer_init(&w, out, 0);
		json_write_string(&w, text.data);
		return str_check(&text, "--format", err);
	}
	if (strchr("dxXfg", d->verb))
		return add_number(d, v, out, err);
	if (d->verb == 't' && value_type(v) != JSON_BOOL)
		return wants("printf", "true or false for %t", err);
	value_print(v, ",", out);
	return 0;
}

/* In letters. */
static int64_t width_of(const char *text)
{
	int64_t n = 0;

	for (; *text; text += letter_size(text))
		n++;
	return n;
}

static int add_directive(const struct directive *d, const struct value *v, struct str *out,
			 struct err *err)
{
	own(str) struct str text = STR_INIT(MADE_MAX);
	int64_t missing;

	if (add_converted(d, v, &text, err) < 0 || str_check(&text, "--format", err) < 0)
		return -1;
	missing = d->width - width_of(text.data);
	bool zero = d->zero && !d->left && value_type(v) == JSON_NUMBER;
	const char *rest = text.data;
	if (zero && *rest == '-')
		str_add_char(out, *rest++);
	for (; !d->left && missing > 0; missing--)
		str_add_char(out, zero ? '0' : ' ');
	if (d->precision >= 0 && strchr("sv", d->verb) && string_in(v))
		for (int i = 0; i < d->precision && *rest; i++) {
			size_t size = letter_size(rest);

			str_add_len(out, rest, size);
			rest += size;
		}
	else
		str_add(out, rest);
	add_spaces(out, d->left ? missing : 0);
	return 0;
}

CALL(printf)
{
	own(str) struct str out = STR_INIT(MADE_MAX);
	struct directive d;
	size_t next = 1;
	const char *at;
	int known = text_in(r, &v[0], &at, err);

	if (known <= 0)
		return known < 0 ? -1 : wants("printf", "a text with its %s first", err);
	while (*at) {
		if (*at != '%') {
			str_add_char(&out, *at++);
			continue;
		}
		at++;
		if (read_directive(&at, &d, err) < 0)
			return -1;
		if (d.verb == '%') {
			str_add_char(&out, '%');
			continue;
		}
		if (next == count)
			return wants("printf", "a value for each %", err);
		if (add_directive(&d, &v[next++], &out, err) < 0)
			return -1;
	}
	if (next < count)
		return wants("printf", "a % for each value", err);
	return value_take_text(r, &out, ret, err);
}

/* ---- containers ---- */

CALL(len)
{
	const char *text = string_in(v);

	if (text)
		*ret = value_of_integer((int64_t)strlen(text));
	else if (is_container_value(v))
		*ret = value_of_integer((int64_t)json_count(v->doc, v->node));
	else if (v->kind == VALUE_NONE || value_type(v) == JSON_NULL)
		*ret = value_of_integer(0);
	else
		return wants("len", "a list, an object or a text", err);
	return 0;
}

static json_node item(const struct json *doc, json_node array, int64_t at)
{
	json_node n = json_first(doc, array);

	while (n != JSON_NONE && at-- > 0)
		n = json_next(doc, n);
	return n;
}

/* What follows KEY= in a list: environment, labels. */
static int index_pair(struct template_run *r, const struct value *of, const char *key,
		      struct value *ret, struct err *err)
{
	own(str) struct str text = STR_INIT(MADE_MAX);
	size_t size = strlen(key);

	*ret = (struct value){.kind = VALUE_NONE};
	for (json_node i = json_first(of->doc, of->node); i != JSON_NONE;
	     i = json_next(of->doc, i)) {
		const char *pair = json_type(of->doc, i) == JSON_STRING ? json_string(of->doc, i)
									: "";

		if (!str_starts(pair, key) || pair[size] != '=')
			continue;
		str_reset(&text);
		str_add(&text, pair + size + 1);
		if (!text.failed)
			str_scrub(text.data);
		return value_take_text(r, &text, ret, err);
	}
	return 0;
}

static int index_list(struct template_run *r, const struct value *of, const struct value *key,
		      struct value *ret, struct err *err)
{
	size_t count = json_count(of->doc, of->node);
	int64_t at;

	if (string_in(key))
		return index_pair(r, of, string_in(key), ret, err);
	if (!integer_in(key, &at))
		return wants("index", "a number, or the KEY of KEY=VALUE, of a list", err);
	if (at < 0 || (uint64_t)at >= count)
		return err_set(err, ERR_USAGE, 0,
			       "--format: index: there is no item %lld in a list of %zu",
			       (long long)at, count);
	*ret = value_of_node(of->doc, item(of->doc, of->node, at));
	return 0;
}

static int index_one(struct template_run *r, const struct value *of, const struct value *key,
		     struct value *ret, struct err *err)
{
	enum json_type type = value_type(of);

	if (type == JSON_ARRAY)
		return index_list(r, of, key, ret, err);
	if (type == JSON_NULL && string_in(key)) {
		*ret = (struct value){.kind = VALUE_NONE};
		return 0;
	}
	if (type == JSON_NULL)
		return err_set(err, ERR_USAGE, 0, "--format: index: there is no list to look in");
	if (type != JSON_OBJECT || !string_in(key))
		return wants("index", "an object and a text, or a list and a number", err);
	*ret = value_of_node(of->doc, json_get(of->doc, of->node, string_in(key)));
	return 0;
}

CALL(index)
{
	struct value at = v[0];

	for (size_t i = 1; i < count; i++) {
		struct value of = at;

		if (index_one(r, &of, &v[i], &at, err) < 0)
			return -1;
	}
	*ret = at;
	return 0;
}

static int slice_list(struct template_run *r, const struct value *v, int64_t from, int64_t to,
		      struct value *ret, struct err *err)
{
	own(str) struct str all = STR_INIT(MADE_MAX);
	json_node n = item(v->doc, v->node, from);
	struct json_writer w;

	json_writer_init(&w, &all, 0);
	json_write_array(&w);
	for (; n != JSON_NONE && from < to; n = json_next(v->doc, n), from++)
		json_write_node(&w, v->doc, n);
	json_write_end(&w, ']');
	return value_take_json(r, &all, ret, err);
}

CALL(slice)
{
	bool is_list = value_type(v) == JSON_ARRAY;
	struct value text = {0};
	int64_t from = 0, to;

	if (!is_list && !string_in(v))
		return wants("slice", "a list or a text", err);
	if (!is_list && text_of(r, v, &text, err) < 0)
		return -1;
	int64_t length = is_list ? (int64_t)json_count(v->doc, v->node)
				 : (int64_t)strlen(text.text);
	to = length;
	if ((count > 1 && !integer_in(&v[1], &from)) || (count > 2 && !integer_in(&v[2], &to)))
		return wants("slice", "numbers: from where, and up to where", err);
	if (from < 0 || to > length || from > to)
		return err_set(err, ERR_USAGE, 0,
			       "--format: slice: there is no %lld to %lld of %lld", (long long)from,
			       (long long)to, (long long)length);
	if (is_list)
		return slice_list(r, v, from, to, ret, err);
	own(str) struct str part = STR_INIT(MADE_MAX);
	str_add_len(&part, text.text + from, (size_t)(to - from));
	if (!part.failed)
		str_scrub(part.data); /* of a letter that was cut */
	return value_take_text(r, &part, ret, err);
}

/* ---- comparisons ---- */

/* *ret: below, at or above 0, as of strcmp(3). */
static int compare(const char *name, const struct value *a, const struct value *b, int *ret,
		   struct err *err)
{
	const char *x = string_in(a), *y = string_in(b);
	int64_t m, n;

	if (x && y)
		*ret = strcmp(x, y);
	else if (value_type(a) == JSON_NUMBER && value_type(b) == JSON_NUMBER &&
		 integer_in(a, &m) && integer_in(b, &n))
		*ret = (m > n) - (m < n);
	else if (value_type(a) == JSON_NUMBER && value_type(b) == JSON_NUMBER)
		*ret = (real_in(a) > real_in(b)) - (real_in(a) < real_in(b));
	else
		return wants(name, "two numbers, or two texts", err);
	return 0;
}

static int is_equal(const struct value *a, const struct value *b, bool *ret, struct err *err)
{
	bool nothing[] = {value_type(a) == JSON_NULL, value_type(b) == JSON_NULL};
	int order = 0;

	if (nothing[0] || nothing[1]) {
		*ret = nothing[0] && nothing[1];
		return 0;
	}
	if (value_type(a) == JSON_BOOL && value_type(b) == JSON_BOOL) {
		*ret = value_is_true(a) == value_is_true(b);
		return 0;
	}
	if (compare("a comparison", a, b, &order, err) < 0)
		return -1;
	*ret = order == 0;
	return 0;
}

/* Equal to one of the others. */
CALL(eq)
{
	bool equal = false;

	for (size_t i = 1; i < count && !equal; i++)
		if (is_equal(&v[0], &v[i], &equal, err) < 0)
			return -1;
	*ret = value_of_bool(equal);
	return 0;
}

CALL(ne)
{
	bool equal = false;

	if (is_equal(&v[0], &v[1], &equal, err) < 0)
		return -1;
	*ret = value_of_bool(!equal);
	return 0;
}

#define ORDER(name_, test_) \
	CALL(name_) \
	{ \
		int order = 0; \
\
		if (compare(#name_, &v[0], &v[1], &order, err) < 0) \
			return -1; \
		*ret = value_of_bool(order test_ 0); \
		return 0; \
	}

ORDER(lt, <)
ORDER(le, <=)
ORDER(gt, >)
ORDER(ge, >=)

CALL(not )
{
	*ret = value_of_bool(!value_is_true(v));
	return 0;
}

static const struct template_function functions[] = {
	{"json", 1, 1, call_json},
	{"upper", 1, 1, call_upper},
	{"lower", 1, 1, call_lower},
	{"title", 1, 1, call_title},
	{"join", 2, 2, call_join},
	{"split", 2, 2, call_split},
	{"truncate", 2, 2, call_truncate},
	{"pad", 3, 3, call_pad},
	{"print", 0, TEMPLATE_ARGUMENTS_MAX, call_print},
	{"println", 0, TEMPLATE_ARGUMENTS_MAX, call_println},
	{"printf", 1, TEMPLATE_ARGUMENTS_MAX, call_printf},
	{"len", 1, 1, call_len},
	{"index", 2, TEMPLATE_ARGUMENTS_MAX, call_index},
	{"slice", 1, 3, call_slice},
	{"eq", 2, TEMPLATE_ARGUMENTS_MAX, call_eq},
	{"ne", 2, 2, call_ne},
	{"lt", 2, 2, call_lt},
	{"le", 2, 2, call_le},
	{"gt", 2, 2, call_gt},
	{"ge", 2, 2, call_ge},
	{"not", 1, 1, call_not},
	{"and", 1, TEMPLATE_ARGUMENTS_MAX, NULL},
	{"or", 1, TEMPLATE_ARGUMENTS_MAX, NULL},
};

const struct template_function *template_function(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (strlen(functions[i].name) == size &&
		    strncmp(functions[i].name, name, size) == 0)
			return &functions[i];
	return NULL;
}
