/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What containers can be filtered by. `before`, `since` and `until` are compared with the time at which a
 * container was made; who gives a container's name there means its time, which is looked up once.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/filter.h"
#include "engine/store.h"

static bool by_id(const void *row, const char *value)
{
	const struct container *ct = row;

	return str_starts(ct->id, value);
}

/* Part of it is enough, as in podman and docker, but for '^' and '$' at the ends. docker's names begin with a
 * slash, which is passed over after a '^'. */
static bool by_name(const void *row, const char *value)
{
	const struct container *ct = row;
	const char *name = ct->record.name;
	bool first = *value == '^', last = str_ends(value, "$");
	const char *part = value + first + (first && value[1] == '/');
	size_t size = strlen(part) - last, length = strlen(name);

	if (size > length || (first && last && size != length))
		return false;
	for (size_t at = last ? length - size : 0; at + size <= length; at++) {
		if (strncmp(name + at, part, size) == 0)
			return true;
		if (first)
			return false;
	}
	return false;
}

static int check_name(const char *value, struct err *err)
{
	const char *part = value + (*value == '^') + str_starts(value, "^/");
	size_t size = strlen(part) - str_ends(part, "$");

	for (size_t i = 0; i < size; i++) {
		if (isalnum((unsigned char)part[i]) || strchr("_.-", part[i]))
			continue;
		err_set(err, ERR_USAGE, 0, "no container's name has '%c' in it, as '%.40s' has",
			part[i], value);
		return err_hint(err, "a part of the name; ^ and $ are its beginning and its end");
	}
	return 0;
}

static bool by_label(const void *row, const char *value)
{
	const struct container *ct = row;

	return filter_label(&ct->record.labels, value);
}

static bool by_status(const void *row, const char *value)
{
	const struct container *ct = row;

	return str_eq(container_shown_status(ct), value);
}

static int check_status(const char *value, struct err *err)
{
	own(str) struct str all = STR_INIT(300);

	for (int i = 0; i < CT_STATUS_COUNT; i++) {
		if (str_eq(container_status_name((enum container_status)i), value))
			return 0;
		str_addf(&all, "%s, ", container_status_name((enum container_status)i));
	}
	if (str_eq(value, "paused"))
		return 0;
	err_set(err, ERR_USAGE, 0, "no container ever is '%.40s'", value);
	return err_hint(err, "one of: %spaused", all.data);
}

static bool by_exit(const void *row, const char *value)
{
	const struct container *ct = row;

	return ct->status == CT_EXITED && ct->exit.code == (int)strtol(value, NULL, 10);
}

static int check_exit(const char *value, struct err *err)
{
	uint64_t code;

	return str_to_u64(value, 0, 255, "an exit code", &code, err);
}

static bool by_image(const void *row, const char *value)
{
	const struct container *ct = row;

	return str_eq(ct->record.image, value);
}

static bool by_before(const void *row, const char *value)
{
	const struct container *ct = row;

	return ct->record.created_ns < strtoll(value, NULL, 10);
}

static bool by_since(const void *row, const char *value)
{
	const struct container *ct = row;

	return ct->record.created_ns > strtoll(value, NULL, 10);
}

static bool by_network(const void *row, const char *value)
{
	const struct container *ct = row;
	const struct spec_namespace *net = &ct->record.spec.linux_.namespaces[SPEC_NS_NET];

	return str_eq(net->given ? net->path ? "container" : "none" : "host", value);
}

static int check_network(const char *value, struct err *err)
{
	static const char *const modes[] = {"none", "host", "container", NULL};

	return filter_check_among(value, modes, "there is no network", err);
}

/* "none": it has no health check. */
static bool by_health(const void *row, const char *value)
{
	const struct container *ct = row;

	if (str_eq(value, "none"))
		return !ct->record.health.command.count;
	return ct->status == CT_RUNNING && str_eq(health_status_names[ct->health], value);
}

static int check_health(const char *value, struct err *err)
{
	static const char *const words[] = {"none", "starting", "healthy", "unhealthy", NULL};

	return filter_check_among(value, words, "no container's health is", err);
}

/* Where it comes from, or where it is in the container. */
static bool by_volume(const void *row, const char *value)
{
	const struct container *ct = row;
	const struct spec *spec = &ct->record.spec;

	for (size_t i = 0; i < spec->mount_count; i++)
		if (str_eq(spec->mounts[i].source, value) ||
		    str_eq(spec->mounts[i].destination, value))
			return true;
	return false;
}

const struct filter_key container_filter_keys[] = {
	{"id", by_id, NULL, false},
	{"name", by_name, check_name, false},
	{"label", by_label, NULL, true},
	{"status", by_status, check_status, false},
	{"exited", by_exit, check_exit, false},
	{"health", by_health, check_health, false},
	{"ancestor", by_image, NULL, false},
	{"image", by_image, NULL, false},
	{"before", by_before, NULL, true},
	{"since", by_since, NULL, true},
	{"until", by_before, NULL, true},
	{"volume", by_volume, NULL, false},
	{"network", by_network, check_network, false},
	{0},
};

static int created_of(struct store *store, const char *ref, int64_t *ret, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_find(store, ref, &ct, err) < 0)
		return -1;
	*ret = ct.record.created_ns;
	return 0;
}

int filters_resolve_containers(struct store *store, const struct strv *filters,
			       filter_moment_fn *parse, struct strv *ret, bool *ret_spec,
			       struct err *err)
{
	if (filters_check(container_filter_keys, filters, err) < 0)
		return -1;
	for (size_t i = 0; i < filters->count; i++) {
		const char *text = filters->items[i], *value = strchr(text, '=') + 1;
		bool until = str_starts(text, "until=");
		int64_t ns = 0;

		*ret_spec = *ret_spec || str_starts(text, "volume=") ||
			    str_starts(text, "network=");
		if (!until && !str_starts(text, "before=") && !str_starts(text, "since=")) {
			if (strv_add(ret, text, err) < 0)
				return -1;
			continue;
		}
		if (until ? parse("--filter until", value, &ns, err) < 0
			  : created_of(store, value, &ns, err) < 0)
			return -1;
		if (strv_addf(ret, err, "%.*s%" PRId64, (int)(value - text), text, ns) < 0)
			return -1;
	}
	return 0;
}
