/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Run by the build: compiles the default profile for the usual sets of capabilities, for
 * seccomp_ready.c. */
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "kernel/caps.h"
#include "kernel/seccomp_internal.h"

static const uint64_t sets[] = {CAPS_DEFAULT, 0, UINT64_MAX};
#define SETS (sizeof(sets) / sizeof(sets[0]))

static void write_filter(size_t i)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	if (seccomp_default_profile(sets[i], &p, &err) < 0 ||
	    seccomp_compile(&p, &f, NULL, &err) < 0) {
		fprintf(stderr, "gen_seccomp_ready: %s\n", err.message);
		exit(1);
	}
	printf("static const struct sock_filter insns_%zu[] = {\n", i);
	for (size_t n = 0; n < f.count; n++)
		printf("\t{%#x, %u, %u, %#x},\n", f.insns[n].code, f.insns[n].jt, f.insns[n].jf,
		       f.insns[n].k);
	printf("};\n");
}

int main(void)
{
	printf("/* Made by gen_seccomp_ready. */\n");
	for (size_t i = 0; i < SETS; i++)
		write_filter(i);
	printf("static const struct seccomp_ready ready_filters[] = {\n");
	for (size_t i = 0; i < SETS; i++)
		printf("\t{%#llx, insns_%zu, sizeof(insns_%zu) / sizeof(insns_%zu[0])},\n",
		       (unsigned long long)(sets[i] & seccomp_default_caps()), i, i, i);
	printf("};\n");
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
