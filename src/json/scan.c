/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of JSON text (RFC 8259): one pass, no recursion, every bound checked before memory is
 * taken for what lies beyond it.
 *
 * The pass alternates between two steps. A value is read: a scalar is complete then, a bracket opens
 * a container. Then what stands between two values: closing brackets, a comma, in an object the next
 * key. The container at hand is the innermost open one (`open`), and nodes know their parent, so
 * that closing needs no stack. A value's node is made before the value is read; errors are about
 * that node, and so can say where in the document they are as well as where in the text.
 *
 * The pool needs no bound of its own: a decoded string is never longer than its text between the
 * quotes, and its NUL takes the place of a quote; a number's NUL takes the place of the delimiter
 * behind it, or of the end of the text. So size + 1 bytes always do.
 *
 * Stricter than the RFC, where it leaves a choice and different readers choose differently: keys
 * are unique, \u0000 and lone surrogates are refused (C strings and UTF-8 cannot hold them), a byte
 * order mark is refused, numbers must be within the range of a double.
 */
#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "json/internal.h"

#define NUMBER_MAX 400 /* characters; the largest double has 309 digits */

struct scan {
	const char *text, *at, *end;
	struct json *doc;
	uint32_t node_cap;
	uint32_t pool_used;
	unsigned int depth;
	json_node open;	 /* innermost open container, or JSON_NONE */
	json_node about; /* the value that errors are about */
};

/* ---- errors ---- */

/* Columns count characters, not bytes: continuation bytes of UTF-8 are left out. */
static void locate(const struct scan *s, const char *at, unsigned int *ret_line,
		   unsigned int *ret_column)
{
	*ret_line = 1;
	*ret_column = 1;
	for (const char *c = s->text; c < at; c++) {
		if (*c == '\n') {
			++*ret_line;
			*ret_column = 1;
		} else if ((*c & 0xc0) != 0x80) {
			++*ret_column;
		}
	}
}

/* "NAME: line L, column C, in PATH: TEXT" */
static int fail_at(const struct scan *s, const char *at, enum err_kind kind, struct err *err,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));

static int fail_at(const struct scan *s, const char *at, enum err_kind kind, struct err *err,
		   const char *format, ...)
{
	unsigned int line, column;
	char text[200], path[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	locate(s, at, &line, &column);
	json_path(s->doc, s->about, path, sizeof(path));
	return err_set(err, kind, 0, "%s: line %u, column %u%s%s: %s", s->doc->name, line, column,
		       *path ? ", in " : "", path, text);
}

static int fail(const struct scan *s, struct err *err, const char *expected)
{
	unsigned char c;

	if (s->at == s->end)
		return fail_at(s, s->at, ERR_INVALID, err, "expected %s, found the end", expected);
	c = (unsigned char)*s->at;
	if (c <= ' ' || c >= 0x7f)
		return fail_at(s, s->at, ERR_INVALID, err, "expected %s, found byte 0x%02x",
			       expected, c);
	return fail_at(s, s->at, ERR_INVALID, err, "expected %s, found '%c'", expected, c);
}

/* ---- nodes ---- */

static int grow(struct scan *s, struct err *err)
{
	uint32_t cap = s->node_cap > JSON_MAX_NODES / 2 ? JSON_MAX_NODES : s->node_cap * 2;
	struct node *nodes;

	if (s->node_cap == JSON_MAX_NODES)
		return fail_at(s, s->at, ERR_LIMIT, err, "more than %u values", JSON_MAX_NODES);
	nodes = reallocarray(s->doc->nodes, cap, sizeof(*nodes));
	if (!nodes)
		return err_set(err, ERR_LIMIT, 0, "%s: out of memory", s->doc->name);
	s->doc->nodes = nodes;
	s->node_cap = cap;
	return 0;
}

/* The next value's node, in the open container. */
static int add_node(struct scan *s, uint32_t key, struct err *err)
{
	json_node n = s->doc->node_count;

	if (n == s->node_cap && grow(s, err) < 0)
		return -1;
	s->doc->nodes[n] = (struct node){.parent = s->open, .end = n + 1, .key = key};
	s->doc->node_count++;
	if (s->open != JSON_NONE)
		s->doc->nodes[s->open].count++;
	s->about = n;
	return 0;
}

static struct node *current(struct scan *s)
{
	return &s->doc->nodes[s->about];
}

/* ---- strings ---- */

/* Four hexadecimal digits at `at`, or -1. */
static int hex4(const struct scan *s, const char *at)
{
	int value = 0;

	if (s->end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = at[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

static void put_byte(struct scan *s, unsigned int byte)
{
	s->doc->pool[s->pool_used++] = (char)byte;
}

static void put_utf8(struct scan *s, unsigned int c)
{
	if (c < 0x80) {
		put_byte(s, c);
		return;
	}
	if (c < 0x800) {
		put_byte(s, 0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			put_byte(s, 0xe0 | c >> 12);
		} else {
			put_byte(s, 0xf0 | c >> 18);
			put_byte(s, 0x80 | (c >> 12 & 0x3f));
		}
		put_byte(s, 0x80 | (c >> 6 & 0x3f));
	}
	put_byte(s, 0x80 | (c & 0x3f));
}

static bool is_surrogate(int c)
{
	return c >= 0xd800 && c <= 0xdfff;
}

/* s->at is behind "\u". Characters beyond U+FFFF come as two escapes, high surrogate first. */
static int scan_unicode(struct scan *s, struct err *err)
{
	const char *escape = s->at - 2;
	int c = hex4(s, s->at);
	int low = -1;

	if (c < 0)
		return fail_at(s, escape, ERR_INVALID, err, "\\u needs four hexadecimal digits");
	if (c == 0)
		return fail_at(s, escape, ERR_INVALID, err, "\\u0000 is not allowed in a string");
	s->at += 4;
	if (is_surrogate(c)) {
		if (c < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u')
			low = hex4(s, s->at + 2);
		if (low < 0xdc00 || low > 0xdfff)
			return fail_at(s, escape, ERR_INVALID, err,
				       "\\u%04x is one half of a character", (unsigned int)c);
		s->at += 6;
		c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
	}
	put_utf8(s, (unsigned int)c);
	return 0;
}

/* s->at is at the backslash. */
static int scan_escape(struct scan *s, struct err *err)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *name;

	s->at++;
	if (s->at < s->end && *s->at == 'u') {
		s->at++;
		return scan_unicode(s, err);
	}
	name = s->at < s->end && *s->at ? strchr(names, *s->at) : NULL;
	if (!name)
		return fail(s, err, "an escape (one of \" \\ / b f n r t u)");
	put_byte(s, (unsigned char)bytes[name - names]);
	s->at++;
	return 0;
}

/* s->at is at a byte that does not go into the pool as it is. */
static int scan_special(struct scan *s, struct err *err)
{
	unsigned char c = (unsigned char)*s->at;
	size_t len;

	if (c == '\\')
		return scan_escape(s, err);
	if (c < 0x20)
		return fail_at(s, s->at, ERR_INVALID, err,
			       "control character 0x%02x in a string must be escaped", c);
	len = json_utf8_len(s->at, (size_t)(s->end - s->at));
	if (!len)
		return fail_at(s, s->at, ERR_INVALID, err, "invalid UTF-8, byte 0x%02x", c);
	memcpy(s->doc->pool + s->pool_used, s->at, len);
	s->pool_used += (uint32_t)len;
	s->at += len;
	return 0;
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* How many bytes come before the first that is a quote, a backslash, a control character or none of ASCII. A
 * byte that is zero borrows from the one after it, which may then be found too: never the first one wrongly. */
static unsigned int plain_bytes(uint64_t word)
{
	const uint64_t high = EACH_BYTE * 0x80;
	uint64_t in_order = le64toh(word);
	uint64_t quote = in_order ^ EACH_BYTE * '"', backslash = in_order ^ EACH_BYTE * '\\';
	uint64_t special = ((quote - EACH_BYTE) | (backslash - EACH_BYTE) |
			    (in_order - EACH_BYTE * 0x20) | in_order) &
			   high;

	return special ? (unsigned int)__builtin_ctzll(special) / 8 : sizeof(word);
}

/* Copy up to the next byte that is not copied as it is, eight at a time: most strings are plain words. What is
 * written beyond has its room, as there is no less of the pool left than of the text. */
static void copy_plain(struct scan *s)
{
	const char *at = s->at, *end = s->end;
	char *to = s->doc->pool + s->pool_used;
	unsigned int plain = sizeof(uint64_t);

	while (plain == sizeof(uint64_t) && end - at >= (ptrdiff_t)sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		memcpy(to, &word, sizeof(word));
		plain = plain_bytes(word);
		at += plain;
		to += plain;
	}
	while (plain == sizeof(uint64_t) && at < end && !json_special[(unsigned char)*at])
		*to++ = *at++;
	s->pool_used += (uint32_t)(at - s->at);
	s->at = at;
}

/* s->at is at the opening quote. */
static int scan_string(struct scan *s, uint32_t *ret_offset, struct err *err)
{
	const char *quote = s->at++;
	uint32_t offset = s->pool_used;

	for (;;) {
		copy_plain(s);
		if (s->at == s->end)
			return fail_at(s, quote, ERR_INVALID, err, "the string has no end");
		if (*s->at == '"')
			break;
		if (scan_special(s, err) < 0)
			return -1;
	}
	s->at++;
	put_byte(s, '\0');
	*ret_offset = offset;
	return 0;
}

/* ---- numbers ---- */

static size_t skip_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return (size_t)(s->at - from);
}

static bool skip_one_of(struct scan *s, const char *set)
{
	if (s->at == s->end || !*s->at || !strchr(set, *s->at))
		return false;
	s->at++;
	return true;
}

static bool skip_char(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* [ "-" ] digits [ "." digits ] [ ( "e" | "E" ) [ "+" | "-" ] digits ] */
static int skip_number(struct scan *s, bool *ret_integer, struct err *err)
{
	const char *digits;

	*ret_integer = true;
	skip_char(s, '-');
	digits = s->at;
	if (!skip_digits(s))
		return fail(s, err, "a digit");
	if (*digits == '0' && s->at - digits > 1)
		return fail_at(s, digits, ERR_INVALID, err, "a number must not begin with 0");
	if (skip_char(s, '.')) {
		*ret_integer = false;
		if (!skip_digits(s))
			return fail(s, err, "a digit");
	}
	if (skip_one_of(s, "eE")) {
		*ret_integer = false;
		skip_one_of(s, "+-");
		if (!skip_digits(s))
			return fail(s, err, "a digit");
	}
	return 0;
}

static int scan_number(struct scan *s, struct err *err)
{
	const char *from = s->at;
	bool integer;
	size_t len;

	if (skip_number(s, &integer, err) < 0)
		return -1;
	len = (size_t)(s->at - from);
	if (len > NUMBER_MAX)
		return fail_at(s, from, ERR_LIMIT, err, "a number of %zu characters", len);
	current(s)->type = JSON_NUMBER;
	current(s)->value = s->pool_used;
	memcpy(s->doc->pool + s->pool_used, from, len);
	s->pool_used += (uint32_t)len;
	put_byte(s, '\0');
	if ((!integer || len > DBL_MAX_10_EXP) &&
	    !isfinite(strtod(s->doc->pool + current(s)->value, NULL)))
		return fail_at(s, from, ERR_INVALID, err, "the number is out of range");
	return 0;
}

/* ---- structure ---- */

static void skip_blanks(struct scan *s)
{
	const char *at = s->at, *end = s->end;

	while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	s->at = at;
}

static int scan_word(struct scan *s, const char *word, enum json_type type, uint32_t value,
		     struct err *err)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return fail(s, err, "a value");
	s->at += len;
	current(s)->type = type;
	current(s)->value = value;
	return 0;
}

static int open_container(struct scan *s, enum json_type type, struct err *err)
{
	if (s->depth == JSON_MAX_DEPTH)
		return fail_at(s, s->at, ERR_LIMIT, err, "nested more than %d levels deep",
			       JSON_MAX_DEPTH);
	s->depth++;
	current(s)->type = type;
	s->open = s->about;
	s->at++;
	return 0;
}

static int scan_value(struct scan *s, struct err *err)
{
	switch (s->at < s->end ? *s->at : '\0') {
	case '{':
		return open_container(s, JSON_OBJECT, err);
	case '[':
		return open_container(s, JSON_ARRAY, err);
	case '"':
		current(s)->type = JSON_STRING;
		return scan_string(s, &current(s)->value, err);
	case 't':
		return scan_word(s, "true", JSON_BOOL, 1, err);
	case 'f':
		return scan_word(s, "false", JSON_BOOL, 0, err);
	case 'n':
		return scan_word(s, "null", JSON_NULL, 0, err);
	case '-':
	case '0' ... '9':
		return scan_number(s, err);
	default:
		return fail(s, err, "a value");
	}
}

static int close_container(struct scan *s, struct err *err)
{
	struct node *container = &s->doc->nodes[s->open];
	json_node twice = JSON_NONE;

	container->end = s->doc->node_count;
	if (container->type == JSON_OBJECT && json_find_twice(s->doc, s->open, &twice, err) < 0)
		return err_wrap(err, "%s", s->doc->name);
	if (twice != JSON_NONE) {
		s->about = twice;
		return json_error(s->doc, twice, err, "the key is there twice");
	}
	s->at++;
	s->depth--;
	s->about = s->open;
	s->open = container->parent;
	return 0;
}

/* A key and its colon, in an object; then the node of the value that follows. */
static int begin_item(struct scan *s, struct err *err)
{
	uint32_t key = JSON_NONE;

	if (s->doc->nodes[s->open].type == JSON_OBJECT) {
		if (s->at == s->end || *s->at != '"')
			return fail(s, err, "a key in quotes");
		if (scan_string(s, &key, err) < 0)
			return -1;
		skip_blanks(s);
		if (!skip_char(s, ':'))
			return fail(s, err, "':'");
		skip_blanks(s);
	}
	return add_node(s, key, err);
}

/* From the end of a value, or an opening bracket, to where the next value begins. Afterwards
 * s->open is JSON_NONE where the top value is complete. */
static int scan_between(struct scan *s, struct err *err)
{
	while (s->open != JSON_NONE) {
		const struct node *container = &s->doc->nodes[s->open];
		bool object = container->type == JSON_OBJECT;

		skip_blanks(s);
		s->about = s->open;
		if (s->at < s->end && *s->at == (object ? '}' : ']')) {
			if (close_container(s, err) < 0)
				return -1;
			continue;
		}
		if (container->count > 0) {
			if (!skip_char(s, ','))
				return fail(s, err, object ? "',' or '}'" : "',' or ']'");
			skip_blanks(s);
		}
		return begin_item(s, err);
	}
	return 0;
}

static int scan_document(struct scan *s, struct err *err)
{
	if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		return fail_at(s, s->at, ERR_INVALID, err, "a byte order mark is not allowed");
	skip_blanks(s);
	if (add_node(s, JSON_NONE, err) < 0)
		return -1;
	do {
		if (scan_value(s, err) < 0 || scan_between(s, err) < 0)
			return -1;
	} while (s->open != JSON_NONE);
	skip_blanks(s);
	return s->at == s->end ? 0 : fail(s, err, "nothing after the value");
}

/* Typical configurations have a value per 20 to 30 bytes: the first guess is mostly enough. */
static struct json *new_document(size_t size, uint32_t node_cap, const char *name, struct err *err)
{
	own_json struct json *doc = calloc(1, sizeof(*doc));

	if (doc) {
		doc->name = strdup(name);
		doc->pool = malloc(size + 1);
		doc->nodes = reallocarray(NULL, node_cap, sizeof(*doc->nodes));
	}
	if (!doc || !doc->name || !doc->pool || !doc->nodes) {
		err_set(err, ERR_LIMIT, 0, "%s: out of memory", name);
		return NULL;
	}
	return take(doc);
}

struct json *json_parse(const char *text, size_t size, const char *name, struct err *err)
{
	own_json struct json *doc = NULL;
	struct scan s = {.text = text, .at = text, .end = text + size, .open = JSON_NONE};

	if (size > JSON_MAX_SIZE) {
		err_set(err, ERR_LIMIT, 0, "%s: %zu bytes are more than the limit of %u", name,
			size, JSON_MAX_SIZE);
		return NULL;
	}
	s.node_cap = (uint32_t)(size / 20 + 8);
	doc = new_document(size, s.node_cap, name, err);
	if (!doc)
		return NULL;
	s.doc = doc;
	return scan_document(&s, err) < 0 ? NULL : take(doc);
}
