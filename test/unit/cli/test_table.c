/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people: widths, the end of a line, characters of several bytes, hostile cells. */
#include <stdlib.h>

#include "base/own.h"
#include "cli/cli.h"
#include "test.h"

/* What a table of these cells looks like; freed by the caller. */
static char *printed(size_t columns, const char *const *cells)
{
	own(table) struct table t = TABLE_INIT(columns);
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CHECK(out);
	for (; *cells; cells++)
		table_add(&t, *cells);
	CHECK_OK(table_print(&t, out, &err));
	fclose(out);
	return text;
}

#define PRINTED(columns, ...) printed((columns), (const char *const[]){__VA_ARGS__, NULL})

TEST(columns_are_as_wide_as_their_widest_cell)
{
	own_free char *text = PRINTED(3, "ID", "IMAGE", "NAME", "0123", "h", "a");

	CHECK_STR(text, "ID    IMAGE  NAME\n0123  h      a\n");
}

TEST(an_empty_cell_keeps_its_place)
{
	own_free char *text = PRINTED(2, "A", "B", "", "x");

	CHECK_STR(text, "A  B\n   x\n");
}

TEST(width_counts_characters_not_bytes)
{
	own_free char *text = PRINTED(2, "caf\xc3\xa9", "1", "cafe", "2");

	CHECK_STR(text, "caf\xc3\xa9  1\ncafe  2\n");
}

TEST(a_cell_writes_no_escape_sequence)
{
	own_free char *text = PRINTED(2, "a\x1b[2J", "b\n\xff", "c", "d");

	CHECK_STR(text, "a?[2J  b??\nc      d\n");
}

TEST(no_rows_print_nothing)
{
	own_free char *text = printed(2, (const char *const[]){NULL});

	CHECK_STR(text, "");
}

TEST(what_does_not_fit_is_an_error_and_prints_nothing)
{
	own(table) struct table t = TABLE_INIT(1);
	struct err err;
	own_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	t.cells.limit = 4;
	table_add(&t, "abcdef");
	CHECK_ERR(table_print(&t, out, &err), ERR_LIMIT, "the table");
	fclose(out);
	CHECK_INT(size, 0);
}

TEST_MAIN()
