/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the cgroup module share, and no one else includes (but their tests).
 */
#ifndef INSULA_KERNEL_CGROUP_INTERNAL_H
#define INSULA_KERNEL_CGROUP_INTERNAL_H

#include "kernel/cgroup.h"

/* ---- host ---- */

/* Index of the hierarchy that has the controller, or -1. */
int cgroup_host_find(const struct cgroup_host *host, unsigned int controller);
/* The bit of a controller's name ("blkio" and "io" alike), 0 if unknown. */
unsigned int cgroup_controller_bit(const char *name, size_t len);
const char *cgroup_controller_name(unsigned int bit, bool v2);

/* ---- names ---- */

/* A group's name: components of 1 to 255 bytes, no "." or "..", no control characters. Leading,
 * trailing and doubled slashes are dropped. */
int cgroup_name_clean(const char *name, char ret[static 256], struct err *err);
unsigned int cgroup_name_depth(const char *name);
/* The n-th component, counted from 0; buf of 256 bytes. Returns buf. */
const char *cgroup_name_part(const char *name, unsigned int nth, char buf[static 256]);

/* ---- plan ---- */

struct cgroup_planner {
	const struct cgroup_host *host;
	const struct cgroup_resources *r;
	struct cgroup_plan *plan;
	bool strict;
};

enum cgroup_write_flags {
	CGW_REQUIRED = 1,
	CGW_INHERIT = 2,
	CGW_ALTERNATIVE = 4,
	CGW_LATE = 8,
	CGW_NOTED = 16, /* never required, even if strict */
};

int cgroup_planner_write(struct cgroup_planner *p, int hierarchy, unsigned int flags,
			 const char *file, struct err *err, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
/* Of which the file is the same in v1 and v2; hierarchy -1: none. */
int cgroup_planner_rdma(struct cgroup_planner *p, int hierarchy, struct err *err);
/* What this host cannot do: an error where strict, else a line in plan->missing. */
int cgroup_planner_missing(struct cgroup_planner *p, struct err *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Was the field asked for? Zero means "not asked for" in some fields, as engines write it. */
bool cgroup_resource_asked(const struct cgroup_resources *r, size_t offset);
int64_t cgroup_resource_value(const struct cgroup_resources *r, size_t offset);
/* Bits of the controllers that it takes to enforce what was asked for. */
unsigned int cgroup_resources_controllers(const struct cgroup_resources *r);
int cgroup_resources_check(const struct cgroup_resources *r, struct err *err);
/* An entry of a list that reads KEY=VALUE: the length of KEY. */
int cgroup_pair_split(const char *pair, const char *what, size_t *ret_len, struct err *err);

int cgroup_plan_v1(struct cgroup_planner *p, struct err *err);
int cgroup_plan_v2(struct cgroup_planner *p, struct err *err);

/* v1: devices.deny and devices.allow, as exceptions to one default. */
int cgroup_device_plan_v1(struct cgroup_planner *p, int hierarchy, struct err *err);

/* ---- groups, by descriptor ---- */

/* Write `value` to a file of the directory, in one write(2). Returns -1 with errno. */
int cgroup_put(int dir_fd, const char *file, const char *value);
/* Contents without the trailing newline, NUL-terminated; cut at size - 1. Returns -1 with errno. */
ssize_t cgroup_get(int dir_fd, const char *file, char *buf, size_t size);

/* The member of a hierarchy, or NULL. */
const struct cgroup_member *cgroup_member_at(const struct cgroup *cg, unsigned int hierarchy);
/* Fill in the descriptors of a member whose parent_fd is open. Returns -1 with errno. */
int cgroup_member_open(struct cgroup *cg, struct cgroup_member *member, bool v2);
/* Remove the directories above that cgroup_create made, as far as they are empty. */
void cgroup_remove_parents(const struct cgroup *cg, struct cgroup_member *member);
/* Last component of the group's name. */
const char *cgroup_leaf(const struct cgroup *cg);
/* One more member, of that hierarchy of the host, with nothing open. */
struct cgroup_member *cgroup_add_member(struct cgroup *cg, const struct cgroup_hierarchy *h,
					unsigned int index);

/* Sleep a little, longer each time (*pause_us begins at 0). False at the deadline. */
bool cgroup_pause(unsigned int *pause_us, int64_t deadline_ms);
/* A sub-directory, any one: 1 with its name, 0 there is none, -1 with errno. */
int cgroup_first_child(int dir_fd, char ret[static 256]);

/* Call fn for the directory and every one below it, at most 64 deep; -1 with errno stops. */
typedef int cgroup_walk_fn(int dir_fd, void *data);
int cgroup_walk(int dir_fd, cgroup_walk_fn *fn, void *data);

/* Files that stay open from one write to the next of the same file. */
struct cgroup_writer {
	const struct cgroup_plan *plan;
	const struct cgroup *cg;
	unsigned int hierarchy; /* of the open file */
	const char *file;	/* NULL: none is open */
	int fd;
};

#define CGROUP_WRITER_INIT(plan_, cg_) \
	((struct cgroup_writer){.plan = (plan_), .cg = (cg_), .fd = -1})

/* 0 done; -1 with errno, ENOENT where this kernel has no such file. */
int cgroup_writer_put(struct cgroup_writer *writer, const struct cgroup_write *write);
void cgroup_writer_done(struct cgroup_writer *writer);
/* The error for a write that failed with `errnum`. Returns -1. */
int cgroup_write_error(const struct cgroup *cg, const struct cgroup_write *write, int errnum,
		       struct err *err);
/* A write whose file is missing: an error if it is required, else recorded in cg->skipped. */
int cgroup_write_skipped(struct cgroup *cg, const struct cgroup_write *write, struct err *err);

/* "+cpu +memory": what the writes of the plan need in cgroup.subtree_control; "" for nothing. */
#define CGROUP_ENABLE_SIZE 256
const char *cgroup_enable_text(const struct cgroup_host *host, const struct cgroup_plan *plan,
			       char buf[static CGROUP_ENABLE_SIZE]);
/* In every directory from the top to the one above the group, all of which exist, but for the first
 * `foreign`. */
int cgroup_enable_down(int top_fd, const char *name, unsigned int foreign, const char *text,
		       struct err *err);
/* The member that freezes: v2, else v1's freezer, else NULL. */
const struct cgroup_member *cgroup_freezer(const struct cgroup *cg);
/* Is the line in a flat keyed file? */
bool cgroup_events_has(const char *events, const char *line);

#endif
