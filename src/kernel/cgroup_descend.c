/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Joining a group below a container's own. Its processes make such groups (whoever has the rights of the
 * container's root may), so the way down is by base/path: beneath, without links.
 *
 * On v2 a process that was moved below may have enabled controllers for what is below; then the group
 * itself takes no process any more (EBUSY, "no internal processes" of cgroups(7)), and who comes later
 * has to go where the first one is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "kernel/cgroup_internal.h"

static int descend(struct cgroup *cg, struct cgroup_member *member, const char *path,
		   struct err *err)
{
	own_fd int fd = -1;

	path += strspn(path, "/");
	if (!*path)
		return 0;
	fd = path_open(member->dir_fd, path, PATH_BENEATH | PATH_NO_XDEV, O_RDONLY | O_DIRECTORY, 0,
		       err);
	if (fd < 0)
		return err_wrap(err, "cannot join cgroup '%s' below '%s'", path, cg->name);
	fd_close(take_fd(member->dir_fd));
	fd_close(take_fd(member->tasks_fd));
	member->dir_fd = take_fd(fd);
	if (member->v2)
		cg->v2_fd = member->dir_fd;
	return 0;
}

/* openat2(2) would refuse them, too, with words that are about links. */
static int check_path(const char *path, struct err *err)
{
	for (const char *part = path; part; part = strchr(part, '/'), part = part ? part + 1 : NULL)
		if (!strncmp(part, "..", 2) && (!part[2] || part[2] == '/'))
			return err_set(err, ERR_INVALID, 0, "bad sub cgroup path '%s'", path);
	return 0;
}

static int descend_one(const struct cgroup_host *host, struct cgroup *cg, const char *name,
		       size_t len, const char *path, struct err *err)
{
	unsigned int bit = cgroup_controller_bit(name, len);
	int hierarchy = bit ? cgroup_host_find(host, bit) : -1;

	if (hierarchy < 0)
		return err_set(err, ERR_INVALID, 0, "unknown controller '%.*s'", (int)len, name);
	for (size_t i = 0; i < cg->count; i++)
		if (cg->members[i].hierarchy == (unsigned int)hierarchy)
			return descend(cg, &cg->members[i], path, err);
	return err_set(err, ERR_NOT_FOUND, 0, "the container has no group for controller '%.*s'",
		       (int)len, name);
}

int cgroup_descend(const struct cgroup_host *host, struct cgroup *cg, const char *text,
		   struct err *err)
{
	const char *colon = strchr(text, ':'), *path = colon ? colon + 1 : text;

	if (check_path(path, err) < 0)
		return -1;
	if (!colon) {
		for (size_t i = 0; i < cg->count; i++)
			if (descend(cg, &cg->members[i], path, err) < 0)
				return -1;
		return 0;
	}
	for (const char *name = text; name < path;) {
		size_t len = strcspn(name, ",:");

		if (descend_one(host, cg, name, len, path, err) < 0)
			return -1;
		name += len + 1;
	}
	return 0;
}

/* "0::/a/b": the path of a process on v2. */
static int read_v2_path(int proc_fd, int pid, char *buf, size_t size, struct err *err)
{
	char name[32], text[8192];

	snprintf(name, sizeof name, "%d/cgroup", pid);
	own_fd int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '/proc/%s'", name);
	if (fd_read_buf(fd, text, sizeof text, name, err) < 0)
		return -1;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (str_starts(line, "0::/") && strlen(line + 4) < size) {
			memcpy(buf, line + 4, strlen(line + 4) + 1);
			return 0;
		}
	return err_set(err, ERR_NOT_FOUND, 0, "process %d is in no group of cgroup v2", pid);
}

int cgroup_descend_to(int proc_fd, int pid, struct cgroup *cg, struct err *err)
{
	char path[4096];
	size_t len = strlen(cg->name);

	if (read_v2_path(proc_fd, pid, path, sizeof path, err) < 0)
		return -1;
	if (strncmp(path, cg->name, len) != 0 || path[len] != '/')
		return err_set(err, ERR_STATE, 0, "process %d is not below cgroup '%s'", pid,
			       cg->name);
	for (size_t i = 0; i < cg->count; i++)
		if (cg->members[i].v2)
			return descend(cg, &cg->members[i], path + len, err);
	return err_set(err, ERR_NOT_FOUND, 0, "cgroup '%s' is not on v2", cg->name);
}
