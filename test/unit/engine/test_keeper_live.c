/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built insula-keeper, with a shell instead of a container: what a user of the engine sees.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/log.h"
#include "engine/store.h"
#include "keeper_fixture.h"
#include "test.h"

#define BOTH (1 << LOG_STDOUT | 1 << LOG_STDERR)

/* Start, take all output until the end, and see the keeper go. */
static int run(const struct kept_options *options, struct str *out, struct str *errors,
	       char **ret_log)
{
	own(kept) struct kept k = KEPT_INIT;
	struct keeper_header end;

	kept_start(&k, options);
	end = kept_until(k.client_fd, KEEPER_EXIT, out, errors);
	CHECK_INT(kept_join(&k), end.value);
	if (ret_log)
		*ret_log = kept_log(&k, BOTH);
	return (int)end.value;
}

static void check_numbers(const char *text, int last)
{
	int expected = 1;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		CHECK_INT(atoi(line), expected++);
	CHECK_INT(expected, last + 1);
}

TEST(output_reaches_the_client_and_the_log)
{
	own(str) struct str out = STR_INIT(4096), errors = STR_INIT(4096);
	own_free char *log = NULL;
	int code = run(&(struct kept_options){.script = "echo one; echo two >&2; printf three",
					      .attached = true},
		       &out, &errors, &log);

	CHECK_INT(code, 0);
	CHECK_STR(out.data, "one\nthree");
	CHECK_STR(errors.data, "two\n");
	CHECK(strstr(log, "one\n") && strstr(log, "two\n") && strstr(log, "three"));
}

TEST(exit_codes_are_passed_on)
{
	own(kept) struct kept k = KEPT_INIT;
	struct keeper_header end;

	CHECK_INT(run(&(struct kept_options){.script = "exit 42", .attached = true}, NULL, NULL,
		      NULL),
		  42);
	kept_start(&k, &(struct kept_options){.script = "kill -9 $$", .attached = true});
	end = kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL);
	CHECK_INT(end.value, 128 + SIGKILL);
	CHECK_INT(end.value2, SIGKILL);
}

TEST(the_end_is_recorded)
{
	own(kept) struct kept k = KEPT_INIT;
	own(exit_record) struct exit_record record = {0};
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "exit 3"});
	CHECK_INT(kept_join(&k), 3);
	CHECK_OK(store_read_exit(k.dir_fd, &record, &err));
	CHECK_INT(record.code, 3);
	CHECK_INT(record.signal, 0);
	CHECK_STR(record.reason, "exited");
	CHECK(record.started_ns > 0 && record.finished_ns >= record.started_ns);
	CHECK(faccessat(k.run_fd, "ctl", F_OK, 0) < 0);
	CHECK_INT(file_lock_held(k.run_fd, "alive", &err), 0);
}

TEST(a_container_that_goes_leaves_no_directory)
{
	own(kept) struct kept k = KEPT_INIT;
	struct keeper_header end;
	char path[5000];

	kept_start(&k,
		   &(struct kept_options){.script = "exit 5", .attached = true, .remove = true});
	end = kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL);
	CHECK_INT(end.value, 5);
	/* At the moment at which the client is told. */
	snprintf(path, sizeof(path), "%s/containers/%s", k.root, k.id);
	CHECK(access(path, F_OK) < 0);
	snprintf(path, sizeof(path), "%s/containers/%s", k.run, k.id);
	CHECK(access(path, F_OK) < 0);
}

TEST(stop_sends_its_signal)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	own_fd int fd = -1;

	kept_start(&k, &(struct kept_options){.script = "trap 'echo bye; exit 7' USR1; echo ready; "
							"while :; do sleep 0.05; done",
					      .attached = true,
					      .stop_signal = SIGUSR1});
	kept_until_output(k.client_fd, &out, "ready");
	fd = kept_connect(&k);
	kept_send(fd, KEEPER_STOP, 0, -1, NULL, 0);
	CHECK_INT(kept_until(fd, KEEPER_EXIT, NULL, NULL).value, 7);
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, &out, NULL).value, 7);
	CHECK_STR(out.data, "ready\nbye\n");
}

TEST(stop_kills_after_its_timeout)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	own_fd int fd = -1;
	int64_t began_ms;

	kept_start(&k, &(struct kept_options){.script = "trap '' TERM; echo ready; "
							"while :; do sleep 0.05; done",
					      .attached = true});
	kept_until_output(k.client_fd, &out, "ready");
	fd = kept_connect(&k);
	began_ms = clock_boot_ms();
	kept_send(fd, KEEPER_STOP, SIGTERM, 300, NULL, 0);
	CHECK_INT(kept_until(fd, KEEPER_EXIT, NULL, NULL).value, 128 + SIGKILL);
	CHECK(clock_boot_ms() - began_ms >= 300);
	CHECK(clock_boot_ms() - began_ms < 5000);
}

TEST(an_earlier_deadline_of_a_stop_counts)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	own_fd int slow_fd = -1, fast_fd = -1;
	int64_t began_ms = clock_boot_ms();

	kept_start(&k, &(struct kept_options){.script = "trap '' TERM; echo ready; "
							"while :; do sleep 0.05; done",
					      .attached = true});
	kept_until_output(k.client_fd, &out, "ready");
	slow_fd = kept_connect(&k);
	fast_fd = kept_connect(&k);
	kept_send(fast_fd, KEEPER_STOP, 0, 200, NULL, 0);
	kept_send(slow_fd, KEEPER_STOP, 0, 15000, NULL, 0);
	kept_until(slow_fd, KEEPER_EXIT, NULL, NULL);
	kept_until(fast_fd, KEEPER_EXIT, NULL, NULL);
	CHECK(clock_boot_ms() - began_ms < 8000);
}

TEST(sigterm_to_the_keeper_stops_the_container)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);

	kept_start(&k, &(struct kept_options){.script = "trap 'exit 9' TERM; echo ready; "
							"while :; do sleep 0.05; done",
					      .attached = true});
	kept_until_output(k.client_fd, &out, "ready");
	kill(k.pid, SIGHUP);
	kill(k.pid, SIGTERM);
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL).value, 9);
	CHECK_INT(kept_join(&k), 9);
}

TEST(input_arrives_and_ends)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);

	kept_start(&k,
		   &(struct kept_options){.script = "cat", .attached = true, .interactive = true});
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, "hello\n", 6);
	kept_until(k.client_fd, KEEPER_STDIN_TAKEN, &out, NULL);
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, "world\n", 6);
	kept_send(k.client_fd, KEEPER_STDIN_EOF, 0, 0, NULL, 0);
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, &out, NULL).value, 0);
	CHECK_STR(out.data, "hello\nworld\n");
}

/* 20 MB through a program that reads late: nothing lost, nothing out of order. */
TEST(input_waits_for_a_slow_reader)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	static char block[KEEPER_DATA_MAX];

	kept_start(&k, &(struct kept_options){.script = "sleep 0.3; wc -c",
					      .attached = true,
					      .interactive = true});
	for (int i = 0; i < 640; i++) {
		kept_send(k.client_fd, KEEPER_STDIN, 0, 0, block, sizeof(block));
		kept_until(k.client_fd, KEEPER_STDIN_TAKEN, &out, NULL);
	}
	kept_send(k.client_fd, KEEPER_STDIN_EOF, 0, 0, NULL, 0);
	kept_until(k.client_fd, KEEPER_EXIT, &out, NULL);
	CHECK_INT(atol(out.data), 640L * KEEPER_DATA_MAX);
}

TEST(requests_are_answered_while_input_is_stuck)
{
	own(kept) struct kept k = KEPT_INIT;
	static char block[KEEPER_DATA_MAX];

	kept_start(&k, &(struct kept_options){
			       .script = "sleep 1000", .attached = true, .interactive = true});
	/* A pipe holds two of these: the third is stuck. */
	for (int i = 0; i < 2; i++) {
		kept_send(k.client_fd, KEEPER_STDIN, 0, 0, block, sizeof(block));
		kept_until(k.client_fd, KEEPER_STDIN_TAKEN, NULL, NULL);
	}
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, block, sizeof(block));
	kept_send(k.client_fd, KEEPER_PING, 0, 0, NULL, 0);
	kept_until(k.client_fd, KEEPER_OK, NULL, NULL);
	kept_send(k.client_fd, KEEPER_SIGNAL, SIGKILL, 0, NULL, 0);
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL).value, 128 + SIGKILL);
}

/* The pipe of a command that was killed must not keep its container waiting for ever. */
static void starter_dies(bool replaced)
{
	own(kept) struct kept k = KEPT_INIT;
	own_free char *log = NULL;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){
			       .script = "cat; echo over", .attached = true, .interactive = true});
	if (replaced)
		CHECK_OK(keeper_replace(k.run_fd, getenv("INSULA_KEEPER"), KEPT_WAIT_MS, &err));
	close(k.client_fd);
	k.client_fd = -1;
	CHECK_INT(kept_join(&k), 0);
	log = kept_log(&k, BOTH);
	CHECK_STR(log, "over\n");
}

TEST(the_death_of_the_starting_command_ends_its_input)
{
	starter_dies(false);
}

/* Also where another keeper has taken it over meanwhile. */
TEST(a_starting_command_that_dies_after_a_replacement_ends_its_input_too)
{
	starter_dies(true);
}

TEST(what_was_printed_before_is_shown_once_to_a_client)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	own_fd int fd = -1;

	kept_start(&k, &(struct kept_options){.script = "echo before; read line; echo after",
					      .attached = true,
					      .interactive = true});
	kept_until_output(k.client_fd, &out, "before");
	str_reset(&out);
	fd = kept_connect(&k);
	for (int i = 0; i < 2; i++)
		kept_send(fd, KEEPER_ATTACH, 4096, 0, NULL, 0);
	kept_until_output(fd, &out, "before");
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, "\n", 1);
	kept_until(fd, KEEPER_EXIT, &out, NULL);
	CHECK_STR(out.data, "before\nafter\n");
}

TEST(a_terminal_has_a_size_and_takes_input)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);

	kept_start(&k, &(struct kept_options){
			       .script = "trap 'stty size' WINCH; test -t 0 && echo tty; "
					 "until read line; do :; done; echo got $line; read line",
			       .attached = true,
			       .terminal = true});
	kept_until_output(k.client_fd, &out, "tty");
	kept_send(k.client_fd, KEEPER_RESIZE, 33 << 16 | 77, 0, NULL, 0);
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, "abc\n", 4);
	kept_until_output(k.client_fd, &out, "got abc");
	kept_until_output(k.client_fd, &out, "33 77");
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, "\n", 1);
	kept_until(k.client_fd, KEEPER_EXIT, &out, NULL);
}

/* What a program writes right before it ends is still in the terminal when it is reaped. */
TEST(the_last_words_on_a_terminal_are_not_lost)
{
	for (int i = 0; i < 20; i++) {
		own(str) struct str out = STR_INIT(65536);
		own_free char *log = NULL;

		run(&(struct kept_options){.script = "seq 1 700; exec echo last words",
					   .attached = true,
					   .terminal = true},
		    &out, NULL, &log);
		CHECK(strstr(out.data, "700\nlast words\n"));
		CHECK(strstr(log, "700\nlast words\n"));
	}
}

TEST(a_terminal_that_nobody_has_open_comes_back)
{
	own(str) struct str out = STR_INIT(4096);

	/* What opens its terminal anew, as an init does with its console, is seen. */
	run(&(struct kept_options){.script = "t=$(tty); exec <&- >&- 2>&-; sleep 0.3; "
					     "echo again >$t; sleep 0.1",
				   .attached = true,
				   .terminal = true},
	    &out, NULL, NULL);
	CHECK(strstr(out.data, "again"));
}

TEST(a_flood_is_logged_within_bounds)
{
	own(kept) struct kept k = KEPT_INIT;
	struct stat st;
	const char *names[] = {"log", "log.1", "log.2"};

	kept_start(&k, &(struct kept_options){
			       .script = "yes 0123456789012345678901234567890123456789012345678 | "
					 "head -c 200000000",
			       .log_max_size = 2 << 20});
	CHECK_INT(kept_join(&k), 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK(fstatat(k.dir_fd, names[i], &st, 0) == 0);
		CHECK(st.st_size > 0 && st.st_size <= 2 << 20);
	}
	CHECK(fstatat(k.dir_fd, "log.3", &st, 0) < 0);
}

/* Until the client that does not read holds up the output: what is logged grows no more. */
static void until_stuck(const struct kept *k)
{
	int64_t end = clock_boot_ms() + KEPT_WAIT_MS;
	off_t before = 0;
	struct stat st;
	int same = 0;

	while (same < 5 && clock_boot_ms() < end) {
		test_sleep_ms(20);
		if (fstatat(k->dir_fd, "log", &st, 0) < 0)
			st.st_size = 0; /* not yet */
		same = st.st_size > 65536 && st.st_size == before ? same + 1 : 0;
		before = st.st_size;
	}
	CHECK_INT(same, 5);
}

TEST(a_slow_client_gets_everything)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(8 << 20);

	kept_start(&k, &(struct kept_options){.script = "seq 1 300000", .attached = true});
	until_stuck(&k);
	CHECK_INT(waitpid(k.pid, NULL, WNOHANG), 0);
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, &out, NULL).value, 0);
	check_numbers(out.data, 300000);
	CHECK_INT(kept_join(&k), 0);
}

/* One that was connected, and asks when the container has ended already. */
TEST(who_asks_late_is_told_at_once)
{
	own(kept) struct kept k = KEPT_INIT;
	own_fd int late_fd = -1;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "seq 1 300000", .attached = true});
	until_stuck(&k);
	late_fd = kept_connect(&k);
	CHECK_OK(keeper_request(k.run_fd, KEEPER_STOP, SIGKILL, 0, KEPT_WAIT_MS, &err));
	kept_send(late_fd, KEEPER_WAIT, 0, 0, NULL, 0);
	CHECK_INT(kept_until(late_fd, KEEPER_EXIT, NULL, NULL).value, 128 + SIGKILL);
	kept_send(late_fd, KEEPER_STOP, 0, INT64_MAX, NULL, 0);
	CHECK_INT(kept_until(late_fd, KEEPER_EXIT, NULL, NULL).value, 128 + SIGKILL);
}

/* The container's end does not wait for a client that does not read. */
TEST(a_stuck_client_does_not_hold_up_the_end)
{
	own(kept) struct kept k = KEPT_INIT;
	own(exit_record) struct exit_record record = {0};
	own(str) struct str out = STR_INIT(8 << 20);
	own_fd int fd = -1;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "seq 1 300000", .attached = true});
	until_stuck(&k);
	fd = kept_connect(&k);
	kept_send(fd, KEEPER_STOP, SIGKILL, 0, NULL, 0);
	CHECK_INT(kept_until(fd, KEEPER_EXIT, NULL, NULL).value, 128 + SIGKILL);
	CHECK_OK(store_read_exit(k.dir_fd, &record, &err));
	CHECK_INT(record.signal, SIGKILL);
	/* And the client, when it reads at last, gets what was written, to the end. */
	kept_until(k.client_fd, KEEPER_EXIT, &out, NULL);
	CHECK(out.len > 65536);
	CHECK_INT(kept_join(&k), 128 + SIGKILL);
}

/* Blocked output, a dead container, a silent one: no reason to do anything. */
TEST(a_keeper_that_waits_does_not_spin)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;
	long before;

	kept_start(&k,
		   &(struct kept_options){.script = "seq 1 300000; sleep 1000", .attached = true});
	until_stuck(&k);
	before = kept_cpu_ticks(k.pid);
	usleep(500000);
	CHECK(kept_cpu_ticks(k.pid) - before <= 5);
	CHECK_OK(keeper_request(k.run_fd, KEEPER_STOP, SIGKILL, 0, KEPT_WAIT_MS, &err));
	before = kept_cpu_ticks(k.pid);
	usleep(500000);
	CHECK(kept_cpu_ticks(k.pid) - before <= 5);
	/* And one that only waits for a client goes when it is told to. */
	kill(k.pid, SIGTERM);
	CHECK_INT(kept_join(&k), 128 + SIGKILL);
}

TEST(the_death_of_a_stuck_client_frees_the_output)
{
	own(kept) struct kept k = KEPT_INIT;

	kept_start(&k, &(struct kept_options){.script = "seq 1 300000", .attached = true});
	until_stuck(&k);
	CHECK_INT(waitpid(k.pid, NULL, WNOHANG), 0);
	close(k.client_fd);
	k.client_fd = -1;
	CHECK_INT(kept_join(&k), 0);
}

TEST(requests_are_answered_while_output_is_stuck)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "yes", .attached = true});
	until_stuck(&k);
	CHECK_OK(keeper_request(k.run_fd, KEEPER_PING, 0, 0, test_slowed(1000), &err));
	CHECK_OK(keeper_request(k.run_fd, KEEPER_STOP, SIGKILL, 0, test_slowed(5000), &err));
}

/* Numbers written without a break while the keeper is replaced under them, five times: neither the
 * log nor a client that stays attached misses one, and whoever waits is told the exit code. */
TEST(replacement_loses_nothing)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(1 << 20);
	own_free char *log = NULL;
	own_fd int waiting_fd = -1;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "i=1; while [ $i -le 20000 ]; do echo $i; "
							"i=$((i+1)); done; sleep 0.2; exit 11",
					      .attached = true});
	waiting_fd = kept_connect(&k);
	kept_send(waiting_fd, KEEPER_WAIT, 0, 0, NULL, 0);
	for (int i = 0; i < 5; i++) {
		kept_until_output(k.client_fd, &out,
				  (const char *[]){"10", "20", "30", "40", "50"}[i]);
		CHECK_OK(keeper_replace(k.run_fd, getenv("INSULA_KEEPER"), KEPT_WAIT_MS, &err));
	}
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, &out, NULL).value, 11);
	CHECK_INT(kept_until(waiting_fd, KEEPER_EXIT, NULL, NULL).value, 11);
	CHECK_INT(kept_join(&k), 11);
	log = kept_log(&k, BOTH);
	check_numbers(out.data, 20000);
	check_numbers(log, 20000);
}

/* Neither a client that does not read nor a container that does not: what is under way both ways
 * goes along. */
TEST(replacement_waits_for_nobody)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(8 << 20), errors = STR_INIT(4096);
	static char block[KEEPER_DATA_MAX];
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){
			       .script = "exec 3<&0; (sleep 1; wc -c <&3 >&2) & exec 3<&-; "
					 "seq 1 200000; wait",
			       .attached = true,
			       .interactive = true});
	for (int i = 0; i < 2; i++) {
		kept_send(k.client_fd, KEEPER_STDIN, 0, 0, block, sizeof(block));
		kept_until(k.client_fd, KEEPER_STDIN_TAKEN, &out, NULL);
	}
	kept_send(k.client_fd, KEEPER_STDIN, 0, 0, block, sizeof(block));
	kept_send(k.client_fd, KEEPER_STDIN_EOF, 0, 0, NULL, 0);
	test_sleep_ms(200);
	for (int i = 0; i < 3; i++)
		CHECK_OK(keeper_replace(k.run_fd, getenv("INSULA_KEEPER"), KEPT_WAIT_MS, &err));
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, &out, &errors).value, 0);
	CHECK_INT(atoi(errors.data), 3 * KEEPER_DATA_MAX);
	check_numbers(out.data, 200000);
}

TEST(a_replacement_that_cannot_run_changes_nothing)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "sleep 0.5; exit 12", .attached = true});
	CHECK_ERR(keeper_replace(k.run_fd, "/nonexistent/keeper", KEPT_WAIT_MS, &err),
		  ERR_NOT_FOUND, "/nonexistent/keeper");
	CHECK_ERR(keeper_replace(k.run_fd, "relative", KEPT_WAIT_MS, &err), ERR_INVALID,
		  "absolute");
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL).value, 12);
}

TEST(a_stop_goes_on_after_a_replacement)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	struct err err = ERR_INIT;
	own_fd int fd = -1;

	kept_start(&k, &(struct kept_options){.script = "trap '' TERM; echo ready; "
							"while :; do sleep 0.05; done",
					      .attached = true});
	kept_until_output(k.client_fd, &out, "ready");
	fd = kept_connect(&k);
	kept_send(fd, KEEPER_STOP, 0, 700, NULL, 0);
	CHECK_OK(keeper_replace(k.run_fd, getenv("INSULA_KEEPER"), KEPT_WAIT_MS, &err));
	CHECK_INT(kept_join(&k), 128 + SIGKILL);
}

static bool has_run_directory(const struct kept *k)
{
	char path[5000];

	snprintf(path, sizeof(path), "%s/containers/%s", k->run, k->id);
	return access(path, F_OK) == 0;
}

static bool has_root_directory(const struct kept *k)
{
	char path[5000];

	snprintf(path, sizeof(path), "%s/containers/%s", k->root, k->id);
	return access(path, F_OK) == 0;
}

/* Whenever it is killed: the run directory is there to find the rest by, and its lock is free. */
static void check_killed_at(const char *point, bool remove, bool recorded, bool root_left)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;
	char fail[64];

	snprintf(fail, sizeof(fail), "%s=kill", point);
	kept_start(&k, &(struct kept_options){.script = "exit 3", .fail = fail, .remove = remove});
	CHECK_INT(kept_join(&k), 128 + SIGKILL);
	CHECK(has_run_directory(&k));
	CHECK_INT(file_lock_held(k.run_fd, "alive", &err), 0);
	CHECK_INT(has_root_directory(&k), root_left);
	CHECK_INT(faccessat(k.dir_fd, "exit.json", F_OK, 0) == 0, recorded);
}

TEST(a_keeper_killed_while_it_clears_up_leaves_what_can_be_finished)
{
#ifndef INSULA_FAILPOINTS
	SKIP("built without failpoints");
#endif
	check_killed_at("keeper.exit.measure", false, false, true);
	check_killed_at("keeper.exit.record", false, false, true);
	check_killed_at("keeper.exit.cgroup", false, true, true);
	check_killed_at("keeper.exit.layers", false, true, true);
	check_killed_at("keeper.exit.ids", false, true, true);
	check_killed_at("keeper.exit.socket", false, true, true);
	check_killed_at("keeper.exit.remove", false, true, true);
	check_killed_at("keeper.exit.release", false, true, true);
	check_killed_at("keeper.exit.remove", true, false, true);
	check_killed_at("store.remove.root", true, false, true);
	check_killed_at("store.remove.name", true, false, false);
	check_killed_at("store.remove.run", true, false, false);
}

/* A step that fails does not keep the others from being taken. */
TEST(a_step_that_fails_is_skipped)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;

#ifndef INSULA_FAILPOINTS
	SKIP("built without failpoints");
#endif
	kept_start(&k, &(struct kept_options){.script = "exit 3",
					      .attached = true,
					      .fail = "keeper.exit.record=error:EIO"});
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL).value, 3);
	CHECK_INT(kept_join(&k), 3);
	CHECK(faccessat(k.dir_fd, "exit.json", F_OK, 0) < 0);
	CHECK(faccessat(k.run_fd, "ctl", F_OK, 0) < 0);
	CHECK_INT(file_lock_held(k.run_fd, "alive", &err), 0);
}

/* A keeper that cannot begin: the command is told why, and no container is left without one. */
TEST(a_keeper_that_cannot_start_ends_its_container)
{
	own(kept) struct kept k = KEPT_INIT;
	struct kept_options options = {.script = "exec sleep 1000",
				       .fail = "keeper.start=error:EPERM"};
	struct keeper_header header;

#ifndef INSULA_FAILPOINTS
	SKIP("built without failpoints");
#endif
	kept_launch(&k, &options);
	header = kept_until(k.client_fd, KEEPER_ERROR, NULL, NULL);
	CHECK_INT(header.length, sizeof(struct keeper_error));
	CHECK_INT(kept_join(&k), 125);
	CHECK(faccessat(k.run_fd, "ctl", F_OK, 0) < 0);
}

TEST(an_idle_keeper_is_small)
{
	own(kept) struct kept k = KEPT_INIT;
	unsigned long pss, alone;

	kept_start(&k, &(struct kept_options){.script = "seq 1 20000; sleep 1000"});
	usleep(4600000);
	kept_memory(k.pid, &pss, &alone);
	printf("# idle keeper: Pss %lu KiB where it is the only one, %lu KiB its own\n", pss,
	       alone);
	CHECK(alone > 0 && alone <= 100);
}

TEST_MAIN()
