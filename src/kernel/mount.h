/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts as descriptors: open_tree(2), fsopen(2), fsconfig(2), fsmount(2), move_mount(2),
 * mount_setattr(2) (Linux 5.2 to 5.12). A mount is made detached, given its attributes, and attached
 * to a descriptor: no path of a container is ever named twice.
 *
 * Every function returns a CLOEXEC descriptor of a detached mount or 0; `what` names the object in the
 * error where the function cannot know it.
 */
#ifndef INSULA_KERNEL_MOUNT_H
#define INSULA_KERNEL_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/err.h"
#include "base/str.h"

/* A detached copy of what is at dir_fd/path ("" for dir_fd itself). propagation: MS_PRIVATE (0 means
 * that too: a copy of a shared mount would be the host's peer, and mounts made below it would appear
 * there), or MS_SLAVE, MS_SHARED or MS_UNBINDABLE where the user asked for it; all of a recursive copy
 * is private or slave, and MS_REC says whether it is shared or unbindable as a whole. A symlink in the
 * last component is not followed. Must be called in the mount namespace that the path is in. */
int mount_clone(int dir_fd, const char *path, bool recursive, unsigned long propagation,
		struct err *err);

/* The same, private and with MOUNT_ATTR_* set at once. */
int mount_clone_with(int dir_fd, const char *path, bool recursive, uint64_t attrs, struct err *err);
/* A copy of one of our own mounts, which is private and has the attributes that the copy shall have. */
int mount_clone_own(int dir_fd, const char *path, struct err *err);
/* A copy of a mount of ours with all below it, and with the propagation that each has: younger, no more. The
 * first one is private from then on, so that its end is nobody else's. */
int mount_clone_anew(int mount_fd, struct err *err);

/* The same of a tmpfs that a path leads to in another mount namespace, whose files are a stranger's: links lead
 * nowhere out of its root, and what does not answer in time is an error. */
int mount_clone_inside(int there_fd, const char *path, int timeout_ms, struct err *err);

/* A new file system. options: "key=value" or "flag", each set by its own fsconfig; sb_flags: MS_* that
 * belong to the superblock. */
int mount_new(const char *type, const char *source, const struct strv *options,
	      unsigned long sb_flags, uint64_t attrs, struct err *err);

/* MOUNT_ATTR_* of a mount (detached or not); recursive: of everything below it too. Where set names a
 * MOUNT_ATTR__ATIME value, clear must contain MOUNT_ATTR__ATIME. */
int mount_set(int mount_fd, uint64_t set, uint64_t clear, bool recursive, struct err *err);
/* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. */
int mount_propagate(int mount_fd, unsigned long propagation, bool recursive, struct err *err);
/* Owners are shown as the user namespace maps them (Linux 5.12; the file system must allow it:
 * EINVAL is ERR_UNSUPPORTED). Only a detached mount that nobody has used yet. */
int mount_idmap(int mount_fd, int userns_fd, bool recursive, struct err *err);

/* Put a detached mount where target_fd (O_PATH) is. */
int mount_attach(int mount_fd, int target_fd, const char *what, struct err *err);
/* What mount events a mount takes part in, by mountinfo of our own mount namespace: 0, or a combination
 * of MS_SHARED (it sends them) and MS_SLAVE (it receives them). proc_fd: a procfs that shows ourselves;
 * fd: anything on the mount. */
int mount_peers(int proc_fd, int fd, struct err *err);

/* Is the descriptor (O_PATH) the top of a mount? */
bool mount_is_top(int fd);
/* Do both lead to the same place of the same mount? */
bool mount_same_place(int a, int b);

/* Where a descriptor leads, and what is there, by one system call: for whoever compares many with one. */
struct mount_place {
	uint64_t mount_id, inode;
	mode_t mode;
};
int mount_place_of(int fd, struct mount_place *ret, struct err *err);
bool mount_place_equals(const struct mount_place *a, const struct mount_place *b);

/* Which mount that is, also while it is not attached, and by all that this kernel has to tell it from others. */
struct mount_identity {
	uint64_t id;	    /* as in mountinfo: another's, once this one is gone */
	uint64_t unique_id; /* never another's (Linux 6.8); 0: unknown */
	uint64_t device, inode;
};
int mount_identify(int fd, struct mount_identity *ret, struct err *err);
bool mount_identity_equals(const struct mount_identity *a, const struct mount_identity *b);

/* For a process that is to end soon: a mount namespace of its own with nothing in it but a small tmpfs, which
 * is "/" and may hold device nodes. Its descriptor. */
int mount_own_stage(struct err *err);
/* For such a process, which is in a user namespace of its own afterwards: a copy of a detached mount (which is
 * used up) whose flags nobody in a user namespace below ours can change. */
int mount_lock_flags(int mount_fd, bool directory, struct err *err);
/* Detach just what the descriptor leads to, with what is mounted on it: whoever uses it keeps it. proc_fd: a procfs
 * that shows ourselves. */
int mount_detach(int proc_fd, int mount_fd, struct err *err);
/* Unmount what is on a name; ERR_BUSY where it is in use, which it would be for a descriptor of its own. Both change
 * the working directory. */
int mount_unmount_at(int dir_fd, const char *name, struct err *err);

/* Change options of the file system that is mounted where fd (O_PATH) is: those of its superblock, which
 * every mount of it has. sb_set, sb_clear: MS_*. */
int mount_reconfigure(int fd, const struct strv *options, unsigned long sb_set,
		      unsigned long sb_clear, struct err *err);

/* The same for a name in a directory of ours that nobody else can write to. */
int mount_attach_in(int mount_fd, int dir_fd, const char *name, struct err *err);

/* The descriptor of the new root becomes "/", what was there is detached. The caller's mount namespace
 * must be private. */
int mount_pivot(int root_fd, struct err *err);
/* Make the whole file system read-only, not just this mount of it: no remount of a mount undoes that. */
int mount_freeze_super(int mount_fd, struct err *err);

/* A mount namespace of our own with the same tree, nothing of which reaches the one that was copied. */
int mount_copy_namespace(struct err *err);
/* The other way: the mount is moved on top of "/" and stays above what was there. Whoever shares the mount
 * namespace enters it by mount_enter_moved. */
int mount_move_root(int root_fd, struct err *err);
int mount_enter_moved(struct err *err);
/* Or, in a mount namespace that others use: the root of the caller alone, which no mount has to be changed for. */
int mount_enter_root(int root_fd, struct err *err);

/* Plain mount(2)/umount2(2) for the few host paths that are ours (the pin of the launch pad). */
int mount_bind_path(const char *source, const char *target, struct err *err);
/* The path on itself, as a mount of its own that nothing is propagated from. */
int mount_private_path(const char *path, struct err *err);
int mount_unmount_path(const char *target, struct err *err);

/* procfs of a pid namespace; options: "hidepid=2" and its like. By the "pidns" option where the kernel has it
 * (6.17), else by a short-lived child that enters the namespace. */
int mount_proc_of(int pidns_fd, const char *source, const struct strv *options, uint64_t attrs,
		  struct err *err);

struct overlay {
	const int *lower_fds; /* topmost first, O_PATH or mount descriptors */
	unsigned int lower_count;
	int upper_fd, work_fd; /* -1: read-only */
	bool is_volatile;
	bool follow_redirects; /* redirect_dir=follow: the mask layer of a host image has redirects */
	bool user_marks; /* user.overlay.* instead of trusted.*, which only host root has (Linux 5.11) */
	int proc_fd; /* a procfs that shows ourselves, for kernels that want names (before 6.13) */
};

/* The credentials of the caller become the overlay's: every later access to a layer is checked against
 * them (fsuid, fsgid, groups, effective capabilities). */
int mount_overlay(const struct overlay *overlay, uint64_t attrs, struct err *err);

#endif
