/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What takes more than a second says how far it is: one line on the standard error, where that is a terminal
 * that can go back to the beginning of a line, and nothing is left of it at the end.
 */
#ifndef INSULA_CLI_PROGRESS_H
#define INSULA_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress;
/* How far it is, as a text of at most `size` bytes. */
typedef void progress_text_fn(const struct progress *p, char *text, size_t size);

struct progress {
	bool possible, shown;
	int64_t begun_ms, next_ms;
	/* Of one that watches: */
	progress_text_fn *text;
	void *data;
	uint64_t things, bytes; /* that work_note(base/work.h) told of */
};

void progress_begin(struct progress *p);
/* Is it time for another line? Not in the first second, and not more often than people can read. */
bool progress_is_due(const struct progress *p);
/* `text` instead of the line before, with the seconds that have passed. Cut at the width of the terminal. */
void progress_show(struct progress *p, const char *text);
/* Shows by itself whenever something tells of work that is under way, until it is ended. One at a time. */
void progress_watch(struct progress *p, progress_text_fn *text, void *data);
void progress_end(struct progress *p);
/* The same line away, for who does not know of it: an error is about to be printed. */
void progress_make_room(void);
/* Before anything else is written to the terminal, and at the end. */
void progress_clear(struct progress *p);

#endif
