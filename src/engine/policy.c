/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another restart policy for a container: into the record, which each start and `insula up` go by, and then to
 * its keeper, who goes by what he was last told. Who is killed between the two has changed what the next start
 * has; the same again does the rest.
 *
 * A keeper that was born with neither a policy nor a health check has given up what starting a container
 * takes, and that cannot be undone: for him the policy counts from the next start, and that is said.
 */
#include <stdlib.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/own.h"
#include "engine/change.h"
#include "engine/event.h"
#include "engine/keeper.h"
#include "engine/restart_policy.h"

#define TELL_MS 5000

int engine_check_policy(const struct container *ct, const char *text, struct err *err)
{
	struct restart_policy policy;

	if (restart_policy_parse(text, &policy, err) < 0)
		return -1;
	if (!ct->record.remove || policy.kind == RESTART_NO)
		return 0;
	return err_set(err, ERR_STATE, 0,
		       "container '%s' is removed at its end (--rm), and cannot be started again",
		       ct->record.name);
}

static int record(struct container *ct, const char *text, struct err *err)
{
	struct restart_policy policy;
	own_free char *next = NULL;

	if (engine_check_policy(ct, text, err) < 0 || restart_policy_parse(text, &policy, err) < 0)
		return -1;
	if (policy.kind != RESTART_NO && !(next = str_dup(text, err)))
		return -1;
	free(ct->record.restart);
	ct->record.restart = take(next);
	return store_rewrite_record(ct, err);
}

static int tell(const struct container *ct, const char *text, struct err *err)
{
	struct err telling = ERR_INIT;

	if (!container_is_kept(ct) ||
	    keeper_tell(ct->run_fd, KEEPER_POLICY, text, TELL_MS, &telling) == 0 ||
	    telling.kind == ERR_STATE)
		return 0;
	if (telling.kind == ERR_UNSUPPORTED) {
		warn_emit("'%s' has a keeper that cannot start it again: --restart %s counts from "
			  "its next start (insula restart %s)",
			  ct->record.name, text, ct->record.name);
		return 0;
	}
	*err = telling;
	return err_wrap(err, "--restart %s is recorded, and counts from the next start of '%s'",
			text, ct->record.name);
}

/* Not while he is told: one that starts his container again just now waits for the lock. */
static int change_record(struct container *ct, const char *text, struct err *err)
{
	own_fd int lock_fd = change_begin(ct, err);

	return lock_fd < 0 ? -1 : record(ct, text, err);
}

int engine_set_policy(struct container *ct, const char *text, struct err *err)
{
	if (change_record(ct, text, err) < 0 || fail_point("policy.recorded", err) < 0 ||
	    tell(ct, text, err) < 0)
		return -1;
	event_note(ct, "update", NULL, NULL);
	return 0;
}
