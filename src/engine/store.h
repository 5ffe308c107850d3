/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: files are the database.
 *
 *	ROOT (/var/lib/insula, 0700)
 *	  containers/ID/record.json   what was asked for; in a second line the specification made from it
 *	  containers/ID/exit.json     how it ended; gone when it runs again
 *	  containers/ID/ready	      made by `insula create`, and not started yet
 *	  containers/ID/needed	      another container requires it, or did
 *	  containers/ID/renaming      its old and its new name, while one becomes the other; where the record is
 *	  containers/ID/exit.reserve  space for that, while it runs
 *	  containers/ID/{upper,work}  its writes
 *	  containers/ID/log, log.1 …  its output
 *	  removed/ID		      what was ID's, until its keeper has removed it
 *	  names/NAME		      holds the ID; taken by O_EXCL
 *	  secrets/NAME		      what may be shown of it; in a second line its value (secret.h)
 *	  images/host/…		      mask layers of the host image
 *	RUN (/run/insula, 0700; means nothing after a reboot)
 *	  containers/ID/alive	      locked by the keeper as long as it lives; it holds the state
 *	  containers/ID/lock	      held by a verb that changes the container
 *	  containers/ID/state.json    another name of that file when it runs: init, keeper, id range, boot id; in a
 *				      second line a copy of the record's first
 *	  containers/ID/stopping.json that file when its command has ended and the keeper clears up
 *	  containers/ID/restarting.json  that file while the keeper waits to start it again
 *	  containers/ID/ctl	      the keeper's socket
 *	  containers/ID/fresh	      being made or started: its command has not run
 *	  containers/ID/live.json     mounts and devices that it has and its record has not, or the other way (live_state.h)
 *	  containers/ID/paused	      somebody paused it; whether it is, its freezer tells
 *	  containers/ID/health.json   what its health checks said
 *	  containers/ID/ready.json    what it said of itself (ready.h)
 *	  containers/ID/record.json   here instead of in ROOT for a container that was run with --rm
 *	  ids/N			      ids from N * 65536 on, or above, are taken by the container named in it
 *	  creators		      locked, shared, by whoever creates a container or takes a range
 *	  names			      locked by whoever drops a name that is nobody's
 *	  pad			      the launch pad
 *	  pauses		      somebody has paused a container: else a list need not look at each
 *	  events, events.1	      what happened (event.h)
 *
 * ROOT and RUN come from --root and --runroot, INSULA_ROOT and INSULA_RUNROOT, or the defaults. A
 * container exists from the moment its run directory exists until that and the one in ROOT are gone.
 */
#ifndef INSULA_ENGINE_STORE_H
#define INSULA_ENGINE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/health.h"
#include "json/json.h"
#include "spec/spec.h"

#define STORE_ID_LENGTH 64 /* lower-case hex */
#define STORE_SHORT_ID 12
#define STORE_NAME_MAX 128
#define STORE_CGROUP_PREFIX "insula-"
#define STORE_FIRST_ID \
	1879048192u /* of the id ranges where no file names any: unused by login.defs(5) and by
				     systemd */

struct store {
	char *root, *run; /* absolute paths */
	int root_fd, run_fd;
	bool user;	 /* an ordinary user's */
	bool has_pauses; /* at the last list: somebody has paused a container of it since RUN was made */
	/* As path_remove_tree, where that cannot remove everything; or NULL. */
	int (*remove_tree)(int dir_fd, const char *name, struct err *err);
};

int store_open(const char *root, const char *run, struct store *ret, struct err *err);
void store_done(struct store *store);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most STORE_NAME_MAX, as docker and podman have it. */
int store_check_name(const char *name, struct err *err);

/* A secret that a container gets, by its name; what it is, is read at each start. */
struct record_secret {
	char *name;
	char *target; /* a path in the container, or a variable's name */
	bool env;
	uint32_t uid, gid; /* of the file, the container's */
	int mode;
};

/* Everything that outlives the command that made a container. */
struct record {
	int version; /* of this format: 1; 0: there is none, whoever made the container died first */
	char *id, *name, *image;
	char *image_stamp;  /* state of the image's source when it was made; "" for dir */
	int64_t created_ns; /* CLOCK_REALTIME */
	bool remove;	    /* --rm */
	bool terminal, interactive;
	bool strict;
	int stop_signal;
	uint64_t stop_timeout_ms;
	char *restart;	/* policy, see restart_policy.h; NULL: no */
	char *sdnotify; /* who says that it is ready, see ready.h; NULL: nobody */
	struct health_config health;
	struct strv command;	   /* as shown by ps */
	struct strv labels;	   /* key=value */
	struct strv requires;	   /* ids of containers that run before it is started */
	struct json_array secrets; /* of struct record_secret */
	char *log_driver;	   /* "none", "journald"; NULL: files */
	char *log_tag;		   /* in the journal, see log_fields.h; NULL: the name */
	struct strv log_fields;	   /* there, NAME=value */
	uint64_t log_max_size;	   /* bytes a file; 0: the default */
	int log_max_files;	   /* 0: the default */
	char *hostname;		   /* that its files have; NULL: the specification's */
	bool host_names;	   /* names are resolved as on the host */
	char *pidfile;		   /* absolute; NULL: none */
	struct strv hosts;	   /* further lines of /etc/hosts */
	struct strv
		resolv; /* lines of /etc/resolv.conf; "none": the image's; empty: see identity_files.c */
	char *timezone; /* below /usr/share/zoneinfo, or "local"; NULL: the image's */
	struct strv
		given; /* the working directory, and the options, that it was made with; for unit_file.c */
	struct strv operands; /* the command, as it was typed */
	char *userns;	      /* of an ordinary user: "keep-id", "nomap"; NULL: neither */
	char *cgroup_parent;  /* group_parent_check() has it; NULL: the usual one */
	bool layers_in_run;   /* what it writes is in RUN, as overlay cannot write to ROOT */
	bool strict_limits;   /* limits were asked for that must not be left out silently */
	struct strv warnings; /* what was degraded when it was made, one line each */
	struct spec spec;     /* of one that was found: after store_load_spec */
};

void record_init(struct record *r);
/* How it is called, whoever the hostname belongs to. */
const char *record_hostname(const struct record *r);
void record_done(struct record *r);

/* What a running container is. */
struct run_state {
	int version;
	int32_t init_pid, keeper_pid;	   /* in the host's pid namespace */
	uint64_t init_start, keeper_start; /* start times, ticks since boot */
	char *boot_id;
	int64_t started_ns;
	uint32_t id_base; /* first host id of its range; 0: none */
	int id_slot;	  /* ids/N; -1: none */
	uint64_t keyring; /* in the name of its session keyring; 0: unknown */
	int restarts;	  /* by its policy, since somebody started it */
	char *cgroup;	  /* where it is; NULL: an ordinary user's is nowhere, root's by its id */
	struct strv warnings; /* what was degraded when it was started */
};

void run_state_done(struct run_state *s);

/* How it ended. */
struct exit_record {
	int version;
	int code; /* 0..255, 128 + signal */
	int signal;
	bool oom_killed;
	bool stopped; /* somebody asked for its end */
	int restarts; /* by its policy, since somebody started it */
	int64_t finished_ns;
	int64_t started_ns;
	char *reason; /* "exited", "signalled", "stopped", "stop timeout", "out of memory", "unhealthy", "keeper
		       * died", "failed to start again: ..." */
};

void exit_record_done(struct exit_record *e);

enum ready_state { READY_UNKNOWN, READY_NOT_YET, READY_YES };

enum container_status {
	CT_STARTING, /* being made or started; or, where nobody holds its lock, left by somebody who was
		      * killed before its command ran: then nobody was told of it, and nothing in it is
		      * anybody's */
	CT_CREATED, /* whole, and never started: by `insula create` */
	CT_RUNNING,
	CT_RESTARTING, /* it has ended, and its keeper is about to start it again */
	CT_STOPPING, /* its command has ended, and its keeper records that and clears up: for a moment */
	CT_EXITED,
	CT_DEAD /* keeper gone, to be repaired */
};
const char *container_status_name(enum container_status status);
#define CT_STATUS_COUNT (CT_DEAD + 1)

/* A container as found in the store; descriptors are of its two directories. */
struct container {
	struct store *store; /* borrowed */
	char id[STORE_ID_LENGTH + 1];
	int root_fd, run_fd; /* -1 where that directory is absent */
	int lock_fd;	     /* its lock, held by whoever creates it; else -1 */
	enum container_status status;
	bool paused;		/* where running */
	int health;		/* enum health_status, where running */
	enum ready_state ready; /* the same */
	/* A start of one that exists: what was known of the last run is forgotten when this one runs. */
	bool again;
	bool stopped; /* somebody asks for its end: so it is recorded, should its keeper be dead */
	struct record record;
	bool has_spec;
	struct run_state state;	 /* where running */
	struct exit_record exit; /* where exited */
};

#define CONTAINER_INIT \
	((struct container){.root_fd = -1, .run_fd = -1, .lock_fd = -1, .state = {.id_slot = -1}})

void container_done(struct container *ct);

/* It runs, or will in a moment: it has a keeper to be asked. */
static inline bool container_is_kept(const struct container *ct)
{
	return ct->status == CT_RUNNING || ct->status == CT_RESTARTING;
}

/* Where its writable layers are: in ROOT, or in RUN where overlay cannot write to ROOT, and then they are gone
 * after a reboot (-1). Its specification was read (store_load_spec). */
int container_layers_fd(const struct container *ct);
/* What overlayfs wants in a writable layer's directory: "upper" and "work", where they are not there. */
int store_make_layer(int dir_fd, struct err *err);
/* ROOT or RUN, as a path. */
const char *store_layers_place(const struct store *store, const struct record *record);

/* As container_status_name, and "paused". */
const char *container_shown_status(const struct container *ct);

/* Claim an id and a name (NULL: a generated one), make both directories, write the record. The first
 * trace of a container is its run directory, so debris can always be told by its id. *ret holds the
 * container's lock until container_done. On failure nothing is left. lasting: it survives a reboot even
 * with --rm, as it may not have run yet. */
int store_create(struct store *store, struct record *record, bool lasting, struct container *ret,
		 struct err *err);
/* It is whole, and may be started: for one that is not started at once. */
int store_mark_ready(struct container *ct, struct err *err);
/* Its lock is ours, and it is about to be started again. 1: an earlier attempt has died, and may have left
 * a control group and an id range; 0; -1. */
int store_mark_fresh(struct container *ct, struct err *err);
int store_unmark_fresh(struct container *ct, struct err *err);
/* By name, full id or unique prefix of an id. ERR_NOT_FOUND with a did-you-mean hint. */
int store_find(struct store *store, const char *ref, struct container *ret, struct err *err);
int store_load(struct store *store, const char *id, struct container *ret, struct err *err);
/* The same for a list of many, after store_list: without descriptors, so that there may be any number, and for one that
 * runs from a single file. */
int store_summarize(struct store *store, const char *id, struct container *ret, struct err *err);
/* Read its specification too, which few verbs need. Once is enough. */
int store_load_spec(struct container *ct, struct err *err);
/* The same for who cannot do without: one that is being made had no record when it was found, one that is being
 * removed has none any more. ERR_NOT_FOUND. */
int store_need_spec(struct container *ct, struct err *err);
/* As store_find, for whoever removes: where the files are damaged (ERR_CORRUPT), a container that has but its
 * id and its directories. */
int store_find_damaged(struct store *store, const char *ref, struct container *ret,
		       struct err *err);
/* Look again what it is by now: for whoever waited for its lock. ERR_NOT_FOUND where it was removed. */
int store_refresh(struct container *ct, struct err *err);
/* Are all its files gone? */
bool store_is_gone(const struct container *ct);
/* Is its directory in ROOT gone? Then whoever removes it is at it, or has died at it. */
bool store_is_going(const struct container *ct);
/* Every id, sorted by creation is the caller's business. */
int store_list(struct store *store, struct strv *ret_ids, struct err *err);
/* Remove directories, name, id slot. Not while it runs. */
int store_remove(struct container *ct, struct err *err);
/* The same, but its files in ROOT are only moved out of everybody's sight; store_finish_removal removes them.
 * *ret_fd (untouched where there are none) is what says that somebody will. */
int store_retire(struct container *ct, int *ret_fd, struct err *err);
/* claimed_fd < 0: nothing is done where whoever retired it still lives. */
int store_finish_removal(const struct store *store, const char *id, int claimed_fd,
			 struct err *err);
/* What nobody will remove, as whoever retired it was killed. */
int store_list_removed(const struct store *store, struct strv *ret_ids, struct err *err);
/* Exclusive verb lock of a container, waits up to timeout_ms. Returns the lock descriptor. */
int store_lock(struct container *ct, int timeout_ms, struct err *err);
/* Shared: something appears in the store that is not yet what it will be. Exclusive: nobody does that
 * just now, and what looks half-made is what somebody left who died. For milliseconds. Returns the
 * lock descriptor. */
int store_lock_creation(struct store *store, enum lock_how how, struct err *err);

bool store_is_id(const char *text);

/* Another name: the record has it, and the old one is free. Whoever calls holds the container's lock. Killed
 * at any moment, it has either name, and whoever renames or removes it next frees the other. */
int store_rename(struct container *ct, const char *name, struct err *err);
/* Write its record anew, as it is in *ct, specification included (store_load_spec). Whoever calls holds the
 * container's lock. */
int store_rewrite_record(struct container *ct, struct err *err);

/* Who starts it, in the file that he has locked, until the state is there. */
int store_note_starter(int alive_fd, int32_t pid, struct err *err);
/* 1: he lives; 0: nobody starts it, or it runs by now. */
int store_find_starter(const struct container *ct, struct proc *ret, struct err *err);
int store_write_state(struct container *ct, const struct run_state *state, struct err *err);
/* Before a container runs: then its exit is recorded also where the disk is full by then. */
int store_reserve_exit(int root_fd, struct err *err);
int store_write_exit(struct container *ct, const struct exit_record *exit, struct err *err);
/* root_fd: of the container. ERR_NOT_FOUND where it did not end. */
int store_read_exit(int root_fd, struct exit_record *ret, struct err *err);

/* An id range of 65536 for one start: from the `insula` entries of /etc/subuid and /etc/subgid, or
 * where there are none from 1879048192..2147483647, skipping ranges that overlap anybody's entry, or one that a
 * container got when these said otherwise. */
int store_claim_ids(struct store *store, const char *id, uint32_t *ret_base, int *ret_slot,
		    struct err *err);
/* The range from `base` on of another container's start, as well as that one: it is nobody else's until both have
 * released it. ERR_STATE where the other has it no longer. */
int store_share_ids(struct store *store, const char *id, const char *other, uint32_t base,
		    struct err *err);
#define STORE_RANGE_SIZE 65536u
#define STORE_SLOT_MAX 65535 /* as there are 2^32 ids */

/* All ids that ranges are taken from, and whether they are those of the entries. */
struct store_range {
	uint64_t start, count;
	bool is_entry;
	bool is_configured;
};

int store_id_range(struct store_range *ret, struct err *err);
/* From now on, in place of what the files say: for the configuration. */
void store_use_ids(const struct store_range *range);
/* Only where the range is taken in this container's name; slot < 0: nothing. */
void store_release_ids(struct store *store, const char *id, int slot);
/* Every range that is taken in the container's name, for one that died before it wrote down which. Its
 * keeper is gone, and the caller holds its lock. */
int store_release_ids_of(struct store *store, const char *id, struct err *err);

#endif
