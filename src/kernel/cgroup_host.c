/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which cgroup hierarchies this host has, where they are mounted, and which controllers live where.
 *
 * /proc/self/cgroup lists the hierarchies ("4:memory:/user.slice", "0::/"), but not where they are
 * mounted. Reading /proc/self/mountinfo for that costs about a microsecond for every mount of the
 * host, on every start of a container, and hosts with thousands of mounts are common. So the usual
 * places (/sys/fs/cgroup/NAME) are tried first: a directory there is taken when its file system is
 * cgroupfs and its inode is 1, the root of a kernfs, which says that it is a whole hierarchy and not
 * a subtree bound over it. If any hierarchy is not found so, mountinfo is read after all: within
 * other containers, with everything merged into one mount, and for recorded trees, which have no
 * real mounts at all.
 *
 * "Hybrid" has no special case anywhere: v1 controllers belong to their hierarchy, and the v2
 * hierarchy has those of its cgroup.controllers, plus what v2 does without a controller (devices by
 * BPF, freezing, accounting of CPU time) unless v1 has it.
 *
 * A hierarchy that is not mounted, or cannot be opened, does not exist for us: a request that needs
 * it is then reported as missing.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define PROC_CGROUP_MAX (128 * 1024)
#define MOUNTINFO_MAX (64 * 1024 * 1024)
#define KERNFS_ROOT_INODE 1
#define CGROUP_TOP "/sys/fs/cgroup"

/* What v2 does without a controller in cgroup.controllers. */
#define V2_BUILT_IN (CG_DEVICES | CG_FREEZER | CG_CPUACCT | CG_PERF)

static const struct {
	const char *name;
	unsigned int bit;
} controllers[] = {
	{"cpu", CG_CPU},	 {"cpuacct", CG_CPUACCT},   {"cpuset", CG_CPUSET},
	{"memory", CG_MEMORY},	 {"pids", CG_PIDS},	    {"blkio", CG_IO},
	{"devices", CG_DEVICES}, {"freezer", CG_FREEZER},   {"hugetlb", CG_HUGETLB},
	{"net_cls", CG_NET_CLS}, {"net_prio", CG_NET_PRIO}, {"perf_event", CG_PERF},
	{"rdma", CG_RDMA},	 {"misc", CG_MISC},	    {"io", CG_IO},
	{"dmem", CG_DMEM},
};

#define CONTROLLER_COUNT (sizeof(controllers) / sizeof(controllers[0]))

struct probe {
	int prefix_fd;
	struct cgroup_host host;
	const char *labels[CGROUP_MAX_HIERARCHIES]; /* "cpu,cpuacct", "name=systemd", "" for v2 */
	const char *roots[CGROUP_MAX_HIERARCHIES];  /* what of it the mount shows: "/" for all */
};

static void probe_done(struct probe *probe)
{
	cgroup_host_done(&probe->host);
}

void cgroup_host_done(struct cgroup_host *host)
{
	for (size_t i = 0; i < host->count; i++)
		fd_close(host->hierarchies[i].dir_fd);
	host->count = 0;
}

unsigned int cgroup_controller_bit(const char *name, size_t len)
{
	for (size_t i = 0; i < CONTROLLER_COUNT; i++)
		if (strlen(controllers[i].name) == len && !memcmp(controllers[i].name, name, len))
			return controllers[i].bit;
	return 0;
}

const char *cgroup_controller_name(unsigned int bit, bool v2)
{
	if (bit == CG_IO && v2)
		return "io";
	for (size_t i = 0; i < CONTROLLER_COUNT; i++)
		if (controllers[i].bit == bit)
			return controllers[i].name;
	return "unknown";
}

int cgroup_host_find(const struct cgroup_host *host, unsigned int controller)
{
	for (size_t i = 0; i < host->count; i++)
		if (host->hierarchies[i].controllers & controller)
			return (int)i;
	return -1;
}

static int prefix_open(int prefix_fd, const char *path, int flags)
{
	return openat(prefix_fd, prefix_fd == AT_FDCWD ? path : path + 1, flags | O_CLOEXEC);
}

static int prefix_read(int prefix_fd, const char *path, size_t limit, char **ret, struct err *err)
{
	own_fd int fd = prefix_open(prefix_fd, path, O_RDONLY);

	if (fd < 0)
		return err_errno(err, "cannot open %s", path);
	return fd_read_all(fd, limit, path, ret, err) < 0 ? -1 : 0;
}

/* Bits of a list of names; in v1's the separator is ',', in cgroup.controllers ' '. */
static unsigned int controller_bits(const char *list, char separator)
{
	unsigned int bits = 0;

	while (*list) {
		size_t len = (size_t)(strchrnul(list, separator) - list);

		bits |= cgroup_controller_bit(list, len);
		list += len + (list[len] == separator);
	}
	return bits;
}

/* "4:memory:/a/b": the text is cut into its three fields. */
static int add_hierarchy(struct probe *probe, char *line, struct err *err)
{
	struct cgroup_hierarchy *h = &probe->host.hierarchies[probe->host.count];
	char *label = strchr(line, ':');
	char *own = label ? strchr(label + 1, ':') : NULL;

	if (!own)
		return err_set(err, ERR_UNSUPPORTED, 0, "cannot read '%s' in /proc/self/cgroup",
			       line);
	*label++ = '\0';
	*own++ = '\0';
	if (probe->host.count == CGROUP_MAX_HIERARCHIES)
		return err_set(err, ERR_LIMIT, 0, "this host has more than %d cgroup hierarchies",
			       CGROUP_MAX_HIERARCHIES);
	if (strlen(own) >= sizeof(h->own))
		return err_set(err, ERR_LIMIT, 0, "our own cgroup has a name of %zu bytes",
			       strlen(own));
	*h = (struct cgroup_hierarchy){.v2 = *label == '\0', .dir_fd = -1};
	memcpy(h->own, own, strlen(own) + 1);
	if (!h->v2)
		h->controllers = controller_bits(label, ',');
	if (!h->v2 && !h->controllers)
		h->controllers = CG_NAMED;
	probe->labels[probe->host.count++] = label;
	return 0;
}

static int read_hierarchies(struct probe *probe, char *text, struct err *err)
{
	char *rest = text;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (*line && add_hierarchy(probe, line, err) < 0)
			return -1;
	return 0;
}

/* What a directory of this hierarchy is called: its label, without "name=". */
static const char *label_name(const char *label)
{
	if (!*label)
		return "unified";
	return str_starts(label, "name=") ? label + strlen("name=") : label;
}

static bool is_whole_hierarchy(int fd, bool v2)
{
	struct statfs fs;
	struct stat st;

	return !fstatfs(fd, &fs) && !fstat(fd, &st) && st.st_ino == KERNFS_ROOT_INODE &&
	       fs.f_type == (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

static bool take_mount(struct cgroup_hierarchy *h, const char *path)
{
	own_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || strlen(path) >= sizeof(h->mount) || !is_whole_hierarchy(fd, h->v2))
		return false;
	memcpy(h->mount, path, strlen(path) + 1);
	h->dir_fd = take_fd(fd);
	return true;
}

/* Every hierarchy in its usual place? Those found keep their descriptor. */
static bool locate_usual(struct probe *probe)
{
	bool all = true;

	for (size_t i = 0; i < probe->host.count; i++) {
		struct cgroup_hierarchy *h = &probe->host.hierarchies[i];
		char path[sizeof(h->mount)];

		if (h->v2 && probe->host.count == 1)
			snprintf(path, sizeof(path), CGROUP_TOP);
		else
			snprintf(path, sizeof(path), CGROUP_TOP "/%s",
				 label_name(probe->labels[i]));
		if (take_mount(h, path))
			probe->roots[i] = "/";
		else
			all = false;
	}
	return all;
}

struct mount_line {
	char *root, *point, *type, *options;
};

/* "\040" and its like, in place. */
static void unescape_octal(char *text)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		if (p[0] == '\\' && p[1] && p[2] && p[3]) {
			*to = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* proc_pid_mountinfo(5): six fields, optional ones, "-", three fields. */
static bool parse_mount(char *line, struct mount_line *ret)
{
	struct mount_line mount = {0};
	char *rest = strstr(line, " - ");

	if (!rest)
		return false;
	*rest = '\0';
	rest += strlen(" - ");
	mount.type = strsep(&rest, " ");
	strsep(&rest, " ");
	mount.options = rest;
	for (int i = 0; i < 3; i++)
		strsep(&line, " ");
	mount.root = strsep(&line, " ");
	mount.point = strsep(&line, " ");
	if (!mount.options || !mount.point)
		return false;
	unescape_octal(mount.root);
	unescape_octal(mount.point);
	*ret = mount;
	return true;
}

/* Is every word of `words` among those of `list`? Both separated by commas. */
static bool has_words(const char *list, const char *words)
{
	while (*words) {
		size_t len = (size_t)(strchrnul(words, ',') - words);
		const char *p = list;

		while (*p && !(strncmp(p, words, len) == 0 && (p[len] == ',' || !p[len]))) {
			p = strchrnul(p, ',');
			p += *p == ',';
		}
		if (!*p)
			return false;
		words += len + (words[len] == ',');
	}
	return true;
}

/* Our own path as seen from a mount that shows only the subtree `root`. */
static void strip_root(char *own, const char *root)
{
	size_t len = strlen(root);

	if (strncmp(own, root, len) != 0 || (own[len] &&own[len] != '/'))
		return;
	memmove(own, own + len, strlen(own + len) + 1);
	if (!*own)
		memcpy(own, "/", sizeof("/"));
}

static bool is_top(const char *root)
{
	return strcmp(root, "/") == 0;
}

/* The first mount of a hierarchy counts, but one of its whole replaces one of a part. */
static void offer_mount(struct probe *probe, const struct mount_line *mount)
{
	bool v2 = strcmp(mount->type, "cgroup2") == 0;

	for (size_t i = 0; i < probe->host.count; i++) {
		struct cgroup_hierarchy *h = &probe->host.hierarchies[i];

		if (h->v2 != v2 || (!v2 && !has_words(mount->options, probe->labels[i])))
			continue;
		if (strlen(mount->point) >= sizeof(h->mount) ||
		    (probe->roots[i] && (is_top(probe->roots[i]) || !is_top(mount->root))))
			continue;
		memcpy(h->mount, mount->point, strlen(mount->point) + 1);
		probe->roots[i] = mount->root;
	}
}

static int locate_by_mountinfo(struct probe *probe, struct err *err)
{
	own_free char *text = NULL;
	struct mount_line mount;
	char *rest;

	if (prefix_read(probe->prefix_fd, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, err) < 0)
		return -1;
	rest = text;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (strstr(line, " - cgroup") && parse_mount(line, &mount) &&
		    str_starts(mount.type, "cgroup"))
			offer_mount(probe, &mount);
	for (size_t i = 0; i < probe->host.count; i++)
		if (probe->roots[i] && !is_top(probe->roots[i]))
			strip_root(probe->host.hierarchies[i].own, probe->roots[i]);
	return 0;
}

/* Open what has no descriptor yet; what cannot be opened, or is mounted nowhere, is dropped. */
static void open_mounts(struct probe *probe)
{
	struct cgroup_host *host = &probe->host;
	size_t kept = 0;

	for (size_t i = 0; i < host->count; i++) {
		struct cgroup_hierarchy *h = &host->hierarchies[i];

		if (*h->mount && h->dir_fd < 0 && probe->prefix_fd == AT_FDCWD)
			h->dir_fd = open(h->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (!*h->mount || (h->dir_fd < 0 && probe->prefix_fd == AT_FDCWD))
			continue;
		probe->labels[kept] = probe->labels[i];
		if (kept != i)
			host->hierarchies[kept] = *h;
		kept++;
	}
	host->count = kept;
}

static void name_hierarchies(struct probe *probe)
{
	for (size_t i = 0; i < probe->host.count; i++) {
		struct cgroup_hierarchy *h = &probe->host.hierarchies[i];
		const char *name = label_name(probe->labels[i]);

		/* All controllers in one hierarchy: the label is long, the directory's name not. */
		if (strlen(name) >= sizeof(h->name))
			name = strrchr(h->mount, '/') + 1;
		snprintf(h->name, sizeof(h->name), "%s", name);
	}
}

/* One small file of a hierarchy's top, without its newline; "" where it cannot be read. */
static void read_top(const struct probe *probe, const struct cgroup_hierarchy *h, const char *file,
		     char *buf, size_t size)
{
	char path[sizeof(h->mount) + 64];
	own_fd int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", h->mount, file);
	fd = h->dir_fd >= 0 ? openat(h->dir_fd, file, O_RDONLY | O_CLOEXEC)
			    : prefix_open(probe->prefix_fd, path, O_RDONLY);
	len = fd < 0 ? -1 : read(fd, buf, size);
	/* What fills the buffer may be cut off: better unknown than wrong. */
	if (len < 0 || (size_t)len == size)
		len = 0;
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
}

static void read_v2_controllers(struct probe *probe)
{
	unsigned int v1 = 0;
	char text[512];

	for (size_t i = 0; i < probe->host.count; i++)
		v1 |= probe->host.hierarchies[i].controllers;
	for (size_t i = 0; i < probe->host.count; i++) {
		struct cgroup_hierarchy *h = &probe->host.hierarchies[i];

		if (!h->v2)
			continue;
		read_top(probe, h, "cgroup.controllers", text, sizeof(text));
		h->controllers = (controller_bits(text, ' ') | V2_BUILT_IN) & ~v1;
	}
}

static void read_cpuset(struct probe *probe)
{
	int index = cgroup_host_find(&probe->host, CG_CPUSET);
	const struct cgroup_hierarchy *h;

	if (index < 0)
		return;
	h = &probe->host.hierarchies[index];
	read_top(probe, h, h->v2 ? "cpuset.cpus.effective" : "cpuset.cpus", probe->host.cpus,
		 sizeof(probe->host.cpus));
	read_top(probe, h, h->v2 ? "cpuset.mems.effective" : "cpuset.mems", probe->host.mems,
		 sizeof(probe->host.mems));
}

static enum cgroup_mode host_mode(const struct cgroup_host *host)
{
	bool v1 = false, v2 = false;

	for (size_t i = 0; i < host->count; i++)
		*(host->hierarchies[i].v2 ? &v2 : &v1) = true;
	if (v1 && v2)
		return CGROUP_HYBRID;
	return v2 ? CGROUP_V2 : v1 ? CGROUP_V1 : CGROUP_NONE;
}

static int find_host(int prefix_fd, bool planning, struct cgroup_host *ret, struct err *err)
{
	own(probe) struct probe probe = {.prefix_fd = prefix_fd};
	own_free char *text = NULL;

	/* A kernel built without cgroups has no such file, and no hierarchy. */
	if (prefix_read(prefix_fd, "/proc/self/cgroup", PROC_CGROUP_MAX, &text, err) < 0 &&
	    err->kind != ERR_NOT_FOUND)
		return err_wrap(err, "cannot find the control groups of this host");
	if (text && read_hierarchies(&probe, text, err) < 0)
		return -1;
	if ((prefix_fd != AT_FDCWD || !locate_usual(&probe)) &&
	    locate_by_mountinfo(&probe, err) < 0)
		return err_wrap(err, "cannot find the control groups of this host");
	open_mounts(&probe);
	name_hierarchies(&probe);
	read_v2_controllers(&probe);
	if (planning)
		read_cpuset(&probe);
	for (size_t i = 0; i < probe.host.count; i++)
		probe.host.controllers |= probe.host.hierarchies[i].controllers;
	probe.host.mode = host_mode(&probe.host);
	*ret = probe.host;
	probe.host.count = 0;
	return 0;
}

int cgroup_host_probe(int prefix_fd, struct cgroup_host *ret, struct err *err)
{
	return find_host(prefix_fd, true, ret, err);
}

int cgroup_host_probe_groups(struct cgroup_host *ret, struct err *err)
{
	return find_host(AT_FDCWD, false, ret, err);
}
