/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: lines of text as a command line of insula-runtime.
 *
 * The options in front of the verb and those of the verb are parsed along the same tables as by the
 * program. What must hold: a refusal has one printable line; a choice is one of its row's, a number in
 * its row's range, and a text that was on the command line; operands are words of the command line in
 * their order; an id that is accepted is a file name that is nothing but one; and everything is released.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/path.h"
#include "cli/oci.h"
#include "cli/oci_bundle.h"
#include "must.h"

static void check_error(const struct err *err)
{
	MUST(err->kind != ERR_NONE && err->kind != ERR_INTERNAL);
	MUST(*err->message && !str_has_control(err->message) && !str_has_control(err->hint));
}

/* Is the text a word, or the end of one ("--name=TEXT", "-nTEXT")? */
static bool was_given(const struct strv *words, const char *text)
{
	for (size_t i = 0; i < words->count; i++)
		if (str_ends(words->items[i], text))
			return true;
	return false;
}

static void check_value(const struct opt *row, const void *slot, const struct strv *words)
{
	int choices = 0;

	switch (row->type) {
	case OPT_CHOICE:
		while (row->choices[choices])
			choices++;
		MUST(*(const int *)slot >= 0 && *(const int *)slot < choices);
		break;
	case OPT_STRING:
		MUST(!*(char *const *)slot || was_given(words, *(char *const *)slot));
		break;
	case OPT_STRINGS:
		for (size_t i = 0; i < ((const struct strv *)slot)->count; i++)
			MUST(was_given(words, ((const struct strv *)slot)->items[i]));
		break;
	case OPT_U64:
		if (row->max > row->min && *(const uint64_t *)slot)
			MUST(*(const uint64_t *)slot <= (uint64_t)row->max);
		break;
	default:
		break;
	}
}

static void check_operands(const struct strv *operands, const struct strv *words)
{
	size_t at = 0;

	for (size_t i = 0; i < operands->count; i++) {
		while (at < words->count && strcmp(words->items[at], operands->items[i]) != 0)
			at++;
		MUST(at++ < words->count);
	}
}

static void check_id(const char *text)
{
	struct err err = ERR_INIT;

	if (oci_check_id(text, &err) < 0) {
		check_error(&err);
		return;
	}
	MUST(path_is_name(text) && text[0] != '-' && text[0] != '.' && strlen(text) < 256);
}

/* Parse; the number of operands, or -1. */
static long parse(const struct opt *table, size_t values_size, unsigned int flags,
		  const struct strv *words, struct strv *operands)
{
	void *values = calloc(1, values_size ? values_size : 1);
	struct err err = ERR_INIT;
	bool help = false;
	int status;

	MUST(values);
	status = opt_parse(table, flags, (int)words->count, words->items, values, operands, &help,
			   &err);
	if (status < 0)
		check_error(&err);
	for (const struct opt *row = table; status == 0 && row->name; row++)
		check_value(row, (char *)values + row->offset, words);
	if (status == 0)
		check_operands(operands, words);
	opt_values_done(table, values);
	free(values);
	return status < 0 || help ? -1 : (long)operands->count;
}

static void parse_verb(const struct strv *words)
{
	own(strv) struct strv operands = STRV_INIT;
	struct strv rest = {.items = words->items + 1, .count = words->count - 1};
	const struct oci_verb *verb = NULL;

	for (size_t i = 0; oci_verbs[i]; i++)
		if (str_eq(oci_verbs[i]->name, words->items[0]))
			verb = oci_verbs[i];
	if (!verb)
		return;
	parse(verb->table, verb->options_size, verb->stop_at_operand ? OPT_STOP_AT_OPERAND : 0,
	      &rest, &operands);
	for (size_t i = 0; i < operands.count; i++)
		check_id(operands.items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(strv) struct strv words = STRV_INIT, operands = STRV_INIT;
	struct err err = ERR_INIT;
	own_free char *text = NULL;
	char *rest, *line;

	if (size > 65536)
		return 0;
	text = rest = str_dup_len((const char *)data, size, &err);
	while (text && (line = strsep(&rest, "\n")))
		MUST(strv_add(&words, line, &err) == 0);
	if (parse(oci_global_table, sizeof(struct oci), OPT_STOP_AT_OPERAND, &words, &operands) > 0)
		parse_verb(&operands);
	return 0;
}
