/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parser of templates makes, and what runs it. */
#ifndef INSULA_CLI_TEMPLATE_INTERNAL_H
#define INSULA_CLI_TEMPLATE_INTERNAL_H

#include "cli/template.h"

#define TEMPLATE_PARTS_MAX 1024
#define TEMPLATE_EXPRS_MAX 1024
#define TEMPLATE_DEPTH_MAX 32	  /* of blocks, and of parentheses */
#define TEMPLATE_ARGUMENTS_MAX 16 /* of a function */
#define TEMPLATE_VARIABLES_MAX 64 /* that are known at once */
#define TEMPLATE_STEPS_MAX 1000000
#define TEMPLATE_MEMORY_MAX ((size_t)64 << 20) /* of values that are made on the way */
#define TEMPLATE_OUTPUT_MAX ((size_t)256 << 20)

#define NOTHING (-1) /* in place of an index */

enum expr_kind {
	EXPR_DOT,
	EXPR_ROOT,     /* $ */
	EXPR_VARIABLE, /* text: without its $ */
	EXPR_FIELD,    /* text: the member of what `of` is */
	EXPR_STRING,
	EXPR_INTEGER,
	EXPR_REAL,
	EXPR_BOOL,
	EXPR_NIL,
	EXPR_CALL, /* of: the first argument */
};

struct template_function;

struct expr {
	enum expr_kind kind;
	int of, next; /* next: the argument after this one */
	char *text;
	const struct template_function *function;
	bool of_row;			    /* a member of the row, whatever happens before */
	const struct template_field *field; /* and the table has it */
	int64_t integer;
	double real;
	bool boolean;
};

enum part_kind {
	PART_TEXT,
	PART_ACTION,
	PART_IF,
	PART_WITH,
	PART_RANGE,
	PART_BREAK,
	PART_CONTINUE,
};

struct part {
	enum part_kind kind;
	char *text;	   /* of PART_TEXT */
	char *key, *value; /* variables that get what it is about: $key, $value; NULL: none */
	bool assigns;	   /* $value is one that is there already */
	int expr;
	int body, otherwise; /* first parts */
	int next;
};

struct template
{
	bool is_table;
	const struct template_field *fields;
	const struct template_absent *absent; /* see print_document_rows() */
	size_t part_count, expr_count;
	int first;
	struct part parts[TEMPLATE_PARTS_MAX];
	struct expr exprs[TEMPLATE_EXPRS_MAX];
};

enum value_kind { VALUE_NONE, VALUE_NODE, VALUE_TEXT, VALUE_INTEGER, VALUE_REAL, VALUE_BOOL };

struct value {
	enum value_kind kind;
	const struct json *doc; /* of a node */
	json_node node;
	const char *text; /* nothing in it needs to be scrubbed */
	int64_t integer;
	double real;
	bool boolean;
};

struct template_variable {
	const char *name;
	struct value value;
};

/* One rendering. */
struct template_run {
	const struct template *t;
	const struct json *doc;
	json_node root; /* the row */
	struct template_variable variables[TEMPLATE_VARIABLES_MAX];
	size_t variable_count;
	size_t steps;
	enum { LEAVES_NOTHING, LEAVES_RANGE, LEAVES_ITEM } leaves; /* on the way out of lists */
	/* What values point to, until the end. */
	char **texts;
	struct json **docs;
	size_t text_count, doc_count, memory;
};

/* Evaluates its own arguments: of `and` and `or` not all of them. */
typedef int template_call_fn(struct template_run *r, const struct value *arguments, size_t count,
			     struct value *ret, struct err *err);

struct template_function {
	const char *name;
	size_t min, max;	/* arguments */
	template_call_fn *call; /* NULL: `and`, `or` */
};

/* template_functions.c */
const struct template_function *template_function(const char *name, size_t size);

/* template_value.c */
/* As it is printed; a list's items with the separator between them. */
void value_print(const struct value *v, const char *separator, struct str *out);
bool value_is_true(const struct value *v);
/* The type of what it stands for, as JSON has it. */
enum json_type value_type(const struct value *v);
struct value value_of_node(const struct json *doc, json_node n);
struct value value_of_bool(bool b);
struct value value_of_integer(int64_t n);
/* What was built becomes a value; str_check() included. */
int value_take_text(struct template_run *r, struct str *text, struct value *ret, struct err *err);
/* The same for a JSON text, whose value it is. */
int value_take_json(struct template_run *r, struct str *text, struct value *ret, struct err *err);
void template_run_done(struct template_run *r);
/* JSON_NONE: it has no such member. Letters of both cases are the same, and '_' is nothing. */
json_node template_member(const struct json *doc, json_node object, const char *name);
bool template_is_same_name(const char *a, size_t size, const char *b);

/* template_absent.c: no such member: is that an error? */
int template_no_member(const struct template_run *r, const struct value *of, const struct expr *e,
		       struct err *err);

/* template_literal.c */
/* What an escape in a quoted text stands for, as a string; how much of the text it is behind its backslash, 0: it is
 * no escape, or one for NUL. */
size_t template_unescape(const char *at, const char *end, char out[static 5]);
/* All that would have to be a number, if it is to be one. */
size_t template_number_size(const char *at, const char *end);
bool template_number(const char *text, int64_t *ret_integer, double *ret_real,
		     bool *ret_is_integer);

/* template_parse.c */
int template_refuse(struct err *err, const char *why, const char *at);
int template_unknown_field(const struct template_field *fields, const char *name, struct err *err);

#endif
