/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole of `insula run`: image, record, container, keeper, and, in the foreground, the relay until
 * it ends; and of `insula create`, which ends with the container. What was made is taken back when any of
 * it fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/keeper.h"
#include "engine/launch.h"
#include "engine/lifecycle.h"
#include "engine/requires.h"
#include "engine/service.h"
#include "engine/store_private.h"
#include "engine/user.h"
#include "kernel/seal.h"

#define FDS_NEEDED 256
#define END_TIMEOUT_MS 30000

/* A start has up to a hundred open at a time, and so has whoever takes back one that failed. */
static int check_descriptors(struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_errno(err, "cannot tell how many files may be open");
	if (limit.rlim_cur >= FDS_NEEDED)
		return 0;
	if (limit.rlim_max < FDS_NEEDED) {
		err_set(err, ERR_LIMIT, 0, "only %ju files may be open at a time (RLIMIT_NOFILE)",
			(uintmax_t)limit.rlim_max);
		return err_hint(err, "raise it to %d or more: ulimit -n", FDS_NEEDED);
	}
	limit.rlim_cur = FDS_NEEDED;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0
		       ? err_errno(err, "cannot raise the number of open files")
		       : 0;
}

int launch_check_caller(struct err *err)
{
	return check_descriptors(err);
}

static int check_options(const struct run_options *options, struct err *err)
{
	struct detach_keys keys;

	if (detach_keys_parse(options->detach_keys, &keys, err) < 0 ||
	    (!options->dry_run && launch_check_caller(err) < 0))
		return -1;
	if (options->tty && !options->detach && options->interactive && !isatty(STDIN_FILENO)) {
		err_set(err, ERR_USAGE, 0, "-i -t: the standard input is not a terminal");
		return err_hint(err, "leave out -t to feed a container from a file or pipe");
	}
	return 0;
}

/* Nobody takes its output any more (`run ... | head`): in a pipeline of plain commands it would end now. */
static void end_unheard(int client_fd)
{
	own_free char *data = malloc(KEEPER_DATA_MAX);
	int64_t end = clock_boot_ms() + END_TIMEOUT_MS;
	struct keeper_header header = {0};
	struct err ignored = ERR_INIT;

	if (!data || keeper_send(client_fd, KEEPER_STOP, SIGKILL, 0, NULL, 0, &ignored) < 0)
		return;
	while (header.type != KEEPER_EXIT && clock_boot_ms() < end &&
	       keeper_receive(client_fd, &header, data, END_TIMEOUT_MS, &ignored) > 0)
		;
}

static int attach(int client_fd, const struct run_options *options, bool notice, int *ret_code,
		  struct err *err)
{
	struct attach_options how = {.terminal = options->tty,
				     .interactive = options->interactive,
				     .sig_proxy = options->sig_proxy || !options->sig_proxy_given,
				     .notice = notice};

	if (detach_keys_parse(options->detach_keys, &how.keys, err) < 0)
		return -1;
	if (keeper_attach(client_fd, &how, ret_code, err) < 0) {
		if (err->errnum == EPIPE || err->errnum == ENOSPC)
			end_unheard(client_fd);
		return -1;
	}
	return 0;
}

/* A name is no longer in use where whoever made its container died before it ran, or its keeper died and
 * it was to be removed at the end. */
static int free_name(struct store *store, const char *name, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err looking = ERR_INIT;
	own_fd int names_fd = store_open_names(store, err);
	own_free char *owner = names_fd < 0 ? NULL : store_name_owner(names_fd, name, &looking);

	if (!owner || store_load(store, owner, &ct, &looking) < 0 || ct.run_fd < 0)
		return names_fd < 0 ? -1 : 0;
	if (ct.status == CT_STOPPING && ct.record.remove && engine_settle(&ct, &looking) < 0)
		return 0; /* free by now, or whoever claims it is told by whom it is used */
	if (file_lock_held(ct.run_fd, "lock", &looking) != 0)
		return 0;
	if ((ct.status == CT_DEAD && ct.record.remove) || ct.status == CT_STARTING)
		return engine_repair(&ct, err);
	return 0;
}

static int make(struct store *store, struct record *record, bool lasting, char *ret_id,
		struct container *ret, struct err *err)
{
	struct err ignored = ERR_INIT;

	if (record->name && free_name(store, record->name, err) < 0)
		return -1;
	if (requires_announce(store, record, err) < 0 ||
	    store_create(store, record, lasting, ret, err) < 0)
		return -1;
	/* They may have been removed before anybody could see in our record that they are required. */
	if (fail_point("run.made", err) == 0 && requires_confirm(store, &ret->record, err) == 0) {
		memcpy(ret_id, ret->id, sizeof ret->id);
		return 0;
	}
	engine_discard(ret, &ignored);
	return -1;
}

/* --replace: whoever has the name makes room, when all else is known to be right. */
static int make_room(struct store *store, const struct run_options *options, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err looking = ERR_INIT;
	own_fd int names_fd = store_open_names(store, err);
	own_free char *owner = NULL;

	if (names_fd < 0)
		return -1;
	owner = store_name_owner(names_fd, options->name, &looking);
	if (!owner)
		return 0;
	if (store_load(store, owner, &ct, &looking) < 0)
		return 0; /* whoever claims the name is told by whom it is used */
	return engine_remove(&ct, 0, err) < 0 ? err_wrap(err, "--replace") : 0;
}

static int check_replace(struct store *store, const struct run_options *options, struct err *err)
{
	if (!options->replace)
		return 0;
	if (options->name)
		return options->dry_run ? 0 : make_room(store, options, err);
	return err_set(err, ERR_USAGE, 0, "--replace: there is no --name to be replaced");
}

/* Make it and start it; on failure nothing of it is left. */
static int create_and_start(struct store *store, struct record *record, const struct image *image,
			    bool attach_it, char *ret_id, int *ret_client_fd, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct err ignored = ERR_INIT;

	if (make(store, record, false, ret_id, &ct, err) < 0)
		return -1;
	if (launch_make_writable(&ct, image, err) == 0 &&
	    engine_start(&ct, image, attach_it, ret_client_fd, err) == 0)
		return 0;
	engine_discard(&ct, &ignored);
	return -1;
}

/* Make it, and plan its start to see that it could be; the record is written by then, so what the plan
 * adds to the specification is nobody's. */
static int create_only(struct store *store, struct record *record, const struct image *image,
		       char *ret_id, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;
	own(str) struct str plan = STR_INIT(1u << 20);
	struct err ignored = ERR_INIT;

	if (make(store, record, true, ret_id, &ct, err) < 0)
		return -1;
	if (launch_make_writable(&ct, image, err) == 0 &&
	    engine_dry_run(store, &ct.record, image, &plan, err) == 0 &&
	    store_mark_ready(&ct, err) == 0)
		return 0;
	engine_discard(&ct, &ignored);
	return -1;
}

static int run_image(struct store *store, const struct run_options *options, struct record *record,
		     const struct image *image, char *ret_id, int *ret_code, struct err *err)
{
	own(str) struct str text = STR_INIT(1u << 20);
	bool notice = service_wants_notice(record); /* which is the container's later */
	own_fd int client_fd = -1;

	if (options->dry_run) {
		if (engine_dry_run(store, record, image, &text, err) < 0)
			return -1;
		fputs(text.data, stdout);
		return 0;
	}
	if (launch_begin_required(store, &record->requires, err) < 0 ||
	    (options->cidfile && launch_write_cidfile(options->cidfile, record->id, err) < 0))
		return -1;
	if (create_and_start(store, record, image, !options->detach, ret_id, &client_fd, err) < 0) {
		if (options->cidfile)
			unlink(options->cidfile);
		return -1;
	}
	if (service_started(store, ret_id, !options->detach, err) < 0)
		return -1;
	return options->detach ? 0 : attach(client_fd, options, notice, ret_code, err);
}

int engine_create(struct store *store, const struct run_options *options, const char *image_ref,
		  const struct strv *command, char ret_id[STORE_ID_LENGTH + 1], struct err *err)
{
	own(image) struct image image = IMAGE_INIT;
	own(record) struct record record;
	own_free char *cache = user_image_cache(store, err);

	record_init(&record);
	if (!cache || launch_check_caller(err) < 0 ||
	    image_open(image_ref, cache, &image, err) < 0 ||
	    engine_make_record(store, options, image_ref, &image, command, &record, err) < 0 ||
	    check_replace(store, options, err) < 0)
		return -1;
	if (options->cidfile && launch_write_cidfile(options->cidfile, record.id, err) < 0)
		return -1;
	if (create_only(store, &record, &image, ret_id, err) == 0)
		return 0;
	if (options->cidfile)
		unlink(options->cidfile);
	return -1;
}

int engine_run(struct store *store, const struct run_options *options, const char *image_ref,
	       const struct strv *command, char ret_id[STORE_ID_LENGTH + 1], int *ret_code,
	       struct err *err)
{
	own(image) struct image image = IMAGE_INIT;
	own(record) struct record record;
	own_free char *cache = user_image_cache(store, err);

	record_init(&record);
	ret_id[0] = '\0';
	*ret_code = 0;
	if (!cache || check_options(options, err) < 0 ||
	    image_open(image_ref, cache, &image, err) < 0 ||
	    engine_make_record(store, options, image_ref, &image, command, &record, err) < 0 ||
	    check_replace(store, options, err) < 0)
		return -1;
	return run_image(store, options, &record, &image, ret_id, ret_code, err);
}
