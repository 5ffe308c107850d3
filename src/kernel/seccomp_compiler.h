/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of one compilation, shared by seccomp_calls.c and seccomp_compile.c. */
#ifndef INSULA_KERNEL_SECCOMP_COMPILER_H
#define INSULA_KERNEL_SECCOMP_COMPILER_H

#include "kernel/seccomp_internal.h"

#define SECCOMP_ARCHS_MAX 24
#define SECCOMP_MUX_CALLS 128

/* What one rule says of a call: the rule itself, or one condition of it. */
struct seccomp_variant {
	const struct seccomp_arg *args;
	size_t arg_count;
	uint32_t ret;	/* action with its data */
	uint32_t label; /* code that returns it */
};

/* A variant for a number. */
struct seccomp_call {
	uint32_t number;
	uint32_t variant : 25;
	uint32_t mux_call : 7; /* 0: the call itself; else this call of the multiplexer `number` */
};

/* One architecture: its calls in the profile's order, then its intervals. */
struct seccomp_arch {
	uint32_t arch;
	struct seccomp_call *calls;
	size_t count, cap;
	struct seccomp_interval *intervals;
	size_t interval_count;
	uint32_t root;
};

struct seccomp_compiler {
	const struct seccomp_profile *profile;
	struct bpf_prog *prog;
	struct seccomp_variant *variants;
	size_t variant_count;
	struct seccomp_arch archs[SECCOMP_ARCHS_MAX]; /* [0] is the native one */
	size_t arch_count;
	uint32_t default_label;
	uint32_t newer_label; /* for numbers above all that the rules name */
	size_t unknown;	      /* names */
};

/* Fill archs[].calls, sorted, from the profile; the returns that it needs are the first code. */
int seccomp_collect(struct seccomp_compiler *c, struct err *err);
int seccomp_no_memory(struct err *err);

#endif
