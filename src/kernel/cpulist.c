/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of CPUs and memory nodes as the kernel writes them: "0-3,8". A list is read into a bit set
 * and written back from it, so that every result is sorted, without duplicates and in the shortest
 * form, whatever the order of what came in.
 *
 * Numbers end at 8191, the most CPUs that a kernel can be built for; the text of a list ends at the
 * size of struct cpu_set_text, which holds every list of a machine whose CPUs are not deliberately
 * scattered. Both are errors, not truncations: a container that silently got other CPUs than it
 * asked for would be worse than one that does not start.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/facts.h"

#define CPU_LIMIT 8192

struct cpu_bits {
	uint64_t words[CPU_LIMIT / 64];
};

static bool has_cpu(const struct cpu_bits *bits, unsigned int cpu)
{
	return bits->words[cpu / 64] >> (cpu % 64) & 1;
}

static void add_cpu(struct cpu_bits *bits, unsigned int cpu)
{
	bits->words[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

static unsigned int count_cpus(const struct cpu_bits *bits)
{
	unsigned int count = 0;

	for (size_t i = 0; i < CPU_LIMIT / 64; i++)
		count += (unsigned int)__builtin_popcountll(bits->words[i]);
	return count;
}

/* A number at *text, which moves behind it. */
static bool read_number(const char **text, unsigned int *ret)
{
	unsigned int number = 0;
	const char *p = *text;

	while (*p >= '0' && *p <= '9' && number < CPU_LIMIT)
		number = number * 10 + (unsigned int)(*p++ - '0');
	if (p == *text || number >= CPU_LIMIT)
		return false;
	*text = p;
	*ret = number;
	return true;
}

static int malformed(const char *list, struct err *err)
{
	err_set(err, ERR_INVALID, 0, "'%s' is not a list of CPUs or nodes", list);
	return err_hint(err, "write numbers and ranges, for example 0-3,8");
}

static int parse_list(const char *list, struct cpu_bits *ret, struct err *err)
{
	const char *p = list;
	unsigned int first, last;

	memset(ret, 0, sizeof(*ret));
	while (*p) {
		if (!read_number(&p, &first))
			return malformed(list, err);
		last = first;
		if (*p == '-' && (p++, !read_number(&p, &last) || last < first))
			return malformed(list, err);
		for (unsigned int cpu = first; cpu <= last; cpu++)
			add_cpu(ret, cpu);
		if (*p == ',' && p[1])
			p++;
		else if (*p)
			return malformed(list, err);
	}
	return 0;
}

static int print_list(const struct cpu_bits *bits, struct cpu_set_text *ret, struct err *err)
{
	struct cpu_set_text text = {.text = ""};
	size_t length = 0;

	for (unsigned int cpu = 0; cpu < CPU_LIMIT; cpu++) {
		unsigned int last = cpu;
		char range[24];

		if (!has_cpu(bits, cpu))
			continue;
		while (last + 1 < CPU_LIMIT && has_cpu(bits, last + 1))
			last++;
		snprintf(range, sizeof(range), last > cpu ? "%s%u-%u" : "%s%u", length ? "," : "",
			 cpu, last);
		if (length + strlen(range) >= sizeof(text.text))
			return err_set(err, ERR_LIMIT, 0, "the list of CPUs is too long");
		memcpy(text.text + length, range, strlen(range) + 1);
		length += strlen(range);
		cpu = last;
	}
	*ret = text;
	return 0;
}

int cpu_list_count(const char *list, struct err *err)
{
	struct cpu_bits bits;

	return parse_list(list, &bits, err) < 0 ? -1 : (int)count_cpus(&bits);
}

int cpu_list_bits(const char *list, uint64_t *ret_words, size_t count, struct err *err)
{
	struct cpu_bits bits;

	if (parse_list(list, &bits, err) < 0)
		return -1;
	for (size_t i = count; i < CPU_LIMIT / 64; i++)
		if (bits.words[i])
			return err_set(err, ERR_LIMIT, 0, "'%s' has a number above %zu", list,
				       count * 64 - 1);
	for (size_t i = 0; i < count; i++)
		ret_words[i] = i < CPU_LIMIT / 64 ? bits.words[i] : 0;
	return 0;
}

int cpu_list_subset(const char *inner, const char *outer, struct err *err)
{
	struct cpu_bits in, out;

	if (parse_list(inner, &in, err) < 0 || parse_list(outer, &out, err) < 0)
		return -1;
	for (size_t i = 0; i < CPU_LIMIT / 64; i++)
		if (in.words[i] & ~out.words[i])
			return 0;
	return 1;
}

int cpu_list_pick(const char *list, unsigned int count, unsigned int start,
		  struct cpu_set_text *ret, struct err *err)
{
	struct cpu_bits from, picked = {0};
	unsigned int available, nth = 0;

	if (parse_list(list, &from, err) < 0)
		return -1;
	available = count_cpus(&from);
	if (count == 0 || count > available)
		return err_set(err, ERR_INVALID, 0, "cannot take %u CPUs of '%s': it has %u", count,
			       list, available);
	start %= available;
	for (unsigned int cpu = 0; cpu < CPU_LIMIT; cpu++) {
		if (!has_cpu(&from, cpu))
			continue;
		/* The place behind the start, counted round the end of the list. */
		if ((nth++ + available - start) % available < count)
			add_cpu(&picked, cpu);
	}
	return print_list(&picked, ret, err);
}
