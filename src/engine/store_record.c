/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a container and the state of a running one, as JSON by field tables. Members that this
 * version does not know are ignored, so that an older program can read what a newer one wrote.
 *
 * The record has two lines: what every verb needs to know, and the specification, which is ten times as
 * long and only of use to whoever enters the container or shows it. The state of a running one carries a copy
 * of the first line: `ps` reads one file for each, and another only where it has to.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"
#include "json/json.h"

#define RECORD_MAX (8u << 20)

#define FIELD(type_, name_, kind_, ...) \
	{ \
		.key = #name_, .kind = kind_, .offset = offsetof(struct type_, name_), __VA_ARGS__ \
	}

static const struct json_field secret_fields[] = {
	FIELD(record_secret, name, JSON_F_STRING, .required = true),
	FIELD(record_secret, target, JSON_F_STRING, .required = true),
	FIELD(record_secret, env, JSON_F_BOOL),
	FIELD(record_secret, uid, JSON_F_U32),
	FIELD(record_secret, gid, JSON_F_U32),
	FIELD(record_secret, mode, JSON_F_INT, .min = 0, .max = 0777),
	{0},
};

static const struct json_field record_fields[] = {
	FIELD(record, version, JSON_F_INT, .required = true, .min = 1, .max = 1),
	FIELD(record, id, JSON_F_STRING, .required = true),
	FIELD(record, name, JSON_F_STRING, .required = true),
	FIELD(record, image, JSON_F_STRING, .required = true),
	FIELD(record, image_stamp, JSON_F_STRING),
	FIELD(record, created_ns, JSON_F_I64),
	FIELD(record, remove, JSON_F_BOOL, JSON_UNLESS_ZERO),
	FIELD(record, terminal, JSON_F_BOOL, JSON_UNLESS_ZERO),
	FIELD(record, interactive, JSON_F_BOOL, JSON_UNLESS_ZERO),
	FIELD(record, strict, JSON_F_BOOL, JSON_UNLESS_ZERO),
	FIELD(record, stop_signal, JSON_F_INT, .min = 1, .max = 64),
	FIELD(record, stop_timeout_ms, JSON_F_U64),
	FIELD(record, restart, JSON_F_STRING),
	FIELD(record, sdnotify, JSON_F_STRING),
	FIELD(record, health, JSON_F_OBJECT, .fields = health_config_fields),
	FIELD(record, command, JSON_F_STRINGS),
	FIELD(record, labels, JSON_F_STRINGS),
	FIELD(record, requires, JSON_F_STRINGS),
	FIELD(record, cgroup_parent, JSON_F_STRING),
	FIELD(record, secrets, JSON_F_ARRAY, .fields = secret_fields,
	      .item_size = sizeof(struct record_secret)),
	FIELD(record, log_driver, JSON_F_STRING),
	FIELD(record, log_tag, JSON_F_STRING),
	FIELD(record, log_fields, JSON_F_STRINGS),
	FIELD(record, log_max_size, JSON_F_U64, JSON_UNLESS_ZERO),
	FIELD(record, log_max_files, JSON_F_INT, JSON_UNLESS_ZERO, .min = 0, .max = 1000),
	FIELD(record, warnings, JSON_F_STRINGS),
	{0},
};

/* The second line. */
static const struct json_field spec_part_fields[] = {
	FIELD(record, spec, JSON_F_OBJECT, .required = true, .fields = spec_fields),
	/* what the specification has no member for */
	{.key = "user",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct record, spec.process.user.name)},
	{.key = "seccomp_default",
	 .kind = JSON_F_BOOL,
	 .offset = offsetof(struct record, spec.seccomp_default)},
	{.key = "groups",
	 .kind = JSON_F_STRINGS,
	 .offset = offsetof(struct record, spec.process.user.groups)},
	{.key = "init", .kind = JSON_F_BOOL, .offset = offsetof(struct record, spec.init)},
	FIELD(record, hostname, JSON_F_STRING),
	FIELD(record, host_names, JSON_F_BOOL),
	FIELD(record, userns, JSON_F_STRING),
	FIELD(record, given, JSON_F_STRINGS),
	FIELD(record, operands, JSON_F_STRINGS),
	FIELD(record, layers_in_run, JSON_F_BOOL),
	FIELD(record, pidfile, JSON_F_STRING),
	FIELD(record, hosts, JSON_F_STRINGS),
	FIELD(record, resolv, JSON_F_STRINGS),
	FIELD(record, timezone, JSON_F_STRING),
	FIELD(record, strict_limits, JSON_F_BOOL),
	{0},
};

static const struct json_field state_fields[] = {
	FIELD(run_state, version, JSON_F_INT, .required = true, .min = 1, .max = 1),
	FIELD(run_state, init_pid, JSON_F_INT),
	FIELD(run_state, keeper_pid, JSON_F_INT),
	FIELD(run_state, init_start, JSON_F_U64),
	FIELD(run_state, keeper_start, JSON_F_U64),
	FIELD(run_state, boot_id, JSON_F_STRING),
	FIELD(run_state, started_ns, JSON_F_I64),
	FIELD(run_state, id_base, JSON_F_U32, JSON_UNLESS_ZERO),
	FIELD(run_state, keyring, JSON_F_U64, JSON_UNLESS_ZERO),
	FIELD(run_state, restarts, JSON_F_INT, JSON_UNLESS_ZERO),
	FIELD(run_state, id_slot, JSON_F_INT, .min = -1, .max = INT32_MAX),
	FIELD(run_state, cgroup, JSON_F_STRING),
	FIELD(run_state, warnings, JSON_F_STRINGS),
	{0},
};

void record_init(struct record *r)
{
	memset(r, 0, sizeof *r);
	r->version = 1;
	spec_init(&r->spec);
}

const char *record_hostname(const struct record *r)
{
	if (r->hostname)
		return r->hostname;
	return r->spec.hostname ? r->spec.hostname : "";
}

void record_done(struct record *r)
{
	json_bind_done(record_fields, r);
	json_bind_done(spec_part_fields, r);
	spec_init(&r->spec);
}

void run_state_done(struct run_state *s)
{
	json_bind_done(state_fields, s);
}

int store_write_record(int dir_fd, const struct record *record, bool sync, struct err *err)
{
	const struct store_part parts[] = {{record_fields, (void *)record},
					   {spec_part_fields, (void *)record}};

	return store_write_document(dir_fd, STORE_RECORD, parts, 2, RECORD_MAX, sync, err);
}

int store_nameless_record(const char *id, struct record *ret, struct err *err)
{
	ret->id = str_dup(id, err);
	ret->name = str_dup_len(id, STORE_SHORT_ID, err);
	ret->image = str_dup("", err);
	ret->version = 0;
	return ret->id && ret->name && ret->image ? 0 : -1;
}

/* One line of it, from where it is. 1: read, 0: there is none. */
static int read_record_line(const struct container *ct, unsigned int line,
			    const struct json_field *fields, struct record *ret, struct err *err)
{
	const int places[] = {ct->root_fd, ct->run_fd};
	const struct store_part part = {fields, ret};

	for (size_t i = 0; i < 2; i++) {
		if (places[i] < 0)
			continue;
		if (store_read_document(places[i], STORE_RECORD, line, &part, 1, RECORD_MAX, err) ==
		    0)
			return 1;
		if (err->kind != ERR_NOT_FOUND)
			return -1;
	}
	return 0;
}

int store_read_record(struct container *ct, struct record *ret, struct err *err)
{
	int found = read_record_line(ct, 0, record_fields, ret, err);

	if (found)
		return found < 0 ? -1 : 0;
	return store_nameless_record(ct->id, ret, err);
}

int store_read_spec(const struct container *ct, struct record *ret, struct err *err)
{
	int found = read_record_line(ct, 1, spec_part_fields, ret, err);

	if (found)
		return found < 0 ? -1 : 0;
	return err_set(err, ERR_NOT_FOUND, 0, "container '%s' was removed", ct->record.name);
}

/* The state is written into the file that the keeper has locked, and then gets its name: whoever reads it
 * has the lock's file open, and can ask both at once. */
static int publish(int run_fd, const struct str *text, struct err *err)
{
	own_fd int fd = openat(run_fd, STORE_ALIVE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			       0600);

	if (fd < 0 || ftruncate(fd, 0) < 0)
		return err_errno(err, "cannot write '%s'", STORE_STATE);
	if (fd_write_all(fd, text->data, text->len, STORE_STATE, err) < 0 ||
	    fail_point("store.state", err) < 0)
		return -1;
	if (file_unlink(run_fd, STORE_STATE, err) < 0) /* of one that died */
		return -1;
	if (linkat(run_fd, STORE_ALIVE, run_fd, STORE_STATE, 0) < 0)
		return err_errno(err, "cannot make '%s'", STORE_STATE);
	return 0;
}

/* It runs, so that it was only made, or how it ended, is no longer true. After a reboot that must be known,
 * as the state is not there any more. */
static int forget_last_run(struct container *ct, struct err *err)
{
	if (!ct->again)
		return 0;
	if (file_unlink(ct->run_fd, STORE_PAUSED, err) < 0)
		return -1;
	if (fail_point("store.again", err) < 0 || file_unlink(ct->root_fd, STORE_EXIT, err) < 0 ||
	    file_unlink(ct->root_fd, STORE_READY, err) < 0)
		return -1;
	return ct->record.remove || fsync(ct->root_fd) == 0
		       ? 0
		       : err_errno(err, "cannot write the container's directory");
}

int store_note_starter(int alive_fd, int32_t pid, struct err *err)
{
	uint64_t start;
	char text[48];

	if (proc_start_time(pid, &start, err) < 0)
		return -1;
	int size = snprintf(text, sizeof text, "%d %llu\n", pid, (unsigned long long)start);
	if (ftruncate(alive_fd, 0) < 0 || pwrite(alive_fd, text, (size_t)size, 0) != size)
		return err_errno(err, "cannot write '%s'", STORE_ALIVE);
	return 0;
}

int store_find_starter(const struct container *ct, struct proc *ret, struct err *err)
{
	struct err reading = ERR_INIT;
	unsigned long long start;
	char text[64] = "";
	int pid;

	own_fd int fd = openat(ct->run_fd, STORE_ALIVE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || file_lock_held_fd(fd, &reading) <= 0 || read(fd, text, sizeof text - 1) <= 0)
		return 0;
	if (sscanf(text, "%d %llu\n", &pid, &start) != 2 || pid <= 1)
		return 0;
	if (proc_open(ret, pid, start, err) == 0)
		return 1;
	return err->kind == ERR_NOT_FOUND ? 0 : -1;
}

int store_write_state(struct container *ct, const struct run_state *state, struct err *err)
{
	const struct store_part parts[] = {{state_fields, (void *)state},
					   {record_fields, &ct->record}};

	own(str) struct str text = STR_INIT(RECORD_MAX);

	if (store_compose(STORE_STATE, parts, 2, &text, err) < 0 ||
	    publish(ct->run_fd, &text, err) < 0 || forget_last_run(ct, err) < 0)
		return -1;
	return store_unmark_fresh(ct, err);
}

/* Its second line goes before the record changes and comes back after it: where it is absent, or cut short,
 * the record is read. The first line stays as it is. -1: nothing to change there. */
static int hide_copy(const struct container *ct, off_t *ret_end)
{
	own_fd int fd = ct->run_fd < 0 ? -1
				       : openat(ct->run_fd, STORE_STATE,
						O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	for (off_t at = 0; fd >= 0 && (n = pread(fd, chunk, sizeof chunk, at)) > 0; at += n) {
		const char *end = memchr(chunk, '\n', (size_t)n);

		if (!end)
			continue;
		*ret_end = at + (end - chunk) + 1;
		return ftruncate(fd, *ret_end) < 0 ? -1 : take_fd(fd);
	}
	return -1;
}

static void show_copy(int fd, off_t end, const struct record *record)
{
	const struct store_part part = {record_fields, (void *)record};
	own(str) struct str text = STR_INIT(RECORD_MAX);
	struct err ignored = ERR_INIT;

	if (fd >= 0 && store_compose(STORE_STATE, &part, 1, &text, &ignored) == 0 &&
	    pwrite(fd, text.data, text.len, end) < 0)
		return; /* slower to list, and no less true */
}

int store_record_fd(const struct container *ct)
{
	bool in_root = ct->root_fd >= 0 &&
		       faccessat(ct->root_fd, STORE_RECORD, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	return in_root ? ct->root_fd : ct->run_fd;
}

int container_layers_fd(const struct container *ct)
{
	return ct->record.layers_in_run ? ct->run_fd : ct->root_fd;
}

const char *store_layers_place(const struct store *store, const struct record *record)
{
	return record->layers_in_run ? store->run : store->root;
}

int store_rewrite_record(struct container *ct, struct err *err)
{
	off_t end = 0;
	own_fd int state_fd = hide_copy(ct, &end);

	if (fail_point("record.hidden", err) < 0 ||
	    store_write_record(store_record_fd(ct), &ct->record, store_record_fd(ct) == ct->root_fd,
			       err) < 0)
		return err_wrap(err, "cannot change the record of '%s'", ct->record.name);
	if (fail_point("record.written", err) < 0)
		return -1;
	show_copy(state_fd, end, &ct->record);
	return 0;
}

int store_read_state(int run_fd, const char *name, struct run_state *ret, struct err *err)
{
	struct run_state state = {.id_slot = -1};
	const struct store_part part = {state_fields, &state};

	if (store_read_document(run_fd, name, 0, &part, 1, RECORD_MAX, err) < 0) {
		run_state_done(&state);
		return -1;
	}
	*ret = state;
	return 0;
}

int store_read_running(int dir_fd, const char *path, struct run_state *ret_state,
		       struct record *ret_record, struct err *err)
{
	const struct store_part parts[] = {{state_fields, ret_state}, {record_fields, ret_record}};
	own_fd int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	int held = fd < 0 ? 0 : file_lock_held_fd(fd, err);

	if (held <= 0)
		return held;
	return store_read_open(fd, STORE_STATE, 0, parts, 2, RECORD_MAX, &ignored) == 0;
}
