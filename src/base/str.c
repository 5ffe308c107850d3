/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bounded string builder.
 *
 * Building a text is a run of appends of which any may fail, and checking each one buries what is
 * built. So a builder is sticky: the first append that does not fit, or finds no memory, marks the
 * whole string as failed, later appends do nothing (no text with a hole in it), and the builder
 * asks once at the end. The limit is part of the initialiser because every text has one, and a
 * text without a bound is how a stranger's input becomes an out-of-memory kill.
 *
 * Capacity doubles, so that n appends cost O(n). While nothing is allocated `data` points at a
 * static empty string, so that a reader never meets NULL.
 */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

#define FIRST_CAPACITY 64

char str_empty[1];

void str_done(struct str *s)
{
	if (s->cap > 0)
		free(s->data);
	*s = STR_INIT(s->limit);
}

void str_reset(struct str *s)
{
	s->failed = s->no_memory = false;
	s->len = 0;
	if (s->cap > 0)
		s->data[0] = '\0';
}

/* Make room for `more` bytes and the NUL. */
static bool grow(struct str *s, size_t more)
{
	size_t capacity = s->cap > 0 ? s->cap * 2 : FIRST_CAPACITY;
	char *data;

	if (s->failed || more > s->limit - s->len) {
		s->failed = true;
		return false;
	}
	if (s->len + more < s->cap)
		return true;
	if (capacity <= s->len + more)
		capacity = s->len + more + 1;
	data = realloc(s->cap > 0 ? s->data : NULL, capacity);
	if (!data) {
		s->failed = s->no_memory = true;
		return false;
	}
	s->data = data;
	s->cap = capacity;
	return true;
}

void str_add_len(struct str *s, const char *data, size_t len)
{
	if (len == 0 || !grow(s, len))
		return;
	memcpy(s->data + s->len, data, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_add_len(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
	str_add_len(s, &c, 1);
}

void str_vaddf(struct str *s, const char *format, va_list ap)
{
	va_list again;
	int length;

	va_copy(again, ap);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0) {
		s->failed = true;
		return;
	}
	if (!grow(s, (size_t)length))
		return;
	vsnprintf(s->data + s->len, (size_t)length + 1, format, ap);
	s->len += (size_t)length;
}

void str_addf(struct str *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	str_vaddf(s, format, ap);
	va_end(ap);
}

int str_check(const struct str *s, const char *what, struct err *err)
{
	if (s->no_memory)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot build %s", what);
	if (s->failed)
		return err_set(err, ERR_LIMIT, 0, "cannot build %s: longer than %zu bytes", what,
			       s->limit);
	return 0;
}

char *str_take(struct str *s)
{
	char *data = NULL;

	if (!s->failed)
		data = s->cap > 0 ? s->data : strdup("");
	if (data == s->data)
		s->cap = 0;
	str_done(s);
	return data;
}

char *str_dup(const char *text, struct err *err)
{
	return str_dup_len(text, strlen(text), err);
}

char *str_dup_len(const char *data, size_t len, struct err *err)
{
	char *copy = len < SIZE_MAX ? malloc(len + 1) : NULL;

	if (!copy) {
		err_set(err, ERR_LIMIT, 0, "out of memory");
		return NULL;
	}
	memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

static char *vprintf_heap(struct err *err, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));
static char *vprintf_heap(struct err *err, const char *format, va_list ap)
{
	own(str) struct str s = STR_INIT(INT32_MAX);
	char *text;

	str_vaddf(&s, format, ap);
	text = str_take(&s);
	if (!text)
		err_set(err, ERR_LIMIT, 0, "out of memory");
	return text;
}

char *str_printf(struct err *err, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	text = vprintf_heap(err, format, ap);
	va_end(ap);
	return text;
}

int strv_addf(struct strv *v, struct err *err, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	text = vprintf_heap(err, format, ap);
	va_end(ap);
	return text ? strv_take(v, text, err) : -1;
}

bool str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
	size_t text_len = strlen(text), suffix_len = strlen(suffix);

	return text_len >= suffix_len &&
	       memcmp(text + text_len - suffix_len, suffix, suffix_len) == 0;
}
