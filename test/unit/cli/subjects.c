/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See subjects.h. */
#include "subjects.h"

#include <stdarg.h>
#include <stdio.h>

struct subject subjects[MAX_SUBJECTS];
size_t subject_count;

/* The running subject and option, for messages. */
static const char *at_name, *at_option;

_Noreturn void bad(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	test_fail(file, line, "%s%s%s: %s", at_name, at_option ? " --" : "",
		  at_option ? at_option : "", text);
}

static struct subject *add_subject(const char *program, const char *verb)
{
	struct subject *s = &subjects[subject_count++];

	CHECK(subject_count <= MAX_SUBJECTS);
	snprintf(s->name, sizeof s->name, "%s%s%s", program, verb ? " " : "", verb ? verb : "");
	snprintf(s->page, sizeof s->page, "%s%s%s.1", program, verb ? "-" : "", verb ? verb : "");
	strcpy(s->options_page, s->page);
	return s;
}

void find_subjects(void)
{
	struct subject *s = add_subject("insula", NULL);

	s->table = cli_global_table;
	s->size = sizeof(struct cli);
	for (size_t i = 0; cli_verbs[i]; i++) {
		if (cli_verbs[i]->flags & VERB_HIDDEN)
			continue; /* for scripts of ours: no options, no page */
		s = add_subject("insula", cli_verbs[i]->name);
		s->table = cli_verbs[i]->table;
		s->size = cli_verbs[i]->options_size;
		s->help = cli_verbs[i]->help;
		/* What both have is described once. */
		if (cli_verbs[i] == &cli_verb_create)
			strcpy(s->options_page, "insula-run.1");
	}
	s = add_subject("insula-runtime", NULL);
	s->table = oci_global_table;
	s->size = sizeof(struct oci);
	s->part = "Options of all verbs";
	strcpy(s->page, "insula-runtime.8");
	strcpy(s->options_page, s->page);
	for (size_t i = 0; oci_verbs[i]; i++) {
		s = add_subject("insula-runtime", oci_verbs[i]->name);
		s->table = oci_verbs[i]->table;
		s->size = oci_verbs[i]->options_size;
		s->part = oci_verbs[i]->name;
		strcpy(s->page, "insula-runtime.8");
		strcpy(s->options_page, s->page);
	}
}

void each_row(row_fn *fn)
{
	find_subjects();
	for (size_t i = 0; i < subject_count; i++) {
		at_name = subjects[i].name;
		for (const struct opt *row = subjects[i].table; row->name; row++) {
			at_option = row->name;
			fn(&subjects[i], row);
		}
		at_option = NULL;
	}
}

void each_subject(subject_fn *fn)
{
	find_subjects();
	for (size_t i = 0; i < subject_count; i++) {
		at_name = subjects[i].name;
		fn(&subjects[i]);
	}
}
