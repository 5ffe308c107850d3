/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking "PATH: TEXT" apart, and telling whether two paths are about the same thing.
 *
 * A path is names with dots between them, and brackets with an index or a quoted key in them. Keys are
 * what a stranger wrote and may hold ": " themselves, so the end of the path is found by its grammar
 * and not by the first colon. A message that does not begin with a path is about the whole document.
 */
#include "base/problems.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/str.h"

void problems_done(struct problems *found)
{
	for (size_t i = 0; i < found->count; i++) {
		free(found->items[i].path);
		free(found->items[i].message);
		free(found->items[i].hint);
	}
	free(found->items);
	*found = (struct problems){.document = found->document};
}

static size_t name_length(const char *at)
{
	return strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-$");
}

/* "[12]" or "[\"any key\"]"; 0 where there is none. */
static size_t bracket_length(const char *at)
{
	const char *end;

	if (at[0] != '[')
		return 0;
	if (at[1] == '"')
		end = strstr(at + 2, "\"]");
	else
		end = strchr(at, ']');
	return end ? (size_t)(end - at) + (at[1] == '"' ? 2 : 1) : 0;
}

/* Bytes of the path that `text` begins with; 0 where it does not. */
static size_t path_length(const char *text)
{
	const char *at = text;

	for (;;) {
		size_t step = *at == '[' ? bracket_length(at) : name_length(at);

		if (!step)
			return 0;
		at += step;
		if (at[0] == ':' && at[1] == ' ')
			return (size_t)(at - text);
		if (*at == '.')
			at++;
		else if (*at != '[')
			return 0;
	}
}

/* Is `inner` the same member as `outer`, or one inside it? Everything is inside the document. */
static bool is_within(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	return len > 0 && strncmp(inner, outer, len) == 0 &&
	       (!inner[len] || inner[len] == '.' || inner[len] == '[');
}

static bool is_silenced(const struct problems *found, const char *path)
{
	for (size_t i = 0; i < found->settled; i++)
		if (is_within(path, found->items[i].path) || is_within(found->items[i].path, path))
			return true;
	return false;
}

static bool is_noted(const struct problems *found, enum problem_severity severity, const char *path,
		     const char *message)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].severity == severity && str_eq(found->items[i].path, path) &&
		    str_eq(found->items[i].message, message))
			return true;
	return false;
}

static struct problem *grow(struct problems *found, struct err *err)
{
	size_t cap = found->cap ? found->cap * 2 : 16;
	struct problem *items;

	if (found->count < found->cap)
		return &found->items[found->count];
	items = reallocarray(found->items, cap, sizeof(*items));
	if (!items) {
		err_set(err, ERR_LIMIT, 0, "out of memory");
		return NULL;
	}
	found->items = items;
	found->cap = cap;
	return &items[found->count];
}

static int keep(struct problems *found, enum problem_severity severity, const char *path,
		const char *message, struct err *err)
{
	enum err_kind kind = err->kind;
	own_free char *place = str_dup(path, err);
	own_free char *text = place ? str_dup(message, err) : NULL;
	own_free char *hint = text ? str_dup(err->hint, err) : NULL;
	struct problem *slot = hint ? grow(found, err) : NULL;

	if (!slot)
		return -1;
	*slot = (struct problem){severity, kind, take(place), take(text), take(hint)};
	found->count++;
	return 0;
}

/* The message without the name of the document. */
static const char *without_document(const struct problems *found, const char *message)
{
	size_t len = found->document ? strlen(found->document) : 0;

	if (len && strncmp(message, found->document, len) == 0 &&
	    strncmp(message + len, ": ", 2) == 0)
		return message + len + 2;
	return message;
}

static int note(struct problems *found, enum problem_severity severity, struct err *err)
{
	own_free char *path = NULL;
	const char *text;
	size_t len;

	text = without_document(found, err->message);
	len = path_length(text);
	path = str_dup_len(text, len, err);
	if (!path)
		return -1;
	if (is_silenced(found, path) || is_noted(found, severity, path, text + (len ? len + 2 : 0)))
		return 0;
	found->full = found->count >= PROBLEMS_MAX;
	return found->full ? -1 : keep(found, severity, path, text + (len ? len + 2 : 0), err);
}

static int add(struct problems *found, enum problem_severity severity, struct err *err)
{
	if (!found || found->full)
		return -1;
	/* Not of the document: whoever goes on after it would look at what is not there. */
	if (err->kind == ERR_LIMIT && str_ends(err->message, "out of memory"))
		return -1;
	if (err->kind != ERR_NONE && note(found, severity, err) < 0)
		return -1;
	found->noted++;
	*err = ERR_INIT;
	return 0;
}

int problems_add(struct problems *found, struct err *err)
{
	return add(found, PROBLEM_ERROR, err);
}

int problems_add_warning(struct problems *found, struct err *err)
{
	return add(found, PROBLEM_WARNING, err);
}

void problems_settle(struct problems *found)
{
	if (found)
		found->settled = found->count;
}

bool problems_has_errors(const struct problems *found)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].severity == PROBLEM_ERROR)
			return true;
	return false;
}
