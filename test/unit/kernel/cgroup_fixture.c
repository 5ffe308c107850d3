/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/own.h"
#include "test.h"

struct cgroup_host host;
struct cgroup_resources r;
struct cgroup_plan plan;
struct cgroup cg = {.v2_fd = -1};
struct err err;
char group_name[64];

/* The process that runs the tests: part of every name, so that it can remove what a test left. */
pid_t runner;

void remove_group(const char *name)
{
	struct err ignored = ERR_INIT;
	struct cgroup left = CGROUP_INIT;

	if (cgroup_open(&host, name, &left, &ignored) < 0)
		return;
	cgroup_kill(&left, 5000, &ignored);
	cgroup_remove(&left, 5000, &ignored);
	cgroup_done(&left);
}

/* A failed check ends its test at once, within a group that is still there. */
static void remove_leftovers(void)
{
	own(strv) struct strv names = STRV_INIT;
	struct err ignored = ERR_INIT;
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "insula-test-%d-", (int)runner);
	if (cgroup_host_probe(AT_FDCWD, &host, &ignored) < 0)
		return;
	if (cgroup_list(&host, ".", prefix, &names, &ignored) == 0)
		for (size_t i = 0; i < names.count; i++)
			remove_group(names.items[i]);
	cgroup_host_done(&host);
}

void begin(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	err = ERR_INIT;
	CHECK_OK(cgroup_host_probe(AT_FDCWD, &host, &err));
	if (host.mode == CGROUP_NONE)
		SKIP("this host has no control groups");
	snprintf(group_name, sizeof(group_name), "insula-test-%d-%d", (int)runner, (int)getpid());
	cgroup_resources_init(&r);
}

void need(unsigned int controllers)
{
	if ((host.controllers & controllers) != controllers)
		SKIP("this host lacks a controller");
}

int create(void)
{
	int rc = cgroup_plan_make(&host, group_name, &r, false, &plan, &err);

	if (rc == 0) {
		rc = cgroup_create(&host, &plan, &cg, &err);
		cgroup_plan_done(&plan);
	}
	return rc;
}

int member_dir(unsigned int controller)
{
	const struct cgroup_member *member = cgroup_member_at(
		&cg, (unsigned int)cgroup_host_find(&host, controller));

	CHECK(member);
	return member->dir_fd;
}

bool on_v2(unsigned int controller)
{
	return host.hierarchies[cgroup_host_find(&host, controller)].v2;
}

const char *value(unsigned int controller, const char *v1, const char *v2)
{
	static char text[4096];

	CHECK(cgroup_get(member_dir(controller), on_v2(controller) ? v2 : v1, text, sizeof(text)) >=
	      0);
	return text;
}

void finish(void)
{
	cgroup_done(&cg);
	cgroup_host_done(&host);
}

bool group_exists(void)
{
	struct cgroup found = CGROUP_INIT;
	struct err ignored = ERR_INIT;

	if (cgroup_open(&host, group_name, &found, &ignored) < 0)
		return false;
	cgroup_done(&found);
	return true;
}

/* A child in the group that runs `fn`; it begins when it has joined. */
struct proc spawn(void (*fn)(void))
{
	struct proc child = PROC_INIT;
	int ready[2];
	char byte;
	pid_t pid;

	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = proc_clone(&child, 0, cg.v2_fd, &err);
	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_join_v1(&cg, &err) < 0)
			_exit(99);
		if (write(ready[1], "x", 1) != 1)
			_exit(98);
		close(ready[1]);
		fn();
		_exit(0);
	}
	close(ready[1]);
	CHECK_INT(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

void wait_for_ever(void)
{
	for (;;)
		pause();
}

struct proc_exit reap(struct proc *child)
{
	struct proc_exit how = {0};

	CHECK_INT(proc_wait(child, 10000, &how, &err), 1);
	proc_done(child);
	return how;
}

int apply(void)
{
	int rc = cgroup_plan_make(&host, group_name, &r, false, &plan, &err);

	if (rc == 0) {
		rc = cgroup_apply(&host, &plan, &cg, &err);
		cgroup_plan_done(&plan);
	}
	return rc;
}

int cgroup_test_main(int argc, char **argv)
{
	int rc;

	runner = getpid();
	rc = test_main(argc, argv);
	remove_leftovers();
	return rc;
}
