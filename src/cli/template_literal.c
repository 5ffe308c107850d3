/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts and numbers as they are written in a template: those of Go, without digits that '_' separates. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/template_internal.h"

#define EXACT_MAX \
	9007199254740992.0 /* whole numbers are what they say up to 2 to the power of 53 */

/* One with a number behind its letter. */
static const struct {
	char letter;
	unsigned int digits, base;
	bool is_byte; /* and no code point */
} numbered[] = {{'x', 2, 16, true},
		{'u', 4, 16, false},
		{'U', 8, 16, false},
		{'\0', 3, 8, true} /* of digits alone */};

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10 : 99;
}

/* UTF-8 of what is a character; its size, or 0. */
static size_t encode(uint32_t c, char *out)
{
	static const uint32_t ends[] = {0x80, 0x800, 0x10000, 0x110000};
	static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
	size_t size = 0;

	while (size < 4 && c >= ends[size])
		size++;
	if (size == 4 || (c >= 0xd800 && c < 0xe000))
		return 0;
	for (size_t i = size; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(leads[size] | c);
	return size + 1;
}

static size_t read_number(const char *at, const char *end, unsigned int digits, unsigned int base,
			  uint32_t *ret)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < digits; i++) {
		if (at + i >= end || digit_of(at[i]) >= base)
			return 0;
		n = n * base + digit_of(at[i]);
	}
	*ret = n;
	return digits;
}

size_t template_unescape(const char *at, const char *end, char out[static 5])
{
	static const char letters[] = "abfnrtv\\\"'", bytes[] = "\a\b\f\n\r\t\v\\\"'";
	const char *simple = at < end && *at ? strchr(letters, *at) : NULL;
	size_t kind = 0, lead, size;
	uint32_t n = 0;

	memset(out, 0, 5);
	if (simple) {
		out[0] = bytes[simple - letters];
		return 1;
	}
	while (numbered[kind].letter && (at >= end || *at != numbered[kind].letter))
		kind++;
	lead = numbered[kind].letter != '\0';
	size = read_number(at + lead, end, numbered[kind].digits, numbered[kind].base, &n);
	if (!size || !n || (numbered[kind].is_byte && n > 0xff))
		return 0;
	if (numbered[kind].is_byte)
		out[0] = (char)n;
	else if (!encode(n, out))
		return 0;
	return lead + size;
}

size_t template_number_size(const char *at, const char *end)
{
	const char *c = at;

	if (c < end && (*c == '+' || *c == '-'))
		c++;
	for (; c < end; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._", *c) &&
		    !(strchr("+-", *c) && strchr("eEpP", c[-1])))
			break;
	return (size_t)(c - at);
}

bool template_number(const char *text, int64_t *ret_integer, double *ret_real, bool *ret_is_integer)
{
	const char *digits = text + strspn(text, "+-");
	char *end;

	errno = 0;
	*ret_integer = strtoll(text, &end, 0);
	*ret_is_integer = !*end && errno == 0;
	*ret_real = strtod(text, &end);
	if (*end || !(isdigit((unsigned char)*digits) || *digits == '.') || !isfinite(*ret_real))
		return false;
	if (!*ret_is_integer && fabs(*ret_real) <= EXACT_MAX && trunc(*ret_real) == *ret_real) {
		*ret_integer = (int64_t)*ret_real;
		*ret_is_integer = true;
	}
	return true;
}
