/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The directories above a container's control group (--cgroup-parent): made and removed with the containers in
 * them where they were not there before.
 */
#ifndef INSULA_ENGINE_GROUP_PARENT_H
#define INSULA_ENGINE_GROUP_PARENT_H

#include "base/err.h"
#include "kernel/cgroup.h"

/* What is missing above the group `name`, less its first `foreign` directories, is about to be made for this
 * container, or was for another that has it still. */
int group_parent_use(int run_fd, const struct cgroup_host *host, const char *id, const char *name,
		     unsigned int foreign, struct err *err);
/* It uses them no longer: its group is gone. What cannot be removed stays. */
void group_parent_drop(int run_fd, const struct cgroup_host *host, const char *id,
		       const char *name);

#endif
