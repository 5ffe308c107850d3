/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-keeper: one per container, as PID 1 of a pid namespace around it (insula-keeper(8)).
 *
 * Privilege: the caller's at birth; then what the table in engine/keeper_duty.c leaves.
 */
#include <stdio.h>

#include "base/fd.h"
#include "engine/keeper.h"

int main(int argc, char *argv[])
{
	struct err err = ERR_INIT;

	if (fd_sanitize_stdio(&err) < 0) {
		fprintf(stderr, "insula-keeper: %s\n", err.message);
		return err_exit_code(&err);
	}
	return keeper_main(argc, argv);
}
