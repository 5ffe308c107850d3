/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount options: one table turns each option string into attributes, propagation, flags of ours, or
 * file-system data ("key=value", handed to fsconfig(2) one by one, never joined).
 */
#ifndef INSULA_SPEC_MOUNT_OPTIONS_H
#define INSULA_SPEC_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "spec/spec.h"

enum mount_option_flag {
	MOUNT_OPT_BIND = 1 << 0,
	MOUNT_OPT_RECURSIVE = 1 << 1, /* rbind */
	MOUNT_OPT_TMPCOPYUP = 1 << 2,
	MOUNT_OPT_IDMAP = 1 << 3,
	MOUNT_OPT_RIDMAP = 1 << 4,
	MOUNT_OPT_REMOUNT = 1 << 5,
	MOUNT_OPT_COPY_SYMLINK = 1 << 6, /* crun */
	MOUNT_OPT_SRC_NOFOLLOW = 1 << 7,
	MOUNT_OPT_DEST_NOFOLLOW = 1 << 8,
};

struct mount_options {
	unsigned int flags;	       /* enum mount_option_flag */
	uint64_t attr_set, attr_clear; /* MOUNT_ATTR_* of this mount */
	uint64_t rec_set, rec_clear;   /* of the whole tree (rro, rnosuid, ...) */
	unsigned long propagation;     /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE or 0 */
	bool propagation_recursive;    /* rshared, ... */
	unsigned long sb_flags;	       /* MS_SYNCHRONOUS, MS_DIRSYNC, MS_LAZYTIME, MS_SILENT, ... */
	unsigned long sb_clear;	       /* those taken away: of use to a remount */
	struct strv data;	       /* what the file system itself is to be told */
	char *idmap; /* crun's "idmap=uids=...;gids=...", what is behind the first "="; NULL */
};

void mount_options_done(struct mount_options *o);
int mount_options_parse(const struct strv *options, struct mount_options *ret, struct err *err);
/* Those of a mount: its options, and what its type says ("bind" and "rbind" are options there too). */
int mount_options_of(const struct spec_mount *m, struct mount_options *ret, struct err *err);
static inline bool mount_options_bind(const struct mount_options *o)
{
	return o->flags & MOUNT_OPT_BIND;
}

/* Whose ids a mount shows. */
enum mount_map {
	MOUNT_MAP_NONE,
	MOUNT_MAP_USERNS, /* as the container's user namespace has them */
	MOUNT_MAP_OWN,	  /* its own, in the mount or in the option */
};

struct mount_maps {
	enum mount_map kind;
	bool recursive;
	struct spec_idmaps uids,
		gids; /* of MOUNT_MAP_OWN; inside: the file system's, host: the host's */
};

void mount_maps_done(struct mount_maps *maps);
/* A triplet of "idmap=" with an "@" is counted from the ids that the user namespace of `linux_` has. */
int mount_maps_of(const struct spec_linux *linux_, const struct spec_mount *m,
		  const struct mount_options *o, struct mount_maps *ret, struct err *err);

/* Names of the table in its order, for `features`; NULL past the end. */
const char *mount_option_name_at(size_t i);

#endif
