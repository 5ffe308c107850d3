/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file system that never answers: mounted on DIRECTORY with FUSE, by root of a container who may, and served up to
 * its first question, which is taken and left. Prints "mounted" and stays. Runs inside, statically linked.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char request[1 << 17];

/* The first request opens the conversation; without its answer nothing would be asked at all. */
static int greet(int fd)
{
	struct {
		struct fuse_out_header head;
		struct fuse_init_out body;
	} answer = {.head.len = sizeof answer,
		    .body = {.major = FUSE_KERNEL_VERSION,
			     .minor = FUSE_KERNEL_MINOR_VERSION,
			     .max_write = 4096}};
	struct fuse_in_header *asked = (struct fuse_in_header *)request;

	if (read(fd, request, sizeof request) < (ssize_t)sizeof *asked ||
	    asked->opcode != FUSE_INIT)
		return -1;
	answer.head.unique = asked->unique;
	return write(fd, &answer, sizeof answer) == sizeof answer ? 0 : -1;
}

int main(int argc, char *argv[])
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[80];

	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (argc != 2 || fd < 0 || mount("silence", argv[1], "fuse", 0, options) < 0 ||
	    greet(fd) < 0) {
		perror("unanswering");
		return 1;
	}
	puts("mounted");
	fflush(stdout);
	for (;;)
		if (read(fd, request, sizeof request) < 0)
			return 1;
}
