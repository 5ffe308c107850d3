/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What C does about mounts. After its copy of the mount namespace: a user namespace's copy has slaves of
 * what was shared. They still receive from the host; that what is mounted inside reaches copies inside
 * (a nested engine wants that) is set again here. And the propagation of the root, last: pivot_root(2)
 * refuses a root that is shared.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

int child_enter_moved(struct job *job, struct err *err)
{
	return mount_enter_moved(err);
}

/* Once it is closed, whoever has it for a root is all that keeps it. */
int child_enter_detached(struct job *job, struct err *err)
{
	own_fd int root_fd = take_fd(job->root_fd);

	return mount_enter_root(root_fd, err);
}

/* Whether something later lies on or above the mount, so that its path leads elsewhere. */
static bool is_covered(const struct plan *plan, size_t i)
{
	for (size_t k = i + 1; k < plan->spec->mount_count; k++) {
		size_t n = strlen(plan->mounts[k].target);

		if (!plan->mounts[k].remount &&
		    strncmp(plan->mounts[i].target, plan->mounts[k].target, n) == 0 &&
		    (plan->mounts[i].target[n] == '/' || !plan->mounts[i].target[n]))
			return true;
	}
	return false;
}

/* The mount on a path of the container. Its own root does this, in its own mount namespace: what it could
 * lead us to is no more than it may change itself. */
static int share_again(int root_fd, const struct planned_mount *m, struct err *err)
{
	own_fd int fd = path_handle(root_fd, m->target, PATH_IN_ROOT, 0, err);

	if (fd < 0 || !mount_is_top(fd))
		return fd < 0 ? -1 : 0;
	return mount_propagate(fd, MS_SHARED, m->propagation & MS_REC, err);
}

static int share_mounts(struct job *job, int root_fd, struct err *err)
{
	const struct plan *plan = job->plan;

	for (size_t i = 0; i < plan->spec->mount_count; i++)
		if (plan->mounts[i].propagation & MS_SHARED && !is_covered(plan, i) &&
		    share_again(root_fd, &plan->mounts[i], err) < 0)
			return err_wrap(err, "mount on '%s'", plan->mounts[i].target);
	return 0;
}

int child_share(struct job *job, struct err *err)
{
	unsigned long root = job->plan->root_propagation;
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return err_errno(err, "cannot open the root");
	if (job->lock_mounts && share_mounts(job, root_fd, err) < 0)
		return -1;
	if (root & (MS_SHARED | MS_UNBINDABLE) &&
	    mount_propagate(root_fd, root & ~(unsigned long)MS_REC, root & MS_REC, err) < 0)
		return err_wrap(err, "root file system");
	return 0;
}
