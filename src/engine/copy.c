/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula cp: which ends there are, and where at the target something goes. The rules are those of docker-cp(1):
 * into a directory that exists, else under the name that was given; the contents of a directory with "/."
 * at its end.
 */
#include "engine/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/event.h"
#include "engine/guest_root.h"
#include "engine/transfer.h"
#include "kernel/caps.h"
#include "runtime/rootless.h"

#define LEFT_OUT_MAX ((size_t)1 << 20) /* a hundred lines */

enum end_kind { END_HOST, END_CONTAINER, END_STREAM };

struct end {
	enum end_kind kind;
	char *path;    /* without "/." and slashes at its end; "" the root of a container */
	bool contents; /* it ended in "/." */
	bool is_directory_asked; /* it ended in '/' */
	struct container ct;
	struct guest_root root; /* of the host: "/" */
};

static void end_done(struct end *e)
{
	free(e->path);
	guest_root_done(&e->root);
	container_done(&e->ct);
}

/* NAME:PATH, but not /x:y or ./x:y. */
static const char *container_part(const char *text)
{
	const char *colon = strchr(text, ':');

	return *text == '/' || *text == '.' || !colon || colon == text ? NULL : colon;
}

/* What the end of a path says, taken off it. */
static void trim(struct end *e)
{
	size_t size = strlen(e->path);

	while (size && (e->path[size - 1] == '/' ||
			(size > 1 && e->path[size - 1] == '.' && e->path[size - 2] == '/') ||
			(size == 1 && e->path[0] == '.' && e->kind == END_CONTAINER))) {
		if (e->path[size - 1] == '/')
			e->is_directory_asked = true;
		else
			e->contents = true;
		e->path[--size] = '\0';
	}
	if (e->kind == END_HOST && strcmp(e->path, ".") == 0)
		e->contents = true;
	if (!size && e->kind == END_HOST) {
		e->path[0] = '/';
		e->path[1] = '\0';
	}
}

static int check_path(const char *path, struct err *err)
{
	if (strlen(path) >= TRANSFER_PATH_MAX - 16)
		return err_set(err, ERR_LIMIT, 0, "the path '%.60s...' is too long", path);
	if (str_has_control(path))
		return err_set(err, ERR_INVALID, 0, "'%s' has control characters", path);
	if (*path)
		return 0;
	err_set(err, ERR_USAGE, 0, "cp: a path is empty");
	return err_hint(err, "'/' is the container's root, '.' the directory that we are in");
}

static int parse_end(struct store *store, const char *text, struct end *e, struct err *err)
{
	const char *colon = container_part(text);
	own_free char *ref = colon ? str_dup_len(text, (size_t)(colon - text), err) : NULL;

	e->kind = str_eq(text, "-") ? END_STREAM : colon ? END_CONTAINER : END_HOST;
	if (check_path(colon ? colon + 1 : text, err) < 0)
		return -1;
	/* Room for a '/' where all of it was trimmed. */
	e->path = str_printf(err, "%s", colon ? colon + 1 + strspn(colon + 1, "/") : text);
	if (!e->path)
		return -1;
	if (colon && !*e->path)
		e->is_directory_asked = e->contents = true;
	trim(e);
	if (!colon)
		return 0;
	return ref ? store_find(store, ref, &e->ct, err) : -1;
}

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- where it comes from ---- */

static int open_source(const struct end *e, const struct copy_options *options, struct err *err)
{
	bool follow = options->follow_link || e->contents || e->is_directory_asked;
	uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
	int fd;

	if (e->kind == END_CONTAINER) {
		fd = path_handle(e->root.fd, *e->path ? e->path : ".", PATH_IN_ROOT,
				 follow ? 0 : O_NOFOLLOW, err);
		return fd < 0 ? err_wrap(err, "'%s:%s'", e->ct.record.name, e->path) : fd;
	}
	fd = open(e->path, (int)flags | O_CLOEXEC);
	return fd < 0 ? err_errno(err, "cannot open '%s'", e->path) : fd;
}

/* The host's side of an ordinary user's container has the ids of that. */
static const struct transfer_ids *ids_of(const struct end *e, const struct end *other)
{
	return e->kind == END_CONTAINER ? e->root.ids : other->root.ids;
}

/* ---- where it goes ---- */

/* 1: a directory, 0: something else, -1: there is none (*err: why it cannot be told, if it cannot). */
static int look_at(const struct end *e, struct err *err)
{
	struct err looking = ERR_INIT;
	own_fd int fd = e->kind == END_CONTAINER ? path_handle(e->root.fd, *e->path ? e->path : ".",
							       PATH_IN_ROOT, 0, &looking)
						 : open(e->path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && e->kind == END_CONTAINER && looking.kind != ERR_NOT_FOUND)
		*err = looking;
	if (fd < 0 && e->kind == END_HOST && errno != ENOENT)
		err_errno(err, "cannot open '%s'", e->path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	return S_ISDIR(st.st_mode);
}

/* The directory that a path is in has to exist. */
static int check_parent(const struct end *to, struct err *err)
{
	struct end parent = *to;
	own_free char *path = str_dup_len(to->path, (size_t)(last_of(to->path) - to->path), err);

	if (!path)
		return -1;
	parent.path = !*path && to->kind == END_HOST ? (char *)"." : path;
	if (look_at(&parent, err) > 0)
		return 0;
	if (err->kind)
		return -1;
	err_set(err, ERR_NOT_FOUND, 0, "there is no directory '%s' at the target", path);
	return err_hint(err, "make it first");
}

/* Name of what is copied at the target, and the path that names begin at. */
struct place {
	const char *name;
	char *base;
};

static int choose_place(const struct end *from, const struct end *to, bool from_directory,
			struct place *ret, struct err *err)
{
	int there = look_at(to, err);
	const char *name = last_of(from->path);
	bool as_contents = from_directory && (from->contents || !*name || !strcmp(name, ".."));

	if (there < 0 && err->kind)
		return -1;
	if (there == 0 && (from_directory || to->is_directory_asked))
		return err_set(err, ERR_EXISTS, 0, "'%s' at the target is no directory", to->path);
	if (there > 0) {
		*ret = (struct place){as_contents ? "" : name, str_dup(to->path, err)};
		return ret->base ? 0 : -1;
	}
	if (there < 0 && !from_directory && to->is_directory_asked)
		return err_set(err, ERR_NOT_FOUND, 0, "there is no directory '%s' at the target",
			       to->path);
	if (check_parent(to, err) < 0)
		return -1;
	/* A new directory, or a file: under the name that was given. */
	ret->name = last_of(to->path);
	ret->base = str_dup_len(to->path, (size_t)(ret->name - to->path), err);
	if (!ret->base)
		return -1;
	if (ret->base[0] && ret->base[strlen(ret->base) - 1] == '/' && strlen(ret->base) > 1)
		ret->base[strlen(ret->base) - 1] = '\0';
	return 0;
}

/* Without -a: its root; an ordinary user's own id, where the container has that. */
static uint32_t owner_in(const struct end *to, bool group)
{
	const struct transfer_ids *ids = to->root.ids;
	const struct id_map *map = !ids ? NULL : group ? ids->gids : ids->uids;
	size_t count = !ids ? 0 : group ? ids->gid_count : ids->uid_count;
	uint32_t id = 0;

	if (!ids)
		return to->root.id_base;
	if (id_map_has(map, count, 0) || !id_map_outer(map, count, 0, &id))
		return 0;
	return id;
}

static int open_target(const struct end *from, const struct end *to, const struct place *place,
		       const struct copy_options *options, struct transfer_target *t,
		       struct err *err)
{
	bool inside = to->kind == END_CONTAINER;

	*t = (struct transfer_target){.root_fd = to->root.fd,
				      .base = inside ? place->base : "",
				      .in_root = inside,
				      .archive = options->archive,
				      .id_base = inside ? to->root.id_base : 0,
				      .ids = ids_of(to, from),
				      .uid = inside ? owner_in(to, false) : geteuid(),
				      .gid = inside ? owner_in(to, true) : getegid(),
				      .keep_set_id = inside,
				      .parent_fd = -1};
	if (inside)
		return 0;
	t->root_fd = open(*place->base ? place->base : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return t->root_fd < 0 ? err_errno(err, "cannot open '%s'", place->base) : 0;
}

/* ---- the ways ---- */

typedef int fill_fn(const struct end *from, const struct transfer_tree *tree, transfer_put_fn *put,
		    void *target, struct err *err);

static int from_tree(const struct end *from, const struct transfer_tree *tree, transfer_put_fn *put,
		     void *target, struct err *err)
{
	return transfer_read_tree(tree, put, target, err);
}

static int from_stream(const struct end *from, const struct transfer_tree *tree,
		       transfer_put_fn *put, void *target, struct err *err)
{
	return transfer_read_tar(STDIN_FILENO, put, target, err);
}

static int fill_target(const struct end *from, const struct end *to, const struct place *place,
		       const struct copy_options *options, struct transfer_tree *tree,
		       struct strv *left_out, struct err *err)
{
	struct transfer_target t;
	bool inside = to->kind == END_CONTAINER;
	fill_fn *fill = from->kind == END_STREAM ? from_stream : from_tree;

	if (open_target(from, to, place, options, &t, err) < 0)
		return -1;
	tree->name = place->name;
	int status = inside && caps_act_as(t.uid, t.gid, err) < 0 ? -1 : 0;
	if (status == 0)
		status = fill(from, tree, transfer_tree_put, &t, err);
	if (status == 0)
		status = transfer_tree_end(&t, err);
	if (strv_copy(left_out, &t.left_out.lines, err) < 0)
		status = -1;
	transfer_tree_done(&t);
	if (!inside)
		fd_close(t.root_fd);
	return status;
}

/* Who unpacks it decides about owners and set-id bits with -a; without, they are not in it. */
static int to_stream(const struct end *from, struct transfer_tree *tree, bool from_directory,
		     struct strv *left_out, struct err *err)
{
	struct transfer_tar t = {.fd = STDOUT_FILENO, .keep_set_id = tree->archive};
	const char *name = last_of(from->path);

	if (isatty(STDOUT_FILENO)) {
		err_set(err, ERR_USAGE, 0, "cp: an archive is not for a terminal");
		return err_hint(err, "insula cp CONTAINER:PATH - | tar -x");
	}
	tree->name = from_directory && from->contents ? "" : name;
	int status = transfer_read_tree(tree, transfer_tar_put, &t, err);
	if (status == 0)
		status = transfer_tar_end(&t, err);
	*left_out = t.left_out.lines;
	return status;
}

static int from_stream_into(const struct end *from, const struct end *to,
			    const struct copy_options *options, struct strv *left_out,
			    struct err *err)
{
	struct place place = {"", str_dup(to->path, err)};
	struct transfer_tree none = {.fd = -1};
	int there = place.base ? look_at(to, err) : -1;
	int status = -1;

	if (there > 0)
		status = fill_target(from, to, &place, options, &none, left_out, err);
	else if (!err->kind)
		err_set(err, ERR_NOT_FOUND, 0, "'%s' in the container is no directory", to->path);
	free(place.base);
	return status;
}

static int copy(const struct end *from, const struct end *to, const struct copy_options *options,
		struct strv *left_out, struct err *err)
{
	struct transfer_tree tree = {.archive = options->archive,
				     .id_base = from->root.id_base,
				     .ids = ids_of(from, to)};
	struct place place = {NULL, NULL};
	struct stat st;

	if (from->kind == END_STREAM)
		return from_stream_into(from, to, options, left_out, err);
	own_fd int fd = open_source(from, options, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", from->path);
	tree.fd = fd;
	if (!S_ISDIR(st.st_mode) && (from->contents || from->is_directory_asked))
		return err_set(err, ERR_INVALID, 0, "'%s' is no directory", from->path);
	if (to->kind == END_STREAM)
		return to_stream(from, &tree, S_ISDIR(st.st_mode), left_out, err);
	int status = choose_place(from, to, S_ISDIR(st.st_mode), &place, err);
	if (status == 0)
		status = fill_target(from, to, &place, options, &tree, left_out, err);
	free(place.base);
	return status;
}

static int check_ends(const struct end *from, const struct end *to, struct err *err)
{
	if (from->kind == END_CONTAINER || to->kind == END_CONTAINER) {
		if (to->kind == END_CONTAINER && from->kind == END_CONTAINER &&
		    strcmp(from->ct.id, to->ct.id) == 0)
			return err_set(err, ERR_USAGE, 0,
				       "cp: both ends are in one container: use exec and cp");
		return 0;
	}
	err_set(err, ERR_USAGE, 0, "cp: neither end is in a container");
	return err_hint(err, "insula cp CONTAINER:PATH PATH, or the other way round");
}

/* ---- an ordinary user ---- */

struct inside {
	struct end *from, *to;
	const struct copy_options *options;
	int left_out_fd;
};

static int enter_end(struct end *e, struct err *err)
{
	return e->kind == END_CONTAINER ? guest_root_enter(&e->ct, &e->root, err) : 0;
}

/* What is left out is lines, each with its NUL. */
static int copy_inside(void *data, struct err *err)
{
	const struct inside *in = data;
	own(strv) struct strv left_out = STRV_INIT;

	if (enter_end(in->from, err) < 0 || enter_end(in->to, err) < 0)
		return -1;
	int status = copy(in->from, in->to, in->options, &left_out, err);
	for (size_t i = 0; status == 0 && i < left_out.count; i++)
		status = fd_write_all(in->left_out_fd, left_out.items[i],
				      strlen(left_out.items[i]) + 1, "what is left out", err);
	return status;
}

static int take_left_out(int fd, struct strv *left_out, struct err *err)
{
	own_free char *text = NULL;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(err, "cannot read what is left out");
	ssize_t size = fd_read_all(fd, LEFT_OUT_MAX, "what is left out", &text, err);
	if (size < 0)
		return -1;
	for (const char *at = text; at < text + size; at += strlen(at) + 1)
		if (strv_add(left_out, at, err) < 0)
			return -1;
	return 0;
}

/* By a process that is root of a namespace of his ids: it makes the mounts of one that does not run, and files
 * of his other ids are not closed to it. */
static int copy_as_root(struct end *from, struct end *to, const struct copy_options *options,
			struct strv *left_out, struct err *err)
{
	own_fd int left_out_fd = memfd_create("left-out", MFD_CLOEXEC);
	struct inside inside = {from, to, options, left_out_fd};

	if (left_out_fd < 0)
		return err_errno(err, "cannot note what is left out");
	if (rootless_call(copy_inside, &inside, err) < 0)
		return -1;
	return take_left_out(left_out_fd, left_out, err);
}

static int copy_ends(struct store *store, struct end *from, struct end *to,
		     const struct copy_options *options, const char *from_text, const char *to_text,
		     struct strv *left_out, struct err *err)
{
	if (parse_end(store, from_text, from, err) < 0 || parse_end(store, to_text, to, err) < 0 ||
	    check_ends(from, to, err) < 0)
		return -1;
	if (from->kind == END_CONTAINER && guest_root_open(&from->ct, &from->root, err) < 0)
		return -1;
	if (to->kind == END_CONTAINER && guest_root_open(&to->ct, &to->root, err) < 0)
		return -1;
	if (geteuid() != 0)
		return copy_as_root(from, to, options, left_out, err);
	int status = copy(from, to, options, left_out, err);
	if (to->kind == END_CONTAINER) {
		struct err ignored = ERR_INIT;

		caps_act_as(0, 0, &ignored);
	}
	return status;
}

int engine_copy(struct store *store, const struct copy_options *options, const char *from_text,
		const char *to_text, struct strv *left_out, struct err *err)
{
	struct end from = {.ct = CONTAINER_INIT, .root = GUEST_ROOT_INIT};
	struct end to = {.ct = CONTAINER_INIT, .root = GUEST_ROOT_INIT};
	int status = copy_ends(store, &from, &to, options, from_text, to_text, left_out, err);

	end_done(&from);
	end_done(&to);
	return status;
}
