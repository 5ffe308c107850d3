/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device nodes and the terminal. A node is never taken from the image, and no link of the image in /dev
 * is followed, so that a "/dev/null" that is a link is of no consequence, or an error. Where nodes come from:
 *
 *	/dev is a tmpfs of the specification	made in it
 *	/dev is the image's			made in it; mounted on files, where the container has a
 *						user namespace: no node is left on the host's disk that
 *						its users own
 *	something is bound on /dev		left alone: nodes that are asked for are looked for
 *	we are in a user namespace ourselves	the host's, checked when they were taken, are mounted
 *
 * Those that are mounted stand in a small tmpfs of ours, with the owner and mode that they are to have. All
 * belong to container root because they are made with its file-system ids. The terminal comes from the
 * container's own devpts by descriptor (TIOCGPTPEER): no name of it is ever looked up.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "kernel/tty.h"
#include "runtime/start.h"

#define NODE(name, major_, minor_) \
	{ \
		(char[]){"/dev/" name}, 'c', major_, minor_, .file_mode = 0666, .uid = -1, \
							     .gid = -1 \
	}

const struct spec_device start_default_nodes[] = {
	NODE("null", 1, 3),
	NODE("zero", 1, 5),
	NODE("full", 1, 7),
	NODE("random", 1, 8),
	NODE("urandom", 1, 9),
	NODE("tty", 5, 0),
	{0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},	     {"core", "/proc/kcore"},
};

static mode_t type_of(const struct spec_device *d)
{
	return d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
}

static dev_t number_of(const struct spec_device *d)
{
	return d->type == 'p' ? 0 : makedev((unsigned int)d->major, (unsigned int)d->minor);
}

/* "If a file already exists at path that does not match the requested device, the runtime MUST generate
 * an error". */
static int check_existing(int dir_fd, const char *name, const struct spec_device *d,
			  struct err *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "cannot look at it");
	if ((st.st_mode & S_IFMT) == type_of(d) && (d->type == 'p' || st.st_rdev == number_of(d)))
		return 0;
	err_set(err, ERR_EXISTS, 0, "there is something else already");
	return err_hint(err, "take it out of the image, or mount a tmpfs on /dev");
}

static int set_owner(struct start *s, int dir_fd, const char *name, const struct spec_device *d,
		     struct err *err)
{
	uint32_t uid, gid;

	if (d->uid <= 0 && d->gid <= 0)
		return 0;
	if (start_host_id(s, false, d->uid < 0 ? 0 : (uint32_t)d->uid, &uid, err) < 0 ||
	    start_host_id(s, true, d->gid < 0 ? 0 : (uint32_t)d->gid, &gid, err) < 0)
		return -1;
	if (fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "cannot give it its owner");
	return 0;
}

static int make_node(struct start *s, int dir_fd, const char *name, const struct spec_device *d,
		     struct err *err)
{
	mode_t mode = d->file_mode < 0 ? 0666 : d->file_mode & 07777;

	if (mknodat(dir_fd, name, type_of(d) | mode, number_of(d)) < 0)
		return errno == EEXIST ? check_existing(dir_fd, name, d, err)
				       : err_errno(err, "cannot make it");
	return set_owner(s, dir_fd, name, d, err);
}

/* ---- nodes that are mounted ---- */

static int open_nodes(struct start *s, struct err *err)
{
	own(strv) struct strv options = STRV_INIT;

	if (s->nodes_fd >= 0)
		return 0;
	if (strv_add(&options, "mode=755", err) < 0 || strv_add(&options, "size=64k", err) < 0)
		return -1;
	s->nodes_fd = mount_new("tmpfs", "devices", &options, 0,
				MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	return s->nodes_fd < 0 ? -1 : start_stage(s, s->nodes_fd, true, err);
}

/* A detached mount of the node: the host's, or one of ours. */
static int node_mount(struct start *s, size_t i, const struct spec_device *d, struct err *err)
{
	char name[24];

	if (s->node_fds && s->node_fds[i] >= 0) {
		int fd = s->node_fds[i];

		s->node_fds[i] = -1;
		return fd;
	}
	snprintf(name, sizeof name, "%zu", i);
	if (open_nodes(s, err) < 0 || make_node(s, s->nodes_fd, name, d, err) < 0)
		return -1;
	return mount_clone(s->nodes_fd, name, false, 0, err);
}

/* The place that a node is mounted on. 1: the image has the very node there. */
static int node_target(int dir_fd, const char *name, const struct spec_device *d, int *ret_fd,
		       struct err *err)
{
	own_fd int made_fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	struct stat st;

	if (made_fd < 0 && errno != EEXIST)
		return err_errno(err, "cannot make a file to mount it on");
	*ret_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0 || fstat(*ret_fd, &st) < 0)
		return err_errno(err, "cannot look at it");
	/* An empty file is what a node was mounted on before. */
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return 0;
	return check_existing(dir_fd, name, d, err) < 0 ? -1 : 1;
}

static int mount_node(struct start *s, int dir_fd, const char *name, size_t i,
		      const struct spec_device *d, struct err *err)
{
	own_fd int target_fd = -1;
	int there = node_target(dir_fd, name, d, &target_fd, err);

	if (there)
		return there < 0 ? -1 : 0;
	if (start_keeps_inside(s, target_fd, err) < 0)
		return -1;
	own_fd int node_fd = node_mount(s, i, d, err);
	return node_fd < 0 ? -1 : mount_attach(node_fd, target_fd, d->path, err);
}

/* ---- each device ---- */

/* The directory that the last device was in: mostly it is that of the next one, too. */
struct parent {
	char *path;
	int fd;
};

static void parent_done(struct parent *p)
{
	free(p->path);
	fd_close(p->fd);
}

/* The directory of a device, made where it is absent. In /dev no link of the image is followed. */
static int enter_parent(struct start *s, struct parent *p, const char *path, const char **ret_name,
			struct err *err)
{
	bool own = plan_is_own_place(path);
	const char *slash = strrchr(path, '/');
	own_free char *parent = str_dup_len(path + own, (size_t)(slash - path - own), err);

	*ret_name = slash + 1;
	if (!parent)
		return -1;
	if (p->path && str_eq(parent, p->path))
		return 0;
	parent_done(p);
	p->path = NULL;
	p->fd = path_mkdirs(s->root_fd, parent, own ? PATH_BENEATH : PATH_IN_ROOT, 0755, err);
	if (p->fd < 0)
		return -1;
	p->path = take(parent);
	return 0;
}

static bool is_in_dev(const char *path)
{
	return str_starts(path, "/dev/");
}

/* /dev is the host's or another's: what is not in it is not made in it. */
static int look_for_bound(struct start *s, const struct spec_device *d, struct err *err)
{
	struct err looking = ERR_INIT;
	const char *name = strrchr(d->path, '/') + 1;
	own_free char *parent = str_dup_len(d->path + 1, (size_t)(name - d->path - 1), err);
	own_fd int dir_fd = parent ? path_handle(s->root_fd, parent, PATH_BENEATH, O_DIRECTORY,
						 &looking)
				   : -1;

	if (!parent)
		return -1;
	if (dir_fd >= 0 && check_existing(dir_fd, name, d, &looking) == 0)
		return 0;
	if (s->plan->request.strict) {
		err_set(err, ERR_INVALID, 0, "what is bound on /dev does not have it");
		return err_hint(err, "no node is made in a directory that is bound on /dev");
	}
	return strv_addf(&s->plan->warnings, err,
			 "device '%s' is not in what is bound on /dev, and is not made there",
			 d->path);
}

/* i: counted through the default ones and those of the specification. */
static int add_device(struct start *s, struct parent *parent, size_t i, const struct spec_device *d,
		      struct err *err)
{
	const struct plan *plan = s->plan;
	bool in_dev = is_in_dev(d->path);
	bool mounted = d->type != 'p' &&
		       (plan->bind_nodes || (s->uid_maps && !(in_dev && plan->dev == DEV_OURS)));
	own_free char *clean = NULL;
	const char *name;

	if (in_dev && plan->dev == DEV_BOUND)
		return look_for_bound(s, d, err);
	if (path_clean(d->path, &clean, err) < 0)
		return -1;
	if (enter_parent(s, parent, clean, &name, err) < 0)
		return -1;
	return mounted ? mount_node(s, parent->fd, name, i, d, err)
		       : make_node(s, parent->fd, name, d, err);
}

static bool is_listed(const struct spec_linux *linux_, const char *path)
{
	for (size_t i = 0; i < linux_->device_count; i++)
		if (str_eq(linux_->devices[i].path, path))
			return true;
	return false;
}

/* A "ptmx" that the image has is of another devpts, unless it is the usual link or node, which leads to
 * the "pts" beside it. */
static int add_link(int dev_fd, const char *name, const char *target, struct err *err)
{
	static const struct spec_device ptmx = {.type = 'c', .major = 5, .minor = 2};
	struct err ignored = ERR_INIT;
	char text[16];

	if (symlinkat(target, dev_fd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, "cannot make link '/dev/%s'", name);
	if (!str_eq(name, "ptmx") || check_existing(dev_fd, name, &ptmx, &ignored) == 0)
		return 0;
	ssize_t n = readlinkat(dev_fd, name, text, sizeof text);
	if ((n == 8 && !memcmp(text, "pts/ptmx", 8)) ||
	    (n == 13 && !memcmp(text, "/dev/pts/ptmx", 13)))
		return 0;
	return err_set(err, ERR_EXISTS, 0, "'/dev/ptmx' in the image is something else");
}

static int add_links(struct start *s, struct parent *parent, struct err *err)
{
	const char *name;

	if (enter_parent(s, parent, "/dev/", &name, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (add_link(parent->fd, links[i].name, links[i].target, err) < 0)
			return -1;
	return 0;
}

int start_devices(struct start *s, const struct step *step, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;
	own(parent) struct parent parent = {.fd = -1};
	size_t count = 0;

	for (const struct spec_device *d = start_default_nodes; d->path; d++, count++)
		if (s->plan->dev != DEV_BOUND && !is_listed(linux_, d->path) &&
		    add_device(s, &parent, count, d, err) < 0)
			return err_wrap(err, "device '%s'", d->path);
	for (size_t i = 0; i < linux_->device_count; i++)
		if (!str_eq(linux_->devices[i].path, "/dev/ptmx") &&
		    add_device(s, &parent, count + i, &linux_->devices[i], err) < 0)
			return err_wrap(err, "device '%s'", linux_->devices[i].path);
	return s->plan->dev == DEV_BOUND ? 0 : add_links(s, &parent, err);
}

/* ---- one more, of a container that runs ---- */

int start_new_node(struct start *s, int stage_fd, const struct spec_device *d, struct err *err)
{
	if (make_node(s, stage_fd, "node", d, err) < 0)
		return -1;
	return mount_clone(stage_fd, "node", false, 0, err);
}

int start_node_parent(struct start *s, const struct spec_device *d, const char **ret_name,
		      struct err *err)
{
	struct parent parent = {.fd = -1};

	if (enter_parent(s, &parent, d->path, ret_name, err) < 0) {
		parent_done(&parent);
		return -1;
	}
	free(parent.path);
	return parent.fd;
}

int start_node_target(struct start *s, const struct spec_device *d, struct err *err)
{
	own_fd int target_fd = -1;
	const char *name;
	own_fd int dir_fd = start_node_parent(s, d, &name, err);
	int there = dir_fd < 0 ? -1 : node_target(dir_fd, name, d, &target_fd, err);

	if (there < 0)
		return -1;
	if (there || mount_is_top(target_fd))
		return err_set(err, ERR_EXISTS, 0, "it is there already");
	return take_fd(target_fd);
}

int start_check_node(int dir_fd, const char *name, const struct spec_device *d, struct err *err)
{
	return check_existing(dir_fd, name, d, err);
}

/* ---- the terminal ---- */

/* Its devpts: the specification's, or what came with a /dev that is bound, or the image's place for it. */
static int find_devpts(struct start *s, struct err *err)
{
	struct statfs fs;
	int fd;

	if (s->devpts_fd >= 0)
		return 0;
	fd = path_open(s->root_fd, "dev/pts", PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return err_wrap(err, "terminal");
	s->devpts_fd = fd;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC)
		return 0;
	err_set(err, ERR_INVALID, 0, "process.terminal: there is no devpts on '/dev/pts'");
	return err_hint(err, "add a mount of type devpts on /dev/pts");
}

/* In a /dev that is bound, "console" is the host's: it is mounted on, never made. */
static int console_target(struct start *s, struct err *err)
{
	if (s->plan->dev == DEV_BOUND)
		return path_handle(s->root_fd, "dev/console", PATH_BENEATH, 0, err);
	return path_make_target(s->root_fd, "dev/console", PATH_BENEATH, false, err);
}

int start_console(struct start *s, const struct step *step, struct err *err)
{
	const struct spec_process *process = &s->plan->spec->process;

	if (find_devpts(s, err) < 0 ||
	    tty_open_pair(s->devpts_fd, &s->console_fd, &s->slave_fd, err) < 0)
		return -1;
	if (process->console_rows &&
	    tty_set_size(s->console_fd, (unsigned short)process->console_rows,
			 (unsigned short)process->console_cols, err) < 0)
		return -1;
	own_fd int target_fd = console_target(s, err);
	if (target_fd < 0 || start_keeps_inside(s, target_fd, err) < 0)
		return err_wrap(err, "'/dev/console'");
	own_fd int copy_fd = mount_clone(s->slave_fd, "", false, 0, err);
	if (copy_fd < 0)
		return err_wrap(err, "terminal");
	return mount_attach(copy_fd, target_fd, "/dev/console", err);
}
