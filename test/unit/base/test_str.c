/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The string builder: growth, the limit, stickiness, handing over.
 */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "test.h"

TEST(a_fresh_string_is_empty_and_owns_nothing)
{
	own(str) struct str s = STR_INIT(10);
	struct err err = ERR_INIT;

	CHECK_STR(s.data, "");
	CHECK_INT(s.len, 0);
	CHECK_INT(s.cap, 0);
	CHECK_OK(str_check(&s, "it", &err));
}

TEST(appends_add_up)
{
	own(str) struct str s = STR_INIT(1000);

	str_add(&s, "one");
	str_add_char(&s, ',');
	str_add_len(&s, "twofold", 3);
	str_addf(&s, ",%d,%s", 3, "four");
	str_add(&s, "");
	CHECK_STR(s.data, "one,two,3,four");
	CHECK_INT(s.len, 14);
}

TEST(it_grows_to_exactly_its_limit)
{
	own(str) struct str s = STR_INIT(100000);
	struct err err = ERR_INIT;

	for (int i = 0; i < 100000; i++)
		str_add_char(&s, (char)('a' + i % 26));
	CHECK_INT(s.len, 100000);
	CHECK_INT(strlen(s.data), 100000);
	CHECK_OK(str_check(&s, "it", &err));
	str_add_char(&s, 'x');
	CHECK_ERR(str_check(&s, "the greeting", &err), ERR_LIMIT,
		  "the greeting: longer than 100000 bytes");
	CHECK_INT(s.len, 100000);
}

TEST(failure_sticks_and_leaves_no_hole)
{
	own(str) struct str s = STR_INIT(5);
	struct err err = ERR_INIT;

	str_add(&s, "abc");
	str_add(&s, "defg");
	str_add(&s, "h");
	CHECK_STR(s.data, "abc");
	CHECK_ERR(str_check(&s, "x", &err), ERR_LIMIT, "longer than 5");
	CHECK(str_take(&s) == NULL);
}

TEST(a_format_that_does_not_fit_fails_too)
{
	own(str) struct str s = STR_INIT(5);

	str_addf(&s, "%s", "123456");
	CHECK(s.failed);
	CHECK_STR(s.data, "");
}

TEST(limit_zero_takes_nothing)
{
	own(str) struct str s = STR_INIT(0);

	str_add(&s, "");
	CHECK(!s.failed);
	str_add(&s, "x");
	CHECK(s.failed);
}

TEST(reset_empties_and_forgives)
{
	own(str) struct str s = STR_INIT(4);

	str_reset(&s);
	CHECK_STR(s.data, "");
	str_add(&s, "12345");
	str_reset(&s);
	CHECK(!s.failed);
	str_add(&s, "1234");
	CHECK_STR(s.data, "1234");
	str_reset(&s);
	CHECK_STR(s.data, "");
	CHECK_INT(s.len, 0);
}

TEST(take_hands_over_and_leaves_an_empty_string)
{
	own(str) struct str s = STR_INIT(100);
	own_free char *text = NULL, *empty = NULL;

	str_add(&s, "hello");
	text = str_take(&s);
	CHECK_STR(text, "hello");
	CHECK_STR(s.data, "");
	CHECK_INT(s.cap, 0);
	empty = str_take(&s);
	CHECK_STR(empty, "");
	str_add(&s, "again");
	CHECK_STR(s.data, "again");
}

TEST(bytes_may_include_nul)
{
	own(str) struct str s = STR_INIT(10);

	str_add_len(&s, "a\0b", 3);
	CHECK_INT(s.len, 3);
	CHECK(memcmp(s.data, "a\0b", 4) == 0);
}

TEST(heap_copies)
{
	struct err err = ERR_INIT;
	own_free char *a = str_dup("text", &err), *b = str_dup_len("text", 3, &err);
	own_free char *c = str_printf(&err, "%s-%05d", "x", 42), *d = str_dup("", &err);

	CHECK_STR(a, "text");
	CHECK_STR(b, "tex");
	CHECK_STR(c, "x-00042");
	CHECK_STR(d, "");
	CHECK_ERR(str_dup_len("", SIZE_MAX, &err), ERR_LIMIT, "out of memory");
}

TEST(prefixes_and_suffixes)
{
	CHECK(str_starts("container", "con"));
	CHECK(str_starts("con", ""));
	CHECK(!str_starts("co", "con"));
	CHECK(str_ends("name.json", ".json"));
	CHECK(str_ends("x", ""));
	CHECK(!str_ends("json", ".json"));
	CHECK(!str_ends("name.jso", "json"));
	CHECK(str_eq("a", "a"));
	CHECK(!str_eq("a", "b"));
	CHECK(!str_eq(NULL, "b"));
	CHECK(!str_eq("a", NULL));
	CHECK(!str_eq(NULL, NULL));
}

TEST_MAIN()
