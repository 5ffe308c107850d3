/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The line is written over itself and taken away again, so that what stays on the screen is what a pipe would
 * have got. It is cut where the terminal ends: a line that wraps could not be taken away.
 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/str.h"
#include "base/work.h"
#include "cli/color.h"

#define FIRST_MS 1000
#define NEXT_MS 500
#define WIDTH 80
#define LINE_MAX_BYTES 400

void progress_begin(struct progress *p)
{
	*p = (struct progress){.possible = color_is_on(stderr), .begun_ms = clock_boot_ms()};
	p->next_ms = p->begun_ms + FIRST_MS;
}

bool progress_is_due(const struct progress *p)
{
	return p->possible && clock_boot_ms() >= p->next_ms;
}

static int width_of_terminal(void)
{
	struct winsize size = {0};

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col
									       : WIDTH;
}

void progress_show(struct progress *p, const char *text)
{
	int64_t now = clock_boot_ms();
	char line[LINE_MAX_BYTES];
	int width = width_of_terminal() - 1;

	if (!p->possible)
		return;
	snprintf(line, sizeof line, "insula: %s (%" PRId64 " s)", text, (now - p->begun_ms) / 1000);
	str_scrub(line);
	/* ESC [ K: to the end of the line nothing. */
	fprintf(stderr, "\r%.*s\033[K", width, line);
	fflush(stderr);
	p->shown = true;
	p->next_ms = now + NEXT_MS;
}

/* ---- watching ---- */

static struct progress *watching;

static void on_work(void *data, uint64_t things, uint64_t bytes)
{
	struct progress *p = data;
	char text[LINE_MAX_BYTES];

	p->things += things;
	p->bytes += bytes;
	if (!progress_is_due(p))
		return;
	p->text(p, text, sizeof text);
	progress_show(p, text);
}

void progress_watch(struct progress *p, progress_text_fn *text, void *data)
{
	progress_begin(p);
	p->text = text;
	p->data = data;
	if (!p->possible)
		return;
	watching = p;
	work_set_watcher(on_work, p);
}

void progress_make_room(void)
{
	if (watching)
		progress_clear(watching);
}

/* A process of ours may have shown a line, in a copy of p: an ordinary user's files are removed by one. */
void progress_end(struct progress *p)
{
	work_set_watcher(NULL, NULL);
	watching = NULL;
	p->shown = p->shown || (p->possible && clock_boot_ms() - p->begun_ms >= FIRST_MS);
	progress_clear(p);
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
}
