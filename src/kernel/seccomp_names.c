/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System-call names to numbers, the thorough way. (The quick way is a table that the build makes
 * with this: see seccomp_lookup.c.)
 *
 * libseccomp knows the names of all architectures up to the kernel it was released for; Debian 12's
 * 2.5.4 ends with Linux 5.17. Profiles name newer calls, and a name that does not resolve falls to
 * the profile's default action: the program inside would be told that its kernel lacks a call that
 * the profile allows. Since Linux 5.1 new calls get one number on all architectures (apart from the
 * bases of MIPS and x32), so the newer ones are a short table here, asked only after libseccomp.
 *
 * On some older architectures the socket calls and System V IPC go through one call each,
 * socketcall(2) and ipc(2), whose first argument says which is meant; Linux 4.3 and 5.1 gave most of
 * them numbers of their own besides. A rule must hold for both ways. libseccomp tells of the first
 * way with pseudo numbers (-100 - call, -200 - call); the second way is a table here.
 *
 * A rule with argument conditions cannot be checked through the multiplexer, where the arguments of
 * socketcall(2) lie in memory: see add_number() in seccomp_compile.c for what is made of that.
 */
#include "kernel/seccomp_internal.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <string.h>

static const struct {
	const char *name;
	uint16_t number;
	uint32_t arch; /* 0: all */
} newer_calls[] = {
	{"cachestat", 451},
	{"fchmodat2", 452},
	{"map_shadow_stack", 453},
	{"futex_wake", 454},
	{"futex_wait", 455},
	{"futex_requeue", 456},
	{"statmount", 457},
	{"listmount", 458},
	{"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460},
	{"lsm_list_modules", 461},
	{"mseal", 462},
	{"setxattrat", 463},
	{"getxattrat", 464},
	{"listxattrat", 465},
	{"removexattrat", 466},
	{"open_tree_attr", 467},
	{"file_getattr", 468},
	{"file_setattr", 469},
	{"uretprobe", 335, AUDIT_ARCH_X86_64},
	{"uprobe", 336, AUDIT_ARCH_X86_64},
};

/* Numbers of their own for what socketcall(2) and ipc(2) carry; 0: none. */
static const struct {
	uint8_t call;
	uint16_t x86, s390, ppc;
} socket_calls[] = {
	{1, 359, 359, 326},  {2, 361, 361, 327},  {3, 362, 362, 328},  {4, 363, 363, 329},
	{5, 0, 0, 330},	     {6, 367, 367, 331},  {7, 368, 368, 332},  {8, 360, 360, 333},
	{9, 0, 0, 334},	     {10, 0, 0, 336},	  {11, 369, 369, 335}, {12, 371, 371, 337},
	{13, 373, 373, 338}, {14, 366, 366, 339}, {15, 365, 365, 340}, {16, 370, 370, 341},
	{17, 372, 372, 342}, {18, 364, 364, 344}, {19, 337, 357, 343}, {20, 345, 358, 349},
};

/* The same on all of them, but that semtimedop has one on 64-bit machines only. */
static const struct {
	uint8_t call;
	uint16_t number;
	bool only64;
} ipc_calls[] = {
	{2, 393, false},  {3, 394, false},  {4, 392, true},   {11, 400, false},
	{12, 401, false}, {13, 399, false}, {14, 402, false}, {21, 397, false},
	{22, 398, false}, {23, 395, false}, {24, 396, false},
};

#define MUX_SOCKET (-100)
#define MUX_IPC (-200)
#define MUX_END (-300)

uint32_t seccomp_native_arch(void)
{
	return seccomp_arch_native();
}

int seccomp_number_base(uint32_t arch)
{
	switch (arch) {
	case SECCOMP_ARCH_X32:
		return SECCOMP_X32_BIT;
	case AUDIT_ARCH_MIPS:
	case AUDIT_ARCH_MIPSEL:
		return 4000;
	case AUDIT_ARCH_MIPS64:
	case AUDIT_ARCH_MIPSEL64:
		return 5000;
	case AUDIT_ARCH_MIPS64N32:
	case AUDIT_ARCH_MIPSEL64N32:
		return 6000;
	default:
		return 0;
	}
}

const char *seccomp_newer_name(size_t i)
{
	return i < sizeof(newer_calls) / sizeof(newer_calls[0]) ? newer_calls[i].name : NULL;
}

/* 0: a newer call of another architecture. */
static int newer_number(uint32_t arch, const char *name)
{
	for (size_t i = 0; i < sizeof(newer_calls) / sizeof(newer_calls[0]); i++) {
		if (strcmp(newer_calls[i].name, name) != 0)
			continue;
		if (newer_calls[i].arch && newer_calls[i].arch != arch)
			return 0;
		return seccomp_number_base(arch) + newer_calls[i].number;
	}
	return -1;
}

static int direct_socket_number(uint32_t arch, int call)
{
	for (size_t i = 0; i < sizeof(socket_calls) / sizeof(socket_calls[0]); i++) {
		if (socket_calls[i].call != call)
			continue;
		int number = arch == AUDIT_ARCH_I386 ? socket_calls[i].x86
			     : arch == AUDIT_ARCH_S390 || arch == AUDIT_ARCH_S390X
				     ? socket_calls[i].s390
				     : socket_calls[i].ppc;
		return number ? number : -1;
	}
	return -1;
}

static int direct_ipc_number(uint32_t arch, int call)
{
	for (size_t i = 0; i < sizeof(ipc_calls) / sizeof(ipc_calls[0]); i++)
		if (ipc_calls[i].call == call)
			return ipc_calls[i].only64 && !(arch & __AUDIT_ARCH_64BIT)
				       ? -1
				       : ipc_calls[i].number;
	return -1;
}

int seccomp_resolve(uint32_t arch, const char *name, struct seccomp_numbers *ret)
{
	int number = seccomp_syscall_resolve_name_arch(arch, name);

	*ret = (struct seccomp_numbers){.direct = number, .mux = -1};
	if (number >= 0)
		return 1;
	if (number == __NR_SCMP_ERROR) {
		ret->direct = newer_number(arch, name);
		return ret->direct > 0 ? 1 : ret->direct;
	}
	if (number >= MUX_SOCKET || number <= MUX_END)
		return 0;

	bool socket = number > MUX_IPC;
	ret->mux = seccomp_syscall_resolve_name_arch(arch, socket ? "socketcall" : "ipc");
	ret->mux_call = (socket ? MUX_SOCKET : MUX_IPC) - number;
	if (ret->mux < 0)
		return 0;
	ret->direct = socket ? direct_socket_number(arch, ret->mux_call)
			     : direct_ipc_number(arch, ret->mux_call);
	return 1;
}
