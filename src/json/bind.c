/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binding: a parsed object is stored into a C struct along a table of fields.
 *
 * The walk goes over the members of the object, not over the rows of the table, so that every member
 * is either bound or known to be unknown. One function per kind converts one value into one slot;
 * each replaces what the slot held (a default of the caller), so that no path leaks it. Nested tables
 * recurse, and cannot recurse deeper than the document, which is at most JSON_MAX_DEPTH.
 *
 * A failure anywhere releases the whole target by json_bind_done. That is safe at every point
 * because slots are always in one of two states, empty or complete: arrays and pointed-to structs are
 * zeroed and hung into their slot before their contents are bound.
 *
 * json_bind_all wants every failure. Then json_note keeps them, in all places where there is a next
 * value to go on with, and whoever looks at the target afterwards finds lists as long as in the
 * document (so that indices agree) and a text in every required string.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "json/internal.h"

#define DEFAULT_MAX_COUNT 65536

static int bind_members(const struct json *doc, json_node object, const struct json_field *fields,
			enum json_unknown unknown, void *target, struct err *err);

static void *slot_of(const struct json_field *row, void *target)
{
	return (char *)target + row->offset;
}

static int expect(const struct json *doc, json_node n, enum json_type type, struct err *err)
{
	if (json_type(doc, n) == type)
		return 0;
	return json_error(doc, n, err, "expected %s, found %s", json_type_name(type),
			  json_type_name(json_type(doc, n)));
}

/* The container's type and number of items. */
static int expect_many(const struct json *doc, json_node n, enum json_type type,
		       const struct json_field *row, struct err *err)
{
	size_t max = row->max_count ? row->max_count : DEFAULT_MAX_COUNT;

	if (expect(doc, n, type, err) < 0)
		return -1;
	if (json_count(doc, n) > max)
		return json_limit(doc, n, err, "%zu items are more than the limit of %zu",
				  json_count(doc, n), max);
	return 0;
}

/* ---- numbers ---- */

static int bind_u64(const struct json *doc, json_node n, const struct json_field *row,
		    uint64_t *slot, struct err *err)
{
	bool bounded = row->max >= row->min && (row->min || row->max);
	uint64_t min = row->min > 0 ? (uint64_t)row->min : 0;
	uint64_t max = bounded ? (uint64_t)row->max : UINT64_MAX;
	uint64_t value;

	if (json_u64(doc, n, &value, err) < 0)
		return -1;
	if (value < min || value > max)
		return json_error(doc, n, err,
				  "%" PRIu64 " is not between %" PRIu64 " and %" PRIu64, value, min,
				  max);
	*slot = value;
	return 0;
}

/* A number within the type's range [min, max], narrowed by the row's. */
static int bound_i64(const struct json *doc, json_node n, const struct json_field *row, int64_t min,
		     int64_t max, int64_t *ret, struct err *err)
{
	int64_t value;

	if (json_i64(doc, n, &value, err) < 0)
		return -1;
	if (row->min || row->max) {
		min = row->min > min ? row->min : min;
		max = row->max >= row->min && row->max < max ? row->max : max;
	}
	if (value < min || value > max)
		return json_error(doc, n, err,
				  "%" PRId64 " is not between %" PRId64 " and %" PRId64, value, min,
				  max);
	*ret = value;
	return 0;
}

static int bind_number(const struct json *doc, json_node n, const struct json_field *row,
		       void *slot, struct err *err)
{
	int64_t value;

	switch (row->kind) {
	case JSON_F_U64:
		return bind_u64(doc, n, row, slot, err);
	case JSON_F_I64:
		return bound_i64(doc, n, row, INT64_MIN, INT64_MAX, slot, err);
	case JSON_F_U32:
		if (bound_i64(doc, n, row, 0, UINT32_MAX, &value, err) < 0)
			return -1;
		*(uint32_t *)slot = (uint32_t)value;
		return 0;
	default:
		if (bound_i64(doc, n, row, INT_MIN, INT_MAX, &value, err) < 0)
			return -1;
		*(int *)slot = (int)value;
		return 0;
	}
}

/* ---- strings ---- */

static int bind_string(const struct json *doc, json_node n, char **slot, struct err *err)
{
	char *text;

	if (expect(doc, n, JSON_STRING, err) < 0)
		return -1;
	text = str_dup(json_string(doc, n), err);
	if (!text)
		return -1;
	free(*slot);
	*slot = text;
	return 0;
}

static int not_a_name(const struct json *doc, json_node n, const struct json_name *names,
		      struct err *err)
{
	own(str) struct str list = STR_INIT(300);

	for (const struct json_name *name = names; name->name; name++)
		str_addf(&list, "%s%s", list.len ? ", " : "", name->name);
	return json_error(doc, n, err, "'%.60s' is not one of %s", json_string(doc, n), list.data);
}

static int bind_enum(const struct json *doc, json_node n, const struct json_field *row, int *slot,
		     struct err *err)
{
	const struct json_name *name = row->names;

	if (expect(doc, n, JSON_STRING, err) < 0)
		return -1;
	while (name->name && strcmp(name->name, json_string(doc, n)) != 0)
		name++;
	if (!name->name)
		return not_a_name(doc, n, row->names, err);
	*slot = name->value;
	return 0;
}

static int bind_strings(const struct json *doc, json_node n, const struct json_field *row,
			struct strv *slot, struct err *err)
{
	if (expect_many(doc, n, JSON_ARRAY, row, err) < 0)
		return -1;
	strv_done(slot);
	*slot = STRV_INIT;
	if (json_count(doc, n) && strv_reserve(slot, json_count(doc, n), err) < 0)
		return -1;
	for (json_node item = json_first(doc, n); item != JSON_NONE; item = json_next(doc, item)) {
		const char *text = json_string(doc, item);

		if ((expect(doc, item, JSON_STRING, err) < 0 && json_note(doc, err) < 0) ||
		    strv_add(slot, text ? text : "", err) < 0)
			return -1;
	}
	return 0;
}

/* "KEY=VALUE" can be taken apart again only where the key has no '='. */
static int map_add(const struct json *doc, json_node item, struct strv *slot, struct err *err)
{
	const char *key = json_key(doc, item);

	if (!*key || strchr(key, '='))
		return json_error(doc, item, err, "a key must not %s",
				  *key ? "contain '='" : "be empty");
	if (expect(doc, item, JSON_STRING, err) < 0)
		return -1;
	return strv_addf(slot, err, "%s=%s", key, json_string(doc, item));
}

static int bind_map(const struct json *doc, json_node n, const struct json_field *row,
		    struct strv *slot, struct err *err)
{
	if (expect_many(doc, n, JSON_OBJECT, row, err) < 0)
		return -1;
	strv_done(slot);
	*slot = STRV_INIT;
	for (json_node item = json_first(doc, n); item != JSON_NONE; item = json_next(doc, item))
		if (map_add(doc, item, slot, err) < 0 && json_note(doc, err) < 0)
			return -1;
	return 0;
}

/* ---- structs ---- */

static void set_unset(const struct json_field *row, void *slot)
{
	switch (row->kind) {
	case JSON_F_BOOL:
		*(bool *)slot = row->unset != 0;
		break;
	case JSON_F_U32:
		*(uint32_t *)slot = (uint32_t)row->unset;
		break;
	case JSON_F_INT:
	case JSON_F_ENUM:
		*(int *)slot = (int)row->unset;
		break;
	default:
		*(int64_t *)slot = row->unset;
		break;
	}
}

static void set_all_unset(const struct json_field *fields, void *target)
{
	for (const struct json_field *row = fields; row->key; row++) {
		if (row->has_unset)
			set_unset(row, slot_of(row, target));
		else if (row->kind == JSON_F_OBJECT)
			set_all_unset(row->fields, slot_of(row, target));
	}
}

static void free_items(const struct json_field *row, void *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_bind_done(row->fields, (char *)items + i * row->item_size);
	free(items);
}

/* Room for `count` structs of a row in its initial state; NULL and *err where there is none. */
static void *new_items(const struct json_field *row, size_t count, struct err *err)
{
	char *items = calloc(count, row->item_size);

	if (!items) {
		err_set(err, ERR_LIMIT, 0, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		set_all_unset(row->fields, items + i * row->item_size);
	return items;
}

static int fill_required(const struct json_field *fields, void *target, struct err *err)
{
	for (const struct json_field *row = fields; row->key; row++) {
		char **text = slot_of(row, target);

		if (!row->required || row->kind != JSON_F_STRING || *text)
			continue;
		*text = str_dup("", err);
		if (!*text)
			return -1;
	}
	return 0;
}

static int bind_object(const struct json *doc, json_node n, const struct json_field *fields,
		       enum json_unknown unknown, void *target, struct err *err)
{
	int status = expect(doc, n, JSON_OBJECT, err);

	if (status == 0)
		status = bind_members(doc, n, fields, unknown, target, err);
	if (!doc->found)
		return status;
	if (status < 0 && json_note(doc, err) < 0)
		return -1;
	return fill_required(fields, target, err);
}

static int bind_pointer(const struct json *doc, json_node n, const struct json_field *row,
			enum json_unknown unknown, void **slot, struct err *err)
{
	if (*slot)
		free_items(row, take(*slot), 1);
	*slot = new_items(row, 1, err);
	return *slot ? bind_object(doc, n, row->fields, unknown, *slot, err) : -1;
}

static int bind_array(const struct json *doc, json_node n, const struct json_field *row,
		      enum json_unknown unknown, struct json_array *slot, struct err *err)
{
	char *item;

	if (expect_many(doc, n, JSON_ARRAY, row, err) < 0)
		return -1;
	free_items(row, slot->items, slot->count);
	*slot = (struct json_array){0};
	if (!json_count(doc, n))
		return 0;
	item = new_items(row, json_count(doc, n), err);
	if (!item)
		return -1;
	*slot = (struct json_array){item, json_count(doc, n)};
	for (json_node at = json_first(doc, n); at != JSON_NONE; at = json_next(doc, at)) {
		if (bind_object(doc, at, row->fields, unknown, item, err) < 0)
			return -1;
		item += row->item_size;
	}
	return 0;
}

/* ---- one member, one object ---- */

static int bind_value(const struct json *doc, json_node n, const struct json_field *row,
		      enum json_unknown unknown, void *slot, struct err *err)
{
	switch (row->kind) {
	case JSON_F_BOOL:
		if (expect(doc, n, JSON_BOOL, err) < 0)
			return -1;
		*(bool *)slot = json_bool(doc, n);
		return 0;
	case JSON_F_STRING:
		return bind_string(doc, n, slot, err);
	case JSON_F_STRINGS:
		return bind_strings(doc, n, row, slot, err);
	case JSON_F_MAP:
		return bind_map(doc, n, row, slot, err);
	case JSON_F_ENUM:
		return bind_enum(doc, n, row, slot, err);
	case JSON_F_OBJECT:
		return bind_object(doc, n, row->fields, unknown, slot, err);
	case JSON_F_POINTER:
		return bind_pointer(doc, n, row, unknown, slot, err);
	case JSON_F_ARRAY:
		return bind_array(doc, n, row, unknown, slot, err);
	case JSON_F_IGNORE:
		return 0;
	case JSON_F_CUSTOM:
		return row->custom(doc, n, slot, err);
	default:
		return bind_number(doc, n, row, slot, err);
	}
}

static int unknown_member(const struct json *doc, json_node n, const struct json_field *fields,
			  struct err *err)
{
	const char *near = NULL;
	unsigned int best = 2;

	for (const struct json_field *row = fields; row->key; row++) {
		unsigned int distance = str_distance(row->key, json_key(doc, n), best);

		if (distance > best)
			continue;
		near = row->key;
		best = distance;
	}
	json_error(doc, n, err, "unknown key");
	if (near)
		err_hint(err, "did you mean '%s'?", near);
	return -1;
}

/* `next` is the one after the last member's: what a program wrote comes in the order of its table. */
static const struct json_field *find_row(const struct json_field *fields,
					 const struct json_field *next, const char *key)
{
	if (next->key && strcmp(next->key, key) == 0)
		return next;
	for (const struct json_field *row = fields; row->key; row++)
		if (strcmp(row->key, key) == 0)
			return row;
	return NULL;
}

/* Which rows have been seen with a value, as far as they are among the first 64. */
static uint64_t seen_bit(const struct json_field *fields, const struct json_field *row)
{
	return row - fields < 64 ? UINT64_C(1) << (row - fields) : 0;
}

static int check_required(const struct json *doc, json_node object, const struct json_field *fields,
			  uint64_t seen, struct err *err)
{
	for (const struct json_field *row = fields; row->key; row++)
		if (row->required && !(seen & seen_bit(fields, row)) &&
		    json_type(doc, json_get(doc, object, row->key)) == JSON_NULL &&
		    json_missing(doc, object, row->key, err) < 0 && json_note(doc, err) < 0)
			return -1;
	return 0;
}

static int bind_member(const struct json *doc, json_node n, const struct json_field *fields,
		       const struct json_field **next, enum json_unknown unknown, void *target,
		       uint64_t *seen, struct err *err)
{
	const struct json_field *row = find_row(fields, *next, json_key(doc, n));

	*next = row ? row + 1 : *next;
	if (!row && unknown == JSON_UNKNOWN_REFUSE)
		return unknown_member(doc, n, fields, err);
	if (!row || json_type(doc, n) == JSON_NULL)
		return 0;
	*seen |= seen_bit(fields, row);
	if (bind_value(doc, n, row, unknown, slot_of(row, target), err) < 0)
		return -1;
	if (row->given_offset)
		*(bool *)((char *)target + row->given_offset) = true;
	return 0;
}

static int bind_members(const struct json *doc, json_node object, const struct json_field *fields,
			enum json_unknown unknown, void *target, struct err *err)
{
	const struct json_field *next = fields;
	uint64_t seen = 0;

	for (json_node n = object + 1; n < doc->nodes[object].end; n = doc->nodes[n].end)
		if (bind_member(doc, n, fields, &next, unknown, target, &seen, err) < 0 &&
		    json_note(doc, err) < 0)
			return -1;
	return check_required(doc, object, fields, seen, err);
}

int json_note(const struct json *doc, struct err *err)
{
	return problems_add(doc->found, err);
}

/* For a custom binder inside json_bind_all too: all of it or nothing, what is wrong being noted. */
int json_bind(const struct json *doc, json_node object, const struct json_field *fields,
	      enum json_unknown unknown, void *target, struct err *err)
{
	size_t noted = doc->found ? doc->found->noted : 0;
	int status = bind_object(doc, object, fields, unknown, target, err);

	if (status == 0 && doc->found && doc->found->noted != noted) {
		*err = ERR_INIT;
		status = -1;
	}
	if (status < 0)
		json_bind_done(fields, target);
	return status;
}

int json_bind_all(struct json *doc, json_node object, const struct json_field *fields,
		  enum json_unknown unknown, void *target, struct problems *found, struct err *err)
{
	int status;

	doc->found = found;
	status = bind_object(doc, object, fields, unknown, target, err);
	doc->found = NULL;
	return status;
}

/* ---- release ---- */

static void release(const struct json_field *row, void *slot)
{
	struct json_array *array = slot;

	switch (row->kind) {
	case JSON_F_STRING:
		free(*(char **)slot);
		*(char **)slot = NULL;
		break;
	case JSON_F_STRINGS:
	case JSON_F_MAP:
		strv_done(slot);
		*(struct strv *)slot = STRV_INIT;
		break;
	case JSON_F_OBJECT:
		json_bind_done(row->fields, slot);
		break;
	case JSON_F_POINTER:
		if (*(void **)slot)
			free_items(row, take(*(void **)slot), 1);
		break;
	case JSON_F_ARRAY:
		free_items(row, array->items, array->count);
		*array = (struct json_array){0};
		break;
	case JSON_F_CUSTOM:
		if (row->custom_done)
			row->custom_done(slot);
		break;
	default:
		break;
	}
}

void json_bind_done(const struct json_field *fields, void *target)
{
	for (const struct json_field *row = fields; row->key; row++)
		release(row, slot_of(row, target));
}
