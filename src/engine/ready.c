/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See ready.h. */
#include "engine/ready.h"

#include "base/own.h"
#include "engine/store_private.h"

#define FILE_MAX 8192u

const char *const ready_names[] = {"", "not ready", "ready", NULL};

const struct json_field readiness_fields[] = {
	{.key = "ready", .kind = JSON_F_BOOL, .offset = offsetof(struct readiness, ready)},
	{.key = "status", .kind = JSON_F_STRING, .offset = offsetof(struct readiness, status)},
	{.key = "extended_ms",
	 .kind = JSON_F_I64,
	 .offset = offsetof(struct readiness, extended_ms)},
	{0},
};

void readiness_done(struct readiness *r)
{
	json_bind_done(readiness_fields, r);
}

int readiness_read(int dir_fd, const char *path, struct readiness *ret, struct err *err)
{
	own_free char *name = str_printf(err, "%s/" READY_FILE, path);
	struct readiness r = {0};
	const struct store_part part = {readiness_fields, &r};

	if (!name)
		return -1;
	if (store_read_document(dir_fd, name, 0, &part, 1, FILE_MAX, err) < 0) {
		readiness_done(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

int readiness_write(int run_fd, const struct readiness *r, struct err *err)
{
	const struct store_part part = {readiness_fields, (void *)r};

	return store_write_document(run_fd, READY_FILE, &part, 1, FILE_MAX, false, err);
}

enum ready_state readiness_of(const struct container *ct, int dir_fd, const char *path)
{
	struct readiness r = {0};
	struct err ignored = ERR_INIT;
	bool ready = true;

	if (!ct->record.sdnotify)
		return READY_UNKNOWN;
	if (str_eq(ct->record.sdnotify, READY_BY_HEALTH))
		ready = ct->health == HEALTH_HEALTHY;
	if (str_eq(ct->record.sdnotify, READY_BY_CONTAINER))
		ready = readiness_read(dir_fd, path, &r, &ignored) == 0 && r.ready;
	readiness_done(&r);
	return ready ? READY_YES : READY_NOT_YET;
}
