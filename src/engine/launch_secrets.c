/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The secrets of a container, at its start: those that are files go to the plan, those that are variables into the
 * environment of the process that is about to be started. Both are copies in the memory of the keeper-to-be, which
 * executes the keeper next; nothing of them is in a record. `exec` and health checks have the variables as well,
 * with the values of that moment.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/launch.h"
#include "engine/secret.h"

#define VARIABLE_MAX 131072u /* execve(2): NAME=VALUE and its NUL, with pages of 4 KiB */

static int check_variable(const struct record_secret *s, const struct secret_value *value,
			  struct err *err)
{
	if (memchr(value->data, '\0', value->size)) {
		err_set(err, ERR_INVALID, 0, "secret '%s' has a NUL byte, and cannot be a variable",
			s->name);
		return err_hint(err, "type=mount makes it a file");
	}
	if (strlen(s->target) + value->size + 2 <= VARIABLE_MAX)
		return 0;
	err_set(err, ERR_LIMIT, 0, "secret '%s' is too long for a variable: %zu bytes", s->name,
		value->size);
	return err_hint(err, "type=mount makes it a file");
}

static int load(struct store *store, const struct record_secret *s, struct secret_value *ret,
		struct err *err)
{
	if (secret_load(store, s->name, ret, err) < 0)
		return -1;
	if (!s->env || check_variable(s, ret, err) == 0)
		return 0;
	secret_value_done(ret);
	return -1;
}

int launch_check_secrets(struct store *store, const struct record *record, struct err *err)
{
	const struct record_secret *secrets = record->secrets.items;

	for (size_t i = 0; i < record->secrets.count; i++) {
		own(secret_value) struct secret_value value = {0};

		if (load(store, &secrets[i], &value, err) < 0)
			return err_wrap(err, "--secret");
	}
	return 0;
}

int launch_add_secret_env(struct store *store, const struct record *record, struct strv *env,
			  struct err *err)
{
	const struct record_secret *secrets = record->secrets.items;

	for (size_t i = 0; i < record->secrets.count; i++) {
		own(secret_value) struct secret_value value = {0};

		if (secrets[i].env && (load(store, &secrets[i], &value, err) < 0 ||
				       strv_env_set(env, secrets[i].target, value.data, err) < 0))
			return err_wrap(err, "--secret");
	}
	return 0;
}

void launch_files_done(struct launch_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct secret_value value = {(void *)f->items[i].data, f->items[i].size};

		secret_value_done(&value);
	}
	free(f->items);
	*f = (struct launch_files){0};
}

int launch_take_files(struct store *store, const struct record *record, bool values,
		      struct launch_files *f, struct err *err)
{
	const struct record_secret *secrets = record->secrets.items;

	f->items = calloc(record->secrets.count + 1, sizeof *f->items);
	if (!f->items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot take secrets");
	for (size_t i = 0; i < record->secrets.count; i++) {
		const struct record_secret *s = &secrets[i];
		struct secret_value value = {0};

		if (s->env)
			continue;
		if (values && load(store, s, &value, err) < 0)
			return err_wrap(err, "--secret");
		f->items[f->count++] = (struct runtime_file){.path = s->target,
							     .data = value.data,
							     .size = value.size,
							     .uid = s->uid,
							     .gid = s->gid,
							     .mode = (mode_t)s->mode};
	}
	return 0;
}
