/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host image: kept masks, and what an image made of them consists of.
 *
 * In the cache directory each state of the host has a directory of its own, mask-STAMP:
 *
 *	layer.0, layer.1, ...	the masks: of "/", and of each file system mounted in a shown tree
 *	mounts			the targets of layer.1 and on, one a line
 *	pin			locked, shared, by whoever uses the masks
 *
 * A mask is built beside, under a temporary name, flushed to disk and renamed: a power cut that kept
 * the name but lost some whiteouts would show what is to be hidden. Builders exclude each other by a
 * lock and look again once they have it, so that of many starts at once one builds and the
 * others wait for it. Whoever holds that lock knows that every temporary directory is debris.
 *
 * Masks of former states are removed when a new one is built, but for the newest two: a start that
 * has computed its stamp finds the mask still there. A mask in use is pinned; removing it under a
 * running container would lift its whiteouts. The pin is a lock on an open description, so it
 * lasts exactly as long as some process of the container's side holds it, and no longer. Between
 * opening a mask and locking its pin it may have been renamed away: the name is compared afterwards,
 * and everything is tried again.
 */
#include "image/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/own.h"
#include "base/path.h"

#define MASK_PREFIX "mask-"
#define TEMPORARY_PREFIX ".mask-"
#define NAME_SIZE 64
#define MOUNTS_LIMIT 65536 /* bytes of the list of mounts */
#define LAYERS_MAX 64	   /* file systems in the shown trees */
#define LOCK_TIMEOUT_MS 60000
#define PIN_TIMEOUT_MS 1000
#define ATTEMPTS 8
#define KEPT 2 /* masks that stay though nobody uses them */

/* ---- building ---- */

static int build_layer(int root_fd, int mask_fd, size_t index, const char *target,
		       struct strv *found, struct err *err)
{
	own_fd int layer_fd = -1;
	char name[NAME_SIZE];

	bool skeleton = host_is_users() && index == 0;

	snprintf(name, sizeof(name), "layer.%zu", index);
	if (mkdirat(mask_fd, name, 0700) < 0)
		return err_errno(err, "cannot make directory '%s'", name);
	layer_fd = openat(mask_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer_fd < 0)
		return err_errno(err, "cannot open directory '%s'", name);
	return skeleton ? skeleton_build(root_fd, layer_fd, found, err)
			: mask_build(root_fd, target, layer_fd, found, err);
}

/* Layer 0 and one for each file system that is found on the way, which may hold others again. */
static int build_layers(int root_fd, int mask_fd, struct strv *found, struct err *err)
{
	if (build_layer(root_fd, mask_fd, 0, "/", found, err) < 0)
		return -1;
	for (size_t i = 0; i < found->count; i++) {
		if (i + 1 >= LAYERS_MAX)
			return err_set(err, ERR_LIMIT, 0,
				       "more than %d file systems are mounted in the system's "
				       "directories",
				       LAYERS_MAX);
		if (build_layer(root_fd, mask_fd, i + 1, found->items[i], found, err) < 0)
			return -1;
	}
	return 0;
}

static int write_mounts(int mask_fd, const struct strv *found, struct err *err)
{
	own(str) struct str text = STR_INIT(MOUNTS_LIMIT);

	for (size_t i = 0; i < found->count; i++)
		str_addf(&text, "%s\n", found->items[i]);
	if (str_check(&text, "the list of mounts", err) < 0)
		return -1;
	return file_write_atomic(mask_fd, "mounts", text.data, text.len, 0600, false, err);
}

static int fill_mask(int root_fd, int cache_fd, const char *name, struct err *err)
{
	own(strv) struct strv found = STRV_INIT;
	own_fd int mask_fd = -1;
	own_fd int pin_fd = -1;

	if (mkdirat(cache_fd, name, 0700) < 0)
		return err_errno(err, "cannot make directory '%s'", name);
	mask_fd = openat(cache_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mask_fd < 0)
		return err_errno(err, "cannot open directory '%s'", name);
	if (build_layers(root_fd, mask_fd, &found, err) < 0 ||
	    write_mounts(mask_fd, &found, err) < 0)
		return -1;
	pin_fd = file_lock(mask_fd, "pin", LOCK_SHARED, 0, err);
	if (pin_fd < 0)
		return -1;
	if (syncfs(mask_fd) < 0)
		return err_errno(err, "cannot flush a mask to disk");
	return 0;
}

/* ---- sweeping ---- */

struct kept_mask {
	char name[NAME_SIZE];
	struct timespec built;
};

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Remove a mask unless it is in use. Renamed first, so that nobody opens it half-removed. */
static int remove_mask(int cache_fd, const char *name, struct err *err)
{
	own_fd int mask_fd = openat(cache_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int pin_fd = mask_fd < 0 ? -1 : file_lock(mask_fd, "pin", LOCK_EXCLUSIVE, 0, err);
	char temporary[NAME_SIZE + 2];

	if (pin_fd < 0)
		return mask_fd >= 0 && err->kind == ERR_BUSY ? 0 : -1;
	snprintf(temporary, sizeof(temporary), ".%s", name);
	if (renameat(cache_fd, name, cache_fd, temporary) < 0)
		return err_errno(err, "cannot rename '%s'", name);
	return path_remove_tree(cache_fd, temporary, err);
}

/* Debris of builders that died goes; masks are listed in *ret, the newest first, at most `max`. */
static int list_masks(int cache_fd, struct kept_mask *ret, size_t max, size_t *ret_count,
		      struct err *err)
{
	own_dir DIR *dir = fd_open_list(cache_fd, ".");
	const struct dirent *entry;
	size_t count = 0, at;
	struct stat st;

	if (!dir)
		return err_errno(err, "cannot read the image cache");
	while ((entry = readdir(dir))) {
		if (str_starts(entry->d_name, TEMPORARY_PREFIX) &&
		    path_remove_tree(cache_fd, entry->d_name, err) < 0)
			return -1;
		if (!str_starts(entry->d_name, MASK_PREFIX) || count == max ||
		    strlen(entry->d_name) >= NAME_SIZE ||
		    fstatat(cache_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		for (at = count++; at > 0 && is_older(&ret[at - 1].built, &st.st_ctim); at--)
			ret[at] = ret[at - 1];
		snprintf(ret[at].name, sizeof(ret[at].name), "%s", entry->d_name);
		ret[at].built = st.st_ctim;
	}
	*ret_count = count;
	return 0;
}

/* Under the builder's lock. What cannot be removed now is tried again when the next is built: it
 * only takes room, so that the start goes on. */
static void sweep(int cache_fd)
{
	struct kept_mask masks[64];
	struct err ignored = ERR_INIT;
	size_t count = 0;

	if (list_masks(cache_fd, masks, sizeof(masks) / sizeof(masks[0]), &count, &ignored) < 0)
		return;
	for (size_t i = KEPT; i < count; i++) {
		ignored = ERR_INIT;
		remove_mask(cache_fd, masks[i].name, &ignored);
	}
}

/* ".mask-" and a stamp: only what a builder makes. */
static bool is_unfinished(const char *name)
{
	const char *stamp = name + sizeof(TEMPORARY_PREFIX) - 1;

	return str_starts(name, TEMPORARY_PREFIX) && strlen(stamp) == STAMP_SIZE - 1 &&
	       strspn(stamp, "0123456789abcdef") == STAMP_SIZE - 1;
}

int image_find_debris(const char *cache_dir, struct strv *ret, struct err *err)
{
	own_fd int cache_fd = open(cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(strv) struct strv names = STRV_INIT;
	int held;

	if (cache_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", cache_dir);
	held = file_lock_held(cache_fd, "lock", err);
	if (held)
		return held < 0 ? -1 : 0;
	if (file_list(cache_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (is_unfinished(names.items[i]) && strv_add(ret, names.items[i], err) < 0)
			return -1;
	return 0;
}

int image_remove_debris(const char *cache_dir, const char *name, struct err *err)
{
	own_fd int cache_fd = open(cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int lock_fd = cache_fd < 0 ? -1
					  : file_lock(cache_fd, "lock", LOCK_EXCLUSIVE, 0, err);

	if (cache_fd < 0)
		return err_errno(err, "cannot open '%s'", cache_dir);
	if (lock_fd < 0)
		return err->kind == ERR_BUSY ? 0 : -1;
	return is_unfinished(name) ? path_remove_tree(cache_fd, name, err) : 0;
}

static int build_mask(int root_fd, int cache_fd, const char *name, struct err *err)
{
	own_fd int lock_fd = file_lock(cache_fd, "lock", LOCK_EXCLUSIVE, LOCK_TIMEOUT_MS, err);
	char temporary[NAME_SIZE + 2];
	struct stat st;

	if (lock_fd < 0)
		return -1;
	if (fstatat(cache_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	snprintf(temporary, sizeof(temporary), ".%s", name);
	if (path_remove_tree(cache_fd, temporary, err) < 0 ||
	    fill_mask(root_fd, cache_fd, temporary, err) < 0 || fail_point("mask-built", err) < 0) {
		struct err ignored = ERR_INIT;

		path_remove_tree(cache_fd, temporary, &ignored);
		return -1;
	}
	if (renameat(cache_fd, temporary, cache_fd, name) < 0)
		return err_errno(err, "cannot rename the finished mask");
	sweep(cache_fd);
	return 0;
}

/* ---- opening ---- */

/* 1: the mask is there and pinned. 0: it is not there (any more). */
static int pin_mask(int cache_fd, const char *name, int *ret_mask_fd, int *ret_pin_fd,
		    struct err *err)
{
	own_fd int mask_fd = openat(cache_fd, name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own_fd int pin_fd = -1;
	struct stat opened, named;

	if (mask_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open '%s'", name);
	pin_fd = file_lock(mask_fd, "pin", LOCK_SHARED, PIN_TIMEOUT_MS, err);
	if (pin_fd < 0)
		return err->kind == ERR_BUSY ? 0 : -1;
	if (fstat(mask_fd, &opened) < 0)
		return err_errno(err, "cannot examine '%s'", name);
	if (fstatat(cache_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
		return 0;
	*ret_mask_fd = take_fd(mask_fd);
	*ret_pin_fd = take_fd(pin_fd);
	return 1;
}

static int find_mask(int root_fd, int cache_fd, char name[static NAME_SIZE], int *ret_mask_fd,
		     int *ret_pin_fd, struct err *err)
{
	char stamp[STAMP_SIZE];

	for (int i = 0; i < ATTEMPTS; i++) {
		int found;

		if (stamp_mask(root_fd, stamp, err) < 0)
			return -1;
		snprintf(name, NAME_SIZE, MASK_PREFIX "%s", stamp);
		found = pin_mask(cache_fd, name, ret_mask_fd, ret_pin_fd, err);
		if (found != 0)
			return found < 0 ? -1 : 0;
		*err = ERR_INIT;
		if (build_mask(root_fd, cache_fd, name, err) < 0)
			return -1;
	}
	return err_set(err, ERR_BUSY, 0, "the host changes too fast to make an image of it");
}

static int add_mount(struct image *image, const char *root, const char *mask_path,
		     const char *target, struct err *err)
{
	struct image_mount *grown = reallocarray(image->mounts, image->count + 1,
						 sizeof(*image->mounts));
	struct image_mount *mount;
	const char *prefix = strcmp(root, "/") == 0 ? "" : root;

	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot describe the host image");
	image->mounts = grown;
	mount = &grown[image->count];
	*mount = (struct image_mount){.target = str_dup(target, err), .guard = !host_is_users()};
	image->count++;
	if (!mount->target ||
	    strv_addf(&mount->lowers, err, "%s/layer.%zu", mask_path, image->count - 1) < 0)
		return -1;
	if (strcmp(target, "/") == 0)
		return host_is_users() ? 0 : strv_add(&mount->lowers, root, err);
	return strv_addf(&mount->lowers, err, "%s%s", prefix, target);
}

static int add_mounts(struct image *image, const char *root, const char *mask_path, int mask_fd,
		      struct err *err)
{
	own_free char *text = NULL;
	char *rest, *line;

	if (add_mount(image, root, mask_path, "/", err) < 0 ||
	    file_read(mask_fd, "mounts", MOUNTS_LIMIT, &text, err) < 0)
		return -1;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line && add_mount(image, root, mask_path, line, err) < 0)
			return -1;
	return 0;
}

/* Overlays stack two deep: the guard, and the container's own upon it. */
static int check_host(const char *root, int root_fd, struct err *err)
{
	struct statfs fs;

	if (host_is_users())
		return 0; /* there is no guard: one stack */
	if (fstatfs(root_fd, &fs) < 0)
		return err_errno(err, "cannot examine '%s'", root);
	if (fs.f_type == OVERLAYFS_SUPER_MAGIC) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"cannot make image 'host': the root file system is an overlay itself");
		return err_hint(err,
				"the kernel stacks overlays two deep and the image needs both; "
				"use dir:PATH");
	}
	return 0;
}

int host_open(const char *root, const char *cache_dir, struct image *ret, struct err *err)
{
	own_fd int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own(image) struct image image = IMAGE_INIT;
	own_free char *mask_path = NULL;
	own_fd int cache_fd = -1;
	own_fd int mask_fd = -1;
	char name[NAME_SIZE], stamp[STAMP_SIZE];

	if (root_fd < 0)
		return err_errno(err, "cannot open '%s'", root);
	if (check_host(root, root_fd, err) < 0)
		return -1;
	cache_fd = file_open_dirs(cache_dir, 0700, err);
	if (cache_fd < 0 || find_mask(root_fd, cache_fd, name, &mask_fd, &image.pin_fd, err) < 0)
		return err_wrap(err, "cannot make image 'host'");
	mask_path = str_printf(err, "%s/%s", cache_dir, name);
	if (!mask_path || add_mounts(&image, root, mask_path, mask_fd, err) < 0)
		return -1;
	stamp_packages(root_fd, stamp);
	image.stamp = str_dup(stamp, err);
	if (!image.stamp)
		return -1;
	*ret = image;
	image = IMAGE_INIT;
	return 0;
}
