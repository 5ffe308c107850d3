/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running container does just now: its processes, and what it uses. */
#ifndef INSULA_ENGINE_OBSERVE_H
#define INSULA_ENGINE_OBSERVE_H

#include "engine/store.h"
#include "json/json.h"
#include "kernel/cgroup.h"

/* Its processes, as an array of objects. ERR_STATE where it is not running. */
int engine_top(struct container *ct, struct json_writer *w, struct err *err);

/* What it used at one moment; counters since it was started. */
struct usage {
	int64_t at_ns; /* CLOCK_BOOTTIME */
	struct cgroup_stats group;
	bool has_network; /* its own one */
	uint64_t received, sent;
	bool has_pressure;				   /* cgroup v2 with PSI */
	double cpu_pressure, memory_pressure, io_pressure; /* "some", per cent of the last 10 s */
};

/* ERR_STATE where it is not running (any more). */
int engine_usage(const struct cgroup_host *host, struct container *ct, struct usage *ret,
		 struct err *err);
/* CPUs in use between two of them, in per cent of one. */
double usage_cpu_percent(const struct usage *before, const struct usage *now);

#endif
