/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a template computes with: values of the document, which stay where they are, and what functions make of
 * them, which lives as long as the rendering and whose size in all is bounded.
 *
 * What comes out of a document is shown with its control characters replaced (a label is not to drive a
 * terminal). That is done once, where a value of the document becomes text; what is made of text is left alone, so
 * that the separator of a join may be a newline.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/template_internal.h"

bool template_is_same_name(const char *a, size_t size, const char *b)
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

json_node template_member(const struct json *doc, json_node object, const char *name)
{
	size_t size = strlen(name);
	json_node n = json_type(doc, object) == JSON_OBJECT ? json_first(doc, object) : JSON_NONE;

	while (n != JSON_NONE && !template_is_same_name(name, size, json_key(doc, n)))
		n = json_next(doc, n);
	return n;
}

struct value value_of_node(const struct json *doc, json_node n)
{
	return n == JSON_NONE ? (struct value){.kind = VALUE_NONE}
			      : (struct value){.kind = VALUE_NODE, .doc = doc, .node = n};
}

struct value value_of_bool(bool b)
{
	return (struct value){.kind = VALUE_BOOL, .boolean = b};
}

struct value value_of_integer(int64_t n)
{
	return (struct value){.kind = VALUE_INTEGER, .integer = n};
}

enum json_type value_type(const struct value *v)
{
	static const enum json_type types[] = {[VALUE_NONE] = JSON_NULL,
					       [VALUE_TEXT] = JSON_STRING,
					       [VALUE_INTEGER] = JSON_NUMBER,
					       [VALUE_REAL] = JSON_NUMBER,
					       [VALUE_BOOL] = JSON_BOOL};

	return v->kind == VALUE_NODE ? json_type(v->doc, v->node) : types[v->kind];
}

static void add_scrubbed(struct str *out, const char *text)
{
	size_t before = out->len;

	str_add(out, text);
	if (!out->failed)
		str_scrub(out->data + before);
}

/* The depth is bounded by that of a document. */
static void add_node(const struct json *doc, json_node n, const char *separator, struct str *out)
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
			add_node(doc, i, ",", out);
		}
		break;
	}
}

void value_print(const struct value *v, const char *separator, struct str *out)
{
	switch (v->kind) {
	case VALUE_NONE:
		break;
	case VALUE_NODE:
		add_node(v->doc, v->node, separator, out);
		break;
	case VALUE_TEXT:
		str_add(out, v->text);
		break;
	case VALUE_INTEGER:
		str_addf(out, "%lld", (long long)v->integer);
		break;
	case VALUE_REAL:
		str_addf(out, "%g", v->real);
		break;
	case VALUE_BOOL:
		str_add(out, v->boolean ? "true" : "false");
		break;
	}
}

static bool is_true_node(const struct json *doc, json_node n)
{
	switch (json_type(doc, n)) {
	case JSON_NULL:
		return false;
	case JSON_BOOL:
		return json_bool(doc, n);
	case JSON_NUMBER:
		return strtod(json_number(doc, n), NULL) != 0;
	case JSON_STRING:
		return *json_string(doc, n) != '\0';
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return json_first(doc, n) != JSON_NONE;
}

bool value_is_true(const struct value *v)
{
	switch (v->kind) {
	case VALUE_NODE:
		return is_true_node(v->doc, v->node);
	case VALUE_TEXT:
		return *v->text != '\0';
	case VALUE_INTEGER:
		return v->integer != 0;
	case VALUE_REAL:
		return v->real != 0;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_NONE:
		break;
	}
	return false;
}

/* Room for one more in an array of pointers. */
static int grow(void *array, size_t count, struct err *err)
{
	void **items = *(void ***)array, **grown = items;

	if ((count & (count - 1)) == 0) /* at 0, 1, 2, 4 ... */
		grown = reallocarray(items, count ? 2 * count : 1, sizeof *grown);
	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "--format");
	*(void ***)array = grown;
	return 0;
}

static int count_memory(struct template_run *r, size_t size, struct err *err)
{
	r->memory += size;
	if (r->memory > TEMPLATE_MEMORY_MAX)
		return err_set(err, ERR_LIMIT, 0, "--format: its values take more than %zu bytes",
			       TEMPLATE_MEMORY_MAX);
	return 0;
}

int value_take_text(struct template_run *r, struct str *text, struct value *ret, struct err *err)
{
	if (str_check(text, "--format", err) < 0 || count_memory(r, text->len + 64, err) < 0 ||
	    grow(&r->texts, r->text_count, err) < 0)
		return -1;
	char *taken = str_take(text);
	if (!taken)
		return err_set(err, ERR_LIMIT, ENOMEM, "--format");
	r->texts[r->text_count++] = taken;
	*ret = (struct value){.kind = VALUE_TEXT, .text = taken};
	return 0;
}

int value_take_json(struct template_run *r, struct str *text, struct value *ret, struct err *err)
{
	struct json *doc;

	if (str_check(text, "--format", err) < 0 || count_memory(r, 4 * text->len + 256, err) < 0 ||
	    grow(&r->docs, r->doc_count, err) < 0)
		return -1;
	doc = json_parse(text->data, text->len, "--format", err);
	if (!doc)
		return -1;
	r->docs[r->doc_count++] = doc;
	*ret = value_of_node(doc, 0);
	return 0;
}

void template_run_done(struct template_run *r)
{
	for (size_t i = 0; i < r->text_count; i++)
		free(r->texts[i]);
	for (size_t i = 0; i < r->doc_count; i++)
		json_free(r->docs[i]);
	free(r->texts);
	free(r->docs);
}
