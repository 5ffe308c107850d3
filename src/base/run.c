/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs of the host: finding our own, and running one to its end (proc_run).
 *
 * The program is looked up in a fixed PATH, which it also gets, because the caller's PATH is not
 * ours to trust when we run as root. It gets no descriptor but 0, 1 and 2, default signals, and
 * dies with us. Whether execve worked comes back over a close-on-exec pipe: end of file means yes.
 *
 * Its output is read until it ends, not until the pipe does: a program that leaves something behind
 * in the background would otherwise hold us until the deadline. Past the deadline or the output
 * limit it is killed and reaped.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"

#define RUN_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct run {
	const char *name; /* argv[0] */
	char *program;
	struct strv env;
	int null_fd, out_read, out_write, exec_read, exec_write;
	int err_fd; /* borrowed; -1: stderr is inherited */
	struct proc proc;
};

#define RUN_INIT(name_) \
	((struct run){.name = (name_), \
		      .proc = PROC_INIT, \
		      .null_fd = -1, \
		      .out_read = -1, \
		      .out_write = -1, \
		      .exec_read = -1, \
		      .exec_write = -1, \
		      .err_fd = -1})

static void run_done(struct run *run)
{
	proc_done(&run->proc);
	fd_close(run->null_fd);
	fd_close(run->out_read);
	fd_close(run->out_write);
	fd_close(run->exec_read);
	fd_close(run->exec_write);
	free(run->program);
	strv_done(&run->env);
}

static bool find_program(const char *name, char path[static PATH_MAX])
{
	const char *next, *dir = RUN_PATH;

	for (; *dir; dir = *next ? next + 1 : next) {
		next = strchrnul(dir, ':');
		if (snprintf(path, PATH_MAX, "%.*s/%s", (int)(next - dir), dir, name) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}

bool proc_has_program(const char *name)
{
	char path[PATH_MAX];

	return find_program(name, path);
}

static int prepare(struct run *run, bool capture, struct err *err)
{
	struct strv ours = {.items = environ};
	char path[PATH_MAX];
	bool given = *run->name == '/';

	if (!given && !find_program(run->name, path))
		return err_set(err, ERR_NOT_FOUND, 0, "cannot find the program '%s' in %s",
			       run->name, RUN_PATH);
	while (environ && environ[ours.count])
		ours.count++;
	run->program = str_dup(given ? run->name : path, err);
	if (!run->program || strv_copy(&run->env, &ours, err) < 0 ||
	    strv_env_set(&run->env, "PATH", RUN_PATH, err) < 0)
		return -1;
	run->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (run->null_fd < 0)
		return err_errno(err, "cannot open '/dev/null'");
	if (fd_pipe(&run->exec_read, &run->exec_write, err) < 0)
		return -1;
	return capture ? fd_pipe(&run->out_read, &run->out_write, err) : 0;
}

/* In the child. */
static _Noreturn void exec_program(const struct run *run, char *const argv[])
{
	struct err ignored;
	int errnum;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc_reset_signals();
	if (dup2(run->null_fd, STDIN_FILENO) >= 0 &&
	    (run->out_write < 0 || dup2(run->out_write, STDOUT_FILENO) >= 0) &&
	    (run->err_fd < 0 || dup2(run->err_fd, STDERR_FILENO) >= 0) &&
	    fd_cloexec_from(STDERR_FILENO + 1, &ignored) == 0)
		execve(run->program, argv, run->env.items);
	errnum = errno;
	fd_write_all(run->exec_write, &errnum, sizeof(errnum), "the result of execve", &ignored);
	_exit(127);
}

static int start(struct run *run, char *const argv[], struct err *err)
{
	pid_t pid = proc_clone(&run->proc, 0, -1, err);
	ssize_t n;
	int errnum;

	if (pid < 0)
		return -1;
	if (pid == 0)
		exec_program(run, argv);
	fd_close(take_fd(run->out_write));
	fd_close(take_fd(run->exec_write));
	do
		n = read(run->exec_read, &errnum, sizeof(errnum));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	errno = n == sizeof(errnum) ? errnum : EIO;
	return err_errno(err, "cannot run '%s'", run->program);
}

/* Take what is in the pipe. 1: more may come, 0: end of file. */
static int take_output(struct run *run, struct str *out, struct err *err)
{
	char buf[4096];

	for (;;) {
		ssize_t n = read(run->out_read, buf, sizeof(buf));

		if (n == 0)
			return 0;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot read the output of '%s'", run->name);
		if (n > 0)
			str_add_len(out, buf, (size_t)n);
		if (str_check(out, "the output", err) < 0)
			return err_wrap(err, "cannot run '%s'", run->name);
	}
}

/* Until the program has ended or the deadline has passed. */
static int collect(struct run *run, struct str *out, int timeout_ms, struct err *err)
{
	int64_t deadline = clock_boot_ms() + timeout_ms;
	struct pollfd wait[2] = {{.fd = run->proc.pidfd, .events = POLLIN},
				 {.fd = run->out_read, .events = POLLIN}};

	while (!(wait[0].revents & POLLIN)) {
		int64_t left = timeout_ms < 0 ? -1 : deadline - clock_boot_ms();
		int more = 1;

		if (timeout_ms >= 0 && left <= 0)
			return err_set(err, ERR_TIMEOUT, 0, "'%s' did not end within %d ms",
				       run->name, timeout_ms);
		if (poll(wait, 2, (int)left) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for '%s'", run->name);
		if (wait[1].fd >= 0)
			more = take_output(run, out, err);
		if (more < 0)
			return -1;
		if (more == 0)
			wait[1].fd = -1;
	}
	return 0;
}

int proc_run(char *const argv[], int timeout_ms, struct str *out, int *ret_code, struct err *err)
{
	own(run) struct run run = RUN_INIT(argv[0]);
	struct proc_exit exit;

	if (prepare(&run, out != NULL, err) < 0 || start(&run, argv, err) < 0)
		return -1;
	if (out && fd_set_nonblock(run.out_read, true, err) < 0)
		return -1;
	if (collect(&run, out, timeout_ms, err) < 0 || proc_wait(&run.proc, -1, &exit, err) < 0)
		return -1;
	*ret_code = exit.code;
	return 0;
}

int proc_pipe(char *const argv[], int err_fd, struct proc *ret, int *ret_out_fd, struct err *err)
{
	own(run) struct run run = RUN_INIT(argv[0]);

	run.err_fd = err_fd;
	if (prepare(&run, true, err) < 0 || start(&run, argv, err) < 0)
		return -1;
	*ret = run.proc;
	run.proc = PROC_INIT;
	*ret_out_fd = take_fd(run.out_read);
	return 0;
}

/* DIR/NAME where that is a program we may run. */
static bool try_program(const char *dir, const char *name, char *buf, size_t size)
{
	return snprintf(buf, size, "%s/%s", dir, name) < (int)size && access(buf, X_OK) == 0;
}

static char program_path[PATH_MAX];

void proc_set_program(const char *path)
{
	snprintf(program_path, sizeof(program_path), "%s", path);
}

static int own_program(char self[static PATH_MAX], struct err *err)
{
	ssize_t length;

	if (*program_path) {
		memcpy(self, program_path, sizeof(program_path));
		return 0;
	}
	length = readlink("/proc/self/exe", self, PATH_MAX - 1);
	if (length < 0)
		return err_errno(err, "cannot find our own program");
	self[length] = '\0';
	return 0;
}

int proc_find_ours(const char *name, const char *variable, char *buf, size_t size, struct err *err)
{
	const char *named = secure_getenv(variable);
	char self[PATH_MAX], libexec[PATH_MAX + 32];

	if (named && snprintf(buf, size, "%s", named) < (int)size)
		return 0;
	if (own_program(self, err) < 0)
		return -1;
	*strrchr(self, '/') = '\0';
	snprintf(libexec, sizeof(libexec), "%s/../libexec/insula", self);
	if (try_program(self, name, buf, size) || try_program(libexec, name, buf, size))
		return 0;
	err_set(err, ERR_NOT_FOUND, 0, "cannot find %s", name);
	return err_hint(
		err, "it belongs beside '%s' or in ../libexec/insula/ from there; %s may name it",
		self, variable);
}
