/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of validation share. A checker of one value says only what is wrong with it; the
 * caller, which knows where the value stands, wraps that with its JSON path. So nothing is formatted
 * for a configuration that is fine, which is on the way of every start.
 *
 * A rule looks at one member, or at all entries of a list; rules stand in tables. With `found`, each
 * problem is noted there (problems_add, which see) and whatever does not depend on it is looked at too;
 * without, the first problem ends the check. So a rule about one value returns its error as always,
 * and a loop over entries notes it and goes on.
 *
 * Rules see what the document's first mistakes have left: a required text may be "", never NULL.
 */
#ifndef INSULA_SPEC_VALIDATE_H
#define INSULA_SPEC_VALIDATE_H

#include "base/problems.h"
#include "spec/spec.h"

typedef int spec_rule_fn(const struct spec *s, struct problems *found, struct err *err);
/* Each rule of a table that NULL ends. */
int spec_check_rules(spec_rule_fn *const *rules, const struct spec *s, struct problems *found,
		     struct err *err);

/* Put "MEMBER." before the message: "destination: ..." becomes "mounts[3].destination: ...".
 * Returns -1. */
int spec_within(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line of printable text, not empty. */
int spec_check_text(const char *text, struct err *err);
/* Such a text, or NULL. */
int spec_check_optional(const char *text, struct err *err);
/* The key of a KEY=VALUE, whose value may have any character. */
bool spec_key_has_control(const char *text, size_t len);
/* An absolute path without "..", shorter than PATH_MAX. */
int spec_check_path(const char *path, struct err *err);

/* The user namespace and its maps; first, because ids elsewhere are looked up in them. */
spec_rule_fn spec_validate_userns;
spec_rule_fn spec_validate_process;
spec_rule_fn spec_validate_mounts;
spec_rule_fn spec_validate_linux;
spec_rule_fn spec_validate_resources;
/* validate_fields.c */
spec_rule_fn spec_check_scheduler;
spec_rule_fn spec_check_affinity;
spec_rule_fn spec_check_memory_policy;
spec_rule_fn spec_check_resctrl;
spec_rule_fn spec_check_net_devices;
/* spec_validate with a place to note more than the first problem. */
spec_rule_fn spec_validate_all;
/* Entries are not empty, stay below 2^32 and overlap on neither side. `member` is for messages, and with
 * `found` has to be the whole path. */
int spec_validate_idmaps(const struct spec_idmaps *maps, const char *member, struct problems *found,
			 struct err *err);

#endif
