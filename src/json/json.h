/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict, bounded, table-driven JSON (RFC 8259). Why our own: docs/decisions/0002-json.md.
 *
 * Reading: json_parse() checks the whole text once (UTF-8, no duplicate keys, no NUL or lone
 * surrogates, no trailing bytes, depth, size and count bounds) into one flat array of nodes; then
 * json_bind() stores it into a C struct along a table of fields. Every error carries the JSON path
 * of the offending value ("linux.resources.memory.limit", "mounts[3].options[0]") in its message.
 *
 * Numbers: integers are exact in the whole int64/uint64 range; a fraction or exponent where an
 * integer is wanted, an overflow, "-0", NaN are errors that name the key.
 *
 * Writing: json_write_* to a struct str, escaping what RFC 8259 requires; compact or indented.
 */
#ifndef INSULA_JSON_JSON_H
#define INSULA_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/problems.h"
#include "base/str.h"

#define JSON_MAX_DEPTH 64
#define JSON_MAX_SIZE (16u << 20) /* bytes */
#define JSON_MAX_NODES 1000000u

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json;		    /* a parsed document; owns its text and nodes */
typedef uint32_t json_node; /* index; 0 is the top value */
#define JSON_NONE UINT32_MAX

/* Parse `size` bytes (copied). `name` is what errors call the document ("config.json"). */
struct json *json_parse(const char *text, size_t size, const char *name, struct err *err);
void json_free(struct json *doc);

static inline void own_json_done(struct json **doc)
{
	json_free(*doc);
}

#define own_json __attribute__((cleanup(own_json_done)))

enum json_type json_type(const struct json *doc, json_node n);
const char *json_string(const struct json *doc, json_node n); /* NUL-terminated, no NUL inside */
bool json_bool(const struct json *doc, json_node n);
const char *json_number(const struct json *doc, json_node n); /* as it was written; else NULL */
int json_u64(const struct json *doc, json_node n, uint64_t *ret, struct err *err);
int json_i64(const struct json *doc, json_node n, int64_t *ret, struct err *err);
size_t json_count(const struct json *doc, json_node n); /* items or members */
json_node json_get(const struct json *doc, json_node object, const char *key); /* or JSON_NONE */
json_node json_first(const struct json *doc, json_node container);	       /* or JSON_NONE */
json_node json_next(const struct json *doc, json_node item);		       /* or JSON_NONE */
const char *json_key(const struct json *doc, json_node member);
/* "linux.namespaces[2].type" into buf; returns buf. */
const char *json_path(const struct json *doc, json_node n, char *buf, size_t size);

/* ERR_INVALID "NAME: PATH: text" about one value, for custom binders and callers. Returns -1. */
int json_error(const struct json *doc, json_node n, struct err *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- binding along a table ---- */
enum json_kind {
	JSON_F_BOOL,	/* bool */
	JSON_F_STRING,	/* char *, heap, owned by the struct */
	JSON_F_STRINGS, /* struct strv */
	JSON_F_MAP,	/* struct strv of "KEY=VALUE" from an object of strings; no '=' in a key */
	JSON_F_U64,	/* uint64_t within [min, max] */
	JSON_F_I64,	/* int64_t within [min, max] */
	JSON_F_U32,	/* uint32_t within [min, max] */
	JSON_F_INT,	/* int within [min, max] */
	JSON_F_ENUM,	/* int: value of the matching struct json_name */
	JSON_F_OBJECT,	/* embedded struct, bound by .fields */
	JSON_F_POINTER, /* pointer to a struct (calloc of .item_size), NULL where absent */
	JSON_F_ARRAY,	/* struct json_array of structs of .item_size, each bound by .fields */
	JSON_F_IGNORE,	/* known and of no meaning here: any value */
	JSON_F_CUSTOM,	/* .custom does it */
};

struct json_name {
	const char *name; /* NULL ends */
	int value;
};

/* A counted array of structs; items is one heap block, NULL while empty. */
struct json_array {
	void *items;
	size_t count;
};

struct json_field;
struct json_writer;
typedef int json_custom_fn(const struct json *doc, json_node n, void *slot, struct err *err);
/* Writes key and value, or nothing where the slot stands for absent. */
typedef void json_custom_write_fn(struct json_writer *w, const char *key, const void *slot);

struct json_field {
	const char *key; /* NULL ends the table */
	enum json_kind kind;
	size_t offset;
	size_t given_offset; /* of a bool set to true where the key is present and not null, whatever
			      * the kind; 0: none */
	bool required;
	const struct json_field *fields; /* OBJECT, POINTER, ARRAY */
	size_t item_size;
	const struct json_name *names; /* ENUM */
	int64_t min, max;	       /* numbers; both 0: the type's range; max < min: min only */
	json_custom_fn *custom;
	void (*custom_done)(void *slot);
	json_custom_write_fn *custom_write; /* NULL: never written */
	size_t max_count;		    /* ARRAY, STRINGS, MAP; 0: 65536 */
	bool has_unset; /* BOOL, numbers, ENUM: .unset is the value that stands for absent; a new ARRAY
			 * or POINTER item starts with it, and it is not written */
	int64_t unset;
};

/* For a row: 0, or false, stands for absent. What few have need not be read for all the others. */
#define JSON_UNLESS_ZERO .has_unset = true

enum json_unknown { JSON_UNKNOWN_REFUSE, JSON_UNKNOWN_ALLOW };

/* Fill *target (zeroed or with defaults by the caller). null counts as absent for optional fields.
 * On failure what was bound is released with json_bind_done. */
int json_bind(const struct json *doc, json_node object, const struct json_field *fields,
	      enum json_unknown unknown, void *target, struct err *err);
/* The same, but what is wrong is noted in `found` and the rest is bound all the same: what could not be
 * is as if it were absent, and strings that are required are "". 0 whatever was found; -1 where memory
 * ran out or `found` is full, and *target is released by the caller in any case. */
int json_bind_all(struct json *doc, json_node object, const struct json_field *fields,
		  enum json_unknown unknown, void *target, struct problems *found, struct err *err);
/* For custom binders, after one of several values has failed: 0 where the rest is to be bound too. */
int json_note(const struct json *doc, struct err *err);
/* Release everything that the table's owning kinds hold, and zero those slots. */
void json_bind_done(const struct json_field *fields, void *target);
/* Write a struct back as an object along the same table. Absent, and so not written: NULL pointers
 * (strings too), empty arrays, strings lists and maps, numbers at their unset value, OBJECTs none of
 * whose members was written, and fields whose given bool is false. What is required, or whose given
 * bool is true, is written even where it is empty: [] or {}. */
void json_write_struct(struct json_writer *w, const struct json_field *fields, const void *source);

/* ---- writing ---- */
struct json_writer {
	struct str *out;
	unsigned int indent; /* 0: compact; else spaces per level */
	unsigned int depth;
	bool first, after_key;
};

void json_writer_init(struct json_writer *w, struct str *out, unsigned int indent);
void json_write_object(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_end(struct json_writer *w, char bracket); /* '}' or ']' */
void json_write_key(struct json_writer *w, const char *key);
void json_write_string(struct json_writer *w, const char *text); /* NULL writes null */
void json_write_bool(struct json_writer *w, bool value);
void json_write_u64(struct json_writer *w, uint64_t value);
void json_write_i64(struct json_writer *w, int64_t value);
void json_write_decimal(struct json_writer *w, double value); /* two decimals */
void json_write_strings(struct json_writer *w, const struct strv *v);
/* A value of a document, whatever it is, as it was written there. */
void json_write_node(struct json_writer *w, const struct json *doc, json_node n);
/* key and value at once */
void json_write_member(struct json_writer *w, const char *key, const char *text);
void json_write_member_u64(struct json_writer *w, const char *key, uint64_t value);
void json_write_member_i64(struct json_writer *w, const char *key, int64_t value);
void json_write_member_bool(struct json_writer *w, const char *key, bool value);
void json_write_member_decimal(struct json_writer *w, const char *key, double value);

#endif
