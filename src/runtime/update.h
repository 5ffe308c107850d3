/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * New limits for a running container.
 *
 * What is not asked for stays as it is, also where the kernel keeps two values in one file or bounds one by
 * another: the one that is missing is taken from what is in force. Everything is checked before anything
 * is written; a write that the kernel refuses undoes those before it, so that a failed update leaves the
 * limits of before. Where systemd manages the group it is told afterwards.
 */
#ifndef INSULA_RUNTIME_UPDATE_H
#define INSULA_RUNTIME_UPDATE_H

#include "base/err.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "runtime/place.h"

/* `place`: as recorded (manager, path, unit, user). Device rules in `r` replace those in force, with the
 * default devices added as at a start. What this host cannot do is a line in *warnings, or, where
 * `strict`, an error. */
int runtime_update(const struct cgroup_place *place, const struct cgroup_host *host,
		   const struct cgroup_resources *r, bool strict, struct strv *warnings,
		   struct err *err);

#endif
