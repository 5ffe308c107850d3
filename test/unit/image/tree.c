/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <limits.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/caps.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "test.h"

static int userns_fd = -1;

static const char *below_test_dir(const char *name, char buf[static PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s/%s", test_dir_path(), name);
	return buf;
}

const char *tree_host(void)
{
	static char path[PATH_MAX];

	return below_test_dir("host", path);
}

const char *tree_cache(void)
{
	static char path[PATH_MAX];

	return below_test_dir("cache", path);
}

static const char *host_path(const char *path, char buf[static PATH_MAX])
{
	snprintf(buf, PATH_MAX, "host/%s", path);
	return buf;
}

static void make_parents(const char *path)
{
	char parent[PATH_MAX];
	struct err err = ERR_INIT;
	own_fd int fd = -1;

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	fd = path_mkdirs(test_dir(), parent, PATH_BENEATH, 0755, &err);
	CHECK(fd >= 0);
}

void tree_dir(const char *path, mode_t mode)
{
	char full[PATH_MAX];

	make_parents(host_path(path, full));
	CHECK(mkdirat(test_dir(), full, 0700) == 0 || errno == EEXIST);
	CHECK(fchmodat(test_dir(), full, mode, 0) == 0);
}

void tree_file(const char *path, const char *text, mode_t mode)
{
	char full[PATH_MAX];
	own_fd int fd = -1;

	make_parents(host_path(path, full));
	fd = openat(test_dir(), full, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(fchmod(fd, mode) == 0);
}

void tree_link(const char *target, const char *path)
{
	char full[PATH_MAX];

	make_parents(host_path(path, full));
	CHECK(symlinkat(target, test_dir(), full) == 0);
}

void tree_node(const char *path, mode_t type_and_mode, dev_t device)
{
	char full[PATH_MAX];

	make_parents(host_path(path, full));
	CHECK(mknodat(test_dir(), full, type_and_mode, device) == 0);
	CHECK(fchmodat(test_dir(), full, type_and_mode & 07777, 0) == 0);
}

void tree_make(void)
{
	static const char *const empty[] = {"boot",	 "dev",	    "proc",	"run",
					    "srv",	 "sys",	    "home/ann", "var/log",
					    "var/cache", "etc/ssh", "opt"};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		tree_dir(empty[i], 0755);
	tree_dir("root", 0700);
	tree_dir("tmp", 01777);
	tree_link("usr/bin", "bin");
	tree_link("usr/lib", "lib");
	tree_file("usr/bin/tool", "a tool", 0755);
	tree_file("usr/bin/setuid-tool", "a tool", 04755);
	tree_file("usr/lib/libthing.so", "a library", 0644);
	tree_file("usr/local/bin/local", "a local tool", 0755);
	tree_file("etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0644);
	tree_file("etc/shadow", "root:secret:::::::\n", 0640);
	tree_file("opt/app/data", "data", 0644);
	tree_file("var/lib/dpkg/status", "Package: tool\n", 0644);
	tree_file("var/lib/dpkg/lock", "", 0640);
	tree_file("var/lib/service/state", "what a service knows", 0644);
}

static int make_userns(void)
{
	static const struct id_map map = {.inside = 0, .outside = TREE_ID_BASE, .size = 65536};
	struct err err = ERR_INIT;
	own_fd int proc_fd = procfs_open(&err);
	int fd = ns_make_user(proc_fd, &map, 1, &map, 1, &err);

	if (fd < 0)
		test_fail(__FILE__, __LINE__, "%s", err.message);
	return fd;
}

void tree_private_mounts(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	/* Before a descriptor of the test's directory is used: the mounts are attached below it. */
	CHECK(setgroups(0, NULL) == 0);
}

static void act_as(uid_t id)
{
	CHECK(prctl(PR_SET_SECUREBITS, id ? SECBIT_NO_SETUID_FIXUP : 0) == 0);
	setfsgid(id);
	setfsuid(id);
}

/* A directory of this mount namespace to attach to: test_dir() itself lies in another. */
static int target_dir(const char *name)
{
	char path[PATH_MAX];

	below_test_dir(name, path);
	CHECK(mkdir(path, 0755) == 0 || errno == EEXIST);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Attached, because overlay takes no detached layer before Linux 6.15. */
static void stage(int mount_fd)
{
	static int next;
	struct err err = ERR_INIT;
	char name[32];
	own_fd int target = -1;

	snprintf(name, sizeof(name), "stage.%d", next++);
	target = target_dir(name);
	CHECK_OK(mount_attach(mount_fd, target, name, &err));
}

static int mapped_layer(const char *path)
{
	struct err err = ERR_INIT;
	own_fd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	CHECK(dir >= 0);
	fd = mount_clone(dir, "", false, 0, &err);
	CHECK_OK(fd);
	if (mount_idmap(fd, userns_fd, false, &err) < 0)
		SKIP("%s", err.message);
	stage(fd);
	return fd;
}

static int overlay_of(const int *lowers, unsigned int count, int upper, int work)
{
	struct err err = ERR_INIT;
	own_fd int proc_fd = procfs_open(&err);
	struct overlay overlay = {.lower_fds = lowers,
				  .lower_count = count,
				  .upper_fd = upper,
				  .work_fd = work,
				  .follow_redirects = true,
				  .proc_fd = proc_fd};
	int fd = mount_overlay(&overlay, 0, &err);

	if (fd < 0)
		test_fail(__FILE__, __LINE__, "%s", err.message);
	return fd;
}

static int guard_of(int lower_fd)
{
	uint64_t dropped = UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
	struct err err = ERR_INIT;
	own_fd int empty = mount_new("tmpfs", "empty", &STRV_INIT, 0, 0, &err);
	int lowers[] = {lower_fd, empty};
	struct caps now;
	int fd;

	CHECK(empty >= 0);
	stage(empty);
	CHECK_OK(caps_get(&now, &err));
	act_as(65534);
	CHECK_OK(caps_set_effective(now.effective & ~dropped, &err));
	fd = overlay_of(lowers, 2, -1, -1);
	CHECK_OK(caps_set_effective(now.effective, &err));
	act_as(0);
	stage(fd);
	return fd;
}

/* A directory of the writable layer, of container root. */
static int writable_dir(const char *name)
{
	char full[PATH_MAX];
	own_fd int made = -1;
	own_fd int layer = -1;

	CHECK(mkdirat(test_dir(), name, 0755) == 0);
	layer = mapped_layer(below_test_dir(name, full));
	made = openat(layer, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	act_as(TREE_ID_BASE);
	CHECK(mkdirat(made, "upper", 0755) == 0 && mkdirat(made, "work", 0755) == 0);
	act_as(0);
	return take_fd(made);
}

static int compose_mount(const struct image_mount *mount, const char *writable)
{
	int lowers[8], fd;
	size_t count = mount->lowers.count;
	own_fd int layer = writable_dir(writable);
	own_fd int upper = openat(layer, "upper", O_PATH | O_CLOEXEC);
	own_fd int work = openat(layer, "work", O_PATH | O_CLOEXEC);

	CHECK(count <= sizeof(lowers) / sizeof(lowers[0]));
	for (size_t i = 0; i < count; i++)
		lowers[i] = mapped_layer(mount->lowers.items[i]);
	if (mount->guard) {
		int guard = guard_of(lowers[count - 1]);

		fd_close(lowers[count - 1]);
		lowers[count - 1] = guard;
	}
	act_as(TREE_ID_BASE);
	fd = overlay_of(lowers, (unsigned int)count, upper, work);
	act_as(0);
	for (size_t i = 0; i < count; i++)
		fd_close(lowers[i]);
	return fd;
}

int tree_compose(const struct image *image)
{
	char path[PATH_MAX], name[512], writable[32];
	struct err err = ERR_INIT;

	userns_fd = make_userns();
	for (size_t i = 0; i < image->count; i++) {
		own_fd int fd = -1;
		own_fd int target = -1;

		snprintf(writable, sizeof(writable), "writable.%zu", i);
		fd = compose_mount(&image->mounts[i], writable);
		snprintf(name, sizeof(name), "root%s", image->mounts[i].target);
		target = i == 0 ? target_dir("root")
				: open(below_test_dir(name, path), O_PATH | O_CLOEXEC);
		CHECK(target >= 0);
		CHECK_OK(mount_attach(fd, target, name, &err));
	}
	return open(below_test_dir("root", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void tree_root_done(int *root_fd)
{
	fd_close(*root_fd);
	fd_close(userns_fd);
	userns_fd = -1;
}

void tree_become_container_root(void)
{
	CHECK(setns(userns_fd, CLONE_NEWUSER) == 0);
	CHECK(setgroups(0, NULL) == 0 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

int tree_try(int root_fd, const char *path)
{
	own_fd int fd = openat(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 ? 0 : errno;
}

bool tree_exists(int root_fd, const char *path)
{
	struct stat st;

	return fstatat(root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
