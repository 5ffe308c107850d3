/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The environment is asked anew each time: what is coloured is a line or two, and a table asks once. A stream
 * that is no file (a test's, in memory) is no terminal.
 */
#include "cli/color.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"

/* The terminal's own sixteen colours: who chose them can read them. */
static const char *const sequences[] = {
	[COLOR_NONE] = "",	   [COLOR_HEAD] = "\033[1m",   [COLOR_GOOD] = "\033[32m",
	[COLOR_BUSY] = "\033[33m", [COLOR_BAD] = "\033[1;31m", [COLOR_HINT] = "\033[36m",
};

bool terminal_can(int fd)
{
	const char *term = getenv("TERM");

	return term && *term && !str_eq(term, "dumb") && isatty(fd);
}

bool color_is_on(FILE *out)
{
	const char *no = getenv("NO_COLOR");

	return !(no && *no) && terminal_can(fileno(out));
}

const char *color_begin(FILE *out, enum color color)
{
	return color_is_on(out) ? sequences[color] : "";
}

const char *color_end(FILE *out, enum color color)
{
	return color != COLOR_NONE && color_is_on(out) ? "\033[0m" : "";
}
