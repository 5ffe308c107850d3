/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes in strings, for the reader and the writer.
 *
 * Most bytes of most strings stand for themselves, so both copy runs of those and stop only at the
 * special ones. Beyond ASCII that means a check of UTF-8, by RFC 3629 and table 3-7 of the Unicode
 * standard: the first byte says how long the character is and, in four cases, narrows the range of
 * the second one. That excludes the overlong forms (which have hidden '/' and '"' from checks made
 * on bytes), the surrogates and what is beyond U+10FFFF; all other bytes are continuations, 80 to
 * BF.
 */
#include "json/internal.h"

const bool json_special[256] = {
	[0x00 ... 0x1f] = true,
	['"'] = true,
	['\\'] = true,
	[0x80 ... 0xff] = true,
};

/* Length by the first byte alone, and the range of the second; 0 for a byte that begins nothing. */
static size_t by_first(unsigned char first, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*ret_high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t json_utf8_len(const char *text, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char low, high;
	size_t len = size ? by_first(bytes[0], &low, &high) : 0;

	if (len > size || (len > 1 && (bytes[1] < low || bytes[1] > high)))
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return len;
}
