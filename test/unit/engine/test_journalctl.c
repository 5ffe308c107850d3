/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of the journal as journalctl(1) prints them, whole, in pieces, and as it never would. */
#include <string.h>

#include "engine/journalctl.h"
#include "test.h"

#define HEAD "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000000001\nPRIORITY=3\n"

static ssize_t parse(const char *text, size_t size, struct journal_entry *ret)
{
	return journal_parse(text, size, ret);
}

TEST(an_entry_of_lines)
{
	static const char text[] = HEAD "MESSAGE=a=b c\nSOMETHING=else\n\n__CURSOR=next\n";
	struct journal_entry e;

	CHECK_INT(parse(text, sizeof text - 1, &e), strlen(text) - strlen("__CURSOR=next\n"));
	CHECK_STR(e.cursor, "s=1;i=2");
	CHECK(e.time_ns == INT64_C(1700000000000001000));
	CHECK_INT(e.priority, 3);
	CHECK(!e.partial && !e.lost);
	CHECK(e.size == 5 && memcmp(e.text, "a=b c", 5) == 0);
}

TEST(a_value_of_any_bytes)
{
	static const char text[] = HEAD
		"MESSAGE\n\5\0\0\0\0\0\0\0a\n\n\0=\n"
		"CONTAINER_PARTIAL_MESSAGE=true\nCONTAINER_LOST_MESSAGES=7\n\n";
	struct journal_entry e;

	CHECK_INT(parse(text, sizeof text - 1, &e), sizeof text - 1);
	CHECK(e.size == 5 && memcmp(e.text, "a\n\n\0=", 5) == 0);
	CHECK(e.partial);
	CHECK_INT(e.lost, 7);
}

TEST(an_entry_that_is_cut_anywhere_is_waited_for)
{
	static const char text[] = HEAD "MESSAGE\n\3\0\0\0\0\0\0\0x\ny\n\n";
	struct journal_entry e;

	for (size_t size = 0; size < sizeof text - 1; size++)
		CHECK_INT(parse(text, size, &e), 0);
	CHECK_INT(parse(text, sizeof text - 1, &e), sizeof text - 1);
}

TEST(an_entry_without_what_is_asked_for_says_nothing)
{
	struct journal_entry e;

	CHECK_INT(parse("\n", 1, &e), 1);
	CHECK_INT(parse("OTHER=x\n\n", 9, &e), 9);
	CHECK(e.size == 0 && *e.text == '\0' && *e.cursor == '\0');
	CHECK_INT(e.priority, 6);
}

TEST(what_is_no_entry_is_refused)
{
	static const char too_long[] = "MESSAGE\n\377\377\377\377\377\377\377\377x\n\n";
	static const char larger[] = "MESSAGE\n\1\0\100\0\0\0\0\0x\n\n";
	static const char unended[] = "MESSAGE\n\1\0\0\0\0\0\0\0xy\n\n";
	struct journal_entry e;

	CHECK_INT(parse(too_long, sizeof too_long - 1, &e), -1);
	CHECK_INT(parse(larger, sizeof larger - 1, &e), -1);
	CHECK_INT(parse(unended, sizeof unended - 1, &e), -1);
}

/* A cursor that does not fit is none, and not half of one. */
TEST(a_cursor_that_is_too_long_is_none)
{
	own(str) struct str text = STR_INIT(4096);
	struct journal_entry e;

	str_add(&text, "__CURSOR=");
	for (int i = 0; i < JOURNAL_CURSOR_SIZE; i++)
		str_add_char(&text, 'c');
	str_add(&text, "\n\n");
	CHECK_INT(parse(text.data, text.len, &e), text.len);
	CHECK_STR(e.cursor, "");
}

TEST(numbers_that_are_none_or_too_large_do_no_harm)
{
	static const char text[] = "PRIORITY=99999999999999999999999999\n__REALTIME_TIMESTAMP=-1\n"
				   "CONTAINER_LOST_MESSAGES=x\n\n";
	struct journal_entry e;

	CHECK_INT(parse(text, sizeof text - 1, &e), sizeof text - 1);
	CHECK_INT(e.lost, 0);
}

TEST_MAIN()
