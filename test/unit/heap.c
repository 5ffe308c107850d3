/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wrapped allocator. Sizes are those that the allocator gave, not those that were asked for, so
 * that free(3) can subtract what malloc(3) added without a table of blocks.
 */
#include "heap.h"

#include <malloc.h>

static size_t blocks, bytes, peak;
static size_t countdown; /* allocations until the one that fails; 0: none fails */
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *block, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void __real_free(void *block);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
void __wrap_free(void *block);

size_t heap_blocks(void)
{
	return blocks;
}

size_t heap_bytes(void)
{
	return bytes;
}

size_t heap_peak(void)
{
	size_t result = peak;

	peak = bytes;
	return result;
}

void heap_fail_at(size_t n)
{
	countdown = n;
	failed = false;
}

bool heap_has_failed(void)
{
	return failed;
}

static bool fails(void)
{
	bool now = countdown > 0 && --countdown == 0;

	failed = failed || now;
	return now;
}

static size_t size_of(void *block)
{
	return block ? malloc_usable_size(block) : 0;
}

static void forget(size_t size)
{
	blocks--;
	bytes -= size;
}

static void *remember(void *block)
{
	if (block) {
		blocks++;
		bytes += malloc_usable_size(block);
		peak = bytes > peak ? bytes : peak;
	}
	return block;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : remember(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : remember(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
	return __wrap_reallocarray(block, 1, size);
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
	size_t old_size = size_of(block);
	void *result = fails() ? NULL : __real_reallocarray(block, count, size);

	if (block && result)
		forget(old_size);
	return remember(result);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : remember(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t size)
{
	return fails() ? NULL : remember(__real_strndup(text, size));
}

void __wrap_free(void *block)
{
	if (block)
		forget(size_of(block));
	__real_free(block);
}
