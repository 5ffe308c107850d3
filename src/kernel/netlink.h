/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnetlink(7), as little of it as is needed: one request at a time on a socket of the caller's, the
 * answers to a function. A socket belongs for ever to the network namespace that it was opened in, which
 * is how somebody who has left a namespace still acts in it.
 */
#ifndef INSULA_KERNEL_NETLINK_H
#define INSULA_KERNEL_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A message under construction: header, the family's own header, attributes. */
struct netlink_request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};
	uint8_t attributes[1024];
};

/* In the network namespace that the caller is in now. */
int netlink_open(struct err *err);

/* flags: NLM_F_ACK for a change, NLM_F_DUMP for a list, 0 for one object. body: size of the union's
 * member. */
void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, size_t body);
/* ERR_LIMIT where it does not fit. */
int netlink_add(struct netlink_request *r, uint16_t type, const void *data, size_t size,
		struct err *err);

/* Each message of the answer. A negative result ends the request with the error. */
typedef int netlink_fn(const struct nlmsghdr *message, void *data, struct err *err);

/* Send, and read to the end of the answer. An error that the kernel reports keeps its errno, and its
 * explanation as the hint. on_message NULL: only the acknowledgement counts. */
int netlink_talk(int sock, struct netlink_request *r, netlink_fn *on_message, void *data,
		 struct err *err);

/* The attributes behind a message's own header, as for NLMSG_NEXT-like loops. */
const struct rtattr *netlink_first(const struct nlmsghdr *message, size_t body, size_t *ret_left);
const struct rtattr *netlink_next(const struct rtattr *at, size_t *left);

#endif
