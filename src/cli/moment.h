/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as people type them. */
#ifndef INSULA_CLI_MOMENT_H
#define INSULA_CLI_MOMENT_H

#include <stdint.h>

#include "base/err.h"

/* 2026-01-31, 2026-01-31T12:00:00[.5][Z|+01:00], seconds since 1970 (@1769860800, 1769860800.5), or how long
 * ago (90s, 10m, 1h30m), or in how long (+30s). Without a zone it is UTC. `flag` names it in the error. */
int parse_moment(const char *flag, const char *text, int64_t *ret_ns, struct err *err);

#endif
