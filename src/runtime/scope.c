/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our side of the conversation with insula-systemd: see scope.h. The helper is a program of its own
 * because libsystemd exists as a shared library only, and because D-Bus is the last thing that the
 * process that starts containers should speak.
 *
 * It is executed with the socket as its descriptor 0 and nothing else of ours, and with the three
 * variables of the environment that say where a bus is.
 */
#include "runtime/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"

/* The helper keeps its own deadline; this is against one that hangs. */
#define ANSWER_GRACE_MS 5000
#define END_MS 10000

static const char *const passed_on[] = {"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS",
					"XDG_RUNTIME_DIR"};

#define PASSED_ON_COUNT (sizeof(passed_on) / sizeof(passed_on[0]))

/* In the child. */
static _Noreturn void become_helper(const char *program, int sock_fd, char *const envp[])
{
	static const char name[] = "insula-systemd";
	char *argv[] = {(char *)name, NULL};
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err ignored = ERR_INIT;

	proc_reset_signals();
	if (null_fd >= 0 && dup2(sock_fd, 0) == 0 && dup2(null_fd, 1) == 1 &&
	    fd_cloexec_from(3, &ignored) == 0)
		execve(program, argv, envp);
	_exit(127);
}

static int collect_environment(struct strv *ret, struct err *err)
{
	for (size_t i = 0; i < PASSED_ON_COUNT; i++) {
		const char *value = getenv(passed_on[i]);

		if (value && strv_addf(ret, err, "%s=%s", passed_on[i], value) < 0)
			return -1;
	}
	/* Never NULL, for execve(2). */
	return strv_add(ret, "LC_ALL=C", err);
}

static int start_helper(struct scope *scope, struct err *err)
{
	own(strv) struct strv environment = STRV_INIT;
	char program[PATH_MAX];

	if (proc_find_ours("insula-systemd", "INSULA_SYSTEMD", program, sizeof(program), err) < 0)
		return err_wrap(err, "the systemd manager needs its helper");
	if (collect_environment(&environment, err) < 0)
		return -1;
	own_fd int theirs = -1;
	if (fd_socket_pair(&scope->sock_fd, &theirs, err) < 0)
		return -1;
	pid_t pid = proc_clone(&scope->helper, 0, -1, err);
	if (pid == 0)
		become_helper(program, theirs, environment.items);
	return pid < 0 ? err_wrap(err, "cannot start insula-systemd") : 0;
}

static int check_reply(const struct scope_reply *reply, ssize_t size, struct err *err)
{
	if (size == 0) {
		err_set(err, ERR_IO, 0, "insula-systemd ended without an answer");
		return err_hint(err, "is libsystemd installed? run insula-systemd by hand to see");
	}
	if (size != sizeof(*reply) || reply->version != SCOPE_REPLY_VERSION)
		return err_set(err, ERR_INTERNAL, 0, "insula-systemd is of another version");
	if (!reply->failed)
		return 0;
	*err = reply->err;
	return -1;
}

static int receive_reply(const struct scope *scope, uint64_t timeout_ms, struct scope_reply *ret,
			 struct err *err)
{
	struct pollfd wait = {.fd = scope->sock_fd, .events = POLLIN};
	int64_t deadline = clock_boot_ms() + (int64_t)timeout_ms + ANSWER_GRACE_MS;
	size_t none;
	int n;

	do
		n = poll(&wait, 1, (int)(deadline - clock_boot_ms()));
	while (n < 0 && errno == EINTR && clock_boot_ms() < deadline);
	if (n < 0 && errno != EINTR)
		return err_errno(err, "cannot wait for insula-systemd");
	if (n <= 0)
		return err_set(err, ERR_TIMEOUT, 0, "insula-systemd does not answer");
	ssize_t size = fd_recv(scope->sock_fd, ret, sizeof(*ret), NULL, 0, &none, err);
	/* Gone without having read what we sent. */
	if (size < 0 && err->errnum == ECONNRESET)
		size = 0;
	return size < 0 ? -1 : check_reply(ret, size, err);
}

static int converse(const struct scope *scope, const struct scope_request *request,
		    struct scope_reply *ret, struct err *err)
{
	own(str) struct str text = STR_INIT(SCOPE_REQUEST_MAX);

	if (scope_request_print(request, &text, err) < 0)
		return -1;
	if ((fd_send(scope->sock_fd, text.data, text.len, NULL, 0, err) < 0 &&
	     err->errnum != EPIPE) ||
	    receive_reply(scope, request->timeout_ms, ret, err) < 0)
		return err_wrap(err, "unit '%s'", request->unit);
	return 0;
}

int scope_ask_more(const struct scope *scope, const struct scope_request *request, struct err *err)
{
	struct scope_reply reply;

	return converse(scope, request, &reply, err);
}

int scope_ask(const struct scope_request *request, struct scope *ret, struct scope_reply *ret_reply,
	      struct err *err)
{
	own(scope) struct scope scope = SCOPE_INIT;
	struct scope_reply reply = {0};

	if (start_helper(&scope, err) < 0 || converse(&scope, request, &reply, err) < 0)
		return -1;
	if (ret_reply)
		*ret_reply = reply;
	if (ret) {
		*ret = scope;
		scope = SCOPE_INIT;
	}
	return 0;
}

int scope_settle(struct scope *scope, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct proc_exit how;

	if (scope->sock_fd < 0)
		return 0;
	if (fd_send(scope->sock_fd, "s", 1, NULL, 0, err) < 0)
		return err_wrap(err, "insula-systemd died");
	/* It has nothing to do any more but to end; who is in a hurry need not wait for long. A process that
	 * only works for its parent (start_nested.c) leaves it to that one, by scope_done(). */
	fd_close(take_fd(scope->sock_fd));
	int ended = proc_wait(&scope->helper, END_MS, &how, &ignored);
	if (ended == 1)
		proc_forget(&scope->helper);
	else if (ended == 0)
		proc_done(&scope->helper);
	return 0;
}

void scope_done(struct scope *scope)
{
	struct err ignored = ERR_INIT;
	struct proc_exit how;

	fd_close(scope->sock_fd);
	/* Without our end it stops the unit, and ends. */
	if (scope->helper.pidfd >= 0 && proc_wait(&scope->helper, END_MS, &how, &ignored) == 1)
		proc_forget(&scope->helper);
	else
		proc_done(&scope->helper);
	*scope = SCOPE_INIT;
}

/* sd_booted(3) */
bool scope_host_has_manager(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

bool scope_available(bool user)
{
	char path[PATH_MAX];
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (!scope_host_has_manager())
		return false;
	if (!user)
		return access("/run/dbus/system_bus_socket", F_OK) == 0 ||
		       access("/run/systemd/private", F_OK) == 0;
	if (getenv("DBUS_SESSION_BUS_ADDRESS"))
		return true;
	return dir && snprintf(path, sizeof(path), "%s/bus", dir) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}
