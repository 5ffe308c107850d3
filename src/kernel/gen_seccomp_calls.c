/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run by the build: writes the table of system-call names and numbers for seccomp_lookup.c, for the
 * machine family named on the command line. For a family without a list here the table is empty.
 *
 * Names are found by asking libseccomp for the name of every number, its pseudo numbers included,
 * which stand for names that an architecture does not have. A number that does not fit (ARM's own
 * few calls) leaves the name out.
 */
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/seccomp_internal.h"

#define ROWS_MAX 1000
#define SLOTS 2048
#define NUMBERS 1024
#define PSEUDO_FIRST (-11000)

static const struct {
	const char *family;
	size_t count;
	uint32_t archs[SECCOMP_ROW_ARCHS];
} families[] = {
	{"x86_64", 3, {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, SECCOMP_ARCH_X32}},
	{"aarch64", 2, {AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM}},
	{"", 0, {0}},
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

static const char *names[ROWS_MAX];
static size_t name_count;
static uint16_t slots[SLOTS]; /* row + 1 */

static void die(const char *text)
{
	fprintf(stderr, "gen_seccomp_calls: %s\n", text);
	exit(1);
}

static void add_name(const char *name)
{
	uint32_t slot = seccomp_name_hash(name, SLOTS);

	for (; slots[slot]; slot = (slot + 1) % SLOTS)
		if (strcmp(names[slots[slot] - 1], name) == 0)
			return;
	if (name_count == ROWS_MAX)
		die("too many names");
	names[name_count] = strdup(name);
	if (!names[name_count])
		die("out of memory");
	slots[slot] = (uint16_t)++name_count;
}

static bool fits(const uint32_t *archs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		struct seccomp_numbers n;

		if (seccomp_resolve(archs[i], name, &n) > 0 &&
		    n.direct - seccomp_number_base(archs[i]) > INT16_MAX)
			return false;
	}
	return true;
}

static void collect_names(const uint32_t *archs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (int n = PSEUDO_FIRST; n < NUMBERS; n++) {
			int number = n < 0 ? n : n + seccomp_number_base(archs[i]);
			char *name = seccomp_syscall_resolve_num_arch(archs[i], number);

			if (name && fits(archs, count, name))
				add_name(name);
			free(name);
		}
	for (size_t i = 0; count && seccomp_newer_name(i); i++)
		add_name(seccomp_newer_name(i));
}

static void write_numbers(uint32_t arch, const char *name)
{
	struct seccomp_numbers n;

	if (seccomp_resolve(arch, name, &n) <= 0) {
		printf("{-1, 0, 0}, ");
		return;
	}
	printf("{%d, %d, %d}, ", n.direct < 0 ? -1 : n.direct - seccomp_number_base(arch),
	       n.mux < 0 ? 0 : n.mux, n.mux < 0 ? 0 : n.mux_call);
}

static void write_rows(const uint32_t *archs, size_t count)
{
	size_t offset = 0;

	printf("static const char call_names[] =\n");
	for (size_t i = 0; i < name_count; i++)
		printf("\t\"%s\\0\"\n", names[i]);
	printf("\t\"\";\n\nstatic const struct seccomp_call_row call_rows[] = {\n");
	for (size_t i = 0; i < name_count; i++) {
		printf("\t{%zu, {", offset);
		for (size_t a = 0; a < count; a++)
			write_numbers(archs[a], names[i]);
		printf("}},\n");
		offset += strlen(names[i]) + 1;
	}
	printf("\t{0},\n};\n");
}

int main(int argc, char **argv)
{
	size_t f = 0;

	while (f + 1 < FAMILIES && (argc != 2 || strcmp(families[f].family, argv[1]) != 0))
		f++;
	collect_names(families[f].archs, families[f].count);
	printf("/* Made by gen_seccomp_calls. */\n"
	       "static const uint32_t call_archs[SECCOMP_ROW_ARCHS] = {");
	for (size_t i = 0; i < families[f].count; i++)
		printf("%#x, ", families[f].archs[i]);
	printf("};\n\n");
	write_rows(families[f].archs, families[f].count);
	printf("\nstatic const uint16_t call_slots[%d] = {\n", SLOTS);
	for (size_t i = 0; i < SLOTS; i++)
		printf("%u,%c", slots[i], i % 16 == 15 ? '\n' : ' ');
	printf("};\n");
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
