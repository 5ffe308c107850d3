/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which processes a group holds, and which groups of ours a host holds.
 *
 * The pids of a group are the union over its hierarchies and their sub-groups: a start that was
 * killed half-way leaves a process that joined some of them only, and a guest's processes sit in
 * sub-groups of some. The walk keeps a bounded stack of descriptors on the heap; a tree that is
 * deeper than this is still removed and killed (cgroup_remove, cgroup.kill), only its listing ends.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define DEPTH_MAX 64

struct pid_list {
	int *pids;
	size_t count, cap;
	bool failed; /* out of memory */
};

static void pid_list_done(struct pid_list *list)
{
	free(list->pids);
}

static void add_pid(struct pid_list *list, int pid)
{
	/* 0: a process of an outer pid namespace, which has no number here. */
	if (pid == 0 || list->failed)
		return;
	if (list->count == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		int *pids = reallocarray(list->pids, cap, sizeof(*pids));

		list->failed = !pids;
		if (!pids)
			return;
		list->pids = pids;
		list->cap = cap;
	}
	list->pids[list->count++] = pid;
}

static int compare_pids(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

/* The hierarchies of a container mostly hold the same processes. */
static void remove_duplicates(struct pid_list *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->pids, list->count, sizeof(*list->pids), compare_pids);
	for (size_t i = 0; i < list->count; i++)
		if (!kept || list->pids[kept - 1] != list->pids[i])
			list->pids[kept++] = list->pids[i];
	list->count = kept;
}

static int read_pids(int dir_fd, void *data)
{
	own_fd int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[4096];
	int pid = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] != '\n') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			add_pid(data, pid);
			pid = 0;
		}
	return n < 0 ? -1 : 0;
}

static int walk(int dir_fd, unsigned int depth, cgroup_walk_fn *fn, void *data);

static int walk_child(int dir_fd, const char *name, unsigned int depth, cgroup_walk_fn *fn,
		      void *data)
{
	own_fd int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* Gone meanwhile: nothing lives there. */
	return fd < 0 ? 0 : walk(fd, depth + 1, fn, data);
}

static int walk_children(int dir_fd, unsigned int depth, cgroup_walk_fn *fn, void *data)
{
	own_dir DIR *dir = fd_open_list(dir_fd, ".");
	const struct dirent *entry;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    walk_child(dir_fd, entry->d_name, depth, fn, data) < 0)
			return -1;
	return 0;
}

static int walk(int dir_fd, unsigned int depth, cgroup_walk_fn *fn, void *data)
{
	struct stat st;

	/* Gone meanwhile, or a threaded group, whose processes are listed above it. */
	if (fn(dir_fd, data) < 0 && errno != ENOENT && errno != ENODEV && errno != EOPNOTSUPP)
		return -1;
	/* The link count is two and one for each sub-directory: mostly there is none to look for. */
	if (depth == DEPTH_MAX || fstat(dir_fd, &st) < 0 || st.st_nlink <= 2)
		return 0;
	return walk_children(dir_fd, depth, fn, data) < 0 && errno != ENOENT ? -1 : 0;
}

int cgroup_walk(int dir_fd, cgroup_walk_fn *fn, void *data)
{
	return walk(dir_fd, 0, fn, data);
}

static int list_pids(const struct cgroup *cg, struct pid_list *list, struct err *err)
{
	for (size_t i = 0; i < cg->count; i++) {
		if (walk(cg->members[i].dir_fd, 0, read_pids, list) < 0)
			return err_errno(err, "cannot list the processes of cgroup '%s'", cg->name);
		remove_duplicates(list);
	}
	return list->failed ? err_set(err, ERR_LIMIT, 0, "out of memory") : 0;
}

ssize_t cgroup_pids(const struct cgroup *cg, int *pids, size_t max, struct err *err)
{
	own(pid_list) struct pid_list list = {0};
	size_t count;

	if (list_pids(cg, &list, err) < 0)
		return -1;
	count = list.count < max ? list.count : max;
	if (count)
		memcpy(pids, list.pids, count * sizeof(*pids));
	return (ssize_t)count;
}

static int list_below(int top_fd, const char *parent, const char *prefix, struct strv *names,
		      struct err *err)
{
	own_dir DIR *dir = fd_open_list(top_fd, parent);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, "cannot list control groups");
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    str_starts(entry->d_name, prefix) && !strv_contains(names, entry->d_name) &&
		    strv_add(names, entry->d_name, err) < 0)
			return -1;
	return 0;
}

int cgroup_list(const struct cgroup_host *host, const char *parent, const char *prefix,
		struct strv *ret, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	for (size_t i = 0; i < host->count; i++)
		if (list_below(host->hierarchies[i].dir_fd, parent, prefix, &names, err) < 0)
			return -1;
	*ret = names;
	names = STRV_INIT;
	return 0;
}
