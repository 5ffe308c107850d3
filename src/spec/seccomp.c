/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linux.seccomp as a table, and the converters of its names. The names of actions, architectures,
 * operators and flags are the tables of kernel/seccomp.h, which the compiler of filters uses too;
 * names of system calls stay text until then, because which of them exist is the compiler's to know.
 *
 * Two names may have one value (SCMP_ACT_KILL and SCMP_ACT_KILL_THREAD): writing takes the first of
 * the table, which means the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "spec/fields.h"
#include "spec/seccomp.h"

#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel; SECCOMP_RET_DATA beyond it is clamped to it */

static int name_value(const struct json *doc, json_node n, const struct seccomp_name *table,
		      const char *what, uint32_t *ret, struct err *err)
{
	const char *text = spec_want_string(doc, n, err);

	if (!text)
		return -1;
	for (; table->name; table++) {
		if (strcmp(table->name, text) == 0) {
			*ret = table->value;
			return 0;
		}
	}
	return json_error(doc, n, err, "'%s' is not a seccomp %s", text, what);
}

static const char *value_name(const struct seccomp_name *table, uint32_t value)
{
	while (table->name && table->value != value)
		table++;
	return table->name;
}

int spec_bind_seccomp_action(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return name_value(doc, n, seccomp_actions, "action", slot, err);
}

void spec_write_seccomp_action(struct json_writer *w, const char *key, const void *slot)
{
	json_write_member(w, key, value_name(seccomp_actions, *(const uint32_t *)slot));
}

int spec_bind_seccomp_op(const struct json *doc, json_node n, void *slot, struct err *err)
{
	uint32_t op;

	if (name_value(doc, n, seccomp_ops, "operator", &op, err) < 0)
		return -1;
	*(int *)slot = (int)op;
	return 0;
}

void spec_write_seccomp_op(struct json_writer *w, const char *key, const void *slot)
{
	json_write_member(w, key, value_name(seccomp_ops, (uint32_t) * (const int *)slot));
}

int spec_bind_seccomp_archs(const struct json *doc, json_node n, void *slot, struct err *err)
{
	struct seccomp_profile *p = slot;
	own_free uint32_t *archs = NULL;
	size_t count = 0;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	if (json_count(doc, n) == 0)
		return 0;
	archs = calloc(json_count(doc, n), sizeof(*archs));
	if (!archs)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i))
		if (name_value(doc, i, seccomp_archs, "architecture", &archs[count], err) == 0)
			count++;
		else if (json_note(doc, err) < 0)
			return -1;
	p->archs = take(archs);
	p->arch_count = count;
	return 0;
}

void spec_write_seccomp_archs(struct json_writer *w, const char *key, const void *slot)
{
	const struct seccomp_profile *p = slot;

	if (!p->arch_count)
		return;
	json_write_key(w, key);
	json_write_array(w);
	for (size_t i = 0; i < p->arch_count; i++)
		json_write_string(w, value_name(seccomp_archs, p->archs[i]));
	json_write_end(w, ']');
}

void spec_seccomp_archs_done(void *slot)
{
	struct seccomp_profile *p = slot;

	free(p->archs);
	p->archs = NULL;
	p->arch_count = 0;
}

int spec_bind_seccomp_flags(const struct json *doc, json_node n, void *slot, struct err *err)
{
	unsigned int flags = 0;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i)) {
		uint32_t flag = 0;

		if (name_value(doc, i, seccomp_flags, "flag", &flag, err) < 0 &&
		    json_note(doc, err) < 0)
			return -1;
		flags |= flag;
	}
	*(unsigned int *)slot = flags;
	return 0;
}

void spec_write_seccomp_flags(struct json_writer *w, const char *key, const void *slot)
{
	unsigned int flags = *(const unsigned int *)slot;

	if (!flags)
		return;
	json_write_key(w, key);
	json_write_array(w);
	for (const struct seccomp_name *name = seccomp_flags; name->name; name++)
		if (flags & name->value)
			json_write_string(w, name->name);
	json_write_end(w, ']');
}

const struct json_field spec_seccomp_arg_fields[] = {
	FIELD("index", U32, seccomp_arg, index, REQUIRED, RANGE(0, 5)),
	FIELD("value", U64, seccomp_arg, value, REQUIRED),
	FIELD("valueTwo", U64, seccomp_arg, value_two),
	FIELD_OWN("op", seccomp_op, seccomp_arg, op, REQUIRED),
	{0},
};

static const struct json_field rule_fields[] = {
	FIELD("names", STRINGS, seccomp_rule, names, REQUIRED),
	FIELD_OWN("action", seccomp_action, seccomp_rule, action, REQUIRED),
	FIELD("errnoRet", U32, seccomp_rule, errno_ret, GIVEN(seccomp_rule, errno_given),
	      RANGE(0, ERRNO_MAX)),
	FIELD_ARRAY("args", seccomp_rule, args, spec_seccomp_arg_fields),
	{0},
};

const struct json_field spec_seccomp_fields[] = {
	FIELD_OWN("defaultAction", seccomp_action, seccomp_profile, default_action, REQUIRED),
	FIELD("defaultErrnoRet", U32, seccomp_profile, default_errno,
	      GIVEN(seccomp_profile, default_errno_given), RANGE(0, ERRNO_MAX)),
	{.key = "architectures",
	 .kind = JSON_F_CUSTOM,
	 .custom = spec_bind_seccomp_archs,
	 .custom_write = spec_write_seccomp_archs,
	 .custom_done = spec_seccomp_archs_done},
	FIELD_OWN("flags", seccomp_flags, seccomp_profile, flags),
	FIELD("listenerPath", STRING, seccomp_profile, listener_path),
	FIELD("listenerMetadata", STRING, seccomp_profile, listener_metadata),
	FIELD_ARRAY("syscalls", seccomp_profile, rules, rule_fields),
	{0},
};

FIELD_ARRAY_LAYOUT(seccomp_profile, rules, rule_count);
FIELD_ARRAY_LAYOUT(seccomp_rule, args, arg_count);
