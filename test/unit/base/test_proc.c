/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes by pidfd: birth, look-up, signals, waiting, and what must not be killed.
 */
#include "base/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "test.h"

static struct proc start_sleeper(void)
{
	struct proc p = PROC_INIT;
	struct err err = ERR_INIT;
	pid_t pid = proc_clone(&p, 0, -1, &err);

	CHECK_OK(pid);
	if (pid == 0)
		for (;;)
			pause();
	return p;
}

static bool lives(pid_t pid)
{
	return kill(pid, 0) == 0;
}

TEST(a_child_runs_and_its_exit_code_comes_back)
{
	own(proc) struct proc p = PROC_INIT;
	struct err err = ERR_INIT;
	struct proc_exit exit;
	pid_t pid = proc_clone(&p, 0, -1, &err);

	CHECK_OK(pid);
	if (pid == 0)
		_exit(42);
	CHECK_INT(p.pid, pid);
	CHECK(p.pidfd >= 0);
	CHECK_INT(proc_wait(&p, 10000, &exit, &err), 1);
	CHECK_INT(exit.code, 42);
	CHECK_INT(exit.signal, 0);
	CHECK(!exit.core);
}

TEST(a_signal_is_reported_as_128_and_more)
{
	own(proc) struct proc p = start_sleeper();
	struct err err = ERR_INIT;
	struct proc_exit exit;

	CHECK_OK(proc_signal(&p, SIGTERM, &err));
	CHECK_INT(proc_wait(&p, 10000, &exit, &err), 1);
	CHECK_INT(exit.code, 128 + SIGTERM);
	CHECK_INT(exit.signal, SIGTERM);
	CHECK_ERR(proc_signal(&p, SIGTERM, &err), ERR_NOT_FOUND, "no such process");
}

TEST(waiting_has_a_deadline)
{
	own(proc) struct proc p = start_sleeper();
	struct err err = ERR_INIT;
	struct proc_exit exit;
	int64_t start = clock_boot_ms();

	CHECK_INT(proc_wait(&p, 0, &exit, &err), 0);
	CHECK_INT(proc_wait(&p, 50, &exit, &err), 0);
	CHECK_INT(proc_wait_end(&p, 50, &err), 0);
	CHECK(clock_boot_ms() - start >= 100);
	CHECK(lives(p.pid));
}

static void on_signal(int signal)
{
	(void)signal;
}

TEST(waiting_goes_on_after_signals)
{
	own(proc) struct proc p = start_sleeper();
	struct sigaction action = {.sa_handler = on_signal};
	struct err err = ERR_INIT;
	struct proc_exit exit;
	int64_t start = clock_boot_ms();
	pid_t pest;

	sigaction(SIGUSR1, &action, NULL);
	pest = fork();
	if (pest == 0)
		for (;;) {
			usleep(5000);
			kill(getppid(), SIGUSR1);
		}
	CHECK_INT(proc_wait(&p, 100, &exit, &err), 0);
	CHECK(clock_boot_ms() - start >= 100);
	CHECK(clock_boot_ms() - start < 5000);
	kill(pest, SIGKILL);
	while (waitpid(pest, NULL, 0) < 0 && errno == EINTR)
		;
}

TEST(done_kills_and_reaps_a_child)
{
	struct proc p = start_sleeper();
	pid_t pid = p.pid;

	errno = ENOTTY;
	proc_done(&p);
	CHECK_INT(errno, ENOTTY);
	CHECK_INT(p.pidfd, -1);
	CHECK(waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD);
	proc_done(&p); /* again is harmless */
}

TEST(done_after_wait_closes_only)
{
	struct proc p = start_sleeper();
	struct err err = ERR_INIT;
	struct proc_exit exit;

	CHECK_OK(proc_signal(&p, SIGKILL, &err));
	CHECK_INT(proc_wait(&p, -1, &exit, &err), 1);
	proc_done(&p);
	CHECK_INT(p.pidfd, -1);
}

TEST(done_never_kills_a_process_that_is_not_our_child)
{
	struct proc p = PROC_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(proc_open(&p, getppid(), 0, &err)); /* the harness */
	proc_done(&p);
	CHECK(lives(getppid()));
}

TEST(forget_lets_the_child_live)
{
	struct proc p = start_sleeper();
	pid_t pid = p.pid;

	proc_forget(&p);
	CHECK_INT(p.pid, 0);
	CHECK(lives(pid));
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

TEST(clone_works_where_clone3_is_missing)
{
	own(proc) struct proc p = PROC_INIT, none = PROC_INIT;
	struct err err = ERR_INIT;
	struct proc_exit exit;
	pid_t pid;

	test_fail_syscall(SYS_clone3, ENOSYS);
	pid = proc_clone(&p, 0, -1, &err);
	CHECK_OK(pid);
	if (pid == 0)
		_exit(7);
	CHECK_INT(p.pid, pid);
	CHECK_INT(proc_wait(&p, 10000, &exit, &err), 1);
	CHECK_INT(exit.code, 7);
	CHECK_ERR(proc_clone(&none, 0, 0, &err), ERR_UNSUPPORTED, "cannot create a process");
	CHECK_ERR(proc_clone(&none, CLONE_NEWTIME, -1, &err), ERR_UNSUPPORTED, "cannot create");
	CHECK_INT(none.pidfd, -1);
}

TEST(clone_reports_what_the_kernel_refuses)
{
	own(proc) struct proc p = PROC_INIT;
	struct err err = ERR_INIT;

	CHECK_ERR(proc_clone(&p, CLONE_THREAD, -1, &err), ERR_IO, "invalid argument");
	CHECK_ERR(proc_clone(&p, 0, STDIN_FILENO, &err), ERR_IO, "bad file descriptor");
}

TEST(open_by_pid_and_start_time)
{
	own(proc) struct proc child = start_sleeper(), p = PROC_INIT, q = PROC_INIT;
	struct err err = ERR_INIT;
	uint64_t start;

	CHECK_OK(proc_start_time(child.pid, &start, &err));
	CHECK(start > 0);
	CHECK_OK(proc_open(&p, child.pid, start, &err));
	CHECK_INT(p.pid, child.pid);
	proc_forget(&p);
	CHECK_OK(proc_open(&p, child.pid, 0, &err));
	CHECK_ERR(proc_open(&q, child.pid, start + 2, &err), ERR_NOT_FOUND, "cannot open process");
	CHECK_INT(q.pidfd, -1);
	proc_forget(&p);
}

TEST(a_tick_is_no_other_start)
{
	own(proc) struct proc child = start_sleeper();
	struct err err = ERR_INIT;
	struct proc_exit exit;
	uint64_t start;

	CHECK_OK(proc_start_time(child.pid, &start, &err));
	CHECK(proc_started_at(child.pid, start));
	CHECK(proc_started_at(child.pid, start + 1));
	CHECK(proc_started_at(child.pid, start - 1));
	CHECK(!proc_started_at(child.pid, start + 2));
	CHECK(!proc_started_at(child.pid, 0));
	CHECK_OK(proc_signal(&child, SIGKILL, &err));
	CHECK_INT(proc_wait(&child, 10000, &exit, &err), 1);
	CHECK(!proc_started_at(child.pid, start));
}

TEST(open_finds_no_process_that_has_ended)
{
	own(proc) struct proc child = start_sleeper(), p = PROC_INIT;
	struct err err = ERR_INIT;
	struct proc_exit exit;
	uint64_t start;

	CHECK_OK(proc_start_time(child.pid, &start, &err));
	CHECK_OK(proc_signal(&child, SIGKILL, &err));
	CHECK_INT(proc_wait_end(&child, 10000, &err), 1);
	/* a zombie */
	CHECK_ERR(proc_open(&p, child.pid, start, &err), ERR_NOT_FOUND, "no such process");
	CHECK_INT(proc_wait(&child, 0, &exit, &err), 1);
	CHECK_ERR(proc_open(&p, child.pid, start, &err), ERR_NOT_FOUND, "no such process");
	CHECK_ERR(proc_start_time(child.pid, &start, &err), ERR_NOT_FOUND, "cannot find process");
}

TEST(open_refuses_impossible_pids)
{
	own(proc) struct proc p = PROC_INIT;
	struct err err = ERR_INIT;

	CHECK_ERR(proc_open(&p, 0, 0, &err), ERR_NOT_FOUND, "process 0");
	CHECK_ERR(proc_open(&p, -1, 0, &err), ERR_NOT_FOUND, "process -1");
	CHECK_ERR(proc_open(&p, 1 << 30, 0, &err), ERR_NOT_FOUND, "1073741824");
}

TEST(start_time_survives_a_hostile_process_name)
{
	own(proc) struct proc p = PROC_INIT;
	struct err err = ERR_INIT;
	uint64_t ours, child;
	int ends[2];
	char byte;
	pid_t pid;

	CHECK(pipe(ends) == 0);
	CHECK_OK(proc_start_time(getpid(), &ours, &err));
	pid = proc_clone(&p, 0, -1, &err);
	if (pid == 0) {
		prctl(PR_SET_NAME, ") R 1 1 ) 9 9\n");
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	CHECK_INT(read(ends[0], &byte, 1), 1);
	CHECK_OK(proc_start_time(pid, &child, &err));
	CHECK(child >= ours && child < ours + 10000);
	close(ends[0]);
	close(ends[1]);
}

/* The parent's start time as another process of ours reads it. */
static uint64_t start_time_by_a_child(pid_t pid)
{
	struct err err = ERR_INIT;
	uint64_t start = 0;
	int ends[2];

	CHECK(pipe(ends) == 0);
	if (fork() == 0) {
		CHECK_OK(proc_start_time(pid, &start, &err));
		_exit(write(ends[1], &start, sizeof start) == sizeof start ? 0 : 1);
	}
	CHECK_INT(read(ends[0], &start, sizeof start), sizeof start);
	close(ends[0]);
	close(ends[1]);
	return start;
}

/* As `unshare --time PROGRAM` executes it before Linux 6.3. */
TEST(a_time_namespace_of_the_children_shifts_no_start_time)
{
	uint64_t before = start_time_by_a_child(getppid()), start;
	struct err err = ERR_INIT;

	if (unshare(CLONE_NEWUSER | 0x80 /* CLONE_NEWTIME */) < 0)
		test_skip("no user and time namespaces here");
	own_fd int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	CHECK_OK(fd_write_all(fd, "boottime 123456 0\n", 18, "offsets", &err));
	CHECK_OK(proc_start_time(getppid(), &start, &err));
	CHECK_INT(start, before);
}

TEST(pid_of_a_pidfd)
{
	own(proc) struct proc p = start_sleeper();
	struct err err = ERR_INIT;
	struct proc_exit exit;

	CHECK_INT(proc_pid_of_fd(-1, p.pidfd), p.pid);
	CHECK_OK(proc_signal(&p, SIGKILL, &err));
	CHECK_INT(proc_wait(&p, 10000, &exit, &err), 1);
	CHECK_INT(proc_pid_of_fd(-1, p.pidfd), 0);
	CHECK_INT(proc_pid_of_fd(-1, -1), 0);
	CHECK_INT(proc_pid_of_fd(-1, STDERR_FILENO), 0); /* not a pidfd */
}

TEST(wait_end_works_for_strangers)
{
	own(proc) struct proc child = start_sleeper(), same = PROC_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(proc_open(&same, child.pid, 0, &err));
	CHECK_INT(proc_wait_end(&same, 20, &err), 0);
	CHECK_OK(proc_signal(&same, SIGKILL, &err));
	CHECK_INT(proc_wait_end(&same, 10000, &err), 1);
	proc_forget(&same);
}

TEST(waiting_for_a_stranger_is_an_error)
{
	own(proc) struct proc p = PROC_INIT;
	struct err err = ERR_INIT;
	struct proc_exit exit;
	int ends[2];
	pid_t middle, grandchild;

	/* A grandchild that has ended and is not ours to reap. */
	CHECK(pipe(ends) == 0);
	middle = fork();
	if (middle == 0) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		if (write(ends[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		for (;;)
			pause();
	}
	CHECK_INT(read(ends[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	CHECK_OK(proc_open(&p, grandchild, 0, &err));
	CHECK_OK(proc_signal(&p, SIGKILL, &err));
	CHECK_ERR(proc_wait(&p, 10000, &exit, &err), ERR_IO, "no child processes");
	kill(middle, SIGKILL);
	waitpid(middle, NULL, 0);
	close(ends[0]);
	close(ends[1]);
}

TEST_MAIN()
