/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network devices that go from one network namespace to another, with their addresses, and back where
 * the start that wanted them fails (linux.netDevices of the runtime specification). Each side is a
 * netlink socket of its namespace.
 */
#ifndef INSULA_KERNEL_NETDEV_H
#define INSULA_KERNEL_NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct netdev {
	char name[IFNAMSIZ]; /* on the host */
	int index, inside;   /* its numbers there and, once it was moved, inside; 0: not moved */
	bool up;
	struct nlmsghdr **addresses; /* as the kernel told them */
	size_t address_count;
};

#define NETDEV_INIT ((struct netdev){0})
void netdev_done(struct netdev *d);

/* 1 to 15 printable bytes without '/', ':' and white space; `template`: "eth%d" may leave the number to
 * the kernel. */
int netdev_check_name(const char *name, bool template, struct err *err);

/* What moves a device will do without: found by its name, its permanent addresses of global scope
 * remembered. ERR_NOT_FOUND. */
int netdev_find(int sock, const char *name, struct netdev *ret, struct err *err);

/* Move it to the namespace ns_fd, in which `there` is a socket, under a name; give it its addresses
 * again and bring it up. ERR_EXISTS where the name is taken. On failure it is where it was. */
int netdev_move(struct netdev *d, int here, int here_ns_fd, int there, int ns_fd, const char *name,
		struct err *err);
/* Back to where it came from, with name, number, addresses and state of before. */
int netdev_return(struct netdev *d, int here, int here_ns_fd, int there, struct err *err);

#endif
