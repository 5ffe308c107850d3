/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capabilities(7): how a container's first process ends up with exactly the five sets it was given.
 *
 * The order is forced by the kernel. The bounding set can only shrink, and only while CAP_SETPCAP is
 * effective, so it goes first (caps_limit). A change from uid 0 to another clears the permitted,
 * effective and ambient sets unless PR_SET_KEEPCAPS is on, and then still the effective one; so the
 * other four are set after the change of user (caps_apply), by capset(2), which needs no privilege
 * to give up what is permitted. The ambient set comes last: PR_CAP_AMBIENT_RAISE wants the
 * capability permitted and inheritable at that moment. It is the only set by which a program that
 * is neither root's nor has file capabilities keeps a capability across execve(2).
 *
 * What can go wrong: an inheritable set that was left non-empty let containers regain dropped
 * capabilities through file capabilities (CVE-2022-24769 and its siblings), so nothing here is
 * "added" or "dropped": every set is written as a whole. For uid 0 execve(2) makes permitted and
 * effective equal to bounding plus inheritable, so a root process whose bounding set is larger than
 * the permitted one gets the difference back by executing a program; callers give equal sets.
 *
 * A capability that the container shall have but that we do not hold is an error that names it: a
 * start that went on would run a program with less than was promised.
 */
#include "kernel/caps.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <strings.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static const char *const cap_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

#define CAP_NAME_COUNT ((int)(sizeof(cap_names) / sizeof(cap_names[0])))

const char *caps_name(int cap)
{
	return cap >= 0 && cap < CAP_NAME_COUNT ? cap_names[cap] : NULL;
}

/* The nearest name, for did-you-mean; NULL where nothing is near. */
static const char *nearest_name(const char *bare)
{
	const unsigned int limit = 3;
	unsigned int best = limit + 1;
	const char *name = NULL;
	char upper[32] = "";

	for (size_t i = 0; bare[i] && i < sizeof(upper) - 1; i++)
		upper[i] = bare[i] >= 'a' && bare[i] <= 'z' ? (char)(bare[i] - 'a' + 'A') : bare[i];
	for (int cap = 0; cap < CAP_NAME_COUNT; cap++) {
		unsigned int distance = str_distance(upper, cap_names[cap] + 4, limit);

		if (distance < best) {
			best = distance;
			name = cap_names[cap];
		}
	}
	return name;
}

int caps_parse(const char *name, struct err *err)
{
	const char *bare = strncasecmp(name, "CAP_", 4) == 0 ? name + 4 : name;
	const char *near;

	for (int cap = 0; cap < CAP_NAME_COUNT; cap++)
		if (strcasecmp(bare, cap_names[cap] + 4) == 0)
			return cap;
	err_set(err, ERR_INVALID, 0, "capability '%s' is not known", name);
	near = nearest_name(bare);
	if (near)
		err_hint(err, "did you mean '%s'?", near);
	return -1;
}

/* PR_CAPBSET_READ is EINVAL beyond the last capability of this kernel. */
static bool is_known(int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

uint64_t caps_all(void)
{
	static uint64_t cached;
	int last = CAP_LAST_CAP; /* of the headers: mostly the kernel's as well */

	if (cached)
		return cached;
	while (last > 0 && !is_known(last))
		last--;
	while (last < 63 && is_known(last + 1))
		last++;
	cached = last == 63 ? UINT64_MAX : BIT(last + 1) - 1;
	return cached;
}

uint64_t caps_bounding(uint64_t of)
{
	uint64_t held = 0;

	for (uint64_t left = of & caps_all(); left; left &= left - 1)
		if (prctl(PR_CAPBSET_READ, __builtin_ctzll(left), 0, 0, 0) == 1)
			held |= left & -left;
	return held;
}

/* A capability can only be ambient while it is permitted and inheritable. */
static uint64_t read_ambient(uint64_t possible)
{
	uint64_t held = 0;

	for (uint64_t left = possible & caps_all(); left; left &= left - 1)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, __builtin_ctzll(left), 0, 0) == 1)
			held |= left & -left;
	return held;
}

/* capget(2) and capset(2) as they are: glibc has no wrapper, and libcap would allocate. */
static int get_sets(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return (int)syscall(SYS_capget, &header, data);
}

static int put_sets(const struct caps *c)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(c->effective >> (32 * i));
		data[i].permitted = (uint32_t)(c->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(c->inheritable >> (32 * i));
	}
	return (int)syscall(SYS_capset, &header, data);
}

static uint64_t both_words(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

int caps_get(struct caps *ret, struct err *err)
{
	struct __user_cap_data_struct data[2];
	struct caps c = {0};

	if (get_sets(data) < 0)
		return err_errno(err, "cannot read this process's capabilities");
	c.effective = both_words(data[0].effective, data[1].effective);
	c.permitted = both_words(data[0].permitted, data[1].permitted);
	c.inheritable = both_words(data[0].inheritable, data[1].inheritable);
	c.ambient = read_ambient(c.permitted & c.inheritable);
	*ret = c;
	return 0;
}

/* The name of the lowest capability of a set that is not empty; a number has none before the table
 * knows it. */
static const char *first_name(uint64_t set)
{
	const char *name = caps_name(__builtin_ctzll(set));

	return name ? name : "a capability without a name";
}

struct caps caps_within(const struct caps *c, uint64_t possible)
{
	return (struct caps){
		.bounding = c->bounding & possible,
		.effective = c->effective & possible,
		.permitted = c->permitted & possible,
		.inheritable = c->inheritable & possible,
		.ambient = c->ambient & possible,
	};
}

int caps_limit(const struct caps *c, struct err *err)
{
	uint64_t missing = c->bounding & caps_all() & ~caps_bounding(c->bounding);

	if (missing)
		return err_set(err, ERR_DENIED, 0, "cannot give %s: it is not in our bounding set",
			       first_name(missing));
	for (uint64_t left = caps_all() & ~c->bounding; left; left &= left - 1) {
		uint64_t lowest = left & -left;

		/* Refused without CAP_SETPCAP, which is no matter where it is gone already. */
		if (prctl(PR_CAPBSET_DROP, __builtin_ctzll(left), 0, 0, 0) < 0 &&
		    caps_bounding(lowest))
			return err_errno(err, "cannot drop %s from the bounding set",
					 first_name(lowest));
	}
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_errno(err, "cannot keep capabilities over the change of user");
	return 0;
}

/* Explain a refused capset(2): which capability was it? */
static int refused(const struct caps *c, int errnum, struct err *err)
{
	struct __user_cap_data_struct data[2];
	uint64_t missing;

	if (get_sets(data) < 0)
		return err_errno(err, "cannot read this process's capabilities");
	missing = (c->permitted | c->effective) & caps_all() &
		  ~both_words(data[0].permitted, data[1].permitted);
	if (errnum == EPERM && missing)
		return err_set(err, ERR_DENIED, errnum, "cannot give %s: we do not hold it",
			       first_name(missing));
	return err_set(err, err_kind_of(errnum), errnum, "cannot set the capability sets");
}

static int set_ambient(uint64_t ambient, struct err *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_errno(err, "cannot clear the ambient capabilities");
	for (int cap = 0; cap < 64; cap++) {
		if (!(ambient & BIT(cap)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_errno(err, "cannot make %s ambient", first_name(BIT(cap)));
	}
	return 0;
}

int caps_apply(const struct caps *c, struct err *err)
{
	if (put_sets(c) < 0)
		return refused(c, errno, err);
	if (set_ambient(c->ambient, err) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_errno(err, "cannot clear the keep-capabilities flag");
	return 0;
}

int caps_set_effective(uint64_t effective, struct err *err)
{
	struct __user_cap_data_struct data[2];
	struct caps c;

	if (get_sets(data) < 0)
		return err_errno(err, "cannot read this process's capabilities");
	c = (struct caps){
		.effective = effective,
		.permitted = both_words(data[0].permitted, data[1].permitted),
		.inheritable = both_words(data[0].inheritable, data[1].inheritable),
	};
	return put_sets(&c) < 0 ? refused(&c, errno, err) : 0;
}

int caps_act_as(uint32_t uid, uint32_t gid, struct err *err)
{
	/* Without NO_SETUID_FIXUP a file-system uid other than 0 takes the capabilities away. */
	if (prctl(PR_SET_SECUREBITS, uid || gid ? SECBIT_NO_SETUID_FIXUP : 0) < 0)
		return err_errno(err, "cannot set the secure bits");
	setfsgid(gid);
	setfsuid(uid);
	/* setfsuid(2) reports no error: ask again with an impossible id. */
	if ((uint32_t)setfsuid((uid_t)-1) != uid || (uint32_t)setfsgid((gid_t)-1) != gid)
		return err_set(err, ERR_DENIED, 0, "cannot act on files as uid %u gid %u", uid,
			       gid);
	return 0;
}

int caps_try(struct err *err)
{
	return chroot("/") < 0 ? err_errno(err, "cannot use the capabilities that we have") : 0;
}
