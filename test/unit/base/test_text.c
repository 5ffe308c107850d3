/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control characters, UTF-8, near misses, random names.
 */
#include <stdio.h>

#include "base/str.h"
#include "test.h"

TEST(ordinary_text_is_fine)
{
	CHECK(!str_has_control(""));
	CHECK(!str_has_control("plain ~ text"));
	CHECK(!str_has_control("gr\xc3\xbc\xc3\x9f"));
	CHECK(!str_has_control("\xe2\x82\xac \xf0\x9f\x8f\xa0"));
	CHECK(!str_has_control("\xc2\xa0"));	     /* U+00A0, the first behind C1 */
	CHECK(!str_has_control("\xed\x9f\xbf"));     /* U+D7FF, the last before surrogates */
	CHECK(!str_has_control("\xf4\x8f\xbf\xbf")); /* U+10FFFF */
}

TEST(every_control_character_is_found)
{
	for (int c = 1; c < 0x20; c++)
		CHECK(str_has_control((char[]){'a', (char)c, 'b', 0}));
	CHECK(str_has_control("\x7f"));
	for (int c = 0x80; c <= 0x9f; c++)
		CHECK(str_has_control((char[]){'a', (char)0xc2, (char)c, 0}));
}

TEST(malformed_utf8_is_found)
{
	static const char *const bad[] = {
		"\x80", /* continuation alone */
		"\xff",
		"\xfe",		    /* never used */
		"\xc0\xaf",	    /* overlong '/' */
		"\xc1\xbf",	    /* overlong DEL */
		"\xe0\x80\xaf",	    /* overlong in three */
		"\xe0\x9f\xbf",	    /* overlong, the last */
		"\xf0\x80\x80\xaf", /* overlong in four */
		"\xf0\x8f\xbf\xbf", /* overlong, the last */
		"\xed\xa0\x80",	    /* surrogate */
		"\xed\xbf\xbf",	    /* surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80", /* above */
		"\xc3",		    /* ends early */
		"\xe2\x82",	    /* ends early */
		"\xf0\x9f\x8f",	    /* ends early */
		"\xc3(",
		"\xe2(\xa1",
		"\xe2\x82(",
		"\xf0\x9f\x8f(",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(str_has_control(bad[i]));
}

TEST(scrub_replaces_bytes_in_place)
{
	char text[] = "ok\n\x1b[0m\xc2\x9b\xe2\x82\xac\xe2\x82";

	str_scrub(text);
	CHECK_STR(text, "ok??[0m??\xe2\x82\xac??");
	CHECK(!str_has_control(text));
}

TEST(scrub_of_any_bytes_leaves_nothing_to_object_to)
{
	unsigned int seed = 12345;

	for (int round = 0; round < 20000; round++) {
		char text[16];

		for (size_t i = 0; i < sizeof(text) - 1; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = (char)(seed >> 16);
		}
		text[sizeof(text) - 1] = '\0';
		str_scrub(text);
		CHECK(!str_has_control(text));
	}
}

TEST(printable_cuts_and_scrubs)
{
	char buf[8];

	CHECK_STR(str_printable("short", buf, sizeof(buf)), "short");
	CHECK_STR(str_printable("1234567", buf, sizeof(buf)), "1234567");
	CHECK_STR(str_printable("12345678", buf, sizeof(buf)), "1234...");
	CHECK_STR(str_printable("a\tb", buf, sizeof(buf)), "a?b");
	CHECK_STR(str_printable("abc\xe2\x82\xac xyz", buf, sizeof(buf)), "abc?...");
	CHECK_STR(str_printable("12345", buf, 4), "...");
}

TEST(distance_counts_edits)
{
	CHECK_INT(str_distance("memory", "memory", 3), 0);
	CHECK_INT(str_distance("cpsuet", "cpuset", 3), 1);
	CHECK_INT(str_distance("mmory", "memory", 3), 1);
	CHECK_INT(str_distance("memorry", "memory", 3), 1);
	CHECK_INT(str_distance("nemory", "memory", 3), 1);
	CHECK_INT(str_distance("", "abc", 3), 3);
	CHECK_INT(str_distance("abc", "", 3), 3);
	CHECK_INT(str_distance("", "", 3), 0);
	CHECK_INT(str_distance("kitten", "sitting", 5), 3);
}

TEST(distance_is_symmetric_and_bounded)
{
	char word[200];

	CHECK_INT(str_distance("abc", "xyz", 2), 3);
	CHECK_INT(str_distance("sunday", "saturday", 9), str_distance("saturday", "sunday", 9));
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	CHECK_INT(str_distance(word, "a", 3), 4);
	CHECK_INT(str_distance(word, word, 3), 4);
}

TEST(random_names_are_hex_and_differ)
{
	char a[33], b[33], many[601];
	struct err err = ERR_INIT;

	CHECK_OK(str_random_hex(many, 300, &err));
	CHECK_INT(strspn(many, "0123456789abcdef"), 600);
	CHECK(strncmp(many, many + 512, 88) != 0);
	CHECK_OK(str_random_hex(a, 16, &err));
	CHECK_OK(str_random_hex(b, 16, &err));
	CHECK_INT(strlen(a), 32);
	CHECK_INT(strspn(a, "0123456789abcdef"), 32);
	CHECK(strcmp(a, b) != 0);
	CHECK_OK(str_random_hex(a, 0, &err));
	CHECK_STR(a, "");
}

TEST_MAIN()
