/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of this layer share: the shape of a parsed document.
 *
 * A document is two blocks. `nodes` holds every value in the order of the text, so that a container
 * is followed by all that it contains and its first item is the node after it; `end` is the node
 * after all of that, which is the next sibling unless the parent ends there too. `pool` holds the
 * keys, the decoded strings and the texts of numbers, each with a NUL after it.
 */
#ifndef INSULA_JSON_INTERNAL_H
#define INSULA_JSON_INTERNAL_H

#include "json/json.h"

struct node {
	enum json_type type;
	json_node parent; /* JSON_NONE for the top value */
	json_node end;	  /* the node after this value and all that it contains */
	uint32_t key;	  /* in the pool; JSON_NONE where the value is no member */
	uint32_t value;	  /* STRING, NUMBER: in the pool; BOOL: 0 or 1 */
	uint32_t count;	  /* ARRAY, OBJECT: items */
};

struct json {
	struct node *nodes;
	uint32_t node_count;
	char *pool;
	char *name;
	struct problems *found; /* borrowed; NULL but while json_bind_all runs */
};

/* Does a closed object have a key twice?: 0, or -1 with ERR_LIMIT (memory); *ret_twice is the
 * second member with the same key, or JSON_NONE. */
int json_find_twice(const struct json *doc, json_node object, json_node *ret_twice,
		    struct err *err);

/* Bytes of a string that are not copied as they are: controls, '"', '\\' and all beyond ASCII. */
extern const bool json_special[256];

/* Length of the UTF-8 sequence at `text` (1 to 4), 0 where it is not valid: overlong, a surrogate,
 * beyond U+10FFFF or cut off by `size`. */
size_t json_utf8_len(const char *text, size_t size);

/* As json_error with ERR_LIMIT. */
int json_limit(const struct json *doc, json_node n, struct err *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* json_error "is missing" about a member that an object does not have. */
int json_missing(const struct json *doc, json_node object, const char *key, struct err *err);

void json_write_key_len(struct json_writer *w, const char *key, size_t len);

/* "a string", "an object": for messages. */
const char *json_type_name(enum json_type type);

#endif
