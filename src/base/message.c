/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages with descriptors over unix sockets: unix(7), SCM_RIGHTS.
 *
 * The peer may be a container's process, so what arrives is judged: descriptors beyond what the
 * caller asked for are closed at once (a peer must not fill our table), descriptors of a message
 * that is refused are closed as well, and every received one is close-on-exec from the first
 * moment (MSG_CMSG_CLOEXEC).
 *
 * A stream socket may take only a part of the data; the descriptors travel with the first byte, so
 * the rest is sent without them. An empty message cannot be told from end of file and is refused.
 */
#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

/* Room for our descriptors and for the credentials that a socket with SO_PASSCRED adds. */
union control {
	char data[CMSG_SPACE(FD_MESSAGE_MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct cmsghdr align;
};

static void attach_fds(struct msghdr *message, union control *control, const int *fds, size_t nfds)
{
	struct cmsghdr *header = &control->align;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->data;
	message->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(header), fds, nfds * sizeof(int));
}

int fd_send(int sock, const void *data, size_t size, const int *fds, size_t nfds, struct err *err)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;

	if (size == 0 || nfds > FD_MESSAGE_MAX_FDS)
		return err_set(err, ERR_INVALID, 0,
			       "cannot send a message of %zu bytes and %zu "
			       "descriptors",
			       size, nfds);
	if (nfds > 0)
		attach_fds(&message, &control, fds, nfds);
	while (part.iov_len > 0) {
		ssize_t n = sendmsg(sock, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot send a message");
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= (size_t)n;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return 0;
}

/* Sort what came along into fds[] and close the surplus; returns the number kept. */
static size_t collect_fds(struct msghdr *message, int *fds, size_t max_fds)
{
	size_t kept = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			if (kept < max_fds)
				fds[kept++] = fd;
			else
				fd_close(fd);
		}
	}
	return kept;
}

/* One who ends with a message of ours unread resets the connection. That is told once, and before what he had sent: why
 * he ends, for example. */
static bool was_reset(int *count)
{
	return errno == ECONNRESET && ++*count <= 2;
}

ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t max_fds, size_t *ret_nfds,
		struct err *err)
{
	struct iovec part = {.iov_base = data, .iov_len = size};
	union control control;
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.data,
				 .msg_controllen = sizeof(control.data)};
	size_t kept;
	int resets = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || was_reset(&resets)));
	if (n < 0)
		return err_errno(err, "cannot receive a message");

	kept = collect_fds(&message, fds, max_fds);
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (kept > 0)
			fd_close(fds[--kept]);
		return err_set(err, ERR_LIMIT, 0,
			       "cannot receive a message: more than %zu bytes "
			       "or %d descriptors",
			       size, FD_MESSAGE_MAX_FDS);
	}
	*ret_nfds = kept;
	return n;
}
