/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the entries of a container in the journal have beside its output: --log-opt tag, labels and env. */
#ifndef INSULA_ENGINE_LOG_FIELDS_H
#define INSULA_ENGINE_LOG_FIELDS_H

#include "engine/store.h"

/* Is it a tag: one line, and of the fields in braces only those that there are? */
int log_tag_check(const char *tag, struct err *err);
/* The tag of a container as it is now, without control characters. */
char *log_tag_expand(const char *tag, const struct record *record, struct err *err);

/* NAME=VALUE of each of `names` (between commas) that `from` (KEY=VALUE) has, as docker calls them: in upper
 * case, with '_' for what is no letter or digit. One that would be a field of ours or of the journal's is refused. */
int log_fields_add(struct strv *fields, const char *option, const char *names,
		   const struct strv *from, struct err *err);

#endif
