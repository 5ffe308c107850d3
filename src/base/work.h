/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may take long says so piece by piece, to whoever wants to show how far it is. Without a watcher, as nearly
 * always, a note costs a comparison.
 */
#ifndef INSULA_BASE_WORK_H
#define INSULA_BASE_WORK_H

#include <stdint.h>

/* So many things were done since the last note, and so many bytes moved. */
typedef void work_fn(void *data, uint64_t things, uint64_t bytes);

void work_note(uint64_t things, uint64_t bytes);
/* NULL: nobody watches any more. */
void work_set_watcher(work_fn *fn, void *data);

#endif
