/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of insula: verbs as a table. One row has the verb's options, its help and its
 * function; dispatch, --help, completion and the tests that walk every option read the same rows.
 */
#ifndef INSULA_CLI_CLI_H
#define INSULA_CLI_CLI_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/str.h"
#include "cli/color.h"
#include "engine/settings.h"
#include "engine/store.h"

/* What a verb gets. */
struct cli {
	char *root, *run_root;	/* --root, --runroot; NULL: the defaults */
	const char *verb;	/* its name */
	char *const *argv;	/* the whole command line, for a sealed second start */
	char *const *verb_argv; /* what follows the verb in it */
	size_t verb_argc;
	struct settings settings; /* of the configuration files */
	struct store store;	  /* open where the verb wants it */
	bool damaged;		  /* containers whose files are damaged are found too: rm --force */
	bool missing_ok;	  /* those that are not there are passed over: rm --force, --all */
	struct err
		passed_over; /* of one that no filter can judge; the verb's own error comes first */
	int exit_code;	     /* what a verb that succeeded ends with */
};

enum verb_flags {
	VERB_STORE = 1,	     /* the store is opened first */
	VERB_STOP_PARSE = 2, /* options end at the first operand */
	VERB_HIDDEN = 4,     /* not in the list of verbs */
	VERB_FOR_KEEPER = 8, /* of a container that runs: a bad configuration must not end it */
	VERB_LATEST = 16,    /* its options begin with a struct choice */
	VERB_NAMES = 32,     /* all its operands are containers */
	VERB_ALL = 64,	     /* there are to be some: names, --latest, --all or --filter */
};

/* Of a verb that does something to every container that is named, or chosen. */
#define VERB_OF_CONTAINERS \
	.usage = "CONTAINER...", .flags = VERB_STORE | VERB_LATEST | VERB_NAMES | VERB_ALL, \
	.max_operands = SIZE_MAX, .complete = "container"

/* Which containers, where none is named. The rows of it that a verb has: */
struct choice {
	bool latest;
	bool all; /* by --filter, too */
	struct strv filters;
};

#define CHOICE_LATEST \
	{ \
		"latest", 'l', OPT_BOOL, offsetof(struct choice, latest), \
			.help = "the container that was made last, instead of a name" \
	}
#define CHOICE_FILTER(letter_) \
	{ \
		"filter", letter_, OPT_STRINGS, offsetof(struct choice, filters), \
			.value_name = "KEY=VALUE", \
			.help = "those that match, as of ps: label=team=blue", .complete = "none" \
	}
#define CHOICE_ALL(letter_, help_) \
	{ \
		"all", letter_, OPT_BOOL, offsetof(struct choice, all), .help = (help_) \
	}

struct verb {
	const char *name;
	const char *
		usage; /* operands, for the help; "add|remove ..." is what the first one may be, for completion */
	const char *help; /* one line, lower case, no full stop */
	const struct opt *table;
	size_t options_size;
	unsigned int flags;
	size_t min_operands, max_operands; /* max 0: none; SIZE_MAX: any number */
	int (*run)(struct cli *cli, void *options, const struct strv *operands, struct err *err);
	const char *
		complete; /* of its operands: "container", "secret", "object" (of --type), "image", NULL; after such a first one */
};

extern const struct verb *const cli_verbs[]; /* NULL ends */
extern const struct opt cli_global_table[];
extern const struct opt cli_run_table[]; /* of a struct run_options */
#define CLI_RUN_ONLY 4			 /* so many of its rows, the first ones, are of run alone */

/* main() of insula; returns the exit code. */
int cli_main(int argc, char *argv[]);

/* Rows, one file a group of verbs. */
extern const struct verb cli_verb_run, cli_verb_create, cli_verb_exec;
extern const struct verb cli_verb_start, cli_verb_restart, cli_verb_attach, cli_verb_pause,
	cli_verb_unpause;
extern const struct verb cli_verb_ps, cli_verb_logs, cli_verb_stop, cli_verb_kill, cli_verb_rm,
	cli_verb_wait;
extern const struct verb cli_verb_inspect, cli_verb_info, cli_verb_version, cli_verb_doctor,
	cli_verb_completion, cli_verb_containers, cli_verb_again, cli_verb_health,
	cli_verb_healthcheck;
extern const struct verb cli_verb_events, cli_verb_cp, cli_verb_diff, cli_verb_top, cli_verb_stats,
	cli_verb_up, cli_verb_generate, cli_verb_update, cli_verb_rename, cli_verb_prune,
	cli_verb_system, cli_verb_mounts, cli_verb_devices, cli_verb_secret, cli_verb_secrets;
#define CLI_SECRETS_VERB "__secrets" /* the hidden one, for completion */

/* Where container root could write our program: go on as a copy that it cannot write. Returns in that copy. */
int cli_run_sealed(struct cli *cli, bool init, struct err *err);
/* The same before any of these, or any that they require, is started. */
int cli_seal_for_all(struct cli *cli, const struct strv *refs, struct err *err);

/* choose.c: do the choice and so many operands go together? *operands: so many there will be. */
int cli_check_choice(const struct verb *verb, const void *options, size_t *operands,
		     struct err *err);
/* What was chosen becomes operands. */
int cli_choose(struct cli *cli, const struct verb *verb, void *options, struct strv *operands,
	       struct err *err);
/* The name of a container that a verb is done with, on the standard output. Returns 0. */
int cli_said(const struct container *ct);

/* secret.c: a secret as JSON, with its value if that is to be shown. */
int cli_inspect_secret(struct cli *cli, const char *ref, bool show, struct json_writer *w,
		       struct err *err);

/* `secret`, `mounts` and `devices`: "ls" is "list" and "rm" is "remove", whichever of them the verb has. */
const char *cli_action_name(const char *word, bool whole);

/* Call fn for each operand as a container; every failure is printed, the first error's kind decides the
 * exit code. Returns 0 if all went well. */
#define CLI_NOTHING 1 /* of fn: there was nothing to do with this one */
typedef int cli_each_fn(struct cli *cli, struct container *ct, void *options, struct err *err);
int cli_each_container(struct cli *cli, const struct strv *refs, void *options, cli_each_fn *fn,
		       struct err *err);
/* The same at once for all of them, in a process each, and once for a word that is there twice; the names of
 * those with which something was done are printed. */
int cli_each_at_once(struct cli *cli, const struct strv *words, void *options, cli_each_fn *fn,
		     struct err *err);
/* settings.c: what the configuration files say of a verb's options, before its command line. */
int cli_apply_settings(const struct settings *settings, const struct verb *verb, void *options,
		       struct err *err);
/* Every key of [run] is an option. */
int cli_check_settings(const struct settings *settings, struct err *err);
/* ROOT or RUN: the option, the environment, the configuration, or NULL for the default. */
const char *cli_directory(const struct cli *cli, const char *key);
/* As a JSON array: each value in force and where it comes from. */
int cli_write_settings(const struct cli *cli, struct json_writer *w, struct err *err);
void cli_print_error(const struct err *err);

/* A table for people, of at most 16 columns: cells are added row by row. */
struct table {
	size_t columns;
	struct str cells;
	enum color (*color)(size_t column, const char *cell); /* below the titles; NULL: none */
};

#define TABLE_INIT(columns_) \
	((struct table){.columns = (columns_), .cells = STR_INIT((size_t)256 << 20)})

static inline void table_done(struct table *t)
{
	str_done(&t->cells);
}

/* "1.5MiB", into buf. */
const char *cli_size_text(uint64_t bytes, char *buf, size_t size);

void table_add(struct table *t, const char *text);
int table_print(const struct table *t, FILE *out, struct err *err);

#endif
