/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount that comes to a container which runs, and goes again.
 *
 * Locked flags: what a container has from its start was copied into its user namespace with the mount
 * namespace, and the kernel has locked its flags (mount_namespaces(7)): container root cannot make a read-only
 * bind writable. One that is attached later was never copied like that. So it is copied here, from a mount
 * namespace of ours into one of a user namespace below ours, by a process that does nothing else afterwards:
 * a copy of that copy keeps the locks wherever it is attached.
 *
 * Identity: a mount that was added is known by its number, which statx(2) tells of a mount that is not
 * attached yet. Linux 6.8 has numbers that are never used again; before, one may be another mount's by now, and
 * the file at its root has to be the same too.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/mount.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8 */
#endif

int mount_identify(int fd, struct mount_identity *ret, struct err *err)
{
	struct statx st, unique;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) < 0 ||
	    statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &unique) < 0)
		return err_errno(err, "cannot look at the mount");
	*ret = (struct mount_identity){
		.id = st.stx_mnt_id,
		.unique_id = unique.stx_mask & STATX_MNT_ID_UNIQUE ? unique.stx_mnt_id : 0,
		.device = makedev(st.stx_dev_major, st.stx_dev_minor),
		.inode = st.stx_ino,
	};
	return 0;
}

bool mount_identity_equals(const struct mount_identity *a, const struct mount_identity *b)
{
	return a->id == b->id && a->unique_id == b->unique_id && a->device == b->device &&
	       a->inode == b->inode;
}

int mount_own_stage(struct err *err)
{
	own(strv) struct strv options = STRV_INIT;

	if (mount_copy_namespace(err) < 0 || strv_add(&options, "mode=755", err) < 0 ||
	    strv_add(&options, "size=64k", err) < 0)
		return -1;
	own_fd int stage_fd = mount_new("tmpfs", "devices", &options, 0,
					MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (stage_fd < 0)
		return -1;
	if (root_fd < 0)
		return err_errno(err, "cannot open '/'");
	if (mount_attach(stage_fd, root_fd, "/", err) < 0 || mount_pivot(stage_fd, err) < 0)
		return -1;
	return take_fd(stage_fd);
}

static int make_place(int stage_fd, bool directory, struct err *err)
{
	own_fd int file_fd = -1;

	if (directory)
		return mkdirat(stage_fd, "m", 0755) == 0 ? 0
							 : err_errno(err, "cannot stage a mount");
	file_fd = openat(stage_fd, "m", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	return file_fd >= 0 ? 0 : err_errno(err, "cannot stage a mount");
}

int mount_lock_flags(int mount_fd, bool directory, struct err *err)
{
	own_fd int stage_fd = mount_own_stage(err);

	if (stage_fd < 0 || make_place(stage_fd, directory, err) < 0 ||
	    mount_attach_in(mount_fd, stage_fd, "m", err) < 0)
		return -1;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_errno(err, "cannot lock the flags of a mount in a user namespace");
	own_fd int copy_fd = open("/m", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (copy_fd < 0)
		return err_errno(err, "cannot open the mount that was locked");
	return mount_clone_anew(copy_fd, err);
}

int mount_detach(int proc_fd, int mount_fd, struct err *err)
{
	own_fd int names_fd = openat(proc_fd, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[16];

	if (names_fd < 0 || fchdir(names_fd) < 0)
		return err_errno(err, "cannot enter the directory of our descriptors");
	snprintf(name, sizeof name, "%d", mount_fd);
	return umount2(name, MNT_DETACH) < 0 ? err_errno(err, "cannot detach it") : 0;
}

int mount_unmount_at(int dir_fd, const char *name, struct err *err)
{
	if (fchdir(dir_fd) < 0)
		return err_errno(err, "cannot enter the directory that it is in");
	if (umount2(name, UMOUNT_NOFOLLOW) == 0)
		return 0;
	bool busy = errno == EBUSY;
	err_errno(err, "cannot unmount it");
	if (!busy)
		return -1;
	err_set(err, ERR_BUSY, EBUSY, "it is in use");
	return err_hint(err, "end what uses it, or detach it with --force: who uses it keeps it");
}
