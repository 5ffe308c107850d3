/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula top: the processes of the container's group, or, where it has none, of its pid namespace, as the host's
 * procfs shows them, with the numbers that they have inside. Nothing of the container is run or read, so its own ps, or none, makes no difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/own.h"
#include "engine/group.h"
#include "engine/lifecycle.h"
#include "engine/observe.h"
#include "kernel/ns.h"
#include "kernel/process_stat.h"
#include "kernel/procattr.h"
#include "kernel/processes.h"

#define PIDS_MAX 65536
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST 143

struct listing {
	struct process_stat *items;
	size_t count;
	struct id_map uids[NS_MAP_MAX], gids[NS_MAP_MAX];
	size_t uid_count, gid_count;
};

/* One that the container does not have is shown as the host has it: somebody who was sent in. */
static uint32_t inner_id(const struct id_map *map, size_t count, uint32_t id)
{
	uint32_t inner;

	return id_map_inner(map, count, id, &inner) ? inner : id;
}

static void write_id(struct json_writer *w, const char *key, uint32_t id)
{
	char text[16];

	snprintf(text, sizeof text, "%u", id);
	json_write_member(w, key, id ? text : "root");
}

/* "1-02:03:04", "02:03" of ps(1). */
static void write_duration(struct json_writer *w, const char *key, uint64_t ms)
{
	uint64_t s = ms / 1000;
	char text[48];

	if (s >= 86400)
		snprintf(text, sizeof text, "%" PRIu64 "-%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
			 s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
	else if (s >= 3600)
		snprintf(text, sizeof text, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600,
			 s / 60 % 60, s % 60);
	else
		snprintf(text, sizeof text, "%02" PRIu64 ":%02" PRIu64, s / 60, s % 60);
	json_write_member(w, key, text);
}

static void write_terminal(struct json_writer *w, unsigned int tty)
{
	unsigned int major_ = major(tty);
	char text[32] = "?";

	if (major_ >= PTS_MAJOR_FIRST && major_ <= PTS_MAJOR_LAST)
		snprintf(text, sizeof text, "pts/%u",
			 (major_ - PTS_MAJOR_FIRST) * 256 + minor(tty));
	else if (tty)
		snprintf(text, sizeof text, "%u:%u", major_, minor(tty));
	json_write_member(w, "tty", text);
}

static void write_process(struct json_writer *w, const struct listing *l,
			  const struct process_stat *p)
{
	static const char *const filters[] = {"disabled", "strict", "filter"};
	char caps[24];

	json_write_object(w);
	write_id(w, "user", inner_id(l->uids, l->uid_count, p->uid));
	write_id(w, "group", inner_id(l->gids, l->gid_count, p->gid));
	json_write_member_i64(w, "huser", p->uid);
	json_write_member_i64(w, "hgroup", p->gid);
	json_write_member_i64(w, "pid", p->inner_pid);
	json_write_member_i64(w, "ppid", p->ppid);
	json_write_member_i64(w, "hpid", p->pid);
	json_write_member_decimal(w, "pcpu",
				  p->age_ms ? 100.0 * (double)p->cpu_ms / (double)p->age_ms : 0);
	write_duration(w, "etime", p->age_ms);
	write_terminal(w, p->tty);
	write_duration(w, "time", p->cpu_ms);
	json_write_member(w, "state", (const char[]){p->state, '\0'});
	json_write_member_i64(w, "nice", p->nice);
	json_write_member_i64(w, "threads", p->threads);
	json_write_member_i64(w, "rss", (int64_t)(p->resident_bytes / 1024));
	json_write_member_i64(w, "vsz", (int64_t)(p->virtual_bytes / 1024));
	snprintf(caps, sizeof caps, "%016" PRIx64, p->effective_caps);
	json_write_member(w, "capeff", caps);
	json_write_member(w, "seccomp",
			  filters[p->seccomp >= 0 && p->seccomp < 3 ? p->seccomp : 2]);
	json_write_member(w, "comm", p->name);
	json_write_member(w, "args", p->args);
	json_write_end(w, '}');
}

static int compare_inner(const void *a, const void *b)
{
	const struct process_stat *x = a, *y = b;

	return (x->inner_pid > y->inner_pid) - (x->inner_pid < y->inner_pid);
}

static int compare_outer(const void *a, const void *b)
{
	const struct process_stat *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int compare_pid(const void *pid, const void *item)
{
	const pid_t *p = pid;
	const struct process_stat *x = item;

	return (*p > x->pid) - (*p < x->pid);
}

/* Parents by the container's numbers; 0: it is none of its processes. */
static void number_parents(struct listing *l)
{
	qsort(l->items, l->count, sizeof *l->items, compare_outer);
	for (size_t i = 0; i < l->count; i++) {
		const struct process_stat *parent = bsearch(&l->items[i].ppid, l->items, l->count,
							    sizeof *l->items, compare_pid);

		l->items[i].ppid = parent ? parent->inner_pid : 0;
	}
}

/* One that ends while we look is not there. */
static int read_all(struct listing *l, const int *pids, size_t count, struct err *err)
{
	own_fd int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	l->items = calloc(count + 1, sizeof *l->items);
	if (!l->items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list processes");
	if (proc_fd < 0)
		return err_errno(err, "cannot open '/proc'");
	for (size_t i = 0; i < count; i++)
		if (process_stat_read(proc_fd, pids[i], &l->items[l->count]) == 0)
			l->count++;
	if (!l->count)
		return 0;
	number_parents(l);
	qsort(l->items, l->count, sizeof *l->items, compare_inner);
	return 0;
}

static int find_pids(const struct container *ct, int *pids, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	if (cgroup_host_probe_groups(&host, err) < 0 || group_open_of(&host, ct, &cg, err) < 0)
		return -1;
	if (cg.count)
		return (int)cgroup_pids(&cg, pids, PIDS_MAX, err);
	/* An ordinary user's, who was given no group: its pid namespace is its own. */
	own_fd int proc_fd = procfs_open(err);
	return proc_fd < 0 ? -1
			   : (int)processes_of_namespace(proc_fd, ct->state.init_pid, pids,
							 PIDS_MAX, err);
}

/* Its ids, as they are called where we are. */
static int read_maps(const struct container *ct, struct listing *l, struct err *err)
{
	own_fd int proc_fd = procfs_open(err);
	ssize_t uids = proc_fd < 0 ? -1
				   : ns_read_map(proc_fd, ct->state.init_pid, false, l->uids, err);
	ssize_t gids = uids < 0 ? -1 : ns_read_map(proc_fd, ct->state.init_pid, true, l->gids, err);

	if (gids < 0)
		return err_wrap(err, "container '%s' has just ended", ct->record.name);
	l->uid_count = (size_t)uids;
	l->gid_count = (size_t)gids;
	return 0;
}

int engine_top(struct container *ct, struct json_writer *w, struct err *err)
{
	own_free int *pids = calloc(PIDS_MAX, sizeof *pids);
	own_free struct listing *l = calloc(1, sizeof *l);
	int count;

	if (!pids || !l)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list processes");
	if (ct->status == CT_STARTING && engine_settle(ct, err) < 0)
		return -1;
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	count = find_pids(ct, pids, err);
	if (count < 0)
		return err_wrap(err, "container '%s'", ct->record.name);
	int status = read_maps(ct, l, err) < 0 ? -1 : read_all(l, pids, (size_t)count, err);
	json_write_array(w);
	for (size_t i = 0; status == 0 && i < l->count; i++)
		write_process(w, l, &l->items[i]);
	json_write_end(w, ']');
	free(l->items);
	return status;
}
