/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The request to insula-systemd as JSON, and back: one table for both sides, so that they cannot differ.
 * Bounds are those of the reader (json/json.h) and SCOPE_REQUEST_MAX.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "json/json.h"
#include "runtime/scope.h"

#define ROW(key_, kind_, type_, member_, ...) \
	{ \
		.key = (key_), .kind = JSON_F_##kind_, .offset = offsetof(struct type_, member_), \
		__VA_ARGS__ \
	}

static const struct json_name verbs[] = {
	{"start", SCOPE_START},	  {"set", SCOPE_SET}, {"stop", SCOPE_STOP},
	{"attach", SCOPE_ATTACH}, {NULL, 0},
};

static const struct json_field property_fields[] = {
	ROW("name", STRING, scope_property, name, .required = true),
	ROW("type", STRING, scope_property, type, .required = true),
	ROW("values", STRINGS, scope_property, values, .required = true),
	{0},
};

static const struct json_field request_fields[] = {
	ROW("verb", ENUM, scope_request, verb, .required = true, .names = verbs),
	ROW("user", BOOL, scope_request, user),
	ROW("unit", STRING, scope_request, unit, .required = true),
	ROW("slice", STRING, scope_request, slice),
	ROW("description", STRING, scope_request, description),
	ROW("pid", U64, scope_request, pid, .max = INT32_MAX),
	ROW("subgroup", STRING, scope_request, subgroup),
	ROW("timeoutMs", U64, scope_request, timeout_ms, .required = true, .min = 1, .max = 600000),
	ROW("properties", ARRAY, scope_request, properties, .fields = property_fields,
	    .item_size = sizeof(struct scope_property), .max_count = 256),
	{0},
};

void scope_request_done(struct scope_request *request)
{
	json_bind_done(request_fields, request);
}

void scope_properties_done(struct scope_properties *p)
{
	for (size_t i = 0; i < p->count; i++)
		json_bind_done(property_fields, &p->items[i]);
	free(p->items);
	*p = (struct scope_properties){0};
}

int scope_request_print(const struct scope_request *request, struct str *out, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_write_struct(&w, request_fields, request);
	return str_check(out, "the request to insula-systemd", err);
}

int scope_request_parse(const char *text, size_t size, struct scope_request *ret, struct err *err)
{
	own_json struct json *doc = json_parse(text, size, "request", err);
	struct scope_request request = {0};

	if (!doc || json_bind(doc, 0, request_fields, JSON_UNKNOWN_REFUSE, &request, err) < 0)
		return -1;
	*ret = request;
	return 0;
}
