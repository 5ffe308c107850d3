/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a container in the store: its exit record, its id range, its removal.
 *
 * These stand apart from the rest of the store because the keeper does them, and a keeper is linked
 * without the specification, the record and all that comes with reading them.
 *
 * Each step leaves a state that the next command can tell and finish. Removal takes away what others
 * find a container by (its name, its range), then its files, and the run directory last: as long as
 * that is there, whatever else is left can be told to be this container's.
 *
 * What a container with --rm wrote may take long to remove, and nobody is to wait for it: its keeper moves
 * it to ROOT/removed, answers, and removes it then. Who is at that holds the lock of the directory;
 * what nobody holds was left by somebody who was killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/store_private.h"
#include "json/json.h"

#define EXIT_MAX 65536u
#define CLAIM_MAX 128u /* of a name's file, or a range's: the id, and what follows it */
#define EXIT_RESERVE "exit.reserve"
#define EXIT_RESERVE_SIZE 4096
#define HOLD_TRIES 1000
#define HOLD_PAUSE_US 1000

#define FIELD(name, type, ...) \
	{ \
		.key = #name, .kind = type, .offset = offsetof(struct exit_record, name), \
		__VA_ARGS__ \
	}

static const struct json_field exit_fields[] = {
	FIELD(version, JSON_F_INT, .min = 1, .max = INT32_MAX),
	FIELD(code, JSON_F_INT, .min = 0, .max = 255, .required = true),
	FIELD(signal, JSON_F_INT, .min = 0, .max = 64),
	FIELD(oom_killed, JSON_F_BOOL),
	FIELD(stopped, JSON_F_BOOL),
	FIELD(restarts, JSON_F_INT, .min = 0, .max = INT32_MAX),
	FIELD(finished_ns, JSON_F_I64),
	FIELD(started_ns, JSON_F_I64),
	FIELD(reason, JSON_F_STRING),
	{0},
};

void exit_record_done(struct exit_record *e)
{
	json_bind_done(exit_fields, e);
}

/* fallocate(2), or where a file system has it not, as many bytes. */
static int reserve(int fd)
{
	static const char nothing[EXIT_RESERVE_SIZE];

	if (fallocate(fd, 0, 0, EXIT_RESERVE_SIZE) == 0)
		return 0;
	return errno == EOPNOTSUPP && write(fd, nothing, sizeof nothing) == sizeof nothing ? 0 : -1;
}

int store_reserve_exit(int root_fd, struct err *err)
{
	own_fd int fd = openat(root_fd, EXIT_RESERVE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			       0600);

	if (fd >= 0 && reserve(fd) == 0)
		return 0;
	return err_errno(err, "cannot reserve space for how the container ends");
}

/* In place: a disk that is full has no block for a new file, and the name takes none. */
static int write_reserved(int root_fd, const struct str *text, bool sync, struct err *err)
{
	own_fd int fd = openat(root_fd, EXIT_RESERVE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || text->len > EXIT_RESERVE_SIZE)
		return err_set(err, ERR_IO, ENOSPC, "no space was reserved for it");
	if (pwrite(fd, text->data, text->len, 0) != (ssize_t)text->len ||
	    ftruncate(fd, (off_t)text->len) < 0 || (sync && fdatasync(fd) < 0) ||
	    renameat(root_fd, EXIT_RESERVE, root_fd, STORE_EXIT) < 0)
		return err_errno(err, "cannot use the space that was reserved for it");
	return 0;
}

int store_write_exit(struct container *ct, const struct exit_record *exit, struct err *err)
{
	const struct store_part part = {exit_fields, (void *)exit};
	own(str) struct str text = STR_INIT(EXIT_MAX);
	struct err writing = ERR_INIT;
	bool sync = !ct->record.remove;

	if (store_compose(STORE_EXIT, &part, 1, &text, err) < 0)
		return -1;
	if (file_write_atomic(ct->root_fd, STORE_EXIT, text.data, text.len, 0600, sync, &writing) ==
	    0) {
		unlinkat(ct->root_fd, EXIT_RESERVE, 0);
		return 0;
	}
	if ((writing.errnum == ENOSPC || writing.errnum == EDQUOT) &&
	    write_reserved(ct->root_fd, &text, sync, err) == 0)
		return 0;
	*err = writing;
	return err_wrap(err, "cannot record how container %s ended", ct->id);
}

int store_read_exit(int root_fd, struct exit_record *ret, struct err *err)
{
	struct exit_record record = {.version = 1};
	const struct store_part part = {exit_fields, &record};

	if (store_read_document(root_fd, STORE_EXIT, 0, &part, 1, EXIT_MAX, err) < 0)
		return -1;
	*ret = record;
	return 0;
}

/* A name or a range, claimed by a file that holds the id. 1: it was this container's, and is free now.
 * After a crash, or when two clear up, it may have been taken by another. */
static int drop_claim(int dir_fd, const char *name, const char *id, struct err *err)
{
	own_free char *owner = NULL;
	ssize_t size = file_read(dir_fd, name, CLAIM_MAX, &owner, err);

	if (size < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	if (strncmp(owner, id, STORE_ID_LENGTH) != 0)
		return 0;
	return file_unlink(dir_fd, name, err) < 0 ? -1 : 1;
}

void store_drop_share(int ids_fd, int slot, const char *id)
{
	char directory[STORE_SHARE_SIZE], name[STORE_SHARE_SIZE + STORE_ID_LENGTH + 1];

	snprintf(directory, sizeof(directory), STORE_SHARE_FORMAT, slot);
	snprintf(name, sizeof(name), "%s/%s", directory, id);
	/* The last one takes the directory along; whoever is about to make his file in it makes it anew. */
	if (unlinkat(ids_fd, name, 0) == 0)
		unlinkat(ids_fd, directory, AT_REMOVEDIR);
}

void store_release_ids(struct store *store, const char *id, int slot)
{
	own_fd int ids_fd = openat(store->run_fd, "ids", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[16];
	struct err ignored;

	if (slot < 0 || ids_fd < 0)
		return;
	snprintf(name, sizeof(name), "%d", slot);
	drop_claim(ids_fd, name, id, &ignored);
	store_drop_share(ids_fd, slot, id);
}

/* Whoever made it died between the name and the record: then only the name's file tells. */
static int drop_unrecorded_name(int names_fd, const char *id, struct err *err)
{
	own_dir DIR *dir = fd_open_list(names_fd, ".");
	struct err ignored = ERR_INIT; /* what cannot be read is nobody's name */

	if (!dir)
		return err_errno(err, "cannot list the names");
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.' && drop_claim(names_fd, e->d_name, id, &ignored) > 0)
			break;
	return 0;
}

/* The names that are in it, but `keep`. */
static int drop_names_of(int names_fd, const struct container *ct, int dir_fd, const char *keep,
			 struct err *err)
{
	own_free char *text = NULL;
	char *rest, *name;

	if (dir_fd < 0)
		return 0;
	if (file_read(dir_fd, STORE_RENAMING, 2 * STORE_NAME_MAX + 2, &text, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	rest = text;
	while ((name = strsep(&rest, "\n")))
		if (path_is_name(name) && !str_eq(name, keep) &&
		    drop_claim(names_fd, name, ct->id, err) < 0)
			return -1;
	return file_unlink(dir_fd, STORE_RENAMING, err);
}

static int end_rename(int names_fd, const struct container *ct, const char *keep, struct err *err)
{
	struct err reading = ERR_INIT;

	if (drop_names_of(names_fd, ct, ct->root_fd, keep, &reading) == 0 &&
	    drop_names_of(names_fd, ct, ct->run_fd, keep, &reading) == 0)
		return 0;
	*err = reading;
	return -1;
}

int store_end_rename(const struct container *ct, struct err *err)
{
	own_fd int names_fd = openat(ct->store->root_fd, "names",
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return names_fd < 0 ? err_errno(err, "cannot open the names")
			    : end_rename(names_fd, ct, ct->record.name, err);
}

static int remove_name(const struct container *ct, struct err *err)
{
	own_fd int names_fd = openat(ct->store->root_fd, "names",
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int dropped;

	if (names_fd < 0)
		return 0;
	if (end_rename(names_fd, ct, NULL, err) < 0)
		return -1;
	dropped = ct->record.name ? drop_claim(names_fd, ct->record.name, ct->id, err) : 0;
	if (dropped < 0)
		return -1;
	return dropped ? 0 : drop_unrecorded_name(names_fd, ct->id, err);
}

static int remove_tree(const struct store *store, int dir_fd, const char *name, struct err *err)
{
	return store->remove_tree ? store->remove_tree(dir_fd, name, err)
				  : path_remove_tree(dir_fd, name, err);
}

static int remove_directory(const struct store *store, int store_fd, const char *id,
			    struct err *err)
{
	own_fd int fd = openat(store_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open the store's containers");
	return remove_tree(store, fd, id, err);
}

/* As long as somebody is at it, others are to see that, and who: so these go last, in this order. */
static const char *const go_last[] = {STORE_STATE, STORE_RESTARTING, STORE_STOPPING, STORE_ALIVE,
				      "lock"};
#define GO_LAST_COUNT (sizeof go_last / sizeof *go_last)

static bool goes_last(const char *name)
{
	for (size_t i = 0; i < GO_LAST_COUNT; i++)
		if (strcmp(name, go_last[i]) == 0)
			return true;
	return false;
}

static int remove_file(const struct store *store, int dir_fd, const char *name, struct err *err)
{
	return unlinkat(dir_fd, name, 0) == 0 ? 0 : remove_tree(store, dir_fd, name, err);
}

/* Where the lock is gone and the directory is not, nobody makes another one: store_lock(). Whoever is at that
 * needs a moment. */
static int hold_directory(int fd, struct err *err)
{
	for (int tries = 0; tries < HOLD_TRIES; tries++) {
		int held = file_lock_directory(fd, err);

		if (held)
			return held < 0 ? -1 : 0;
		usleep(HOLD_PAUSE_US);
	}
	return err_set(err, ERR_BUSY, 0, "somebody else holds its directory");
}

static int remove_run_directory(const struct store *store, const char *id, struct err *err)
{
	int store_fd = store->run_fd;
	char path[sizeof "containers/" + STORE_ID_LENGTH];
	own(strv) struct strv names = STRV_INIT;

	snprintf(path, sizeof path, "containers/%s", id);
	if (file_list(store_fd, path, &names, err) < 0)
		return -1;
	own_fd int fd = openat(store_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", path);
	if (hold_directory(fd, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (!goes_last(names.items[i]) && remove_file(store, fd, names.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < GO_LAST_COUNT; i++)
		if (remove_file(store, fd, go_last[i], err) < 0)
			return -1;
	return remove_directory(store, store_fd, id, err);
}

/* Its files go where they are in nobody's way, and are ours to remove as long as *ret_fd is open. 0: they cannot, as
 * where a directory for them cannot be made; 1: they are there, or are no more. */
static int move_away(const struct store *store, const char *id, int *ret_fd, struct err *err)
{
	int store_fd = store->root_fd;
	char from[sizeof "containers/" + STORE_ID_LENGTH];
	char to[sizeof STORE_REMOVED "/" + STORE_ID_LENGTH];

	snprintf(from, sizeof from, "containers/%s", id);
	snprintf(to, sizeof to, STORE_REMOVED "/%s", id);
	own_fd int fd = openat(store_fd, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : err_errno(err, "cannot open '%s'", from);
	if (file_lock_directory(fd, err) <= 0 ||
	    (mkdirat(store_fd, STORE_REMOVED, 0700) < 0 && errno != EEXIST) ||
	    renameat(store_fd, from, store_fd, to) < 0)
		return 0;
	*ret_fd = take_fd(fd);
	return 1;
}

static int explain_name(struct err *err)
{
	err_wrap(err, "cannot free its name");
	return err->kind == ERR_INVALID || err->kind == ERR_CORRUPT
		       ? err_hint(err, "insula system check --repair mends names")
		       : -1;
}

/* The name goes after the record: of a container that was removed by half, and whose run directory the end of the host
 * took, a name without a container may be left, which is nobody's, and no container that its name does not lead to. */
static int give_back(struct container *ct, int *ret_fd, struct err *err)
{
	const struct store *store = ct->store;
	int moved = fail_point("store.remove.root", err) < 0
			    ? -1
			    : move_away(store, ct->id, ret_fd, err);

	if (moved < 0)
		return -1;
	if (fail_point("store.remove.name", err) < 0 || remove_name(ct, err) < 0)
		return explain_name(err);
	store_release_ids(ct->store, ct->id, ct->state.id_slot);
	if ((!moved && remove_directory(store, store->root_fd, ct->id, err) < 0) ||
	    fail_point("store.remove.run", err) < 0)
		return -1;
	return remove_run_directory(store, ct->id, err);
}

/* ret_fd NULL: all of it, now. */
static int take_away(struct container *ct, int *ret_fd, struct err *err)
{
	own_fd int files_fd = -1;

	if (give_back(ct, &files_fd, err) < 0 ||
	    (!ret_fd && files_fd >= 0 &&
	     store_finish_removal(ct->store, ct->id, files_fd, err) < 0))
		return err_wrap(err, "cannot remove container %s", ct->id);
	if (ret_fd && files_fd >= 0)
		*ret_fd = take_fd(files_fd);
	return 0;
}

int store_remove(struct container *ct, struct err *err)
{
	return take_away(ct, NULL, err);
}

int store_retire(struct container *ct, int *ret_fd, struct err *err)
{
	return take_away(ct, ret_fd, err);
}

/* 1: it is nobody's, and ours while *ret_fd is open; 0: whoever removes it lives, or it is gone. */
static int claim_removed(int removed_fd, const char *id, int *ret_fd, struct err *err)
{
	own_fd int fd = openat(removed_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int claimed;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open what is left of %s", id);
	claimed = file_lock_directory(fd, err);
	if (claimed > 0)
		*ret_fd = take_fd(fd);
	return claimed;
}

int store_list_removed(const struct store *store, struct strv *ret_ids, struct err *err)
{
	own_fd int removed_fd = openat(store->root_fd, STORE_REMOVED,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own(strv) struct strv names = STRV_INIT;

	if (removed_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", STORE_REMOVED);
	if (file_list(removed_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		own_fd int fd = -1;
		int claimed = strlen(names.items[i]) == STORE_ID_LENGTH
				      ? claim_removed(removed_fd, names.items[i], &fd, err)
				      : 0;

		if (claimed < 0 || (claimed > 0 && strv_add(ret_ids, names.items[i], err) < 0))
			return -1;
	}
	return 0;
}

int store_finish_removal(const struct store *store, const char *id, int claimed_fd, struct err *err)
{
	own_fd int removed_fd = openat(store->root_fd, STORE_REMOVED,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own_fd int fd = -1;
	int claimed = 1;

	if (removed_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", STORE_REMOVED);
	if (claimed_fd < 0)
		claimed = claim_removed(removed_fd, id, &fd, err);
	return claimed <= 0 ? claimed : remove_tree(store, removed_fd, id, err);
}
