/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failpoints, in the build that has them; without them, that they are nothing.
 */
#include "base/fail.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "test.h"

#ifndef INSULA_FAILPOINTS

TEST(without_failpoints_nothing_fails)
{
	struct err err = ERR_INIT;

	setenv("INSULA_FAIL", "a=error:EIO", 1);
	CHECK_OK(fail_point("a", &err));
}

#else

static void check_log(const char *want)
{
	own_free char *text = NULL;
	struct err err = ERR_INIT;

	CHECK_OK(file_read(test_dir(), "log", 10000, &text, &err));
	CHECK_STR(text, want);
}

static void arm(const char *rules)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/log", test_dir_path());
	setenv("INSULA_FAIL", rules, 1);
	setenv("INSULA_FAIL_LOG", path, 1);
}

/* The log stays open on purpose; give it back before the harness counts. */
static void close_log(void)
{
	close_range(800, 900, 0);
}

TEST(unarmed_points_pass_and_are_logged)
{
	struct err err = ERR_INIT;

	arm("");
	CHECK_OK(fail_point("one", &err));
	CHECK_OK(fail_point("two", &err));
	check_log("one seen\ntwo seen\n");
	close_log();
}

TEST(an_error_is_reported_at_its_visit_only)
{
	struct err err = ERR_INIT;

	arm("mount=error:ENOSPC@2,other=error:EACCES");
	CHECK_OK(fail_point("mount", &err));
	CHECK_ERR(fail_point("mount", &err), ERR_IO, "failpoint mount: no space left on device");
	CHECK_OK(fail_point("mount", &err));
	CHECK_ERR(fail_point("other", &err), ERR_DENIED, "failpoint other: permission denied");
	check_log("mount seen\nmount error:ENOSPC\nmount seen\nother error:EACCES\n");
	close_log();
}

TEST(log_only_counts)
{
	struct err err = ERR_INIT;

	arm("a=log");
	CHECK_OK(fail_point("a", &err));
	check_log("a log\n");
	close_log();
}

TEST(kill_ends_the_process_and_is_logged_first)
{
	struct err err = ERR_INIT;
	int status;
	pid_t pid;

	arm("a=kill");
	pid = fork();
	if (pid == 0)
		_exit(fail_point("a", &err) == 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	check_log("a kill\n");
}

TEST(stop_stops_and_goes_on)
{
	struct err err = ERR_INIT;
	int status;
	pid_t pid;

	arm("a=stop");
	pid = fork();
	if (pid == 0)
		_exit(fail_point("a", &err) == 0 ? 33 : 1);
	CHECK_INT(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 33);
}

TEST(a_child_goes_on_counting)
{
	struct err err = ERR_INIT;
	int status;
	pid_t pid;

	arm("a=error:EIO@2");
	CHECK_OK(fail_point("a", &err));
	pid = fork();
	if (pid == 0)
		_exit(fail_point("a", &err) < 0 ? 44 : 1);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 44);
	close_log();
}

TEST(a_log_whose_number_was_taken_is_not_written)
{
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	int victim;

	arm("");
	CHECK_OK(fail_point("a", &err));
	victim = openat(test_dir(), "victim", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int fd = 800; fd < 900; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			dup3(victim, fd, O_CLOEXEC);
	CHECK_OK(fail_point("b", &err));
	CHECK_INT(file_read(test_dir(), "victim", 100, &text, &err), 0);
	check_log("a seen\n");
	close(victim);
	close_log();
}

TEST(what_cannot_be_understood_ends_the_program)
{
	static const char *const bad[] = {
		"a",	    "a=",	"=kill",	"a=explode", "a=error:", "a=error:EX",
		"a=kill@0", "a=kill@x", "a=error:EIO@", "b=log,a",   "a=kill@-1"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		int status;
		pid_t pid;

		arm(bad[i]);
		pid = fork();
		if (pid == 0) {
			close(STDERR_FILENO);
			fail_point("z", &err);
			_exit(0);
		}
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK_INT(WEXITSTATUS(status), 125);
	}
}

TEST(the_points_of_atomic_files_leave_whole_files)
{
	static const char *const points[] = {"file.written", "file.renamed"};
	static const char *const left[] = {"old", "new"};

	for (size_t i = 0; i < 2; i++) {
		own_free char *text = NULL;
		struct err err = ERR_INIT;
		char rule[64];
		int status;
		pid_t pid;

		unsetenv("INSULA_FAIL");
		pid = fork();
		if (pid == 0)
			_exit(file_write_atomic(test_dir(), "f", "old", 3, 0600, true, &err) < 0);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		snprintf(rule, sizeof(rule), "%s=kill", points[i]);
		arm(rule);
		pid = fork();
		if (pid == 0)
			_exit(file_write_atomic(test_dir(), "f", "new", 3, 0600, true, &err) < 0);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		CHECK_OK(file_read(test_dir(), "f", 10, &text, &err));
		CHECK_STR(text, left[i]);
		test_sweep_temporary();
	}
}

#endif

TEST_MAIN()
