/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See oci_foreground.h. Without a terminal the container has our own descriptors: there is nothing to relay. */
#include "cli/oci_foreground.h"

#include <signal.h>
#include <unistd.h>

#include "runtime/relay.h"

int oci_foreground_prepare(struct err *err)
{
	static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof held / sizeof *held; i++)
		sigaddset(&set, held[i]);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? err_errno(err, "cannot hold signals") : 0;
}

int oci_foreground(struct proc *process, int console_fd, int *ret_code, struct err *err)
{
	struct relay_ends ends = RELAY_ENDS_NONE;

	ends.console_fd = console_fd;
	return relay_process(process, &ends, console_fd >= 0, ret_code, err);
}
