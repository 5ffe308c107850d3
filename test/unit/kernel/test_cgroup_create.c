/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Creating and removing, in a plain directory that stands for a v2 hierarchy: what is made, what is
 * undone when a step fails, what is recorded where a kernel has no such file. A plain directory has
 * no files of its own, so every file but those that a test prepares is missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"
#include "test.h"

static struct cgroup_host host;
static struct cgroup_resources r;
static struct err err;

static void put(const char *path)
{
	own_fd int fd = openat(test_dir(), path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
}

static const char *contents(const char *path)
{
	static char text[512];

	CHECK(cgroup_get(test_dir(), path, text, sizeof(text)) >= 0);
	return text;
}

static bool exists(const char *path)
{
	return faccessat(test_dir(), path, F_OK, 0) == 0;
}

static void use_v2(void)
{
	host = (struct cgroup_host){
		.mode = CGROUP_V2,
		.controllers = CG_MEMORY | CG_PIDS | CG_CPU | CG_IO | CG_DEVICES | CG_FREEZER,
		.hierarchies = {{.name = "unified", .v2 = true, .mount = "/m"}},
		.count = 1,
	};
	host.hierarchies[0].controllers = host.controllers;
	host.hierarchies[0].dir_fd = test_dir();
	put("cgroup.subtree_control");
	cgroup_resources_init(&r);
	err = ERR_INIT;
}

static int create(const char *name, bool strict, struct cgroup *ret)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};

	if (cgroup_plan_make(&host, name, &r, strict, &plan, &err) < 0)
		return -1;
	return cgroup_create(&host, &plan, ret, &err);
}

TEST(an_empty_group_goes_at_once_and_another_stays)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("box", true, &cg));
	CHECK(mkdirat(test_dir(), "box/below", 0755) == 0);
	CHECK(!cgroup_remove_empty(&cg));
	CHECK(exists("box"));
	CHECK(unlinkat(test_dir(), "box/below", AT_REMOVEDIR) == 0);
	CHECK(cgroup_remove_empty(&cg));
	CHECK(!exists("box"));
	CHECK(cgroup_remove_empty(&cg)); /* gone already */
}

TEST(a_group_is_made_opened_and_removed)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own(cgroup) struct cgroup again = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("box", true, &cg));
	CHECK(exists("box"));
	CHECK_INT(cg.count, 1);
	CHECK(cg.members[0].made);
	CHECK_INT(cg.v2_fd, cg.members[0].dir_fd);
	CHECK_INT(cg.members[0].tasks_fd, -1);
	CHECK_OK(cgroup_open(&host, "/box", &again, &err));
	CHECK(!again.members[0].made);
	CHECK_STR(again.name, "box");
	CHECK_OK(cgroup_remove(&again, 100, &err));
	CHECK(!exists("box"));
	/* Removed already: as good. */
	CHECK_OK(cgroup_remove(&cg, 100, &err));
}

TEST(only_needed_controllers_are_enabled)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("plain", true, &cg));
	CHECK_STR(contents("cgroup.subtree_control"), "");
	cgroup_done(&cg);
	r.memory_limit = 8388608;
	r.memory_swap = 8388608;
	r.pids_limit = 5;
	CHECK_ERR(create("box", false, &cg), ERR_UNSUPPORTED, "memory.max");
	CHECK_STR(contents("cgroup.subtree_control"), "+memory +pids ");
}

TEST(a_group_has_whatever_its_directory_can_give)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own_fd int fd = -1;

	use_v2();
	fd = openat(test_dir(), "cgroup.controllers", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(dprintf(fd, "cpuset cpu memory hugetlb pids later\n") > 0);
	CHECK_OK(create("plain", true, &cg));
	CHECK_STR(contents("cgroup.subtree_control"),
		  "+cpuset +cpu +memory +hugetlb +pids +later ");
}

TEST(a_missing_required_file_undoes_everything)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	r.pids_limit = 5;
	CHECK(mkdirat(test_dir(), "a", 0755) == 0);
	put("a/cgroup.subtree_control");
	CHECK_ERR(create("a/box", false, &cg), ERR_UNSUPPORTED,
		  "cannot set pids.max of cgroup 'a/box' to '5': this kernel does not have it");
	CHECK(!exists("a/box"));
	/* What was there before stays. */
	CHECK(exists("a"));
	CHECK_STR(contents("a/cgroup.subtree_control"), "+pids ");
}

TEST(a_failure_above_undoes_the_directories_above)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	r.pids_limit = 5;
	/* A new "a" has no cgroup.subtree_control here. */
	CHECK_ERR(create("a/b/box", false, &cg), ERR_NOT_FOUND,
		  "cannot enable +pids above cgroup 'a/b/box'");
	CHECK(!exists("a"));
}

TEST(directories_above_go_with_the_group_that_made_them)
{
	own(cgroup) struct cgroup one = CGROUP_INIT;
	own(cgroup) struct cgroup two = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("a/b/one", true, &one));
	CHECK_INT(one.members[0].made_parents, 2);
	CHECK_OK(create("a/b/two", true, &two));
	CHECK_INT(two.members[0].made_parents, 0);
	/* "two" still lives there. */
	CHECK_OK(cgroup_remove(&one, 100, &err));
	CHECK(!exists("a/b/one") && exists("a/b/two"));
	CHECK_OK(cgroup_remove(&two, 100, &err));
	CHECK(!exists("a/b/two") && exists("a/b"));
	cgroup_done(&one);
	CHECK_OK(create("c/d/one", true, &one));
	CHECK_OK(cgroup_remove(&one, 100, &err));
	CHECK(!exists("c"));
}

TEST(an_empty_group_of_the_same_name_is_made_anew)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct stat before, after;

	use_v2();
	CHECK(mkdirat(test_dir(), "box", 0700) == 0);
	CHECK(fstatat(test_dir(), "box", &before, 0) == 0);
	umask(022);
	CHECK_OK(create("box", true, &cg));
	CHECK(fstatat(test_dir(), "box", &after, 0) == 0);
	CHECK(before.st_mode != after.st_mode);
}

TEST(optional_files_that_are_missing_are_recorded)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	r.memory_reservation = 8388608;
	r.io_weight = 500;
	CHECK_OK(create("box", false, &cg));
	CHECK_INT(cg.skipped.count, 2);
	CHECK_STR(cg.skipped.items[0], "linux.resources.memory.reservation: memory.low = 8388608: "
				       "this kernel does not have it");
	/* Of two alternatives, the last is named. */
	CHECK_STR(cg.skipped.items[1], "linux.resources.blockIO.weight: io.weight = default 4950: "
				       "this kernel does not have it");
	CHECK_OK(cgroup_remove(&cg, 100, &err));
	cgroup_done(&cg);
	CHECK_ERR(create("box", true, &cg), ERR_UNSUPPORTED, "memory.low");
	CHECK(!exists("box"));
}

TEST(sub_groups_of_any_depth_and_number_are_removed)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own_fd int fd = -1;
	char name[32];

	use_v2();
	CHECK_OK(create("box", true, &cg));
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "wide%d", i);
		CHECK(mkdirat(cg.v2_fd, name, 0755) == 0);
	}
	fd = openat(cg.v2_fd, ".", O_PATH | O_CLOEXEC);
	/* Deeper than the table of descriptors is long, and than PATH_MAX has room for. */
	for (int i = 0; i < 3000; i++) {
		int down;

		CHECK(mkdirat(fd, "deep", 0755) == 0);
		down = openat(fd, "deep", O_PATH | O_CLOEXEC);
		fd_close(fd);
		fd = down;
	}
	CHECK_OK(cgroup_remove(&cg, test_slowed(5000), &err));
	CHECK(!exists("box"));
}

TEST(unknown_names)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_ERR(cgroup_open(&host, "box", &cg, &err), ERR_NOT_FOUND, "no cgroup is named 'box'");
	CHECK_ERR(cgroup_open(&host, "a/b/box", &cg, &err), ERR_NOT_FOUND, "'a/b/box'");
	CHECK_ERR(cgroup_open(&host, "../box", &cg, &err), ERR_INVALID, "must not contain");
}

TEST(a_name_that_is_a_file)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_ERR(create("cgroup.subtree_control", true, &cg), ERR_EXISTS, "exists and is in use");
	CHECK(exists("cgroup.subtree_control"));
}

TEST(a_host_without_hierarchies_makes_an_empty_group)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	host.count = 0;
	host.controllers = 0;
	CHECK_OK(create("box", true, &cg));
	CHECK_INT(cg.count, 0);
	CHECK_INT(cg.v2_fd, -1);
	CHECK_OK(cgroup_join_v1(&cg, &err));
	CHECK_OK(cgroup_kill(&cg, 10, &err));
	CHECK_OK(cgroup_remove(&cg, 10, &err));
	CHECK_ERR(cgroup_open(&host, "box", &cg, &err), ERR_NOT_FOUND, "box");
	CHECK_ERR(cgroup_freeze(&cg, true, 10, &err), ERR_UNSUPPORTED, "no freezer");
}

TEST(names_at_the_top_by_prefix)
{
	own(strv) struct strv names = STRV_INIT;

	use_v2();
	CHECK(mkdirat(test_dir(), "insula-b", 0755) == 0);
	CHECK(mkdirat(test_dir(), "insulator", 0755) == 0);
	CHECK(mkdirat(test_dir(), "system.slice", 0755) == 0);
	put("insula-file");
	/* The same directory as a second hierarchy: no name twice. */
	host.hierarchies[1] = host.hierarchies[0];
	host.count = 2;
	CHECK_OK(cgroup_list(&host, ".", "insula-", &names, &err));
	CHECK_INT(names.count, 1);
	CHECK_STR(names.items[0], "insula-b");
}

/* ---- a group that runs ---- */

static void put_text(const char *path, const char *text)
{
	put(path);
	CHECK(cgroup_put(test_dir(), path, text) == 0);
}

static int apply(const char *name, struct cgroup *cg)
{
	own(cgroup_plan) struct cgroup_plan plan = {0};

	if (cgroup_plan_make(&host, name, &r, false, &plan, &err) < 0)
		return -1;
	return cgroup_apply(&host, &plan, cg, &err);
}

TEST(an_update_enables_what_it_needs_on_every_level)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("a/b/box", true, &cg));
	put("a/cgroup.subtree_control");
	put("a/b/cgroup.subtree_control");
	put("a/b/box/memory.max");
	put("a/b/box/pids.max");
	r.memory_limit = 8388608;
	r.memory_reservation = 4194304;
	r.pids_limit = 7;
	CHECK_OK(apply("a/b/box", &cg));
	CHECK_STR(contents("cgroup.subtree_control"), "+memory +pids ");
	CHECK_STR(contents("a/cgroup.subtree_control"), "+memory +pids ");
	CHECK_STR(contents("a/b/cgroup.subtree_control"), "+memory +pids ");
	CHECK_STR(contents("a/b/box/memory.max"), "8388608");
	CHECK_STR(contents("a/b/box/pids.max"), "7");
	CHECK_INT(cg.skipped.count, 1);
	CHECK_STR(cg.skipped.items[0], "linux.resources.memory.reservation: memory.low = 4194304: "
				       "this kernel does not have it");
}

TEST(an_update_without_the_file_is_refused)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("box", true, &cg));
	r.pids_limit = 7;
	CHECK_ERR(apply("box", &cg), ERR_UNSUPPORTED, "cannot set pids.max of cgroup 'box'");
}

TEST(an_update_below_the_usage_is_refused_where_asked)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("box", true, &cg));
	put_text("box/memory.max", "max");
	put_text("box/memory.current", "8388609");
	r.memory_limit = 8388608;
	r.memory_check_before_update = true;
	CHECK_ERR(apply("box", &cg), ERR_STATE, "it uses 8388609 bytes");
	CHECK_STR(contents("box/memory.max"), "max");
	put_text("box/memory.current", "8388608");
	CHECK_OK(apply("box", &cg));
	CHECK_STR(contents("box/memory.max"), "8388608");
}

/* Device rules on v1: what is written last, and where, for a set of the kernel's and a plan. */
static void use_v1_devices(struct cgroup *cg)
{
	use_v2();
	host.hierarchies[0] = (struct cgroup_hierarchy){
		.controllers = CG_DEVICES, .mount = "/d", .dir_fd = test_dir()};
	host.controllers = CG_DEVICES;
	CHECK(mkdirat(test_dir(), "box", 0755) == 0);
	put("box/tasks");
	put("box/devices.allow");
	put("box/devices.deny");
	CHECK_OK(cgroup_open(&host, "box", cg, &err));
	CHECK(!cg->members[0].v2);
}

TEST(device_rules_on_v1_are_added_before_any_is_removed)
{
	struct cgroup_device rules[] = {{false, 'a', -1, -1, "rwm"}, {true, 'c', 1, 3, "r"}};
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v1_devices(&cg);
	r.devices = rules;
	r.device_count = 2;
	put_text("box/devices.list", "c 1:3 rwm\n");
	CHECK_OK(apply("box", &cg));
	CHECK_STR(contents("box/devices.allow"), "c 1:3 r");
	CHECK_STR(contents("box/devices.deny"), "c 1:3 wm");
	/* One that is not wanted at all. */
	put("box/devices.deny");
	put_text("box/devices.list", "c 1:3 r\nb *:* m\n");
	CHECK_OK(apply("box", &cg));
	CHECK_STR(contents("box/devices.deny"), "b *:* m");
	/* From allowing everything there is no way but through nothing. */
	put("box/devices.deny");
	put_text("box/devices.list", "a *:* rwm\n");
	CHECK_OK(apply("box", &cg));
	CHECK_STR(contents("box/devices.deny"), "a");
}

TEST(a_group_that_does_not_freeze_is_thawed_again)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;

	use_v2();
	CHECK_OK(create("box", true, &cg));
	put("box/cgroup.freeze");
	put_text("box/cgroup.events", "populated 1\nfrozen 0\n");
	CHECK_ERR(cgroup_freeze(&cg, true, 20, &err), ERR_TIMEOUT,
		  "cannot freeze cgroup 'box' within 20 ms");
	CHECK_STR(contents("box/cgroup.freeze"), "0");
	put_text("box/cgroup.events", "populated 1\nfrozen 1\n");
	CHECK_OK(cgroup_freeze(&cg, true, 20, &err));
	CHECK_STR(contents("box/cgroup.freeze"), "1");
}

TEST(a_survivor_is_named)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	char pid[24], part[96];

	use_v2();
	CHECK_OK(create("box", true, &cg));
	put("box/cgroup.kill");
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	put_text("box/cgroup.procs", pid);
	snprintf(part, sizeof(part), "process %d of cgroup 'box' is still alive", (int)getpid());
	CHECK_ERR(cgroup_kill(&cg, 0, &err), ERR_TIMEOUT, part);
	CHECK_STR(contents("box/cgroup.kill"), "1");
}

TEST_MAIN()
