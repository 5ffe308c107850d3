/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * swap A B...: exchange A with B, then with the next, again and again (renameat2(2), RENAME_EXCHANGE),
 * until it is killed: what somebody does who shares a tree with a container that is being started.
 */
#include <stdio.h>
#include <fcntl.h>

int main(int argc, char *argv[])
{
	for (int i = 2;; i = i + 1 < argc ? i + 1 : 2)
		if (argc < 3 ||
		    renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[i], RENAME_EXCHANGE) < 0) {
			perror("swap");
			return 1;
		}
}
