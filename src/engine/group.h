/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a container's control group is, and the scope that its keeper lives in.
 *
 * Without systemd the group is "insula-ID" below the top. With it, a keeper is put into a transient scope
 * of its own before it makes anything: a keeper that stayed in the login session or service that ran
 * `insula run` would end with that. On cgroup v2, where nobody but systemd may make groups outside a
 * delegated unit, the container's group is in that scope too:
 *
 *	machine.slice/insula-ID.scope/keeper	the keeper and its workers
 *	machine.slice/insula-ID.scope/container	the container, with its limits
 *
 * An ordinary user's scope is asked of his own service manager, and is below that one's part of the tree:
 *
 *	user.slice/user-UID.slice/user@UID.service/user.slice/insula-ID.scope/...
 *
 * Where he has none that answers, the group is beside the one that he is in, if he may make it there.
 *
 * The scope has no limits of its own, and goes with its last process, which is systemd's doing.
 *
 * With --cgroup-parent the slice is another one, or the directory is below that path. The parent stands in the
 * container's record, so whoever finds a dead keeper knows the few places where its group can be from that and
 * the id; where it is while it runs stands in its state.
 */
#ifndef INSULA_ENGINE_GROUP_H
#define INSULA_ENGINE_GROUP_H

#include "base/err.h"
#include "base/str.h"
#include "kernel/cgroup.h"

struct container;

struct group_place {
	char *name;	      /* of the container's group */
	unsigned int foreign; /* leading directories that are systemd's: cgroup_plan.foreign */
};

#define GROUP_PLACE_INIT ((struct group_place){0})

void group_place_done(struct group_place *place);

/* What --cgroup-parent may say on this host: the name of a slice where systemd makes the groups, else a path below
 * the top, and for an ordinary user below the group that his own is in. *ret: as a record keeps it. */
int group_parent_check(const char *text, bool user, char **ret, struct err *err);

struct group_asker {
	pid_t host_pid;		  /* of the keeper-to-be, in the host's /proc */
	const char *parent;	  /* of the record; NULL: the usual one */
	bool user;		  /* of an ordinary user */
	bool again;		  /* perhaps it is in its scope already */
	const char *store;	  /* directory that the keeper writes to until the end */
	uint64_t stop_timeout_ms; /* of the container: who stops the scope waits a little longer */
};

/* The caller, a keeper-to-be, moves into a scope of its own if systemd runs this host. Where systemd cannot
 * be asked it stays where it is, and a line in *warnings says so; root's on cgroup v2 is refused then (ERR_STATE). */
int group_enter_scope(const char *id, const struct group_asker *asker, struct group_place *ret,
		      struct strv *warnings, struct err *err);
/* As a dry run shows it: nothing is made. */
int group_expect(const char *id, const char *parent, bool user, const struct cgroup_host *host,
		 struct group_place *ret, struct err *err);
/* The unit that group_enter_scope() asks for; the caller's to free. */
char *group_unit(const char *id, struct err *err);

/* The directory of the scope itself, as group_enter_scope() would have it; the caller's to free. */
char *group_scope(const char *id, const char *parent, bool user, struct err *err);

/* group_end.c.
 *
 * Where nobody of the container lives any more: wait a moment for systemd to end the scope, and stop it where that was
 * never told that the scope is empty. Nothing is done while a process is in it. */
int group_end_scope(const struct cgroup_host *host, const char *id, const char *parent, bool user,
		    struct err *err);
/* Ids of the scopes below the usual slice; none where systemd does not make the groups. For the doctor. */
int group_list_scopes(const struct cgroup_host *host, bool user, struct strv *ret_ids,
		      struct err *err);
/* *ret: that directory; count 0: it is not there, or a process is in it. */
int group_open_empty_scope(const struct cgroup_host *host, const char *id, const char *parent,
			   bool user, struct cgroup *ret, struct err *err);

/* The group of a container that runs, or has left one: ERR_NOT_FOUND where there is none. An ordinary user's is
 * where its state says, and without members (count 0) where that says that none was delegated to him; without
 * a state it is looked for by the id, which finds it from the session that it was started in only. */
int group_open_of(const struct cgroup_host *host, const struct container *ct, struct cgroup *ret,
		  struct err *err);
/* Would a container of this ordinary user's have one? */
bool group_is_to_be_had(const struct cgroup_host *host);
/* For what cannot be done without one: ERR_UNSUPPORTED where none was delegated. */
int group_need(const struct cgroup_host *host, const struct container *ct, struct cgroup *ret,
	       struct err *err);
/* Fills *err: it has none. Returns -1. */
int group_refuse_none(const struct container *ct, struct err *err);
/* *ret: its name, or that which it would have, the caller's to free; NULL where none was delegated. */
int group_name_of(const struct cgroup_host *host, const struct container *ct, char **ret,
		  struct err *err);

#endif
