/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a container and the state of a running one, as JSON by field tables. Members that this
 * version does not know are ignored, so that an older program can read what a newer one wrote.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"
#include "json/json.h"

#define RECORD_NAME "record.json"
#define RECORD_MAX (8u << 20)
#define STATE_NAME "state.json"
#define STATE_MAX 65536u

#define FIELD(type_, name_, kind_, ...) \
	{ \
		.key = #name_, .kind = kind_, .offset = offsetof(struct type_, name_), __VA_ARGS__ \
	}

static const struct json_field record_fields[] = {
	FIELD(record, version, JSON_F_INT, .required = true, .min = 1, .max = 1),
	FIELD(record, id, JSON_F_STRING, .required = true),
	FIELD(record, name, JSON_F_STRING, .required = true),
	FIELD(record, image, JSON_F_STRING, .required = true),
	FIELD(record, image_stamp, JSON_F_STRING),
	FIELD(record, created_ns, JSON_F_I64),
	FIELD(record, remove, JSON_F_BOOL),
	FIELD(record, terminal, JSON_F_BOOL),
	FIELD(record, interactive, JSON_F_BOOL),
	FIELD(record, strict, JSON_F_BOOL),
	FIELD(record, stop_signal, JSON_F_INT, .min = 1, .max = 64),
	FIELD(record, stop_timeout_ms, JSON_F_U64),
	FIELD(record, command, JSON_F_STRINGS),
	FIELD(record, labels, JSON_F_STRINGS),
	FIELD(record, warnings, JSON_F_STRINGS),
	FIELD(record, spec, JSON_F_OBJECT, .fields = spec_fields),
	/* what the specification has no member for */
	{.key = "user",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct record, spec.process.user.name)},
	{.key = "seccomp_default",
	 .kind = JSON_F_BOOL,
	 .offset = offsetof(struct record, spec.seccomp_default)},
	{.key = "init", .kind = JSON_F_BOOL, .offset = offsetof(struct record, spec.init)},
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
	FIELD(run_state, id_base, JSON_F_U32),
	FIELD(run_state, id_slot, JSON_F_INT, .min = -1, .max = INT32_MAX),
	FIELD(run_state, warnings, JSON_F_STRINGS),
	{0},
};

void record_init(struct record *r)
{
	memset(r, 0, sizeof *r);
	r->version = 1;
	spec_init(&r->spec);
}

void record_done(struct record *r)
{
	json_bind_done(record_fields, r);
	spec_done(&r->spec);
}

void run_state_done(struct run_state *s)
{
	json_bind_done(state_fields, s);
}

static int write_document(int dir_fd, const char *name, const struct json_field *fields,
			  const void *source, size_t limit, bool sync, struct err *err)
{
	own(str) struct str text = STR_INIT(limit);
	struct json_writer w;

	json_writer_init(&w, &text, 0);
	json_write_struct(&w, fields, source);
	str_add_char(&text, '\n');
	if (str_check(&text, name, err) < 0)
		return -1;
	return file_write_atomic(dir_fd, name, text.data, text.len, 0600, sync, err);
}

static int read_document(int dir_fd, const char *name, const struct json_field *fields,
			 size_t limit, void *target, struct err *err)
{
	own_free char *text = NULL;
	ssize_t size = file_read(dir_fd, name, limit, &text, err);

	if (size < 0)
		return -1;
	struct json *doc = json_parse(text, (size_t)size, name, err);
	int status = doc ? json_bind(doc, 0, fields, JSON_UNKNOWN_ALLOW, target, err) : -1;
	json_free(doc);
	if (status < 0)
		err->kind = ERR_CORRUPT;
	return status;
}

int store_write_record(int dir_fd, const struct record *record, struct err *err)
{
	return write_document(dir_fd, RECORD_NAME, record_fields, record, RECORD_MAX,
			      !record->remove, err);
}

int store_nameless_record(const char *id, struct record *ret, struct err *err)
{
	ret->id = str_dup(id, err);
	ret->name = str_dup_len(id, STORE_SHORT_ID, err);
	ret->image = str_dup("", err);
	ret->version = 0;
	return ret->id && ret->name && ret->image ? 0 : -1;
}

int store_read_record(struct container *ct, struct record *ret, struct err *err)
{
	const int places[] = {ct->root_fd, ct->run_fd};

	for (size_t i = 0; i < 2; i++) {
		if (places[i] < 0)
			continue;
		if (read_document(places[i], RECORD_NAME, record_fields, RECORD_MAX, ret, err) == 0)
			return 0;
		if (err->errnum != ENOENT)
			return -1;
	}
	return store_nameless_record(ct->id, ret, err);
}

int store_write_state(struct container *ct, const struct run_state *state, struct err *err)
{
	if (write_document(ct->run_fd, STATE_NAME, state_fields, state, STATE_MAX, false, err) < 0)
		return -1;
	return file_unlink(ct->run_fd, STORE_FRESH, err);
}

int store_read_state(int run_fd, struct run_state *ret, struct err *err)
{
	struct run_state state = {.id_slot = -1};

	if (read_document(run_fd, STATE_NAME, state_fields, STATE_MAX, &state, err) < 0) {
		if (err->errnum == ENOENT)
			err->kind = ERR_NOT_FOUND;
		return -1;
	}
	*ret = state;
	return 0;
}
