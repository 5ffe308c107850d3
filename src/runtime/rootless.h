/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts by ordinary users. */
#ifndef INSULA_RUNTIME_ROOTLESS_H
#define INSULA_RUNTIME_ROOTLESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proc.h"
#include "spec/spec.h"

/* May we make a container's mounts as we are? Root may, and so may root of a user namespace. */
bool rootless_is_needed(void);

/* Become root of a user namespace, and of a copy of the mount namespace, in which the container's own
 * will be nested: for the program to be executed anew there, with rootless_entered(). Other ids
 * than our own are mapped by newuidmap(1) and newgidmap(1), which know whose they are. Where the specification
 * joins a user namespace, that is done in what it is nested in. ERR_INVALID where it has none. */
int rootless_enter(struct spec *spec, struct err *err);

/* In that program: change the specification's id maps to what its host ids are called here. *ret_owner: our uid
 * outside. */
int rootless_entered(struct spec *spec, uint32_t *ret_owner, struct err *err);

/* Both for a child that is made for it, with a mount namespace of its own, and a pid namespace unless it is to share
 * ours: it is root there when it begins. The host ids of the maps are those of the child's namespace afterwards, in both processes.
 * Returns 0 in the child, its number in the parent. */
pid_t rootless_clone(struct spec_idmaps *uids, struct spec_idmaps *gids, bool own_pids,
		     struct proc *ret, struct err *err);

/* A child in a user namespace that is there, whose root the caller may be: it is root there when it begins, and has a
 * mount namespace, and a pid namespace unless it is to share ours, of its own. */
pid_t rootless_clone_into(int outer_fd, bool own_pids, struct proc *ret, struct err *err);

/* Run fn(data) in a child that is root of such a namespace with all ids that the user has (rootless_own_ids), for what
 * belongs to them. fn's result and error are the caller's. */
typedef int rootless_fn(void *data, struct err *err);
int rootless_call(rootless_fn *fn, void *data, struct err *err);

/* For whom rootless_clone() has made its child: has he rights there? Some systems give him none. */
int rootless_check_rights(struct err *err);

/* What this system says of user namespaces of ordinary users, by the procfs at proc_fd. */
enum rootless_policy {
	ROOTLESS_ALLOWED,
	ROOTLESS_FORBIDDEN,  /* to all of them */
	ROOTLESS_RESTRICTED, /* to programs without a profile of AppArmor's */
	ROOTLESS_PROFILE,    /* the same, and we have ours */
};
enum rootless_policy rootless_policy(int proc_fd);
/* A user namespace was refused: what to do about it. -1. */
int rootless_explain(int proc_fd, struct err *err);

/* Ids that an ordinary user may have in a namespace: his own as 0, and those that /etc/subuid and /etc/subgid
 * give him from 1 on, if newuidmap(1) is there to map them. */
int rootless_own_ids(struct spec_idmaps *ret_uids, struct spec_idmaps *ret_gids, struct err *err);

/* Could root of such a namespace, or somebody else in it, write the file that we were executed from? It can where
 * Insula is installed in his home. */
bool rootless_reaches_program(void);

#endif
