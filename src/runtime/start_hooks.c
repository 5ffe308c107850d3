/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * P's hooks, and telling C to run its own.
 *
 * prestart and createRuntime are the host's programs and run in the host's namespaces, while P is inside
 * the container's: the child goes back before it executes them. They find the container's mounts through
 * the process's mount namespace, where, because there are hooks, the tree of the host is still there and
 * the root file system is mounted in its place.
 *
 * They are told "created": by runtime.md "creating" is step 2 of the life cycle, "created" is after it, and
 * these hooks are its steps 3 to 5. The process they are told of exists.
 */
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "runtime/hooks.h"
#include "runtime/start.h"

/* The bundle, as other runtimes have it. */
static int enter_bundle(void *data, struct err *err)
{
	struct start *s = data;
	const char *bundle = s->plan->request.bundle;

	if (bundle && chdir(bundle) < 0)
		return err_errno(err, "cannot enter the bundle '%s'", bundle);
	return 0;
}

static int enter_own(void *data, struct err *err)
{
	struct start *s = data;

	if (caps_act_as(0, 0, err) < 0)
		return -1;
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++)
		if (s->own_ns[kind] >= 0 && setns(s->own_ns[kind], (int)ns_flag(kind)) < 0)
			return err_errno(err, "cannot return to our %s namespace", ns_name(kind));
	return enter_bundle(s, err);
}

int start_hooks(struct start *s, const struct step *step, struct err *err)
{
	static const enum spec_hook_kind kinds[] = {SPEC_HOOK_PRESTART, SPEC_HOOK_CREATE_RUNTIME};
	const struct hook_place place = {
		/* Nested, P has never left. */
		.enter = s->plan->nested ? enter_bundle : enter_own,
		.data = s,
		.out_fd = s->hook_fds[0],
		.err_fd = s->hook_fds[1],
	};

	if (s->is_proxy)
		return start_ask_parent(s, step, err);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (hooks_run(s->plan->spec, kinds[i], s->plan->request.state, STATE_CREATED,
			      s->host_pid, &place, err) < 0)
			return -1;
	return 0;
}

int start_hooks_container(struct start *s, const struct step *step, struct err *err)
{
	struct waiting waiting = start_waiting(s);
	const char go = WORD_DONE;

	if (fd_send(s->sync_fd, &go, 1, NULL, 0, err) < 0)
		return -1;
	waiting.timeout_ms += hooks_timeout_ms(s->plan->spec, SPEC_HOOK_CREATE_CONTAINER);
	return await_word(&waiting, err);
}
