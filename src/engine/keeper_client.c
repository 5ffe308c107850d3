/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper's protocol from the outside: listening, connecting, one packet out, one packet in.
 *
 * The socket is a name in the container's run directory. Addresses of unix sockets end at 107 bytes,
 * and a store may lie deeper than that, so the address goes through /proc/self/fd. The directory is
 * open to its owner alone; both ends look at the other's uid all the same, because a protocol that
 * can signal and replace things should not hang on the mode of one directory.
 *
 * Every wait has a deadline. A keeper that is stopped (SIGSTOP) lets the kernel accept connections
 * until its backlog is full: then connect(2) itself blocks, for which the send timeout of the socket
 * is the deadline; after that the answer to HELLO does not come in time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/keeper.h"

#define BACKLOG 16
#define SOCKET_NAME "ctl"

int keeper_protocol(void)
{
#ifdef INSULA_FAILPOINTS
	const char *older = getenv("INSULA_TEST_PROTOCOL");
	struct err ignored;
	int64_t version;

	if (older && str_to_i64(older, 1, INT16_MAX, "protocol", &version, &ignored) == 0)
		return (int)version;
#endif
	return KEEPER_PROTOCOL;
}

static struct sockaddr_un address(int run_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", run_fd, SOCKET_NAME);
	return addr;
}

int keeper_listen(int run_fd, struct err *err)
{
	own_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = address(run_fd);

	if (fd < 0)
		return err_errno(err, "cannot create the keeper's socket");
	/* Of a keeper that died: its lock told that it is gone. */
	if (unlinkat(run_fd, SOCKET_NAME, 0) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove an old keeper's socket");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, "cannot listen on the keeper's socket");
	return take_fd(fd);
}

static int check_peer(int fd, struct err *err)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return err_errno(err, "cannot tell whose keeper answers");
	if (peer.uid != 0 && peer.uid != geteuid())
		return err_set(err, ERR_DENIED, 0, "the keeper's socket belongs to uid %u",
			       (unsigned int)peer.uid);
	return 0;
}

static int connect_socket(int run_fd, int timeout_ms, struct err *err)
{
	own_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = timeout_ms / 1000,
				.tv_usec = timeout_ms % 1000 * 1000 + 1};
	struct sockaddr_un addr = address(run_fd);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return err_errno(err, "cannot create a socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return check_peer(fd, err) < 0 ? -1 : take_fd(fd);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return err_set(err, ERR_STATE, errno, "the container is not running");
	if (errno == EAGAIN)
		return err_set(err, ERR_TIMEOUT, 0, "the keeper does not answer");
	return err_errno(err, "cannot connect to the keeper");
}

int keeper_connect(int run_fd, int timeout_ms, struct err *err)
{
	own_free char *data = malloc(KEEPER_DATA_MAX);
	own_fd int fd = connect_socket(run_fd, timeout_ms, err);
	struct keeper_header header;
	int got;

	if (fd < 0)
		return -1;
	if (!data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot connect to the keeper");
	/* A keeper that refuses us has said why before it closed the connection. */
	if (keeper_send(fd, KEEPER_HELLO, keeper_protocol(), 0, NULL, 0, err) < 0 &&
	    err->kind != ERR_STATE)
		return -1;
	got = keeper_receive(fd, &header, data, timeout_ms, err);
	if (got < 0)
		return -1;
	if (got == 0)
		return err_set(err, ERR_STATE, 0, "the container is not running: its keeper ends");
	if (header.type == KEEPER_ERROR)
		return keeper_error_take(&header, data, err);
	if (header.type != KEEPER_WELCOME)
		return err_set(err, ERR_IO, 0, "the keeper greets with message %d", header.type);
	return take_fd(fd);
}

int keeper_send(int fd, enum keeper_message type, int64_t value, int64_t value2, const void *data,
		size_t size, struct err *err)
{
	struct keeper_header header = {.version = KEEPER_FRAME,
				       .type = (uint16_t)type,
				       .length = (uint32_t)size,
				       .value = value,
				       .value2 = value2};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)data, size}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1};

	while (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
		if (errno == EPIPE || errno == ECONNRESET)
			return err_set(err, ERR_STATE, errno, "the keeper has gone");
		if (errno == EAGAIN)
			return err_set(err, ERR_TIMEOUT, 0, "the keeper does not answer");
		if (errno != EINTR)
			return err_errno(err, "cannot write to the keeper");
	}
	return 0;
}

static int wait_readable(int fd, int timeout_ms, struct err *err)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int64_t end_ms = clock_boot_ms() + timeout_ms;

	for (;;) {
		int64_t left_ms = timeout_ms < 0 ? -1 : end_ms - clock_boot_ms();
		int n = poll(&wait, 1, timeout_ms >= 0 && left_ms < 0 ? 0 : (int)left_ms);

		if (n > 0)
			return 0;
		if (n == 0)
			return err_set(err, ERR_TIMEOUT, 0, "the keeper does not answer");
		if (errno != EINTR)
			return err_errno(err, "cannot wait for the keeper");
	}
}

/* A keeper that ends with a message of ours unread resets the connection. That error is reported
 * once, and before what it had sent us: the exit code, say, which is still to be read. */
static bool was_reset(int *count)
{
	return errno == ECONNRESET && ++*count <= 2;
}

int keeper_receive(int fd, struct keeper_header *ret, void *data, int timeout_ms, struct err *err)
{
	struct keeper_header header;
	struct iovec parts[] = {{&header, sizeof(header)}, {data, KEEPER_DATA_MAX}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	int resets = 0;
	ssize_t n;

	if (wait_readable(fd, timeout_ms, err) < 0)
		return -1;
	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || was_reset(&resets)));
	if (n == 0)
		return 0;
	if (n < 0)
		return err_errno(err, "cannot read from the keeper");
	if (n < (ssize_t)sizeof(header) || (message.msg_flags & MSG_TRUNC) ||
	    header.length != (size_t)n - sizeof(header))
		return err_set(err, ERR_IO, 0, "the keeper sent a malformed message");
	*ret = header;
	return 1;
}

int keeper_error_take(const struct keeper_header *header, const void *data, struct err *err)
{
	struct keeper_error error;

	if (header->length != sizeof(error))
		return err_set(err, ERR_IO, 0, "the keeper refused, without a reason");
	memcpy(&error, data, sizeof(error));
	error.message[sizeof(error.message) - 1] = '\0';
	error.hint[sizeof(error.hint) - 1] = '\0';
	if (error.kind <= ERR_NONE || error.kind >= ERR_KIND_COUNT)
		error.kind = ERR_IO;
	err_set(err, (enum err_kind)error.kind, 0, "%s", error.message);
	err->errnum = error.errnum;
	if (error.hint[0])
		return err_hint(err, "%s", error.hint);
	return err->kind != ERR_UNSUPPORTED
		       ? -1
		       : err_hint(err, "its keeper is of an older version: insula system upgrade "
				       "replaces it, and the container goes on");
}

/* Until the answer comes; what else the keeper sends is not for a request. */
static int wait_answer(int fd, int timeout_ms, struct err *err)
{
	own_free char *data = malloc(KEEPER_DATA_MAX);
	int64_t end_ms = clock_boot_ms() + timeout_ms;
	struct keeper_header header;

	if (!data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot ask the keeper");
	for (;;) {
		int64_t left_ms = timeout_ms < 0 ? -1 : end_ms - clock_boot_ms();
		int got = keeper_receive(fd, &header, data,
					 timeout_ms >= 0 && left_ms < 0 ? 0 : (int)left_ms, err);

		if (got < 0)
			return -1;
		if (got == 0)
			return err_set(err, ERR_STATE, 0, "the keeper ended before it answered");
		if (header.type == KEEPER_OK || header.type == KEEPER_EXIT)
			return 0;
		if (header.type == KEEPER_ERROR)
			return keeper_error_take(&header, data, err);
	}
}

int keeper_request(int run_fd, enum keeper_message type, int64_t value, int64_t value2,
		   int timeout_ms, struct err *err)
{
	own_fd int fd = keeper_connect(run_fd, timeout_ms, err);

	if (fd < 0 || keeper_send(fd, type, value, value2, NULL, 0, err) < 0)
		return -1;
	return wait_answer(fd, timeout_ms, err);
}

int keeper_tell(int run_fd, enum keeper_message type, const char *text, int timeout_ms,
		struct err *err)
{
	own_fd int fd = keeper_connect(run_fd, timeout_ms, err);

	if (fd < 0 || keeper_send(fd, type, 0, 0, text, strlen(text), err) < 0)
		return -1;
	return wait_answer(fd, timeout_ms, err);
}

int keeper_replace(int run_fd, const char *program, int timeout_ms, struct err *err)
{
	return keeper_tell(run_fd, KEEPER_REPLACE, program, timeout_ms, err);
}

int keeper_find_program(char *buf, size_t size, struct err *err)
{
	return proc_find_ours("insula-keeper", "INSULA_KEEPER", buf, size, err);
}
