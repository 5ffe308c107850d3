/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text as people and terminals see it: control characters, UTF-8, near misses, random names.
 *
 * A name that holds an escape sequence repaints the terminal of whoever lists it, and one that is
 * not UTF-8 cannot be written to JSON. Such names are refused where they enter (str_has_control)
 * and made harmless where somebody else's text is shown (str_scrub, str_printable). Control
 * characters are C0, DEL, and C1 (U+0080 to U+009F: one of them, U+009B, is "escape [" in a single
 * character to many terminals). UTF-8 is checked by the table of RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF.
 */
#include <string.h>
#include <sys/random.h>

#include "base/str.h"

#define DISTANCE_MAX 64 /* longer words are never near misses */

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of a well-formed character at text that is no control character; 0 where there is none. */
static size_t good_character(const unsigned char *text)
{
	unsigned char first = text[0], second;

	if (first < 0x80)
		return first >= 0x20 && first != 0x7f;
	if (first < 0xc2 || first > 0xf4 || !is_continuation(text[1]))
		return 0;
	second = text[1];
	if (first < 0xe0)
		return first == 0xc2 && second < 0xa0 ? 0 : 2;
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	    (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f) ||
	    !is_continuation(text[2]))
		return 0;
	if (first < 0xf0)
		return 3;
	return is_continuation(text[3]) ? 4 : 0;
}

bool str_has_control(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = good_character(at);

		if (length == 0)
			return true;
		at += length;
	}
	return false;
}

void str_scrub(char *text)
{
	unsigned char *at = (unsigned char *)text;

	while (*at) {
		size_t length = good_character(at);

		if (length == 0)
			*at = '?';
		at += length > 0 ? length : 1;
	}
}

const char *str_printable(const char *text, char *buf, size_t size)
{
	size_t length = strnlen(text, size);

	if (length < size) {
		memcpy(buf, text, length + 1);
	} else {
		memcpy(buf, text, size - sizeof("..."));
		memcpy(buf + size - sizeof("..."), "...", sizeof("..."));
	}
	str_scrub(buf);
	return buf;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* One row of the table: the costs of turning every prefix of b into the first i bytes of a.
 * Exchanged neighbours ("--rmeove") cost one. */
static void distance_row(const char *a, size_t i, const char *b, size_t b_len,
			 const unsigned int *before, const unsigned int *last, unsigned int *row)
{
	row[0] = (unsigned int)i;
	for (size_t j = 1; j <= b_len; j++) {
		unsigned int differs = a[i - 1] != b[j - 1];

		row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + differs);
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
		    before[j - 2] + 1 < row[j])
			row[j] = before[j - 2] + 1;
	}
}

unsigned int str_distance(const char *a, const char *b, unsigned int limit)
{
	unsigned int rows[3][DISTANCE_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned int result;

	if (a_len > DISTANCE_MAX || b_len > DISTANCE_MAX)
		return limit + 1;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++)
		distance_row(a, i, b, b_len, rows[(i + 1) % 3], rows[(i + 2) % 3], rows[i % 3]);
	result = rows[a_len % 3][b_len];
	return result <= limit ? result : limit + 1;
}

unsigned int str_near_limit(const char *name)
{
	size_t length = strlen(name);

	if (length < 2)
		return 0;
	return length < 6 ? 1 : length < 9 ? 2 : 3;
}

int str_random_hex(char *buf, size_t size, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[256];

	for (size_t i = 0; i < size; i++) {
		size_t at = i % sizeof(bytes);
		size_t count = size - i < sizeof(bytes) ? size - i : sizeof(bytes);

		/* Up to 256 bytes are never interrupted or cut short: getrandom(2). */
		if (at == 0 && getrandom(bytes, count, 0) != (ssize_t)count)
			return err_errno(err, "cannot get random bytes");
		buf[2 * i] = digits[bytes[at] >> 4];
		buf[2 * i + 1] = digits[bytes[at] & 15];
	}
	buf[2 * size] = '\0';
	return 0;
}
