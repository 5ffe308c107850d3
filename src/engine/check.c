/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checking the store: see check.h. Each container is read as every verb reads it, checksums included, and then
 * what others find it by: its name, its range of ids, its layers; and each secret as a start reads it. A container
 * that is being made, changed or removed just now looks wrong for a moment, so what is wrong is looked at once more
 * with its lock held.
 */
#include "engine/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/secret.h"
#include "engine/store_private.h"

#define LOCK_TIMEOUT_MS 2000
#define SETTLE_TRIES 25
#define SETTLE_PAUSE_US 20000

struct checking {
	struct store *store;
	struct check_report *report;
	bool repair;
	int names_fd;
};

void check_report_done(struct check_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->items[i].object);
		free(report->items[i].text);
	}
	free(report->items);
	*report = (struct check_report){0};
}

__attribute__((format(printf, 4, 5))) static int found(struct checking *c, const char *object,
						       bool repaired, const char *format, ...)
{
	struct check_report *r = c->report;
	struct check_problem *grown = reallocarray(r->items, r->count + 1, sizeof *grown);
	va_list ap;
	char text[1024];

	if (!grown)
		return -1;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	r->items = grown;
	grown[r->count++] = (struct check_problem){strdup(object), strdup(text), repaired};
	return 0;
}

/* ---- a container ---- */

static bool has(int dir_fd, const char *path)
{
	struct stat st;

	return dir_fd >= 0 && fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* Nobody else has the name, as a free one can be claimed. */
static bool claim_again(struct checking *c, const struct container *ct)
{
	struct err claiming = ERR_INIT;

	return c->repair && store_claim_name(c->store, ct->record.name, ct->id, !ct->record.remove,
					     &claiming) == 0;
}

static int check_name(struct checking *c, const struct container *ct, const char *object)
{
	struct err reading = ERR_INIT;
	own_free char *owner = store_name_owner(c->names_fd, ct->record.name, &reading);

	if (str_eq(owner, ct->id) || ct->record.version == 0)
		return 0;
	if (owner)
		return found(c, object, false, "its name '%s' leads to container %.12s",
			     ct->record.name, owner);
	return found(c, object, claim_again(c, ct), "its name '%s' leads nowhere", ct->record.name);
}

static int check_layers(struct checking *c, const struct container *ct, const char *object)
{
	static const char *const parts[] = {"upper", "work"};

	if (ct->record.layers_in_run && !container_is_kept(ct))
		return 0; /* a reboot may have taken them, and a start makes them anew */
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (!has(container_layers_fd(ct), parts[i]) &&
		    found(c, object, false, "its layer has no '%s'", parts[i]) < 0)
			return -1;
	return 0;
}

static int check_range(struct checking *c, const struct container *ct, const char *object)
{
	own_fd int ids_fd = openat(c->store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_free char *owner = NULL;
	char slot[16];

	if (ct->status != CT_RUNNING || ct->state.id_slot < 0 || ids_fd < 0)
		return 0;
	snprintf(slot, sizeof slot, "%d", ct->state.id_slot);
	owner = store_slot_owner(ids_fd, slot);
	if (str_eq(owner, ct->id) || store_shares_slot(ids_fd, ct->state.id_slot, ct->id))
		return 0;
	return found(c, object, false, "its range of ids, %s, is taken by %.12s", slot,
		     owner ? owner : "nobody");
}

static int check_parts(struct checking *c, struct container *ct, const char *object)
{
	struct err reading = ERR_INIT;

	if (store_load_spec(ct, &reading) < 0)
		return found(c, object, false, "%s", reading.message);
	if (check_name(c, ct, object) < 0 || check_layers(c, ct, object) < 0 ||
	    check_range(c, ct, object) < 0)
		return -1;
	return 0;
}

/* 1: it is well, or gone; 0: something was found, if `report`. */
static int look_at(const struct checking *checking, const char *id, bool report, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	own(check_report) struct check_report scratch = {0};
	struct checking c = *checking;
	struct err loading = ERR_INIT;
	char object[64];
	int status = 0;

	snprintf(object, sizeof object, "container %.12s", id);
	if (!report) {
		c.report = &scratch;
		c.repair = false;
	}
	if (store_load(c.store, id, &ct, &loading) == 0)
		status = ct.status == CT_STARTING ? 0 : check_parts(&c, &ct, object);
	else if (loading.kind != ERR_NOT_FOUND)
		status = found(&c, object, false, "%s", loading.message);
	if (status < 0)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot check the store");
	return c.report->count == 0;
}

/* A keeper removes its container without the lock, the name first. 1: it was at that, or it is well. */
static int settles(struct checking *c, const char *id, int run_fd, struct err *err)
{
	struct err ignored = ERR_INIT;
	int well = 0;

	for (int tries = 0; tries < SETTLE_TRIES && !well && run_fd >= 0; tries++) {
		if (file_lock_held(run_fd, STORE_ALIVE, &ignored) <= 0)
			return 0;
		usleep(SETTLE_PAUSE_US);
		well = look_at(c, id, false, err);
	}
	return well;
}

/* With the lock where it can be had: one whose holder hangs is looked at all the same. */
static int check_container(struct checking *c, const char *id, struct err *err)
{
	struct err locking = ERR_INIT;
	int well = look_at(c, id, false, err);
	char path[sizeof "containers/" + STORE_ID_LENGTH];

	c->report->containers++;
	if (well)
		return well < 0 ? -1 : 0;
	snprintf(path, sizeof path, "containers/%s", id);
	own_fd int run_fd = openat(c->store->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int lock_fd = -1;
	if (run_fd >= 0)
		lock_fd = file_lock_existing(run_fd, "lock", LOCK_EXCLUSIVE, LOCK_TIMEOUT_MS,
					     &locking);
	(void)lock_fd; /* held to the end */
	well = settles(c, id, run_fd, err);
	if (well)
		return well < 0 ? -1 : 0;
	return look_at(c, id, true, err) < 0 ? -1 : 0;
}

/* ---- names ---- */

/* Two names of one container: a rename that was killed. The record says which it has. */
static bool drop_other_name(struct checking *c, const char *name, struct container *ct)
{
	struct err ending = ERR_INIT;
	own_free char *owner = NULL;

	if (!c->repair)
		return false;
	own_fd int lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, &ending);
	if (lock_fd < 0 || store_end_rename(ct, &ending) < 0)
		return false;
	owner = store_name_owner(c->names_fd, name, &ending);
	return !owner || (str_eq(owner, ct->id) && file_unlink(c->names_fd, name, &ending) == 0);
}

/* A name is there before its container is, and we may have read it before it went. */
static bool is_left(const struct checking *c, const char *name, const char *owner)
{
	struct err ignored = ERR_INIT;

	for (int tries = 0; tries < SETTLE_TRIES; tries++) {
		own_free char *now = NULL;

		if (store_has(c->store, owner))
			return false;
		now = store_name_owner(c->names_fd, name, &ignored);
		if (!str_eq(now, owner))
			return false;
		usleep(SETTLE_PAUSE_US);
	}
	return true;
}

static int check_name_file(struct checking *c, const char *name)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err reading = ERR_INIT;
	own_free char *owner = store_name_owner(c->names_fd, name, &reading);
	char object[STORE_NAME_MAX + 16];

	c->report->names++;
	snprintf(object, sizeof object, "name '%.*s'", STORE_NAME_MAX, name);
	/* If a container has one that was never written, then that was told with it; else it is the doctor's. */
	if (!owner)
		return reading.kind == ERR_NOT_FOUND || store_name_is_unwritten(c->names_fd, name)
			       ? 0
			       : found(c, object, false, "%s", reading.message);
	if (is_left(c, name, owner))
		return found(c, object,
			     c->repair &&
				     store_drop_name(c->store, c->names_fd, name, &reading) == 0,
			     "it leads to a container that is gone");
	if (store_load(c->store, owner, &ct, &reading) < 0 || ct.record.version == 0 ||
	    ct.status == CT_STARTING || str_eq(ct.record.name, name))
		return 0; /* what is wrong with the container is told with it */
	return found(c, object, drop_other_name(c, name, &ct),
		     "it leads to container %.12s, whose name is '%s'", owner, ct.record.name);
}

static int check_names(struct checking *c, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	struct err checking = ERR_INIT;

	if (file_list(c->names_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (store_check_name(names.items[i], &checking) == 0 &&
		    check_name_file(c, names.items[i]) < 0)
			return err_set(err, ERR_LIMIT, ENOMEM, "cannot check the store");
	return 0;
}

/* ---- secrets ---- */

static int check_secrets(struct checking *c, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (secret_list(c->store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		own(secret_value) struct secret_value value = {0};
		struct err reading = ERR_INIT;

		if (secret_load(c->store, names.items[i], &value, &reading) < 0 &&
		    reading.kind != ERR_NOT_FOUND &&
		    found(c, "secrets", false, "%s", reading.message) < 0)
			return err_set(err, ERR_LIMIT, ENOMEM, "cannot check the store");
	}
	return 0;
}

int engine_check(struct store *store, bool repair, struct check_report *ret, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	own_fd int names_fd = store_open_names(store, err);
	struct checking c = {.store = store, .report = ret, .repair = repair, .names_fd = names_fd};

	*ret = (struct check_report){0};
	if (names_fd < 0 || store_list(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		if (check_container(&c, ids.items[i], err) < 0)
			return -1;
	return check_names(&c, err) < 0 ? -1 : check_secrets(&c, err);
}
