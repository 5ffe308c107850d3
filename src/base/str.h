/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded strings and arrays. A `struct str` grows up to its limit and then remembers that it
 * overflowed or that memory ran out: appends never fail one by one, the builder asks once at the
 * end (str_check). `s.data` is always a NUL-terminated string, even when empty.
 */
#ifndef INSULA_BASE_STR_H
#define INSULA_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct str {
	char *data;	/* never NULL; points at a static "" while nothing is allocated */
	size_t len;	/* without the NUL */
	size_t cap;	/* allocated bytes, 0 while static */
	size_t limit;	/* len never exceeds it */
	bool failed;	/* an append did not fit, or memory ran out */
	bool no_memory; /* it was the memory */
};

extern char str_empty[1];

#define STR_INIT(limit_) ((struct str){.data = str_empty, .limit = (limit_)})

void str_done(struct str *s);
void str_reset(struct str *s);
void str_add(struct str *s, const char *text);
void str_add_len(struct str *s, const char *data, size_t len);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
/* 0 if every append succeeded, else ERR_LIMIT naming `what`. */
int str_check(const struct str *s, const char *what, struct err *err);
/* Hand over the heap string (never NULL unless failed); the str is empty afterwards. */
char *str_take(struct str *s);

/* A growing array of owned strings, NULL-terminated for execve(2). */
struct strv {
	char **items; /* NULL while empty; else items[count] == NULL */
	size_t count;
	size_t cap;
};

#define STRV_INIT ((struct strv){0})
#define STRV_MAX 65536 /* items; one more is ERR_LIMIT */

void strv_done(struct strv *v);
/* Append a copy. */
int strv_add(struct strv *v, const char *text, struct err *err);
/* Room for `count` items in all, at once. */
int strv_reserve(struct strv *v, size_t count, struct err *err);
/* Append a string whose ownership passes to the array (freed on failure too; NULL: out of memory). */
int strv_take(struct strv *v, char *text, struct err *err);
int strv_addf(struct strv *v, struct err *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int strv_copy(struct strv *v, const struct strv *from, struct err *err);
bool strv_contains(const struct strv *v, const char *text);
/* KEY=VALUE lists: value of the last match, or NULL; and set or replace. */
const char *strv_env_get(const struct strv *v, const char *key);
int strv_env_set(struct strv *v, const char *key, const char *value, struct err *err);

/* strdup, strndup and printf to the heap that report ERR_LIMIT "out of memory"; NULL on failure. */
char *str_dup(const char *text, struct err *err);
char *str_dup_len(const char *data, size_t len, struct err *err);
char *str_printf(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Strict numbers: the whole string, decimal, no sign for unsigned, no white space, no leading '+',
 * within [min, max]. `what` names the value in the error. */
int str_to_u64(const char *text, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
	       struct err *err);
int str_to_i64(const char *text, int64_t min, int64_t max, const char *what, int64_t *ret,
	       struct err *err);
/* Bytes with an optional suffix b, k, m, g, t (any case, optionally followed by b or ib), powers of
 * 1024, as docker-run(1) takes them; INT64_MAX at the most, as limits have a sign where they go. */
int str_to_bytes(const char *text, const char *what, uint64_t *ret, struct err *err);
/* "1.5" in thousandths (1500); at most three decimals. */
int str_to_milli(const char *text, const char *what, uint64_t *ret, struct err *err);
/* Duration: "10", "10s", "1m30s", "500ms" in milliseconds; INT64_MAX of them at the most. */
int str_to_ms(const char *text, const char *what, uint64_t *ret, struct err *err);

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
static inline bool str_eq(const char *a, const char *b)
{
	return a && b && __builtin_strcmp(a, b) == 0;
}

/* True if text has a control character (below 0x20, 0x7f, U+0080 to U+009F) or is not valid UTF-8.
 * Such names are refused everywhere. */
bool str_has_control(const char *text);
/* Replace by '?', in place, every byte that str_has_control objects to. */
void str_scrub(char *text);
/* Copy into buf (size >= 4) with control characters replaced by '?', cut with "...". Returns buf. */
const char *str_printable(const char *text, char *buf, size_t size);

/* Edit distance, bounded at `limit` (returns limit + 1 beyond), for did-you-mean. */
unsigned int str_distance(const char *a, const char *b, unsigned int limit);
/* How far from it what was meant may be: a third of its letters, one at the least, and three at most. */
unsigned int str_near_limit(const char *name);

/* Lower-case hex of `size` random bytes from getrandom(2); buf has 2 * size + 1 bytes. */
int str_random_hex(char *buf, size_t size, struct err *err);

#endif
