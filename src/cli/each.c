/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One verb, several containers: each is tried, whatever became of the others. Every failure is printed, and
 * the first error decides the exit code.
 *
 * What waits for containers (stop, restart, rm, kill) does so for all of them at once: ten that ignore SIGTERM
 * take one timeout. Each gets a process, a copy of us that does what we would have done, and whose report is
 * one message in a pipe: nothing of the engine has to know of it, and one that hangs holds up no other. The
 * results are printed in the order in which the containers were named. Where one of them requires others
 * (--requires), it is one after the other, in the order that the caller found.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/color.h"
#include "cli/progress.h"

#define AT_ONCE_MAX 128
#define LOOK_MS 250

static int try_one(struct cli *cli, const char *ref, void *options, cli_each_fn *fn,
		   char name[static STORE_NAME_MAX + 1], struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	int status = cli->damaged ? store_find_damaged(&cli->store, ref, &ct, err)
				  : store_find(&cli->store, ref, &ct, err);

	if (status < 0)
		return cli->missing_ok && err->kind == ERR_NOT_FOUND ? CLI_NOTHING : -1;
	snprintf(name, STORE_NAME_MAX + 1, "%s", ct.record.name);
	status = fn(cli, &ct, options, err);
	return status < 0 && cli->missing_ok && err->kind == ERR_NOT_FOUND ? CLI_NOTHING : status;
}

/* The last error is printed by main(). */
static void note_error(struct err *first, const struct err *err)
{
	if (first->kind != ERR_NONE)
		cli_print_error(first);
	*first = *err;
}

static int result(const struct err *first, struct err *err)
{
	*err = *first;
	return first->kind == ERR_NONE ? 0 : -1;
}

static int one_by_one(struct cli *cli, const struct strv *refs, void *options, cli_each_fn *fn,
		      bool say, struct err *err)
{
	struct err first = ERR_INIT;
	char name[STORE_NAME_MAX + 1];

	for (size_t i = 0; i < refs->count; i++) {
		struct err trying = ERR_INIT;
		int status = try_one(cli, refs->items[i], options, fn, name, &trying);

		if (status < 0)
			note_error(&first, &trying);
		else if (say && status != CLI_NOTHING)
			puts(name);
	}
	return result(&first, err);
}

int cli_each_container(struct cli *cli, const struct strv *refs, void *options, cli_each_fn *fn,
		       struct err *err)
{
	return one_by_one(cli, refs, options, fn, false, err);
}

/* ---- at once ---- */

struct report {
	int status;
	char name[STORE_NAME_MAX + 1];
	struct err err;
};

struct worker {
	struct proc proc;
	int fd; /* of its report; -1: there is none to come */
	struct report report;
	bool done;
};

struct crowd {
	struct worker *items;
	size_t count, begun, done, said;
	struct err first;
	struct progress progress;
};

static void crowd_done(struct crowd *c)
{
	for (size_t i = 0; i < c->begun; i++) {
		proc_forget(&c->items[i].proc);
		fd_close(c->items[i].fd);
	}
	free(c->items);
}

/* A report is less than a pipe takes at once. */
_Static_assert(sizeof(struct report) <= PIPE_BUF, "a report is written in one piece");

static _Noreturn void work(struct cli *cli, const char *ref, void *options, cli_each_fn *fn, int fd)
{
	struct report report;
	struct err ignored = ERR_INIT;

	memset(&report, 0, sizeof report);
	report.status = try_one(cli, ref, options, fn, report.name, &report.err);
	fd_write_all(fd, &report, sizeof report, "the report", &ignored);
	_exit(EXIT_SUCCESS);
}

/* 1; 0: not now, there are as many processes as we may have; -1. */
static int begin(struct cli *cli, struct crowd *c, const char *ref, void *options, cli_each_fn *fn,
		 struct err *err)
{
	struct worker *w = &c->items[c->begun];
	own_fd int read_fd = -1, write_fd = -1;

	*w = (struct worker){.proc = PROC_INIT, .fd = -1};
	if (fd_pipe(&read_fd, &write_fd, err) < 0)
		return -1;
	pid_t pid = proc_clone(&w->proc, 0, -1, err);
	if (pid == 0)
		work(cli, ref, options, fn, write_fd);
	if (pid < 0) {
		if (c->begun == c->done)
			return -1;
		*err = ERR_INIT;
		return 0;
	}
	w->fd = take_fd(read_fd);
	c->begun++;
	return 1;
}

static void take_report(struct crowd *c, struct worker *w)
{
	struct err reading = ERR_INIT;
	struct proc_exit exit;

	if (read(w->fd, &w->report, sizeof w->report) != sizeof w->report)
		w->report.status = err_set(&w->report.err, ERR_IO, 0,
					   "process %d, which was at it, was killed",
					   (int)w->proc.pid);
	proc_wait(&w->proc, -1, &exit, &reading);
	fd_close(w->fd);
	w->fd = -1;
	w->done = true;
	c->done++;
}

/* In their order; none before all that were named earlier. */
static void say(struct crowd *c)
{
	for (; c->said < c->begun && c->items[c->said].done; c->said++) {
		const struct report *r = &c->items[c->said].report;

		progress_clear(&c->progress);
		if (r->status < 0)
			note_error(&c->first, &r->err);
		else if (r->status != CLI_NOTHING)
			puts(r->name);
		fflush(stdout);
	}
}

static void show_progress(struct crowd *c, const char *verb)
{
	char text[64];

	if (!progress_is_due(&c->progress))
		return;
	snprintf(text, sizeof text, "%s: %zu of %zu done", verb, c->done, c->count);
	progress_show(&c->progress, text);
}

/* Until at least one more is done. */
static int await(struct crowd *c, const char *verb, struct err *err)
{
	struct pollfd polls[AT_ONCE_MAX];
	struct worker *of[AT_ONCE_MAX];
	size_t count = 0, before = c->done;

	for (size_t i = c->said; i < c->begun; i++)
		if (!c->items[i].done) {
			polls[count] = (struct pollfd){.fd = c->items[i].fd, .events = POLLIN};
			of[count++] = &c->items[i];
		}
	while (c->done == before) {
		if (poll(polls, count, c->progress.possible ? LOOK_MS : -1) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for what was begun");
		for (size_t i = 0; i < count; i++)
			if (polls[i].revents)
				take_report(c, of[i]);
		show_progress(c, verb);
	}
	say(c);
	return 0;
}

static int run_crowd(struct cli *cli, struct crowd *c, const struct strv *refs, void *options,
		     cli_each_fn *fn, struct err *err)
{
	fflush(stdout); /* what is there to be written is written once */
	progress_begin(&c->progress);
	while (c->done < c->count) {
		int begun = 0;

		if (c->begun < c->count && c->begun - c->done < AT_ONCE_MAX)
			begun = begin(cli, c, refs->items[c->begun], options, fn, err);
		if (begun < 0 || (!begun && await(c, cli->verb, err) < 0))
			return -1;
	}
	progress_clear(&c->progress);
	return 0;
}

/* One after the other then, in the caller's order. One that cannot be read requires nobody. */
static bool one_requires_another(struct cli *cli, const struct strv *refs)
{
	for (size_t i = 0; i < refs->count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err ignored = ERR_INIT;

		if (store_find(&cli->store, refs->items[i], &ct, &ignored) == 0 &&
		    ct.record.requires.count)
			return true;
	}
	return false;
}

/* Two processes that do the same to one container would find what neither left. */
static int each_word_once(const struct strv *refs, struct strv *ret, struct err *err)
{
	for (size_t i = 0; i < refs->count; i++)
		if (!strv_contains(ret, refs->items[i]) && strv_add(ret, refs->items[i], err) < 0)
			return -1;
	return 0;
}

int cli_each_at_once(struct cli *cli, const struct strv *words, void *options, cli_each_fn *fn,
		     struct err *err)
{
	own(strv) struct strv refs = STRV_INIT;
	own(crowd) struct crowd c = {.first = ERR_INIT};

	if (each_word_once(words, &refs, err) < 0)
		return -1;
	if (refs.count <= 1 ? !terminal_can(STDERR_FILENO) : one_requires_another(cli, &refs))
		return one_by_one(cli, &refs, options, fn, true, err);
	c.count = refs.count;
	c.items = calloc(refs.count + 1, sizeof *c.items);
	if (!c.items)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot begin");
	return run_crowd(cli, &c, &refs, options, fn, err) < 0 ? -1 : result(&c.first, err);
}
