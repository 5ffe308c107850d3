/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The allocator under test: how much is allocated, and failure on demand.
 *
 * A test that lists heap_dep among its dependencies has the calls to malloc(3) and its family that
 * the project's own code makes go through here (the linker's --wrap). Those that libc makes for
 * itself do not: freeing a block from open_memstream(3), say, makes the count wrong.
 *
 *	for (size_t n = 1, r = -1; r < 0; n++) {
 *		heap_fail_at(n);
 *		r = thing_make(&thing, &err);
 *		heap_fail_at(0);
 *		CHECK(r == 0 || heap_blocks() == before);
 *	}
 */
#ifndef INSULA_TEST_HEAP_H
#define INSULA_TEST_HEAP_H

#include <stdbool.h>
#include <stddef.h>

size_t heap_blocks(void); /* allocated and not freed */
size_t heap_bytes(void);
/* The largest heap_bytes() since the last call. */
size_t heap_peak(void);
/* Fail the n-th allocation from now on; 0: none. */
void heap_fail_at(size_t n);
/* Has it failed since heap_fail_at? */
bool heap_has_failed(void);

#endif
