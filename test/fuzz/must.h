/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fuzz target and its driver have in common. */
#ifndef INSULA_TEST_FUZZ_MUST_H
#define INSULA_TEST_FUZZ_MUST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold ends the process: a crash is what a fuzzer looks for. */
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

#endif
