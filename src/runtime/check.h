/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that would keep a bundle from being started, and what would be left out, before anything
 * is made: on the disk (the root file system, the command in it, sources of mounts, hooks) and on this
 * host (what the kernel lacks, privilege that we lack). What the document itself says is spec_find's.
 *
 * A start does not ask these questions: it makes the container, and unwinds at the first failure.
 * So an answer here is as good as the moment it was given at, and no check is a defence of anything.
 */
#ifndef INSULA_RUNTIME_CHECK_H
#define INSULA_RUNTIME_CHECK_H

#include "base/problems.h"
#include "kernel/cgroup.h"
#include "kernel/facts.h"
#include "kernel/support.h"
#include "spec/spec.h"

struct check {
	const struct spec *spec;
	const char *bundle; /* absolute; what is relative in the document is below it */
	const struct facts *facts;
	const struct cgroup_host *host;
	const struct support *support;
	bool strict; /* what a start leaves out with a warning is an error, as with run --strict */
};

/* 0 whatever was found; -1 where memory ran out, or *found is full. */
int check_bundle(const struct check *c, struct problems *found, struct err *err);
int check_host(const struct check *c, struct problems *found, struct err *err);

/* ---- private to check*.c ---- */
typedef int check_fn(const struct check *c, struct problems *found, struct err *err);
/* check_fields.c */
check_fn check_policies, check_net_devices, check_resctrl;
/* The command, in a root file system: check_program.c. */
int check_command(const struct check *c, int root_fd, struct problems *found, struct err *err);
/* A program that the host runs (a hook). */
int check_host_program(const char *path, struct err *err);
/* Is the place below the destination of one of the mounts, so that the root says nothing about it? */
bool check_is_mounted_over(const struct spec *spec, const char *path);

#endif
