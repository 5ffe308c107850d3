/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading what a container printed back from the system's journal.
 *
 * Its entries are those that have its id and were sent by the user whose it is: anybody may send an id to the
 * journal, but not another user's number.
 *
 * What there is when it begins is what is read, as in log_read.c: a first look from the end finds the newest entry,
 * and, where only the last lines are wanted, the one before them. Following goes on behind that, so no entry is
 * missed or seen twice.
 *
 * The journal writes a moment after it was sent something. Root can wait for it (journalctl --sync), others give it
 * some time once the container has ended; then there is a last look.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/journalctl.h"
#include "engine/log.h"

#define WAIT_MS 200
#define SETTLE_MS 500
#define SETTLE_MOST_MS 10000
#define PRIORITY_ERROR 3
#define NS_PER_S INT64_C(1000000000)

struct journal_reader {
	const char *id;
	const struct log_read_options *options;
	struct log_sink *sink;
	bool inside[2]; /* by stream: a line that an entry has begun */
	char before[JOURNAL_CURSOR_SIZE], newest[JOURNAL_CURSOR_SIZE]; /* "": none */
};

static enum log_stream stream_of(const struct journal_entry *entry)
{
	return entry->priority <= PRIORITY_ERROR ? LOG_STDERR : LOG_STDOUT;
}

static bool selected(const struct journal_reader *r, const struct journal_entry *entry)
{
	const struct log_read_options *o = r->options;

	return (o->streams & 1 << stream_of(entry)) &&
	       (o->since_ns == 0 || entry->time_ns >= o->since_ns) &&
	       (o->until_ns == 0 || entry->time_ns <= o->until_ns);
}

static void put(struct journal_reader *r, const struct log_piece *piece)
{
	r->sink->put(r->sink, piece);
	r->inside[piece->stream] = !piece->ends;
}

static void put_lost(struct journal_reader *r, const struct journal_entry *entry)
{
	struct log_piece piece = {.stream = LOG_STDERR, .time_ns = entry->time_ns, .ends = true};
	char text[128];

	if (!entry->lost || !(r->options->streams & 1 << LOG_STDERR))
		return;
	piece.text = "";
	if (r->inside[LOG_STDERR])
		put(r, &piece);
	piece.begins = true;
	piece.text = text;
	piece.size = (size_t)snprintf(
		text, sizeof text,
		"[insula: %llu pieces of output are missing here: the journal took none]",
		entry->lost);
	put(r, &piece);
}

static void put_entry(struct journal_reader *r, const struct journal_entry *entry)
{
	if (!selected(r, entry))
		return;
	put_lost(r, entry);
	put(r, &(struct log_piece){.stream = stream_of(entry),
				   .time_ns = entry->time_ns,
				   .begins = !r->inside[stream_of(entry)],
				   .ends = !entry->partial,
				   .text = entry->text,
				   .size = entry->size});
}

static int check_output(const struct journal_reader *r, struct err *err)
{
	return r->sink->flush(r->sink, err);
}

static int add_words(struct strv *arguments, const char *const *words, struct err *err)
{
	for (; *words; words++)
		if (strv_add(arguments, *words, err) < 0)
			return -1;
	return 0;
}

/* cursor: entries after that one; "": from --since on. */
static int ask(const struct journal_reader *r, const char *const *more, const char *cursor,
	       struct journalctl *ret, struct err *err)
{
	static const char *const always[] = {"--quiet", "--no-pager", "--output=export",
					     "--output-fields=MESSAGE,PRIORITY,CONTAINER_PARTIAL_"
					     "MESSAGE,CONTAINER_LOST_MESSAGES",
					     NULL};
	own(strv) struct strv arguments = STRV_INIT;
	int64_t since_s = r->options->since_ns / NS_PER_S;

	if (add_words(&arguments, always, err) < 0 || add_words(&arguments, more, err) < 0)
		return -1;
	if (*cursor && strv_addf(&arguments, err, "--after-cursor=%s", cursor) < 0)
		return -1;
	if (!*cursor && since_s &&
	    strv_addf(&arguments, err, "--since=@%lld", (long long)since_s) < 0)
		return -1;
	if (strv_addf(&arguments, err, "CONTAINER_ID_FULL=%s", r->id) < 0 ||
	    strv_addf(&arguments, err, "_UID=%u", geteuid()) < 0)
		return -1;
	return journalctl_open(&arguments, ret, err);
}

static void copy_cursor(char to[static JOURNAL_CURSOR_SIZE], const struct journal_entry *entry)
{
	memcpy(to, entry->cursor, JOURNAL_CURSOR_SIZE);
}

/* Is it the end of a line? The newest of a stream is, even if more of that line is to come. */
static bool ends_line(const struct journal_entry *entry, bool seen[static 2])
{
	bool newest = !seen[stream_of(entry)];

	seen[stream_of(entry)] = true;
	return newest || !entry->partial;
}

/* The newest entry, and the one before the last lines. */
static int look_back(struct journal_reader *r, int64_t tail, struct err *err)
{
	static const char *const one[] = {"--reverse", "--lines=1", NULL};
	static const char *const all[] = {"--reverse", NULL};
	own(journalctl) struct journalctl j = JOURNALCTL_INIT;
	struct journal_entry entry;
	bool seen[2] = {false};
	int64_t lines = 0;
	int next;

	*r->newest = '\0';
	if (ask(r, tail < 0 ? one : all, "", &j, err) < 0)
		return -1;
	while ((next = journalctl_next(&j, -1, &entry, err)) == JOURNAL_ENTRY) {
		if (!*r->newest)
			copy_cursor(r->newest, &entry);
		if (tail < 0 || !selected(r, &entry) || !ends_line(&entry, seen) || lines++ < tail)
			continue;
		copy_cursor(r->before, &entry);
		return 0;
	}
	return next < 0 ? -1 : journalctl_end(&j, err);
}

/* What is after `before`, up to the newest. */
static int print_known(struct journal_reader *r, struct err *err)
{
	static const char *const none[] = {NULL};
	own(journalctl) struct journalctl j = JOURNALCTL_INIT;
	struct journal_entry entry;
	int next;

	if (!*r->newest || str_eq(r->before, r->newest))
		return 0;
	if (ask(r, none, r->before, &j, err) < 0)
		return -1;
	while ((next = journalctl_next(&j, -1, &entry, err)) == JOURNAL_ENTRY) {
		put_entry(r, &entry);
		if (str_eq(entry.cursor, r->newest))
			return check_output(r, err);
	}
	return next < 0 || journalctl_end(&j, err) < 0 ? -1 : check_output(r, err);
}

static bool nobody_reads(void)
{
	struct pollfd wait = {.fd = STDOUT_FILENO};

	return poll(&wait, 1, 0) > 0 && wait.revents;
}

/* 1: more may come; 0: the container has ended, or the time of --until has come. */
static int goes_on(const struct journal_reader *r, int run_fd, struct err *err)
{
	if (r->options->until_ns && clock_real_ns() > r->options->until_ns)
		return 0;
	return file_lock_held(run_fd, "alive", err);
}

static int take_next(struct journal_reader *r, struct journalctl *j, int timeout_ms,
		     struct err *err)
{
	struct journal_entry entry;
	int next = journalctl_next(j, timeout_ms, &entry, err);

	if (next == JOURNAL_ENTRY) {
		copy_cursor(r->newest, &entry);
		put_entry(r, &entry);
	}
	if (next != JOURNAL_END)
		return next;
	if (journalctl_end(j, err) < 0)
		return -1;
	return err_set(err, ERR_STATE, 0, "cannot follow the journal: journalctl has ended");
}

/* 0: the end has come; 1: nobody reads what we print. */
static int follow_until_end(struct journal_reader *r, struct journalctl *j, int run_fd,
			    struct err *err)
{
	int64_t looked = 0;

	for (;;) {
		int next = take_next(r, j, WAIT_MS, err);
		int64_t now = clock_boot_ms();

		if (next < 0)
			return -1;
		if (next == JOURNAL_ENTRY && now - looked < WAIT_MS)
			continue;
		looked = now;
		if (check_output(r, err) < 0)
			return -1;
		if (nobody_reads())
			return 1;
		int more = goes_on(r, run_fd, err);

		if (more <= 0)
			return more;
	}
}

/* What is on its way into the journal still. */
static int settle(struct journal_reader *r, struct journalctl *j, struct err *err)
{
	int64_t deadline = clock_boot_ms() + SETTLE_MOST_MS;
	int next = JOURNAL_ENTRY;

	while (next == JOURNAL_ENTRY && clock_boot_ms() < deadline)
		next = take_next(r, j, SETTLE_MS, err);
	return next < 0 ? -1 : 0;
}

static int follow(struct journal_reader *r, int run_fd, struct err *err)
{
	static const char *const words[] = {"--follow", "--no-tail", NULL};
	own(journalctl) struct journalctl j = JOURNALCTL_INIT;
	int status;

	if (ask(r, words, r->newest, &j, err) < 0)
		return -1;
	status = follow_until_end(r, &j, run_fd, err);
	if (status != 0)
		return status < 0 ? -1 : 0;
	if (geteuid() != 0 && settle(r, &j, err) < 0)
		return -1;
	journalctl_done(&j);
	journalctl_sync();
	memcpy(r->before, r->newest, sizeof r->before);
	return look_back(r, -1, err) < 0 ? -1 : print_known(r, err);
}

int log_journal_read(const char *id, int run_fd, const struct log_read_options *options,
		     struct log_sink *sink, struct err *err)
{
	struct journal_reader r = {.id = id, .options = options, .sink = sink};

	journalctl_sync();
	if (look_back(&r, options->tail, err) < 0 || print_known(&r, err) < 0)
		return -1;
	if (sink->caught_up)
		sink->caught_up(sink);
	return options->follow && run_fd >= 0 ? follow(&r, run_fd, err) : 0;
}
