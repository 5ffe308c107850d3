/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading mountinfo, a line at a time: hosts with thousands of mounts are common. Only for commands
 * that look at the whole host; a start never reads it, which costs a microsecond for every mount.
 */
#include "kernel/mountinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int mount_points_below(int proc_fd, const char *directory, struct strv *ret, struct err *err)
{
	own_fd int fd = openat(proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	own_file FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	own_free char *line = NULL;
	size_t size = 0;

	if (!file)
		return err_errno(err, "cannot read the list of mounts");
	fd = -1; /* belongs to file */
	while (getline(&line, &size, file) > 0) {
		const char *path = mount_point(line);

		if (path && is_below(path, directory) && strv_add(ret, path, err) < 0)
			return -1;
	}
	return ferror(file) ? err_errno(err, "cannot read the list of mounts") : 0;
}
