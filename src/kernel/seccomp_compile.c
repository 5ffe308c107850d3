/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The compiler: a profile to one BPF program. What comes first, names to numbers, is in
 * seccomp_calls.c.
 *
 * The program is written from its end (seccomp_bpf.c) in three parts: the code of conditional rules
 * of all architectures, so that equal conditions are shared between them; one search tree per
 * architecture (seccomp_tree.c), the native one last, that is, first in the program; and the choice
 * by architecture. A call decided without a look at its arguments takes about eight instructions.
 * Length matters twice: the kernel checks, translates and JIT-compiles the program at each start of
 * a container, and runs it once per system-call number then. That is why x32, whose numbers are mostly
 * x86_64's with one bit set, gets a tree of the differences only.
 *
 * What the field does and profiles rely on:
 *  - The native architecture is always included. Calls of an architecture that is not listed kill
 *    the process: with the numbers of another architecture no rule means what it says. On x86_64
 *    that holds for x32 too, whose calls come as AUDIT_ARCH_X86_64 with bit 30 set.
 *  - Names that nobody knows are skipped.
 *  - A call with a number above all that the profile names did not exist for its author. Where it asks for
 *    newer_unknown, as runc does for every profile, such a call gets ENOSYS in place of another errno: a C
 *    library then uses the older call, and takes EPERM for the last word.
 *  - Of several unconditional rules for a call the first one counts, as with libseccomp; Podman's
 *    own profile needs that (it lists setns twice, with different actions).
 *
 * Where libseccomp lets an unconditional rule supersede the conditional ones for the same call, here
 * those are tried first, in the profile's order: "socket with AF_VSOCK is refused" beside "socket is
 * allowed" does what it says. The same conditions with two actions are an error, as there.
 */
#include "kernel/seccomp_compiler.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "base/own.h"

#define CONDITIONAL_MAX 1024 /* conditional rules of one call */

/* The rules of one call: the conditional ones without repetitions, and what holds otherwise. */
struct group {
	uint32_t number;
	struct seccomp_match matches[CONDITIONAL_MAX + SECCOMP_MUX_CALLS];
	size_t count;
	struct seccomp_match
		unchecked[SECCOMP_MUX_CALLS]; /* of a multiplexer, whose conditions are lost */
	size_t unchecked_count;
	bool has_fallback;
	uint32_t fallback; /* a label */
};

static void seccomp_compiler_done(struct seccomp_compiler *c)
{
	for (size_t i = 0; i < c->arch_count; i++) {
		free(c->archs[i].calls);
		free(c->archs[i].intervals);
	}
	free(c->variants);
	free(c->prog);
}

static bool same_conditions(const struct seccomp_match *a, const struct seccomp_match *b)
{
	if (a->mux_call != b->mux_call || a->arg_count != b->arg_count)
		return false;
	for (size_t i = 0; i < a->arg_count; i++) {
		const struct seccomp_arg *x = &a->args[i], *y = &b->args[i];

		if (x->index != y->index || x->op != y->op || x->value != y->value ||
		    (x->op == SECCOMP_OP_MASKED_EQ && x->value_two != y->value_two))
			return false;
	}
	return true;
}

/* A second rule with the same conditions. For a call inside a multiplexed one, which has none of its
 * own, the first rule counts as it does for any call. */
static int group_repeat(const struct group *g, const struct seccomp_match *have,
			const struct seccomp_match *match, struct err *err)
{
	if (match->mux_call >= 0 || have->ret == match->ret)
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "seccomp profile: two actions for the same arguments of call number %u",
		       g->number);
}

static int group_add_match(struct group *g, const struct seccomp_match *match, struct err *err)
{
	for (size_t i = 0; i < g->count; i++)
		if (same_conditions(&g->matches[i], match))
			return group_repeat(g, &g->matches[i], match, err);
	if (g->count == CONDITIONAL_MAX)
		return err_set(err, ERR_LIMIT, 0,
			       "seccomp profile: more than %d rules for call number %u",
			       CONDITIONAL_MAX, g->number);
	g->matches[g->count++] = *match;
	return 0;
}

static void group_add_unchecked(struct group *g, const struct seccomp_match *match)
{
	for (size_t i = 0; i < g->unchecked_count; i++)
		if (g->unchecked[i].mux_call == match->mux_call)
			return;
	g->unchecked[g->unchecked_count++] = *match;
}

static int group_add(struct group *g, const struct seccomp_call *call,
		     const struct seccomp_variant *v, struct err *err)
{
	struct seccomp_match match = {.ret = v->ret, .mux_call = -1};

	if (call->mux_call) {
		match.mux_call = call->mux_call;
	} else if (v->arg_count) {
		match.args = v->args;
		match.arg_count = v->arg_count;
	} else {
		if (!g->has_fallback)
			g->fallback = v->label;
		g->has_fallback = true;
		return 0;
	}
	if (!call->mux_call || v->arg_count == 0)
		return group_add_match(g, &match, err);
	group_add_unchecked(g, &match);
	return 0;
}

/* What could not be checked comes last, and gives way to a rule for the multiplexer itself. */
static void group_settle(struct group *g)
{
	for (size_t i = 0; i < g->unchecked_count && !g->has_fallback; i++)
		g->matches[g->count++] = g->unchecked[i];
}

static uint32_t group_emit(struct seccomp_compiler *c, const struct group *g, bool narrow)
{
	uint32_t label = g->has_fallback ? g->fallback : c->default_label;

	return seccomp_emit_matches(c->prog, g->matches, g->count, narrow, label);
}

/* Two labels that only look different: returns of the same value. */
static bool same_target(const struct bpf_prog *p, uint32_t a, uint32_t b)
{
	return a == b || (bpf_is_ret(p, a) && bpf_is_ret(p, b) && p->insns[a].k == p->insns[b].k);
}

static void add_interval(const struct seccomp_compiler *c, struct seccomp_arch *a, uint32_t first,
			 uint32_t label)
{
	struct seccomp_interval *last = &a->intervals[a->interval_count];

	if (a->interval_count && last[-1].first == first) {
		a->interval_count--; /* empty */
		last--;
	}
	if (a->interval_count && same_target(c->prog, last[-1].label, label))
		return;
	*last = (struct seccomp_interval){.first = first, .label = label};
	a->interval_count++;
}

/* One rule without a condition, as most calls have: there is nothing to weigh, and nothing to emit. */
static bool is_plain(const struct seccomp_compiler *c, const struct seccomp_arch *a, size_t i)
{
	const struct seccomp_call *call = &a->calls[i];

	return !call->mux_call && !c->variants[call->variant].arg_count &&
	       (i + 1 == a->count || call[1].number != call->number);
}

/* All rules of the call at *i, which is moved behind them. */
static int weigh_call(struct seccomp_compiler *c, const struct seccomp_arch *a, size_t *i,
		      struct group *g, uint32_t *ret_label, struct err *err)
{
	g->number = a->calls[*i].number;
	g->count = 0;
	g->unchecked_count = 0;
	g->has_fallback = false;
	for (; *i < a->count && a->calls[*i].number == g->number; ++*i)
		if (group_add(g, &a->calls[*i], &c->variants[a->calls[*i].variant], err) < 0)
			return -1;
	group_settle(g);
	*ret_label = group_emit(c, g, !(a->arch & __AUDIT_ARCH_64BIT));
	return 0;
}

/* Read the sorted calls number by number: emit the conditions, note the intervals. */
static int build_intervals(struct seccomp_compiler *c, struct seccomp_arch *a, struct group *g,
			   struct err *err)
{
	a->intervals = reallocarray(NULL, 2 * a->count + 3, sizeof(*a->intervals));
	if (!a->intervals)
		return seccomp_no_memory(err);
	add_interval(c, a, a->arch == SECCOMP_ARCH_X32 ? SECCOMP_X32_BIT : 0, c->default_label);
	for (size_t i = 0; i < a->count && !c->prog->full;) {
		uint32_t number = a->calls[i].number, label;

		if (is_plain(c, a, i))
			label = c->variants[a->calls[i++].variant].label;
		else if (weigh_call(c, a, &i, g, &label, err) < 0)
			return -1;
		add_interval(c, a, number, label);
		if (i == a->count || a->calls[i].number != number + 1)
			add_interval(c, a, number + 1,
				     i < a->count ? c->default_label : c->newer_label);
	}
	a->intervals[a->interval_count].first = UINT32_MAX;
	return 0;
}

static struct seccomp_arch *find_arch(struct seccomp_compiler *c, uint32_t arch)
{
	for (size_t i = 0; i < c->arch_count; i++)
		if (c->archs[i].arch == arch)
			return &c->archs[i];
	return NULL;
}

/* x32's intervals again, with `shared` where x86_64 has the same for the number without the bit. */
static void common_intervals(const struct seccomp_compiler *c, const struct seccomp_arch *x32,
			     const struct seccomp_arch *x64, uint32_t shared,
			     struct seccomp_arch *ret)
{
	const struct seccomp_interval *a = x32->intervals, *b = x64->intervals;

	for (uint32_t first = SECCOMP_X32_BIT; first != UINT32_MAX;) {
		uint32_t next_a = a[1].first, next_b = b[1].first | SECCOMP_X32_BIT;

		add_interval(c, ret, first,
			     same_target(c->prog, a->label, b->label) ? shared : a->label);
		first = next_a < next_b ? next_a : next_b;
		a += next_a == first;
		b += next_b == first;
	}
	ret->intervals[ret->interval_count].first = UINT32_MAX;
}

/* The tree of x32 goes on in x86_64's, which is there already, wherever that makes it shorter. */
static int emit_x32(struct seccomp_compiler *c, struct seccomp_arch *x32,
		    const struct seccomp_arch *x64, struct err *err)
{
	uint32_t before = c->prog->count;
	uint32_t shared = bpf_stmt(c->prog, BPF_ALU | BPF_AND | BPF_K, ~SECCOMP_X32_BIT, x64->root);
	size_t most = x32->interval_count + x64->interval_count + 1;
	own_free struct seccomp_interval *intervals = reallocarray(NULL, most, sizeof(*intervals));
	struct seccomp_arch common = {.intervals = intervals};

	if (!intervals)
		return seccomp_no_memory(err);
	common_intervals(c, x32, x64, shared, &common);
	if (common.interval_count + 2 >= x32->interval_count) {
		bpf_truncate(c->prog, before);
		common = *x32;
	}
	x32->root = seccomp_emit_tree(c->prog, common.intervals, common.interval_count);
	return 0;
}

static int emit_trees(struct seccomp_compiler *c, struct err *err)
{
	struct seccomp_arch *x32 = find_arch(c, SECCOMP_ARCH_X32);
	const struct seccomp_arch *x64 = find_arch(c, AUDIT_ARCH_X86_64);

	for (size_t i = c->arch_count; i-- > 0;)
		if (&c->archs[i] != x32)
			c->archs[i].root = seccomp_emit_tree(c->prog, c->archs[i].intervals,
							     c->archs[i].interval_count);
	return x32 && x64 ? emit_x32(c, x32, x64, err) : 0;
}

/* What an architecture's calls come to, with the number to be loaded. */
static uint32_t emit_arch(struct seccomp_compiler *c, const struct seccomp_arch *a,
			  uint32_t foreign)
{
	const struct seccomp_arch *x32 = find_arch(c, SECCOMP_ARCH_X32);
	uint32_t label = a->root;

	if (a->arch == AUDIT_ARCH_X86_64)
		label = bpf_jump(c->prog, BPF_JGE, SECCOMP_X32_BIT, x32 ? x32->root : foreign,
				 label);
	return bpf_stmt(c->prog, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr),
			label);
}

/* The head of the program: which architecture. */
static void emit_head(struct seccomp_compiler *c)
{
	uint32_t foreign = bpf_ret(c->prog, SECCOMP_RET_KILL_PROCESS);
	uint32_t next = foreign;

	for (size_t i = c->arch_count; i-- > 0;) {
		const struct seccomp_arch *a = &c->archs[i];

		if (a->arch == SECCOMP_ARCH_X32)
			continue;
		next = bpf_jump(c->prog, BPF_JEQ, a->arch, emit_arch(c, a, foreign), next);
	}
	bpf_stmt(c->prog, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), next);
}

static int emit_program(struct seccomp_compiler *c, struct err *err)
{
	own_free struct group *space = malloc(sizeof(*space));

	if (!space)
		return seccomp_no_memory(err);
	for (size_t i = c->arch_count; i-- > 0;)
		if (build_intervals(c, &c->archs[i], space, err) < 0)
			return -1;
	if (emit_trees(c, err) < 0)
		return -1;
	emit_head(c);
	if (!c->prog->full)
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "seccomp profile: needs more than the %d instructions that the kernel takes",
		       BPF_MAXINSNS);
}

/* Flags that the kernel refuses without a listener, or wants with one, are put right. */
static int finish(const struct seccomp_compiler *c, struct seccomp_filter *ret, struct err *err)
{
	struct seccomp_filter f = {.flags = c->profile->flags};

	f.insns = calloc(c->prog->count, sizeof(*f.insns));
	if (!f.insns)
		return seccomp_no_memory(err);
	f.count = (unsigned short)bpf_finish(c->prog, f.insns);
	for (uint32_t i = 0; i < f.count; i++)
		f.notify |= f.insns[i].code == (BPF_RET | BPF_K) &&
			    f.insns[i].k == SECCOMP_RET_USER_NOTIF;
	if (!f.notify)
		f.flags &= ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	else if (f.flags & SECCOMP_FILTER_FLAG_TSYNC)
		f.flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	*ret = f;
	return 0;
}

int seccomp_compile(const struct seccomp_profile *p, struct seccomp_filter *ret,
		    size_t *ret_unknown, struct err *err)
{
	own(seccomp_compiler) struct seccomp_compiler c = {.profile = p,
							   .prog = malloc(sizeof(*c.prog))};

	if (!c.prog)
		return seccomp_no_memory(err);
	bpf_truncate(c.prog, 0);
	if (seccomp_collect(&c, err) < 0 || emit_program(&c, err) < 0 || finish(&c, ret, err) < 0)
		return -1;
	if (ret_unknown)
		*ret_unknown = c.unknown;
	return 0;
}
