/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path walk against trees that fight back. Each test has a directory with two parts: "root",
 * which stands for a guest's tree, and "outside" with a canary, which nothing may reach.
 */
#include "base/path.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "test.h"

static void put_file(int dir_fd, const char *path, const char *content)
{
	own_fd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
}

static void put_dir(int dir_fd, const char *path)
{
	CHECK(mkdirat(dir_fd, path, 0755) == 0);
}

static void put_link(int dir_fd, const char *target, const char *path)
{
	CHECK(symlinkat(target, dir_fd, path) == 0);
}

/* The guest's root; the host's "outside" lies beside it. */
static int make_root(void)
{
	int fd;

	put_dir(test_dir(), "root");
	put_dir(test_dir(), "outside");
	put_file(test_dir(), "outside/canary", "untouched");
	fd = openat(test_dir(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	put_dir(fd, "etc");
	put_dir(fd, "dir");
	put_dir(fd, "dir/sub");
	put_file(fd, "etc/passwd", "guest");
	put_file(fd, "dir/file", "file");
	return fd;
}

static bool exists(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int entries_of(int dir_fd, const char *path)
{
	own_fd int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *dir = fdopendir(dup(fd));
	int count = -2;

	CHECK(dir != NULL);
	while (readdir(dir))
		count++;
	return count;
}

static void check_outside_untouched(void)
{
	own_fd int fd = openat(test_dir(), "outside/canary", O_RDONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	char text[32];

	CHECK_OK(fd_read_buf(fd, text, sizeof(text), "canary", &err));
	CHECK_STR(text, "untouched");
	CHECK_INT(entries_of(test_dir(), "outside"), 1);
}

static bool is_same(int fd, int dir_fd, const char *path)
{
	struct stat a, b;

	CHECK(fstat(fd, &a) == 0);
	CHECK(fstatat(dir_fd, path, &b, 0) == 0);
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The path leads, inside the root, to `want`. */
static void check_leads_to(int root, const char *path, enum path_how how, const char *want)
{
	struct err err = ERR_INIT;
	own_fd int fd = path_handle(root, path, how, 0, &err);

	CHECK_OK(fd);
	CHECK(is_same(fd, root, want));
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void check_refused(int root, const char *path, enum path_how how, enum err_kind kind,
			  const char *part)
{
	struct err err = ERR_INIT;

	CHECK_ERR(path_handle(root, path, how, 0, &err), kind, part);
}

TEST(plain_paths)
{
	own_fd int root = make_root();

	for (int how = PATH_IN_ROOT; how <= PATH_BENEATH; how++) {
		check_leads_to(root, "", how, ".");
		check_leads_to(root, ".", how, ".");
		check_leads_to(root, "dir", how, "dir");
		check_leads_to(root, "dir//sub/", how, "dir/sub");
		check_leads_to(root, "./dir/./file", how, "dir/file");
		check_leads_to(root, "dir/../etc/passwd", how, "etc/passwd");
		check_refused(root, "absent", how, ERR_NOT_FOUND, "cannot open 'absent'");
		check_refused(root, "dir/file/x", how, ERR_IO, "not a directory");
	}
}

TEST(dotdot_and_absolute_paths_stop_at_the_root)
{
	own_fd int root = make_root();

	check_leads_to(root, "/", PATH_IN_ROOT, ".");
	check_leads_to(root, "..", PATH_IN_ROOT, ".");
	check_leads_to(root, "../../../../../..", PATH_IN_ROOT, ".");
	check_leads_to(root, "/etc/passwd", PATH_IN_ROOT, "etc/passwd");
	check_leads_to(root, "../../etc/passwd", PATH_IN_ROOT, "etc/passwd");
	check_leads_to(root, "dir/../../../etc", PATH_IN_ROOT, "etc");
	check_refused(root, "..", PATH_BENEATH, ERR_DENIED, "out of its tree");
	check_refused(root, "dir/../../outside", PATH_BENEATH, ERR_DENIED, "out of its tree");
	check_refused(root, "/etc/passwd", PATH_BENEATH, ERR_DENIED, "out of its tree");
	check_refused(root, "../outside/canary", PATH_IN_ROOT, ERR_NOT_FOUND, "canary");
}

TEST(links_are_followed_inside_the_root_only)
{
	own_fd int root = make_root();
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/outside/canary", test_dir_path());
	put_link(root, "/etc", "abs");
	put_link(root, "etc", "rel");
	put_link(root, "abs", "chain");
	put_link(root, "../../../../etc/passwd", "up");
	put_link(root, target, "host-path");
	put_link(root, "../outside/canary", "escape");
	check_leads_to(root, "abs", PATH_IN_ROOT, "etc");
	check_leads_to(root, "rel/passwd", PATH_IN_ROOT, "etc/passwd");
	check_leads_to(root, "chain/passwd", PATH_IN_ROOT, "etc/passwd");
	check_leads_to(root, "up", PATH_IN_ROOT, "etc/passwd");
	check_refused(root, "host-path", PATH_IN_ROOT, ERR_NOT_FOUND, NULL);
	check_refused(root, "escape", PATH_IN_ROOT, ERR_NOT_FOUND, NULL);
	check_outside_untouched();
}

TEST(beneath_refuses_every_link)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int link = -1;

	put_link(root, "etc", "rel");
	put_link(root, "/etc", "abs");
	put_link(root, "passwd", "etc/p");
	check_refused(root, "rel", PATH_BENEATH, ERR_DENIED, "a symbolic link is in the way");
	check_refused(root, "rel/passwd", PATH_BENEATH, ERR_DENIED, "symbolic link");
	check_refused(root, "abs", PATH_BENEATH, ERR_DENIED, "symbolic link");
	check_refused(root, "etc/p", PATH_BENEATH, ERR_DENIED, "symbolic link");
	/* The link itself can be had, as a handle. */
	link = path_handle(root, "etc/p", PATH_BENEATH, O_NOFOLLOW, &err);
	CHECK_OK(link);
}

TEST(nofollow_gives_the_link_itself)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int link = -1;
	struct stat st;

	put_link(root, "/etc", "abs");
	link = path_handle(root, "abs", PATH_IN_ROOT, O_NOFOLLOW, &err);
	CHECK_OK(link);
	CHECK(fstat(link, &st) == 0 && S_ISLNK(st.st_mode));
}

TEST(loops_and_long_chains_end)
{
	own_fd int root = make_root();
	char name[16], target[16];

	put_link(root, "b", "a");
	put_link(root, "a", "b");
	put_link(root, "self", "self");
	check_refused(root, "a", PATH_IN_ROOT, ERR_DENIED, "too many symbolic links");
	check_refused(root, "self/x", PATH_IN_ROOT, ERR_DENIED, "too many symbolic links");
	put_link(root, "etc", "l0");
	for (int i = 1; i <= 60; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(target, sizeof(target), "l%d", i - 1);
		put_link(root, target, name);
	}
	check_leads_to(root, "l30", PATH_IN_ROOT, "etc");
	check_refused(root, "l60", PATH_IN_ROOT, ERR_DENIED, "too many symbolic links");
}

TEST(magic_links_are_refused)
{
	own_fd int host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int target = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "proc/self/fd/%d", target);
	check_refused(host_root, path, PATH_IN_ROOT, ERR_DENIED, "magic");
	check_refused(host_root, "proc/self/root", PATH_IN_ROOT, ERR_DENIED, "magic");
	check_refused(host_root, "proc/self/cwd/etc", PATH_IN_ROOT, ERR_DENIED, "magic");
	check_refused(host_root, "proc/self/exe", PATH_IN_ROOT, ERR_DENIED, "magic");
}

TEST(no_xdev_stops_at_mount_points)
{
	own_fd int host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	own_fd int fd = path_handle(host_root, "proc/version", PATH_IN_ROOT, 0, &err);

	CHECK_OK(fd);
	check_refused(host_root, "proc/version", PATH_IN_ROOT | PATH_NO_XDEV, ERR_DENIED,
		      "out of its tree or mount");
	check_refused(host_root, "proc", PATH_BENEATH | PATH_NO_XDEV, ERR_DENIED, "mount");
}

TEST(open_passes_flags_and_mode)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	struct stat st;

	umask(0);
	for (int how = PATH_IN_ROOT; how <= PATH_BENEATH; how++) {
		own_fd int fd = path_open(root, "new", (enum path_how)how,
					  O_WRONLY | O_CREAT | O_EXCL, 0640, &err);

		CHECK_OK(fd);
		CHECK(fstat(fd, &st) == 0);
		CHECK_INT(st.st_mode & 07777, 0640);
		CHECK_ERR(path_open(root, "new", (enum path_how)how, O_WRONLY | O_CREAT | O_EXCL,
				    0640, &err),
			  ERR_EXISTS, "cannot open 'new': already exists");
		CHECK(unlinkat(root, "new", 0) == 0);
	}
}

TEST(a_kernel_without_openat2_is_unsupported)
{
	own_fd int root = make_root();

	test_fail_syscall(SYS_openat2, ENOSYS);
	check_refused(root, "etc", PATH_IN_ROOT, ERR_UNSUPPORTED, "system call not implemented");
}

TEST(a_walk_that_never_settles_ends_as_busy)
{
	own_fd int root = make_root();

	test_fail_syscall(SYS_openat2, EAGAIN);
	check_refused(root, "etc", PATH_IN_ROOT, ERR_BUSY, "the tree keeps changing");
}

/* ---- making directories and targets ---- */

static mode_t mode_of(int dir_fd, const char *path)
{
	struct stat st;

	CHECK(fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_mode & 07777;
}

TEST(mkdirs_makes_what_is_missing_with_its_mode)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;

	umask(077);
	for (int how = PATH_IN_ROOT; how <= PATH_BENEATH; how++) {
		char path[32];
		own_fd int fd = -1, again = -1;

		snprintf(path, sizeof(path), "dir/new%d/./b//c/", how);
		fd = path_mkdirs(root, path, (enum path_how)how, 0751, &err);
		CHECK_OK(fd);
		CHECK(is_same(fd, root, path));
		CHECK_INT(mode_of(root, path), 0751);
		CHECK(fcntl(fd, F_GETFL) & O_PATH);
		again = path_mkdirs(root, path, (enum path_how)how, 0700, &err);
		CHECK_OK(again);
		CHECK(is_same(again, root, path));
		CHECK_INT(mode_of(root, path), 0751);
	}
	CHECK_INT(umask(0), 077);
}

TEST(mkdirs_of_the_root_itself)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	static const char *const paths[] = {"", ".", "/", "..", "//."};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		own_fd int fd = path_mkdirs(root, paths[i], PATH_IN_ROOT, 0755, &err);

		CHECK_OK(fd);
		CHECK(is_same(fd, root, "."));
	}
}

TEST(mkdirs_goes_through_links_inside_the_root)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int a = -1, b = -1;

	put_link(root, "/dir", "link");
	put_link(root, "../../outside", "escape");
	a = path_mkdirs(root, "link/x/y", PATH_IN_ROOT, 0755, &err);
	CHECK_OK(a);
	CHECK(is_same(a, root, "dir/x/y"));
	/* The dangling link means root/outside, which is made. */
	b = path_mkdirs(root, "escape/x", PATH_IN_ROOT, 0755, &err);
	CHECK_OK(b);
	CHECK(is_same(b, root, "outside/x"));
	check_outside_untouched();
}

TEST(mkdirs_expands_dangling_links_of_every_kind)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	static const struct {
		const char *target, *link, *path, *want;
	} cases[] = {
		{"/run", "var-run", "var-run/lock", "run/lock"},
		{"sub2/deep", "dir/rel", "dir/rel/x", "dir/sub2/deep/x"},
		{"../up", "dir/sub/r", "dir/sub/r/x", "dir/up/x"},
		{"/one", "two", "two", "one"},
		{"/first", "second", "second", "first"},
		{"second2", "third", "third/x", "second2/x"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		own_fd int fd = -1;

		put_link(root, cases[i].target, cases[i].link);
		fd = path_mkdirs(root, cases[i].path, PATH_IN_ROOT, 0755, &err);
		CHECK_OK(fd);
		CHECK(is_same(fd, root, cases[i].want));
	}
}

TEST(mkdirs_ends_on_loops_of_dangling_links)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;

	put_link(root, "b/x", "a");
	put_link(root, "a/x", "b");
	put_link(root, "grow/grow", "grow");
	CHECK_ERR(path_mkdirs(root, "a/y", PATH_IN_ROOT, 0755, &err), ERR_DENIED, "links");
	CHECK_ERR(path_mkdirs(root, "grow", PATH_IN_ROOT, 0755, &err), ERR_DENIED, "links");
}

TEST(mkdirs_beneath_refuses_links_and_escapes)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;

	put_link(root, "dir", "link");
	put_link(root, "nowhere", "dangling");
	CHECK_ERR(path_mkdirs(root, "link/x", PATH_BENEATH, 0755, &err), ERR_DENIED, "symbolic");
	CHECK_ERR(path_mkdirs(root, "dangling", PATH_BENEATH, 0755, &err), ERR_DENIED, "symbolic");
	CHECK_ERR(path_mkdirs(root, "../x", PATH_BENEATH, 0755, &err), ERR_DENIED, "out of");
	CHECK_ERR(path_mkdirs(root, "/x", PATH_BENEATH, 0755, &err), ERR_DENIED, "out of");
	CHECK(!exists(root, "nowhere"));
	check_outside_untouched();
}

TEST(mkdirs_refuses_dotdot_behind_what_does_not_exist_and_makes_nothing)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	int before = entries_of(root, ".");

	CHECK_ERR(path_mkdirs(root, "new/../x", PATH_IN_ROOT, 0755, &err), ERR_INVALID, "'..'");
	CHECK_ERR(path_mkdirs(root, "new/a/..", PATH_IN_ROOT, 0755, &err), ERR_INVALID, "'..'");
	CHECK_INT(entries_of(root, "."), before);
	own_fd int fine = path_mkdirs(root, "dir/../..x/...", PATH_IN_ROOT, 0755, &err);
	CHECK_OK(fine);
	CHECK(is_same(fine, root, "..x/..."));
}

TEST(mkdirs_refuses_a_file_in_the_way)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;

	CHECK_ERR(path_mkdirs(root, "dir/file", PATH_IN_ROOT, 0755, &err), ERR_EXISTS,
		  "cannot create 'dir/file': not a directory");
	CHECK_ERR(path_mkdirs(root, "dir/file/x", PATH_IN_ROOT, 0755, &err), ERR_IO,
		  "not a directory");
}

TEST(names_and_paths_that_are_too_long)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	char name[300], path[8192];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK_ERR(path_mkdirs(root, name, PATH_IN_ROOT, 0755, &err), ERR_IO, "name too long");
	for (size_t i = 0; i + 1 < sizeof(path); i += 2)
		memcpy(path + i, "d/", 2);
	path[sizeof(path) - 1] = '\0';
	CHECK_ERR(path_mkdirs(root, path, PATH_IN_ROOT, 0755, &err), ERR_IO, "name too long");
	CHECK_ERR(path_open(root, path, PATH_IN_ROOT, O_RDONLY, 0, &err), ERR_IO, "name too long");
	CHECK(!exists(root, "d"));
}

TEST(targets_are_made_as_asked)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int dir = -1, file = -1;

	umask(077);
	dir = path_make_target(root, "/mnt/data", PATH_IN_ROOT, true, &err);
	CHECK_OK(dir);
	CHECK_INT(mode_of(root, "mnt/data"), 0755);
	file = path_make_target(root, "/srv/x/conf", PATH_IN_ROOT, false, &err);
	CHECK_OK(file);
	CHECK(is_same(file, root, "srv/x/conf"));
	CHECK_INT(mode_of(root, "srv/x/conf"), 0644);
	CHECK_INT(mode_of(root, "srv/x"), 0755);
	CHECK(fcntl(file, F_GETFL) & O_PATH);
}

TEST(targets_that_exist_are_returned_as_they_are)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int file = -1, dir = -1, fifo = -1;

	CHECK(mkfifoat(root, "fifo", 0600) == 0);
	file = path_make_target(root, "etc/passwd", PATH_IN_ROOT, false, &err);
	CHECK_OK(file);
	CHECK(is_same(file, root, "etc/passwd"));
	dir = path_make_target(root, "dir", PATH_IN_ROOT, false, &err);
	CHECK_OK(dir);
	CHECK(is_same(dir, root, "dir"));
	fifo = path_make_target(root, "fifo", PATH_IN_ROOT, false, &err);
	CHECK_OK(fifo);
	CHECK(is_same(fifo, root, "fifo"));
}

TEST(what_is_found_or_made_is_told_apart)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int file = -1, dir = -1, again = -1;
	bool made = true;

	file = path_find_or_make(root, "etc/passwd", PATH_IN_ROOT, true, &made, &err);
	CHECK_OK(file); /* whoever asked looks at its type */
	CHECK(is_same(file, root, "etc/passwd") && !made);
	dir = path_find_or_make(root, "/mnt/data", PATH_IN_ROOT, true, &made, &err);
	CHECK_OK(dir);
	CHECK(is_same(dir, root, "mnt/data") && made);
	again = path_find_or_make(root, "/mnt//data/", PATH_IN_ROOT, true, &made, &err);
	CHECK_OK(again);
	CHECK(is_same(again, root, "mnt/data") && !made);
}

TEST(a_file_target_behind_a_dangling_link_is_made_inside)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int fd = -1;

	put_link(root, "../run/systemd/resolve/stub.conf", "etc/resolv.conf");
	fd = path_make_target(root, "/etc/resolv.conf", PATH_IN_ROOT, false, &err);
	CHECK_OK(fd);
	CHECK(is_same(fd, root, "run/systemd/resolve/stub.conf"));
	CHECK_ERR(path_make_target(root, "etc/../etc/resolv.conf", PATH_BENEATH, false, &err),
		  ERR_DENIED, "symbolic");
}

TEST(a_device_directory_that_is_a_link_to_the_host_stays_inside)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int fd = -1;
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/outside", test_dir_path());
	put_link(root, target, "dev");
	fd = path_make_target(root, "/dev/null", PATH_IN_ROOT, false, &err);
	CHECK_OK(fd);
	check_outside_untouched();
}

/* ---- reading and opening again ---- */

TEST(read_file_reads_regular_files)
{
	own_fd int root = make_root();
	own_free char *text = NULL, *again = NULL;
	struct err err = ERR_INIT;

	put_link(root, "/etc/passwd", "link");
	CHECK_INT(path_read_file(root, "/etc/passwd", PATH_IN_ROOT, 100, &text, &err), 5);
	CHECK_STR(text, "guest");
	CHECK_INT(path_read_file(root, "link", PATH_IN_ROOT, 5, &again, &err), 5);
	CHECK_ERR(path_read_file(root, "link", PATH_IN_ROOT, 4, &again, &err), ERR_LIMIT,
		  "'link': more than 4");
	CHECK_ERR(path_read_file(root, "link", PATH_BENEATH, 5, &again, &err), ERR_DENIED, NULL);
	CHECK_ERR(path_read_file(root, "no", PATH_IN_ROOT, 5, &again, &err), ERR_NOT_FOUND, "'no'");
}

TEST(read_file_never_opens_anything_else)
{
	own_fd int root = make_root();
	own_fd int host_dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	own_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err = ERR_INIT;
	char *text = NULL;

	CHECK(mkfifoat(root, "fifo", 0600) == 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/root/sock", test_dir_path());
	CHECK(bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK_ERR(path_read_file(root, "fifo", PATH_IN_ROOT, 9, &text, &err), ERR_INVALID,
		  "cannot read 'fifo': it is a FIFO, not a regular file");
	CHECK_ERR(path_read_file(root, "sock", PATH_IN_ROOT, 9, &text, &err), ERR_INVALID,
		  "a socket");
	CHECK_ERR(path_read_file(root, "dir", PATH_IN_ROOT, 9, &text, &err), ERR_INVALID,
		  "a directory");
	CHECK_ERR(path_read_file(host_dev, "zero", PATH_IN_ROOT, 9, &text, &err), ERR_INVALID,
		  "a character device");
}

TEST(reopen_turns_a_handle_into_a_file)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int handle = path_handle(root, "etc/passwd", PATH_IN_ROOT, 0, &err);
	own_fd int dir = path_handle(root, "etc", PATH_IN_ROOT, 0, &err);
	own_fd int file = -1, list = -1, quick = -1;
	char text[16];

	/* What happens to the name does not matter any more. */
	CHECK(unlinkat(root, "etc/passwd", 0) == 0);
	put_link(root, "../../outside/canary", "etc/passwd");
	file = path_reopen(handle, S_IFREG, O_RDWR, &err);
	CHECK_OK(file);
	CHECK_INT(fcntl(file, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDWR);
	CHECK_INT(fcntl(file, F_GETFD), FD_CLOEXEC);
	CHECK_INT(fd_read_buf(file, text, sizeof(text), "x", &err), 5);
	list = path_reopen(dir, S_IFDIR, O_RDONLY | O_DIRECTORY, &err);
	CHECK_OK(list);
	quick = path_reopen(handle, 0, O_RDONLY | O_NONBLOCK, &err);
	CHECK_OK(quick);
	CHECK(fcntl(quick, F_GETFL) & O_NONBLOCK);
	CHECK_ERR(path_reopen(dir, S_IFREG, O_RDONLY, &err), ERR_INVALID, "it is a directory");
	CHECK_ERR(path_reopen(-1, 0, O_RDONLY, &err), ERR_IO, "bad file descriptor");
}

TEST(a_forged_proc_is_not_trusted)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int handle = path_handle(root, "etc/passwd", PATH_IN_ROOT, 0, &err);
	char path[64];

	put_dir(root, "self");
	put_dir(root, "self/fd");
	snprintf(path, sizeof(path), "self/fd/%d", handle);
	put_link(root, "../../../outside/canary", path);
	path_use_proc(root);
	CHECK_ERR(path_reopen(handle, S_IFREG, O_RDONLY, &err), ERR_DENIED, "not a procfs");
	path_use_proc(-1);
	CHECK_INT(close(path_reopen(handle, S_IFREG, O_RDONLY, &err)), 0);
}

TEST(reopen_of_a_fifo_does_not_block)
{
	own_fd int root = make_root();
	struct err err = ERR_INIT;
	own_fd int handle = -1, fd = -1;

	CHECK(mkfifoat(root, "fifo", 0600) == 0);
	handle = path_handle(root, "fifo", PATH_IN_ROOT, 0, &err);
	fd = path_reopen(handle, S_IFIFO, O_RDONLY, &err);
	CHECK_OK(fd);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK_INT(close(take_fd(fd)), 0);
	CHECK_ERR(path_reopen(handle, 0, O_WRONLY, &err), ERR_IO, "no such device or address");
}

/* ---- a guest that renames while we walk ---- */

/* Swap two names as fast as possible until killed. */
static pid_t start_swapper(int dir_fd, const char *a, const char *b)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		for (;;)
			renameat2(dir_fd, a, dir_fd, b, RENAME_EXCHANGE);
	return pid;
}

static void stop_swapper(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(a_link_swapped_in_while_targets_are_made_leads_nowhere_else)
{
	own_fd int root = make_root();
	int64_t end = clock_boot_ms() + 700;
	int made = 0;
	pid_t pid;
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/outside", test_dir_path());
	put_dir(root, "real");
	put_link(root, target, "evil");
	pid = start_swapper(root, "real", "evil");
	for (int i = 0; clock_boot_ms() < end; i++) {
		struct err err = ERR_INIT;
		char path[64];
		own_fd int fd = -1;

		snprintf(path, sizeof(path), "real/d%d/x", i % 50);
		fd = path_make_target(root, path, PATH_IN_ROOT, i % 2, &err);
		made += fd >= 0;
		path_remove_tree(root, "real", &err);
		mkdirat(root, "real", 0755);
	}
	stop_swapper(pid);
	CHECK(made > 0);
	check_outside_untouched();
}

TEST(a_new_directory_swapped_for_a_link_before_it_is_opened_leads_nowhere_else)
{
	own_fd int root = make_root();
	int64_t end = clock_boot_ms() + 700;
	char target[PATH_MAX];
	int made = 0;
	pid_t pid;

	snprintf(target, sizeof(target), "%s/outside", test_dir_path());
	put_link(root, target, "evil");
	pid = start_swapper(root, "spot", "evil");
	while (clock_boot_ms() < end) {
		struct err err = ERR_INIT;
		own_fd int fd = path_make_target(root, "spot/x", PATH_IN_ROOT, true, &err);

		made += fd >= 0;
		path_remove_tree(root, "spot", &err);
		path_remove_tree(root, "evil", &err);
		CHECK(symlinkat(target, root, "evil") == 0 || errno == EEXIST);
	}
	stop_swapper(pid);
	CHECK(made > 0);
	check_outside_untouched();
}

TEST(a_directory_moved_away_during_dotdot_never_leads_out)
{
	own_fd int root = make_root();
	own_fd int outside = openat(test_dir(), "outside", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int64_t end = clock_boot_ms() + 700;
	struct stat canary;
	pid_t pid;

	/* dir/sub is moved beside the root and back: a walk of "dir/sub/.." that is in it at that
	 * moment would stand outside. */
	CHECK(fstat(outside, &canary) == 0);
	put_dir(test_dir(), "moved");
	pid = start_swapper(test_dir(), "root/dir/sub", "moved");
	while (clock_boot_ms() < end) {
		struct err err = ERR_INIT;
		own_fd int fd = path_handle(root, "dir/sub/../../../outside/canary", PATH_IN_ROOT,
					    0, &err);

		CHECK(fd < 0);
		CHECK(err.kind == ERR_NOT_FOUND || err.kind == ERR_BUSY || err.kind == ERR_DENIED);
	}
	stop_swapper(pid);
	check_outside_untouched();
}

/* ---- names ---- */

TEST(names)
{
	char name[300];

	CHECK(path_is_name("a"));
	CHECK(path_is_name("..."));
	CHECK(path_is_name(".hidden"));
	CHECK(path_is_name("gr\xc3\xbc\xc3\x9f"));
	CHECK(path_is_name("-rf"));
	CHECK(!path_is_name(""));
	CHECK(!path_is_name("."));
	CHECK(!path_is_name(".."));
	CHECK(!path_is_name("a/b"));
	CHECK(!path_is_name("/"));
	CHECK(!path_is_name("a\nb"));
	CHECK(!path_is_name("\xff"));
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	CHECK(!path_is_name(name));
	name[255] = '\0';
	CHECK(path_is_name(name));
}

TEST(clean_paths)
{
	static const struct {
		const char *path, *clean;
	} good[] = {
		{"/", "/"},
		{"//", "/"},
		{"/.", "/"},
		{"/a//b/./c/", "/a/b/c"},
		{"/a", "/a"},
		{"/...", "/..."},
		{"/..a/b..", "/..a/b.."},
		{"/./././x", "/x"},
	};
	static const char *const bad[] = {"",	   "a",	      "./a",   "..",   "/..",
					  "/a/..", "/a/../b", "/a\nb", "/\xff"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		own_free char *clean = NULL;
		struct err err = ERR_INIT;

		CHECK_OK(path_clean(good[i].path, &clean, &err));
		CHECK_STR(clean, good[i].clean);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		char *clean = NULL;

		CHECK_ERR(path_clean(bad[i], &clean, &err), ERR_INVALID, NULL);
		CHECK(clean == NULL);
	}
}

TEST(a_clean_path_has_a_bound)
{
	struct err err = ERR_INIT;
	char path[5000], *clean = NULL;

	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	CHECK_ERR(path_clean(path, &clean, &err), ERR_LIMIT, "4095");
}

/* What is in memory is not worth a process; what is not is asked for by one, and only that it came back counts. */
TEST(a_path_is_reached_without_a_process_where_it_is_in_memory)
{
	struct err err = ERR_INIT;
	struct stat st;

	CHECK(fstatat(test_dir(), ".", &st, 0) == 0);
	test_fail_syscall(SYS_clone3, EAGAIN);
	CHECK_OK(path_reach(test_dir(), ".", &err));
	CHECK_OK(path_reach(AT_FDCWD, "/", &err));
	CHECK_ERR(path_reach(AT_FDCWD, "/proc/self/status", &err), ERR_IO,
		  "cannot create a process");
}

TEST(a_path_that_is_not_in_memory_is_reached_whatever_the_answer_is)
{
	struct err err = ERR_INIT;

	CHECK_OK(path_reach(AT_FDCWD, "/proc/self/status", &err));
	CHECK_OK(path_reach(AT_FDCWD, "/proc/self/nothing", &err));
	CHECK_OK(path_reach(-1, "no/directory", &err));
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST_MAIN()
