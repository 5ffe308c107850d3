/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signal names, both ways, and the clean slate.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "base/proc.h"
#include "test.h"

TEST(names_and_numbers_are_understood)
{
	static const struct {
		const char *text;
		int number;
	} good[] = {
		{"9", 9},	   {"KILL", SIGKILL},	 {"SIGKILL", SIGKILL},
		{"kill", SIGKILL}, {"sigTerm", SIGTERM}, {"1", 1},
		{"64", 64},	   {"CHLD", SIGCHLD},	 {"CLD", SIGCHLD},
		{"IOT", SIGABRT},  {"POLL", SIGIO},	 {"SYS", SIGSYS},
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_INT(proc_signal_parse(good[i].text, &err), good[i].number);
	CHECK_INT(proc_signal_parse("RTMIN", &err), SIGRTMIN);
	CHECK_INT(proc_signal_parse("SIGRTMIN+3", &err), SIGRTMIN + 3);
	CHECK_INT(proc_signal_parse("rtmax", &err), SIGRTMAX);
	CHECK_INT(proc_signal_parse("RTMAX-2", &err), SIGRTMAX - 2);
	CHECK_INT(proc_signal_parse("RTMIN+30", &err), SIGRTMAX);
}

TEST(nonsense_is_refused_with_a_hint)
{
	static const char *const bad[] = {"",	      "0",	 "65",	      "-9",	"+9",
					  "SIG",      "SIG9",	 "NOSUCH",    "KILL ",	"9x",
					  "RTMIN+31", "RTMIN-1", "RTMAX+1",   "RTMINX", "RTMIN+",
					  "RTMAX-31", "RTMIN3",	 "SIGSIGHUP", "0x9"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		CHECK_ERR(proc_signal_parse(bad[i], &err), ERR_INVALID, "is not a signal");
		CHECK(strstr(err.hint, "SIGKILL"));
	}
}

TEST(every_signal_has_a_name_that_reads_back)
{
	struct err err = ERR_INIT;
	char name[32];

	for (int signal = 1; signal <= 64; signal++)
		CHECK_INT(proc_signal_parse(proc_signal_name(signal, name, sizeof(name)), &err),
			  signal);
	CHECK_STR(proc_signal_name(SIGTERM, name, sizeof(name)), "SIGTERM");
	CHECK_STR(proc_signal_name(SIGABRT, name, sizeof(name)), "SIGABRT");
	CHECK_STR(proc_signal_name(SIGRTMIN + 3, name, sizeof(name)), "SIGRTMIN+3");
	CHECK_STR(proc_signal_name(100, name, sizeof(name)), "100");
}

static void ignore_signal(int signal)
{
	struct {
		void (*handler)(int);
		unsigned long rest[7];
	} ignore = {.handler = SIG_IGN};

	syscall(SYS_rt_sigaction, signal, &ignore, NULL, 8);
}

/* "SigIgn" and its like of this process. */
static void check_status(const char *key, const char *value)
{
	own_file FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	int seen = 0;

	while (fgets(line, sizeof(line), status))
		if (strncmp(line, key, strlen(key)) == 0) {
			CHECK_STR(strchr(line, '\t'), value);
			seen++;
		}
	CHECK_INT(seen, 1);
}

TEST(reset_leaves_nothing_ignored_or_blocked)
{
	static const unsigned char all[8] = {255, 255, 255, 255, 255, 255, 255, 255};

	for (int signal = 1; signal <= 64; signal++)
		ignore_signal(signal);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, NULL, 8);
	proc_reset_signals();
	check_status("SigBlk", "\t0000000000000000\n");
	check_status("SigIgn", "\t0000000000000000\n");
	check_status("SigCgt", "\t0000000000000000\n");
}

TEST(reset_of_some_leaves_the_others)
{
	proc_reset_signals();
	ignore_signal(1);
	ignore_signal(13);
	ignore_signal(64);
	proc_reset_signals_of(UINT64_C(1) << 63 | 1);
	check_status("SigIgn", "\t0000000000001000\n");
	proc_reset_signals();
}

TEST_MAIN()
