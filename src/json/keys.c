/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Duplicate keys: an object that has one key twice means different things to different readers (the
 * first wins, the last wins, both are merged), and that is how a document passes one program's check
 * and does another thing in the next program. RFC 8259 leaves the behaviour open; here it is an
 * error.
 *
 * In small objects a key is compared with those before it that may be the same: each has one of 64 marks, made of
 * its first characters, and a mark that nobody had before needs no look. In larger ones that would be quadratic,
 * and a stranger chooses the size and the keys, so those go through a hash table. A stranger also chooses the keys: the hash is
 * therefore a polynomial over the field of 2^61 - 1 elements, evaluated at a random point drawn once
 * in a process (a program of ours reads some documents and ends; and where one stays, nobody sees
 * which keys have met). Two different keys of at most L bytes collide for at most L/7 + 2 of the 2^61 - 1
 * points, whatever the keys are, so no choice of keys makes the table slow: the expected time is
 * linear in the size of the document.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/own.h"
#include "json/internal.h"

#define FEW 32 /* members that are compared pair by pair, where their marks are the same */
#define HASH_PRIME ((UINT64_C(1) << 61) - 1)
#define BLOCK_SIZE 7 /* bytes whose value is below the prime */

/* A bit of 64: of the first three characters, as far as there are any. */
static uint64_t mark_of(const char *key)
{
	unsigned int mark = (unsigned char)key[0];

	if (key[0] && key[1])
		mark = mark * 37 + (unsigned char)key[1] * 5 + (unsigned char)key[2];
	return UINT64_C(1) << mark % 64;
}

static json_node twice_among_few(const struct json *doc, json_node object)
{
	const char *keys[FEW];
	unsigned int count = 0;
	uint64_t marks = 0;

	for (json_node n = object + 1; n < doc->nodes[object].end; n = doc->nodes[n].end) {
		const char *key = doc->pool + doc->nodes[n].key;
		uint64_t mark = mark_of(key);

		for (unsigned int i = 0; marks & mark && i < count; i++)
			if (keys[i][0] == key[0] && strcmp(keys[i], key) == 0)
				return n;
		marks |= mark;
		keys[count++] = key;
	}
	return JSON_NONE;
}

/* value * point modulo 2^61 - 1, for factors below it: the high part wraps around onto the low. */
static uint64_t multiply(uint64_t value, uint64_t point)
{
	unsigned __int128 product = (unsigned __int128)value * point;
	uint64_t sum = (uint64_t)(product & HASH_PRIME) + (uint64_t)(product >> 61);

	return sum >= HASH_PRIME ? sum - HASH_PRIME : sum;
}

/* The length is the last block: without it "a" and "a" followed by a zero block would be equal. */
static uint64_t hash_key(const char *key, uint64_t point)
{
	size_t len = strlen(key);
	uint64_t hash = 0;

	for (size_t at = 0; at < len; at += BLOCK_SIZE) {
		size_t size = len - at < BLOCK_SIZE ? len - at : BLOCK_SIZE;
		uint64_t block = 0;

		memcpy(&block, key + at, size);
		hash = multiply((hash + block) % HASH_PRIME, point);
	}
	return multiply((hash + len) % HASH_PRIME, point);
}

/* Enter one member; true if its key is there already. Slots hold node + 1, so that 0 is empty. */
static bool enter(const struct json *doc, uint32_t *slots, size_t mask, uint64_t point, json_node n)
{
	const char *key = json_key(doc, n);
	size_t at = hash_key(key, point) & mask;

	for (; slots[at]; at = (at + 1) & mask)
		if (strcmp(json_key(doc, slots[at] - 1), key) == 0)
			return true;
	slots[at] = n + 1;
	return false;
}

static int draw(uint64_t *ret, struct err *err)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_errno(err, "cannot get random bytes");
	*ret = random % (HASH_PRIME - 1) + 1;
	return 0;
}

static int twice_among_many(const struct json *doc, json_node object, json_node *ret_twice,
			    struct err *err)
{
	own_free uint32_t *slots = NULL;
	static uint64_t point; /* 0: not drawn yet */
	size_t size = 2 * FEW;

	if (!point && draw(&point, err) < 0)
		return -1;
	while (size < 2 * json_count(doc, object))
		size *= 2;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	for (json_node n = json_first(doc, object); n != JSON_NONE; n = json_next(doc, n)) {
		if (enter(doc, slots, size - 1, point, n)) {
			*ret_twice = n;
			return 0;
		}
	}
	*ret_twice = JSON_NONE;
	return 0;
}

int json_find_twice(const struct json *doc, json_node object, json_node *ret_twice, struct err *err)
{
	if (json_count(doc, object) > FEW)
		return twice_among_many(doc, object, ret_twice, err);
	*ret_twice = twice_among_few(doc, object);
	return 0;
}
