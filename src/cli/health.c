/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula healthcheck run, and `__health` by which a keeper does the same. */
#include <fcntl.h>
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "engine/health.h"
#include "engine/lifecycle.h"
#include "engine/user.h"

static int check(struct cli *cli, const char *ref, int init_fd, int *ret_code, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_find(&cli->store, ref, &ct, err) < 0 || store_need_spec(&ct, err) < 0)
		return -1;
	if (engine_wants_seal(&cli->store, &ct.record.spec)) {
		/* The descriptor is to be there in the sealed copy, too. */
		if ((init_fd >= 0 && fd_set_cloexec(init_fd, false, err) < 0) ||
		    cli_run_sealed(cli, false, err) < 0)
			return -1;
		if (init_fd >= 0 && fd_set_cloexec(init_fd, true, err) < 0)
			return -1;
	}
	return engine_check_health(&ct, init_fd, ret_code, err);
}

static int run_healthcheck(struct cli *cli, void *data, const struct strv *operands,
			   struct err *err)
{
	const struct choice *choice = data;
	/* The latest is the first operand. */
	const char *what = operands->items[choice->latest], *ref = operands->items[!choice->latest];
	int code;

	if (strcmp(what, "run") != 0) {
		err_set(err, ERR_USAGE, 0, "healthcheck: there is no '%s'", what);
		return err_hint(err, "insula healthcheck run CONTAINER");
	}
	if (check(cli, ref, -1, &code, err) < 0)
		return -1;
	puts(code == 0 ? "healthy" : "unhealthy");
	cli->exit_code = code == 0 ? 0 : 1;
	return 0;
}

static const struct opt no_table[] = {{0}};

static const struct opt healthcheck_table[] = {CHOICE_LATEST, {0}};

const struct verb cli_verb_healthcheck = {
	.name = "healthcheck",
	.usage = "run CONTAINER",
	.help = "run the health check of a container now",
	.table = healthcheck_table,
	.options_size = sizeof(struct choice),
	.flags = VERB_STORE | VERB_LATEST,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_healthcheck,
	.complete = "container",
};

/* Failures of the check are the report's business; ours are the exit code's. One that is paused has none. */
static int run_health(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	uint64_t fd;
	int code;

	if (str_to_u64(operands->items[0], 3, INT32_MAX, "process descriptor", &fd, err) < 0)
		return -1;
	/* In his namespace he is root, and cannot be told from it. */
	if (operands->count > 2 && str_eq(operands->items[2], "user"))
		user_go_on(&cli->store);
	if (check(cli, operands->items[1], (int)fd, &code, err) == 0)
		return 0;
	if (err->kind != ERR_BUSY)
		return -1;
	*err = ERR_INIT;
	return 0;
}

const struct verb cli_verb_health = {
	.name = "__health",
	.usage = "FD CONTAINER [user]",
	.help = "run a health check, for its keeper",
	.table = no_table,
	.flags = VERB_STORE | VERB_HIDDEN | VERB_FOR_KEEPER,
	.min_operands = 2,
	.max_operands = 3,
	.run = run_health,
};
