/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The specification's mounts, masks and read-only paths. Each mount is made detached by the function
 * of its type, then attached to a descriptor of its target. Targets in /dev, /proc and /sys are found
 * without following any symbolic link: an image whose /proc leads elsewhere is refused, not obeyed.
 * Other targets follow the image's links, inside its root.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

/* A source is the host's, named by whoever asks for the container: its links are followed, once. */
int start_bind_source(struct start *s, const struct step *step, struct err *err)
{
	const struct mount_options *options = &s->plan->options[step->index];
	struct bind_source *source = &s->binds[step->index];
	int nofollow = options->flags & MOUNT_OPT_SRC_NOFOLLOW ? O_NOFOLLOW : 0;
	own_fd int fd = open(step->subject, O_PATH | O_CLOEXEC | nofollow);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot open '%s', the source of the mount on '%s'",
				 step->subject, s->plan->spec->mounts[step->index].destination);
	source->directory = S_ISDIR(st.st_mode);
	source->fd = mount_clone(fd, "", options->flags & MOUNT_OPT_RECURSIVE, options->propagation,
				 err);
	if (source->fd < 0)
		return err_wrap(err, "'%s'", step->subject);
	return 0;
}

int start_cgroup_view(struct start *s, const struct step *step, struct err *err)
{
	uint64_t attrs = s->plan->options[step->index].attr_set;

	for (size_t i = 0; i < s->cgroup.count; i++) {
		s->view.fds[i] = mount_clone_with(s->cgroup.members[i].dir_fd, "", false, attrs,
						  err);
		if (s->view.fds[i] < 0)
			return err_wrap(err, "view of cgroup '%s'", s->cgroup.name);
	}
	return 0;
}

static int open_target(struct start *s, const char *destination, bool directory, struct err *err)
{
	bool own = plan_is_own_place(destination);
	int fd = path_make_target(s->root_fd, own ? destination + 1 : destination,
				  own ? PATH_BENEATH : PATH_IN_ROOT, directory, err);

	if (fd < 0 &&own && err->errnum == ELOOP) {
		err_set(err, ERR_INVALID, 0, "'%s' in the image is a symbolic link", destination);
		err_hint(err, "an image must have a directory there, or nothing");
	}
	return fd;
}

/* The id maps of one mount (idmapped mounts of runtime-spec), as a user namespace. */
static int map_mount(struct start *s, const struct spec_mount *m, int mount_fd, bool recursive,
		     struct err *err)
{
	struct id_map uids[340], gids[340];
	size_t counts[2] = {m->uid_maps.count, m->gid_maps.count};

	if (counts[0] > 340 || counts[1] > 340)
		return err_set(err, ERR_LIMIT, 0, "id maps of '%s' are too long", m->destination);
	for (size_t i = 0; i < counts[0]; i++)
		uids[i] = (struct id_map){m->uid_maps.items[i].container_id,
					  m->uid_maps.items[i].host_id, m->uid_maps.items[i].size};
	for (size_t i = 0; i < counts[1]; i++)
		gids[i] = (struct id_map){m->gid_maps.items[i].container_id,
					  m->gid_maps.items[i].host_id, m->gid_maps.items[i].size};
	own_fd int ns_fd = ns_make_user(s->proc_fd, uids, counts[0], gids, counts[1], err);
	if (ns_fd < 0)
		return -1;
	return mount_idmap(mount_fd, ns_fd, recursive, err);
}

static int make_bind(struct start *s, unsigned int i, struct err *err)
{
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	const struct mount_options *options = &s->plan->options[i];
	bool whole = options->flags & MOUNT_OPT_RIDMAP;
	int fd = s->binds[i].fd;

	s->binds[i].fd = -1;
	own_fd int owned = fd;
	if (m->uid_maps.count || m->gid_maps.count) {
		if (map_mount(s, m, fd, whole, err) < 0)
			return -1;
	} else if (options->flags & (MOUNT_OPT_IDMAP | MOUNT_OPT_RIDMAP) && s->plan->own[NS_USER] &&
		   mount_idmap(fd, s->userns_fd, whole, err) < 0) {
		return -1;
	}
	if (mount_set(fd, options->rec_set, options->rec_clear, true, err) < 0)
		return -1;
	return take_fd(owned);
}

static int make_proc(struct start *s, unsigned int i, struct err *err)
{
	uint64_t attrs = s->plan->options[i].attr_set;

	if (s->plan->own[NS_PID])
		return mount_proc_of(s->child.pidfd, s->host_pid, s->proc_fd, attrs, err);
	return mount_new("proc", "proc", &s->plan->options[i].data, 0, attrs, err);
}

/* Hybrid and v1: one directory per hierarchy on a small tmpfs; v2 alone: the group itself. */
static int make_cgroup(struct start *s, unsigned int i, struct err *err)
{
	struct strv none = STRV_INIT;
	uint64_t attrs = s->plan->options[i].attr_set;

	if (s->cgroup.count == 1 && s->cgroup.v2_fd >= 0) {
		int fd = s->view.fds[0];

		s->view.fds[0] = -1;
		return fd;
	}
	return mount_new("tmpfs", "cgroup", &none, 0, attrs & ~(uint64_t)MOUNT_ATTR_RDONLY, err);
}

/* After the tmpfs is in place: the hierarchies' views in it. */
static int fill_cgroup(struct start *s, int mount_fd, uint64_t attrs, struct err *err)
{
	if (s->cgroup.count == 1 && s->cgroup.v2_fd >= 0)
		return 0;
	for (size_t i = 0; i < s->cgroup.count; i++) {
		const char *name = s->plan->host->hierarchies[s->cgroup.members[i].hierarchy].name;

		if (mkdirat(mount_fd, name, 0755) < 0)
			return err_errno(err, "cannot make '%s' in the cgroup view", name);
		if (mount_attach_in(s->view.fds[i], mount_fd, name, err) < 0)
			return -1;
	}
	return mount_set(mount_fd, attrs & MOUNT_ATTR_RDONLY, 0, false, err);
}

/* "gid=5" and "uid=N" are the container's numbers: the kernel wants the host's. */
static int map_option(const struct plan *plan, struct strv *data, const char *option,
		      struct err *err)
{
	uint64_t id;

	if (str_starts(option, "gid=") || str_starts(option, "uid=")) {
		uint32_t base = option[0] == 'g' ? plan->root_gid : plan->root_uid;

		if (str_to_u64(option + 4, 0, UINT32_MAX - 1 - base, option, &id, err) < 0)
			return -1;
		return strv_addf(data, err, "%.3s=%llu", option, (unsigned long long)(base + id));
	}
	return strv_add(data, option, err);
}

static int make_generic(struct start *s, unsigned int i, struct err *err)
{
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	const struct mount_options *options = &s->plan->options[i];
	own(strv) struct strv data = STRV_INIT;

	for (size_t k = 0; k < options->data.count; k++)
		if (map_option(s->plan, &data, options->data.items[k], err) < 0)
			return -1;
	return mount_new(m->type, m->source ? m->source : m->type, &data, options->sb_flags,
			 options->attr_set, err);
}

static const struct {
	const char *type; /* NULL: whatever else the kernel has */
	int (*make)(struct start *s, unsigned int i, struct err *err);
} mount_types[] = {
	{"proc", make_proc},
	{"cgroup", make_cgroup},
	{"cgroup2", make_cgroup},
	{NULL, make_generic},
};

static int make_mount(struct start *s, unsigned int i, struct err *err)
{
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	size_t row = 0;

	if (s->binds[i].fd >= 0)
		return make_bind(s, i, err);
	while (mount_types[row].type && !str_eq(m->type, mount_types[row].type))
		row++;
	return mount_types[row].make(s, i, err);
}

int start_mount(struct start *s, const struct step *step, struct err *err)
{
	unsigned int i = step->index;
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	const struct mount_options *options = &s->plan->options[i];
	bool bind = s->binds[i].fd >= 0;
	own_fd int fd = make_mount(s, i, err);

	if (fd < 0)
		return err_wrap(err, "mount on '%s'", m->destination);
	own_fd int target_fd = open_target(s, m->destination, !bind || s->binds[i].directory, err);
	if (target_fd < 0)
		return err_wrap(err, "mount on '%s'", m->destination);
	if (mount_attach(fd, target_fd, m->destination, err) < 0)
		return -1;
	if (bind && mount_set(fd, options->attr_set, options->attr_clear, false, err) < 0)
		return err_wrap(err, "mount on '%s'", m->destination);
	if ((str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2")) &&
	    fill_cgroup(s, fd, options->attr_set, err) < 0)
		return err_wrap(err, "mount on '%s'", m->destination);
	if ((long)i == s->plan->devpts_mount)
		s->devpts_fd = take_fd(fd);
	return 0;
}

/* The path as the container will see it, or -1 with *ret_absent where there is nothing to protect. */
static int find_protected(struct start *s, const char *path, bool *ret_absent, struct err *err)
{
	int fd = path_handle(s->root_fd, path, PATH_IN_ROOT, 0, err);

	*ret_absent = fd < 0 && (err->errnum == ENOENT || err->errnum == ENOTDIR);
	return fd;
}

/* Nothing is staged any more: from here on the covers, and so every copy of them, are read-only. */
static int close_covers(struct start *s, struct err *err)
{
	if (s->covers_closed)
		return 0;
	s->covers_closed = true;
	return mount_set(s->covers_fd, MOUNT_ATTR_RDONLY, 0, false, err);
}

int start_mask(struct start *s, const struct step *step, struct err *err)
{
	struct err looking = ERR_INIT;
	struct stat st;
	bool absent;
	own_fd int target_fd = find_protected(s, step->subject, &absent, &looking);

	if (absent)
		return 0;
	if (target_fd < 0 || fstat(target_fd, &st) < 0) {
		*err = looking;
		return err_wrap(err, "cannot mask '%s'", step->subject);
	}
	if (close_covers(s, err) < 0)
		return err_wrap(err, "cannot mask '%s'", step->subject);
	own_fd int cover_fd = mount_clone_own(s->covers_fd, S_ISDIR(st.st_mode) ? "empty" : "none",
					      err);
	if (cover_fd < 0)
		return err_wrap(err, "cannot mask '%s'", step->subject);
	return mount_attach(cover_fd, target_fd, step->subject, err);
}

int start_readonly(struct start *s, const struct step *step, struct err *err)
{
	struct err looking = ERR_INIT;
	bool absent;
	own_fd int target_fd = find_protected(s, step->subject, &absent, &looking);

	if (absent)
		return 0;
	if (target_fd < 0) {
		*err = looking;
		return err_wrap(err, "cannot make '%s' read-only", step->subject);
	}
	own_fd int copy_fd = mount_clone_with(target_fd, "", true, MOUNT_ATTR_RDONLY, err);
	if (copy_fd < 0)
		return err_wrap(err, "cannot make '%s' read-only", step->subject);
	return mount_attach(copy_fd, target_fd, step->subject, err);
}
