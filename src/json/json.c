/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A parsed document: its lifetime, its accessors, the JSON path of a value, and exact integers.
 *
 * The accessors take JSON_NONE and values of another type without complaint and answer as if there
 * were nothing (NULL, false, 0, JSON_NONE), so that look-ups can be chained and asked once at the
 * end. Whoever must tell "absent" from "of the wrong type" binds along a table (bind.c), which
 * reports both.
 *
 * A number stays text until somebody asks for it as an integer. Then it must be one, digit by
 * digit: 1.0 and 1e3 are not integers here although they have integral values, because the programs
 * that write configurations write integers as integers, and a reader that rounds is a reader that
 * some day rounds a limit. "-0" is refused with them: no writer of integers produces it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/internal.h"

void json_free(struct json *doc)
{
	if (!doc)
		return;
	free(doc->nodes);
	free(doc->pool);
	free(doc->name);
	free(doc);
}

static bool is(const struct json *doc, json_node n, enum json_type type)
{
	return n < doc->node_count && doc->nodes[n].type == type;
}

static bool is_container(const struct json *doc, json_node n)
{
	return is(doc, n, JSON_ARRAY) || is(doc, n, JSON_OBJECT);
}

enum json_type json_type(const struct json *doc, json_node n)
{
	return n < doc->node_count ? doc->nodes[n].type : JSON_NULL;
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",	    [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};

	return names[type];
}

const char *json_string(const struct json *doc, json_node n)
{
	return is(doc, n, JSON_STRING) ? doc->pool + doc->nodes[n].value : NULL;
}

const char *json_number(const struct json *doc, json_node n)
{
	return is(doc, n, JSON_NUMBER) ? doc->pool + doc->nodes[n].value : NULL;
}

bool json_bool(const struct json *doc, json_node n)
{
	return is(doc, n, JSON_BOOL) && doc->nodes[n].value;
}

size_t json_count(const struct json *doc, json_node n)
{
	return is_container(doc, n) ? doc->nodes[n].count : 0;
}

json_node json_first(const struct json *doc, json_node container)
{
	return json_count(doc, container) ? container + 1 : JSON_NONE;
}

json_node json_next(const struct json *doc, json_node item)
{
	json_node parent = item < doc->node_count ? doc->nodes[item].parent : JSON_NONE;

	if (parent == JSON_NONE || doc->nodes[item].end >= doc->nodes[parent].end)
		return JSON_NONE;
	return doc->nodes[item].end;
}

const char *json_key(const struct json *doc, json_node member)
{
	if (member >= doc->node_count || doc->nodes[member].key == JSON_NONE)
		return NULL;
	return doc->pool + doc->nodes[member].key;
}

json_node json_get(const struct json *doc, json_node object, const char *key)
{
	json_node n = is(doc, object, JSON_OBJECT) ? json_first(doc, object) : JSON_NONE;

	while (n != JSON_NONE && strcmp(json_key(doc, n), key) != 0)
		n = json_next(doc, n);
	return n;
}

/* ---- the path of a value ---- */

/* A key that reads well after a dot; others are quoted, as in annotations["org.example/x"]. */
static bool is_plain_key(const char *key)
{
	size_t len = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789_-$");

	return len > 0 && !key[len];
}

/* Only asked for one value of a document that is being refused, so that a walk is good enough. */
static uint32_t index_in_parent(const struct json *doc, json_node n)
{
	uint32_t index = 0;

	for (json_node at = doc->nodes[n].parent + 1; at != n; at = doc->nodes[at].end)
		index++;
	return index;
}

/* As snprintf: the length that the step has, however much of it fitted. */
static size_t path_step(const struct json *doc, json_node n, bool first, char *buf, size_t size)
{
	const char *key = json_key(doc, n);
	int len;

	if (!key)
		len = snprintf(buf, size, "[%u]", index_in_parent(doc, n));
	else if (is_plain_key(key))
		len = snprintf(buf, size, "%s%s", first ? "" : ".", key);
	else
		len = snprintf(buf, size, "[\"%s\"]", key);
	return len < 0 ? 0 : (size_t)len;
}

const char *json_path(const struct json *doc, json_node n, char *buf, size_t size)
{
	json_node chain[JSON_MAX_DEPTH]; /* the top value has no step */
	unsigned int depth = 0;
	size_t used = 0;

	buf[0] = '\0';
	for (; n < doc->node_count && doc->nodes[n].parent != JSON_NONE; n = doc->nodes[n].parent)
		chain[depth++] = n;
	for (unsigned int i = depth; i-- > 0 && used < size;)
		used += path_step(doc, chain[i], used == 0, buf + used, size - used);
	if (used > size - 1 && size > 4)
		memcpy(buf + size - 4, "...", 4);
	return buf;
}

static int refuse(const struct json *doc, json_node n, enum err_kind kind, struct err *err,
		  const char *format, va_list ap) __attribute__((format(printf, 5, 0)));

static int refuse(const struct json *doc, json_node n, enum err_kind kind, struct err *err,
		  const char *format, va_list ap)
{
	char path[256], text[400];

	vsnprintf(text, sizeof(text), format, ap);
	json_path(doc, n, path, sizeof(path));
	return err_set(err, kind, 0, "%s: %s%s%s", doc->name, path, *path ? ": " : "", text);
}

int json_error(const struct json *doc, json_node n, struct err *err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	refuse(doc, n, ERR_INVALID, err, format, ap);
	va_end(ap);
	return -1;
}

int json_limit(const struct json *doc, json_node n, struct err *err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	refuse(doc, n, ERR_LIMIT, err, format, ap);
	va_end(ap);
	return -1;
}

int json_missing(const struct json *doc, json_node object, const char *key, struct err *err)
{
	char path[256];

	json_path(doc, object, path, sizeof(path));
	return err_set(err, ERR_INVALID, 0, "%s: %s%s%s: is missing", doc->name, path,
		       *path ? "." : "", key);
}

/* ---- integers ---- */

/* The sign and the magnitude of a number that is an integer; a magnitude beyond uint64_t fails. */
static int read_integer(const struct json *doc, json_node n, bool *ret_negative, uint64_t *ret,
			struct err *err)
{
	const char *text, *digits;
	bool too_large = false;
	uint64_t value = 0;

	if (json_type(doc, n) != JSON_NUMBER)
		return json_error(doc, n, err, "expected an integer, found %s",
				  json_type_name(json_type(doc, n)));
	text = doc->pool + doc->nodes[n].value;
	digits = text + (*text == '-');
	for (; *digits >= '0' && *digits <= '9'; digits++)
		too_large |= __builtin_mul_overflow(value, 10, &value) ||
			     __builtin_add_overflow(value, (uint64_t)(*digits - '0'), &value);
	if (*digits || (*text == '-' && text[1] == '0'))
		return json_error(doc, n, err, "expected an integer, found %.40s", text);
	if (too_large)
		return json_error(doc, n, err, "%.40s is out of range", text);
	*ret_negative = *text == '-';
	*ret = value;
	return 0;
}

int json_u64(const struct json *doc, json_node n, uint64_t *ret, struct err *err)
{
	bool negative;
	uint64_t value;

	if (read_integer(doc, n, &negative, &value, err) < 0)
		return -1;
	if (negative)
		return json_error(doc, n, err, "%s is negative", doc->pool + doc->nodes[n].value);
	*ret = value;
	return 0;
}

int json_i64(const struct json *doc, json_node n, int64_t *ret, struct err *err)
{
	bool negative;
	uint64_t value;

	if (read_integer(doc, n, &negative, &value, err) < 0)
		return -1;
	if (value > (uint64_t)INT64_MAX + negative)
		return json_error(doc, n, err, "%s is out of range",
				  doc->pool + doc->nodes[n].value);
	/* -2^63 has no positive counterpart: negate without leaving the unsigned type. */
	*ret = (int64_t)(negative ? -value : value);
	return 0;
}
