/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See keeper_fixture.h. What is forked here must not return into the test: it ends by _exit() or by
 * becoming the keeper.
 */
#include "keeper_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/log.h"
#include "kernel/tty.h"
#include "test.h"

struct ends {
	int input[2], output[2], errors[2]; /* read, write */
	int master, slave;
};

static void make_directories(struct kept *k)
{
	struct err err = ERR_INIT;
	char path[5000];

	CHECK_OK(str_random_hex(k->id, 32, &err));
	snprintf(k->root, sizeof(k->root), "%s/root", test_dir_path());
	snprintf(k->run, sizeof(k->run), "%s/run", test_dir_path());
	snprintf(path, sizeof(path), "%s/containers/%s", k->root, k->id);
	k->dir_fd = file_open_dirs(path, 0700, &err);
	CHECK(k->dir_fd >= 0);
	snprintf(path, sizeof(path), "%s/containers/%s", k->run, k->id);
	k->run_fd = file_open_dirs(path, 0700, &err);
	CHECK(k->run_fd >= 0);
}

static void make_ends(struct ends *e, const struct kept_options *options)
{
	*e = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}, -1, -1};
	if (options->terminal) {
		test_terminal(&e->master, &e->slave);
		return;
	}
	CHECK(pipe2(e->output, O_CLOEXEC) == 0 && pipe2(e->errors, O_CLOEXEC) == 0);
	if (options->interactive)
		CHECK(pipe2(e->input, O_CLOEXEC) == 0);
	else
		e->input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

_Noreturn static void run_payload(const struct ends *e, const struct kept_options *options)
{
	struct err err;

	proc_reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (e->slave >= 0) {
		tty_take_control(e->slave, &err);
	} else {
		dup2(e->input[0], 0);
		dup2(e->output[1], 1);
		dup2(e->errors[1], 2);
	}
	if (options->in_payload)
		options->in_payload();
	execl("/bin/sh", "sh", "-c", options->script, NULL);
	_exit(127);
}

_Noreturn static void become_keeper(struct kept *k, const struct kept_options *options,
				    int client_fd)
{
	struct keeper_state state;
	struct proc init = PROC_INIT;
	struct err err = ERR_INIT;
	struct ends e;

	/* A test that failed leaves neither keeper nor payload: both leave its process group. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	keeper_state_init(&state);
	make_ends(&e, options);
	if (proc_clone(&init, options->namespaces ? CLONE_NEWPID : 0, -1, &err) == 0)
		run_payload(&e, options);
	state.id = k->id;
	state.root = k->root;
	state.run = k->run;
	state.remove = options->remove;
	state.terminal = options->terminal;
	state.cgroup_name = options->cgroup_name;
	if (options->id_slot)
		state.id_slot = options->id_slot;
	if (options->stop_signal)
		state.stop_signal = options->stop_signal;
	if (options->stop_timeout_ms)
		state.stop_timeout_ms = options->stop_timeout_ms;
	if (options->log_max_size)
		state.log_max_size = options->log_max_size;
	state.started_ns = clock_real_ns();
	state.init_pid = init.pid;
	state.init_fd = init.pidfd;
	state.alive_fd = file_lock(k->run_fd, "alive", LOCK_EXCLUSIVE, 0, &err);
	state.listen_fd = keeper_listen(k->run_fd, &err);
	state.console_fd = e.master;
	state.stdin_fd = e.input[1];
	state.stdout_fd = e.output[0];
	state.stderr_fd = e.errors[0];
	state.client_fd = client_fd;
	state.client_attached = options->attached;
	if (options->fail)
		setenv("INSULA_FAIL", options->fail, 1);
	keeper_exec(getenv("INSULA_KEEPER"), &state, &err);
	dprintf(2, "# %s\n", err.message);
	_exit(125);
}

void kept_launch(struct kept *k, const struct kept_options *options)
{
	struct proc keeper = PROC_INIT;
	struct err err = ERR_INIT;
	int pair[2];

	if (!getenv("INSULA_KEEPER"))
		SKIP("INSULA_KEEPER does not name the program");
	*k = KEPT_INIT;
	make_directories(k);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	k->pid = proc_clone(&keeper, options->namespaces ? CLONE_NEWPID : 0, -1, &err);
	CHECK_OK(k->pid);
	if (k->pid == 0)
		become_keeper(k, options, pair[1]);
	proc_forget(&keeper);
	close(pair[1]);
	k->client_fd = pair[0];
}

void kept_start(struct kept *k, const struct kept_options *options)
{
	kept_launch(k, options);
	kept_until(k->client_fd, KEEPER_STARTED, NULL, NULL);
}

int kept_join(struct kept *k)
{
	int status;

	for (int waited_ms = 0; waited_ms < KEPT_WAIT_MS; waited_ms += 5) {
		pid_t pid = waitpid(k->pid, &status, WNOHANG);

		CHECK(pid >= 0);
		if (pid == k->pid) {
			k->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		usleep(5000);
	}
	test_fail(__FILE__, __LINE__, "the keeper does not end");
}

void kept_done(struct kept *k)
{
	fd_close(k->client_fd);
	fd_close(k->run_fd);
	fd_close(k->dir_fd);
	if (k->pid > 0) {
		kill(k->pid, SIGKILL);
		waitpid(k->pid, NULL, 0);
	}
}

int kept_connect(struct kept *k)
{
	struct err err = ERR_INIT;
	int fd = keeper_connect(k->run_fd, KEPT_WAIT_MS, &err);

	CHECK_OK(fd);
	return fd;
}

void kept_send(int fd, enum keeper_message type, int64_t value, int64_t value2, const void *data,
	       size_t size)
{
	struct err err = ERR_INIT;

	CHECK_OK(keeper_send(fd, type, value, value2, data, size, &err));
}

static struct keeper_header next_message(int fd, struct str *out, struct str *errors)
{
	static char data[KEEPER_DATA_MAX];
	struct keeper_header header = {0};
	struct err err = ERR_INIT;
	int got = keeper_receive(fd, &header, data, KEPT_WAIT_MS, &err);

	CHECK_OK(got);
	if (got == 0)
		test_fail(__FILE__, __LINE__, "the keeper closed the connection");
	if (header.type == KEEPER_STDOUT && out)
		str_add_len(out, data, header.length);
	if (header.type == KEEPER_STDERR && errors)
		str_add_len(errors, data, header.length);
	if (header.type == KEEPER_ERROR) {
		keeper_error_take(&header, data, &err);
		printf("# keeper says: %s\n", err.message);
	}
	return header;
}

struct keeper_header kept_until(int fd, enum keeper_message type, struct str *out,
				struct str *errors)
{
	struct keeper_header header;

	do
		header = next_message(fd, out, errors);
	while (header.type != type);
	return header;
}

void kept_until_output(int fd, struct str *out, const char *text)
{
	while (!strstr(out->data, text))
		next_message(fd, out, NULL);
}

char *kept_log(struct kept *k, int streams)
{
	struct log_read_options options = {.tail = -1, .streams = streams};
	struct log_printer printer;
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out);
	log_printer_init(&printer, out, out, false);
	CHECK_OK(log_read(k->dir_fd, -1, &options, &printer.sink, &err));
	fclose(out);
	return text;
}

void kept_memory(pid_t pid, unsigned long *ret_pss, unsigned long *ret_alone)
{
	char path[64], line[256];
	FILE *in;

#ifdef __SANITIZE_ADDRESS__
	SKIP("the memory of a sanitizer is not the keeper's");
#endif
	/* A user may not look into his keeper, as it cannot be dumped: all that is resident is at least that. */
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid,
		 geteuid() == 0 ? "smaps_rollup" : "status");
	in = fopen(path, "re");
	CHECK(in);
	*ret_pss = *ret_alone = 0;
	while (fgets(line, sizeof(line), in)) {
		sscanf(line, geteuid() == 0 ? "Pss: %lu" : "VmRSS: %lu", ret_pss);
		sscanf(line, geteuid() == 0 ? "Pss_Anon: %lu" : "RssAnon: %lu", ret_alone);
	}
	fclose(in);
}

long kept_cpu_ticks(pid_t pid)
{
	char path[64], text[1024];
	long user = 0, system = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	in = fopen(path, "re");
	CHECK(in && fgets(text, sizeof(text), in));
	fclose(in);
	CHECK(sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
		     &user, &system) == 2);
	return user + system;
}
