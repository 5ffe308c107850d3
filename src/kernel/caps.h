/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capabilities(7): names, bit sets, and all five sets made exact. */
#ifndef INSULA_KERNEL_CAPS_H
#define INSULA_KERNEL_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* What a container gets unless the request says otherwise: podman's eleven (containers.conf(5)).
 * docker adds AUDIT_WRITE, MKNOD and NET_RAW: with those a container writes into the host's audit
 * log, makes device nodes and forges packets, and hardly any program needs them.
 *
 * CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP */
#define CAPS_DEFAULT UINT64_C(0x800405fb)

struct caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* "CAP_CHOWN", "chown", "cap_chown" -> number; -1 with ERR_INVALID and did-you-mean. "ALL" is the
 * caller's business. */
int caps_parse(const char *name, struct err *err);
const char *caps_name(int cap); /* "CAP_CHOWN"; NULL beyond the table */
/* Every capability that this kernel knows (asked of prctl(2), cached: needs no /proc). */
uint64_t caps_all(void);
/* All sets but the bounding one, which takes a system call for each capability. */
int caps_get(struct caps *ret, struct err *err);
/* Those of a set that are in our bounding set. */
uint64_t caps_bounding(uint64_t of);

/* Those of all five sets that are in `possible`. */
struct caps caps_within(const struct caps *c, uint64_t possible);

/* Two halves around the change of user: caps_limit drops the bounding set to c->bounding and sets
 * PR_SET_KEEPCAPS; caps_apply then sets permitted, effective, inheritable and ambient exactly and
 * clears keepcaps. Async-signal-safe (raw system calls, no allocation). */
int caps_limit(const struct caps *c, struct err *err);
int caps_apply(const struct caps *c, struct err *err);
/* Effective set alone (the permitted one must contain it). */
int caps_set_effective(uint64_t effective, struct err *err);
/* Act on files as somebody else (container root, or, back again, ourselves: 0 0) with every capability kept. */
int caps_act_as(uint32_t uid, uint32_t gid, struct err *err);

/* Do our capabilities count? A security module may let us have them, and refuse what they are for: one is tried, to
 * change nothing. */
int caps_try(struct err *err);

#endif
