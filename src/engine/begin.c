/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a container that exists: one that was made by `create`, or that has ended.
 *
 * Its record, its name and what it wrote are as they were; everything else is as of a first start: a new
 * keeper, another id range (what it wrote is kept by the ids inside), a new control group. The lock is
 * ours from before we look until its command runs, so that two starts at once are one. What tells that
 * it has not run yet, or how it ended last, is forgotten when its state says that it runs
 * (store_write_state), so whoever is killed at any moment leaves it as it was, or dead.
 *
 * A start that fails leaves the container as it was: with `run` alone it goes.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "engine/keeper.h"
#include "engine/launch.h"
#include "engine/lifecycle.h"
#include "engine/requires.h"
#include "engine/service.h"
#include "engine/store_private.h"
#include "engine/user.h"

#define LOCK_TIMEOUT_MS 30000
#define ASK_TIMEOUT_MS 5000
#define TRIES 8

/* What it is, and what its record says, may have changed until its lock was ours. */
static int read_again(struct container *ct, struct err *err)
{
	struct container now;

	if (store_load(ct->store, ct->id, &now, err) < 0)
		return -1;
	now.lock_fd = ct->lock_fd;
	ct->lock_fd = -1;
	container_done(ct);
	*ct = now;
	return 0;
}

/* Until it is ours to start: 1; or runs: 0. Others may start, stop and repair it between our looks. */
static int hold(struct container *ct, struct err *err)
{
	for (int tries = 0; tries < TRIES; tries++) {
		if (engine_settle(ct, err) < 0)
			return -1;
		if (container_is_kept(ct))
			return 0;
		ct->lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, err);
		if (ct->lock_fd < 0 || read_again(ct, err) < 0)
			return -1;
		if (ct->status == CT_DEAD && engine_repair_locked(ct, err) < 0)
			return -1;
		if (store_is_gone(ct))
			return err_set(err, ERR_NOT_FOUND, 0, "container '%s' was removed",
				       ct->record.name);
		if (ct->status == CT_CREATED || ct->status == CT_EXITED)
			return 1;
		if (ct->status == CT_STARTING && file_lock_held(ct->run_fd, STORE_ALIVE, err) == 0)
			return err_set(err, ERR_STATE, 0, "container '%s' was never finished",
				       ct->record.name);
		fd_close(ct->lock_fd);
		ct->lock_fd = -1;
	}
	return err_set(err, ERR_BUSY, 0, "container '%s' does not come to rest", ct->record.name);
}

static void say_if_upgraded(const struct container *ct, const struct image *image)
{
	if (ct->record.image_stamp && *ct->record.image_stamp && image->stamp &&
	    strcmp(ct->record.image_stamp, image->stamp) != 0)
		warn_emit(
			"the host was upgraded since '%s' was made: what it wrote lies over newer "
			"files now",
			ct->record.name);
}

/* Back to what it was. What cannot be undone is what doctor finds. */
static void take_back(struct container *ct)
{
	struct err ignored = ERR_INIT;

	engine_clear(ct, &ignored);
	file_unlink(ct->run_fd, STORE_STATE, &ignored);
	file_unlink(ct->run_fd, "ctl", &ignored);
	if (ct->status == CT_CREATED) {
		store_mark_ready(ct, &ignored);
		return;
	}
	if (faccessat(ct->root_fd, STORE_EXIT, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		store_write_exit(ct, &ct->exit, &ignored);
	store_unmark_fresh(ct, &ignored);
}

static int start(struct container *ct, const struct image *image, bool attach, int *ret_client_fd,
		 struct err *err)
{
	int fresh;

	say_if_upgraded(ct, image);
	if (launch_keep_writable(ct, image, err) < 0)
		return -1;
	fresh = store_mark_fresh(ct, err);
	if (fresh < 0 || (fresh > 0 && engine_clear(ct, err) < 0))
		return -1;
	ct->again = true;
	engine_set_console(&ct->record.spec.process);
	if (fail_point("begin.fresh", err) == 0 &&
	    engine_start(ct, image, attach, ret_client_fd, err) == 0)
		return 1;
	take_back(ct);
	return -1;
}

static int begin_alone(struct container *ct, bool attach, int *ret_client_fd, struct err *err)
{
	own(image) struct image image = IMAGE_INIT;
	own_free char *cache = user_image_cache(ct->store, err);
	int held = !cache || launch_check_caller(err) < 0 ? -1 : hold(ct, err);

	if (held <= 0)
		return held;
	if (store_need_spec(ct, err) < 0 || launch_check_secrets(ct->store, &ct->record, err) < 0 ||
	    image_open(ct->record.image, cache, &image, err) < 0)
		return -1;
	return start(ct, &image, attach, ret_client_fd, err);
}

static int begin_required(struct store *store, const char *id, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	own_fd int client_fd = -1;

	if (store_load(store, id, &ct, err) < 0)
		return err_wrap(err, "cannot start what it requires");
	if (begin_alone(&ct, false, &client_fd, err) < 0)
		return err_wrap(err, "cannot start '%s', which it requires", ct.record.name);
	if (ct.record.sdnotify && service_await_ready(store, id, err) < 0)
		return err_wrap(err, "what it requires");
	return 0;
}

int launch_begin_required(struct store *store, const struct strv *ids, struct err *err)
{
	own(strv) struct strv order = STRV_INIT;

	if (!ids->count)
		return 0;
	if (requires_all(store, ids, &order, err) < 0)
		return -1;
	for (size_t i = 0; i < ids->count; i++)
		if (!strv_contains(&order, ids->items[i]))
			return err_set(err, ERR_NOT_FOUND, 0,
				       "container %.12s, which it requires, was removed",
				       ids->items[i]);
	for (size_t i = 0; i < order.count; i++)
		if (begin_required(store, order.items[i], err) < 0)
			return -1;
	return 0;
}

int engine_begin(struct container *ct, bool attach, int *ret_client_fd, struct err *err)
{
	if (!container_is_kept(ct) &&
	    launch_begin_required(ct->store, &ct->record.requires, err) < 0)
		return -1;
	return begin_alone(ct, attach, ret_client_fd, err);
}

/* Its keeper is not to remove what is started again in a moment. */
static int keep_files(const struct container *ct, struct err *err)
{
	struct err asking = ERR_INIT;

	if (!ct->record.remove || !container_is_kept(ct) ||
	    keeper_request(ct->run_fd, KEEPER_KEEP, 0, 0, ASK_TIMEOUT_MS, &asking) == 0)
		return 0;
	if (asking.kind != ERR_UNSUPPORTED)
		return 0; /* it has just ended */
	err_set(err, ERR_UNSUPPORTED, 0,
		"container '%s' has --rm, and its keeper, of an older version, would remove it",
		ct->record.name);
	return err_hint(err,
			"insula system upgrade %s replaces the keeper, and the container goes on",
			ct->record.name);
}

int engine_restart(struct container *ct, int64_t timeout_ms, struct err *err)
{
	own_fd int client_fd = -1;

	if (engine_settle(ct, err) < 0 || keep_files(ct, err) < 0 ||
	    engine_stop(ct, timeout_ms, err) < 0 || fail_point("restart.stopped", err) < 0)
		return -1;
	if (store_refresh(ct, err) < 0)
		return -1;
	return engine_begin(ct, false, &client_fd, err) < 0 ? -1 : 0;
}
