/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launch pad: a mount namespace owned by the initial user namespace, with a tmpfs for a root that
 * holds one empty directory to stage mounts on. Copying a mount namespace costs about 1.2 microseconds for every mount in it,
 * and as much again when it ends; every container's is copied from this one, so a crowded host costs
 * nothing. Sources are taken as detached copies before P goes in: the pad pins nothing of the host.
 *
 * It is pinned by the one mount that we make on the host: a bind of its nsfs file on RUN_ROOT/pad. A
 * namespace file cannot be bound in its own or an older namespace (the kernel refuses the loop), so the
 * child makes the namespace, and the parent, outside, binds it. What is older is told by the namespaces'
 * numbers, and Linux 6.18 hands those out in blocks to each CPU: in a mount namespace other than the
 * initial one, a newer namespace may count as older, depending on the CPU it was made on. Then the
 * bind fails with EINVAL, and the child tries each CPU in turn.
 *
 * Nor can it be bound where mounts are propagated from (EINVAL again), as they are everywhere on a
 * host with systemd: a copy of it must not appear in another namespace. There the file RUN_ROOT/pad
 * is first bound on itself, as a private mount, and the pin goes on top of that.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "base/proc.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "runtime/start.h"

#define PAD_LOCK "pad.lock"
#define PAD_LOCK_TIMEOUT_MS 10000

/* A CPU that is not there, or not for us, leaves the choice to the kernel. */
static void move_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

/* The child's part: an empty root. Reports one byte when it stands. */
static _Noreturn void build_pad(int ready_fd, int cpu)
{
	struct err err = ERR_INIT;
	own(strv) struct strv options = STRV_INIT;

	/* Where there is no pid namespace around the two of us. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cpu >= 0)
		move_to_cpu(cpu);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    strv_add(&options, "mode=755", &err) < 0 || strv_add(&options, "size=16k", &err) < 0)
		_exit(1);
	int root_fd = mount_new("tmpfs", "insula-pad", &options, 0,
				MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &err);
	int target_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || target_fd < 0 || mkdirat(root_fd, RUNTIME_PAD_STAGE, 0755) < 0 ||
	    mount_attach(root_fd, target_fd, "/", &err) < 0 || mount_pivot(root_fd, &err) < 0)
		_exit(1);
	if (write(ready_fd, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int make_pin_file(int run_fd, const char *target, struct err *err)
{
	own_fd int file_fd = openat(run_fd, "pad", O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW,
				    0600);

	if (file_fd < 0)
		return err_errno(err, "cannot make '%s'", target);
	return 0;
}

/* A place for the pin that nothing is propagated from. */
static int make_pin_private(int run_fd, const char *target, struct err *err)
{
	own_fd int proc_fd = procfs_open(err);
	uint64_t mount_id;

	if (proc_fd < 0 || mount_id_of(run_fd, "pad", &mount_id, err) < 0)
		return -1;
	int shared = mount_is_shared(proc_fd, mount_id, err);
	if (shared <= 0)
		return shared;
	return mount_private_path(target, err);
}

static int pin_pad(pid_t host_pid, const char *target, struct err *err)
{
	char source[48];

	snprintf(source, sizeof source, "/proc/%d/ns/mnt", host_pid);
	return mount_bind_path(source, target, err);
}

static int make_pad_on(int cpu, const char *target, struct err *err)
{
	own(proc) struct proc builder = PROC_INIT;
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	own_fd int read_end = ready[0], write_end = ready[1];
	pid_t pid = proc_clone(&builder, 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		build_pad(write_end, cpu);
	fd_close(take_fd(write_end));
	if (read(read_end, &byte, 1) != 1) {
		err_set(err, ERR_DENIED, 0, "cannot make the launch pad, an empty mount namespace");
		return err_hint(err, "this needs CAP_SYS_ADMIN in the initial user namespace");
	}
	if (fail_point("pad.pin", err) < 0)
		return -1;
	return pin_pad(proc_pid_of_fd(-1, builder.pidfd), target, err);
}

static int make_pad(int run_fd, const char *target, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	if (make_pin_file(run_fd, target, err) < 0 || make_pin_private(run_fd, target, err) < 0)
		return -1;
	for (int cpu = -1; cpu < cpus && cpu < CPU_SETSIZE; cpu++) {
		if (make_pad_on(cpu, target, err) == 0)
			return 0;
		if (err->errnum != EINVAL)
			break;
	}
	return -1;
}

/* The pinned namespace, or -1 with errno where there is only the file, or nothing. */
static int open_pinned(int run_fd)
{
	struct statfs fs;
	own_fd int fd = openat(run_fd, "pad", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -1;
	if (fstatfs(fd, &fs) < 0)
		return -1;
	if (fs.f_type != NSFS_MAGIC) {
		errno = ENOENT;
		return -1;
	}
	return take_fd(fd);
}

int runtime_pad_open(const char *run_root, struct err *err)
{
	own_fd int run_fd = file_open_dirs(run_root, 0700, err);
	own_free char *target = NULL;

	if (run_fd < 0)
		return -1;
	int fd = open_pinned(run_fd);
	if (fd >= 0)
		return fd;
	own_fd int lock_fd = file_lock(run_fd, PAD_LOCK, LOCK_EXCLUSIVE, PAD_LOCK_TIMEOUT_MS, err);
	if (lock_fd < 0)
		return -1;
	fd = open_pinned(run_fd); /* somebody else made it meanwhile */
	if (fd >= 0)
		return fd;
	target = str_printf(err, "%s/pad", run_root);
	if (!target || make_pad(run_fd, target, err) < 0)
		return -1;
	fd = open_pinned(run_fd);
	return fd >= 0 ? fd : err_errno(err, "cannot open the launch pad '%s'", target);
}

int runtime_pad_present(const char *run_root, struct err *err)
{
	own_fd int run_fd = open(run_root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (run_fd < 0 && errno == ENOENT)
		return 0;
	if (run_fd < 0)
		return err_errno(err, "cannot open '%s'", run_root);
	own_fd int fd = open_pinned(run_fd);
	return fd >= 0;
}

int runtime_pad_is_debris(const char *run_root, struct err *err)
{
	own_fd int run_fd = open(run_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int held = run_fd < 0 ? 0 : file_lock_held(run_fd, PAD_LOCK, err);

	if (run_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", run_root);
	if (held)
		return held < 0 ? -1 : 0; /* somebody is making it */
	own_fd int pinned_fd = open_pinned(run_fd);
	return pinned_fd < 0 && faccessat(run_fd, "pad", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The pin, and what it may lie on. */
static int unmount_pin(int run_fd, const char *target, struct err *err)
{
	uint64_t here, there;

	if (mount_id_of(run_fd, "", &here, err) < 0)
		return -1;
	for (;;) {
		if (mount_id_of(run_fd, "pad", &there, err) < 0)
			return err->errnum == ENOENT ? 0 : -1;
		if (there == here)
			return 0;
		if (mount_unmount_path(target, err) < 0)
			return -1;
	}
}

/* unpin: also where it is pinned. Makers are kept out by their lock. */
static int remove_pad(const char *run_root, bool unpin, struct err *err)
{
	own_fd int run_fd = open(run_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int lock_fd = run_fd < 0 ? -1
					: file_lock(run_fd, PAD_LOCK, LOCK_EXCLUSIVE,
						    PAD_LOCK_TIMEOUT_MS, err);
	own_free char *target = str_printf(err, "%s/pad", run_root);

	if (run_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", run_root);
	if (lock_fd < 0 || !target)
		return -1;
	int pinned_fd = open_pinned(run_fd);
	fd_close(pinned_fd);
	if (pinned_fd >= 0 && !unpin)
		return 0;
	if (unmount_pin(run_fd, target, err) < 0)
		return -1;
	return file_unlink(run_fd, "pad", err);
}

int runtime_pad_remove(const char *run_root, struct err *err)
{
	return remove_pad(run_root, true, err);
}

int runtime_pad_clean(const char *run_root, struct err *err)
{
	return remove_pad(run_root, false, err);
}
