/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other half of a restart (keeper_restart.c has the first): we were executed by a keeper in its own
 * place, hold its container's lock and socket, and are to become its next keeper.
 *
 * Nobody waits for us but the clients that the state hands on, and there is nobody to report to: what goes
 * wrong is recorded as the container's end, with its reason, and is the last one. To try for ever what
 * cannot be started helps nobody, and with each try its log and its exit would say less.
 */
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/engine.h"
#include "engine/keeper.h"
#include "engine/launch.h"
#include "engine/lifecycle.h"
#include "engine/restart_policy.h"
#include "engine/store_private.h"
#include "engine/user.h"

#define LOCK_TRY_MS 2000
#define START_MS 160000

bool engine_is_due(const struct container *ct, bool booted)
{
	struct restart_policy policy;
	struct err ignored = ERR_INIT;
	bool stopped = ct->exit.stopped;

	if (restart_policy_parse(ct->record.restart, &policy, &ignored) < 0)
		return false;
	if (booted && policy.kind == RESTART_ALWAYS)
		stopped = false;
	return ct->status == CT_EXITED &&
	       restart_policy_wants(&policy, ct->exit.code, stopped, ct->exit.restarts);
}

/* By `insula start`, as it may take a sealed copy of us, and a caller of ours has other things to do. */
static int revive(struct container *ct, bool booted, struct err *err)
{
	char program[4096];
	char *argv[] = {program,	(char *)"--root", ct->store->root, (char *)"--runroot",
			ct->store->run, (char *)"start",  ct->id,	   NULL};
	own(str) struct str said = STR_INIT(4096);
	int code = 0;

	if (!ct->record.restart)
		return 0;
	if (ct->status == CT_DEAD && engine_repair(ct, err) < 0)
		return -1;
	if (!engine_is_due(ct, booted))
		return 0;
	if (proc_find_ours("insula", "INSULA_SELF", program, sizeof program, err) < 0 ||
	    proc_run(argv, START_MS, &said, &code, err) < 0)
		return err_wrap(err, "cannot start '%s' again", ct->record.name);
	return code == 0 ? 1
			 : err_set(err, ERR_STATE, 0, "'%s' could not be started again",
				   ct->record.name);
}

int engine_revive(struct container *ct, struct err *err)
{
	return revive(ct, false, err) < 0 ? -1 : 0;
}

int engine_revive_booted(struct container *ct, struct err *err)
{
	return revive(ct, true, err);
}

static void tell_clients(const struct keeper_state *state, int code)
{
	const struct keeper_client_state *clients = state->clients.items;
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i < state->clients.count; i++)
		if (clients[i].attached || clients[i].waiting)
			keeper_send(clients[i].fd, KEEPER_EXIT, code, 0, NULL, 0, &ignored);
}

/* The end that this start is. The lock goes with our process, after everything. */
static void record_failure(struct container *ct, const struct keeper_state *state,
			   const struct err *why)
{
	struct err ignored = ERR_INIT;
	struct exit_record how = {.version = 1,
				  .code = err_exit_code(why),
				  .finished_ns = clock_real_ns(),
				  .started_ns = clock_real_ns(),
				  .restarts = state->restarts,
				  .stopped = true};

	how.reason = str_printf(&ignored, "failed to start again: %s", why->message);
	engine_clear(ct, &ignored);
	store_write_exit(ct, &how, &ignored);
	file_unlink(ct->run_fd, STORE_STATE, &ignored);
	file_unlink(ct->run_fd, STORE_RESTARTING, &ignored);
	file_unlink(ct->run_fd, "ctl", &ignored);
	store_unmark_fresh(ct, &ignored);
	tell_clients(state, how.code);
	exit_record_done(&how);
}

static int start(struct container *ct, struct keeper_state *state, struct err *err)
{
	own(image) struct image image = IMAGE_INIT;
	own_free char *cache = user_image_cache(ct->store, err);

	if (!cache || fail_point("again.locked", err) < 0 ||
	    (ct->store->user && user_prepare(ct->record.userns, &ct->record.spec, err) < 0) ||
	    image_open(ct->record.image, cache, &image, err) < 0 ||
	    launch_keep_writable(ct, &image, err) < 0 || store_mark_fresh(ct, err) < 0)
		return -1;
	/* The state is written into the same file, and half of it is nobody's business. */
	if (file_unlink(ct->run_fd, STORE_RESTARTING, err) < 0 ||
	    fail_point("again.fresh", err) < 0)
		return -1;
	ct->again = true;
	return engine_start_in_place(ct, &image, state, err);
}

static int seal_if_needed(struct container *ct, const struct keeper_state *state, int state_fd,
			  engine_seal_fn *seal, void *data, struct err *err)
{
	if (store_need_spec(ct, err) < 0)
		return -1;
	if (!engine_wants_seal(ct->store, &ct->record.spec))
		return 0;
	if (keeper_state_pass(state, state_fd, err) < 0 ||
	    seal(data, ct->record.spec.init, err) < 0)
		return -1;
	return fd_cloexec_from(3, err);
}

/* Whoever holds it for so long hangs or was stopped. To give up would be the end of its restarts, which nobody
 * asked for, and without the lock it could not even be recorded. */
static int lock_whenever(struct container *ct, struct err *err)
{
	for (;;) {
		int fd = store_lock(ct, LOCK_TRY_MS, err);

		if (fd >= 0 || err->kind != ERR_BUSY)
			return fd;
		*err = ERR_INIT;
	}
}

/* With its lock, and what its record says since that is ours. */
static int load(struct store *store, const char *id, struct container *ret, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_load(store, id, &ct, err) < 0)
		return -1;
	own_fd int lock_fd = lock_whenever(&ct, err);
	if (lock_fd < 0 || store_load(store, id, ret, err) < 0)
		return -1;
	ret->lock_fd = take_fd(lock_fd);
	return 0;
}

int engine_again(struct store *store, int state_fd, engine_seal_fn *seal, void *data,
		 struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct keeper_state state;
	int status = -1;

	if (keeper_state_load(state_fd, &state, err) < 0)
		return -1;
	if (state.user)
		user_go_on(store);
	if (fail_point("again.loaded", err) == 0 && load(store, state.id, &ct, err) == 0) {
		if (seal_if_needed(&ct, &state, state_fd, seal, data, err) == 0)
			status = start(&ct, &state, err);
		record_failure(&ct, &state, err);
	}
	keeper_state_done(&state);
	return status;
}
