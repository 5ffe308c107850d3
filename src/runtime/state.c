/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The directories of insula-runtime: see state.h.
 *
 * Who makes a container has its lock from the first moment on, so a directory without a process whose
 * lock is free was left by somebody who was killed. The lock is one of an open file description: it goes
 * with its holder, and C, who is a fork of the holder, closes it before it says that it waits.
 */
#include "runtime/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/facts.h"
#include "spec/spec.h"

#define STATE_NAME "state.json"
#define CONFIG_NAME "config.json"
#define STATE_MAX (4u << 20)
#define SUM_FORMAT "\n%016llx\n"
#define SUM_SIZE 18
#define LOCK_NAME "lock"

#define FIELD(name_, kind_, ...) \
	{ \
		.key = #name_, .kind = kind_, .offset = offsetof(struct state, name_), __VA_ARGS__ \
	}

static const struct json_field state_fields[] = {
	FIELD(version, JSON_F_INT, .required = true, .min = 1, .max = 1),
	FIELD(id, JSON_F_STRING, .required = true),
	FIELD(bundle, JSON_F_STRING, .required = true),
	FIELD(rootfs, JSON_F_STRING),
	FIELD(created_ns, JSON_F_I64),
	FIELD(owner, JSON_F_INT),
	FIELD(pid, JSON_F_INT, .min = 0, .max = INT32_MAX),
	FIELD(pid_start, JSON_F_U64),
	FIELD(boot_id, JSON_F_STRING),
	{.key = "manager",
	 .kind = JSON_F_ENUM,
	 .offset = offsetof(struct state, place.manager),
	 .names = cgroup_manager_names},
	{.key = "cgroup", .kind = JSON_F_STRING, .offset = offsetof(struct state, place.path)},
	{.key = "unit", .kind = JSON_F_STRING, .offset = offsetof(struct state, place.unit)},
	{.key = "user", .kind = JSON_F_BOOL, .offset = offsetof(struct state, place.user)},
	{.key = "cgroup_made",
	 .kind = JSON_F_MAP,
	 .offset = offsetof(struct state, place.made_parents)},
	FIELD(keep_keyring, JSON_F_BOOL),
	FIELD(keyring, JSON_F_U64),
	FIELD(own_userns, JSON_F_BOOL),
	FIELD(root_uid, JSON_F_U32),
	FIELD(config_sum, JSON_F_U64),
	FIELD(ends_by_config, JSON_F_BOOL),
	FIELD(annotations, JSON_F_MAP),
	{0},
};

void state_init(struct state *s)
{
	*s = (struct state){.version = 1};
}

void state_done(struct state *s)
{
	json_bind_done(state_fields, s);
	cgroup_place_done(&s->place);
}

const char *state_status_name(enum state_status status)
{
	static const char *const names[] = {
		[STATE_CREATING] = "creating", [STATE_CREATED] = "created",
		[STATE_RUNNING] = "running",   [STATE_PAUSED] = "paused",
		[STATE_STOPPED] = "stopped",
	};

	return names[status];
}

void state_dir_done(struct state_dir *dir)
{
	fd_close(dir->parent_fd);
	fd_close(dir->fd);
	fd_close(dir->lock_fd);
	dir->parent_fd = dir->fd = dir->lock_fd = -1;
	state_done(&dir->state);
	proc_forget(&dir->init);
}

int state_open_root(const char *root, bool make, struct err *err)
{
	own_free char *clean = NULL;
	own_free char *absolute = NULL;

	if (root[0] != '/') {
		absolute = realpath(root, NULL);
		if (!absolute)
			return err_errno(err, "cannot open the state directory '%s'", root);
	}
	if (path_clean(absolute ? absolute : root, &clean, err) < 0)
		return err_wrap(err, "state directory '%s'", root);
	own_fd int fd = make ? file_open_dirs(clean, 0700, err)
			     : open(clean, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return make ? -1 : err_errno(err, "cannot open the state directory '%s'", clean);
	/* The default of a user without XDG_RUNTIME_DIR is below /tmp. */
	if (file_check_ours(fd, clean, err) < 0)
		return err_hint(err, "give another with --root");
	return take_fd(fd);
}

/* ---- what it is by now ---- */

static int is_this_boot(const struct state *state, struct err *err)
{
	own_free char *now = boot_id_read(err);

	return now ? !state->boot_id || str_eq(state->boot_id, now) : -1;
}

/* Somebody reads the start FIFO: the container's process, until it executes its command. */
static bool is_waiting(const struct state_dir *dir)
{
	own_fd int fd = openat(dir->fd, "start",
			       O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

	return fd >= 0;
}

static int find_process(struct state_dir *dir, struct err *err)
{
	struct err looking = ERR_INIT;
	int ended;

	dir->status = STATE_STOPPED;
	if (proc_open(&dir->init, dir->state.pid, dir->state.pid_start, &looking) < 0) {
		if (looking.kind == ERR_NOT_FOUND)
			return 0;
		*err = looking;
		return -1;
	}
	ended = proc_wait_end(&dir->init, 0, err);
	if (ended < 0)
		return -1;
	if (ended)
		proc_forget(&dir->init);
	else
		dir->status = is_waiting(dir) ? STATE_CREATED : STATE_RUNNING;
	return 0;
}

int state_refresh(struct state_dir *dir, struct err *err)
{
	int same;

	proc_forget(&dir->init);
	dir->status = STATE_CREATING;
	if (!dir->state.pid)
		return 0;
	same = is_this_boot(&dir->state, err);
	if (same < 0)
		return -1;
	if (same)
		return find_process(dir, err);
	dir->status = STATE_STOPPED;
	return 0;
}

/* ---- reading and writing ---- */

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* FNV-1a: against bytes that went bad, not against somebody who may write here. */
static uint64_t sum_on(uint64_t sum, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ (unsigned char)data[i]) * FNV_PRIME;
	return sum;
}

static uint64_t sum_of(const char *data, size_t size)
{
	return sum_on(FNV_START, data, size);
}

/* Of a configuration, which is long: the same by words. Each step is one to one in what it adds and in what it
 * adds to, so no single change goes unseen. */
static uint64_t sum_of_config(const char *data, size_t size)
{
	uint64_t sum = FNV_START, word;

	for (; size >= sizeof word; size -= sizeof word, data += sizeof word) {
		memcpy(&word, data, sizeof word);
		sum = (sum ^ word) * FNV_PRIME;
		sum ^= sum >> 32; /* a product carries upwards only */
	}
	return sum_on(sum, data, size);
}

/* The document, a line feed, its sum, a line feed. Returns the size of the document, -1 where the sum is
 * another. */
static ssize_t document_size(const char *text, size_t size)
{
	char line[SUM_SIZE + 1];
	size_t n;

	if (size < SUM_SIZE)
		return -1;
	n = size - SUM_SIZE;
	snprintf(line, sizeof line, SUM_FORMAT, (unsigned long long)sum_of(text, n));
	return memcmp(line, text + n, SUM_SIZE) ? -1 : (ssize_t)n;
}

static int parse_state(struct state_dir *dir, const char *text, size_t size, struct err *err)
{
	ssize_t n = document_size(text, size);
	own_json struct json *doc = NULL;

	if (n < 0)
		return err_set(err, ERR_CORRUPT, 0, STATE_NAME " is damaged");
	state_done(&dir->state);
	state_init(&dir->state);
	doc = json_parse(text, (size_t)n, STATE_NAME, err);
	if (doc && json_bind(doc, 0, state_fields, JSON_UNKNOWN_ALLOW, &dir->state, err) == 0)
		return 0;
	err->kind = ERR_CORRUPT;
	return -1;
}

static int read_state(struct state_dir *dir, const char *id, struct err *err)
{
	own_free char *text = NULL;
	ssize_t size = file_read(dir->fd, STATE_NAME, STATE_MAX, &text, err);

	if (size < 0 || parse_state(dir, text, (size_t)size, err) < 0)
		return -1;
	/* Whose directory it is, its name says. */
	if (str_eq(dir->state.id, id))
		return 0;
	return err_set(err, ERR_CORRUPT, 0, STATE_NAME " is of another container");
}

int state_write(struct state_dir *dir, struct err *err)
{
	own(str) struct str text = STR_INIT(STATE_MAX);
	struct json_writer w;

	json_writer_init(&w, &text, 0);
	json_write_struct(&w, state_fields, &dir->state);
	if (str_check(&text, STATE_NAME, err) < 0)
		return -1;
	str_addf(&text, SUM_FORMAT, (unsigned long long)sum_of(text.data, text.len));
	if (str_check(&text, STATE_NAME, err) < 0)
		return -1;
	if (file_write_atomic(dir->fd, STATE_NAME, text.data, text.len, 0600, false, err) < 0)
		return err_wrap(err, "cannot record container '%s'", dir->state.id);
	return 0;
}

int state_read_config(const struct state_dir *dir, struct spec *ret, struct err *err)
{
	own_free char *text = NULL;
	ssize_t size = file_read(dir->fd, CONFIG_NAME, SPEC_MAX_SIZE, &text, err);

	if (size < 0)
		return -1;
	if (sum_of_config(text, (size_t)size) != dir->state.config_sum)
		return err_set(err, ERR_CORRUPT, 0, CONFIG_NAME " is damaged");
	return spec_parse(text, (size_t)size, CONFIG_NAME, ret, err);
}

static int open_dir(int root_fd, const char *id, struct state_dir *dir, struct err *err)
{
	dir->parent_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
	dir->fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir->fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, 0, "container '%s' does not exist", id);
	if (dir->fd < 0 || dir->parent_fd < 0)
		return err_errno(err, "cannot open container '%s'", id);
	return 0;
}

/* Of one that was claimed this instant, and whose state is not written yet. */
static int name_it(struct state_dir *dir, const char *id, struct err *err)
{
	state_init(&dir->state);
	dir->state.id = str_dup(id, err);
	dir->state.bundle = str_dup("", err);
	return dir->state.id && dir->state.bundle ? 0 : -1;
}

int state_load(int root_fd, const char *id, struct state_dir *ret, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	struct err reading = ERR_INIT;

	if (open_dir(root_fd, id, &dir, err) < 0)
		return -1;
	if (read_state(&dir, id, &reading) < 0) {
		if (reading.errnum != ENOENT) {
			*err = reading;
			err_wrap(err, "container '%s'", id);
			return err_hint(err, "insula-runtime delete --force %s removes it", id);
		}
		if (name_it(&dir, id, err) < 0)
			return -1;
	}
	if (state_refresh(&dir, err) < 0)
		return err_wrap(err, "container '%s'", id);
	*ret = dir;
	dir = STATE_DIR_INIT;
	return 0;
}

static int is_gone(const struct state_dir *dir, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, 0, "container '%s' does not exist", dir->state.id);
}

/* The lock is the first file to be made and the last one to be removed. Who would make it again might keep
 * the directory from going away; one without it is about to be made, about to go, or what is left of
 * that. */
int state_lock(struct state_dir *dir, int timeout_ms, struct err *err)
{
	struct err reading = ERR_INIT, locking = ERR_INIT;

	dir->lock_fd = file_lock_existing(dir->fd, LOCK_NAME, LOCK_EXCLUSIVE, timeout_ms, &locking);
	if (dir->lock_fd < 0 && locking.kind == ERR_NOT_FOUND) {
		unlinkat(dir->parent_fd, dir->state.id, AT_REMOVEDIR); /* empty ones only */
		return is_gone(dir, err);
	}
	if (dir->lock_fd < 0) {
		*err = locking;
		return err_wrap(err, "container '%s'", dir->state.id);
	}
	own_free char *id = str_dup(dir->state.id, err);
	if (!id)
		return -1;
	if (read_state(dir, id, &reading) < 0 && reading.errnum != ENOENT) {
		*err = reading;
		return err_wrap(err, "container '%s'", id);
	}
	return state_refresh(dir, err);
}

int state_remove(struct state_dir *dir, struct err *err)
{
	static const char *const files[] = {STATE_NAME, CONFIG_NAME, "start", "answer", LOCK_NAME};
	struct err removing = ERR_INIT;

	for (size_t i = 0; dir->fd >= 0 && i < sizeof files / sizeof *files; i++)
		if (file_unlink(dir->fd, files[i], err) < 0)
			return err_wrap(err, "cannot remove container '%s'", dir->state.id);
	if (unlinkat(dir->parent_fd, dir->state.id, AT_REMOVEDIR) == 0)
		return 0;
	if (path_remove_tree(dir->parent_fd, dir->state.id, &removing) == 0 ||
	    removing.errnum == ENOENT) /* two of us were at it */
		return 0;
	*err = removing;
	return err_wrap(err, "cannot remove container '%s'", dir->state.id);
}

int state_list(int root_fd, struct strv *ret_ids, struct err *err)
{
	own(strv) struct strv names = STRV_INIT;

	if (file_list(root_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (names.items[i][0] != '.' && strv_add(ret_ids, names.items[i], err) < 0)
			return -1;
	return 0;
}

/* ---- making one ---- */

static int fill_dir(struct state_dir *dir, const char *config, size_t size, struct err *err)
{
	dir->state.config_sum = sum_of_config(config, size);
	if (fail_point("state.claimed", err) < 0 || state_write(dir, err) < 0 ||
	    fail_point("state.written", err) < 0)
		return -1;
	return file_write_atomic(dir->fd, CONFIG_NAME, config, size, 0600, false, err);
}

/* The directory is there already: taken, or left by somebody who died while he made it. */
static int clear_debris(int root_fd, const char *id, state_clear_fn *clear, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	struct err looking = ERR_INIT;

	if (state_load(root_fd, id, &dir, &looking) == 0 && dir.status == STATE_CREATING &&
	    state_lock(&dir, 0, &looking) == 0 && dir.status == STATE_CREATING)
		return clear(&dir, err);
	if (looking.kind == ERR_NOT_FOUND)
		return 0;
	err_set(err, ERR_EXISTS, 0, "container with given ID already exists: '%s'", id);
	return err_hint(err, "insula-runtime delete %s removes it", id);
}

/* 1: ours; 0: somebody else took it for what was left, and away. */
static int take_dir(int root_fd, struct state_dir *dir, struct err *err)
{
	if (open_dir(root_fd, dir->state.id, dir, err) == 0)
		dir->lock_fd = file_lock(dir->fd, LOCK_NAME, LOCK_EXCLUSIVE, 0, err);
	if (dir->lock_fd >= 0)
		return 1;
	fd_close(take_fd(dir->fd));
	fd_close(take_fd(dir->parent_fd));
	return err->kind == ERR_NOT_FOUND || err->kind == ERR_BUSY ? 0 : -1;
}

static int claim_dir(int root_fd, struct state_dir *dir, state_clear_fn *clear, struct err *err)
{
	const char *id = dir->state.id;

	for (int tries = 0; tries < 4; tries++) {
		struct err taking = ERR_INIT;
		bool made = mkdirat(root_fd, id, 0700) == 0;

		if (!made && errno != EEXIST)
			return err_errno(err, "cannot make container '%s'", id);
		int taken = made ? take_dir(root_fd, dir, &taking) : 0;
		if (taken) {
			*err = taking;
			return taken < 0 ? -1 : 0;
		}
		if (!made && clear_debris(root_fd, id, clear, err) < 0)
			return -1;
	}
	return err_set(err, ERR_BUSY, 0, "container '%s' is made by others, too", id);
}

int state_create(int root_fd, struct state *state, const char *config, size_t config_size,
		 state_clear_fn *clear, struct state_dir *ret, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	struct err ignored = ERR_INIT;

	dir.state = *state;
	state_init(state);
	if (claim_dir(root_fd, &dir, clear, err) < 0)
		return -1;
	if (fill_dir(&dir, config, config_size, err) < 0) {
		state_remove(&dir, &ignored);
		return -1;
	}
	*ret = dir;
	dir = STATE_DIR_INIT;
	return 0;
}

/* ---- the start ---- */

int state_make_fifos(const struct state_dir *dir, int *ret_start_fd, int *ret_answer_fd,
		     struct err *err)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;

	if (mkfifoat(dir->fd, "start", 0600) < 0 || mkfifoat(dir->fd, "answer", 0600) < 0)
		return err_errno(err, "cannot make the FIFOs of container '%s'", dir->state.id);
	own_fd int start_fd = openat(dir->fd, "start", flags);
	own_fd int answer_fd = openat(dir->fd, "answer", flags);

	if (start_fd < 0 || answer_fd < 0)
		return err_errno(err, "cannot open the FIFOs of container '%s'", dir->state.id);
	*ret_start_fd = take_fd(start_fd);
	*ret_answer_fd = take_fd(answer_fd);
	return 0;
}

/* One byte before execve, and the error where that fails: everything until end of file. */
struct answer {
	char bytes[1 + sizeof(struct err)];
	size_t size;
};

static int read_answer(int fd, int timeout_ms, struct answer *answer, struct err *err)
{
	int64_t deadline = clock_boot_ms() + timeout_ms;
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left = deadline - clock_boot_ms();
		int ready = poll(&wait, 1, left > 0 ? (int)left : 0);

		if (ready < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for the container");
		if (ready == 0)
			return err_set(err, ERR_TIMEOUT, 0,
				       "the command was not executed within %d seconds",
				       timeout_ms / 1000);
		ssize_t n = read(fd, answer->bytes + answer->size,
				 sizeof answer->bytes - answer->size);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_errno(err, "cannot hear from the container");
		if (n == 0)
			return 0;
		if (n > 0)
			answer->size += (size_t)n;
	}
}

static int judge_answer(const struct state_dir *dir, const struct answer *answer, struct err *err)
{
	const char *from = answer->bytes;
	size_t size = answer->size;

	if (size && *from == STATE_EXECUTES) {
		from++;
		size--;
		if (!size)
			return 0;
	}
	if (size == sizeof *err) {
		memcpy(err, from, sizeof *err);
		return -1;
	}
	return err_set(err, ERR_STATE, 0,
		       "the process of container '%s' died before it executed its command",
		       dir->state.id);
}

int state_start(struct state_dir *dir, int timeout_ms, struct err *err)
{
	const int flags = O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
	own_fd int answer_fd = openat(dir->fd, "answer", O_RDONLY | flags);
	own_fd int start_fd = openat(dir->fd, "start", O_WRONLY | flags);
	struct answer answer = {.size = 0};

	if (answer_fd < 0 || (start_fd < 0 && errno != ENXIO))
		return err_errno(err, "cannot reach the process of container '%s'", dir->state.id);
	if (start_fd < 0 || write(start_fd, "s", 1) != 1)
		return err_set(err, ERR_STATE, 0, "container '%s' does not wait to be started",
			       dir->state.id);
	fd_close(take_fd(start_fd));
	if (read_answer(answer_fd, timeout_ms, &answer, err) < 0 ||
	    judge_answer(dir, &answer, err) < 0)
		return -1;
	/* execve closes both FIFOs, in no order that the kernel promises: the end of the answer does not
	 * mean yet that nobody reads the other. Without its name nobody asks. */
	if (unlinkat(dir->fd, "start", 0) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove the FIFO of container '%s'", dir->state.id);
	return 0;
}

/* ---- the document ---- */

const char *state_created_text(const struct state *state, char *buf, size_t size)
{
	char text[CLOCK_TEXT_SIZE];

	snprintf(buf, size, "%s", clock_text(state->created_ns, text));
	return buf;
}

static void write_annotations(const struct strv *annotations, struct json_writer *w)
{
	json_write_key(w, "annotations");
	json_write_object(w);
	for (size_t i = 0; i < annotations->count; i++) {
		const char *item = annotations->items[i];
		const char *value = strchr(item, '=');
		struct err ignored = ERR_INIT;
		own_free char *key = str_dup_len(item, value ? (size_t)(value - item) : 0,
						 &ignored);

		if (key && value)
			json_write_member(w, key, value + 1);
	}
	json_write_end(w, '}');
}

void state_write_document(const struct state *state, enum state_status status, int32_t pid,
			  struct json_writer *w)
{
	json_write_member(w, "ociVersion", SPEC_OCI_VERSION);
	json_write_member(w, "id", state->id);
	json_write_member_i64(w, "pid", pid);
	json_write_member(w, "status", state_status_name(status));
	json_write_member(w, "bundle", state->bundle);
	if (state->annotations.count)
		write_annotations(&state->annotations, w);
}

int state_document(const struct state *state, enum state_status status, int32_t pid,
		   struct str *out, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_write_object(&w);
	state_write_document(state, status, pid, &w);
	json_write_end(&w, '}');
	return str_check(out, "the state", err);
}

int state_open_cgroup(const struct state_dir *dir, const struct cgroup_host *host,
		      struct cgroup *ret, struct err *err)
{
	if (!dir->state.place.path)
		return err_set(err, ERR_NOT_FOUND, 0, "container '%s' has no control group",
			       dir->state.id);
	return cgroup_open(host, dir->state.place.path, ret, err);
}
