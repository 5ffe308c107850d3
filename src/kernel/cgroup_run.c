/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A group that exists: opening it, joining it, writing to its files.
 *
 * On v1 a process joins by writing "0" to `tasks`, which moves the writing thread alone. That is
 * meant for a process of one thread, and is chosen over `cgroup.procs` because the latter takes
 * the kernel's global cgroup_threadgroup_rwsem for writing and waits for an RCU grace period: 15 ms
 * on an idle host, for nine hierarchies in a row. The `tasks` files are opened by the parent, so
 * that a child joins from any mount namespace with nothing but write(2). The v2 group is entered at
 * birth, by clone3(CLONE_INTO_CGROUP).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define DELEGATED_SIZE 4096 /* of the list of files */

int cgroup_put(int dir_fd, const char *file, const char *value)
{
	own_fd int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -1 : 0;
}

ssize_t cgroup_get(int dir_fd, const char *file, char *buf, size_t size)
{
	own_fd int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t len = 0, n = 1;

	if (fd < 0)
		return -1;
	/* The kernel hands out a page at a time, not what the buffer has room for. */
	while (n > 0 && (size_t)len < size - 1) {
		n = read(fd, buf + len, size - 1 - (size_t)len);
		if (n < 0)
			return -1;
		len += n;
	}
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return len;
}

const char *cgroup_leaf(const struct cgroup *cg)
{
	const char *slash = strrchr(cg->name, '/');

	return slash ? slash + 1 : cg->name;
}

const struct cgroup_member *cgroup_member_at(const struct cgroup *cg, unsigned int hierarchy)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->members[i].hierarchy == hierarchy)
			return &cg->members[i];
	return NULL;
}

void cgroup_done(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++) {
		fd_close(cg->members[i].parent_fd);
		fd_close(cg->members[i].dir_fd);
		fd_close(cg->members[i].tasks_fd);
	}
	strv_done(&cg->skipped);
	*cg = CGROUP_INIT;
}

int cgroup_member_open(struct cgroup *cg, struct cgroup_member *member, bool v2)
{
	member->dir_fd = openat(member->parent_fd, cgroup_leaf(cg),
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (member->dir_fd < 0)
		return -1;
	member->v2 = v2;
	if (v2)
		cg->v2_fd = member->dir_fd;
	return 0;
}

static int open_parent(int top_fd, const char *name)
{
	const char *slash = strrchr(name, '/');
	char path[256];

	if (!slash)
		return fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
	snprintf(path, sizeof(path), "%.*s", (int)(slash - name), name);
	return openat(top_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* 0 also where the hierarchy has no such group. */
static int open_one(const struct cgroup_hierarchy *h, unsigned int index, struct cgroup *cg,
		    struct err *err)
{
	struct cgroup_member *member = cgroup_add_member(cg, h, index);

	member->parent_fd = open_parent(h->dir_fd, cg->name);
	if (member->parent_fd >= 0 && cgroup_member_open(cg, member, h->v2) == 0)
		return 0;
	if (errno != ENOENT)
		return err_errno(err, "cannot open cgroup '%s' in %s", cg->name, h->mount);
	cg->count--;
	fd_close(member->parent_fd);
	fd_close(member->dir_fd);
	return 0;
}

int cgroup_open(const struct cgroup_host *host, const char *name, struct cgroup *ret,
		struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	if (cgroup_name_clean(name, cg.name, err) < 0)
		return -1;
	for (size_t i = 0; i < host->count; i++)
		if (open_one(&host->hierarchies[i], (unsigned int)i, &cg, err) < 0)
			return -1;
	if (!cg.count)
		return err_set(err, ERR_NOT_FOUND, 0, "no cgroup is named '%s'", cg.name);
	*ret = cg;
	cg = CGROUP_INIT;
	return 0;
}

/* ---- joining ---- */

/* Of its v2 member, or -1. */
static int v2_dir(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->members[i].v2)
			return cg->members[i].dir_fd;
	return -1;
}

static bool has_type(int dir_fd, const char *type)
{
	char text[64];

	return cgroup_get(dir_fd, "cgroup.type", text, sizeof(text)) > 0 && strstr(text, type);
}

static bool pids_are_used_up(int dir_fd)
{
	char now[32], max[32];

	return cgroup_get(dir_fd, "pids.current", now, sizeof(now)) > 0 &&
	       cgroup_get(dir_fd, "pids.max", max, sizeof(max)) > 0 && *max != 'm' &&
	       strtoull(now, NULL, 10) >= strtoull(max, NULL, 10);
}

int cgroup_explain(const struct cgroup *cg, struct err *err)
{
	int dir_fd = v2_dir(cg);

	for (size_t i = 0; err->errnum == EAGAIN && i < cg->count; i++) {
		if (!pids_are_used_up(cg->members[i].dir_fd))
			continue;
		err_set(err, ERR_LIMIT, 0, "cgroup '%s' has as many processes as its limit allows",
			cg->name);
		return err_hint(err, "linux.resources.pids.limit, or update --pids-limit, sets it");
	}
	if (dir_fd < 0)
		return -1;
	if (faccessat(dir_fd, "cgroup.procs", F_OK, 0) < 0) {
		err_set(err, ERR_STATE, 0, "cgroup '%s' was removed meanwhile", cg->name);
		return err_hint(err, "somebody else manages groups there: name another place");
	}
	if (has_type(dir_fd, "threaded") || has_type(dir_fd, "invalid")) {
		err_set(err, ERR_STATE, 0,
			"cgroup '%s' cannot hold processes: it is in a threaded tree", cg->name);
		return err_hint(err, "choose a parent whose cgroup.type is 'domain'");
	}
	return -1;
}

int cgroup_move_below(const struct cgroup_host *host, const char *name, const char *sub, int pid,
		      struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	char text[24];
	int dir_fd;

	if (cgroup_open(host, name, &cg, err) < 0)
		return -1;
	dir_fd = v2_dir(&cg);
	if (dir_fd < 0)
		return 0;
	if (mkdirat(dir_fd, sub, 0755) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make cgroup '%s/%s'", name, sub);
	own_fd int sub_fd = openat(dir_fd, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", pid);
	if (sub_fd < 0 || cgroup_put(sub_fd, "cgroup.procs", text) < 0)
		return err_errno(err, "cannot move process %d to cgroup '%s/%s'", pid, name, sub);
	return 0;
}

/* What the kernel says a delegate may have; what it says nothing about where that file is absent. */
static void delegated_files(char text[static DELEGATED_SIZE])
{
	own_fd int fd = open("/sys/kernel/cgroup/delegate", O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;

	if (fd < 0 || fd_read_buf(fd, text, DELEGATED_SIZE, "delegate", &ignored) <= 0)
		snprintf(text, DELEGATED_SIZE,
			 "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n");
}

/* A directory, and what is in it for a delegate. */
static int hand_over(int dir_fd, const char *group, uid_t uid, gid_t gid, struct err *err)
{
	char text[DELEGATED_SIZE], *rest = text;

	delegated_files(text);
	if (fchownat(dir_fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return err_errno(err, "cannot hand over cgroup '%s'", group);
	for (char *name = strsep(&rest, "\n"); name; name = strsep(&rest, "\n"))
		if (*name && fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return err_errno(err, "cannot hand over '%s' of cgroup '%s'", name, group);
	return 0;
}

static int find_v2(const struct cgroup *cg, struct err *err)
{
	int dir_fd = v2_dir(cg);

	return dir_fd < 0 ? err_set(err, ERR_UNSUPPORTED, 0, "cgroup '%s' is not on cgroup v2",
				    cg->name)
			  : dir_fd;
}

int cgroup_hand_over(const struct cgroup *cg, uid_t uid, struct err *err)
{
	int dir_fd = find_v2(cg, err);

	return dir_fd < 0 ? -1 : hand_over(dir_fd, cg->name, uid, (gid_t)-1, err);
}

int cgroup_delegate(const struct cgroup *cg, const char *sub, uid_t uid, gid_t gid, struct err *err)
{
	int dir_fd = find_v2(cg, err);

	if (dir_fd < 0)
		return -1;
	if (mkdirat(dir_fd, sub, 0755) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make cgroup '%s/%s'", cg->name, sub);
	own_fd int sub_fd = openat(dir_fd, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_fd < 0)
		return err_errno(err, "cannot open cgroup '%s/%s'", cg->name, sub);
	if ((uid || gid) && hand_over(sub_fd, sub, uid, gid, err) < 0)
		return err_wrap(err, "cgroup '%s'", cg->name);
	int procs_fd = openat(sub_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return procs_fd < 0 ? err_errno(err, "cannot enter cgroup '%s/%s'", cg->name, sub)
			    : procs_fd;
}

static int write_tasks(const struct cgroup_member *member, const char *pid)
{
	if (member->tasks_fd < 0)
		return cgroup_put(member->dir_fd, "tasks", pid);
	return write(member->tasks_fd, pid, strlen(pid)) < 0 ? -1 : 0;
}

int cgroup_join_v1(const struct cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < cg->count; i++)
		if (!cg->members[i].v2 && write_tasks(&cg->members[i], "0") < 0)
			return err_errno(err, "cannot join cgroup '%s' (hierarchy %u)", cg->name,
					 cg->members[i].hierarchy);
	return 0;
}

int cgroup_join_all(const struct cgroup *cg, int pid, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%d", pid);
	for (size_t i = 0; i < cg->count; i++) {
		const struct cgroup_member *member = &cg->members[i];

		if ((member->v2 ? cgroup_put(member->dir_fd, "cgroup.procs", text)
				: write_tasks(member, text)) < 0)
			return err_errno(err, "cannot move process %d to cgroup '%s'", pid,
					 cg->name);
	}
	return 0;
}

/* ---- values ---- */

ssize_t cgroup_read(const struct cgroup_host *host, const struct cgroup *cg,
		    unsigned int controller, const char *v1, const char *v2, char *buf, size_t size)
{
	int h = cgroup_host_find(host, controller);
	const struct cgroup_member *member = h < 0 ? NULL : cgroup_member_at(cg, (unsigned int)h);
	const char *file = member && member->v2 ? v2 : v1;

	errno = ENOENT;
	return member && file ? cgroup_get(member->dir_fd, file, buf, size) : -1;
}

void cgroup_writer_done(struct cgroup_writer *writer)
{
	fd_close(writer->fd);
	writer->fd = -1;
	writer->file = NULL;
}

static int writer_open(struct cgroup_writer *writer, const struct cgroup_write *what)
{
	const struct cgroup_member *member = cgroup_member_at(writer->cg, what->hierarchy);

	if (member)
		writer->fd = openat(member->dir_fd, what->file, O_WRONLY | O_CLOEXEC);
	if (writer->fd < 0)
		return -1;
	writer->file = what->file;
	writer->hierarchy = what->hierarchy;
	return 0;
}

int cgroup_writer_put(struct cgroup_writer *writer, const struct cgroup_write *what)
{
	bool same = writer->file && writer->hierarchy == what->hierarchy &&
		    strcmp(writer->file, what->file) == 0;

	if (!same) {
		cgroup_writer_done(writer);
		errno = ENOENT;
		if (writer_open(writer, what) < 0)
			return -1;
	}
	return write(writer->fd, what->value, strlen(what->value)) < 0 ? -1 : 0;
}

static enum err_kind write_error_kind(int errnum)
{
	switch (errnum) {
	case EINVAL:
	case ERANGE:
	case ENODEV:
		return ERR_INVALID;
	case EBUSY:
		return ERR_BUSY;
	default:
		return err_kind_of(errnum);
	}
}

/* The group's parent decides what a cpuset may have. */
static int hint_cpuset(const struct cgroup *cg, const struct cgroup_write *write, struct err *err)
{
	const struct cgroup_member *member = cgroup_member_at(cg, write->hierarchy);
	char text[128];

	if (!member || cgroup_get(member->parent_fd, write->file, text, sizeof(text)) <= 0)
		return -1;
	return err_hint(err, "available above it: %s", text);
}

/* Which member of linux.resources a file stands for; the longer of two prefixes comes first. */
static const char *field_of(const struct cgroup_write *write)
{
	static const char *const fields[][2] = {
		{"memory.limit_in_bytes", "memory.limit"},
		{"memory.max", "memory.limit"},
		{"memory.memsw.", "memory.swap"},
		{"memory.swap.max", "memory.swap"},
		{"memory.soft_limit_in_bytes", "memory.reservation"},
		{"memory.low", "memory.reservation"},
		{"memory.kmem.tcp.", "memory.kernelTCP"},
		{"memory.swappiness", "memory.swappiness"},
		{"memory.oom_control", "memory.disableOOMKiller"},
		{"cpu.shares", "cpu.shares"},
		{"cpu.weight", "cpu.shares"},
		{"cpu.cfs_quota_us", "cpu.quota"},
		{"cpu.cfs_period_us", "cpu.period"},
		{"cpu.cfs_burst_us", "cpu.burst"},
		{"cpu.max.burst", "cpu.burst"},
		{"cpu.max", "cpu.quota"},
		{"cpu.rt_runtime_us", "cpu.realtimeRuntime"},
		{"cpu.rt_period_us", "cpu.realtimePeriod"},
		{"cpu.idle", "cpu.idle"},
		{"cpuset.cpus", "cpu.cpus"},
		{"cpuset.mems", "cpu.mems"},
		{"pids.max", "pids.limit"},
		{"blkio.bfq.weight_device", "blockIO.weightDevice"},
		{"blkio.bfq.weight", "blockIO.weight"},
		{"io.bfq.weight", "blockIO.weight"},
		{"io.weight", "blockIO.weight"},
		{"blkio.throttle.read_bps", "blockIO.throttleReadBpsDevice"},
		{"blkio.throttle.write_bps", "blockIO.throttleWriteBpsDevice"},
		{"blkio.throttle.read_iops", "blockIO.throttleReadIOPSDevice"},
		{"blkio.throttle.write_iops", "blockIO.throttleWriteIOPSDevice"},
		{"io.max", "blockIO.throttle"},
		{"hugetlb.", "hugepageLimits"},
		{"net_cls.", "network.classID"},
		{"net_prio.", "network.priorities"},
		{"rdma.", "rdma"},
		{"devices.", "devices"},
	};

	if (write->unified)
		return "unified";
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (str_starts(write->file, fields[i][0]))
			return fields[i][1];
	return NULL;
}

static int name_field(const struct cgroup_write *write, struct err *err)
{
	const char *field = field_of(write);

	return field ? err_wrap(err, "linux.resources.%s", field) : -1;
}

/* The kernel says EINVAL where memory would be above memory and swap, and EBUSY where it could not be
 * brought down. */
static int hint_memory(const struct cgroup *cg, const struct cgroup_write *write, struct err *err)
{
	const struct cgroup_member *member = cgroup_member_at(cg, write->hierarchy);
	char text[64];

	if (!member)
		return -1;
	if (err->errnum == EBUSY &&
	    cgroup_get(member->dir_fd, "memory.usage_in_bytes", text, sizeof(text)) > 0)
		return err_hint(err, "it uses %s bytes that cannot be taken back", text);
	if (err->errnum == EINVAL &&
	    cgroup_get(member->dir_fd, "memory.memsw.limit_in_bytes", text, sizeof(text)) > 0)
		return err_hint(err,
				"memory and swap together are limited to %s bytes: change that too",
				text);
	return -1;
}

int cgroup_write_error(const struct cgroup *cg, const struct cgroup_write *write, int errnum,
		       struct err *err)
{
	bool cpuset = str_starts(write->file, "cpuset.");
	/* v1 answers EACCES where the parent does not have the CPU. */
	enum err_kind kind = cpuset && errnum == EACCES ? ERR_INVALID : write_error_kind(errnum);

	err_set(err, kind, errnum, "cannot set %s of cgroup '%s' to '%s'", write->file, cg->name,
		write->value);
	if (str_eq(write->file, "memory.limit_in_bytes"))
		hint_memory(cg, write, err);
	if (cpuset)
		hint_cpuset(cg, write, err);
	return name_field(write, err);
}

int cgroup_write_skipped(struct cgroup *cg, const struct cgroup_write *write, struct err *err)
{
	const char *field = field_of(write);

	if (write->required) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"cannot set %s of cgroup '%s' to '%s': this kernel does not have it",
			write->file, cg->name, write->value);
		if (strstr(write->file, "weight"))
			err_hint(err, "weights take BFQ, or on v2 iocost: the scheduler of a disk "
				      "is in /sys/block/NAME/queue/scheduler");
		return name_field(write, err);
	}
	return strv_addf(&cg->skipped, err, "%s%s%s%s = %s: this kernel does not have it",
			 field ? "linux.resources." : "", field ? field : "", field ? ": " : "",
			 write->file, write->value);
}
