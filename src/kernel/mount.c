/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How it works: each function is one or two calls of the mount API that works on descriptors, with
 * the error that names the object. A failing fsconfig leaves its reason in the context's own log
 * ("overlay: workdir and upperdir must reside under the same mount"): it is read and appended, as
 * the errno value alone (EINVAL) says nothing.
 *
 * What can go wrong: before Linux 6.13 overlay takes its layers only as strings, and before 6.15 only
 * from mounts that are attached somewhere. mount_overlay then names them through /proc/self/fd of a
 * procfs handle (the launch pad has no /proc); the caller has attached them in the launch pad.
 */
#include "kernel/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/proc.h"
#include "kernel/ns.h"

#define FSCONFIG_VALUE_MAX 255
#define HELPER_STACK (64 * 1024)

/* The last message of a file-system context, without its level prefix ("e "), or "". */
static const char *context_log(int fs_fd, char *buf, size_t size)
{
	ssize_t n = read(fs_fd, buf, size - 1);

	if (n < 3 || (buf[0] != 'e' && buf[0] != 'w'))
		return "";
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf + 2;
}

static int context_error(int fs_fd, const char *type, const char *what, struct err *err)
{
	int errnum = errno;
	char log[256];
	const char *reason = context_log(fs_fd, log, sizeof log);

	return err_set(err, err_kind_of(errnum), errnum, "cannot %s%s%s%s%s", what, type,
		       *reason ? " (" : "", reason, *reason ? ")" : "");
}

static int clone_tree(int dir_fd, const char *path, bool recursive, struct err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW |
			     AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	int fd = open_tree(dir_fd, path, flags);

	if (fd >= 0)
		return fd;
	bool refused = errno == EINVAL;
	err_errno(err, "cannot copy the mount of '%s'", *path ? path : ".");
	return refused ? err_hint(err, recursive ? "an unbindable mount cannot be bound"
						 : "it is unbindable, or has mounts below it that "
						   "only 'rbind' may copy")
		       : -1;
}

static int set_attributes(int mount_fd, struct mount_attr *attr, bool recursive)
{
	return mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr,
			     sizeof *attr);
}

/* A copy is born a peer of its original, and so is everything below it in a recursive copy. */
static int propagate_copy(int fd, bool recursive, unsigned long propagation, struct err *err)
{
	unsigned long kind = propagation & ~(unsigned long)MS_REC;
	bool whole = propagation & MS_REC;

	if (kind == MS_SHARED)
		return mount_propagate(fd, MS_SHARED, whole, err);
	if (mount_propagate(fd, kind == MS_SLAVE ? MS_SLAVE : MS_PRIVATE, recursive, err) < 0)
		return -1;
	return kind == MS_UNBINDABLE ? mount_propagate(fd, MS_UNBINDABLE, whole, err) : 0;
}

int mount_clone(int dir_fd, const char *path, bool recursive, unsigned long propagation,
		struct err *err)
{
	own_fd int fd = clone_tree(dir_fd, path, recursive, err);

	if (fd < 0)
		return -1;
	if (propagate_copy(fd, recursive, propagation, err) < 0)
		return err_wrap(err, "copy of '%s'", path);
	return take_fd(fd);
}

int mount_clone_with(int dir_fd, const char *path, bool recursive, uint64_t attrs, struct err *err)
{
	struct mount_attr attr = {.attr_set = attrs, .propagation = MS_PRIVATE};
	own_fd int fd = clone_tree(dir_fd, path, recursive, err);

	if (fd < 0)
		return -1;
	if (set_attributes(fd, &attr, recursive) < 0)
		return err_errno(err, "cannot change the attributes of a copy of '%s'", path);
	return take_fd(fd);
}

int mount_clone_own(int dir_fd, const char *path, struct err *err)
{
	return clone_tree(dir_fd, path, false, err);
}

int mount_clone_anew(int mount_fd, struct err *err)
{
	own_fd int fd = clone_tree(mount_fd, "", true, err);

	if (fd < 0 || mount_propagate(mount_fd, MS_PRIVATE, true, err) < 0)
		return -1;
	return take_fd(fd);
}

/* "key=value" or "flag" */
static int set_option(int fs_fd, const char *option)
{
	const char *equals = strchr(option, '=');
	char key[64];

	if (!equals)
		return fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
	if ((size_t)(equals - option) >= sizeof key) {
		errno = EINVAL;
		return -1;
	}
	snprintf(key, sizeof key, "%.*s", (int)(equals - option), option);
	return fsconfig(fs_fd, FSCONFIG_SET_STRING, key, equals + 1, 0);
}

/* MS_SILENT only quiets the kernel's log, and MS_I_VERSION is what every file system that can do so does
 * by itself: fsconfig(2) has no name for either. */
static const struct {
	unsigned long flag;
	const char *set, *clear;
} superblock_options[] = {
	{MS_SYNCHRONOUS, "sync", "async"},
	{MS_DIRSYNC, "dirsync", NULL},
	{MS_LAZYTIME, "lazytime", "nolazytime"},
	{MS_MANDLOCK, "mand", "nomand"},
	{MS_RDONLY, "ro", "rw"},
};

static int set_superblock_flags(int fs_fd, unsigned long set, unsigned long clear)
{
	for (size_t i = 0; i < sizeof superblock_options / sizeof *superblock_options; i++) {
		unsigned long flag = superblock_options[i].flag;
		const char *option = set & flag	    ? superblock_options[i].set
				     : clear & flag ? superblock_options[i].clear
						    : NULL;

		if (option && fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0) < 0)
			return -1;
	}
	return 0;
}

static int set_options(int fs_fd, const char *type, const struct strv *options, struct err *err)
{
	for (size_t i = 0; options && i < options->count; i++)
		if (set_option(fs_fd, options->items[i]) < 0) {
			context_error(fs_fd, type, "set an option of ", err);
			return err_wrap(err, "option '%s'", options->items[i]);
		}
	return 0;
}

static int create_and_mount(int fs_fd, const char *type, uint64_t attrs, struct err *err)
{
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return context_error(fs_fd, type, "create a file system of type ", err);
	int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)attrs);
	if (fd < 0)
		return context_error(fs_fd, type, "mount a file system of type ", err);
	return fd;
}

int mount_new(const char *type, const char *source, const struct strv *options,
	      unsigned long sb_flags, uint64_t attrs, struct err *err)
{
	own_fd int fs_fd = fsopen(type, FSOPEN_CLOEXEC);

	if (fs_fd < 0)
		return err_errno(err, "cannot open a file system of type '%s'", type);
	if (source && fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return context_error(fs_fd, type, "set the source of ", err);
	if (set_options(fs_fd, type, options, err) < 0)
		return -1;
	if (set_superblock_flags(fs_fd, sb_flags, 0) < 0)
		return context_error(fs_fd, type, "set flags of ", err);
	return create_and_mount(fs_fd, type, attrs, err);
}

int mount_reconfigure(int fd, const struct strv *options, unsigned long sb_set,
		      unsigned long sb_clear, struct err *err)
{
	own_fd int fs_fd = fspick(fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (fs_fd < 0)
		return err_errno(err, "cannot take up a mounted file system");
	if (set_options(fs_fd, "the file system", options, err) < 0)
		return -1;
	if (set_superblock_flags(fs_fd, sb_set, sb_clear) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return context_error(fs_fd, "the file system", "reconfigure ", err);
	return 0;
}

int mount_set(int mount_fd, uint64_t set, uint64_t clear, bool recursive, struct err *err)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clear};

	if (!set && !clear)
		return 0;
	if (set_attributes(mount_fd, &attr, recursive) < 0)
		return err_errno(err, "cannot change mount attributes");
	return 0;
}

int mount_propagate(int mount_fd, unsigned long propagation, bool recursive, struct err *err)
{
	struct mount_attr attr = {.propagation = propagation};

	if (set_attributes(mount_fd, &attr, recursive) < 0)
		return err_errno(err, "cannot change mount propagation");
	return 0;
}

int mount_idmap(int mount_fd, int userns_fd, bool recursive, struct err *err)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd};

	if (set_attributes(mount_fd, &attr, recursive) == 0)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return err_errno(err, "cannot map the owners of a mount");
	err_set(err, ERR_UNSUPPORTED, errno,
		"cannot map the owners of a mount: its file system does not support it");
	return err_hint(err, "ext4, xfs, btrfs and tmpfs (Linux 6.3) do; NFS and overlay do not");
}

int mount_attach(int mount_fd, int target_fd, const char *what, struct err *err)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

	if (move_mount(mount_fd, "", target_fd, "", flags) < 0)
		return err_errno(err, "cannot mount on '%s'", what);
	return 0;
}

int mount_attach_in(int mount_fd, int dir_fd, const char *name, struct err *err)
{
	if (move_mount(mount_fd, "", dir_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, "cannot mount on '%s'", name);
	return 0;
}

int mount_pivot(int root_fd, struct err *err)
{
	if (fchdir(root_fd) < 0)
		return err_errno(err, "cannot enter the new root");
	/* The old root is stacked on the new one, and is then the top of ".": pivot_root(2), NOTES. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(err, "cannot make the new root '/'");
	if (umount2(".", MNT_DETACH) < 0)
		return err_errno(err, "cannot detach the old root");
	return 0;
}

int mount_move_root(int root_fd, struct err *err)
{
	if (move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, "cannot move the new root on '/'");
	return 0;
}

/* "/" is still the directory below; its ".." is the top of what is mounted on it. */
int mount_enter_moved(struct err *err)
{
	if (chdir("/..") < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_errno(err, "cannot enter the root that was moved");
	return 0;
}

int mount_enter_root(int root_fd, struct err *err)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return err_errno(err, "cannot enter the root");
	return 0;
}

int mount_bind_path(const char *source, const char *target, struct err *err)
{
	if (mount(source, target, NULL, MS_BIND, NULL) < 0)
		return err_errno(err, "cannot bind '%s' on '%s'", source, target);
	return 0;
}

int mount_private_path(const char *path, struct err *err)
{
	if (mount_bind_path(path, path, err) < 0)
		return -1;
	if (mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0) {
		err_errno(err, "cannot make the mount of '%s' private", path);
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		return -1;
	}
	return 0;
}

int mount_unmount_path(const char *target, struct err *err)
{
	if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return err_errno(err, "cannot unmount '%s'", target);
	return 0;
}

/* A mount of proc shows the pid namespace that its maker was born in. Who has entered one for his children
 * needs a right over his own to take that back, which an ordinary user does not have; so it is a first
 * helper that enters, and a second one, its child, that mounts. Both share our descriptors and, of our memory, this. */
struct proc_helper {
	int pidns_fd;
	const char *source;
	const struct strv *options;
	uint64_t attrs;
	struct err err;
	char *stack_top; /* of the second */
	int mount_fd;
};

/* How it went stands in what we share. */
static void await_helper(struct proc *helper)
{
	struct err ignored = ERR_INIT;
	struct proc_exit how;

	if (proc_wait(helper, -1, &how, &ignored) == 1)
		proc_forget(helper);
	else
		proc_done(helper);
}

static int mount_from_inside(void *data)
{
	struct proc_helper *h = data;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	h->mount_fd = mount_new("proc", h->source, h->options, 0, h->attrs, &h->err);
	_exit(EXIT_SUCCESS);
}

static int enter_for_children(void *data)
{
	struct proc_helper *h = data;
	struct proc second = PROC_INIT;

	if (setns(h->pidns_fd, CLONE_NEWPID) < 0)
		err_errno(&h->err, "cannot enter the pid namespace of the container");
	else if (ns_spawn_beside(mount_from_inside, h, h->stack_top, &second, &h->err) == 0)
		await_helper(&second);
	_exit(EXIT_SUCCESS);
}

/* As proc_by_helper(), with what the helpers and we have in common. */
static int let_mount(struct proc_helper *h, struct err *err)
{
	_Alignas(16) char stacks[2][HELPER_STACK];
	struct proc first = PROC_INIT;

	h->stack_top = stacks[1] + HELPER_STACK;
	if (ns_spawn_beside(enter_for_children, h, stacks[0] + HELPER_STACK, &first, err) < 0)
		return -1;
	await_helper(&first);
	if (h->mount_fd >= 0)
		return h->mount_fd;
	if (!*h->err.message)
		return err_set(err, ERR_IO, 0, "a process of ours that mounts proc was killed");
	*err = h->err;
	return -1;
}

static int proc_by_helper(const struct proc_helper *what, struct err *err)
{
	struct proc_helper *h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd;

	if (h == MAP_FAILED)
		return err_errno(err, "cannot prepare a process that mounts proc");
	*h = *what;
	fd = let_mount(h, err);
	munmap(h, sizeof(*h));
	return fd;
}

int mount_proc_of(int pidns_fd, const char *source, const struct strv *options, uint64_t attrs,
		  struct err *err)
{
	struct err older = ERR_INIT;
	own_fd int fs_fd = fsopen("proc", FSOPEN_CLOEXEC);
	if (fs_fd < 0)
		return err_errno(err, "cannot open a file system of type 'proc'");
	if (fail_point("mount.pidns", &older) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_FD, "pidns", NULL, pidns_fd) < 0)
		return proc_by_helper(&(struct proc_helper){.pidns_fd = pidns_fd,
							    .source = source,
							    .options = options,
							    .attrs = attrs,
							    .err = ERR_INIT,
							    .mount_fd = -1},
				      err);
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return context_error(fs_fd, "proc", "set the source of ", err);
	if (set_options(fs_fd, "proc", options, err) < 0)
		return -1;
	return create_and_mount(fs_fd, "proc", attrs, err);
}

static int set_layer(int fs_fd, const char *key, int fd)
{
	return fsconfig(fs_fd, FSCONFIG_SET_FD, key, NULL, fd);
}

/* By descriptor (6.13). 1: this kernel wants names, nothing is set. */
static int set_layers(int fs_fd, const struct overlay *o, struct err *err)
{
	struct err older = ERR_INIT;

	if (fail_point("mount.layers", &older) < 0)
		return 1;
	for (unsigned int i = 0; i < o->lower_count; i++) {
		if (set_layer(fs_fd, "lowerdir+", o->lower_fds[i]) == 0)
			continue;
		return i == 0 ? 1 : context_error(fs_fd, "overlay", "set a lower layer of ", err);
	}
	if (o->upper_fd < 0)
		return 0;
	if (set_layer(fs_fd, "upperdir", o->upper_fd) < 0 ||
	    set_layer(fs_fd, "workdir", o->work_fd) < 0)
		return context_error(fs_fd, "overlay", "set the writable layer of ", err);
	return 0;
}

/* A context of a kernel before 6.5 stores whatever it is told, and overlay sees it when the file system
 * is created; so it alone takes an option that no file system has. */
static bool takes_anything(const char *type)
{
	own_fd int fs_fd = fsopen(type, FSOPEN_CLOEXEC);

	return fs_fd >= 0 && fsconfig(fs_fd, FSCONFIG_SET_FLAG, "no-such-option", NULL, 0) == 0;
}

/* The descriptor's name in /proc/self/fd, which is the working directory while this runs: the value of
 * fsconfig(2) has 255 bytes, and so there is room for more layers. */
static int set_name(int fs_fd, const char *key, int fd)
{
	char name[16];

	snprintf(name, sizeof name, "%d", fd);
	return fsconfig(fs_fd, FSCONFIG_SET_STRING, key, name, 0);
}

/* Linux before 6.5: overlay has only the "lowerdir=a:b" of mount(2), through the same context. */
static int set_lowers_joined(int fs_fd, const struct overlay *o, struct err *err)
{
	own(str) struct str names = STR_INIT(FSCONFIG_VALUE_MAX);

	for (unsigned int i = 0; i < o->lower_count; i++)
		str_addf(&names, "%s%d", i ? ":" : "", o->lower_fds[i]);
	if (str_check(&names, "list of layers", err) < 0)
		return -1;
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", names.data, 0) < 0)
		return context_error(fs_fd, "overlay", "set the lower layers of ", err);
	return 0;
}

static int set_lowers_named(int fs_fd, const struct overlay *o, struct err *err)
{
	if (takes_anything("overlay"))
		return set_lowers_joined(fs_fd, o, err);
	for (unsigned int i = 0; i < o->lower_count; i++)
		if (set_name(fs_fd, "lowerdir+", o->lower_fds[i]) < 0)
			return context_error(fs_fd, "overlay", "set a lower layer of ", err);
	return 0;
}

static int set_layers_named(int fs_fd, const struct overlay *o, struct err *err)
{
	if (set_lowers_named(fs_fd, o, err) < 0)
		return -1;
	if (o->upper_fd >= 0 && (set_name(fs_fd, "upperdir", o->upper_fd) < 0 ||
				 set_name(fs_fd, "workdir", o->work_fd) < 0))
		return context_error(fs_fd, "overlay", "set the writable layer of ", err);
	return 0;
}

static int overlay_create(int fs_fd, const struct overlay *o, uint64_t attrs, struct err *err)
{
	if (o->follow_redirects &&
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "redirect_dir", "follow", 0) < 0)
		return context_error(fs_fd, "overlay", "follow redirects in ", err);
	if (o->user_marks && fsconfig(fs_fd, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return context_error(fs_fd, "overlay", "set 'userxattr' of ", err);
	if (o->is_volatile && o->upper_fd >= 0 &&
	    fsconfig(fs_fd, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return context_error(fs_fd, "overlay", "set 'volatile' of ", err);
	return create_and_mount(fs_fd, "overlay", attrs, err);
}

/* Linux before 6.5 looks the names up only when the file system is created. */
static int overlay_by_names(int fs_fd, const struct overlay *o, uint64_t attrs, struct err *err)
{
	own_fd int cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int names_fd = openat(o->proc_fd, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (cwd_fd < 0 || names_fd < 0 || fchdir(names_fd) < 0)
		return err_errno(err, "cannot enter the directory of our descriptors");
	own_fd int fd = set_layers_named(fs_fd, o, err) < 0 ? -1
							    : overlay_create(fs_fd, o, attrs, err);
	if (fchdir(cwd_fd) < 0)
		return err_errno(err, "cannot return to the working directory");
	return take_fd(fd);
}

int mount_overlay(const struct overlay *overlay, uint64_t attrs, struct err *err)
{
	own_fd int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);

	if (fs_fd < 0)
		return err_errno(err, "cannot open a file system of type 'overlay'");
	int named = set_layers(fs_fd, overlay, err);
	if (named < 0)
		return -1;
	return named ? overlay_by_names(fs_fd, overlay, attrs, err)
		     : overlay_create(fs_fd, overlay, attrs, err);
}

int mount_copy_namespace(struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(err, "cannot make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, "cannot keep the mounts of the container from the host");
	return 0;
}

int mount_freeze_super(int mount_fd, struct err *err)
{
	own_fd int fs_fd = fspick(mount_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (fs_fd < 0)
		return err_errno(err, "cannot pick the file system");
	if (fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return err_errno(err, "cannot make the file system read-only");
	return 0;
}
