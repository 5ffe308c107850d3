/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * References. A reference is a word, or a word and a path; the table below has all there are, so that
 * a further kind of image is a further row and a file.
 *
 * A directory is turned into an absolute path without links at once, because the container is made
 * elsewhere: in another working directory, and after moments in which a link may have changed its
 * mind. "/" is refused as a directory: its /proc, /dev, /home and mounted disks would be in the
 * container, and what the user wants is the host image, which is made for it.
 */
#include "image/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "image/host.h"

void image_done(struct image *image)
{
	for (size_t i = 0; i < image->count; i++) {
		free(image->mounts[i].target);
		strv_done(&image->mounts[i].lowers);
	}
	free(image->mounts);
	free(image->stamp);
	fd_close(image->pin_fd);
	*image = IMAGE_INIT;
}

static int open_host(const char *operand, const char *cache_dir, struct image *ret, struct err *err)
{
	(void)operand;
	return host_open("/", cache_dir, ret, err);
}

static char *stamp_host(struct err *err)
{
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char stamp[STAMP_SIZE];

	if (root_fd < 0) {
		err_errno(err, "cannot open '/'");
		return NULL;
	}
	stamp_packages(root_fd, stamp);
	return str_dup(stamp, err);
}

/* The directory's own path, checked. NULL on failure. */
static char *resolve_dir(const char *path, struct err *err)
{
	own_free char *resolved = NULL;
	struct stat st;

	if (path_reach(AT_FDCWD, path, err) < 0)
		return NULL;
	resolved = realpath(path, NULL);
	if (!resolved || stat(resolved, &st) < 0) {
		err_errno(err, "cannot use directory '%s' as an image", path);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode)) {
		err_set(err, ERR_INVALID, 0, "cannot use '%s' as an image: it is not a directory",
			path);
		return NULL;
	}
	if (strcmp(resolved, "/") == 0) {
		err_set(err, ERR_INVALID, 0,
			"cannot use '/' as an image: the host's files would be in the container");
		err_hint(err, "use image 'host', which shows of them what every user may read");
		return NULL;
	}
	return take(resolved);
}

static int open_dir_image(const char *path, const char *cache_dir, struct image *ret,
			  struct err *err)
{
	own(image) struct image image = IMAGE_INIT;
	char *resolved;

	(void)cache_dir;
	if (str_has_control(path))
		return err_set(err, ERR_INVALID, 0,
			       "the path of image 'dir:%s' has a control character", path);
	if (!*path) {
		err_set(err, ERR_INVALID, 0, "image 'dir:%s' names no directory", path);
		return err_hint(err, "write dir:PATH");
	}
	image.mounts = calloc(1, sizeof(*image.mounts));
	image.stamp = str_dup("", err);
	if (!image.mounts || !image.stamp)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot describe image 'dir:%s'", path);
	image.count = 1;
	image.mounts[0].target = str_dup("/", err);
	resolved = resolve_dir(path, err);
	if (!image.mounts[0].target || !resolved ||
	    strv_take(&image.mounts[0].lowers, resolved, err) < 0)
		return -1;
	*ret = image;
	image = IMAGE_INIT;
	return 0;
}

static const struct kind {
	const char *prefix; /* the whole reference, or up to its ':' */
	int (*open)(const char *operand, const char *cache_dir, struct image *ret, struct err *err);
	char *(*stamp)(struct err *err); /* NULL: such images have none */
} kinds[] = {
	{"host", open_host, stamp_host},
	{"dir:", open_dir_image, NULL},
};

static const struct kind *find_kind(const char *ref, struct err *err)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool whole = !str_ends(kinds[i].prefix, ":");

		if (whole ? str_eq(ref, kinds[i].prefix) : str_starts(ref, kinds[i].prefix))
			return &kinds[i];
	}
	err_set(err, ERR_NOT_FOUND, 0, "image '%s' is not known", ref);
	err_hint(err, "images of registries are not there yet; use host or dir:PATH");
	return NULL;
}

int image_open(const char *ref, const char *cache_dir, struct image *ret, struct err *err)
{
	const struct kind *kind = find_kind(ref, err);

	return kind ? kind->open(ref + strlen(kind->prefix), cache_dir, ret, err) : -1;
}

char *image_stamp(const char *ref, struct err *err)
{
	const struct kind *kind = find_kind(ref, err);

	if (!kind)
		return NULL;
	return kind->stamp ? kind->stamp(err) : str_dup("", err);
}
