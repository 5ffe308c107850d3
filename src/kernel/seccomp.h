/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seccomp(2) filters: a profile (as runtime-spec has it) is compiled by us into a short classic BPF
 * program, a balanced tree over intervals of system-call numbers with equal treatment, per
 * architecture. libseccomp only resolves names. Tested against libseccomp's own output for every
 * number and architecture.
 */
#ifndef INSULA_KERNEL_SECCOMP_H
#define INSULA_KERNEL_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* runtime-spec SCMP_CMP_*: unsigned, on all 64 bits; on 32-bit architectures on the lower 32. */
enum seccomp_op {
	SECCOMP_OP_NE,
	SECCOMP_OP_LT,
	SECCOMP_OP_LE,
	SECCOMP_OP_EQ,
	SECCOMP_OP_GE,
	SECCOMP_OP_GT,
	SECCOMP_OP_MASKED_EQ,
};

struct seccomp_arg {
	unsigned int index;	   /* 0..5 */
	uint64_t value, value_two; /* masked: (arg & value) == value_two */
	int op;			   /* enum seccomp_op */
};

struct seccomp_rule {
	struct strv names;
	uint32_t action; /* SECCOMP_RET_* without data */
	uint32_t errno_ret;
	bool errno_given;
	struct seccomp_arg *args; /* all must match; any, where one argument is named twice */
	size_t arg_count;
};

struct seccomp_profile {
	uint32_t default_action; /* SECCOMP_RET_* */
	uint32_t default_errno;
	bool default_errno_given; /* else EPERM */
	uint32_t *archs;	  /* values of seccomp_archs; the native one is implied */
	size_t arch_count;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* */
	struct seccomp_rule *rules;
	size_t rule_count;
	char *listener_path, *listener_metadata;
	bool refuse_unknown; /* a name that nobody knows is ERR_INVALID, not skipped */
	/* Numbers above all that the rules name get ENOSYS where the default is another errno. */
	bool newer_unknown;
};

void seccomp_profile_done(struct seccomp_profile *p);

struct seccomp_filter {
	struct sock_filter *insns; /* heap */
	unsigned short count;
	unsigned int flags; /* for seccomp(2) */
	bool notify;	    /* has SECCOMP_RET_USER_NOTIF */
};

#define SECCOMP_FILTER_INIT ((struct seccomp_filter){0})
void seccomp_filter_done(struct seccomp_filter *f);

/* Names unknown to libseccomp and to the architecture are skipped (as the field does), unless the profile
 * refuses them, and counted in *ret_unknown (may be NULL). Conditional rules that contradict (same call and conditions, different
 * action) and programs longer than BPF_MAXINSNS are ERR_INVALID; of unconditional ones for the same
 * call the first counts, after the conditional ones. Calls of architectures that are neither native
 * nor listed end the process. */
int seccomp_compile(const struct seccomp_profile *p, struct seccomp_filter *ret,
		    size_t *ret_unknown, struct err *err);

/* A program that somebody else has compiled: base64 of an array of struct sock_filter. The kernel verifies
 * it when it is installed. */
int seccomp_filter_decode(const char *base64, struct seccomp_filter *ret, struct err *err);

/* Does this kernel know an action of seccomp_actions, a flag of seccomp_flags? */
bool seccomp_has_action(uint32_t action);
bool seccomp_has_flag(unsigned int flag);

/* The default allow-list as a profile, to be printed or changed. */
int seccomp_default_profile(uint64_t bounding, struct seccomp_profile *ret, struct err *err);

/* The same compiled: as a function of the container's bounding capabilities (bits of
 * capabilities(7)): containers-common's default profile in effect, stricter where seccomp_default.c
 * says so. Unknown numbers get ENOSYS; so does clone3 without CAP_SYS_ADMIN, and libc falls back to
 * clone; TIOCSTI and TIOCLINUX are refused. Made by the build for the usual capabilities: a few
 * microseconds. */
int seccomp_default_filter(uint64_t bounding, struct seccomp_filter *ret, struct err *err);

/* Install in the calling thread. no_new_privs or CAP_SYS_ADMIN must be there. Returns the notify
 * descriptor, or 0 where there is none. Async-signal-safe. */
int seccomp_install(const struct seccomp_filter *f, struct err *err);

/* The listener of another process's filter, by its number there: pidfd_getfd(2). ERR_DENIED where we may not
 * trace the process. */
int seccomp_take_listener(int pidfd, int number, struct err *err);

/* A profile file in the JSON that docker and podman take for --security-opt seccomp=FILE ("syscalls"
 * with "includes"/"excludes" caps and arches, "minKernel"): parsed in spec/, see spec/seccomp.h. */

/* Tables shared with the parser and `features`. */
struct seccomp_name {
	const char *name;
	uint32_t value;
};
extern const struct seccomp_name seccomp_actions[]; /* SCMP_ACT_* -> SECCOMP_RET_*; NULL ends */
extern const struct seccomp_name seccomp_archs[];   /* SCMP_ARCH_* -> AUDIT_ARCH_*; X32: a token */
extern const struct seccomp_name seccomp_ops[];	    /* SCMP_CMP_* -> enum seccomp_op */
extern const struct seccomp_name seccomp_flags[];   /* SECCOMP_FILTER_FLAG_* */

#endif
