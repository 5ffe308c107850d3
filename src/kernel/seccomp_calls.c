/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First half of the compiler: a profile spread out over architectures and numbers.
 *
 * A profile has rules with names; the second half wants, for each architecture, the numbers in
 * ascending order and what the rules say of each. So every rule becomes a variant (its action, its
 * conditions, the code that returns the action), every name of it one small entry per architecture
 * (number and variant, eight bytes), and the entries are sorted by number, which keeps those of one
 * number in the profile's order.
 *
 * A rule that names one argument twice is taken as one rule per condition, as runc and crun do:
 * libseccomp cannot express it otherwise, and profiles were written against that.
 */
#include "kernel/seccomp_compiler.h"

#include <linux/seccomp.h>
#include <stdlib.h>

#define VARIANTS_MAX (1U << 20)
#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel */

int seccomp_no_memory(struct err *err)
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

static int add_arch(struct seccomp_compiler *c, uint32_t arch, struct err *err)
{
	for (size_t i = 0; i < c->arch_count; i++)
		if (c->archs[i].arch == arch)
			return 0;
	if (c->arch_count == SECCOMP_ARCHS_MAX)
		return err_set(err, ERR_LIMIT, 0, "seccomp profile: more than %d architectures",
			       SECCOMP_ARCHS_MAX);
	c->archs[c->arch_count++].arch = arch;
	return 0;
}

static int add_call(struct seccomp_arch *a, int number, size_t variant, int mux_call,
		    struct err *err)
{
	if (a->count == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 512;
		struct seccomp_call *calls = reallocarray(a->calls, cap, sizeof(*calls));

		if (!calls)
			return seccomp_no_memory(err);
		a->calls = calls;
		a->cap = cap;
	}
	a->calls[a->count++] = (struct seccomp_call){
		.number = (uint32_t)number,
		.variant = (uint32_t)variant & (VARIANTS_MAX - 1),
		.mux_call = (uint32_t)mux_call & (SECCOMP_MUX_CALLS - 1),
	};
	return 0;
}

/* A call that goes through a multiplexer as well: its conditions cannot be checked there. What lets
 * calls pass is then left out. What stops them holds without condition, unless the profile has an
 * unconditional rule for the multiplexer itself (group_settle). */
static bool mux_applies(const struct seccomp_variant *v)
{
	uint32_t action = v->ret & SECCOMP_RET_ACTION_FULL;

	return v->arg_count == 0 || (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG);
}

static int add_number(const struct seccomp_compiler *c, struct seccomp_arch *a, size_t variant,
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

static int add_variants(struct seccomp_compiler *c, const struct seccomp_rule *rule,
			struct err *err)
{
	struct seccomp_variant v = {.args = rule->args, .arg_count = rule->arg_count};

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

static int unknown_name(const char *name, struct err *err)
{
	err_set(err, ERR_INVALID, 0, "seccomp profile: no system call is known by the name '%s'",
		name);
	return err_hint(err,
			"unknown names are passed over where the configuration does not ask for "
			"this error");
}

static int add_rule(struct seccomp_compiler *c, const struct seccomp_rule *rule, struct err *err)
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
		if (!known && c->profile->refuse_unknown)
			return unknown_name(name.name, err);
		c->unknown += !known;
	}
	return 0;
}

static int add_rules(struct seccomp_compiler *c, struct err *err)
{
	const struct seccomp_profile *p = c->profile;
	size_t most = 1;

	for (size_t i = 0; i < p->rule_count; i++)
		most += p->rules[i].arg_count ? p->rules[i].arg_count : 1;
	if (most > VARIANTS_MAX)
		return err_set(err, ERR_LIMIT, 0, "seccomp profile: too many rules");
	c->variants = reallocarray(NULL, most, sizeof(*c->variants));
	if (!c->variants)
		return seccomp_no_memory(err);
	for (size_t i = 0; i < p->rule_count; i++)
		if (add_rule(c, &p->rules[i], err) < 0)
			return -1;
	return 0;
}

#define RADIX_BITS 9 /* most numbers: one pass */
#define RADIX (1U << RADIX_BITS)

/* One pass of a radix sort, which keeps the order of equals. */
static void sort_pass(const struct seccomp_call *from, struct seccomp_call *to, size_t count,
		      unsigned int shift)
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
static int sort_calls(struct seccomp_arch *a, struct err *err)
{
	struct seccomp_call *space = reallocarray(NULL, a->count + 1, sizeof(*space));
	uint32_t differing = 0;

	if (!space)
		return seccomp_no_memory(err);
	for (size_t i = 0; i < a->count; i++)
		differing |= a->calls[i].number ^ a->calls[0].number;
	for (unsigned int shift = 0; shift < 32; shift += RADIX_BITS) {
		struct seccomp_call *unsorted = a->calls;

		if ((differing >> shift & (RADIX - 1)) == 0)
			continue;
		sort_pass(unsorted, space, a->count, shift);
		a->calls = space;
		space = unsorted;
	}
	free(space);
	return 0;
}

int seccomp_collect(struct seccomp_compiler *c, struct err *err)
{
	const struct seccomp_profile *p = c->profile;
	uint32_t value;

	if (action_value(p->default_action, p->default_errno_given, p->default_errno, &value, err) <
	    0)
		return -1;
	c->default_label = c->newer_label = bpf_ret(c->prog, value);
	if (p->newer_unknown && p->default_action == SECCOMP_RET_ERRNO)
		c->newer_label = bpf_ret(c->prog, SECCOMP_RET_ERRNO | ENOSYS);
	if (add_arch(c, seccomp_native_arch(), err) < 0)
		return -1;
	for (size_t i = 0; i < p->arch_count; i++)
		if (add_arch(c, p->archs[i], err) < 0)
			return -1;
	if (add_rules(c, err) < 0)
		return -1;
	for (size_t i = 0; i < c->arch_count; i++)
		if (sort_calls(&c->archs[i], err) < 0)
			return -1;
	return 0;
}
