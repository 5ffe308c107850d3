/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swapper A B...: exchange each pair of paths over and over (renameat2, RENAME_EXCHANGE) until killed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char *argv[])
{
	if (argc < 3 || argc % 2 == 0) {
		fputs("usage: swapper A B [A B]...\n", stderr);
		return 64;
	}
	for (;;)
		for (int i = 1; i + 1 < argc; i += 2)
			if (renameat2(AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) <
			    0) {
				perror(argv[i]);
				return 1;
			}
}
