/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula diff: what a container has written, against its image. Its writable layer of overlayfs has exactly
 * that: files that are new or copied before they were changed, and marks in place of what was removed.
 * Whether something is new is asked of the image's directories.
 *
 * The layer belongs to the container: each name is used once, by calls that follow no link.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/change.h"
#include "engine/copy.h"
#include "engine/lifecycle.h"
#include "engine/user.h"
#include "image/image.h"
#include "runtime/rootless.h"

#define LEVELS_MAX 400
#define PATH_SIZE 4096
#define LOWERS_MAX 64
#define ROWS_MAX (256u << 20)
#define MADE_WITH_IT_NS INT64_C(10000000000)

struct row {
	char *path;
	char change;
};

struct diff {
	const struct container *ct;
	struct image image;
	int lowers[LOWERS_MAX];
	size_t lower_count;
	char path[PATH_SIZE]; /* in the layer */
	const char *target;   /* of the layer, "" for the root */
	int level;
	struct row *rows;
	size_t count;
};

static bool is_removal(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Does the image have it? The topmost layer that has a name decides. */
static bool is_in_image(const struct diff *d, const char *path)
{
	for (size_t i = 0; i < d->lower_count; i++) {
		struct err ignored = ERR_INIT;
		own_fd int fd = path_handle(d->lowers[i], path, PATH_BENEATH, O_NOFOLLOW, &ignored);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0)
			return !is_removal(&st);
	}
	return false;
}

static int add_row(struct diff *d, const char *path, char change, struct err *err)
{
	struct row *grown = reallocarray(d->rows, d->count + 1, sizeof *grown);
	char *copy = grown ? str_printf(err, "%s/%s", d->target, path) : NULL;

	if (grown)
		d->rows = grown;
	if (!copy)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list the changes");
	grown[d->count++] = (struct row){copy, change};
	return 0;
}

/* In the container; it may be cut off, and is compared with short ones. */
static bool is_path(const struct diff *d, const char *path)
{
	size_t size = strlen(d->target);

	return strncmp(path, d->target, size) == 0 && path[size] == '/' &&
	       strcmp(path + size + 1, d->path) == 0;
}

static int64_t in_ns(const struct statx_timestamp *t)
{
	return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

/* The files that say which machine it is are put there before it runs, and are no change of its own as long
 * as nobody touches them: they were made with it, and last written when they were made. */
static bool is_made_with_it(const struct diff *d, int dir_fd, const char *name)
{
	static const char *const paths[] = {"/etc/hostname",  "/etc/hosts",    "/etc/resolv.conf",
					    "/etc/localtime", "/etc/timezone", "/etc/machine-id"};
	struct statx st;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		if (!is_path(d, paths[i]))
			continue;
		if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME, &st) < 0 ||
		    !(st.stx_mask & STATX_BTIME))
			return false;
		return llabs(in_ns(&st.stx_btime) - d->ct->record.created_ns) < MADE_WITH_IT_NS &&
		       in_ns(&st.stx_mtime) == in_ns(&st.stx_btime);
	}
	return false;
}

static int look_at(struct diff *d, int dir_fd, const char *name, struct err *err);

static int look_into(struct diff *d, int dir_fd, const char *name, struct err *err)
{
	own_dir DIR *dir = fd_open_list(dir_fd, name);

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, "cannot read '%s'", d->path);
	if (d->level >= LEVELS_MAX)
		return err_set(err, ERR_LIMIT, 0, "directories are more than %d deep", LEVELS_MAX);
	d->level++;
	for (struct dirent *e; (errno = 0, e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    look_at(d, dirfd(dir), e->d_name, err) < 0)
			return -1;
	d->level--;
	return errno ? err_errno(err, "cannot read '%s'", d->path) : 0;
}

/* A directory is listed before what is in it, and one that was made by us only for the sake of it. */
static int look_at_entry(struct diff *d, int dir_fd, const char *name, const struct stat *st,
			 struct err *err)
{
	bool is_etc = is_path(d, "/etc");
	size_t before = d->count;

	if (is_removal(st))
		return add_row(d, d->path, 'D', err);
	if (!S_ISDIR(st->st_mode) && is_made_with_it(d, dir_fd, name))
		return 0;
	if (add_row(d, d->path, is_in_image(d, d->path) ? 'C' : 'A', err) < 0)
		return -1;
	if (!S_ISDIR(st->st_mode))
		return 0;
	if (look_into(d, dir_fd, name, err) < 0)
		return -1;
	if (is_etc && d->count == before + 1)
		free(d->rows[--d->count].path);
	return 0;
}

static int look_at(struct diff *d, int dir_fd, const char *name, struct err *err)
{
	size_t before = strlen(d->path);
	struct stat st;
	int n;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot look at '%s'", name);
	n = snprintf(d->path + before, sizeof d->path - before, "%s%s", before ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof d->path - before)
		return err_set(err, ERR_LIMIT, 0, "a path in the container is too long");
	int status = look_at_entry(d, dir_fd, name, &st, err);
	d->path[before] = '\0';
	return status;
}

static int open_lowers(struct diff *d, const struct image_mount *image, struct err *err)
{
	for (size_t i = 0; i < image->lowers.count && i < LOWERS_MAX; i++) {
		int fd = open(image->lowers.items[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_errno(err, "cannot open '%s'", image->lowers.items[i]);
		d->lowers[d->lower_count++] = fd;
	}
	return 0;
}

/* What is in RUN goes with a reboot, and what it wrote is what it has written since. */
static bool is_lost(const struct container *ct, struct err *err)
{
	bool lost = ct->record.layers_in_run && !container_is_kept(ct) &&
		    (ct->run_fd < 0 || err->kind == ERR_NOT_FOUND);

	if (lost)
		*err = ERR_INIT;
	return lost;
}

static int look_at_layer(struct diff *d, const struct image_mount *image, size_t index,
			 struct err *err)
{
	char layer[48] = "upper";

	if (index)
		snprintf(layer, sizeof layer, "layer-%zu/upper", index);
	d->target = strcmp(image->target, "/") == 0 ? "" : image->target;
	own_fd int upper_fd = path_handle(container_layers_fd(d->ct), layer, PATH_BENEATH,
					  O_DIRECTORY, err);
	if (upper_fd < 0)
		return is_lost(d->ct, err) ? 0 : -1;
	int status = open_lowers(d, image, err);
	if (status == 0)
		status = look_into(d, upper_fd, ".", err);
	while (d->lower_count)
		fd_close(d->lowers[--d->lower_count]);
	return status;
}

static int look_at_layers(struct diff *d, struct err *err)
{
	for (size_t i = 0; i < d->image.count; i++)
		if (look_at_layer(d, &d->image.mounts[i], i, err) < 0)
			return -1;
	return 0;
}

static void forget_rows(struct diff *d)
{
	while (d->count)
		free(d->rows[--d->count].path);
}

/* ---- as root of a namespace ---- */

struct inside {
	struct diff *d;
	int rows_fd;
};

/* A row is its letter, its path and a NUL. */
static int look_inside(void *data, struct err *err)
{
	const struct inside *in = data;
	own(str) struct str text = STR_INIT(ROWS_MAX);

	if (look_at_layers(in->d, err) < 0)
		return -1;
	for (size_t i = 0; i < in->d->count; i++) {
		const struct row *row = &in->d->rows[i];

		str_add_len(&text, &row->change, 1);
		str_add_len(&text, row->path, strlen(row->path) + 1);
	}
	if (str_check(&text, "the changes", err) < 0)
		return -1;
	return fd_write_all(in->rows_fd, text.data, text.len, "the changes", err);
}

static int take_rows(struct diff *d, const char *text, size_t size, struct err *err)
{
	const char *target = d->target;
	int status = 0;

	d->target = "";
	for (const char *at = text; status == 0 && at < text + size; at += strlen(at) + 1)
		status = add_row(d, at + 2, *at, err);
	d->target = target;
	return status;
}

/* Some of it is closed to the user, as he is root inside and his other ids are not his own: so it is looked at
 * with their rights. */
static int look_as_root(struct diff *d, struct err *err)
{
	own_fd int rows_fd = memfd_create("changes", MFD_CLOEXEC);
	struct inside inside = {d, rows_fd};
	own_free char *text = NULL;

	forget_rows(d);
	d->path[0] = '\0';
	d->level = 0;
	if (rows_fd < 0)
		return err_errno(err, "cannot list the changes");
	if (rootless_call(look_inside, &inside, err) < 0)
		return -1;
	if (lseek(rows_fd, 0, SEEK_SET) < 0)
		return err_errno(err, "cannot list the changes");
	ssize_t size = fd_read_all(rows_fd, ROWS_MAX, "the changes", &text, err);
	return size < 0 ? -1 : take_rows(d, text, (size_t)size, err);
}

/* ---- the list ---- */

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void write_rows(const struct diff *d, struct json_writer *w)
{
	json_write_array(w);
	for (size_t i = 0; i < d->count; i++) {
		json_write_object(w);
		json_write_member(w, "change", (const char[]){d->rows[i].change, '\0'});
		json_write_member(w, "path", d->rows[i].path);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static int list(struct diff *d, struct json_writer *w, struct err *err)
{
	int status = look_at_layers(d, err);

	if (status < 0 && err->kind == ERR_DENIED && d->ct->store->user) {
		*err = ERR_INIT;
		status = look_as_root(d, err);
	}
	if (status == 0 && d->count)
		qsort(d->rows, d->count, sizeof *d->rows, compare);
	if (status == 0)
		write_rows(d, w);
	forget_rows(d);
	free(d->rows);
	return status;
}

int engine_diff(struct container *ct, struct json_writer *w, struct err *err)
{
	own_free char *cache = user_image_cache(ct->store, err);
	own_free struct diff *d = calloc(1, sizeof *d);

	if (!cache || !d)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list the changes");
	if (ct->status == CT_STARTING && engine_settle(ct, err) < 0)
		return -1;
	d->ct = ct;
	d->image = IMAGE_INIT;
	if (store_need_spec(ct, err) < 0 || image_open(ct->record.image, cache, &d->image, err) < 0)
		return -1;
	int status = list(d, w, err);
	image_done(&d->image);
	return status < 0 ? err_wrap(err, "container '%s'", ct->record.name) : 0;
}
