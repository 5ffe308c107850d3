/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the seccomp compiler share; nobody else includes this. */
#ifndef INSULA_KERNEL_SECCOMP_INTERNAL_H
#define INSULA_KERNEL_SECCOMP_INTERNAL_H

#include "kernel/seccomp.h"
#include "kernel/seccomp_bpf.h"

/* SCMP_ARCH_X32: libseccomp's token; the kernel reports such calls as AUDIT_ARCH_X86_64 with bit 30
 * set in the number. */
#define SECCOMP_ARCH_X32 0x4000003eU
#define SECCOMP_X32_BIT 0x40000000U

/* How one name is called on one architecture. */
struct seccomp_numbers {
	int direct;   /* -1: no call of its own */
	int mux;      /* number of socketcall(2) or ipc(2) that carries it too; -1: none */
	int mux_call; /* first argument of that */
};

/* 1: found, 0: this architecture has no such call, -1: nobody knows the name. */
int seccomp_numbers_of(uint32_t arch, const char *name, struct seccomp_numbers *ret);
/* AUDIT_ARCH_* of this process. */
uint32_t seccomp_native_arch(void);

/* One rule as it applies to one system-call number. */
struct seccomp_match {
	uint32_t ret;	/* action with its data */
	int mux_call;	/* >= 0: argument 0 is this, nothing else is compared */
	bool unchecked; /* had conditions that a multiplexed call hides */
	const struct seccomp_arg *args;
	size_t arg_count;
};

static inline bool seccomp_match_always(const struct seccomp_match *m)
{
	return m->mux_call < 0 && m->arg_count == 0;
}

/* Code that tries the matches in order, each with at least one condition, and goes to the first
 * one's action, or to `otherwise`. Needs nothing in the accumulator. `narrow`: arguments have 32
 * bits. */
uint32_t seccomp_emit_matches(struct bpf_prog *p, const struct seccomp_match *matches, size_t count,
			      bool narrow, uint32_t otherwise);

/* Numbers from `first` up to the next interval's go to `label`. */
struct seccomp_interval {
	uint32_t first;
	uint32_t label;
};

/* Code that goes to the label of the interval that the accumulator lies in; intervals[0].first is
 * the least that it can be, neighbours have different labels, and intervals[count].first is where the last one ends. */
uint32_t seccomp_emit_tree(struct bpf_prog *p, const struct seccomp_interval *intervals,
			   size_t count);

#endif
