/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of text in columns, each as wide as its widest cell, two blanks between them and none at the
 * end of a line. All cells are kept, one after the other with their NULs, until the last is known. A
 * cell that came from somebody else (an image, a command) cannot write escape sequences to the
 * terminal: what is no printable character is shown as '?'. Widths count characters, not bytes. The
 * first row is of titles.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define MAX_COLUMNS 16

void table_add(struct table *t, const char *text)
{
	size_t start = t->cells.len;

	str_add_len(&t->cells, text, strlen(text) + 1);
	if (!t->cells.failed)
		str_scrub(t->cells.data + start);
}

static int width_of(const char *cell)
{
	int width = 0;

	for (; *cell; cell++)
		width += (*cell & 0xc0) != 0x80; /* continuation bytes of UTF-8 add nothing */
	return width;
}

static void put_blanks(int count, FILE *out)
{
	while (count-- > 0)
		putc_unlocked(' ', out);
}

static void measure(const struct table *t, int widths[static MAX_COLUMNS])
{
	size_t column = 0;

	for (size_t at = 0; at < t->cells.len; at += strlen(t->cells.data + at) + 1) {
		int width = width_of(t->cells.data + at);

		if (width > widths[column])
			widths[column] = width;
		column = (column + 1) % t->columns;
	}
}

/* The blanks after it have none: a background would show. */
static void put_cell(const char *cell, enum color color, FILE *out)
{
	if (color == COLOR_NONE || !*cell)
		fputs(cell, out);
	else
		fprintf(out, "%s%s%s", color_begin(out, color), cell, color_end(out, color));
}

static enum color color_of(const struct table *t, bool is_head, size_t column, const char *cell)
{
	if (is_head)
		return COLOR_HEAD;
	return t->color ? t->color(column, cell) : COLOR_NONE;
}

int table_print(const struct table *t, FILE *out, struct err *err)
{
	int widths[MAX_COLUMNS] = {0};
	bool in_color = color_is_on(out), is_head = true;
	size_t column = 0;

	if (str_check(&t->cells, "the table", err) < 0)
		return -1;
	measure(t, widths);
	for (size_t at = 0; at < t->cells.len; at += strlen(t->cells.data + at) + 1) {
		const char *cell = t->cells.data + at;

		put_cell(cell, in_color ? color_of(t, is_head, column, cell) : COLOR_NONE, out);
		if (column < t->columns - 1)
			put_blanks(widths[column] - width_of(cell) + 2, out);
		else
			putc('\n', out);
		column = (column + 1) % t->columns;
		is_head = is_head && column;
	}
	return 0;
}

const char *cli_size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, size, unit ? "%.4g%s" : "%.0f%s", value, units[unit]);
	return buf;
}
