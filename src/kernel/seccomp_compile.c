/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The compiler: a profile to one BPF program.
 *
 * The program is written from its end (seccomp_bpf.c) in three parts: the code of conditional rules
 * of all architectures, so that equal conditions are shared between them; one search tree per
 * architecture (seccomp_tree.c), the native one last, that is, first in the program; and the choice
 * by architecture. A call decided without a look at its arguments takes about eight instructions.
 * Length matters twice: the kernel checks, translates and JIT-compiles the program at each start of
 * a container, and runs it once per system-call number then.
 *
 * What the field does and profiles rely on:
 *  - The native architecture is always included. Calls of an architecture that is not listed kill
 *    the process: with the numbers of another architecture no rule means what it says. On x86_64
 *    that holds for x32 too, whose calls come as AUDIT_ARCH_X86_64 with bit 30 set.
 *  - Names that nobody knows are skipped.
 *  - Of several unconditional rules for a call the first one counts, as with libseccomp; Podman's
 *    own profile needs that (it lists setns twice, with different actions).
 *  - A rule that names one argument twice is taken as one rule per condition, as runc and crun do.
 *
 * Where libseccomp lets an unconditional rule supersede the conditional ones for the same call, here
 * those are tried first, in the profile's order: "socket with AF_VSOCK is refused" beside "socket is
 * allowed" does what it says. The same conditions with two actions are an error, as there.
 */
#include "kernel/seccomp_internal.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

#define ARCHS_MAX 24
#define CONDITIONAL_MAX 1024 /* conditional rules of one call */
#define ERRNO_MAX 4095	     /* MAX_ERRNO of the kernel */

/* What one rule says of a call: the rule itself, or one condition of it. */
struct variant {
	const struct seccomp_arg *args;
	size_t arg_count;
	uint32_t ret;	/* action with its data */
	uint32_t label; /* code that returns it */
};

/* A variant for a number. */
struct call {
	uint32_t number;
	uint32_t variant : 25;
	uint32_t mux_call : 7; /* 0: the call itself; else this call of the multiplexer `number` */
};
#define VARIANTS_MAX (1U << 20)
#define MUX_CALLS 128

/* One architecture: its calls in the profile's order, then its intervals. */
struct arch_build {
	uint32_t arch;
	struct call *calls;
	size_t count, cap;
	struct seccomp_interval *intervals;
	size_t interval_count;
	uint32_t root;
};

/* The rules of one call: the conditional ones without repetitions, and what holds otherwise. */
struct group {
	uint32_t number;
	struct seccomp_match matches[CONDITIONAL_MAX + MUX_CALLS];
	size_t count;
	struct seccomp_match unchecked[MUX_CALLS]; /* of a multiplexer, whose conditions are lost */
	size_t unchecked_count;
	bool has_fallback;
	uint32_t fallback; /* a label */
};

struct compiler {
	const struct seccomp_profile *profile;
	struct bpf_prog *prog;
	struct group *group;
	struct variant *variants;
	size_t variant_count;
	struct arch_build archs[ARCHS_MAX]; /* [0] is the native one */
	size_t arch_count;
	uint32_t default_label;
	size_t unknown;
};

static void compiler_done(struct compiler *c)
{
	for (size_t i = 0; i < c->arch_count; i++) {
		free(c->archs[i].calls);
		free(c->archs[i].intervals);
	}
	free(c->variants);
	free(c->group);
	free(c->prog);
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_LIMIT, 0, "cannot compile the seccomp profile: out of memory");
}

static int action_value(uint32_t action, bool given, uint32_t errno_ret, uint32_t *ret,
			struct err *err)
{
	bool takes_errno = action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE;

	if (given && !takes_errno)
		return err_set(
			err, ERR_INVALID, 0,
			"seccomp profile: an errno is given for an action that returns none");
	if (given && errno_ret > ERRNO_MAX)
		return err_set(err, ERR_INVALID, 0, "seccomp profile: errno %u is above %d",
			       errno_ret, ERRNO_MAX);
	*ret = action | (!takes_errno ? 0 : given ? errno_ret : EPERM);
	return 0;
}

static int add_arch(struct compiler *c, uint32_t arch, struct err *err)
{
	for (size_t i = 0; i < c->arch_count; i++)
		if (c->archs[i].arch == arch)
			return 0;
	if (c->arch_count == ARCHS_MAX)
		return err_set(err, ERR_LIMIT, 0, "seccomp profile: more than %d architectures",
			       ARCHS_MAX);
	c->archs[c->arch_count++].arch = arch;
	return 0;
}

static int add_call(struct arch_build *a, int number, size_t variant, int mux_call, struct err *err)
{
	if (a->count == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 512;
		struct call *calls = reallocarray(a->calls, cap, sizeof(*calls));

		if (!calls)
			return no_memory(err);
		a->calls = calls;
		a->cap = cap;
	}
	a->calls[a->count++] = (struct call){
		.number = (uint32_t)number,
		.variant = (uint32_t)variant & (VARIANTS_MAX - 1),
		.mux_call = (uint32_t)mux_call & (MUX_CALLS - 1),
	};
	return 0;
}

/* A call that goes through a multiplexer as well: its conditions cannot be checked there. What lets
 * calls pass is then left out. What stops them holds without condition, unless the profile has an
 * unconditional rule for the multiplexer itself (group_settle). */
static bool mux_applies(const struct variant *v)
{
	uint32_t action = v->ret & SECCOMP_RET_ACTION_FULL;

	return v->arg_count == 0 || (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG);
}

static int add_number(const struct compiler *c, struct arch_build *a, size_t variant,
		      const struct seccomp_numbers *numbers, struct err *err)
{
	if (numbers->mux >= 0 && mux_applies(&c->variants[variant]) &&
	    add_call(a, numbers->mux, variant, numbers->mux_call, err) < 0)
		return -1;
	return numbers->direct < 0 ? 0 : add_call(a, numbers->direct, variant, 0, err);
}

static bool names_argument_twice(const struct seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->arg_count; i++) {
		if (seen & 1U << rule->args[i].index)
			return true;
		seen |= 1U << rule->args[i].index;
	}
	return false;
}

static int check_args(const struct seccomp_rule *rule, struct err *err)
{
	for (size_t i = 0; i < rule->arg_count; i++) {
		if (rule->args[i].index > 5)
			return err_set(err, ERR_INVALID, 0,
				       "seccomp profile: system calls have no argument %u",
				       rule->args[i].index);
		if (rule->args[i].op < SECCOMP_OP_NE || rule->args[i].op > SECCOMP_OP_MASKED_EQ)
			return err_set(err, ERR_INVALID, 0,
				       "seccomp profile: unknown comparison %d", rule->args[i].op);
	}
	return 0;
}

static int add_variants(struct compiler *c, const struct seccomp_rule *rule, struct err *err)
{
	struct variant v = {.args = rule->args, .arg_count = rule->arg_count};

	if (check_args(rule, err) < 0 ||
	    action_value(rule->action, rule->errno_given, rule->errno_ret, &v.ret, err) < 0)
		return -1;
	v.label = bpf_ret(c->prog, v.ret);
	if (!names_argument_twice(rule)) {
		c->variants[c->variant_count++] = v;
		return 0;
	}
	v.arg_count = 1;
	for (size_t i = 0; i < rule->arg_count; i++, v.args++)
		c->variants[c->variant_count++] = v;
	return 0;
}

static int add_rule(struct compiler *c, const struct seccomp_rule *rule, struct err *err)
{
	size_t first = c->variant_count;

	if (add_variants(c, rule, err) < 0)
		return -1;
	for (size_t n = 0; n < rule->names.count; n++) {
		struct seccomp_call_name name = seccomp_lookup(rule->names.items[n]);
		bool known = false;

		for (size_t i = 0; i < c->arch_count; i++) {
			struct seccomp_numbers numbers;
			int found = seccomp_numbers_of(&name, c->archs[i].arch, &numbers);

			known |= found >= 0;
			for (size_t v = first; found > 0 && v < c->variant_count; v++)
				if (add_number(c, &c->archs[i], v, &numbers, err) < 0)
					return -1;
		}
		c->unknown += !known;
	}
	return 0;
}

static int add_rules(struct compiler *c, struct err *err)
{
	const struct seccomp_profile *p = c->profile;
	size_t most = 1;

	for (size_t i = 0; i < p->rule_count; i++)
		most += p->rules[i].arg_count ? p->rules[i].arg_count : 1;
	if (most > VARIANTS_MAX)
		return err_set(err, ERR_LIMIT, 0, "seccomp profile: too many rules");
	c->variants = reallocarray(NULL, most, sizeof(*c->variants));
	if (!c->variants)
		return no_memory(err);
	for (size_t i = 0; i < p->rule_count; i++)
		if (add_rule(c, &p->rules[i], err) < 0)
			return -1;
	return 0;
}

#define RADIX_BITS 8
#define RADIX (1U << RADIX_BITS)

/* One pass of a radix sort, which keeps the order of equals. */
static void sort_pass(const struct call *from, struct call *to, size_t count, unsigned int shift)
{
	uint32_t place[RADIX] = {0};
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		place[from[i].number >> shift & (RADIX - 1)]++;
	for (size_t i = 0; i < RADIX; i++) {
		uint32_t here = place[i];

		place[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[place[from[i].number >> shift & (RADIX - 1)]++] = from[i];
}

/* By number, and for one number in the profile's order. */
static int sort_calls(struct arch_build *a, struct err *err)
{
	struct call *space = reallocarray(NULL, a->count + 1, sizeof(*space));
	uint32_t differing = 0;

	if (!space)
		return no_memory(err);
	for (size_t i = 0; i < a->count; i++)
		differing |= a->calls[i].number ^ a->calls[0].number;
	for (unsigned int shift = 0; shift < 32; shift += RADIX_BITS) {
		struct call *unsorted = a->calls;

		if ((differing >> shift & (RADIX - 1)) == 0)
			continue;
		sort_pass(unsorted, space, a->count, shift);
		a->calls = space;
		space = unsorted;
	}
	free(space);
	return 0;
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

static int group_add(struct group *g, const struct call *call, const struct variant *v,
		     struct err *err)
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

static uint32_t group_emit(struct compiler *c, const struct group *g, bool narrow)
{
	uint32_t label = g->has_fallback ? g->fallback : c->default_label;

	return seccomp_emit_matches(c->prog, g->matches, g->count, narrow, label);
}

/* Two labels that only look different: returns of the same value. */
static bool same_target(const struct bpf_prog *p, uint32_t a, uint32_t b)
{
	return a == b || (bpf_is_ret(p, a) && bpf_is_ret(p, b) && p->insns[a].k == p->insns[b].k);
}

static void add_interval(struct compiler *c, struct arch_build *a, uint32_t first, uint32_t label)
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

/* Read the sorted calls number by number: emit the conditions, note the intervals. */
static int build_intervals(struct compiler *c, struct arch_build *a, struct err *err)
{
	struct group *g = c->group;

	add_interval(c, a, a->arch == SECCOMP_ARCH_X32 ? SECCOMP_X32_BIT : 0, c->default_label);
	for (size_t i = 0; i < a->count && !c->prog->full;) {
		g->number = a->calls[i].number;
		g->count = 0;
		g->unchecked_count = 0;
		g->has_fallback = false;
		for (; i < a->count && a->calls[i].number == g->number; i++)
			if (group_add(g, &a->calls[i], &c->variants[a->calls[i].variant], err) < 0)
				return -1;
		group_settle(g);
		add_interval(c, a, g->number, group_emit(c, g, !(a->arch & __AUDIT_ARCH_64BIT)));
		add_interval(c, a, g->number + 1, c->default_label);
	}
	a->intervals[a->interval_count].first = UINT32_MAX;
	return 0;
}

static int build_arch(struct compiler *c, struct arch_build *a, struct err *err)
{
	a->intervals = reallocarray(NULL, 2 * a->count + 3, sizeof(*a->intervals));
	if (!a->intervals)
		return no_memory(err);
	if (sort_calls(a, err) < 0)
		return -1;
	return build_intervals(c, a, err);
}

static const struct arch_build *find_arch(const struct compiler *c, uint32_t arch)
{
	for (size_t i = 0; i < c->arch_count; i++)
		if (c->archs[i].arch == arch)
			return &c->archs[i];
	return NULL;
}

/* What an architecture's calls come to, with the number to be loaded. */
static uint32_t emit_arch(struct compiler *c, const struct arch_build *a, uint32_t foreign)
{
	const struct arch_build *x32 = find_arch(c, SECCOMP_ARCH_X32);
	uint32_t label = a->root;

	if (a->arch == AUDIT_ARCH_X86_64)
		label = bpf_jump(c->prog, BPF_JGE, SECCOMP_X32_BIT, x32 ? x32->root : foreign,
				 label);
	return bpf_stmt(c->prog, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr),
			label);
}

/* The head of the program: which architecture. */
static void emit_head(struct compiler *c)
{
	uint32_t foreign = bpf_ret(c->prog, SECCOMP_RET_KILL_PROCESS);
	uint32_t next = foreign;

	for (size_t i = c->arch_count; i-- > 0;) {
		const struct arch_build *a = &c->archs[i];

		if (a->arch == SECCOMP_ARCH_X32)
			continue;
		next = bpf_jump(c->prog, BPF_JEQ, a->arch, emit_arch(c, a, foreign), next);
	}
	bpf_stmt(c->prog, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), next);
}

static int emit_program(struct compiler *c, struct err *err)
{
	for (size_t i = c->arch_count; i-- > 0;)
		if (build_arch(c, &c->archs[i], err) < 0)
			return -1;
	for (size_t i = c->arch_count; i-- > 0;)
		c->archs[i].root = seccomp_emit_tree(c->prog, c->archs[i].intervals,
						     c->archs[i].interval_count);
	emit_head(c);
	if (c->prog->full)
		return err_set(
			err, ERR_INVALID, 0,
			"seccomp profile: needs more than the %d instructions that the kernel "
			"takes",
			BPF_MAXINSNS);
	return 0;
}

/* Flags that the kernel refuses without a listener, or wants with one, are put right. */
static int finish(const struct compiler *c, struct seccomp_filter *ret, struct err *err)
{
	struct seccomp_filter f = {.flags = c->profile->flags};

	f.insns = calloc(c->prog->count, sizeof(*f.insns));
	if (!f.insns)
		return no_memory(err);
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

static int compile(struct compiler *c, struct seccomp_filter *ret, struct err *err)
{
	const struct seccomp_profile *p = c->profile;
	uint32_t value;

	if (p->default_action == SECCOMP_RET_USER_NOTIF)
		return err_set(err, ERR_INVALID, 0,
			       "seccomp profile: the default action cannot be notify, because the "
			       "listener could not even be handed over");
	if (action_value(p->default_action, p->default_errno_given, p->default_errno, &value, err) <
	    0)
		return -1;
	c->default_label = bpf_ret(c->prog, value);
	if (add_arch(c, seccomp_native_arch(), err) < 0)
		return -1;
	for (size_t i = 0; i < p->arch_count; i++)
		if (add_arch(c, p->archs[i], err) < 0)
			return -1;
	if (add_rules(c, err) < 0 || emit_program(c, err) < 0)
		return -1;
	return finish(c, ret, err);
}

int seccomp_compile(const struct seccomp_profile *p, struct seccomp_filter *ret,
		    size_t *ret_unknown, struct err *err)
{
	own(compiler) struct compiler c = {
		.profile = p,
		.prog = malloc(sizeof(*c.prog)),
		.group = malloc(sizeof(*c.group)),
	};

	if (!c.prog || !c.group)
		return no_memory(err);
	bpf_truncate(c.prog, 0);
	if (compile(&c, ret, err) < 0)
		return -1;
	if (ret_unknown)
		*ret_unknown = c.unknown;
	return 0;
}
