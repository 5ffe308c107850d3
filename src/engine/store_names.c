/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of containers: files in ROOT/names that hold an id, made by O_EXCL, so that of any number of
 * claimants one wins. The run directory is there before the name is claimed and goes after it was
 * given back, so a name whose container has no directory at all belongs to nobody (a host that went
 * down, a container with --rm): it is dropped, and claimed anew.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"

#define NAME_TRIES 32
#define NAMES_LOCK "names"
#define NAMES_TIMEOUT_MS 10000

int store_open_names(const struct store *store, struct err *err)
{
	return store_open_below(store->root_fd, "names", "names", err);
}

char *store_name_owner(int names_fd, const char *name, struct err *err)
{
	char *id = NULL;

	if (file_read(names_fd, name, STORE_ID_LENGTH + 1, &id, err) < 0)
		return NULL;
	id[strcspn(id, "\n")] = '\0';
	if (store_is_id(id))
		return id;
	free(id);
	err_set(err, ERR_CORRUPT, 0, "name '%s' is damaged", name);
	return NULL;
}

bool store_name_is_unwritten(int names_fd, const char *name)
{
	struct stat st;

	return fstatat(names_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == 0;
}

/* Another's claim may come between our look and our removal: so takers-over, and the doctor, exclude
 * one another, and look again once they have the lock. */
int store_drop_name(struct store *store, int names_fd, const char *name, struct err *err)
{
	own_fd int lock_fd = file_lock(store->run_fd, NAMES_LOCK, LOCK_EXCLUSIVE, NAMES_TIMEOUT_MS,
				       err);
	own_free char *owner = NULL;
	struct err ignored = ERR_INIT;

	if (lock_fd < 0)
		return -1;
	owner = store_name_owner(names_fd, name, &ignored);
	if (owner && store_has(store, owner)) {
		err_set(err, ERR_EXISTS, 0, "the name '%s' is in use by container %.12s", name,
			owner);
		return err_hint(err, "remove it (insula rm %s) or choose another name", name);
	}
	return file_unlink(names_fd, name, err);
}

int store_claim_name(struct store *store, const char *name, const char *id, bool sync,
		     struct err *err)
{
	own_fd int names_fd = store_open_names(store, err);

	for (int tries = 0; names_fd >= 0 && tries < 3; tries++) {
		if (file_create_excl(names_fd, name, id, STORE_ID_LENGTH, 0600, sync, err) == 0)
			return 0;
		if (err->kind != ERR_EXISTS)
			return err_wrap(err, "name '%s'", name);
		if (store_drop_name(store, names_fd, name, err) < 0)
			return -1;
	}
	return -1;
}

static const char *const adjectives[] = {
	"able",	  "agile",  "amber",  "ample",	"avid",	   "azure",   "bold",	"brave",
	"brief",  "bright", "brisk",  "calm",	"clear",   "clever",  "cosy",	"crisp",
	"deft",	  "eager",  "early",  "fair",	"fleet",   "fond",    "frank",	"fresh",
	"gentle", "glad",   "golden", "grand",	"happy",   "hardy",   "honest", "humble",
	"jolly",  "keen",   "kind",   "lively", "loyal",   "lucid",   "lucky",	"mellow",
	"merry",  "mild",   "neat",   "nimble", "noble",   "patient", "plucky", "polite",
	"proud",  "quick",  "quiet",  "rapid",	"ready",   "silver",  "sleek",	"steady",
	"stout",  "sunny",  "swift",  "tidy",	"valiant", "warm",    "wise",	"witty"};
static const char *const places[] = {
	"alba",	     "aniene",	  "antium",	"appia",       "aquileia",  "ariccia",	 "arretium",
	"assisi",    "astura",	  "aventine",	"baiae",       "bononia",   "brixia",	 "caelian",
	"caere",     "capena",	  "capri",	"capua",       "circeo",    "clusium",	 "cora",
	"corfinium", "cosa",	  "cremona",	"cumae",       "elba",	    "esquiline", "faesulae",
	"formia",    "fregellae", "gabii",	"herculaneum", "lanuvium",  "luca",	 "lucus",
	"mantua",    "misenum",	  "mutina",	"nemi",	       "nola",	    "ostia",	 "padua",
	"palatine",  "parma",	  "pincio",	"pisae",       "placentia", "pompeii",	 "puteoli",
	"quirinal",  "ravenna",	  "regillus",	"segni",       "siena",	    "subura",	 "sutri",
	"tarquinia", "tibur",	  "trastevere", "tusculum",    "veii",	    "velia",	 "vicenza",
	"viminal"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The first name that is free: adjective and place by the id's digits, a number if need be. One that is there
 * already is left to whoever has it, as another one is cheaper than to find out whether that one still lives. */
int store_generate_name(struct store *store, struct record *record, struct err *err)
{
	own_fd int names_fd = store_open_names(store, err);
	unsigned int seed = 0;

	if (names_fd < 0)
		return -1;
	sscanf(record->id, "%8x", &seed);
	for (unsigned int i = 0; i < NAME_TRIES; i++) {
		unsigned int n = seed + i * 7919;
		own_free char *name = str_printf(err, "%s_%s", adjectives[n % COUNT(adjectives)],
						 places[n / COUNT(adjectives) % COUNT(places)]);

		if (name && i >= NAME_TRIES / 4) {
			char *numbered = str_printf(err, "%s%u", name, n % 10000);

			free(name);
			name = numbered;
		}
		if (!name)
			return -1;
		if (faccessat(names_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (store_claim_name(store, name, record->id, !record->remove, err) == 0) {
			record->name = take(name);
			return 0;
		}
		if (err->kind != ERR_EXISTS)
			return -1;
	}
	return err_set(err, ERR_LIMIT, 0, "no free name was found: give one with --name");
}

static int journal_rename(const struct container *ct, const char *name, struct err *err)
{
	char text[2 * STORE_NAME_MAX + 3];
	int size = snprintf(text, sizeof text, "%s\n%s\n", ct->record.name, name);

	int dir_fd = store_record_fd(ct);

	return file_write_atomic(dir_fd, STORE_RENAMING, text, (size_t)size, 0600,
				 dir_fd == ct->root_fd, err);
}

/* The record decides which name it has; until it is written the new one leads to it as well. */
int store_rename(struct container *ct, const char *name, struct err *err)
{
	char *old = ct->record.name, *copy;
	struct err undoing = ERR_INIT;

	if (store_check_name(name, err) < 0 || store_need_spec(ct, err) < 0 ||
	    store_end_rename(ct, err) < 0 || journal_rename(ct, name, err) < 0 ||
	    fail_point("rename.journal", err) < 0)
		return -1;
	copy = str_dup(name, err);
	if (!copy || store_claim_name(ct->store, name, ct->id, !ct->record.remove, err) < 0 ||
	    fail_point("rename.claimed", err) < 0) {
		free(copy);
		store_end_rename(ct, &undoing);
		return -1;
	}
	ct->record.name = copy;
	if (store_rewrite_record(ct, err) < 0) {
		ct->record.name = old;
		free(copy);
		store_end_rename(ct, &undoing);
		return -1;
	}
	free(old);
	return fail_point("rename.recorded", err) < 0 ? -1 : store_end_rename(ct, err);
}
