/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A start in a user namespace: of an ordinary user, or of an engine that made one.
 *
 * P enters the namespaces of the container to make its mounts, and comes back. Back into a network, ipc or
 * uts namespace of the host's needs a right over the host's user namespace, which P does not have here. So
 * another process goes: Q shares P's memory and descriptors, but not its namespaces, root, working directory
 * and credentials. It takes the steps from the pad to the pivot, with C born as P's child, and ends; what it
 * found out stands in P's own variables. P never leaves.
 *
 * Q and P never run at the same time: P waits for Q's word. The word is "done", or that P has to do a step
 * itself, because its program belongs into P's namespaces. A Q that dies is heard of by its pidfd.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "runtime/start.h"

#define STACK_SIZE (1u << 20)

struct nested {
	struct start *s;
	size_t first, last;
	struct err *err;
	int status;
	const struct step *asked; /* P's to do; NULL: Q is done */
	struct proc q;
	int pair[2]; /* P's end, Q's end */
	void *stack;
};

static void nested_done(struct nested *n)
{
	proc_done(&n->q);
	fd_close(n->pair[0]);
	fd_close(n->pair[1]);
	if (n->stack != MAP_FAILED)
		munmap(n->stack, STACK_SIZE);
}

/* Q */
static int be_nested(void *data)
{
	struct nested *n = data;
	struct err ignored;

	n->status = 0;
	for (size_t i = n->first; i <= n->last && n->status == 0; i++)
		n->status = start_run_step(n->s, &n->s->plan->steps[i], n->err);
	n->asked = NULL;
	fd_write_all(n->pair[1], "w", 1, "P", &ignored);
	_exit(EXIT_SUCCESS);
}

/* Q */
int start_ask_parent(struct start *s, const struct step *step, struct err *err)
{
	struct nested *n = s->proxy;
	char word;

	n->asked = step;
	if (fd_write_all(n->pair[1], "w", 1, "P", err) < 0)
		return -1;
	if (read(n->pair[1], &word, 1) != 1)
		return err_set(err, ERR_IO, 0, "our parent does not answer");
	return n->status;
}

static int await_q(struct nested *n, struct err *err)
{
	struct pollfd wait[2] = {{.fd = n->pair[0], .events = POLLIN},
				 {.fd = n->q.pidfd, .events = POLLIN}};
	char word;

	while (poll(wait, 2, -1) < 0)
		if (errno != EINTR)
			return err_errno(err, "cannot wait for a process of ours");
	if (!(wait[0].revents & POLLIN))
		return err_set(err, ERR_INTERNAL, 0, "a process of ours died during the start");
	return read(n->pair[0], &word, 1) == 1 ? 0
					       : err_errno(err, "cannot hear a process of ours");
}

static int serve_q(struct nested *n, struct err *err)
{
	struct start *s = n->s;

	for (;;) {
		if (await_q(n, err) < 0)
			return -1;
		if (!n->asked)
			return n->status;
		s->is_proxy = false;
		n->status = start_run_step(s, n->asked, err);
		s->is_proxy = true;
		if (fd_write_all(n->pair[0], "w", 1, "a process of ours", err) < 0)
			return -1;
	}
}

static int start_q(struct nested *n, struct err *err)
{
	n->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (n->stack == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, n->pair) < 0)
		return err_errno(err, "cannot prepare a process");
	n->s->proxy = n;
	n->s->is_proxy = true;
	return ns_spawn_sharing(be_nested, n, (char *)n->stack + STACK_SIZE, &n->q, err);
}

/* What Q left was Q's: there is nothing that P would have to return to. */
static void forget_left(struct start *s)
{
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		fd_close(s->own_ns[kind]);
		s->own_ns[kind] = -1;
	}
	s->moved = false;
	s->is_proxy = false;
	s->proxy = NULL;
}

int start_run_nested(struct start *s, size_t first, size_t last, struct err *err)
{
	own(nested) struct nested n = {.s = s,
				       .first = first,
				       .last = last,
				       .err = err,
				       .q = PROC_INIT,
				       .pair = {-1, -1},
				       .stack = MAP_FAILED};
	struct err ignored;
	struct proc_exit how;
	int status = start_q(&n, err);

	if (status == 0)
		status = serve_q(&n, err);
	if (status == 0)
		proc_wait(&n.q, -1, &how, &ignored);
	if (status == 0 && s->midwife.pidfd >= 0) {
		proc_wait(&s->midwife, -1, &how, &ignored);
		proc_forget(&s->midwife);
	}
	forget_left(s);
	return status;
}
