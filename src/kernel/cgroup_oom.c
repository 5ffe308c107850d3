/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Being told when the kernel runs out of a group's memory.
 *
 * v2: poll(2) of memory.events wakes with POLLPRI at every change of any of its counters; the one that
 * counts is oom_kill. v1: an eventfd is registered in cgroup.event_control, and wakes at every
 * out-of-memory, and once more when the group is removed: that one is told by the group's absence.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"

static const struct cgroup_member *memory_member(const struct cgroup_host *host,
						 const struct cgroup *cg)
{
	int h = cgroup_host_find(host, CG_MEMORY);

	return h < 0 ? NULL : cgroup_member_at(cg, (unsigned int)h);
}

/* Reading it arms the next wake-up. */
static uint64_t read_kills(int fd)
{
	char text[512];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	const char *at;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strstr(text, "\noom_kill ");
	return at ? strtoull(at + strlen("\noom_kill "), NULL, 10) : 0;
}

static int watch_v1(int dir_fd, int event_fd)
{
	own_fd int file_fd = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	char text[32];

	if (file_fd < 0)
		return -1;
	snprintf(text, sizeof(text), "%d %d", event_fd, file_fd);
	return cgroup_put(dir_fd, "cgroup.event_control", text);
}

int cgroup_oom_watch(const struct cgroup_host *host, const struct cgroup *cg,
		     struct cgroup_oom_watch *ret, struct err *err)
{
	const struct cgroup_member *member = memory_member(host, cg);
	struct cgroup_oom_watch watch = {.fd = -1};

	if (!member)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "cgroup '%s' has no memory controller to tell of a lack of memory",
			       cg->name);
	watch.v2 = member->v2;
	watch.events = member->v2 ? POLLPRI : POLLIN;
	watch.fd = member->v2 ? openat(member->dir_fd, "memory.events", O_RDONLY | O_CLOEXEC)
			      : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch.fd < 0 || (!member->v2 && watch_v1(member->dir_fd, watch.fd) < 0)) {
		err_errno(err, "cannot watch the memory of cgroup '%s'", cg->name);
		fd_close(watch.fd);
		return -1;
	}
	if (watch.v2)
		watch.seen = read_kills(watch.fd);
	*ret = watch;
	return 0;
}

unsigned int cgroup_oom_seen(const struct cgroup *cg, struct cgroup_oom_watch *watch)
{
	uint64_t count = 0;

	if (watch->v2) {
		uint64_t kills = read_kills(watch->fd);

		count = kills > watch->seen ? kills - watch->seen : 0;
		watch->seen = kills;
	} else if (read(watch->fd, &count, sizeof(count)) != sizeof(count)) {
		return 0;
	}
	/* The last wake-up of v1 is the group's end. */
	if (cg->count && faccessat(cg->members[0].dir_fd, "cgroup.procs", F_OK, 0) < 0)
		return 0;
	return count > 1000 ? 1000 : (unsigned int)count;
}

void cgroup_oom_watch_done(struct cgroup_oom_watch *watch)
{
	fd_close(watch->fd);
	*watch = CGROUP_OOM_WATCH_INIT;
}

/* "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max" */
int cgroup_hugetlb_sizes(const struct cgroup_host *host, const struct cgroup *cg, struct strv *ret,
			 struct err *err)
{
	int h = cgroup_host_find(host, CG_HUGETLB);
	const struct cgroup_member *member = h < 0 ? NULL : cgroup_member_at(cg, (unsigned int)h);
	own_dir DIR *dir = member ? fd_open_list(member->dir_fd, ".") : NULL;
	const struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		const char *size = entry->d_name + strlen("hugetlb.");
		size_t len = strcspn(entry->d_name, ".") == strlen("hugetlb") ? strcspn(size, ".")
									      : 0;

		if (!str_starts(entry->d_name, "hugetlb.") || !len ||
		    strcmp(size + len, member->v2 ? ".max" : ".limit_in_bytes") != 0)
			continue;
		if (strv_addf(ret, err, "%.*s", (int)len, size) < 0)
			return -1;
	}
	return 0;
}
