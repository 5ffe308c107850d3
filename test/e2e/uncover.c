/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uncover PATH: take away the mount that is our root, and enter the mount namespace anew, which leads to
 * what lies below. Says whether there is PATH now: "uncovered", or "nothing". Runs inside a container.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (argc != 2 || fd < 0)
		return 2;
	if (umount2("/", MNT_DETACH) == 0 && setns(fd, CLONE_NEWNS) < 0)
		perror("setns");
	puts(access(argv[1], F_OK) == 0 ? "uncovered" : "nothing");
	return 0;
}
