/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keeper_attach() in a child with a terminal or pipes of its own; the test plays both the user at
 * those and the keeper at the other end of the connection.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/keeper.h"
#include "kernel/tty.h"
#include "test.h"

#define WAIT_MS 10000
#define CODE_DETACHED 201
#define CODE_FAILED 202

struct user {
	int keeper_fd;			/* the keeper's end */
	int master_fd, slave_fd;	/* the user's terminal, or */
	int input_fd, output_fd;	/* pipes */
	pid_t pid;			/* the attached command */
	struct keeper_header header;	/* of the last message */
	char data[KEEPER_DATA_MAX + 1]; /* of the last message */
};

#define USER_INIT \
	((struct user){.keeper_fd = -1, \
		       .master_fd = -1, \
		       .slave_fd = -1, \
		       .input_fd = -1, \
		       .output_fd = -1})

static void user_done(struct user *u)
{
	fd_close(u->keeper_fd);
	fd_close(u->master_fd);
	fd_close(u->slave_fd);
	fd_close(u->input_fd);
	fd_close(u->output_fd);
	if (u->pid > 0) {
		kill(u->pid, SIGKILL);
		waitpid(u->pid, NULL, 0);
	}
}

_Noreturn static void attach_child(int fd, const int stdio[3], const struct attach_options *options)
{
	struct err err = ERR_INIT;
	int code = 0, result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc_reset_signals();
	for (int i = 0; i < 3; i++)
		dup2(stdio[i], i);
	/* Nothing of the other side: it would never see its end. */
	fd = dup2(fd, 3);
	close_range(4, ~0U, 0);
	result = keeper_attach(fd, options, &code, &err);
	signal(SIGPIPE, SIG_IGN); /* for the diagnostics below; attaching took care of itself */
	if (result < 0)
		printf("# %s\n", err.message);
	fflush(stdout);
	_exit(result < 0 ? CODE_FAILED : result > 0 ? CODE_DETACHED : code);
}

static void start(struct user *u, const int stdio[3], const struct attach_options *options)
{
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	u->pid = fork();
	CHECK(u->pid >= 0);
	if (u->pid == 0)
		attach_child(pair[1], stdio, options);
	close(pair[1]);
	u->keeper_fd = pair[0];
}

static struct detach_keys used_keys = DETACH_KEYS_DEFAULT;

/* The child's end of the terminal stays open here too, so its state can be looked at. */
static void start_on_terminal(struct user *u, bool sig_proxy)
{
	struct attach_options options = {
		.terminal = true, .interactive = true, .sig_proxy = sig_proxy, .keys = used_keys};
	struct err err = ERR_INIT;

	test_terminal(&u->master_fd, &u->slave_fd);
	CHECK_OK(tty_set_size(u->master_fd, 25, 81, &err));
	start(u, (int[]){u->slave_fd, u->slave_fd, u->slave_fd}, &options);
}

static void start_on_pipes(struct user *u, bool interactive)
{
	struct attach_options options = {.interactive = interactive, .sig_proxy = true};
	int input[2], output[2];

	CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
	start(u, (int[]){input[0], output[1], output[1]}, &options);
	close(input[0]);
	close(output[1]);
	u->input_fd = input[1];
	u->output_fd = output[0];
}

/* The next message that the command sends. */
static enum keeper_message next(struct user *u)
{
	struct err err = ERR_INIT;
	int got = keeper_receive(u->keeper_fd, &u->header, u->data, WAIT_MS, &err);

	CHECK_OK(got);
	CHECK_INT(got, 1);
	u->data[u->header.length] = '\0';
	return u->header.type;
}

static void say(struct user *u, enum keeper_message type, int64_t value, const char *text)
{
	struct err err = ERR_INIT;

	CHECK_OK(keeper_send(u->keeper_fd, type, value, 0, text, text ? strlen(text) : 0, &err));
}

static void expect_signal(struct user *u, int signal)
{
	CHECK_INT(next(u), KEEPER_SIGNAL);
	CHECK_INT(u->header.value, signal);
}

static void expect_input(struct user *u, const char *text)
{
	CHECK_INT(next(u), KEEPER_STDIN);
	CHECK_STR(u->data, text);
	say(u, KEEPER_STDIN_TAKEN, 0, NULL);
}

static bool is_quiet(struct user *u)
{
	struct pollfd wait = {.fd = u->keeper_fd, .events = POLLIN};

	return poll(&wait, 1, 100) == 0;
}

static void type(struct user *u, const char *keys, size_t size)
{
	CHECK(write(u->master_fd >= 0 ? u->master_fd : u->input_fd, keys, size) == (ssize_t)size);
}

static bool is_raw(struct user *u)
{
	struct termios now;

	CHECK(tcgetattr(u->slave_fd, &now) == 0);
	return !(now.c_lflag & (ICANON | ECHO | ISIG));
}

/* Reads what the user sees until `text` is in it. */
static void see(struct user *u, const char *text)
{
	int fd = u->master_fd >= 0 ? u->master_fd : u->output_fd;
	char seen[4096] = "";
	size_t used = 0;

	while (!strstr(seen, text)) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t n;

		CHECK(poll(&wait, 1, WAIT_MS) == 1);
		n = read(fd, seen + used, sizeof(seen) - used - 1);
		CHECK(n > 0);
		used += (size_t)n;
		seen[used] = '\0';
	}
}

static int join(struct user *u)
{
	int status = 0;

	for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 5) {
		if (waitpid(u->pid, &status, WNOHANG) == u->pid) {
			u->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		usleep(5000);
	}
	test_fail(__FILE__, __LINE__, "the attached command does not end");
}

static void expect_attached(struct user *u, bool terminal)
{
	if (terminal) {
		CHECK_INT(next(u), KEEPER_RESIZE);
		CHECK_INT(u->header.value, 25 << 16 | 81);
	}
	CHECK_INT(next(u), KEEPER_ATTACH);
}

TEST(the_size_comes_first_and_the_terminal_is_raw_meanwhile)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	CHECK(is_raw(&u));
	say(&u, KEEPER_STDOUT, 0, "hello\n");
	see(&u, "hello\n");
	say(&u, KEEPER_EXIT, 7, NULL);
	CHECK_INT(join(&u), 7);
	CHECK(!is_raw(&u));
}

TEST(the_terminal_is_restored_when_the_keeper_dies)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	CHECK(is_raw(&u));
	close(u.keeper_fd);
	u.keeper_fd = -1;
	CHECK_INT(join(&u), CODE_FAILED);
	CHECK(!is_raw(&u));
}

TEST(the_terminal_is_restored_when_a_signal_ends_us)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, false);
	expect_attached(&u, true);
	CHECK(is_raw(&u));
	kill(u.pid, SIGTERM);
	CHECK_INT(join(&u), 128 + SIGTERM);
	CHECK(!is_raw(&u));
}

TEST(the_terminal_is_raw_again_after_a_stop)
{
	own(user) struct user u = USER_INIT;
	struct termios cooked;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	/* What a shell does when a job is stopped, and when it goes on. */
	kill(u.pid, SIGSTOP);
	CHECK(tcgetattr(u.slave_fd, &cooked) == 0);
	cooked.c_lflag |= ICANON | ECHO | ISIG;
	CHECK(tcsetattr(u.slave_fd, TCSANOW, &cooked) == 0);
	kill(u.pid, SIGCONT);
	CHECK_INT(next(&u), KEEPER_RESIZE);
	CHECK(is_raw(&u));
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
	CHECK(!is_raw(&u));
}

TEST(what_is_typed_is_sent_piece_by_piece)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	type(&u, "ls\r", 3);
	CHECK_INT(next(&u), KEEPER_STDIN);
	CHECK_STR(u.data, "ls\r");
	type(&u, "\x03more", 5);
	CHECK(is_quiet(&u)); /* nothing before the first was taken */
	say(&u, KEEPER_STDIN_TAKEN, 0, NULL);
	expect_input(&u, "\x03more");
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
}

TEST(the_detach_keys_detach)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	type(&u, "a\x10", 2);
	expect_input(&u, "a");
	type(&u, "\x11", 1);
	CHECK_INT(join(&u), CODE_DETACHED);
	CHECK(!is_raw(&u));
}

/* While the container does not read, too. */
TEST(the_detach_keys_are_seen_behind_untaken_input)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	type(&u, "a", 1);
	CHECK_INT(next(&u), KEEPER_STDIN);
	type(&u, "bcd\x10\x11", 5);
	CHECK_INT(join(&u), CODE_DETACHED);
}

TEST(a_ctrl_p_that_does_not_detach_is_passed_on)
{
	own(user) struct user u = USER_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	type(&u, "\x10x", 2);
	expect_input(&u, "\x10x");
	type(&u, "\x10\x10y", 3);
	expect_input(&u, "\x10\x10y");
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
}

TEST(other_detach_keys_may_begin_like_themselves)
{
	own(user) struct user u = USER_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(detach_keys_parse("a,a,ctrl-b", &used_keys, &err));
	start_on_terminal(&u, true);
	expect_attached(&u, true);
	type(&u, "\x10\x11", 2); /* the usual ones are data now */
	expect_input(&u, "\x10\x11");
	type(&u, "aaac", 4);
	expect_input(&u, "aaac");
	type(&u, "xa", 2);
	expect_input(&u, "x");
	type(&u, "aa\x02", 3);
	CHECK_INT(next(&u), KEEPER_STDIN);
	CHECK_STR(u.data, "a");
	CHECK_INT(join(&u), CODE_DETACHED);
	used_keys = DETACH_KEYS_DEFAULT;
}

TEST(without_detach_keys_all_that_is_typed_is_data)
{
	own(user) struct user u = USER_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(detach_keys_parse("", &used_keys, &err));
	CHECK_INT(used_keys.length, 0);
	start_on_terminal(&u, true);
	expect_attached(&u, true);
	type(&u, "\x10\x11z", 3);
	expect_input(&u, "\x10\x11z");
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
	used_keys = DETACH_KEYS_DEFAULT;
}

TEST(detach_keys_are_read)
{
	static const char *const bad[] = {"ctrl-",   "ctrl-1", "ab",
					  "ctrl-pq", "a,,b",   "a,b,c,d,e,f,g,h,i"};
	struct detach_keys keys;
	struct err err = ERR_INIT;

	CHECK_OK(detach_keys_parse(NULL, &keys, &err));
	CHECK(keys.length == 2 && keys.keys[0] == 16 && keys.keys[1] == 17);
	CHECK_OK(detach_keys_parse("ctrl-a,ctrl-z,ctrl-@,ctrl-_,ctrl-\\,x", &keys, &err));
	CHECK(keys.length == 6 && memcmp(keys.keys, "\1\32\0\37\34x", 6) == 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_ERR(detach_keys_parse(bad[i], &keys, &err), ERR_USAGE, bad[i]);
}

TEST(the_detach_keys_are_data_without_a_terminal)
{
	own(user) struct user u = USER_INIT;

	start_on_pipes(&u, true);
	expect_attached(&u, false);
	type(&u, "\x10\x11", 2);
	expect_input(&u, "\x10\x11");
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
}

TEST(a_new_size_is_sent)
{
	own(user) struct user u = USER_INIT;
	struct err err = ERR_INIT;

	start_on_terminal(&u, true);
	expect_attached(&u, true);
	CHECK_OK(tty_set_size(u.master_fd, 50, 132, &err));
	kill(u.pid, SIGWINCH);
	CHECK_INT(next(&u), KEEPER_RESIZE);
	CHECK_INT(u.header.value, 50 << 16 | 132);
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
}

TEST(signals_are_forwarded)
{
	static const int signals[] = {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGINT, SIGTERM};
	own(user) struct user u = USER_INIT;

	start_on_pipes(&u, false);
	expect_attached(&u, false);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		kill(u.pid, signals[i]);
		expect_signal(&u, signals[i]);
	}
	say(&u, KEEPER_EXIT, 128 + SIGTERM, NULL);
	CHECK_INT(join(&u), 128 + SIGTERM);
}

/* A program without a handler, as PID 1, never sees SIGINT. */
TEST(the_third_interrupt_lets_go)
{
	own(user) struct user u = USER_INIT;

	start_on_pipes(&u, false);
	expect_attached(&u, false);
	kill(u.pid, SIGINT);
	expect_signal(&u, SIGINT);
	kill(u.pid, SIGINT);
	expect_signal(&u, SIGINT);
	kill(u.pid, SIGINT);
	CHECK_INT(join(&u), CODE_DETACHED);
}

TEST(the_end_of_input_is_sent_after_the_input)
{
	own(user) struct user u = USER_INIT;

	start_on_pipes(&u, true);
	expect_attached(&u, false);
	type(&u, "last", 4);
	close(u.input_fd);
	u.input_fd = -1;
	expect_input(&u, "last");
	CHECK_INT(next(&u), KEEPER_STDIN_EOF);
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
}

TEST(input_stays_with_its_owner_when_it_is_not_wanted)
{
	own(user) struct user u = USER_INIT;

	start_on_pipes(&u, false);
	expect_attached(&u, false);
	type(&u, "not for you", 11);
	CHECK(is_quiet(&u));
	say(&u, KEEPER_EXIT, 0, NULL);
	CHECK_INT(join(&u), 0);
}

TEST(signals_pass_while_the_output_is_stuck)
{
	own(user) struct user u = USER_INIT;
	struct err err = ERR_INIT;
	static char block[KEEPER_DATA_MAX];

	start_on_pipes(&u, false);
	expect_attached(&u, false);
	/* More than the output pipe holds, and nobody reads. */
	for (int i = 0; i < 4; i++)
		CHECK_OK(keeper_send(u.keeper_fd, KEEPER_STDOUT, 0, 0, block, sizeof(block), &err));
	usleep(100000);
	kill(u.pid, SIGUSR1);
	expect_signal(&u, SIGUSR1);
	/* And then all of it comes. */
	say(&u, KEEPER_STDOUT, 0, "end of output");
	say(&u, KEEPER_EXIT, 0, NULL);
	for (size_t total = 0; total < 4 * sizeof(block);) {
		ssize_t n = read(u.output_fd, block, sizeof(block));

		CHECK(n > 0);
		total += (size_t)n;
	}
	CHECK_INT(join(&u), 0);
}

TEST(output_that_nobody_wants_is_an_error)
{
	own(user) struct user u = USER_INIT;

	start_on_pipes(&u, false);
	expect_attached(&u, false);
	close(u.output_fd);
	u.output_fd = -1;
	say(&u, KEEPER_STDOUT, 0, "hello\n");
	CHECK_INT(join(&u), CODE_FAILED);
}

/* To the keeper of a container that ended before anybody attached. */
static int attach_late(bool with_words, int *ret_code, struct err *err)
{
	struct attach_options options = {.interactive = true, .sig_proxy = true};
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	if (with_words)
		CHECK_INT(keeper_send(pair[0], KEEPER_EXIT, 7, 0, NULL, 0, err), 0);
	close(pair[0]);
	own_fd int fd = pair[1];

	return keeper_attach(fd, &options, ret_code, err);
}

TEST(a_keeper_that_was_faster_is_still_heard)
{
	struct err err = ERR_INIT;
	int code = -1;

	CHECK_INT(attach_late(true, &code, &err), 0);
	CHECK_INT(code, 7);
}

TEST(a_keeper_that_went_without_a_word_is_an_error)
{
	struct err err = ERR_INIT;
	int code = -1;

	CHECK_ERR(attach_late(false, &code, &err), ERR_STATE, "ended unexpectedly");
	CHECK_INT(code, -1);
}

TEST_MAIN()
