/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root of a container from outside. No process enters anything: /proc/PID/root leads to the root of its
 * first process in its own mount namespace, and what is looked up from there by base/path goes over its
 * mounts and stays in it.
 *
 * One that does not run has no mounts. The overlay is made as for a start, of the same directories, but with no
 * mapped owners: in its writable layer, on the disk, the container's ids stand as they are. An ordinary user's
 * is made by a process that is root of a user namespace of his ids, as his keepers are.
 */
#include "engine/guest_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "engine/change.h"
#include "engine/lifecycle.h"
#include "engine/user.h"
#include "image/image.h"
#include "kernel/mount.h"
#include "kernel/procattr.h"

#define LOWERS_MAX 64

void guest_root_done(struct guest_root *root)
{
	fd_close(root->fd);
	fd_close(root->lock_fd);
	free(root->ids);
	*root = GUEST_ROOT_INIT;
}

static int read_ids(int pid, struct transfer_ids **ret, struct err *err)
{
	own_fd int proc_fd = procfs_open(err);
	own_free struct transfer_ids *ids = calloc(1, sizeof *ids);

	if (!ids)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the container's ids");
	ssize_t uids = proc_fd < 0 ? -1 : ns_read_map(proc_fd, pid, false, ids->uids, err);
	ssize_t gids = uids < 0 ? -1 : ns_read_map(proc_fd, pid, true, ids->gids, err);
	if (gids < 0)
		return -1;
	ids->uid_count = (size_t)uids;
	ids->gid_count = (size_t)gids;
	*ret = take(ids);
	return 0;
}

/* The pid may be another's by now, so it is asked again once its root is open. */
static int open_running(const struct container *ct, struct guest_root *ret, struct err *err)
{
	struct proc init = PROC_INIT;
	char path[48];

	if (proc_open(&init, ct->state.init_pid, ct->state.init_start, err) < 0)
		return err_wrap(err, "container '%s' has just ended", ct->record.name);
	snprintf(path, sizeof path, "/proc/%d/root", ct->state.init_pid);
	own_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int status = fd < 0 ? err_errno(err, "cannot open the root of '%s'", ct->record.name) : 0;
	if (status == 0 && proc_wait_end(&init, 0, err) != 0)
		status = err_set(err, ERR_STATE, 0, "container '%s' has just ended",
				 ct->record.name);
	proc_forget(&init);
	if (status < 0)
		return -1;
	ret->fd = take_fd(fd);
	ret->id_base = ct->state.id_base;
	return 0;
}

/* ---- one that does not run ---- */

/* In the mount namespace that we are in by now. */
static int open_again(const char *store, const char *id, struct err *err)
{
	own_free char *path = str_printf(err, "%s/containers/%s", store, id);
	int fd = path ? open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	return fd >= 0 || !path ? fd : err_errno(err, "cannot open '%s'", path);
}

/* What is being put together. */
struct composing {
	const struct container *ct;
	int layers_fd; /* opened before the stage is mounted, which may be on it */
	int stage_fd;
	int proc_fd; /* for kernels that want names of layers */
	unsigned int staged;
	int lowers[LOWERS_MAX];
	size_t lower_count;
};

/* Kernels before 6.15 take layers from attached mounts only. */
static int stage(struct composing *c, int mount_fd, struct err *err)
{
	char name[16];

	snprintf(name, sizeof name, "%u", c->staged++);
	if (mkdirat(c->stage_fd, name, 0755) < 0)
		return err_errno(err, "cannot make the root file system");
	return mount_attach_in(mount_fd, c->stage_fd, name, err);
}

static int add_lower(struct composing *c, const char *path, struct err *err)
{
	own_fd int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir_fd < 0 ? err_errno(err, "cannot open '%s'", path)
			    : mount_clone_with(dir_fd, "", false, MOUNT_ATTR_RDONLY, err);

	if (fd < 0)
		return -1;
	c->lowers[c->lower_count++] = fd;
	return stage(c, fd, err);
}

/* As at a start the host's own tree is read through an overlay of its own: a layer may not be above what
 * it is in. Here it is no guard, as whoever reads is the host's root. */
static int wrap_last(struct composing *c, struct err *err)
{
	int *last = &c->lowers[c->lower_count - 1];
	own_fd int empty_fd = -1;

	if (mkdirat(c->stage_fd, "empty", 0755) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make the root file system");
	empty_fd = path_handle(c->stage_fd, "empty", PATH_BENEATH, O_DIRECTORY, err);
	if (empty_fd < 0)
		return -1;
	const struct overlay overlay = {.lower_fds = (int[]){empty_fd, *last},
					.lower_count = 2,
					.upper_fd = -1,
					.work_fd = -1,
					.proc_fd = c->proc_fd};
	int fd = mount_overlay(&overlay, MOUNT_ATTR_RDONLY, err);
	if (fd < 0)
		return -1;
	fd_close(*last);
	*last = fd;
	return stage(c, fd, err);
}

static int add_lowers(struct composing *c, const struct image_mount *image, struct err *err)
{
	if (image->lowers.count > LOWERS_MAX)
		return err_set(err, ERR_LIMIT, 0, "the image has too many layers");
	for (size_t i = 0; i < image->lowers.count; i++)
		if (add_lower(c, image->lowers.items[i], err) < 0)
			return -1;
	return image->guard ? wrap_last(c, err) : 0;
}

static int mount_layer(struct composing *c, const struct image_mount *image, size_t index,
		       struct err *err)
{
	char layer[32] = ".";

	if (index)
		snprintf(layer, sizeof layer, "layer-%zu", index);
	own_fd int dir_fd = path_handle(c->layers_fd, layer, PATH_BENEATH, O_DIRECTORY, err);
	own_fd int copy_fd = dir_fd < 0 ? -1 : mount_clone(dir_fd, "", false, 0, err);
	if (copy_fd < 0 || stage(c, copy_fd, err) < 0)
		return -1;
	own_fd int upper_fd = path_handle(copy_fd, "upper", PATH_BENEATH, O_DIRECTORY, err);
	own_fd int work_fd = path_handle(copy_fd, "work", PATH_BENEATH, O_DIRECTORY, err);
	if (upper_fd < 0 || work_fd < 0)
		return -1;
	const struct overlay overlay = {.lower_fds = c->lowers,
					.lower_count = (unsigned int)c->lower_count,
					.upper_fd = upper_fd,
					.work_fd = work_fd,
					.follow_redirects = image->guard,
					.user_marks = c->ct->store->user,
					.proc_fd = c->proc_fd};
	return mount_overlay(&overlay, 0, err);
}

static int mount_root(struct composing *c, const struct image_mount *image, size_t index,
		      struct err *err)
{
	int fd = add_lowers(c, image, err) < 0 ? -1 : mount_layer(c, image, index, err);

	while (c->lower_count)
		fd_close(c->lowers[--c->lower_count]);
	return fd;
}

/* Below our own directory in RUN, where nobody else sees it: the namespace is a private copy. */
static int mount_stage(const struct container *ct, struct err *err)
{
	own(strv) struct strv options = STRV_INIT;

	if (strv_add(&options, "mode=700", err) < 0 || strv_add(&options, "size=64k", err) < 0)
		return -1;
	own_fd int run_fd = open_again(ct->store->run, ct->id, err);
	own_fd int stage_fd = run_fd < 0 ? -1
					 : mount_new("tmpfs", "insula", &options, 0,
						     MOUNT_ATTR_NODEV, err);
	if (stage_fd < 0 || mount_attach(stage_fd, run_fd, "the container's directory", err) < 0)
		return -1;
	return take_fd(stage_fd);
}

static int compose(const struct container *ct, const struct image *image, struct err *err)
{
	own_fd int layers_fd = open_again(store_layers_place(ct->store, &ct->record), ct->id, err);
	own_fd int stage_fd = layers_fd < 0 ? -1 : mount_stage(ct, err);
	own_fd int proc_fd = stage_fd < 0 ? -1 : procfs_open(err);
	own_fd int root_fd = -1;
	struct composing c = {
		.ct = ct, .layers_fd = layers_fd, .stage_fd = stage_fd, .proc_fd = proc_fd};

	if (proc_fd < 0)
		return -1;
	if (mkdirat(stage_fd, "root", 0755) < 0)
		return err_errno(err, "cannot make the root file system");
	for (size_t i = 0; i < image->count; i++) {
		const char *target = image->mounts[i].target + strspn(image->mounts[i].target, "/");
		own_fd int fd = mount_root(&c, &image->mounts[i], i, err);
		own_fd int at_fd = fd < 0 ? -1
				   : i	  ? path_handle(root_fd, target, PATH_BENEATH, O_DIRECTORY,
							err)
					  : path_handle(stage_fd, "root", PATH_BENEATH, O_DIRECTORY,
							err);

		if (at_fd < 0 || mount_attach(fd, at_fd, target, err) < 0)
			return -1;
		if (i == 0)
			root_fd = take_fd(fd);
	}
	return take_fd(root_fd);
}

static int refuse_kept(const struct container *ct, struct err *err)
{
	if (ct->status == CT_RUNNING)
		return err_set(err, ERR_BUSY, 0, "container '%s' was started meanwhile",
			       ct->record.name);
	err_set(err, ERR_BUSY, 0, "container '%s' is about to be started again", ct->record.name);
	return err_hint(err, "insula stop %s first, or try again when it runs", ct->record.name);
}

static int compose_stopped(const struct container *ct, struct guest_root *ret, struct err *err)
{
	own(image) struct image image = IMAGE_INIT;
	own_free char *cache = user_image_cache(ct->store, err);

	if (!cache || image_open(ct->record.image, cache, &image, err) < 0 ||
	    mount_copy_namespace(err) < 0)
		return -1;
	ret->fd = compose(ct, &image, err);
	return ret->fd < 0 ? err_wrap(err, "cannot open the root of '%s'", ct->record.name) : 0;
}

static int open_stopped(struct container *ct, struct guest_root *ret, struct err *err)
{
	ret->lock_fd = change_begin(ct, err);
	if (ret->lock_fd < 0)
		return -1;
	if (container_is_kept(ct))
		return refuse_kept(ct, err);
	if (ct->status == CT_DEAD && engine_repair_locked(ct, err) < 0)
		return -1;
	return ct->store->user ? store_need_spec(ct, err) : compose_stopped(ct, ret, err);
}

int guest_root_open(struct container *ct, struct guest_root *ret, struct err *err)
{
	*ret = GUEST_ROOT_INIT;
	if ((ct->status == CT_STARTING || ct->status == CT_STOPPING) && engine_settle(ct, err) < 0)
		return -1;
	if ((ct->status == CT_RUNNING ? open_running(ct, ret, err) : open_stopped(ct, ret, err)) ==
	    0)
		return 0;
	guest_root_done(ret);
	return -1;
}

/* ---- an ordinary user ---- */

static int take_map(const struct spec_idmaps *maps, struct id_map *ret, size_t *ret_count,
		    struct err *err)
{
	if (maps->count > NS_MAP_MAX)
		return err_set(err, ERR_LIMIT, 0, "the container has too many ranges of ids");
	for (size_t i = 0; i < maps->count; i++)
		ret[i] = (struct id_map){maps->items[i].container_id, maps->items[i].host_id,
					 maps->items[i].size};
	*ret_count = maps->count;
	return 0;
}

/* Those that a start would give it, as they are called here. */
static int make_ids(struct container *ct, struct transfer_ids **ret, struct err *err)
{
	const struct spec_linux *l = &ct->record.spec.linux_;
	own_free struct transfer_ids *ids = calloc(1, sizeof *ids);

	if (!ids)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot make the container's ids");
	if (user_prepare(ct->record.userns, &ct->record.spec, err) < 0 ||
	    take_map(&l->uid_maps, ids->uids, &ids->uid_count, err) < 0 ||
	    take_map(&l->gid_maps, ids->gids, &ids->gid_count, err) < 0)
		return -1;
	*ret = take(ids);
	return 0;
}

int guest_root_enter(struct container *ct, struct guest_root *root, struct err *err)
{
	image_set_user(); /* which our uid does not tell any more */
	if (root->fd < 0)
		return make_ids(ct, &root->ids, err) < 0 ? -1 : compose_stopped(ct, root, err);
	free(root->ids);
	root->ids = NULL;
	if (read_ids(ct->state.init_pid, &root->ids, err) < 0)
		return err_wrap(err, "container '%s' has just ended", ct->record.name);
	return 0;
}
