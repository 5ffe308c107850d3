/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of the host that plans depend on, read once: kernel release, CPUs and memory nodes, memory,
 * our capabilities and limits, file-system features. Probed, never assumed from a version. prefix_fd
 * AT_FDCWD reads the live /proc and /sys; a directory descriptor reads a recorded tree (proc/...,
 * sys/..., and the outcome of probes in probe/overlay and probe/cgroup_bpf, "1" where they worked).
 */
#ifndef INSULA_KERNEL_FACTS_H
#define INSULA_KERNEL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cpu_set_text {
	char text[256]; /* list format, "0-3,8" */
};

struct facts {
	char release[65];
	unsigned int major, minor;	  /* of the kernel release */
	struct cpu_set_text cpus_online;  /* /sys/devices/system/cpu/online */
	struct cpu_set_text cpus_allowed; /* of this process */
	struct cpu_set_text mems_allowed;
	unsigned int cpu_count; /* in cpus_allowed */
	uint64_t memory_total;	/* bytes */
	uint64_t caps_effective;
	uint64_t signals_ignored; /* by this process: signal n is bit n - 1 */
	uint64_t nofile_hard;
	char boot_id[37];
	bool own_pids; /* /proc shows processes by the numbers that they have for this one */
	bool root;     /* uid 0 in the initial user namespace */
	bool initial_userns;
	bool overlay, cgroup_bpf;
};

/* The boot id of this kernel, which is read once; freed by the caller. */
char *boot_id_read(struct err *err);
/* facts.root alone, of the live host; false where that cannot be told. */
bool facts_is_root(void);

int facts_probe(int prefix_fd, struct facts *ret, struct err *err);
/* Only what is about this process: its capabilities, CPUs, memory nodes and user namespace. This is
 * what a start needs, and each start pays for it; the rest stays zero. */
int facts_probe_process(int prefix_fd, struct facts *ret, struct err *err);

/* The first `count` CPUs of a list, as a list: what --cpus N pins to. `start` rotates which ones. */
int cpu_list_pick(const char *list, unsigned int count, unsigned int start,
		  struct cpu_set_text *ret, struct err *err);
/* Number of CPUs in a list; ERR_INVALID if malformed. */
int cpu_list_count(const char *list, struct err *err);
/* As a bit set for system calls, CPU n in bit n % 64 of word n / 64. ERR_LIMIT where one does not fit. */
int cpu_list_bits(const char *list, uint64_t *ret_words, size_t count, struct err *err);
/* Is every CPU of `inner` in `outer`? 1, 0, -1. */
int cpu_list_subset(const char *inner, const char *outer, struct err *err);

#endif
