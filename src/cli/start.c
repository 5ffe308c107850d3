/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula start, restart and attach: containers that exist, into the foreground or not. */
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "engine/keeper.h"
#include "engine/lifecycle.h"
#include "engine/requires.h"
#include "engine/service.h"
#include "kernel/seal.h"
#include "runtime/rootless.h"

#define CONNECT_MS 5000
#define REPLAY 4096 /* bytes: about a screen */

struct start_options {
	struct choice choice; /* first */
	bool attach, interactive;
	bool alone; /* one container is started */
	bool sig_proxy, sig_proxy_given;
	bool no_stdin;
	char *detach_keys;
	uint64_t timeout_ms;
	bool timeout_given;
};

#define START(field) offsetof(struct start_options, field)

/* ---- attach ---- */

static int attach(struct container *ct, int client_fd, const struct start_options *options,
		  bool interactive, bool replay, bool notice, int *ret_code, struct err *err)
{
	struct attach_options how = {
		.terminal = ct->record.terminal,
		.interactive = interactive,
		.sig_proxy = options->sig_proxy || !options->sig_proxy_given,
		.replay = replay && ct->record.terminal ? REPLAY : 0,
		.notice = notice,
	};

	if (detach_keys_parse(options->detach_keys, &how.keys, err) < 0)
		return -1;
	return keeper_attach(client_fd, &how, ret_code, err) < 0 ? -1 : 0;
}

static int run_attach(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct start_options *options = data;
	own(container) struct container ct = CONTAINER_INIT;
	struct detach_keys keys;
	own_fd int fd = -1;

	if (detach_keys_parse(options->detach_keys, &keys, err) < 0 ||
	    store_find(&cli->store, operands->items[0], &ct, err) < 0 ||
	    engine_settle(&ct, err) < 0)
		return -1;
	if (!container_is_kept(&ct))
		return engine_not_running(&ct, err);
	if (ct.paused) {
		err_set(err, ERR_STATE, 0, "container '%s' is paused", ct.record.name);
		return err_hint(err, "insula unpause %s", ct.record.name);
	}
	fd = keeper_connect(ct.run_fd, CONNECT_MS, err);
	if (fd < 0)
		return err_wrap(err, "container '%s'", ct.record.name);
	return attach(&ct, fd, options, ct.record.interactive && !options->no_stdin, true, false,
		      &cli->exit_code, err);
}

#define DETACH_ROWS \
	{ \
		"detach-keys", \
		0, \
		OPT_STRING, \
		START(detach_keys), \
		.value_name = "KEYS", \
		.help = "what is typed to leave it running (default: ctrl-p,ctrl-q)", \
		.complete = "none"}, \
	{ \
		"sig-proxy", 0, OPT_BOOL, START(sig_proxy), START(sig_proxy_given), \
			.help = "pass signals on to the command (default: true)" \
	}

static const struct opt attach_table[] = {
	DETACH_ROWS,
	{"no-stdin", 0, OPT_BOOL, START(no_stdin), .help = "only look: what is typed stays here"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_attach = {
	.name = "attach",
	.usage = "CONTAINER",
	.help = "take part in a running container's terminal or pipes",
	.table = attach_table,
	.options_size = sizeof(struct start_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_attach,
	.complete = "container",
};

/* ---- start ---- */

static int check_start(const struct start_options *options, const struct strv *operands,
		       struct err *err)
{
	struct detach_keys keys;
	bool attached = options->attach || options->interactive;

	if (attached && (operands->count > 1 || options->choice.all)) {
		err_set(err, ERR_USAGE, 0, "one container can be attached to at a time");
		return err_hint(err, "start them without --attach; insula logs -f shows several");
	}
	if (!attached && (options->detach_keys || options->sig_proxy_given))
		return err_set(err, ERR_USAGE, 0, "--%s is of no use without --attach",
			       options->detach_keys ? "detach-keys" : "sig-proxy");
	return detach_keys_parse(options->detach_keys, &keys, err);
}

static int start_attached(struct cli *cli, struct container *ct,
			  const struct start_options *options, struct err *err)
{
	own_fd int fd = -1;
	int begun;

	if (options->interactive && !ct->record.interactive) {
		err_set(err, ERR_STATE, 0, "'%s' was made without --interactive", ct->record.name);
		return err_hint(err, "it has no input to attach to; --attach shows its output");
	}
	begun = engine_begin(ct, true, &fd, err);
	if (begun == 0)
		fd = keeper_connect(ct->run_fd, CONNECT_MS, err);
	if (begun < 0 || fd < 0)
		return err_wrap(err, "cannot start '%s'", ct->record.name);
	if (service_started(&cli->store, ct->id, true, err) < 0)
		return -1;
	return attach(ct, fd, options, options->interactive, begun == 0,
		      service_wants_notice(&ct->record), &cli->exit_code, err);
}

static int start_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	const struct start_options *options = data;
	own_fd int fd = -1;

	if (options->attach || options->interactive)
		return start_attached(cli, ct, options, err);
	if (options->choice.all && ct->status != CT_CREATED && ct->status != CT_EXITED)
		return 0;
	if (engine_begin(ct, false, &fd, err) < 0)
		return err_wrap(err, "cannot start '%s'", ct->record.name);
	/* Of several, none is the service. */
	if (options->alone && service_started(&cli->store, ct->id, false, err) < 0)
		return -1;
	return cli_said(ct);
}

/* Before anything is done, as it begins the whole command anew. */
static int seal_for(struct cli *cli, struct container *ct, struct err *err)
{
	struct err loading = ERR_INIT;

	/* What is wrong with it is said when it is its turn. */
	if (store_load_spec(ct, &loading) < 0 || !engine_wants_seal(&cli->store, &ct->record.spec))
		return 0;
	return cli_run_sealed(cli, ct->record.spec.init, err);
}

int cli_seal_for_all(struct cli *cli, const struct strv *refs, struct err *err)
{
	own(strv) struct strv every = STRV_INIT;

	if (cli->store.user && !rootless_reaches_program())
		return 0;
	int begun = seal_begun(cli->argv, err);
	if (begun)
		return begun < 0 ? -1 : 0;
	if (requires_all(&cli->store, refs, &every, err) < 0)
		return -1;
	for (size_t i = 0; i < every.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err looking = ERR_INIT;

		if (store_find(&cli->store, every.items[i], &ct, &looking) == 0 &&
		    seal_for(cli, &ct, err) < 0)
			return -1;
	}
	return 0;
}

static int run_start(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct start_options *options = data;

	options->alone = operands->count == 1;
	if (check_start(options, operands, err) < 0 || cli_seal_for_all(cli, operands, err) < 0)
		return -1;
	return cli_each_container(cli, operands, options, start_one, err);
}

static const struct opt start_table[] = {
	{"attach", 'a', OPT_BOOL, START(attach),
	 .help = "stay, show its output, end with its exit code"},
	{"interactive", 'i', OPT_BOOL, START(interactive),
	 .help = "as --attach, and give it our input"},
	DETACH_ROWS,
	CHOICE_ALL(0, "every container that does not run"),
	CHOICE_FILTER('f'),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_start = {
	.name = "start",
	.help = "start containers that were created, or have ended",
	.table = start_table,
	.options_size = sizeof(struct start_options),
	.run = run_start,
	VERB_OF_CONTAINERS,
};

/* ---- restart ---- */

static int restart_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	const struct start_options *options = data;
	int64_t timeout = options->timeout_given ? (int64_t)options->timeout_ms : -1;

	if (options->choice.all && ct->status != CT_RUNNING)
		return CLI_NOTHING;
	if (engine_restart(ct, timeout, err) < 0)
		return err_wrap(err, "cannot restart '%s'", ct->record.name);
	return 0;
}

static int run_restart(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct start_options *options = data;

	if (cli_seal_for_all(cli, operands, err) < 0)
		return -1;
	return cli_each_at_once(cli, operands, options, restart_one, err);
}

static const struct opt restart_table[] = {
	{"time", 't', OPT_MS, START(timeout_ms), START(timeout_given), .value_name = "SECONDS",
	 .help = "wait so long before it is killed; -1: for ever (default: the container's)",
	 .min = -1, .max = INT64_MAX},
	CHOICE_ALL('a', "every running container"),
	CHOICE_FILTER('f'),
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_restart = {
	.name = "restart",
	.help = "stop containers and start them again",
	.table = restart_table,
	.options_size = sizeof(struct start_options),
	.run = run_restart,
	VERB_OF_CONTAINERS,
};
