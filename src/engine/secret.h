/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Secrets: values that containers need and that nobody else is to see (secret.c), and how containers get them
 * (request_secrets.c, launch_secrets.c).
 */
#ifndef INSULA_ENGINE_SECRET_H
#define INSULA_ENGINE_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/store.h"

#define SECRETS_DIRECTORY "secrets" /* below ROOT */
#define SECRET_SIZE_MAX 512000u	    /* as podman has it */

struct secret {
	int version;
	char *id, *name;
	int64_t created_ns, updated_ns;
	struct strv labels;
	uint64_t size;
};

void secret_done(struct secret *s);

/* A value, with a NUL after it; it is overwritten when it is released. */
struct secret_value {
	char *data;
	size_t size;
};

void secret_value_done(struct secret_value *v);

enum secret_how {
	SECRET_NEW,	/* ERR_EXISTS where there is one of that name */
	SECRET_REPLACE, /* or it gets this value */
	SECRET_IGNORE,	/* or it stays as it is */
};

/* [a-zA-Z0-9][a-zA-Z0-9_.-]* */
int secret_check_name(const char *name, struct err *err);
/* From a file, or from the standard input ("-"); bounded. */
int secret_value_read(const char *path, struct secret_value *ret, struct err *err);
/* ret: of the secret that there is then. */
int secret_create(struct store *store, const char *name, const struct strv *labels,
		  const struct secret_value *value, enum secret_how how, struct secret *ret,
		  struct err *err);
/* By name, id, or unique prefix of an id. ERR_NOT_FOUND. */
int secret_find(struct store *store, const char *ref, struct secret *ret, struct err *err);
/* By its name alone, with its value. */
int secret_load(struct store *store, const char *name, struct secret_value *ret, struct err *err);
int secret_list(struct store *store, struct strv *ret_names, struct err *err);
/* ERR_STATE, which names them, where containers have it, unless forced to. */
int secret_remove(struct store *store, const char *ref, bool force, struct strv *ret_name,
		  struct err *err);

#endif
