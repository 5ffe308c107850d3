/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-init: process 1 for commands that are not made to be one. `insula-init -- COMMAND [ARGUMENT...]`
 *
 * Process 1 has two duties that an ordinary program does not know of: every orphan of its pid namespace
 * becomes its child and stays a zombie until it is waited for; and a signal without a handler does nothing
 * to it, so that a program which relies on the default of SIGTERM cannot be asked to end. Here the
 * command is the child of a process that does nothing else: it reaps whatever ends, passes on every
 * signal that it gets, and ends as the command did, which ends all else in the namespace.
 *
 * All signals are blocked and taken one by one: the kernel queues a blocked signal for process 1 even
 * where it would have ignored it. The command gets a process group of its own, with a terminal the
 * foreground one, so that a shell has job control, and the terminal's keys reach the command once.
 * Descriptors 0 to 2 stay open, because programs log to /proc/1/fd/1; all others, which may be pipes that
 * somebody waits on, are closed.
 *
 * It has the identity, the capabilities and the filter of the command; its exit code, or 128 + the signal
 * that ended it; 126 or 127 where it cannot be executed, 125 for an error of its own. It stays in memory
 * as long as the container, so it is written without a C library (kernel/bare.h).
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kernel/bare.h"
#include "runtime/command.h"

#define NAME "insula-init"
#define EXIT_OURS 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

typedef uint64_t signal_set; /* the kernel's */

static void say(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	bare_call(SYS_write, 2, (long)text, (long)n, 0);
}

static const char *describe(int error)
{
	static const struct {
		int error;
		const char *text;
	} known[] = {
		{ENOENT, "no such command in the container"},
		{ENOTDIR, "no such command in the container"},
		{EACCES, "permission denied"},
		{ENOEXEC, "no program for this machine, nor a script with '#!'"},
		{E2BIG, "argument list too long"},
		{ENOMEM, "out of memory"},
		{EAGAIN, "the limit of processes is reached"},
		{ELOOP, "too many levels of symbolic links"},
		{ETXTBSY, "the file is being written"},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].error == error)
			return known[i].text;
	return "the kernel refuses";
}

static int fail(int code, const char *command, int error)
{
	say(NAME ": cannot run '");
	say(command);
	say("': ");
	say(describe(error));
	say("\n");
	return code;
}

struct command {
	char **argv, **envp;
};

static int execute(const char *file, void *data)
{
	const struct command *command = data;

	return -(int)bare_call(SYS_execve, (long)file, (long)command->argv, (long)command->envp, 0);
}

static void set_signals(int how, const signal_set *set, signal_set *old)
{
	bare_call(SYS_rt_sigprocmask, how, (long)set, (long)old, sizeof *set);
}

/* The child. SIGTTOU is still blocked: else taking the terminal would stop it. */
static int run_command(struct command *command, const signal_set *signals)
{
	int own_group = (int)bare_call(SYS_getpid, 0, 0, 0, 0), error;

	bare_call(SYS_setpgid, 0, 0, 0, 0);
	bare_call(SYS_ioctl, 0, TIOCSPGRP, (long)&own_group, 0); /* where 0 is our terminal */
	set_signals(SIG_SETMASK, signals, NULL);
	error = command_find(command->argv[0], command_path(command->envp), execute, command);
	return fail(error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE,
		    command->argv[0], error);
}

/* Take the status of every child that has ended; true when the command is among them. */
static bool reap(long command, int *ret_code)
{
	int status;

	for (;;) {
		long pid = bare_call(SYS_wait4, -1, (long)&status, WNOHANG, 0);

		if (pid <= 0 && pid != -EINTR)
			return false;
		if (pid != command)
			continue;
		*ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		return true;
	}
}

static int attend(long command, const signal_set *signals)
{
	int code;

	for (;;) {
		long signal = bare_call(SYS_rt_sigtimedwait, (long)signals, 0, 0, sizeof *signals);

		if (signal == SIGCHLD && reap(command, &code))
			return code;
		if (signal > 0 && signal != SIGCHLD)
			bare_call(SYS_kill, command, signal, 0, 0);
	}
}

int bare_main(int argc, char *argv[], char *envp[])
{
	const signal_set all = ~UINT64_C(0);
	struct command command = {.argv = argv + 2, .envp = envp};
	signal_set before;
	long pid;

	if (argc < 3 || argv[1][0] != '-' || argv[1][1] != '-' || argv[1][2]) {
		say("usage: " NAME " -- COMMAND [ARGUMENT...]\n"
		    "Process 1 of a container that was made with insula run --init.\n");
		return EXIT_OURS;
	}
	/* A program executed from a descriptor is called by its number. */
	bare_call(SYS_prctl, PR_SET_NAME, (long)NAME, 0, 0);
	set_signals(SIG_SETMASK, &all, &before);
	pid = bare_fork();
	if (pid < 0)
		return fail(EXIT_OURS, command.argv[0], -(int)pid);
	if (pid == 0)
		return run_command(&command, &before);
	bare_call(SYS_close_range, 3, UINT_MAX, 0, 0);
	return attend(pid, &all);
}
