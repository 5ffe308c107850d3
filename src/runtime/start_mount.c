/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The specification's mounts. Each is made detached by the function of its type, then attached to a
 * descriptor of its target (start_target.c), with its attributes: first those of the whole tree, then
 * its own. "remount" changes what an earlier entry has put there. A tmpfs that shall be read-only is
 * made so at the end, when mount points, device nodes and the working directory are in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

/* What is known of a mount's target before the mount is made. */
struct target {
	int fd;
	bool made; /* by us: it has no mode of its own */
};

/* ---- binds ---- */

static size_t copy_map(const struct spec_idmaps *maps, struct id_map ret[NS_MAP_MAX])
{
	size_t count = maps->count < NS_MAP_MAX ? maps->count : NS_MAP_MAX;

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct id_map){maps->items[i].container_id, maps->items[i].host_id,
					 maps->items[i].size};
	return count;
}

/* A user namespace with the mount's own maps (idmapped mounts of runtime-spec). */
static int own_map(struct start *s, const struct mount_maps *maps, struct err *err)
{
	struct id_map uids[NS_MAP_MAX], gids[NS_MAP_MAX];
	size_t uid_count = copy_map(&maps->uids, uids), gid_count = copy_map(&maps->gids, gids);

	return ns_make_user(s->proc_fd, uids, uid_count, gids, gid_count, err);
}

static int map_bind(struct start *s, const struct planned_mount *m, int mount_fd, struct err *err)
{
	if (m->maps.kind == MOUNT_MAP_NONE)
		return 0;
	if (m->maps.kind == MOUNT_MAP_USERNS)
		return mount_idmap(mount_fd, s->userns_fd, m->maps.recursive, err);
	own_fd int map_fd = own_map(s, &m->maps, err);
	return map_fd < 0 ? -1 : mount_idmap(mount_fd, map_fd, m->maps.recursive, err);
}

static int take_source(struct start *s, unsigned int i)
{
	int fd = s->mounts[i].source_fd;

	s->mounts[i].source_fd = -1;
	return fd;
}

/* mountinfo lists mounts by their age (from Linux 6.8 on; before, by when they were attached), and whoever
 * reads it takes what comes later for what lies on top. A source was taken before any other mount was made;
 * so it is copied anew, unless everything will be, with the namespace. What is copied has to be attached. */
static int take_anew(struct start *s, unsigned int i, struct err *err)
{
	unsigned long propagation = s->plan->mounts[i].propagation;
	own_fd int fd = take_source(s, i);

	if (s->plan->own[NS_USER] || s->joined_ns[NS_USER] >= 0)
		return take_fd(fd);
	if (propagation & MS_UNBINDABLE && mount_propagate(fd, MS_PRIVATE, true, err) < 0)
		return -1;
	if (start_stage(s, fd, s->mounts[i].directory, err) < 0)
		return -1;
	own_fd int new_fd = mount_clone_anew(fd, err);
	if (new_fd < 0)
		return -1;
	if (propagation & MS_UNBINDABLE &&
	    mount_propagate(new_fd, MS_UNBINDABLE, propagation & MS_REC, err) < 0)
		return -1;
	return take_fd(new_fd);
}

static int make_bind(struct start *s, unsigned int i, const struct target *target, struct err *err)
{
	own_fd int fd = take_anew(s, i, err);

	if (fd < 0 || map_bind(s, &s->plan->mounts[i], fd, err) < 0)
		return -1;
	return take_fd(fd);
}

/* Made already, where the host's paths were. */
static int make_from_host(struct start *s, unsigned int i, const struct target *target,
			  struct err *err)
{
	return take_anew(s, i, err);
}

/* ---- new file systems ---- */

/* "gid=5" and "uid=N" are the container's numbers: the kernel wants the host's. */
static int map_option(struct start *s, struct strv *data, const char *option, struct err *err)
{
	bool group = str_starts(option, "gid=");
	uint64_t id;
	uint32_t host_id;

	if (!group && !str_starts(option, "uid="))
		return strv_add(data, option, err);
	if (str_to_u64(option + 4, 0, UINT32_MAX - 1, option, &id, err) < 0)
		return -1;
	if (start_host_id(s, group, (uint32_t)id, &host_id, err) < 0)
		return err_wrap(err, "option '%s'", option);
	return strv_addf(data, err, "%.4s%u", option, host_id);
}

/* The label that every file of the mount has; where SELinux is not active, labels mean nothing. */
static int add_label(struct start *s, unsigned int i, struct strv *data, struct err *err)
{
	static const char *const unlabelled[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue"};
	const struct plan *plan = s->plan;

	for (size_t k = 0; k < sizeof unlabelled / sizeof *unlabelled; k++)
		if (str_eq(plan->spec->mounts[i].type, unlabelled[k]))
			return 0;
	if (!s->labelled)
		return 0;
	return strv_addf(data, err, "%s=%s", plan->label_option, plan->spec->linux_.mount_label);
}

int start_options(struct start *s, unsigned int i, struct strv *ret, struct err *err)
{
	const struct strv *options = &s->plan->mounts[i].options.data;

	for (size_t k = 0; k < options->count; k++)
		if (map_option(s, ret, options->items[k], err) < 0)
			return -1;
	return add_label(s, i, ret, err);
}

static int make_proc(struct start *s, unsigned int i, const struct target *target, struct err *err)
{
	const struct mount_options *options = &s->plan->mounts[i].options;
	const char *given = s->plan->spec->mounts[i].source;
	const char *source = given ? given : "proc";

	if (!s->plan->own[NS_PID] && s->joined_ns[NS_PID] < 0)
		return mount_new("proc", source, &options->data, 0, options->attr_set, err);
	own_fd int pidns_fd = start_open_born(s, NS_PID, err);
	if (pidns_fd < 0)
		return -1;
	return mount_proc_of(pidns_fd, source, &options->data, options->attr_set, err);
}

/* v2 alone: the group itself. */
static bool is_one_group(const struct start *s)
{
	return s->view.count == 1 && s->plan->host->hierarchies[s->view.hierarchies[0]].v2;
}

/* Hybrid and v1: one directory per hierarchy on a small tmpfs. */
static int make_cgroup(struct start *s, unsigned int i, const struct target *target,
		       struct err *err)
{
	own(strv) struct strv data = STRV_INIT;
	uint64_t attrs = s->plan->mounts[i].options.attr_set & ~(uint64_t)MOUNT_ATTR_RDONLY;

	if (is_one_group(s)) {
		int fd = s->view.fds[0];

		s->view.fds[0] = -1;
		return fd;
	}
	if (strv_add(&data, "mode=755", err) < 0)
		return -1;
	return mount_new("tmpfs", "cgroup", &data, 0, attrs, err);
}

/* "cpu" and "cpuacct" beside "cpu,cpuacct": programs look for either. */
static int link_controllers(int mount_fd, const char *name, struct err *err)
{
	own_free char *copy = str_dup(name, err);
	char *rest = copy;

	if (!copy)
		return -1;
	while (rest) {
		const char *controller = strsep(&rest, ",");

		if (!str_eq(controller, name) && symlinkat(name, mount_fd, controller) < 0 &&
		    errno != EEXIST)
			return err_errno(err, "cannot link '%s' in the cgroup view", controller);
	}
	return 0;
}

/* After the tmpfs is in place: the hierarchies' views in it. */
static int fill_cgroup(struct start *s, int mount_fd, uint64_t attrs, struct err *err)
{
	if (is_one_group(s))
		return 0;
	for (size_t i = 0; i < s->view.count; i++) {
		const char *name = s->plan->host->hierarchies[s->view.hierarchies[i]].name;

		if (mkdirat(mount_fd, name, 0755) < 0)
			return err_errno(err, "cannot make '%s' in the cgroup view", name);
		if (mount_attach_in(s->view.fds[i], mount_fd, name, err) < 0 ||
		    link_controllers(mount_fd, name, err) < 0)
			return -1;
	}
	return mount_set(mount_fd, attrs & MOUNT_ATTR_RDONLY, 0, false, err);
}

/* A directory that the image has keeps its mode under a tmpfs ("/tmp" is 1777 and "/run" is not). */
static int add_mode(const struct target *target, struct strv *data, struct err *err)
{
	struct stat st;

	for (size_t i = 0; i < data->count; i++)
		if (str_starts(data->items[i], "mode="))
			return 0;
	if (target->made || fstat(target->fd, &st) < 0)
		return 0;
	return strv_addf(data, err, "mode=%o", st.st_mode & 07777);
}

static int copy_up(struct start *s, int from_fd, int to_fd, struct err *err)
{
	path_use_proc(s->proc_fd); /* the pad has no /proc */
	int status = copy_tree(from_fd, to_fd, err);
	path_use_proc(-1);
	return status < 0 ? err_wrap(err, "tmpcopyup") : 0;
}

static int make_tmpfs(struct start *s, unsigned int i, const struct target *target, struct err *err)
{
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	const struct mount_options *options = &s->plan->mounts[i].options;
	own(strv) struct strv data = STRV_INIT;

	if (start_options(s, i, &data, err) < 0 || add_mode(target, &data, err) < 0)
		return -1;
	own_fd int fd = mount_new("tmpfs", m->source ? m->source : "tmpfs", &data,
				  options->sb_flags,
				  options->attr_set & ~(uint64_t)MOUNT_ATTR_RDONLY, err);
	if (fd < 0)
		return -1;
	if (options->flags & MOUNT_OPT_TMPCOPYUP && copy_up(s, target->fd, fd, err) < 0)
		return -1;
	return take_fd(fd);
}

static int make_generic(struct start *s, unsigned int i, const struct target *target,
			struct err *err)
{
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	const struct mount_options *options = &s->plan->mounts[i].options;
	own(strv) struct strv data = STRV_INIT;

	if (start_options(s, i, &data, err) < 0)
		return -1;
	return mount_new(m->type, m->source ? m->source : m->type, &data, options->sb_flags,
			 options->attr_set, err);
}

typedef int make_fn(struct start *s, unsigned int i, const struct target *target, struct err *err);

static const struct {
	const char *type; /* NULL: whatever else the kernel has */
	make_fn *make;
} mount_types[] = {
	{"proc", make_proc},   {"cgroup", make_cgroup}, {"cgroup2", make_cgroup},
	{"tmpfs", make_tmpfs}, {NULL, make_generic},
};

static int make_mount(struct start *s, unsigned int i, const struct target *target, struct err *err)
{
	const struct planned_mount *m = &s->plan->mounts[i];
	size_t row = 0;

	if (m->bind)
		return make_bind(s, i, target, err);
	if (m->from_host)
		return make_from_host(s, i, target, err);
	while (mount_types[row].type &&
	       !str_eq(s->plan->spec->mounts[i].type, mount_types[row].type))
		row++;
	return mount_types[row].make(s, i, target, err);
}

/* ---- attached ---- */

/* Attributes and propagation. What a new file system was created with needs no saying again. */
static int set_attributes(struct start *s, unsigned int i, int fd, struct err *err)
{
	const struct planned_mount *m = &s->plan->mounts[i];
	const struct mount_options *o = &m->options;
	unsigned long propagation = m->propagation & ~(unsigned long)MS_REC;

	if (mount_set(fd, o->rec_set, o->rec_clear, true, err) < 0)
		return -1;
	if (m->bind)
		return mount_set(fd, o->attr_set, o->attr_clear, false, err);
	return propagation ? mount_propagate(fd, propagation, m->propagation & MS_REC, err) : 0;
}

/* Who needs it later: the terminal, masks below it, and what is made read-only at the end. */
static void keep(struct start *s, unsigned int i, int fd)
{
	const struct planned_mount *m = &s->plan->mounts[i];

	if ((long)i == s->plan->devpts_mount) {
		s->devpts_fd = fd;
		return;
	}
	if (m->readonly_later || str_eq(m->target, "/proc") || str_eq(m->target, "/sys"))
		s->mounts[i].kept_fd = fd;
	else
		fd_close(fd);
}

static int attach(struct start *s, unsigned int i, struct err *err)
{
	const struct planned_mount *m = &s->plan->mounts[i];
	const char *type = s->plan->spec->mounts[i].type;
	bool directory = !m->bind || s->mounts[i].directory;
	struct target target;

	target.fd = start_target(s, m, directory, &target.made, err);
	own_fd int target_fd = target.fd;
	if (target_fd < 0)
		return -1;
	own_fd int fd = make_mount(s, i, &target, err);
	if (fd < 0 || mount_attach(fd, target_fd, m->target, err) < 0 ||
	    set_attributes(s, i, fd, err) < 0)
		return -1;
	if (!m->bind && (str_eq(type, "cgroup") || str_eq(type, "cgroup2")) &&
	    fill_cgroup(s, fd, m->options.attr_set, err) < 0)
		return -1;
	keep(s, i, take_fd(fd));
	return 0;
}

static int remount(struct start *s, unsigned int i, struct err *err)
{
	const struct planned_mount *m = &s->plan->mounts[i];
	const struct mount_options *o = &m->options;
	own_fd int fd = path_handle(s->root_fd, m->target, PATH_IN_ROOT, 0, err);

	if (fd < 0)
		return -1;
	if (!mount_is_top(fd) || mount_same_place(fd, s->root_fd))
		return err_set(err, ERR_INVALID, 0, "'remount': nothing is mounted there");
	if (o->data.count || o->sb_flags || o->sb_clear) {
		own(strv) struct strv data = STRV_INIT;

		if (start_options(s, i, &data, err) < 0 ||
		    mount_reconfigure(fd, &data, o->sb_flags, o->sb_clear, err) < 0)
			return -1;
	}
	if (mount_set(fd, o->rec_set, o->rec_clear, true, err) < 0 ||
	    mount_set(fd, o->attr_set, o->attr_clear, false, err) < 0)
		return -1;
	return m->propagation ? mount_propagate(fd, m->propagation & ~(unsigned long)MS_REC,
						m->propagation & MS_REC, err)
			      : 0;
}

int start_mount(struct start *s, const struct step *step, struct err *err)
{
	unsigned int i = step->index;
	const struct planned_mount *m = &s->plan->mounts[i];
	int status;

	if (m->remount)
		status = remount(s, i, err);
	else if (s->mounts[i].link)
		status = start_link(s, m, s->mounts[i].link, err);
	else
		status = attach(s, i, err);
	return status < 0 ? err_wrap(err, "mount on '%s'", m->target) : 0;
}

int start_mount_readonly(struct start *s, const struct step *step, struct err *err)
{
	if (mount_set(s->mounts[step->index].kept_fd, MOUNT_ATTR_RDONLY, 0, false, err) < 0)
		return err_wrap(err, "mount on '%s'", step->subject);
	return 0;
}

/* ---- for a container that runs ---- */

int start_detached(struct start *s, unsigned int i, struct err *err)
{
	own_fd int fd = take_source(s, i);

	if (fd < 0 || map_bind(s, &s->plan->mounts[i], fd, err) < 0 ||
	    set_attributes(s, i, fd, err) < 0)
		return -1;
	return take_fd(fd);
}

int start_new_tmpfs(struct start *s, unsigned int i, int target_fd, bool made, struct err *err)
{
	const struct target target = {target_fd, made};
	own_fd int fd = make_tmpfs(s, i, &target, err);

	if (fd < 0 || (s->plan->mounts[i].readonly_later &&
		       mount_set(fd, MOUNT_ATTR_RDONLY, 0, false, err) < 0))
		return -1;
	return take_fd(fd);
}
