/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula __again FD: for keepers that start their container again; not for people. */
#include "base/str.h"
#include "cli/cli.h"
#include "engine/engine.h"

static int seal(void *data, bool init, struct err *err)
{
	return cli_run_sealed(data, init, err);
}

static int run_again(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	uint64_t fd;

	if (str_to_u64(operands->items[0], 3, INT32_MAX, "state descriptor", &fd, err) < 0)
		return -1;
	return engine_again(&cli->store, (int)fd, seal, cli, err);
}

static const struct opt no_table[] = {{0}};

const struct verb cli_verb_again = {
	.name = "__again",
	.usage = "FD",
	.help = "start a container again, for its keeper",
	.table = no_table,
	.flags = VERB_STORE | VERB_HIDDEN | VERB_FOR_KEEPER,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_again,
};
