/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device rules on cgroup v2: a BPF program of type CGROUP_DEVICE, which the kernel runs at every
 * open(2) and mknod(2) of a device by a process of the group, with the device's type, numbers and
 * the access asked for (struct bpf_cgroup_dev_ctx). It returns 1 to allow and 0 to deny.
 *
 * "The last match wins" for each access by itself: reading may be decided by one rule and writing
 * by another. So the program walks the rules from the last to the first with the set of accesses
 * that are still undecided: a denying rule that matches any of them denies, an allowing rule takes
 * its own out of the set, and an empty set allows. At the end what is left is denied. A rule that
 * matches everything decides everything, and the rules before it are not emitted.
 *
 *	r2 type   r3 accesses undecided   r4 major   r5 minor   r6 scratch
 *
 * The instructions are written down here, without a compiler and without libbpf: there are nine
 * different ones. The program has no loop and no helper call, so the verifier takes it in one walk.
 *
 * Programs of ancestors still run, and all must allow (BPF_F_ALLOW_MULTI), so a group cannot widen
 * what its parent has. An update replaces our program in one step (BPF_F_REPLACE): at no moment
 * are devices without rules, or refused that both old and new rules allow. Ours is known by its
 * name; a program that somebody else attached to the group stays.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_device.h"

#define PROGRAM_NAME "insula_device"
#define RULE_INSNS_MAX 8
#define ATTACHED_MAX 64 /* the kernel's own limit for one group */

#define ALU(op_, dst_, imm_) \
	((struct bpf_insn){.code = BPF_ALU | (op_) | BPF_K, .dst_reg = (dst_), .imm = (imm_)})
#define COPY(dst_, src_) \
	((struct bpf_insn){.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = (dst_), .src_reg = (src_)})
#define LOAD(dst_, field_) \
	((struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W, \
			   .dst_reg = (dst_), \
			   .src_reg = BPF_REG_1, \
			   .off = offsetof(struct bpf_cgroup_dev_ctx, field_)})
#define JUMP(op_, dst_, imm_) \
	((struct bpf_insn){.code = BPF_JMP | (op_) | BPF_K, .dst_reg = (dst_), .imm = (imm_)})
#define EXIT() ((struct bpf_insn){.code = BPF_JMP | BPF_EXIT})

struct program {
	struct bpf_insn *insns;
	size_t count;
};

static void emit(struct program *p, struct bpf_insn insn)
{
	p->insns[p->count++] = insn;
}

static void emit_return(struct program *p, int value)
{
	emit(p, ALU(BPF_MOV, BPF_REG_0, value));
	emit(p, EXIT());
}

static void emit_start(struct program *p)
{
	emit(p, LOAD(BPF_REG_2, access_type));
	emit(p, COPY(BPF_REG_3, BPF_REG_2));
	emit(p, ALU(BPF_AND, BPF_REG_2, 0xffff));
	emit(p, ALU(BPF_RSH, BPF_REG_3, 16));
	emit(p, LOAD(BPF_REG_4, major));
	emit(p, LOAD(BPF_REG_5, minor));
}

/* Jumps are written with an offset of 0, and aimed behind the rule when its length is known. */
static void emit_rule(struct program *p, const struct cgroup_device *rule)
{
	int access = (int)cgroup_device_access(rule);
	size_t start = p->count;

	if (rule->type != 'a')
		emit(p, JUMP(BPF_JNE, BPF_REG_2,
			     rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
	if (rule->major != -1)
		emit(p, JUMP(BPF_JNE, BPF_REG_4, (int)rule->major));
	if (rule->minor != -1)
		emit(p, JUMP(BPF_JNE, BPF_REG_5, (int)rule->minor));
	if (rule->allow) {
		emit(p, ALU(BPF_AND, BPF_REG_3, DEVICE_ALL & ~access));
		emit(p, JUMP(BPF_JNE, BPF_REG_3, 0));
	} else if (access != DEVICE_ALL) {
		emit(p, COPY(BPF_REG_6, BPF_REG_3));
		emit(p, ALU(BPF_AND, BPF_REG_6, access));
		emit(p, JUMP(BPF_JEQ, BPF_REG_6, 0));
	}
	emit_return(p, rule->allow);
	for (size_t i = start; i < p->count; i++)
		if (BPF_CLASS(p->insns[i].code) == BPF_JMP && BPF_OP(p->insns[i].code) != BPF_EXIT)
			p->insns[i].off = (__s16)(p->count - i - 1);
}

int cgroup_device_program(const struct cgroup_device *rules, size_t count,
			  struct bpf_insn ret[static DEVICE_PROGRAM_MAX], struct err *err)
{
	struct program p = {.insns = ret};

	emit_start(&p);
	for (size_t i = count; i-- > 0;) {
		if (cgroup_device_is_all(&rules[i])) {
			emit_return(&p, rules[i].allow);
			return (int)p.count;
		}
		if (p.count + RULE_INSNS_MAX + 2 > DEVICE_PROGRAM_MAX)
			return err_set(err, ERR_LIMIT, 0,
				       "linux.resources.devices has too many rules: %zu", count);
		emit_rule(&p, &rules[i]);
	}
	emit_return(&p, 0);
	return (int)p.count;
}

static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load_program(const struct bpf_insn *insns, size_t count, struct err *err)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t)insns,
		.insn_cnt = (uint32_t)count,
		/* Decides only which kernel helpers may be called, and none is. */
		.license = (uintptr_t) "LGPL-2.1-or-later",
		.prog_name = PROGRAM_NAME,
		.expected_attach_type = BPF_CGROUP_DEVICE,
	};
	int fd = sys_bpf(BPF_PROG_LOAD, &attr);

	if (fd >= 0)
		return fd;
	err_errno(err, "cannot load the device program");
	if (err->errnum == EPERM)
		return err_hint(err, "it needs CAP_BPF and CAP_SYS_ADMIN in the initial user "
				     "namespace");
	return -1;
}

/* The program of ours that is attached to this very group: 1 with its descriptor, 0 without. */
static int find_attached(int cgroup_fd, int *ret_fd)
{
	uint32_t ids[ATTACHED_MAX];
	union bpf_attr query = {.query = {.target_fd = (uint32_t)cgroup_fd,
					  .attach_type = BPF_CGROUP_DEVICE,
					  .prog_ids = (uintptr_t)ids,
					  .prog_cnt = ATTACHED_MAX}};

	if (sys_bpf(BPF_PROG_QUERY, &query) < 0)
		return 0;
	for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
		struct bpf_prog_info info = {0};
		union bpf_attr open = {.prog_id = ids[i]};
		own_fd int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &open);
		union bpf_attr about = {.info = {.bpf_fd = (uint32_t)fd,
						 .info_len = sizeof(info),
						 .info = (uintptr_t)&info}};

		if (fd < 0 || sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &about) < 0)
			continue;
		if (strcmp(info.name, PROGRAM_NAME) != 0)
			continue;
		*ret_fd = take_fd(fd);
		return 1;
	}
	return 0;
}

int cgroup_device_attach(int cgroup_fd, const struct cgroup_device *rules, size_t count,
			 struct err *err)
{
	struct bpf_insn insns[DEVICE_PROGRAM_MAX];
	own_fd int new_fd = -1;
	own_fd int old_fd = -1;
	union bpf_attr attr = {.target_fd = (uint32_t)cgroup_fd,
			       .attach_type = BPF_CGROUP_DEVICE,
			       .attach_flags = BPF_F_ALLOW_MULTI};
	int len = cgroup_device_program(rules, count, insns, err);

	if (len < 0)
		return -1;
	new_fd = load_program(insns, (size_t)len, err);
	if (new_fd < 0)
		return -1;
	attr.attach_bpf_fd = (uint32_t)new_fd;
	if (find_attached(cgroup_fd, &old_fd)) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old_fd;
	}
	if (sys_bpf(BPF_PROG_ATTACH, &attr) < 0)
		return err_errno(err, "cannot attach the device program to the group");
	return 0;
}
