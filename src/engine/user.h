/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers of an ordinary user; private to engine/. */
#ifndef INSULA_ENGINE_USER_H
#define INSULA_ENGINE_USER_H

#include "engine/store.h"

/* Where his containers are: ROOT and RUN, when nothing else names them. Freed by the caller. */
char *user_root_directory(struct err *err);
char *user_run_directory(struct err *err);

/* Is what containers write in RUN, as overlay cannot write to his ROOT? */
bool user_layers_in_run(const struct store *store);
/* Where masks of the host image are kept; root's, too. Freed by the caller. */
char *user_image_cache(const struct store *store, struct err *err);

/* We are a keeper of his that starts its container again: root of his namespace, and no other. */
void user_go_on(struct store *store);

/* The ids of the container's user namespace, as --userns has it ("keep-id", "nomap", NULL), and what these
 * ids make impossible taken out of the specification. */
int user_prepare(const char *mode, struct spec *spec, struct err *err);

/* rm -rf also of what belongs to other ids of his. */
int user_remove_tree(int dir_fd, const char *name, struct err *err);

#endif
