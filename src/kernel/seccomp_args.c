/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From argument conditions to BPF.
 *
 * Arguments are 64 bits and classic BPF has 32, so each comparison becomes tests on the two halves
 * of the argument. The rules of one call are tried in order; the obvious translation loads and
 * tests the same halves again for each of them (five allowed values of personality(2) are twenty
 * instructions that way). Instead the translation follows every path from the first test on and
 * remembers what the tests behind it have shown (struct facts): bounds of each half, one value that
 * it is not, and which half is in the accumulator. A test whose answer is known is left out, a load
 * too, and a test whose two answers lead to the same place disappears. Equal pieces are shared by
 * the assembler.
 *
 * Following every path could take exponential time for a profile made to that end. So at most
 * CHUNK rules are taken together, the number of tests in one chunk is bounded, and a chunk that
 * exceeds it is translated rule by rule, which is linear.
 *
 * Comparisons are unsigned, on all 64 bits, and on the lower 32 alone where the architecture has no
 * more (and with x32): there the kernel may report whatever a 64-bit program left in the upper half
 * of a register before it entered by int $0x80. This is as libseccomp has it. An argument that the
 * kernel takes as 32 bits wide may carry anything in its upper half, so a rule against a value of
 * such an argument wants SCMP_CMP_MASKED_EQ with a mask of 0xffffffff: it costs one test and no load
 * of the other half. As in libseccomp, value bits outside the mask do not count.
 */
#include "kernel/seccomp_internal.h"

#include <linux/seccomp.h>

#define CHUNK 16
#define TEST_BUDGET 400 /* tests per chunk; also bounds the recursion */
#define WORDS 12	/* halves of six arguments */
#define NOTHING_LOADED WORDS

struct fact {
	uint32_t min, max;
	uint32_t not_value;
	bool has_not;
};

struct facts {
	struct fact word[WORDS]; /* 2 * argument, + 1 for the upper half */
	unsigned int loaded;	 /* word in the accumulator */
};

/* A place in the rules: the condition to look at next, and which half of it. */
enum stage { STAGE_FIRST, STAGE_HIGH_EQUAL, STAGE_LOW };
struct point {
	size_t match;
	size_t arg;
	enum stage stage;
};

struct args_builder {
	struct bpf_prog *prog;
	const struct seccomp_match *matches;
	bool narrow;	    /* lower halves only */
	size_t end;	    /* matches[end] belongs to the next chunk */
	uint32_t otherwise; /* where that begins */
	unsigned int budget;
};

/* A test of one word, op against k of the word masked. */
struct test {
	unsigned int word;
	uint16_t op; /* BPF_JEQ, BPF_JGT, BPF_JGE */
	uint32_t mask;
	uint32_t k;
};

static uint32_t build(struct args_builder *b, struct point at, const struct facts *facts);

static uint32_t word_offset(unsigned int word)
{
	uint32_t half = word & 1;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	half = !half;
#endif
	return (uint32_t)offsetof(struct seccomp_data, args) + 8 * (word / 2) + 4 * half;
}

static bool op_true(uint16_t op, uint32_t value, uint32_t k)
{
	return op == BPF_JEQ ? value == k : op == BPF_JGT ? value > k : value >= k;
}

/* 1: certainly true, 0: certainly false, -1: has to be tested. */
static int test_known(const struct test *t, const struct fact *f)
{
	if (t->mask == 0)
		return t->k == 0;
	if (f->min == f->max)
		return op_true(t->op, f->min & t->mask, t->k);
	if (t->mask != UINT32_MAX)
		return -1;
	if (t->op == BPF_JEQ)
		return (t->k < f->min || t->k > f->max || (f->has_not && t->k == f->not_value))
			       ? 0
			       : -1;
	if (op_true(t->op, f->min, t->k))
		return 1;
	return op_true(t->op, f->max, t->k) ? -1 : 0;
}

/* test_known() said -1, so that no bound can overflow here. */
static void fact_learn(struct fact *f, const struct test *t, bool answer)
{
	if (t->mask != UINT32_MAX)
		return;
	if (t->op != BPF_JEQ) {
		uint32_t first_true = t->op == BPF_JGT ? t->k + 1 : t->k;

		if (answer)
			f->min = first_true;
		else
			f->max = first_true - 1;
	} else if (answer) {
		f->min = f->max = t->k;
	} else if (t->k == f->min) {
		f->min++;
	} else if (t->k == f->max) {
		f->max--;
	} else {
		f->not_value = t->k;
		f->has_not = true;
	}
}

static bool one_bit(uint32_t v)
{
	return v && (v & (v - 1)) == 0;
}

/* BPF_JSET answers "all clear" and "this one bit set" without spoiling the accumulator, which
 * BPF_AND does. */
static bool test_is_jset(const struct test *t)
{
	return t->mask != UINT32_MAX && (t->k == 0 || (t->k == t->mask && one_bit(t->mask)));
}

static uint32_t emit_test(struct bpf_prog *p, const struct test *t, uint32_t if_true,
			  uint32_t if_false)
{
	if (test_is_jset(t))
		return t->k == 0 ? bpf_jump_shared(p, BPF_JSET, t->mask, if_false, if_true)
				 : bpf_jump_shared(p, BPF_JSET, t->mask, if_true, if_false);
	uint32_t label = bpf_jump_shared(p, t->op, t->k, if_true, if_false);

	if (t->mask == UINT32_MAX)
		return label;
	return bpf_stmt(p, BPF_ALU | BPF_AND | BPF_K, t->mask, label);
}

static uint32_t build_test(struct args_builder *b, const struct test *t, struct point if_true,
			   struct point if_false, const struct facts *facts)
{
	int known = test_known(t, &facts->word[t->word]);

	if (known >= 0)
		return build(b, known ? if_true : if_false, facts);
	if (b->budget == 0 || b->prog->full)
		return b->otherwise;
	b->budget--;

	struct facts then = *facts;
	bool keeps = t->mask == UINT32_MAX || test_is_jset(t);

	then.loaded = keeps ? t->word : NOTHING_LOADED;
	fact_learn(&then.word[t->word], t, true);
	uint32_t label_true = build(b, if_true, &then);

	then.word[t->word] = facts->word[t->word];
	fact_learn(&then.word[t->word], t, false);
	uint32_t label_false = build(b, if_false, &then);

	/* The same place: no test, though that place may want the word loaded. */
	uint32_t label = label_true;
	if (label_true != label_false)
		label = emit_test(b->prog, t, label_true, label_false);
	else if (!keeps || bpf_is_ret(b->prog, label) || label == b->otherwise)
		return label;
	if (facts->loaded == t->word)
		return label;
	return bpf_stmt(b->prog, BPF_LD | BPF_W | BPF_ABS, word_offset(t->word), label);
}

/* (arg & mask) == value, half by half. */
static uint32_t build_equal(struct args_builder *b, struct point at, struct point match,
			    struct point no_match, const struct facts *facts)
{
	const struct seccomp_arg *arg = &b->matches[at.match].args[at.arg];
	bool masked = arg->op == SECCOMP_OP_MASKED_EQ;
	uint64_t mask = masked ? arg->value : UINT64_MAX;
	uint64_t value = (masked ? arg->value_two : arg->value) & mask;
	bool high = at.stage == STAGE_FIRST;
	struct test test = {
		.word = 2 * arg->index + high,
		.op = BPF_JEQ,
		.mask = (uint32_t)(high ? mask >> 32 : mask),
		.k = (uint32_t)(high ? value >> 32 : value),
	};
	struct point low = {at.match, at.arg, STAGE_LOW};

	return build_test(b, &test, high ? low : match, no_match, facts);
}

/* arg > value, or arg >= value: decided by the upper half unless that is equal. */
static uint32_t build_order(struct args_builder *b, struct point at, bool or_equal,
			    struct point match, struct point no_match, const struct facts *facts)
{
	const struct seccomp_arg *arg = &b->matches[at.match].args[at.arg];
	struct point next = {at.match, at.arg, STAGE_HIGH_EQUAL};
	struct test test = {.word = 2 * arg->index + 1,
			    .op = BPF_JGT,
			    .mask = UINT32_MAX,
			    .k = (uint32_t)(arg->value >> 32)};

	switch (at.stage) {
	case STAGE_FIRST:
		return build_test(b, &test, match, next, facts);
	case STAGE_HIGH_EQUAL:
		test.op = BPF_JEQ;
		next.stage = STAGE_LOW;
		return build_test(b, &test, next, no_match, facts);
	default:
		test.word--;
		test.op = or_equal ? BPF_JGE : BPF_JGT;
		test.k = (uint32_t)arg->value;
		return build_test(b, &test, match, no_match, facts);
	}
}

static uint32_t build_mux(struct args_builder *b, const struct seccomp_match *m, struct point match,
			  struct point no_match, const struct facts *facts)
{
	struct test test = {.op = BPF_JEQ, .mask = UINT32_MAX, .k = (uint32_t)m->mux_call};

	return build_test(b, &test, match, no_match, facts);
}

/* Code that continues from `at`, given the facts. */
static uint32_t build(struct args_builder *b, struct point at, const struct facts *facts)
{
	if (at.match == b->end)
		return b->otherwise;

	const struct seccomp_match *m = &b->matches[at.match];
	struct point yes = {at.match, at.arg + 1, STAGE_FIRST};
	struct point no = {at.match + 1, 0, STAGE_FIRST};

	if (at.arg == (m->mux_call >= 0 ? 1 : m->arg_count))
		return bpf_ret(b->prog, m->ret);
	if (m->mux_call >= 0)
		return build_mux(b, m, yes, no, facts);
	if (b->narrow && at.stage == STAGE_FIRST)
		at.stage = STAGE_LOW;
	switch (m->args[at.arg].op) {
	case SECCOMP_OP_NE:
		return build_equal(b, at, no, yes, facts);
	case SECCOMP_OP_GT:
	case SECCOMP_OP_GE:
		return build_order(b, at, m->args[at.arg].op == SECCOMP_OP_GE, yes, no, facts);
	case SECCOMP_OP_LT:
	case SECCOMP_OP_LE:
		return build_order(b, at, m->args[at.arg].op == SECCOMP_OP_LT, no, yes, facts);
	default:
		return build_equal(b, at, yes, no, facts);
	}
}

static uint32_t build_chunk(struct args_builder *b, size_t first, size_t end, uint32_t otherwise)
{
	struct facts facts = {.loaded = NOTHING_LOADED};

	for (size_t i = 0; i < WORDS; i++)
		facts.word[i].max = UINT32_MAX;
	b->end = end;
	b->otherwise = otherwise;
	b->budget = TEST_BUDGET;
	return build(b, (struct point){first, 0, STAGE_FIRST}, &facts);
}

uint32_t seccomp_emit_matches(struct bpf_prog *p, const struct seccomp_match *matches, size_t count,
			      bool narrow, uint32_t otherwise)
{
	struct args_builder b = {.prog = p, .matches = matches, .narrow = narrow};

	while (count) {
		size_t first = count > CHUNK ? count - CHUNK : 0;
		uint32_t before = p->count;
		uint32_t label = build_chunk(&b, first, count, otherwise);

		if (b.budget == 0 && first + 1 < count) {
			bpf_truncate(p, before);
			first = count - 1;
			label = build_chunk(&b, first, count, otherwise);
		}
		otherwise = label;
		count = first;
	}
	return otherwise;
}
