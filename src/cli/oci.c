/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime: an OCI runtime for engines. This file has the global options, the dispatch and the
 * exit codes; the verbs are in oci_*.c, a file for each group of them.
 */
#include "cli/oci.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/own.h"
#include "runtime/place.h"
#include "spec/spec.h"

static const char *const formats[] = {"text", "json", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const managers[] = {"cgroupfs", "systemd", "disabled", NULL};
static const char *const rootless[] = {"auto", "true", "false", NULL};

const struct opt oci_global_table[] = {
	{"root", 0, OPT_STRING, offsetof(struct oci, root), .value_name = "DIR",
	 .help = "directory of what is known of containers (default: /run/insula/oci)",
	 .complete = "dir"},
	{"runroot", 0, OPT_STRING, offsetof(struct oci, run_root), .value_name = "DIR",
	 .help = "directory of the launch pad (default: /run/insula)", .complete = "dir"},
	{"log", 0, OPT_STRING, offsetof(struct oci, log), .value_name = "FILE",
	 .help = "append errors and warnings to a file, to journald:NAME or to syslog:NAME",
	 .complete = "file"},
	{"log-format", 0, OPT_CHOICE, offsetof(struct oci, log_format), .value_name = "FORMAT",
	 .help = "format of the log (default: text)", .choices = formats},
	{"log-level", 0, OPT_CHOICE, offsetof(struct oci, log_level), .value_name = "LEVEL",
	 .help = "what is written (default: info)", .choices = levels,
	 .given_offset = offsetof(struct oci, log_level_given)},
	{"debug", 0, OPT_BOOL, offsetof(struct oci, debug),
	 .help = "write each step of a start to the log"},
	{"cgroup-manager", 0, OPT_CHOICE, offsetof(struct oci, cgroup_manager),
	 .value_name = "MANAGER", .help = "who makes control groups (default: cgroupfs)",
	 .choices = managers},
	{"systemd-cgroup", 0, OPT_BOOL, offsetof(struct oci, systemd_cgroup),
	 .help = "the same as --cgroup-manager systemd"},
	{"rootless", 0, OPT_CHOICE, offsetof(struct oci, rootless), .value_name = "WHETHER",
	 .help = "whether control groups of an ordinary user are meant (default: auto, by who we "
		 "are)",
	 .choices = rootless},
	{"criu", 0, OPT_STRING, offsetof(struct oci, criu), .value_name = "FILE",
	 .help = "where criu is, for checkpoint and restore, which are not here: nobody asks",
	 .complete = "file"},
	{"version", 'v', OPT_BOOL, offsetof(struct oci, version), .help = "print the version"},
	{"version", 'V', OPT_BOOL, offsetof(struct oci, version),
	 .help = "the same, as crun has it", .other_name = true},
	{0},
};

const struct oci_verb *const oci_verbs[] = {
	&oci_verb_create,   &oci_verb_start,  &oci_verb_run,
	&oci_verb_exec,	    &oci_verb_state,  &oci_verb_list,
	&oci_verb_ps,	    &oci_verb_kill,   &oci_verb_delete,
	&oci_verb_pause,    &oci_verb_resume, &oci_verb_update,
	&oci_verb_events,   &oci_verb_spec,   &oci_verb_validate,
	&oci_verb_features, &oci_verb_help,   NULL,
};

static const struct oci_verb *find_verb(const char *name)
{
	if (str_eq(name, "h")) /* runc's */
		return &oci_verb_help;
	for (size_t i = 0; oci_verbs[i]; i++)
		if (!strcmp(oci_verbs[i]->name, name))
			return oci_verbs[i];
	return NULL;
}

static void print_usage(const struct oci *oci, FILE *out)
{
	fprintf(out, "Usage: %s [OPTION...] VERB [OPTION...] [ARGUMENT...]\n\nVerbs:\n",
		oci->program);
	for (size_t i = 0; oci_verbs[i]; i++)
		fprintf(out, "  %-10s %-28s %s\n", oci_verbs[i]->name, oci_verbs[i]->usage,
			oci_verbs[i]->help);
	fputc('\n', out);
	opt_print_help(oci_global_table, out, 80);
	fputs("\n--help prints this text or that of a verb.\n", out);
}

static void print_verb_help(const struct oci *oci, const struct oci_verb *verb)
{
	printf("Usage: %s %s%s%s\n\n%s\n", oci->program, verb->name, *verb->usage ? " " : "",
	       verb->usage, verb->help);
	if (!verb->table[0].name)
		return;
	putchar('\n');
	opt_print_help(verb->table, stdout, 80);
}

static int unknown_verb(const char *name, struct err *err)
{
	const char *closest = NULL;
	unsigned int best = 3;

	if (!strcmp(name, "checkpoint") || !strcmp(name, "restore")) {
		err_set(err, ERR_UNSUPPORTED, 0, "'%s' is not in this version of insula-runtime",
			name);
		return err_hint(err, "a container can be paused, or stopped and started again");
	}
	for (size_t i = 0; oci_verbs[i]; i++) {
		unsigned int d = str_distance(name, oci_verbs[i]->name, 2);

		if (d < best) {
			best = d;
			closest = oci_verbs[i]->name;
		}
	}
	err_set(err, ERR_USAGE, 0, "there is no verb '%s'", name);
	return closest ? err_hint(err, "did you mean '%s'?", closest)
		       : err_hint(err, "insula-runtime --help lists them");
}

static const struct opt no_options[] = {{0}};

static int run_help(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	const struct oci_verb *verb = operands->count ? find_verb(operands->items[0]) : NULL;

	if (operands->count && !verb)
		return unknown_verb(operands->items[0], err);
	if (verb)
		print_verb_help(oci, verb);
	else
		print_usage(oci, stdout);
	return 0;
}

const struct oci_verb oci_verb_help = {
	.name = "help",
	.usage = "[VERB]",
	.help = "print what --help prints, of all or of one verb",
	.table = no_options,
	.max_operands = 1,
	.run = run_help,
};

static int check_operands(const struct oci_verb *verb, size_t count, struct err *err)
{
	if (count >= verb->min_operands && count <= verb->max_operands)
		return 0;
	err_set(err, ERR_USAGE, 0, "%s: %s", verb->name,
		count < verb->min_operands ? "an argument is missing" : "too many arguments");
	return err_hint(err, "insula-runtime %s%s%s", verb->name, *verb->usage ? " " : "",
			verb->usage);
}

static int run_verb(struct oci *oci, const struct oci_verb *verb, int argc, char *const argv[],
		    struct err *err)
{
	own(strv) struct strv operands = STRV_INIT;
	void *options = calloc(1, verb->options_size ? verb->options_size : 1);
	bool help = false;
	int status;

	if (!options)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot start");
	status = opt_parse(verb->table,
			   OPT_HELP_OF_ARGP | (verb->stop_at_operand ? OPT_STOP_AT_OPERAND : 0),
			   argc, argv, options, &operands, &help, err);
	if (status < 0)
		err_wrap(err, "%s", verb->name);
	else if (help)
		print_verb_help(oci, verb);
	else if ((status = check_operands(verb, operands.count, err)) == 0)
		status = verb->run(oci, options, &operands, err);
	opt_values_done(verb->table, options);
	free(options);
	return status;
}

/* Engines read the lines of runc and crun, and show the commit: there it says whose name it is. */
static void print_version(const struct oci *oci)
{
	if (oci->persona == OCI_INSULA)
		puts("insula-runtime " INSULA_VERSION);
	else
		printf("%s version " INSULA_VERSION "\ncommit: insula-runtime " INSULA_VERSION "\n",
		       oci->program);
	puts("spec: " SPEC_OCI_VERSION);
}

static int dispatch(struct oci *oci, int argc, char *argv[], struct err *err)
{
	own(strv) struct strv words = STRV_INIT;
	bool help = false;

	if (opt_parse(oci_global_table, OPT_STOP_AT_OPERAND | OPT_HELP_OF_ARGP, argc - 1, argv + 1,
		      oci, &words, &help, err) < 0)
		return -1;
	if (oci->version) {
		print_version(oci);
		return 0;
	}
	if (oci->systemd_cgroup)
		oci->cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	if (help || !words.count) {
		print_usage(oci, help ? stdout : stderr);
		return help ? 0 : err_set(err, ERR_USAGE, 0, "a verb is missing");
	}
	const struct oci_verb *verb = find_verb(words.items[0]);
	if (!verb)
		return unknown_verb(words.items[0], err);
	if (verb->runc_error && oci->persona == OCI_RUNC)
		oci->peers_error = verb->runc_error;
	if (oci_log_open(oci, err) < 0)
		return -1;
	debug_emit("insula-runtime " INSULA_VERSION ": %s", verb->name);
	return run_verb(oci, verb, (int)words.count - 1, words.items + 1, err);
}

static unsigned int count_inherited(void)
{
	unsigned int n = 0;

	while (fcntl(3 + (int)n, F_GETFD) >= 0)
		n++;
	return n;
}

/* sd_listen_fds(3): whom LISTEN_PID does not name they are not for, however he came by the variable. Without
 * it they are for whoever is started, as crun has it. */
static int count_listen(uint64_t *ret, struct err *err)
{
	const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	char own[16];

	*ret = 0;
	snprintf(own, sizeof own, "%d", (int)getpid());
	if (!count || !*count || (pid && !str_eq(pid, own)))
		return 0;
	return str_to_u64(count, 0, RUNTIME_PRESERVE_MAX, "LISTEN_FDS", ret, err);
}

int oci_find_passed(const struct oci *oci, uint64_t preserve_fds, struct oci_passed *ret,
		    struct err *err)
{
	uint64_t listen, total;

	if (count_listen(&listen, err) < 0)
		return -1;
	total = listen + preserve_fds;
	if (listen > oci->inherited)
		return err_set(err, ERR_USAGE, 0, "LISTEN_FDS=%llu: descriptor %u is not open",
			       (unsigned long long)listen, 3 + oci->inherited);
	if (total > oci->inherited)
		return err_set(err, ERR_USAGE, 0, "--preserve-fds %llu: descriptor %u is not open",
			       (unsigned long long)preserve_fds, 3 + oci->inherited);
	if (total > RUNTIME_PRESERVE_MAX)
		return err_set(err, ERR_LIMIT, 0, "more than %d descriptors cannot be passed on",
			       RUNTIME_PRESERVE_MAX);
	*ret = (struct oci_passed){
		.count = (int)total,
		.listen = {.count = (int)listen, .names = getenv("LISTEN_FDNAMES")}};
	return 0;
}

static void find_persona(struct oci *oci, const char *called)
{
	const char *slash = called ? strrchr(called, '/') : NULL;
	const char *name = slash ? slash + 1 : called ? called : "";

	oci->persona = str_eq(name, "runc")   ? OCI_RUNC
		       : str_eq(name, "crun") ? OCI_CRUN
					      : OCI_INSULA;
	oci->program = oci->persona == OCI_INSULA ? "insula-runtime" : name;
}

/* Of runc and crun an error is 1, or what the verb has; we tell the container's command from all else, as podman-run(1). */
static int error_code(const struct oci *oci, const struct err *err)
{
	return oci->persona == OCI_INSULA ? err_exit_code(err) : oci->peers_error;
}

int oci_main(int argc, char *argv[])
{
	struct oci oci = {.argv = argv, .log_fd = -1, .peers_error = 1};
	struct err err = ERR_INIT;
	int code;

	find_persona(&oci, argv[0]);
	warn_set_program(oci.program);
	signal(SIGCHLD, SIG_DFL); /* were it ignored, nobody could be waited for */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	oci.inherited = count_inherited();
	spec_set_seccomp_receiver(getenv("RUN_OCI_SECCOMP_RECEIVER")); /* crun's */
	int status = fd_sanitize_stdio(&err) < 0 || fd_cloexec_from(3, &err) < 0
			     ? -1
			     : dispatch(&oci, argc, argv, &err);
	if (status == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		status = err_errno(&err, "cannot write to the standard output");
	if (status < 0)
		oci_log_error(&oci, &err);
	code = status < 0 ? error_code(&oci, &err) : oci.exit_code;
	fd_close(oci.log_fd);
	opt_values_done(oci_global_table, &oci);
	return code;
}
