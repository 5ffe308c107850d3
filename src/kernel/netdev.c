/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moving a network device. The kernel takes it down, forgets its addresses and routes, moves it, and
 * then renames it; so the addresses are read before and added again after, in the order in which they
 * were, which is what makes one of a subnet the primary one.
 *
 * The number inside is asked for (IFLA_NEW_IFINDEX, Linux 5.13), so that the device is found again
 * whatever its name becomes: a template such as "eth%d" is filled in by the kernel. The number on the
 * host is tried first.
 *
 * The rename comes last and can fail when the device has already moved. That is why every failure is
 * followed by a look for the device, and a way back: a virtual device dies with the namespace that it is
 * in, and a container that could not start must not take it along.
 */
#include "kernel/netdev.h"

#include <ctype.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "base/str.h"
#include "kernel/netlink.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11 /* Linux 5.18 */
#endif

#define ADDRESSES_MAX 4096
#define INDEX_TRIES 16
/* What a new address may be told; the rest of the flags is the kernel's to set. */
#define KEPT_FLAGS \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | \
	 IFA_F_MCAUTOJOIN)

void netdev_done(struct netdev *d)
{
	for (size_t i = 0; i < d->address_count; i++)
		free(d->addresses[i]);
	free(d->addresses);
	*d = NETDEV_INIT;
}

int netdev_check_name(const char *name, bool template, struct err *err)
{
	const char *percent = strchr(name, '%');
	size_t len = strlen(name);
	bool good = len > 0 && len < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;

	for (size_t i = 0; good && i < len; i++)
		good = isgraph((unsigned char)name[i]) && name[i] != '/' && name[i] != ':';
	if (percent)
		good &= template && percent[1] == 'd' && !strchr(percent + 1, '%');
	if (good)
		return 0;
	return err_set(err, ERR_INVALID, 0, "'%.40s' is not the name of a network device%s", name,
		       template ? ", nor a template such as eth%d" : "");
}

/* ---- asking ---- */

struct link {
	int index;
	unsigned int flags;
	char name[IFNAMSIZ];
};

static int on_link(const struct nlmsghdr *message, void *data, struct err *err)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct link *link = data;
	size_t left;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	for (const struct rtattr *at = netlink_first(message, sizeof *info, &left); at;
	     at = netlink_next(at, &left))
		if (at->rta_type == IFLA_IFNAME)
			snprintf(link->name, sizeof link->name, "%.*s", (int)RTA_PAYLOAD(at),
				 (const char *)RTA_DATA(at));
	return 0;
}

/* By name, or by number where that is NULL. 1: there, 0: not, -1. */
static int get_link(int sock, const char *name, int index, struct link *ret, struct err *err)
{
	struct netlink_request r;
	struct err looking = ERR_INIT;

	*ret = (struct link){0};
	netlink_begin(&r, RTM_GETLINK, 0, sizeof r.link);
	r.link.ifi_index = index;
	if (name && netlink_add(&r, IFLA_IFNAME, name, strlen(name) + 1, err) < 0)
		return -1;
	if (netlink_talk(sock, &r, on_link, ret, &looking) == 0)
		return ret->index != 0;
	if (looking.errnum == ENODEV)
		return 0;
	*err = looking;
	return -1;
}

/* Is there a device of that name? 1, 0, -1. */
static int exists(int sock, const char *name, struct err *err)
{
	struct link link;

	return get_link(sock, name, 0, &link, err);
}

static uint32_t flags_of(const struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	uint32_t flags = info->ifa_flags;
	size_t left;

	for (const struct rtattr *at = netlink_first(message, sizeof *info, &left); at;
	     at = netlink_next(at, &left))
		if (at->rta_type == IFA_FLAGS && RTA_PAYLOAD(at) == sizeof flags)
			memcpy(&flags, RTA_DATA(at), sizeof flags);
	return flags;
}

/* "all permanent IP addresses (IFA_F_PERMANENT flag) of any family with global scope
 * (RT_SCOPE_UNIVERSE value)", config-linux.md. */
static int on_address(const struct nlmsghdr *message, void *data, struct err *err)
{
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	struct netdev *d = data;
	struct nlmsghdr **grown;

	if (message->nlmsg_type != RTM_NEWADDR || (int)info->ifa_index != d->index ||
	    info->ifa_scope != RT_SCOPE_UNIVERSE || !(flags_of(message) & IFA_F_PERMANENT))
		return 0;
	if (d->address_count == ADDRESSES_MAX)
		return err_set(err, ERR_LIMIT, 0, "it has more than %d addresses", ADDRESSES_MAX);
	grown = reallocarray(d->addresses, d->address_count + 1, sizeof(struct nlmsghdr *));
	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot remember its addresses");
	d->addresses = grown;
	grown[d->address_count] = malloc(message->nlmsg_len);
	if (!grown[d->address_count])
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot remember its addresses");
	memcpy(grown[d->address_count++], message, message->nlmsg_len);
	return 0;
}

int netdev_find(int sock, const char *name, struct netdev *ret, struct err *err)
{
	own(netdev) struct netdev d = NETDEV_INIT;
	struct netlink_request r;
	struct link link;
	int found = get_link(sock, name, 0, &link, err);

	if (found < 0)
		return err_wrap(err, "cannot look for network device '%s'", name);
	if (!found)
		return err_set(err, ERR_NOT_FOUND, 0, "there is no network device '%s'", name);
	snprintf(d.name, sizeof d.name, "%s", name);
	d.index = link.index;
	d.up = link.flags & IFF_UP;
	netlink_begin(&r, RTM_GETADDR, NLM_F_DUMP, sizeof r.address);
	r.address.ifa_index = (unsigned int)d.index;
	if (netlink_talk(sock, &r, on_address, &d, err) < 0)
		return err_wrap(err, "cannot read the addresses of '%s'", name);
	*ret = d;
	d = NETDEV_INIT;
	return 0;
}

/* ---- changing ---- */

static int raise_device(int sock, int index, struct err *err)
{
	struct netlink_request r;

	netlink_begin(&r, RTM_NEWLINK, NLM_F_ACK, sizeof r.link);
	r.link.ifi_index = index;
	r.link.ifi_flags = r.link.ifi_change = IFF_UP;
	return netlink_talk(sock, &r, NULL, NULL, err);
}

/* An IPv4 address's label is the device's name, or begins with it. */
static int add_label(struct netlink_request *r, const char *label, const char *was, const char *now,
		     struct err *err)
{
	char text[2 * IFNAMSIZ];

	if (!str_starts(label, was))
		return netlink_add(r, IFA_LABEL, label, strlen(label) + 1, err);
	snprintf(text, sizeof text, "%s%s", now, label + strlen(was));
	text[IFNAMSIZ - 1] = '\0';
	return netlink_add(r, IFA_LABEL, text, strlen(text) + 1, err);
}

static int copy_attributes(struct netlink_request *r, const struct nlmsghdr *from, const char *was,
			   const char *now, struct err *err)
{
	static const uint64_t kept = UINT64_C(1) << IFA_ADDRESS | UINT64_C(1) << IFA_LOCAL |
				     UINT64_C(1) << IFA_BROADCAST | UINT64_C(1) << IFA_ANYCAST |
				     UINT64_C(1) << IFA_CACHEINFO | UINT64_C(1) << IFA_RT_PRIORITY |
				     UINT64_C(1) << IFA_PROTO;
	size_t left;

	for (const struct rtattr *at = netlink_first(from, sizeof(struct ifaddrmsg), &left); at;
	     at = netlink_next(at, &left)) {
		unsigned int type = at->rta_type & NLA_TYPE_MASK;
		int added = 0;

		if (type == IFA_LABEL)
			added = add_label(r, RTA_DATA(at), was, now, err);
		else if (type < 64 && kept >> type & 1)
			added = netlink_add(r, (uint16_t)type, RTA_DATA(at), RTA_PAYLOAD(at), err);
		if (added < 0)
			return -1;
	}
	return 0;
}

static int add_address(int sock, const struct nlmsghdr *from, const struct link *link,
		       const char *was, struct err *err)
{
	const struct ifaddrmsg *info = NLMSG_DATA(from);
	uint32_t flags = flags_of(from) & KEPT_FLAGS;
	struct netlink_request r;

	netlink_begin(&r, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, sizeof r.address);
	r.address = (struct ifaddrmsg){.ifa_family = info->ifa_family,
				       .ifa_prefixlen = info->ifa_prefixlen,
				       .ifa_scope = info->ifa_scope,
				       .ifa_flags = (uint8_t)flags,
				       .ifa_index = (unsigned int)link->index};
	if (copy_attributes(&r, from, was, link->name, err) < 0 ||
	    netlink_add(&r, IFA_FLAGS, &flags, sizeof flags, err) < 0)
		return -1;
	return netlink_talk(sock, &r, NULL, NULL, err);
}

/* What the move took away. */
static int settle(const struct netdev *d, int sock, int index, const char *was, bool up,
		  struct err *err)
{
	struct link link;
	int found = get_link(sock, NULL, index, &link, err);

	if (found <= 0)
		return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, 0, "it is gone");
	for (size_t i = 0; i < d->address_count; i++)
		if (add_address(sock, d->addresses[i], &link, was, err) < 0)
			return err_wrap(err, "cannot give it its address");
	if (up && raise_device(sock, index, err) < 0)
		return err_wrap(err, "cannot bring it up");
	return 0;
}

static int change_namespace(int sock, int index, int ns_fd, const char *name, int new_index,
			    struct err *err)
{
	struct netlink_request r;

	netlink_begin(&r, RTM_NEWLINK, NLM_F_ACK, sizeof r.link);
	r.link.ifi_index = index;
	if (netlink_add(&r, IFLA_NET_NS_FD, &ns_fd, sizeof ns_fd, err) < 0 ||
	    netlink_add(&r, IFLA_IFNAME, name, strlen(name) + 1, err) < 0 ||
	    netlink_add(&r, IFLA_NEW_IFINDEX, &new_index, sizeof new_index, err) < 0)
		return -1;
	return netlink_talk(sock, &r, NULL, NULL, err);
}

/* A number that nobody has there: the one that it has, or the next. */
static int free_index(int sock, int index, struct err *err)
{
	struct link link;

	for (int i = 0; i < 65536; i++, index++) {
		int taken = get_link(sock, NULL, index, &link, err);

		if (taken <= 0)
			return taken < 0 ? -1 : index;
	}
	return err_set(err, ERR_LIMIT, 0, "the namespace has too many network devices");
}

/* Between the look and the move somebody may take the number: then the next one. */
static int move(struct netdev *d, int here, int there, int ns_fd, const char *name, struct err *err)
{
	int index = d->index;

	for (int i = 0; i < INDEX_TRIES; i++, index++) {
		struct err trying = ERR_INIT;

		index = free_index(there, index, err);
		if (index < 0)
			return -1;
		d->inside = index;
		if (change_namespace(here, d->index, ns_fd, name, index, &trying) == 0)
			return 0;
		*err = trying;
		if (trying.errnum != EBUSY)
			break;
	}
	return -1;
}

static int refuse_taken(int there, const char *name, struct err *err)
{
	int taken = strchr(name, '%') ? 0 : exists(there, name, err);

	if (taken <= 0)
		return taken;
	err_set(err, ERR_EXISTS, 0, "the container has a network device '%s' already", name);
	return err_hint(err, "give another name, or a template such as eth%%d");
}

int netdev_move(struct netdev *d, int here, int here_ns_fd, int there, int ns_fd, const char *name,
		struct err *err)
{
	struct err ignored = ERR_INIT;
	struct link link;

	if (refuse_taken(there, name, err) < 0)
		return -1;
	if (move(d, here, there, ns_fd, name, err) == 0 &&
	    settle(d, there, d->inside, d->name, true, err) == 0)
		return 0;
	if (get_link(here, NULL, d->index, &link, &ignored) == 0)
		netdev_return(d, here, here_ns_fd, there, &ignored);
	d->inside = 0;
	if (err->errnum == EINVAL || err->errnum == EOPNOTSUPP)
		err_hint(err,
			 "some devices cannot leave their namespace, the loopback device among "
			 "them");
	return err_wrap(err, "cannot move network device '%s' into the container as '%s'", d->name,
			name);
}

int netdev_return(struct netdev *d, int here, int here_ns_fd, int there, struct err *err)
{
	struct link link;
	int index = d->inside;

	d->inside = 0;
	if (get_link(there, NULL, index, &link, err) <= 0)
		return err_set(err, ERR_NOT_FOUND, 0, "network device '%s' is gone", d->name);
	if (change_namespace(there, index, here_ns_fd, d->name, d->index, err) < 0 ||
	    settle(d, here, d->index, d->name, d->up, err) < 0)
		return err_wrap(err, "cannot take network device '%s' back", d->name);
	return 0;
}
