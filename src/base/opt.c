/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The option parser: one pass over argv, one row of the table per option.
 *
 * The pass (struct run) looks at one argument at a time and decides which of four things it is: the
 * "--" that ends options, a long option, a bundle of short ones, or an operand. An option's text is
 * then stored by its type's function (the store_* below), which writes the field at row->offset and
 * knows nothing of argv. So what "--memory 1g", "--memory=1g", "-m 1g", "-m1g" and "-itm1g" mean is
 * decided in one place, and what "1g" means in another.
 *
 * Where GNU getopt and the parser behind docker and podman (pflag) differ, the command line of a
 * docker user decides: "-m=1g" is "1g", and "-i=false" is accepted. Prefixes of long names are not
 * accepted: a script that relied on one would break, or change its meaning, with the next release.
 *
 * Errors are ERR_USAGE and name the option by its long name. A failed parse leaves the values as
 * they were stored so far: the caller releases them with opt_values_done, as after a success.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/own.h"
#include "base/str.h"

struct run {
	const struct opt *table;
	void *values;
	char *const *argv;
	int argc;
	int next; /* the first argument that was not looked at */
	unsigned int flags;
	bool help;
};

static bool takes_value(const struct opt *row)
{
	return row->type != OPT_BOOL && row->type != OPT_REFUSED;
}

static const struct opt *find_len(const struct opt *table, const char *name, size_t len)
{
	for (const struct opt *row = table; row->name; row++)
		if (strlen(row->name) == len && memcmp(row->name, name, len) == 0)
			return row;
	return NULL;
}

const struct opt *opt_find(const struct opt *table, const char *name)
{
	return find_len(table, name, strlen(name));
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
	for (const struct opt *row = table; row->name; row++)
		if (row->letter && row->letter == letter)
			return row;
	return NULL;
}

/* ---- storing one value ---- */

static int store_bool(const struct opt *row, bool *slot, const char *text, struct err *err)
{
	/* As Go's strconv.ParseBool, which is behind the options of docker, podman and runc. */
	static const char *const words[][6] = {{"true", "1", "t", "T", "True", "TRUE"},
					       {"false", "0", "f", "F", "False", "FALSE"}};

	for (size_t i = 0; i < 6; i++)
		if (!text || str_eq(text, words[0][i]) || str_eq(text, words[1][i])) {
			*slot = !text || str_eq(text, words[0][i]);
			return 0;
		}
	return err_set(err, ERR_USAGE, 0, "--%s must be true or false, not '%s'", row->name, text);
}

static int store_string(char **slot, const char *text, struct err *err)
{
	char *copy = str_dup(text, err);

	if (!copy)
		return -1;
	free(*slot);
	*slot = copy;
	return 0;
}

static int store_choice(const struct opt *row, int *slot, const char *text, struct err *err)
{
	own(str) struct str list = STR_INIT(256);

	for (int i = 0; row->choices[i]; i++) {
		if (str_eq(row->choices[i], text)) {
			*slot = i;
			return 0;
		}
		str_addf(&list, "%s%s", i ? ", " : "", row->choices[i]);
	}
	return err_set(err, ERR_USAGE, 0, "--%s must be one of %s, not '%s'", row->name, list.data,
		       text);
}

/* A row whose max is below its min has no upper bound; one with both 0 has none at all. */
static bool has_max(const struct opt *row)
{
	return row->max >= row->min && (row->min || row->max);
}

static int store_i64(const struct opt *row, const char *what, int64_t *slot, const char *text,
		     struct err *err)
{
	int64_t min = row->min || row->max ? row->min : INT64_MIN;
	int64_t max = has_max(row) ? row->max : INT64_MAX;

	return str_to_i64(text, min, max, what, slot, err);
}

static int store_u64(const struct opt *row, const char *what, uint64_t *slot, const char *text,
		     struct err *err)
{
	uint64_t min = row->min > 0 ? (uint64_t)row->min : 0;
	uint64_t max = has_max(row) ? (uint64_t)row->max : UINT64_MAX;

	return str_to_u64(text, min, max, what, slot, err);
}

typedef int read_unit_fn(const char *text, const char *what, uint64_t *ret, struct err *err);

/* A number with a unit; its row's bounds count in the smallest unit. */
static int store_unit(const struct opt *row, const char *what, read_unit_fn *read, uint64_t *slot,
		      const char *text, struct err *err)
{
	uint64_t value;

	if (read(text, what, &value, err) < 0)
		return -1;
	if (row->min > 0 && value < (uint64_t)row->min)
		return err_set(err, ERR_USAGE, 0, "%s: '%s' is below the minimum", what, text);
	if (has_max(row) && value > (uint64_t)row->max)
		return err_set(err, ERR_USAGE, 0, "%s: '%s' is above the maximum", what, text);
	*slot = value;
	return 0;
}

static int store_ms(const struct opt *row, const char *what, uint64_t *slot, const char *text,
		    struct err *err)
{
	if (row->min >= 0 || !str_eq(text, "-1"))
		return store_unit(row, what, str_to_ms, slot, text, err);
	*slot = INT64_MAX;
	return 0;
}

static int store_number(const struct opt *row, void *slot, const char *text, struct err *err)
{
	char what[80];
	int r;

	snprintf(what, sizeof(what), "--%s", row->name);
	switch (row->type) {
	case OPT_U64:
		r = store_u64(row, what, slot, text, err);
		break;
	case OPT_I64:
		r = store_i64(row, what, slot, text, err);
		break;
	case OPT_BYTES:
		r = store_unit(row, what, str_to_bytes, slot, text, err);
		break;
	case OPT_MILLI:
		r = store_unit(row, what, str_to_milli, slot, text, err);
		break;
	default:
		r = store_ms(row, what, slot, text, err);
		break;
	}
	/* Whatever is wrong with a number that came in on the command line, the command line is. */
	if (r < 0)
		err->kind = ERR_USAGE;
	return r;
}

static int store_by_type(const struct opt *row, void *slot, const char *text, struct err *err)
{
	switch (row->type) {
	case OPT_BOOL:
		return store_bool(row, slot, text, err);
	case OPT_STRING:
		return store_string(slot, text, err);
	case OPT_STRINGS:
		return strv_add(slot, text, err);
	case OPT_CHOICE:
		return store_choice(row, slot, text, err);
	case OPT_REFUSED:
		return err_set(err, ERR_UNSUPPORTED, 0, "option --%s is not supported: %s",
			       row->name, row->help);
	default:
		return store_number(row, slot, text, err);
	}
}

/* `text` is NULL for an option that stands without a value. */
static int store(struct run *run, const struct opt *row, const char *text, struct err *err)
{
	char *values = run->values;

	if (store_by_type(row, values + row->offset, text, err) < 0)
		return -1;
	if (row->given_offset)
		*(bool *)(values + row->given_offset) = true;
	return 0;
}

/* The option at hand has no value attached: take the next argument, whatever it looks like. */
static int store_next(struct run *run, const struct opt *row, struct err *err)
{
	if (!takes_value(row))
		return store(run, row, NULL, err);
	if (run->next == run->argc)
		return err_set(err, ERR_USAGE, 0, "option --%s needs a value%s%s", row->name,
			       row->value_name ? ": " : "", row->value_name ? row->value_name : "");
	return store(run, row, run->argv[run->next++], err);
}

/* ---- what an unknown option was meant to be ---- */

/* The only supported name that begins with `name`, or NULL. */
static const struct opt *only_completion(const struct opt *table, const char *name)
{
	const struct opt *found = NULL;

	for (const struct opt *row = table; row->name; row++) {
		if (row->type == OPT_REFUSED || !str_starts(row->name, name))
			continue;
		if (found)
			return NULL;
		found = row;
	}
	return found;
}

/* A name of n letters may be one third wrong: "--memroy" is "--memory", "--ab" is nothing. */
static const struct opt *nearest(const struct opt *table, const char *name)
{
	const struct opt *found = *name ? only_completion(table, name) : NULL;
	size_t len = strlen(name);
	unsigned int best = len > 9 ? 3 : (unsigned int)len / 3;

	if (found)
		return found;
	for (const struct opt *row = table; row->name && best; row++) {
		unsigned int distance = str_distance(row->name, name, best);

		if (row->type == OPT_REFUSED || distance > best)
			continue;
		found = row;
		best = distance - 1;
	}
	return found;
}

static int unknown_long(const struct run *run, const char *name, struct err *err)
{
	const struct opt *near = nearest(run->table, name);

	err_set(err, ERR_USAGE, 0, "unknown option --%s", name);
	if (near)
		err_hint(err, "did you mean --%s?", near->name);
	return -1;
}

/* `arg` is the whole argument: "-memory" is a long option that lacks a dash. */
static int unknown_letter(const struct run *run, const char *arg, char letter, struct err *err)
{
	const struct opt *row = find_len(run->table, arg + 1, strcspn(arg + 1, "="));

	if (arg[1] == letter && !arg[2])
		return err_set(err, ERR_USAGE, 0, "unknown option -%c", letter);
	err_set(err, ERR_USAGE, 0, "unknown option -%c in '%s'", letter, arg);
	if (row)
		err_hint(err, "did you mean --%s?", row->name);
	return -1;
}

/* ---- one argument ---- */

/* `arg` is "--name" or "--name=value". */
static int parse_long(struct run *run, const char *arg, struct err *err)
{
	size_t len = strcspn(arg + 2, "=");
	const struct opt *row = find_len(run->table, arg + 2, len);
	own_free char *name = NULL;

	if (row)
		return arg[2 + len] ? store(run, row, arg + 2 + len + 1, err)
				    : store_next(run, row, err);
	if (str_eq(arg, "--help") || (run->flags & OPT_HELP_OF_ARGP && str_eq(arg, "--usage"))) {
		run->help = true;
		return 0;
	}
	name = str_dup_len(arg + 2, len, err);
	return name ? unknown_long(run, name, err) : -1;
}

/* `arg` is "-" and at least one letter. A letter that takes a value ends the bundle. */
static int parse_bundle(struct run *run, const char *arg, struct err *err)
{
	for (const char *at = arg + 1; *at && !run->help; at++) {
		const struct opt *row = find_letter(run->table, *at);

		if (!row && (*at == 'h' || (run->flags & OPT_HELP_OF_ARGP && *at == '?')))
			run->help = true;
		else if (!row)
			return unknown_letter(run, arg, *at, err);
		else if (at[1] == '=')
			return store(run, row, at + 2, err);
		else if (takes_value(row) && at[1])
			return store(run, row, at + 1, err);
		else if (store_next(run, row, err) < 0)
			return -1;
	}
	return 0;
}

static int take_operands(struct run *run, struct strv *operands, struct err *err)
{
	while (run->next < run->argc)
		if (strv_add(operands, run->argv[run->next++], err) < 0)
			return -1;
	return 0;
}

int opt_parse(const struct opt *table, unsigned int flags, int argc, char *const argv[],
	      void *values, struct strv *operands, bool *ret_help, struct err *err)
{
	struct run run = {
		.table = table, .values = values, .argv = argv, .argc = argc, .flags = flags};

	while (run.next < argc && !run.help) {
		const char *arg = argv[run.next++];
		int r;

		if (str_eq(arg, "--"))
			r = take_operands(&run, operands, err);
		else if (arg[0] == '-' && arg[1] == '-')
			r = parse_long(&run, arg, err);
		else if (arg[0] == '-' && arg[1])
			r = parse_bundle(&run, arg, err);
		else if (!(flags & OPT_STOP_AT_OPERAND))
			r = strv_add(operands, arg, err);
		else {
			run.next--;
			r = take_operands(&run, operands, err);
		}
		if (r < 0)
			return -1;
	}
	*ret_help = run.help;
	return 0;
}

void opt_values_done(const struct opt *table, void *values)
{
	for (const struct opt *row = table; row->name; row++) {
		void *slot = (char *)values + row->offset;

		if (row->type == OPT_STRING) {
			free(*(char **)slot);
			*(char **)slot = NULL;
		} else if (row->type == OPT_STRINGS) {
			strv_done(slot);
		}
	}
}

/* ---- help ---- */

#define HELP_TEXT_MAX 4096
#define HELP_LEFT_LIMIT 34    /* a longer left side has its text on the next line */
#define HELP_TEXT_AT_LEAST 24 /* columns for the text, however narrow the terminal */

static bool is_shown(const struct opt *row)
{
	return row->type != OPT_REFUSED && !row->other_name;
}

/* "  -m, --memory BYTES" */
static void help_left(const struct opt *row, struct str *out)
{
	if (row->letter)
		str_addf(out, "  -%c, ", row->letter);
	else
		str_add(out, "      ");
	str_addf(out, "--%s", row->name);
	if (row->value_name)
		str_addf(out, " %s", row->value_name);
}

static void help_right(const struct opt *row, struct str *out)
{
	str_add(out, row->help);
	if (row->type != OPT_CHOICE)
		return;
	str_add(out, " (");
	for (int i = 0; row->choices[i]; i++)
		str_addf(out, "%s%s", i ? ", " : "", row->choices[i]);
	str_add(out, ")");
}

/* Where the text column begins: beyond the longest left side that is within the limit. */
static unsigned int help_column(const struct opt *table)
{
	unsigned int column = 0;

	for (const struct opt *row = table; row->name; row++) {
		own(str) struct str left = STR_INIT(HELP_TEXT_MAX);

		help_left(row, &left);
		if (is_shown(row) && left.len <= HELP_LEFT_LIMIT && left.len > column)
			column = (unsigned int)left.len;
	}
	return column + 2;
}

/* Length of the next line of `text`, broken at a blank where there is one within `room`. */
static size_t line_len(const char *text, size_t room)
{
	size_t len = strlen(text);

	if (len <= room)
		return len;
	for (size_t at = room; at > 0; at--)
		if (text[at] == ' ')
			return at;
	return strcspn(text, " ");
}

static void help_row(const struct opt *row, FILE *out, unsigned int column, unsigned int width)
{
	own(str) struct str left = STR_INIT(HELP_TEXT_MAX);
	own(str) struct str right = STR_INIT(HELP_TEXT_MAX);
	size_t room = width > column + HELP_TEXT_AT_LEAST ? width - column : HELP_TEXT_AT_LEAST;
	const char *text;

	help_left(row, &left);
	help_right(row, &right);
	fputs(left.data, out);
	if (left.len + 2 > column)
		fprintf(out, "\n%*s", (int)column, "");
	else
		fprintf(out, "%*s", (int)(column - left.len), "");
	for (text = right.data;;) {
		size_t len = line_len(text, room);

		fprintf(out, "%.*s\n", (int)len, text);
		text += len + strspn(text + len, " ");
		if (!*text)
			return;
		fprintf(out, "%*s", (int)column, "");
	}
}

void opt_print_help(const struct opt *table, FILE *out, unsigned int width)
{
	unsigned int column = help_column(table);

	fputs("Options:\n", out);
	for (const struct opt *row = table; row->name; row++)
		if (is_shown(row))
			help_row(row, out, column, width);
}
