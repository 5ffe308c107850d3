/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Raw, without libmnl: what is wanted of it are two hundred lines, and its absence is one dependency less
 * in a static program that starts containers.
 *
 * An answer is a sequence of messages in one or more datagrams. It ends with NLMSG_DONE (a list), with
 * NLMSG_ERROR (the acknowledgement, 0 or minus errno), or is a single message (one object asked for
 * without NLM_F_ACK). What does not carry our sequence number belongs to an earlier request.
 */
#include "kernel/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"

#define RECEIVE_SIZE 32768 /* as much as the kernel puts into one datagram of a list */

int netlink_open(struct err *err)
{
	own_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl mine = {.nl_family = AF_NETLINK};
	int on = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&mine, sizeof mine) < 0)
		return err_errno(err, "cannot talk to the kernel about network devices");
	/* Both are conveniences: filtered lists (Linux 4.20), and errors with a reason (4.12). */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	return take_fd(fd);
}

void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, size_t body)
{
	static uint32_t sequence;

	memset(r, 0, sizeof *r);
	r->head.nlmsg_type = type;
	r->head.nlmsg_flags = NLM_F_REQUEST | flags;
	r->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	r->head.nlmsg_seq = ++sequence;
}

int netlink_add(struct netlink_request *r, uint16_t type, const void *data, size_t size,
		struct err *err)
{
	size_t at = NLMSG_ALIGN(r->head.nlmsg_len);
	struct rtattr attribute = {.rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type};

	if (at + RTA_ALIGN(RTA_LENGTH(size)) > sizeof *r)
		return err_set(err, ERR_LIMIT, 0, "a request about a network device is too long");
	memcpy((char *)r + at, &attribute, sizeof attribute);
	memcpy((char *)r + at + RTA_LENGTH(0), data, size);
	r->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(size));
	return 0;
}

const struct rtattr *netlink_first(const struct nlmsghdr *message, size_t body, size_t *ret_left)
{
	size_t skipped = NLMSG_SPACE(body);
	const struct rtattr *at = (const void *)((const char *)message + skipped);

	*ret_left = message->nlmsg_len > skipped ? message->nlmsg_len - skipped : 0;
	return RTA_OK(at, (int)*ret_left) ? at : NULL;
}

const struct rtattr *netlink_next(const struct rtattr *at, size_t *left)
{
	int rest = (int)*left;
	const struct rtattr *next = RTA_NEXT(at, rest);

	*left = rest > 0 ? (size_t)rest : 0;
	return RTA_OK(next, rest) ? next : NULL;
}

/* NLMSG_ERROR: 0 is the acknowledgement; the kernel's explanation comes as an attribute. */
static int acknowledged(const struct nlmsghdr *message, struct err *err)
{
	const struct nlmsgerr *answer = NLMSG_DATA(message);
	size_t left;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof *answer))
		return err_set(err, ERR_IO, 0, "the kernel's answer is cut");
	if (!answer->error)
		return 0;
	errno = -answer->error;
	err_errno(err, "the kernel refuses");
	/* With NETLINK_CAP_ACK only the header of our request comes back before the attributes. */
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		return -1;
	for (const struct rtattr *at = netlink_first(message, sizeof *answer, &left); at;
	     at = netlink_next(at, &left))
		if (at->rta_type == NLMSGERR_ATTR_MSG && RTA_PAYLOAD(at) > 0)
			err_hint(err, "the kernel says: %.*s", (int)RTA_PAYLOAD(at) - 1,
				 (const char *)RTA_DATA(at));
	return -1;
}

/* 1: this was the end of the answer; 0: there is more; -1: error. */
static int take_message(const struct nlmsghdr *message, bool single, netlink_fn *on_message,
			void *data, struct err *err)
{
	if (message->nlmsg_type == NLMSG_ERROR)
		return acknowledged(message, err) < 0 ? -1 : 1;
	if (message->nlmsg_type == NLMSG_DONE)
		return 1;
	if (on_message && on_message(message, data, err) < 0)
		return -1;
	return single;
}

static int take_datagram(const char *buf, size_t size, const struct netlink_request *r,
			 netlink_fn *on_message, void *data, struct err *err)
{
	bool single = !(r->head.nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP));
	const struct nlmsghdr *message = (const void *)buf;
	int left = (int)size, end = 0;

	for (; !end && NLMSG_OK(message, (unsigned int)left); message = NLMSG_NEXT(message, left))
		if (message->nlmsg_seq == r->head.nlmsg_seq)
			end = take_message(message, single, on_message, data, err);
	return end;
}

int netlink_talk(int sock, struct netlink_request *r, netlink_fn *on_message, void *data,
		 struct err *err)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	own_free char *buf = malloc(RECEIVE_SIZE);
	int end = 0;

	if (!buf)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot talk to the kernel");
	if (sendto(sock, r, r->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return err_errno(err, "cannot talk to the kernel about network devices");
	while (!end) {
		ssize_t n = recv(sock, buf, RECEIVE_SIZE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, "cannot hear the kernel about network devices");
		end = take_datagram(buf, (size_t)n, r, on_message, data, err);
	}
	return end < 0 ? -1 : 0;
}
