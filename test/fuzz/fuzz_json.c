/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as a JSON document.
 *
 * What must hold for a document that is accepted: every value is reached by walking, once; what is
 * reached by key is what was walked over; strings are UTF-8 without control of the terminal in error
 * messages; and what is written from a bound struct is accepted, binds to the same, and is written
 * the same again. A refused document must have a message.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "json/json.h"
#include "must.h"

struct item {
	bool flag;
	char *text;
	struct strv list, map;
	uint64_t u64;
	int64_t i64;
	uint32_t u32;
	int number, kind;
	struct json_array items;
	struct item *pointer;
};

static const struct json_name kinds[] = {{"a", 1}, {"SCMP_ACT_ALLOW", 2}, {NULL}};

/* Short names that mutation finds soon, each with the kinds of a real configuration. */
static const struct json_field fields[] = {
	{"b", JSON_F_BOOL, offsetof(struct item, flag)},
	{"s", JSON_F_STRING, offsetof(struct item, text)},
	{"l", JSON_F_STRINGS, offsetof(struct item, list)},
	{"m", JSON_F_MAP, offsetof(struct item, map)},
	{"u", JSON_F_U64, offsetof(struct item, u64)},
	{"i", JSON_F_I64, offsetof(struct item, i64), .has_unset = true, .unset = -1},
	{"w", JSON_F_U32, offsetof(struct item, u32), .min = 1, .max = 1000, .has_unset = true},
	{"n", JSON_F_INT, offsetof(struct item, number)},
	{"e", JSON_F_ENUM, offsetof(struct item, kind), .names = kinds, .has_unset = true},
	{"a", JSON_F_ARRAY, offsetof(struct item, items), .fields = fields,
	 .item_size = sizeof(struct item)},
	{"p", JSON_F_POINTER, offsetof(struct item, pointer), .fields = fields,
	 .item_size = sizeof(struct item)},
	{"x", JSON_F_IGNORE},
	{NULL},
};

/* One line, nothing that a terminal would obey. */
static void check_error(const struct err *err)
{
	MUST(err->kind == ERR_INVALID || err->kind == ERR_LIMIT);
	MUST(*err->message && !str_has_control(err->message) && !str_has_control(err->hint));
}

static void check_number(const struct json *doc, json_node n)
{
	struct err err = ERR_INIT;
	uint64_t u = 0;
	int64_t i = 0;
	bool is_u = json_u64(doc, n, &u, &err) == 0, is_i = json_i64(doc, n, &i, &err) == 0;

	MUST(!(is_u && is_i) || (i >= 0 && (uint64_t)i == u));
	MUST(!is_i || is_u || i < 0);
	if (!is_u || !is_i)
		check_error(&err);
}

/* Nodes below `n`, itself included; as deep as the document at most. */
static size_t walk(const struct json *doc, json_node n)
{
	bool object = json_type(doc, n) == JSON_OBJECT;
	size_t total = 1, count = 0;
	char path[40];

	MUST(json_path(doc, n, path, sizeof(path)) == path);
	MUST((json_string(doc, n) != NULL) == (json_type(doc, n) == JSON_STRING));
	check_number(doc, n);
	for (json_node at = json_first(doc, n); at != JSON_NONE; at = json_next(doc, at)) {
		MUST((json_key(doc, at) != NULL) == object);
		MUST(!object || count > 50 || json_get(doc, n, json_key(doc, at)) == at);
		total += walk(doc, at);
		count++;
	}
	MUST(count == json_count(doc, n));
	return total;
}

static void write_item(const struct item *item, struct str *out, unsigned int indent)
{
	struct err err = ERR_INIT;
	struct json_writer w;

	json_writer_init(&w, out, indent);
	json_write_struct(&w, fields, item);
	MUST(str_check(out, "text", &err) == 0);
}

static void check_written(const struct item *item, unsigned int indent)
{
	own(str) struct str once = STR_INIT(JSON_MAX_SIZE);
	own(str) struct str twice = STR_INIT(JSON_MAX_SIZE);
	own_json struct json *doc = NULL;
	struct item again = {.i64 = -1};
	struct err err = ERR_INIT;

	write_item(item, &once, indent);
	doc = json_parse(once.data, once.len, "written", &err);
	MUST(doc);
	MUST(json_bind(doc, 0, fields, JSON_UNKNOWN_REFUSE, &again, &err) == 0);
	write_item(&again, &twice, indent);
	MUST(str_eq(once.data, twice.data));
	json_bind_done(fields, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	own_json struct json *doc = json_parse((const char *)data, size, "input", &err);
	struct item item = {.i64 = -1};

	if (!doc) {
		check_error(&err);
		return 0;
	}
	MUST(walk(doc, 0) <= size);
	if (json_bind(doc, 0, fields, JSON_UNKNOWN_ALLOW, &item, &err) < 0) {
		check_error(&err);
		MUST(!item.text && !item.list.items && !item.map.items && !item.pointer &&
		     !item.items.items);
		return 0;
	}
	check_written(&item, 0);
	check_written(&item, 2);
	json_bind_done(fields, &item);
	return 0;
}
