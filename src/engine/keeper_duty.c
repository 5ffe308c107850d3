/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Privileges by duty.
 *
 * A keeper lives as long as its container and holds what the container writes, so it should be able
 * to do as little as possible. The table says which duty needs which capability; what no row asks
 * for is dropped before the first message is read, from the bounding set too, and no_new_privs makes
 * that final. A keeper without a duty (nothing to remove, say) does not get its capabilities.
 *
 * What needs none: reading the terminal and pipes, the log and the exit record (its own files), the
 * socket, removing cgroups that it owns, being replaced. A container in a user namespace of its own
 * could even be signalled without CAP_KILL, because root owns that namespace; one that shares the
 * host's and changed its uid could not.
 *
 * A user's own keeper has no capabilities and nothing to drop: the same code finds nothing to do.
 */
#include <linux/capability.h>
#include <sys/prctl.h>

#include "engine/keeper_private.h"
#include "kernel/caps.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static bool always(const struct keeper_state *state)
{
	return true;
}

static bool has_cgroup(const struct keeper_state *state)
{
	return state->cgroup_name != NULL;
}

static bool removes(const struct keeper_state *state)
{
	return state->remove;
}

static bool executes_insula(const struct keeper_state *state)
{
	return state->program != NULL;
}

static const struct {
	const char *duty;
	bool (*applies)(const struct keeper_state *state);
	uint64_t caps;
} duties[] = {
	{"signal and kill the container's processes, whatever their uid", always, BIT(CAP_KILL)},
	{"remove groups that the container made in its own, delegated one", has_cgroup,
	 BIT(CAP_DAC_OVERRIDE)},
	{"remove the container's files, which belong to its ids, from sticky and closed "
	 "directories",
	 removes, BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER)},
};

/* One duty more has no row, as its rights are not the keeper's: the program that starts the container again
 * (keeper_restart.c) or looks after its health (keeper_health.c) is executed by it, and is to have all that
 * root may have. So a keeper with such a duty keeps its bounding set, and may gain by execve; until then
 * it can do no more than others. */

static uint64_t caps_needed(const struct keeper_state *state)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < sizeof(duties) / sizeof(duties[0]); i++)
		if (duties[i].applies(state))
			caps |= duties[i].caps;
	return caps;
}

int keeper_drop_privileges(const struct keeper_state *state, struct err *err)
{
	struct caps have, want;

	if (caps_get(&have, err) < 0)
		return -1;
	want.permitted = have.permitted & caps_needed(state);
	want.effective = want.permitted;
	want.bounding = caps_bounding(executes_insula(state) ? UINT64_MAX : want.permitted);
	want.inheritable = 0;
	want.ambient = 0;
	/* Dropping from the bounding set takes CAP_SETPCAP: who has none, as a user's keeper or one
	 * that was replaced, keeps the bounding set that it has. */
	if (have.effective & BIT(CAP_SETPCAP) && caps_limit(&want, err) < 0)
		return -1;
	if (caps_apply(&want, err) < 0)
		return -1;
	if (executes_insula(state))
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "cannot set no_new_privs");
	return 0;
}
