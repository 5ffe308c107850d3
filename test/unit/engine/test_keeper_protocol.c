/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper's two interfaces, against what is wrong: the state that it is born from, and the
 * messages that it is sent.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/keeper_private.h"
#include "keeper_fixture.h"
#include "test.h"

/* ---- the state ---- */

static int load(const char *text, struct keeper_state *ret, struct err *err)
{
	own_fd int fd = memfd_create("state", MFD_CLOEXEC);

	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return keeper_state_load(fd, ret, err);
}

TEST(missing_members_have_defaults)
{
	own(keeper_state) struct keeper_state state = {0};
	struct err err = ERR_INIT;

	CHECK_OK(load("{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":0}", &state, &err));
	CHECK_STR(state.id, "abc");
	CHECK_INT(state.stop_signal, SIGTERM);
	CHECK_INT(state.stop_timeout_ms, 10000);
	CHECK_INT(state.log_max_size, 10 << 20);
	CHECK_INT(state.log_max_files, 3);
	CHECK_INT(state.alive_fd, -1);
	CHECK_INT(state.stdin_fd, -1);
	CHECK_INT(state.id_slot, -1);
	CHECK_INT(state.clients.count, 0);
	CHECK(!state.name && !state.cgroup_name && !state.replaced);
}

TEST(members_of_a_newer_version_are_ignored)
{
	own(keeper_state) struct keeper_state state = {0};
	struct err err = ERR_INIT;

	CHECK_OK(load(
		"{\"version\":7,\"id\":\"abc\",\"init_pid\":2,\"init_fd\":0,\"views\":[{\"a\":1}],"
		"\"clients\":[{\"fd\":1,\"attached\":true,\"mood\":\"good\"}]}",
		&state, &err));
	CHECK_INT(state.clients.count, 1);
}

TEST(a_damaged_state_is_refused)
{
	static const struct {
		const char *text;
		enum err_kind kind;
		const char *part;
	} cases[] = {
		{"", ERR_INVALID, "keeper state"},
		{"{", ERR_INVALID, "keeper state"},
		{"[]", ERR_INVALID, "keeper state"},
		{"{\"init_pid\":2,\"init_fd\":0}", ERR_INVALID, "id"},
		{"{\"id\":\"abc\",\"init_pid\":2}", ERR_INVALID, "init_fd"},
		{"{\"id\":\"abc\",\"init_fd\":0}", ERR_INVALID, "init_pid"},
		{"{\"id\":\"abc\",\"init_pid\":0,\"init_fd\":0}", ERR_INVALID, "init_pid"},
		{"{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":\"0\"}", ERR_INVALID, "init_fd"},
		{"{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":0,\"stop_signal\":65}", ERR_INVALID,
		 "stop_signal"},
		{"{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":0,\"log_max_files\":0}", ERR_INVALID,
		 "log_max_files"},
		{"{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":99999}", ERR_IO, "99999"},
		{"{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":0,\"clients\":[{\"fd\":99999}]}",
		 ERR_IO, "99999"},
		{"{\"id\":\"abc\",\"init_pid\":2,\"init_fd\":0,\"clients\":[{}]}", ERR_INVALID,
		 "clients[0]"},
	};
	struct keeper_state state;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_ERR(load(cases[i].text, &state, &err), cases[i].kind, cases[i].part);
}

/* This program in the keeper's place: reports what reached it. */
static int report_state(const char *number)
{
	own(keeper_state) struct keeper_state state = {0};
	const struct keeper_client_state *clients;
	struct err err = ERR_INIT;

	if (keeper_state_load(atoi(number), &state, &err) < 0)
		return 1;
	clients = state.clients.items;
	if (!str_eq(state.id, "the id") || !str_eq(state.name, "a \"name\"\n") ||
	    state.kill_at_ms != INT64_MAX || state.stop_timeout_ms != UINT64_MAX || !state.remove ||
	    !state.terminal || state.stdin_fd != -1)
		return 2;
	if (state.clients.count != 2 || !clients[1].attached || clients[0].attached ||
	    fcntl(clients[1].fd, F_GETFD) < 0)
		return 3;
	/* What was not named did not come along: standard streams, state, init, two clients. */
	return fd_count_open() == 7 ? 0 : 4;
}

TEST(the_state_goes_through_execve_and_nothing_else)
{
	struct keeper_client_state clients[] = {{.fd = 0}, {.fd = 0, .attached = true}};
	struct keeper_state state;
	struct err err = ERR_INIT;
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		keeper_state_init(&state);
		state.id = (char *)"the id";
		state.name = (char *)"a \"name\"\n";
		state.kill_at_ms = INT64_MAX;
		state.stop_timeout_ms = UINT64_MAX;
		state.remove = state.terminal = true;
		state.init_pid = 1;
		state.init_fd = fcntl(0, F_DUPFD_CLOEXEC, 20);
		clients[0].fd = fcntl(0, F_DUPFD_CLOEXEC, 30);
		clients[1].fd = fcntl(0, F_DUPFD_CLOEXEC, 40);
		state.clients = (struct json_array){clients, 2};
		fcntl(0, F_DUPFD, 50); /* a stray one */
		keeper_exec("/proc/self/exe", &state, &err);
		_exit(125);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

/* ---- messages ---- */

static int raw_connect(struct kept *k)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/ctl", k->run_fd);
	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

/* True if the keeper closes the connection within the time. */
static bool is_closed(int fd, int timeout_ms)
{
	static char data[KEEPER_DATA_MAX];
	int64_t end_ms = clock_boot_ms() + timeout_ms;
	struct keeper_header header;
	struct err err;
	int got;

	do {
		int64_t left_ms = end_ms - clock_boot_ms();

		got = keeper_receive(fd, &header, data, left_ms < 0 ? 0 : (int)left_ms, &err);
	} while (got > 0);
	return got == 0;
}

static void check_alive(struct kept *k)
{
	struct err err = ERR_INIT;

	CHECK_OK(keeper_request(k->run_fd, KEEPER_PING, 0, 0, KEPT_WAIT_MS, &err));
}

TEST(malformed_messages_end_their_connection_and_nothing_else)
{
	static char big[KEEPER_PACKET_MAX + 4096];
	static const struct keeper_header good = {.version = KEEPER_FRAME, .type = KEEPER_PING};
	struct keeper_header wrong_version = good, unknown = good, reply = good, huge = good,
			     surplus = good, hello = good, type_0 = good;
	own(kept) struct kept k = KEPT_INIT;

	wrong_version.version = 99;
	unknown.type = 57;
	reply.type = KEEPER_EXIT;
	huge.length = UINT32_MAX;
	surplus.length = 8; /* a ping takes no data */
	hello.type = KEEPER_HELLO;
	type_0.type = 0;
	memcpy(big, &good, sizeof(good));
	((struct keeper_header *)big)->type = KEEPER_STDIN;
	((struct keeper_header *)big)->length = sizeof(big) - sizeof(good);
	const struct {
		const void *data;
		size_t size;
	} cases[] = {
		{"x", 1},
		{&good, sizeof(good) - 1},
		{&wrong_version, sizeof(good)},
		{&unknown, sizeof(good)},
		{&reply, sizeof(good)},
		{&huge, sizeof(good)},
		{&surplus, sizeof(good)},
		{&hello, sizeof(good)}, /* a second one */
		{&type_0, sizeof(good)},
		{big, sizeof(big)},
	};

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		own_fd int fd = kept_connect(&k);

		CHECK(send(fd, cases[i].data, cases[i].size, MSG_NOSIGNAL) ==
		      (ssize_t)cases[i].size);
		if (!is_closed(fd, KEPT_WAIT_MS))
			test_fail(__FILE__, __LINE__, "case %zu is accepted", i);
		check_alive(&k);
	}
}

TEST(requests_that_cannot_be_met_are_refused_with_a_reason)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	CHECK_ERR(keeper_request(k.run_fd, KEEPER_RESIZE, 1 << 16 | 1, 0, 5000, &err), ERR_STATE,
		  "no terminal");
	CHECK_ERR(keeper_request(k.run_fd, KEEPER_SIGNAL, 0, 0, 5000, &err), ERR_INVALID,
		  "not a signal");
	CHECK_ERR(keeper_request(k.run_fd, KEEPER_SIGNAL, 1000, 0, 5000, &err), ERR_INVALID,
		  "not a signal");
	CHECK_ERR(keeper_request(k.run_fd, KEEPER_STOP, -3, 0, 5000, &err), ERR_INVALID,
		  "not a signal");
	CHECK_ERR(keeper_request(k.run_fd, KEEPER_REPLACE, 0, 0, 5000, &err), ERR_INVALID,
		  "absolute path");
	check_alive(&k);
}

TEST(a_greeting_comes_first)
{
	own(kept) struct kept k = KEPT_INIT;
	own_fd int fd = -1;

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	fd = raw_connect(&k);
	kept_send(fd, KEEPER_SIGNAL, SIGKILL, 0, NULL, 0);
	CHECK(is_closed(fd, KEPT_WAIT_MS));
	check_alive(&k);
}

TEST(who_does_not_greet_is_dropped_after_a_while)
{
	own(kept) struct kept k = KEPT_INIT;
	own_fd int fd = -1;
	int64_t began_ms = clock_boot_ms();

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	fd = raw_connect(&k);
	CHECK(is_closed(fd, KEPT_WAIT_MS));
	CHECK(clock_boot_ms() - began_ms >= KEEPER_HELLO_MS - 100);
}

TEST(the_number_of_clients_is_bounded)
{
	own(kept) struct kept k = KEPT_INIT;
	int fds[KEEPER_CLIENTS_MAX - 1]; /* the starting command is one */
	struct err err = ERR_INIT;

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	for (size_t i = 0; i < KEEPER_CLIENTS_MAX - 1; i++)
		fds[i] = kept_connect(&k);
	CHECK_ERR(keeper_connect(k.run_fd, KEPT_WAIT_MS, &err), ERR_BUSY, "64 clients");
	for (size_t i = 0; i < KEEPER_CLIENTS_MAX - 1; i++)
		close(fds[i]);
	/* It may not have seen yet that they are gone. */
	for (int tries = 0; tries < 100; tries++)
		if (keeper_request(k.run_fd, KEEPER_PING, 0, 0, KEPT_WAIT_MS, &err) == 0)
			return;
		else
			usleep(10000);
	CHECK(false);
}

/* A client that asks and asks, and reads no answer, is dropped before it costs much. */
TEST(answers_that_nobody_reads_are_bounded)
{
	own(kept) struct kept k = KEPT_INIT;
	struct keeper_header ping = {.version = KEEPER_FRAME, .type = KEEPER_PING};
	unsigned long pss, alone;
	own_fd int fd = -1;

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	fd = kept_connect(&k);
	for (int i = 0; i < 100000; i++)
		if (send(fd, &ping, sizeof(ping), MSG_NOSIGNAL) < 0)
			break;
	kept_memory(k.pid, &pss, &alone);
	CHECK(is_closed(fd, KEPT_WAIT_MS));
	check_alive(&k);
	CHECK(alone < 4096);
}

/* Whatever arrives: after it the container runs and the keeper answers. */
TEST(random_messages_do_no_harm)
{
	static char packet[2048];
	own(kept) struct kept k = KEPT_INIT;
	own_fd int fd = -1;

	kept_start(&k, &(struct kept_options){.script = "trap '' HUP INT QUIT USR1 USR2 TERM; "
							"while :; do sleep 1; done",
					      .interactive = true});
	srandom(20261122);
	for (int i = 0; i < 3000; i++) {
		struct keeper_header *header = (struct keeper_header *)packet;
		size_t size = sizeof(*header) + (size_t)random() % (sizeof(packet) - 100);

		if (fd < 0)
			fd = kept_connect(&k);
		for (size_t at = 0; at < size; at++)
			packet[at] = (char)random();
		if (random() % 4) {
			header->version = KEEPER_FRAME;
			header->type = (uint16_t)(random() % 12);
			header->length = (uint32_t)(size - sizeof(*header));
			/* Neither kill it, nor stop it: that would be no harm, but the end. */
			if (header->type == KEEPER_STOP || header->type == KEEPER_SIGNAL)
				header->type = KEEPER_ATTACH;
		}
		if (send(fd, packet, size, MSG_NOSIGNAL) < 0 || is_closed(fd, 0)) {
			close(fd);
			fd = -1;
		}
	}
	check_alive(&k);
}

/* ---- the client's side ---- */

TEST(a_stopped_keeper_blocks_nobody)
{
	own(kept) struct kept k = KEPT_INIT;
	struct err err = ERR_INIT;
	int64_t began_ms;

	kept_start(&k, &(struct kept_options){.script = "sleep 1000"});
	kill(k.pid, SIGSTOP);
	began_ms = clock_boot_ms();
	/* More than the backlog. */
	for (int i = 0; i < 30; i++)
		CHECK_ERR(keeper_request(k.run_fd, KEEPER_PING, 0, 0, 20, &err), ERR_TIMEOUT,
			  "does not answer");
	CHECK(clock_boot_ms() - began_ms < 5000);
	kill(k.pid, SIGCONT);
	check_alive(&k);
}

TEST(a_container_without_a_keeper_is_not_running)
{
	struct err err = ERR_INIT;
	int fd;

	CHECK_ERR(keeper_connect(test_dir(), 1000, &err), ERR_STATE, "not running");
	/* The socket of one that died. */
	fd = keeper_listen(test_dir(), &err);
	CHECK_OK(fd);
	close(fd);
	CHECK_ERR(keeper_connect(test_dir(), 1000, &err), ERR_STATE, "not running");
	/* Its name is taken over. */
	fd = keeper_listen(test_dir(), &err);
	CHECK_OK(fd);
	close(fd);
}

TEST(a_store_may_lie_deeper_than_a_socket_address_is_long)
{
	own_free char *deep = malloc(3000);
	own_fd int dir_fd = -1, listen_fd = -1, fd = -1;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct err err = ERR_INIT;
	size_t length = (size_t)snprintf(deep, 3000, "%s", test_dir_path());

	while (length < 1000)
		length += (size_t)snprintf(deep + length, 3000 - length,
					   "/a-directory-of-some-length");
	dir_fd = file_open_dirs(deep, 0700, &err);
	CHECK_OK(dir_fd);
	listen_fd = keeper_listen(dir_fd, &err);
	CHECK_OK(listen_fd);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/ctl", dir_fd);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
}

TEST(malformed_answers_are_errors)
{
	static char data[KEEPER_DATA_MAX], big[KEEPER_DATA_MAX + 100];
	struct keeper_header header = {.version = KEEPER_FRAME, .type = KEEPER_OK};
	struct err err = ERR_INIT;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(send(pair[1], "x", 1, 0) == 1);
	CHECK_ERR(keeper_receive(pair[0], &header, data, 1000, &err), ERR_IO, "malformed");
	header.length = 5;
	CHECK(send(pair[1], &header, sizeof(header), 0) == sizeof(header));
	CHECK_ERR(keeper_receive(pair[0], &header, data, 1000, &err), ERR_IO, "malformed");
	CHECK(send(pair[1], big, sizeof(big), 0) == sizeof(big));
	CHECK_ERR(keeper_receive(pair[0], &header, data, 1000, &err), ERR_IO, "malformed");
	CHECK_ERR(keeper_receive(pair[0], &header, data, 30, &err), ERR_TIMEOUT, "answer");
	close(pair[1]);
	CHECK_INT(keeper_receive(pair[0], &header, data, 1000, &err), 0);
	CHECK_ERR(keeper_send(pair[0], KEEPER_PING, 0, 0, NULL, 0, &err), ERR_STATE, "gone");
	close(pair[0]);
}

/* The keeper's end of a connection goes while a message of ours is still unread there. */
TEST(a_reset_connection_still_delivers_what_was_sent)
{
	static char data[KEEPER_DATA_MAX];
	struct keeper_header header;
	struct err err = ERR_INIT;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	kept_send(pair[0], KEEPER_SIGNAL, SIGTERM, 0, NULL, 0);
	kept_send(pair[1], KEEPER_EXIT, 7, 0, NULL, 0);
	close(pair[1]);
	CHECK_INT(keeper_receive(pair[0], &header, data, 1000, &err), 1);
	CHECK_INT(header.value, 7);
	CHECK_INT(keeper_receive(pair[0], &header, data, 1000, &err), 0);
	close(pair[0]);
}

TEST(an_error_keeps_its_kind_and_loses_escape_sequences)
{
	struct keeper_header header = {.type = KEEPER_ERROR, .length = sizeof(struct keeper_error)};
	struct keeper_error error = {.kind = ERR_BUSY, .errnum = EBUSY, .message = "busy \x1b[2J"};
	struct err err = ERR_INIT;

	CHECK_ERR(keeper_error_take(&header, &error, &err), ERR_BUSY, "busy ?[2J");
	CHECK_INT(err.errnum, EBUSY);
	error.kind = 12345;
	memset(error.message, 'm', sizeof(error.message));
	memset(error.hint, 'h', sizeof(error.hint));
	CHECK_ERR(keeper_error_take(&header, &error, &err), ERR_IO, "mmm");
	header.length = 3;
	CHECK_ERR(keeper_error_take(&header, &error, &err), ERR_IO, "without a reason");
}

int main(int argc, char **argv)
{
	if (argc > 2 && str_eq(argv[1], "--state"))
		return report_state(argv[2]);
	return test_main(argc, argv);
}
