/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime: an OCI runtime without an engine. In this version it runs a bundle in the foreground
 * (`run`), prints a default configuration (`spec`) and checks one (`validate`); the life-cycle verbs
 * that other engines call are refused with a clear error until they are whole.
 *
 * `run` gives its own descriptors 0, 1 and 2 to the container, waits, removes everything, and exits with
 * the command's exit code: no process of ours stays behind, and no state is written.
 */
#include "cli/oci.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/own.h"
#include "base/proc.h"
#include "kernel/seal.h"
#include "runtime/runtime.h"

static const struct opt run_table[] = {
	{"bundle", 'b', OPT_STRING, offsetof(struct oci_options, bundle), .value_name = "DIR",
	 .help = "directory of config.json and the root file system (default: .)",
	 .complete = "dir"},
	{"strict", 0, OPT_BOOL, offsetof(struct oci_options, strict),
	 .help = "fail where a limit cannot be enforced, instead of warning"},
	{"dry-run", 0, OPT_BOOL, offsetof(struct oci_options, dry_run),
	 .help = "print the plan of the start, make nothing"},
	{"runroot", 0, OPT_STRING, offsetof(struct oci_options, run_root), .value_name = "DIR",
	 .help = "directory of what means nothing after a reboot (default: /run/insula)",
	 .complete = "dir"},
	{0},
};

static const struct opt no_table[] = {{0}};

static int check_id(const char *id, struct err *err)
{
	size_t n = strlen(id);

	if (n > 0 && n <= 128 && id[0] != '-' && id[0] != '.' &&
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") == n)
		return 0;
	err_set(err, ERR_USAGE, 0, "'%s' is not a container id", id);
	return err_hint(err, "1 to 128 of a-z A-Z 0-9 _ + - . and no leading '-' or '.'");
}

static int load(const char *bundle, struct spec *spec, char **ret_root, struct err *err)
{
	own_fd int bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (bundle_fd < 0)
		return err_errno(err, "cannot open bundle '%s'", bundle);
	if (spec_read(bundle_fd, "config.json", spec, err) < 0 || spec_validate(spec, err) < 0)
		return -1;
	*ret_root = spec->root_path[0] == '/' ? str_dup(spec->root_path, err)
					      : str_printf(err, "%s/%s", bundle, spec->root_path);
	return *ret_root ? 0 : -1;
}

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

static int run_spec(const struct oci_options *options, const char *id, struct spec *spec,
		    const char *root, int *ret_code, struct err *err)
{
	own_free char *cgroup = spec->linux_.cgroups_path ? str_dup(spec->linux_.cgroups_path, err)
							  : str_printf(err, "insula-%s", id);
	own(cgroup_host) struct cgroup_host host = {0};
	struct facts facts;

	if (!cgroup || facts_probe_process(AT_FDCWD, &facts, err) < 0 ||
	    cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	struct runtime_request request = {.id = id,
					  .spec = spec,
					  .root_dir = root,
					  .cgroup_name = cgroup + (cgroup[0] == '/'),
					  .run_root = options->run_root ? options->run_root
									: "/run/insula",
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
		status = execute(plan, ret_code, err);
	}
	runtime_plan_free(plan);
	return status;
}

static int verb_run(const struct oci_options *options, const struct strv *operands,
		    char *const argv[], int *ret_code, struct err *err)
{
	struct spec spec;
	own_free char *root = NULL;

	if (operands->count != 1) {
		err_set(err, ERR_USAGE, 0, "run wants one container id");
		return err_hint(err, "insula-runtime run [--bundle DIR] ID");
	}
	if (check_id(operands->items[0], err) < 0)
		return -1;
	spec_init(&spec);
	int status = load(options->bundle ? options->bundle : ".", &spec, &root, err);
	if (!status && spec.process.terminal) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"process.terminal: run has no terminal to offer yet");
		status = err_hint(err, "set it to false in config.json");
	}
	/* Container root is host root here: it must not reach the file that we were started from. */
	if (!status && !spec.linux_.namespaces[SPEC_NS_USER].given)
		status = seal_reexec(argv, err);
	if (!status)
		status = run_spec(options, operands->items[0], &spec, root, ret_code, err);
	spec_done(&spec);
	return status;
}

static int verb_validate(const struct oci_options *options, const struct strv *operands,
			 char *const argv[], int *ret_code, struct err *err)
{
	struct spec spec;
	own_free char *root = NULL;

	if (operands->count > 1)
		return err_set(err, ERR_USAGE, 0, "validate wants one bundle directory");
	spec_init(&spec);
	int status = load(operands->count ? operands->items[0] : ".", &spec, &root, err);
	spec_done(&spec);
	return status;
}

static int verb_spec(const struct oci_options *options, const struct strv *operands,
		     char *const argv[], int *ret_code, struct err *err)
{
	struct spec spec;
	own(str) struct str text = STR_INIT(1u << 20);

	if (operands->count)
		return err_set(err, ERR_USAGE, 0, "spec wants no argument");
	spec_init(&spec);
	int status = spec_default(&spec, err);
	if (!status)
		status = spec_print(&spec, 4, &text, err);
	if (!status)
		puts(text.data);
	spec_done(&spec);
	return status;
}

const struct oci_verb oci_verbs[] = {
	{"run", run_table, verb_run, "[OPTION...] ID", "run a bundle in the foreground"},
	{"spec", no_table, verb_spec, "", "print a default config.json"},
	{"validate", no_table, verb_validate, "[BUNDLE]", "check a bundle's config.json"},
	{0},
};

static const struct oci_verb *find_verb(const char *name)
{
	for (const struct oci_verb *verb = oci_verbs; verb->name; verb++)
		if (!strcmp(verb->name, name))
			return verb;
	return NULL;
}

static void print_usage(FILE *out)
{
	fputs("Usage: insula-runtime VERB [OPTION...] [ARGUMENT...]\n\nVerbs:\n", out);
	for (const struct oci_verb *verb = oci_verbs; verb->name; verb++)
		fprintf(out, "  %-10s %-16s %s\n", verb->name, verb->usage, verb->help);
	fputs("\n--version prints the version, --help this text or that of a verb.\n", out);
}

static void print_verb_help(const struct oci_verb *verb)
{
	printf("Usage: insula-runtime %s%s%s\n\n%s\n", verb->name, *verb->usage ? " " : "",
	       verb->usage, verb->help);
	if (!verb->table[0].name)
		return;
	putchar('\n');
	opt_print_help(verb->table, stdout, 80);
}

static int refuse_verb(const char *name, struct err *err)
{
	static const char *const later[] = {
		"create", "start",  "state",  "kill",	"delete",   "exec",	  "ps",	     "list",
		"pause",  "resume", "update", "events", "features", "checkpoint", "restore", NULL};

	for (size_t i = 0; later[i]; i++)
		if (!strcmp(name, later[i]))
			return err_set(err, ERR_UNSUPPORTED, 0,
				       "verb '%s' is not in this version of insula-runtime", name);
	err_set(err, ERR_USAGE, 0, "there is no verb '%s'", name);
	return err_hint(err, "run, spec or validate; insula-runtime --help");
}

static int dispatch(int argc, char *argv[], int *ret_code, struct err *err)
{
	struct oci_options options = {0};
	own(strv) struct strv operands = STRV_INIT;
	bool help = false;
	const struct oci_verb *verb = find_verb(argv[1]);

	if (!verb)
		return refuse_verb(argv[1], err);
	int status = opt_parse(verb->table, 0, argc - 2, argv + 2, &options, &operands, &help, err);
	if (!status && help) {
		print_verb_help(verb);
	} else if (!status) {
		status = verb->run(&options, &operands, argv, ret_code, err);
	}
	opt_values_done(verb->table, &options);
	return status;
}

int oci_main(int argc, char *argv[])
{
	struct err err = ERR_INIT;
	int code = 0;

	warn_set_program("insula-runtime");
	if (fd_sanitize_stdio(&err) < 0 || fd_cloexec_from(3, &err) < 0)
		return 125;
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? 125 : 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v")) {
		puts("insula-runtime " INSULA_VERSION "\nspec: " SPEC_OCI_VERSION);
		return 0;
	}
	int status = dispatch(argc, argv, &code, &err);
	if (status == 0 && fflush(stdout) != 0)
		status = err_errno(&err, "cannot write to the standard output");
	if (status == 0)
		return code;
	fprintf(stderr, "insula-runtime: %s\n", err.message);
	if (*err.hint)
		fprintf(stderr, "hint: %s\n", err.hint);
	return err_exit_code(&err);
}
