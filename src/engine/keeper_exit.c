/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a container: record it, clear up, let go.
 *
 * By now init was reaped, so the kernel has killed every process of its pid namespace, and with the
 * last process went its mounts, interfaces and namespaces. Left are an exit code, control groups,
 * writable layers that we hold, an id range and files. The order of the steps below is chosen for the moment at which the keeper
 * itself is killed:
 *
 *	before the record	the container is found without a keeper: "dead", exit unknown
 *	after the record	it is "exited"; groups and ranges are told by the id they carry, and
 *				the keeper's lock, which is free, tells that nobody will remove them
 *	during the removal	the run directory goes last (store_exit.c)
 *
 * While we are at it, others find the container "stopping": locked, and the state has another name. It
 * goes last, because it tells them whom to kill should this hang.
 *
 * A step that fails is no reason to skip the others: what it left is what `doctor` finds. Only the removal
 * waits for the groups: while one stays, its container does, and the next who looks at it clears both.
 * The lock is released after everything, so that whoever waits for it finds a container that is done.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "engine/event.h"
#include "engine/group_parent.h"
#include "engine/keeper_private.h"
#include "engine/store_private.h"
#include "kernel/cgroup.h"

#define CGROUP_WAIT_MS 5000

struct ending {
	struct keeper *k;
	struct store store;
	struct container ct; /* only what the store needs to record and remove */
	struct cgroup_host host;
	struct cgroup cgroup;
	bool group_stays;
};

static int open_directory(int store_fd, const char *id)
{
	char path[sizeof("containers/") + STORE_ID_LENGTH];

	snprintf(path, sizeof(path), "containers/%s", id);
	return openat(store_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_store(struct ending *e, struct err *err)
{
	const struct keeper_state *state = &e->k->state;
	struct container *ct = &e->ct;

	if (!state->root || !state->run || strlen(state->id) != STORE_ID_LENGTH)
		return err_set(err, ERR_NOT_FOUND, 0, "the keeper has no store");
	e->store.root_fd = open(state->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	e->store.run_fd = open(state->run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (e->store.root_fd < 0 || e->store.run_fd < 0)
		return err_errno(err, "cannot open the store '%s'", state->root);
	ct->store = &e->store;
	memcpy(ct->id, state->id, sizeof(ct->id));
	ct->record.remove = state->remove;
	ct->state.id_slot = state->id_slot;
	ct->root_fd = open_directory(e->store.root_fd, ct->id);
	ct->run_fd = open_directory(e->store.run_fd, ct->id);
	return 0;
}

static int open_cgroup(struct ending *e, struct err *err)
{
	if (!e->k->state.cgroup_name)
		return err_set(err, ERR_NOT_FOUND, 0, "the container has no cgroup");
	if (cgroup_host_probe_groups(&e->host, err) < 0)
		return -1;
	return cgroup_open(&e->host, e->k->state.cgroup_name, &e->cgroup, err);
}

static int step_measure(struct ending *e, struct err *err)
{
	e->k->oom_killed = e->cgroup.count > 0 && cgroup_oom_kills(&e->host, &e->cgroup) > 0;
	return 0;
}

/* Why it ended, as far as we know more than its exit status says. */
static const char *reason_of(const struct keeper *k)
{
	if (k->was_unhealthy)
		return "unhealthy";
	if (k->exit_signal == SIGKILL && k->oom_killed)
		return "out of memory";
	if (k->exit_signal == SIGKILL && k->time_was_up)
		return "stop timeout";
	if (k->state.stopped || k->state.ending)
		return "stopped";
	return k->exit_signal ? "signalled" : "exited";
}

/* A container that goes at once leaves no record: its exit code is in KEEPER_EXIT. */
static int step_record(struct ending *e, struct err *err)
{
	const struct keeper *k = e->k;
	struct exit_record record = {
		.version = 1,
		.code = k->exit_code,
		.signal = k->exit_signal,
		.oom_killed = k->oom_killed,
		.stopped = k->state.stopped,
		.restarts = k->state.restarts,
		.finished_ns = k->finished_ns,
		.started_ns = k->state.started_ns,
		.reason = (char *)reason_of(k),
	};

	if (!e->ct.store || e->ct.root_fd < 0 || k->state.remove)
		return 0;
	return store_write_exit(&e->ct, &record, err);
}

static int step_tell(struct ending *e, struct err *err)
{
	const struct keeper *k = e->k;

	event_identity_read(&e->ct);
	if (k->oom_killed)
		event_note(&e->ct, "oom", NULL, NULL);
	event_note_number(&e->ct, "die", "code", k->exit_code);
	return 0;
}

/* Processes from outside that joined (exec) and left the pid namespace out are killed with it. */
static int step_cgroup(struct ending *e, struct err *err)
{
	e->group_stays = !cgroup_remove_empty(&e->cgroup) &&
			 (cgroup_kill(&e->cgroup, CGROUP_WAIT_MS, err) < 0 ||
			  cgroup_remove(&e->cgroup, CGROUP_WAIT_MS, err) < 0);
	if (e->group_stays)
		return -1;
	/* For the others there is a lock, which may be held by somebody who was stopped. */
	if (e->ct.store && e->k->state.cgroup_name && !e->k->state.usual_group)
		group_parent_drop(e->store.run_fd, &e->host, e->ct.id, e->k->state.cgroup_name);
	return 0;
}

/* The last hold on them, so this unmounts them and takes as long as it takes to write them back. */
static int step_layers(struct ending *e, struct err *err)
{
	struct json_array *layers = &e->k->state.layers;
	struct keeper_layer_state *states = layers->items;

	for (size_t i = 0; i < layers->count; i++)
		fd_close(states[i].fd);
	layers->count = 0;
	return 0;
}

static int step_ids(struct ending *e, struct err *err)
{
	if (e->ct.store)
		store_release_ids(&e->store, e->ct.id, e->k->state.id_slot);
	return 0;
}

static int rename_state(const struct ending *e, const char *from, const char *to, struct err *err)
{
	if (!e->ct.store || e->ct.run_fd < 0 || renameat(e->ct.run_fd, from, e->ct.run_fd, to) == 0)
		return 0;
	return err_errno(err, "cannot say that the container is ending");
}

/* From here on nobody new can connect, unless it is started again. */
static int step_socket(struct ending *e, struct err *err)
{
	struct keeper *k = e->k;

	if (k->restarting)
		return rename_state(e, STORE_STATE, STORE_RESTARTING, err);
	loop_remove(k->listen_source);
	k->listen_source = NULL;
	fd_close(k->state.listen_fd);
	k->state.listen_fd = -1;
	if (e->ct.store && e->ct.run_fd >= 0) {
		unlinkat(e->ct.run_fd, "ctl", 0);
		return rename_state(e,
				    k->phase == KEEPER_RESTARTING ? STORE_RESTARTING : STORE_STATE,
				    STORE_STOPPING, err);
	}
	return 0;
}

static int step_remove(struct ending *e, struct err *err)
{
	if (!e->ct.store || !e->k->state.remove || e->group_stays)
		return 0;
	if (store_retire(&e->ct, &e->k->retired_fd, err) < 0)
		return -1;
	event_note(&e->ct, "remove", NULL, NULL);
	return 0;
}

static int step_release(struct ending *e, struct err *err)
{
	if (e->k->restarting)
		return 0;
	if (e->ct.store && e->ct.run_fd >= 0) {
		unlinkat(e->ct.run_fd, STORE_STATE, 0); /* where the step above failed */
		unlinkat(e->ct.run_fd, STORE_RESTARTING, 0);
		unlinkat(e->ct.run_fd, STORE_STOPPING, 0);
	}
	fd_close(e->k->state.alive_fd);
	e->k->state.alive_fd = -1;
	return 0;
}

static const struct step {
	const char *failpoint;
	int (*run)(struct ending *e, struct err *err);
} steps[] = {
	{"keeper.exit.measure", step_measure}, {"keeper.exit.record", step_record},
	{"keeper.exit.tell", step_tell},       {"keeper.exit.socket", step_socket},
	{"keeper.exit.cgroup", step_cgroup},   {"keeper.exit.layers", step_layers},
	{"keeper.exit.ids", step_ids},	       {"keeper.exit.remove", step_remove},
	{"keeper.exit.release", step_release},
};

/* Of one whose restart does not come; the rest was done at its end. */
static const struct step late_steps[] = {
	{"keeper.late.record", step_record},
	{"keeper.late.socket", step_socket},
	{"keeper.late.release", step_release},
};

/* When everybody has their answer. */
void keeper_finish_removal(struct keeper *k)
{
	struct store store = {.run_fd = -1};
	struct err ignored;

	if (k->retired_fd < 0 || fail_point("keeper.exit.files", &ignored) < 0)
		return;
	store.root_fd = open(k->state.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (store.root_fd >= 0)
		store_finish_removal(&store, k->state.id, k->retired_fd, &ignored);
	fd_close(store.root_fd);
	fd_close(k->retired_fd);
	k->retired_fd = -1;
}

static void run_steps(struct keeper *k, const struct step *list, size_t count)
{
	struct ending e = {.k = k,
			   .store = {.root_fd = -1, .run_fd = -1},
			   .ct = CONTAINER_INIT,
			   .cgroup = CGROUP_INIT};
	struct err ignored;

	if (open_store(&e, &ignored) < 0)
		e.ct.store = NULL;
	/* Until it is removed. */
	e.group_stays = open_cgroup(&e, &ignored) == 0 || ignored.kind != ERR_NOT_FOUND;
	for (size_t i = 0; i < count; i++)
		if (fail_point(list[i].failpoint, &ignored) == 0)
			list[i].run(&e, &ignored);
	event_identity_done(&e.ct);
	fd_close(e.ct.root_fd);
	fd_close(e.ct.run_fd);
	cgroup_done(&e.cgroup);
	cgroup_host_done(&e.host);
	fd_close(e.store.root_fd);
	fd_close(e.store.run_fd);
}

void keeper_clear_up(struct keeper *k)
{
	run_steps(k, steps, sizeof(steps) / sizeof(steps[0]));
}

void keeper_let_go(struct keeper *k)
{
	run_steps(k, late_steps, sizeof(late_steps) / sizeof(late_steps[0]));
}
