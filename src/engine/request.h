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
/* Was a limit asked for that must not be left out where this host does not have it? */
bool request_is_strict(const struct run_options *options);
/* --cap-add, --cap-drop, --security-opt, --device, masks (request_security.c). */
int request_security(const struct run_options *options, struct spec *spec, struct err *err);

/* Variables and labels, from files and options; annotations (request_lists.c). */
int request_env(const struct run_options *options, struct strv *env, struct err *err);
int request_labels(const struct run_options *options, struct strv *labels, struct err *err);
int request_annotations(const struct run_options *options, struct strv *annotations,
			struct err *err);
/* --blkio-weight, --device-read-bps and their kin (request_io.c). */
int request_io(const struct run_options *options, struct cgroup_resources *r, struct err *err);
/* --add-host, --dns and its kin, --timezone (request_hosts.c). */
int request_hosts(const struct run_options *options, struct record *record, struct err *err);

#endif
