/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bundle as the verbs of insula-runtime read it, and what they share beside it. Private to cli/.
 */
#ifndef INSULA_CLI_OCI_BUNDLE_H
#define INSULA_CLI_OCI_BUNDLE_H

#include "base/own.h"
#include "cli/oci.h"
#include "spec/spec.h"

/* A directory with a config.json and the root file system that it names. */
struct bundle {
	char *path; /* absolute */
	char *root; /* of the container, absolute */
	char *text; /* the configuration as it was read */
	size_t text_size;
	struct spec spec;
};

void bundle_init(struct bundle *bundle);
void bundle_done(struct bundle *bundle);
/* Read and validate. config: another file than config.json, or NULL; config_fd: where it is read already, or -1.
 * Initializes *ret, on failure, too. */
int bundle_load(struct bundle *ret, const char *path, const char *config, int config_fd,
		struct err *err);

/* oci_enter.c: become root of a user namespace of an ordinary user's and begin anew there; returns on failure. */
int oci_enter(const struct oci *oci, struct bundle *bundle, int passed, struct err *err);
/* Are we that second one? 1: with the configuration in *ret_config_fd. */
int oci_entered(int *ret_config_fd, struct err *err);

#endif
