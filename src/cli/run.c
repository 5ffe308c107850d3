/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula run and exec: their options, and the way into the engine. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "kernel/seal.h"

#define RUN(field) offsetof(struct run_options, field)

static const char *const userns_modes[] = {"private", "host", NULL};
static const char *const network_modes[] = {"none", "host", NULL};

static const struct opt run_table[] = {
	{"interactive", 'i', OPT_BOOL, RUN(interactive), .help = "keep the standard input open"},
	{"tty", 't', OPT_BOOL, RUN(tty), .help = "give the container a terminal"},
	{"detach", 'd', OPT_BOOL, RUN(detach), .help = "run in the background and print the id"},
	{"rm", 0, OPT_BOOL, RUN(remove), .help = "remove the container when it ends"},
	{"name", 0, OPT_STRING, RUN(name), .value_name = "NAME",
	 .help = "name of the container (default: one is made up)", .complete = "none"},
	{"hostname", 'h', OPT_STRING, RUN(hostname), .value_name = "NAME",
	 .help = "hostname inside (default: the id's first 12 digits)", .complete = "none"},
	{"entrypoint", 0, OPT_STRING, RUN(entrypoint), .value_name = "COMMAND",
	 .help = "put this before the command"},
	{"env", 'e', OPT_STRINGS, RUN(env), .value_name = "NAME[=VALUE]",
	 .help = "set an environment variable, or pass ours on"},
	{"workdir", 'w', OPT_STRING, RUN(workdir), .value_name = "DIR",
	 .help = "working directory inside (default: /)"},
	{"user", 'u', OPT_STRING, RUN(user), .value_name = "USER[:GROUP]",
	 .help = "run as this user, by name or number inside (default: root)"},
	{"label", 'l', OPT_STRINGS, RUN(labels), .value_name = "KEY[=VALUE]",
	 .help = "attach a label to the container"},
	{"read-only", 0, OPT_BOOL, RUN(read_only), .help = "mount the root file system read-only"},
	{"tmpfs", 0, OPT_STRINGS, RUN(tmpfs), .value_name = "DIR[:OPTIONS]",
	 .help = "mount a tmpfs on DIR"},
	{"volume", 'v', OPT_STRINGS, RUN(volumes), .value_name = "HOST:DIR[:OPTIONS]",
	 .help = "mount a host file or directory (ro, idmap, nosuid, ...)", .complete = "file"},
	{"mount", 0, OPT_STRINGS, RUN(mounts), .value_name = "KEY=VALUE,...",
	 .help = "mount, in long form: type=bind|tmpfs,source=...,destination=..."},
	{"device", 0, OPT_STRINGS, RUN(devices), .value_name = "HOST[:DEV][:rwm]",
	 .help = "give access to a device of the host", .complete = "file"},
	{"cap-add", 0, OPT_STRINGS, RUN(cap_add), .value_name = "CAP",
	 .help = "add a capability, or all"},
	{"cap-drop", 0, OPT_STRINGS, RUN(cap_drop), .value_name = "CAP",
	 .help = "take a capability away, or all"},
	{"security-opt", 0, OPT_STRINGS, RUN(security_opts), .value_name = "NAME=VALUE",
	 .help = "seccomp=FILE|unconfined, no-new-privileges, apparmor=, label=, mask="},
	{"userns", 0, OPT_CHOICE, RUN(userns), .value_name = "MODE",
	 .help = "user namespace, private by default", .choices = userns_modes},
	{"network", 0, OPT_CHOICE, RUN(network), .value_name = "MODE",
	 .help = "network, none by default", .choices = network_modes},
	{"cpus", 0, OPT_MILLI, RUN(cpus_milli), .value_name = "N",
	 .help = "at most N CPUs (1.5), and a cpuset of as many"},
	{"cpuset-cpus", 0, OPT_STRING, RUN(cpuset_cpus), .value_name = "LIST",
	 .help = "run on these CPUs only (0-2,4)"},
	{"memory", 'm', OPT_BYTES, RUN(memory), .value_name = "BYTES",
	 .help = "at most so much memory (512m, 2g)"},
	{"memory-swap", 0, OPT_STRING, RUN(memory_swap), .value_name = "BYTES",
	 .help = "memory and swap together, -1: unlimited swap (default: no swap)"},
	{"pids-limit", 0, OPT_I64, RUN(pids_limit), RUN(pids_limit_given), .value_name = "N",
	 .help = "at most N processes and threads, -1: unlimited (default: 2048)", .min = -1,
	 .max = 4194304},
	{"ulimit", 0, OPT_STRINGS, RUN(ulimits), .value_name = "NAME=SOFT[:HARD]",
	 .help = "set a resource limit (nofile=1024:2048)"},
	{"sysctl", 0, OPT_STRINGS, RUN(sysctls), .value_name = "NAME=VALUE",
	 .help = "set a kernel parameter of the container's namespaces"},
	{"shm-size", 0, OPT_BYTES, RUN(shm_size), .value_name = "BYTES",
	 .help = "size of /dev/shm (default: 64m)"},
	{"stop-signal", 0, OPT_STRING, RUN(stop_signal), .value_name = "SIGNAL",
	 .help = "signal that asks it to end (default: TERM)", .complete = "signal"},
	{"stop-timeout", 0, OPT_MS, RUN(stop_timeout_ms), RUN(stop_timeout_given),
	 .value_name = "SECONDS", .help = "wait so long before it is killed (default: 10)"},
	{"init", 0, OPT_BOOL, RUN(init),
	 .help = "run a small init as process 1, which reaps orphans"},
	{"strict", 0, OPT_BOOL, RUN(strict),
	 .help = "fail where a limit cannot be enforced here, instead of warning"},
	{"dry-run", 0, OPT_BOOL, RUN(dry_run), .help = "print the plan of the start, make nothing"},
	{"privileged", 0, OPT_REFUSED,
	 .help = "a container is never everything at once; name what it "
		 "needs with --cap-add, --device and --security-opt"},
	{"publish", 'p', OPT_REFUSED, .value_name = "PORTS",
	 .help = "there are no networks but none and host yet"},
	{"restart", 0, OPT_REFUSED, .value_name = "POLICY",
	 .help = "restart policies are not there yet"},
	{"env-file", 0, OPT_REFUSED, .value_name = "FILE", .help = "not there yet; use --env"},
	{"pull", 0, OPT_REFUSED, .value_name = "POLICY",
	 .help = "there are no registry images yet"},
	{"platform", 0, OPT_REFUSED, .value_name = "PLATFORM",
	 .help = "there are no registry images yet"},
	{"pid", 0, OPT_REFUSED, .value_name = "MODE",
	 .help = "every container has its own processes"},
	{"ipc", 0, OPT_REFUSED, .value_name = "MODE", .help = "every container has its own ipc"},
	{"uts", 0, OPT_REFUSED, .value_name = "MODE",
	 .help = "every container has its own hostname"},
	{"add-host", 0, OPT_REFUSED, .value_name = "HOST:IP", .help = "not there yet"},
	{"dns", 0, OPT_REFUSED, .value_name = "ADDRESS", .help = "not there yet"},
	{"group-add", 0, OPT_REFUSED, .value_name = "GROUP", .help = "not there yet"},
	{"cpu-shares", 0, OPT_REFUSED, .value_name = "N", .help = "not there yet; use --cpus"},
	{"memory-reservation", 0, OPT_REFUSED, .value_name = "BYTES", .help = "not there yet"},
	{"health-cmd", 0, OPT_REFUSED, .value_name = "COMMAND", .help = "not there yet"},
	{"log-driver", 0, OPT_REFUSED, .value_name = "DRIVER",
	 .help = "logs are files, 3 of 10 MB; other drivers are not there yet"},
	{"cgroup-parent", 0, OPT_REFUSED, .value_name = "PATH", .help = "not there yet"},
	{0},
};

static int name_program(const char *name, const char *variable, struct err *err)
{
	char path[PATH_MAX];

	if (proc_find_ours(name, variable, path, sizeof path, err) < 0)
		return -1;
	return setenv(variable, path, 1) < 0 ? err_errno(err, "cannot name '%s'", path) : 0;
}

/* Where container root is host root it must not reach the file that we were started from. The copy
 * that we go on as has no directory to find our programs in, so they are looked up before. */
static int run_sealed(struct cli *cli, const struct run_options *options, struct err *err)
{
	if (name_program("insula-keeper", "INSULA_KEEPER", err) < 0 ||
	    (options->init && name_program("insula-init", "INSULA_INIT", err) < 0))
		return -1;
	return seal_reexec(cli->argv, err);
}

static int run_run(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct run_options *options = data;
	struct strv command = {.items = operands->items + 1, .count = operands->count - 1};
	char id[STORE_ID_LENGTH + 1];

	if (options->userns == USERNS_HOST && !options->dry_run &&
	    run_sealed(cli, options, err) < 0)
		return -1;
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
	.table = run_table,
	.options_size = sizeof(struct run_options),
	.flags = VERB_STORE | VERB_STOP_PARSE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_run,
	.complete = "image",
};

#define EXEC(field) offsetof(struct exec_options, field)

static const struct opt exec_table[] = {
	{"interactive", 'i', OPT_BOOL, EXEC(interactive), .help = "keep the standard input open"},
	{"tty", 't', OPT_BOOL, EXEC(tty), .help = "give the command a terminal"},
	{"detach", 'd', OPT_BOOL, EXEC(detach), .help = "do not wait for the command"},
	{"env", 'e', OPT_STRINGS, EXEC(env), .value_name = "NAME[=VALUE]",
	 .help = "set an environment variable, or pass ours on"},
	{"workdir", 'w', OPT_STRING, EXEC(workdir), .value_name = "DIR",
	 .help = "working directory inside (default: the container's)"},
	{"user", 'u', OPT_STRING, EXEC(user), .value_name = "USER[:GROUP]",
	 .help = "run as this user (default: the container's)"},
	{"privileged", 0, OPT_REFUSED, .help = "a command has at most what its container has"},
	{0},
};

static int run_exec(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	struct strv command = {.items = operands->items + 1, .count = operands->count - 1};
	struct container ct;

	if (store_find(&cli->store, operands->items[0], &ct, err) < 0)
		return -1;
	int status = store_load_spec(&ct, err);
	/* As in run: what enters a container whose root is host root is a sealed copy. */
	if (status == 0 && !ct.record.spec.linux_.namespaces[SPEC_NS_USER].given)
		status = seal_reexec(cli->argv, err);
	if (status == 0)
		status = engine_exec(&ct, data, &command, &cli->exit_code, err);
	container_done(&ct);
	return status;
}

const struct verb cli_verb_exec = {
	.name = "exec",
	.usage = "CONTAINER COMMAND [ARGUMENT...]",
	.help = "run a further command in a running container",
	.table = exec_table,
	.options_size = sizeof(struct exec_options),
	.flags = VERB_STORE | VERB_STOP_PARSE,
	.min_operands = 2,
	.max_operands = SIZE_MAX,
	.run = run_exec,
	.complete = "container",
};
