/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stranger's document can cost at most: comparisons of keys, memory, and what happens when
 * memory runs out.
 *
 * Nothing here is timed, because a busy machine fails a test that is. The one place where work could
 * grow faster than the document is the search for a key that is there twice, and it is counted: the
 * linker sends the reader's calls of strcmp(3) through here. Everything else shows as a document that
 * is not read before the harness's deadline.
 */
#include <stdio.h>

#include "base/own.h"
#include "heap.h"
#include "json/json.h"
#include "test.h"

static struct err err;

/* ---- measuring ---- */

static size_t comparisons;

int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);

int __wrap_strcmp(const char *a, const char *b)
{
	comparisons++;
	return __real_strcmp(a, b);
}

struct cost {
	size_t comparisons;
	size_t bytes; /* at the peak */
};

/* Parse and release; the error stays in err. */
static struct cost cost_of(const char *text, size_t size)
{
	size_t blocks = heap_blocks(), bytes = heap_bytes();
	struct cost cost;

	err = ERR_INIT;
	heap_peak();
	comparisons = 0;
	json_free(json_parse(text, size, "doc", &err));
	cost = (struct cost){comparisons, heap_peak() - bytes};
	CHECK_INT(heap_blocks(), blocks);
	return cost;
}

/* `head`, `count` items, `tail`; a '#' in the item is its number. */
static char *repeat(const char *head, size_t count, const char *item, const char *tail,
		    size_t *ret_size)
{
	char *text = malloc(JSON_MAX_SIZE + 1024), *at = stpcpy(text, head);

	for (size_t i = 0; i < count; i++) {
		for (const char *c = item; *c; c++) {
			if (*c == '#')
				at += sprintf(at, "%zu", i);
			else
				*at++ = *c;
		}
		CHECK(at - text < JSON_MAX_SIZE);
	}
	at = stpcpy(at, tail);
	*ret_size = (size_t)(at - text);
	return text;
}

/* ---- bounds ---- */

TEST(depth)
{
	char text[2 * JSON_MAX_DEPTH + 3];

	memset(text, '[', JSON_MAX_DEPTH);
	memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	cost_of(text, 2 * JSON_MAX_DEPTH);
	CHECK_STR(err.message, "");
	memset(text, '[', JSON_MAX_DEPTH + 1);
	memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	cost_of(text, 2 * JSON_MAX_DEPTH + 2);
	CHECK_INT(err.kind, ERR_LIMIT);
	CHECK(strstr(err.message, "doc: line 1, column 65, in [0][0]"));
	CHECK(strstr(err.message, "nested more than 64 levels deep"));
}

TEST(depth_is_given_back)
{
	size_t size;
	own_free char *text = repeat("[", 1000, "[[[[]]]],", "1]", &size);

	cost_of(text, size);
	CHECK_STR(err.message, "");
}

TEST(deep_nesting_is_refused_at_once)
{
	static const char *const items[] = {"[", "{\"a\":", "[{\"a\":"};

	for (int i = 0; i < 3; i++) {
		size_t size;
		own_free char *text = repeat("", 200000, items[i], "", &size);
		struct cost cost = cost_of(text, size);

		CHECK_INT(err.kind, ERR_LIMIT);
		CHECK(strstr(err.message, "levels deep"));
		CHECK(cost.bytes < 4 << 20);
	}
}

TEST(size)
{
	own_free char *text = malloc(64 << 20);
	struct cost cost;

	memset(text, ' ', 64 << 20);
	cost = cost_of(text, 64 << 20);
	CHECK_INT(err.kind, ERR_LIMIT);
	CHECK_STR(err.message, "doc: 67108864 bytes are more than the limit of 16777216");
	CHECK_INT(cost.bytes, 0);
	text[0] = '1';
	cost_of(text, JSON_MAX_SIZE);
	CHECK_STR(err.message, "");
	cost_of(text, JSON_MAX_SIZE + 1);
	CHECK_INT(err.kind, ERR_LIMIT);
}

TEST(number_of_values)
{
	size_t size;
	own_free char *most = repeat("[", JSON_MAX_NODES - 2, "0,", "0]", &size);
	struct cost cost = cost_of(most, size);

	CHECK_STR(err.message, "");
	CHECK(cost.bytes < 64 << 20);
	memcpy(most + size - 1, ",0]", 3);
	cost_of(most, size + 2);
	CHECK_INT(err.kind, ERR_LIMIT);
	CHECK(strstr(err.message, "more than 1000000 values"));
}

/* The table is at most half full, so that a key meets another one about every second time. The hash has a
 * random key, and now and then an unlucky one: the bound is far from that, and from a quadratic cost. */
TEST(many_members_take_a_few_comparisons_each)
{
	size_t size;
	own_free char *text = repeat("{", 400000, "\"annotation.#\":\"v\",", "\"z\":1}", &size);
	struct cost cost = cost_of(text, size);

	CHECK_STR(err.message, "");
	CHECK(cost.comparisons > 1000);
	CHECK(cost.comparisons < 40 * 400000);
	CHECK(cost.bytes < 64 << 20);
}

TEST(a_long_common_prefix_costs_no_further_comparison)
{
	size_t size;
	own_free char *item = malloc(600);
	own_free char *text = NULL;

	sprintf(item, "\"%0500d#\":1,", 0);
	text = repeat("{", 30000, item, "\"z\":1}", &size);
	CHECK(cost_of(text, size).comparisons < 40 * 30000);
	CHECK_STR(err.message, "");
}

#define THIRTY_TWO \
	"\"key0\":1,\"key1\":1,\"key2\":1,\"key3\":1," \
	"\"key4\":1,\"key5\":1,\"key6\":1,\"key7\":1," \
	"\"key8\":1,\"key9\":1,\"keya\":1,\"keyb\":1," \
	"\"keyc\":1,\"keyd\":1,\"keye\":1,\"keyf\":1," \
	"\"keyg\":1,\"keyh\":1,\"keyi\":1,\"keyj\":1," \
	"\"keyk\":1,\"keyl\":1,\"keym\":1,\"keyn\":1," \
	"\"keyo\":1,\"keyp\":1,\"keyq\":1,\"keyr\":1," \
	"\"keys\":1,\"keyt\":1,\"keyu\":1,\"keyv\":1"

/* Thirty-two members that all have one mark are compared pair by pair, 496 times; thirty-three go through the table,
 * where 528 would be pair by pair. All these objects are alike, so an unlucky key of the hash is so for each. */
TEST(many_objects_at_the_limit_of_the_quadratic_check)
{
	size_t size, count = 10000;
	own_free char *text = repeat("[", count, "{" THIRTY_TWO "},{" THIRTY_TWO ",\"keyw\":1},",
				     "1]", &size);
	struct cost cost = cost_of(text, size);

	CHECK_STR(err.message, "");
	CHECK(cost.comparisons >= 496 * count);
	CHECK(cost.comparisons < (496 + 528 / 2) * count);
}

TEST(keys_that_begin_with_different_characters_are_not_compared)
{
	size_t size, count = 50000;
	own_free char *text = repeat("[", count, "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1},", "1]",
				     &size);

	CHECK_INT(cost_of(text, size).comparisons, 0);
	CHECK_STR(err.message, "");
}

TEST(an_error_behind_many_values_is_told_with_its_place)
{
	size_t size;
	own_free char *text = repeat("[", 900000, "0,", "x]", &size);

	cost_of(text, size);
	CHECK_STR(err.message,
		  "doc: line 1, column 1800002, in [900000]: expected a value, found 'x'");
}

TEST(huge_strings)
{
	size_t size;
	own_free char *plain = repeat("\"", JSON_MAX_SIZE - 3, "a", "\"", &size);
	own_free char *escaped = NULL;

	CHECK(cost_of(plain, size).bytes < 64 << 20);
	CHECK_STR(err.message, "");
	escaped = repeat("\"", JSON_MAX_SIZE / 12 - 1, "\\ud83d\\ude00", "\"", &size);
	CHECK(cost_of(escaped, size).bytes < 64 << 20);
	CHECK_STR(err.message, "");
}

/* ---- no memory ---- */

/* Fail each allocation in turn until none is left; returns how many there were. */
static size_t parse_without_memory(const char *text, size_t size)
{
	size_t blocks = heap_blocks(), n;
	struct json *doc = NULL;

	for (n = 1; !doc; n++) {
		err = ERR_INIT;
		heap_fail_at(n);
		doc = json_parse(text, size, "doc", &err);
		heap_fail_at(0);
		if (!doc) {
			CHECK_INT(err.kind, ERR_LIMIT);
			CHECK_STR(err.message, "doc: out of memory");
			CHECK_INT(heap_blocks(), blocks);
		}
	}
	json_free(doc);
	CHECK_INT(heap_blocks(), blocks);
	return n - 2;
}

TEST(parsing_without_memory)
{
	static const char many[] = "{" THIRTY_TWO ",\"keyw\":1}";
	size_t size;
	own_free char *text = repeat("[", 100, "0,", "0]", &size);

	/* The document, its name, its text and its nodes, which grow: 18, 36, 72, 144. */
	CHECK_INT(parse_without_memory(text, size), 7);
	/* Its nodes grow once; and a table for the keys. */
	CHECK_INT(parse_without_memory(many, strlen(many)), 6);
}

struct thing {
	char *name;
	struct strv list, map;
	struct json_array things;
	struct thing *more;
};

static const struct json_field thing_fields[] = {
	{"name", JSON_F_STRING, offsetof(struct thing, name)},
	{"list", JSON_F_STRINGS, offsetof(struct thing, list)},
	{"map", JSON_F_MAP, offsetof(struct thing, map)},
	{"things", JSON_F_ARRAY, offsetof(struct thing, things), .fields = thing_fields,
	 .item_size = sizeof(struct thing)},
	{"more", JSON_F_POINTER, offsetof(struct thing, more), .fields = thing_fields,
	 .item_size = sizeof(struct thing)},
	{NULL},
};

TEST(binding_without_memory)
{
	static const char text[] =
		"{\"name\":\"a\",\"list\":[\"b\",\"c\"],\"map\":{\"d\":\"e\"},"
		"\"things\":[{\"name\":\"f\"},{\"list\":[\"g\"],\"more\":{\"name\":\"h\"}}],"
		"\"more\":{\"things\":[{\"map\":{\"i\":\"j\",\"k\":\"l\"}}]}}";
	own_json struct json *doc = json_parse(text, strlen(text), "doc", &err);
	struct thing thing = {0};
	size_t blocks = heap_blocks(), n = 1;
	int r = -1;

	for (; r < 0; n++) {
		err = ERR_INIT;
		heap_fail_at(n);
		r = json_bind(doc, 0, thing_fields, JSON_UNKNOWN_REFUSE, &thing, &err);
		heap_fail_at(0);
		if (r < 0) {
			CHECK_INT(err.kind, ERR_LIMIT);
			CHECK_INT(heap_blocks(), blocks);
			CHECK(!thing.name && !thing.more && !thing.things.items &&
			      !thing.list.items);
		}
	}
	CHECK(n > 15);
	json_bind_done(thing_fields, &thing);
	CHECK_INT(heap_blocks(), blocks);
}

TEST(a_binding_error_releases_every_block)
{
	static const char text[] =
		"{\"name\":\"a\",\"list\":[\"b\"],\"map\":{\"d\":\"e\"},\"more\":{\"name\":\"x\"},"
		"\"things\":[{\"name\":\"f\"},{\"list\":[\"g\",1]}]}";
	own_json struct json *doc = json_parse(text, strlen(text), "doc", &err);
	struct thing thing = {0};
	size_t blocks = heap_blocks();

	CHECK_ERR(json_bind(doc, 0, thing_fields, JSON_UNKNOWN_REFUSE, &thing, &err), ERR_INVALID,
		  "things[1].list[1]");
	CHECK_INT(heap_blocks(), blocks);
}

TEST_MAIN()
