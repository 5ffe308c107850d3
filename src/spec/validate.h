/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of validation share. A checker of one value says only what is wrong with it; the
 * caller, which knows where the value stands, wraps that with its JSON path. So nothing is formatted
 * for a configuration that is fine, which is on the way of every start.
 */
#ifndef INSULA_SPEC_VALIDATE_H
#define INSULA_SPEC_VALIDATE_H

#include "spec/spec.h"

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
/* ERR_UNSUPPORTED "MEMBER: is not supported yet". */
int spec_unsupported(const char *member, struct err *err);

/* The user namespace and its maps; first, because ids elsewhere are looked up in them. */
int spec_validate_userns(const struct spec_linux *l, struct err *err);
int spec_validate_process(const struct spec *s, struct err *err);
int spec_validate_mounts(const struct spec *s, struct err *err);
int spec_validate_linux(const struct spec *s, struct err *err);
int spec_validate_resources(const struct cgroup_resources *r, struct err *err);
/* Entries are not empty, stay below 2^32 and overlap on neither side. `member` is for messages. */
int spec_validate_idmaps(const struct spec_idmaps *maps, const char *member, struct err *err);

#endif
