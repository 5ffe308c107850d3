/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: bytes as what journalctl(1) prints.
 *
 * What must hold: an entry ends within what was given, and where its empty line is; its text lies in it; and what
 * there is of it decides alone, so that with one byte less it is waited for. Nothing is read past the end:
 * the bytes are copied to where a sanitizer sees that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/journalctl.h"
#include "must.h"

static void check_entry(const char *data, size_t size, const struct journal_entry *e)
{
	MUST(memchr(e->cursor, '\0', sizeof e->cursor));
	MUST(data[size - 1] == '\n');
	MUST(e->size == 0 || (e->text >= data && e->text + e->size < data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	own_free char *copy = malloc(size ? size : 1);
	struct journal_entry e, less;
	const char *data = copy;

	MUST(copy);
	if (size)
		memcpy(copy, input, size);
	while (size > 0) {
		ssize_t n = journal_parse(data, size, &e);

		if (n <= 0)
			return 0;
		MUST((size_t)n <= size);
		check_entry(data, (size_t)n, &e);
		own_free char *cut = malloc((size_t)n);
		MUST(cut);
		memcpy(cut, data, (size_t)n - 1);
		MUST(journal_parse(cut, (size_t)n - 1, &less) == 0);
		data += n;
		size -= (size_t)n;
	}
	return 0;
}
