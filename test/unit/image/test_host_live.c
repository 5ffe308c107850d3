/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container made from a host can see of it: a small host with secrets in it, composed as the
 * runtime does it, in a mount namespace of the test's own. As root.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "image/host.h"
#include "test.h"
#include "tree.h"

#define SECRET "top secret"

/* Fifty places where a private file may lie, in shown trees and elsewhere. */
static const char *const secret_places[] = {
	"s",
	"boot/s",
	"home/s",
	"home/ann/s",
	"home/ann/.ssh/s",
	"root/s",
	"root/.ssh/s",
	"srv/s",
	"srv/www/s",
	"data/s",
	"data/deep/er/s",
	"mnt/s",
	"mnt/disk/s",
	"media/s",
	"media/usb/s",
	"lost+found/s",
	"run/s",
	"run/user/1000/s",
	"tmp/s",
	"tmp/dir/s",
	"proc/s",
	"sys/s",
	"dev/s",
	"var/s",
	"var/lib/s",
	"var/lib/service/s",
	"var/lib/dpkg/s",
	"var/lib/dpkg/info/s",
	"var/lib/mysql/s",
	"var/log/s",
	"var/log/app/s",
	"var/cache/s",
	"var/spool/s",
	"var/spool/cron/s",
	"var/tmp/s",
	"var/www/s",
	"var/mail/s",
	"usr/s",
	"usr/bin/s",
	"usr/lib/s",
	"usr/lib/a/b/c/d/e/s",
	"usr/local/s",
	"usr/local/etc/s",
	"usr/share/app/s",
	"etc/s",
	"etc/ssl/s",
	"etc/ssl/private/s",
	"etc/app/conf.d/s",
	"opt/s",
	"opt/app/s",
};

#define PLACES (sizeof(secret_places) / sizeof(secret_places[0]))

static int open_composed(struct image *image)
{
	struct err err = ERR_INIT;

	CHECK_OK(host_open(tree_host(), tree_cache(), image, &err));
	return tree_compose(image);
}

static int start_composed(void)
{
	own(image) struct image image = IMAGE_INIT;

	return open_composed(&image);
}

/* Does any entry below the directory have the name? Follows nothing. */
static bool found_below(int dir_fd, const char *name)
{
	own_dir DIR *dir = fdopendir(dir_fd);
	const struct dirent *entry;
	bool found = false;

	CHECK(dir);
	while (!found && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		found = strcmp(entry->d_name, name) == 0;
		if (!found && entry->d_type == DT_DIR)
			found = found_below(openat(dirfd(dir), entry->d_name,
						   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
					    name);
	}
	return found;
}

TEST(private_files_in_fifty_places_are_absent)
{
	own(tree_root) int root = -1;

	CHECK_INT(PLACES, 50);
	tree_private_mounts();
	tree_make();
	for (size_t i = 0; i < PLACES; i++)
		tree_file(secret_places[i], SECRET, 0600);
	root = start_composed();
	for (size_t i = 0; i < PLACES; i++)
		CHECK_INT(tree_try(root, secret_places[i]), ENOENT);
	CHECK(tree_exists(root, "etc/passwd") && tree_exists(root, "opt/app/data"));
	CHECK(!found_below(root, "s"));
}

TEST(every_mode_that_keeps_others_out_is_respected)
{
	static const mode_t modes[] = {0,    0400, 0600, 0640,	0660, 0700,
				       0711, 0750, 0773, 02710, 04711};
	char path[64];
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(path, sizeof(path), "etc/file.%o", modes[i]);
		tree_file(path, SECRET, modes[i]);
		snprintf(path, sizeof(path), "etc/dir.%o", modes[i]);
		tree_dir(path, modes[i]);
		snprintf(path, sizeof(path), "etc/dir.%o/public", modes[i]);
		tree_file(path, SECRET, 0644);
	}
	tree_dir("etc/dir.0774", 0774);
	tree_dir("etc/dir.0755", 0755);
	root = start_composed();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(path, sizeof(path), "etc/file.%o", modes[i]);
		CHECK_INT(tree_try(root, path), ENOENT);
		snprintf(path, sizeof(path), "etc/dir.%o", modes[i]);
		CHECK_INT(tree_try(root, path), ENOENT);
	}
	CHECK_INT(tree_try(root, "etc/dir.0774"), ENOENT);
	CHECK_INT(tree_try(root, "etc/dir.0755"), 0);
}

TEST(what_everybody_may_read_is_there)
{
	struct stat st;
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("usr/lib/secret", SECRET, 0600); /* makes usr and usr/lib part of the mask */
	root = start_composed();
	CHECK_INT(tree_try(root, "usr/bin/tool"), 0);
	CHECK_INT(tree_try(root, "bin/tool"), 0);
	CHECK_INT(tree_try(root, "lib/libthing.so"), 0);
	CHECK_INT(tree_try(root, "usr/local/bin/local"), 0);
	CHECK_INT(tree_try(root, "etc/passwd"), 0);
	CHECK_INT(tree_try(root, "opt/app/data"), 0);
	CHECK(fstatat(root, "usr/bin/setuid-tool", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 04755);
	CHECK_INT(st.st_uid, TREE_ID_BASE);
}

TEST(directories_of_the_mask_look_like_the_hosts)
{
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 86400, .tv_nsec = 5}};
	struct stat st;
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_dir("opt/odd", 02775);
	tree_file("opt/odd/secret", SECRET, 0600);
	CHECK(fchownat(test_dir(), "host/opt/odd", 33, 44, 0) == 0);
	CHECK(fchmodat(test_dir(), "host/opt/odd", 02775, 0) == 0);
	CHECK(utimensat(test_dir(), "host/opt/odd", times, 0) == 0);
	root = start_composed();
	CHECK(fstatat(root, "opt/odd", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 02775);
	CHECK_INT(st.st_uid, TREE_ID_BASE + 33);
	CHECK_INT(st.st_gid, TREE_ID_BASE + 44);
	CHECK_INT(st.st_mtim.tv_sec, 86400);
	CHECK_INT(st.st_mtim.tv_nsec, 5);
}

TEST(special_files_and_the_hidden_table_are_absent)
{
	char path[256];
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_node("etc/device", S_IFCHR | 0666, makedev(1, 3));
	tree_node("etc/disk", S_IFBLK | 0666, makedev(7, 0));
	tree_node("usr/lib/fifo", S_IFIFO | 0666, 0);
	tree_node("opt/socket", S_IFSOCK | 0777, 0);
	tree_link("/run/resolv.conf", "etc/resolv.conf");
	tree_link("../proc/self/mounts", "etc/mtab");
	for (size_t i = 0; i < host_hidden_count; i++) {
		snprintf(path, sizeof(path), "%s/%s", host_hidden[i].dir + 1,
			 host_hidden[i].pattern);
		if (strcmp(path, "etc/resolv.conf") == 0)
			continue;
		for (char *star; (star = strchr(path, '*'));)
			*star = 'x';
		tree_file(path, "which host this is", 0644);
	}
	root = start_composed();
	CHECK(!tree_exists(root, "etc/device") && !tree_exists(root, "etc/disk"));
	CHECK(!tree_exists(root, "usr/lib/fifo") && !tree_exists(root, "opt/socket"));
	CHECK(!tree_exists(root, "etc/resolv.conf"));
	CHECK(tree_exists(root, "etc/mtab") && tree_exists(root, "etc/ssh"));
	for (size_t i = 0; i < host_hidden_count; i++) {
		snprintf(path, sizeof(path), "%s/%s", host_hidden[i].dir + 1,
			 host_hidden[i].pattern);
		for (char *star; (star = strchr(path, '*'));)
			*star = 'x';
		CHECK(!tree_exists(root, path));
	}
}

TEST(the_containers_own_directories_are_empty_and_have_their_modes)
{
	char target[64];
	struct stat st;
	own(tree_root) int root = -1;

	tree_private_mounts();
	umask(0077);
	tree_make();
	root = start_composed();
	for (const struct host_own *own = host_own; own->name; own++) {
		CHECK(fstatat(root, own->name, &st, AT_SYMLINK_NOFOLLOW) == 0);
		if (own->link) {
			ssize_t length = readlinkat(root, own->name, target, sizeof(target) - 1);

			CHECK(length > 0);
			target[length] = '\0';
			CHECK_STR(target, own->link);
			continue;
		}
		CHECK(S_ISDIR(st.st_mode));
		CHECK_INT(st.st_mode & 07777, own->mode);
		CHECK_INT(st.st_uid, TREE_ID_BASE);
	}
	CHECK(!tree_exists(root, "home/ann"));
}

TEST(package_databases_come_back_and_nothing_else_of_var)
{
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n", 0644);
	tree_file("var/lib/rpm/secret", SECRET, 0600);
	root = start_composed();
	CHECK_INT(tree_try(root, "var/lib/dpkg/status"), 0);
	CHECK_INT(tree_try(root, "var/lib/dpkg/info/tool.list"), 0);
	CHECK_INT(tree_try(root, "var/lib/dpkg/lock"), ENOENT);
	CHECK_INT(tree_try(root, "var/lib/rpm"), 0);
	CHECK_INT(tree_try(root, "var/lib/rpm/secret"), ENOENT);
	CHECK_INT(tree_try(root, "var/lib/service"), ENOENT);
	CHECK_INT(tree_try(root, "var/lib/apt"), ENOENT);
	/* Not there when the container started, and not shown now. */
	tree_file("var/lib/later/state", "later", 0644);
	CHECK_INT(tree_try(root, "var/lib/later"), ENOENT);
}

TEST(a_database_behind_a_link_is_not_followed)
{
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("home/ann/rpm/mine", SECRET, 0644);
	tree_link("../../home/ann/rpm", "var/lib/rpm");
	root = start_composed();
	CHECK(!tree_exists(root, "var/lib/rpm"));
}

/* Through container root's hands: none of the ways to a file that became private. */
static void check_private_for_container_root(int root, const char *path)
{
	CHECK_INT(tree_try(root, path), EACCES);
	CHECK(fchmodat(root, path, 0644, 0) < 0 && errno == EACCES);
	CHECK(linkat(root, path, root, "tmp/linked", 0) < 0);
	CHECK(renameat(root, path, root, "tmp/renamed") < 0);
	CHECK(openat(root, path, O_WRONLY | O_APPEND | O_CLOEXEC) < 0 && errno == EACCES);
	CHECK(openat(root, path, O_RDWR | O_TRUNC | O_CLOEXEC) < 0);
	CHECK(fchownat(root, path, 0, 0, 0) < 0);
	CHECK_INT(tree_try(root, path), EACCES);
}

TEST(a_file_that_becomes_private_is_refused_from_then_on)
{
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("etc/app/settings", SECRET, 0644);
	tree_file("usr/lib/read-before", SECRET, 0644);
	tree_dir("opt/closing", 0755);
	tree_file("opt/closing/inside", SECRET, 0644);
	root = start_composed();
	CHECK_INT(tree_try(root, "etc/app/settings"), 0);
	CHECK_INT(tree_try(root, "usr/lib/read-before"), 0);
	CHECK_INT(tree_try(root, "opt/closing/inside"), 0);
	tree_file("etc/app/settings", SECRET, 0600);
	tree_file("usr/lib/read-before", SECRET, 0640);
	tree_dir("opt/closing", 0700);
	tree_file("etc/born-private", SECRET, 0600);
	/* We are host root with every capability here. */
	CHECK_INT(tree_try(root, "etc/app/settings"), EACCES);
	CHECK_INT(tree_try(root, "usr/lib/read-before"), EACCES);
	CHECK_INT(tree_try(root, "opt/closing/inside"), EACCES);
	CHECK_INT(tree_try(root, "opt/closing"), EACCES);
	CHECK_INT(tree_try(root, "etc/born-private"), EACCES);
	tree_become_container_root();
	check_private_for_container_root(root, "etc/app/settings");
	check_private_for_container_root(root, "usr/lib/read-before");
	check_private_for_container_root(root, "opt/closing/inside");
	check_private_for_container_root(root, "etc/born-private");
}

static void write_new(int root, const char *path)
{
	own_fd int fd = openat(root, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, "x", 1) == 1);
}

TEST(container_root_writes_where_it_likes_and_the_host_stays_as_it_is)
{
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("etc/hidden", SECRET, 0600);
	root = start_composed();
	tree_become_container_root();
	write_new(root, "root/mine");
	write_new(root, "etc/new");
	write_new(root, "etc/hidden");
	write_new(root, "etc/passwd");
	write_new(root, "var/lib/dpkg/status");
	write_new(root, "home/mine");
	CHECK(unlinkat(root, "usr/bin/tool", 0) == 0);
	CHECK(renameat(root, "opt/app/data", root, "opt/moved") == 0);
	CHECK_INT(tree_try(root, "opt/moved"), 0);
	CHECK_INT(tree_try(root, "etc/hidden"), 0); /* its own now */
	CHECK(faccessat(test_dir(), "host/usr/bin/tool", F_OK, 0) == 0);
	CHECK(faccessat(test_dir(), "host/opt/app/data", F_OK, 0) == 0);
	CHECK(faccessat(test_dir(), "host/etc/new", F_OK, 0) < 0);
}

TEST(links_in_place_of_trees_are_shown_and_not_followed)
{
	own(image) struct image image = IMAGE_INIT;
	char mask[PATH_MAX];
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("home/ann/tree/secret", SECRET, 0600);
	tree_link("home/ann/tree", "lib64");
	tree_link("../../home/ann/tree", "usr/share/tree");
	root = open_composed(&image);
	CHECK(tree_exists(root, "lib64") && tree_exists(root, "usr/share/tree"));
	CHECK_INT(tree_try(root, "usr/share/tree/secret"), ENOENT);
	snprintf(mask, sizeof(mask), "%s/lib64", image.mounts[0].lowers.items[0]);
	CHECK(access(mask, F_OK) < 0);
}

TEST(what_lies_too_deep_is_hidden)
{
	char path[1024] = "opt";
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	for (int i = 0; i < 200; i++)
		strcat(path, "/d");
	tree_dir(path, 0755);
	strcat(path, "/s");
	tree_file(path, SECRET, 0600);
	root = start_composed();
	CHECK_INT(tree_try(root, path), ENOENT);
	CHECK(tree_exists(root, "opt/d/d/d/d"));
	CHECK(!found_below(openat(root, "opt", O_RDONLY | O_CLOEXEC), "s"));
}

/* ---- several file systems ---- */

static void bind_on(const char *source, const char *target)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s/%s", test_dir_path(), source);
	snprintf(to, sizeof(to), "%s/%s", tree_host(), target);
	CHECK(mount(from, to, NULL, MS_BIND, NULL) == 0);
}

TEST(a_file_system_in_a_shown_tree_is_composed_on_its_own)
{
	own(image) struct image image = IMAGE_INIT;
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	CHECK(mkdirat(test_dir(), "host/usr/local/beneath", 0755) == 0);
	tree_file("usr/local/beneath/s", SECRET, 0644);
	CHECK(mkdirat(test_dir(), "other", 0755) == 0);
	bind_on("other", "usr/local");
	tree_file("usr/local/bin/public", "text", 0644);
	tree_file("usr/local/bin/private", SECRET, 0600);
	root = open_composed(&image);
	CHECK_INT(image.count, 2);
	CHECK_STR(image.mounts[1].target, "/usr/local");
	CHECK(image.mounts[0].guard && image.mounts[1].guard);
	CHECK_INT(tree_try(root, "usr/bin/tool"), 0);
	CHECK_INT(tree_try(root, "usr/local/bin/public"), 0);
	CHECK_INT(tree_try(root, "usr/local/bin/private"), ENOENT);
	CHECK_INT(tree_try(root, "usr/local/beneath"), ENOENT);
	tree_file("usr/local/bin/public", "text", 0600);
	CHECK_INT(tree_try(root, "usr/local/bin/public"), EACCES);
}

TEST(the_host_may_have_usr_and_a_database_on_their_own)
{
	own(image) struct image image = IMAGE_INIT;
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	CHECK(mkdirat(test_dir(), "other", 0755) == 0 && mkdirat(test_dir(), "db", 0755) == 0);
	bind_on("other", "usr");
	bind_on("db", "var/lib/dpkg");
	tree_file("usr/bin/only-here", "text", 0755);
	tree_file("usr/bin/private", SECRET, 0600);
	tree_file("var/lib/dpkg/status", "Package: x\n", 0644);
	tree_file("var/lib/dpkg/lock", "", 0600);
	root = open_composed(&image);
	CHECK_INT(image.count, 3);
	CHECK_INT(tree_try(root, "bin/only-here"), 0);
	CHECK_INT(tree_try(root, "bin/private"), ENOENT);
	CHECK_INT(tree_try(root, "bin/tool"), ENOENT); /* beneath the mount */
	CHECK_INT(tree_try(root, "var/lib/dpkg/status"), 0);
	CHECK_INT(tree_try(root, "var/lib/dpkg/lock"), ENOENT);
}

TEST(mounts_of_other_kinds_and_what_is_beneath_them_are_absent)
{
	own(image) struct image image = IMAGE_INIT;
	char target[PATH_MAX];
	own(tree_root) int root = -1;

	tree_private_mounts();
	tree_make();
	tree_file("etc/cluster/beneath", SECRET, 0644);
	tree_file("etc/bound-file", SECRET, 0644);
	snprintf(target, sizeof(target), "%s/etc/cluster", tree_host());
	CHECK(mount("x", target, "tmpfs", 0, NULL) == 0);
	tree_file("etc/cluster/on-top", SECRET, 0644);
	tree_file("../bound", SECRET, 0644);
	bind_on("bound", "etc/bound-file");
	root = open_composed(&image);
	CHECK_INT(image.count, 1);
	CHECK(!tree_exists(root, "etc/cluster"));
	CHECK(!tree_exists(root, "etc/bound-file"));
}

TEST_MAIN()
