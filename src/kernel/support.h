/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this kernel has of all that a configuration may ask for, for who wants to know it before
 * anything is made (`validate`, `features`). A start does not ask: it tries. Read below a prefix like
 * facts.h; of a recorded tree, what can only be tried is in probe/ ("1" where it worked).
 */
#ifndef INSULA_KERNEL_SUPPORT_H
#define INSULA_KERNEL_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "kernel/ns.h"

struct support {
	bool namespaces[NS_COUNT];
	struct strv filesystems; /* built in, loaded, or brought by a module when asked for */
	bool apparmor, selinux;
	bool apparmor_listed; /* the profiles are known: reading them takes privilege */
	struct strv apparmor_profiles;
	bool idmap;		    /* MOUNT_ATTR_IDMAP, Linux 5.12 */
	bool resctrl;		    /* the file system is known, and mounted */
	bool memory_policy;	    /* set_mempolicy(2) is built in */
	unsigned int seccomp_flags; /* SECCOMP_FILTER_FLAG_* that the kernel takes */
	uint64_t user_namespaces;   /* how many may be made here */
	struct strv page_sizes;	    /* of huge pages, as the hugetlb controller names them: "2MB" */
	struct id_map *uids, *gids; /* of our own user namespace: "outside" is what we may map to */
	size_t uid_count, gid_count;
};

int support_probe(int prefix_fd, const char *release, struct support *ret, struct err *err);
void support_done(struct support *s);

bool support_has_filesystem(const struct support *s, const char *type);

/* Does the kernel take this SECCOMP_RET_* (Linux 4.14)? */
bool support_seccomp_action(uint32_t action);
/* All of SECCOMP_FILTER_FLAG_* that the kernel takes, of those given. */
unsigned int support_seccomp_flags(unsigned int of);

#endif
