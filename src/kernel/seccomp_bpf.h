/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An assembler for classic BPF that works from the last instruction to the first. Jumps only go
 * forward, so every target exists before the jump that needs it: distances are known at once, and
 * nothing is patched afterwards.
 */
#ifndef INSULA_KERNEL_SECCOMP_BPF_H
#define INSULA_KERNEL_SECCOMP_BPF_H

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A label is the number of instructions that were written before its own, that is, its place
 * counted from the end of the finished program. */
struct bpf_prog {
	struct sock_filter insns[BPF_MAXINSNS]; /* last instruction first */
	uint32_t count;
	bool full; /* one more was wanted than fits; the labels since then are worthless */
};

/* seccomp(2) action `k`. An equal one within reach of the next instruction is used again. */
uint32_t bpf_ret(struct bpf_prog *p, uint32_t k);
/* A load or ALU instruction that continues at `next`. */
uint32_t bpf_stmt(struct bpf_prog *p, uint16_t code, uint32_t k, uint32_t next);
/* BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET against k: go to t or to f, however far they are. */
uint32_t bpf_jump(struct bpf_prog *p, uint16_t op, uint32_t k, uint32_t t, uint32_t f);
/* The same, looking for an equal jump among the instructions within reach first. */
uint32_t bpf_jump_shared(struct bpf_prog *p, uint16_t op, uint32_t k, uint32_t t, uint32_t f);
bool bpf_is_ret(const struct bpf_prog *p, uint32_t label);
/* Forget everything from `count` on. */
void bpf_truncate(struct bpf_prog *p, uint32_t count);

/* The program in the order of execution, into `out` (p->count elements), without what cannot be
 * reached from the instruction written last. Returns its length. */
uint32_t bpf_finish(const struct bpf_prog *p, struct sock_filter *out);

#endif
