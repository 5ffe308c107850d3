/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call NUMBER: make that system call, with no arguments to speak of, and say what came of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	if (argc != 2)
		return 2;
	puts(syscall(atol(argv[1]), -1L, 0L, 0L, 0L, 0L, 0L) < 0 ? strerror(errno) : "done");
	return 0;
}
