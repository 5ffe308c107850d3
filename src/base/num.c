/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict numbers.
 *
 * strtoul(3) and its family skip white space, take "+5" and "-1" for unsigned values, stop at the
 * first strange byte and saturate: each of these has been a hole somewhere ("-u 0x1000" read as uid
 * 0). Here the whole text is the number or there is none, overflow is an error, and the error says
 * which value, what is allowed, and what was given.
 *
 * A number with units is read into a 128-bit product, so that one comparison at the end finds
 * every overflow.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"

typedef unsigned __int128 wide;

#define FRACTION_DIGITS 9 /* more digits than any unit needs; bounds the arithmetic */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Read digits at *text, moving it past them. False where there is none or on overflow. */
static bool scan_u64(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!is_digit(*at))
		return false;
	for (; is_digit(*at); at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return false;
	*text = at;
	*ret = value;
	return true;
}

/* An optional ".123" at *text as thousandths, millionths, ...: *ret_scale is the power of ten. */
static bool scan_fraction(const char **text, uint64_t *ret, uint64_t *ret_scale)
{
	const char *at = *text;
	uint64_t value = 0, scale = 1;
	int digits = 0;

	if (*at == '.') {
		for (at++; is_digit(*at) && digits <= FRACTION_DIGITS; at++, digits++) {
			value = value * 10 + (uint64_t)(*at - '0');
			scale *= 10;
		}
		if (digits == 0 || digits > FRACTION_DIGITS)
			return false;
	}
	*text = at;
	*ret = value;
	*ret_scale = scale;
	return true;
}

int str_to_u64(const char *text, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
	       struct err *err)
{
	const char *at = text;
	uint64_t value;

	if (scan_u64(&at, &value) && *at == '\0' && value >= min && value <= max) {
		*ret = value;
		return 0;
	}
	return err_set(err, ERR_INVALID, 0,
		       "%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", what,
		       min, max, text);
}

int str_to_i64(const char *text, int64_t min, int64_t max, const char *what, int64_t *ret,
	       struct err *err)
{
	bool negative = *text == '-';
	const char *at = text + negative;
	uint64_t magnitude;

	if (scan_u64(&at, &magnitude) && *at == '\0' &&
	    magnitude <= (uint64_t)INT64_MAX + negative) {
		/* Negate as unsigned: INT64_MIN has no positive counterpart. */
		int64_t value = (int64_t)(negative ? 0 - magnitude : magnitude);

		if (value >= min && value <= max) {
			*ret = value;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, 0,
		       "%s must be a whole number from %" PRId64 " to %" PRId64 ", not '%s'", what,
		       min, max, text);
}

/* log2 of a size suffix, or -1: "", "b", "k", "kb", "kib", ... */
static int size_shift(const char *suffix)
{
	static const char units[] = "kmgt";
	const char *unit;

	if (strcasecmp(suffix, "") == 0 || strcasecmp(suffix, "b") == 0)
		return 0;
	unit = strchr(units, tolower((unsigned char)*suffix));
	if (!unit ||
	    (suffix[1] && strcasecmp(suffix + 1, "b") != 0 && strcasecmp(suffix + 1, "ib") != 0))
		return -1;
	return 10 * (int)(unit - units + 1);
}

int str_to_bytes(const char *text, const char *what, uint64_t *ret, struct err *err)
{
	uint64_t whole, fraction, scale;
	const char *at = text;

	if (scan_u64(&at, &whole) && scan_fraction(&at, &fraction, &scale)) {
		int shift = size_shift(at);
		wide bytes = shift < 0 ? 0 : (wide)whole << shift;

		/* "1.5g" is a size; half a byte is not. */
		if (shift > 0)
			bytes += ((wide)fraction << shift) / scale;
		if (shift >= 0 && (shift > 0 || scale == 1) && bytes <= INT64_MAX) {
			*ret = (uint64_t)bytes;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, 0,
		       "%s must be a size such as 4096, 64k, 512m or 2g, not '%s'", what, text);
}

int str_to_milli(const char *text, const char *what, uint64_t *ret, struct err *err)
{
	uint64_t whole, fraction, scale;
	const char *at = text;

	if (scan_u64(&at, &whole) && scan_fraction(&at, &fraction, &scale) && *at == '\0' &&
	    scale <= 1000 && whole <= (UINT64_MAX - 999) / 1000) {
		*ret = whole * 1000 + fraction * (1000 / scale);
		return 0;
	}
	return err_set(err, ERR_INVALID, 0,
		       "%s must be a number with at most three decimals such as 2 or 1.5, not '%s'",
		       what, text);
}

/* Milliseconds of the unit at *text, moving it past; 0 where there is none. */
static uint64_t scan_time_unit(const char **text)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (str_starts(*text, units[i].name)) {
			*text += strlen(units[i].name);
			return units[i].ms;
		}
	return 0;
}

/* Terms from large to small units, each at most once; a bare number is seconds. */
static bool scan_duration(const char *text, uint64_t *ret)
{
	uint64_t total = 0, value, previous = UINT64_MAX;
	const char *at = text;

	if (scan_u64(&at, &value) && *at == '\0')
		return !__builtin_mul_overflow(value, 1000, ret);
	for (at = text; *at;) {
		uint64_t unit;

		if (!scan_u64(&at, &value))
			return false;
		unit = scan_time_unit(&at);
		if (unit == 0 || unit >= previous || __builtin_mul_overflow(value, unit, &value) ||
		    __builtin_add_overflow(total, value, &total))
			return false;
		previous = unit;
	}
	*ret = total;
	return previous != UINT64_MAX;
}

int str_to_ms(const char *text, const char *what, uint64_t *ret, struct err *err)
{
	uint64_t ms;

	if (!scan_duration(text, &ms) || ms > INT64_MAX)
		return err_set(err, ERR_INVALID, 0,
			       "%s must be a duration such as 10, 10s, 1m30s or 500ms, not '%s'",
			       what, text);
	*ret = ms;
	return 0;
}
