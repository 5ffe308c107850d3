/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host image of an ordinary user. His namespace cannot take "/" as a layer: what is mounted below it
 * is locked there. It takes /usr and its like, where nothing is mounted below, so the image is composed of
 * those: a skeleton of our own for the root, and each shown tree and package database as a file system of its
 * own, with a mask as its upper layer.
 *
 * Overlay's marks are user.overlay.* here, as a user may not write the others, and there is no redirect among
 * these. There is no guard either: an overlay reads with its mounter's rights, and this mounter is the user.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "image/host.h"

#define LINK_MAX_SIZE 256

static bool set_user;

void image_set_user(void)
{
	set_user = true;
}

bool host_is_users(void)
{
	return set_user || geteuid() != 0;
}

static int make_own(int out_fd, const struct host_own *own, struct err *err)
{
	if (own->link)
		return symlinkat(own->link, out_fd, own->name) < 0
			       ? err_errno(err, "cannot make link '%s'", own->name)
			       : 0;
	if (mkdirat(out_fd, own->name, 0755) < 0 || fchmodat(out_fd, own->name, own->mode, 0) < 0)
		return err_errno(err, "cannot make directory '%s'", own->name);
	return 0;
}

/* bin, lib and so on: a link as the host has it, or a place for that tree. */
static int make_shown(int root_fd, int out_fd, const char *name, struct strv *found,
		      struct err *err)
{
	char link[LINK_MAX_SIZE];
	struct stat st;

	if (fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot look at '/%s'", name);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(root_fd, name, link, sizeof link - 1);

		if (n < 0)
			return err_errno(err, "cannot read link '/%s'", name);
		link[n] = '\0';
		return symlinkat(link, out_fd, name) < 0
			       ? err_errno(err, "cannot make link '%s'", name)
			       : 0;
	}
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 05) != 05)
		return 0;
	if (mkdirat(out_fd, name, 0755) < 0)
		return err_errno(err, "cannot make directory '%s'", name);
	return strv_addf(found, err, "/%s", name);
}

static int make_database(int root_fd, int out_fd, const char *path, struct strv *found,
			 struct err *err)
{
	struct err ignored = ERR_INIT;
	struct stat st;
	own_fd int host_fd = path_handle(root_fd, path + 1, PATH_BENEATH, O_DIRECTORY, &ignored);
	own_fd int fd = -1;

	if (host_fd < 0 || fstat(host_fd, &st) < 0 || (st.st_mode & 05) != 05)
		return 0;
	fd = path_mkdirs(out_fd, path + 1, PATH_BENEATH, 0755, err);
	return fd < 0 ? -1 : strv_add(found, path, err);
}

int skeleton_build(int root_fd, int out_fd, struct strv *found, struct err *err)
{
	for (const struct host_own *own = host_own; own->name; own++)
		if (make_own(out_fd, own, err) < 0)
			return -1;
	for (const char *const *name = host_shown; *name; name++)
		if (make_shown(root_fd, out_fd, *name, found, err) < 0)
			return -1;
	for (const char *const *path = host_databases; *path; path++)
		if (make_database(root_fd, out_fd, *path, found, err) < 0)
			return -1;
	return fchmod(out_fd, 0755) < 0 ? err_errno(err, "cannot make the root directory") : 0;
}
