/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A health check: the container's command for it is run inside, with a deadline, its output is kept, and the
 * keeper is told. It is what `insula healthcheck run` does, and what a keeper has done by its timer.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/health.h"
#include "engine/keeper.h"
#include "engine/lifecycle.h"

#define REPORT_MS 5000
#define TIMED_OUT 124 /* as timeout(1) has it */

struct check {
	char output[HEALTH_OUTPUT_MAX];
	size_t used;
	int code;
};

static void say(struct check *c, const char *text)
{
	size_t size = strlen(text);

	if (size > sizeof c->output - c->used)
		size = sizeof c->output - c->used;
	memcpy(c->output + c->used, text, size);
	c->used += size;
}

/* What there is; more than is kept is read all the same, so that nobody waits. -1: no more will come. */
static int read_some(struct check *c, int fd)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof chunk);
	size_t room = sizeof c->output - c->used;

	if (n > 0) {
		size_t kept = (size_t)n < room ? (size_t)n : room;

		memcpy(c->output + c->used, chunk, kept);
		c->used += kept;
	}
	return n > 0 ? 0 : -1;
}

/* 1: it has ended, 0: the time is up. Those whom it leaves behind may hold the pipes: nobody waits for them. */
static int follow(struct check *c, struct proc *process, struct relay_ends *ends, int64_t end_ms,
		  struct err *err)
{
	struct pollfd polls[] = {
		{process->pidfd, POLLIN, 0}, {ends->out_fd, POLLIN, 0}, {ends->err_fd, POLLIN, 0}};

	for (;;) {
		int64_t left_ms = end_ms - clock_boot_ms();
		int n = left_ms <= 0 ? 0 : poll(polls, 3, (int)left_ms);

		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for a health check");
		if (n == 0)
			return 0;
		for (int i = 1; i < 3; i++)
			if (n > 0 && polls[i].revents && read_some(c, polls[i].fd) < 0)
				polls[i].fd = -1;
		if (n > 0 && polls[0].revents && !(polls[1].revents | polls[2].revents))
			return 1;
	}
}

static int run(struct container *ct, int init_fd, struct check *c, struct err *err)
{
	const struct health_config *config = &ct->record.health;
	own(relay_ends) struct relay_ends ends = RELAY_ENDS_NONE;
	int64_t end_ms = clock_boot_ms() + config->timeout_ms;
	struct proc process = PROC_INIT;
	struct proc_exit how = {0};
	int ended;

	if (exec_begin(ct, &config->command, init_fd, &ends, &process, err) < 0)
		return -1;
	ended = follow(c, &process, &ends, end_ms, err);
	if (ended == 0) {
		say(c, "the check was killed: it took too long");
		c->code = TIMED_OUT;
	}
	if (ended > 0)
		ended = proc_wait(&process, -1, &how, err);
	if (ended > 0)
		c->code = how.code;
	proc_done(&process);
	return ended < 0 ? -1 : 0;
}

static int report(const struct container *ct, const struct check *c, int64_t begun_ns,
		  struct err *err)
{
	own_free char *data = malloc(KEEPER_DATA_MAX);
	own_fd int fd = keeper_connect(ct->run_fd, REPORT_MS, err);
	struct keeper_header header;

	if (fd < 0 || !data ||
	    keeper_send(fd, KEEPER_HEALTH, c->code, begun_ns, c->output, c->used, err) < 0)
		return -1;
	int got = keeper_receive(fd, &header, data, REPORT_MS, err);
	if (got < 0)
		return -1;
	if (got > 0 && header.type == KEEPER_ERROR)
		return keeper_error_take(&header, data, err);
	return 0;
}

int engine_check_health(struct container *ct, int init_fd, int *ret_code, struct err *err)
{
	int64_t begun_ns = clock_real_ns();
	struct check c = {.code = 0};
	struct err why = ERR_INIT;

	if (!ct->record.health.command.count) {
		err_set(err, ERR_STATE, 0, "container '%s' has no health check", ct->record.name);
		return err_hint(err, "it is given to run and create: --health-cmd");
	}
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	if (ct->paused)
		return err_set(err, ERR_BUSY, 0, "container '%s' is paused", ct->record.name);
	if (run(ct, init_fd, &c, &why) < 0) {
		c.code = err_exit_code(&why);
		say(&c, why.message);
	}
	*ret_code = c.code;
	return report(ct, &c, begun_ns, err);
}
