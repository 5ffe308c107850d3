/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened to containers: a log of bounded size, RUN/events and the file before it, RUN/events.1.
 *
 * Whoever changes a container writes the line, after the change is done: the command, the keeper-to-be,
 * the keeper. There is no daemon that could do it for them and no lock that they would wait for: a line is
 * one write(2) to a file that is open for appending. Why like this: docs/decisions/0012-events.md.
 *
 * An event is a message to people and scripts, not the state of anything: no verb reads it, and one that
 * could not be written (no memory, a full file system) fails nobody.
 */
#ifndef INSULA_ENGINE_EVENT_H
#define INSULA_ENGINE_EVENT_H

#include "engine/store.h"
#include "json/json.h"

#define EVENT_FILE "events"
#define EVENT_OLD_FILE "events.1"
#define EVENT_FILE_MAX \
	(1 << 20)	     /* bytes; what is written to a file of that size begins a new one */
#define EVENT_LINE_MAX 16384 /* bytes; a longer one goes without the labels */

struct event {
	int64_t time_ns; /* CLOCK_REALTIME */
	char *type;	 /* "container" */
	char *event;	 /* "create", "die" ... */
	char *id, *name, *image;
	struct strv attributes; /* KEY=VALUE: code, signal, command ... */
	struct strv labels;	/* KEY=VALUE */
};

/* Every name that an event can have; NULL ends. */
extern const char *const event_names[];

void event_done(struct event *e);

/* Write an event of a container with one attribute; key NULL: none. The record of *ct needs name, image and
 * labels only. errno stays as it was. */
void event_note(const struct container *ct, const char *event, const char *key, const char *value);
/* The same where the attribute is a number. */
void event_note_number(const struct container *ct, const char *event, const char *key, int64_t n);
/* Name, image and labels of a container of which only the directories are known (the keeper's way): as its
 * record has them now. To be freed with event_identity_done. */
void event_identity_read(struct container *ct);
void event_identity_done(struct container *ct);

/* ---- reading (event_read.c) ---- */

struct event_query {
	int64_t since_ns, until_ns; /* CLOCK_REALTIME; 0: none */
	bool follow;		    /* wait for more, until until_ns or for ever */
	bool only_new;		    /* begin with what comes from now on */
	bool has_reader;	    /* of the standard output: end when it has gone */
};

/* 0: go on, 1: enough, -1. */
typedef int event_fn(void *data, const struct event *e, struct err *err);

/* Oldest first. Lines that are no whole event are passed over. */
int event_read(const struct store *store, const struct event_query *query, event_fn *fn, void *data,
	       struct err *err);

/* ---- what the two share ---- */
extern const struct json_field event_fields[];

#endif
