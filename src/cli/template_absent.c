/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A member that a document does not have. Where it is one that such documents have at times, it is empty; else
 * whoever wrote the template has mistaken its name, and is told.
 *
 * What a document may have is a list of patterns; below one of its members (the specification that a container was
 * started from) it is what the tables say that bind and write it.
 */
#include <string.h>
#include <strings.h>

#include "cli/template_internal.h"

/* Does the path fit "State.Health", or "Config.Labels.*", below which any name does? */
static bool fits(const char *path, const char *pattern)
{
	size_t length = strlen(pattern);

	if (str_ends(pattern, "*"))
		return strncasecmp(path, pattern, length - 1) == 0;
	return strcasecmp(path, pattern) == 0;
}

static bool has_members(const struct json_field *f)
{
	return f->fields &&
	       (f->kind == JSON_F_OBJECT || f->kind == JSON_F_POINTER || f->kind == JSON_F_ARRAY);
}

/* A map's names are anybody's, and what is written by a function of its own is not described. */
static bool is_described(const struct json_field *fields, const char *path)
{
	size_t size = strcspn(path, ".");
	const struct json_field *f = fields;

	while (f->key && !template_is_same_name(path, size, f->key))
		f++;
	if (!f->key)
		return false;
	if (!path[size] || f->kind == JSON_F_MAP || f->kind == JSON_F_CUSTOM)
		return true;
	return has_members(f) && is_described(f->fields, path + size + 1);
}

static bool may_be_absent(const struct template_absent *absent, const char *path)
{
	if (!absent)
		return false;
	for (size_t i = 0; absent->names && absent->names[i]; i++)
		if (fits(path, absent->names[i]))
			return true;
	size_t size = absent->schema ? strlen(absent->schema_at) : 0;
	return size && strncasecmp(path, absent->schema_at, size) == 0 && path[size] == '.' &&
	       is_described(absent->schema, path + size + 1);
}

/* "Mounts.Source", of an item of the row's list. */
static void path_in_row(const struct template_run *r, const struct value *of, const char *name,
			char *buf, size_t size)
{
	char whole[512], row[64], *out = buf;

	json_path(r->doc, of->node, whole, sizeof whole);
	json_path(r->doc, r->root, row, sizeof row);
	const char *in = whole + (str_starts(whole, row) ? strlen(row) : 0);
	while (*in == '.')
		in++;
	for (; *in && out < buf + size - 1; in++) {
		if (*in == '[')
			in += strcspn(in, "]");
		else
			*out++ = *in;
	}
	snprintf(out, size - (size_t)(out - buf), "%s%s", out > buf ? "." : "", name);
}

/* ".Version" of .Server.Version, for the error. */
static void add_rest(const struct template *t, const struct expr *e, char *path, size_t size)
{
	for (const struct expr *next = e + 1; next < t->exprs + t->expr_count; next++)
		if (next->kind == EXPR_FIELD && &t->exprs[next->of] == e) {
			size_t length = strlen(path);

			snprintf(path + length, size - length, ".%s", next->text);
			e = next;
		}
}

int template_no_member(const struct template_run *r, const struct value *of, const struct expr *e,
		       struct err *err)
{
	const char *name = e->text;
	enum json_type type = value_type(of);
	char path[512];

	if (of->kind == VALUE_NODE && of->doc == r->doc && of->node != r->root)
		path_in_row(r, of, name, path, sizeof path);
	else
		snprintf(path, sizeof path, "%s", name);
	if (type != JSON_ARRAY && may_be_absent(r->t->absent, path))
		return 0;
	add_rest(r->t, e, path, sizeof path);
	err_set(err, ERR_USAGE, 0, "--format: there is no field '%.60s'%s", path,
		type == JSON_ARRAY ? ", as that is a list" : "");
	return err_hint(err, type == JSON_ARRAY ? "{{range LIST}}{{.Field}}{{end}} is of each item"
						: "--format json shows all of them");
}
