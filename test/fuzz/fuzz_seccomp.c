/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: bytes as a seccomp profile, and as the questions asked of it.
 *
 * What must hold: a profile is compiled or refused with a message of one line; the program is one
 * that the kernel takes, without dead instructions; and it answers as the oracle of the unit tests
 * does, for calls and arguments near those that the profile names.
 */
#include <linux/audit.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "seccomp_vm.h"
#include "test.h"

#define RULES_MAX 64
#define QUESTIONS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What seccomp_vm.c reports failures with, here without the unit tests' harness. */
void test_fail(const char *file, int line, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	abort();
}

void test_check_int(const char *file, int line, const char *text, intmax_t got, intmax_t want)
{
	if (got != want)
		test_fail(file, line, "%s is %jd, expected %jd", text, got, want);
}

struct input {
	const uint8_t *data;
	size_t size;
};

static unsigned int byte(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static uint64_t number(struct input *in)
{
	unsigned int kind = byte(in);
	uint64_t value = 0;

	for (unsigned int i = 0; i < (kind & 7) + 1; i++)
		value = value << 8 | byte(in);
	if (kind & 8)
		value = ~value;
	return kind & 16 ? value << 32 : value;
}

static char *const names[] = {
	(char[]){"read"},   (char[]){"ioctl"},	 (char[]){"socket"},  (char[]){"clone"},
	(char[]){"shmget"}, (char[]){"mseal"},	 (char[]){"execve"},  (char[]){"socketcall"},
	(char[]){"openat"}, (char[]){"nothing"}, (char[]){"set_tls"}, (char[]){"rt_sigaction"},
	(char[]){"ipc"},    (char[]){"semop"},	 (char[]){"mount"},   (char[]){"personality"},
};

static const uint32_t actions[] = {
	SECCOMP_RET_ALLOW,	 SECCOMP_RET_ERRNO,	   SECCOMP_RET_USER_NOTIF, SECCOMP_RET_LOG,
	SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRACE,	   SECCOMP_RET_TRAP,
};

static uint32_t archs[] = {
	AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, 0x4000003e, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,
};

static void read_rule(struct input *in, struct seccomp_rule *rule, char **name_slot)
{
	unsigned int action = byte(in);

	*name_slot = names[byte(in) % 16];
	rule->names = (struct strv){.items = name_slot, .count = 1};
	rule->action = actions[action % 8];
	rule->errno_given = action & 8;
	rule->errno_ret = action >> 4;
	rule->arg_count = byte(in) % 8;
	for (size_t i = 0; i < rule->arg_count; i++) {
		unsigned int what = byte(in);

		rule->args[i] = (struct seccomp_arg){.index = what % 8, .op = (int)(what / 8 % 8)};
		rule->args[i].value = number(in);
		rule->args[i].value_two = what & 64 ? number(in) : rule->args[i].value;
	}
}

static void ask(const struct seccomp_profile *p, const struct seccomp_filter *f, uint64_t seed)
{
	struct oracle *o = oracle_new(p);

	for (unsigned int i = 0; i < QUESTIONS; i++) {
		struct seccomp_data data = {.arch = archs[next_random(&seed) % 5]};
		const char *name = names[next_random(&seed) % 16];

		data.nr = call_number(data.arch, name);
		if (data.nr < 0 || i % 8 == 0)
			data.nr = (int)(next_random(&seed) & 0x400001ff);
		sample_args(p, &seed, &data);
		uint32_t ours = vm_run(f->insns, f->count, &data, NULL);
		uint32_t theirs = oracle_answer(o, &data);
		if (ours != theirs)
			report_difference("oracle", &data, ours, theirs);
	}
	oracle_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct seccomp_rule rules[RULES_MAX] = {0};
	struct seccomp_arg args[RULES_MAX][8];
	char *name_slots[RULES_MAX];
	unsigned int head = byte(&in);
	struct seccomp_profile p = {
		.default_action = actions[head % 8],
		.default_errno_given = head & 8,
		.default_errno = head >> 4,
		.archs = archs,
		.arch_count = byte(&in) % 6,
		.rules = rules,
	};
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	for (; in.size && p.rule_count < RULES_MAX; p.rule_count++) {
		rules[p.rule_count].args = args[p.rule_count];
		read_rule(&in, &rules[p.rule_count], &name_slots[p.rule_count]);
	}
	if (seccomp_compile(&p, &f, NULL, &err) < 0) {
		if (f.insns || !err.message[0] || strchr(err.message, '\n'))
			test_fail(__FILE__, __LINE__, "refused badly: '%s'", err.message);
		return 0;
	}
	vm_check(f.insns, f.count);
	ask(&p, &f, size ? data[size / 2] * 257U + size : 0);
	return 0;
}
