/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refuse N ERRNO EVIDENCE COMMAND...: the N-th system call of the command and of all that it starts, taken
 * together, is not made, and returns that error. (strace --inject counts each call for itself.)
 *
 * COMMAND takes our place. A process beside it traces, writes "N: NUMBER" into the file EVIDENCE where there
 * was an N-th, and goes away then, or when COMMAND ends: what that leaves behind is nobody's tracee.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC)

/* These do not return, or return elsewhere. */
static bool counts(unsigned long long number)
{
	return number != SYS_exit && number != SYS_exit_group && number != SYS_rt_sigreturn;
}

static int use_registers(int request, pid_t pid, struct user_regs_struct *regs)
{
	struct iovec io = {regs, sizeof *regs};

	return (int)ptrace(request, pid, NT_PRSTATUS, &io);
}

static void set_number(pid_t pid, int number)
{
	struct user_regs_struct regs;

	use_registers(PTRACE_GETREGSET, pid, &regs);
#ifdef __x86_64__
	regs.orig_rax = (unsigned long long)number;
	use_registers(PTRACE_SETREGSET, pid, &regs);
#else
	struct iovec io = {&number, sizeof number};

	ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &io);
#endif
}

static void set_result(pid_t pid, long result)
{
	struct user_regs_struct regs;

	use_registers(PTRACE_GETREGSET, pid, &regs);
#ifdef __x86_64__
	regs.rax = (unsigned long long)result;
#else
	regs.regs[0] = (unsigned long long)result;
#endif
	use_registers(PTRACE_SETREGSET, pid, &regs);
}

static void refuse(pid_t pid, unsigned long long number, unsigned long n, int error,
		   const char *evidence)
{
	int status, fd = open(evidence, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	dprintf(fd, "%lu: %llu\n", n, number);
	set_number(pid, -1);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	if (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		set_result(pid, -error);
	_exit(0); /* all of them are let go */
}

/* Which signal a stopped one is to go on with. */
static int signal_of(int status)
{
	int got = WSTOPSIG(status);

	return status >> 16 || got == (SIGTRAP | 0x80) ? 0 : got;
}

static void trace(pid_t command, unsigned long n, int error, const char *evidence)
{
	struct __ptrace_syscall_info info;
	unsigned long count = 0;
	bool begun = false; /* it is the command, and not us any more */
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (pid == command)
				return;
			continue;
		}
		begun = begun || status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
		if (begun && WSTOPSIG(status) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && counts(info.entry.nr) && ++count == n)
			refuse(pid, info.entry.nr, n, error, evidence);
		ptrace(PTRACE_SYSCALL, pid, 0, signal_of(status));
	}
}

/* Not a child of the command: who is reaped by nobody whom the command knows. */
static void begin(pid_t command, int ready_fd, unsigned long n, int error, const char *evidence)
{
	if (fork() > 0)
		_exit(0);
	if (ptrace(PTRACE_SEIZE, command, 0, OPTIONS) < 0 ||
	    ptrace(PTRACE_INTERRUPT, command, 0, 0) < 0) {
		perror("refuse: ptrace");
		_exit(1);
	}
	close(ready_fd);
	trace(command, n, error, evidence);
	_exit(0);
}

int main(int argc, char *argv[])
{
	pid_t self = getpid(), child;
	int ready[2];
	char none;

	if (argc < 5 || pipe2(ready, O_CLOEXEC) < 0)
		return 2;
	child = fork();
	if (child == 0) {
		close(ready[0]);
		begin(self, ready[1], strtoul(argv[1], NULL, 10), atoi(argv[2]), argv[3]);
	}
	close(ready[1]);
	waitpid(child, NULL, 0);
	while (read(ready[0], &none, 1) < 0 && errno == EINTR)
		;
	close(ready[0]);
	execv(argv[4], argv + 4);
	perror("refuse: execv");
	return 2;
}
