/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing events. A line begins with a newline as well as it ends with one, so that what is left of a
 * writer that was killed in the middle of a line is a line of its own, and not the beginning of the next
 * one; readers tell it by its checksum.
 *
 * Who finds the file full moves it away under a lock, and who does not get that lock writes to the full
 * one: nobody waits, and both files stay bounded, as the lock is held for two system calls.
 *
 * The keeper writes events too, so nothing here knows a specification.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/event.h"
#include "engine/store_private.h"

#define EVENT_LOCK "events.lock"
#define IDENTITY_MAX (8u << 20)

#define FIELD(name, type, ...) \
	{ \
		.key = #name, .kind = type, .offset = offsetof(struct event, name), __VA_ARGS__ \
	}

const struct json_field event_fields[] = {
	FIELD(time_ns, JSON_F_I64, .required = true),
	FIELD(type, JSON_F_STRING, .required = true),
	FIELD(event, JSON_F_STRING, .required = true),
	FIELD(id, JSON_F_STRING),
	FIELD(name, JSON_F_STRING),
	FIELD(image, JSON_F_STRING),
	FIELD(attributes, JSON_F_MAP),
	FIELD(labels, JSON_F_STRINGS),
	{0},
};

const char *const event_names[] = {
	"create",	 "start",   "exec",	  "exec_died",
	"pause",	 "unpause", "kill",	  "oom",
	"die",		 "stop",    "rename",	  "update",
	"mount",	 "unmount", "device_add", "device_remove",
	"health_status", "ready",   "unguarded",  "guarded",
	"remove",	 NULL,
};

void event_done(struct event *e)
{
	json_bind_done(event_fields, e);
}

static int open_file(int run_fd)
{
	return openat(run_fd, EVENT_FILE, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		      0600);
}

/* Another may have rotated it since we looked. */
static void rotate(int run_fd, int fd)
{
	struct err ignored = ERR_INIT;
	own_fd int lock_fd = fail_point("event.full", &ignored) < 0
				     ? -1
				     : file_lock(run_fd, EVENT_LOCK, LOCK_EXCLUSIVE, 0, &ignored);

	if (lock_fd >= 0 && file_is_named(fd, run_fd, EVENT_FILE) &&
	    fail_point("event.rotate", &ignored) == 0)
		renameat(run_fd, EVENT_FILE, run_fd, EVENT_OLD_FILE);
}

static void append(int run_fd, const struct str *line)
{
	own_fd int fd = open_file(run_fd);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) >= EVENT_FILE_MAX) {
		rotate(run_fd, fd);
		fd_close(fd);
		fd = open_file(run_fd);
	}
	if (fd < 0)
		return;
	while (write(fd, line->data, line->len) < 0 && errno == EINTR)
		;
}

static int compose(const struct event *e, struct str *line)
{
	const struct store_part part = {event_fields, (void *)e};
	struct err ignored = ERR_INIT;

	str_reset(line);
	str_add_char(line, '\n');
	return store_compose("event", &part, 1, line, &ignored);
}

/* Labels may be of any length, and are the one thing that can be told later, too. */
static void write_event(int run_fd, struct event *e)
{
	own(str) struct str line = STR_INIT(EVENT_LINE_MAX);
	int written = compose(e, &line);

	if (written < 0) {
		e->labels = STRV_INIT;
		str_done(&line);
		line = STR_INIT(EVENT_LINE_MAX);
		written = compose(e, &line);
	}
	if (written == 0)
		append(run_fd, &line);
}

void event_note(const struct container *ct, const char *event, const char *key, const char *value)
{
	own(strv) struct strv attributes = STRV_INIT;
	struct err ignored = ERR_INIT;
	int saved = errno;

	if (!ct->store || fail_point("event.write", &ignored) < 0)
		return;
	if (key)
		strv_addf(&attributes, &ignored, "%s=%.1024s", key, value);
	struct event e = {.time_ns = clock_real_ns(),
			  .type = (char *)"container",
			  .event = (char *)event,
			  .id = (char *)ct->id,
			  .name = ct->record.name,
			  .image = ct->record.image,
			  .attributes = attributes,
			  .labels = ct->record.labels};
	write_event(ct->store->run_fd, &e);
	errno = saved;
}

void event_note_number(const struct container *ct, const char *event, const char *key, int64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, n);
	event_note(ct, event, key, text);
}

static const struct json_field identity_fields[] = {
	{.key = "name", .kind = JSON_F_STRING, .offset = offsetof(struct record, name)},
	{.key = "image", .kind = JSON_F_STRING, .offset = offsetof(struct record, image)},
	{.key = "labels", .kind = JSON_F_STRINGS, .offset = offsetof(struct record, labels)},
	{0},
};

void event_identity_done(struct container *ct)
{
	json_bind_done(identity_fields, &ct->record);
}

void event_identity_read(struct container *ct)
{
	const struct store_part part = {identity_fields, &ct->record};
	const int places[] = {ct->root_fd, ct->run_fd};
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i < 2; i++)
		if (places[i] >= 0 && store_read_document(places[i], STORE_RECORD, 0, &part, 1,
							  IDENTITY_MAX, &ignored) == 0)
			return;
}
