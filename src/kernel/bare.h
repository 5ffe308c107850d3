/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls without a C library, for a program that stays in memory with every container that has
 * it: the startup of a static libc touches 700 KiB of pages, this one three pages. Such a program is
 * compiled with -DINSULA_BARE, -ffreestanding and -nostdlib and may use nothing but this header,
 * constants and types; there is no errno, no stdio, no stack protector and no thread.
 *
 * On a machine that this header does not know, the same source is an ordinary static program.
 */
#ifndef INSULA_KERNEL_BARE_H
#define INSULA_KERNEL_BARE_H

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

/* The program: its result is the exit code. */
int bare_main(int argc, char *argv[], char *envp[]);

#if defined(INSULA_BARE) && defined(__x86_64__)

/* A negative result is -errno. */
static inline long bare_call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

/* System V ABI, "Process Initialization": the stack pointer is at argc; argv and envp follow. */
#define BARE_START \
	".text\n" \
	".globl _start\n" \
	"_start:\n" \
	"	xor %ebp, %ebp\n" \
	"	mov %rsp, %rdi\n" \
	"	and $-16, %rsp\n" \
	"	call bare_start\n" \
	"	hlt\n"

#elif defined(INSULA_BARE) && defined(__aarch64__)

static inline long bare_call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = 0;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}

#define BARE_START \
	".text\n" \
	".globl _start\n" \
	"_start:\n" \
	"	mov x29, #0\n" \
	"	mov x30, #0\n" \
	"	mov x0, sp\n" \
	"	bl bare_start\n"

#endif

#ifdef BARE_START

static inline long bare_fork(void)
{
	return bare_call(SYS_clone, SIGCHLD, 0, 0, 0);
}

/* Once in a program, in place of main(). bare_start is called by the lines of assembler alone. */
#define BARE_PROGRAM \
	__asm__(BARE_START); \
	__attribute__((used)) _Noreturn void bare_start(long *stack); \
	__attribute__((used)) _Noreturn void bare_start(long *stack) \
	{ \
		char **argv = (char **)(stack + 1); \
		int argc = (int)*stack; \
\
		for (;;) \
			bare_call(SYS_exit_group, bare_main(argc, argv, argv + argc + 1), 0, 0, \
				  0); \
	}

#else

#include <unistd.h>

static inline long bare_call(long number, long a, long b, long c, long d)
{
	long result = syscall(number, a, b, c, d, 0L);

	return result < 0 ? -errno : result;
}

static inline long bare_fork(void)
{
	pid_t pid = fork();

	return pid < 0 ? -errno : pid;
}

#define BARE_PROGRAM \
	int main(int argc, char *argv[], char *envp[]) \
	{ \
		return bare_main(argc, argv, envp); \
	}

#endif

#endif
