/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula run and exec: their options, and the way into the engine. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "engine/lifecycle.h"
#include "engine/requires.h"
#include "kernel/seal.h"
#include "runtime/rootless.h"

static int name_program(const char *name, const char *variable, struct err *err)
{
	char path[PATH_MAX];

	if (proc_find_ours(name, variable, path, sizeof path, err) < 0)
		return -1;
	return setenv(variable, path, 1) < 0 ? err_errno(err, "cannot name '%s'", path) : 0;
}

/* Where container root could write the file that we were started from it must not reach it. The copy
 * that we go on as has no directory to find our programs in, so they are looked up before. */
int cli_run_sealed(struct cli *cli, bool init, struct err *err)
{
	if (name_program("insula-keeper", "INSULA_KEEPER", err) < 0 ||
	    name_program("insula", "INSULA_SELF", err) < 0 ||
	    (init && name_program("insula-init", "INSULA_INIT", err) < 0))
		return -1;
	return seal_reexec(cli->argv, err);
}

/* Whoever is started first may be one whose root is the host's. */
static int seal_for_required(struct cli *cli, const struct run_options *options, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (!options->requires.count || options->dry_run)
		return 0;
	return requires_split(&options->requires, &names, err) < 0
		       ? -1
		       : cli_seal_for_all(cli, &names, err);
}

/* The options as they were typed; what is borrowed is of the command line. */
static struct strv given_options(const struct cli *cli, const struct strv *operands)
{
	size_t count = cli->verb_argc - operands->count;

	if (count && str_eq(cli->verb_argv[count - 1], "--"))
		count--;
	return (struct strv){.items = (char **)cli->verb_argv, .count = count};
}

static int run_run(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct run_options *options = data;
	struct strv command = {.items = operands->items + 1, .count = operands->count - 1};
	char id[STORE_ID_LENGTH + 1];

	bool seal = engine_wants_host_root(options) ||
		    (cli->store.user && rootless_reaches_program());

	if (seal && !options->dry_run && cli_run_sealed(cli, options->init, err) < 0)
		return -1;
	if (seal_for_required(cli, options, err) < 0)
		return -1;
	options->given = given_options(cli, operands);
	if (engine_run(&cli->store, options, operands->items[0], &command, id, &cli->exit_code,
		       err) < 0)
		return -1;
	if (options->detach && !options->dry_run)
		puts(id);
	return 0;
}

const struct verb cli_verb_run = {
	.name = "run",
	.usage = "IMAGE [COMMAND [ARGUMENT...]]",
	.help = "make a container and run a command in it",
	.table = cli_run_table,
	.options_size = sizeof(struct run_options),
	.flags = VERB_STORE | VERB_STOP_PARSE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_run,
	.complete = "image",
};

static int run_create(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct strv command = {.items = operands->items + 1, .count = operands->count - 1};
	char id[STORE_ID_LENGTH + 1];
	struct run_options *options = data;

	options->given = given_options(cli, operands);
	if (engine_create(&cli->store, options, operands->items[0], &command, id, err) < 0)
		return -1;
	puts(id);
	return 0;
}

const struct verb cli_verb_create = {
	.name = "create",
	.usage = "IMAGE [COMMAND [ARGUMENT...]]",
	.help = "make a container, to be started later",
	.table = cli_run_table + CLI_RUN_ONLY,
	.options_size = sizeof(struct run_options),
	.flags = VERB_STORE | VERB_STOP_PARSE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_create,
	.complete = "image",
};

struct exec_command {
	struct choice choice; /* first */
	struct exec_options how;
};

#define EXEC(field) offsetof(struct exec_command, how.field)

static const struct opt exec_table[] = {
	{"interactive", 'i', OPT_BOOL, EXEC(interactive), .help = "keep the standard input open"},
	{"tty", 't', OPT_BOOL, EXEC(tty), .help = "give the command a terminal"},
	{"detach", 'd', OPT_BOOL, EXEC(detach), .help = "do not wait for the command"},
	{"env", 'e', OPT_STRINGS, EXEC(env), .value_name = "NAME[=VALUE]",
	 .help = "set an environment variable, or pass ours on"},
	{"env-file", 0, OPT_STRINGS, EXEC(env_files), .value_name = "FILE",
	 .help = "set the variables of a file, NAME=VALUE or NAME a line", .complete = "file"},
	{"workdir", 'w', OPT_STRING, EXEC(workdir), .value_name = "DIR",
	 .help = "working directory inside (default: the container's)"},
	{"user", 'u', OPT_STRING, EXEC(user), .value_name = "USER[:GROUP]",
	 .help = "run as this user (default: the container's)"},
	{"privileged", 0, OPT_REFUSED, .help = "a command has at most what its container has"},
	{"detach-keys", 0, OPT_REFUSED, .value_name = "KEYS",
	 .help = "its terminal is this process's and ends with it; --detach leaves a command "
		 "running"},
	CHOICE_LATEST,
	{0},
};

static int run_exec(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct exec_command *options = data;
	struct strv command = {.items = operands->items + 1, .count = operands->count - 1};
	struct container ct;

	if (store_find(&cli->store, operands->items[0], &ct, err) < 0)
		return -1;
	int status = ct.status == CT_STARTING ? engine_settle(&ct, err) : 0;
	if (status == 0)
		status = store_need_spec(&ct, err);
	/* As in run: what enters a container whose root could write us is a sealed copy. */
	if (status == 0 && engine_wants_seal(&cli->store, &ct.record.spec))
		status = seal_reexec(cli->argv, err);
	if (status == 0)
		status = engine_exec(&ct, &options->how, &command, &cli->exit_code, err);
	container_done(&ct);
	return status;
}

const struct verb cli_verb_exec = {
	.name = "exec",
	.usage = "CONTAINER COMMAND [ARGUMENT...]",
	.help = "run a further command in a running container",
	.table = exec_table,
	.options_size = sizeof(struct exec_command),
	.flags = VERB_STORE | VERB_LATEST | VERB_STOP_PARSE,
	.min_operands = 2,
	.max_operands = SIZE_MAX,
	.run = run_exec,
	.complete = "container",
};
