/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration files, insula.conf(5): what is in force where neither the environment nor the command line
 * says otherwise, and where each value stands.
 */
#ifndef INSULA_ENGINE_SETTINGS_H
#define INSULA_ENGINE_SETTINGS_H

#include <stddef.h>

#include "base/err.h"

struct setting {
	char *section, *key, *value;
	char *from; /* "FILE:LINE" */
};

struct settings {
	struct setting *items; /* in the order of reading: of one key, the last counts */
	size_t count;
};

#define SETTINGS_INIT ((struct settings){0})

void settings_done(struct settings *s);
/* /etc/insula/insula.conf, then the user's; or the one that INSULA_CONF names, and no other. ERR_INVALID with
 * FILE:LINE. Keys of [run] are not looked at here: their table is the command line's. */
int settings_load(struct settings *ret, struct err *err);
/* NULL: not set. */
const struct setting *settings_get(const struct settings *s, const char *section, const char *key);
/* What [store] says of id ranges is what containers get from now on. */
int settings_apply(const struct settings *s, struct err *err);

#endif
