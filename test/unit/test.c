/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The harness: forks a child for each test, waits, and prints TAP.
 *
 * The child leads a process group of its own, which is killed when the test is over, so that a
 * failed test leaves no process behind; it dies with the harness; and alarm(2) ends it when it
 * hangs. The result is its exit status. Descriptors are counted with the same function that the
 * product offers for this purpose, before and after the test's own code.
 *
 * The scratch directory's name is chosen by the parent, which removes it when the child has ended
 * however it ended; the child makes it only if the test asks for it.
 */
#include "test.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "base/path.h"

#define STATUS_FAILED 77
#define STATUS_SKIPPED 78
#define DEADLINE_SECONDS 60

static struct test *first, **last = &first;
static char dir_path[256];
static int dir_fd = -1;

void test_register(struct test *test)
{
	*last = test;
	last = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list ap;

	printf("# %s:%d: ", file, line);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(STATUS_FAILED);
}

int test_slowed(int amount)
{
	const char *factor = getenv("INSULA_TEST_SLOW");

	return factor && atoi(factor) > 0 ? amount * atoi(factor) : amount;
}

void test_sleep_ms(int ms)
{
	usleep((unsigned int)test_slowed(ms) * 1000);
}

void test_terminal(int *ret_master_fd, int *ret_slave_fd)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlocked = 0, slave;
	struct termios settings;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		test_fail(__FILE__, __LINE__, "/dev/ptmx: %s", strerror(errno));
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &settings) < 0)
		test_fail(__FILE__, __LINE__, "the other end of /dev/ptmx: %s", strerror(errno));
	settings.c_oflag &= ~(tcflag_t)ONLCR;
	tcsetattr(slave, TCSANOW, &settings);
	*ret_master_fd = master;
	*ret_slave_fd = slave;
}

void test_skip(const char *format, ...)
{
	va_list ap;

	printf("# skipped: ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(STATUS_SKIPPED);
}

const char *test_dir_path(void)
{
	if (dir_fd < 0) {
		/* A child of this test may have made it already. */
		if (mkdir(dir_path, 0755) < 0 && errno != EEXIST)
			test_fail(__FILE__, __LINE__, "cannot make '%s': %s", dir_path,
				  err_errno_text(errno));
		dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return dir_path;
}

int test_dir(void)
{
	test_dir_path();
	return dir_fd;
}

void test_sweep_temporary(void)
{
	own(strv) struct strv names = STRV_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(file_list(test_dir(), ".", &names, &err));
	for (size_t i = 0; i < names.count; i++)
		if (file_is_temporary(names.items[i]))
			CHECK_OK(file_unlink(test_dir(), names.items[i], &err));
}

void test_fail_syscall(long number, int errnum)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		test_skip("no seccomp filter here: %s", err_errno_text(errno));
}

void test_check_str(const char *file, int line, const char *text, const char *got, const char *want)
{
	if (got == want || (got && want && strcmp(got, want) == 0))
		return;
	test_fail(file, line, "%s is '%s', expected '%s'", text, got ? got : "(null)",
		  want ? want : "(null)");
}

void test_check_int(const char *file, int line, const char *text, intmax_t got, intmax_t want)
{
	if (got != want)
		test_fail(file, line, "%s is %jd, expected %jd", text, got, want);
}

void test_check_ok(const char *file, int line, const char *text, bool failed, const struct err *err)
{
	if (failed)
		test_fail(file, line, "%s failed: %s (%s, %s:%u)", text, err->message,
			  err_kind_name(err->kind), err->file, err->line);
}

void test_check_err(const char *file, int line, const char *text, bool failed,
		    const struct err *err, enum err_kind kind, const char *part)
{
	if (!failed)
		test_fail(file, line, "%s succeeded, expected %s", text, err_kind_name(kind));
	if (err->kind != kind)
		test_fail(file, line, "%s failed with %s (%s), expected %s", text,
			  err_kind_name(err->kind), err->message, err_kind_name(kind));
	if (part && !strstr(err->message, part))
		test_fail(file, line, "%s failed with '%s', expected '%s' in it", text,
			  err->message, part);
}

static _Noreturn void run_child(const struct test *test)
{
	int before, after;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned int)test_slowed(DEADLINE_SECONDS));
	before = fd_count_open();
	test->run();
	if (dir_fd >= 0)
		close(dir_fd);
	after = fd_count_open();
	if (before != after)
		test_fail(test->name, 0, "%d open descriptors before, %d after", before, after);
	exit(0); /* not _exit: leak checkers and coverage write their results here */
}

static void remove_dir(void)
{
	char *name = strrchr(dir_path, '/');
	struct err err;
	int parent;

	*name = '\0';
	parent = open(*dir_path ? dir_path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*name = '/';
	if (parent < 0 || path_remove_tree(parent, name + 1, &err) < 0)
		printf("# cannot remove '%s'\n", dir_path);
	if (parent >= 0)
		close(parent);
}

/* Run one test; returns the wait status. */
static int run_test(const struct test *test)
{
	const char *base = getenv("TMPDIR");
	siginfo_t info;
	int status;
	pid_t pid;

	snprintf(dir_path, sizeof(dir_path), "%.128s/insula-test-%d-%.64s", base ? base : "/tmp",
		 getpid(), test->name);
	remove_dir(); /* of a killed harness that had our pid */
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0)
		run_child(test);
	/* Not reaped yet, the child keeps its number, so that the group is certainly ours. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	remove_dir();
	return status;
}

static bool report(const struct test *test, int number, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED) {
		printf("ok %d - %s # SKIP\n", number, test->name);
		return true;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("ok %d - %s\n", number, test->name);
		return true;
	}
	if (WIFSIGNALED(status))
		printf("# %s: ended by signal %d%s\n", test->name, WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? " (deadline passed)" : "");
	printf("not ok %d - %s\n", number, test->name);
	return false;
}

static bool is_selected(const struct test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], test->name) == 0)
			return true;
	return argc <= 1;
}

int test_main(int argc, char **argv)
{
	int number = 0, failed = 0;

	for (const struct test *test = first; test; test = test->next) {
		if (!is_selected(test, argc, argv))
			continue;
		number++;
		failed += !report(test, number, run_test(test));
	}
	printf("1..%d\n", number);
	return failed > 0 || number == 0;
}
