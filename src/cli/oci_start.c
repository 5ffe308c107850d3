/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime start: the process that waits since `create` executes its command. */
#include "cli/oci_life.h"

#include "base/own.h"

static const struct opt start_table[] = {{0}};

static int run_start(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;

	if (life_find(oci, operands->items[0], &dir, err) < 0 ||
	    state_lock(&dir, LIFE_LOCK_MS, err) < 0)
		return -1;
	return life_start(&dir, err);
}

const struct oci_verb oci_verb_start = {
	.name = "start",
	.usage = "ID",
	.help = "let a created container execute its command",
	.table = start_table,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_start,
};
