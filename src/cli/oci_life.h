/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the life-cycle verbs of insula-runtime share. Private to cli/. */
#ifndef INSULA_CLI_OCI_LIFE_H
#define INSULA_CLI_OCI_LIFE_H

#include <stdbool.h>

#include "cli/oci.h"
#include "runtime/state.h"

#define LIFE_LOCK_MS 10000   /* for another verb to be done */
#define LIFE_START_MS 120000 /* from `start` to the command */
#define LIFE_KILL_MS 10000   /* for a killed process to be gone */
#define LIFE_GIVE_UP_MS 2000

/* The state directory, of --root or the default: below /run for root, else below XDG_RUNTIME_DIR. */
int life_open_root(const struct oci *oci, bool make, struct err *err);
/* --rootless, or what we are: whose service manager and whose control groups are meant. */
bool life_is_rootless(const struct oci *oci);
/* The same for who knows already whether we are root of the host. */
bool life_rootless_for(const struct oci *oci, bool root);
/* The path of the former; the caller's to free. */
char *life_root_path(const struct oci *oci, struct err *err);
/* The directory of the launch pad; the caller's to free. */
char *life_run_root(const struct oci *oci, struct err *err);
/* Where container root could write our executable: go on as the sealed copy. Returns 0 only in that. The
 * descriptors from 3 on that are passed on stay open. */
int life_seal(const struct oci *oci, int passed, struct err *err);
/* --console-socket against process.terminal. */
int life_check_terminal(const char *console_socket, bool terminal, bool detached, struct err *err);
/* A container by its id. */
int life_find(const struct oci *oci, const char *id, struct state_dir *ret, struct err *err);
/* The words by which shims know that case. Returns -1. */
int life_not_running(const struct state_dir *dir, struct err *err);
/* Kill what is left, remove its group, run poststop hooks, take away its directory. It is locked. What
 * cannot be killed within the deadline is an error that says why, and the container stays known. */
int life_destroy(struct state_dir *dir, struct err *err);
/* A start has failed half-way: take away what it left, and the record, unless something could not be (it is
 * frozen from above); then that stays known, and *err has a hint. */
void life_give_up(struct state_dir *dir, bool group_left, struct err *err);
/* As a state_clear_fn. */
int life_clear(struct state_dir *dir, struct err *err);
/* Let it execute its command, then the poststart hooks; one that fails ends the container. It is locked. */
int life_start(struct state_dir *dir, struct err *err);
/* The configuration of `create`. */
int life_read_spec(const struct state_dir *dir, struct spec *ret, struct err *err);

#endif
