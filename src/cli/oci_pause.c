/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime pause and resume: the freezer of the container's group. */

#include "base/own.h"
#include "cli/oci_life.h"

#define FREEZE_MS 10000

static const struct opt no_options[] = {{0}};

static int freeze(struct oci *oci, const char *id, bool pause, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	if (life_find(oci, id, &dir, err) < 0 || state_lock(&dir, LIFE_LOCK_MS, err) < 0)
		return -1;
	if (dir.status != STATE_RUNNING && dir.status != STATE_CREATED)
		return life_not_running(&dir, err);
	if (cgroup_host_probe_groups(&host, err) < 0 ||
	    state_open_cgroup(&dir, &host, &cg, err) < 0)
		return err_wrap(err, "cannot %s container '%s'", pause ? "pause" : "resume", id);
	if (!pause && !cgroup_is_frozen(&cg))
		return err_set(err, ERR_STATE, 0, "container not paused: '%s'", id);
	if (pause && cgroup_is_frozen(&cg))
		return err_set(err, ERR_STATE, 0, "container not running: '%s' is paused", id);
	if (cgroup_freeze(&cg, pause, FREEZE_MS, err) == 0)
		return 0;
	if (pause) {
		struct err ignored = ERR_INIT;

		cgroup_freeze(&cg, false, FREEZE_MS, &ignored); /* half frozen is neither */
	}
	return err_wrap(err, "cannot %s container '%s'", pause ? "pause" : "resume", id);
}

static int run_pause(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	return freeze(oci, operands->items[0], true, err);
}

static int run_resume(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	return freeze(oci, operands->items[0], false, err);
}

const struct oci_verb oci_verb_pause = {
	.name = "pause",
	.usage = "ID",
	.help = "freeze every process of a container",
	.table = no_options,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_pause,
};

const struct oci_verb oci_verb_resume = {
	.name = "resume",
	.usage = "ID",
	.help = "thaw a container that is paused",
	.table = no_options,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_resume,
};
