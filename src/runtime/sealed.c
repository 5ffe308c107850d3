/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sealed copy, kept in the launch pad.
 *
 * Where container root is host root, no process of ours in the container may run from our file on the
 * host (kernel/seal.c says why). To copy the program into a memfd at each start costs a millisecond and
 * a megabyte for each container that waits. So the copy is made once, in a small tmpfs that is then made
 * read-only as a whole and lives in the launch pad, a mount namespace that no container shares: the page
 * cache holds it once, and a start executes it. Nobody can write to it: a mount can be made writable
 * again by who has the mount in his namespace, a superblock only by who can name its root, and
 * /proc/PID/exe of a container's process names neither.
 *
 * The copy is known by device, inode, size and time of the file that it was made of, so that an upgraded
 * program has a new one. Where the pad cannot be had, the copy is a memfd.
 */
#include "runtime/sealed.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/own.h"
#include "kernel/mount.h"
#include "kernel/seal.h"
#include "runtime/runtime.h"

#define SEALED_DIR "/sealed"
#define SEALED_LOCK "sealed.lock"
#define SEALED_LOCK_MS 10000
#define SEALED_MAX 4 /* copies of different programs, or versions of them, at once */
#define SEALED_SIZE "size=32m"

struct copying {
	int exe_fd, run_fd, lock_fd;
	int own_ns_fd, own_cwd_fd; /* to return to */
	char name[96];		   /* of the copy's directory */
	struct stat st;
};

static void copying_done(struct copying *c)
{
	fd_close(c->exe_fd);
	fd_close(c->run_fd);
	fd_close(c->lock_fd);
	fd_close(c->own_ns_fd);
	fd_close(c->own_cwd_fd);
}

static int open_copy(const struct copying *c)
{
	char path[sizeof SEALED_DIR + sizeof c->name + 8];

	snprintf(path, sizeof path, SEALED_DIR "/%s/program", c->name);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int fill_copy(const struct copying *c, int mount_fd, struct err *err)
{
	own_fd int fd = openat(mount_fd, "program", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);
	off_t at = 0;

	if (fd < 0)
		return err_errno(err, "cannot make the copy of our program");
	while (at < c->st.st_size) {
		ssize_t n = sendfile(fd, c->exe_fd, &at, (size_t)(c->st.st_size - at));

		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot copy our program");
		if (n == 0)
			return err_set(err, ERR_IO, 0, "our program became shorter meanwhile");
	}
	return 0;
}

/* Of programs that were replaced, or of other builds. Who runs from one goes on. */
static void drop_others(struct err *ignored)
{
	own(strv) struct strv names = STRV_INIT;
	own_fd int dir_fd = open(SEALED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0 || file_list(dir_fd, ".", &names, ignored) < 0 || names.count < SEALED_MAX)
		return;
	for (size_t i = 0; i < names.count; i++) {
		char path[sizeof SEALED_DIR + 256];

		snprintf(path, sizeof path, SEALED_DIR "/%s", names.items[i]);
		mount_unmount_path(path, ignored);
		unlinkat(dir_fd, names.items[i], AT_REMOVEDIR);
	}
}

/* In the pad. The copy has its place only when it is whole and read-only. */
static int make_copy(const struct copying *c, struct err *err)
{
	own(strv) struct strv options = STRV_INIT;
	char path[sizeof SEALED_DIR + sizeof c->name];

	snprintf(path, sizeof path, SEALED_DIR "/%s", c->name);
	if (strv_add(&options, "mode=755", err) < 0 || strv_add(&options, SEALED_SIZE, err) < 0)
		return -1;
	own_fd int mount_fd = mount_new("tmpfs", "insula-sealed", &options, 0,
					MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (mount_fd < 0 || fill_copy(c, mount_fd, err) < 0 ||
	    mount_freeze_super(mount_fd, err) < 0 || fail_point("seal.made", err) < 0)
		return -1;
	drop_others(err);
	if ((mkdir(SEALED_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST))
		return err_errno(err, "cannot make '%s' in the launch pad", path);
	own_fd int target_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target_fd < 0)
		return err_errno(err, "cannot open '%s' in the launch pad", path);
	return mount_attach(mount_fd, target_fd, path, err);
}

static int find_or_make(struct copying *c, struct err *err)
{
	int fd = open_copy(c);

	if (fd >= 0)
		return fd;
	c->lock_fd = file_lock(c->run_fd, SEALED_LOCK, LOCK_EXCLUSIVE, SEALED_LOCK_MS, err);
	if (c->lock_fd < 0)
		return -1;
	fd = open_copy(c); /* somebody else made it meanwhile */
	if (fd >= 0)
		return fd;
	if (make_copy(c, err) < 0)
		return -1;
	fd = open_copy(c);
	return fd >= 0 ? fd : err_errno(err, "cannot open the sealed copy of our program");
}

static int prepare(struct copying *c, const char *run_root, struct err *err)
{
	c->exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (c->exe_fd < 0 || fstat(c->exe_fd, &c->st) < 0)
		return err_errno(err, "cannot open our program");
	snprintf(c->name, sizeof c->name, "%llx-%llx-%llx-%llx.%lx",
		 (unsigned long long)c->st.st_dev, (unsigned long long)c->st.st_ino,
		 (unsigned long long)c->st.st_size, (unsigned long long)c->st.st_mtim.tv_sec,
		 (unsigned long)c->st.st_mtim.tv_nsec);
	c->own_ns_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	c->own_cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c->run_fd = file_open_dirs(run_root, 0700, err);
	if (c->run_fd < 0)
		return -1;
	if (c->own_ns_fd < 0 || c->own_cwd_fd < 0)
		return err_errno(err, "cannot leave our mount namespace");
	return 0;
}

/* The copy, open. Goes into the pad and comes back. */
static int open_sealed(const char *run_root, struct err *err)
{
	own(copying) struct copying c = {
		.exe_fd = -1, .run_fd = -1, .lock_fd = -1, .own_ns_fd = -1, .own_cwd_fd = -1};
	struct err returning = ERR_INIT;

	if (prepare(&c, run_root, err) < 0)
		return -1;
	own_fd int pad_fd = runtime_pad_open(run_root, err);
	if (pad_fd < 0)
		return -1;
	if (setns(pad_fd, CLONE_NEWNS) < 0)
		return err_errno(err, "cannot enter the launch pad");
	own_fd int fd = find_or_make(&c, err);
	if (setns(c.own_ns_fd, CLONE_NEWNS) < 0 || fchdir(c.own_cwd_fd) < 0) {
		err_errno(&returning, "cannot return to our mount namespace");
		*err = returning;
		return -1;
	}
	return take_fd(fd);
}

int runtime_seal(const char *run_root, char *const argv[], struct err *err)
{
	struct err opening = ERR_INIT;
	int begun = seal_begun(argv, err);

	if (begun)
		return begun < 0 ? -1 : 0;
	own_fd int fd = open_sealed(run_root, &opening);
	return fd >= 0 ? seal_execute(fd, argv, err) : seal_reexec(argv, err);
}
