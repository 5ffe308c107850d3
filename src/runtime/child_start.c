/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * C between `create` and `start`, and its hooks.
 *
 * While it waits, everything of the container stands and only execve is left to do. It may wait for ever,
 * and its creator ends; so it keeps nothing but what it needs for the rest, closes the socket after it has
 * said that all is done, and reads one byte from a FIFO. From then on an error goes into the other FIFO,
 * where `start` reads it. read(2) and write(2) are all that this takes, because the filter of a container
 * without no_new_privs is in force already.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "runtime/hooks.h"
#include "runtime/start.h"

#define FIXED 12 /* descriptors that are kept, whatever is preserved */

/* Into the user namespace: the hooks of the container are run by its root, and in its root, which the tree of
 * the host has in its place. */
static int enter_as_root(void *data, struct err *err)
{
	struct job *job = data;
	const char *root = job->plan->request.root_dir;

	if (root && chdir(root) < 0)
		return err_errno(err, "cannot enter the root '%s'", root);
	return job->lock_mounts ? init_root(job, err) : 0;
}

int init_hooks_container(struct job *job, struct err *err)
{
	const struct hook_place place = {.enter = enter_as_root,
					 .data = job,
					 .out_fd = job->hook_fds[0],
					 .err_fd = job->hook_fds[1]};
	char word;
	size_t none;
	const char done = WORD_DONE;
	ssize_t n = fd_recv(job->sync_fd, &word, 1, NULL, 0, &none, err);

	if (n != 1)
		_exit(EXIT_FAILURE); /* P failed or died, and so do we, silently */
	if (hooks_run(job->spec, SPEC_HOOK_CREATE_CONTAINER, job->state, STATE_CREATED, getpid(),
		      &place, err) < 0)
		return -1;
	return fd_send(job->sync_fd, &done, 1, NULL, 0, err);
}

/* Everything else is closed: the creator's lock, its logs, its procfs, and every directory of the host's. Close-on-exec
 * comes too late for them: a path of the image's, its "#!" or its ELF interpreter is looked up before, and
 * /proc/self/fd/N/../.. would lead out. Of an exec, A has closed them already. Hooks need descriptors below a limit
 * that may be small. */
int child_let_go(struct job *job, struct err *err)
{
	if (!job->plan || job->has_let_go)
		return 0;
	job->has_let_go = true;
	int kept[FIXED + RUNTIME_PRESERVE_MAX] = {0,
						  1,
						  2,
						  job->sync_fd,
						  job->start_fd,
						  job->answer_fd,
						  job->init_fd,
						  job->apparmor_fd,
						  job->selinux_fd,
						  job->hook_fds[0],
						  job->hook_fds[1],
						  fail_log_fd()};
	size_t count = FIXED;

	for (int fd = 3; fd < 3 + job->preserve_fds; fd++)
		kept[count++] = fd;
	job->proc_fd = -1;
	return fd_close_others(kept, count, err);
}

static int wait_for_start(int start_fd, struct err *err)
{
	char word;
	ssize_t n;

	do
		n = read(start_fd, &word, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : err_errno(err, "cannot wait for the start");
}

/* A container may be created without a process, and can not be started then: the end of it, as of any start
 * that fails. */
static int no_process(struct err *err)
{
	err_set(err, ERR_INVALID, 0, "process: is missing: there is nothing to start");
	return err_hint(err, "config.json needs it when the container is created");
}

int init_start(struct job *job, struct err *err)
{
	bool given = job->spec->process_given;
	const char done = WORD_DONE;

	if ((given && command_check(job, err) < 0) || child_let_go(job, err) < 0 ||
	    fd_send(job->sync_fd, &done, 1, NULL, 0, err) < 0)
		return -1;
	fd_close(take_fd(job->sync_fd));
	if (wait_for_start(job->start_fd, err) < 0)
		return -1;
	return given ? 0 : no_process(err);
}

/* A hook is a program of the container's, and bound as its command will be; ours is not yet. */
static int confine(void *data, struct err *err)
{
	struct job *job = data;

	if (child_lower_files(job, err) < 0)
		return -1;
	return job->filtered || !job->process->no_new_privs ? 0 : child_restrict(job, err);
}

int init_hooks_start(struct job *job, struct err *err)
{
	const struct hook_place place = {.confine = confine,
					 .data = job,
					 .out_fd = job->hook_fds[0],
					 .err_fd = job->hook_fds[1]};

	if (child_let_go(job, err) < 0)
		return -1;
	return hooks_run(job->spec, SPEC_HOOK_START_CONTAINER, job->state, STATE_CREATED, job->pid,
			 &place, err);
}
