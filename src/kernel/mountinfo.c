/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading mountinfo, a line at a time: hosts with thousands of mounts are common. Only for commands
 * that look at the whole host, and once per boot to place the launch pad; a start never reads it, which
 * costs a microsecond for every mount.
 */
#include "kernel/mountinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"

#define MOUNT_POINT_FIELD 4 /* counted from 0 */

/* Space, tab, newline and backslash are written as \ooo. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

/* The mount point of a line, cut out of it; NULL where it has none. */
static char *mount_point(char *line)
{
	char *rest = line, *field = NULL;

	for (int i = 0; i <= MOUNT_POINT_FIELD && rest; i++)
		field = strsep(&rest, " ");
	if (!rest)
		return NULL;
	unescape(field);
	return field;
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static FILE *open_mountinfo_of(int proc_fd, pid_t pid, struct err *err)
{
	char name[32] = "self/mountinfo";

	if (pid)
		snprintf(name, sizeof name, "%d/mountinfo", pid);
	own_fd int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (!file) {
		err_errno(err, "cannot read the list of mounts");
		return NULL;
	}
	take_fd(fd); /* belongs to file */
	return file;
}

static FILE *open_mountinfo(int proc_fd, struct err *err)
{
	return open_mountinfo_of(proc_fd, 0, err);
}

int mount_points_below(int proc_fd, const char *directory, struct strv *ret, struct err *err)
{
	own_file FILE *file = open_mountinfo(proc_fd, err);
	own_free char *line = NULL;
	size_t size = 0;

	if (!file)
		return -1;
	while (getline(&line, &size, file) > 0) {
		const char *path = mount_point(line);

		if (path && is_below(path, directory) && strv_add(ret, path, err) < 0)
			return -1;
	}
	return ferror(file) ? err_errno(err, "cannot read the list of mounts") : 0;
}

int mount_point_of(int proc_fd, pid_t pid, uint64_t mount_id, char **ret, struct err *err)
{
	own_file FILE *file = open_mountinfo_of(proc_fd, pid, err);
	own_free char *line = NULL;
	size_t size = 0;

	if (!file)
		return -1;
	while (getline(&line, &size, file) > 0) {
		const char *path = strtoull(line, NULL, 10) == mount_id ? mount_point(line) : NULL;

		if (!path)
			continue;
		*ret = str_dup(path, err);
		return *ret ? 1 : -1;
	}
	return ferror(file) ? err_errno(err, "cannot read the list of mounts") : 0;
}

int mount_id_of(int dir_fd, const char *name, uint64_t *ret, struct err *err)
{
	struct statx stx;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID,
		  &stx) < 0)
		return err_errno(err, "cannot tell which mount '%s' is on", name);
	*ret = stx.stx_mnt_id;
	return 0;
}

/* "36 35 98:0 / /run rw,nosuid shared:15 master:1 - tmpfs ...": the tags end at the lone hyphen. */
static bool has_shared_tag(const char *line)
{
	const char *end = strstr(line, " - ");
	const char *tag = strstr(line, " shared:");

	return tag && end && tag < end;
}

int mount_is_shared(int proc_fd, uint64_t mount_id, struct err *err)
{
	own_file FILE *file = open_mountinfo(proc_fd, err);
	own_free char *line = NULL;
	size_t size = 0;

	if (!file)
		return -1;
	while (getline(&line, &size, file) > 0)
		if (strtoull(line, NULL, 10) == mount_id)
			return has_shared_tag(line);
	return ferror(file)
		       ? err_errno(err, "cannot read the list of mounts")
		       : err_set(err, ERR_NOT_FOUND, 0, "mount %llu is not in the list of mounts",
				 (unsigned long long)mount_id);
}
