/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts by descriptor, as root, in a mount namespace of the test's own. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/mount.h"
#include "kernel/procattr.h"
#include "test.h"

static struct err err;
static int proc_fd;

/* A shared tmpfs on "source", with a directory "below" that has one of its own; the test's directory is "."
 * and nothing reaches the host. */
static void begin(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(fchdir(test_dir()) == 0 && mkdir("source", 0755) == 0 && mkdir("target", 0755) == 0);
	CHECK(mount("s", "source", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("source/below", 0755) == 0 && mkdir("source/late", 0755) == 0);
	CHECK(mount("b", "source/below", "tmpfs", 0, NULL) == 0);
	CHECK(mount(NULL, "source", NULL, MS_REC | MS_SHARED, NULL) == 0);
	proc_fd = procfs_open(&err);
	CHECK(proc_fd >= 0);
}

static void end(void)
{
	close(proc_fd);
	CHECK(chdir("/") == 0);
}

static int handle(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int peers_of(const char *path)
{
	own_fd int fd = handle(path);
	int peers = mount_peers(proc_fd, fd, &err);

	CHECK(peers >= 0);
	return peers;
}

/* What each propagation makes of the copy of a shared tree, at its top and below. */
TEST(copies_propagate_as_asked)
{
	static const struct {
		unsigned long asked;
		int top, below;
	} cases[] = {
		{0, 0, 0},
		{MS_PRIVATE, 0, 0},
		{MS_SLAVE, MS_SLAVE, MS_SLAVE},
		{MS_SLAVE | MS_REC, MS_SLAVE, MS_SLAVE},
		{MS_SHARED, MS_SHARED, MS_SHARED},
		{MS_SHARED | MS_REC, MS_SHARED, MS_SHARED},
		{MS_UNBINDABLE, 0, 0},
		{MS_UNBINDABLE | MS_REC, 0, 0},
	};

	begin();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		own_fd int copy_fd = mount_clone(AT_FDCWD, "source", true, cases[i].asked, &err);
		own_fd int target_fd = handle("target");

		CHECK_OK(copy_fd);
		CHECK_OK(mount_attach(copy_fd, target_fd, "target", &err));
		CHECK_INT(peers_of("target"), cases[i].top);
		CHECK_INT(peers_of("target/below"), cases[i].below);
		CHECK(umount2("target", MNT_DETACH) == 0);
	}
	end();
}

TEST(an_unbindable_mount_cannot_be_copied_and_the_error_says_so)
{
	begin();
	CHECK(mount(NULL, "source/below", NULL, MS_UNBINDABLE, NULL) == 0);
	CHECK_ERR(mount_clone(AT_FDCWD, "source/below", true, 0, &err), ERR_IO, "source/below");
	CHECK(strstr(err.hint, "unbindable"));
	err = ERR_INIT;
	end();
}

TEST(tops_and_places)
{
	begin();
	own_fd int source_fd = handle("source"), below_fd = handle("source/below");
	own_fd int late_fd = handle("source/late"), again_fd = handle("source");
	CHECK(mount_is_top(source_fd) && mount_is_top(below_fd) && !mount_is_top(late_fd));
	CHECK(mount_same_place(source_fd, again_fd) && !mount_same_place(source_fd, below_fd));
	own_fd int copy_fd = mount_clone(AT_FDCWD, "source", false, 0, &err);
	CHECK(copy_fd >= 0 && !mount_same_place(source_fd, copy_fd));
	end();
}

TEST(a_file_system_is_reconfigured_one_option_at_a_time)
{
	own(strv) struct strv options = STRV_INIT;
	struct statfs fs;

	begin();
	own_fd int fd = handle("source/below");
	CHECK_OK(strv_add(&options, "size=64k", &err));
	CHECK_OK(mount_reconfigure(fd, &options, MS_SYNCHRONOUS, 0, &err));
	CHECK(statfs("source/below", &fs) == 0);
	CHECK_INT(fs.f_blocks * (unsigned long)fs.f_bsize, 65536);
	CHECK_INT(fs.f_flags & ST_SYNCHRONOUS, ST_SYNCHRONOUS);
	CHECK_OK(mount_reconfigure(fd, NULL, 0, MS_SYNCHRONOUS, &err));
	CHECK(statfs("source/below", &fs) == 0 && !(fs.f_flags & ST_SYNCHRONOUS));
	CHECK_OK(strv_add(&options, "size=1m,mode=0", &err));
	CHECK_ERR(mount_reconfigure(fd, &options, 0, 0, &err), ERR_IO, "'size=1m,mode=0'");
	err = ERR_INIT;
	end();
}

/* In a process that does not come back: its root is another. */
static int enter_moved(int root_fd)
{
	char at[64];

	if (mount_move_root(root_fd, &err) < 0 || mount_enter_moved(&err) < 0)
		return 1;
	if (!getcwd(at, sizeof at) || strcmp(at, "/") != 0 || access("/late", F_OK) < 0)
		return 2;
	return access("/../../etc", F_OK) == 0 ? 3 : 0;
}

TEST(a_root_is_moved_and_entered)
{
	int status = -1;

	begin();
	CHECK(mount(NULL, "source", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	own_fd int root_fd = mount_clone(AT_FDCWD, "source", true, 0, &err);
	own_fd int target_fd = handle("target");
	CHECK_OK(mount_attach(root_fd, target_fd, "target", &err));
	pid_t pid = fork();
	if (pid == 0)
		_exit(enter_moved(root_fd));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	CHECK(umount2("/..", MNT_DETACH) == 0);
	end();
}

TEST_MAIN()
