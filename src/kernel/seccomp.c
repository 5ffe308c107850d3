/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seccomp: the tables that the profile parser and `features` share, and the installation of a
 * compiled filter.
 *
 * A filter is installed last before execve(2), by the thread that will execute it: from then on the
 * caller itself is bound by it. What is called between installation and execve has to be allowed by
 * every profile, so nothing is.
 */
#include "kernel/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/seccomp_internal.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#ifndef EM_LOONGARCH /* Linux 5.19 */
#define EM_LOONGARCH 258
#endif
#define SECCOMP_ARCH_LOONGARCH64 (EM_LOONGARCH | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)

const struct seccomp_name seccomp_actions[] = {
	{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
	{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
	{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
	{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
	{"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
	{"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
	{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
	{NULL, 0},
};

const struct seccomp_name seccomp_archs[] = {
	{"SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64},
	{"SCMP_ARCH_ARM", AUDIT_ARCH_ARM},
	{"SCMP_ARCH_LOONGARCH64", SECCOMP_ARCH_LOONGARCH64},
	{"SCMP_ARCH_M68K", AUDIT_ARCH_M68K},
	{"SCMP_ARCH_MIPS", AUDIT_ARCH_MIPS},
	{"SCMP_ARCH_MIPS64", AUDIT_ARCH_MIPS64},
	{"SCMP_ARCH_MIPS64N32", AUDIT_ARCH_MIPS64N32},
	{"SCMP_ARCH_MIPSEL", AUDIT_ARCH_MIPSEL},
	{"SCMP_ARCH_MIPSEL64", AUDIT_ARCH_MIPSEL64},
	{"SCMP_ARCH_MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32},
	{"SCMP_ARCH_PARISC", AUDIT_ARCH_PARISC},
	{"SCMP_ARCH_PARISC64", AUDIT_ARCH_PARISC64},
	{"SCMP_ARCH_PPC", AUDIT_ARCH_PPC},
	{"SCMP_ARCH_PPC64", AUDIT_ARCH_PPC64},
	{"SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE},
	{"SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64},
	{"SCMP_ARCH_S390", AUDIT_ARCH_S390},
	{"SCMP_ARCH_S390X", AUDIT_ARCH_S390X},
	{"SCMP_ARCH_SH", AUDIT_ARCH_SHEL}, /* libseccomp's names: SH is the little-endian one */
	{"SCMP_ARCH_SHEB", AUDIT_ARCH_SH},
	{"SCMP_ARCH_X32", SECCOMP_ARCH_X32},
	{"SCMP_ARCH_X86", AUDIT_ARCH_I386},
	{"SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64},
	{NULL, 0},
};

const struct seccomp_name seccomp_ops[] = {
	{"SCMP_CMP_EQ", SECCOMP_OP_EQ}, {"SCMP_CMP_GE", SECCOMP_OP_GE},
	{"SCMP_CMP_GT", SECCOMP_OP_GT}, {"SCMP_CMP_LE", SECCOMP_OP_LE},
	{"SCMP_CMP_LT", SECCOMP_OP_LT}, {"SCMP_CMP_MASKED_EQ", SECCOMP_OP_MASKED_EQ},
	{"SCMP_CMP_NE", SECCOMP_OP_NE}, {NULL, 0},
};

const struct seccomp_name seccomp_flags[] = {
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	{NULL, 0},
};

static void seccomp_rule_done(struct seccomp_rule *rule)
{
	strv_done(&rule->names);
	free(rule->args);
}

void seccomp_profile_done(struct seccomp_profile *p)
{
	for (size_t i = 0; i < p->rule_count; i++)
		seccomp_rule_done(&p->rules[i]);
	free(p->rules);
	free(p->archs);
	free(p->listener_path);
	free(p->listener_metadata);
	*p = (struct seccomp_profile){0};
}

void seccomp_filter_done(struct seccomp_filter *f)
{
	free(f->insns);
	*f = SECCOMP_FILTER_INIT;
}

bool seccomp_has_action(uint32_t action)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* With flags that it knows, the kernel goes on to the program that is not there. */
bool seccomp_has_flag(unsigned int flag)
{
	bool of_listeners = flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	unsigned int flags = flag | (of_listeners ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

/* The first thing in the filter that this kernel does not know. */
static int explain(const struct seccomp_filter *f, struct err *err)
{
	for (const struct seccomp_name *flag = seccomp_flags; flag->name; flag++)
		if (f->flags & flag->value && !seccomp_has_flag(flag->value))
			return err_hint(err, "this kernel does not know %s", flag->name);
	for (const struct seccomp_name *action = seccomp_actions; action->name; action++)
		for (size_t i = 0; i < f->count; i++)
			if (f->insns[i].code == (BPF_RET | BPF_K) &&
			    (f->insns[i].k & SECCOMP_RET_ACTION_FULL) == action->value &&
			    !seccomp_has_action(action->value))
				return err_hint(err, "this kernel does not know %s", action->name);
	return err_hint(err, "the kernel takes the program for malformed");
}

int seccomp_install(const struct seccomp_filter *f, struct err *err)
{
	struct sock_fprog program = {.len = f->count, .filter = f->insns};
	unsigned int flags = f->flags | (f->notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);

	if (r < 0) {
		err_errno(err, "cannot install the seccomp filter");
		if (err->errnum == EINVAL)
			explain(f, err);
		else if (err->errnum == EBUSY)
			err_hint(err, "another filter of this process already has a listener");
		return -1;
	}
	/* SECCOMP_FILTER_FLAG_TSYNC without a listener answers with a thread that it cannot reach. */
	if (r > 0 && !f->notify)
		return err_set(err, ERR_STATE, 0,
			       "cannot install the seccomp filter: thread %ld has another one", r);
	return (int)r;
}

int seccomp_take_listener(int pidfd, int number, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	return fd < 0 ? err_errno(err, "cannot take the seccomp listener") : fd;
}
