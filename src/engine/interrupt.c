/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals that would end a command while it waits for a start.
 *
 * They are blocked meanwhile and seen through a signalfd, from which nothing is read: so one that comes stays
 * pending, and blocked, while the start is taken back by the code that takes back any start which fails. At its end
 * the command lets it through, and dies of it: what a shell sees is what it would have seen at once. A signal that the
 * command was told to ignore is not blocked, as a blocked one would be kept even then. Further starts of the same
 * command (start A B) find it pending, and are interrupted as well.
 */
#include "engine/interrupt.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/proc.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static sigset_t came; /* and has not taken effect */
static bool has_come;

static bool is_ignored(int signal)
{
	struct sigaction now;

	return sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int interrupt_begin(struct interrupt *i, struct err *err)
{
	sigemptyset(&i->set);
	sigprocmask(SIG_BLOCK, NULL, &i->before);
	for (size_t n = 0; n < sizeof signals / sizeof *signals; n++)
		if ((!sigismember(&i->before, signals[n]) && !is_ignored(signals[n])) ||
		    (has_come && sigismember(&came, signals[n])))
			sigaddset(&i->set, signals[n]);
	i->fd = signalfd(-1, &i->set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (i->fd < 0)
		return err_errno(err, "cannot wait for signals");
	sigprocmask(SIG_BLOCK, &i->set, NULL);
	return 0;
}

/* It stays pending. */
static int note(const struct interrupt *i, struct err *err)
{
	char name[16] = "a signal";
	sigset_t pending;

	sigpending(&pending);
	sigandset(&came, &pending, &i->set);
	has_come = true;
	for (size_t n = 0; n < sizeof signals / sizeof *signals; n++)
		if (sigismember(&came, signals[n]))
			proc_signal_name(signals[n], name, sizeof name);
	return err_set(err, ERR_STATE, 0, "interrupted by %s", name);
}

int interrupt_wait(const struct interrupt *i, int fd, int timeout_ms, struct err *err)
{
	struct pollfd wait[] = {{.fd = i->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int64_t end_ms = clock_boot_ms() + timeout_ms;

	for (;;) {
		int64_t left_ms = end_ms - clock_boot_ms();
		int n = poll(wait, 2, left_ms < 0 ? 0 : (int)left_ms);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			return wait[0].revents ? note(i, err) : 0;
		return n < 0 ? err_errno(err, "cannot wait for the start")
			     : err_set(err, ERR_TIMEOUT, 0, "it has not been started within %d s",
				       timeout_ms / 1000);
	}
}

void interrupt_end(struct interrupt *i)
{
	fd_close(i->fd);
	i->fd = -1;
	if (!has_come)
		sigprocmask(SIG_SETMASK, &i->before, NULL);
}

void interrupt_raise(void)
{
	if (!has_come)
		return;
	fflush(NULL);
	sigprocmask(SIG_UNBLOCK, &came, NULL);
}
