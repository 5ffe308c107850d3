/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NUMA memory policy of the calling thread and of what it executes: set_mempolicy(2). */
#ifndef INSULA_KERNEL_MEMPOLICY_H
#define INSULA_KERNEL_MEMPOLICY_H

#include <linux/mempolicy.h>

#include "base/err.h"

#define MEMPOLICY_WEIGHTED_INTERLEAVE 6 /* MPOL_WEIGHTED_INTERLEAVE, Linux 6.9 */

struct mempolicy {
	int mode;	    /* MPOL_* */
	unsigned int flags; /* MPOL_F_STATIC_NODES | _RELATIVE_NODES | _NUMA_BALANCING */
	char *nodes;	    /* list of memory nodes, "0-3,7"; NULL: none */
};

int mempolicy_apply(const struct mempolicy *policy, struct err *err);

#endif
