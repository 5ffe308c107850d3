/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What takes more than a second says how far it is: one line on the standard error, where that is a terminal
 * that can go back to the beginning of a line, and nothing is left of it at the end.
 */
#ifndef INSULA_CLI_PROGRESS_H
#define INSULA_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool possible, shown;
	int64_t begun_ms, next_ms;
};

void progress_begin(struct progress *p);
/* Is it time for another line? Not in the first second, and not more often than people can read. */
bool progress_is_due(const struct progress *p);
/* `text` instead of the line before, with the seconds that have passed. Cut at the width of the terminal. */
void progress_show(struct progress *p, const char *text);
/* Before anything else is written to the terminal, and at the end. */
void progress_clear(struct progress *p);

#endif
