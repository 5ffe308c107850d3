/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Masks as files that are kept: found again, built by one of many, swept when nobody uses them, and
 * never half there, whoever dies when. As root, because masks are made of device nodes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "image/host.h"
#include "test.h"
#include "tree.h"

static void begin(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	tree_make();
}

static void open_image(struct image *image)
{
	struct err err = ERR_INIT;

	CHECK_OK(host_open(tree_host(), tree_cache(), image, &err));
}

static ino_t layer_inode(const struct image *image)
{
	struct stat st;

	CHECK(stat(image->mounts[0].lowers.items[0], &st) == 0);
	return st.st_ino;
}

/* Entries of the cache whose name begins so. */
static int count_entries(const char *prefix)
{
	own_dir DIR *dir = opendir(tree_cache());
	const struct dirent *entry;
	int count = 0;

	CHECK(dir);
	while ((entry = readdir(dir)))
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	return count;
}

static void upgrade_host(int generation)
{
	char text[64];

	snprintf(text, sizeof(text), "Package: tool %0*d\n", generation + 1, generation);
	tree_file("var/lib/dpkg/status", text, 0644);
}

TEST(an_image_names_its_layers_and_is_found_again)
{
	own(image) struct image first = IMAGE_INIT;
	own(image) struct image second = IMAGE_INIT;

	begin();
	open_image(&first);
	CHECK_INT(first.count, 1);
	CHECK_STR(first.mounts[0].target, "/");
	CHECK(first.mounts[0].guard);
	CHECK_INT(first.mounts[0].lowers.count, 2);
	CHECK(strncmp(first.mounts[0].lowers.items[0], tree_cache(), strlen(tree_cache())) == 0);
	CHECK_STR(first.mounts[0].lowers.items[1], tree_host());
	CHECK_INT(strlen(first.stamp), 16);
	CHECK(fcntl(first.pin_fd, F_GETFD) == FD_CLOEXEC);
	open_image(&second);
	CHECK_STR(second.mounts[0].lowers.items[0], first.mounts[0].lowers.items[0]);
	CHECK_INT(layer_inode(&second), layer_inode(&first));
}

TEST(an_upgrade_makes_another)
{
	own(image) struct image before = IMAGE_INIT;
	own(image) struct image after = IMAGE_INIT;

	begin();
	open_image(&before);
	upgrade_host(1);
	open_image(&after);
	CHECK(strcmp(before.mounts[0].lowers.items[0], after.mounts[0].lowers.items[0]) != 0);
	CHECK(strcmp(before.stamp, after.stamp) != 0);
	CHECK(access(before.mounts[0].lowers.items[0], F_OK) == 0);
}

TEST(old_masks_go_and_pinned_ones_stay)
{
	own(image) struct image pinned = IMAGE_INIT;

	begin();
	open_image(&pinned);
	for (int i = 1; i <= 5; i++) {
		own(image) struct image image = IMAGE_INIT;

		upgrade_host(i);
		open_image(&image);
	}
	/* The two newest, and the one in use. */
	CHECK_INT(count_entries("mask-"), 3);
	CHECK(access(pinned.mounts[0].lowers.items[0], F_OK) == 0);
	fd_close(take_fd(pinned.pin_fd));
	upgrade_host(6);
	{
		own(image) struct image image = IMAGE_INIT;

		open_image(&image);
	}
	CHECK_INT(count_entries("mask-"), 2);
	CHECK(access(pinned.mounts[0].lowers.items[0], F_OK) < 0);
	CHECK_INT(count_entries(".mask-"), 0);
}

TEST(a_pin_belongs_to_whoever_inherits_it)
{
	own(image) struct image image = IMAGE_INIT;
	pid_t keeper;
	int status;

	begin();
	open_image(&image);
	keeper = fork();
	if (keeper == 0) {
		pause();
		_exit(0);
	}
	fd_close(take_fd(image.pin_fd));
	for (int i = 1; i <= 3; i++) {
		own(image) struct image newer = IMAGE_INIT;

		upgrade_host(i);
		open_image(&newer);
	}
	CHECK(access(image.mounts[0].lowers.items[0], F_OK) == 0);
	CHECK(kill(keeper, SIGKILL) == 0 && waitpid(keeper, &status, 0) == keeper);
	upgrade_host(4);
	{
		own(image) struct image newer = IMAGE_INIT;

		open_image(&newer);
	}
	CHECK(access(image.mounts[0].lowers.items[0], F_OK) < 0);
}

static void open_in_child(int out_fd)
{
	own(image) struct image image = IMAGE_INIT;
	struct err err = ERR_INIT;
	ino_t inode = 0;

	if (host_open(tree_host(), tree_cache(), &image, &err) == 0)
		inode = layer_inode(&image);
	_exit(write(out_fd, &inode, sizeof(inode)) == sizeof(inode) ? 0 : 1);
}

TEST(of_many_at_once_one_builds)
{
	enum { MANY = 8 };
	int pipe_fds[2], status;
	ino_t first = 0, inode;

	begin();
	CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	for (int i = 0; i < MANY; i++)
		if (fork() == 0)
			open_in_child(pipe_fds[1]);
	close(pipe_fds[1]);
	for (int i = 0; i < MANY; i++) {
		CHECK(read(pipe_fds[0], &inode, sizeof(inode)) == sizeof(inode));
		CHECK(inode != 0 && (first == 0 || inode == first));
		first = inode;
	}
	close(pipe_fds[0]);
	while (waitpid(-1, &status, 0) > 0)
		CHECK_INT(status, 0);
	CHECK_INT(count_entries("mask-"), 1);
	CHECK_INT(count_entries(".mask-"), 0);
}

#ifdef INSULA_FAILPOINTS
/* The exit status of a child that opens the image with a failpoint armed. */
static int open_failing(const char *armed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct image image = IMAGE_INIT;
		struct err err = ERR_INIT;

		setenv("INSULA_FAIL", armed, 1);
		_exit(host_open(tree_host(), tree_cache(), &image, &err) < 0 &&
				      strstr(err.message, "mask-built")
			      ? 42
			      : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

TEST(a_builder_that_dies_leaves_debris_which_the_next_removes)
{
	own(image) struct image image = IMAGE_INIT;

	begin();
	for (int i = 1; i <= 3; i++) {
		int status;

		/* Twice at the same state, then at another. */
		if (i != 2)
			upgrade_host(i);
		status = open_failing("mask-built=kill");
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK_INT(count_entries("mask-"), 0);
		CHECK_INT(count_entries(".mask-"), i == 3 ? 2 : 1);
	}
	open_image(&image);
	CHECK_INT(count_entries("mask-"), 1);
	CHECK_INT(count_entries(".mask-"), 0);
}

TEST(a_builder_that_fails_leaves_nothing)
{
	own(image) struct image image = IMAGE_INIT;
	int status;

	begin();
	status = open_failing("mask-built=error:ENOSPC");
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 42);
	CHECK_INT(count_entries("mask-") + count_entries(".mask-"), 0);
	open_image(&image);
}
#endif

TEST(a_cache_that_cannot_be_made_is_one_clear_error)
{
	struct err err = ERR_INIT;
	struct image image = IMAGE_INIT;
	char path[PATH_MAX];

	begin();
	tree_file("../in-the-way", "", 0644);
	snprintf(path, sizeof(path), "%s/in-the-way/cache", test_dir_path());
	CHECK_ERR(host_open(tree_host(), path, &image, &err), ERR_IO, "cannot make image 'host'");
	CHECK_INT(image.count, 0);
}

/* The host's files are only ever looked at. */
TEST(building_changes_nothing_on_the_host)
{
	own(image) struct image image = IMAGE_INIT;
	struct stat before, after;

	begin();
	CHECK(fstatat(test_dir(), "host/etc", &before, 0) == 0);
	open_image(&image);
	CHECK(fstatat(test_dir(), "host/etc", &after, 0) == 0);
	CHECK_INT(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	CHECK_INT(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	CHECK_INT(after.st_nlink, before.st_nlink);
}

TEST_MAIN()
