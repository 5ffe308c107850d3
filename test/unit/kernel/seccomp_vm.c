/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interpreter follows Documentation/networking/filter.rst and the subset in the kernel's
 * seccomp_check_filter(). The oracle shares no code with the compiler: it walks the profile's rules
 * for each question, with the meaning that kernel/seccomp.h gives them.
 */
#include "seccomp_vm.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/own.h"
#include "test.h"

#define X32_BIT 0x40000000U

static bool is_jump(uint16_t code)
{
	return BPF_CLASS(code) == BPF_JMP;
}

static void check_insn(const struct sock_filter *insn, size_t left)
{
	switch (insn->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		CHECK(insn->k % 4 == 0 && insn->k < sizeof(struct seccomp_data));
		break;
	case BPF_JMP | BPF_JA:
		CHECK(insn->k < left);
		break;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		CHECK(insn->jt < left && insn->jf < left);
		break;
	case BPF_ALU | BPF_AND | BPF_K:
	case BPF_RET | BPF_K:
		break;
	default:
		test_fail(__FILE__, __LINE__, "instruction code %#x", insn->code);
	}
}

void vm_check(const struct sock_filter *insns, size_t count)
{
	own_free bool *reached = calloc(count + 1, sizeof(*reached));

	CHECK(reached && count > 0 && count <= BPF_MAXINSNS);
	CHECK_INT(insns[count - 1].code, BPF_RET | BPF_K);
	reached[0] = true;
	for (size_t i = 0; i < count; i++) {
		check_insn(&insns[i], count - i - 1 + (insns[i].code == (BPF_RET | BPF_K)));
		if (!reached[i])
			test_fail(__FILE__, __LINE__, "instruction %zu of %zu is dead", i, count);
		if (insns[i].code == (BPF_JMP | BPF_JA)) {
			reached[i + 1 + insns[i].k] = true;
		} else if (is_jump(insns[i].code)) {
			reached[i + 1 + insns[i].jt] = true;
			reached[i + 1 + insns[i].jf] = true;
		} else if (insns[i].code != (BPF_RET | BPF_K)) {
			reached[i + 1] = true;
		}
	}
}

static bool jump_taken(const struct sock_filter *insn, uint32_t a)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return a == insn->k;
	case BPF_JGT:
		return a > insn->k;
	case BPF_JGE:
		return a >= insn->k;
	default:
		return (a & insn->k) != 0;
	}
}

uint32_t vm_run(const struct sock_filter *insns, size_t count, const struct seccomp_data *data,
		unsigned int *ret_steps)
{
	uint32_t a = 0;
	unsigned int steps = 0;

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *insn = &insns[pc];

		steps++;
		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			CHECK(insn->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + insn->k, sizeof(a));
			break;
		case BPF_ALU:
			CHECK(insn->code == (BPF_ALU | BPF_AND | BPF_K));
			a &= insn->k;
			break;
		case BPF_JMP:
			if (insn->code == (BPF_JMP | BPF_JA))
				pc += insn->k;
			else
				pc += jump_taken(insn, a) ? insn->jt : insn->jf;
			break;
		default:
			CHECK_INT(insn->code, BPF_RET | BPF_K);
			if (ret_steps)
				*ret_steps = steps;
			return insn->k;
		}
	}
	test_fail(__FILE__, __LINE__, "the program runs past its end");
}

/* Numbers of one name on one architecture, for one rule. */
struct oracle_entry {
	uint32_t arch;
	int number;
	int mux_call; /* >= 0: of the multiplexer `number` */
	size_t rule;
};

struct oracle {
	const struct seccomp_profile *profile;
	struct oracle_entry *entries;
	size_t count;
	uint32_t archs[32];
	size_t arch_count;
};

static const struct {
	const char *name;
	int number;
} beyond_libseccomp[] = {
	{"cachestat", 451},	    {"fchmodat2", 452},	       {"map_shadow_stack", 453},
	{"futex_wake", 454},	    {"futex_wait", 455},       {"futex_requeue", 456},
	{"statmount", 457},	    {"listmount", 458},	       {"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
	{"setxattrat", 463},	    {"getxattrat", 464},       {"listxattrat", 465},
	{"removexattrat", 466},	    {"open_tree_attr", 467},   {"file_getattr", 468},
	{"file_setattr", 469},
};

int call_number(uint32_t arch, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(arch, name);

	if (number != __NR_SCMP_ERROR)
		return number;
	for (size_t i = 0; i < sizeof(beyond_libseccomp) / sizeof(beyond_libseccomp[0]); i++)
		if (strcmp(name, beyond_libseccomp[i].name) == 0)
			return beyond_libseccomp[i].number +
			       (arch == SCMP_ARCH_X32 ? (int)X32_BIT : 0);
	if (arch == AUDIT_ARCH_X86_64 && strcmp(name, "uretprobe") == 0)
		return 335;
	if (arch == AUDIT_ARCH_X86_64 && strcmp(name, "uprobe") == 0)
		return 336;
	return __NR_SCMP_ERROR;
}

const char *call_name(uint32_t arch, int number)
{
	static char name[64];
	own_free char *known = seccomp_syscall_resolve_num_arch(arch, number);

	if (known) {
		snprintf(name, sizeof(name), "%s", known);
		return name;
	}
	for (size_t i = 0; i < sizeof(beyond_libseccomp) / sizeof(beyond_libseccomp[0]); i++)
		if (call_number(arch, beyond_libseccomp[i].name) == number)
			return beyond_libseccomp[i].name;
	if (arch == AUDIT_ARCH_X86_64 && (number == 335 || number == 336))
		return number == 335 ? "uretprobe" : "uprobe";
	return NULL;
}

/* i386: socket 359 to shutdown 373, semget 393 to msgctl 402, and two that are older. */
static int i386_direct(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} direct[] = {
		{"socket", 359},      {"socketpair", 360}, {"bind", 361},
		{"connect", 362},     {"listen", 363},	   {"accept4", 364},
		{"getsockopt", 365},  {"setsockopt", 366}, {"getsockname", 367},
		{"getpeername", 368}, {"sendto", 369},	   {"sendmsg", 370},
		{"recvfrom", 371},    {"recvmsg", 372},	   {"shutdown", 373},
		{"recvmmsg", 337},    {"sendmmsg", 345},   {"semget", 393},
		{"semctl", 394},      {"shmget", 395},	   {"shmctl", 396},
		{"shmat", 397},	      {"shmdt", 398},	   {"msgget", 399},
		{"msgsnd", 400},      {"msgrcv", 401},	   {"msgctl", 402},
	};

	for (size_t i = 0; i < sizeof(direct) / sizeof(direct[0]); i++)
		if (strcmp(name, direct[i].name) == 0)
			return direct[i].number;
	return -1;
}

static void oracle_add(struct oracle *o, uint32_t arch, const char *name, size_t rule)
{
	struct oracle_entry *e = &o->entries[o->count];
	int number = call_number(arch, name);

	*e = (struct oracle_entry){arch, number, -1, rule};
	if (number <= -100 && number > -300 && arch == AUDIT_ARCH_I386) {
		e->number = number > -200 ? 102 : 117;
		e->mux_call = number > -200 ? -100 - number : -200 - number;
		o->count++;
		*++e = (struct oracle_entry){arch, i386_direct(name), -1, rule};
	}
	if (e->number >= 0)
		o->count++;
}

static void oracle_add_arch(struct oracle *o, uint32_t arch)
{
	for (size_t i = 0; i < o->arch_count; i++)
		if (o->archs[i] == arch)
			return;
	CHECK(o->arch_count < 32);
	o->archs[o->arch_count++] = arch;
}

struct oracle *oracle_new(const struct seccomp_profile *profile)
{
	struct oracle *o = calloc(1, sizeof(*o));
	size_t names = 0;

	CHECK(o);
	o->profile = profile;
	oracle_add_arch(o, seccomp_arch_native());
	for (size_t i = 0; i < profile->arch_count; i++)
		oracle_add_arch(o, profile->archs[i]);
	for (size_t r = 0; r < profile->rule_count; r++)
		names += profile->rules[r].names.count;
	o->entries = calloc(2 * names * o->arch_count + 1, sizeof(*o->entries));
	CHECK(o->entries);
	for (size_t r = 0; r < profile->rule_count; r++)
		for (size_t n = 0; n < profile->rules[r].names.count; n++)
			for (size_t a = 0; a < o->arch_count; a++)
				oracle_add(o, o->archs[a], profile->rules[r].names.items[n], r);
	return o;
}

void oracle_free(struct oracle *o)
{
	free(o->entries);
	free(o);
}

static bool arg_matches(const struct seccomp_arg *a, const struct seccomp_data *data)
{
	bool narrow = !(data->arch & __AUDIT_ARCH_64BIT) || (uint32_t)data->nr & X32_BIT;
	uint64_t bits = narrow ? UINT32_MAX : UINT64_MAX;
	uint64_t v = data->args[a->index] & bits;
	uint64_t value = a->value & bits;

	switch (a->op) {
	case SECCOMP_OP_NE:
		return v != value;
	case SECCOMP_OP_LT:
		return v < value;
	case SECCOMP_OP_LE:
		return v <= value;
	case SECCOMP_OP_EQ:
		return v == value;
	case SECCOMP_OP_GE:
		return v >= value;
	case SECCOMP_OP_GT:
		return v > value;
	default:
		return (v & value) == (a->value_two & value);
	}
}

static bool rule_matches(const struct seccomp_rule *rule, const struct seccomp_data *data)
{
	unsigned int seen = 0;
	size_t matching = 0;
	bool twice = false;

	for (size_t i = 0; i < rule->arg_count; i++) {
		twice |= (seen >> rule->args[i].index & 1) != 0;
		seen |= 1U << rule->args[i].index;
		matching += arg_matches(&rule->args[i], data);
	}
	return twice ? matching > 0 : matching == rule->arg_count;
}

static uint32_t value_of(uint32_t action, bool given, uint32_t errno_ret)
{
	if (action != SECCOMP_RET_ERRNO && action != SECCOMP_RET_TRACE)
		return action;
	return action | (given ? errno_ret : EPERM);
}

static uint32_t rule_value(const struct seccomp_rule *rule)
{
	return value_of(rule->action, rule->errno_given, rule->errno_ret);
}

static bool lets_pass(const struct seccomp_rule *rule)
{
	return rule->action == SECCOMP_RET_ALLOW || rule->action == SECCOMP_RET_LOG;
}

/* An unconditional rule for the call itself. */
static const struct seccomp_rule *fallback_rule(const struct oracle *o, uint32_t arch, int number)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct oracle_entry *e = &o->entries[i];

		if (e->arch == arch && e->number == number && e->mux_call < 0 &&
		    o->profile->rules[e->rule].arg_count == 0)
			return &o->profile->rules[e->rule];
	}
	return NULL;
}

/* What stops a call inside a multiplexed one where its conditions cannot be seen, or NULL. */
static const struct seccomp_rule *unchecked_rule(const struct oracle *o, uint32_t arch, int number,
						 uint64_t call)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct oracle_entry *e = &o->entries[i];
		const struct seccomp_rule *rule = &o->profile->rules[e->rule];

		if (e->arch == arch && e->number == number && e->mux_call >= 0 &&
		    (uint32_t)e->mux_call == (uint32_t)call && rule->arg_count > 0 &&
		    !lets_pass(rule))
			return rule;
	}
	return NULL;
}

static bool entry_matches(const struct oracle *o, const struct oracle_entry *e, uint32_t arch,
			  const struct seccomp_data *data)
{
	const struct seccomp_rule *rule = &o->profile->rules[e->rule];

	if (e->arch != arch || e->number != data->nr)
		return false;
	if (e->mux_call >= 0)
		return rule->arg_count == 0 && (uint32_t)e->mux_call == (uint32_t)data->args[0];
	return rule->arg_count > 0 && rule_matches(rule, data);
}

uint32_t oracle_answer(const struct oracle *o, const struct seccomp_data *data)
{
	uint32_t arch = data->arch;
	bool listed = false;

	if (arch == AUDIT_ARCH_X86_64 && (uint32_t)data->nr >= X32_BIT)
		arch = SCMP_ARCH_X32;
	for (size_t i = 0; i < o->arch_count; i++)
		listed |= o->archs[i] == arch && data->arch != SCMP_ARCH_X32;
	if (!listed)
		return SECCOMP_RET_KILL_PROCESS;

	for (size_t i = 0; i < o->count; i++)
		if (entry_matches(o, &o->entries[i], arch, data))
			return rule_value(&o->profile->rules[o->entries[i].rule]);

	const struct seccomp_rule *rule = fallback_rule(o, arch, data->nr);
	if (!rule)
		rule = unchecked_rule(o, arch, data->nr, data->args[0]);
	if (rule)
		return rule_value(rule);
	return value_of(o->profile->default_action, o->profile->default_errno_given,
			o->profile->default_errno);
}

static void libseccomp_add_rule(scmp_filter_ctx ctx, const struct seccomp_rule *rule,
				uint32_t default_value)
{
	static const enum scmp_compare ops[] = {
		[SECCOMP_OP_NE] = SCMP_CMP_NE,
		[SECCOMP_OP_LT] = SCMP_CMP_LT,
		[SECCOMP_OP_LE] = SCMP_CMP_LE,
		[SECCOMP_OP_EQ] = SCMP_CMP_EQ,
		[SECCOMP_OP_GE] = SCMP_CMP_GE,
		[SECCOMP_OP_GT] = SCMP_CMP_GT,
		[SECCOMP_OP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};
	struct scmp_arg_cmp args[6];

	if (rule_value(rule) == default_value)
		return; /* refused by libseccomp, and of no meaning to it */
	CHECK(rule->arg_count <= 6);
	for (size_t i = 0; i < rule->arg_count; i++)
		args[i] = (struct scmp_arg_cmp){rule->args[i].index, ops[rule->args[i].op],
						rule->args[i].value, rule->args[i].value_two};
	for (size_t n = 0; n < rule->names.count; n++) {
		int number = seccomp_syscall_resolve_name(rule->names.items[n]);

		if (number == __NR_SCMP_ERROR)
			continue;
		/* Its action codes are the kernel's. -EDOM: for no architecture listed. */
		int r = seccomp_rule_add_array(ctx, rule_value(rule), number,
					       (unsigned int)rule->arg_count, args);
		if (r < 0 && r != -EDOM)
			test_fail(__FILE__, __LINE__, "libseccomp: '%s': %s", rule->names.items[n],
				  strerror(-r));
	}
}

struct sock_filter *libseccomp_compile(const struct seccomp_profile *profile, bool optimise,
				       size_t *ret_count)
{
	uint32_t default_value = value_of(profile->default_action, profile->default_errno_given,
					  profile->default_errno);
	scmp_filter_ctx ctx = seccomp_init(default_value);
	own_fd int fd = memfd_create("bpf", MFD_CLOEXEC);

	CHECK(ctx && fd >= 0);
	CHECK_INT(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	CHECK_INT(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimise ? 2 : 1), 0);
	for (size_t i = 0; i < profile->arch_count; i++)
		if (profile->archs[i] != seccomp_arch_native())
			CHECK_INT(seccomp_arch_add(ctx, profile->archs[i]), 0);
	for (size_t r = 0; r < profile->rule_count; r++)
		libseccomp_add_rule(ctx, &profile->rules[r], default_value);
	CHECK_INT(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);

	off_t size = lseek(fd, 0, SEEK_END);
	struct sock_filter *insns = malloc((size_t)size);
	CHECK(insns && pread(fd, insns, (size_t)size, 0) == size);
	*ret_count = (size_t)size / sizeof(*insns);
	return insns;
}

void report_difference(const char *between, const struct seccomp_data *data, uint32_t ours,
		       uint32_t theirs)
{
	test_fail(__FILE__, __LINE__,
		  "%s: arch %#x call %#x (%#llx %#llx %#llx %#llx %#llx %#llx): ours %#x, not %#x",
		  between, data->arch, (unsigned int)data->nr, (unsigned long long)data->args[0],
		  (unsigned long long)data->args[1], (unsigned long long)data->args[2],
		  (unsigned long long)data->args[3], (unsigned long long)data->args[4],
		  (unsigned long long)data->args[5], ours, theirs);
}

uint64_t next_random(uint64_t *seed)
{
	/* splitmix64 */
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

size_t sample_numbers(uint32_t all, uint64_t *seed, uint32_t *ret, size_t max)
{
	static const uint32_t edges[] = {
		1023,	    1024,	4000,	    5000,	6000,	    65535,	0xf0000,
		0xf0001,    0xf0002,	0xf0003,    0xf0004,	0xf0005,    0xf0006,	0x3fffffff,
		0x40000000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	};
	size_t count = 0;

	for (uint32_t i = 0; i <= all && count < max; i++)
		ret[count++] = i;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]) && count < max; i++)
		ret[count++] = edges[i];
	for (size_t i = 0; i < 100 && count < max; i++)
		ret[count++] = (uint32_t)next_random(seed);
	return count;
}

/* The n-th condition of the profile on this argument, or NULL. */
static const struct seccomp_arg *condition_on(const struct seccomp_profile *profile,
					      unsigned int index, size_t n)
{
	for (size_t i = 0; i < profile->rule_count; i++) {
		const struct seccomp_rule *rule = &profile->rules[i];

		for (size_t a = 0; a < rule->arg_count; a++)
			if (rule->args[a].index == index && n-- == 0)
				return &rule->args[a];
	}
	return NULL;
}

static const struct seccomp_arg *random_condition(const struct seccomp_profile *profile,
						  unsigned int index, uint64_t *seed)
{
	size_t count = 0;

	while (condition_on(profile, index, count))
		count++;
	return count ? condition_on(profile, index, next_random(seed) % count) : NULL;
}

void sample_args(const struct seccomp_profile *profile, uint64_t *seed, struct seccomp_data *data)
{
	for (unsigned int i = 0; i < 6; i++) {
		const struct seccomp_arg *near = random_condition(profile, i, seed);
		uint64_t random = next_random(seed);
		uint64_t value = random >> (random & 63);

		if (near && random % 8) {
			value = random & 16 ? near->value : near->value_two;
			value += random >> 8 & 1;
			value -= random >> 9 & 1;
			if ((random >> 10 & 7) == 0)
				value ^= UINT64_C(1) << (random >> 16 & 63);
			else if ((random >> 10 & 7) == 1)
				value = (uint32_t)value;
		}
		data->args[i] = value;
	}
}
