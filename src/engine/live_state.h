/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN/containers/ID/live.json: where what a running container has is not what its record says. Of one run only: it
 * names the first process, and is void with another.
 */
#ifndef INSULA_ENGINE_LIVE_STATE_H
#define INSULA_ENGINE_LIVE_STATE_H

#include "engine/live.h"
#include "kernel/mount.h"
#include "runtime/live.h"

#define LIVE_MAX 256 /* entries */

enum live_kind { LIVE_MOUNT, LIVE_DEVICE };

enum live_standing {
	LIVE_ADDED,   /* while it runs; its record may have it too */
	LIVE_NEXT,    /* its record has it, and what runs has not */
	LIVE_LEAVING, /* the other way round, from its start */
};

struct live_entry {
	int kind, standing;
	char *target;
	char *type, *source; /* to be shown */
	struct strv options;
	char *access; /* of a device */
	int64_t major, minor;
	uint64_t id, unique_id, device, inode; /* struct mount_identity of what was added */
};

struct live_state {
	int version;
	int32_t init_pid;
	uint64_t init_start;
	struct json_array entries;
};

void live_state_done(struct live_state *s);
/* Empty where there is none, or none of this run. */
int live_state_read(const struct container *ct, struct live_state *ret, struct err *err);
int live_state_write(const struct container *ct, struct live_state *s, struct err *err);
/* NULL: there is none. */
struct live_entry *live_state_find(const struct live_state *s, enum live_kind kind,
				   const char *target);
/* One more, in place of one of the same target. */
struct live_entry *live_state_add(struct live_state *s, enum live_kind kind, const char *target,
				  enum live_standing standing, struct err *err);
struct mount_identity live_entry_identity(const struct live_entry *e);
/* To show it when the record has it no more. */
int live_entry_describe_mount(struct live_entry *e, const struct spec_mount *m, struct err *err);
int live_entry_describe_device(struct live_entry *e, const struct spec_device *d,
			       const char *access, struct err *err);

/* ---- shared by live_mount.c and live_device.c ---- */

struct live_change {
	struct container *ct;
	const struct live_options *options;
	struct live_state state;
	int lock_fd;
	bool now; /* what runs is to change */
	enum live_kind kind;
	const char *target;
	struct live_entry *entry;	/* live_state_find() */
	const struct spec_mount *mount; /* being added */
	const struct spec_device *added;
	const char *access;
};

#define LIVE_CHANGE_INIT(ct_, options_, kind_) \
	{ \
		.ct = (ct_), .options = (options_), .lock_fd = -1, .kind = (kind_) \
	}

void live_change_done(struct live_change *c);
/* Its lock, its record as it is by now, and what is live. */
int live_change_begin(struct live_change *c, struct err *err);
/* runtime_live_note: the entry is written down before anything is attached. */
int live_change_note(void *data, const struct mount_identity *identity, struct err *err);
/* What is left of the entry when it is removed from what runs; recorded: the record keeps it. */
int live_change_drop(struct live_change *c, bool recorded, struct err *err);
/* As the verbs show it. running: it runs; there: an entry's mount is there. */
const char *live_standing_text(bool running, bool recorded, const struct live_entry *e, bool there);
/* Is an entry's mount in the container? */
bool live_is_there(const struct container *ct, const struct live_entry *e);
/* A container as it runs, for runtime/live.h: namespaces, ids and first process, and the mount that is to be made,
 * if any. Not to be copied: it points into itself. */
struct live_target {
	struct spec spec;
	struct spec_mount mount;
	struct proc init;
	struct runtime_live live;
};

#define LIVE_TARGET_INIT \
	{ \
		.init = PROC_INIT \
	}

int live_target_open(struct live_target *t, const struct container *ct, const struct spec_mount *m,
		     struct err *err);
void live_target_done(struct live_target *t);
/* "--volume: " is not what was typed. */
int live_without_flag(struct err *err);

#endif
