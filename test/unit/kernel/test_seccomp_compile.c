/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The compiler: every comparison at its boundaries, profiles made at random from fixed seeds, what
 * does not fit into a jump, and what is refused. The oracle judges; libseccomp too where a profile
 * is of a shape for which it keeps its own promises.
 */
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "seccomp_vm.h"
#include "test.h"

static uint32_t all_archs[] = {AUDIT_ARCH_X86_64,  AUDIT_ARCH_I386, SCMP_ARCH_X32,
			       AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,  AUDIT_ARCH_RISCV64};

static struct seccomp_profile make_profile(size_t rules, size_t archs)
{
	struct seccomp_profile p = {.default_action = SECCOMP_RET_ERRNO,
				    .default_errno = ENOSYS,
				    .default_errno_given = true,
				    .arch_count = archs};

	p.rules = calloc(rules + 1, sizeof(*p.rules));
	p.archs = calloc(archs + 1, sizeof(*p.archs));
	CHECK(p.rules && p.archs && archs <= sizeof(all_archs) / sizeof(all_archs[0]));
	memcpy(p.archs, all_archs, archs * sizeof(*p.archs));
	return p;
}

static struct seccomp_rule *add_rule(struct seccomp_profile *p, const char *name, uint32_t action)
{
	struct seccomp_rule *rule = &p->rules[p->rule_count++];
	struct err err = ERR_INIT;

	rule->action = action & SECCOMP_RET_ACTION_FULL;
	rule->errno_given = rule->action == SECCOMP_RET_ERRNO || rule->action == SECCOMP_RET_TRACE;
	rule->errno_ret = action & SECCOMP_RET_DATA;
	rule->args = calloc(12, sizeof(*rule->args));
	CHECK(rule->args);
	CHECK_OK(strv_add(&rule->names, name, &err));
	return rule;
}

static void add_arg(struct seccomp_rule *rule, unsigned int index, int op, uint64_t value,
		    uint64_t value_two)
{
	rule->args[rule->arg_count++] = (struct seccomp_arg){index, value, value_two, op};
}

static void compile(const struct seccomp_profile *p, struct seccomp_filter *ret)
{
	struct err err = ERR_INIT;

	CHECK_OK(seccomp_compile(p, ret, NULL, &err));
	vm_check(ret->insns, ret->count);
}

static uint32_t answer(const struct seccomp_filter *f, uint32_t arch, int nr, uint64_t arg0)
{
	struct seccomp_data data = {.nr = nr, .arch = arch, .args = {arg0}};

	return vm_run(f->insns, f->count, &data, NULL);
}

static const uint64_t edges[] = {
	0,
	1,
	2,
	0x7ffffffe,
	0x7fffffff,
	0x80000000,
	0xfffffffe,
	0xffffffff,
	0x100000000,
	0x100000001,
	0x1ffffffff,
	0x200000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xfffffffe00000000,
	0xfffffffeffffffff,
	0xffffffff00000000,
	0xfffffffffffffffe,
	0xffffffffffffffff,
};
#define EDGES (sizeof(edges) / sizeof(edges[0]))

static bool compares(int op, uint64_t arg, uint64_t value, uint64_t value_two)
{
	switch (op) {
	case SECCOMP_OP_NE:
		return arg != value;
	case SECCOMP_OP_LT:
		return arg < value;
	case SECCOMP_OP_LE:
		return arg <= value;
	case SECCOMP_OP_EQ:
		return arg == value;
	case SECCOMP_OP_GE:
		return arg >= value;
	case SECCOMP_OP_GT:
		return arg > value;
	default:
		return (arg & value) == (value_two & value);
	}
}

static void check_op(int op, uint64_t value, uint64_t value_two)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(1, 1);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;

	add_arg(add_rule(&p, "read", SECCOMP_RET_ALLOW), 0, op, value, value_two);
	compile(&p, &f);
	size_t count;
	own_free struct sock_filter *theirs = libseccomp_compile(&p, false, &count);
	for (size_t i = 0; i < EDGES; i++) {
		struct seccomp_data data = {
			.nr = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), "read"),
			.arch = seccomp_arch_native(),
			.args = {edges[i], 1, 2, 3, 4, 5}};
		uint32_t ours = vm_run(f.insns, f.count, &data, NULL);

		CHECK_INT(ours, compares(op, edges[i], value, value_two)
					? SECCOMP_RET_ALLOW
					: (SECCOMP_RET_ERRNO | ENOSYS));
		CHECK_INT(ours, vm_run(theirs, count, &data, NULL));
	}
}

TEST(every_comparison_is_right_at_its_boundaries)
{
	for (int op = SECCOMP_OP_NE; op <= SECCOMP_OP_MASKED_EQ; op++)
		for (size_t v = 0; v < EDGES; v++)
			for (size_t w = 0; w < (op == SECCOMP_OP_MASKED_EQ ? EDGES : 1); w++)
				check_op(op, edges[v], edges[w]);
}

TEST(each_argument_is_the_one_that_is_named)
{
	for (unsigned int index = 0; index < 6; index++) {
		own(seccomp_profile) struct seccomp_profile p = make_profile(1, 1);
		own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
		struct seccomp_data data = {.arch = AUDIT_ARCH_X86_64};

		if (seccomp_arch_native() != SCMP_ARCH_X86_64)
			SKIP("x86_64's number of read");
		add_arg(add_rule(&p, "read", SECCOMP_RET_ALLOW), index, SECCOMP_OP_EQ, 7, 0);
		compile(&p, &f);
		for (unsigned int i = 0; i < 6; i++) {
			memset(data.args, 0, sizeof(data.args));
			data.args[i] = 7;
			CHECK_INT(vm_run(f.insns, f.count, &data, NULL) == SECCOMP_RET_ALLOW,
				  i == index);
		}
	}
}

/* Fewer instructions than conditions: what is known is not asked again. */
TEST(known_answers_are_not_asked_for)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(8, 1);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;

	for (uint64_t v = 0; v < 5; v++)
		add_arg(add_rule(&p, "personality", SECCOMP_RET_ALLOW), 0, SECCOMP_OP_EQ, 10 * v,
			0);
	compile(&p, &f);
	/* arch, nr and x32: 4; number: 1; upper half: 2; lower half: 6; returns: 3. */
	CHECK(f.count <= 16);

	own(seccomp_profile) struct seccomp_profile always = make_profile(2, 1);
	own(seccomp_filter) struct seccomp_filter g = SECCOMP_FILTER_INIT;
	add_arg(add_rule(&always, "read", SECCOMP_RET_ALLOW), 0, SECCOMP_OP_GE, 5, 0);
	add_arg(add_rule(&always, "read", SECCOMP_RET_ALLOW), 0, SECCOMP_OP_LT, 5, 0);
	compile(&always, &g);
	CHECK(g.count <= 8); /* no look at the argument is left */
}

static const char *const pool[] = {
	"read",		"write",	"open",	       "close",	     "stat",	       "mmap",
	"ioctl",	"socket",	"connect",     "clone",	     "execve",	       "kill",
	"futex",	"openat",	"prctl",       "shmget",     "semop",	       "mount",
	"setns",	"bpf",		"execveat",    "statx",	     "io_uring_setup", "openat2",
	"accept4",	"rt_sigaction", "personality", "arch_prctl", "set_tls",	       "mseal",
	"no_such_call",
};
#define POOL (sizeof(pool) / sizeof(pool[0]))

static uint32_t random_action(uint64_t *seed)
{
	static const uint32_t actions[] = {
		SECCOMP_RET_ALLOW,	    SECCOMP_RET_ALLOW,	     SECCOMP_RET_ERRNO | EPERM,
		SECCOMP_RET_ERRNO | ENOENT, SECCOMP_RET_LOG,	     SECCOMP_RET_TRAP,
		SECCOMP_RET_TRACE | 7,	    SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS,
		SECCOMP_RET_USER_NOTIF,
	};

	return actions[next_random(seed) % (sizeof(actions) / sizeof(actions[0]))];
}

static void random_arg(struct seccomp_rule *rule, unsigned int index, uint64_t *seed)
{
	uint64_t r = next_random(seed), two = next_random(seed);
	uint64_t value = r & 1 ? edges[(r >> 1) % EDGES] : r >> (r & 63);

	add_arg(rule, index, (int)((r >> 8) % 7), value, two & 1 ? value & two : two);
}

/* Calls with many rules each, rules with up to six conditions, an argument named twice, anything. */
static void random_rule(struct seccomp_profile *p, size_t variety, uint64_t *seed)
{
	struct seccomp_rule *rule = add_rule(p, pool[next_random(seed) % variety],
					     random_action(seed));
	size_t args = next_random(seed) % (next_random(seed) % 4 ? 3 : 7);

	for (size_t i = 0; i < args; i++)
		random_arg(rule, next_random(seed) % 16 ? (unsigned int)i : 0, seed);
}

static struct seccomp_profile random_profile(uint64_t *seed)
{
	size_t rules = next_random(seed) % 40;
	size_t variety = 1 + next_random(seed) % POOL;
	struct seccomp_profile p = make_profile(rules, next_random(seed) % 7);

	p.default_action = next_random(seed) & 1 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO;
	p.default_errno_given = p.default_action == SECCOMP_RET_ERRNO;
	for (size_t i = 0; i < rules; i++)
		random_rule(&p, variety, seed);
	return p;
}

/* A number that the profile has a rule for, more often than not. */
static int random_number(const struct seccomp_profile *p, uint32_t arch, uint64_t *seed)
{
	uint64_t r = next_random(seed);

	if (p->rule_count == 0 || r % 8 == 0)
		return (int)(r >> 8 & 0x400001ff);
	int number = seccomp_syscall_resolve_name_arch(
		arch, p->rules[(r >> 8) % p->rule_count].names.items[0]);
	return number >= 0 ? number : (int)(r >> 40 & 511);
}

static void random_question(const struct seccomp_profile *p, uint64_t *seed,
			    struct seccomp_data *ret)
{
	uint32_t arch = all_archs[next_random(seed) % (sizeof(all_archs) / sizeof(all_archs[0]))];

	ret->nr = random_number(p, arch, seed);
	ret->arch = arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch;
	sample_args(p, seed, ret);
}

TEST(random_profiles_do_what_they_say)
{
	uint64_t seed = 20221;
	unsigned int compiled = 0;

	for (unsigned int i = 0; i < 400; i++) {
		own(seccomp_profile) struct seccomp_profile p = random_profile(&seed);
		own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
		struct err err = ERR_INIT;

		if (seccomp_compile(&p, &f, NULL, &err) < 0) {
			CHECK(strstr(err.message, "two actions"));
			continue;
		}
		compiled++;
		vm_check(f.insns, f.count);
		struct oracle *o = oracle_new(&p);
		for (unsigned int n = 0; n < 600; n++) {
			struct seccomp_data data;

			random_question(&p, &seed, &data);
			uint32_t ours = vm_run(f.insns, f.count, &data, NULL);
			uint32_t theirs = oracle_answer(o, &data);
			if (ours != theirs)
				report_difference("oracle", &data, ours, theirs);
		}
		oracle_free(o);
	}
	CHECK(compiled > 300);
}

/* One action per call, and either one rule with any conditions or several values of one argument.
 * Where a call has several rules with other comparisons, libseccomp 2.5.4 goes to the default
 * action as soon as an upper half was equal and the lower one did not match. */
static struct seccomp_profile plain_profile(uint64_t *seed)
{
	struct seccomp_profile p = make_profile(4 * POOL, 3);

	p.default_action = SECCOMP_RET_ERRNO;
	for (size_t i = 0; i < POOL; i++) {
		uint32_t action = random_action(seed);
		size_t values = next_random(seed) % 4, args = next_random(seed) % 7;

		if (seccomp_syscall_resolve_name(pool[i]) == __NR_SCMP_ERROR ||
		    seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, pool[i]) <= -100)
			continue; /* unknown to it, or multiplexed on i386 */
		struct seccomp_rule *rule = add_rule(&p, pool[i], action);
		for (size_t a = 0; a < args && values == 0; a++)
			random_arg(rule, (unsigned int)a, seed);
		for (size_t v = 0; v < values; v++) {
			add_arg(rule, (unsigned int)args % 6, SECCOMP_OP_EQ,
				edges[next_random(seed) % EDGES], 0);
			if (v + 1 < values)
				rule = add_rule(&p, pool[i], action);
		}
	}
	return p;
}

TEST(libseccomp_agrees_on_random_profiles)
{
	uint64_t seed = 99;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		SKIP("lists the architectures of x86_64");
	for (unsigned int i = 0; i < 100; i++) {
		own(seccomp_profile) struct seccomp_profile p = plain_profile(&seed);
		own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
		size_t count;

		compile(&p, &f);
		own_free struct sock_filter *theirs = libseccomp_compile(&p, i & 1, &count);
		for (unsigned int n = 0; n < 2000; n++) {
			struct seccomp_data data;

			random_question(&p, &seed, &data);
			uint32_t a = vm_run(f.insns, f.count, &data, NULL);
			uint32_t b = vm_run(theirs, count, &data, NULL);
			if (a != b)
				report_difference("libseccomp", &data, a, b);
		}
	}
}

/* 300 values of one argument, and a program in which nothing is within reach of the rest. */
TEST(targets_out_of_reach_are_reached)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(700, 3);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		SKIP("x86_64's numbers");
	for (uint32_t i = 0; i < 300; i++) {
		add_arg(add_rule(&p, "ioctl", SECCOMP_RET_ERRNO | (i + 1)), 1, SECCOMP_OP_EQ,
			1000 + 3 * i, 0);
		add_arg(add_rule(&p, "prctl", SECCOMP_RET_TRACE | (i + 1)), 0, SECCOMP_OP_EQ,
			UINT64_C(0x100000000) * i, 0);
	}
	add_rule(&p, "ioctl", SECCOMP_RET_ALLOW);
	add_rule(&p, "execve", SECCOMP_RET_ALLOW);
	compile(&p, &f);
	CHECK(f.count > 1200);
	for (uint32_t i = 0; i < 1000; i++) {
		struct seccomp_data data = {.nr = 16, .arch = AUDIT_ARCH_X86_64};
		bool hit = i >= 100 && i < 1000 && (i - 100) % 3 == 0;

		data.args[1] = 900 + i;
		CHECK_INT(vm_run(f.insns, f.count, &data, NULL),
			  hit ? SECCOMP_RET_ERRNO | ((i - 100) / 3 + 1) : SECCOMP_RET_ALLOW);
		CHECK_INT(answer(&f, AUDIT_ARCH_X86_64, 157, (uint64_t)i << 32),
			  i < 300 ? SECCOMP_RET_TRACE | (i + 1) : SECCOMP_RET_ERRNO | ENOSYS);
	}
	CHECK_INT(answer(&f, AUDIT_ARCH_X86_64, 59, 0), SECCOMP_RET_ALLOW);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 11, 0), SECCOMP_RET_ALLOW);
	CHECK_INT(answer(&f, AUDIT_ARCH_ARM, 11, 0), SECCOMP_RET_KILL_PROCESS);
}

/* Every road through the rules of one call at once would be without end. */
TEST(a_profile_made_to_take_long_is_compiled_at_once)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(64, 1);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	uint64_t seed = 3;

	for (size_t i = 0; i < 64; i++) {
		struct seccomp_rule *rule = add_rule(&p, "read", SECCOMP_RET_ERRNO | (i + 1));

		for (unsigned int a = 0; a < 6; a++)
			add_arg(rule, a, SECCOMP_OP_GT, next_random(&seed), 0);
	}
	compile(&p, &f);
	struct oracle *o = oracle_new(&p);
	for (unsigned int n = 0; n < 20000; n++) {
		struct seccomp_data data = {.arch = seccomp_arch_native()};

		data.nr = seccomp_syscall_resolve_name_arch(data.arch, "read");
		sample_args(&p, &seed, &data);
		CHECK_INT(vm_run(f.insns, f.count, &data, NULL), oracle_answer(o, &data));
	}
	oracle_free(o);
}

TEST(conditions_go_before_the_rule_without)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(3, 1);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	int nr = seccomp_syscall_resolve_name("socket");

	add_rule(&p, "socket", SECCOMP_RET_ALLOW);
	add_rule(&p, "socket", SECCOMP_RET_ERRNO | EPERM); /* the first one counts */
	add_arg(add_rule(&p, "socket", SECCOMP_RET_ERRNO | EACCES), 0, SECCOMP_OP_EQ, 40, 0);
	compile(&p, &f);
	CHECK_INT(answer(&f, seccomp_arch_native(), nr, 40), SECCOMP_RET_ERRNO | EACCES);
	CHECK_INT(answer(&f, seccomp_arch_native(), nr, 41), SECCOMP_RET_ALLOW);
}

TEST(a_multiplexed_call_is_held_to_the_rules_of_what_it_carries)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(3, 2);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;

	p.default_action = SECCOMP_RET_ALLOW;
	p.default_errno_given = false;
	add_rule(&p, "connect", SECCOMP_RET_ERRNO | EACCES);
	add_arg(add_rule(&p, "socket", SECCOMP_RET_ERRNO | EPERM), 0, SECCOMP_OP_EQ, 40, 0);
	add_rule(&p, "shmget", SECCOMP_RET_ERRNO | ENOSPC);
	compile(&p, &f);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 362, 0), SECCOMP_RET_ERRNO | EACCES);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 102, 3), SECCOMP_RET_ERRNO | EACCES);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 117, 23), SECCOMP_RET_ERRNO | ENOSPC);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 395, 0), SECCOMP_RET_ERRNO | ENOSPC);
	/* The family cannot be seen there: refused rather than let through. */
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 102, 1), SECCOMP_RET_ERRNO | EPERM);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 359, 40), SECCOMP_RET_ERRNO | EPERM);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 359, 2), SECCOMP_RET_ALLOW);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 102, 2), SECCOMP_RET_ALLOW);
}

TEST(architectures_that_are_not_listed_kill)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(1, 0);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;

	p.default_action = SECCOMP_RET_ALLOW;
	p.default_errno_given = false;
	compile(&p, &f);
	CHECK_INT(answer(&f, seccomp_arch_native(), 0, 0), SECCOMP_RET_ALLOW);
	CHECK_INT(answer(&f, AUDIT_ARCH_I386, 0, 0), SECCOMP_RET_KILL_PROCESS);
	CHECK_INT(answer(&f, AUDIT_ARCH_ARM, 0, 0), SECCOMP_RET_KILL_PROCESS);
	if (seccomp_arch_native() == SCMP_ARCH_X86_64) {
		CHECK_INT(answer(&f, AUDIT_ARCH_X86_64, 0x40000000, 0), SECCOMP_RET_KILL_PROCESS);
		CHECK_INT(answer(&f, AUDIT_ARCH_X86_64, -1, 0), SECCOMP_RET_KILL_PROCESS);
		CHECK_INT(answer(&f, AUDIT_ARCH_X86_64, 0x3fffffff, 0), SECCOMP_RET_ALLOW);
		CHECK(f.count <= 7);
	}
}

TEST(numbers_above_those_of_the_profile_are_unknown_where_it_asks_for_that)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(3, 0);
	own(seccomp_filter) struct seccomp_filter before = SECCOMP_FILTER_INIT;
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	own(seccomp_filter) struct seccomp_filter killing = SECCOMP_FILTER_INIT;
	uint32_t native = seccomp_arch_native();

	if (native != SCMP_ARCH_X86_64)
		return;
	p.default_action = SECCOMP_RET_ERRNO;
	p.default_errno_given = true;
	p.default_errno = EXDEV;
	add_rule(&p, "read", SECCOMP_RET_ALLOW);				     /* 0 */
	add_arg(add_rule(&p, "openat2", SECCOMP_RET_ALLOW), 0, SECCOMP_OP_EQ, 7, 0); /* 437 */
	compile(&p, &before);
	CHECK_INT(answer(&before, native, 438, 0), SECCOMP_RET_ERRNO | EXDEV);
	p.newer_unknown = true;
	compile(&p, &f);
	CHECK_INT(answer(&f, native, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_INT(answer(&f, native, 1, 0), SECCOMP_RET_ERRNO | EXDEV);
	CHECK_INT(answer(&f, native, 437, 0), SECCOMP_RET_ERRNO | EXDEV);
	CHECK_INT(answer(&f, native, 437, 7), SECCOMP_RET_ALLOW);
	CHECK_INT(answer(&f, native, 438, 0), SECCOMP_RET_ERRNO | ENOSYS);
	CHECK_INT(answer(&f, native, 0x3fffffff, 0), SECCOMP_RET_ERRNO | ENOSYS);
	CHECK_INT(answer(&f, native, 0x40000000, 0), SECCOMP_RET_KILL_PROCESS); /* x32 */
	p.default_action = SECCOMP_RET_KILL_PROCESS; /* who wants that wants it for every call */
	p.default_errno_given = false;
	compile(&p, &killing);
	CHECK_INT(answer(&killing, native, 438, 0), SECCOMP_RET_KILL_PROCESS);
}

TEST(unknown_names_are_counted)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(5, 3);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;
	size_t unknown = 77;

	add_rule(&p, "no_such_call", SECCOMP_RET_ALLOW);
	add_rule(&p, "mseal", SECCOMP_RET_ALLOW);     /* newer than libseccomp 2.5 */
	add_rule(&p, "set_tls", SECCOMP_RET_ALLOW);   /* ARM's */
	add_rule(&p, "uretprobe", SECCOMP_RET_ALLOW); /* x86_64's */
	add_rule(&p, "", SECCOMP_RET_ALLOW);
	CHECK_OK(seccomp_compile(&p, &f, &unknown, &err));
	CHECK_INT(unknown, 2);
	CHECK_INT(answer(&f, seccomp_arch_native(), 462, 0), SECCOMP_RET_ALLOW);
}

static void check_refused(struct seccomp_profile *p, enum err_kind kind, const char *part)
{
	struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	CHECK_ERR(seccomp_compile(p, &f, NULL, &err), kind, part);
	CHECK(f.insns == NULL);
	seccomp_profile_done(p);
}

TEST(contradictions_and_nonsense_are_refused)
{
	struct seccomp_profile p = make_profile(2, 0);

	add_arg(add_rule(&p, "read", SECCOMP_RET_ALLOW), 0, SECCOMP_OP_EQ, 1, 0);
	add_arg(add_rule(&p, "read", SECCOMP_RET_ERRNO | EPERM), 0, SECCOMP_OP_EQ, 1, 0);
	check_refused(&p, ERR_INVALID, "two actions for the same arguments");

	p = make_profile(1, 0);
	add_arg(add_rule(&p, "read", SECCOMP_RET_ALLOW), 6, SECCOMP_OP_EQ, 1, 0);
	check_refused(&p, ERR_INVALID, "no argument 6");

	p = make_profile(1, 0);
	add_arg(add_rule(&p, "read", SECCOMP_RET_ALLOW), 0, 7, 1, 0);
	check_refused(&p, ERR_INVALID, "unknown comparison 7");

	p = make_profile(1, 0);
	add_rule(&p, "read", SECCOMP_RET_ERRNO)->errno_ret = 4096;
	check_refused(&p, ERR_INVALID, "errno 4096 is above 4095");

	p = make_profile(1, 0);
	add_rule(&p, "read", SECCOMP_RET_ALLOW)->errno_given = true;
	check_refused(&p, ERR_INVALID, "an action that returns none");

	p = make_profile(1, 0);
	p.refuse_unknown = true;
	add_rule(&p, "frobnicate", SECCOMP_RET_ALLOW);
	check_refused(&p, ERR_INVALID, "no system call is known by the name 'frobnicate'");
}

TEST(the_default_action_may_notify)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(1, 0);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;

	p.default_action = SECCOMP_RET_USER_NOTIF;
	p.default_errno_given = false;
	add_rule(&p, "read", SECCOMP_RET_ALLOW);
	compile(&p, &f);
	CHECK(f.notify);
}

/* 32768 zero bytes are 4096 instructions; the text of it in base64. */
static char *zeros(size_t bytes)
{
	size_t len = (bytes + 2) / 3 * 4;
	char *text = malloc(len + 1);

	CHECK(text);
	memset(text, 'A', len);
	if (bytes % 3)
		memset(text + len - (3 - bytes % 3), '=', 3 - bytes % 3);
	text[len] = '\0';
	return text;
}

TEST(a_compiled_filter_is_decoded)
{
	struct err err = ERR_INIT;
	own(seccomp_filter) struct seccomp_filter allow = SECCOMP_FILTER_INIT,
						  notify = SECCOMP_FILTER_INIT,
						  longest = SECCOMP_FILTER_INIT;
	own_free char *text = zeros(BPF_MAXINSNS * 8);

	/* ret ALLOW; ret USER_NOTIF */
	CHECK_OK(seccomp_filter_decode("BgAAAAAA/38=", &allow, &err));
	CHECK_INT(allow.count, 1);
	CHECK_INT(allow.insns[0].code, BPF_RET | BPF_K);
	CHECK_INT(allow.insns[0].k, SECCOMP_RET_ALLOW);
	CHECK(!allow.notify);
	CHECK_OK(seccomp_filter_decode("BgAAAAAA/38GAAAAAADAfw==", &notify, &err));
	CHECK_INT(notify.count, 2);
	CHECK(notify.notify);
	CHECK_OK(seccomp_filter_decode(text, &longest, &err));
	CHECK_INT(longest.count, BPF_MAXINSNS);
}

TEST(what_is_no_compiled_filter_is_refused)
{
	struct err err = ERR_INIT;
	static const char *const bad[] = {"",
					  "A",
					  "AAA",
					  "====",
					  "A===",
					  "AA=A",
					  "BgAAAAAA/3-=",
					  "BgAAAAAA/38=BgAAAAAA/38=",
					  "BgAAAAAA /38",
					  "AAAA",
					  "BgAAAAAA/38GAAAAAADAfwAA"};
	own_free char *text = zeros(BPF_MAXINSNS * 8 + 8);
	struct seccomp_filter f = SECCOMP_FILTER_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(seccomp_filter_decode(bad[i], &f, &err), ERR_INVALID, "is not");
	CHECK_ERR(seccomp_filter_decode(text, &f, &err), ERR_LIMIT, "more than 4096");
	CHECK(!f.insns);
}

TEST(what_this_kernel_knows_is_asked_of_it)
{
	CHECK(seccomp_has_action(SECCOMP_RET_ALLOW));
	CHECK(seccomp_has_action(SECCOMP_RET_KILL_PROCESS));
	CHECK(!seccomp_has_action(0x12340000));
	CHECK(seccomp_has_flag(SECCOMP_FILTER_FLAG_TSYNC));
	CHECK(seccomp_has_flag(SECCOMP_FILTER_FLAG_LOG));
	CHECK(!seccomp_has_flag(1U << 30));
}

TEST(what_the_kernel_cannot_take_is_refused)
{
	struct seccomp_profile p = make_profile(2000, 0);

	for (uint64_t i = 0; i < 2000; i++)
		add_arg(add_rule(&p, "read", SECCOMP_RET_ALLOW), 0, SECCOMP_OP_EQ, i, 0);
	check_refused(&p, ERR_LIMIT, "more than 1024 rules");

	p = make_profile(2000, 0);
	for (uint64_t i = 0; i < 2000; i++)
		add_arg(add_rule(&p, i % 2 ? "read" : "write", SECCOMP_RET_ERRNO | i), 0,
			SECCOMP_OP_EQ, i << 32 | i, 0);
	check_refused(&p, ERR_INVALID, "4096 instructions");
}

TEST(flags_are_those_that_the_kernel_takes)
{
	own(seccomp_profile) struct seccomp_profile p = make_profile(1, 0);
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT, g = SECCOMP_FILTER_INIT;

	p.flags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
		  SECCOMP_FILTER_FLAG_TSYNC;
	compile(&p, &f);
	CHECK(!f.notify);
	CHECK_INT(f.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC);
	add_rule(&p, "read", SECCOMP_RET_USER_NOTIF);
	compile(&p, &g);
	CHECK(g.notify);
	CHECK_INT(g.flags, p.flags | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
}

static const char *name_of(const struct seccomp_name *table, uint32_t value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return NULL;
}

TEST(the_tables_are_libseccomps)
{
	CHECK_STR(name_of(seccomp_archs, SCMP_ARCH_X32), "SCMP_ARCH_X32");
	CHECK_STR(name_of(seccomp_archs, seccomp_arch_resolve_name("x86")), "SCMP_ARCH_X86");
	CHECK_STR(name_of(seccomp_archs, seccomp_arch_resolve_name("riscv64")),
		  "SCMP_ARCH_RISCV64");
	CHECK_STR(name_of(seccomp_actions, SCMP_ACT_NOTIFY), "SCMP_ACT_NOTIFY");
	CHECK_STR(name_of(seccomp_ops, SECCOMP_OP_MASKED_EQ), "SCMP_CMP_MASKED_EQ");
	CHECK_STR(name_of(seccomp_flags, SECCOMP_FILTER_FLAG_LOG), "SECCOMP_FILTER_FLAG_LOG");
	int unknown = 0;

	for (size_t i = 0; seccomp_archs[i].name; i++) {
		scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
		int r = seccomp_arch_add(ctx, seccomp_archs[i].value);

		/* Known to libseccomp: added, there already, or of the other byte order. Four are new
		 * in its 2.6. */
		if (r != 0 && r != -EEXIST && r != -EDOM) {
			CHECK_INT(r, -EINVAL);
			CHECK(seccomp_version()->minor < 6);
			unknown++;
		}
		seccomp_release(ctx);
	}
	CHECK(unknown <= 4);
}

TEST_MAIN()
