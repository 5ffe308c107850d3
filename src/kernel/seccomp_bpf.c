/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backward assembler.
 *
 * A conditional jump of classic BPF holds its two distances in 8 bits, an unconditional one in 32.
 * A program for three architectures is longer than 255 instructions, and one made from a long
 * profile much longer, so a target may be out of reach. Then something that leads there is put
 * right in front of the target's user: a copy where the target is a return (which is as short as a
 * jump to it and faster), a BPF_JA otherwise. The next user that is out of reach of the original
 * finds that stepping stone, because it is looked for first: a long row of users costs one stone
 * per 250 instructions or so, not one each.
 *
 * What is written here is also what the kernel has to read: since Linux 5.11 it runs each new
 * filter once per system-call number in a small interpreter of its own (kernel/seccomp.c,
 * seccomp_is_const_allow()), to learn which numbers are allowed whatever their arguments and need
 * no filter run ever after. That interpreter knows loads of `nr` and `arch`, BPF_JA, the four
 * comparisons with a constant, BPF_AND and BPF_RET, and gives up on anything else. Nothing else is
 * used before the system-call number is decided, so that every unconditional rule is free at run
 * time.
 */
#include "kernel/seccomp_bpf.h"

/* One less than the format allows twice over: putting stones for both targets of a jump moves the
 * jump by two. */
#define BPF_REACH 253

static uint32_t bpf_emit(struct bpf_prog *p, struct sock_filter insn)
{
	if (p->count == BPF_MAXINSNS) {
		p->full = true;
		return 0;
	}
	p->insns[p->count] = insn;
	return p->count++;
}

/* Jump distance from an instruction at place `from` to the one at place `to`. */
static uint32_t bpf_distance(uint32_t from, uint32_t to)
{
	return from - to - 1;
}

static uint32_t bpf_window(const struct bpf_prog *p)
{
	return p->count > BPF_REACH ? p->count - BPF_REACH : 0;
}

bool bpf_is_ret(const struct bpf_prog *p, uint32_t label)
{
	return label < p->count && p->insns[label].code == (BPF_RET | BPF_K);
}

uint32_t bpf_ret(struct bpf_prog *p, uint32_t k)
{
	for (uint32_t i = p->count; i-- > bpf_window(p);)
		if (bpf_is_ret(p, i) && p->insns[i].k == k)
			return i;
	return bpf_emit(p, (struct sock_filter){.code = BPF_RET | BPF_K, .k = k});
}

/* A label within reach of the next instruction that does what `label` does. */
static uint32_t bpf_stone(struct bpf_prog *p, uint32_t label)
{
	if (p->full || label >= bpf_window(p))
		return label;
	if (bpf_is_ret(p, label))
		return bpf_ret(p, p->insns[label].k);
	for (uint32_t i = p->count; i-- > bpf_window(p);)
		if (p->insns[i].code == (BPF_JMP | BPF_JA) &&
		    bpf_distance(i, label) == p->insns[i].k)
			return i;
	return bpf_emit(p, (struct sock_filter){.code = BPF_JMP | BPF_JA,
						.k = bpf_distance(p->count, label)});
}

uint32_t bpf_stmt(struct bpf_prog *p, uint16_t code, uint32_t k, uint32_t next)
{
	if (p->full)
		return 0;
	if (next + 1 < p->count && p->insns[next + 1].code == code && p->insns[next + 1].k == k)
		return next + 1;
	if (next + 1 != p->count)
		bpf_emit(p, (struct sock_filter){.code = BPF_JMP | BPF_JA,
						 .k = bpf_distance(p->count, next)});
	return bpf_emit(p, (struct sock_filter){.code = code, .k = k});
}

static uint32_t bpf_jump_emit(struct bpf_prog *p, uint16_t code, uint32_t k, uint32_t t, uint32_t f)
{
	return bpf_emit(p, (struct sock_filter){.code = code,
						.jt = (uint8_t)bpf_distance(p->count, t),
						.jf = (uint8_t)bpf_distance(p->count, f),
						.k = k});
}

uint32_t bpf_jump(struct bpf_prog *p, uint16_t op, uint32_t k, uint32_t t, uint32_t f)
{
	if (t == f)
		return t;
	t = bpf_stone(p, t);
	f = bpf_stone(p, f);
	return bpf_jump_emit(p, BPF_JMP | BPF_K | op, k, t, f);
}

uint32_t bpf_jump_shared(struct bpf_prog *p, uint16_t op, uint32_t k, uint32_t t, uint32_t f)
{
	uint16_t code = BPF_JMP | BPF_K | op;

	for (uint32_t i = p->count; i-- > bpf_window(p);) {
		const struct sock_filter *insn = &p->insns[i];

		if (insn->code == code && insn->k == k && i - 1 - insn->jt == t &&
		    i - 1 - insn->jf == f)
			return i;
	}
	return bpf_jump(p, op, k, t, f);
}

void bpf_truncate(struct bpf_prog *p, uint32_t count)
{
	p->count = count;
	p->full = false;
}

/* Marks what can be reached. Jumps go towards lower places only, so one pass does. */
static void bpf_mark(const struct bpf_prog *p, bool *live)
{
	live[p->count - 1] = true;
	for (uint32_t i = p->count; i-- > 0;) {
		const struct sock_filter *insn = &p->insns[i];

		if (!live[i] || bpf_is_ret(p, i))
			continue;
		if (insn->code == (BPF_JMP | BPF_JA)) {
			live[i - 1 - insn->k] = true;
		} else if (BPF_CLASS(insn->code) == BPF_JMP) {
			live[i - 1 - insn->jt] = true;
			live[i - 1 - insn->jf] = true;
		} else {
			live[i - 1] = true;
		}
	}
}

uint32_t bpf_finish(const struct bpf_prog *p, struct sock_filter *out)
{
	bool live[BPF_MAXINSNS] = {false};
	uint32_t place[BPF_MAXINSNS]; /* from the end, without the dead */
	uint32_t count = 0;

	bpf_mark(p, live);
	for (uint32_t i = 0; i < p->count; i++) {
		place[i] = count;
		count += live[i];
	}
	for (uint32_t i = 0; i < p->count; i++) {
		struct sock_filter insn = p->insns[i];

		if (!live[i])
			continue;
		if (insn.code == (BPF_JMP | BPF_JA)) {
			insn.k = bpf_distance(place[i], place[i - 1 - insn.k]);
		} else if (BPF_CLASS(insn.code) == BPF_JMP) {
			insn.jt = (uint8_t)bpf_distance(place[i], place[i - 1 - insn.jt]);
			insn.jf = (uint8_t)bpf_distance(place[i], place[i - 1 - insn.jf]);
		}
		out[count - 1 - place[i]] = insn;
	}
	return count;
}
