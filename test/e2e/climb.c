/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * climb PATH: leave our root as chroot(2) lets whoever may call it: keep a descriptor of the root, take a
 * directory below it for a root, go back to the descriptor, which is above that one, and up from there. Says
 * where that ends: "outside" if PATH is there, "at the root" if it is where it began, else "lost". Runs
 * inside a container.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct stat before, after;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (argc != 2 || fd < 0 || fstat(fd, &before) < 0)
		return 2;
	mkdir("/below", 0700);
	if (chroot("/below") < 0 || fchdir(fd) < 0)
		return perror("chroot"), 1;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return perror("chdir"), 1;
	if (chroot(".") < 0 || stat("/", &after) < 0)
		return perror("chroot"), 1;
	if (access(argv[1], F_OK) == 0)
		puts("outside");
	else if (before.st_dev == after.st_dev && before.st_ino == after.st_ino)
		puts("at the root");
	else
		puts("lost");
	return 0;
}
