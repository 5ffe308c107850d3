/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing JSON to a bounded string. The writer knows two things besides how deep it is: whether the
 * next item is the first of its container (no comma before it) and whether it stands behind a key
 * (nothing before it at all). Nothing can fail one by one: the string remembers that it overflowed,
 * and its owner asks once at the end (str_check).
 *
 * What comes out is valid JSON whatever goes in. Strings that are not UTF-8 (a file name, the output
 * of a program) have each wrong byte replaced by U+FFFD; the only other escapes are those that RFC
 * 8259 requires.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json/internal.h"

void json_writer_init(struct json_writer *w, struct str *out, unsigned int indent)
{
	*w = (struct json_writer){.out = out, .indent = indent, .first = true};
}

static void new_line(struct json_writer *w)
{
	if (!w->indent)
		return;
	str_add_char(w->out, '\n');
	for (unsigned int i = 0; i < w->indent * w->depth; i++)
		str_add_char(w->out, ' ');
}

/* What separates the next item, a value or a key, from what was written before. */
static void begin_item(struct json_writer *w)
{
	if (w->depth && !w->after_key) {
		if (!w->first)
			str_add_char(w->out, ',');
		new_line(w);
	}
	w->first = false;
	w->after_key = false;
}

static void open_container(struct json_writer *w, char bracket)
{
	begin_item(w);
	str_add_char(w->out, bracket);
	w->depth++;
	w->first = true;
}

void json_write_object(struct json_writer *w)
{
	open_container(w, '{');
}

void json_write_array(struct json_writer *w)
{
	open_container(w, '[');
}

void json_write_end(struct json_writer *w, char bracket)
{
	w->depth--;
	if (!w->first)
		new_line(w);
	str_add_char(w->out, bracket);
	w->first = false;
}

/* A byte that cannot stand for itself; a whole character where it begins one. Returns its length. */
static size_t add_special(struct str *out, const char *text, size_t size)
{
	static const char bytes[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *byte = *text ? strchr(bytes, *text) : NULL;
	size_t len = json_utf8_len(text, size);

	if (byte) {
		str_add_char(out, '\\');
		str_add_char(out, names[byte - bytes]);
	} else if (len == 1) {
		str_addf(out, "\\u%04x", (unsigned int)(unsigned char)*text);
	} else if (len > 1) {
		str_add_len(out, text, len);
	} else {
		str_add(out, "\xef\xbf\xbd");
		len = 1;
	}
	return len;
}

static void add_quoted(struct str *out, const char *text, size_t size)
{
	const char *end = text + size;

	str_add_char(out, '"');
	while (text < end) {
		const char *run = text;

		while (text < end && !json_special[(unsigned char)*text])
			text++;
		str_add_len(out, run, (size_t)(text - run));
		if (text < end)
			text += add_special(out, text, (size_t)(end - text));
	}
	str_add_char(out, '"');
}

void json_write_key_len(struct json_writer *w, const char *key, size_t len)
{
	begin_item(w);
	add_quoted(w->out, key, len);
	str_add(w->out, w->indent ? ": " : ":");
	w->after_key = true;
}

void json_write_key(struct json_writer *w, const char *key)
{
	json_write_key_len(w, key, strlen(key));
}

void json_write_string(struct json_writer *w, const char *text)
{
	begin_item(w);
	if (text)
		add_quoted(w->out, text, strlen(text));
	else
		str_add(w->out, "null");
}

void json_write_bool(struct json_writer *w, bool value)
{
	begin_item(w);
	str_add(w->out, value ? "true" : "false");
}

void json_write_u64(struct json_writer *w, uint64_t value)
{
	begin_item(w);
	str_addf(w->out, "%" PRIu64, value);
}

void json_write_i64(struct json_writer *w, int64_t value)
{
	begin_item(w);
	str_addf(w->out, "%" PRId64, value);
}

void json_write_decimal(struct json_writer *w, double value)
{
	begin_item(w);
	str_addf(w->out, "%.2f", value);
}

void json_write_strings(struct json_writer *w, const struct strv *v)
{
	json_write_array(w);
	for (size_t i = 0; i < v->count; i++)
		json_write_string(w, v->items[i]);
	json_write_end(w, ']');
}

void json_write_member(struct json_writer *w, const char *key, const char *text)
{
	json_write_key(w, key);
	json_write_string(w, text);
}

static void write_container(struct json_writer *w, const struct json *doc, json_node n)
{
	bool is_object = json_type(doc, n) == JSON_OBJECT;

	is_object ? json_write_object(w) : json_write_array(w);
	for (json_node item = json_first(doc, n); item != JSON_NONE; item = json_next(doc, item)) {
		if (is_object)
			json_write_key(w, json_key(doc, item));
		json_write_node(w, doc, item);
	}
	json_write_end(w, is_object ? '}' : ']');
}

/* As deep as a document may be that was parsed. */
void json_write_node(struct json_writer *w, const struct json *doc, json_node n)
{
	switch (json_type(doc, n)) {
	case JSON_NULL:
		json_write_string(w, NULL);
		break;
	case JSON_BOOL:
		json_write_bool(w, json_bool(doc, n));
		break;
	case JSON_NUMBER:
		begin_item(w);
		str_add(w->out, json_number(doc, n));
		break;
	case JSON_STRING:
		json_write_string(w, json_string(doc, n));
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		write_container(w, doc, n);
		break;
	}
}

void json_write_member_u64(struct json_writer *w, const char *key, uint64_t value)
{
	json_write_key(w, key);
	json_write_u64(w, value);
}

void json_write_member_i64(struct json_writer *w, const char *key, int64_t value)
{
	json_write_key(w, key);
	json_write_i64(w, value);
}

void json_write_member_bool(struct json_writer *w, const char *key, bool value)
{
	json_write_key(w, key);
	json_write_bool(w, value);
}

void json_write_member_decimal(struct json_writer *w, const char *key, double value)
{
	json_write_key(w, key);
	json_write_decimal(w, value);
}
