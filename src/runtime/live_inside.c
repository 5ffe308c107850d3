/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bringer of live.c: what is done in the container's own mount namespace.
 *
 * What is refused as a target: where something is mounted already (a cover above a masked path, the container's
 * /dev), a file system of the kernel's, whatever link leads there, and what is neither a directory nor a plain file:
 * nothing is put above /dev/null. What is mounted below a mount that is shared with the host would be mounted there
 * too.
 *
 * A mount goes by its identity alone. The container may have moved it, or mounted something else where it was, so it
 * is looked for in mountinfo, and what is found there has to be it.
 */
#include "runtime/live_inside.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mountinfo.h"

static int open_root(struct live *l, struct err *err)
{
	l->start.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return l->start.root_fd < 0 ? err_errno(err, "cannot open the container's root") : 0;
}

/* Nobody may trace us by then: between this and caps_act_as we have the container's rights and are host root. */
static int enter(struct live *l, int namespaces, struct err *err)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, "cannot become opaque");
	if (setns(l->request->init->pidfd, namespaces) == 0)
		return fail_point("live.entered", err);
	if (errno == ESRCH)
		return err_set(err, ERR_STATE, 0, "container not running");
	return err_errno(err, "cannot enter the container");
}

/* Container root, as far as files go; who is in its user namespace has no right beyond it. */
static int become_root(struct live *l, struct err *err)
{
	if (l->namespaces & CLONE_NEWUSER && enter(l, CLONE_NEWUSER, err) < 0)
		return -1;
	return l->namespaces & CLONE_NEWUSER ? caps_act_as(0, 0, err) : 0;
}

static int go_in_as_root(struct live *l, struct err *err)
{
	if (enter(l, l->namespaces, err) < 0 ||
	    (l->namespaces & CLONE_NEWUSER && caps_act_as(0, 0, err) < 0))
		return -1;
	return open_root(l, err);
}

/* ---- attaching ---- */

static bool is_kernels(int fd)
{
	static const unsigned long kinds[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, DEVPTS_SUPER_MAGIC,
					      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC};

	return fd_is_on(fd, kinds, sizeof kinds / sizeof *kinds, true);
}

static int check_shared(struct live *l, int fd, struct err *err)
{
	int peers = l->namespaces & CLONE_NEWUSER ? 0 : mount_peers(l->start.proc_fd, fd, err);

	if (peers < 0)
		return -1;
	if (!(peers & MS_SHARED))
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "it is in a mount that is shared, and would be mounted elsewhere too");
}

static int check_target(struct live *l, int fd, struct err *err)
{
	struct stat st;

	if (mount_is_top(fd))
		return err_set(err, ERR_EXISTS, 0, "something is mounted there already");
	if (is_kernels(fd))
		return err_set(err, ERR_DENIED, 0, "it is in a file system of the kernel's");
	if (fstat(fd, &st) < 0)
		return err_errno(err, "cannot look at it");
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, 0,
			       "there is something that is neither a directory nor a file");
	return check_shared(l, fd, err);
}

/* Tell which mount it will be, and do it when the caller says so. */
static int attach(struct live *l, int mount_fd, int target_fd, const char *what, struct err *err)
{
	struct live_message message = {.kind = LIVE_FOUND};
	char word;
	size_t none = 0;

	/* Another identity has forgotten it; who has gone by now is heard on the socket. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount_identify(mount_fd, &message.identity, err) < 0 ||
	    fd_send(l->helper_fd, &message, sizeof message, NULL, 0, err) < 0)
		return -1;
	if (fd_recv(l->helper_fd, &word, 1, NULL, 0, &none, err) != 1)
		_exit(EXIT_FAILURE); /* he has changed his mind, or is gone */
	return mount_attach(mount_fd, target_fd, what, err);
}

int live_attach(struct live *l, struct err *err)
{
	const struct planned_mount *m = &l->plan.mounts[0];
	bool made = false;

	if (go_in_as_root(l, err) < 0)
		return -1;
	own_fd int target_fd = start_target(&l->start, m, !m->bind || l->directory, &made, err);
	if (target_fd < 0 || check_target(l, target_fd, err) < 0)
		return -1;
	own_fd int fd = m->bind ? take_fd(l->made_fd)
				: start_new_tmpfs(&l->start, 0, target_fd, made, err);
	return fd < 0 ? -1 : attach(l, fd, target_fd, m->target, err);
}

int live_attach_node(struct live *l, struct err *err)
{
	if (go_in_as_root(l, err) < 0)
		return -1;
	own_fd int target_fd = start_node_target(&l->start, l->device, err);
	if (target_fd < 0)
		return -1;
	if (is_kernels(target_fd))
		return err_set(err, ERR_DENIED, 0, "it is in a file system of the kernel's");
	if (check_shared(l, target_fd, err) < 0)
		return -1;
	return attach(l, l->made_fd, target_fd, l->device->path, err);
}

/* ---- and its end ---- */

/* Where a mount is: the directory of its mount point, the name there, and what is seen there. */
struct found {
	int dir_fd, fd;
	char *path;
	const char *name;
};

static void found_done(struct found *f)
{
	fd_close(f->dir_fd);
	fd_close(f->fd);
	free(f->path);
}

static int open_found(struct live *l, struct found *f, struct err *err)
{
	char *slash = strrchr(f->path, '/');

	*slash = '\0';
	f->name = slash + 1;
	f->dir_fd = path_handle(l->start.root_fd, f->path, PATH_IN_ROOT, O_DIRECTORY, err);
	f->fd = f->dir_fd < 0 ? -1 : path_handle(f->dir_fd, f->name, PATH_BENEATH, O_NOFOLLOW, err);
	return f->fd < 0 ? -1 : 0;
}

/* Below a mount of the container's nothing has a name, and the kernel unmounts by name. */
static int refuse_covered(struct err *err)
{
	err_set(err, ERR_BUSY, 0,
		"the container has mounted something else on it, or on a directory above it");
	return err_hint(err, "unmount that in the container first; --next-start takes it out of "
			     "the record alone");
}

/* 1: there is no such mount. */
static int find(struct live *l, struct found *f, struct err *err)
{
	struct mount_identity there;
	int found = mount_point_of(l->start.proc_fd, 0, l->identity.id, &f->path, err);

	if (found <= 0)
		return found < 0 ? -1 : 1;
	if (open_found(l, f, err) < 0)
		return err->errnum == ENOENT || err->errnum == ENOTDIR || err->errnum == ELOOP
			       ? refuse_covered(err)
			       : -1;
	if (mount_identify(f->fd, &there, err) < 0)
		return -1;
	if (mount_identity_equals(&there, &l->identity))
		return 0;
	/* Its number has become another's, or it lies below another. */
	if (there.id == l->identity.id)
		return 1;
	return refuse_covered(err);
}

/* By name, as a descriptor of it would keep it in use. Who mounts something on it in this very moment loses that,
 * which is his own. */
static int unmount(struct live *l, struct found *f, struct err *err)
{
	if (l->lazy)
		return mount_detach(l->start.proc_fd, f->fd, err);
	fd_close(f->fd);
	f->fd = -1;
	return mount_unmount_at(f->dir_fd, f->name, err);
}

/* The empty file that it was mounted on. Whatever else is there by now stays. */
static int unlink_place(struct live *l, struct err *err)
{
	const char *name;
	struct stat st;

	if (become_root(l, err) < 0)
		return -1;
	own_fd int dir_fd = start_node_parent(&l->start, l->device, &name, err);
	if (dir_fd >= 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size == 0)
		unlinkat(dir_fd, name, 0);
	return 0;
}

/* As we are, if we are root: an ordinary user has the right to unmount in his user namespace only. */
int live_detach(struct live *l, struct err *err)
{
	own(found) struct found f = {.dir_fd = -1, .fd = -1};
	int missing;

	if (enter(l, l->ordinary ? l->namespaces : CLONE_NEWNS, err) < 0 || open_root(l, err) < 0)
		return -1;
	if (l->ordinary)
		l->namespaces &= ~CLONE_NEWUSER; /* we are there */
	missing = find(l, &f, err);
	if (missing < 0 || (!missing && unmount(l, &f, err) < 0))
		return -1;
	return l->device && unlink_place(l, err) < 0 ? -1 : missing;
}

int live_unlink_node(struct live *l, struct err *err)
{
	const char *name;

	if (go_in_as_root(l, err) < 0)
		return -1;
	own_fd int dir_fd = start_node_parent(&l->start, l->device, &name, err);
	if (dir_fd < 0)
		return -1;
	if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 1;
	if (start_check_node(dir_fd, name, l->device, err) < 0)
		return err_set(err, ERR_EXISTS, 0, "there is something else now");
	if (unlinkat(dir_fd, name, 0) == 0)
		return 0;
	if (errno != EBUSY)
		return err_errno(err, "cannot remove it");
	err_set(err, ERR_BUSY, EBUSY, "it was mounted there when the container was started");
	return err_hint(err, "--next-start leaves it out from the next start on");
}
