/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copying a tree that others made: what each kind of entry becomes, and what is refused. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/own.h"
#include "base/path.h"
#include "test.h"

static char directory[] = "/tmp/insula-copy.XXXXXX";
static int top_fd, from_fd, to_fd;
static struct err err;

/* "from" and "to" in a directory that end() takes away. */
static void begin(void)
{
	CHECK(mkdtemp(directory));
	top_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(top_fd >= 0 && mkdirat(top_fd, "from", 0755) == 0 &&
	      mkdirat(top_fd, "to", 0755) == 0);
	from_fd = openat(top_fd, "from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	to_fd = openat(top_fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(from_fd >= 0 && to_fd >= 0);
}

static void end(void)
{
	CHECK_OK(path_remove_tree(top_fd, "from", &err));
	CHECK_OK(path_remove_tree(top_fd, "to", &err));
	CHECK(rmdir(directory) == 0);
	close(top_fd);
	close(from_fd);
	close(to_fd);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	own_fd int fd = openat(from_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(fchmod(fd, mode) == 0);
}

static struct stat status_of(int dir_fd, const char *path)
{
	struct stat st;

	if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		test_fail(__FILE__, __LINE__, "'%s' is missing", path);
	return st;
}

TEST(files_have_their_contents_mode_times_and_attributes)
{
	struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 2000000}};
	char text[16] = "", value[8] = "";

	begin();
	CHECK(mkdirat(from_fd, "sub", 0700) == 0);
	put_file("sub/file", "contents", 06751);
	own_fd int file_fd = openat(from_fd, "sub/file", O_RDONLY | O_CLOEXEC);
	bool attributes = fsetxattr(file_fd, "user.insula", "value", 5, 0) == 0;
	CHECK(futimens(file_fd, old) == 0 && fchmodat(from_fd, "sub", 01750, 0) == 0);
	CHECK_OK(copy_tree(from_fd, to_fd, &err));
	struct stat st = status_of(to_fd, "sub/file");
	CHECK_INT(st.st_mode, S_IFREG | 06751);
	CHECK_INT(st.st_mtim.tv_sec, 2000000);
	CHECK_INT(status_of(to_fd, "sub").st_mode, S_IFDIR | 01750);
	own_fd int copy_fd = openat(to_fd, "sub/file", O_RDONLY | O_CLOEXEC);
	CHECK(read(copy_fd, text, sizeof text - 1) == 8);
	CHECK_STR(text, "contents");
	if (attributes)
		CHECK(fgetxattr(copy_fd, "user.insula", value, sizeof value) == 5);
	end();
}

TEST(links_are_copied_and_never_followed)
{
	char text[PATH_MAX] = "";

	begin();
	CHECK(symlinkat("/etc", from_fd, "outside") == 0);
	CHECK(symlinkat("../../../etc/passwd", from_fd, "up") == 0);
	CHECK(symlinkat("loop", from_fd, "loop") == 0);
	CHECK_OK(copy_tree(from_fd, to_fd, &err));
	CHECK(S_ISLNK(status_of(to_fd, "outside").st_mode) &&
	      S_ISLNK(status_of(to_fd, "up").st_mode));
	CHECK(readlinkat(to_fd, "loop", text, sizeof text - 1) == 4);
	CHECK_STR(text, "loop");
	end();
}

TEST(what_would_block_is_not_opened)
{
	begin();
	CHECK(mkfifoat(from_fd, "fifo", 0640) == 0);
	alarm(20);
	CHECK_OK(copy_tree(from_fd, to_fd, &err));
	alarm(0);
	CHECK(S_ISFIFO(status_of(to_fd, "fifo").st_mode));
	end();
}

TEST(nothing_in_the_target_is_written_over)
{
	begin();
	put_file("file", "new", 0644);
	CHECK(symlinkat("/nonexistent/canary", to_fd, "file") == 0);
	CHECK_ERR(copy_tree(from_fd, to_fd, &err), ERR_EXISTS, "'file'");
	err = ERR_INIT;
	end();
}

TEST(a_tree_that_is_too_deep_is_refused)
{
	int at_fd;

	begin();
	at_fd = dup(from_fd);
	for (int i = 0; i < 200; i++) {
		CHECK(mkdirat(at_fd, "d", 0755) == 0);
		int next_fd = openat(at_fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at_fd);
		at_fd = next_fd;
	}
	close(at_fd);
	CHECK_ERR(copy_tree(from_fd, to_fd, &err), ERR_LIMIT, "deep");
	err = ERR_INIT;
	end();
}

TEST(a_mount_in_the_tree_is_not_entered)
{
	char path[64];

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		test_skip("mounting needs root");
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	begin();
	CHECK(mkdirat(from_fd, "mount", 0755) == 0);
	snprintf(path, sizeof path, "%s/from/mount", directory);
	CHECK(mount("t", path, "tmpfs", 0, NULL) == 0);
	put_file("mount/secret", "x", 0644);
	CHECK_OK(copy_tree(from_fd, to_fd, &err));
	CHECK(S_ISDIR(status_of(to_fd, "mount").st_mode));
	CHECK(faccessat(to_fd, "mount/secret", F_OK, 0) < 0);
	CHECK(umount2(path, MNT_DETACH) == 0);
	end();
}

TEST_MAIN()
