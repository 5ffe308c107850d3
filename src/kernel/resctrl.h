/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resctrl: classes of service for caches and memory bandwidth (Intel RDT, AMD QoS, Arm MPAM), as
 * linux.intelRdt of the runtime specification has them.
 *
 * A container is in one control group (a directory below the mounted file system, or its root), and
 * may have a monitoring group of its own in that. What was made for it is told by the configuration and
 * the container's id alone, so that whoever deletes the container needs no record of it.
 */
#ifndef INSULA_KERNEL_RESCTRL_H
#define INSULA_KERNEL_RESCTRL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#define RESCTRL_PLACE "/sys/fs/resctrl"

struct resctrl {
	char *group; /* closID: name of the group, "/": the root; NULL: the container's id */
	char *l3_cache, *mem_bw; /* lines of `schemata`, written in this order */
	struct strv lines;	 /* and then these */
	bool monitoring;
};

/* Names and lines that the file system would misread: ERR_INVALID with the member before it. */
int resctrl_check(const struct resctrl *config, struct err *err);

/* The mounted file system at `place`; ERR_UNSUPPORTED where there is none. With `recorded` any
 * directory will do: a tree that stands for one in tests. */
int resctrl_open(const char *place, bool recorded, struct err *err);

/* Make or check the groups of container `id`, and write the schemata. On failure nothing that was made
 * here stays; *ret_made: the group was absent. */
int resctrl_prepare(int root_fd, const struct resctrl *config, const char *id, bool *ret_made,
		    struct err *err);
/* Put a process, and so all that it will start, into the groups. */
int resctrl_assign(int root_fd, const struct resctrl *config, const char *id, pid_t pid,
		   struct err *err);
/* Other schemata for the group that the container is in. *ret_before: the lines that were there in place of those,
 * the caller's to free, for resctrl_restore(). */
int resctrl_update(int root_fd, const struct resctrl *config, const char *id,
		   const struct resctrl *wanted, char **ret_before, struct err *err);
int resctrl_restore(int root_fd, const struct resctrl *config, const char *id, const char *before,
		    struct err *err);
/* Its directory below the root; "." for the root itself. */
const char *resctrl_group_name(const struct resctrl *config, const char *id);
/* What its group has and uses, as the members of runc's intel_rdt; nothing where the group is gone. */
void resctrl_write_stats(int root_fd, const struct resctrl *config, const char *id,
			 struct json_writer *w);
/* Remove what resctrl_prepare made: the monitoring group, and the group where it has the container's id
 * for a name. Success where they are gone. */
int resctrl_remove(int root_fd, const struct resctrl *config, const char *id, struct err *err);
/* After a start that failed: the same, and a group with a name of its own (closID) where that start has made it. Of a
 * container that ran it stays, as the specification wants it. */
int resctrl_undo(int root_fd, const struct resctrl *config, const char *id, bool made,
		 struct err *err);

#endif
