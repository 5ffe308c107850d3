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
int seccomp_resolve(uint32_t arch, const char *name, struct seccomp_numbers *ret);
/* What the architecture's numbers begin with. */
int seccomp_number_base(uint32_t arch);
/* Names that libseccomp may not know, one after another; NULL at the end. */
const char *seccomp_newer_name(size_t i);

/* The same as seccomp_resolve, with the name looked up once for all architectures. */
struct seccomp_call_name {
	const char *name;
	int row;
};
struct seccomp_call_name seccomp_lookup(const char *name);
int seccomp_numbers_of(const struct seccomp_call_name *name, uint32_t arch,
		       struct seccomp_numbers *ret);

/* What the build makes (gen_seccomp_*.c): rows of numbers for up to three architectures, ... */
#define SECCOMP_ROW_ARCHS 3
struct seccomp_call_row {
	uint16_t name; /* offset of the text */
	struct {
		int16_t direct;	       /* above the architecture's base; -1: none */
		uint8_t mux, mux_call; /* mux 0: none */
	} numbers[SECCOMP_ROW_ARCHS];
};

/* ... and compiled default filters, by what is set of seccomp_default_caps(). */
struct seccomp_ready {
	uint64_t caps;
	const struct sock_filter *insns;
	unsigned short count;
};

/* Where a name is looked for in a table of `slots` (a power of two), and then in the next one. */
static inline uint32_t seccomp_name_hash(const char *name, uint32_t slots)
{
	uint32_t h = 2166136261U;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619U;
	return (h ^ h >> 15) & (slots - 1);
}

/* AUDIT_ARCH_* of this process. */
uint32_t seccomp_native_arch(void);

/* One rule as it applies to one system-call number. */
struct seccomp_match {
	uint32_t ret; /* action with its data */
	int mux_call; /* >= 0: argument 0 is this, nothing else is compared */
	const struct seccomp_arg *args;
	size_t arg_count;
};

/* Code that tries the matches in order, each with at least one condition, and goes to the first
 * one's action, or to `otherwise`. Needs nothing in the accumulator. `narrow`: arguments have 32
 * bits. */
uint32_t seccomp_emit_matches(struct bpf_prog *p, const struct seccomp_match *matches, size_t count,
			      bool narrow, uint32_t otherwise);

/* Numbers from `first` up to the next interval's go to `label`. */
struct seccomp_interval {
	uint32_t first;
	uint32_t label;
	uint32_t weight_before; /* the tree's own */
};

/* Code that goes to the label of the interval that the accumulator lies in. intervals[0].first is
 * the least that it can be, neighbours have different labels, and intervals[count].first is where
 * the last one ends. */
uint32_t seccomp_emit_tree(struct bpf_prog *p, struct seccomp_interval *intervals, size_t count);

/* The capabilities that the default profile depends on. */
uint64_t seccomp_default_caps(void);

#endif
