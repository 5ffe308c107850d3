/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing trees: deep, wide, full of links, and while somebody else is at work in them.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/path.h"
#include "test.h"

static void put_file(int dir_fd, const char *path)
{
	own_fd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
}

static void put_dir(int dir_fd, const char *path)
{
	CHECK(mkdirat(dir_fd, path, 0755) == 0);
}

static bool exists(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(what_is_missing_is_removed_already)
{
	struct err err = ERR_INIT;

	CHECK_OK(path_remove_tree(test_dir(), "absent", &err));
}

TEST(files_links_and_empty_directories)
{
	struct err err = ERR_INIT;

	put_file(test_dir(), "file");
	put_dir(test_dir(), "empty");
	CHECK(symlinkat("file", test_dir(), "link") == 0);
	CHECK_OK(path_remove_tree(test_dir(), "link", &err));
	CHECK(exists(test_dir(), "file"));
	CHECK_OK(path_remove_tree(test_dir(), "file", &err));
	CHECK_OK(path_remove_tree(test_dir(), "empty", &err));
	CHECK(!exists(test_dir(), "file") && !exists(test_dir(), "empty"));
}

TEST(only_single_names_are_taken)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/", "../x"};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(path_remove_tree(test_dir(), bad[i], &err), ERR_INVALID,
			  "not a file name");
}

TEST(a_full_tree_goes_and_what_its_links_point_at_stays)
{
	struct err err = ERR_INIT;
	char path[64];

	put_dir(test_dir(), "keep");
	put_file(test_dir(), "keep/file");
	put_dir(test_dir(), "tree");
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "tree/d%d", i);
		put_dir(test_dir(), path);
		for (int j = 0; j < 10; j++) {
			snprintf(path, sizeof(path), "tree/d%d/e%d", i, j);
			put_dir(test_dir(), path);
			snprintf(path, sizeof(path), "tree/d%d/e%d/l", i, j);
			CHECK(symlinkat("../../../keep", test_dir(), path) == 0);
			snprintf(path, sizeof(path), "tree/d%d/e%d/f", i, j);
			put_file(test_dir(), path);
		}
	}
	CHECK(mkfifoat(test_dir(), "tree/fifo", 0600) == 0);
	CHECK(symlinkat("/", test_dir(), "tree/root") == 0);
	CHECK_OK(path_remove_tree(test_dir(), "tree", &err));
	CHECK(!exists(test_dir(), "tree"));
	CHECK(exists(test_dir(), "keep/file"));
}

TEST(a_wide_directory)
{
	struct err err = ERR_INIT;
	own_fd int dir = -1;
	char name[64];

	put_dir(test_dir(), "wide");
	dir = openat(test_dir(), "wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "a-rather-long-name-of-a-file-%d", i);
		if (i % 10 == 0)
			put_dir(dir, name);
		else
			put_file(dir, name);
	}
	CHECK_OK(path_remove_tree(test_dir(), "wide", &err));
	CHECK(!exists(test_dir(), "wide"));
}

/* Directories within each other; a file in some. */
static void make_deep(int dir_fd, const char *name, int depth)
{
	own_fd int at = dup(dir_fd);

	for (int i = 0; i < depth; i++) {
		const char *part = i == 0 ? name : "d";
		int next;

		put_dir(at, part);
		next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(next >= 0);
		close(at);
		at = next;
		if (i % 50 == 0)
			put_file(at, "f");
	}
}

TEST(a_tree_deeper_than_any_path)
{
	struct err err = ERR_INIT;

	make_deep(test_dir(), "deep", PATH_MAX / 2 + 500);
	CHECK_OK(path_remove_tree(test_dir(), "deep", &err));
	CHECK(!exists(test_dir(), "deep"));
}

TEST(with_three_descriptors_to_spare)
{
	struct err err = ERR_INIT;
	struct {
		unsigned long soft, hard;
	} limit;
	int fds[64], count = 0;

	make_deep(test_dir(), "deep", 100);
	CHECK(syscall(SYS_prlimit64, 0, 7 /* NOFILE */, NULL, &limit) == 0);
	limit.soft = 64;
	CHECK(syscall(SYS_prlimit64, 0, 7, &limit, NULL) == 0);
	while (count < 64 && (fds[count] = open("/", O_PATH | O_CLOEXEC)) >= 0)
		count++;
	CHECK_INT(errno, EMFILE);
	for (int i = 0; i < 3; i++)
		close(fds[--count]);
	CHECK_OK(path_remove_tree(test_dir(), "deep", &err));
	while (count > 0)
		close(fds[--count]);
	CHECK(!exists(test_dir(), "deep"));
}

/* In a mount namespace of its own; skipped where that is not allowed. */
static void bind_mount(const char *from, const char *to)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		SKIP("no mount namespace here: %s", err_errno_text(errno));
	CHECK(mount(from, to, NULL, MS_BIND, NULL) == 0);
}

TEST(a_mount_in_the_tree_is_not_entered)
{
	struct err err = ERR_INIT;
	char from[300], to[300];

	put_dir(test_dir(), "keep");
	put_file(test_dir(), "keep/file");
	put_dir(test_dir(), "tree");
	put_dir(test_dir(), "tree/mnt");
	put_dir(test_dir(), "tree/sub");
	put_file(test_dir(), "tree/file");
	snprintf(from, sizeof(from), "%s/keep", test_dir_path());
	snprintf(to, sizeof(to), "%s/tree/mnt", test_dir_path());
	bind_mount(from, to);
	CHECK_ERR(path_remove_tree(test_dir(), "tree", &err), ERR_BUSY, "something is mounted");
	CHECK(exists(test_dir(), "keep/file"));
	CHECK(umount2(to, MNT_DETACH) == 0);
	CHECK_OK(path_remove_tree(test_dir(), "tree", &err));
	CHECK(exists(test_dir(), "keep/file"));
}

TEST(what_cannot_be_removed_is_named)
{
	struct err err = ERR_INIT;

	put_dir(test_dir(), "tree");
	put_dir(test_dir(), "tree/sub");
	put_file(test_dir(), "tree/sub/file");
	test_fail_syscall(SYS_unlinkat, EACCES);
	CHECK_ERR(path_remove_tree(test_dir(), "tree", &err), ERR_DENIED,
		  "cannot remove 'tree' in 'tree': permission denied");
}

TEST(an_immutable_file_is_not_taken_for_a_directory)
{
	struct err err = ERR_INIT;

	put_file(test_dir(), "file");
	test_fail_syscall(SYS_unlinkat, EPERM);
	CHECK_ERR(path_remove_tree(test_dir(), "file", &err), ERR_DENIED, "not permitted");
}

TEST(a_writer_who_never_stops_is_given_up_on)
{
	int64_t end = clock_boot_ms() + 20000;
	struct err err = ERR_INIT;
	pid_t pid;
	int result;

	put_dir(test_dir(), "tree");
	put_dir(test_dir(), "tree/busy");
	pid = fork();
	if (pid == 0)
		for (unsigned int i = 0;; i++) {
			char path[64];
			own_fd int fd = -1;

			mkdirat(test_dir(), "tree", 0755);
			mkdirat(test_dir(), "tree/busy", 0755);
			snprintf(path, sizeof(path), "tree/busy/f%u", i % 100);
			fd = openat(test_dir(), path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		}
	while (!exists(test_dir(), "tree/busy/f20"))
		usleep(1000);
	result = path_remove_tree(test_dir(), "tree", &err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(clock_boot_ms() < end);
	if (result < 0)
		CHECK_INT(err.kind, ERR_BUSY);
	CHECK_OK(path_remove_tree(test_dir(), "tree", &err));
}

TEST(a_directory_moved_out_takes_nothing_else_with_it)
{
	int64_t end = clock_boot_ms() + 600;
	pid_t pid;

	/* tree/a/b is swapped with a directory beside "keep": going up from it by ".." would lead
	 * into "other", and everything there would be removed. */
	put_dir(test_dir(), "other");
	put_dir(test_dir(), "other/x");
	put_file(test_dir(), "other/precious");
	pid = fork();
	if (pid == 0)
		for (;;)
			renameat2(test_dir(), "tree/a/b", test_dir(), "other/x", RENAME_EXCHANGE);
	while (clock_boot_ms() < end) {
		struct err err = ERR_INIT;
		char path[64];

		mkdirat(test_dir(), "tree", 0755);
		mkdirat(test_dir(), "tree/a", 0755);
		mkdirat(test_dir(), "tree/a/b", 0755);
		for (int i = 0; i < 20; i++) {
			snprintf(path, sizeof(path), "tree/a/b/d%d", i);
			mkdirat(test_dir(), path, 0755);
		}
		path_remove_tree(test_dir(), "tree", &err);
		CHECK(exists(test_dir(), "other/precious"));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(exists(test_dir(), "other/precious"));
}

TEST_MAIN()
