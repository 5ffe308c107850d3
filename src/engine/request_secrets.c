/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --secret NAME[,type=mount|env][,target=...][,uid=N][,gid=N][,mode=N], as podman has it. The record says which
 * secrets a container gets and where; that they are there, and can be what is asked for, is looked at before
 * anything is made, here and at each start.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/launch.h"
#include "engine/request.h"
#include "engine/secret.h"
#include "runtime/runtime.h"

#define DEFAULT_MODE 0444
#define ID_MOST 65535 /* of a container's range */

static int set_type(struct record_secret *s, const char *value, struct err *err)
{
	s->env = str_eq(value, "env");
	if (s->env || str_eq(value, "mount"))
		return 0;
	return err_set(err, ERR_USAGE, 0, "type '%s' is not mount or env", value);
}

static int set_target(struct record_secret *s, const char *value, struct err *err)
{
	if (!*value || str_has_control(value))
		return err_set(err, ERR_USAGE, 0, "the target is empty, or has control characters");
	free(s->target);
	s->target = str_dup(value, err);
	return s->target ? 0 : -1;
}

static int set_source(struct record_secret *s, const char *value, struct err *err)
{
	free(s->name);
	s->name = str_dup(value, err);
	return s->name ? 0 : -1;
}

static int set_id(const char *value, const char *what, uint32_t *ret, struct err *err)
{
	uint64_t id;

	if (str_to_u64(value, 0, ID_MOST, what, &id, err) < 0)
		return -1;
	*ret = (uint32_t)id;
	return 0;
}

static int set_uid(struct record_secret *s, const char *value, struct err *err)
{
	return set_id(value, "uid", &s->uid, err);
}

static int set_gid(struct record_secret *s, const char *value, struct err *err)
{
	return set_id(value, "gid", &s->gid, err);
}

static int set_mode(struct record_secret *s, const char *value, struct err *err)
{
	size_t size = strlen(value);

	if (!size || size > 4 || strspn(value, "01234567") != size || strtol(value, NULL, 8) > 0777)
		return err_set(err, ERR_USAGE, 0, "mode '%s' is not three octal digits", value);
	s->mode = (int)strtol(value, NULL, 8);
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct record_secret *s, const char *value, struct err *err);
	bool of_files;
} keys[] = {
	{"source", set_source, false}, {"type", set_type, false}, {"target", set_target, false},
	{"uid", set_uid, true},	       {"gid", set_gid, true},	  {"mode", set_mode, true},
};

static int set_key(struct record_secret *s, char *word, bool *of_files, struct err *err)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < sizeof keys / sizeof *keys; i++)
		if (str_eq(keys[i].name, word)) {
			*of_files = *of_files || keys[i].of_files;
			return keys[i].set(s, value, err);
		}
	err_set(err, ERR_USAGE, 0, "'%s' is not known", word);
	return err_hint(err, "type=mount|env, target=, uid=, gid=, mode=");
}

/* A name of ours in the common directory, or anywhere else a path. */
static int place_file(struct record_secret *s, struct err *err)
{
	own_free char *path = NULL;

	if (!s->target || !strchr(s->target, '/')) {
		const char *name = s->target ? s->target : s->name;

		if (!path_is_name(name))
			return err_set(err, ERR_USAGE, 0, "'%s' is not the name of a file", name);
		path = str_printf(err, RUNTIME_FILES_DIR "/%s", name);
	} else if (s->target[0] != '/') {
		return err_set(err, ERR_USAGE, 0, "the target '%s' is neither a name nor absolute",
			       s->target);
	} else if (path_clean(s->target, &path, err) < 0) {
		return -1;
	}
	if (!path)
		return -1;
	if (str_eq(path, "/") || str_eq(path, RUNTIME_FILES_DIR) ||
	    (str_starts(path, RUNTIME_FILES_DIR "/") &&
	     strchr(path + strlen(RUNTIME_FILES_DIR "/"), '/')))
		return err_set(err, ERR_USAGE, 0, "the target '%s' is not a place for a file",
			       path);
	free(s->target);
	s->target = take(path);
	return 0;
}

static int place_variable(struct record_secret *s, bool of_files, struct err *err)
{
	if (of_files)
		return err_set(err, ERR_USAGE, 0, "a variable has no uid, gid or mode");
	if (!s->target) {
		s->target = str_dup(s->name, err);
		return s->target ? 0 : -1;
	}
	if (strchr(s->target, '='))
		return err_set(err, ERR_USAGE, 0, "'%s' is not the name of a variable", s->target);
	return 0;
}

static int parse(const char *text, struct record_secret *s, struct err *err)
{
	own_free char *copy = str_dup(text, err);
	char *rest = copy, *word = copy ? strsep(&rest, ",") : NULL;
	bool of_files = false;

	if (!copy)
		return -1;
	if (!strchr(word, '=')) {
		if (set_source(s, word, err) < 0)
			return -1;
		word = strsep(&rest, ",");
	}
	for (; word; word = strsep(&rest, ","))
		if (set_key(s, word, &of_files, err) < 0)
			return -1;
	if (!s->name)
		return err_set(err, ERR_USAGE, 0, "no secret is named");
	if (secret_check_name(s->name, err) < 0)
		return -1;
	return s->env ? place_variable(s, of_files, err) : place_file(s, err);
}

/* Two of them in one place, or one where something else is mounted. */
static int check_place(const struct record *record, const struct spec *spec,
		       const struct record_secret *s, struct err *err)
{
	const struct record_secret *others = record->secrets.items;
	bool shared = str_starts(s->target, RUNTIME_FILES_DIR "/");
	const char *place = shared ? RUNTIME_FILES_DIR : s->target;

	for (size_t i = 0; i + 1 < record->secrets.count; i++)
		if (others[i].env == s->env && str_eq(others[i].target, s->target))
			return err_set(err, ERR_EXISTS, 0, "two secrets have the target '%s'",
				       s->target);
	return s->env ? 0 : request_check_place(spec, place, err);
}

static struct record_secret *add(struct record *record, struct err *err)
{
	struct json_array *list = &record->secrets;
	struct record_secret *grown = reallocarray(list->items, list->count + 1, sizeof *grown);

	if (!grown) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot note the secret");
		return NULL;
	}
	list->items = grown;
	grown[list->count] = (struct record_secret){.mode = DEFAULT_MODE};
	return &grown[list->count++];
}

int request_secrets(const struct request *r, const struct spec *spec, struct err *err)
{
	const struct strv *texts = &r->options->secrets;

	if (texts->count && !r->store)
		return err_set(err, ERR_INTERNAL, 0, "--secret: there is no store");
	for (size_t i = 0; i < texts->count; i++) {
		struct record_secret *s = add(r->record, err);

		if (!s || parse(texts->items[i], s, err) < 0 ||
		    check_place(r->record, spec, s, err) < 0)
			return err_wrap(err, "--secret");
	}
	return launch_check_secrets(r->store, r->record, err);
}
