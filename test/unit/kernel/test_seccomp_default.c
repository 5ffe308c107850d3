/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default filter: against the oracle and libseccomp for every call number, architecture and
 * many arguments at several capability sets, against the profile of containers-common with each
 * difference named, and for its length.
 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdlib.h>

#include "base/own.h"
#include "kernel/caps.h"
#include "seccomp_vm.h"
#include "test.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const uint64_t cap_sets[] = {
	CAPS_DEFAULT,
	0,
	UINT64_MAX,
	CAPS_DEFAULT | CAP(SYS_ADMIN),
	CAPS_DEFAULT & ~CAP(AUDIT_WRITE),
	CAP(SYS_TIME) | CAP(BPF) | CAP(SYS_PTRACE),
	CAP(PERFMON) | CAP(SYS_MODULE) | CAP(DAC_READ_SEARCH) | CAP(SYS_PACCT),
};
#define CAP_SETS (sizeof(cap_sets) / sizeof(cap_sets[0]))

static const uint32_t archs[] = {
	AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,    AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,
	AUDIT_ARCH_S390X,  AUDIT_ARCH_PPC64LE, SCMP_ARCH_X32,	   0,
	0xdeadbeef,
};
#define ARCHS (sizeof(archs) / sizeof(archs[0]))

struct subject {
	struct seccomp_profile profile;
	struct seccomp_filter filter;
	struct oracle *oracle;
};

static void subject_init(struct subject *s, uint64_t bounding)
{
	struct err err = ERR_INIT;

	*s = (struct subject){0};
	CHECK_OK(seccomp_default_profile(bounding, &s->profile, &err));
	CHECK_OK(seccomp_default_filter(bounding, &s->filter, &err));
	vm_check(s->filter.insns, s->filter.count);
	s->oracle = oracle_new(&s->profile);
}

static void subject_done(struct subject *s)
{
	seccomp_filter_done(&s->filter);
	oracle_free(s->oracle);
	seccomp_profile_done(&s->profile);
}

/* Asks for each number, on each architecture, with x32's bit and without, `times` over. */
typedef void ask_fn(const struct seccomp_data *data, void *context);
static void ask_everything(const struct seccomp_profile *p, unsigned int times, ask_fn *ask,
			   void *context)
{
	uint64_t seed = 42;
	uint32_t numbers[1024];
	size_t count = sample_numbers(600, &seed, numbers, 1024);

	for (size_t a = 0; a < ARCHS; a++)
		for (size_t n = 0; n < 2 * count; n++)
			for (unsigned int t = 0; t < times; t++) {
				struct seccomp_data data = {.arch = archs[a]};

				data.nr = (int)(numbers[n / 2] | (n & 1 ? 0x40000000U : 0));
				sample_args(p, &seed, &data);
				ask(&data, context);
			}
}

static void ask_oracle(const struct seccomp_data *data, void *context)
{
	struct subject *s = context;
	uint32_t ours = vm_run(s->filter.insns, s->filter.count, data, NULL);
	uint32_t theirs = oracle_answer(s->oracle, data);

	if (ours != theirs)
		report_difference("oracle", data, ours, theirs);
}

TEST(the_filter_does_what_its_profile_says)
{
	for (size_t i = 0; i < CAP_SETS; i++) {
		own(subject) struct subject s;

		subject_init(&s, cap_sets[i]);
		ask_everything(&s.profile, i ? 2 : 6, ask_oracle, &s);
	}
}

/* Calls with argument conditions, deeper. */
TEST(conditional_calls_do_what_the_profile_says)
{
	static const char *const names[] = {"ioctl",  "personality", "socket",	  "clone",
					    "clone3", "unshare",     "socketcall"};
	static const uint32_t own_archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, SCMP_ARCH_X32,
					     AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM};
	uint64_t seed = 7;

	for (size_t i = 0; i < CAP_SETS; i++) {
		own(subject) struct subject s;

		subject_init(&s, cap_sets[i]);
		for (size_t n = 0; n < 7 * 5 * 400; n++) {
			uint32_t arch = own_archs[n % 5];
			struct seccomp_data data = {.arch = arch};

			data.nr = seccomp_syscall_resolve_name_arch(arch, names[n / 5 % 7]);
			if (arch == SCMP_ARCH_X32)
				data.arch = AUDIT_ARCH_X86_64;
			sample_args(&s.profile, &seed, &data);
			ask_oracle(&data, &s);
		}
	}
}

struct pair {
	struct seccomp_filter ours;
	struct sock_filter *theirs;
	size_t count;
};

static void ask_libseccomp(const struct seccomp_data *data, void *context)
{
	struct pair *p = context;
	uint32_t ours = vm_run(p->ours.insns, p->ours.count, data, NULL);
	uint32_t theirs = vm_run(p->theirs, p->count, data, NULL);

	if (ours != theirs)
		report_difference("libseccomp", data, ours, theirs);
}

/* Is the name in a rule without conditions, among the first `count`? */
static bool has_fallback(const struct seccomp_profile *p, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (p->rules[i].arg_count == 0 && strv_contains(&p->rules[i].names, name))
			return true;
	return false;
}

/* What libseccomp cannot be told or would not do: calls that it does not know, a later rule without
 * conditions (it skips an earlier one whose action is the default's, and then takes the later one),
 * and conditions beside a rule without (it drops them). */
static void make_comparable(struct seccomp_profile *p)
{
	for (size_t i = p->rule_count; i-- > 0;) {
		struct seccomp_rule *rule = &p->rules[i];
		struct strv names = STRV_INIT;
		size_t before = rule->arg_count ? p->rule_count : i;
		struct err err = ERR_INIT;

		for (size_t n = 0; n < rule->names.count; n++) {
			const char *name = rule->names.items[n];

			if (seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR &&
			    !has_fallback(p, before, name))
				CHECK_OK(strv_add(&names, name, &err));
		}
		strv_done(&rule->names);
		rule->names = names;
	}
}

TEST(libseccomp_agrees)
{
	struct err err = ERR_INIT;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64 && seccomp_arch_native() != SCMP_ARCH_AARCH64)
		SKIP("the default lists the architectures of x86_64 and aarch64 only");
	for (size_t i = 0; i < CAP_SETS; i++) {
		own(seccomp_profile) struct seccomp_profile profile = {0};
		struct pair pair = {0};

		CHECK_OK(seccomp_default_profile(cap_sets[i], &profile, &err));
		make_comparable(&profile);
		CHECK_OK(seccomp_compile(&profile, &pair.ours, NULL, &err));
		pair.theirs = libseccomp_compile(&profile, i & 1, &pair.count);
		ask_everything(&profile, 2, ask_libseccomp, &pair);
		seccomp_filter_done(&pair.ours);
		free(pair.theirs);
	}
}

/* What the build made is what would be made now, and is found for what does not matter besides. */
TEST(ready_made_filters_are_the_compiled_ones)
{
	for (size_t i = 0; i < CAP_SETS; i++) {
		own(seccomp_profile) struct seccomp_profile profile = {0};
		own(seccomp_filter) struct seccomp_filter compiled = SECCOMP_FILTER_INIT;
		own(seccomp_filter) struct seccomp_filter ready = SECCOMP_FILTER_INIT;
		struct err err = ERR_INIT;

		CHECK_OK(seccomp_default_profile(cap_sets[i], &profile, &err));
		CHECK_OK(seccomp_compile(&profile, &compiled, NULL, &err));
		CHECK_OK(seccomp_default_filter(cap_sets[i] ^ CAP(CHOWN), &ready, &err));
		CHECK_INT(ready.count, compiled.count);
		CHECK(memcmp(ready.insns, compiled.insns,
			     compiled.count * sizeof(*compiled.insns)) == 0);
		CHECK_INT(ready.flags, compiled.flags);
		CHECK_INT(ready.notify, compiled.notify);
	}
}

/* The kernel's work at the start of a container grows with the length, and with the steps it takes
 * to decide each number. */
TEST(the_program_is_short)
{
	struct err err = ERR_INIT;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		SKIP("counted for x86_64");
	for (size_t i = 0; i < CAP_SETS; i++) {
		own(seccomp_profile) struct seccomp_profile profile = {0};
		own(seccomp_filter) struct seccomp_filter all = SECCOMP_FILTER_INIT;
		own(seccomp_filter) struct seccomp_filter native = SECCOMP_FILTER_INIT;

		CHECK_OK(seccomp_default_profile(cap_sets[i], &profile, &err));
		CHECK_OK(seccomp_compile(&profile, &all, NULL, &err));
		profile.arch_count = 1;
		CHECK_OK(seccomp_compile(&profile, &native, NULL, &err));
		CHECK(all.count <= 290);
		CHECK(native.count <= 100);
	}
}

TEST(a_call_is_decided_in_a_few_steps)
{
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;
	unsigned int total = 0, worst = 0, steps;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		SKIP("counted for x86_64");
	CHECK_OK(seccomp_default_filter(CAPS_DEFAULT, &f, &err));
	for (int nr = 0; nr < 470; nr++) {
		struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

		vm_run(f.insns, f.count, &data, &steps);
		total += steps;
		worst = steps > worst ? steps : worst;
	}
	/* Loads of architecture and number, three fixed tests, the return: six of them. */
	CHECK(total / 470 <= 6 + 5);
	CHECK(worst <= 6 + 11);

	/* ioctl is the call that the filter is run for at run time, again and again. */
	struct seccomp_data data = {.nr = 16, .arch = AUDIT_ARCH_X86_64, .args = {0, 0x5413}};
	CHECK_INT(vm_run(f.insns, f.count, &data, &steps), SECCOMP_RET_ALLOW);
	/* Four steps to the tree, four in it, a load, two values, the return. */
	CHECK(steps <= 12);
}

TEST_MAIN()
