/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* References, directories and stamps: what needs no privilege. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "image/host.h"
#include "test.h"
#include "tree.h"

static void check_dir(const char *ref, const char *expected)
{
	own(image) struct image image = IMAGE_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(image_open(ref, "/nonexistent", &image, &err));
	CHECK_INT(image.count, 1);
	CHECK_STR(image.mounts[0].target, "/");
	CHECK_INT(image.mounts[0].lowers.count, 1);
	CHECK_STR(image.mounts[0].lowers.items[0], expected);
	CHECK(!image.mounts[0].guard);
	CHECK_STR(image.stamp, "");
	CHECK_INT(image.pin_fd, -1);
}

TEST(a_directory_by_absolute_relative_and_linked_path)
{
	char ref[PATH_MAX + 8], expected[PATH_MAX];

	CHECK(mkdirat(test_dir(), "tree", 0755) == 0);
	CHECK(symlinkat("tree", test_dir(), "link") == 0);
	snprintf(expected, sizeof(expected), "%s/tree", test_dir_path());
	snprintf(ref, sizeof(ref), "dir:%s", expected);
	check_dir(ref, expected);
	snprintf(ref, sizeof(ref), "dir:%s/link/", test_dir_path());
	check_dir(ref, expected);
	CHECK(fchdir(test_dir()) == 0);
	check_dir("dir:tree", expected);
	check_dir("dir:./tree/../link", expected);
}

TEST(directories_that_cannot_be_used)
{
	struct err err = ERR_INIT;
	struct image image = IMAGE_INIT;

	CHECK(fchdir(test_dir()) == 0);
	CHECK(close(openat(test_dir(), "file", O_CREAT | O_CLOEXEC, 0644)) == 0);
	CHECK(symlinkat("/", test_dir(), "to-root") == 0);
	CHECK(symlinkat("nowhere", test_dir(), "dangling") == 0);
	CHECK_ERR(image_open("dir:missing", "", &image, &err), ERR_NOT_FOUND, "'missing'");
	CHECK_ERR(image_open("dir:dangling", "", &image, &err), ERR_NOT_FOUND, "'dangling'");
	CHECK_ERR(image_open("dir:file", "", &image, &err), ERR_INVALID, "not a directory");
	CHECK_ERR(image_open("dir:", "", &image, &err), ERR_INVALID, "names no directory");
	CHECK_ERR(image_open("dir:a\nb", "", &image, &err), ERR_INVALID, "control character");
	CHECK_ERR(image_open("dir:/", "", &image, &err), ERR_INVALID, "cannot use '/'");
	CHECK(strstr(err.hint, "'host'"));
	CHECK_ERR(image_open("dir:///.//", "", &image, &err), ERR_INVALID, "cannot use '/'");
	CHECK_ERR(image_open("dir:to-root", "", &image, &err), ERR_INVALID, "cannot use '/'");
	CHECK_INT(image.count, 0);
}

TEST(images_that_are_not_known)
{
	static const char *const refs[] = {"",	    "alpine", "docker.io/library/debian:12",
					   "Host",  "host ",  "host:",
					   "hosts", "dir",    "DIR:/tmp",
					   "-v"};
	struct err err = ERR_INIT;
	struct image image = IMAGE_INIT;

	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		CHECK_ERR(image_open(refs[i], "", &image, &err), ERR_NOT_FOUND, "is not known");
		CHECK(strstr(err.hint, "dir:PATH"));
		CHECK(!image_stamp(refs[i], &err));
	}
}

/* The tree's own directories, of which the root is a skeleton, and nothing that reads with more than the
 * user's rights. */
TEST(a_users_host_image_is_composed_of_trees)
{
	struct err err = ERR_INIT;
	own(image) struct image image = IMAGE_INIT;
	char path[PATH_MAX];
	bool has_etc = false;

	tree_make();
	tree_file("etc/closed", "secret", 0600);
	CHECK(mkdirat(test_dir(), "mine", 0700) == 0);
	CHECK(fchownat(test_dir(), "mine", 65534, 65534, 0) == 0 || geteuid() != 0);
	CHECK(fchmod(test_dir(), 0755) == 0);
	if (geteuid() == 0)
		CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	snprintf(path, sizeof(path), "%s/mine", test_dir_path());
	CHECK_OK(host_open(tree_host(), path, &image, &err));
	CHECK(image.count > 1 && image.pin_fd >= 0);
	CHECK_STR(image.mounts[0].target, "/");
	CHECK_INT(image.mounts[0].lowers.count, 1);
	for (size_t i = 0; i < image.count; i++) {
		CHECK(!image.mounts[i].guard);
		if (!str_eq(image.mounts[i].target, "/etc"))
			continue;
		has_etc = true;
		snprintf(path, sizeof(path), "%s/closed", image.mounts[i].lowers.items[0]);
		struct stat st;
		CHECK(lstat(path, &st) == 0 && S_ISCHR(st.st_mode)); /* a whiteout */
	}
	CHECK(has_etc);
}

TEST(a_host_that_is_not_there)
{
	struct err err = ERR_INIT;
	struct image image = IMAGE_INIT;

	CHECK_ERR(host_open("/nonexistent/host", "/nonexistent", &image, &err), ERR_NOT_FOUND,
		  "'/nonexistent/host'");
}

static void stamps(char mask[static STAMP_SIZE], char packages[static STAMP_SIZE])
{
	struct err err = ERR_INIT;
	own_fd int root = open(tree_host(), O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(stamp_mask(root, mask, &err));
	stamp_packages(root, packages);
	CHECK_INT(strlen(mask), 16);
}

/* Did the stamps change since the last call? */
static void check_change(bool mask_expected, bool packages_expected)
{
	static char mask[STAMP_SIZE], packages[STAMP_SIZE];
	char new_mask[STAMP_SIZE], new_packages[STAMP_SIZE];

	stamps(new_mask, new_packages);
	CHECK_INT(strcmp(mask, new_mask) != 0, mask_expected);
	CHECK_INT(strcmp(packages, new_packages) != 0, packages_expected);
	memcpy(mask, new_mask, sizeof(mask));
	memcpy(packages, new_packages, sizeof(packages));
}

TEST(stamps_change_with_what_they_stand_for)
{
	tree_make();
	check_change(true, true);
	check_change(false, false);
	tree_file("var/lib/dpkg/status", "Package: tool and another\n", 0644);
	check_change(true, true);
	tree_file("etc/new", "x", 0644);
	check_change(true, false);
	tree_dir("data", 0755);
	check_change(true, false);
	CHECK(renameat(test_dir(), "host/data", test_dir(), "host/date") == 0);
	check_change(true, false);
	tree_dir("usr/local/games", 0755);
	check_change(true, false);
	tree_dir("lib64", 0755);
	check_change(true, false);
	tree_file("usr/lib/apk/db/installed", "P:tool\n", 0644);
	check_change(true, true);
	tree_file("var/lib/rpm/rpmdb.sqlite", "", 0644);
	check_change(true, true);
	/* Deeper, and in /var: the guard's business, or nobody's. */
	tree_file("usr/lib/other/thing", "x", 0600);
	check_change(false, false);
	tree_file("var/log/messages", "x", 0600);
	check_change(false, false);
	tree_file("home/ann/notes", "x", 0644);
	check_change(false, false);
}

TEST(a_host_without_packages_has_no_package_stamp)
{
	char mask[STAMP_SIZE], packages[STAMP_SIZE];

	tree_make();
	CHECK(unlinkat(test_dir(), "host/var/lib/dpkg/status", 0) == 0);
	stamps(mask, packages);
	CHECK_STR(packages, "");
}

TEST(a_directory_has_no_stamp_and_this_host_has_the_same_twice)
{
	struct err err = ERR_INIT;
	own_free char *dir = image_stamp("dir:/tmp", &err);
	own_free char *first = image_stamp("host", &err);
	own_free char *second = image_stamp("host", &err);

	CHECK_STR(dir, "");
	CHECK_STR(first, second);
}

/* The tables are data that nobody compiles against a type: check their form. */
TEST(tables_are_well_formed)
{
	for (size_t i = 0; i < host_hidden_count; i++) {
		CHECK(host_hidden[i].dir[0] == '/' && !strstr(host_hidden[i].dir, "//"));
		CHECK(host_hidden[i].dir[strlen(host_hidden[i].dir) - 1] != '/');
		CHECK(host_hidden[i].pattern[0] && !strchr(host_hidden[i].pattern, '/'));
		CHECK(strlen(host_hidden[i].reason) > 10);
	}
	for (const char *const *path = host_databases; *path; path++)
		CHECK(strncmp(*path, "/var/lib/", 9) == 0);
	for (const struct host_own *own = host_own; own->name; own++)
		for (const char *const *name = host_shown; *name; name++)
			CHECK(strcmp(*name, own->name) != 0);
}

TEST_MAIN()
