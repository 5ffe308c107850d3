/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters: see filter.h. */
#include "engine/filter.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "engine/event.h"

static const struct filter_key *find_key(const struct filter_key *keys, const char *text)
{
	size_t size = strcspn(text, "=");

	for (; keys->name; keys++)
		if (strlen(keys->name) == size && strncmp(keys->name, text, size) == 0)
			return keys;
	return NULL;
}

static int unknown_key(const struct filter_key *keys, const char *text, struct err *err)
{
	own(str) struct str all = STR_INIT(300);

	err_set(err, ERR_USAGE, 0, "--filter: there is no '%.60s' to filter by", text);
	for (const struct filter_key *k = keys; k->name; k++)
		str_addf(&all, "%s%s", k == keys ? "" : ", ", k->name);
	return err_hint(err, "KEY=VALUE with one of: %s", all.data);
}

int filters_check(const struct filter_key *keys, const struct strv *filters, struct err *err)
{
	for (size_t i = 0; i < filters->count; i++) {
		const char *text = filters->items[i], *equals = strchr(text, '=');
		const struct filter_key *key = find_key(keys, text);

		if (!key)
			return unknown_key(keys, text, err);
		if (!equals || !equals[1])
			return err_set(err, ERR_USAGE, 0, "--filter: '%.60s' wants %s=VALUE", text,
				       key->name);
		if (key->check && key->check(equals + 1, err) < 0)
			return err_wrap(err, "--filter %s", key->name);
	}
	return 0;
}

static bool key_matches(const struct filter_key *key, const struct strv *filters, const void *row)
{
	bool given = false, one = false, every = true;

	for (size_t i = 0; i < filters->count; i++) {
		const char *text = filters->items[i];
		size_t size = strlen(key->name);

		if (strncmp(text, key->name, size) != 0 || text[size] != '=')
			continue;
		bool matches = key->match(row, text + size + 1);
		given = true;
		one = one || matches;
		every = every && matches;
	}
	return !given || (key->all ? every : one);
}

bool filters_match(const struct filter_key *keys, const struct strv *filters, const void *row)
{
	if (filters->count == 0)
		return true;
	for (; keys->name; keys++)
		if (!key_matches(keys, filters, row))
			return false;
	return true;
}

bool filter_label(const struct strv *labels, const char *value)
{
	size_t size = strlen(value);
	bool whole = strchr(value, '=') != NULL;

	for (size_t i = 0; i < labels->count; i++) {
		const char *label = labels->items[i];

		if (strncmp(label, value, size) == 0 &&
		    (!label[size] || (!whole && label[size] == '=')))
			return true;
	}
	return false;
}

static bool filter_container(const char *id, const char *name, const char *value)
{
	return str_eq(name, value) || (id && str_starts(id, value));
}

/* ---- events ---- */

static bool by_container(const void *row, const char *value)
{
	const struct event *e = row;

	return filter_container(e->id, e->name, value);
}

static bool by_event(const void *row, const char *value)
{
	const struct event *e = row;

	return str_eq(e->event, value);
}

static bool by_image(const void *row, const char *value)
{
	const struct event *e = row;

	return str_eq(e->image, value);
}

static bool by_event_label(const void *row, const char *value)
{
	const struct event *e = row;

	return filter_label(&e->labels, value);
}

static bool by_type(const void *row, const char *value)
{
	const struct event *e = row;

	return str_eq(e->type, value);
}

int filter_check_among(const char *value, const char *const *names, const char *what,
		       struct err *err)
{
	own(str) struct str all = STR_INIT(300);

	for (size_t i = 0; names[i]; i++) {
		if (str_eq(names[i], value))
			return 0;
		str_addf(&all, "%s%s", i ? ", " : "", names[i]);
	}
	err_set(err, ERR_USAGE, 0, "%s '%.40s'", what, value);
	return err_hint(err, "one of: %s", all.data);
}

static int check_event(const char *value, struct err *err)
{
	return filter_check_among(value, event_names, "there is no event", err);
}

static int check_type(const char *value, struct err *err)
{
	static const char *const types[] = {"container", NULL};

	return filter_check_among(value, types, "there are no events of type", err);
}

const struct filter_key event_filter_keys[] = {
	{"container", by_container, NULL, false}, {"event", by_event, check_event, false},
	{"image", by_image, NULL, false},	  {"label", by_event_label, NULL, true},
	{"type", by_type, check_type, false},	  {0},
};
