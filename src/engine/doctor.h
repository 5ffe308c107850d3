/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula doctor: is there anything of ours on this host that nobody uses, and can this host do what
 * containers need?
 */
#ifndef INSULA_ENGINE_DOCTOR_H
#define INSULA_ENGINE_DOCTOR_H

#include "engine/store.h"
#include "kernel/cgroup.h"
#include "kernel/facts.h"

struct debris_kind;

/* One thing that nobody uses any more. */
struct finding {
	const struct debris_kind *kind;
	char *object; /* what the repair takes: an id, a name, a path, a number */
	char *label;  /* what people are shown */
	char *reason;
	bool repaired;
	char *problem; /* why the repair failed; NULL: not tried, or done */
};

const char *finding_kind(const struct finding *f);
const char *finding_remedy(const struct finding *f);

struct doctor {
	struct store *store;
	const struct cgroup_host *host;
	int proc_fd;	       /* of mounts and processes */
	dev_t run_device;      /* that files of RUN are on */
	int64_t look_again_ms; /* between the two looks; 0: one look */
	struct finding *findings;
	size_t count;
	struct doctor_subject
		*subjects; /* the containers as they were at the last look, sorted by id */
	size_t subject_count;
	struct strv orphans; /* ids of keepers whose directory was removed under them */
};

/* Nothing is owned but what the functions below put in. */
#define DOCTOR_INIT ((struct doctor){.proc_fd = -1, .look_again_ms = 100})
void doctor_done(struct doctor *d);

/* Fill d->findings. Looks twice, because what somebody removes just now looks like debris for a
 * moment: only what is there both times is found. */
int doctor_examine(struct doctor *d, struct err *err);
/* Remove what was found, each after having made sure once more that it is debris. What fails is noted in
 * its finding. Returns how many are left. */
size_t doctor_repair(struct doctor *d);

/* ---- can this host do it? (doctor_host.c) ---- */

struct host_check {
	bool ok; /* else something is missing, and the text says what that means */
	const char *subject;
	char *text;
};

struct host_checks {
	struct host_check *items;
	size_t count;
};

void host_checks_done(struct host_checks *checks);
/* Adds a check for each row of its table. proc_fd: a procfs or a recorded one. */
int doctor_check_host(const struct facts *facts, const struct cgroup_host *host, int proc_fd,
		      struct host_checks *ret, struct err *err);

#endif
