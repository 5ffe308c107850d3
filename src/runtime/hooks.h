/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks of the specification (config.md "POSIX-platform Hooks"): programs that the configuration names,
 * run one after the other at points of a container's life, with its state as JSON on their standard input.
 */
#ifndef INSULA_RUNTIME_HOOKS_H
#define INSULA_RUNTIME_HOOKS_H

#include "base/err.h"
#include "runtime/state.h"
#include "spec/spec.h"

/* Where the programs run. */
struct hook_place {
	/* In the child, before the program is executed: to enter other namespaces; NULL: where we are. */
	int (*enter)(void *data, struct err *err);
	/* The same, last of all: what a filter may refuse is done. NULL: nothing. */
	int (*confine)(void *data, struct err *err);
	void *data;
	/* What they print goes there; -1: it is kept, for the error of one that fails. */
	int out_fd, err_fd;
};

#define HOOK_PLACE_INIT ((struct hook_place){.out_fd = -1, .err_fd = -1})

/* The files that annotations name: run.oci.hooks.stdout and run.oci.hooks.stderr, as crun has them. Opened
 * for appending; -1 where there is none. */
int hooks_open_output(const struct state *state, int *ret_out_fd, int *ret_err_fd, struct err *err);

/* Every hook of one kind, told the pid as who runs it sees it. A hook's environment is exactly the one that it
 * lists, or ours where it lists none, as runc has it. One without a timeout has HOOK_TIMEOUT_S seconds. The first
 * that fails ends it: "hook 'PATH' (createRuntime[0]): exited with 3: LAST LINE IT WROTE"; for hooks of a
 * container that is gone, that is a warning, and the others run. */
#define HOOK_TIMEOUT_S 300
int hooks_run(const struct spec *spec, enum spec_hook_kind kind, const struct state *state,
	      enum state_status status, int32_t pid, const struct hook_place *place,
	      struct err *err);
/* How long those of one kind may take together. */
int hooks_timeout_ms(const struct spec *spec, enum spec_hook_kind kind);
const char *hooks_name(enum spec_hook_kind kind);

#endif
