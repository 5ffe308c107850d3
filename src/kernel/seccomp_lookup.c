/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System-call names to numbers, the quick way.
 *
 * Asking libseccomp for 400 names on three architectures takes 100 microseconds, and half as much
 * again in a process that has just begun and has none of its tables in memory: for a program that
 * starts one container and ends, more than everything else that is done about a filter. So the
 * build asks libseccomp for every name that it knows on the architectures of the machine's default
 * profile (gen_seccomp_calls.c), and the answers are compiled in as a hash table: one look-up per
 * name, in five pages. What is not in there is asked of libseccomp as before.
 *
 * A test compares each row with libseccomp's answer. Measured in docs/decisions/0005.
 */
#include "kernel/seccomp_internal.h"

#include <string.h>

#ifdef SECCOMP_MADE
#include "kernel/seccomp_calls.inc"
#else
static const uint32_t call_archs[SECCOMP_ROW_ARCHS];
static const char call_names[1];
static const struct seccomp_call_row call_rows[1];
static const uint16_t call_slots[1];
#endif

#define CALL_SLOTS (sizeof(call_slots) / sizeof(call_slots[0]))

struct seccomp_call_name seccomp_lookup(const char *name)
{
	uint32_t slot = seccomp_name_hash(name, CALL_SLOTS);

	for (; call_slots[slot]; slot = (slot + 1) % CALL_SLOTS) {
		int row = call_slots[slot] - 1;

		if (strcmp(call_names + call_rows[row].name, name) == 0)
			return (struct seccomp_call_name){name, row};
	}
	return (struct seccomp_call_name){name, -1};
}

int seccomp_numbers_of(const struct seccomp_call_name *name, uint32_t arch,
		       struct seccomp_numbers *ret)
{
	size_t i = 0;

	while (i < SECCOMP_ROW_ARCHS && call_archs[i] != arch)
		i++;
	if (name->row < 0 || i == SECCOMP_ROW_ARCHS)
		return seccomp_resolve(arch, name->name, ret);

	const struct seccomp_call_row *row = &call_rows[name->row];
	int direct = row->numbers[i].direct, mux = row->numbers[i].mux;

	*ret = (struct seccomp_numbers){
		.direct = direct < 0 ? -1 : direct + seccomp_number_base(arch),
		.mux = mux ? mux : -1,
		.mux_call = row->numbers[i].mux_call,
	};
	return direct >= 0 || mux;
}
