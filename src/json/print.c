/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a struct back along the table that it was bound by, so that what was read, defaulted and
 * changed can be stored and shown without a second description of the format.
 *
 * A struct cannot always tell "absent" from "empty". What can tell it is asked in this order: the
 * given bool of the field, then its unset value, then whether it holds anything. Whether an embedded
 * object holds anything is known only after its members were visited: it is begun, and taken back
 * where none of them was written.
 */
#include <string.h>

#include "json/internal.h"

static void write_members(struct json_writer *w, const struct json_field *fields,
			  const void *source);

static bool given(const struct json_field *row, const void *source)
{
	return row->given_offset && *(const bool *)((const char *)source + row->given_offset);
}

/* The value of a boolean, number or enum as its .unset would hold it. */
static int64_t as_i64(const struct json_field *row, const void *slot)
{
	switch (row->kind) {
	case JSON_F_BOOL:
		return *(const bool *)slot;
	case JSON_F_U32:
		return *(const uint32_t *)slot;
	case JSON_F_INT:
	case JSON_F_ENUM:
		return *(const int *)slot;
	default:
		return *(const int64_t *)slot;
	}
}

static bool is_unset(const struct json_field *row, const void *slot)
{
	int64_t unset = row->kind == JSON_F_U32 ? (uint32_t)row->unset : row->unset;

	return row->has_unset && as_i64(row, slot) == unset;
}

/* Nothing there that could be written, whatever else is asked for. */
static bool is_null(const struct json_field *row, const void *slot)
{
	switch (row->kind) {
	case JSON_F_STRING:
	case JSON_F_POINTER:
		return !*(void *const *)slot;
	case JSON_F_IGNORE:
	case JSON_F_CUSTOM:
		return true;
	default:
		return is_unset(row, slot);
	}
}

static bool is_empty(const struct json_field *row, const void *slot)
{
	switch (row->kind) {
	case JSON_F_STRINGS:
	case JSON_F_MAP:
		return ((const struct strv *)slot)->count == 0;
	case JSON_F_ARRAY:
		return ((const struct json_array *)slot)->count == 0;
	default:
		return false;
	}
}

static void write_map(struct json_writer *w, const struct strv *map)
{
	json_write_object(w);
	for (size_t i = 0; i < map->count; i++) {
		size_t len = strcspn(map->items[i], "=");

		json_write_key_len(w, map->items[i], len);
		json_write_string(w, map->items[i] + len + (map->items[i][len] == '='));
	}
	json_write_end(w, '}');
}

static void write_array(struct json_writer *w, const struct json_field *row,
			const struct json_array *array)
{
	json_write_array(w);
	for (size_t i = 0; i < array->count; i++)
		json_write_struct(w, row->fields, (const char *)array->items + i * row->item_size);
	json_write_end(w, ']');
}

static void write_enum(struct json_writer *w, const struct json_field *row, int value)
{
	const struct json_name *name = row->names;

	while (name->name && name->value != value)
		name++;
	json_write_string(w, name->name);
}

/* Key and value of an embedded object; nothing where it is empty and need not be there. */
static void write_object(struct json_writer *w, const struct json_field *row, const void *slot,
			 bool needed)
{
	struct json_writer before = *w;
	size_t len = w->out->len;

	json_write_key(w, row->key);
	json_write_object(w);
	write_members(w, row->fields, slot);
	if (w->first && !needed && w->out->len > len) {
		*w = before;
		w->out->len = len;
		w->out->data[len] = '\0';
		return;
	}
	json_write_end(w, '}');
}

static void write_value(struct json_writer *w, const struct json_field *row, const void *slot)
{
	switch (row->kind) {
	case JSON_F_BOOL:
		json_write_bool(w, *(const bool *)slot);
		break;
	case JSON_F_STRING:
		json_write_string(w, *(char *const *)slot);
		break;
	case JSON_F_STRINGS:
		json_write_strings(w, slot);
		break;
	case JSON_F_MAP:
		write_map(w, slot);
		break;
	case JSON_F_U64:
		json_write_u64(w, *(const uint64_t *)slot);
		break;
	case JSON_F_ENUM:
		write_enum(w, row, *(const int *)slot);
		break;
	case JSON_F_POINTER:
		json_write_struct(w, row->fields, *(void *const *)slot);
		break;
	case JSON_F_ARRAY:
		write_array(w, row, slot);
		break;
	default:
		json_write_i64(w, as_i64(row, slot));
		break;
	}
}

static void write_member(struct json_writer *w, const struct json_field *row, const void *source)
{
	const void *slot = (const char *)source + row->offset;
	bool needed = row->required || given(row, source);

	if (row->given_offset && !given(row, source))
		return;
	if (row->kind == JSON_F_OBJECT) {
		write_object(w, row, slot, needed);
	} else if (row->kind == JSON_F_CUSTOM && row->custom_write) {
		row->custom_write(w, row->key, slot);
	} else if (!is_null(row, slot) && (needed || !is_empty(row, slot))) {
		json_write_key(w, row->key);
		write_value(w, row, slot);
	}
}

static void write_members(struct json_writer *w, const struct json_field *fields,
			  const void *source)
{
	for (const struct json_field *row = fields; row->key; row++)
		write_member(w, row, source);
}

void json_write_struct(struct json_writer *w, const struct json_field *fields, const void *source)
{
	json_write_object(w);
	write_members(w, fields, source);
	json_write_end(w, '}');
}
