/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The live kernel, as root: making, joining, killing, freezing, limits.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "cgroup_fixture.h"
#include "test.h"

static void fork_bomb(void)
{
	for (;;)
		if (fork() < 0)
			usleep(100);
}

/* ---- create and read back ---- */

TEST(limits_are_what_was_asked_for)
{
	begin();
	need(CG_MEMORY | CG_PIDS | CG_CPU);
	r.memory_limit = 64 << 20;
	r.pids_limit = 50;
	r.cpu_quota = 50000;
	r.cpu_period = 100000;
	r.cpu_shares = 512;
	CHECK_OK(create());
	CHECK_STR(value(CG_MEMORY, "memory.limit_in_bytes", "memory.max"), "67108864");
	CHECK_STR(value(CG_PIDS, "pids.max", "pids.max"), "50");
	CHECK_STR(value(CG_CPU, "cpu.cfs_quota_us", "cpu.max"),
		  on_v2(CG_CPU) ? "50000 100000" : "50000");
	CHECK_STR(value(CG_CPU, "cpu.shares", "cpu.weight"), on_v2(CG_CPU) ? "59" : "512");
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	CHECK(!group_exists());
	finish();
}

TEST(a_new_cpuset_has_what_its_parent_has)
{
	begin();
	need(CG_CPUSET);
	if (on_v2(CG_CPUSET))
		SKIP("cpusets of v2 need no copying");
	CHECK_OK(create());
	CHECK_STR(value(CG_CPUSET, "cpuset.cpus", ""), host.cpus);
	CHECK_STR(value(CG_CPUSET, "cpuset.mems", ""), host.mems);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(a_narrower_parent_gives_what_it_has)
{
	char name[128];

	begin();
	need(CG_CPUSET);
	if (on_v2(CG_CPUSET) || strcmp(host.cpus, "0") == 0)
		SKIP("needs v1 cpusets and two CPUs");
	r.cpuset_cpus = strdup("0");
	CHECK_OK(create());
	snprintf(name, sizeof(name), "%s/inner", group_name);
	cgroup_resources_done(&r);
	cgroup_done(&cg);
	CHECK_OK(cgroup_plan_make(&host, name, &r, false, &plan, &err));
	CHECK_OK(cgroup_create(&host, &plan, &cg, &err));
	CHECK_STR(value(CG_CPUSET, "cpuset.cpus", ""), "0");
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	cgroup_done(&cg);
	cgroup_plan_done(&plan);
	r.cpuset_cpus = strdup(host.cpus);
	CHECK_OK(cgroup_plan_make(&host, name, &r, false, &plan, &err));
	CHECK_ERR(cgroup_create(&host, &plan, &cg, &err), ERR_INVALID, "cannot set cpuset.cpus");
	CHECK_STR(err.hint, "available above it: 0");
	cgroup_plan_done(&plan);
	cgroup_resources_done(&r);
	remove_group(group_name);
	finish();
}

TEST(nested_names_make_and_remove_what_is_above)
{
	char name[128];

	begin();
	need(CG_PIDS);
	snprintf(name, sizeof(name), "%s/a/b", group_name);
	r.pids_limit = 5;
	CHECK_OK(cgroup_plan_make(&host, name, &r, false, &plan, &err));
	CHECK_OK(cgroup_create(&host, &plan, &cg, &err));
	cgroup_plan_done(&plan);
	CHECK_INT(cg.members[0].made_parents, 2);
	CHECK(group_exists());
	struct proc child = spawn(wait_for_ever);
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&child).signal, SIGKILL);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	CHECK(!group_exists());
	finish();
}

static int made_directories(int watch_fd, const char *name)
{
	char events[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t size = read(watch_fd, events, sizeof(events));
	int count = 0;

	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *event = (const void *)(events + at);

		count += event->mask & IN_CREATE && strcmp(event->name, name) == 0;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return count;
}

/* The kernel says so with the number by which it also says that a directory is gone. */
TEST(a_controller_that_is_not_there_is_no_directory_that_went)
{
	own_fd int watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct cgroup_write write = {.file = "pids.max", .value = (char *)"5", .required = true};
	struct cgroup_plan asked = {.writes = &write, .count = 1};
	struct cgroup_host only = {.mode = CGROUP_V2, .count = 1};

	begin();
	for (size_t i = 0; i < host.count; i++)
		if (host.hierarchies[i].v2 && !(host.hierarchies[i].controllers & CG_PIDS))
			only.hierarchies[0] = host.hierarchies[i];
	if (!only.hierarchies[0].v2)
		SKIP("needs a v2 hierarchy without the controller pids");
	/* Both, as one event that follows another of its kind is none. */
	CHECK(inotify_add_watch(watch_fd, only.hierarchies[0].mount, IN_CREATE | IN_DELETE) >= 0);
	snprintf(asked.name, sizeof(asked.name), "%s/a/box", group_name);
	/* Of the top itself nothing is asked, as of a directory that was delegated. */
	asked.foreign = 1;
	CHECK_ERR(cgroup_create(&only, &asked, &cg, &err), ERR_NOT_FOUND, "cannot enable +pids");
	CHECK_STR(err.hint, "see cgroup.controllers there");
	CHECK_INT(made_directories(watch_fd, group_name), 1);
	finish();
}

TEST(a_used_name_is_refused_and_an_empty_one_taken_over)
{
	struct cgroup second = CGROUP_INIT;

	begin();
	CHECK_OK(create());
	struct proc child = spawn(wait_for_ever);

	CHECK_OK(cgroup_plan_make(&host, group_name, &r, false, &plan, &err));
	CHECK_ERR(cgroup_create(&host, &plan, &second, &err), ERR_EXISTS, "exists and is in use");
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	reap(&child);
	CHECK_OK(cgroup_create(&host, &plan, &second, &err));
	cgroup_plan_done(&plan);
	CHECK_OK(cgroup_remove(&second, 1000, &err));
	cgroup_done(&second);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(a_value_that_the_kernel_refuses_leaves_nothing)
{
	begin();
	need(CG_IO);
	/* No such disk. */
	r.io_read_bps.items = calloc(1, sizeof(*r.io_read_bps.items));
	r.io_read_bps.items[0] = (struct cgroup_throttle){4001, 77, 4096};
	r.io_read_bps.count = 1;
	CHECK_ERR(create(), ERR_INVALID, "to '4001:77 ");
	CHECK(!group_exists());
	cgroup_resources_done(&r);
	cgroup_plan_done(&plan);
	finish();
}

TEST(killed_by_a_failpoint_half_way_leaves_what_can_be_removed)
{
	begin();
#ifndef INSULA_FAILPOINTS
	SKIP("built without failpoints");
#endif
	CHECK(setenv("INSULA_FAIL", "cgroup-made=error:EIO@2", 1) == 0);
	if (host.count >= 2)
		CHECK_ERR(create(), ERR_IO, "cgroup-made");
	CHECK(!group_exists());
	cgroup_plan_done(&plan);
	finish();
}

/* ---- join ---- */

static bool has_member(int dir_fd, pid_t pid)
{
	own_free char *text = calloc(1, 65536);
	char line[24];

	CHECK(cgroup_get(dir_fd, "cgroup.procs", text, 65536) >= 0);
	snprintf(line, sizeof(line), "%d", (int)pid);
	return cgroup_events_has(text, line);
}

TEST(a_child_is_in_every_hierarchy)
{
	int pids[4];

	begin();
	CHECK_OK(create());
	struct proc child = spawn(wait_for_ever);

	for (size_t i = 0; i < cg.count; i++)
		CHECK(has_member(cg.members[i].dir_fd, child.pid));
	CHECK_INT(cgroup_pids(&cg, pids, 4, &err), 1);
	CHECK_INT(pids[0], child.pid);
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&child).signal, SIGKILL);
	CHECK_INT(cgroup_pids(&cg, pids, 4, &err), 0);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(another_process_is_moved_in)
{
	struct proc child = PROC_INIT;
	pid_t pid;

	begin();
	CHECK_OK(create());
	pid = proc_clone(&child, 0, -1, &err);
	CHECK(pid >= 0);
	if (pid == 0)
		wait_for_ever();
	CHECK_OK(cgroup_join_all(&cg, child.pid, &err));
	for (size_t i = 0; i < cg.count; i++)
		CHECK(has_member(cg.members[i].dir_fd, child.pid));
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	reap(&child);
	CHECK_ERR(cgroup_join_all(&cg, 4194303, &err), ERR_IO, "cannot move process 4194303");
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* ---- kill ---- */

static void bomb_and_kill(void)
{
	struct cgroup_stats stats;
	int pids[1];

	need(CG_PIDS);
	/* Grandchildren of the bomb are nobody's children in here; let the kernel reap them. */
	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	r.pids_limit = 50;
	CHECK_OK(create());
	struct proc child = spawn(fork_bomb);

	for (int tries = 0; tries < 400; tries++) { /* a machine may be busy otherwise */
		test_sleep_ms(50);
		CHECK_OK(cgroup_stats(&host, &cg, &stats, &err));
		CHECK(stats.pids <= 50);
		if (stats.pids > 10)
			break;
	}
	CHECK_INT(stats.pids_limit, 50);
	CHECK(stats.pids > 10);
	CHECK_OK(cgroup_kill(&cg, 10000, &err));
	CHECK_INT(cgroup_pids(&cg, pids, 1, &err), 0);
	CHECK_OK(cgroup_remove(&cg, 5000, &err));
	CHECK(!group_exists());
	proc_forget(&child);
	finish();
}

TEST(a_fork_bomb_is_limited_and_killed)
{
	begin();
	bomb_and_kill();
}

/* The same without cgroup.kill: as if the host had no v2. */
TEST(a_fork_bomb_is_killed_without_v2)
{
	begin();
	if (host.mode != CGROUP_HYBRID)
		SKIP("needs v1 hierarchies beside v2");
	for (size_t i = 0; i < host.count; i++)
		if (host.hierarchies[i].v2) {
			fd_close(host.hierarchies[i].dir_fd);
			host.hierarchies[i] = host.hierarchies[--host.count];
		}
	bomb_and_kill();
}

TEST(a_killed_group_that_somebody_froze)
{
	begin();
	need(CG_FREEZER);
	CHECK_OK(create());
	struct proc child = spawn(wait_for_ever);

	if (on_v2(CG_FREEZER))
		CHECK_OK(cgroup_freeze(&cg, true, 1000, &err));
	else
		/* Not by us, and in a way that SIGKILL does not end. */
		CHECK(cgroup_put(member_dir(CG_FREEZER), "freezer.state", "FROZEN") == 0);
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&child).signal, SIGKILL);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* Joined only some hierarchies, as a start that was cut short leaves it. */
TEST(a_half_joined_process_is_killed)
{
	struct proc child = PROC_INIT;
	char text[24];
	pid_t pid;

	begin();
	need(CG_PIDS);
	if (host.mode != CGROUP_HYBRID)
		SKIP("needs several hierarchies");
	CHECK_OK(create());
	pid = proc_clone(&child, 0, -1, &err);
	CHECK(pid >= 0);
	if (pid == 0)
		wait_for_ever();
	snprintf(text, sizeof(text), "%d", (int)child.pid);
	CHECK(cgroup_put(member_dir(CG_PIDS), "tasks", text) == 0);
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&child).signal, SIGKILL);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(removing_a_group_in_use_says_by_whom)
{
	char hint[64];

	begin();
	CHECK_OK(create());
	struct proc child = spawn(wait_for_ever);

	CHECK_ERR(cgroup_remove(&cg, 30, &err), ERR_BUSY, "cannot remove cgroup 'insula-test-");
	snprintf(hint, sizeof(hint), "process %d is still in it", (int)child.pid);
	CHECK_STR(err.hint, hint);
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	reap(&child);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(sub_groups_of_a_guest_are_killed_and_removed)
{
	char name[32], pid[24];

	begin();
	CHECK_OK(create());
	for (size_t i = 0; i < cg.count; i++)
		for (int k = 0; k < 20; k++) {
			snprintf(name, sizeof(name), "guest%d", k);
			CHECK(mkdirat(cg.members[i].dir_fd, name, 0755) == 0);
			snprintf(name, sizeof(name), "guest%d/inner", k);
			CHECK(mkdirat(cg.members[i].dir_fd, name, 0755) == 0);
		}
	struct proc child = spawn(wait_for_ever);

	if (cg.v2_fd >= 0) {
		own_fd int inner = openat(cg.v2_fd, "guest3/inner", O_PATH | O_CLOEXEC);

		snprintf(pid, sizeof(pid), "%d", (int)child.pid);
		CHECK(cgroup_put(inner, "cgroup.procs", pid) == 0);
		CHECK(!has_member(cg.v2_fd, child.pid));
	}
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&child).signal, SIGKILL);
	CHECK_OK(cgroup_remove(&cg, 5000, &err));
	CHECK(!group_exists());
	finish();
}

/* ---- freeze ---- */

static void count_up(void)
{
	for (;;)
		;
}

static uint64_t cpu_now(void)
{
	struct cgroup_stats stats;

	CHECK_OK(cgroup_stats(&host, &cg, &stats, &err));
	return stats.cpu_usage_ns;
}

TEST(nothing_is_made_below_a_frozen_group)
{
	struct cgroup below = CGROUP_INIT;
	char name[128];

	begin();
	need(CG_FREEZER);
	CHECK_OK(create());
	CHECK_OK(cgroup_freeze(&cg, true, 1000, &err));
	snprintf(name, sizeof(name), "%s/below", group_name);
	CHECK_OK(cgroup_plan_make(&host, name, &r, false, &plan, &err));
	CHECK_ERR(cgroup_create(&host, &plan, &below, &err), ERR_STATE, "frozen");
	CHECK_OK(cgroup_freeze(&cg, false, 1000, &err));
	CHECK_OK(cgroup_create(&host, &plan, &below, &err));
	CHECK_OK(cgroup_remove(&below, 1000, &err));
	cgroup_plan_done(&plan);
	cgroup_done(&below);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(a_group_that_somebody_removed_is_said_to_be_gone)
{
	struct proc child = PROC_INIT;

	begin();
	CHECK_OK(create());
	if (cg.v2_fd < 0)
		SKIP("this host has no cgroup v2");
	CHECK(unlinkat(cg.members[cg.count - 1].parent_fd, group_name, AT_REMOVEDIR) == 0 ||
	      unlinkat(host.hierarchies[cgroup_host_find(&host, CG_PERF)].dir_fd, group_name,
		       AT_REMOVEDIR) == 0);
	CHECK_INT(proc_clone(&child, 0, cg.v2_fd, &err), -1);
	cgroup_explain(&cg, &err);
	CHECK_INT(err.kind, ERR_STATE);
	CHECK(strstr(err.message, "was removed meanwhile"));
	err = ERR_INIT;
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

TEST(a_threaded_tree_takes_no_container)
{
	struct cgroup below = CGROUP_INIT;
	struct proc child = PROC_INIT;
	char name[128];

	begin();
	CHECK_OK(create());
	if (cg.v2_fd < 0)
		SKIP("this host has no cgroup v2");
	/* A threaded child makes the group a threaded domain, where another child is invalid. */
	CHECK(mkdirat(cg.v2_fd, "threads", 0755) == 0);
	own_fd int threads_fd = openat(cg.v2_fd, "threads", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(cgroup_put(threads_fd, "cgroup.type", "threaded") == 0);
	snprintf(name, sizeof(name), "%s/below", group_name);
	CHECK_OK(cgroup_plan_make(&host, name, &r, false, &plan, &err));
	CHECK_OK(cgroup_create(&host, &plan, &below, &err));
	CHECK_INT(proc_clone(&child, 0, below.v2_fd, &err), -1);
	cgroup_explain(&below, &err);
	CHECK(strstr(err.message, "threaded tree"));
	err = ERR_INIT;
	CHECK_OK(cgroup_remove(&below, 1000, &err));
	cgroup_plan_done(&plan);
	cgroup_done(&below);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* In ten seconds: on a busy machine its turn may be long in coming. */
static bool runs_since(uint64_t before, uint64_t ns)
{
	for (int i = 0; i < 1000; i++) {
		if (cpu_now() - before > ns)
			return true;
		usleep(10000);
	}
	return false;
}

TEST(a_frozen_group_uses_no_time)
{
	struct cgroup_stats stats;
	uint64_t before;

	begin();
	need(CG_FREEZER | CG_CPUACCT);
	CHECK_OK(create());
	struct proc child = spawn(count_up);

	CHECK(runs_since(0, 1000000));
	CHECK_OK(cgroup_freeze(&cg, true, 2000, &err));
	CHECK_OK(cgroup_stats(&host, &cg, &stats, &err));
	CHECK(stats.frozen && stats.cpu_usage_ns > 1000000);
	before = cpu_now();
	usleep(50000);
	CHECK(cpu_now() - before < 5000000);
	CHECK_OK(cgroup_freeze(&cg, false, 2000, &err));
	CHECK_OK(cgroup_stats(&host, &cg, &stats, &err));
	CHECK(!stats.frozen);
	CHECK(runs_since(before, 5000000));
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	reap(&child);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* ---- limits in force ---- */

static void touch(size_t size)
{
	volatile char *memory = malloc(size);

	for (size_t i = 0; i < size; i += 1024)
		memory[i] = 1;
}

static void hog_memory(void)
{
	touch(64 << 20);
	_exit(7);
}

TEST(a_memory_hog_is_killed_and_counted)
{
	struct cgroup_stats stats;

	begin();
	need(CG_MEMORY);
	r.memory_limit = 16 << 20;
	r.memory_swap = 16 << 20;
	CHECK_OK(create());
	struct proc child = spawn(hog_memory);

	CHECK_INT(reap(&child).signal, SIGKILL);
	CHECK_OK(cgroup_stats(&host, &cg, &stats, &err));
	CHECK_INT(stats.memory_limit, 16 << 20);
	CHECK(stats.memory_oom_kills >= 1);
	CHECK(stats.memory_peak > 8 << 20);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* ---- apply ---- */

TEST(limits_change_in_any_direction)
{
	begin();
	need(CG_MEMORY | CG_CPU | CG_PIDS);
	r.memory_limit = r.memory_swap = 32 << 20;
	r.cpu_quota = 50000;
	CHECK_OK(create());
	/* Up: memory is refused until memory+swap was raised. */
	r.memory_limit = r.memory_swap = 64 << 20;
	r.cpu_quota = 20000;
	r.pids_limit = 33;
	CHECK_OK(apply());
	CHECK_STR(value(CG_MEMORY, "memory.limit_in_bytes", "memory.max"), "67108864");
	CHECK_STR(value(CG_PIDS, "pids.max", "pids.max"), "33");
	/* And down. */
	r.memory_limit = r.memory_swap = 16 << 20;
	CHECK_OK(apply());
	CHECK_STR(value(CG_MEMORY, "memory.limit_in_bytes", "memory.max"), "16777216");
	r.memory_limit = -1;
	r.memory_swap = CGROUP_UNSET;
	CHECK_OK(apply());
	CHECK(strcmp(value(CG_MEMORY, "memory.limit_in_bytes", "memory.max"), "16777216") != 0);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* The last write of the update is refused: everything before it is as it was. */
TEST(a_refused_update_changes_nothing)
{
	begin();
	need(CG_MEMORY | CG_CPU | CG_PIDS | CG_IO);
	r.memory_limit = r.memory_swap = 32 << 20;
	r.cpu_quota = 50000;
	r.cpu_shares = 512;
	r.pids_limit = 33;
	CHECK_OK(create());
	r.memory_limit = r.memory_swap = 64 << 20;
	r.cpu_quota = 20000;
	r.cpu_shares = 100;
	r.pids_limit = 7;
	r.io_read_bps.items = calloc(1, sizeof(*r.io_read_bps.items));
	r.io_read_bps.items[0] = (struct cgroup_throttle){4001, 77, 4096};
	r.io_read_bps.count = 1;
	CHECK_ERR(apply(), ERR_INVALID, "to '4001:77 ");
	cgroup_plan_done(&plan);
	CHECK_STR(value(CG_MEMORY, "memory.limit_in_bytes", "memory.max"), "33554432");
	CHECK_STR(value(CG_PIDS, "pids.max", "pids.max"), "33");
	CHECK_STR(value(CG_CPU, "cpu.cfs_quota_us", "cpu.max"),
		  on_v2(CG_CPU) ? "50000 100000" : "50000");
	CHECK_STR(value(CG_CPU, "cpu.shares", "cpu.weight"), on_v2(CG_CPU) ? "59" : "512");
	cgroup_resources_done(&r);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

static void use_memory(void)
{
	touch(8 << 20);
	wait_for_ever();
}

TEST(check_before_update_refuses_what_would_kill)
{
	begin();
	need(CG_MEMORY);
	r.memory_limit = 64 << 20;
	CHECK_OK(create());
	struct proc child = spawn(use_memory);

	usleep(50000);
	r.memory_limit = 1 << 20;
	r.memory_check_before_update = true;
	CHECK_ERR(apply(), ERR_STATE, "it uses");
	cgroup_plan_done(&plan);
	CHECK_STR(value(CG_MEMORY, "memory.limit_in_bytes", "memory.max"), "67108864");
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	reap(&child);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* ---- below ---- */

static const struct cgroup_member *member_of(unsigned int controller)
{
	for (size_t i = 0; i < cg.count; i++)
		if (host.hierarchies[cg.members[i].hierarchy].controllers & controller)
			return &cg.members[i];
	SKIP("there is no such controller here");
}

TEST(who_joins_goes_below_where_that_is_asked_for)
{
	struct stat group, below, now;

	begin();
	need(CG_PIDS);
	CHECK_OK(create());
	CHECK_ERR(cgroup_descend(&host, &cg, "pids:sub", &err), ERR_NOT_FOUND, "sub");
	CHECK_ERR(cgroup_descend(&host, &cg, "pids:../x", &err), ERR_INVALID,
		  "bad sub cgroup path");
	CHECK_ERR(cgroup_descend(&host, &cg, "..", &err), ERR_INVALID, "bad sub cgroup path");
	CHECK_ERR(cgroup_descend(&host, &cg, "no:sub", &err), ERR_INVALID,
		  "unknown controller 'no'");
	CHECK_ERR(cgroup_descend(&host, &cg, ":sub", &err), ERR_INVALID, "unknown controller");
	CHECK(fstat(member_of(CG_PIDS)->dir_fd, &group) == 0);
	CHECK(mkdirat(member_of(CG_PIDS)->dir_fd, "sub", 0755) == 0);
	CHECK(fstatat(member_of(CG_PIDS)->dir_fd, "sub", &below, 0) == 0);
	CHECK_OK(cgroup_descend(&host, &cg, "pids:/", &err));
	CHECK(fstat(member_of(CG_PIDS)->dir_fd, &now) == 0 && now.st_ino == group.st_ino);
	CHECK_OK(cgroup_descend(&host, &cg, "pids:/sub", &err));
	CHECK(fstat(member_of(CG_PIDS)->dir_fd, &now) == 0 && now.st_ino == below.st_ino);
	cgroup_done(&cg);
	CHECK_OK(cgroup_open(&host, group_name, &cg, &err));
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* ---- doctor ---- */

TEST(groups_of_ours_are_listed)
{
	own(strv) struct strv names = STRV_INIT;

	begin();
	CHECK_OK(create());
	CHECK_OK(cgroup_list(&host, ".", group_name, &names, &err));
	CHECK_INT(names.count, 1);
	CHECK_STR(names.items[0], group_name);
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

int main(int argc, char **argv)
{
	return cgroup_test_main(argc, argv);
}
