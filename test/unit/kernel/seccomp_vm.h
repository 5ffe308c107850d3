/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of the seccomp compiler compare with: an interpreter for classic BPF as seccomp(2)
 * defines it, an oracle that answers from the profile itself, and libseccomp.
 */
#ifndef INSULA_TEST_SECCOMP_VM_H
#define INSULA_TEST_SECCOMP_VM_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/seccomp.h"

/* Fails the test where the kernel would refuse the program (an unknown instruction, a jump or a
 * load out of bounds, no return at the end) or an instruction cannot be reached. */
void vm_check(const struct sock_filter *insns, size_t count);
/* The action for these data; *ret_steps (may be NULL) instructions were executed. */
uint32_t vm_run(const struct sock_filter *insns, size_t count, const struct seccomp_data *data,
		unsigned int *ret_steps);

/* Names resolved once by libseccomp alone, so that questions are quick. */
struct oracle;
struct oracle *oracle_new(const struct seccomp_profile *profile);
void oracle_free(struct oracle *o);
uint32_t oracle_answer(const struct oracle *o, const struct seccomp_data *data);

/* The same profile as libseccomp compiles it, on the heap, without the names it does not know. `optimise`: its binary tree. */
struct sock_filter *libseccomp_compile(const struct seccomp_profile *profile, bool optimise,
				       size_t *ret_count);

/* As libseccomp, or this file's own list, has it; negative: none. */
int call_number(uint32_t arch, const char *name);

/* Name of a call, valid until the next question; NULL: nobody knows it. */
const char *call_name(uint32_t arch, int number);

/* The call for which an answer differs, and between whom, as a failure. */
void report_difference(const char *between, const struct seccomp_data *data, uint32_t ours,
		       uint32_t theirs);

/* Call numbers worth asking for: every one up to `all`, the boundaries beyond, some at random.
 * Returns how many were stored. */
size_t sample_numbers(uint32_t all, uint64_t *seed, uint32_t *ret, size_t max);
/* Six arguments around the values that the profile compares with. */
void sample_args(const struct seccomp_profile *profile, uint64_t *seed, struct seccomp_data *data);
uint64_t next_random(uint64_t *seed);

#endif
