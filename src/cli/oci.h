/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of insula-runtime, the OCI runtime: verbs as a table. */
#ifndef INSULA_CLI_OCI_H
#define INSULA_CLI_OCI_H

#include <stdbool.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/str.h"

/* Of all verbs together; strings are owned. */
struct oci_options {
	char *bundle, *run_root;
	bool strict, dry_run;
};

/* One row has a verb's options, its help and its function, as in cli.h. */
struct oci_verb {
	const char *name;
	const struct opt *table;
	int (*run)(const struct oci_options *options, const struct strv *operands,
		   char *const argv[], int *ret_code, struct err *err);
	const char *usage, *help;
};

extern const struct oci_verb oci_verbs[]; /* a row without a name ends */

/* main() of insula-runtime; returns the exit code. */
int oci_main(int argc, char *argv[]);

#endif
