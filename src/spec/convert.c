/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Converters of the process and of the namespaces: values that JSON has as names and that are kept as
 * numbers, bit sets or arrays by index. Each refuses what it does not know with the JSON path of the
 * very element, because a capability or a flag that is silently dropped is a container that is
 * silently weaker (or stronger) than the document says.
 *
 * A converter that allocates stores what it has at once, so that json_bind_done releases it through
 * the row's custom_done whether the rest of the document was acceptable or not; a converter that
 * fails has released its own part and left the slot empty.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/caps.h"
#include "kernel/limits.h"
#include "spec/fields.h"
#include "spec/names.h"

int spec_want(const struct json *doc, json_node n, enum json_type type, struct err *err)
{
	if (json_type(doc, n) == type)
		return 0;
	return json_error(doc, n, err, "must be %s",
			  type == JSON_ARRAY	? "an array"
			  : type == JSON_OBJECT ? "an object"
						: "a string");
}

const char *spec_want_string(const struct json *doc, json_node n, struct err *err)
{
	return spec_want(doc, n, JSON_STRING, err) < 0 ? NULL : json_string(doc, n);
}

/* ---- capabilities ---- */

static int capability(const struct json *doc, json_node n, uint64_t *set, struct err *err)
{
	const char *name = spec_want_string(doc, n, err);
	struct err reason = ERR_INIT;
	int cap;

	if (!name)
		return -1;
	cap = caps_parse(name, &reason);
	if (cap < 0 || strncmp(name, "CAP_", 4) != 0)
		return json_error(doc, n, err, "'%s' is not a capability", name);
	*set |= UINT64_C(1) << cap;
	return 0;
}

int spec_bind_capabilities(const struct json *doc, json_node n, void *slot, struct err *err)
{
	uint64_t set = 0;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i))
		if (capability(doc, i, &set, err) < 0 && json_note(doc, err) < 0)
			return -1;
	*(uint64_t *)slot = set;
	return 0;
}

void spec_write_capabilities(struct json_writer *w, const char *key, const void *slot)
{
	uint64_t set = *(const uint64_t *)slot;

	json_write_key(w, key);
	json_write_array(w);
	for (int cap = 0; cap < 64; cap++)
		if (set >> cap & 1 && caps_name(cap))
			json_write_string(w, caps_name(cap));
	json_write_end(w, ']');
}

/* ---- process.user.additionalGids ---- */

static int bind_gid(const struct json *doc, json_node n, uint32_t *slot, struct err *err)
{
	uint64_t gid;

	if (json_u64(doc, n, &gid, err) < 0)
		return -1;
	if (gid >= UINT32_MAX)
		return json_error(doc, n, err, "must be at most %u", UINT32_MAX - 1);
	*slot = (uint32_t)gid;
	return 0;
}

int spec_bind_gids(const struct json *doc, json_node n, void *slot, struct err *err)
{
	struct spec_user *user = slot;
	own_free uint32_t *gids = NULL;
	size_t count = 0;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	if (json_count(doc, n) == 0)
		return 0;
	gids = calloc(json_count(doc, n), sizeof(*gids));
	if (!gids)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i))
		if (bind_gid(doc, i, &gids[count++], err) < 0 && json_note(doc, err) < 0)
			return -1;
	user->additional_gids = take(gids);
	user->additional_gid_count = count;
	return 0;
}

void spec_write_gids(struct json_writer *w, const char *key, const void *slot)
{
	const struct spec_user *user = slot;

	if (!user->additional_gid_count)
		return;
	json_write_key(w, key);
	json_write_array(w);
	for (size_t i = 0; i < user->additional_gid_count; i++)
		json_write_u64(w, user->additional_gids[i]);
	json_write_end(w, ']');
}

void spec_gids_done(void *slot)
{
	struct spec_user *user = slot;

	free(user->additional_gids);
	user->additional_gids = NULL;
	user->additional_gid_count = 0;
}

/* ---- process.rlimits[].type ---- */

int spec_bind_rlimit_type(const struct json *doc, json_node n, void *slot, struct err *err)
{
	const char *name = spec_want_string(doc, n, err);
	struct err reason = ERR_INIT;
	int resource;

	if (!name)
		return -1;
	resource = rlimit_parse(name, &reason);
	if (resource < 0 || !str_starts(name, "RLIMIT_"))
		return json_error(doc, n, err, "'%s' is not a resource limit", name);
	*(int *)slot = resource;
	return 0;
}

void spec_write_rlimit_type(struct json_writer *w, const char *key, const void *slot)
{
	json_write_member(w, key, rlimit_name(*(const int *)slot));
}

/* ---- linux.namespaces ---- */

struct namespace_item {
	int type;
	char *path;
};

static const struct json_field namespace_fields[] = {
	FIELD("type", ENUM, namespace_item, type, REQUIRED, .names = spec_namespace_names),
	FIELD("path", STRING, namespace_item, path),
	{0},
};

static int namespace_add(const struct json *doc, json_node n, unsigned int index,
			 struct spec_namespace *all, struct err *err)
{
	struct namespace_item item = {0};

	if (json_bind(doc, n, namespace_fields, JSON_UNKNOWN_ALLOW, &item, err) < 0)
		return -1;
	if (all[item.type].given) {
		json_bind_done(namespace_fields, &item);
		return json_error(doc, n, err, "namespace '%s' is listed twice",
				  json_string(doc, json_get(doc, n, "type")));
	}
	/* Go's encoding/json writers leave "" where there is no path. */
	if (item.path && !item.path[0])
		json_bind_done(namespace_fields, &item);
	all[item.type] = (struct spec_namespace){.given = true, .path = item.path, .index = index};
	return 0;
}

int spec_bind_namespaces(const struct json *doc, json_node n, void *slot, struct err *err)
{
	unsigned int index = 0;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i)) {
		if (namespace_add(doc, i, index++, slot, err) < 0 && json_note(doc, err) < 0) {
			spec_namespaces_done(slot);
			return -1;
		}
	}
	return 0;
}

void spec_write_namespaces(struct json_writer *w, const char *key, const void *slot)
{
	const struct spec_namespace *all = slot;

	json_write_key(w, key);
	json_write_array(w);
	for (const struct json_name *name = spec_namespace_names; name->name; name++) {
		if (!all[name->value].given)
			continue;
		json_write_object(w);
		json_write_member(w, "type", name->name);
		if (all[name->value].path)
			json_write_member(w, "path", all[name->value].path);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

void spec_namespaces_done(void *slot)
{
	struct spec_namespace *all = slot;

	for (size_t i = 0; i < SPEC_NS_COUNT; i++) {
		free(all[i].path);
		all[i] = (struct spec_namespace){0};
	}
}

/* ---- one letter, or a few ---- */

static int bind_letter(const struct json *doc, json_node n, const char *letters, char *slot,
		       struct err *err)
{
	const char *text = spec_want_string(doc, n, err);

	if (!text)
		return -1;
	if (!text[0] || text[1] || !strchr(letters, text[0]))
		return json_error(doc, n, err, "'%s' is not a device type (one letter of '%s')",
				  text, letters);
	*slot = text[0];
	return 0;
}

static void write_letter(struct json_writer *w, const char *key, char letter)
{
	const char text[2] = {letter, '\0'};

	if (letter)
		json_write_member(w, key, text);
}

int spec_bind_device_type(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return bind_letter(doc, n, "cubp", slot, err);
}

void spec_write_device_type(struct json_writer *w, const char *key, const void *slot)
{
	write_letter(w, key, *(const char *)slot);
}

int spec_bind_rule_type(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return bind_letter(doc, n, "abc", slot, err);
}

void spec_write_rule_type(struct json_writer *w, const char *key, const void *slot)
{
	write_letter(w, key, *(const char *)slot);
}

int spec_bind_access(const struct json *doc, json_node n, void *slot, struct err *err)
{
	const char *text = spec_want_string(doc, n, err);
	size_t len;

	if (!text)
		return -1;
	len = strlen(text);
	if (len > 3 || strspn(text, "rwm") != len)
		return json_error(doc, n, err, "'%s' is not an access (letters of 'rwm')", text);
	for (size_t i = 1; i < len; i++)
		if (memchr(text, text[i], i))
			return json_error(doc, n, err, "'%s' has a letter twice", text);
	memcpy(slot, text, len + 1);
	return 0;
}

void spec_write_access(struct json_writer *w, const char *key, const void *slot)
{
	json_write_member(w, key, slot);
}

/* ---- process.scheduler.flags, linux.memoryPolicy.flags, linux.personality.flags ---- */

static int bind_flag(const struct json *doc, json_node n, const struct json_name *names,
		     const char *what, unsigned int *flags, struct err *err)
{
	const char *text = spec_want_string(doc, n, err);

	if (!text)
		return -1;
	while (names->name && strcmp(names->name, text) != 0)
		names++;
	if (!names->name)
		return json_error(doc, n, err, "'%s' is not a %s flag", text, what);
	*flags |= (unsigned int)names->value;
	return 0;
}

static int bind_flags(const struct json *doc, json_node n, const struct json_name *names,
		      const char *what, unsigned int *ret, struct err *err)
{
	unsigned int flags = 0;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i))
		if (bind_flag(doc, i, names, what, &flags, err) < 0 && json_note(doc, err) < 0)
			return -1;
	*ret = flags;
	return 0;
}

static void write_flags(struct json_writer *w, const char *key, const struct json_name *names,
			unsigned int flags)
{
	if (!flags)
		return;
	json_write_key(w, key);
	json_write_array(w);
	for (; names->name; names++)
		if (flags & (unsigned int)names->value)
			json_write_string(w, names->name);
	json_write_end(w, ']');
}

int spec_bind_sched_flags(const struct json *doc, json_node n, void *slot, struct err *err)
{
	unsigned int flags;

	if (bind_flags(doc, n, spec_sched_flags, "scheduler", &flags, err) < 0)
		return -1;
	*(uint64_t *)slot = flags;
	return 0;
}

void spec_write_sched_flags(struct json_writer *w, const char *key, const void *slot)
{
	write_flags(w, key, spec_sched_flags, (unsigned int)*(const uint64_t *)slot);
}

int spec_bind_mempolicy_flags(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return bind_flags(doc, n, spec_mempolicy_flags, "memory policy", slot, err);
}

void spec_write_mempolicy_flags(struct json_writer *w, const char *key, const void *slot)
{
	write_flags(w, key, spec_mempolicy_flags, *(const unsigned int *)slot);
}

int spec_bind_no_flags(const struct json *doc, json_node n, void *slot, struct err *err)
{
	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	if (json_count(doc, n) > 0)
		return json_error(doc, n, err, "must be empty: the specification defines no flag");
	return 0;
}

/* ---- lists of strings, each made of an item ---- */

void spec_strv_done(void *slot)
{
	strv_done(slot);
}

int spec_bind_list(const struct json *doc, json_node n, enum json_type type, spec_item_fn *add,
		   void *slot, struct err *err)
{
	own(strv) struct strv list = STRV_INIT;

	if (spec_want(doc, n, type, err) < 0)
		return -1;
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i))
		if (add(doc, i, &list, err) < 0 && json_note(doc, err) < 0)
			return -1;
	*(struct strv *)slot = list;
	list = STRV_INIT;
	return 0;
}

/* ---- linux.netDevices ---- */

static int net_device(const struct json *doc, json_node n, struct strv *list, struct err *err)
{
	const char *host = json_key(doc, n), *inside = host;
	json_node name;

	if (spec_want(doc, n, JSON_OBJECT, err) < 0)
		return -1;
	name = json_get(doc, n, "name");
	if (name != JSON_NONE)
		inside = spec_want_string(doc, name, err);
	if (!inside)
		return -1;
	if (!*inside)
		inside = host;
	if (strchr(host, '='))
		return json_error(doc, n, err, "is not the name of a network device");
	return strv_addf(list, err, "%s=%s", host, inside);
}

int spec_bind_net_devices(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return spec_bind_list(doc, n, JSON_OBJECT, net_device, slot, err);
}

void spec_write_net_devices(struct json_writer *w, const char *key, const void *slot)
{
	const struct strv *list = slot;

	if (!list->count)
		return;
	json_write_key(w, key);
	json_write_object(w);
	for (size_t i = 0; i < list->count; i++) {
		const char *inside = strchr(list->items[i], '=');
		char host[256];

		snprintf(host, sizeof(host), "%.*s", (int)(inside - list->items[i]),
			 list->items[i]);
		json_write_key(w, host);
		json_write_object(w);
		json_write_member(w, "name", inside + 1);
		json_write_end(w, '}');
	}
	json_write_end(w, '}');
}
