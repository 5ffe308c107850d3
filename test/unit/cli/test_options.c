/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every option of every verb, walked from its table: a good value is taken and stored, a bad one
 * refused, --help shows it, a misspelt one is told what was meant, and what is refused says why. These
 * are the rows that dispatch uses, so an option that is added is tested without another line.
 */
#include <ctype.h>
#include <stdlib.h>

#include "base/own.h"
#include "subjects.h"

/* Parse one argument, or two, into fresh values, which the caller frees with forget(). */
static void *parsed(const struct subject *s, const char *first, const char *second, int *ret_status,
		    struct err *err)
{
	char *argv[] = {(char *)first, (char *)second, NULL};
	own(strv) struct strv operands = STRV_INIT;
	void *values = calloc(1, s->size + sizeof(uint64_t));
	bool help = false;

	CHECK(values);
	*err = ERR_INIT;
	*ret_status = opt_parse(s->table, 0, second ? 2 : 1, argv, values, &operands, &help, err);
	if (*ret_status == 0 && (operands.count || help))
		BAD("'%s' is no option", first);
	return values;
}

static void forget(const struct subject *s, void *values)
{
	opt_values_done(s->table, values);
	free(values);
}

/* A value that the type and the bounds of a row allow, and what it must be stored as. */
static const char *good_value(const struct opt *row, int64_t *ret_number)
{
	static char text[32];
	bool bounded = row->min || row->max;

	*ret_number = bounded ? row->min : 7;
	switch (row->type) {
	case OPT_U64:
	case OPT_I64:
		snprintf(text, sizeof text, "%lld", (long long)*ret_number);
		return text;
	case OPT_BYTES:
		*ret_number = INT64_C(7) << 20;
		return "7m";
	case OPT_MILLI:
		*ret_number = 1500;
		return "1.5";
	case OPT_MS:
		*ret_number = 90000;
		return "1m30s";
	case OPT_CHOICE:
		*ret_number = 0;
		return row->choices[0];
	default:
		return "a value";
	}
}

static void check_stored(const struct opt *row, const char *values, const char *text,
			 int64_t number)
{
	const void *slot = values + row->offset;
	const struct strv *list = slot;
	bool same;

	switch (row->type) {
	case OPT_BOOL:
		same = *(const bool *)slot;
		break;
	case OPT_STRING:
		same = str_eq(*(char *const *)slot, text);
		break;
	case OPT_STRINGS:
		same = list->count == 1 && str_eq(list->items[0], text);
		break;
	case OPT_CHOICE:
		same = *(const int *)slot == number;
		break;
	default:
		same = *(const int64_t *)slot == number;
		break;
	}
	if (!same)
		BAD("'%s' is not stored as it was given", text ? text : "true");
	if (row->given_offset && !*(const bool *)(values + row->given_offset))
		BAD("that it was given is not stored");
}

static void take_good(const struct subject *s, const struct opt *row)
{
	char names[3][80] = {"", "", ""};
	int64_t number = 0;
	const char *text = takes_value(row) ? good_value(row, &number) : NULL;

	if (row->type == OPT_REFUSED)
		return;
	snprintf(names[0], sizeof names[0], "--%s", row->name);
	if (text)
		snprintf(names[1], sizeof names[1], "--%s=%s", row->name, text);
	if (row->letter)
		snprintf(names[2], sizeof names[2], "-%c", row->letter);
	for (int i = 0; i < 3; i++) {
		struct err err;
		int status;

		if (!*names[i])
			continue;
		void *values = parsed(s, names[i], i == 1 ? NULL : text, &status, &err);
		if (status < 0)
			BAD("'%s' is refused: %s", names[i], err.message);
		check_stored(row, values, text, number);
		forget(s, values);
	}
}

TEST(every_option_takes_a_good_value)
{
	each_row(take_good);
}

static void refuse_value(const struct subject *s, const struct opt *row, const char *value)
{
	own_free char *arg = NULL;
	struct err err = ERR_INIT;
	int status;

	arg = str_printf(&err, "--%s=%s", row->name, value);
	CHECK(arg);
	void *values = parsed(s, arg, NULL, &status, &err);
	if (status == 0 || err.kind != ERR_USAGE || !strstr(err.message, row->name))
		BAD("'%s' is not refused with an error that names it, but '%s'", arg, err.message);
	forget(s, values);
}

static void refuse_beyond(const struct subject *s, const struct opt *row)
{
	char text[32];

	if (row->min && row->type == OPT_I64) {
		snprintf(text, sizeof text, "%lld", (long long)row->min - 1);
		refuse_value(s, row, text);
	}
	if (row->max > row->min) {
		snprintf(text, sizeof text, "%lld", (long long)row->max + 1);
		refuse_value(s, row, text);
	}
}

static void refuse_bad(const struct subject *s, const struct opt *row)
{
	char name[80];
	struct err err;
	int status;

	switch (row->type) {
	case OPT_STRING:
	case OPT_STRINGS:
		break;
	case OPT_BOOL:
	case OPT_CHOICE:
	case OPT_U64:
	case OPT_I64:
	case OPT_BYTES:
	case OPT_MILLI:
	case OPT_MS:
		refuse_value(s, row, "sometimes");
		refuse_value(s, row, "");
		refuse_beyond(s, row);
		break;
	case OPT_REFUSED:
		return;
	}
	if (!takes_value(row))
		return;
	snprintf(name, sizeof name, "--%s", row->name);
	void *values = parsed(s, name, NULL, &status, &err);
	if (status == 0 || err.kind != ERR_USAGE || !strstr(err.message, "needs a value"))
		BAD("without its value it is not refused, but '%s'", err.message);
	forget(s, values);
}

TEST(every_option_refuses_a_bad_value)
{
	each_row(refuse_bad);
}

/* A type in a choice is one of them, and nothing that only begins like one is. */
static void take_choices(const struct subject *s, const struct opt *row)
{
	if (row->type != OPT_CHOICE)
		return;
	for (int i = 0; row->choices[i]; i++) {
		own_free char *arg = NULL;
		struct err err = ERR_INIT;
		int status;

		arg = str_printf(&err, "--%s=%s", row->name, row->choices[i]);
		void *values = parsed(s, arg, NULL, &status, &err);
		if (status < 0)
			BAD("choice '%s' is refused", row->choices[i]);
		check_stored(row, values, row->choices[i], i);
		forget(s, values);
		refuse_value(s, row, (const char[]){row->choices[i][0], '\0'});
	}
}

TEST(every_choice_is_taken_and_no_other)
{
	each_row(take_choices);
}

static void refuse_known(const struct subject *s, const struct opt *row)
{
	own_free char *with_value = NULL;
	struct err err = ERR_INIT;

	if (row->type != OPT_REFUSED)
		return;
	with_value = str_printf(&err, "--%s=1", row->name);
	const char *forms[] = {with_value + 0, (char[]){'-', row->letter, '\0'}};
	for (int i = 0; i < (row->letter ? 2 : 1); i++) {
		int status;
		void *values = parsed(s, forms[i], NULL, &status, &err);

		if (status == 0 || err.kind != ERR_UNSUPPORTED || !strstr(err.message, row->help))
			BAD("'%s' is not refused with its reason, but '%s'", forms[i], err.message);
		forget(s, values);
	}
}

TEST(what_is_not_supported_is_refused_with_its_reason)
{
	each_row(refuse_known);
}

/* --network without its second letter is --ntwork. */
static void misspell(const struct subject *s, const struct opt *row)
{
	char wrong[80], hint[100];
	struct err err;
	int status;

	snprintf(wrong, sizeof wrong, "--%c%s", row->name[0], row->name + 2);
	if (opt_find(s->table, wrong + 2))
		return;
	void *values = parsed(s, wrong, NULL, &status, &err);
	if (status == 0 || err.kind != ERR_USAGE || !strstr(err.message, "unknown option"))
		BAD("'%s' is not an unknown option, but '%s'", wrong, err.message);
	snprintf(hint, sizeof hint, "did you mean --%s?", row->name);
	if (row->type == OPT_REFUSED ? !!strstr(err.hint, hint)
				     : strlen(row->name) > 3 && !str_eq(err.hint, hint))
		BAD("'%s' has the hint '%s'", wrong, err.hint);
	forget(s, values);
}

TEST(a_misspelt_option_is_told_what_was_meant)
{
	each_row(misspell);
}

/* ---- the rows themselves ---- */

static void well_formed(const struct subject *s, const struct opt *row)
{
	static const char *const completions[] = {"file",   "dir",    "container", "image",
						  "secret", "signal", "none"};
	bool known = !row->complete || str_starts(row->complete, "mode ");

	for (const char *c = row->name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
			BAD("a name has small letters, digits and '-'");
	if (row->letter && !isalpha((unsigned char)row->letter))
		BAD("'%c' is no letter", row->letter);
	for (const struct opt *other = s->table; other < row; other++)
		if ((str_eq(other->name, row->name) && !row->other_name) ||
		    (row->letter && row->letter == other->letter))
			BAD("its name or letter is that of --%s as well", other->name);
	if (!row->help || strchr(row->help, '\n') ||
	    (str_ends(row->help, ".") && !str_ends(row->help, "...")) ||
	    isupper((unsigned char)row->help[0]))
		BAD("the help is one line in small letters without a full stop");
	if (row->type != OPT_REFUSED && takes_value(row) != !!row->value_name)
		BAD("it has a value without a name, or a name for no value");
	if ((row->type == OPT_CHOICE) != !!row->choices)
		BAD("choices belong to an option of that type");
	for (size_t i = 0; i < sizeof completions / sizeof *completions && row->complete; i++)
		known = known || str_eq(row->complete, completions[i]);
	if (!known)
		BAD("there is no completion of kind '%s'", row->complete);
}

TEST(rows_are_well_formed)
{
	each_row(well_formed);
}

/* ---- help ---- */

static char *help_of(const struct subject *s)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CHECK(out);
	opt_print_help(s->table, out, 10000);
	fclose(out);
	return text;
}

static void find_in_help(const char *text, const struct opt *row)
{
	own_free char *wanted = NULL;
	struct err err = ERR_INIT;

	wanted = row->letter
			 ? str_printf(&err, "  -%c, --%s%s%s", row->letter, row->name,
				      row->value_name ? " " : "",
				      row->value_name ? row->value_name : "")
			 : str_printf(&err, "      --%s%s%s", row->name, row->value_name ? " " : "",
				      row->value_name ? row->value_name : "");
	const char *found = strstr(text, wanted);
	/* Its text stands beside it or, where it is long, below. */
	while (found && !strchr(" \n", found[strlen(wanted)]))
		found = strstr(found + 1, wanted);
	if (row->type == OPT_REFUSED) {
		if (found)
			BAD("--help shows what is not supported");
		return;
	}
	if (!found || !strstr(found, row->help))
		BAD("--help does not show '%s' and its text", wanted);
	for (int i = 0; row->type == OPT_CHOICE && row->choices[i]; i++)
		if (!strstr(found, row->choices[i]))
			BAD("--help does not show the choice '%s'", row->choices[i]);
}

static void show_in_help(const struct subject *s, const struct opt *row)
{
	own_free char *text = help_of(s);

	if (!row->other_name)
		find_in_help(text, row);
}

TEST(every_option_is_in_the_help)
{
	each_row(show_in_help);
}

TEST_MAIN()
