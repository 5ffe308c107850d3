/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of debris: how each is found and removed. Private to the doctor. */
#ifndef INSULA_ENGINE_DOCTOR_PRIVATE_H
#define INSULA_ENGINE_DOCTOR_PRIVATE_H

#include "engine/doctor.h"

struct debris_kind {
	const char *name;
	const char *remedy; /* what the repair does, or a person has to */
	int (*find)(struct doctor *d, const struct debris_kind *kind, struct err *err);
	/* NULL: it is left to people. Success where it is no debris any more. */
	int (*repair)(struct doctor *d, const char *object, struct err *err);
};

/* A container as the other finders need to know it. */
enum subject_state {
	SUBJECT_IN_USE,	   /* alive, being made, or a verb is at it */
	SUBJECT_ENDED,	   /* its end is recorded: it is a container like any other */
	SUBJECT_DEAD,	   /* its keeper died */
	SUBJECT_HALF_MADE, /* whoever made it died before its command ran */
	SUBJECT_DAMAGED,   /* its files cannot be read */
};

struct doctor_subject {
	char id[STORE_ID_LENGTH + 1];
	enum subject_state state;
	bool has_record;
	bool leftovers; /* ended, but the socket or state of its keeper is there */
	char *label;	/* name and short id */
	char *problem;	/* damaged: what is wrong */
	char *group;	/* its control group, where that is below --cgroup-parent; else NULL */
};

/* Look at every container (doctor_store.c). */
int doctor_load_subjects(struct doctor *d, struct err *err);
void doctor_forget_subjects(struct doctor *d);
/* NULL: the store has no such container. */
const struct doctor_subject *doctor_subject_of(const struct doctor *d, const char *id);

/* One more finding; label NULL: the object. The reason is a format. */
int doctor_found(struct doctor *d, const struct debris_kind *kind, const char *object,
		 const char *label, struct err *err, const char *reason, ...)
	__attribute__((format(printf, 6, 7)));

/* Has any keeper on this host the id? 1, 0, -1 (doctor_system.c). */
int doctor_keeper_lives(struct doctor *d, const char *id, struct err *err);

typedef int debris_find(struct doctor *d, const struct debris_kind *kind, struct err *err);
typedef int debris_repair(struct doctor *d, const char *object, struct err *err);

/* doctor_store.c: what lies in ROOT and RUN */
debris_find find_removed;
debris_repair repair_removed;
debris_find find_dead, find_half_made, find_leftovers, find_damaged, find_names, find_ranges,
	find_temporary;
debris_repair repair_container, repair_name, repair_range, repair_temporary;

/* doctor_system.c: what the kernel holds, the pad, the image cache */
debris_find find_groups, find_scopes, find_parents, find_keepers, find_mounts, find_pad, find_masks;
debris_repair repair_group, repair_scope, repair_parent, repair_keeper, repair_mount, repair_pad,
	repair_mask;

#endif
