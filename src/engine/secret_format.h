/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of a secret, as text and back; see secret_format.c. */
#ifndef INSULA_ENGINE_SECRET_FORMAT_H
#define INSULA_ENGINE_SECRET_FORMAT_H

#include "base/err.h"
#include "base/str.h"
#include "engine/secret.h"

#define SECRET_DOCUMENT_MAX ((256u << 10) + 2 * SECRET_SIZE_MAX + 128)

/* The caller overwrites what the text holds. */
int secret_compose(const struct secret *s, const struct secret_value *value, struct str *text,
		   struct err *err);
/* What may be shown. ERR_NOT_FOUND, ERR_CORRUPT. */
int secret_read_head(int dir_fd, const char *name, struct secret *ret, struct err *err);
int secret_read_value(int dir_fd, const char *name, struct secret_value *ret, struct err *err);

#endif
