/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arrays of owned strings in the shape that execve(2) takes: argument vectors, environments, lists
 * of options.
 *
 * The array is NULL-terminated after every successful call, so that it can be handed on without a
 * finishing step. A failed call leaves it as it was. strv_take frees its argument on failure as
 * well, so that `strv_take(v, str_printf(...), err)` cannot leak.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/str.h"

void strv_done(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = STRV_INIT;
}

int strv_reserve(struct strv *v, size_t count, struct err *err)
{
	char **items;

	if (count > STRV_MAX)
		return err_set(err, ERR_LIMIT, 0, "more than %d items in a list", STRV_MAX);
	if (count + 1 <= v->cap)
		return 0;
	items = reallocarray(v->items, count + 1, sizeof(*items));
	if (!items)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	v->items = items;
	v->cap = count + 1;
	v->items[v->count] = NULL;
	return 0;
}

/* Room for one more item and the NULL behind it. */
static int reserve_one(struct strv *v, struct err *err)
{
	size_t more = v->cap ? v->cap * 2 : 8;

	if (v->count + 1 < v->cap)
		return 0;
	return strv_reserve(v, v->count < STRV_MAX && more > STRV_MAX ? STRV_MAX : more - 1, err);
}

int strv_take(struct strv *v, char *text, struct err *err)
{
	own_free char *owned = text;

	if (!owned)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	if (reserve_one(v, err) < 0)
		return -1;
	v->items[v->count++] = take(owned);
	v->items[v->count] = NULL;
	return 0;
}

int strv_add(struct strv *v, const char *text, struct err *err)
{
	char *copy = str_dup(text, err);

	return copy ? strv_take(v, copy, err) : -1;
}

int strv_copy(struct strv *v, const struct strv *from, struct err *err)
{
	size_t before = v->count;

	if (from->count && strv_reserve(v, before + from->count, err) < 0)
		return -1;
	for (size_t i = 0; i < from->count; i++) {
		if (strv_add(v, from->items[i], err) == 0)
			continue;
		while (v->count > before) {
			free(v->items[--v->count]);
			v->items[v->count] = NULL;
		}
		return -1;
	}
	return 0;
}

bool strv_contains(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->items[i], text) == 0)
			return true;
	return false;
}

/* Index of the last KEY=..., or count. */
static size_t env_find(const struct strv *v, const char *key, size_t key_len)
{
	for (size_t i = v->count; i > 0; i--)
		if (strncmp(v->items[i - 1], key, key_len) == 0 && v->items[i - 1][key_len] == '=')
			return i - 1;
	return v->count;
}

const char *strv_env_get(const struct strv *v, const char *key)
{
	size_t key_len = strlen(key), i = env_find(v, key, key_len);

	return i < v->count ? v->items[i] + key_len + 1 : NULL;
}

int strv_env_set(struct strv *v, const char *key, const char *value, struct err *err)
{
	size_t i = env_find(v, key, strlen(key));
	char *text = str_printf(err, "%s=%s", key, value);

	if (!text)
		return -1;
	if (i == v->count)
		return strv_take(v, text, err);
	free(v->items[i]);
	v->items[i] = text;
	return 0;
}
