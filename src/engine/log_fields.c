/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of a container's entries in the journal. Labels and variables are looked up once, when the container is
 * made: neither changes afterwards, and what is added to the environment at a start are secrets. A tag has the
 * name in it, so it is put together at each start.
 */
#include "engine/log_fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

#define TAG_MOST 128
#define TAG_EXPANDED_MOST 8192 /* an image may be a path */
#define NAME_MOST 64	       /* of a field: the journal's limit */
#define FIELDS_MOST 64
#define BYTES_MOST 65536u /* of all fields: every entry has them */

static const char *tag_id(const struct record *record)
{
	return record->id;
}

static const char *tag_name(const struct record *record)
{
	return record->name;
}

static const char *tag_image(const struct record *record)
{
	return record->image;
}

static const struct {
	const char *name;
	const char *(*value)(const struct record *record);
	int length; /* at most so much of it; 0: all */
} tag_fields[] = {
	{"Name", tag_name, 0},
	{"ID", tag_id, STORE_SHORT_ID},
	{"FullID", tag_id, 0},
	{"ImageName", tag_image, 0},
};

static int refuse_tag(const char *what, size_t size, struct err *err)
{
	err_set(err, ERR_USAGE, 0, "--log-opt: tag: '%.*s' is no field", (int)size, what);
	return err_hint(err, "{{.Name}}, {{.ID}}, {{.FullID}} or {{.ImageName}}");
}

/* The field that `text` begins with, after "{{", and what is behind its "}}". */
static int find_tag_field(const char *text, const char **ret_after, struct err *err)
{
	const char *end = strstr(text, "}}"), *last = end;

	if (!end)
		return refuse_tag(text, strlen(text), err);
	*ret_after = end + 2;
	while (*text == ' ')
		text++;
	while (last > text && last[-1] == ' ')
		last--;
	for (int i = 0; *text == '.' && i < (int)(sizeof tag_fields / sizeof *tag_fields); i++)
		if (strlen(tag_fields[i].name) == (size_t)(last - text - 1) &&
		    !strncmp(tag_fields[i].name, text + 1, (size_t)(last - text - 1)))
			return i;
	return refuse_tag(text, (size_t)(last - text), err);
}

static void add_tag_field(int field, const struct record *record, struct str *out)
{
	const char *value = tag_fields[field].value(record);
	int length = tag_fields[field].length;

	str_add_len(out, value, length ? strnlen(value, (size_t)length) : strlen(value));
}

/* record NULL: only look whether it can be done. */
static int expand(const char *tag, const struct record *record, struct str *out, struct err *err)
{
	const char *begin;

	while ((begin = strstr(tag, "{{"))) {
		str_add_len(out, tag, (size_t)(begin - tag));
		int field = find_tag_field(begin + 2, &tag, err);

		if (field < 0)
			return -1;
		if (record)
			add_tag_field(field, record, out);
	}
	str_add(out, tag);
	return str_check(out, "--log-opt: tag", err);
}

int log_tag_check(const char *tag, struct err *err)
{
	own(str) struct str ignored = STR_INIT(TAG_EXPANDED_MOST);

	if (!*tag || strlen(tag) > TAG_MOST || str_has_control(tag))
		return err_set(err, ERR_USAGE, 0, "--log-opt: tag: 1 to %d plain characters",
			       TAG_MOST);
	return expand(tag, NULL, &ignored, err);
}

char *log_tag_expand(const char *tag, const struct record *record, struct err *err)
{
	own(str) struct str text = STR_INIT(TAG_EXPANDED_MOST);

	if (expand(tag, record, &text, err) < 0)
		return NULL;
	str_scrub(text.data); /* a path may have anything in it; a field ends with its line */
	return str_take(&text);
}

/* What is ours to say, or the journal's: another value beside it would be taken for it. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {"MESSAGE", "MESSAGE_ID", "PRIORITY", "IMAGE_NAME"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (str_eq(name, names[i]))
			return true;
	return str_starts(name, "CONTAINER_") || str_starts(name, "SYSLOG_") ||
	       str_starts(name, "OBJECT_");
}

/* As docker's driver has it; false: the journal would not take it. */
static bool field_name(const char *key, char name[static NAME_MOST + 1])
{
	size_t used = 0;

	for (; *key; key++) {
		unsigned char c = (unsigned char)*key;
		bool plain = c < 0x80 && isalnum(c);

		if ((!plain && !used) ||
		    (c & 0xc0) == 0x80) /* one '_' a character, none in front */
			continue;
		if (used == NAME_MOST)
			return false;
		name[used++] = plain ? (char)toupper(c) : '_';
	}
	name[used] = '\0';
	return used && !isdigit((unsigned char)*name);
}

static int add_field(struct strv *fields, const char *option, const char *key,
		     const struct strv *from, struct err *err)
{
	char name[NAME_MOST + 1];
	const char *value = strv_env_get(from, key);

	if (!field_name(key, name))
		return err_set(err, ERR_USAGE, 0,
			       "--log-opt: %s: '%s' cannot be a field of the journal", option, key);
	if (is_reserved(name))
		return err_set(err, ERR_USAGE, 0,
			       "--log-opt: %s: '%s' would be %s, which has another meaning", option,
			       key, name);
	if (strv_env_get(fields, name))
		return err_set(err, ERR_USAGE, 0, "--log-opt: %s: '%s' would be a second %s",
			       option, key, name);
	return value ? strv_addf(fields, err, "%s=%s", name, value) : 0;
}

static int check_size(const struct strv *fields, struct err *err)
{
	size_t size = 0;

	for (size_t i = 0; i < fields->count; i++)
		size += strlen(fields->items[i]);
	if (fields->count > FIELDS_MOST || size > BYTES_MOST)
		return err_set(err, ERR_USAGE, 0,
			       "--log-opt: labels, env: more than %d fields or %u bytes",
			       FIELDS_MOST, BYTES_MOST);
	return 0;
}

int log_fields_add(struct strv *fields, const char *option, const char *names,
		   const struct strv *from, struct err *err)
{
	while (*names) {
		size_t size = strcspn(names, ",");
		own_free char *key = str_dup_len(names, size, err);

		if (!key || (*key && add_field(fields, option, key, from, err) < 0))
			return -1;
		names += size + (names[size] == ',');
	}
	return check_size(fields, err);
}
