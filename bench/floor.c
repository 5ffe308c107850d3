/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * floor: the least that a container with the features of ours costs.
 *
 * The same namespaces, limits, mounts, covers, capabilities and filter, in the order of
 * docs/architecture.md, as one straight line of system calls: nothing is parsed, planned, recorded,
 * looked up, cleaned up after a failure or handed to a keeper. What insula takes beyond this is what
 * its being a product costs, and the budgets of docs/benchmarks.md are multiples of it.
 *
 *	floor start NAME ROOT COMMAND...	 ROOT as it is
 *	floor overlay NAME LAYER COMMAND...	 ROOT is "/" below a fresh writable directory LAYER
 *	floor exec PID NAME COMMAND...		 a further process in a running container
 *
 * NAME is the control group, in every hierarchy. Anything unexpected ends the program.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/securebits.h>

#include "base/own.h"
#include "base/proc.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_device.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "kernel/seccomp.h"

#define FIRST_ID 1879048192u
#define NONE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

#define HIERARCHIES_MAX 16

static struct floor {
	struct hierarchy {
		char name[32]; /* of the directory in /sys/fs/cgroup; "" for v2 alone */
		int parent_fd, dir_fd, tasks_fd, view_fd;
	} hierarchies[HIERARCHIES_MAX];
	int count, v2_fd;
	int proc_fd, own_mnt, own_net, own_uts, own_ipc;
	int lower_fd, writable_fd; /* root, or the overlay's */
	int covers_fd, root_fd, sync_fd;
	struct proc child;
	struct seccomp_filter filter;
	struct err err;
} f = {.v2_fd = -1, .child = {.pidfd = -1}};

static int must(int result, const char *what)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "floor: %s: %s (%s)\n", what, strerror(errno), f.err.message);
	exit(125);
}

/* ---- control groups ---- */

static void put(int dir_fd, const char *file, const char *value)
{
	own_fd int fd = must(openat(dir_fd, file, O_WRONLY | O_CLOEXEC), file);

	must((int)write(fd, value, strlen(value)), file);
}

/* Others leave directories beside the hierarchies that are none. */
static bool is_hierarchy(DIR *top, const struct dirent *entry)
{
	struct stat st;

	/* The top of a kernfs; of a tmpfs inode 1 is the root directory, which is not in itself. */
	return entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
	       fstatat(dirfd(top), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == 1;
}

static void add_hierarchy(const char *name)
{
	struct hierarchy *h = &f.hierarchies[f.count++];

	if (f.count > HIERARCHIES_MAX)
		exit(125);
	snprintf(h->name, sizeof(h->name), "%.31s", name);
}

/* Every directory is one, links are other names of the same; or it is v2 itself. */
static void find_hierarchies(void)
{
	own_dir DIR *dir = NULL;
	const struct dirent *entry;

	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0) {
		add_hierarchy("");
		return;
	}
	dir = opendir("/sys/fs/cgroup");
	while (dir && (entry = readdir(dir)))
		if (is_hierarchy(dir, entry))
			add_hierarchy(entry->d_name);
}

static void open_hierarchy(struct hierarchy *h, const char *name, bool make)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", h->name);
	h->parent_fd = must(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), path);
	if (make)
		must(mkdirat(h->parent_fd, name, 0755), path);
	h->dir_fd = must(openat(h->parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path);
	h->tasks_fd = openat(h->dir_fd, "tasks", O_WRONLY | O_CLOEXEC);
	if (h->tasks_fd < 0)
		f.v2_fd = h->dir_fd;
}

static void open_groups(const char *name, bool make)
{
	find_hierarchies();
	for (int i = 0; i < f.count; i++)
		open_hierarchy(&f.hierarchies[i], name, make);
}

/* v1 and v2 call them differently; each exists in one place at the most. */
static void limit(void)
{
	static const struct {
		const char *controller, *file, *value;
	} limits[] = {
		{"pids", "pids.max", "2048"},
		{"devices", "devices.deny", "a"},
		{"devices", "devices.allow", "c *:* m"},
		{"devices", "devices.allow", "c 1:3 rwm"},
		{"devices", "devices.allow", "c 1:5 rwm"},
		{"devices", "devices.allow", "c 1:7 rwm"},
		{"devices", "devices.allow", "c 1:8 rwm"},
		{"devices", "devices.allow", "c 1:9 rwm"},
		{"devices", "devices.allow", "c 5:0 rwm"},
		{"devices", "devices.allow", "c 136:* rwm"},
		{"memory", "memory.limit_in_bytes", "268435456"},
		{"cpuset", "cpuset.cpus", "0"},
		{"cpuset", "cpuset.mems", "0"},
		{"cpu", "cpu.cfs_quota_us", "200000"},
		{"cpu", "cpu.shares", "512"},
		{"", "pids.max", "2048"},
		{"", "memory.max", "268435456"},
		{"", "cpuset.cpus", "0"},
		{"", "cpu.max", "200000 100000"},
		{"", "cpu.weight", "50"},
	};
	bool v2_alone = !*f.hierarchies[0].name;

	if (v2_alone)
		put(f.hierarchies[0].parent_fd, "cgroup.subtree_control",
		    "+cpu +cpuset +memory +pids");
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		for (int k = 0; k < f.count; k++)
			if (strcmp(f.hierarchies[k].name, limits[i].controller) == 0 ||
			    (*limits[i].controller && strchr(f.hierarchies[k].name, ',') &&
			     strstr(f.hierarchies[k].name, limits[i].controller)))
				put(f.hierarchies[k].dir_fd, limits[i].file, limits[i].value);
	if (v2_alone) {
		static const struct cgroup_device rules[] = {{false, 'a', -1, -1, "rwm"},
							     {true, 'c', 1, -1, "rwm"},
							     {true, 'c', 5, -1, "rwm"},
							     {true, 'c', 136, -1, "rwm"}};

		must(cgroup_device_attach(f.v2_fd, rules, 4, &f.err), "devices");
	}
}

static void join(void)
{
	for (int i = 0; i < f.count; i++)
		if (f.hierarchies[i].tasks_fd >= 0)
			must((int)write(f.hierarchies[i].tasks_fd, "0", 1), "join");
}

static void remove_groups(const char *name)
{
	for (int i = 0; i < f.count; i++)
		must(unlinkat(f.hierarchies[i].parent_fd, name, AT_REMOVEDIR), "rmdir");
}

/* ---- mounts ---- */

static int detached(const char *path, uint64_t attrs)
{
	return must(mount_clone_with(AT_FDCWD, path, false, attrs, &f.err), path);
}

static void act_as(uint32_t id)
{
	must(prctl(PR_SET_SECUREBITS, id ? SECBIT_NO_SETUID_FIXUP : 0), "securebits");
	setfsgid(id);
	setfsuid(id);
}

static int new_fs(const char *type, const char *const *options, uint64_t attrs)
{
	struct strv list = {.items = (char **)options};

	while (options && options[list.count])
		list.count++;
	return must(mount_new(type, type, &list, 0, attrs, &f.err), type);
}

static void attach(int fd, const char *target, bool make)
{
	if (make)
		must(mkdirat(f.root_fd, target, 0755), target);
	must(mount_attach_in(fd, f.root_fd, target, &f.err), target);
	close(fd);
}

static void idmap(int mount_fd, int userns_fd)
{
	must(mount_idmap(mount_fd, userns_fd, false, &f.err), "idmap");
}

static void make_covers(void)
{
	static const char *const options[] = {"mode=755", NULL};

	f.covers_fd = new_fs("tmpfs", options, NONE);
	must(mkdirat(f.covers_fd, "root", 0755), "covers");
	must(mkdirat(f.covers_fd, "empty", 0555), "covers");
	close(must(openat(f.covers_fd, "none", O_CREAT | O_EXCL | O_CLOEXEC, 0444), "covers"));
	must(mount_attach_in(f.covers_fd, AT_FDCWD, "/tmp", &f.err), "covers");
}

static void make_root(int userns_fd, bool overlay)
{
	idmap(f.lower_fd, userns_fd);
	f.root_fd = f.lower_fd;
	if (overlay) {
		idmap(f.writable_fd, userns_fd);
		own_fd int upper = must(openat(f.writable_fd, "upper", O_PATH | O_CLOEXEC),
					"upper");
		own_fd int work = must(openat(f.writable_fd, "work", O_PATH | O_CLOEXEC), "work");
		struct overlay o = {.lower_fds = &f.lower_fd,
				    .lower_count = 1,
				    .upper_fd = upper,
				    .work_fd = work,
				    .is_volatile = true,
				    .proc_fd = f.proc_fd};

		f.root_fd = must(mount_overlay(&o, 0, &f.err), "overlay");
	}
	must(mount_attach_in(f.root_fd, f.covers_fd, "root", &f.err), "root");
}

static void make_dev(void)
{
	static const struct {
		const char *name;
		unsigned int major, minor;
	} nodes[] = {{"null", 1, 3},   {"zero", 1, 5},	  {"full", 1, 7},
		     {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
	static const char *const links[][2] = {{"/proc/self/fd", "fd"},
					       {"fd/0", "stdin"},
					       {"fd/1", "stdout"},
					       {"fd/2", "stderr"},
					       {"pts/ptmx", "ptmx"}};
	static const char *const dev[] = {"mode=755", "size=65536k", NULL};
	static const char *const pts[] = {"newinstance", "ptmxmode=0666", "mode=0620", NULL};
	static const char *const shm[] = {"mode=1777", "size=65536k", NULL};
	int dev_fd = new_fs("tmpfs", dev, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);

	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		must(mknodat(dev_fd, nodes[i].name, S_IFCHR | 0666,
			     makedev(nodes[i].major, nodes[i].minor)),
		     "mknod");
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		must(symlinkat(links[i][0], dev_fd, links[i][1]), "link");
	attach(dev_fd, "dev", false);
	attach(new_fs("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), "dev/pts", true);
	attach(new_fs("mqueue", NULL, NONE), "dev/mqueue", true);
	attach(new_fs("tmpfs", shm, NONE), "dev/shm", true);
}

static void make_sys(void)
{
	attach(new_fs("sysfs", NULL, NONE | MOUNT_ATTR_RDONLY), "sys", false);
	if (!*f.hierarchies[0].name) {
		attach(f.hierarchies[0].view_fd, "sys/fs/cgroup", false);
		return;
	}
	own_fd int top = new_fs("tmpfs", NULL, NONE);
	must(mount_attach_in(top, f.root_fd, "sys/fs/cgroup", &f.err), "cgroup");
	for (int i = 0; i < f.count; i++) {
		struct hierarchy *h = &f.hierarchies[i];

		must(mkdirat(top, h->name, 0755), "cgroup");
		must(mount_attach_in(h->view_fd, top, h->name, &f.err), "cgroup");
		close(h->view_fd);
	}
}

static void protect(void)
{
	static const char *const readonly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys",
					       "proc/sysrq-trigger"};
	static const char *const masked[] = {
		"proc/acpi",	   "proc/asound",	 "proc/interrupts",  "proc/kcore",
		"proc/keys",	   "proc/latency_stats", "proc/sched_debug", "proc/scsi",
		"proc/timer_list", "proc/timer_stats",	 "sys/dev/block",    "sys/firmware",
		"sys/fs/selinux"};
	struct stat st;

	for (size_t i = 0; i < sizeof(readonly) / sizeof(*readonly); i++) {
		int fd = mount_clone_with(f.root_fd, readonly[i], false, MOUNT_ATTR_RDONLY, &f.err);

		if (fd >= 0)
			attach(fd, readonly[i], false);
	}
	must(mount_set(f.covers_fd, MOUNT_ATTR_RDONLY, 0, false, &f.err), "covers");
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++) {
		if (fstatat(f.root_fd, masked[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		attach(must(mount_clone_own(f.covers_fd, S_ISDIR(st.st_mode) ? "empty" : "none",
					    &f.err),
			    masked[i]),
		       masked[i], false);
	}
}

/* ---- the container's process ---- */

static _Noreturn void execute(char *const command[])
{
	static char *const env[] = {(char *)"PATH=/usr/bin:/bin", NULL};
	struct caps caps = {
		.bounding = CAPS_DEFAULT, .permitted = CAPS_DEFAULT, .effective = CAPS_DEFAULT};

	must(caps_limit(&caps, &f.err), "bounding set");
	must(caps_apply(&caps, &f.err), "capabilities");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(seccomp_install(&f.filter, &f.err), "filter");
	execve(command[0], command, env);
	must(-1, command[0]);
	_exit(127);
}

static _Noreturn void be_container(int sync_fd, char *const command[])
{
	char go;

	join();
	if (read(sync_fd, &go, 1) != 1)
		_exit(1);
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(0, 0, 0), "setresgid");
	must(setresuid(0, 0, 0), "setresuid");
	must(unshare(CLONE_NEWNS | CLONE_NEWCGROUP), "unshare");
	must(sethostname("floor", 5), "hostname");
	must(setsid(), "session");
	must(keyring_new_session(NULL, &f.err), "keyring");
	execute(command);
}

static void build(bool overlay)
{
	struct id_map map = {0, FIRST_ID, 65536};
	pid_t pid = f.child.pid;

	must(ns_write_maps(f.proc_fd, pid, &map, 1, &map, 1, &f.err), "maps");
	own_fd int userns_fd = must(ns_open(f.proc_fd, pid, NS_USER, &f.err), "user namespace");
	act_as(FIRST_ID);
	make_covers();
	make_root(userns_fd, overlay);
	must(setns(f.child.pidfd, CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC), "setns");
	own_fd int pidns_fd = must(ns_open(f.proc_fd, pid, NS_PID, &f.err), "pid namespace");
	attach(must(mount_proc_of(pidns_fd, "proc", NULL, NONE, &f.err), "proc"), "proc", false);
	make_dev();
	make_sys();
	protect();
	must(mount_pivot(f.root_fd, &f.err), "pivot_root");
	act_as(0);
}

static void prepare(const char *name, const char *root, bool overlay)
{
	f.proc_fd = must(procfs_open(&f.err), "/proc");
	must(seccomp_default_filter(CAPS_DEFAULT, &f.filter, &f.err), "filter");
	open_groups(name, true);
	limit();
	for (int i = 0; i < f.count; i++) {
		struct hierarchy *h = &f.hierarchies[i];

		h->view_fd = mount_clone_with(h->dir_fd, "", false, NONE | MOUNT_ATTR_RDONLY,
					      &f.err);
		must(h->view_fd, "view");
	}
	if (overlay) {
		must(mkdir(root, 0755), root);
		f.writable_fd = detached(root, 0);
		must(mkdirat(f.writable_fd, "upper", 0755), root);
		must(mkdirat(f.writable_fd, "work", 0755), root);
	}
	f.lower_fd = detached(overlay ? "/" : root, MOUNT_ATTR_RDONLY);
}

/* What the kernel has left in an overlay's directory of work (its own "work" and what marks it volatile), and the
 * layer. */
static void remove_layer(const char *layer)
{
#define KERNELS "work/work"
	static const struct {
		const char *name;
		int flags;
	} left[] = {
		{KERNELS "/incompat/volatile/dirty", 0},
		{KERNELS "/incompat/volatile", AT_REMOVEDIR},
		{KERNELS "/incompat", AT_REMOVEDIR},
		{KERNELS, AT_REMOVEDIR},
		{"work", AT_REMOVEDIR},
		{"upper", AT_REMOVEDIR},
	};
	own_fd int fd = must(open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC), layer);

	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
		must(unlinkat(fd, left[i].name, left[i].flags), left[i].name);
	must(rmdir(layer), layer);
}

static int start(const char *name, const char *root, char *const command[], bool overlay)
{
	uint64_t flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;
	struct proc_exit ended;
	int pair[2];

	umask(0);
	must(setgroups(0, NULL), "setgroups");
	prepare(name, root, overlay);
	f.own_mnt = must(ns_open(f.proc_fd, 0, NS_MNT, &f.err), "namespace");
	f.own_net = must(ns_open(f.proc_fd, 0, NS_NET, &f.err), "namespace");
	f.own_uts = must(ns_open(f.proc_fd, 0, NS_UTS, &f.err), "namespace");
	f.own_ipc = must(ns_open(f.proc_fd, 0, NS_IPC, &f.err), "namespace");
	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	if (must(proc_clone(&f.child, flags, f.v2_fd, &f.err), "clone") == 0)
		be_container(pair[1], command);
	build(overlay);
	must(setns(f.own_mnt, CLONE_NEWNS), "setns");
	must(setns(f.own_net, CLONE_NEWNET), "setns");
	must(setns(f.own_uts, CLONE_NEWUTS), "setns");
	must(setns(f.own_ipc, CLONE_NEWIPC), "setns");
	must((int)write(pair[0], "", 1), "release");
	/* Closed now, not at our end: they would keep the layers in use. */
	close(f.lower_fd);
	close(f.covers_fd);
	if (overlay) {
		close(f.root_fd);
		close(f.writable_fd);
	}
	must(proc_wait(&f.child, -1, &ended, &f.err), "wait");
	remove_groups(name);
	if (overlay)
		remove_layer(root);
	return ended.code;
}

/* A child that joins, and one of its own that is inside, as in the product. */
static int enter(const char *pid, const char *name, char *const command[])
{
	int flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
		    CLONE_NEWNS | CLONE_NEWCGROUP;
	struct proc_exit ended;

	must(seccomp_default_filter(CAPS_DEFAULT, &f.filter, &f.err), "filter");
	open_groups(name, false);
	struct proc init = PROC_INIT;
	must(proc_open(&init, (pid_t)strtol(pid, NULL, 10), 0, &f.err), pid);
	if (must(proc_clone(&f.child, 0, f.v2_fd, &f.err), "clone") == 0) {
		struct proc inside = PROC_INIT;

		join();
		must(setns(init.pidfd, flags), "setns");
		if (must(proc_clone(&inside, 0, -1, &f.err), "clone") == 0) {
			must(setgroups(0, NULL), "setgroups");
			must(setresgid(0, 0, 0), "setresgid");
			must(setresuid(0, 0, 0), "setresuid");
			must(setsid(), "session");
			execute(command);
		}
		must(proc_wait(&inside, -1, &ended, &f.err), "wait");
		_exit(ended.code);
	}
	must(proc_wait(&f.child, -1, &ended, &f.err), "wait");
	return ended.code;
}

int main(int argc, char *argv[])
{
	if (argc > 4 && strcmp(argv[1], "start") == 0)
		return start(argv[2], argv[3], argv + 4, false);
	if (argc > 4 && strcmp(argv[1], "overlay") == 0)
		return start(argv[2], argv[3], argv + 4, true);
	if (argc > 4 && strcmp(argv[1], "exec") == 0)
		return enter(argv[2], argv[3], argv + 4);
	fputs("usage: floor start|overlay NAME ROOT|LAYER COMMAND...\n"
	      "       floor exec PID NAME COMMAND...\n",
	      stderr);
	return 2;
}
