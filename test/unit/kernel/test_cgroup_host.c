/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The probe against recorded hosts, and against hostile or odd versions of the two files it reads.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"
#include "test.h"

static int open_tree_dir(const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), TEST_DATA "/cgroup/%s", name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static struct cgroup_host *probe(const char *name)
{
	static struct cgroup_host host;
	own_fd int fd = open_tree_dir(name);
	struct err err = ERR_INIT;

	CHECK_OK(cgroup_host_probe(fd, &host, &err));
	return &host;
}

static const struct cgroup_hierarchy *of(const struct cgroup_host *host, unsigned int controller)
{
	int h = cgroup_host_find(host, controller);

	CHECK(h >= 0);
	return &host->hierarchies[h];
}

TEST(hybrid_has_each_controller_where_it_lives)
{
	const struct cgroup_host *host = probe("hybrid");

	CHECK_INT(host->mode, CGROUP_HYBRID);
	CHECK_INT(host->count, 10);
	CHECK_STR(of(host, CG_MEMORY)->mount, "/sys/fs/cgroup/memory");
	CHECK_STR(of(host, CG_MEMORY)->name, "memory");
	CHECK_STR(of(host, CG_MEMORY)->own, "/jobs/42");
	CHECK_STR(of(host, CG_CPU)->mount, "/sys/fs/cgroup/cpu");
	CHECK_STR(of(host, CG_CPU)->own, "/");
	CHECK_STR(of(host, CG_NAMED)->name, "systemd");
	CHECK_STR(of(host, CG_HUGETLB)->name, "unified");
	CHECK_STR(of(host, CG_HUGETLB)->mount, "/sys/fs/cgroup/unified");
	CHECK(of(host, CG_HUGETLB)->v2);
	CHECK(!of(host, CG_MEMORY)->v2);
	CHECK_STR(host->cpus, "0-1");
	CHECK_STR(host->mems, "0");
}

TEST(hybrid_v2_does_what_v1_does_not)
{
	const struct cgroup_host *host = probe("hybrid");

	/* Devices and the freezer are v1's here; perf_event is in no v1 hierarchy. */
	CHECK(!of(host, CG_DEVICES)->v2);
	CHECK(!of(host, CG_FREEZER)->v2);
	CHECK(!of(host, CG_CPUACCT)->v2);
	CHECK_INT(of(host, CG_HUGETLB)->controllers, CG_HUGETLB | CG_PERF);
	CHECK_INT(host->controllers & (CG_NET_CLS | CG_RDMA | CG_MISC), 0);
}

TEST(recorded_hosts_have_no_descriptors)
{
	const struct cgroup_host *host = probe("hybrid");

	for (size_t i = 0; i < host->count; i++)
		CHECK_INT(host->hierarchies[i].dir_fd, -1);
}

TEST(v1_joined_controllers_share_a_hierarchy)
{
	const struct cgroup_host *host = probe("v1-systemd");

	CHECK_INT(host->mode, CGROUP_V1);
	/* v2 is listed, but mounted nowhere. */
	CHECK_INT(host->count, 12);
	CHECK(of(host, CG_CPU) == of(host, CG_CPUACCT));
	CHECK(of(host, CG_NET_CLS) == of(host, CG_NET_PRIO));
	CHECK_STR(of(host, CG_CPU)->name, "cpu,cpuacct");
	CHECK_STR(of(host, CG_CPU)->mount, "/sys/fs/cgroup/cpu,cpuacct");
	CHECK_STR(of(host, CG_CPU)->own, "/user.slice/user-1000.slice/session-3.scope");
	CHECK_STR(of(host, CG_NAMED)->mount, "/sys/fs/cgroup/systemd");
	CHECK_STR(of(host, CG_MEMORY)->mount, "/sys/fs/cgroup/memory");
	CHECK_STR(host->cpus, "0-3");
	CHECK_STR(host->mems, "0-1");
}

TEST(v2_alone_has_all_and_what_is_built_in)
{
	const struct cgroup_host *host = probe("v2-systemd");

	CHECK_INT(host->mode, CGROUP_V2);
	CHECK_INT(host->count, 1);
	CHECK_STR(host->hierarchies[0].name, "unified");
	CHECK_STR(host->hierarchies[0].mount, "/sys/fs/cgroup");
	CHECK_STR(host->hierarchies[0].own, "/user.slice/user-0.slice/session-1.scope");
	CHECK_INT(host->controllers, CG_CPUSET | CG_CPU | CG_IO | CG_MEMORY | CG_HUGETLB | CG_PIDS |
					     CG_RDMA | CG_MISC | CG_DEVICES | CG_FREEZER |
					     CG_CPUACCT | CG_PERF);
	CHECK_STR(host->cpus, "0-7");
	CHECK_STR(host->mems, "0");
}

TEST(within_a_container_own_path_starts_at_the_mount)
{
	const struct cgroup_host *host = probe("v2-plain");

	CHECK_INT(host->mode, CGROUP_V2);
	CHECK_STR(host->hierarchies[0].own, "/inner");
	CHECK(!(host->controllers & (CG_CPUSET | CG_IO)));
	CHECK_STR(host->cpus, "");
}

TEST(no_cgroups_is_a_mode_and_no_error)
{
	const struct cgroup_host *host = probe("none");

	CHECK_INT(host->mode, CGROUP_NONE);
	CHECK_INT(host->count, 0);
	CHECK_INT(host->controllers, 0);
}

TEST(merged_hierarchy_is_found_whole)
{
	const struct cgroup_host *host = probe("legacy-merged");

	CHECK_INT(host->mode, CGROUP_V1);
	CHECK_INT(host->count, 1);
	/* The subtree mounted before it is not taken. */
	CHECK_STR(host->hierarchies[0].mount, "/cgroup");
	CHECK_STR(host->hierarchies[0].own, "/login");
	/* Its label is longer than a name may be. */
	CHECK_STR(host->hierarchies[0].name, "cgroup");
	CHECK(of(host, CG_MEMORY) == of(host, CG_PIDS));
	CHECK_STR(host->cpus, "0");
}

/* ---- made up ---- */

static void put(const char *path, const char *text)
{
	own_fd int fd = openat(test_dir(), path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), (intmax_t)strlen(text));
}

static void make_tree(const char *cgroup, const char *mountinfo)
{
	CHECK(mkdirat(test_dir(), "proc", 0755) == 0 &&
	      mkdirat(test_dir(), "proc/self", 0755) == 0);
	put("proc/self/cgroup", cgroup);
	put("proc/self/mountinfo", mountinfo);
}

TEST(kernel_without_cgroups)
{
	struct err err = ERR_INIT;
	struct cgroup_host host;

	CHECK(mkdirat(test_dir(), "proc", 0755) == 0 &&
	      mkdirat(test_dir(), "proc/self", 0755) == 0);
	put("proc/self/mountinfo", "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	CHECK_OK(cgroup_host_probe(test_dir(), &host, &err));
	CHECK_INT(host.mode, CGROUP_NONE);
}

TEST(missing_mountinfo_is_an_error)
{
	struct err err = ERR_INIT;
	struct cgroup_host host = {.count = 77};

	CHECK(mkdirat(test_dir(), "proc", 0755) == 0 &&
	      mkdirat(test_dir(), "proc/self", 0755) == 0);
	put("proc/self/cgroup", "0::/\n");
	CHECK_ERR(cgroup_host_probe(test_dir(), &host, &err), ERR_NOT_FOUND,
		  "cannot find the control groups");
	CHECK_INT(host.count, 77);
}

TEST(garbage_in_the_list_is_an_error)
{
	struct err err = ERR_INIT;
	struct cgroup_host host;

	make_tree("nonsense\n", "");
	CHECK_ERR(cgroup_host_probe(test_dir(), &host, &err), ERR_UNSUPPORTED, "nonsense");
}

TEST(too_many_hierarchies_are_refused)
{
	own(str) struct str text = STR_INIT(4096);
	struct err err = ERR_INIT;
	struct cgroup_host host;

	for (int i = 0; i < CGROUP_MAX_HIERARCHIES + 1; i++)
		str_addf(&text, "%d:name=h%d:/\n", i + 1, i);
	make_tree(text.data, "");
	CHECK_ERR(cgroup_host_probe(test_dir(), &host, &err), ERR_LIMIT, "16 cgroup hierarchies");
}

TEST(own_path_that_is_too_long_is_refused)
{
	own(str) struct str text = STR_INIT(4096);
	struct err err = ERR_INIT;
	struct cgroup_host host;

	str_add(&text, "0::");
	for (int i = 0; i < 100; i++)
		str_add(&text, "/abcdefgh");
	str_add(&text, "\n");
	make_tree(text.data, "");
	CHECK_ERR(cgroup_host_probe(test_dir(), &host, &err), ERR_LIMIT, "900 bytes");
}

TEST(malformed_mount_lines_are_passed_over)
{
	struct err err = ERR_INIT;
	struct cgroup_host host;

	make_tree("0::/\n", "1 2 3 - cgroup2\n"
			    " - cgroup2 x y\n"
			    "7 - cgroup2 x y\n"
			    "30 20 0:1 / /a rw - cgroup2fake x rw\n"
			    "31 20 0:2 / /b\\040c rw - cgroup2 x rw\n");
	CHECK_OK(cgroup_host_probe(test_dir(), &host, &err));
	CHECK_INT(host.count, 1);
	CHECK_STR(host.hierarchies[0].mount, "/b c");
}

TEST(words_of_options_match_whole)
{
	struct err err = ERR_INIT;
	struct cgroup_host host;

	/* "cpu" is not in "cpuset,cpuacct". */
	make_tree("2:cpu:/\n1:cpuset,cpuacct:/\n",
		  "30 20 0:1 / /one rw - cgroup x rw,cpuset,cpuacct\n"
		  "31 20 0:2 / /two rw - cgroup x rw,cpu\n");
	CHECK_OK(cgroup_host_probe(test_dir(), &host, &err));
	CHECK_STR(of(&host, CG_CPU)->mount, "/two");
	CHECK_STR(of(&host, CG_CPUSET)->mount, "/one");
}

TEST(own_path_outside_the_mounted_subtree_stays)
{
	struct err err = ERR_INIT;
	struct cgroup_host host;

	make_tree("0::/boxes/ab\n", "30 20 0:1 /boxes/a /sys/fs/cgroup rw - cgroup2 x rw\n");
	CHECK_OK(cgroup_host_probe(test_dir(), &host, &err));
	CHECK_STR(host.hierarchies[0].own, "/boxes/ab");
}

TEST(a_long_list_of_cpus_counts_as_unknown)
{
	own(str) struct str cpus = STR_INIT(4096);
	struct err err = ERR_INIT;
	struct cgroup_host host;

	for (int i = 0; i < 200; i++)
		str_addf(&cpus, "%d,", 2 * i);
	make_tree("1:cpuset:/\n", "30 20 0:1 / /c rw - cgroup x rw,cpuset\n");
	CHECK(mkdirat(test_dir(), "c", 0755) == 0);
	put("c/cpuset.cpus", cpus.data);
	put("c/cpuset.mems", "0\n");
	CHECK_OK(cgroup_host_probe(test_dir(), &host, &err));
	CHECK_STR(host.cpus, "");
	CHECK_STR(host.mems, "0");
}

/* The live probe finds by guessing the usual places what mountinfo says. */
TEST(the_short_way_agrees_with_mountinfo)
{
	struct err err = ERR_INIT;
	struct cgroup_host live, listed;
	own_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(cgroup_host_probe(AT_FDCWD, &live, &err));
	CHECK_OK(cgroup_host_probe(root, &listed, &err));
	CHECK_INT(live.mode, listed.mode);
	CHECK_INT(live.count, listed.count);
	CHECK_STR(live.cpus, listed.cpus);
	for (size_t i = 0; i < live.count; i++) {
		CHECK_STR(live.hierarchies[i].name, listed.hierarchies[i].name);
		CHECK_STR(live.hierarchies[i].mount, listed.hierarchies[i].mount);
		CHECK_STR(live.hierarchies[i].own, listed.hierarchies[i].own);
		CHECK_INT(live.hierarchies[i].controllers, listed.hierarchies[i].controllers);
		CHECK(live.hierarchies[i].dir_fd >= 0);
	}
	cgroup_host_done(&live);
	CHECK_INT(live.count, 0);
}

TEST_MAIN()
