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

/* Red is for errors. */
static const char *const apart[] = {"\033[36m", "\033[33m", "\033[32m", "\033[35m", "\033[34m",
				    "\033[96m", "\033[93m", "\033[92m", "\033[95m", "\033[94m"};

#define END "\033[0m"

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
	return color != COLOR_NONE && color_is_on(out) ? END : "";
}

const char *color_of_number(size_t n)
{
	return apart[n % (sizeof apart / sizeof *apart)];
}

const char *color_off(void)
{
	return END;
}
