/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions about a mount that exists. statx(2) knows which mount a descriptor is on and whether it is
 * the top of it (Linux 5.8); who its peers are stands in mountinfo alone ("shared:N", "master:N",
 * proc_pid_mountinfo(5)) until Linux 6.8. That file has a line for each mount of the namespace, so it is
 * read only for a mount that is asked to propagate. None of it changes on a server, and so none is asked
 * (AT_STATX_DONT_SYNC): it might not answer.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/mount.h"

static int look(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		     STATX_TYPE | STATX_MODE | STATX_INO | STATX_MNT_ID, ret);
}

bool mount_is_top(int fd)
{
	struct statx st;

	return look(fd, &st) == 0 && st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

int mount_place_of(int fd, struct mount_place *ret, struct err *err)
{
	struct statx st;

	if (look(fd, &st) < 0)
		return err_errno(err, "cannot look at it");
	*ret = (struct mount_place){st.stx_mnt_id, st.stx_ino, st.stx_mode};
	return 0;
}

bool mount_place_equals(const struct mount_place *a, const struct mount_place *b)
{
	return a->mount_id == b->mount_id && a->inode == b->inode;
}

bool mount_same_place(int a, int b)
{
	struct mount_place pa = {0}, pb = {0};
	struct err ignored;

	return mount_place_of(a, &pa, &ignored) == 0 && mount_place_of(b, &pb, &ignored) == 0 &&
	       mount_place_equals(&pa, &pb);
}

/* "ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [TAG...] - ...": its tags end at the lone "-". */
static int peers_of_line(char *line)
{
	char *rest = line, *field;
	int peers = 0;

	while ((field = strsep(&rest, " ")) && strcmp(field, "-") != 0) {
		if (!strncmp(field, "shared:", 7))
			peers |= MS_SHARED;
		if (!strncmp(field, "master:", 7))
			peers |= MS_SLAVE;
	}
	return peers;
}

int mount_peers(int proc_fd, int fd, struct err *err)
{
	own_fd int info_fd = openat(proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	own_file FILE *info = info_fd < 0 ? NULL : fdopen(info_fd, "re");
	own_free char *line = NULL;
	size_t size = 0;
	struct statx st;

	if (info)
		take_fd(info_fd);
	if (!info || look(fd, &st) < 0)
		return err_errno(err, "cannot look at the mounts of this host");
	while (getline(&line, &size, info) > 0)
		if (strtoull(line, NULL, 10) == st.stx_mnt_id)
			return peers_of_line(line);
	return 0;
}
