/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-systemd: makes, changes and stops transient scopes of systemd, for the programs that are linked
 * statically and start it for one request. The one program that is linked dynamically, because libsystemd
 * is. It runs with its caller's privilege.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/scope_bus.h"

int main(int argc, char *argv[])
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("insula-systemd " INSULA_VERSION);
		return 0;
	}
	return scope_helper_main();
}
