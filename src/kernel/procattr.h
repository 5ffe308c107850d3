/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attributes of a container's first process and namespaces that have no home of their own: sysctls,
 * keyrings, security-module labels. All reads and writes of /proc go through proc_fd, a
 * private handle of a procfs that was checked (procfs_open), never through a path inside a guest.
 */
#ifndef INSULA_KERNEL_PROCATTR_H
#define INSULA_KERNEL_PROCATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* O_PATH of /proc, checked: PROC_SUPER_MAGIC and its root inode. Returns the fd. */
int procfs_open(struct err *err);
/* /proc/PID/net/dev, the caller's to free. NULL: with ERR_STATE where the process is in our own network
 * namespace, whose interfaces are not its. */
char *procfs_read_net(pid_t pid, struct err *err);

/* Is this sysctl namespaced, i.e. may a container with these namespaces of its own set it? Names
 * with '/' or '.' separators; only [a-z0-9_-] per component and known prefixes: net.* (own network
 * namespace), kernel.{shmmax,shmall,shmmni,shm_rmid_forced,msgmax,msgmnb,msgmni,sem,auto_msgmni}
 * and fs.mqueue.* (own ipc namespace), kernel.{hostname,domainname} (refused: use hostname),
 * user.* (own user namespace). ERR_INVALID with the reason otherwise. Value: printable, one line. */
struct sysctl_ns {
	bool net, ipc, uts, user;
};
int sysctl_check(const char *name, const char *value, const struct sysctl_ns *own, struct err *err);
/* Write it below proc_fd/sys of the calling process's namespaces, no symlinks, same file system. */
int sysctl_write(int proc_fd, const char *name, const char *value, struct err *err);

/* Its first line now, as our own namespaces have it. ERR_NOT_FOUND where this kernel has no such sysctl. */
int sysctl_read(int proc_fd, const char *name, char *buf, size_t size, struct err *err);

/* A new session keyring, so that the host's is out of reach (keyctl(2)). EDQUOT and ENOSYS are ERR_LIMIT
 * and ERR_UNSUPPORTED. With a name, whoever has our uid in our user namespace can join it: the name must
 * be one that nobody could guess beforehand, or this would enter whatever somebody had prepared. NULL:
 * nobody can. */
int keyring_new_session(const char *name, struct err *err);
/* That one, or a new one where it is gone. */
int keyring_join_session(const char *name, struct err *err);

/* May nobody in the user namespace of a process (0: ours) change supplementary groups? So it is where an
 * ordinary user mapped his own group alone (user_namespaces(7), /proc/PID/setgroups). */
bool groups_are_fixed(int proc_fd, pid_t pid);
/* Exactly these. Where they are fixed: none is what there is already, and more is ERR_DENIED. */
int groups_set(bool are_fixed, size_t count, const uint32_t *groups, struct err *err);

enum lsm_kind { LSM_NONE, LSM_APPARMOR, LSM_SELINUX };
/* Which label module is active and usable here. */
enum lsm_kind lsm_active(void);
/* Can a profile of AppArmor and a label of SELinux (NULL: none) be set where that module is active? ERR_UNSUPPORTED
 * names the one that nobody would enforce; "" and a profile "unconfined" ask for nothing. *ret_apparmor: there is
 * something to be done for the profile. */
int lsm_check_labels(enum lsm_kind active, const char *profile, const char *label,
		     bool *ret_apparmor, struct err *err);
/* Label for the caller's next execve: write(2) is all that a system call filter has to allow between the two.
 * *ret_fd is -1 where nothing is to be written: "" or NULL, or "unconfined" for SELinux. */
int lsm_open_exec_label(int proc_fd, enum lsm_kind kind, const char *label, int *ret_fd,
			struct err *err);
/* Our own label: "insula (unconfined)", "NAME (enforce)", "unconfined"; "" where there is none. */
void lsm_own_label(int proc_fd, char *buf, size_t size);
int lsm_write_exec_label(int fd, enum lsm_kind kind, const char *label, struct err *err);

#endif
