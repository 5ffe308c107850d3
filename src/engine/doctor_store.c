/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debris in the store: containers that nobody holds, names and id ranges of containers that are gone,
 * temporary files of writers that died.
 *
 * Files in names/ and ids/ appear under the lock that keeps creators out, and those of a container
 * under its own; so a temporary file where nobody holds that lock has no writer any more, however young
 * it is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/doctor_private.h"
#include "engine/group.h"
#include "engine/lifecycle.h"
#include "engine/secret.h"
#include "engine/store_private.h"

/* ---- containers ---- */

void doctor_forget_subjects(struct doctor *d)
{
	for (size_t i = 0; i < d->subject_count; i++) {
		free(d->subjects[i].label);
		free(d->subjects[i].problem);
		free(d->subjects[i].group);
	}
	free(d->subjects);
	d->subjects = NULL;
	d->subject_count = 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct doctor_subject *)a)->id,
		      ((const struct doctor_subject *)b)->id);
}

const struct doctor_subject *doctor_subject_of(const struct doctor *d, const char *id)
{
	struct doctor_subject key;

	if (!d->subject_count || !store_is_id(id))
		return NULL;
	memcpy(key.id, id, sizeof key.id);
	return bsearch(&key, d->subjects, d->subject_count, sizeof key, compare_ids);
}

/* Does anybody hold it? 1, 0, -1. */
static int is_held(const struct container *ct, struct err *err)
{
	int held = ct->run_fd < 0 ? 0 : file_lock_held(ct->run_fd, "lock", err);

	if (held)
		return held;
	return ct->run_fd < 0 ? 0 : file_lock_held(ct->run_fd, STORE_ALIVE, err);
}

static bool has_leftovers(const struct container *ct)
{
	static const char *const names[] = {STORE_STATE, STORE_RESTARTING, STORE_STOPPING, "ctl"};

	for (size_t i = 0; ct->run_fd >= 0 && i < sizeof names / sizeof *names; i++)
		if (faccessat(ct->run_fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

static enum subject_state state_of(const struct container *ct)
{
	/* With --rm it would be gone, had whoever was to start it again not been killed. */
	if (ct->status == CT_EXITED)
		return ct->record.remove ? SUBJECT_DEAD : SUBJECT_ENDED;
	if (ct->status == CT_CREATED)
		return SUBJECT_ENDED;
	if (ct->status == CT_DEAD)
		return SUBJECT_DEAD;
	return ct->status == CT_STARTING ? SUBJECT_HALF_MADE : SUBJECT_IN_USE;
}

static int set_label(struct doctor_subject *s, const char *id, const char *problem, struct err *err)
{
	s->label = str_dup(id, err);
	s->problem = str_dup(problem, err);
	return s->label && s->problem ? 0 : -1;
}

static int fill_subject(struct doctor *d, const char *id, struct doctor_subject *s, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err loading = ERR_INIT;
	int held;

	memcpy(s->id, id, sizeof s->id);
	if (store_load(d->store, id, &ct, &loading) < 0 || store_load_spec(&ct, &loading) < 0) {
		s->state = loading.kind == ERR_NOT_FOUND ? SUBJECT_IN_USE : SUBJECT_DAMAGED;
		return set_label(s, id, loading.message, err);
	}
	held = is_held(&ct, err);
	if (held < 0)
		return -1;
	/* Free since we looked, perhaps: then it has become something else. */
	if (!held && store_refresh(&ct, &loading) < 0) {
		s->state = loading.kind == ERR_NOT_FOUND ? SUBJECT_IN_USE : SUBJECT_DAMAGED;
		return set_label(s, id, loading.message, err);
	}
	s->state = held ? SUBJECT_IN_USE : state_of(&ct);
	s->has_record = ct.record.version != 0;
	s->leftovers = s->state == SUBJECT_ENDED && has_leftovers(&ct);
	s->label = str_printf(err, "%s (%.*s)", ct.record.name, STORE_SHORT_ID, id);
	if (!s->label)
		return -1;
	return ct.record.cgroup_parent ? group_name_of(d->host, &ct, &s->group, err) : 0;
}

int doctor_load_subjects(struct doctor *d, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	doctor_forget_subjects(d);
	if (store_list(d->store, &ids, err) < 0)
		return -1;
	d->subjects = calloc(ids.count + 1, sizeof *d->subjects);
	if (!d->subjects)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot examine the containers");
	for (size_t i = 0; i < ids.count; i++) {
		d->subject_count++;
		if (fill_subject(d, ids.items[i], &d->subjects[i], err) < 0)
			return -1;
	}
	return 0;
}

static int find_in_state(struct doctor *d, const struct debris_kind *kind, enum subject_state state,
			 const char *reason, struct err *err)
{
	for (size_t i = 0; i < d->subject_count; i++) {
		const struct doctor_subject *s = &d->subjects[i];

		if (s->state == state && doctor_found(d, kind, s->id, s->label, err, "%s",
						      s->problem ? s->problem : reason) < 0)
			return -1;
	}
	return 0;
}

int find_dead(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	return find_in_state(d, kind, SUBJECT_DEAD,
			     "its keeper was killed, or the host went down, and nobody cleared up "
			     "after it",
			     err);
}

int find_half_made(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	return find_in_state(d, kind, SUBJECT_HALF_MADE,
			     "whoever made it was killed before its command ran", err);
}

int find_damaged(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	return find_in_state(d, kind, SUBJECT_DAMAGED, "", err);
}

int find_leftovers(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	for (size_t i = 0; i < d->subject_count; i++)
		if (d->subjects[i].leftovers &&
		    doctor_found(d, kind, d->subjects[i].id, d->subjects[i].label, err,
				 "it has ended, and its keeper was killed while clearing up") < 0)
			return -1;
	return 0;
}

/* The container with its lock; 1: it is ours to repair, 0: somebody is at it, or it is gone. Creators
 * are kept out until we have the lock, so that none is between making the directory and locking it. */
static int hold(struct doctor *d, const char *id, struct container *ret, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	own_fd int creators_fd = store_lock_creation(d->store, LOCK_EXCLUSIVE, err);

	if (creators_fd < 0)
		return -1;
	if (store_load(d->store, id, &ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	ct.lock_fd = store_lock(&ct, 0, err);
	if (ct.lock_fd < 0)
		return err->kind == ERR_BUSY ? 0 : -1;
	*ret = ct;
	ct = CONTAINER_INIT;
	return 1;
}

int repair_container(struct doctor *d, const char *id, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	int held = hold(d, id, &ct, err);

	if (held <= 0 || engine_repair_locked(&ct, err) == 0)
		return held < 0 ? -1 : 0;
	return err->kind == ERR_NOT_FOUND ? 0 : -1;
}

/* ---- names ---- */

/* One whose container has no record goes by itself: the container does not know that it is its name. */
static const char *why_nobodys(const struct doctor *d, const char *id)
{
	const struct doctor_subject *owner = doctor_subject_of(d, id);

	if (!owner)
		return "does not exist";
	return owner->state == SUBJECT_HALF_MADE && !owner->has_record ? "was never finished"
								       : NULL;
}

/* Is there a container with that name, or one that does not say which it has? */
static bool may_be_had(const struct doctor *d, const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < d->subject_count; i++) {
		const struct doctor_subject *s = &d->subjects[i];

		if (s->state == SUBJECT_DAMAGED ||
		    (str_starts(s->label, name) && str_starts(s->label + size, " (")))
			return true;
	}
	return false;
}

static int judge_name(struct doctor *d, const struct debris_kind *kind, int names_fd,
		      const char *name, struct err *err)
{
	struct err reading = ERR_INIT;
	own_free char *id = store_name_owner(names_fd, name, &reading);
	const char *why = id ? why_nobodys(d, id) : NULL;

	if (why)
		return doctor_found(d, kind, name, NULL, err,
				    "it is reserved for container %.12s, which %s", id, why);
	if (!id && store_name_is_unwritten(names_fd, name) && !may_be_had(d, name))
		return doctor_found(d, kind, name, NULL, err,
				    "there is nothing in it, and no container has it");
	return 0;
}

int find_names(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	own_fd int names_fd = store_open_names(d->store, err);

	if (names_fd < 0 || file_list(names_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		struct err checking = ERR_INIT;

		if (store_check_name(names.items[i], &checking) == 0 &&
		    judge_name(d, kind, names_fd, names.items[i], err) < 0)
			return -1;
	}
	return 0;
}

int repair_name(struct doctor *d, const char *name, struct err *err)
{
	own_fd int names_fd = store_open_names(d->store, err);

	if (names_fd < 0)
		return -1;
	if (store_drop_name(d->store, names_fd, name, err) < 0)
		return err->kind == ERR_EXISTS ? 0 : -1;
	return 0;
}

/* ---- id ranges ---- */

/* What is taken in the name of a container that is to be repaired goes with it. */
static bool is_free_to_take(const struct doctor_subject *owner)
{
	return !owner || owner->state == SUBJECT_ENDED;
}

/* "N.d/ID": a range that a container shares which does not run. */
static int find_shares(struct doctor *d, const struct debris_kind *kind, int ids_fd,
		       const char *directory, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (file_list(ids_fd, directory, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		const char *id = ids.items[i];
		own_free char *object = str_printf(err, "%s/%s", directory, id);

		if (!object)
			return -1;
		if (store_is_id(id) && is_free_to_take(doctor_subject_of(d, id)) &&
		    doctor_found(d, kind, object, NULL, err,
				 "it is shared by container %.12s, which %s", id,
				 doctor_subject_of(d, id) ? "has ended" : "does not exist") < 0)
			return -1;
	}
	return 0;
}

int find_ranges(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own(strv) struct strv slots = STRV_INIT;
	own_fd int ids_fd = openat(d->store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (ids_fd < 0)
		return err_errno(err, "cannot open '%s/ids'", d->store->run);
	if (file_list(ids_fd, ".", &slots, err) < 0)
		return -1;
	for (size_t i = 0; i < slots.count; i++) {
		own_free char *id = store_slot_owner(ids_fd, slots.items[i]);

		if (store_shared_slot(slots.items[i]) >= 0 &&
		    find_shares(d, kind, ids_fd, slots.items[i], err) < 0)
			return -1;
		if (id && is_free_to_take(doctor_subject_of(d, id)) &&
		    doctor_found(d, kind, slots.items[i], NULL, err,
				 "it is taken for container %.12s, which %s", id,
				 doctor_subject_of(d, id) ? "has ended" : "does not exist") < 0)
			return -1;
	}
	return 0;
}

/* Whose it is: the file's owner, or who has a share of it by that name. Freed by the caller; NULL: nobody's. */
static char *range_owner(int ids_fd, const char *object)
{
	const char *slash = strchr(object, '/');
	struct err ignored = ERR_INIT;

	if (!slash)
		return store_slot_owner(ids_fd, object);
	return faccessat(ids_fd, object, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && store_is_id(slash + 1)
		       ? str_dup(slash + 1, &ignored)
		       : NULL;
}

/* Nobody takes a range while creators are kept out, and only the container's keeper, which is gone, or
 * a holder of its lock gives one back: what the file says stays true until it is removed. */
static int release_range(struct doctor *d, int ids_fd, const char *slot, struct err *err)
{
	own_fd int creators_fd = store_lock_creation(d->store, LOCK_EXCLUSIVE, err);
	own_free char *id = creators_fd < 0 ? NULL : range_owner(ids_fd, slot);

	if (creators_fd < 0)
		return -1;
	if (!id || store_has(d->store, id))
		return 0;
	if (strchr(slot, '/')) {
		store_drop_share(ids_fd, (int)strtol(slot, NULL, 10), id);
		return 0;
	}
	return file_unlink(ids_fd, slot, err);
}

int repair_range(struct doctor *d, const char *slot, struct err *err)
{
	own_fd int ids_fd = openat(d->store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_free char *id = ids_fd < 0 ? NULL : range_owner(ids_fd, slot);
	int lives;

	if (!id)
		return 0;
	if (store_has(d->store, id))
		return repair_container(d, id, err);
	lives = doctor_keeper_lives(d, id, err);
	if (lives)
		return lives < 0 ? -1 : err_set(err, ERR_BUSY, 0, "the keeper that has it lives");
	return release_range(d, ids_fd, slot, err);
}

/* ---- files of removed containers ---- */

int find_removed(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (store_list_removed(d->store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		if (doctor_found(d, kind, ids.items[i], NULL, err,
				 "the container is gone, and whoever removed its files was "
				 "killed") < 0)
			return -1;
	return 0;
}

int repair_removed(struct doctor *d, const char *id, struct err *err)
{
	return store_finish_removal(d->store, id, -1, err);
}

/* ---- temporary files ---- */

/* Writers make regular files; a directory of such a name is somebody's own. */
static bool is_regular(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* `path` is relative to a directory of the store. */
static int find_temporary_in(struct doctor *d, const struct debris_kind *kind, int store_fd,
			     const char *store_path, const char *path, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (file_list(store_fd, path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		own_free char *object = NULL;

		if (!file_is_temporary(names.items[i]))
			continue;
		object = str_printf(err, "%s/%s/%s", store_path, path, names.items[i]);
		if (!object)
			return -1;
		if (is_regular(object) &&
		    doctor_found(d, kind, object, NULL, err,
				 "whoever wrote it was killed before it was whole") < 0)
			return -1;
	}
	return 0;
}

/* Those of containers that are not to be repaired anyway. */
static int find_temporary_of(struct doctor *d, const struct debris_kind *kind, const char *id,
			     struct err *err)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];

	snprintf(path, sizeof path, "containers/%s", id);
	if (find_temporary_in(d, kind, d->store->root_fd, d->store->root, path, err) < 0)
		return -1;
	return find_temporary_in(d, kind, d->store->run_fd, d->store->run, path, err);
}

int find_temporary(struct doctor *d, const struct debris_kind *kind, struct err *err)
{
	if (find_temporary_in(d, kind, d->store->root_fd, d->store->root, "names", err) < 0 ||
	    find_temporary_in(d, kind, d->store->root_fd, d->store->root, SECRETS_DIRECTORY, err) <
		    0 ||
	    find_temporary_in(d, kind, d->store->run_fd, d->store->run, "ids", err) < 0)
		return -1;
	for (size_t i = 0; i < d->subject_count; i++)
		if (d->subjects[i].state == SUBJECT_ENDED &&
		    find_temporary_of(d, kind, d->subjects[i].id, err) < 0)
			return -1;
	return 0;
}

/* RUN/ids/.7.1a2b3c4d: the directory is kept still, by its container's lock or against creators. */
int repair_temporary(struct doctor *d, const char *path, struct err *err)
{
	const char *name = strrchr(path, '/') + 1;
	const char *in_run = str_starts(path, d->store->run) ? path + strlen(d->store->run) : NULL;
	const char *below = in_run && *in_run == '/' ? in_run + 1
						     : path + strlen(d->store->root) + 1;
	own(container) struct container ct = CONTAINER_INIT;
	own_fd int creators_fd = -1;
	char id[STORE_ID_LENGTH + 1] = "";

	if (sscanf(below, "containers/%64[0-9a-f]/", id) == 1) {
		int held = hold(d, id, &ct, err);

		if (held <= 0)
			return held;
	} else {
		creators_fd = store_lock_creation(d->store, LOCK_EXCLUSIVE, err);
		if (creators_fd < 0)
			return -1;
	}
	if (!file_is_temporary(name) || !is_regular(path))
		return 0;
	return file_unlink(AT_FDCWD, path, err);
}
