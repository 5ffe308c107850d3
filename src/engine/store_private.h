/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the store share. */
#ifndef INSULA_ENGINE_STORE_PRIVATE_H
#define INSULA_ENGINE_STORE_PRIVATE_H

#include "engine/store.h"

int store_write_record(int dir_fd, const struct record *record, struct err *err);
/* From RUN or ROOT, whichever has it. A container that died before its record was written gets one with
 * its id alone, so that it can be listed and removed. */
int store_read_record(struct container *ct, struct record *ret, struct err *err);
int store_read_state(int run_fd, struct run_state *ret, struct err *err);

#endif
