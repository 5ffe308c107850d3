/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: opening it, making, finding and listing containers. A container's first trace is its run
 * directory and its last one too, so whatever is found of a container can be told by its id.
 *
 * Who creates a container holds its lock from the first moment until it runs (the keeper-to-be inherits
 * the lock, and has the "alive" lock before it lets go), and, shared with all other creators, the lock
 * "creators" of the store while the directories, the name and the record come into being. So whoever
 * has "creators" alone sees no half-made container but those whose creator died: this is how the doctor
 * tells them, and all that it costs anybody is some milliseconds.
 */
#include "engine/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/event.h"
#include "engine/lifecycle.h"
#include "engine/ready.h"
#include "engine/store_private.h"
#include "engine/user.h"

#define DEFAULT_ROOT "/var/lib/insula"
#define DEFAULT_RUN "/run/insula"
#define CREATORS_LOCK "creators"
#define CREATORS_TIMEOUT_MS 10000
#define LOCK_PAUSE_US 1000

static char *choose_directory(const char *given, const char *variable, const char *fallback,
			      char *(*users)(struct err *err), struct err *err)
{
	const char *from_env = getenv(variable);
	const char *path = given ? given : from_env && *from_env ? from_env : NULL;
	own_free char *own = NULL;
	char *clean = NULL;

	if (!path && geteuid() != 0)
		path = own = (*users)(err);
	else if (!path)
		path = fallback;
	if (!path)
		return NULL;
	if (path_clean(path, &clean, err) < 0)
		err_wrap(err, "state directory '%s'", path);
	return clean;
}

int store_open_below(int dir_fd, const char *path, const char *what, struct err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : err_errno(err, "cannot open '%s'", what);
	if (mkdirat(dir_fd, path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make '%s'", what);
	fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : err_errno(err, "cannot open '%s'", what);
}

/* ROOT or RUN with the directories that are always there. They are made in the order of the list, so
 * that all are there where the last one is. */
static int open_tree_of(const char *path, const char *const *below, size_t count, struct err *err)
{
	own_fd int fd = file_open_dirs(path, 0700, err);

	/* Records that somebody else wrote would be ours to carry out. */
	if (fd < 0 || file_check_ours(fd, path, err) < 0)
		return err->kind == ERR_DENIED
			       ? err_hint(err, "--root and --runroot name other directories")
			       : -1;
	if (faccessat(fd, below[count - 1], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return take_fd(fd);
	for (size_t i = 0; i < count; i++) {
		own_fd int sub_fd = store_open_below(fd, below[i], below[i], err);

		if (sub_fd < 0)
			return err_wrap(err, "'%s'", path);
	}
	return take_fd(fd);
}

int store_open(const char *root, const char *run, struct store *ret, struct err *err)
{
	static const char *const in_root[] = {"containers", "names", "images"};
	static const char *const in_run[] = {"containers", "ids"};
	struct store store = {.root_fd = -1, .run_fd = -1, .user = geteuid() != 0};

	store.root = choose_directory(root, "INSULA_ROOT", DEFAULT_ROOT, user_root_directory, err);
	store.run = store.root ? choose_directory(run, "INSULA_RUNROOT", DEFAULT_RUN,
						  user_run_directory, err)
			       : NULL;
	if (store.run) {
		store.root_fd = open_tree_of(store.root, in_root, sizeof in_root / sizeof *in_root,
					     err);
		store.run_fd = store.root_fd < 0
				       ? -1
				       : open_tree_of(store.run, in_run,
						      sizeof in_run / sizeof *in_run, err);
	}
	if (store.run_fd < 0) {
		store_done(&store);
		return -1;
	}
	store.remove_tree = store.user ? user_remove_tree : NULL;
	*ret = store;
	return 0;
}

void store_done(struct store *store)
{
	fd_close(store->root_fd);
	fd_close(store->run_fd);
	free(store->root);
	free(store->run);
	*store = (struct store){.root_fd = -1, .run_fd = -1};
}

int store_check_name(const char *name, struct err *err)
{
	size_t n = strlen(name);
	bool good = n > 0 && n <= STORE_NAME_MAX && name[0] != '-' && name[0] != '.' &&
		    name[0] != '_';

	good = good && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-") == n;
	if (good)
		return 0;
	err_set(err, ERR_INVALID, 0, "'%s' is not a container name", name);
	return err_hint(err, "a letter or digit, then letters, digits, '_', '.', '-'; at most %d",
			STORE_NAME_MAX);
}

bool store_is_id(const char *text)
{
	return strlen(text) == STORE_ID_LENGTH &&
	       strspn(text, "0123456789abcdef") == STORE_ID_LENGTH;
}

static int container_path(const char *id, char *buf, size_t size)
{
	return snprintf(buf, size, "containers/%s", id);
}

bool store_has(const struct store *store, const char *id)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];

	container_path(id, path, sizeof path);
	return faccessat(store->run_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       faccessat(store->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_lock_creation(struct store *store, enum lock_how how, struct err *err)
{
	int fd = file_lock(store->run_fd, CREATORS_LOCK, how, CREATORS_TIMEOUT_MS, err);

	return fd >= 0 ? fd : err_wrap(err, "the store '%s'", store->run);
}

/* ---- containers ---- */

void container_done(struct container *ct)
{
	fd_close(ct->root_fd);
	fd_close(ct->run_fd);
	fd_close(ct->lock_fd);
	ct->root_fd = ct->run_fd = ct->lock_fd = -1;
	record_done(&ct->record);
	run_state_done(&ct->state);
	exit_record_done(&ct->exit);
}

const char *container_status_name(enum container_status status)
{
	static const char *const names[] = {
		[CT_STARTING] = "starting", [CT_RESTARTING] = "restarting",
		[CT_CREATED] = "created",   [CT_RUNNING] = "running",
		[CT_STOPPING] = "stopping", [CT_EXITED] = "exited",
		[CT_DEAD] = "dead"};

	return names[status];
}

const char *container_shown_status(const struct container *ct)
{
	return ct->status == CT_RUNNING && ct->paused ? "paused"
						      : container_status_name(ct->status);
}

static int make_directory(int store_fd, const char *id, struct err *err)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];

	container_path(id, path, sizeof path);
	return store_open_below(store_fd, path, path, err);
}

/* An empty file that says something by being there. 1: it was there already. */
static int mark(int dir_fd, const char *name, struct err *err)
{
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			       0600);

	if (fd >= 0)
		return 0;
	return errno == EEXIST ? 1 : err_errno(err, "cannot mark a container as '%s'", name);
}

int store_mark_fresh(struct container *ct, struct err *err)
{
	return mark(ct->run_fd, STORE_FRESH, err);
}

int store_unmark_fresh(struct container *ct, struct err *err)
{
	return file_unlink(ct->run_fd, STORE_FRESH, err);
}

int store_mark_ready(struct container *ct, struct err *err)
{
	if (mark(ct->root_fd, STORE_READY, err) < 0)
		return -1;
	if (fsync(ct->root_fd) < 0)
		return err_errno(err, "cannot write '%s' of a container", STORE_READY);
	if (fail_point("store.ready", err) < 0 || store_unmark_fresh(ct, err) < 0)
		return -1;
	ct->status = CT_CREATED;
	return 0;
}

int store_make_layer(int dir_fd, struct err *err)
{
	if ((mkdirat(dir_fd, "upper", 0755) < 0 && errno != EEXIST) ||
	    (mkdirat(dir_fd, "work", 0755) < 0 && errno != EEXIST))
		return err_errno(err, "cannot make the container's writable layer");
	return 0;
}

static int fill_container(struct store *store, struct record *record, bool lasting,
			  struct container *ct, struct err *err)
{
	bool keep = lasting || !record->remove;

	if (record->name ? store_claim_name(store, record->name, record->id, keep, err) < 0
			 : store_generate_name(store, record, err) < 0)
		return -1;
	if (fail_point("store.create.named", err) < 0)
		return -1;
	ct->root_fd = make_directory(store->root_fd, record->id, err);
	if (ct->root_fd < 0 || fail_point("store.create.directory", err) < 0)
		return -1;
	/* Before the record, so that what takes that to the disk takes these along: after a host that went down
	 * whoever has a record has a layer. */
	if (!record->layers_in_run && store_make_layer(ct->root_fd, err) < 0)
		return -1;
	return store_write_record(keep ? ct->root_fd : ct->run_fd, record, keep, err);
}

int store_create(struct store *store, struct record *record, bool lasting, struct container *ret,
		 struct err *err)
{
	struct container ct = CONTAINER_INIT;
	struct err ignored = ERR_INIT;
	own_fd int creators_fd = store_lock_creation(store, LOCK_SHARED, err);

	if (creators_fd < 0)
		return -1;
	ct.store = store;
	record_init(&ct.record);
	memcpy(ct.id, record->id, sizeof ct.id);
	ct.run_fd = make_directory(store->run_fd, record->id, err);
	if (ct.run_fd < 0)
		return -1;
	ct.lock_fd = store_lock(&ct, 0, err);
	int status = ct.lock_fd < 0 || store_mark_fresh(&ct, err) < 0
			     ? -1
			     : fill_container(store, record, lasting, &ct, err);
	ct.record = *record; /* the container owns it from here on */
	ct.has_spec = true;
	record_init(record);
	if (status < 0) {
		store_remove(&ct, &ignored);
		container_done(&ct);
		return -1;
	}
	event_note(&ct, "create", NULL, NULL);
	*ret = ct;
	return 0;
}

static int open_existing(int store_fd, const char *id)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];

	container_path(id, path, sizeof path);
	return openat(store_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static bool is_fresh(const struct container *ct)
{
	return ct->run_fd >= 0 &&
	       faccessat(ct->run_fd, STORE_FRESH, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_ready(const struct container *ct)
{
	return ct->root_fd >= 0 && ct->record.version != 0 &&
	       faccessat(ct->root_fd, STORE_READY, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A state and an end of another run: it was started again, and died before it could forget the last one. */
static bool is_of_this_run(const struct container *ct, bool has_state)
{
	return !has_state || ct->exit.started_ns == ct->state.started_ns;
}

/* Of one without a keeper. */
static int idle_status(struct container *ct, bool has_state, struct err *err)
{
	struct err reading = ERR_INIT;

	if (ct->root_fd >= 0 && store_read_exit(ct->root_fd, &ct->exit, &reading) == 0 &&
	    is_of_this_run(ct, has_state))
		ct->status = CT_EXITED;
	else if (!has_state && is_ready(ct))
		ct->status = CT_CREATED;
	else if (!has_state && (ct->record.version == 0 || is_fresh(ct)))
		ct->status = CT_STARTING;
	else
		ct->status = CT_DEAD;
	if (ct->status != CT_EXITED) {
		exit_record_done(&ct->exit);
		ct->exit = (struct exit_record){0};
	}
	if (reading.kind == ERR_NONE || reading.kind == ERR_NOT_FOUND)
		return 0;
	*err = reading;
	return -1;
}

/* 1: it has a state, and under which name tells *ret_status; 0: none; -1. */
static int read_state(struct container *ct, enum container_status *ret_status, struct err *err)
{
	static const struct {
		const char *name;
		enum container_status status;
	} states[] = {{STORE_STATE, CT_RUNNING},
		      {STORE_RESTARTING, CT_RESTARTING},
		      {STORE_STOPPING, CT_STOPPING}};

	for (size_t i = 0; ct->run_fd >= 0 && i < sizeof states / sizeof *states; i++) {
		struct err reading = ERR_INIT;

		if (store_read_state(ct->run_fd, states[i].name, &ct->state, &reading) == 0) {
			*ret_status = states[i].status;
			return 1;
		}
		if (reading.kind != ERR_NOT_FOUND) {
			*err = reading;
			return -1;
		}
	}
	return 0;
}

/* Of one that has a keeper, and had no state just now. "fresh" goes when the state has come, so without
 * both the state has come since we looked for it, or has gone again; or somebody has removed it: then whom to end is
 * said by the keeper's lock, which is the same file. */
static int stateless_status(struct container *ct, struct err *err)
{
	struct err ignored = ERR_INIT;

	ct->status = is_fresh(ct) ? CT_STARTING : CT_STOPPING;
	if (ct->status == CT_STARTING)
		return 0;
	int has_state = read_state(ct, &ct->status, err);
	if (has_state == 0)
		store_read_state(ct->run_fd, STORE_ALIVE, &ct->state, &ignored);
	return has_state < 0 ? -1 : 0;
}

/* How it ended is told of one that is started again, too. */
static int read_last_exit(struct container *ct, struct err *err)
{
	struct err reading = ERR_INIT;

	if (ct->root_fd < 0 || store_read_exit(ct->root_fd, &ct->exit, &reading) == 0 ||
	    reading.kind == ERR_NOT_FOUND)
		return 0;
	*err = reading;
	return -1;
}

/* What the files and the keeper's lock say, in the order in which they become true. */
static int look_at_status(struct container *ct, struct err *err)
{
	int held = ct->run_fd < 0 ? 0 : file_lock_held(ct->run_fd, STORE_ALIVE, err);
	int has_state = held < 0 ? -1 : read_state(ct, &ct->status, err);

	if (has_state < 0)
		return -1;
	if (!held)
		return idle_status(ct, has_state, err);
	if (has_state && ct->status == CT_RESTARTING)
		return read_last_exit(ct, err);
	return has_state ? 0 : stateless_status(ct, err);
}

static void forget_status(struct container *ct)
{
	run_state_done(&ct->state);
	exit_record_done(&ct->exit);
	ct->state = CONTAINER_INIT.state;
	ct->paused = false;
	ct->health = HEALTH_NONE;
	ct->ready = READY_UNKNOWN;
}

/* Of one that runs. */
static int read_health(int dir_fd, const char *path, const struct record *record)
{
	struct health health = {0};
	struct err ignored = ERR_INIT;
	int status;

	if (!record->health.command.count || health_read(dir_fd, path, &health, &ignored) < 0)
		return HEALTH_NONE;
	status = health.status;
	health_done(&health);
	return status;
}

static void note_condition(struct container *ct)
{
	ct->paused = engine_is_paused(ct, ct->run_fd, ".");
	ct->health = read_health(ct->run_fd, ".", &ct->record);
	ct->ready = readiness_of(ct, ct->run_fd, ".");
}

static int find_status(struct container *ct, struct err *err)
{
	for (;;) {
		if (look_at_status(ct, err) < 0)
			return -1;
		if (ct->status == CT_RUNNING)
			note_condition(ct);
		if (ct->status != CT_DEAD && ct->status != CT_STARTING)
			return 0;
		/* Removed between two of our looks, of which the later ones found nothing. */
		if (store_is_gone(ct))
			return err_set(err, ERR_NOT_FOUND, 0, "container '%s' was removed",
				       ct->record.name);
		/* Started between two of our looks: it seems dead, but has a keeper by now. */
		if (ct->status == CT_STARTING || ct->run_fd < 0 ||
		    file_lock_held(ct->run_fd, STORE_ALIVE, err) <= 0)
			return 0;
		forget_status(ct);
	}
}

bool store_is_going(const struct container *ct)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];

	container_path(ct->id, path, sizeof path);
	return faccessat(ct->store->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

bool store_is_gone(const struct container *ct)
{
	return !store_has(ct->store, ct->id);
}

int store_refresh(struct container *ct, struct err *err)
{
	forget_status(ct);
	return find_status(ct, err);
}

int store_load(struct store *store, const char *id, struct container *ret, struct err *err)
{
	struct container ct = CONTAINER_INIT;

	ct.store = store;
	record_init(&ct.record);
	snprintf(ct.id, sizeof ct.id, "%s", id);
	ct.run_fd = open_existing(store->run_fd, id);
	ct.root_fd = open_existing(store->root_fd, id);
	if (ct.run_fd < 0 && ct.root_fd < 0) {
		return err_set(err, ERR_NOT_FOUND, 0, "no container with id %s", id);
	}
	if (store_read_record(&ct, &ct.record, err) < 0 || find_status(&ct, err) < 0) {
		container_done(&ct);
		if (err->kind == ERR_CORRUPT)
			err_hint(err, "insula rm --force %.12s removes it", id);
		return err_wrap(err, "container %.12s", id);
	}
	*ret = ct;
	return 0;
}

int store_summarize(struct store *store, const char *id, struct container *ret, struct err *err)
{
	char path[sizeof "containers//" STORE_STATE + STORE_ID_LENGTH];
	struct container ct = CONTAINER_INIT;
	int running;

	ct.store = store;
	record_init(&ct.record);
	snprintf(ct.id, sizeof ct.id, "%s", id);
	snprintf(path, sizeof path, "containers/%s/%s", id, STORE_STATE);
	running = store_read_running(store->run_fd, path, &ct.state, &ct.record, err);
	if (running > 0) {
		ct.status = CT_RUNNING;
		path[strlen(path) - sizeof STORE_STATE] = '\0'; /* and the slash before it */
		ct.paused = store->has_pauses && engine_is_paused(&ct, store->run_fd, path);
		ct.health = read_health(store->run_fd, path, &ct.record);
		ct.ready = readiness_of(&ct, store->run_fd, path);
		*ret = ct;
		return 0;
	}
	container_done(&ct);
	if (running < 0 || store_load(store, id, ret, err) < 0)
		return -1;
	fd_close(ret->root_fd);
	fd_close(ret->run_fd);
	ret->root_fd = ret->run_fd = -1;
	return 0;
}

static int list_directory(int store_fd, struct strv *ids, struct err *err)
{
	own_fd int fd = store_open_below(store_fd, "containers", "containers", err);
	own_dir DIR *dir = NULL;

	if (fd < 0)
		return -1;
	dir = fdopendir(fd);
	if (!dir)
		return err_errno(err, "cannot list the containers");
	fd = -1;
	for (struct dirent *e; (e = readdir(dir));)
		if (store_is_id(e->d_name) && strv_add(ids, e->d_name, err) < 0)
			return -1;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int store_list(struct store *store, struct strv *ret_ids, struct err *err)
{
	own(strv) struct strv all = STRV_INIT;

	store->has_pauses = faccessat(store->run_fd, STORE_PAUSES, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (list_directory(store->run_fd, &all, err) < 0 ||
	    list_directory(store->root_fd, &all, err) < 0)
		return -1;
	if (all.count)
		qsort(all.items, all.count, sizeof *all.items, compare);
	for (size_t i = 0; i < all.count; i++)
		if ((i == 0 || strcmp(all.items[i], ret_ids->items[ret_ids->count - 1]) != 0) &&
		    strv_take(ret_ids, take(all.items[i]), err) < 0)
			return -1;
	return 0;
}

static int hint_names(struct store *store, const char *ref, struct err *err)
{
	struct err ignored = ERR_INIT;
	own_fd int names_fd = store_open_names(store, &ignored);
	own_dir DIR *dir = names_fd < 0 ? NULL : fdopendir(names_fd);
	unsigned int best = str_near_limit(ref) + 1;

	if (!dir)
		return -1;
	names_fd = -1;
	err_set(err, ERR_NOT_FOUND, 0, "no container '%s'", ref);
	char closest[STORE_NAME_MAX + 1] = "";
	for (struct dirent *e; (e = readdir(dir));) {
		unsigned int d = str_distance(ref, e->d_name, best);

		if (e->d_name[0] != '.' && d < best && strlen(e->d_name) < sizeof closest) {
			best = d;
			snprintf(closest, sizeof closest, "%s", e->d_name);
		}
	}
	if (str_eq(closest, ref))
		return err_hint(err,
				"the file of its name is damaged: insula system check --repair "
				"mends it, and its id does without");
	return *closest ? err_hint(err, "did you mean '%s'?", closest)
			: err_hint(err, "insula ps -a lists what there is");
}

static int find_prefix(struct store *store, const char *ref, char *ret_id, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	size_t found = 0;

	if (store_list(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		if (str_starts(ids.items[i], ref) && found++ == 0)
			memcpy(ret_id, ids.items[i], STORE_ID_LENGTH + 1);
	if (found > 1) {
		err_set(err, ERR_INVALID, 0, "id '%s' stands for %zu containers", ref, found);
		return err_hint(err, "give more of it");
	}
	return found ? 0 : hint_names(store, ref, err);
}

/* The id that a name, an id or a prefix stands for. */
static int resolve(struct store *store, const char *ref, char id[STORE_ID_LENGTH + 1],
		   struct err *err)
{
	struct err looking = ERR_INIT;
	own_fd int names_fd = store_open_names(store, err);

	if (names_fd < 0)
		return -1;
	if (!*ref || strlen(ref) > STORE_NAME_MAX || str_has_control(ref) || strchr(ref, '/') ||
	    ref[0] == '.') {
		err_set(err, ERR_INVALID, 0, "'%s' is neither a name nor an id", ref);
		return err_hint(err, "insula ps -a lists what there is");
	}
	own_free char *owner = store_name_owner(names_fd, ref, &looking);
	if (owner)
		memcpy(id, owner, STORE_ID_LENGTH + 1);
	else if (store_is_id(ref))
		memcpy(id, ref, STORE_ID_LENGTH + 1);
	else if (strspn(ref, "0123456789abcdef") == strlen(ref)) {
		if (find_prefix(store, ref, id, err) < 0)
			return -1;
	} else
		return hint_names(store, ref, err);
	return store_has(store, id) ? 0 : hint_names(store, ref, err);
}

int store_load_spec(struct container *ct, struct err *err)
{
	if (ct->has_spec || ct->record.version == 0)
		return 0;
	if (store_read_spec(ct, &ct->record, err) < 0) {
		if (err->kind == ERR_CORRUPT)
			err_hint(err, "insula rm --force %.12s removes it", ct->id);
		return err_wrap(err, "container %.12s", ct->id);
	}
	ct->has_spec = true;
	return 0;
}

int store_need_spec(struct container *ct, struct err *err)
{
	if (ct->record.version == 0) {
		record_done(&ct->record);
		record_init(&ct->record);
		if (store_read_record(ct, &ct->record, err) < 0)
			return -1;
	}
	if (ct->record.version == 0)
		return err_set(err, ERR_NOT_FOUND, 0,
			       "container %.12s is just being made, or removed", ct->id);
	return store_load_spec(ct, err);
}

int store_find(struct store *store, const char *ref, struct container *ret, struct err *err)
{
	char id[STORE_ID_LENGTH + 1] = "";

	return resolve(store, ref, id, err) < 0 ? -1 : store_load(store, id, ret, err);
}

int store_find_damaged(struct store *store, const char *ref, struct container *ret, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	int held;

	if (resolve(store, ref, ct.id, err) < 0)
		return -1;
	if (store_load(store, ct.id, ret, err) == 0)
		return 0;
	if (err->kind != ERR_CORRUPT)
		return -1;
	*err = ERR_INIT;
	record_init(&ct.record);
	ct.store = store;
	ct.run_fd = open_existing(store->run_fd, ct.id);
	ct.root_fd = open_existing(store->root_fd, ct.id);
	held = ct.run_fd < 0 ? 0 : file_lock_held(ct.run_fd, STORE_ALIVE, err);
	if (held < 0 || store_nameless_record(ct.id, &ct.record, err) < 0)
		return -1;
	ct.status = held ? CT_RUNNING : CT_EXITED;
	*ret = ct;
	ct = CONTAINER_INIT;
	return 0;
}

static bool is_there_still(const struct container *ct)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];
	struct stat held, named;

	snprintf(path, sizeof path, "containers/%s", ct->id);
	return fstat(ct->run_fd, &held) == 0 &&
	       fstatat(ct->store->run_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* There is no lock: it is being made, as after a reboot, or goes away, or whoever was at that was killed. He
 * holds the directory (store_exit.c does, until it is gone), so that there are never two locks. */
static int make_lock(struct container *ct, struct err *err)
{
	own_fd int dir_fd = openat(ct->run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int held = dir_fd < 0 ? 0 : file_lock_directory(dir_fd, err);

	if (held < 0)
		return -1;
	if (!is_there_still(ct))
		return err_set(err, ERR_NOT_FOUND, 0, "it was removed");
	if (!held)
		return err_set(err, ERR_BUSY, 0, "it is being removed");
	return file_lock(ct->run_fd, "lock", LOCK_EXCLUSIVE, 0, err);
}

static int lock_run_directory(struct container *ct, int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_boot_ms() + timeout_ms;

	for (;;) {
		int64_t left_ms = deadline_ms - clock_boot_ms();
		struct err trying = ERR_INIT;
		int fd = file_lock_existing(ct->run_fd, "lock", LOCK_EXCLUSIVE,
					    left_ms > 0 ? (int)left_ms : 0, &trying);

		if (fd < 0 && trying.kind == ERR_NOT_FOUND) {
			trying = ERR_INIT;
			fd = make_lock(ct, &trying);
			if (fd < 0 && trying.kind == ERR_BUSY && left_ms > 0) {
				usleep(LOCK_PAUSE_US);
				continue;
			}
		}
		if (fd < 0)
			*err = trying;
		return fd;
	}
}

int store_lock(struct container *ct, int timeout_ms, struct err *err)
{
	if (ct->run_fd < 0)
		ct->run_fd = make_directory(ct->store->run_fd, ct->id, err);
	if (ct->run_fd < 0)
		return -1;
	int fd = lock_run_directory(ct, timeout_ms, err);
	return fd >= 0 ? fd : err_wrap(err, "container '%s'", ct->record.name);
}
