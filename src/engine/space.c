/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk space: see space.h. A container's tree is its own, so each name is used once and no link is followed. */
#include "engine/space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/work.h"
#include "engine/user.h"
#include "image/image.h"

#define LEVELS_MAX 400

/* Bytes that the file or tree `name` of dir_fd takes (its blocks); 0 where it is absent. What cannot be looked at, or
 * goes away meanwhile, counts for nothing; so does what is not of the file system `dev`, 0 being any. */
static uint64_t tree_of(int dir_fd, const char *name, dev_t dev, int level);

static uint64_t contents_of(int dir_fd, const char *name, dev_t dev, int level)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, name, flags | O_NOATIME);
	fd = fd < 0 && errno == EPERM ? openat(dir_fd, name, flags) : fd; /* another user's */
	own_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t size = 0;

	if (!dir) {
		fd_close(fd);
		return 0;
	}
	for (struct dirent *e; level < LEVELS_MAX && (e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			size += tree_of(fd, e->d_name, dev, level + 1);
	return size;
}

/* A file with several names counts for a part of itself under each: whole, where all of them are here. */
static uint64_t tree_of(int dir_fd, const char *name, dev_t dev, int level)
{
	struct stat st;
	uint64_t size;

	work_note(1, 0);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (dev && st.st_dev != dev))
		return 0;
	size = (uint64_t)st.st_blocks * 512;
	if (S_ISDIR(st.st_mode))
		return size + contents_of(dir_fd, name, dev, level);
	return st.st_nlink > 1 ? size / st.st_nlink : size;
}

static bool is_layer(const char *name)
{
	return str_eq(name, "upper") || str_starts(name, "layer-");
}

/* Of one that has its layers in RUN: what else is there is no disk space. */
static void add_layers_in_run(int run_fd, const char *path, struct container_space *ret)
{
	own_dir DIR *dir = fd_open_list(run_fd, path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		uint64_t size = is_layer(e->d_name) || str_eq(e->d_name, "work")
					? tree_of(dirfd(dir), e->d_name, 0, 0)
					: 0;

		ret->all += size;
		ret->writes += is_layer(e->d_name) ? size : 0;
	}
}

void space_of_container(const struct store *store, const char *id, struct container_space *ret)
{
	char path[sizeof "containers/" + STORE_ID_LENGTH];
	struct dirent *e;

	*ret = (struct container_space){0};
	snprintf(path, sizeof path, "containers/%s", id);
	add_layers_in_run(store->run_fd, path, ret);
	own_dir DIR *dir = fd_open_list(store->root_fd, path);
	while (dir && (e = readdir(dir))) {
		uint64_t size = 0;

		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			size = tree_of(dirfd(dir), e->d_name, 0, 0);
		if (is_layer(e->d_name))
			ret->writes += size;
		else if (str_starts(e->d_name, "log"))
			ret->logs += size;
		ret->all += size;
	}
}

uint64_t space_of_images(const struct store *store)
{
	return tree_of(user_layers_in_run(store) ? store->run_fd : store->root_fd, "images", 0, 0);
}

/* Not what is mounted there: that is no part of a lower directory of an overlay. */
static uint64_t directory_of_image(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : contents_of(AT_FDCWD, path, st.st_dev, 0);
}

int space_of_image(const struct store *store, const char *image, uint64_t *ret, struct err *err)
{
	own_free char *cache = user_image_cache(store, err);
	struct image opened = IMAGE_INIT;

	if (!cache || image_open(image, cache, &opened, err) < 0)
		return -1;
	*ret = 0;
	for (size_t i = 0; i < opened.count; i++)
		for (size_t k = 0; k < opened.mounts[i].lowers.count; k++)
			*ret += directory_of_image(opened.mounts[i].lowers.items[k]);
	image_done(&opened);
	return 0;
}
