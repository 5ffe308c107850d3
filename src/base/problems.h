/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All that is wrong with a document, where an ordinary caller stops at the first error.
 *
 * A check that can go on after a problem is given a `struct problems *`, or NULL by those who want one
 * error. Where it has found something, it calls problems_add: with a list, the problem is noted and
 * the check goes on; without, -1 ends it and *err is what the caller gets:
 *
 *	if (check_entry(&list[i], err) < 0 && problems_add(found, err) < 0)
 *		return -1;
 *
 * The message of such an error is "PATH: TEXT", PATH being that of the member in the document
 * ("mounts[3].options[0]"); that is how it is taken apart. One mistake must not be reported as three:
 * once a stage is over (problems_settle), what a later one says about the same member, one inside it or
 * one around it, is dropped, because it looks at what the mistake has left.
 */
#ifndef INSULA_BASE_PROBLEMS_H
#define INSULA_BASE_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define PROBLEMS_MAX 1000

enum problem_severity {
	PROBLEM_ERROR,
	PROBLEM_WARNING, /* it would work, not as written */
};

struct problem {
	enum problem_severity severity;
	enum err_kind kind;
	char *path; /* "": the document as a whole */
	char *message;
	char *hint; /* "": none */
};

struct problems {
	const char *
		document; /* borrowed: errors may have it before the path ("config.json"); or NULL */
	struct problem *items;
	size_t count, cap;
	size_t noted;	/* calls that went on, dropped ones included */
	size_t settled; /* the first so many silence later ones about the same members */
	bool full;	/* PROBLEMS_MAX were reached: the check has ended there */
};

void problems_done(struct problems *found);

/* Note *err, unless the same is there already, and make it as good as new: 0. -1 with *err as it was where `found` is NULL or full, or
 * memory has run out. An error of kind ERR_NONE has been noted already. */
int problems_add(struct problems *found, struct err *err);
int problems_add_warning(struct problems *found, struct err *err);
void problems_settle(struct problems *found);

bool problems_has_errors(const struct problems *found);

#endif
