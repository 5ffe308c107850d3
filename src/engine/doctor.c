/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doctor: a table of the kinds of debris, each with how it is found and how it is removed.
 *
 * Every trace of a container carries its id, and every owner holds a lock as long as it lives: the
 * keeper "alive", a creator or a verb "lock" (store.c). So debris is not guessed from age or names: a
 * thing is debris when the container that it names does not exist, or exists and nobody holds it. What
 * merely looks like ours (a control group "insula-web", a file in ids/ that is no number) names no
 * container and is never touched; neither is what belongs to another store on the same host.
 *
 * While it looks, the doctor keeps creators out (store_lock_creation), for milliseconds. It cannot keep
 * out the keeper that just now removes its own container, which takes its files away one by one; so
 * it looks twice, and what was on its way out is gone the second time.
 *
 * Repairs are what the next command would do, by the same functions; each takes the locks of what it
 * removes and looks once more. What somebody holds is not waited for: it is in use then.
 */
#include "engine/doctor_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/own.h"

/* In the order of repair: what is in the way of another row comes before it. */
static const struct debris_kind kinds[] = {
	{"keeper", "kill it", find_keepers, repair_keeper},
	{"mount", "unmount it", find_mounts, repair_mount},
	{"dead-container", "record its end and free what it held; with --rm, remove it", find_dead,
	 repair_container},
	{"half-made-container", "remove it", find_half_made, repair_container},
	{"damaged-container", "mend its files, or give it up: insula rm --force", find_damaged,
	 NULL},
	{"keeper-leftovers", "remove the socket and the state of its keeper", find_leftovers,
	 repair_container},
	{"control-group", "remove it", find_groups, repair_group},
	{"scope", "have systemd stop it", find_scopes, repair_scope},
	{"group-parent", "forget it, and remove its directory if that is empty", find_parents,
	 repair_parent},
	{"id-range", "free it", find_ranges, repair_range},
	{"name", "free it", find_names, repair_name},
	{"removed-container", "remove its files", find_removed, repair_removed},
	{"temporary-file", "remove it", find_temporary, repair_temporary},
	{"unfinished-mask", "remove it", find_masks, repair_mask},
	{"pad-file", "remove it", find_pad, repair_pad},
};

#define KIND_COUNT (sizeof kinds / sizeof *kinds)

const char *finding_kind(const struct finding *f)
{
	return f->kind->name;
}

const char *finding_remedy(const struct finding *f)
{
	return f->kind->remedy;
}

static void finding_done(struct finding *f)
{
	free(f->object);
	free(f->label);
	free(f->reason);
	free(f->problem);
}

static void forget_findings(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++)
		finding_done(&d->findings[i]);
	free(d->findings);
	d->findings = NULL;
	d->count = 0;
}

void doctor_done(struct doctor *d)
{
	forget_findings(d);
	doctor_forget_subjects(d);
	strv_done(&d->orphans);
	fd_close(d->proc_fd);
	*d = DOCTOR_INIT;
}

int doctor_found(struct doctor *d, const struct debris_kind *kind, const char *object,
		 const char *label, struct err *err, const char *reason, ...)
{
	struct finding f = {.kind = kind};
	own(str) struct str text = STR_INIT(4096);
	struct finding *grown = reallocarray(d->findings, d->count + 1, sizeof *grown);
	va_list ap;

	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot note what was found");
	d->findings = grown;
	va_start(ap, reason);
	str_vaddf(&text, reason, ap);
	va_end(ap);
	f.object = str_dup(object, err);
	f.label = str_dup(label ? label : object, err);
	f.reason = str_dup(text.data, err);
	if (!f.object || !f.label || !f.reason) {
		finding_done(&f);
		return -1;
	}
	d->findings[d->count++] = f;
	return 0;
}

/* One look, with creators kept out of the store. */
static int look(struct doctor *d, struct err *err)
{
	own_fd int creators_fd = store_lock_creation(d->store, LOCK_EXCLUSIVE, err);

	struct stat st;

	if (creators_fd < 0 || doctor_load_subjects(d, err) < 0)
		return -1;
	if (fstat(creators_fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", d->store->run);
	d->run_device = st.st_dev;
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (kinds[i].find(d, &kinds[i], err) < 0)
			return err_wrap(err, "cannot look for debris (%s)", kinds[i].name);
	return 0;
}

static bool is_among(const struct finding *f, const struct finding *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].kind == f->kind && strcmp(list[i].object, f->object) == 0)
			return true;
	return false;
}

/* Keep what was there the first time too. */
static void keep_common(struct doctor *d, const struct finding *first, size_t first_count)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (is_among(&d->findings[i], first, first_count))
			d->findings[kept++] = d->findings[i];
		else
			finding_done(&d->findings[i]);
	}
	d->count = kept;
}

int doctor_examine(struct doctor *d, struct err *err)
{
	struct timespec pause = {.tv_sec = d->look_again_ms / 1000,
				 .tv_nsec = d->look_again_ms % 1000 * 1000000};
	struct doctor first = DOCTOR_INIT;
	int status;

	if (look(d, err) < 0)
		return -1;
	if (!d->count || !d->look_again_ms)
		return 0;
	first.findings = d->findings;
	first.count = d->count;
	d->findings = NULL;
	d->count = 0;
	nanosleep(&pause, NULL);
	status = look(d, err);
	keep_common(d, first.findings, first.count);
	doctor_done(&first);
	return status;
}

static void repair_one(struct doctor *d, struct finding *f)
{
	struct err err = ERR_INIT;
	struct err ignored = ERR_INIT;

	if (!f->kind->repair) {
		f->problem = str_dup("this is left to you", &ignored);
		return;
	}
	f->repaired = f->kind->repair(d, f->object, &err) == 0;
	if (!f->repaired)
		f->problem = str_printf(&ignored, "%s%s%s", err.message, *err.hint ? "; " : "",
					err.hint);
}

size_t doctor_repair(struct doctor *d)
{
	size_t left = 0;

	for (size_t i = 0; i < d->count; i++) {
		repair_one(d, &d->findings[i]);
		left += !d->findings[i].repaired;
	}
	return left;
}
