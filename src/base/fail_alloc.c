/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allocations that fail on demand, in the programs of the test build: the linker has malloc(3) and its like go
 * through here (--wrap), and the point "alloc" of fail.h says which one fails. In a static program that takes in
 * what libc allocates for itself, once it has started: before that it cannot say what is missing.
 */
#include <stddef.h>

#include "base/fail.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static bool started;

__attribute__((constructor)) static void start(void)
{
	started = true;
}

static bool fails(void)
{
	return started && fail_alloc();
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails() ? NULL : __real_realloc(block, size);
}
