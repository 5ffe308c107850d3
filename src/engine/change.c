/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changing a container that there is. Whoever changes its record holds its lock, and reads the record
 * after having it: two that change at once would undo each other's work otherwise.
 */
#include "engine/change.h"

#include "base/own.h"
#include "engine/event.h"
#include "engine/lifecycle.h"
#include "engine/store_private.h"

#define LOCK_TIMEOUT_MS 30000

int change_begin(struct container *ct, struct err *err)
{
	struct container now;

	if (ct->status == CT_STARTING && engine_settle(ct, err) < 0)
		return -1;
	own_fd int lock_fd = store_lock(ct, LOCK_TIMEOUT_MS, err);
	if (lock_fd < 0 || store_load(ct->store, ct->id, &now, err) < 0)
		return -1;
	container_done(ct);
	*ct = now;
	return store_need_spec(ct, err) < 0 ? -1 : take_fd(lock_fd);
}

int engine_rename(struct container *ct, const char *name, struct err *err)
{
	own_free char *old = NULL;

	if (store_check_name(name, err) < 0)
		return -1;
	own_fd int lock_fd = change_begin(ct, err);
	if (lock_fd < 0)
		return -1;
	if (str_eq(name, ct->record.name)) {
		err_set(err, ERR_EXISTS, 0, "'%s' is the name that it has", name);
		return -1;
	}
	old = str_dup(ct->record.name, err);
	if (!old || store_rename(ct, name, err) < 0)
		return -1;
	event_note(ct, "rename", "old_name", old);
	return 0;
}
