/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of the live kernel share: groups named insula-test-PID-N in the host's own hierarchies,
 * always removed again. What this host lacks is skipped with the reason.
 */
#ifndef INSULA_TEST_CGROUP_FIXTURE_H
#define INSULA_TEST_CGROUP_FIXTURE_H

#include "base/proc.h"
#include "kernel/cgroup_internal.h"

extern struct cgroup_host host;
extern struct cgroup_resources r;
extern struct cgroup_plan plan;
extern struct cgroup cg;
extern struct err err;
extern char group_name[64];

void begin(void);
void need(unsigned int controllers);
int create(void);
int apply(void); /* r, to cg */
void finish(void);
bool group_exists(void);
void remove_group(const char *name);
int member_dir(unsigned int controller);
bool on_v2(unsigned int controller);
const char *value(unsigned int controller, const char *v1, const char *v2);
/* A child in the group that runs `fn`; it begins when it has joined. */
struct proc spawn(void (*fn)(void));
struct proc_exit reap(struct proc *child);
void wait_for_ever(void);

/* main(): what a failed test left is removed. */
int cgroup_test_main(int argc, char **argv);

#endif
