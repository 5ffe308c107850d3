/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ending, removing and repairing containers.
 *
 * A running container is ended through its keeper, which answers when everything is cleared up. A keeper
 * that does not answer in time (it was stopped, or hangs) is killed, which kills the container, and what
 * is left is repaired by us: no command waits for ever on another process.
 */
#include "engine/lifecycle.h"
#include "engine/event.h"
#include "engine/group.h"
#include "engine/group_parent.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/keeper.h"
#include "engine/requires.h"
#include "engine/store_private.h"
#include "kernel/cgroup.h"

#define KEEPER_GRACE_MS 15000 /* beyond its own deadline, for clearing up */
#define SIGNAL_TIMEOUT_MS 5000
#define REPLACE_TIMEOUT_MS 20000
#define LOCK_TIMEOUT_MS 30000
#define CGROUP_TIMEOUT_MS 5000
#define KILLED_CODE 137

int engine_not_running(const struct container *ct, struct err *err)
{
	const char *status = container_status_name(ct->status), *name = ct->record.name;
	bool comes = ct->status == CT_STARTING || ct->status == CT_RESTARTING;

	err_set(err, ERR_STATE, 0, "container '%s' is not running", name);
	return comes ? err_hint(err, "it is %s: 'insula wait --condition running %s' waits for it",
				status, name)
		     : err_hint(err, "it is %s: 'insula start %s' starts it", status, name);
}

/* Does anybody make, keep or change it? 1, 0, -1. */
static int is_busy(const struct container *ct, struct err *err)
{
	int held = ct->run_fd < 0 ? 0 : file_lock_held(ct->run_fd, STORE_ALIVE, err);

	return held || ct->run_fd < 0 ? held : file_lock_held(ct->run_fd, "lock", err);
}

static int settles_not(const struct container *ct, struct err *err)
{
	if (ct->status == CT_STARTING) {
		err_set(err, ERR_TIMEOUT, 0, "container '%s' is still being started",
			ct->record.name);
		return err_hint(err, "insula rm --force %s ends that, and removes it",
				ct->record.name);
	}
	err_set(err, ERR_TIMEOUT, 0, "container '%s' has ended, and its keeper does not clear up",
		ct->record.name);
	return err_hint(err, "insula rm --force %s ends it", ct->record.name);
}

int engine_settle(struct container *ct, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	int64_t begin = clock_boot_ms();

	while (ct->status == CT_STARTING || ct->status == CT_STOPPING) {
		int64_t limit = ct->status == CT_STOPPING ? KEEPER_GRACE_MS : LOCK_TIMEOUT_MS;
		int busy = is_busy(ct, err);

		if (busy < 0)
			return -1;
		if (busy && clock_boot_ms() - begin > limit)
			return settles_not(ct, err);
		if (busy)
			nanosleep(&pause, NULL);
		if (store_refresh(ct, err) < 0)
			return -1;
		if (!busy && ct->status == CT_STARTING)
			return 0; /* and nobody starts it */
	}
	return 0;
}

/* Somebody in it may wait for a disk that its limits have stopped. */
static void lift_disk_limits(const struct container *ct)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err ignored = ERR_INIT;

	if (cgroup_host_probe_groups(&host, &ignored) == 0 &&
	    group_open_of(&host, ct, &cg, &ignored) == 0)
		cgroup_lift_disk_limits(&cg);
}

/* The last resort: the keeper's death is the container's, by the kernel. */
static int kill_keeper(struct container *ct, struct err *err)
{
	struct proc keeper = PROC_INIT;
	int status;

	if (!ct->state.keeper_pid)
		return settles_not(ct,
				   err); /* it is about to be gone, or hangs before it was one */
	if (proc_open(&keeper, ct->state.keeper_pid, ct->state.keeper_start, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	status = proc_signal(&keeper, SIGKILL, err);
	engine_thaw(ct); /* on v1 nothing frozen dies */
	lift_disk_limits(ct);
	if (status == 0 && proc_wait_end(&keeper, KEEPER_GRACE_MS, err) <= 0)
		status = err_set(
			err, ERR_TIMEOUT, 0,
			"the keeper of '%s' (process %d) cannot be killed: a process of the "
			"container hangs in the kernel",
			ct->record.name, ct->state.keeper_pid);
	proc_forget(&keeper);
	return status;
}

/* Until the keeper, which no longer takes requests, has cleared up. */
int engine_wait_cleared(const struct container *ct, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int64_t end = clock_boot_ms() + KEEPER_GRACE_MS;
	int held;

	while ((held = file_lock_held(ct->run_fd, STORE_ALIVE, err)) > 0 && clock_boot_ms() < end)
		nanosleep(&pause, NULL);
	if (held <= 0)
		return held;
	return err_set(err, ERR_TIMEOUT, 0, "the keeper of '%s' does not answer", ct->record.name);
}

static int repair_after_kill(struct container *ct, struct err *err)
{
	if (kill_keeper(ct, err) < 0)
		return -1;
	ct->status = CT_DEAD;
	return engine_repair(ct, err);
}

static int repair_if_dead(struct container *ct, struct err *err)
{
	if (store_refresh(ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	return ct->status == CT_DEAD ? engine_repair(ct, err) : 0;
}

/* Its keeper was killed before it could start it again: and now nobody is to. */
static int forget_restart(struct container *ct, struct err *err)
{
	own_fd int lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, err);

	if (lock_fd < 0)
		return store_is_gone(ct) ? 0 : -1;
	if (store_refresh(ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	if (ct->status != CT_EXITED)
		return 0; /* somebody was faster */
	ct->exit.stopped = true;
	return store_write_exit(ct, &ct->exit, err);
}

int engine_stop(struct container *ct, int64_t timeout_ms, struct err *err)
{
	int64_t wait = timeout_ms < 0 ? (int64_t)ct->record.stop_timeout_ms : timeout_ms;
	struct err asking = ERR_INIT;

	ct->stopped = true;
	if (engine_settle(ct, &asking) < 0) {
		if (asking.kind == ERR_NOT_FOUND)
			return 0;
		if (asking.kind == ERR_TIMEOUT && ct->status == CT_STOPPING)
			return repair_after_kill(ct, err);
		*err = asking;
		return -1;
	}
	if (ct->status == CT_DEAD)
		return engine_repair(ct, err);
	if (ct->status == CT_EXITED && engine_is_due(ct, false))
		return forget_restart(ct, err);
	if (!container_is_kept(ct))
		return 0;
	engine_thaw(ct);
	if (wait < 0 || wait > INT32_MAX - KEEPER_GRACE_MS) /* of an older record, without an end */
		wait = INT32_MAX - KEEPER_GRACE_MS;
	if (keeper_request(ct->run_fd, KEEPER_STOP, 0, wait, (int)wait + KEEPER_GRACE_MS,
			   &asking) == 0) {
		event_note(ct, "stop", NULL, NULL);
		return 0;
	}
	/* It ended by itself just now, or does not answer. */
	if ((asking.kind == ERR_STATE && engine_wait_cleared(ct, err) == 0) ||
	    file_lock_held(ct->run_fd, STORE_ALIVE, err) == 0)
		return repair_if_dead(ct, err);
	return repair_after_kill(ct, err);
}

int engine_kill(struct container *ct, int signal, struct err *err)
{
	struct proc init = PROC_INIT;
	struct err asking = ERR_INIT;
	int status;

	if (ct->status == CT_STARTING && engine_settle(ct, err) < 0)
		return -1;
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	if (keeper_request(ct->run_fd, KEEPER_SIGNAL, signal, 0, SIGNAL_TIMEOUT_MS, &asking) == 0) {
		if (signal == SIGKILL)
			engine_thaw(ct);
		event_note_number(ct, "kill", "signal", signal);
		return 0;
	}
	if (proc_open(&init, ct->state.init_pid, ct->state.init_start, err) < 0) {
		if (err->kind == ERR_NOT_FOUND)
			ct->status = CT_STOPPING; /* since just now */
		return err->kind == ERR_NOT_FOUND ? engine_not_running(ct, err) : -1;
	}
	status = proc_signal(&init, signal, err);
	proc_forget(&init);
	if (status == 0)
		event_note_number(ct, "kill", "signal", signal);
	return status;
}

int engine_upgrade(struct container *ct, struct err *err)
{
	char program[4096];

	if (engine_settle(ct, err) < 0)
		return -1;
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	if (keeper_find_program(program, sizeof program, err) < 0 ||
	    keeper_replace(ct->run_fd, program, REPLACE_TIMEOUT_MS, err) < 0)
		return err_wrap(err, "cannot upgrade the keeper of '%s'", ct->record.name);
	return 0;
}

static int drop_parent(const struct container *ct, const struct cgroup_host *host, struct err *err)
{
	own_free char *name = NULL;

	if (group_name_of(host, ct, &name, err) < 0)
		return -1;
	if (name)
		group_parent_drop(ct->store->run_fd, host, ct->id, name);
	return 0;
}

static int remove_cgroup(const struct container *ct, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err ignored = ERR_INIT;

	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (group_open_of(&host, ct, &cg, err) < 0 && err->kind != ERR_NOT_FOUND)
		return -1;
	*err = ERR_INIT;
	if (cg.count && (cgroup_kill(&cg, CGROUP_TIMEOUT_MS, err) < 0 ||
			 cgroup_remove(&cg, CGROUP_TIMEOUT_MS, err) < 0))
		return -1;
	/* A scope that stays is the doctor's, and not worth a container that cannot be removed. */
	group_end_scope(&host, ct->id, ct->record.cgroup_parent, ct->store->user, &ignored);
	return ct->record.cgroup_parent ? drop_parent(ct, &host, err) : 0;
}

static int record_death(struct container *ct, struct err *err)
{
	struct exit_record how = {.version = 1,
				  .code = KILLED_CODE,
				  .signal = SIGKILL,
				  .finished_ns = clock_real_ns(),
				  .started_ns = ct->state.started_ns,
				  .stopped = ct->stopped};
	struct err reading = ERR_INIT;

	exit_record_done(&ct->exit);
	ct->exit = (struct exit_record){0};
	if (ct->root_fd >= 0 && store_read_exit(ct->root_fd, &ct->exit, &reading) == 0 &&
	    (!ct->state.version || ct->exit.started_ns == ct->state.started_ns))
		return 0;
	exit_record_done(&ct->exit); /* of an earlier run */
	ct->exit = (struct exit_record){0};
	event_note_number(ct, "die", "code", how.code);
	if (ct->record.remove || ct->root_fd < 0)
		return 0;
	how.reason = str_dup("keeper died", err);
	if (!how.reason || store_write_exit(ct, &how, err) < 0) {
		free(how.reason);
		return -1;
	}
	ct->exit = how;
	return 0;
}

static int remove_and_tell(struct container *ct, struct err *err)
{
	if (store_remove(ct, err) < 0)
		return -1;
	event_note(ct, "remove", NULL, NULL);
	return 0;
}

int engine_repair_locked(struct container *ct, struct err *err)
{
	int held = file_lock_held(ct->run_fd, STORE_ALIVE, err);

	if (held)
		return held < 0 ? -1 : 0;
	if (store_refresh(ct, err) < 0 || remove_cgroup(ct, err) < 0 ||
	    fail_point("repair.cgroup", err) < 0 || engine_clear(ct, err) < 0)
		return -1;
	if (ct->record.remove && ct->status == CT_DEAD && record_death(ct, err) < 0)
		return -1;
	if (ct->record.remove || store_is_going(ct) || ct->status == CT_STARTING)
		return remove_and_tell(ct, err);
	if (record_death(ct, err) < 0 || fail_point("repair.exit", err) < 0 ||
	    file_unlink(ct->run_fd, STORE_STATE, err) < 0 ||
	    file_unlink(ct->run_fd, STORE_RESTARTING, err) < 0 ||
	    file_unlink(ct->run_fd, STORE_STOPPING, err) < 0 ||
	    file_unlink(ct->run_fd, "ctl", err) < 0)
		return -1;
	ct->status = CT_EXITED;
	return 0;
}

int engine_repair(struct container *ct, struct err *err)
{
	own_fd int lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, err);

	if (lock_fd < 0)
		return store_is_gone(ct) ? 0 : -1;
	return engine_repair_locked(ct, err);
}

int engine_clear(struct container *ct, struct err *err)
{
	if (remove_cgroup(ct, err) < 0 || store_release_ids_of(ct->store, ct->id, err) < 0)
		return -1;
	ct->state.id_slot = -1;
	return 0;
}

int engine_discard(struct container *ct, struct err *err)
{
	return engine_clear(ct, err) < 0 ? -1 : remove_and_tell(ct, err);
}

/* Nobody can ask him anything yet; with him dies what he has made so far, by the kernel, and whoever waits for
 * him takes back the rest. */
static int kill_starter(struct container *ct, struct err *err)
{
	struct proc starter = PROC_INIT;
	struct err ignored = ERR_INIT;
	int found = store_find_starter(ct, &starter, err);

	if (found <= 0)
		return found;
	pid_t pid = starter.pid;
	proc_signal(&starter, SIGKILL, &ignored);
	int ended = proc_wait_end(&starter, KEEPER_GRACE_MS, err);
	proc_forget(&starter);
	if (ended)
		return ended < 0 ? -1 : 0;
	err_set(err, ERR_TIMEOUT, 0,
		"the start of '%s' (process %d) cannot be ended: it, or a process below it, hangs "
		"in the kernel",
		ct->record.name, pid);
	return err_hint(err, "it ends with what it waits for, a file server that does not "
			     "answer as a rule; then remove it again");
}

static int end_before_removal(struct container *ct, int64_t stop_ms, struct err *err)
{
	if (stop_ms >= 0 && ct->status == CT_STARTING && ct->run_fd >= 0 &&
	    kill_starter(ct, err) < 0)
		return -1;
	if (stop_ms >= 0)
		return engine_stop(ct, stop_ms, err);
	if (engine_settle(ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	if (!container_is_kept(ct))
		return 0;
	err_set(err, ERR_STATE, 0, "container '%s' is %s", ct->record.name,
		container_shown_status(ct));
	return err_hint(err, "stop it first, or give --force");
}

int engine_remove(struct container *ct, int64_t stop_ms, struct err *err)
{
	if (requires_check_removal(ct, err) < 0 || fail_point("remove.checked", err) < 0 ||
	    end_before_removal(ct, stop_ms, err) < 0)
		return -1;
	if (store_is_gone(ct))
		return 0; /* its keeper has removed it */
	own_fd int lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, err);
	if (lock_fd < 0)
		return store_is_gone(ct) ? 0 : -1;
	/* What a keeper was just forking for a health check shares its lock until it executes. */
	if (engine_wait_cleared(ct, err) < 0)
		return -1;
	/* One that requires it may have been made while it was stopped. */
	if (requires_check_removal(ct, err) < 0 || fail_point("remove.decided", err) < 0)
		return -1;
	return engine_discard(ct, err);
}

int engine_sweep(struct store *store, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (store_list_removed(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		if (store_finish_removal(store, ids.items[i], -1, err) < 0)
			return -1;
	return 0;
}
