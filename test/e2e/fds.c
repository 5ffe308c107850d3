/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the numbers of its open descriptors, without opening one to find out. */
#include <fcntl.h>
#include <stdio.h>

#define LIMIT 65536

int main(void)
{
	const char *gap = "";

	for (int fd = 0; fd < LIMIT; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		printf("%s%d", gap, fd);
		gap = " ";
	}
	printf("\n");
	return 0;
}
