/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scheduling, I/O priority, CPUs and memory policy as root: set on a child, and asked of the kernel. */
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/facts.h"
#include "kernel/mempolicy.h"
#include "kernel/scheduler.h"
#include "test.h"

static struct err err;

static pid_t start_child(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end_child(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static struct attr attr_of(pid_t pid)
{
	struct attr attr = {0};

	CHECK(syscall(SYS_sched_getattr, pid, &attr, sizeof attr, 0) == 0);
	return attr;
}

static void check_policy(const struct scheduler *wanted)
{
	pid_t pid = start_child();

	CHECK(setpriority(PRIO_PROCESS, (id_t)pid, 0) == 0); /* whatever the tests are run with */
	CHECK_OK(scheduler_apply(pid, wanted, &err));
	struct attr attr = attr_of(pid);
	CHECK_INT(attr.policy, (uint32_t)wanted->policy);
	CHECK_INT(attr.nice, wanted->nice);
	CHECK_INT(attr.priority, (uint32_t)wanted->priority);
	CHECK_INT(attr.flags, wanted->flags);
	/* Of the others Linux 6.12 tells the slice there. */
	CHECK_INT(attr.policy == SCHED_DEADLINE ? attr.runtime : 0, wanted->runtime);
	CHECK_INT(attr.deadline, wanted->deadline);
	CHECK_INT(attr.period, wanted->period);
	end_child(pid);
}

TEST(every_policy_is_in_force)
{
	const struct scheduler all[] = {
		{.policy = SCHED_NORMAL, .nice = -7},
		{.policy = SCHED_BATCH, .nice = 3, .flags = SCHED_FLAG_RESET_ON_FORK},
		{.policy = SCHED_IDLE},
		{.policy = SCHED_FIFO, .priority = 42},
		{.policy = SCHED_RR, .priority = 1, .flags = SCHED_FLAG_RESET_ON_FORK},
		{.policy = SCHED_DEADLINE,
		 .runtime = 1000000,
		 .deadline = 20000000,
		 .period = 30000000,
		 .flags = SCHED_FLAG_RECLAIM | SCHED_FLAG_DL_OVERRUN},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		check_policy(&all[i]);
}

TEST(a_policy_and_parameters_that_are_kept)
{
	const struct scheduler first = {.policy = SCHED_BATCH, .nice = 5};
	const struct scheduler kept = {.policy = SCHED_NORMAL,
				       .flags = SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS |
						SCHED_FLAG_RESET_ON_FORK};
	pid_t pid = start_child();

	CHECK_OK(scheduler_apply(pid, &first, &err));
	CHECK_OK(scheduler_apply(pid, &kept, &err));
	CHECK_INT(attr_of(pid).policy, SCHED_BATCH);
	CHECK_INT(attr_of(pid).nice, 5);
	end_child(pid);
}

TEST(a_refusal_says_what_is_missing)
{
	const struct scheduler unknown = {.policy = SCHED_NORMAL, .flags = 1 << 20};

	CHECK_ERR(scheduler_apply(0, &unknown, &err), ERR_IO, "cannot set the scheduling policy");
	CHECK(strstr(err.hint, "sched_setattr(2)"));
}

TEST(io_priority_of_another_process)
{
	const struct io_priority wanted = {.class = IOPRIO_CLASS_RT, .level = 3};
	pid_t pid = start_child();

	CHECK_OK(io_priority_apply(pid, &wanted, &err));
	CHECK_INT(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid),
		  IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, 3));
	end_child(pid);
}

TEST(cpus_of_another_process_and_our_own)
{
	struct affinity before = {.size = 0}, after = {.size = 0};
	pid_t pid = start_child();
	uint64_t words[8192 / 64] = {0};

	CHECK_OK(affinity_save(&before, &err));
	CHECK_OK(affinity_apply(pid, "0", &err));
	CHECK(syscall(SYS_sched_getaffinity, pid, sizeof words, words) > 0);
	CHECK_INT(words[0], 1);
	CHECK_ERR(affinity_apply(pid, "8000", &err), ERR_IO, "cannot run on the CPUs '8000'");
	CHECK(strstr(err.hint, "cpuset"));
	CHECK_OK(affinity_apply(0, "0", &err));
	CHECK_OK(affinity_restore(&before, &err));
	CHECK_OK(affinity_save(&after, &err));
	CHECK_INT(after.words[0], before.words[0]);
	end_child(pid);
}

/* In a child, which has the policy to itself. */
static void check_memory_policy(const struct mempolicy *wanted)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		uint64_t nodes[16] = {0};
		int mode = 0;

		if (mempolicy_apply(wanted, &err) < 0 ||
		    syscall(SYS_get_mempolicy, &mode, nodes, 1024, NULL, 0) < 0)
			_exit(1);
		_exit(mode == (wanted->mode | (int)wanted->flags) &&
				      nodes[0] == (wanted->nodes ? 1 : 0)
			      ? 0
			      : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		test_fail(__FILE__, __LINE__, "mode %d: status %#x", wanted->mode, status);
}

TEST(every_memory_policy_is_in_force)
{
	const struct mempolicy all[] = {
		{.mode = MPOL_DEFAULT},
		{.mode = MPOL_LOCAL},
		{.mode = MPOL_PREFERRED, .nodes = (char *)"0", .flags = MPOL_F_RELATIVE_NODES},
		{.mode = MPOL_BIND, .nodes = (char *)"0", .flags = MPOL_F_STATIC_NODES},
		{.mode = MPOL_BIND, .nodes = (char *)"0", .flags = MPOL_F_NUMA_BALANCING},
		{.mode = MPOL_INTERLEAVE, .nodes = (char *)"0"},
		{.mode = MPOL_PREFERRED_MANY, .nodes = (char *)"0"},
		{.mode = MEMPOLICY_WEIGHTED_INTERLEAVE, .nodes = (char *)"0"},
	};
	struct facts facts;

	CHECK_OK(facts_probe(AT_FDCWD, &facts, &err));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		bool too_new = all[i].mode == MEMPOLICY_WEIGHTED_INTERLEAVE &&
			       (facts.major < 6 || (facts.major == 6 && facts.minor < 9));

		if (!too_new)
			check_memory_policy(&all[i]);
	}
}

TEST(a_memory_node_that_is_not_there)
{
	const struct mempolicy absent = {.mode = MPOL_BIND, .nodes = (char *)"1023"};
	const struct mempolicy beyond = {.mode = MPOL_BIND, .nodes = (char *)"1024"};

	CHECK_ERR(mempolicy_apply(&absent, &err), ERR_IO, "for nodes '1023'");
	CHECK(strstr(err.hint, "none of the nodes"));
	CHECK_ERR(mempolicy_apply(&beyond, &err), ERR_LIMIT, "a number above 1023");
}

TEST_MAIN()
