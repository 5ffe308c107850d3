/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Container root, trying to lift what covers it. Runs inside a container, statically linked.
 *
 *	escape masked PATH...	  read something at a path that should be empty
 *	escape readonly PATH...	  open for writing what should not be writable (nothing is written)
 *	escape terminal		  push a character into the terminals that can be reached
 *
 * It renames, remounts and unmounts whatever it can reach, so it runs only where the root directory has
 * a file of the name below: in a root file system that a test made, never on the host's own.
 *
 * Every road is tried for every directory above the path, in the namespaces at hand and in new ones:
 * a road is one way to get another sight of a directory, and returns where that sight is. Each try is
 * a process of its own, because most of them change its mounts. Prints what was reached by which road
 * and ends with 1, or "nothing uncovered" and "nothing written".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200
#endif
#ifndef TIOCLINUX
#define TIOCLINUX 0x541c
#endif

#define MARK "/this-root-is-for-escape-tests"
#define WORK "/tmp/escape"
#define SIGHT WORK "/sight"

/* ---- is it open? ---- */

static bool directory_has_entries(const char *path)
{
	DIR *dir = opendir(path);
	bool found = false;

	if (!dir)
		return false;
	for (struct dirent *entry = readdir(dir); entry && !found; entry = readdir(dir))
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return found;
}

static bool can_read(const char *path)
{
	struct stat st;
	char byte;
	ssize_t n;
	int fd;

	if (stat(path, &st) < 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return directory_has_entries(path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, &byte, 1);
	close(fd);
	return n > 0;
}

static bool can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* ---- roads: another sight of a directory; NULL where there is none ---- */

/* Ask for write access again in every way there is. */
static void loosen(const char *path)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC};
	int fd = fspick(AT_FDCWD, path, FSPICK_CLOEXEC);

	mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
	mount(NULL, path, NULL, MS_REMOUNT, NULL);
	mount_setattr(AT_FDCWD, path, 0, &attr, sizeof(attr));
	mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr));
	if (fd < 0)
		return;
	fsconfig(fd, FSCONFIG_SET_FLAG, "rw", NULL, 0);
	fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
	close(fd);
}

static const char *as_it_is(const char *dir, const char *rest)
{
	return dir;
}

static const char *remounted(const char *dir, const char *rest)
{
	loosen(dir);
	return dir;
}

static const char *unmounted(const char *dir, const char *rest)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, rest);
	umount2(path, 0);
	umount2(path, MNT_DETACH);
	umount2(path, MNT_EXPIRE);
	umount2(path, MNT_EXPIRE);
	umount2(dir, MNT_DETACH);
	return dir;
}

static const char *moved(const char *dir, const char *rest)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, rest);
	if (mount(path, SIGHT, NULL, MS_MOVE, NULL) == 0)
		return dir;
	return mount(dir, SIGHT, NULL, MS_MOVE, NULL) == 0 ? SIGHT : NULL;
}

static const char *made_private(const char *dir, const char *rest)
{
	mount(NULL, dir, NULL, MS_PRIVATE | MS_REC, NULL);
	mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);
	return unmounted(dir, rest);
}

static const char *bound(const char *dir, const char *rest)
{
	if (mount(dir, SIGHT, NULL, MS_BIND, NULL) < 0)
		return NULL;
	loosen(SIGHT);
	return SIGHT;
}

static const char *bound_with_all(const char *dir, const char *rest)
{
	if (mount(dir, SIGHT, NULL, MS_BIND | MS_REC, NULL) < 0)
		return NULL;
	loosen(SIGHT);
	mount(NULL, SIGHT, NULL, MS_PRIVATE | MS_REC, NULL);
	return unmounted(SIGHT, rest);
}

static const char *cloned(const char *dir, unsigned int flags, const char *rest)
{
	int fd = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);

	if (fd < 0)
		return NULL;
	if (move_mount(fd, "", AT_FDCWD, SIGHT, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		static char by_descriptor[64];

		snprintf(by_descriptor, sizeof(by_descriptor), "/proc/self/fd/%d", fd);
		return by_descriptor;
	}
	loosen(SIGHT);
	return unmounted(SIGHT, rest);
}

static const char *cloned_alone(const char *dir, const char *rest)
{
	return cloned(dir, 0, rest);
}

static const char *cloned_with_all(const char *dir, const char *rest)
{
	return cloned(dir, AT_RECURSIVE, rest);
}

/* A mount of ours below the cover, and then the cover away. */
static const char *from_beneath(const char *dir, const char *rest)
{
	int config = fsopen("tmpfs", FSOPEN_CLOEXEC), fd;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, rest);
	if (config < 0 || fsconfig(config, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return NULL;
	fd = fsmount(config, FSMOUNT_CLOEXEC, 0);
	if (fd < 0 ||
	    move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) < 0)
		return NULL;
	umount2(path, MNT_DETACH);
	umount2(path, MNT_DETACH);
	return dir;
}

static const char *overlaid(const char *dir, const char *rest)
{
	char data[PATH_MAX + 64];

	snprintf(data, sizeof(data), "lowerdir=%s:" WORK "/empty", dir);
	return mount("overlay", SIGHT, "overlay", 0, data) == 0 ? SIGHT : NULL;
}

static const char *overlaid_with_upper(const char *dir, const char *rest)
{
	char data[PATH_MAX + 128];

	snprintf(data, sizeof(data), "lowerdir=%s,upperdir=" WORK "/up,workdir=" WORK "/work", dir);
	if (mount("overlay", SIGHT, "overlay", 0, data) < 0)
		return NULL;
	/* Writing here would be a copy: only what can be read counts. */
	mount(NULL, SIGHT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	return SIGHT;
}

static const char *fresh(const char *type, const char *dir, const char *mine)
{
	if (strcmp(dir, mine) != 0)
		return NULL;
	return mount(type, SIGHT, type, 0, NULL) == 0 ? SIGHT : NULL;
}

static const char *fresh_proc(const char *dir, const char *rest)
{
	return fresh("proc", dir, "/proc");
}

static const char *fresh_sysfs(const char *dir, const char *rest)
{
	return fresh("sysfs", dir, "/sys");
}

static const char *fresh_by_descriptor(const char *dir, const char *rest)
{
	static char by_descriptor[64];
	const char *type = strcmp(dir, "/proc") == 0  ? "proc"
			   : strcmp(dir, "/sys") == 0 ? "sysfs"
						      : "";
	int config = fsopen(type, FSOPEN_CLOEXEC), fd;

	if (config < 0 || fsconfig(config, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return NULL;
	fd = fsmount(config, FSMOUNT_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	snprintf(by_descriptor, sizeof(by_descriptor), "/proc/self/fd/%d", fd);
	return by_descriptor;
}

/* Put the covered thing elsewhere, under another name or with its directory. */
static const char *renamed(const char *dir, const char *rest)
{
	char path[PATH_MAX], other[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, rest);
	snprintf(other, sizeof(other), "%s/renamed", dir);
	rename(path, other);
	rename(dir, WORK "/renamed");
	rename(path, SIGHT "/renamed");
	link(path, WORK "/linked");
	return access(WORK "/renamed", F_OK) == 0 ? WORK "/renamed" : NULL;
}

/* What procfs has besides processes is not there with subset=pid; it must not be another way to it either. */
static const char *fresh_proc_of_processes(const char *dir, const char *rest)
{
	if (strcmp(dir, "/proc") != 0)
		return NULL;
	return mount("proc", SIGHT, "proc", 0, "subset=pid,hidepid=0") == 0 ? SIGHT : NULL;
}

static const char *through_our_root(const char *dir, const char *rest)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/root%s", dir);
	return path;
}

static const char *through_a_descriptor(const char *dir, const char *rest)
{
	static char path[64];
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 ? NULL : path;
}

static const char *through_the_working_directory(const char *dir, const char *rest)
{
	return chdir(dir) == 0 ? "/proc/self/cwd" : NULL;
}

static const char *cloned_of_another_root(const char *dir, const char *rest)
{
	return cloned(through_our_root(dir, rest), AT_RECURSIVE, rest);
}

/* Somebody else takes the cover away in namespaces of his own, and we look through his root. */
static const char *through_a_root_apart(const char *dir, const char *rest)
{
	static char path[PATH_MAX + 32];
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
			unmounted(dir, rest);
		if (write(ready[1], "", 1) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, dir);
	return path;
}

static const char *through_another_root(const char *dir, const char *rest)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/1/root%s", dir);
	return path;
}

/* Make a copy of everything the root, then take the rest away. */
static const char *pivoted(const char *dir, const char *rest)
{
	if (mount("/", SIGHT, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(SIGHT) < 0)
		return NULL;
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return NULL;
	umount2(".", MNT_DETACH);
	return unmounted(dir, rest);
}

static const struct road {
	const char *name;
	const char *(*take)(const char *dir, const char *rest);
} roads[] = {
	{"nothing at all", as_it_is},
	{"a bind", bound},
	{"a bind with all below", bound_with_all},
	{"a clone", cloned_alone},
	{"a clone with all below", cloned_with_all},
	{"an overlay", overlaid},
	{"an overlay with an upper layer", overlaid_with_upper},
	{"a fresh proc", fresh_proc},
	{"a fresh sysfs", fresh_sysfs},
	{"a fresh file system by descriptor", fresh_by_descriptor},
	{"a fresh proc of processes", fresh_proc_of_processes},
	{"another root", through_another_root},
	{"our root", through_our_root},
	{"a descriptor", through_a_descriptor},
	{"the working directory", through_the_working_directory},
	{"a clone of our root", cloned_of_another_root},
	{"the root of a process apart", through_a_root_apart},
	{"rename", renamed},
	{"a mount from beneath", from_beneath},
	{"remount", remounted},
	{"move", moved},
	{"unmount", unmounted},
	{"private propagation and unmount", made_private},
	{"pivot_root", pivoted},
};

static const struct variant {
	const char *name;
	int flags;
} variants[] = {
	{"here", 0},
	{"in a new mount namespace", CLONE_NEWNS},
	{"in new user and mount namespaces", CLONE_NEWUSER | CLONE_NEWNS},
	{"in new pid and mount namespaces", CLONE_NEWPID | CLONE_NEWNS},
	{"in new user, pid and mount namespaces", CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS},
	{"in new network and mount namespaces", CLONE_NEWNET | CLONE_NEWNS},
	{"in new user, network and mount namespaces", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS},
};

#define COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))

/* ---- one try ---- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void become_root(void)
{
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 0 1");
	write_text("/proc/self/gid_map", "0 0 1");
}

static bool enter(const struct variant *v)
{
	if (v->flags && unshare(v->flags) < 0)
		return false;
	if (v->flags & CLONE_NEWUSER)
		become_root();
	mount("tmpfs", WORK, "tmpfs", 0, NULL);
	mkdir(SIGHT, 0755);
	mkdir(WORK "/empty", 0755);
	mkdir(WORK "/up", 0755);
	mkdir(WORK "/work", 0755);
	return true;
}

struct attempt {
	const struct road *road;
	const struct variant *variant;
	const char *path; /* what is to be reached */
	size_t split;	  /* of path: the directory, and the rest behind it */
	bool (*reached)(const char *path);
	const char *verb;
};

static int attempt_here(const struct attempt *a)
{
	char dir[PATH_MAX], sight[PATH_MAX];
	const char *rest = a->path + a->split + (a->path[a->split] == '/');
	const char *base;

	snprintf(dir, sizeof(dir), "%.*s", (int)(a->split ? a->split : 1), a->path);
	base = a->road->take(dir, rest);
	if (!base)
		return 0;
	snprintf(sight, sizeof(sight), "%s/%s", strcmp(base, "/") == 0 ? "" : base, rest);
	if (!a->reached(sight))
		return 0;
	printf("%s %s by %s %s\n", a->verb, a->path, a->road->name, a->variant->name);
	fflush(stdout);
	return 1;
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* In a process of its own; a new pid namespace begins with the next one. */
static int attempt_apart(const struct attempt *a)
{
	pid_t pid = fork();

	if (pid != 0)
		return wait_for(pid);
	if (!enter(a->variant))
		_exit(0);
	if (a->variant->flags & CLONE_NEWPID) {
		pid = fork();
		if (pid != 0)
			_exit(wait_for(pid));
	}
	_exit(attempt_here(a));
}

static int every_directory(struct attempt *a)
{
	int found = 0;

	for (a->split = strlen(a->path); a->split > 0; a->split--)
		if (a->path[a->split] == '/')
			found |= attempt_apart(a);
	a->split = 0;
	return found | attempt_apart(a);
}

static int every_way(const char *path, bool (*reached)(const char *path), const char *verb)
{
	int found = 0;

	for (size_t v = 0; v < COUNT(variants); v++) {
		for (size_t r = 0; r < COUNT(roads); r++) {
			struct attempt a = {.road = &roads[r],
					    .variant = &variants[v],
					    .path = path,
					    .reached = reached,
					    .verb = verb};

			found |= every_directory(&a);
		}
	}
	return found;
}

/* As it is, and after it was made our own, which whoever has its other end would not notice. */
static int push_into(int fd, const char *name)
{
	char subcode = 3; /* paste */
	int found = 0;

	for (int force = -1; force <= 1; force++) {
		if (force >= 0)
			ioctl(fd, TIOCSCTTY, force);
		if (ioctl(fd, TIOCSTI, "x") == 0)
			found = printf("TIOCSTI works on %s\n", name);
		if (ioctl(fd, TIOCLINUX, &subcode) == 0)
			found = printf("TIOCLINUX works on %s\n", name);
	}
	return found;
}

static int push_into_terminal(void)
{
	static const char *const paths[] = {"/dev/tty", "/dev/console", "/dev/tty0", "/dev/pts/0",
					    "/proc/self/fd/0"};
	int found = 0, terminals = 0;

	for (int fd = 0; fd <= 2; fd++) {
		terminals += isatty(fd);
		found |= push_into(fd, "what was inherited");
	}
	for (size_t i = 0; i < COUNT(paths); i++) {
		int fd = open(paths[i], O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

		found |= fd >= 0 ? push_into(fd, paths[i]) : 0;
	}
	printf("%d terminals tried\n", terminals);
	return found ? 1 : 0;
}

int main(int argc, char **argv)
{
	bool masked = argc > 2 && strcmp(argv[1], "masked") == 0;
	bool readonly = argc > 2 && strcmp(argv[1], "readonly") == 0;
	int found = 0;

	if (argc == 2 && strcmp(argv[1], "terminal") == 0)
		return push_into_terminal();
	if (!masked && !readonly) {
		fprintf(stderr, "usage: escape masked|readonly PATH... | escape terminal\n");
		return 64;
	}
	if (access(MARK, F_OK) < 0) {
		fprintf(stderr, "escape: there is no " MARK ", so this is not a root of a test\n");
		return 64;
	}
	mkdir(WORK, 0755);
	for (int i = 2; i < argc; i++)
		found |= every_way(argv[i], masked ? can_read : can_write,
				   masked ? "uncovered" : "wrote");
	if (!found)
		printf("nothing %s\n", masked ? "uncovered" : "written");
	return found;
}
