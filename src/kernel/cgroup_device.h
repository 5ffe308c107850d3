/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device rules of a cgroup: exceptions for v1, a BPF program for v2. Internal to the cgroup module.
 */
#ifndef INSULA_KERNEL_CGROUP_DEVICE_H
#define INSULA_KERNEL_CGROUP_DEVICE_H

#include <linux/bpf.h>

#include "kernel/cgroup.h"

/* The bits of BPF_DEVCG_ACC_*. */
enum {
	DEVICE_MKNOD = 1,
	DEVICE_READ = 2,
	DEVICE_WRITE = 4,
	DEVICE_OPEN = DEVICE_READ | DEVICE_WRITE,
	DEVICE_ALL = 7
};

#define DEVICE_TEXT_SIZE 64

unsigned int cgroup_device_access(const struct cgroup_device *d);
void cgroup_device_set_access(struct cgroup_device *d, unsigned int bits);
bool cgroup_device_is_all(const struct cgroup_device *d);
/* "c 1:3 rwm", with '*' for all numbers. Returns buf. */
const char *cgroup_device_text(const struct cgroup_device *d, char buf[static DEVICE_TEXT_SIZE]);

/* A default and its exceptions; all zero is "deny everything". */
struct device_set {
	bool allow;
	struct cgroup_device *items;
	size_t count;
};

/* Returns 1, and changes nothing, where v1 cannot express the rule. */
int device_set_play(struct device_set *set, const struct cgroup_device *rule, struct err *err);
void device_set_done(struct device_set *set);

#define DEVICE_PROGRAM_MAX 4096 /* instructions */

/* The program for an ordered list of rules. Returns the number of instructions. */
int cgroup_device_program(const struct cgroup_device *rules, size_t count,
			  struct bpf_insn ret[static DEVICE_PROGRAM_MAX], struct err *err);
/* Load and attach it to a v2 group, in place of one that we attached before. */
int cgroup_device_attach(int cgroup_fd, const struct cgroup_device *rules, size_t count,
			 struct err *err);

#endif
