/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files as the database: whole or absent, whoever else is at work.
 */
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "test.h"

static int entries(void)
{
	own_dir DIR *dir = opendir(test_dir_path());
	int count = -2;

	CHECK(dir != NULL);
	while (readdir(dir))
		count++;
	return count;
}

static void check_content(const char *name, const char *want)
{
	own_free char *data = NULL;
	struct err err = ERR_INIT;

	CHECK_OK(file_read(test_dir(), name, 10000, &data, &err));
	CHECK_STR(data, want);
}

static struct stat stat_of(const char *name)
{
	struct stat st;

	CHECK(fstatat(test_dir(), name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st;
}

TEST(write_creates_and_replaces_with_the_mode_asked_for)
{
	struct err err = ERR_INIT;

	umask(077);
	CHECK_OK(file_write_atomic(test_dir(), "f", "one", 3, 0644, false, &err));
	check_content("f", "one");
	CHECK_INT(stat_of("f").st_mode & 07777, 0644);
	CHECK_OK(file_write_atomic(test_dir(), "f", "", 0, 0600, true, &err));
	check_content("f", "");
	CHECK_INT(stat_of("f").st_mode & 07777, 0600);
	CHECK_INT(entries(), 1);
}

TEST(write_replaces_a_link_and_not_what_it_points_at)
{
	struct err err = ERR_INIT;

	CHECK_OK(file_write_atomic(test_dir(), "precious", "untouched", 9, 0600, false, &err));
	CHECK(symlinkat("precious", test_dir(), "f") == 0);
	CHECK_OK(file_write_atomic(test_dir(), "f", "new", 3, 0600, false, &err));
	check_content("precious", "untouched");
	check_content("f", "new");
}

TEST(a_failed_write_leaves_the_old_file_and_nothing_else)
{
	struct err err = ERR_INIT;

	CHECK_OK(file_write_atomic(test_dir(), "f", "old", 3, 0600, false, &err));
	test_fail_syscall(SYS_renameat, EIO);
	CHECK_ERR(file_write_atomic(test_dir(), "f", "new", 3, 0600, false, &err), ERR_IO,
		  "cannot replace 'f': input/output error");
	check_content("f", "old");
	CHECK_INT(entries(), 1);
}

TEST(a_full_disk_leaves_the_old_file_and_nothing_else)
{
	struct err err = ERR_INIT;

	CHECK_OK(file_write_atomic(test_dir(), "f", "old", 3, 0600, false, &err));
	test_fail_syscall(SYS_fdatasync, ENOSPC);
	CHECK_ERR(file_write_atomic(test_dir(), "f", "new", 3, 0600, true, &err), ERR_IO,
		  "cannot write 'f': no space left on device");
	check_content("f", "old");
	CHECK_INT(entries(), 1);
}

TEST(names_that_are_too_long_are_refused)
{
	struct err err = ERR_INIT;
	char name[NAME_MAX + 1];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK_ERR(file_write_atomic(test_dir(), name, "x", 1, 0600, false, &err), ERR_INVALID,
		  "file name too long");
	name[246] = '\0';
	CHECK_ERR(file_write_atomic(test_dir(), name, "x", 1, 0600, false, &err), ERR_INVALID,
		  "file name too long");
	name[245] = '\0';
	CHECK_OK(file_write_atomic(test_dir(), name, "x", 1, 0600, false, &err));
	CHECK_INT(entries(), 1);
}

TEST(a_reader_never_sees_half_a_file)
{
	char content[2][4097];
	int64_t end = clock_boot_ms() + 400;
	pid_t pid;

	memset(content, 0, sizeof(content));
	memset(content[0], 'a', 4096);
	memset(content[1], 'b', 4096);
	struct err err = ERR_INIT;
	CHECK_OK(file_write_atomic(test_dir(), "f", content[0], 4096, 0600, false, &err));
	pid = fork();
	if (pid == 0)
		for (int i = 0;; i++)
			file_write_atomic(test_dir(), "f", content[i % 2], 4096, 0600, false, &err);
	while (clock_boot_ms() < end) {
		own_free char *data = NULL;

		CHECK_INT(file_read(test_dir(), "f", 10000, &data, &err), 4096);
		CHECK(strcmp(data, content[0]) == 0 || strcmp(data, content[1]) == 0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	test_sweep_temporary();
	CHECK_INT(entries(), 1);
}

static void check_create(void)
{
	struct err err = ERR_INIT;

	CHECK_OK(file_create_excl(test_dir(), "f", "mine", 4, 0640, true, &err));
	CHECK_ERR(file_create_excl(test_dir(), "f", "yours", 5, 0640, true, &err), ERR_EXISTS,
		  "cannot create 'f': already exists");
	check_content("f", "mine");
	CHECK_INT(stat_of("f").st_mode & 07777, 0640);
	CHECK_INT((intmax_t)stat_of("f").st_nlink, 1);
	CHECK_INT(entries(), 1);
}

TEST(create_claims_a_name_once)
{
	umask(077);
	check_create();
}

TEST(create_works_without_rename_noreplace)
{
	test_fail_syscall(SYS_renameat2, EINVAL);
	check_create();
}

TEST(create_does_not_follow_or_replace_a_dangling_link)
{
	struct err err = ERR_INIT;

	CHECK(symlinkat("elsewhere", test_dir(), "f") == 0);
	CHECK_ERR(file_create_excl(test_dir(), "f", "x", 1, 0600, false, &err), ERR_EXISTS, "'f'");
	CHECK_INT(entries(), 1);
}

TEST(of_many_claimants_one_wins)
{
	enum { CLAIMANTS = 8, NAMES = 50 };
	int won = 0;

	test_dir();
	for (int i = 0; i < CLAIMANTS; i++)
		if (fork() == 0) {
			int mine = 0;

			for (int n = 0; n < NAMES; n++) {
				struct err err = ERR_INIT;
				char name[16];

				snprintf(name, sizeof(name), "n%d", n);
				mine += file_create_excl(test_dir(), name, "x", 1, 0600, false,
							 &err) == 0;
			}
			_exit(mine);
		}
	for (int i = 0; i < CLAIMANTS; i++) {
		int status;

		CHECK(wait(&status) > 0 && WIFEXITED(status));
		won += WEXITSTATUS(status);
	}
	CHECK_INT(won, NAMES);
	CHECK_INT(entries(), NAMES);
}

TEST(read_takes_regular_files_of_ours_only)
{
	struct err err = ERR_INIT;
	char *data = NULL;

	CHECK_OK(file_write_atomic(test_dir(), "f", "12345", 5, 0600, false, &err));
	CHECK(symlinkat("f", test_dir(), "link") == 0);
	CHECK(mkfifoat(test_dir(), "fifo", 0600) == 0);
	CHECK(mkdirat(test_dir(), "dir", 0700) == 0);
	CHECK_ERR(file_read(test_dir(), "absent", 10, &data, &err), ERR_NOT_FOUND, "'absent'");
	CHECK_ERR(file_read(test_dir(), "link", 10, &data, &err), ERR_CORRUPT, "symbolic link");
	CHECK_ERR(file_read(test_dir(), "fifo", 10, &data, &err), ERR_CORRUPT, "not a regular");
	CHECK_ERR(file_read(test_dir(), "dir", 10, &data, &err), ERR_CORRUPT, "not a regular");
	CHECK_ERR(file_read(test_dir(), "f", 4, &data, &err), ERR_LIMIT, "more than 4");
	CHECK(data == NULL);
}

TEST(unlink_of_what_is_missing_succeeds)
{
	struct err err = ERR_INIT;

	CHECK_OK(file_unlink(test_dir(), "absent", &err));
	CHECK_OK(file_write_atomic(test_dir(), "f", "", 0, 0600, false, &err));
	CHECK_OK(file_unlink(test_dir(), "f", &err));
	CHECK_INT(entries(), 0);
	CHECK(mkdirat(test_dir(), "dir", 0700) == 0);
	CHECK_ERR(file_unlink(test_dir(), "dir", &err), ERR_IO, "cannot remove 'dir'");
}

/* ---- directories ---- */

static const char *below(const char *path)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/%s", test_dir_path(), path);
	return text;
}

TEST(dirs_are_made_with_their_mode)
{
	struct err err = ERR_INIT;
	own_fd int fd = -1, again = -1;
	struct stat st;

	umask(077);
	fd = file_open_dirs(below("a//b/./c/"), 0711, &err);
	CHECK_OK(fd);
	CHECK_INT(stat_of("a").st_mode & 07777, 0711);
	CHECK_INT(stat_of("a/b/c").st_mode & 07777, 0711);
	CHECK_OK(file_write_atomic(fd, "f", "x", 1, 0600, true, &err));
	again = file_open_dirs(below("a/b/c"), 0700, &err);
	CHECK_OK(again);
	CHECK(fstat(again, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0711);
}

TEST(dirs_follow_links_of_ours)
{
	struct err err = ERR_INIT;
	own_fd int relative = -1, absolute = -1, up = -1;

	CHECK(mkdirat(test_dir(), "real", 0755) == 0);
	CHECK(symlinkat("real", test_dir(), "rel") == 0);
	CHECK(symlinkat("../real/./x", test_dir(), "real/up") == 0);
	/* below() has one buffer, so in this order */
	CHECK(symlinkat(below("real"), test_dir(), "abs") == 0);
	relative = file_open_dirs(below("rel/x"), 0755, &err);
	CHECK_OK(relative);
	CHECK_INT((intmax_t)stat_of("real/x").st_mode & S_IFMT, S_IFDIR);
	absolute = file_open_dirs(below("abs/y"), 0755, &err);
	CHECK_OK(absolute);
	CHECK_INT((intmax_t)stat_of("real/y").st_mode & S_IFMT, S_IFDIR);
	up = file_open_dirs(below("real/up/z"), 0755, &err);
	CHECK_OK(up);
	CHECK_INT((intmax_t)stat_of("real/x/z").st_mode & S_IFMT, S_IFDIR);
}

TEST(dirs_do_not_follow_links_of_strangers)
{
	struct err err = ERR_INIT;

	CHECK(symlinkat("/", test_dir(), "link") == 0);
	if (fchownat(test_dir(), "link", 12345, 12345, AT_SYMLINK_NOFOLLOW) < 0)
		SKIP("giving files away needs privilege");
	CHECK_ERR(file_open_dirs(below("link/x"), 0755, &err), ERR_IO, "symbolic links");
}

TEST(dirs_end_on_loops_and_files)
{
	struct err err = ERR_INIT;

	CHECK(symlinkat("loop", test_dir(), "loop") == 0);
	CHECK_ERR(file_open_dirs(below("loop/x"), 0755, &err), ERR_IO, "symbolic links");
	CHECK_OK(file_write_atomic(test_dir(), "f", "", 0, 0600, false, &err));
	CHECK_ERR(file_open_dirs(below("f"), 0755, &err), ERR_IO, "not a directory");
	CHECK_ERR(file_open_dirs(below("f/x"), 0755, &err), ERR_IO, "not a directory");
	CHECK_ERR(file_open_dirs("relative", 0755, &err), ERR_INVALID, "not an absolute path");
	CHECK_ERR(file_open_dirs("", 0755, &err), ERR_INVALID, "not an absolute path");
}

TEST(two_may_make_the_same_directories_at_once)
{
	const char *path = below("p/q/r/s/t");
	int status;

	for (int i = 0; i < 8; i++)
		if (fork() == 0) {
			struct err err = ERR_INIT;

			_exit(file_open_dirs(path, 0755, &err) < 0);
		}
	for (int i = 0; i < 8; i++)
		CHECK(wait(&status) > 0 && status == 0);
}

/* ---- sweeping ---- */

TEST(a_directory_is_ours_alone)
{
	struct err err = ERR_INIT;

	CHECK_INT(fchmod(test_dir(), 0755), 0);
	CHECK_OK(file_check_ours(test_dir(), "/x", &err));
	CHECK_INT(fchmod(test_dir(), 0720), 0);
	CHECK_ERR(file_check_ours(test_dir(), "/x", &err), ERR_DENIED, "mode 720");
	CHECK_INT(fchmod(test_dir(), 0702), 0);
	CHECK_ERR(file_check_ours(test_dir(), "/x", &err), ERR_DENIED, "'/x' is not ours alone");
	CHECK_INT(fchmod(test_dir(), 0700), 0);
}

TEST(a_list_has_every_name_but_dot_and_dot_dot)
{
	own(strv) struct strv names = STRV_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(file_write_atomic(test_dir(), ".hidden", "", 0, 0600, false, &err));
	CHECK(mkdirat(test_dir(), "sub", 0700) == 0);
	CHECK(symlinkat("sub", test_dir(), "link") == 0);
	CHECK_OK(file_list(test_dir(), ".", &names, &err));
	CHECK_INT(names.count, 3);
	CHECK(strv_contains(&names, ".hidden") && strv_contains(&names, "sub") &&
	      strv_contains(&names, "link"));
	CHECK_OK(file_list(test_dir(), "absent", &names, &err));
	CHECK_OK(file_list(test_dir(), "sub", &names, &err));
	CHECK_INT(names.count, 3);
	CHECK_ERR(file_list(test_dir(), "link", &names, &err), ERR_IO, "cannot list 'link'");
	CHECK_ERR(file_list(test_dir(), ".hidden", &names, &err), ERR_IO, "cannot list '.hidden'");
}

TEST(temporary_files_are_told_by_their_names)
{
	static const char *const others[] = {"f",	    ".f",	  ".f.1234567",
					     ".f.1234567g", "f.12345678", "..12345678x"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK(!file_is_temporary(others[i]));
	CHECK(file_is_temporary(".f.deadbeef"));
	CHECK(file_is_temporary(".f.01234567"));
}

TEST_MAIN()
