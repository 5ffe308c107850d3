/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * set_mempolicy(2) by its number: libnuma is no dependency for one call.
 *
 * The node mask goes in with the most nodes that any kernel is built for. The kernel takes longer masks
 * than it has nodes, up to a page, as long as what is beyond is empty.
 */
#include "kernel/mempolicy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/facts.h"

#define NODES_MAX 1024 /* MAX_NUMNODES of CONFIG_NODES_SHIFT=10, the largest there is */

static int explain(const struct mempolicy *policy, struct err *err)
{
	int error = errno;

	err_errno(err, "cannot set the memory policy for nodes '%s'",
		  policy->nodes ? policy->nodes : "");
	if (error == ENOSYS)
		return err_hint(err, "it needs a kernel with CONFIG_NUMA");
	if (error != EINVAL)
		return -1;
	if (policy->mode == MEMPOLICY_WEIGHTED_INTERLEAVE)
		return err_hint(err, "MPOL_WEIGHTED_INTERLEAVE needs Linux 6.9, and nodes that are "
				     "there and allowed (linux.resources.cpu.mems)");
	if (policy->flags & MPOL_F_NUMA_BALANCING)
		return err_hint(err,
				"MPOL_F_NUMA_BALANCING needs Linux 5.12 with MPOL_BIND, 6.8 "
				"with MPOL_PREFERRED_MANY, and nodes that are there and allowed");
	return err_hint(err, "none of the nodes is there and allowed "
			     "(linux.resources.cpu.mems), or the kernel has no such mode");
}

int mempolicy_apply(const struct mempolicy *policy, struct err *err)
{
	uint64_t nodes[NODES_MAX / 64] = {0};
	int mode = policy->mode | (int)policy->flags;

	if (policy->nodes &&
	    cpu_list_bits(policy->nodes, nodes, sizeof nodes / sizeof *nodes, err) < 0)
		return -1;
	/* The length counts one bit more than the kernel looks at. */
	if (syscall(SYS_set_mempolicy, mode, policy->nodes ? nodes : NULL,
		    policy->nodes ? NODES_MAX + 1 : 0) < 0)
		return explain(policy, err);
	return 0;
}
