/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals: names and numbers, and a clean slate for a new program.
 *
 * The names are our own table, because libc's are either translated or missing. Real-time signals
 * are counted from libc's SIGRTMIN (34 in glibc, which keeps 32 and 33), as kill(1) and systemd
 * count them.
 *
 * Resetting goes to the kernel directly: libc hides the signals that it keeps for itself, but a
 * parent that is not ours may have left those ignored or blocked as well.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/proc.h"

#define SIGNAL_MAX 64
#define MASK_SIZE 8    /* of the kernel's sigset_t */
#define ACTION_SIZE 64 /* at least the kernel's struct sigaction, on every architecture */

static const struct {
	const char *name;
	int number;
} names[] = {
	{"HUP", SIGHUP},
	{"INT", SIGINT},
	{"QUIT", SIGQUIT},
	{"ILL", SIGILL},
	{"TRAP", SIGTRAP},
	{"ABRT", SIGABRT},
	{"BUS", SIGBUS},
	{"FPE", SIGFPE},
	{"KILL", SIGKILL},
	{"USR1", SIGUSR1},
	{"SEGV", SIGSEGV},
	{"USR2", SIGUSR2},
	{"PIPE", SIGPIPE},
	{"ALRM", SIGALRM},
	{"TERM", SIGTERM},
	{"STKFLT", SIGSTKFLT},
	{"CHLD", SIGCHLD},
	{"CONT", SIGCONT},
	{"STOP", SIGSTOP},
	{"TSTP", SIGTSTP},
	{"TTIN", SIGTTIN},
	{"TTOU", SIGTTOU},
	{"URG", SIGURG},
	{"XCPU", SIGXCPU},
	{"XFSZ", SIGXFSZ},
	{"VTALRM", SIGVTALRM},
	{"PROF", SIGPROF},
	{"WINCH", SIGWINCH},
	{"IO", SIGIO},
	{"PWR", SIGPWR},
	{"SYS", SIGSYS},
	/* other names of the same */
	{"IOT", SIGABRT},
	{"POLL", SIGIO},
	{"CLD", SIGCHLD},
};

void proc_reset_signals_of(uint64_t ignored)
{
	static const char default_action[ACTION_SIZE], empty_mask[MASK_SIZE];

	for (int signal = 1; signal <= SIGNAL_MAX; signal++)
		if (ignored >> (signal - 1) & 1)
			syscall(SYS_rt_sigaction, signal, default_action, NULL, MASK_SIZE);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, empty_mask, NULL, MASK_SIZE);
}

void proc_reset_signals(void)
{
	proc_reset_signals_of(UINT64_MAX);
}

/* "RTMIN", "RTMIN+3", "RTMAX-1"; 0 where it is none. */
static int parse_realtime(const char *text)
{
	bool from_max = strncasecmp(text, "RTMAX", 5) == 0;
	char sign = from_max ? '-' : '+';
	uint64_t offset = 0;
	struct err ignored;

	if (!from_max && strncasecmp(text, "RTMIN", 5) != 0)
		return 0;
	if (text[5] != '\0' &&
	    (text[5] != sign || str_to_u64(text + 6, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), "offset",
					   &offset, &ignored) < 0))
		return 0;
	return from_max ? SIGRTMAX - (int)offset : SIGRTMIN + (int)offset;
}

int proc_signal_parse(const char *text, struct err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	struct err ignored;
	uint64_t number;
	int signal;

	if (str_to_u64(text, 1, SIGNAL_MAX, "signal", &number, &ignored) == 0)
		return (int)number;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i].name) == 0)
			return names[i].number;
	signal = parse_realtime(name);
	if (signal > 0)
		return signal;
	err_set(err, ERR_INVALID, 0, "'%s' is not a signal", text);
	return err_hint(err,
			"give a name such as TERM or SIGKILL, RTMIN+3, or a number from 1 to %d",
			SIGNAL_MAX);
}

const char *proc_signal_name(int signal, char *buf, size_t size)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == signal) {
			snprintf(buf, size, "SIG%s", names[i].name);
			return buf;
		}
	if (signal == SIGRTMIN || signal == SIGRTMAX)
		snprintf(buf, size, signal == SIGRTMIN ? "SIGRTMIN" : "SIGRTMAX");
	else if (signal > SIGRTMIN && signal < SIGRTMAX)
		snprintf(buf, size, "SIGRTMIN+%d", signal - SIGRTMIN);
	else
		snprintf(buf, size, "%d", signal);
	return buf;
}
