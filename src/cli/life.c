/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula stop, kill, pause, unpause, wait and rm: what is done to containers that exist. */
#include <signal.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "engine/lifecycle.h"
#include "engine/requires.h"

struct life_options {
	struct choice choice; /* first */
	uint64_t timeout_ms;
	bool timeout_given, force, depend, ignore;
	char *signal;
	struct strv condition_names;
	unsigned int conditions; /* enum wait_condition */
	uint64_t interval_ms;
	bool interval_given;
};

#define LIFE(field) offsetof(struct life_options, field)

/* Names go to the standard output, as the field has it: what was done can be piped on. */
int cli_said(const struct container *ct)
{
	puts(ct->record.name);
	return 0;
}

/* To be ended: whoever requires another before that one. */
static int each_backwards(struct cli *cli, struct life_options *options, const struct strv *refs,
			  cli_each_fn *fn, struct err *err)
{
	own(strv) struct strv order = STRV_INIT;

	if (requires_order_end(&cli->store, refs, &order, err) < 0)
		return -1;
	return cli_each_at_once(cli, &order, options, fn, err);
}

static int stop_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct life_options *options = data;
	int64_t timeout = options->timeout_given ? (int64_t)options->timeout_ms : -1;

	if (options->choice.all && engine_settle(ct, err) < 0)
		return -1;
	if (options->choice.all && !container_is_kept(ct) && ct->status != CT_DEAD)
		return CLI_NOTHING;
	if (engine_stop(ct, timeout, err) < 0)
		return err_wrap(err, "cannot stop '%s'", ct->record.name);
	return 0;
}

static int run_stop(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct life_options *options = data;

	cli->missing_ok |= options->ignore;
	return each_backwards(cli, data, operands, stop_one, err);
}

static const struct opt stop_table[] = {
	{"time", 't', OPT_MS, LIFE(timeout_ms), LIFE(timeout_given), .value_name = "SECONDS",
	 .help = "wait so long before it is killed; -1: for ever (default: the container's)",
	 .min = -1, .max = INT64_MAX},
	{"ignore", 'i', OPT_BOOL, LIFE(ignore), .help = "one that is not there is no error"},
	CHOICE_ALL('a', "stop every running container"),
	CHOICE_FILTER('f'),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_stop = {
	.name = "stop",
	.help = "ask containers to end, kill them after a while",
	.table = stop_table,
	.options_size = sizeof(struct life_options),
	.run = run_stop,
	VERB_OF_CONTAINERS,
};

static int kill_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct life_options *options = data;
	int signal = options->signal ? proc_signal_parse(options->signal, err) : SIGKILL;

	if (signal < 0)
		return err_wrap(err, "--signal");
	if (options->choice.all && ct->status != CT_RUNNING)
		return CLI_NOTHING;
	if (engine_kill(ct, signal, err) < 0)
		return -1;
	return 0;
}

static int run_kill(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	return cli_each_at_once(cli, operands, data, kill_one, err);
}

static const struct opt kill_table[] = {
	{"signal", 's', OPT_STRING, LIFE(signal), .value_name = "SIGNAL",
	 .help = "signal by name or number (default: KILL)", .complete = "signal"},
	CHOICE_ALL('a', "signal every running container"),
	CHOICE_FILTER(0),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_kill = {
	.name = "kill",
	.help = "send a signal to the first process of containers",
	.table = kill_table,
	.options_size = sizeof(struct life_options),
	.run = run_kill,
	VERB_OF_CONTAINERS,
};

/* With --all: of those that can be. */
static int pause_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct life_options *options = data;

	if (options->choice.all && (ct->status != CT_RUNNING || ct->paused))
		return 0;
	if (engine_pause(ct, true, err) < 0)
		return err_wrap(err, "cannot pause '%s'", ct->record.name);
	return cli_said(ct);
}

static int unpause_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct life_options *options = data;

	if (options->choice.all && (ct->status != CT_RUNNING || !ct->paused))
		return 0;
	if (engine_pause(ct, false, err) < 0)
		return err_wrap(err, "cannot unpause '%s'", ct->record.name);
	return cli_said(ct);
}

static int run_pause(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	return cli_each_container(cli, operands, data, pause_one, err);
}

static int run_unpause(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	return cli_each_container(cli, operands, data, unpause_one, err);
}

static const struct opt pause_table[] = {
	CHOICE_ALL('a', "every running container"),
	CHOICE_FILTER('f'),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_pause = {
	.name = "pause",
	.help = "freeze every process of containers",
	.table = pause_table,
	.options_size = sizeof(struct life_options),
	.run = run_pause,
	VERB_OF_CONTAINERS,
};

static const struct opt unpause_table[] = {
	CHOICE_ALL('a', "every paused container"),
	CHOICE_FILTER('f'),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_unpause = {
	.name = "unpause",
	.help = "let paused containers go on",
	.table = unpause_table,
	.options_size = sizeof(struct life_options),
	.run = run_unpause,
	VERB_OF_CONTAINERS,
};

#define INTERVAL_MS 250

static const struct {
	const char *name;
	unsigned int bit;
} conditions[] = {
	{"stopped", WAIT_STOPPED},     {"exited", WAIT_EXITED},	  {"created", WAIT_CREATED},
	{"running", WAIT_RUNNING},     {"paused", WAIT_PAUSED},	  {"healthy", WAIT_HEALTHY},
	{"unhealthy", WAIT_UNHEALTHY}, {"removed", WAIT_REMOVED}, {"ready", WAIT_READY},
};

static int find_condition(const char *name, struct err *err)
{
	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
		if (strcmp(name, conditions[i].name) == 0)
			return (int)conditions[i].bit;
	err_set(err, ERR_USAGE, 0, "--condition: '%s' is no condition of a container", name);
	return err_hint(
		err,
		"stopped, exited, created, running, paused, healthy, unhealthy, ready or removed; "
		"given several times, any of them will do");
}

static int wait_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	const struct life_options *options = data;
	int code;

	if (!options->condition_names.count && ct->status == CT_CREATED) {
		err_set(err, ERR_STATE, 0, "container '%s' was never started", ct->record.name);
		return err_hint(err, "--condition exited waits for its start, and its end");
	}
	if (engine_wait_for(ct, options->conditions, (int64_t)options->interval_ms, &code, err) < 0)
		return err_wrap(err, "cannot wait for '%s'", ct->record.name);
	printf("%d\n", code);
	fflush(stdout);
	return 0;
}

static int run_wait(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct life_options *options = data;

	for (size_t i = 0; i < options->condition_names.count; i++) {
		int bit = find_condition(options->condition_names.items[i], err);

		if (bit < 0)
			return -1;
		options->conditions |= (unsigned int)bit;
	}
	if (!options->conditions)
		options->conditions = WAIT_EXITED;
	if (options->interval_given && !(options->conditions & ~(WAIT_STOPPED | WAIT_EXITED))) {
		err_set(err, ERR_USAGE, 0,
			"--interval: an end is not looked for, its keeper tells it");
		return err_hint(err, "it is of use with another --condition");
	}
	if (!options->interval_given)
		options->interval_ms = INTERVAL_MS;
	if (!options->interval_ms || options->interval_ms > INT32_MAX) {
		err_set(err, ERR_USAGE, 0, "--interval: from a millisecond to some days");
		return err_hint(err, "such as 100ms, 2s or 1m");
	}
	return cli_each_container(cli, operands, data, wait_one, err);
}

static const struct opt wait_table[] = {
	{"condition", 0, OPT_STRINGS, LIFE(condition_names), .value_name = "CONDITION",
	 .help = "what to wait for: stopped, exited (the default), created, running, paused, "
		 "healthy, unhealthy, ready, removed; "
		 "one of several",
	 .complete = "none"},
	{"interval", 'i', OPT_MS, LIFE(interval_ms), LIFE(interval_given), .value_name = "SECONDS",
	 .help = "look so often, where no keeper tells it (default: 250ms)"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_wait = {
	.name = "wait",
	.usage = "CONTAINER...",
	.help = "wait until containers have ended, print their exit codes",
	.table = wait_table,
	.options_size = sizeof(struct life_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_wait,
	.complete = "container",
};

static int remove_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct life_options *options = data;
	int64_t stop_ms = options->force ? (int64_t)options->timeout_ms : -1;

	if (options->choice.all && !options->force && engine_settle(ct, err) < 0)
		return -1;
	if (options->choice.all && container_is_kept(ct) && !options->force)
		return CLI_NOTHING;
	if (engine_remove(ct, stop_ms, err) < 0)
		return err_wrap(err, "cannot remove '%s'", ct->record.name);
	return 0;
}

static int run_rm(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct life_options *options = data;
	own(strv) struct strv refs = STRV_INIT;

	if (options->timeout_given && !options->force) {
		err_set(err, ERR_USAGE, 0, "--time: without --force no container is stopped");
		return err_hint(err, "give both, or 'insula stop' first");
	}
	cli->damaged = options->force;
	cli->missing_ok |= options->force || options->ignore;
	if (strv_copy(&refs, operands, err) < 0 ||
	    (options->depend && requires_add_dependents(&cli->store, &refs, err) < 0) ||
	    each_backwards(cli, options, &refs, remove_one, err) < 0)
		return -1;
	return engine_sweep(&cli->store, err);
}

static const struct opt rm_table[] = {
	{"force", 'f', OPT_BOOL, LIFE(force),
	 .help = "kill those that run; missing ones are no error"},
	{"time", 't', OPT_MS, LIFE(timeout_ms), LIFE(timeout_given), .value_name = "SECONDS",
	 .help = "with --force: stop them first, wait so long before they are killed (default: 0)",
	 .min = -1, .max = INT64_MAX},
	{"depend", 0, OPT_BOOL, LIFE(depend), .help = "and the containers that require them"},
	{"ignore", 'i', OPT_BOOL, LIFE(ignore), .help = "one that is not there is no error"},
	{"volumes", 'v', OPT_REFUSED,
	 .help = "there are no anonymous volumes: what it wrote goes with it, directories of the "
		 "host "
		 "stay"},
	CHOICE_ALL('a', "remove every container that does not run"),
	CHOICE_FILTER(0),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_rm = {
	.name = "rm",
	.help = "remove containers and what they wrote",
	.table = rm_table,
	.options_size = sizeof(struct life_options),
	.run = run_rm,
	VERB_OF_CONTAINERS,
};
