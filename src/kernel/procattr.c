/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attributes of a container's first process: sysctls, the session keyring, the security label.
 *
 * Writes to procfs are how runtimes were tricked more than once: a guest that can place a link or a
 * mount at /proc/self/attr/exec or /proc/sys/... makes the label vanish, or turns it into a write to
 * core_pattern (CVE-2019-16884, CVE-2025-52881). Every file here is reached from a descriptor of a
 * procfs that was taken before the guest's mounts, checked to be one and its root, and the walk
 * crosses no mount point.
 *
 * A sysctl may be set only where it belongs to a namespace that the container has for itself; the
 * table below is the whole of what the kernel keeps per namespace and lets a container's owner
 * change. Everything else would change the host, so it is refused by name, before anything is
 * started. Values are an allow-list of characters: a value is never parsed by anything but the
 * kernel, but a line break or a second assignment in one is never meant well (CVE-2022-0811).
 */
#include "kernel/procattr.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"

#define PROC_ROOT_INODE 1
#define SYSCTL_NAME_MAX 256
#define SYSCTL_VALUE_MAX 1024
#define LABEL_MAX 1024

int procfs_open(struct err *err)
{
	own_fd int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return err_errno(err, "cannot open /proc");
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot examine /proc");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE) {
		err_set(err, ERR_UNSUPPORTED, 0, "/proc is not the root of a procfs");
		return err_hint(err, "mount one: mount -t proc proc /proc");
	}
	return take_fd(fd);
}

/* Sysctls by the namespace that keeps them. A name that ends in '/' stands for all below it. */
static const struct {
	const char *name;
	size_t own; /* offset in struct sysctl_ns */
	const char *what;
} sysctl_table[] = {
	{"net/", offsetof(struct sysctl_ns, net), "a network"},
	{"user/", offsetof(struct sysctl_ns, user), "a user"},
	{"fs/mqueue/", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/auto_msgmni", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/msgmax", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/msgmnb", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/msgmni", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/sem", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/shm_rmid_forced", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/shmall", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/shmmax", offsetof(struct sysctl_ns, ipc), "an IPC"},
	{"kernel/shmmni", offsetof(struct sysctl_ns, ipc), "an IPC"},
};

#define SYSCTL_COUNT (sizeof(sysctl_table) / sizeof(sysctl_table[0]))

/* "net.core.somaxconn" or "net/core/somaxconn" as a path; components of [a-z0-9_-] only, so that
 * no "..", no empty one and no absolute path comes through. */
static int sysctl_path(const char *name, char buf[static SYSCTL_NAME_MAX], struct err *err)
{
	size_t length = strlen(name);
	size_t component = 0;

	if (length == 0 || length >= SYSCTL_NAME_MAX)
		return err_set(err, ERR_INVALID, 0, "a sysctl name has 1 to %d characters",
			       SYSCTL_NAME_MAX - 1);
	for (size_t i = 0; i <= length; i++) {
		char c = name[i] == '.' ? '/' : name[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
			     c == '-';

		if (!plain && ((c != '/' && c != '\0') || component == 0))
			return err_set(err, ERR_INVALID, 0, "sysctl '%s' is not a valid name",
				       name);
		component = plain ? component + 1 : 0;
		buf[i] = c;
	}
	return 0;
}

static int check_value(const char *name, const char *value, struct err *err)
{
	size_t length = strlen(value);

	if (length > SYSCTL_VALUE_MAX)
		return err_set(err, ERR_LIMIT, 0,
			       "the value of sysctl '%s' is longer than %d bytes", name,
			       SYSCTL_VALUE_MAX);
	if (length == 0 || strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789 ._,:/-") != length)
		return err_set(err, ERR_INVALID, 0,
			       "the value of sysctl '%s' must be letters, digits and \" ._,:/-\"",
			       name);
	return 0;
}

static bool covers(const char *entry, const char *path)
{
	size_t length = strlen(entry);

	return entry[length - 1] == '/' ? strncmp(path, entry, length) == 0
					: strcmp(path, entry) == 0;
}

int sysctl_check(const char *name, const char *value, const struct sysctl_ns *own, struct err *err)
{
	char path[SYSCTL_NAME_MAX];

	if (sysctl_path(name, path, err) < 0 || check_value(name, value, err) < 0)
		return -1;
	if (str_eq(path, "kernel/hostname") || str_eq(path, "kernel/domainname")) {
		err_set(err, ERR_INVALID, 0, "sysctl '%s' cannot be set as a sysctl", name);
		return err_hint(err, "give the container a host name instead");
	}
	for (size_t i = 0; i < SYSCTL_COUNT; i++) {
		if (!covers(sysctl_table[i].name, path))
			continue;
		if (*(const bool *)((const char *)own + sysctl_table[i].own))
			return 0;
		err_set(err, ERR_INVALID, 0, "sysctl '%s' would change the host", name);
		return err_hint(err, "it needs %s namespace of the container's own",
				sysctl_table[i].what);
	}
	return err_set(err, ERR_INVALID, 0,
		       "sysctl '%s' would change the host: the kernel keeps it for all containers "
		       "together",
		       name);
}

/* One write(2): procfs takes a value in one piece or not at all. */
static int write_once(int fd, const char *text)
{
	size_t length = strlen(text);
	ssize_t written = write(fd, text, length);

	if (written >= 0 && (size_t)written != length)
		errno = EIO;
	return written >= 0 && (size_t)written == length ? 0 : -1;
}

int sysctl_write(int proc_fd, const char *name, const char *value, struct err *err)
{
	char path[4 + SYSCTL_NAME_MAX] = "sys/";
	own_fd int fd = -1;

	if (sysctl_path(name, path + 4, err) < 0)
		return -1;
	fd = path_open(proc_fd, path, PATH_BENEATH | PATH_NO_XDEV, O_WRONLY, 0, err);
	if (fd < 0)
		return err_wrap(err, "cannot set sysctl '%s'", name);
	if (write_once(fd, value) < 0)
		return err_errno(err, "cannot set sysctl '%s' to '%s'", name, value);
	return 0;
}

int sysctl_read(int proc_fd, const char *name, char *buf, size_t size, struct err *err)
{
	char path[4 + SYSCTL_NAME_MAX] = "sys/";
	own_fd int fd = -1;

	if (sysctl_path(name, path + 4, err) < 0)
		return -1;
	fd = path_open(proc_fd, path, PATH_BENEATH | PATH_NO_XDEV, O_RDONLY, 0, err);
	if (fd < 0 || fd_read_buf(fd, buf, size, name, err) < 0)
		return err_wrap(err, "cannot read sysctl '%s'", name);
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* KEY_POS_ALL, KEY_USR_VIEW, _READ and _LINK of linux/key.h, as the kernel gives them to a new session, and
 * KEY_USR_SEARCH, without which it is not found by its name. */
#define KEYRING_PERMISSIONS 0x3f1b0000u

static long join_session(const char *name, struct err *err)
{
	long id = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	if (id >= 0)
		return id;
	if (errno == EDQUOT) {
		err_set(err, ERR_LIMIT, errno, "cannot make a session keyring");
		return err_hint(err, "sysctl kernel.keys.maxkeys bounds the keys of one user");
	}
	return err_errno(err, "cannot make a session keyring");
}

int keyring_new_session(const char *name, struct err *err)
{
	long id = join_session(name, err);

	if (id < 0)
		return -1;
	if (name && syscall(SYS_keyctl, KEYCTL_SETPERM, id, KEYRING_PERMISSIONS) < 0)
		return err_errno(err, "cannot share the session keyring");
	return 0;
}

int keyring_join_session(const char *name, struct err *err)
{
	return join_session(name, err) < 0 ? -1 : 0;
}

/* AppArmor says so by its module parameter; SELinux by a file system that is only mounted, and only
 * mountable, where it is on. */
enum lsm_kind lsm_active(void)
{
	own_fd int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	struct statfs fs;
	char enabled = 'N';

	if (fd >= 0 && read(fd, &enabled, 1) == 1 && enabled == 'Y')
		return LSM_APPARMOR;
	if (statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC)
		return LSM_SELINUX;
	return LSM_NONE;
}

int lsm_check_labels(enum lsm_kind active, const char *profile, const char *label,
		     bool *ret_apparmor, struct err *err)
{
	if (profile && *profile && active != LSM_APPARMOR && !str_eq(profile, "unconfined")) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"process.apparmorProfile: '%s': this kernel does not run AppArmor",
			profile);
		return err_hint(err, "take the member out, or boot with lsm=...,apparmor");
	}
	if (label && *label && active != LSM_SELINUX) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"process.selinuxLabel: '%s': this kernel does not run SELinux", label);
		return err_hint(err, "take the member out");
	}
	*ret_apparmor = profile && active == LSM_APPARMOR;
	return 0;
}

/* The file that sets the label for execve(2): AppArmor has one of its own from Linux 5.8, so that
 * it works beside another module; "thread-self" because a label belongs to a thread. */
static int open_exec_label(int proc_fd, enum lsm_kind kind, struct err *err)
{
	const enum path_how how = PATH_IN_ROOT | PATH_NO_XDEV;
	int fd = -1;

	if (kind == LSM_APPARMOR)
		fd = path_open(proc_fd, "thread-self/attr/apparmor/exec", how, O_WRONLY, 0, err);
	if (fd < 0 && (kind != LSM_APPARMOR || err->kind == ERR_NOT_FOUND)) {
		*err = ERR_INIT;
		fd = path_open(proc_fd, "thread-self/attr/exec", how, O_WRONLY, 0, err);
	}
	return fd;
}

int lsm_open_exec_label(int proc_fd, enum lsm_kind kind, const char *label, int *ret_fd,
			struct err *err)
{
	bool unconfined = str_eq(label, "unconfined");

	*ret_fd = -1;
	if (!label || !*label || (unconfined && kind != LSM_APPARMOR))
		return 0;
	if (strlen(label) > LABEL_MAX || str_has_control(label))
		return err_set(err, ERR_INVALID, 0, "'%s' is not a security label", label);
	*ret_fd = open_exec_label(proc_fd, kind, err);
	if (*ret_fd < 0)
		return err_wrap(err, "cannot apply security label '%s'", label);
	return 0;
}

int lsm_write_exec_label(int fd, enum lsm_kind kind, const char *label, struct err *err)
{
	char text[LABEL_MAX + 8];

	snprintf(text, sizeof(text), "%s%s", kind == LSM_APPARMOR ? "exec " : "", label);
	if (write_once(fd, text) < 0)
		return err_errno(err, "cannot apply security label '%s'", label);
	return 0;
}

void lsm_own_label(int proc_fd, char *buf, size_t size)
{
	static const char *const files[] = {"thread-self/attr/apparmor/current",
					    "thread-self/attr/current"};

	*buf = '\0';
	for (size_t i = 0; !*buf && i < sizeof files / sizeof *files; i++) {
		struct err ignored = ERR_INIT;
		own_fd int fd = path_open(proc_fd, files[i], PATH_IN_ROOT | PATH_NO_XDEV, O_RDONLY,
					  0, &ignored);

		if (fd < 0 || fd_read_buf(fd, buf, size, files[i], &ignored) < 0)
			*buf = '\0';
		buf[strcspn(buf, "\n")] = '\0';
	}
}

bool groups_are_fixed(int proc_fd, pid_t pid)
{
	char path[48], text[16];
	struct err ignored;

	if (pid)
		snprintf(path, sizeof path, "%d/setgroups", pid);
	else
		snprintf(path, sizeof path, "self/setgroups");
	own_fd int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_read_buf(fd, text, sizeof text, "setgroups", &ignored) > 0 &&
	       str_starts(text, "deny");
}

int groups_set(bool are_fixed, size_t count, const uint32_t *groups, struct err *err)
{
	if (are_fixed && count) {
		err_set(err, ERR_DENIED, 0,
			"cannot set supplementary groups: this user namespace has but one group");
		return err_hint(err, "an entry in /etc/subgid would give it more");
	}
	if (!are_fixed && setgroups(count, groups) < 0)
		return err_errno(err, "cannot set supplementary groups");
	return 0;
}

#define NET_DEV_MAX (1u << 20)

char *procfs_read_net(pid_t pid, struct err *err)
{
	own_fd int proc_fd = procfs_open(err);
	char path[48], text[64];
	struct stat theirs, ours;
	char *data = NULL;

	if (proc_fd < 0)
		return NULL;
	snprintf(path, sizeof path, "%d/ns/net", (int)pid);
	if (fstatat(proc_fd, path, &theirs, 0) < 0 ||
	    fstatat(proc_fd, "self/ns/net", &ours, 0) < 0) {
		err_errno(err, "cannot look at the network of process %d", (int)pid);
		return NULL;
	}
	if (theirs.st_ino == ours.st_ino) {
		err_set(err, ERR_STATE, 0, "process %d is in our network namespace", (int)pid);
		return NULL;
	}
	snprintf(text, sizeof text, "%d/net/dev", (int)pid);
	own_fd int fd = openat(proc_fd, text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err_errno(err, "cannot read the interfaces of process %d", (int)pid);
	else if (fd_read_all(fd, NET_DEV_MAX, "net/dev", &data, err) < 0)
		return NULL;
	return data;
}
