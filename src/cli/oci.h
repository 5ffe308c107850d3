/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of insula-runtime, the OCI runtime: verbs as a table. */
#ifndef INSULA_CLI_OCI_H
#define INSULA_CLI_OCI_H

/* main() of insula-runtime; returns the exit code. */
int oci_main(int argc, char *argv[]);

#endif
