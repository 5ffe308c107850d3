/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The option tables of both programs, for tests that walk all of them. */
#ifndef INSULA_TEST_CLI_SUBJECTS_H
#define INSULA_TEST_CLI_SUBJECTS_H

#include "cli/cli.h"
#include "cli/oci.h"
#include "test.h"

#define MAX_SUBJECTS 64

/* One table, and where it is documented. */
struct subject {
	char name[64]; /* "insula run", for messages */
	const struct opt *table;
	size_t size;	       /* of the values */
	char page[64];	       /* file in man/ */
	char options_page[64]; /* where its options are described */
	const char *part;      /* heading of the part of it that is meant; NULL: the whole page */
	const char *help;      /* of the verb; NULL: none */
};

extern struct subject subjects[MAX_SUBJECTS];
extern size_t subject_count;

void find_subjects(void);

/* Call fn for each row of each table, or for each table; what fails by BAD() says in which. */
typedef void row_fn(const struct subject *s, const struct opt *row);
typedef void subject_fn(const struct subject *s);
void each_row(row_fn *fn);
void each_subject(subject_fn *fn);

#define BAD(...) bad(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bad(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline bool takes_value(const struct opt *row)
{
	return row->type != OPT_BOOL && row->type != OPT_REFUSED;
}

#endif
