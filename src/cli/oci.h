/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of insula-runtime, the OCI runtime: verbs as a table, as in cli.h. One row has a
 * verb's options, its help and its function; dispatch, --help and the tests that walk every option
 * read the same rows.
 *
 * The flags are those of runc and crun together. Called under the name of one of them, errors and exit
 * codes are as theirs.
 */
#ifndef INSULA_CLI_OCI_H
#define INSULA_CLI_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/str.h"
#include "runtime/runtime.h"

enum oci_persona { OCI_INSULA, OCI_RUNC, OCI_CRUN };
enum oci_log_kind { OCI_LOG_FILE, OCI_LOG_JOURNALD, OCI_LOG_SYSLOG };
enum oci_log_format { OCI_LOG_TEXT, OCI_LOG_JSON };
enum oci_log_level { OCI_LOG_ERROR, OCI_LOG_WARNING, OCI_LOG_INFO, OCI_LOG_DEBUG };
enum oci_rootless { OCI_ROOTLESS_AUTO, OCI_ROOTLESS_YES, OCI_ROOTLESS_NO };

/* What a verb gets; the global options first. Strings are owned. */
struct oci {
	char *root;	/* --root: what is known of containers; NULL: the default */
	char *run_root; /* --runroot: the launch pad; NULL: the default */
	char *log;
	char *criu;
	int log_format, log_level;
	bool version;
	bool debug, log_level_given;
	bool systemd_cgroup;
	int cgroup_manager; /* enum cgroup_manager */
	int rootless;
	/* ---- */
	enum oci_persona persona;
	const char *program;	/* the name in messages */
	char *const *argv;	/* the whole command line, for a sealed second start */
	unsigned int inherited; /* descriptors from 3 on that we were started with, in a row */
	int log_fd;		/* of --log, or -1 */
	bool log_stuck;		/* it took nothing last time */
	enum oci_log_kind log_kind;
	const char *log_name; /* of what is written to the journal or to syslog */
	int peers_error;      /* exit code of an error under the name of runc or crun */
	int exit_code;	      /* what a verb that succeeded ends with */
};

struct oci_verb {
	const char *name;
	const char *usage; /* operands, for the help */
	const char *help;  /* one line, lower case, no full stop */
	const struct opt *table;
	size_t options_size;
	bool stop_at_operand;		   /* options end at the first operand */
	int runc_error;			   /* exit code of runc's errors; 0: 1 */
	size_t min_operands, max_operands; /* max 0: none; SIZE_MAX: any number */
	int (*run)(struct oci *oci, void *options, const struct strv *operands, struct err *err);
};

extern const struct oci_verb *const oci_verbs[]; /* NULL ends */
extern const struct opt oci_global_table[];

/* main() of insula-runtime; returns the exit code. */
int oci_main(int argc, char *argv[]);

/* oci_log.c: errors and warnings, to standard error and to --log, in the format asked for. */
int oci_log_open(struct oci *oci, struct err *err);
void oci_log_error(struct oci *oci, const struct err *err);
void oci_log_line(struct oci *oci, enum oci_log_level level, const char *text);

/* Of a container: 1 to 255 of a-z A-Z 0-9 _ + - . and no leading '-' or '.'. */
int oci_check_id(const char *id, struct err *err);
/* --pid-file, replaced as a whole. */
int oci_write_pid_file(const char *path, int pid, struct err *err);
/* The descriptors from 3 on that a command gets: those of socket activation, then --preserve-fds. */
struct oci_passed {
	int count;
	struct runtime_listen listen;
};
/* Are they there? One that is not could be one of ours by now. */
int oci_find_passed(const struct oci *oci, uint64_t preserve_fds, struct oci_passed *ret,
		    struct err *err);

/* Rows, one file a group of verbs. */
extern const struct oci_verb oci_verb_create, oci_verb_run, oci_verb_start, oci_verb_state,
	oci_verb_kill, oci_verb_delete, oci_verb_list, oci_verb_ps, oci_verb_pause, oci_verb_resume,
	oci_verb_exec;
extern const struct oci_verb oci_verb_update, oci_verb_events;
extern const struct oci_verb oci_verb_help;
extern const struct oci_verb oci_verb_spec, oci_verb_validate, oci_verb_features;

#endif
