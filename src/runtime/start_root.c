/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root file system: the covers' own small tmpfs, an overlay per layer, or a directory as it is.
 *
 * The tmpfs of the covers is attached first, in the launch pad, and holds the staging directories:
 * before Linux 6.15 overlay takes its layers only from attached mounts, so they are attached there
 * always, which costs some microseconds and keeps one way for every kernel. What is staged falls away
 * with the old root at the pivot.
 *
 * Id-mapped copies make container root the owner of what host root owns, with nothing chowned. An
 * overlay works with its mounter's credentials, so it is made with the file-system ids of container
 * root; a guard overlay is made as somebody who owns nothing and has no right to override
 * permissions, so that through it nobody reads what "other" may not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/caps.h"
#include "kernel/mount.h"
#include "runtime/start.h"

/* An id that no file has, neither its own nor by a mapping. 65534 will not do: it is a name that
 * files do carry (what nobody owns through NFS, and whatever runs as "nobody"), and their owner's
 * permissions would count. 2^32 - 1 means "none" to system calls, and 2^32 - 2 is the same once more
 * in 32 bits of some file systems, so it is the one below. */
#define GUARD_ID 4294967293u

/* A host directory as a detached copy. `follow`: the last component may be a symlink of the host's. */
static int copy_directory(const char *path, bool recursive, uint64_t attrs, struct err *err)
{
	if (path_reach(AT_FDCWD, path, err) < 0)
		return -1;
	own_fd int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_errno(err, "cannot open directory '%s'", path);
	int fd = mount_clone_with(dir_fd, "", recursive, attrs, err);
	if (fd < 0)
		return err_wrap(err, "'%s'", path);
	return fd;
}

int start_layer_source(struct start *s, const struct step *step, struct err *err)
{
	const struct runtime_layer *layer = &s->plan->request.layers[step->index];
	struct layer_source *source = &s->layers[step->index];

	if (layer->lower_count > START_MAX_LOWERS || step->index >= START_MAX_LAYERS)
		return err_set(err, ERR_LIMIT, 0, "the root file system has too many layers");
	for (size_t i = 0; i < layer->lower_count; i++) {
		int fd = copy_directory(layer->lowers[i], false, MOUNT_ATTR_RDONLY, err);

		if (fd < 0)
			return -1;
		source->lower_fds[source->lower_count++] = fd;
	}
	if (!layer->writable)
		return 0;
	source->writable_fd = copy_directory(layer->writable, false, 0, err);
	return source->writable_fd < 0 ? -1 : 0;
}

/* A bundle's root is taken as it is: what its files' owners are to the container is for the engine to
 * have arranged. A slave root receives what the host mounts in it later. */
int start_root_source(struct start *s, const struct step *step, struct err *err)
{
	if (path_reach(AT_FDCWD, step->subject, err) < 0)
		return err_wrap(err, "root file system");
	own_fd int dir_fd = open(step->subject, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int host_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_errno(err, "cannot open the root file system '%s'", step->subject);
	if (mount_same_place(dir_fd, host_fd))
		return err_set(err, ERR_INVALID, 0, "the root file system '%s' is the host's own",
			       step->subject);
	s->root_source_fd = mount_clone(dir_fd, "", true, s->plan->root_propagation & MS_SLAVE,
					err);
	return s->root_source_fd < 0 ? err_wrap(err, "root file system '%s'", step->subject) : 0;
}

static int fill_covers(int covers_fd, struct err *err)
{
	if (mkdirat(covers_fd, "root", 0755) < 0 || mkdirat(covers_fd, "empty", 0555) < 0)
		return err_errno(err, "cannot fill the covers' file system");
	own_fd int none_fd = openat(covers_fd, "none", O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (none_fd < 0)
		return err_errno(err, "cannot fill the covers' file system");
	return 0;
}

/* Where mounts are staged: in the launch pad, or below our own directory in a copy of the host's tree. */
static int open_stage(struct start *s, struct err *err)
{
	own_fd int run_fd = -1;
	int fd;

	if (!s->plan->host_tree) {
		fd = open("/" RUNTIME_PAD_STAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd >= 0 ? fd : err_errno(err, "cannot open the launch pad");
	}
	run_fd = file_open_dirs(s->plan->request.run_root, 0700, err);
	if (run_fd < 0)
		return -1;
	return path_mkdirs(run_fd, RUNTIME_PAD_STAGE, PATH_BENEATH, 0700, err);
}

int start_covers(struct start *s, const struct step *step, struct err *err)
{
	own(strv) struct strv options = STRV_INIT;
	own_fd int stage_fd = open_stage(s, err);

	if (stage_fd < 0 || caps_act_as(s->plan->root_uid, s->plan->root_gid, err) < 0)
		return -1;
	if (strv_add(&options, "mode=755", err) < 0 || strv_add(&options, "size=64k", err) < 0)
		return -1;
	s->covers_fd = mount_new("tmpfs", "covers", &options, 0,
				 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	if (s->covers_fd < 0 || fill_covers(s->covers_fd, err) < 0)
		return -1;
	return mount_attach(s->covers_fd, stage_fd, "the launch pad", err);
}

/* Attached in the next staging place: 0, 1, 2 ... of the covers. */
int start_stage(struct start *s, int mount_fd, bool directory, struct err *err)
{
	char name[16];

	snprintf(name, sizeof name, "%u", s->staged++);
	if ((directory ? mkdirat(s->covers_fd, name, 0755)
		       : mknodat(s->covers_fd, name, S_IFREG | 0444, 0)) < 0)
		return err_errno(err, "cannot fill the covers' file system");
	return mount_attach_in(mount_fd, s->covers_fd, name, err);
}

static int map_owners(struct start *s, int mount_fd, struct err *err)
{
	/* In a user namespace nobody may map the host's file systems: there the files' owners are those that the
	 * namespace names. */
	if (s->userns_fd < 0 || s->plan->nested)
		return 0;
	return mount_idmap(mount_fd, s->userns_fd, false, err);
}

/* Everything that the guard's mounter must not have; the rest it needs to mount. */
#define GUARD_DROPS \
	(UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH | \
	 UINT64_C(1) << CAP_FOWNER)

static int mount_guard(struct start *s, const struct overlay *overlay, struct err *err)
{
	struct caps mine;
	int fd;

	if (caps_get(&mine, err) < 0 || caps_act_as(GUARD_ID, GUARD_ID, err) < 0 ||
	    caps_set_effective(mine.effective & ~GUARD_DROPS, err) < 0)
		return -1;
	fd = mount_overlay(overlay, MOUNT_ATTR_RDONLY, err);
	if (caps_set_effective(mine.effective, err) < 0 ||
	    caps_act_as(s->plan->root_uid, s->plan->root_gid, err) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

/* The last lower of a layer, the host's own files, behind a guard: an overlay of it and of an empty
 * directory, as an overlay without a writable layer wants two. */
static int guard_last(struct start *s, struct layer_source *source, struct err *err)
{
	int *last = &source->lower_fds[source->lower_count - 1];
	own_fd int empty_fd = path_handle(s->covers_fd, "empty", PATH_BENEATH, O_DIRECTORY, err);

	if (empty_fd < 0)
		return -1;
	int lowers[] = {empty_fd, *last};
	struct overlay overlay = {.lower_fds = lowers,
				  .lower_count = 2,
				  .upper_fd = -1,
				  .work_fd = -1,
				  .proc_fd = s->proc_fd};
	int fd = mount_guard(s, &overlay, err);
	if (fd < 0)
		return err_wrap(err, "guard of the host's files");
	fd_close(*last);
	*last = fd;
	return start_stage(s, fd, true, err);
}

static int mount_layer(struct start *s, const struct runtime_layer *layer,
		       struct layer_source *source, struct err *err)
{
	struct overlay overlay = {.lower_fds = source->lower_fds,
				  .lower_count = source->lower_count,
				  .upper_fd = -1,
				  .work_fd = -1,
				  .is_volatile = layer->is_volatile,
				  .follow_redirects = layer->guard,
				  .user_marks = s->plan->nested,
				  .proc_fd = s->proc_fd};

	if (source->writable_fd < 0) {
		if (source->lower_count == 1)
			return mount_clone(source->lower_fds[0], "", false, 0, err);
		return mount_overlay(&overlay, MOUNT_ATTR_RDONLY, err);
	}
	own_fd int upper_fd = path_open(source->writable_fd, "upper", PATH_BENEATH,
					O_PATH | O_DIRECTORY, 0, err);
	own_fd int work_fd = path_open(source->writable_fd, "work", PATH_BENEATH,
				       O_PATH | O_DIRECTORY, 0, err);
	if (upper_fd < 0 || work_fd < 0)
		return -1;
	overlay.upper_fd = upper_fd;
	overlay.work_fd = work_fd;
	return mount_overlay(&overlay, 0, err);
}

static int prepare_sources(struct start *s, const struct runtime_layer *layer,
			   struct layer_source *source, struct err *err)
{
	for (unsigned int i = 0; i < source->lower_count; i++)
		if (map_owners(s, source->lower_fds[i], err) < 0 ||
		    start_stage(s, source->lower_fds[i], true, err) < 0)
			return err_wrap(err, "layer '%s'", layer->lowers[i]);
	if (source->writable_fd >= 0 && (map_owners(s, source->writable_fd, err) < 0 ||
					 start_stage(s, source->writable_fd, true, err) < 0))
		return err_wrap(err, "writable layer '%s'", layer->writable);
	if (layer->guard)
		return guard_last(s, source, err);
	return 0;
}

/* In a copy of the host's tree a bundle's root is mounted where it is, so that hooks find it there. */
static int open_root_place(struct start *s, struct err *err)
{
	const char *root = s->plan->request.root_dir;
	int fd;

	if (!s->plan->host_tree || !root)
		return path_handle(s->covers_fd, "root", PATH_BENEATH, O_DIRECTORY, err);
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_errno(err, "cannot open directory '%s'", root);
}

/* The container's root, or a place in it, gets the mount. */
static int attach_layer(struct start *s, int mount_fd, const char *target, struct err *err)
{
	bool first = s->root_fd < 0;
	own_fd int target_fd = first ? open_root_place(s, err)
				     : path_handle(s->root_fd, target + strspn(target, "/"),
						   PATH_BENEATH, O_DIRECTORY, err);

	if (target_fd < 0 || mount_attach(mount_fd, target_fd, target, err) < 0)
		return -1;
	return 0;
}

int start_layer(struct start *s, const struct step *step, struct err *err)
{
	const struct runtime_layer *layer = &s->plan->request.layers[step->index];
	struct layer_source *source = &s->layers[step->index];

	if (prepare_sources(s, layer, source, err) < 0)
		return -1;
	own_fd int fd = mount_layer(s, layer, source, err);
	if (fd < 0)
		return err_wrap(err, "root file system");
	if (attach_layer(s, fd, layer->target, err) < 0)
		return -1;
	if (layer->writable && !layer->is_volatile) {
		source->kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (source->kept_fd < 0)
			return err_errno(err, "cannot hold a layer");
	}
	if (s->root_fd < 0)
		s->root_fd = take_fd(fd);
	return 0;
}

/* The capabilities of container root count where the container has the owner's ids, and the mode does
 * otherwise. Without a right to enter, every command would be "not found". */
static int check_enterable(struct start *s, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(s->root_source_fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", path);
	mode_t enter = st.st_uid == s->plan->root_uid	? S_IXUSR
		       : st.st_gid == s->plan->root_gid ? S_IXGRP
							: S_IXOTH;
	if (st.st_mode & enter ||
	    (start_has_id(s, false, st.st_uid) && start_has_id(s, true, st.st_gid)))
		return 0;
	err_set(err, ERR_DENIED, 0,
		"'%s' has owner %u:%u and mode %03o: the container's root, %u:%u on the host, may "
		"not enter it",
		path, st.st_uid, st.st_gid, st.st_mode & 07777, s->plan->root_uid,
		s->plan->root_gid);
	return err_hint(err, "chown it to an id of linux.uidMappings, or chmod o+x");
}

int start_root_dir(struct start *s, const struct step *step, struct err *err)
{
	if (check_enterable(s, step->subject, err) < 0)
		return err_wrap(err, "root file system");
	if (attach_layer(s, s->root_source_fd, "/", err) < 0)
		return err_wrap(err, "root file system");
	s->root_fd = take_fd(s->root_source_fd);
	return 0;
}

int start_root_readonly(struct start *s, const struct step *step, struct err *err)
{
	return mount_set(s->root_fd, MOUNT_ATTR_RDONLY, 0, false, err);
}
