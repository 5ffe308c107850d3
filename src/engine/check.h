/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula system check: is every file of the store what was written, and do they fit together? What is left of
 * something that is gone is not its business but the doctor's (doctor.h).
 */
#ifndef INSULA_ENGINE_CHECK_H
#define INSULA_ENGINE_CHECK_H

#include "engine/store.h"

struct check_problem {
	char *object; /* "container 0123456789ab", "name 'web'" */
	char *text;
	bool repaired;
};

struct check_report {
	struct check_problem *items;
	size_t count;
	size_t containers, names; /* what was looked at */
};

void check_report_done(struct check_report *report);
/* repair: what can be made right without losing anything is. Returns 0 whatever was found. */
int engine_check(struct store *store, bool repair, struct check_report *ret, struct err *err);

#endif
