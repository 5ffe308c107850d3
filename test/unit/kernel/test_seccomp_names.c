/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names to numbers: the table that the build made beside libseccomp, for every name that it knows. */
#include <linux/audit.h>
#include <seccomp.h>
#include <stdlib.h>

#include "base/own.h"
#include "kernel/seccomp_internal.h"
#include "test.h"

static const uint32_t archs[] = {
	AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,    SECCOMP_ARCH_X32, AUDIT_ARCH_AARCH64,
	AUDIT_ARCH_ARM,	   AUDIT_ARCH_RISCV64, AUDIT_ARCH_S390X, AUDIT_ARCH_PPC64LE,
};
#define ARCHS (sizeof(archs) / sizeof(archs[0]))

static void check_name(const char *text)
{
	struct seccomp_call_name name = seccomp_lookup(text);

	for (size_t i = 0; i < ARCHS; i++) {
		struct seccomp_numbers quick, thorough;
		int libseccomp = seccomp_syscall_resolve_name_arch(archs[i], text);
		int found = seccomp_resolve(archs[i], text, &thorough);

		CHECK_INT(seccomp_numbers_of(&name, archs[i], &quick), found);
		if (libseccomp >= 0)
			CHECK_INT(thorough.direct, libseccomp);
		if (found <= 0)
			continue;
		CHECK_INT(quick.direct, thorough.direct);
		CHECK_INT(quick.mux, thorough.mux);
		if (quick.mux >= 0)
			CHECK_INT(quick.mux_call, thorough.mux_call);
	}
}

TEST(every_name_has_the_numbers_that_libseccomp_gives)
{
	unsigned int names = 0;

	for (size_t i = 0; i < ARCHS; i++)
		for (int n = -11000; n < 1024; n++) {
			int number = n < 0 ? n : n + seccomp_number_base(archs[i]);
			own_free char *text = seccomp_syscall_resolve_num_arch(archs[i], number);

			if (!text)
				continue;
			names++;
			check_name(text);
		}
	CHECK(names > 2000);
	for (size_t i = 0; seccomp_newer_name(i); i++)
		check_name(seccomp_newer_name(i));
	for (int n = 0xf0000; n < 0xf0010; n++) {
		own_free char *text = seccomp_syscall_resolve_num_arch(AUDIT_ARCH_ARM, n);

		if (text)
			check_name(text);
	}
}

TEST(nonsense_has_no_number)
{
	static const char *const names[] = {"",	   " ", "read ", "READ", "reads", "no_such_call",
					    "\xff"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct seccomp_call_name name = seccomp_lookup(names[i]);
		struct seccomp_numbers numbers;

		for (size_t a = 0; a < ARCHS; a++)
			CHECK_INT(seccomp_numbers_of(&name, archs[a], &numbers), -1);
	}
}

TEST(newer_calls_have_one_number_everywhere)
{
	struct seccomp_numbers n;

	CHECK_INT(seccomp_resolve(AUDIT_ARCH_X86_64, "mseal", &n), 1);
	CHECK_INT(n.direct, 462);
	CHECK_INT(seccomp_resolve(AUDIT_ARCH_S390X, "file_setattr", &n), 1);
	CHECK_INT(n.direct, 469);
	CHECK_INT(seccomp_resolve(SECCOMP_ARCH_X32, "cachestat", &n), 1);
	CHECK_INT(n.direct, 0x40000000 + 451);
	CHECK_INT(seccomp_resolve(AUDIT_ARCH_MIPSEL64, "mseal", &n), 1);
	CHECK_INT(n.direct, 5462);
	CHECK_INT(seccomp_resolve(AUDIT_ARCH_X86_64, "uretprobe", &n), 1);
	CHECK_INT(n.direct, 335);
	CHECK_INT(seccomp_resolve(AUDIT_ARCH_AARCH64, "uretprobe", &n), 0);
}

TEST_MAIN()
