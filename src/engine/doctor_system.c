/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debris outside the store: control groups, keepers, mounts, the file of the launch pad, and masks that
 * were not finished.
 *
 * Control groups are the one thing that all stores of a host share. A group whose container this store
 * knows is judged by the container. Any other may belong to another store, and is debris only where
 * nothing lives in it, no keeper on this host has its id, and it is older than the longest start: from
 * the moment a start makes it until a process is in it, it looks just like that.
 *
 * A keeper is ours to kill only where it holds the lock of a container in this store whose directory was
 * removed under it: nobody can reach it any more, and its container would never be listed again. Names prove
 * nothing: a container may call a program and a file as it likes, and have a file by the path of ours removed. But no
 * file of its own is ours, on the device of RUN.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/doctor_private.h"
#include "engine/group.h"
#include "engine/group_parent.h"
#include "engine/store_private.h"
#include "engine/user.h"
#include "image/image.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"
#include "kernel/processes.h"
#include "runtime/runtime.h"

#define KEEPER_PROGRAM "insula-keeper"
#define GROUP_AGE_NS (INT64_C(10) * 1000000000)
#define GROUP_TIMEOUT_MS 2000
#define KILL_TIMEOUT_MS 10000
#define DELETED " (deleted)"

/* ---- keepers ---- */

/* The id in "RUN/containers/ID/alive (deleted)", NULL for any other file. */
static const char *lost_lock(const struct doctor *d, const char *file,
			     char id[static STORE_ID_LENGTH + 1])
{
	size_t length = strlen(d->store->run);
	char end[32] = "";

	if (strncmp(file, d->store->run, length) != 0 ||
	    sscanf(file + length, "/containers/%64[0-9a-f]%31[^\n]", id, end) != 2)
		return NULL;
	return store_is_id(id) && str_eq(end, "/alive" DELETED) ? id : NULL;
}

struct keeper_search {
	struct doctor *d;
	const struct debris_kind *kind; /* NULL: only the ids are wanted */
	struct strv *ids;		/* of every keeper on this host */
};

static int note_keeper(void *data, const struct process_info *process, struct err *err)
{
	struct keeper_search *search = data;
	char id[STORE_ID_LENGTH + 1], object[64], label[64];

	if (search->ids && process->args.count &&
	    strv_add(search->ids, process->args.items[process->args.count - 1], err) < 0)
		return -1;
	for (size_t i = 0; search->kind && i < process->files.count; i++) {
		if (!lost_lock(search->d, process->files.items[i], id) ||
		    !process_file_is(process, i, search->d->run_device, geteuid()))
			continue;
		snprintf(object, sizeof object, "%d %llu", process->pid,
			 (unsigned long long)process->start_time);
		snprintf(label, sizeof label, "process %d", process->pid);
		if (strv_add(&search->d->orphans, id, err) < 0)
			return -1;
		return doctor_found(search->d, search->kind, object, label, err,
				    "it keeps container %.12s, whose directory was removed", id);
	}
	return 0;
}

int find_keepers(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	struct keeper_search search = {.d = d, .kind = kind};

	strv_done(&d->orphans);
	return processes_of_program(d->proc_fd, KEEPER_PROGRAM, note_keeper, &search, err);
}

/* "PID START": a process that got the number meanwhile is another one. */
int repair_keeper(struct doctor *d, const char *object, struct err *err)
{
	struct proc keeper = PROC_INIT;
	unsigned long long start = 0;
	int pid = 0, status;

	if (sscanf(object, "%d %llu", &pid, &start) != 2)
		return err_set(err, ERR_INTERNAL, 0, "'%s' is no process", object);
	if (proc_open(&keeper, pid, start, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	status = proc_signal(&keeper, SIGKILL, err);
	if (status == 0 && proc_wait_end(&keeper, KILL_TIMEOUT_MS, err) <= 0)
		status = err_set(err, ERR_TIMEOUT, 0, "process %d does not end", pid);
	proc_forget(&keeper);
	return status;
}

int doctor_keeper_lives(struct doctor *d, const char *id, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	struct keeper_search search = {.d = d, .ids = &ids};

	if (processes_of_program(d->proc_fd, KEEPER_PROGRAM, note_keeper, &search, err) < 0)
		return -1;
	return strv_contains(&ids, id);
}

/* ---- control groups ---- */

/* A kernfs directory has the time at which the kernel first needed its inode: at the earliest when it
 * was made. So what seems old is; what seems young may be judged the next time. */
static bool is_old(const struct cgroup *cg)
{
	struct stat st;

	for (size_t i = 0; i < cg->count; i++)
		if (fstat(cg->members[i].dir_fd, &st) == 0 &&
		    clock_real_ns() - (st.st_mtim.tv_sec * INT64_C(1000000000) +
				       st.st_mtim.tv_nsec) >=
			    GROUP_AGE_NS)
			return true;
	return false;
}

/* Root's, and other users', are nothing to an ordinary user, who could not remove them. */
static bool is_of_user(const struct cgroup *cg)
{
	struct stat st;

	return cg->count && fstat(cg->members[0].dir_fd, &st) == 0 && st.st_uid == geteuid();
}

/* Of no container in this store. 1: nobody's, 0: perhaps another store's. */
static int is_abandoned(struct doctor *d, const struct cgroup *cg, const char *id, struct err *err)
{
	int pids[1], lives;
	ssize_t count = cgroup_pids(cg, pids, 1, err);

	if (strv_contains(&d->orphans, id))
		return 1; /* its keeper is debris itself, and goes first */
	if (count)
		return count < 0 ? -1 : 0;
	lives = doctor_keeper_lives(d, id, err);
	return lives ? (lives < 0 ? -1 : 0) : is_old(cg);
}

static int judge_group(struct doctor *d, const struct debris_kind *kind, const char *name,
		       struct err *err)
{
	const char *id = name + strlen(STORE_CGROUP_PREFIX);
	const struct doctor_subject *owner = doctor_subject_of(d, id);
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	int abandoned;

	if (owner && owner->state != SUBJECT_ENDED)
		return 0;
	if (owner)
		return doctor_found(d, kind, name, NULL, err, "its container %s has ended",
				    owner->label);
	if (cgroup_open(d->host, name, &cg, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	if (d->store->user && !is_of_user(&cg))
		return 0;
	abandoned = is_abandoned(d, &cg, id, err);
	if (abandoned <= 0)
		return abandoned;
	return doctor_found(d, kind, name, NULL, err,
			    "its container does not exist, and nothing runs in it");
}

/* Below --cgroup-parent, where the record says. */
static int find_below_parents(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	for (size_t i = 0; i < d->subject_count; i++) {
		const struct doctor_subject *s = &d->subjects[i];
		own(cgroup) struct cgroup cg = CGROUP_INIT;
		struct err opening = ERR_INIT;

		if (!s->group || s->state != SUBJECT_ENDED ||
		    cgroup_open(d->host, s->group, &cg, &opening) < 0)
			continue;
		if (doctor_found(d, kind, s->group, NULL, err, "its container %s has ended",
				 s->label) < 0)
			return -1;
	}
	return 0;
}

/* "a/b/insula-ID", "machine.slice/insula-ID.scope/container": the last one, as a parent may be called alike. */
static void id_of_group(const char *name, char ret[static STORE_ID_LENGTH + 1])
{
	const char *at = name;

	for (const char *next = name; (next = strstr(next, STORE_CGROUP_PREFIX)); next++)
		at = next + strlen(STORE_CGROUP_PREFIX);
	snprintf(ret, STORE_ID_LENGTH + 1, "%s", at);
}

int find_groups(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (cgroup_list(d->host, ".", STORE_CGROUP_PREFIX, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (store_is_id(names.items[i] + strlen(STORE_CGROUP_PREFIX)) &&
		    judge_group(d, kind, names.items[i], err) < 0)
			return -1;
	return find_below_parents(d, kind, err);
}

int repair_group(struct doctor *d, const char *name, struct err *err)
{
	char id[STORE_ID_LENGTH + 1];
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	int abandoned;

	id_of_group(name, id);
	if (store_has(d->store, id))
		return repair_container(d, id, err);
	if (cgroup_open(d->host, name, &cg, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	abandoned = is_abandoned(d, &cg, id, err);
	if (abandoned <= 0)
		return abandoned;
	return cgroup_remove(&cg, GROUP_TIMEOUT_MS, err);
}

/* ---- scopes of systemd ---- */

static int judge_scope(struct doctor *d, const struct debris_kind *kind, const char *id,
		       struct err *err)
{
	const struct doctor_subject *owner = doctor_subject_of(d, id);
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	if (owner && owner->state != SUBJECT_ENDED)
		return 0;
	if (group_open_empty_scope(d->host, id, NULL, d->store->user, &cg, err) < 0)
		return -1;
	if (!cg.count || !is_old(&cg))
		return 0;
	own_free char *unit = group_unit(id, err);
	return !unit ? -1
		     : doctor_found(d, kind, id, unit, err,
				    "nothing runs in it, and systemd does not know that");
}

int find_scopes(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (group_list_scopes(d->host, d->store->user, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		if (judge_scope(d, kind, ids.items[i], err) < 0)
			return -1;
	return 0;
}

int repair_scope(struct doctor *d, const char *id, struct err *err)
{
	return group_end_scope(d->host, id, NULL, d->store->user, err);
}

/* ---- directories above groups ---- */

/* "HIERARCHY:PATH/ID": a container has them for its group's sake that does not run; group_parent.c. */
int find_parents(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own(strv) struct strv noted = STRV_INIT;

	if (group_parent_list(d->store->run_fd, &noted, err) < 0)
		return -1;
	for (size_t i = 0; i < noted.count; i++) {
		const char *slash = strchr(noted.items[i], '/');
		const struct doctor_subject *owner = slash ? doctor_subject_of(d, slash + 1) : NULL;

		if ((slash && !store_is_id(slash + 1)) || (owner && owner->state != SUBJECT_ENDED))
			continue;
		if (doctor_found(d, kind, noted.items[i], NULL, err,
				 owner	 ? "its container has ended"
				 : slash ? "its container does not exist"
					 : "no container has it") < 0)
			return -1;
	}
	return 0;
}

/* 1: it is not there any more. */
static int is_without_group(struct doctor *d, const char *noted, const char *id, struct err *err)
{
	own_free char *name = group_parent_group(d->host, noted, id, err);
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;

	if (!name || (*name && repair_group(d, name, err) < 0))
		return -1;
	return !*name || cgroup_open(d->host, name, &cg, &opening) < 0;
}

int repair_parent(struct doctor *d, const char *noted, struct err *err)
{
	const char *slash = strchr(noted, '/');
	int alone = 1;

	if (slash && store_has(d->store, slash + 1))
		return repair_container(d, slash + 1, err);
	if (slash)
		alone = is_without_group(d, noted, slash + 1, err);
	if (alone <= 0)
		return alone;
	own_fd int creators_fd = store_lock_creation(d->store, LOCK_EXCLUSIVE, err);
	if (creators_fd < 0 || (slash && store_has(d->store, slash + 1)))
		return creators_fd < 0 ? -1 : 0;
	return group_parent_forget(d->store->run_fd, d->host, noted, err);
}

/* ---- mounts ---- */

/* Nothing of ours is mounted in the host's own view but the launch pad, so a mount in the directory of
 * a container that nobody uses is in the way of its removal. */
static bool is_in_unused(const struct doctor *d, const char *path, const char *containers)
{
	const char *name = path + strlen(containers) + 1;
	char id[STORE_ID_LENGTH + 1] = "";
	const struct doctor_subject *owner;

	if (strcspn(name, "/") != STORE_ID_LENGTH)
		return false;
	memcpy(id, name, STORE_ID_LENGTH);
	owner = doctor_subject_of(d, id);
	return owner && owner->state != SUBJECT_IN_USE;
}

static int find_mounts_in(struct doctor *d, const struct debris_kind *kind, const char *store,
			  struct err *err)
{
	own_free char *containers = str_printf(err, "%s/containers", store);
	own(strv) struct strv paths = STRV_INIT;

	if (!containers || mount_points_below(d->proc_fd, containers, &paths, err) < 0)
		return -1;
	/* The last one mounted may lie on the one before. */
	for (size_t i = paths.count; i > 0; i--)
		if (is_in_unused(d, paths.items[i - 1], containers) &&
		    doctor_found(d, kind, paths.items[i - 1], NULL, err,
				 "it is in the directory of a container that does not run") < 0)
			return -1;
	return 0;
}

int find_mounts(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	if (find_mounts_in(d, kind, d->store->root, err) < 0)
		return -1;
	return find_mounts_in(d, kind, d->store->run, err);
}

int repair_mount(struct doctor *d, const char *path, struct err *err)
{
	return mount_unmount_path(path, err);
}

/* ---- the launch pad's file, unfinished masks ---- */

int find_pad(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own_free char *path = str_printf(err, "%s/pad", d->store->run);
	int is_debris = path ? runtime_pad_is_debris(d->store->run, err) : -1;

	if (is_debris <= 0)
		return is_debris;
	return doctor_found(d, kind, path, NULL, err,
			    "it is where the launch pad is pinned, and nothing is");
}

int repair_pad(struct doctor *d, const char *path, struct err *err)
{
	return runtime_pad_clean(d->store->run, err);
}

int find_masks(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own_free char *cache = user_image_cache(d->store, err);
	own(strv) struct strv names = STRV_INIT;

	if (!cache || image_find_debris(cache, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (doctor_found(d, kind, names.items[i], NULL, err,
				 "whoever built it in %s was killed", cache) < 0)
			return -1;
	return 0;
}

int repair_mask(struct doctor *d, const char *name, struct err *err)
{
	own_free char *cache = user_image_cache(d->store, err);

	return cache ? image_remove_debris(cache, name, err) : -1;
}
