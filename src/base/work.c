/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of work that is under way: see work.h. */
#include "base/work.h"

#include <errno.h>
#include <stddef.h>

static work_fn *watcher;
static void *watcher_data;

void work_note(uint64_t things, uint64_t bytes)
{
	int saved = errno;

	if (watcher)
		watcher(watcher_data, things, bytes);
	errno = saved;
}

void work_set_watcher(work_fn *fn, void *data)
{
	watcher = fn;
	watcher_data = data;
}
