/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /dev: nodes made by us in our own tmpfs, never bound from a path and never taken from the image, so
 * that a "/dev/null" that is a link in the image is of no consequence. They belong to container root
 * because they are made with its file-system ids. The terminal comes from the container's own devpts
 * by descriptor (TIOCGPTPEER): no name of it is ever looked up.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "kernel/tty.h"
#include "runtime/start.h"

static const struct {
	const char *name;
	unsigned int major, minor;
} nodes[] = {
	{"null", 1, 3},	  {"zero", 1, 5},    {"full", 1, 7},
	{"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"}, {"stdin", "fd/0"},    {"stdout", "fd/1"},
	{"stderr", "fd/2"},	 {"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"},
};

static int make_node(int dir_fd, const char *name, mode_t mode, dev_t dev, struct err *err)
{
	if (mknodat(dir_fd, name, mode, dev) == 0)
		return 0;
	if (errno == EEXIST)
		return 0; /* listed in the specification as well as by default */
	return err_errno(err, "cannot make device '/dev/%s'", name);
}

static mode_t device_type(char type)
{
	return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

/* A device of the specification, anywhere below /dev. */
static int make_device(struct start *s, int dev_fd, const struct spec_device *d, struct err *err)
{
	const char *name = d->path + strlen("/dev/");
	const char *slash = strrchr(name, '/');
	own_fd int parent_fd = -1;
	own_free char *parent = NULL;
	mode_t mode = device_type(d->type) | (d->file_mode < 0 ? 0666 : d->file_mode & 07777);

	if (!str_starts(d->path, "/dev/"))
		return err_set(err, ERR_UNSUPPORTED, 0, "device '%s' is not below /dev", d->path);
	if (slash) {
		parent = str_dup_len(name, (size_t)(slash - name), err);
		if (!parent)
			return -1;
		parent_fd = path_mkdirs(dev_fd, parent, PATH_BENEATH, 0755, err);
		if (parent_fd < 0)
			return err_wrap(err, "device '%s'", d->path);
		name = slash + 1;
	}
	int at_fd = slash ? parent_fd : dev_fd;
	if (make_node(at_fd, name, mode, makedev((unsigned)d->major, (unsigned)d->minor), err) < 0)
		return -1;
	uint32_t uid = s->plan->root_uid + (d->uid < 0 ? 0 : (uint32_t)d->uid);
	uint32_t gid = s->plan->root_gid + (d->gid < 0 ? 0 : (uint32_t)d->gid);
	if ((d->uid > 0 || d->gid > 0) && fchownat(at_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "cannot give device '%s' its owner", d->path);
	return 0;
}

int start_devices(struct start *s, const struct step *step, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;
	own_fd int dev_fd = path_open(s->root_fd, "dev", PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0,
				      err);

	if (dev_fd < 0)
		return -1;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (make_node(dev_fd, nodes[i].name, S_IFCHR | 0666,
			      makedev(nodes[i].major, nodes[i].minor), err) < 0)
			return -1;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make link '/dev/%s'", links[i].name);
	for (size_t i = 0; i < linux_->device_count; i++)
		if (make_device(s, dev_fd, &linux_->devices[i], err) < 0)
			return -1;
	return 0;
}

int start_console(struct start *s, const struct step *step, struct err *err)
{
	const struct spec_process *process = &s->plan->spec->process;

	if (tty_open_pair(s->devpts_fd, &s->console_fd, &s->slave_fd, err) < 0)
		return -1;
	if (process->console_rows &&
	    tty_set_size(s->console_fd, (unsigned short)process->console_rows,
			 (unsigned short)process->console_cols, err) < 0)
		return -1;
	own_fd int target_fd = path_make_target(s->root_fd, "dev/console", PATH_BENEATH, false,
						err);
	if (target_fd < 0)
		return -1;
	own_fd int copy_fd = mount_clone(s->slave_fd, "", false, 0, err);
	if (copy_fd < 0)
		return err_wrap(err, "terminal");
	return mount_attach(copy_fd, target_fd, "/dev/console", err);
}
