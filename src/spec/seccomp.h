/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seccomp profiles as JSON: the linux.seccomp object of runtime-spec, and the richer file that
 * docker and podman take for --security-opt seccomp=FILE (archMap, includes and excludes by
 * capability, architecture and kernel), resolved for one set of capabilities.
 */
#ifndef INSULA_SPEC_SECCOMP_H
#define INSULA_SPEC_SECCOMP_H

#include <stdint.h>

#include "base/err.h"
#include "json/json.h"
#include "kernel/seccomp.h"

extern const struct json_field spec_seccomp_fields[]; /* of struct seccomp_profile */

/* A profile file's text -> profile for a container with these bounding capabilities. */
int spec_seccomp_file_parse(const char *text, size_t size, const char *name, uint64_t bounding,
			    struct seccomp_profile *ret, struct err *err);

#endif
