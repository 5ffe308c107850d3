/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --format 'TEMPLATE': the part of Go's templates that people type.
 *
 *	{{.Field}} {{.Field.Member}} {{.}} {{$}}	values; $ is the row, wherever the dot is
 *	{{json .Field}} {{.Field | json}}		functions: template_functions.c has them
 *	{{(index .List 0).Member}}			values of values
 *	{{if .Field}} {{else if eq .Field "a"}} {{else}} {{end}}
 *	{{range .List}} {{break}} {{continue}} {{else}} {{end}}
 *						and with keys: {{range $key, $value := .Object}}
 *	{{with .Field}} {{else}} {{end}}
 *	{{$name := .Field}} {{$name = .Field}} {{$name.Member}}
 *	{{- .Field -}}					without the space around it
 *	table TEMPLATE					a heading, and columns where the template has \t
 *
 * Outside of braces \t, \n and \\ are what they are in C. What is printed of a row is a value in a JSON
 * document, so whoever lists something fills one kind of row for --format json and for templates.
 * Fields are found by their name in the verb's table, and without a table by the document's own keys, whatever
 * their case and without regard to '_'. Unlike Go's, a list is printed with commas and what is absent as nothing,
 * and objects keep their order.
 */
#ifndef INSULA_CLI_TEMPLATE_H
#define INSULA_CLI_TEMPLATE_H

#include <stdio.h>

#include "cli/cli.h"
#include "json/json.h"

struct template_field {
	const char *name; /* as podman and docker call it: "ID"; NULL ends */
	const char *key;  /* in the row */
	const char *head; /* above its column */
};

/* What a document may be without. */
struct template_absent {
	/* Members that it has only in some states, as "State.Health", and objects whose members are named by
	 * others, as "Config.Labels.*". NULL ends. */
	const char *const *names;
	/* Below that member, whatever the tables have by which it is written. */
	const char *schema_at;
	const struct json_field *schema;
};

struct template;

/* fields: NULL where any key of the document will do. */
struct template *template_parse(const char *text, const struct template_field *fields,
				struct err *err);
void template_free(struct template *t);

static inline void own_template_done(struct template **t)
{
	template_free(*t);
}

#define own_template __attribute__((cleanup(own_template_done)))

/* A line for the value n; without a newline. */
int template_render(const struct template *t, const struct json *doc, json_node n, struct str *out,
		    struct err *err);
/* A line, or the lines of a table, for each item of an array. */
int template_print(const struct template *t, const struct json *doc, json_node array, FILE *out,
		   struct err *err);

/* Does it show that member of the row, or something in it? */
bool template_names(const char *format, const char *name);
/* Does it begin with "table"? */
bool template_is_table(const struct template *t);
/* Is it a format at all? For whoever has work to do before there is anything to print. */
int template_check(const char *format, const struct template_field *fields, struct err *err);
/* How a verb prints rows: format NULL is `fallback`, a template; "json" is the document. `text` is an array
 * of rows. */
int print_rows(const char *format, const char *fallback, const struct template_field *fields,
	       const struct str *text, struct err *err);
/* The same of documents, by the names of their members. What a document does not have is an error, but for what
 * it has only at times. */
int print_document_rows(const char *format, const struct template_absent *absent,
			const struct str *text, struct err *err);

#endif
