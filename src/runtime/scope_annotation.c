/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of org.systemd.property.NAME annotations: the part of GVariant's text format that properties of
 * units need. A number without a type is an int32, as there; a list has the type of its first element.
 * Anything else is refused: a value that the manager would take for another one than was meant is worse
 * than an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "runtime/scope.h"

#define VALUE_MAX 4096

static const struct {
	const char *word, *type;
	int64_t min;
	uint64_t max;
} number_types[] = {
	{"byte", "y", 0, UINT8_MAX},	      {"uint32", "u", 0, UINT32_MAX},
	{"uint64", "t", 0, UINT64_MAX},	      {"int32", "i", INT32_MIN, INT32_MAX},
	{"int64", "x", INT64_MIN, INT64_MAX},
};

#define NUMBER_TYPE_COUNT (sizeof(number_types) / sizeof(number_types[0]))
#define DEFAULT_NUMBER 3 /* int32, as GVariant has it for a plain number */

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* 'text' or "text" with backslashes; the end behind it, or NULL. */
static const char *read_string(const char *text, struct str *out)
{
	char quote = *text;

	if (quote != '\'' && quote != '"')
		return NULL;
	for (text++; *text && *text != quote; text++) {
		if (*text == '\\' && !strchr("'\"\\", text[1] ? text[1] : 'x'))
			return NULL;
		text += *text == '\\';
		str_add_char(out, *text);
	}
	return *text ? text + 1 : NULL;
}

struct value {
	char type; /* D-Bus letter of one value */
	struct str text;
};

static bool number_fits(size_t kind, const char *digits)
{
	struct err ignored = ERR_INIT;
	uint64_t u;
	int64_t i;

	if (number_types[kind].min == 0)
		return str_to_u64(digits, 0, number_types[kind].max, "", &u, &ignored) == 0;
	return str_to_i64(digits, number_types[kind].min, (int64_t)number_types[kind].max, "", &i,
			  &ignored) == 0;
}

/* "uint64 5", "-3", "1.5" */
static const char *read_number(const char *text, struct value *ret)
{
	size_t kind = DEFAULT_NUMBER, len;

	for (size_t i = 0; i < NUMBER_TYPE_COUNT; i++) {
		size_t word = strlen(number_types[i].word);

		if (strncmp(text, number_types[i].word, word) == 0 && text[word] == ' ') {
			kind = i;
			text = skip_blanks(text + word);
		}
	}
	len = strspn(text, "-0123456789.");
	str_add_len(&ret->text, text, len);
	ret->type = memchr(text, '.', len) ? 'd' : *number_types[kind].type;
	if (ret->type == 'd' && kind == DEFAULT_NUMBER) {
		char *end;

		strtod(ret->text.data, &end);
		return len && !*end ? text + len : NULL;
	}
	return len && ret->type != 'd' && number_fits(kind, ret->text.data) ? text + len : NULL;
}

static const char *read_value(const char *text, struct value *ret)
{
	static const char *const words[] = {"true", "false"};

	for (size_t i = 0; i < 2; i++)
		if (str_starts(text, words[i])) {
			ret->type = 'b';
			str_add(&ret->text, words[i]);
			return text + strlen(words[i]);
		}
	if (*text == '\'' || *text == '"') {
		ret->type = 's';
		return read_string(text, &ret->text);
	}
	return read_number(text, ret);
}

static const char *read_list(const char *text, char *ret_type, struct strv *values, struct err *err)
{
	*ret_type = 's';
	if (str_starts(text, "@as "))
		text = skip_blanks(text + 4);
	if (*text++ != '[')
		return NULL;
	for (text = skip_blanks(text); *text != ']'; text = skip_blanks(text)) {
		struct value value = {.text = STR_INIT(VALUE_MAX)};

		text = read_value(text, &value);
		if (!text ||
		    (values->count && value.type != *ret_type &&
		     !(value.type == 'i' && *ret_type != 's')) ||
		    strv_add(values, value.text.data, err) < 0) {
			str_done(&value.text);
			return NULL;
		}
		if (values->count == 1)
			*ret_type = value.type;
		str_done(&value.text);
		text = skip_blanks(text);
		if (*text != ',' && *text != ']')
			return NULL;
		text += *text == ',';
	}
	return text + 1;
}

static int refuse(const char *name, const char *text, struct err *err)
{
	err_set(err, ERR_INVALID, 0, "annotations: org.systemd.property.%s: cannot read '%s'", name,
		text);
	return err_hint(err, "it is GVariant text: uint64 5, true, 'text', ['a', 'b']");
}

static int add_list(struct scope_properties *p, const char *name, const char *text, struct err *err)
{
	own(strv) struct strv values = STRV_INIT;
	char type[3] = "a";
	const char *end = read_list(text, &type[1], &values, err);
	struct scope_property *property;

	if (!end || *skip_blanks(end) || !strchr("syut", type[1]))
		return refuse(name, text, err);
	property = scope_append(p, name, type, err);
	if (!property)
		return -1;
	property->values = values;
	values = STRV_INIT;
	return 0;
}

/* "TimeoutStopSec" has no D-Bus property of its own: the manager's are in microseconds. */
static int add_seconds(struct scope_properties *p, const char *name, const struct value *value,
		       struct err *err)
{
	double seconds = strtod(value->text.data, NULL);
	own_free char *micro = str_printf(err, "%.*sUSec", (int)strlen(name) - 3, name);

	if (!micro)
		return -1;
	if (!strchr("yuitxd", value->type) || seconds < 0 || seconds > 1e12)
		return refuse(name, value->text.data, err);
	return scope_add(p, micro, "t", err, "%llu", (unsigned long long)(seconds * 1e6));
}

static int add_single(struct scope_properties *p, const char *name, const char *text,
		      struct value *value, struct err *err)
{
	const char *end = read_value(text, value);
	char type[2] = {value->type, '\0'};

	if (!end || *skip_blanks(end) || str_has_control(value->text.data) || *type == 'y')
		return refuse(name, text, err);
	if (str_ends(name, "Sec") && !str_ends(name, "USec"))
		return add_seconds(p, name, value, err);
	return scope_add(p, name, type, err, "%s", value->text.data);
}

int scope_add_annotation(struct scope_properties *p, const char *name, const char *text,
			 struct err *err)
{
	struct value value = {.text = STR_INIT(VALUE_MAX)};
	int status;

	text = skip_blanks(text);
	if (*text == '[' || *text == '@')
		return add_list(p, name, text, err);
	status = add_single(p, name, text, &value, err);
	str_done(&value.text);
	return status;
}
