/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table-driven option parser. One row of a table gives the parser, the help text, the shell
 * completion, the man page check and the refusal. GNU conventions: --name VALUE, --name=VALUE,
 * -n VALUE, -nVALUE, -n=VALUE, bundled short flags (-it), "--" ends options; with
 * OPT_STOP_AT_OPERAND parsing ends at the first operand (run IMAGE CMD --flags-of-cmd). Booleans
 * accept --flag=true|false, and the other spellings that docker, podman and runc do (1, t, True, 0 ...).
 * An unknown option is ERR_USAGE with a did-you-mean hint from the same table. Prefix abbreviations
 * are not accepted. A repeated single-valued option: the last one wins, as docker and podman do.
 */
#ifndef INSULA_BASE_OPT_H
#define INSULA_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

enum opt_type {
	OPT_BOOL,    /* bool */
	OPT_STRING,  /* char * (owned; free by opt_values_done) */
	OPT_STRINGS, /* struct strv: may be repeated, order kept */
	OPT_U64,     /* uint64_t within [min, max] */
	OPT_I64,     /* int64_t within [min, max] */
	OPT_BYTES,   /* uint64_t, str_to_bytes */
	OPT_MILLI,   /* uint64_t thousandths, str_to_milli */
	OPT_MS,	    /* uint64_t milliseconds, str_to_ms; -1, where min is, is for ever: INT64_MAX */
	OPT_CHOICE, /* int: index into choices[] */
	OPT_REFUSED, /* known in the field, not (yet) here: ERR_UNSUPPORTED with .help as the reason */
};

struct opt {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter;	  /* short name or 0 */
	enum opt_type type;
	size_t offset;		    /* of the field in the values struct */
	size_t given_offset;	    /* of a bool set to true when given; 0: none (never field 0) */
	const char *value_name;	    /* "BYTES" for the help; NULL for booleans */
	const char *help;	    /* one line, lower case, no full stop */
	int64_t min, max;	    /* for numbers; both 0: unbounded; max < min: min only */
	const char *const *choices; /* NULL-terminated */
	const char *
		complete; /* "file", "dir", "container", "image", "secret", "signal", "none", NULL; "mode A B": these,
			       * and container:NAME */
	bool other_name; /* of an option that has a row already: not in the help */
};

enum opt_flags {
	OPT_STOP_AT_OPERAND = 1,
	OPT_HELP_OF_ARGP = 2, /* -? and --usage ask for the help, too */
};

/* argv without the verb itself. Operands are appended to *operands. --help and -h (where the table
 * has no such letter) are not errors: *ret_help is set and parsing stops. */
int opt_parse(const struct opt *table, unsigned int flags, int argc, char *const argv[],
	      void *values, struct strv *operands, bool *ret_help, struct err *err);
/* Free every OPT_STRING and OPT_STRINGS of the table. */
void opt_values_done(const struct opt *table, void *values);
/* "Options:" block, two columns, wrapped at `width`. Refused options are left out. */
void opt_print_help(const struct opt *table, FILE *out, unsigned int width);
/* The row of a name or NULL. */
const struct opt *opt_find(const struct opt *table, const char *name);

#endif
