/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container is started again by itself (--restart).
 *
 * A keeper cannot start anything: it is small because it knows neither specifications nor images, and it
 * has given its rights away. So when the wait is over it executes `insula` in its own place, which does
 * what a start does and executes the keeper in turn: one process all the time, with the lock and the
 * socket of the container, so nobody comes in between, and whoever connects meanwhile is served by the
 * next keeper. An upgrade of the programs takes effect with it.
 *
 * The run that has ended is recorded and cleared up as always; but the state is called "restarting" until
 * then, and the socket stays. A keeper that is killed here leaves a container that has exited, and which
 * by its record ought to be started (engine_is_due).
 *
 * What the keeper has changed of itself for its own sake (limits, how dear it is to the out-of-memory
 * killer) is put back, as the container's processes would have it by inheritance.
 *
 * The wait is measured in CLOCK_BOOTTIME, as is how long a run took: a host that was suspended, or whose
 * clock was set, has neither waited too long nor too short.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/own.h"
#include "base/proc.h"
#include "engine/keeper_private.h"
#include "engine/restart_policy.h"

#define OOM_SCORE "/proc/self/oom_score_adj"

/* ---- as it was ---- */

static int read_score(void)
{
	own_fd int fd = open(OOM_SCORE, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	struct err ignored;
	int64_t score;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_i64(text, -1000, 1000, "score", &score, &ignored) == 0 ? (int)score : 0;
}

static void note_limit(int resource, uint64_t *soft, uint64_t *hard)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	getrlimit(resource, &limit);
	*soft = limit.rlim_cur;
	*hard = limit.rlim_max;
}

void keeper_note_origin(struct keeper_state *state)
{
	struct keeper_origin *o = &state->origin;

	if (o->known || !state->program)
		return;
	o->known = true;
	o->oom_score_adj = read_score();
	note_limit(RLIMIT_NOFILE, &o->nofile, &o->nofile_max);
	note_limit(RLIMIT_FSIZE, &o->fsize, &o->fsize_max);
	note_limit(RLIMIT_CPU, &o->cpu, &o->cpu_max);
}

/* Hard limits may not be raised again, soft ones below them may. */
static void restore_limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit limit = {soft, hard};

	setrlimit(resource, &limit);
}

void keeper_restore_origin(const struct keeper_origin *o)
{
	own_fd int fd = open(OOM_SCORE, O_WRONLY | O_CLOEXEC);
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", o->oom_score_adj);

	if (fd >= 0 && write(fd, text, (size_t)length) < 0)
		return; /* as it is: lowering it takes a right that we had not at first either */
	restore_limit(RLIMIT_FSIZE, o->fsize, o->fsize_max);
	restore_limit(RLIMIT_CPU, o->cpu, o->cpu_max);
	restore_limit(RLIMIT_NOFILE, o->nofile, o->nofile_max);
}

/* ---- the wait ---- */

bool keeper_wants_restart(const struct keeper *k)
{
	struct restart_policy policy;
	struct err ignored;

	if (!k->state.program || k->state.ending || k->state.stopped)
		return false;
	return k->state.restart_once ||
	       (restart_policy_parse(k->state.restart, &policy, &ignored) == 0 &&
		restart_policy_wants(&policy, k->exit_code, false, k->state.restarts));
}

/* Returns only where it failed. */
static void execute(struct keeper *k, struct err *err)
{
	struct keeper_state next = k->state;

	next.restarts++;
	next.restart_once = false;
	next.readiness = (struct readiness){0};
	next.client_fd = -1;
	next.console_fd = next.stdin_fd = next.stdout_fd = next.stderr_fd = -1;
	if (keeper_clients_pack(k, NULL, &next.clients, err) == 0) {
		keeper_restore_origin(&k->state.origin);
		proc_reset_signals();
		keeper_exec_again(&next, err);
	}
	keeper_clients_unpack(&next.clients);
}

static void on_restart_time(void *data)
{
	struct keeper *k = data;
	struct err err = ERR_INIT;

	execute(k, &err);
	k->cancelled = true; /* it could not even be tried */
	keeper_settle(k);
}

void keeper_await_restart(struct keeper *k)
{
	struct keeper_state *state = &k->state;
	int64_t ran_ms = clock_boot_ms() - state->begun_ms;
	struct err ignored;

	k->phase = KEEPER_RESTARTING;
	state->delay_ms = restart_policy_delay_ms(state->delay_ms, ran_ms);
	k->restart_timer = loop_add_timer(k->loop, state->delay_ms, on_restart_time, k, &ignored);
	if (!k->restart_timer)
		k->cancelled = true;
}

void keeper_cancel_restart(struct keeper *k)
{
	loop_remove(k->restart_timer);
	k->restart_timer = NULL;
	k->restarting = false;
	keeper_let_go(k);
}
