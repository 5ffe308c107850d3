/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries of the system's journal, as journalctl(1) prints them in the export format
 * (systemd.io/JOURNAL_EXPORT_FORMATS): a line NAME=value a field, or the name, its length and the bytes, and an
 * empty line after each entry. It keeps every byte, which JSON does not.
 */
#ifndef INSULA_ENGINE_JOURNALCTL_H
#define INSULA_ENGINE_JOURNALCTL_H

#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"

#define JOURNAL_CURSOR_SIZE 512

struct journal_entry {
	char cursor[JOURNAL_CURSOR_SIZE]; /* where it is */
	int64_t time_ns;		  /* CLOCK_REALTIME, when the journal got it */
	int priority;
	bool partial;		 /* its line goes on in the next one */
	unsigned long long lost; /* so many are missing before it */
	const char *text;	 /* until the next call */
	size_t size;
};

/* Private. */
struct journalctl {
	struct proc proc;
	int out_fd, said_fd;
	struct str data;
	size_t used; /* of data, by the entry that was given last */
	bool ended;
};

#define JOURNALCTL_INIT \
	((struct journalctl){.proc = PROC_INIT, \
			     .out_fd = -1, \
			     .said_fd = -1, \
			     .data = STR_INIT(JOURNALCTL_ENTRY_MAX)})
#define JOURNALCTL_ENTRY_MAX (4u << 20)

/* journalctl with these arguments. ERR_NOT_FOUND where it is not installed. */
int journalctl_open(const struct strv *arguments, struct journalctl *ret, struct err *err);
/* Whatever it is doing. */
void journalctl_done(struct journalctl *j);
/* What came of it, of one that has ended by itself. */
int journalctl_end(struct journalctl *j, struct err *err);

enum journal_next { JOURNAL_END, JOURNAL_ENTRY, JOURNAL_NOTHING_YET };
/* One of these, or -1. timeout_ms < 0: without limit. */
int journalctl_next(struct journalctl *j, int timeout_ms, struct journal_entry *ret,
		    struct err *err);

/* The entry that `data` begins with: its size there, 0 where there is more of it to come, -1 where it is none. */
ssize_t journal_parse(const char *data, size_t size, struct journal_entry *ret);

/* What was sent to the journal before is there to be read from now on, where we may ask for that. */
void journalctl_sync(void);

#endif
