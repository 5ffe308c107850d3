/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime run: a bundle in the foreground. It gives its own descriptors 0, 1 and 2 to the container,
 * waits, removes everything, and exits with the command's exit code.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "cli/oci_bundle.h"
#include "kernel/seal.h"
#include "runtime/runtime.h"

struct run_options {
	char *bundle;
	bool strict, dry_run;
};

static const struct opt run_table[] = {
	{"bundle", 'b', OPT_STRING, offsetof(struct run_options, bundle), .value_name = "DIR",
	 .help = "directory of config.json and the root file system (default: .)",
	 .complete = "dir"},
	{"strict", 0, OPT_BOOL, offsetof(struct run_options, strict),
	 .help = "fail where a limit cannot be enforced, instead of warning"},
	{"dry-run", 0, OPT_BOOL, offsetof(struct run_options, dry_run),
	 .help = "print the plan of the start, make nothing"},
	{0},
};

/* Signals for the container go to it; SIGCHLD is how it ends. */
static int supervise(struct runtime_container *running, int signal_fd, int *ret_code,
		     struct err *err)
{
	struct proc_exit how;
	struct signalfd_siginfo info;

	for (;;) {
		int ended = proc_wait(&running->init, 0, &how, err);

		if (ended < 0)
			return -1;
		if (ended)
			break;
		if (read(signal_fd, &info, sizeof info) != sizeof info)
			return err_errno(err, "cannot wait for signals");
		if (info.ssi_signo != SIGCHLD)
			proc_signal(&running->init, (int)info.ssi_signo, err);
	}
	*ret_code = how.code;
	return 0;
}

static int block_signals(sigset_t *ret_set, struct err *err)
{
	static const int forwarded[] = {SIGCHLD, SIGINT,  SIGTERM, SIGHUP,
					SIGQUIT, SIGUSR1, SIGUSR2};

	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
		sigaddset(ret_set, forwarded[i]);
	if (sigprocmask(SIG_BLOCK, ret_set, NULL) < 0)
		return err_errno(err, "cannot block signals");
	int fd = signalfd(-1, ret_set, SFD_CLOEXEC);
	return fd >= 0 ? fd : err_errno(err, "cannot read signals");
}

static void print_warnings(const struct plan *plan)
{
	const struct strv *warnings = runtime_plan_warnings(plan);

	for (size_t i = 0; i < warnings->count; i++)
		warn_emit("%s", warnings->items[i]);
}

static int execute(struct plan *plan, int *ret_code, struct err *err)
{
	struct runtime_container running = RUNTIME_CONTAINER_INIT;
	sigset_t set;
	own_fd int signal_fd = block_signals(&set, err);

	if (signal_fd < 0 || runtime_create(plan, &running, err) < 0)
		return -1;
	print_warnings(plan);
	int status = supervise(&running, signal_fd, ret_code, err);
	runtime_container_done(&running);
	return status;
}

static int run_bundle(struct oci *oci, const struct run_options *options, const char *id,
		      struct bundle *bundle, struct err *err)
{
	struct spec *spec = &bundle->spec;
	own_free char *cgroup = spec->linux_.cgroups_path ? str_dup(spec->linux_.cgroups_path, err)
							  : str_printf(err, "insula-%s", id);
	own(cgroup_host) struct cgroup_host host = {0};
	struct facts facts;

	if (!cgroup || facts_probe_process(AT_FDCWD, &facts, err) < 0 ||
	    cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	struct runtime_request request = {.id = id,
					  .spec = spec,
					  .root_dir = bundle->root,
					  .cgroup_name = cgroup + (cgroup[0] == '/'),
					  .run_root = oci->run_root ? oci->run_root : "/run/insula",
					  .strict = options->strict,
					  .stdio = {0, 1, 2}};
	struct plan *plan = runtime_plan(&request, &facts, &host, err);
	if (!plan)
		return -1;
	own(str) struct str text = STR_INIT(1u << 20);
	int status;
	if (options->dry_run) {
		status = runtime_plan_print(plan, &text, err);
		if (!status)
			fputs(text.data, stdout);
	} else {
		status = execute(plan, &oci->exit_code, err);
	}
	runtime_plan_free(plan);
	return status;
}

static int run_run(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct run_options *options = values;
	own(bundle) struct bundle bundle;
	const char *id = operands->items[0];

	bundle_init(&bundle);
	if (oci_check_id(id, err) < 0 ||
	    bundle_load(&bundle, options->bundle ? options->bundle : ".", NULL, err) < 0)
		return -1;
	if (bundle.spec.process.terminal) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"process.terminal: run has no terminal to offer yet");
		return err_hint(err, "set it to false in config.json");
	}
	/* Container root is host root here: it must not reach the file that we were started from. */
	if (!bundle.spec.linux_.namespaces[SPEC_NS_USER].given && !options->dry_run &&
	    seal_reexec(oci->argv, err) < 0)
		return -1;
	return run_bundle(oci, options, id, &bundle, err);
}

const struct oci_verb oci_verb_run = {
	.name = "run",
	.usage = "[OPTION...] ID",
	.help = "run a bundle in the foreground",
	.table = run_table,
	.options_size = sizeof(struct run_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_run,
};
