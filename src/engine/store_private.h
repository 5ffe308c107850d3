/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the store share. */
#ifndef INSULA_ENGINE_STORE_PRIVATE_H
#define INSULA_ENGINE_STORE_PRIVATE_H

#include "base/file.h"
#include "json/json.h"
#include "engine/store.h"

#define STORE_REMOVED "removed" /* in ROOT */
#define STORE_RECORD "record.json"
#define STORE_RENAMING "renaming" /* beside the record */
#define STORE_READY "ready"	  /* in a container's directory there */
#define STORE_EXIT "exit.json"

/* In a run directory. */
#define STORE_ALIVE "alive"
#define STORE_FRESH "fresh"
#define STORE_PAUSED "paused"
#define STORE_PAUSES "pauses"	 /* in RUN itself; never removed */
#define STORE_STATE "state.json" /* another name of ALIVE, from when it runs */
#define STORE_RESTARTING "restarting.json"
#define STORE_STOPPING "stopping.json" /* what STATE becomes when its command has ended */

/* A directory of the store, made where it is absent. */
int store_open_below(int dir_fd, const char *path, const char *what, struct err *err);
/* Does the container have a directory, in RUN or ROOT? */
bool store_has(const struct store *store, const char *id);

/* Who has joined the user namespace of a range's owner has a file there, by his id. */
#define STORE_SHARE_FORMAT "%d.d"
#define STORE_SHARE_SIZE 16
/* He has it no longer (store_exit.c). */
void store_drop_share(int ids_fd, int slot, const char *id);
/* Has he? */
bool store_shares_slot(int ids_fd, int slot, const char *id);

/* The range whose sharers' directory has that name; -1: it is none. */
int store_shared_slot(const char *name);
/* The id that a file of ids/ is taken for, freed by the caller; NULL where it is no such file. */
char *store_slot_owner(int ids_fd, const char *name);

/* ---- names (store_names.c) ---- */
int store_open_names(const struct store *store, struct err *err);
/* The id that a name stands for, freed by the caller; NULL with ERR_NOT_FOUND. */
char *store_name_owner(int names_fd, const char *name, struct err *err);
/* Is there nothing in it? So is that of a container with --rm, which is not written to the disk at once, where the host
 * went down. */
bool store_name_is_unwritten(int names_fd, const char *name);
int store_claim_name(struct store *store, const char *name, const char *id, bool sync,
		     struct err *err);
/* Free those of the names of a rename that did not come to its end which are not the container's. Nothing
 * where there was none. (store_exit.c) */
int store_end_rename(const struct container *ct, struct err *err);
/* The first name that is free. */
int store_generate_name(struct store *store, struct record *record, struct err *err);
/* Remove a name whose container is gone; ERR_EXISTS where it is not. */
int store_drop_name(struct store *store, int names_fd, const char *name, struct err *err);

/* ---- documents (store_document.c) ---- */
struct store_part {
	const struct json_field *fields;
	void *data;
};

/* A line for each part: as text, and as a file. */
int store_compose(const char *name, const struct store_part *parts, size_t count, struct str *ret,
		  struct err *err);
int store_write_document(int dir_fd, const char *name, const struct store_part *parts, size_t count,
			 size_t limit, bool sync, struct err *err);
/* Lines from `first` (0) on, as many as there are parts. ERR_NOT_FOUND where there is no such file, ERR_CORRUPT
 * where it is not what was written; parts may be filled then. */
int store_read_document(int dir_fd, const char *name, unsigned int first,
			const struct store_part *parts, size_t count, size_t limit,
			struct err *err);
int store_read_open(int fd, const char *name, unsigned int first, const struct store_part *parts,
		    size_t count, size_t limit, struct err *err);
/* One line with its checksum, without the newline. */
int store_bind_line(const char *line, size_t size, const char *name, const struct store_part *part,
		    struct err *err);
/* Add the checksum to the last line of a text, which is an object with members. */
void store_add_sum(struct str *text);

/* The directory that it is in: that in RUN where the container was run with --rm. */
int store_record_fd(const struct container *ct);
int store_write_record(int dir_fd, const struct record *record, bool sync, struct err *err);
/* From RUN or ROOT, whichever has it. A container that died before its record was written gets one with
 * its id alone, so that it can be listed and removed. */
int store_read_record(struct container *ct, struct record *ret, struct err *err);
/* And what it leaves out: its second line. */
int store_read_spec(const struct container *ct, struct record *ret, struct err *err);
/* The record of a container of which only the id is known. */
int store_nameless_record(const char *id, struct record *ret, struct err *err);
int store_read_state(int run_fd, const char *name, struct run_state *ret, struct err *err);
/* The state with the copy of the record that it carries, where a keeper holds its lock: `path` of the file in
 * dir_fd. 1: read; 0: nobody holds it, or it is not there, or it is damaged: look properly. */
int store_read_running(int dir_fd, const char *path, struct run_state *ret_state,
		       struct record *ret_record, struct err *err);

#endif
