/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default filter, ready made.
 *
 * To compile the default profile takes 60 microseconds, and 130 in a process that has just begun,
 * whose memory for it must be faulted in first. Nearly all containers have the same few sets of
 * capabilities, as far as the profile looks at them, so the build compiles it for these
 * (gen_seccomp_ready.c, with the same code) and what is left is a copy of 2.2 KiB. A cache in files
 * would cost about as much as it saves, and would have to be kept in step with the program.
 */
#include "kernel/seccomp_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

#ifdef SECCOMP_MADE
#include "kernel/seccomp_ready.inc"
#else
static const struct seccomp_ready ready_filters[1]; /* never found: it has no instructions */
#endif

static const struct seccomp_ready *find_ready(uint64_t bounding)
{
	uint64_t caps = bounding & seccomp_default_caps();

	for (size_t i = 0; i < sizeof(ready_filters) / sizeof(ready_filters[0]); i++)
		if (ready_filters[i].caps == caps && ready_filters[i].insns)
			return &ready_filters[i];
	return NULL;
}

int seccomp_default_filter(uint64_t bounding, struct seccomp_filter *ret, struct err *err)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	const struct seccomp_ready *ready = find_ready(bounding);

	if (!ready)
		return seccomp_default_profile(bounding, &p, err) < 0
			       ? -1
			       : seccomp_compile(&p, ret, NULL, err);

	struct sock_filter *insns = calloc(ready->count, sizeof(*insns));
	if (!insns)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	memcpy(insns, ready->insns, ready->count * sizeof(*insns));
	*ret = (struct seccomp_filter){.insns = insns, .count = ready->count};
	return 0;
}
