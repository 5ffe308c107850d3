/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper's part in health checks: when one is due, what its result means, and what is done about it.
 *
 * A check is a process: `insula __health`, with the first process of the container as its descriptor,
 * as numbers of processes mean something else in our pid namespace than outside. It reports over the
 * socket as everybody does (KEEPER_HEALTH); one that could not because it was killed is a failed check itself;
 * one that could not be run for a reason of ours is in the log, and says nothing of the container; one that did
 * not report and did not fail had nothing to check, as the container is paused. At most one runs at a time; the next is due one interval after it has ended, by CLOCK_BOOTTIME. One that hangs is killed a
 * while after its own deadline.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "base/proc.h"
#include "engine/event.h"
#include "engine/keeper_private.h"
#include "engine/store_private.h"

#define GRACE_MS 20000 /* for the check's own deadline, and for entering */
#define NOT_RUN 125    /* of insula: an error of its own, which it could not report */
#define NOT_EXECUTED 127
#define HEALTH_FILE_MAX 65536u

int keeper_open_run(const struct keeper *k)
{
	own_free char *path = NULL;
	struct err ignored;

	path = str_printf(&ignored, "%s/containers/%s", k->state.run ? k->state.run : "",
			  k->state.id);
	return path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* What cannot be written is unknown to others, and no reason to end anything. */
static void publish(const struct keeper *k)
{
	own_fd int run_fd = keeper_open_run(k);
	const struct store_part part = {health_fields, (void *)&k->state.health};
	struct err ignored;

	if (run_fd >= 0)
		store_write_document(run_fd, HEALTH_FILE, &part, 1, HEALTH_FILE_MAX, false,
				     &ignored);
}

void keeper_note_event(const struct keeper *k, const char *event, const char *key,
		       const char *value)
{
	struct store store = {.root_fd = -1, .run_fd = -1};
	struct container ct = CONTAINER_INIT;
	own_free char *root = NULL;
	struct err ignored;

	if (!k->state.root || !k->state.run)
		return;
	root = str_printf(&ignored, "%s/containers/%s", k->state.root, k->state.id);
	store.run_fd = open(k->state.run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ct.store = &store;
	snprintf(ct.id, sizeof(ct.id), "%s", k->state.id);
	ct.run_fd = keeper_open_run(k);
	ct.root_fd = root ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (store.run_fd >= 0) {
		event_identity_read(&ct);
		event_note(&ct, event, key, value);
		event_identity_done(&ct);
	}
	fd_close(ct.run_fd);
	fd_close(ct.root_fd);
	fd_close(store.run_fd);
}

static void act(struct keeper *k)
{
	struct err ignored;

	k->was_unhealthy = k->state.health_config.action != HEALTH_DO_NOTHING;
	switch (k->state.health_config.action) {
	case HEALTH_DO_KILL:
		keeper_signal(k, SIGKILL, &ignored);
		break;
	case HEALTH_DO_RESTART:
		k->state.restart_once = true;
		keeper_stop(k, k->state.stop_signal, (int64_t)k->state.stop_timeout_ms, &ignored);
		break;
	case HEALTH_DO_STOP:
		k->state.stopped = true;
		keeper_stop(k, k->state.stop_signal, (int64_t)k->state.stop_timeout_ms, &ignored);
		break;
	default:
		break;
	}
}

/* Lines stay lines; everything else that a terminal might obey goes. */
static void scrub(char *text)
{
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next = '\0';
		str_scrub(line);
		if (next && next[1])
			*next++ = '\n';
		else
			next = NULL;
	}
}

static struct health_result make_result(int code, int64_t begun_ns, const char *output, size_t size)
{
	struct err ignored;

	return (struct health_result){.begun_ns = begun_ns,
				      .ended_ns = clock_real_ns(),
				      .code = code,
				      .output = str_dup_len(output, size, &ignored)};
}

void keeper_health_result(struct keeper *k, int code, int64_t begun_ns, const char *output,
			  size_t size)
{
	struct keeper_state *state = &k->state;
	struct health_result result = make_result(code, begun_ns, output, size);
	bool starting = clock_boot_ms() - state->begun_ms < state->health_config.start_period_ms;

	if (result.output)
		scrub(result.output);
	bool changed = health_add(&state->health, &state->health_config, result, starting);
	publish(k);
	if (changed)
		keeper_note_event(k, "health_status", "status",
				  health_status_names[state->health.status]);
	if (changed && state->health.status == HEALTH_HEALTHY)
		keeper_notify_healthy(k);
	if (changed && state->health.status == HEALTH_UNHEALTHY)
		act(k);
}

/* ---- the check ---- */

static _Noreturn void be_check(const struct keeper *k)
{
	char number[16];
	char *argv[] = {(char *)"insula",
			(char *)"--root",
			k->state.root,
			(char *)"--runroot",
			k->state.run,
			(char *)"__health",
			number,
			k->state.id,
			(char *)(k->state.user ? "user" : NULL),
			NULL};
	struct err ignored;

	keeper_restore_origin(&k->state.origin);
	proc_reset_signals();
	snprintf(number, sizeof(number), "%d", k->state.init_fd);
	if (fd_set_cloexec(k->state.init_fd, false, &ignored) == 0)
		execve(k->state.program, argv, keeper_environment());
	_exit(NOT_EXECUTED);
}

static void on_check_late(void *data)
{
	struct keeper *k = data;
	struct err ignored;

	proc_signal(&k->check, SIGKILL, &ignored);
	keeper_settle(k);
}

static void next_check(struct keeper *k)
{
	if (k->health_timer)
		loop_timer_set(k->health_timer, k->state.health_config.interval_ms);
}

static void on_check_time(void *data)
{
	struct keeper *k = data;
	int64_t limit_ms = k->state.health_config.timeout_ms + GRACE_MS;
	struct err ignored;
	pid_t pid;

	k->check_begun_ns = clock_real_ns();
	k->check_reported = false;
	pid = proc_clone(&k->check, 0, -1, &ignored);
	if (pid == 0)
		be_check(k);
	if (pid < 0)
		next_check(k); /* no memory, no processes: another time */
	else if (!k->check_timer)
		k->check_timer = loop_add_timer(k->loop, limit_ms, on_check_late, k, &ignored);
	else
		loop_timer_set(k->check_timer, limit_ms);
	keeper_settle(k);
}

/* Killed, or broken: what hangs inside a container may hold it up. */
static void unreported(struct keeper *k, int code)
{
	static const char why[] = "the check could not be run";

	if (code != NOT_RUN && code != NOT_EXECUTED) {
		keeper_health_result(k, code, k->check_begun_ns, why, sizeof(why) - 1);
		return;
	}
	health_note(&k->state.health, make_result(code, k->check_begun_ns, why, sizeof(why) - 1));
	publish(k);
}

void keeper_check_ended(struct keeper *k, int code)
{
	proc_forget(&k->check);
	k->check = PROC_INIT;
	if (k->check_timer)
		loop_timer_set(k->check_timer, -1);
	if (!k->check_reported && code != 0 && k->phase == KEEPER_RUNNING && !k->has_exited)
		unreported(k, code);
	next_check(k);
}

int keeper_health_init(struct keeper *k, struct err *err)
{
	const struct health_config *config = &k->state.health_config;

	k->check = PROC_INIT;
	if (!config->command.count)
		return 0;
	if (k->state.health.status == HEALTH_NONE)
		k->state.health.status = HEALTH_STARTING;
	publish(k);
	if (!config->interval_ms || !k->state.program)
		return 0;
	k->health_timer = loop_add_timer(k->loop, config->interval_ms, on_check_time, k, err);
	return k->health_timer ? 0 : -1;
}

void keeper_health_done(struct keeper *k)
{
	struct err ignored;

	loop_remove(k->health_timer);
	loop_remove(k->check_timer);
	k->health_timer = k->check_timer = NULL;
	if (k->check.pid)
		proc_signal(&k->check, SIGKILL, &ignored);
}
