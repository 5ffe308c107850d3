/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The search tree over intervals of system-call numbers.
 *
 * A profile treats neighbouring numbers alike far more often than not: the default one has about
 * 60 intervals for 370 calls. The tree's leaves are the intervals, its inner nodes one comparison
 * each, so the program's length is the number of intervals. (A list of equality tests, which is
 * what libseccomp makes unless told to optimise, has one instruction per call.) A single number
 * between two intervals with equal treatment takes one equality test where two comparisons would
 * stand.
 *
 * Where to cut: so that both sides weigh about the same. A number's weight is how often the kernel
 * will run the program for it. That is once per number when the filter is installed, for its table
 * of calls that are allowed whatever their arguments; and afterwards, ever again, only for the
 * others. Of those the calls that are really made are the ones with argument conditions (ioctl
 * above all), and they are what leads to code, not to a return.
 */
#include "kernel/seccomp_internal.h"

#define NUMBERS_IN_USE 480 /* what is beyond is never called */
#define WEIGHT_OF_CODE 100 /* conditions: in numbers that are only visited at installation */

static uint32_t number_of(uint32_t first)
{
	uint32_t number = first & ~SECCOMP_X32_BIT;

	return number < NUMBERS_IN_USE ? number : NUMBERS_IN_USE;
}

static uint32_t weight(const struct bpf_prog *p, const struct seccomp_interval *i)
{
	uint32_t width = number_of(i[1].first) - number_of(i[0].first);

	return 1 + width + (bpf_is_ret(p, i->label) ? 0 : WEIGHT_OF_CODE);
}

/* Where the second half begins, in intervals: the cut after which the halves are most equal. */
static size_t best_cut(const struct bpf_prog *p, const struct seccomp_interval *i, size_t count)
{
	uint64_t total = 0, left = 0;

	for (size_t n = 0; n < count; n++)
		total += weight(p, &i[n]);
	for (size_t n = 0; n + 1 < count; n++) {
		uint64_t with = left + weight(p, &i[n]);

		if (2 * with >= total)
			return n > 0 && 2 * with - total > total - 2 * left ? n : n + 1;
		left = with;
	}
	return count - 1;
}

/* `i` has count + 1 elements: the last one's `first` is where the last interval ends. */
static uint32_t emit_range(struct bpf_prog *p, const struct seccomp_interval *i, size_t count)
{
	if (count == 1)
		return i->label;
	if (count == 3 && i[0].label == i[2].label && i[2].first - i[1].first == 1)
		return bpf_jump(p, BPF_JEQ, i[1].first, i[1].label, i[0].label);

	size_t cut = best_cut(p, i, count);
	uint32_t high = emit_range(p, i + cut, count - cut);
	uint32_t low = emit_range(p, i, cut);

	return bpf_jump(p, BPF_JGE, i[cut].first, high, low);
}

uint32_t seccomp_emit_tree(struct bpf_prog *p, const struct seccomp_interval *intervals,
			   size_t count)
{
	return emit_range(p, intervals, count);
}
