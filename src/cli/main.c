/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula: find the verb, parse its options, run it, and turn an error into one line on the standard
 * error and an exit code: 125 for an error of ours, 126 and 127 for a command that cannot be executed or
 * is not there, the command's own otherwise.
 */
#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/own.h"
#include "cli/color.h"
#include "cli/progress.h"
#include "engine/interrupt.h"

const struct verb *const cli_verbs[] = {
	&cli_verb_run,	      &cli_verb_create,	     &cli_verb_start,
	&cli_verb_exec,	      &cli_verb_attach,	     &cli_verb_ps,
	&cli_verb_logs,	      &cli_verb_stop,	     &cli_verb_restart,
	&cli_verb_kill,	      &cli_verb_pause,	     &cli_verb_unpause,
	&cli_verb_wait,	      &cli_verb_rm,	     &cli_verb_up,
	&cli_verb_generate,   &cli_verb_healthcheck, &cli_verb_inspect,
	&cli_verb_info,	      &cli_verb_version,     &cli_verb_doctor,
	&cli_verb_events,     &cli_verb_cp,	     &cli_verb_diff,
	&cli_verb_top,	      &cli_verb_stats,	     &cli_verb_update,
	&cli_verb_rename,     &cli_verb_prune,	     &cli_verb_mounts,
	&cli_verb_devices,    &cli_verb_secret,	     &cli_verb_system,
	&cli_verb_completion, &cli_verb_containers,  &cli_verb_secrets,
	&cli_verb_again,      &cli_verb_health,	     NULL,
};

const struct opt cli_global_table[] = {
	{"root", 0, OPT_STRING, offsetof(struct cli, root), .value_name = "DIR",
	 .help = "directory of what survives a reboot (default: /var/lib/insula)",
	 .complete = "dir"},
	{"runroot", 0, OPT_STRING, offsetof(struct cli, run_root), .value_name = "DIR",
	 .help = "directory of what does not (default: /run/insula)", .complete = "dir"},
	{0},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; cli_verbs[i]; i++)
		if (!strcmp(cli_verbs[i]->name, name))
			return cli_verbs[i];
	return NULL;
}

void cli_print_error(const struct err *err)
{
	fflush(stdout);
	progress_make_room();
	fprintf(stderr, "%sinsula:%s %s\n", color_begin(stderr, COLOR_BAD),
		color_end(stderr, COLOR_BAD), err->message);
	if (*err->hint)
		fprintf(stderr, "%shint:%s %s\n", color_begin(stderr, COLOR_HINT),
			color_end(stderr, COLOR_HINT), err->hint);
}

static void print_usage(FILE *out)
{
	fputs("Usage: insula [OPTION...] VERB [OPTION...] [ARGUMENT...]\n\n"
	      "Containers from this host's own system, or from any directory tree:\n"
	      "  insula run -it host              a shell in a container made of this host\n"
	      "  insula run --rm host COMMAND     one command, and nothing is left\n"
	      "  insula run --rm dir:PATH COMMAND the same, with a directory tree as the root\n\n"
	      "Verbs:\n",
	      out);
	for (size_t i = 0; cli_verbs[i]; i++)
		if (!(cli_verbs[i]->flags & VERB_HIDDEN))
			fprintf(out, "  %-11s %s\n", cli_verbs[i]->name, cli_verbs[i]->help);
	putc('\n', out);
	opt_print_help(cli_global_table, out, 80);
	fputs("\ninsula VERB --help explains a verb; insula(1) explains everything.\n", out);
}

static void print_verb_help(const struct verb *verb, FILE *out)
{
	fprintf(out, "Usage: insula %s%s%s%s\n\n%s\n", verb->name,
		verb->table[0].name ? " [OPTION...]" : "", *verb->usage ? " " : "", verb->usage,
		verb->help);
	if (!verb->table[0].name)
		return;
	putc('\n', out);
	opt_print_help(verb->table, out, 80);
}

#define NO_REGISTRIES "images of registries are not there yet; run and create take host or dir:PATH"

/* What other engines call it, and no distance between letters tells. */
static const struct {
	const char *name, *hint;
} habits[] = {
	{"list", "insula ps lists containers"},
	{"ls", "insula ps lists containers"},
	{"container", "its verbs stand alone: insula ps, insula run, insula rm"},
	{"delete", "insula rm removes containers"},
	{"remove", "insula rm removes containers"},
	{"shell", "insula exec -it CONTAINER sh"},
	{"enter", "insula exec -it CONTAINER sh"},
	{"export", "insula cp CONTAINER:/ - writes its files as a tar stream"},
	{"volume", "directories of the host are mounted by --volume of insula run"},
	{"network", "insula run --network takes none, host, container:NAME or ns:PATH"},
	{"image", NO_REGISTRIES},
	{"images", NO_REGISTRIES},
	{"pull", NO_REGISTRIES},
	{"build", NO_REGISTRIES},
};

static int unknown_verb(const char *name, struct err *err)
{
	const char *closest = NULL;
	unsigned int best = str_near_limit(name) + 1;

	err_set(err, ERR_USAGE, 0, "there is no verb '%s'", name);
	for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
		if (strcmp(name, habits[i].name) == 0)
			return err_hint(err, "%s", habits[i].hint);
	for (size_t i = 0; cli_verbs[i]; i++) {
		unsigned int d = str_distance(name, cli_verbs[i]->name, best);

		if (d < best && !(cli_verbs[i]->flags & VERB_HIDDEN)) {
			best = d;
			closest = cli_verbs[i]->name;
		}
	}
	return closest ? err_hint(err, "did you mean '%s'?", closest)
		       : err_hint(err, "insula --help lists the verbs");
}

static int check_operands(const struct verb *verb, size_t count, struct err *err)
{
	if (count >= verb->min_operands && count <= verb->max_operands)
		return 0;
	err_set(err, ERR_USAGE, 0, "%s: %s", verb->name,
		count < verb->min_operands ? "an argument is missing" : "too many arguments");
	return err_hint(err, "insula %s%s%s", verb->name, *verb->usage ? " " : "", verb->usage);
}

static int prepare(struct cli *cli, const struct verb *verb, void *options, struct strv *operands,
		   struct err *err)
{
	size_t count = operands->count;

	if (cli_check_choice(verb, options, &count, err) < 0 ||
	    check_operands(verb, count, err) < 0)
		return -1;
	if (verb->flags & VERB_STORE &&
	    store_open(cli_directory(cli, "root"), cli_directory(cli, "runroot"), &cli->store,
		       err) < 0)
		return -1;
	return cli_choose(cli, verb, options, operands, err);
}

/* What was done is done; but not with all that may have been meant. */
static int say_passed_over(const struct cli *cli, int status, struct err *err)
{
	if (cli->passed_over.kind == ERR_NONE)
		return status;
	if (status < 0)
		cli_print_error(&cli->passed_over);
	else
		*err = cli->passed_over;
	return -1;
}

static int run_verb(struct cli *cli, const struct verb *verb, int argc, char *const argv[],
		    struct err *err)
{
	own(strv) struct strv operands = STRV_INIT;
	void *options = calloc(1, verb->options_size ? verb->options_size : 1);
	bool help = false;
	int status;

	cli->verb_argv = argv;
	cli->verb_argc = (size_t)argc;
	cli->verb = verb->name;
	if (!options)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot start");
	status = cli_apply_settings(&cli->settings, verb, options, err);
	if (status == 0)
		status = opt_parse(verb->table,
				   verb->flags & VERB_STOP_PARSE ? OPT_STOP_AT_OPERAND : 0, argc,
				   argv, options, &operands, &help, err);
	if (status < 0) {
		err_wrap(err, "%s", verb->name);
		if (err->kind == ERR_USAGE)
			err_hint(err, "insula %s --help lists the options", verb->name);
	} else if (help) {
		print_verb_help(verb, stdout);
	} else if ((status = prepare(cli, verb, options, &operands, err)) == 0) {
		status = verb->run(cli, options, &operands, err);
		status = say_passed_over(cli, status, err);
	}
	opt_values_done(verb->table, options);
	free(options);
	return status;
}

/* What a keeper asks for is of a container that was made by the configuration of then, and nobody is there to
 * read an error: it goes on with the defaults. For a user's keeper, root of his user namespace, every file of
 * the system's is one that others can write. */
static int load_settings(struct cli *cli, const struct verb *verb, struct err *err)
{
	if (settings_load(&cli->settings, err) == 0 &&
	    cli_check_settings(&cli->settings, err) == 0 &&
	    settings_apply(&cli->settings, err) == 0)
		return 0;
	if (!(verb->flags & VERB_FOR_KEEPER))
		return -1;
	settings_done(&cli->settings);
	*err = ERR_INIT;
	return 0;
}

static int dispatch(struct cli *cli, int argc, char *argv[], struct err *err)
{
	own(strv) struct strv words = STRV_INIT;
	bool help = false;

	if (argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v"))) {
		puts("insula " INSULA_VERSION);
		return 0;
	}
	if (opt_parse(cli_global_table, OPT_STOP_AT_OPERAND, argc - 1, argv + 1, cli, &words, &help,
		      err) < 0)
		return err_hint(err,
				"insula --help lists the options; a verb's come after the verb");
	if (help || !words.count || !strcmp(words.items[0], "help")) {
		const struct verb *about = words.count > 1 ? find_verb(words.items[1]) : NULL;

		if (words.count > 1 && !about)
			return unknown_verb(words.items[1], err);
		about ? print_verb_help(about, stdout) : print_usage(stdout);
		return 0;
	}
	const struct verb *verb = find_verb(words.items[0]);
	if (!verb)
		return unknown_verb(words.items[0], err);
	if (load_settings(cli, verb, err) < 0)
		return -1;
	return run_verb(cli, verb, (int)words.count - 1, words.items + 1, err);
}

/* What a caller set about signals that our own work depends on. */
static void settle_signals(void)
{
	signal(SIGCHLD, SIG_DFL); /* were it ignored, nobody could be waited for */
	signal(SIGXFSZ,
	       SIG_IGN); /* a file that may not grow is an error, after which we clear up */
}

int cli_main(int argc, char *argv[])
{
	struct cli cli = {.argv = argv, .store = {.root_fd = -1, .run_fd = -1}};
	struct err err = ERR_INIT;
	int status;

	warn_set_program("insula");
	umask(022); /* the caller's must not decide who inside may enter a container's root */
	settle_signals();
	status = fd_sanitize_stdio(&err) < 0 || fd_cloexec_from(3, &err) < 0
			 ? -1
			 : dispatch(&cli, argc, argv, &err);
	/* What was lost when a buffer was full is no error of this fflush. */
	if (status == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		status = err_errno(&err, "cannot write to the standard output");
	if (status < 0)
		cli_print_error(&err);
	store_done(&cli.store);
	settings_done(&cli.settings);
	opt_values_done(cli_global_table, &cli);
	interrupt_raise();
	return status < 0 ? err_exit_code(&err) : cli.exit_code;
}
