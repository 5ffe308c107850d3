/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The directories above a container's control group (--cgroup-parent): made and removed with the containers in
 * them where they were not there before.
 */
#ifndef INSULA_ENGINE_GROUP_PARENT_H
#define INSULA_ENGINE_GROUP_PARENT_H

#include "base/err.h"
#include "base/str.h"
#include "kernel/cgroup.h"

/* What is missing above the group `name`, less its first `foreign` directories, is about to be made for this
 * container, or was for another that has it still. */
int group_parent_use(int run_fd, const struct cgroup_host *host, const char *id, const char *name,
		     unsigned int foreign, struct err *err);
/* It uses them no longer: its group is gone. What cannot be removed stays. */
void group_parent_drop(int run_fd, const struct cgroup_host *host, const char *id,
		       const char *name);

/* For the doctor: what is noted, "NOTE/ID" for each container, and "NOTE" where there is none. */
int group_parent_list(int run_fd, struct strv *ret, struct err *err);
/* The group that the container of "NOTE/ID" has or had, if it is the directory right above; the caller's to free. */
char *group_parent_group(const struct cgroup_host *host, const char *noted, const char *id,
			 struct err *err);
/* Nobody uses it by that note; its directory goes with the last one, unless there is something in it. */
int group_parent_forget(int run_fd, const struct cgroup_host *host, const char *noted,
			struct err *err);

#endif
