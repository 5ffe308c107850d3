/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces(7): their names, handles, and the id maps of user namespaces. */
#ifndef INSULA_KERNEL_NS_H
#define INSULA_KERNEL_NS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum ns_kind { NS_USER, NS_MNT, NS_PID, NS_NET, NS_UTS, NS_IPC, NS_CGROUP, NS_TIME, NS_COUNT };

/* CLONE_NEW* of a kind, and its name under /proc/PID/ns. */
uint64_t ns_flag(enum ns_kind kind);
const char *ns_name(enum ns_kind kind);

/* Descriptor of a process's namespace; pid 0: our own. proc_fd: a procfs that shows the process. */
int ns_open(int proc_fd, pid_t pid, enum ns_kind kind, struct err *err);
/* A namespace file by path, checked to be of that kind (NS_GET_NSTYPE). */
int ns_open_path(const char *path, enum ns_kind kind, struct err *err);
/* The user namespace that another is nested in. ERR_DENIED where we cannot see that one. */
int ns_open_above(int userns_fd, struct err *err);

struct id_map {
	uint32_t inside, outside, size;
};

/* Write uid_map and gid_map of a process (0: ourselves) in a new user namespace (user_namespaces(7)). */
int ns_write_maps(int proc_fd, pid_t pid, const struct id_map *uids, size_t uid_count,
		  const struct id_map *gids, size_t gid_count, struct err *err);

/* A process that shares our memory and descriptors, and neither namespaces, root, working directory nor
 * credentials: it can go where we could not come back from. It runs fn(data) on that stack and must end by
 * _exit(); the two must not run at the same time, because they share what a thread has for itself. */
struct proc;
int ns_spawn_sharing(int (*fn)(void *data), void *data, void *stack_top, struct proc *ret,
		     struct err *err);
/* The same without the memory, for who may have a time namespace for his children that is not his own: the kernel
 * refuses to share memory across the two (copy_namespaces(), EINVAL). */
int ns_spawn_beside(int (*fn)(void *data), void *data, void *stack_top, struct proc *ret,
		    struct err *err);

/* Give up setgroups(2) in the user namespace of a process (0: ours), which has no map yet: then our own group
 * may be mapped by ourselves. */
int ns_deny_groups(int proc_fd, pid_t pid, struct err *err);
/* Its map (0: ours), as our own user namespace has the outer ids: of users or of groups. Returns the count. */
#define NS_MAP_MAX 340 /* lines of a map, user_namespaces(7) */
ssize_t ns_read_map(int proc_fd, pid_t pid, bool groups, struct id_map ret[static NS_MAP_MAX],
		    struct err *err);
/* Which outer id is `inside`? False: none. */
bool id_map_outer(const struct id_map *maps, size_t count, uint32_t inside, uint32_t *ret);
/* The other way round. */
bool id_map_inner(const struct id_map *maps, size_t count, uint32_t outside, uint32_t *ret);
/* Is there an inner id for `outside`? */
bool id_map_has(const struct id_map *maps, size_t count, uint32_t outside);

/* A user namespace that exists only as a descriptor, for idmapped mounts. */
int ns_make_user(int proc_fd, const struct id_map *uids, size_t uid_count,
		 const struct id_map *gids, size_t gid_count, struct err *err);

/* The maps of a user namespace, outside ids as our own namespace has them. Arrays of NS_MAP_MAX. */
int ns_read_maps(int proc_fd, int userns_fd, struct id_map *ret_uids, size_t *ret_uid_count,
		 struct id_map *ret_gids, size_t *ret_gid_count, struct err *err);

/* Bring up the loopback interface of the network namespace we are in: a new one has it down. */
int ns_raise_loopback(struct err *err);

#endif
