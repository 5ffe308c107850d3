/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * C's side of scheduling, memory policy and personality, and what a further process (exec.c) shares with
 * a first one: each of these belongs to a process and is inherited by what it starts.
 */
#include <sys/personality.h>

#include "base/fd.h"
#include "runtime/start.h"
#include "spec/names.h"

/* P may not set a real-time policy before: the control group would refuse C, or give it no time. */
int init_report(struct job *job, struct err *err)
{
	const char done = WORD_DONE;

	return fd_send(job->sync_fd, &done, 1, NULL, 0, err);
}

int init_personality(struct job *job, struct err *err)
{
	const struct spec_linux *l = &job->spec->linux_;

	if (!l->personality_given || personality(l->personality) >= 0)
		return 0;
	err_errno(err, "linux.personality: cannot set the execution domain %s",
		  spec_name_of(spec_personality_domains, (int)l->personality));
	return err_hint(err, "this kernel runs no 32-bit programs");
}

int init_memory_policy(struct job *job, struct err *err)
{
	const struct mempolicy *m = job->spec->linux_.memory_policy;

	if (!m || mempolicy_apply(m, err) == 0)
		return 0;
	return err_wrap(err, "linux.memoryPolicy: %s", spec_name_of(spec_mempolicy_modes, m->mode));
}

int apply_scheduler(pid_t pid, const struct spec_process *process, struct err *err)
{
	const struct scheduler *s = process->scheduler;

	if (!s || scheduler_apply(pid, s, err) == 0)
		return 0;
	return err_wrap(err, "process.scheduler: %s", spec_name_of(spec_sched_policies, s->policy));
}

int apply_io_priority(pid_t pid, const struct spec_process *process, struct err *err)
{
	const struct io_priority *p = process->io_priority;

	if (!p || io_priority_apply(pid, p, err) == 0)
		return 0;
	return err_wrap(err, "process.ioPriority: %s %d", spec_name_of(spec_io_classes, p->class),
			p->level);
}
