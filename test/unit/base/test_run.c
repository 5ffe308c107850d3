/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running host programs: output, exit codes, deadlines, and what they inherit.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "test.h"

#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV((char[]){"sh"}, (char[]){"-c"}, (char[]){script})

TEST(output_and_exit_code_come_back)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	int code = -1;

	CHECK_OK(proc_run(SHELL("echo one; echo two; exit 3"), 30000, &out, &code, &err));
	CHECK_STR(out.data, "one\ntwo\n");
	CHECK_INT(code, 3);
}

TEST(one_that_goes_on_is_read_as_it_prints)
{
	own_fd int out_fd = -1, said_fd = -1;
	own(proc) struct proc proc = PROC_INIT;
	struct err err = ERR_INIT;
	struct proc_exit end;
	char text[16];

	CHECK_OK(fd_pipe(&said_fd, &out_fd, &err));
	own_fd int err_fd = take_fd(out_fd);

	CHECK_OK(proc_pipe(SHELL("echo bad >&2; echo one; exec sleep 600"), err_fd, &proc, &out_fd,
			   &err));
	CHECK(read(out_fd, text, sizeof text) == 4 && !memcmp(text, "one\n", 4));
	CHECK(read(said_fd, text, sizeof text) == 4 && !memcmp(text, "bad\n", 4));
	CHECK_OK(proc_signal(&proc, SIGTERM, &err));
	CHECK(proc_wait(&proc, 30000, &end, &err) == 1 && end.signal == SIGTERM);
	CHECK(read(out_fd, text, sizeof text) == 0);
	CHECK_ERR(proc_pipe(ARGV((char[]){"no-such-program"}), -1, &proc, &out_fd, &err),
		  ERR_NOT_FOUND, "cannot find the program 'no-such-program'");
}

TEST(a_signal_counts_as_128_and_more)
{
	struct err err = ERR_INIT;
	int code = -1;

	CHECK_OK(proc_run(SHELL("kill -KILL $$"), 30000, NULL, &code, &err));
	CHECK_INT(code, 128 + SIGKILL);
}

TEST(standard_input_is_empty)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	int code;

	CHECK_OK(proc_run(SHELL("cat; echo end"), 30000, &out, &code, &err));
	CHECK_STR(out.data, "end\n");
}

TEST(output_of_exactly_the_limit_is_fine_and_one_more_is_not)
{
	own(str) struct str out = STR_INIT(8), small = STR_INIT(7);
	struct err err = ERR_INIT;
	int code = -1;

	CHECK_OK(proc_run(SHELL("printf 12345678"), 30000, &out, &code, &err));
	CHECK_STR(out.data, "12345678");
	CHECK_ERR(proc_run(SHELL("printf 12345678"), 30000, &small, &code, &err), ERR_LIMIT,
		  "cannot run 'sh': cannot build the output: longer than 7");
}

TEST(endless_output_is_cut_off)
{
	own(str) struct str out = STR_INIT(100000);
	struct err err = ERR_INIT;
	int code;

	CHECK_ERR(proc_run(SHELL("while :; do echo yes; done"), 30000, &out, &code, &err),
		  ERR_LIMIT, "100000");
}

TEST(the_deadline_holds)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	int64_t start = clock_boot_ms();
	int code = -1;

	CHECK_ERR(proc_run(SHELL("sleep 100"), 100, &out, &code, &err), ERR_TIMEOUT,
		  "'sh' did not end within 100 ms");
	CHECK_ERR(proc_run(SHELL("sleep 100"), 100, NULL, &code, &err), ERR_TIMEOUT, "100 ms");
	CHECK(clock_boot_ms() - start < 20000);
	CHECK_INT(code, -1);
}

TEST(something_left_in_the_background_does_not_hold_us)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	int64_t start = clock_boot_ms();
	int code;

	CHECK_OK(proc_run(SHELL("sleep 20 & echo done"), 60000, &out, &code, &err));
	CHECK_STR(out.data, "done\n");
	CHECK(clock_boot_ms() - start < 15000);
}

TEST(a_program_that_does_not_exist_or_cannot_run)
{
	struct err err = ERR_INIT;
	char path[300];
	int code = -1;

	CHECK_ERR(proc_run(ARGV((char[]){"no-such-program-here"}), 1000, NULL, &code, &err),
		  ERR_NOT_FOUND, "cannot find the program 'no-such-program-here'");
	CHECK_ERR(proc_run(ARGV((char[]){"/no/such"}), 1000, NULL, &code, &err), ERR_NOT_FOUND,
		  "cannot run '/no/such': no such file");
	CHECK_ERR(proc_run(ARGV((char[]){"/etc/passwd"}), 1000, NULL, &code, &err), ERR_DENIED,
		  "cannot run '/etc/passwd': permission denied");
	snprintf(path, sizeof(path), "%s/empty", test_dir_path());
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	CHECK_ERR(proc_run(ARGV(path), 1000, NULL, &code, &err), ERR_IO, "exec format error");
	CHECK_INT(code, -1);
}

TEST(the_path_of_the_caller_is_not_trusted)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	char path[300];
	int code, fd;

	snprintf(path, sizeof(path), "%s/uname", test_dir_path());
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, "#!/bin/sh\necho evil\n", 20, path, &err));
	close(fd);
	setenv("PATH", test_dir_path(), 1);
	CHECK_OK(proc_run(ARGV((char[]){"uname"}), 30000, &out, &code, &err));
	CHECK(!strstr(out.data, "evil"));
	str_reset(&out);
	CHECK_OK(proc_run(SHELL("uname; echo $PATH"), 30000, &out, &code, &err));
	CHECK(!strstr(out.data, "evil"));
	CHECK(!strstr(out.data, test_dir_path()));
}

TEST(nothing_is_inherited_but_standard_descriptors)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	int code, leaked = dup2(STDERR_FILENO, 77); /* without O_CLOEXEC on purpose */

	CHECK_OK(proc_run(SHELL("test -e /proc/$$/fd/77 && echo leaked; echo end"), 30000, &out,
			  &code, &err));
	CHECK_STR(out.data, "end\n");
	close(leaked);
}

TEST(signals_are_as_a_new_program_expects_them)
{
	own(str) struct str out = STR_INIT(1000);
	struct err err = ERR_INIT;
	sigset_t all;
	int code;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	CHECK_OK(proc_run(SHELL("grep -E '^Sig(Blk|Ign)' /proc/self/status"), 30000, &out, &code,
			  &err));
	CHECK_STR(out.data, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_MAIN()
