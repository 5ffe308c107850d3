/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copying between a container, the host and tar streams: a source tells entries, a target takes them.
 *
 *	transfer_read_tree	a tree, a container's or the host's	transfer_tree_put	into one
 *	transfer_read_tar	a tar stream				transfer_tar_put	as one
 *
 * Both ends of a container are a descriptor of its root, and every path in it goes through base/path: links lead
 * nowhere out of it, whatever the container does to its tree meanwhile. Ids are the container's; each end
 * that is a container adds or takes away the first of its range. An ordinary user's ids on both sides are those of
 * the container's map: what is his own outside is its root's inside.
 */
#ifndef INSULA_ENGINE_TRANSFER_H
#define INSULA_ENGINE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "kernel/ns.h"

#define TRANSFER_PATH_MAX 4096

struct transfer_xattr {
	char *name;
	void *value;
	size_t size;
};

struct transfer_entry {
	const char *path; /* below the target; "" is the target itself */
	mode_t mode;	  /* with its type */
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size;	  /* of a regular file */
	const char *link; /* of a symbolic link; of a hard link the path of the first */
	bool hard_link;
	int data_fd;	  /* of a regular file: positioned at its data */
	bool is_seekable; /* and it is a file, with holes perhaps */
	const struct transfer_xattr *xattrs;
	size_t xattr_count;
};

typedef int transfer_put_fn(void *target, const struct transfer_entry *e, struct err *err);

/* An extended attribute that means something elsewhere: capabilities, access lists, the users' own. What is
 * under trusted. and the rest of security. is the host's. */
bool transfer_keeps_xattr(const char *name);

/* ---- sources ---- */

/* The ids of a container, inside and as they are called outside, where they are no range. */
struct transfer_ids {
	struct id_map uids[NS_MAP_MAX], gids[NS_MAP_MAX];
	size_t uid_count, gid_count;
};

struct transfer_tree {
	int fd;		  /* O_PATH of what is copied */
	const char *name; /* what it is called at the target; "": its contents only */
	uint32_t id_base;
	const struct transfer_ids *ids; /* in place of id_base, where not NULL */
	bool archive;			/* extended attributes too */
};

int transfer_read_tree(const struct transfer_tree *tree, transfer_put_fn *put, void *target,
		       struct err *err);
/* Bounded and checked as what a stranger wrote. */
int transfer_read_tar(int fd, transfer_put_fn *put, void *target, struct err *err);

/* ---- targets ---- */

/* What no target makes: the first, a line each, and how many more. */
struct transfer_left_out {
	struct strv lines;
	size_t more;
};

/* 1: it is a socket or a device, and noted; 0. */
int transfer_leave_out(struct transfer_left_out *l, const struct transfer_entry *e,
		       struct err *err);
/* The others become a line. */
int transfer_left_out_end(struct transfer_left_out *l, struct err *err);

struct transfer_directory; /* made, and waiting for its times */

struct transfer_target {
	int root_fd;		    /* of a container's root, or the host's directory */
	const char *base;	    /* in a container: where paths begin, "" or "/srv/x" */
	bool in_root;		    /* a container's: links of its own are followed inside it */
	bool archive;		    /* owners and attributes as in the source, else the caller's */
	uint32_t id_base, uid, gid; /* first id of the range; owner without `archive` */
	const struct transfer_ids *ids; /* in place of id_base, where not NULL */
	bool keep_set_id;		/* not where it would be the host's */
	struct transfer_left_out left_out;
	/* ---- its own ---- */
	struct transfer_directory *directories;
	size_t directory_count;
	int parent_fd;
	char parent[TRANSFER_PATH_MAX];
	bool has_parent, is_own_parent;
};

int transfer_tree_put(void *target, const struct transfer_entry *e, struct err *err);
/* Times of directories, when all is in them. */
int transfer_tree_end(struct transfer_target *t, struct err *err);
void transfer_tree_done(struct transfer_target *t);

struct transfer_tar {
	int fd;
	bool keep_set_id;
	struct transfer_left_out left_out;
};

int transfer_tar_put(void *target, const struct transfer_entry *e, struct err *err);
int transfer_tar_end(struct transfer_tar *t, struct err *err);

/* `size` bytes of data, with its holes where both ends have them; fewer are filled up with zeros, where the
 * source is a file that was cut short meanwhile. */
int transfer_data(const struct transfer_entry *e, int to_fd, bool to_file, struct err *err);

#endif
