/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device rules: the BPF program is run by a small interpreter and compared with the rule list read
 * literally ("for each access, the last rule that matches decides, and none means no"), and so are
 * the exceptions for v1 under the kernel's own way of matching them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "kernel/cgroup_device.h"
#include "kernel/cgroup_internal.h"
#include "test.h"

static struct err err;

/* ---- the kernel's half ---- */

struct request {
	uint32_t type, access, major, minor;
};

static uint64_t alu(uint8_t op, uint64_t dst, uint64_t src)
{
	switch (op) {
	case BPF_MOV:
		return (uint32_t)src;
	case BPF_AND:
		return (uint32_t)(dst & src);
	case BPF_RSH:
		return (uint32_t)dst >> src;
	default:
		test_fail(__FILE__, __LINE__, "unexpected operation 0x%x", op);
	}
}

static uint32_t load(const struct request *q, int16_t offset)
{
	const struct bpf_cgroup_dev_ctx ctx = {
		.access_type = q->access << 16 | q->type, .major = q->major, .minor = q->minor};

	CHECK(offset >= 0 && (size_t)offset + 4 <= sizeof(ctx) && offset % 4 == 0);
	return ((const uint32_t *)&ctx)[offset / 4];
}

/* Fails on anything that the verifier would refuse: jumps out, backwards, reading before writing. */
static int run(const struct bpf_insn *insns, int count, const struct request *q)
{
	uint64_t r[11] = {0};
	unsigned int written = 1 << BPF_REG_1 | 1 << BPF_REG_10;

	for (int pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &insns[pc];
		uint64_t operand = BPF_SRC(i->code) == BPF_X ? r[i->src_reg]
							     : (uint64_t)(int64_t)i->imm;

		if (i->code == (BPF_JMP | BPF_EXIT)) {
			CHECK(written & 1 << BPF_REG_0);
			return (int)r[BPF_REG_0];
		}
		if (BPF_CLASS(i->code) == BPF_LDX) {
			CHECK(i->src_reg == BPF_REG_1);
			r[i->dst_reg] = load(q, i->off);
		} else if (BPF_CLASS(i->code) == BPF_ALU) {
			CHECK(BPF_SRC(i->code) == BPF_K || written & 1 << i->src_reg);
			CHECK(BPF_OP(i->code) == BPF_MOV || written & 1 << i->dst_reg);
			r[i->dst_reg] = alu(BPF_OP(i->code), r[i->dst_reg], operand);
		} else {
			CHECK(BPF_CLASS(i->code) == BPF_JMP && written & 1 << i->dst_reg);
			CHECK(BPF_OP(i->code) == BPF_JNE || BPF_OP(i->code) == BPF_JEQ);
			CHECK(i->off >= 0);
			if ((r[i->dst_reg] == operand) == (BPF_OP(i->code) == BPF_JEQ))
				pc += i->off;
			continue;
		}
		written |= 1u << i->dst_reg;
	}
	test_fail(__FILE__, __LINE__, "the program runs past its end");
}

/* devcgroup_legacy_check_permission() of security/device_cgroup.c, as documented. */
static int v1_allows(const struct device_set *set, const struct request *q)
{
	char type = q->type == BPF_DEVCG_DEV_BLOCK ? 'b' : 'c';

	for (size_t i = 0; i < set->count; i++) {
		const struct cgroup_device *d = &set->items[i];
		unsigned int access = cgroup_device_access(d);

		if (d->type != type || (d->major != -1 && d->major != q->major) ||
		    (d->minor != -1 && d->minor != q->minor))
			continue;
		if (!set->allow && !(q->access & ~access))
			return 1;
		if (set->allow && (q->access & access))
			return 0;
	}
	return set->allow;
}

/* ---- what the specification says ---- */

static int matches(const struct cgroup_device *d, const struct request *q)
{
	return (d->type == 'a' || (d->type == 'b') == (q->type == BPF_DEVCG_DEV_BLOCK)) &&
	       (d->major == -1 || d->major == q->major) && (d->minor == -1 || d->minor == q->minor);
}

static int expected(const struct cgroup_device *rules, size_t count, const struct request *q)
{
	for (unsigned int bit = 1; bit <= DEVICE_WRITE; bit <<= 1) {
		int allowed = 0;

		for (size_t i = 0; i < count; i++)
			if (matches(&rules[i], q) && (cgroup_device_access(&rules[i]) & bit))
				allowed = rules[i].allow;
		if ((q->access & bit) && !allowed)
			return 0;
	}
	return 1;
}

static int program_allows(const struct cgroup_device *rules, size_t count, const struct request *q)
{
	struct bpf_insn insns[DEVICE_PROGRAM_MAX];
	int len = cgroup_device_program(rules, count, insns, &err);

	CHECK(len > 0);
	return run(insns, len, q);
}

static struct request request(char type, uint32_t major, uint32_t minor, uint32_t access)
{
	return (struct request){type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, access,
				major, minor};
}

/* ---- programs ---- */

static const struct cgroup_device usual[] = {
	{false, 'a', -1, -1, "rwm"}, {true, 'c', -1, -1, "m"},	  {true, 'b', -1, -1, "m"},
	{true, 'c', 1, 3, "rwm"},    {true, 'c', 136, -1, "rwm"}, {true, 'c', 10, 200, "r"},
	{true, 'c', 10, 200, "w"},
};

#define USUAL_COUNT (sizeof(usual) / sizeof(usual[0]))

static int usual_allows(char type, uint32_t major, uint32_t minor, uint32_t access)
{
	struct request q = request(type, major, minor, access);

	return program_allows(usual, USUAL_COUNT, &q);
}

TEST(the_usual_rules)
{
	CHECK_INT(usual_allows('c', 1, 3, DEVICE_READ | DEVICE_WRITE), 1);
	CHECK_INT(usual_allows('c', 1, 3, DEVICE_ALL), 1);
	CHECK_INT(usual_allows('b', 1, 3, DEVICE_READ), 0);
	CHECK_INT(usual_allows('c', 1, 1, DEVICE_READ), 0);
	CHECK_INT(usual_allows('c', 1, 1, DEVICE_MKNOD), 1);
	CHECK_INT(usual_allows('b', 8, 0, DEVICE_MKNOD), 1);
	CHECK_INT(usual_allows('b', 8, 0, DEVICE_MKNOD | DEVICE_READ), 0);
	CHECK_INT(usual_allows('c', 136, 77, DEVICE_READ | DEVICE_WRITE), 1);
	/* Reading by one rule and writing by another add up. */
	CHECK_INT(usual_allows('c', 10, 200, DEVICE_READ | DEVICE_WRITE), 1);
}

TEST(no_rules_deny)
{
	struct request q = request('c', 1, 3, DEVICE_READ);

	CHECK_INT(program_allows(NULL, 0, &q), 0);
}

TEST(a_rule_for_everything_ends_the_program)
{
	struct cgroup_device rules[] = {
		{true, 'c', 1, 3, "rwm"}, {true, 'a', -1, -1, "rwm"}, {false, 'c', 1, 5, "w"}};
	struct bpf_insn insns[DEVICE_PROGRAM_MAX];
	struct request q = request('c', 1, 5, DEVICE_WRITE);
	int with = cgroup_device_program(rules, 3, insns, &err);
	int without = cgroup_device_program(rules + 1, 2, insns, &err);

	CHECK_INT(with, without);
	CHECK_INT(program_allows(rules, 3, &q), 0);
	q.access = DEVICE_READ;
	CHECK_INT(program_allows(rules, 3, &q), 1);
	q.minor = 9;
	q.access = DEVICE_ALL;
	CHECK_INT(program_allows(rules, 3, &q), 1);
}

/* access(2) with F_OK asks for nothing: any rule that allows the device will do. */
TEST(asking_for_nothing)
{
	CHECK_INT(usual_allows('c', 1, 3, 0), 1);
}

TEST(too_many_rules_are_refused)
{
	struct bpf_insn insns[DEVICE_PROGRAM_MAX];
	own_free struct cgroup_device *rules = calloc(2000, sizeof(*rules));

	for (int i = 0; i < 2000; i++)
		rules[i] = (struct cgroup_device){true, 'c', 1, i, "r"};
	CHECK_ERR(cgroup_device_program(rules, 2000, insns, &err), ERR_LIMIT,
		  "linux.resources.devices has too many rules: 2000");
	CHECK(cgroup_device_program(rules, 400, insns, &err) <= DEVICE_PROGRAM_MAX);
}

/* ---- v1 ---- */

static struct cgroup_host v1_host = {
	.mode = CGROUP_V1,
	.controllers = CG_DEVICES,
	.hierarchies =
		{{.name = "devices", .controllers = CG_DEVICES, .mount = "/d", .dir_fd = -1}},
	.count = 1,
};

static const char *v1_lines(struct cgroup_device *rules, size_t count, struct cgroup_plan *plan)
{
	static char text[4096];
	struct cgroup_resources r;
	size_t used = 0;

	cgroup_resources_init(&r);
	r.devices = rules;
	r.device_count = count;
	CHECK_OK(cgroup_plan_make(&v1_host, "box", &r, false, plan, &err));
	text[0] = '\0';
	for (size_t i = 0; i < plan->count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s\n",
					 plan->writes[i].file, plan->writes[i].value);
	return text;
}

TEST(v1_writes_the_result_and_not_the_rules)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[USUAL_COUNT];

	memcpy(rules, usual, sizeof(usual));
	/* What is asked for at once, opening for both, one exception must allow. */
	CHECK_STR(v1_lines(rules, USUAL_COUNT, &plan), "devices.deny a\n"
						       "devices.allow c *:* m\n"
						       "devices.allow b *:* m\n"
						       "devices.allow c 1:3 rwm\n"
						       "devices.allow c 136:* rwm\n"
						       "devices.allow c 10:200 rw\n");
	CHECK(!plan.device_bpf);
}

TEST(v1_keeps_a_rule_beside_a_wider_one_as_it_was_written)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[] = {{true, 'b', 8, 20, "rw"},
					{true, 'b', 10, 200, "r"},
					{true, 'b', -1, -1, "m"},
					{true, 'b', 9, 1, "w"}};

	CHECK_STR(v1_lines(rules, 4, &plan), "devices.deny a\n"
					     "devices.allow b 8:20 rw\n"
					     "devices.allow b 10:200 r\n"
					     "devices.allow b *:* m\n"
					     "devices.allow b 9:1 w\n");
}

TEST(v1_opening_for_both_adds_up_from_two_rules)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[] = {
		{true, 'c', 1, 3, "r"}, {true, 'c', 1, -1, "wm"}, {true, 'c', 1, 5, "r"}};

	CHECK_STR(v1_lines(rules, 3, &plan), "devices.deny a\n"
					     "devices.allow c 1:3 rw\n"
					     "devices.allow c 1:* wm\n"
					     "devices.allow c 1:5 rw\n");
}

TEST(v1_takes_back_what_was_allowed)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[] = {{true, 'c', 1, 3, "rwm"},
					{true, 'c', 1, 5, "rwm"},
					{false, 'c', 1, 3, "w"},
					{false, 'c', 1, 5, "rwm"}};

	CHECK_STR(v1_lines(rules, 4, &plan), "devices.deny a\ndevices.allow c 1:3 rm\n");
}

TEST(v1_allowing_by_default)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[] = {{true, 'a', -1, -1, "rwm"}, {false, 'b', 8, -1, "w"}};

	CHECK_STR(v1_lines(rules, 2, &plan), "devices.allow a\ndevices.deny b 8:* w\n");
}

TEST(v1_splits_a_rule_for_both_types)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[] = {{true, 'a', -1, -1, "m"}, {true, 'a', 7, 1, "r"}};

	CHECK_STR(v1_lines(rules, 2, &plan), "devices.deny a\n"
					     "devices.allow b *:* m\n"
					     "devices.allow c *:* m\n"
					     "devices.allow b 7:1 r\n"
					     "devices.allow c 7:1 r\n");
}

TEST(v1_says_what_it_cannot_express)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};
	struct cgroup_device rules[] = {{true, 'c', 1, -1, "rwm"}, {false, 'c', 1, 3, "w"}};
	struct cgroup_resources r;

	CHECK_STR(v1_lines(rules, 2, &plan), "devices.deny a\ndevices.allow c 1:* rwm\n");
	CHECK_INT(plan.missing.count, 1);
	CHECK_STR(plan.missing.items[0], "linux.resources.devices: cgroup v1 cannot deny "
					 "'c 1:3 w' out of a wider rule before it");
	cgroup_resources_init(&r);
	r.devices = rules;
	r.device_count = 2;
	CHECK_ERR(cgroup_plan_make(&v1_host, "box", &r, true, &plan, &err), ERR_UNSUPPORTED,
		  "cannot deny 'c 1:3 w'");
}

/* ---- both, on random rules ---- */

static unsigned int seed = 1;

static unsigned int pick(unsigned int below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

static struct cgroup_device random_rule(void)
{
	struct cgroup_device d = {.allow = pick(2),
				  .type = "abc"[pick(3)],
				  .major = (int64_t)pick(3) - 1,
				  .minor = (int64_t)pick(3) - 1};

	cgroup_device_set_access(&d, 1 + pick(7));
	if (pick(4) == 0)
		d = (struct cgroup_device){pick(2), 'a', -1, -1, "rwm"};
	return d;
}

static bool play(struct device_set *set, const struct cgroup_device *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (device_set_play(set, &rules[i], &err) != 0)
			return false;
	return true;
}

/* Exceptions that cross ("1:*" and "*:1") have no common one: there v1 may deny more, never less. */
static void compare(const struct cgroup_device *rules, size_t count, const struct device_set *set)
{
	for (unsigned int n = 0; n < 2 * 7 * 2 * 2; n++) {
		struct request q = request("bc"[n % 2], n / 14 % 2, n / 28, 1 + n / 2 % 7);
		int want = expected(rules, count, &q);

		CHECK_INT(program_allows(rules, count, &q), want);
		if (set)
			CHECK(v1_allows(set, &q) <= want);
		/* One access by itself is always exact. */
		if (set && !(q.access & (q.access - 1)))
			CHECK_INT(v1_allows(set, &q), want);
	}
}

TEST(random_rules_mean_the_same_everywhere)
{
	int expressible = 0;

	for (int round = 0; round < 2000; round++) {
		own(device_set) struct device_set set = {0};
		struct cgroup_device rules[8];
		size_t count = 1 + pick(8);
		bool v1;

		for (size_t i = 0; i < count; i++)
			rules[i] = random_rule();
		v1 = play(&set, rules, count);
		expressible += v1;
		compare(rules, count, v1 ? &set : NULL);
	}
	/* Enough of them say something about v1 too. */
	CHECK(expressible > 500);
}

TEST_MAIN()
