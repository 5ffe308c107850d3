/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole of insula-systemd: one request, one answer, and for a start the wait until it is settled; see
 * scope.h for the protocol. It reads one bounded message from its caller and the service manager's
 * answers, and no file.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/proc.h"
#include "runtime/scope.h"
#include "runtime/scope_bus.h"

static int answer(struct scope_reply *reply, const struct err *err)
{
	struct err ignored = ERR_INIT;

	reply->version = SCOPE_REPLY_VERSION;
	if (err) {
		reply->failed = 1;
		reply->err = *err;
	}
	return fd_send(0, reply, sizeof(*reply), NULL, 0, &ignored);
}

/* A child that only is there; it goes when we do. */
static int make_placeholder(struct proc *ret, struct err *err)
{
	pid_t pid = proc_clone(ret, 0, -1, err);

	if (pid < 0)
		return err_wrap(err, "cannot make a placeholder for the scope");
	if (pid > 0)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "insula-place");
	fd_close(0);
	for (;;)
		pause();
}

static int receive(struct scope_request *ret, bool *ret_settled, struct err *err)
{
	own_free char *text = malloc(SCOPE_REQUEST_MAX);
	size_t none;
	ssize_t size;

	if (!text)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	size = fd_recv(0, text, SCOPE_REQUEST_MAX, NULL, 0, &none, err);
	if (size <= 0)
		return size < 0 ? -1 : err_set(err, ERR_USAGE, 0, "no request");
	*ret_settled = size == 1 && *text == 's';
	return *ret_settled ? 0 : scope_request_parse(text, (size_t)size, ret, err);
}

static int attach_more(struct scope_bus *bus, const struct scope_request *request)
{
	struct scope_reply reply = {0};
	struct err err = ERR_INIT;

	scope_bus_renew(bus);
	if (request->verb != SCOPE_ATTACH)
		err_set(&err, ERR_USAGE, 0, "a start can only be followed by 'attach'");
	else if (scope_bus_attach(bus, request, &err) == 0)
		return answer(&reply, NULL);
	return answer(&reply, &err);
}

/* True: the caller has a process of its own in the scope; false: it gave up, or died. */
static bool wait_settled(struct scope_bus *bus)
{
	bool settled = false;
	int status = 0;

	while (status == 0 && !settled) {
		struct scope_request request = {0};
		struct err ignored = ERR_INIT;

		status = receive(&request, &settled, &ignored);
		if (status == 0 && !settled)
			status = attach_more(bus, &request);
		scope_request_done(&request);
	}
	return settled;
}

static int start(struct scope_bus *bus, const struct scope_request *request, struct err *err)
{
	own(proc) struct proc placeholder = PROC_INIT;
	struct scope_reply reply = {0};
	struct err ignored = ERR_INIT;
	uint64_t pid = request->pid;

	if (!pid && make_placeholder(&placeholder, err) < 0)
		return -1;
	if (!pid)
		pid = (uint64_t)proc_pid_of_fd(-1, placeholder.pidfd);
	if (scope_bus_start(bus, request, (uint32_t)pid, reply.path, err) < 0)
		return -1;
	reply.placeholder = (int32_t)placeholder.pid;
	if (answer(&reply, NULL) == 0 && wait_settled(bus))
		return 0;
	scope_bus_renew(bus); /* however long that took */
	scope_bus_stop(bus, request->unit, &ignored);
	return 0;
}

static int serve(const struct scope_request *request, struct err *err)
{
	own(scope_bus) struct scope_bus bus = {0};
	struct scope_reply reply = {0};
	int status = -1;

	if (scope_bus_open(&bus, request->user, request->timeout_ms, err) < 0)
		return -1;
	switch ((enum scope_verb)request->verb) {
	case SCOPE_START:
		return start(&bus, request, err);
	case SCOPE_SET:
		status = scope_bus_set(&bus, request, reply.path, err);
		break;
	case SCOPE_STOP:
		status = scope_bus_stop(&bus, request->unit, err);
		break;
	case SCOPE_ATTACH:
		status = scope_bus_attach(&bus, request, err);
		break;
	}
	return status < 0 ? -1 : answer(&reply, NULL);
}

static bool is_called_by_us(void)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int scope_helper_main(void)
{
	struct scope_request request = {0};
	struct scope_reply reply = {0};
	struct err err = ERR_INIT;
	bool settled = false;
	int status;

	if (!is_called_by_us()) {
		fputs("insula-systemd " INSULA_VERSION
		      " serves insula and insula-runtime; it is not "
		      "run by hand.\n",
		      stderr);
		return 2;
	}
	if (fd_sanitize_stdio(&err) < 0 || fd_cloexec_from(3, &err) < 0)
		return 1;
	status = receive(&request, &settled, &err);
	if (status == 0 && settled)
		status = err_set(&err, ERR_USAGE, 0, "no request");
	if (status == 0)
		status = serve(&request, &err);
	scope_request_done(&request);
	if (status < 0)
		answer(&reply, &err);
	return status < 0 ? 1 : 0;
}
