/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turning the flags of run into a specification; private to engine/. One function a group of flags. */
#ifndef INSULA_ENGINE_REQUEST_H
#define INSULA_ENGINE_REQUEST_H

#include "engine/defaults.h"
#include "engine/engine.h"
#include "kernel/facts.h"

/* The file systems of every container, then --tmpfs, -v, --mount and --shm-size (request_mounts.c). */
int request_mounts(const struct run_options *options, struct spec *spec, struct err *err);
/* Memory, CPUs, pids, --ulimit, --sysctl (request_limits.c). */
int request_limits(const struct run_options *options, const struct facts *facts, struct spec *spec,
		   struct err *err);
/* --cap-add, --cap-drop, --security-opt, --device, masks (request_security.c). */
int request_security(const struct run_options *options, struct spec *spec, struct err *err);

#endif
