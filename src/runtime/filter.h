/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seccomp filter of a container: which one, and, where it asks an agent about calls (SCMP_ACT_NOTIFY),
 * how the agent comes by its listener. Private to runtime/.
 */
#ifndef INSULA_RUNTIME_FILTER_H
#define INSULA_RUNTIME_FILTER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proc.h"
#include "kernel/seccomp.h"
#include "runtime/state.h"
#include "spec/spec.h"

/* The built-in one, the specification's, or the one in the annotation run.oci.seccomp_bpf_data. */
int filter_make(const struct spec *spec, uint64_t bounding, struct seccomp_filter *ret,
		bool *ret_has, struct err *err);

/* Can its program be made while another process is busy, and be sent after it? There is one then, and it asks no agent. */
bool filter_can_wait(const struct spec *spec);
int filter_send(const struct seccomp_filter *filter, int sync_fd, struct err *err);
/* Where P died meanwhile, so do we, silently. */
int filter_receive(struct seccomp_filter *ret, int sync_fd, struct err *err);

/* C: install it; one that notifies only when P has told the agent. sync_fd: C's end. */
int filter_install(const struct seccomp_filter *filter, int sync_fd, struct err *err);

/* P's side of the latter, for whoever is told about. */
struct filter_agent {
	const struct spec *spec;
	const struct state *state; /* NULL: an engine's container, of which only the id is known */
	const char *id;
	enum state_status status;
	pid_t pid; /* the process's, in the runtime's pid namespace */
	const struct proc *process;
};
int filter_serve(const struct filter_agent *agent, int sync_fd, struct err *err);

#endif
