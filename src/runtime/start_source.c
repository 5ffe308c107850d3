/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is taken from the host before P leaves its mount namespace: copies of the sources of binds, file
 * systems that are made of host paths, the views of control groups, and device nodes where we may make
 * none. All are detached mounts; the launch pad has no path to any of them.
 *
 * A source is named by whoever asks for the container: its links are followed, once, in the host's tree. The
 * engine does so when the container is made, and not again at a start: what has become a link meanwhile may
 * be the work of a container, this one's run before or another's, on a volume above the source.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

/* ---- binds ---- */

static int open_canonical(const char *source, struct err *err)
{
	own_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return err_errno(err, "cannot open '/'");
	int fd = path_handle(root_fd, source[1] ? source + 1 : ".", PATH_BENEATH, 0, err);
	if (fd < 0 && err->errnum == ELOOP)
		err_hint(err, "'%s' was none when the container was made", source);
	return fd;
}

static int open_source(struct start *s, const char *source, int nofollow, struct err *err)
{
	const char *bundle = s->plan->request.bundle;
	own_fd int base_fd = -1;

	if (source[0] != '/') {
		base_fd = open(bundle ? bundle : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (base_fd < 0)
			return err_errno(err, "cannot open the bundle");
	}
	if (path_reach(base_fd, source, err) < 0)
		return -1;
	if (source[0] == '/' && s->plan->request.canonical_sources)
		return open_canonical(source, err);
	int fd = openat(base_fd, source, O_PATH | O_CLOEXEC | nofollow);
	return fd >= 0 ? fd : err_errno(err, "cannot open '%s'", source);
}

/* "copy-symlink": the text of a source that is a symbolic link. 1: it is one, 0: it is something else. */
static int read_link(int fd, struct mount_state *m, struct err *err)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(fd, "", text, sizeof text);

	if (n < 0 && (errno == EINVAL || errno == ENOENT))
		return 0;
	if (n < 0 || n == sizeof text)
		return err_errno(err, "cannot read the symbolic link");
	m->link = str_dup_len(text, (size_t)n, err);
	return m->link ? 1 : -1;
}

/* A mount that was asked to propagate, of a source that does not, would be silently less. */
static int check_peers(struct start *s, unsigned int i, int fd, struct err *err)
{
	const struct planned_mount *m = &s->plan->mounts[i];
	const char *source = s->plan->spec->mounts[i].source;
	bool sends = m->propagation & MS_SHARED;

	if (!(m->propagation & (MS_SHARED | MS_SLAVE)) || !m->options.propagation)
		return 0;
	int peers = mount_peers(s->proc_fd, fd, err);
	if (peers < 0)
		return -1;
	if (peers & MS_SHARED || (!sends && peers & MS_SLAVE))
		return 0;
	if (!s->plan->request.strict)
		return strv_addf(&s->plan->warnings, err,
				 "mount on '%s': the host's mount of '%s' is not shared, so mounts "
				 "propagate neither way",
				 m->target, source);
	err_set(err, ERR_INVALID, 0, "the host's mount of '%s' is not shared", source);
	return err_hint(err, "mount --make-rshared on the host's mount point first");
}

/* With a user namespace the container's copy is a slave in any case. A slave from the start keeps what we
 * mount below it to ourselves. */
static unsigned long copy_propagation(const struct start *s, const struct planned_mount *m)
{
	bool slave = m->propagation & MS_SHARED &&
		     s->plan->spec->linux_.namespaces[SPEC_NS_USER].given;

	return slave ? MS_SLAVE : m->propagation;
}

/* 1: its source came with the request, and is the container's alone. */
static int take_given(struct start *s, unsigned int i, struct err *err)
{
	const struct runtime_request *r = &s->plan->request;
	struct mount_state *state = &s->mounts[i];
	struct stat st;

	for (size_t k = 0; k < r->source_count; k++) {
		if (!str_eq(r->sources[k].destination, s->plan->spec->mounts[i].destination))
			continue;
		state->source_fd = fcntl(r->sources[k].fd, F_DUPFD_CLOEXEC, 3);
		if (state->source_fd < 0 || fstat(state->source_fd, &st) < 0)
			return err_errno(err, "cannot use a mount of ours");
		state->directory = S_ISDIR(st.st_mode);
		return 1;
	}
	return 0;
}

static int take_bind(struct start *s, unsigned int i, struct err *err)
{
	const struct planned_mount *m = &s->plan->mounts[i];
	const char *source = s->plan->spec->mounts[i].source;
	struct mount_state *state = &s->mounts[i];
	unsigned int flags = m->options.flags;
	struct mount_place place;
	int given = take_given(s, i, err);

	if (given)
		return given < 0 ? -1 : 0;
	own_fd int fd = open_source(
		s, source,
		flags & (MOUNT_OPT_SRC_NOFOLLOW | MOUNT_OPT_COPY_SYMLINK) ? O_NOFOLLOW : 0, err);

	if (fd < 0)
		return -1;
	if (flags & MOUNT_OPT_COPY_SYMLINK) {
		int link = read_link(fd, state, err);

		if (link)
			return link < 0 ? -1 : 0;
	}
	if (mount_place_of(fd, &place, err) < 0)
		return err_wrap(err, "'%s'", source);
	state->directory = S_ISDIR(place.mode);
	if (check_peers(s, i, fd, err) < 0)
		return -1;
	state->source_fd = mount_clone(fd, "", flags & MOUNT_OPT_RECURSIVE, copy_propagation(s, m),
				       err);
	return state->source_fd < 0 ? err_wrap(err, "'%s'", source) : 0;
}

int start_bind_source(struct start *s, const struct step *step, struct err *err)
{
	if (take_bind(s, step->index, err) < 0)
		return err_wrap(err, "source of the mount on '%s'",
				s->plan->mounts[step->index].target);
	return 0;
}

/* ---- file systems of host paths ---- */

/* With what is mounted in it, as that may not come away in a user namespace. */
static int take_proc(struct start *s, unsigned int i, struct err *err)
{
	own_fd int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot open '/proc'");
	s->mounts[i].directory = true;
	s->mounts[i].source_fd = mount_clone_with(fd, "", true, s->plan->mounts[i].options.attr_set,
						  err);
	return s->mounts[i].source_fd < 0 ? err_wrap(err, "the host's /proc") : 0;
}

int start_fs_source(struct start *s, const struct step *step, struct err *err)
{
	unsigned int i = step->index;
	const struct spec_mount *m = &s->plan->spec->mounts[i];
	const struct mount_options *options = &s->plan->mounts[i].options;
	own(strv) struct strv data = STRV_INIT;

	if (str_eq(m->type, "proc"))
		return take_proc(s, i, err);
	if (start_options(s, i, &data, err) < 0)
		return err_wrap(err, "mount on '%s'", s->plan->mounts[i].target);
	s->mounts[i].directory = true;
	s->mounts[i].source_fd = mount_new(m->type, m->source ? m->source : m->type, &data,
					   options->sb_flags, options->attr_set, err);
	if (s->mounts[i].source_fd < 0)
		return err_wrap(err, "mount on '%s'", s->plan->mounts[i].target);
	return 0;
}

/* ---- control groups ---- */

/* Without a cgroup namespace of its own, a container sees its group by the path that it has on the host,
 * so on v2 it gets the hierarchy as it is there. */
static int add_view(struct start *s, size_t hierarchy, int dir_fd, uint64_t attrs, struct err *err)
{
	bool whole = s->plan->host->mode == CGROUP_V2 &&
		     !s->plan->spec->linux_.namespaces[SPEC_NS_CGROUP].given;
	int source = whole ? s->plan->host->hierarchies[hierarchy].dir_fd : dir_fd;
	int fd = mount_clone_with(source, "", false, attrs, err);

	if (fd < 0)
		return -1;
	s->view.fds[s->view.count] = fd;
	s->view.hierarchies[s->view.count++] = hierarchy;
	return 0;
}

/* The container of an ordinary user who may make no group is in the one that we are in. */
static int add_our_own(struct start *s, size_t hierarchy, uint64_t attrs, struct err *err)
{
	const struct cgroup_hierarchy *h = &s->plan->host->hierarchies[hierarchy];
	own_fd int dir_fd = openat(h->dir_fd, h->own[1] ? h->own + 1 : ".",
				   O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* Above what is mounted here there is nothing to be seen. */
	return dir_fd < 0 ? 0 : add_view(s, hierarchy, dir_fd, attrs, err);
}

int start_cgroup_view(struct start *s, const struct step *step, struct err *err)
{
	uint64_t attrs = s->plan->mounts[step->index].options.attr_set;
	size_t count = s->cgroup.count ? s->cgroup.count : s->plan->host->count;

	start_view_done(&s->view);
	for (size_t i = 0; i < count; i++) {
		const struct cgroup_member *own = s->cgroup.count ? &s->cgroup.members[i] : NULL;

		if ((own ? add_view(s, own->hierarchy, own->dir_fd, attrs, err)
			 : add_our_own(s, i, attrs, err)) < 0)
			return err_wrap(err, "view of cgroup '%s'", s->plan->cgroup.name);
	}
	return 0;
}

void start_view_done(struct cgroup_view *view)
{
	while (view->count > 0)
		fd_close(view->fds[--view->count]);
}

/* ---- device nodes ---- */

static bool is_device(int fd, const struct spec_device *d)
{
	mode_t type = d->type == 'b' ? S_IFBLK : S_IFCHR;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       st.st_rdev == makedev((unsigned int)d->major, (unsigned int)d->minor);
}

/* As the kernel calls it: in the container it has another path. */
static int open_by_number(const struct spec_device *d)
{
	char path[64], text[1024];
	struct err ignored = ERR_INIT;
	own_free char *node = NULL;

	snprintf(path, sizeof path, "/sys/dev/%s/%lld:%lld/uevent",
		 d->type == 'b' ? "block" : "char", (long long)d->major, (long long)d->minor);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_buf(fd, text, sizeof text, path, &ignored) < 0)
		return -1;
	const char *name = strstr(text, "DEVNAME=");
	if (name)
		node = str_printf(&ignored, "/dev/%.*s", (int)strcspn(name + 8, "\n"), name + 8);
	return node ? open(node, O_PATH | O_CLOEXEC) : -1;
}

int start_take_node(const struct spec_device *d, struct err *err)
{
	own_fd int fd = open(d->path, O_PATH | O_CLOEXEC);

	if (!is_device(fd, d)) {
		fd_close(fd);
		fd = open_by_number(d);
	}
	if (is_device(fd, d))
		return mount_clone(fd, "", false, 0, err);
	err_set(err, ERR_INVALID, 0, "the host has no node of device %c %lld:%lld for '%s'",
		d->type, (long long)d->major, (long long)d->minor, d->path);
	return err_hint(err, "in a user namespace device nodes cannot be made, only those of the "
			     "host be used");
}

int start_node_source(struct start *s, const struct step *step, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;
	size_t count = 0, total;

	while (start_default_nodes[count].path)
		count++;
	total = count + linux_->device_count;
	s->node_fds = malloc(total * sizeof *s->node_fds);
	if (!s->node_fds)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot take device nodes");
	for (size_t i = 0; i < total; i++)
		s->node_fds[i] = -1;
	s->node_count = total;
	for (size_t i = 0; i < total; i++) {
		const struct spec_device *d = i < count ? &start_default_nodes[i]
							: &linux_->devices[i - count];

		if (d->type == 'p')
			continue;
		/* A FIFO is made, not taken. */
		s->node_fds[i] = start_take_node(d, err);
		if (s->node_fds[i] < 0)
			return -1;
	}
	return 0;
}
