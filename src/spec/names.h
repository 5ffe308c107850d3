/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of the document, as the tables that parse, print and list them (`features`). Those of
 * seccomp are kernel/seccomp.h's, of capabilities kernel/caps.h's, of mount options
 * spec/mount_options.h's. A row without a name ends each.
 */
#ifndef INSULA_SPEC_NAMES_H
#define INSULA_SPEC_NAMES_H

#include "json/json.h"

extern const struct json_name spec_namespace_names[];	  /* enum spec_ns */
extern const struct json_name spec_sched_policies[];	  /* SCHED_* */
extern const struct json_name spec_sched_flags[];	  /* SCHED_FLAG_* */
extern const struct json_name spec_io_classes[];	  /* IOPRIO_CLASS_* */
extern const struct json_name spec_mempolicy_modes[];	  /* MPOL_* */
extern const struct json_name spec_mempolicy_flags[];	  /* MPOL_F_* */
extern const struct json_name spec_personality_domains[]; /* PER_* */

/* The first name of a value, or NULL. */
const char *spec_name_of(const struct json_name *names, int value);

#endif
