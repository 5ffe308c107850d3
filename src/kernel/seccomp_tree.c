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

static void weigh(const struct bpf_prog *p, struct seccomp_interval *i, size_t count)
{
	i[0].weight_before = 0;
	for (size_t n = 0; n < count; n++) {
		uint32_t width = number_of(i[n + 1].first) - number_of(i[n].first);

		i[n + 1].weight_before = i[n].weight_before + 1 + width +
					 (bpf_is_ret(p, i[n].label) ? 0 : WEIGHT_OF_CODE);
	}
}

/* Where the second half begins, in intervals: the cut after which the halves are most equal. */
static size_t best_cut(const struct seccomp_interval *i, size_t count)
{
	uint32_t ends = i[0].weight_before + i[count].weight_before;
	size_t cut = 1;

	while (cut + 1 < count && 2 * i[cut].weight_before < ends)
		cut++;
	if (cut > 1 && 2 * i[cut].weight_before - ends > ends - 2 * i[cut - 1].weight_before)
		cut--;
	return cut;
}

static uint32_t emit_range(struct bpf_prog *p, const struct seccomp_interval *i, size_t count)
{
	if (count == 1)
		return i->label;
	if (count == 3 && i[0].label == i[2].label && i[2].first - i[1].first == 1)
		return bpf_jump(p, BPF_JEQ, i[1].first, i[1].label, i[0].label);

	size_t cut = best_cut(i, count);
	uint32_t high = emit_range(p, i + cut, count - cut);
	uint32_t low = emit_range(p, i, cut);

	return bpf_jump(p, BPF_JGE, i[cut].first, high, low);
}

uint32_t seccomp_emit_tree(struct bpf_prog *p, struct seccomp_interval *intervals, size_t count)
{
	weigh(p, intervals, count);
	return emit_range(p, intervals, count);
}
