/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers read from files as v1 and v2 write them, in plain directories that stand for groups.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"
#include "test.h"

static struct cgroup_host host;
static struct cgroup cg;
static struct cgroup_stats stats;
static struct err err;

static void add_group(const char *name, bool v2, unsigned int controllers)
{
	struct cgroup_hierarchy *h = &host.hierarchies[host.count];
	int fd;

	CHECK(mkdirat(test_dir(), name, 0755) == 0);
	fd = openat(test_dir(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	*h = (struct cgroup_hierarchy){.v2 = v2, .controllers = controllers, .dir_fd = -1};
	cg.members[cg.count] = (struct cgroup_member){.hierarchy = (unsigned int)host.count,
						      .parent_fd = -1,
						      .dir_fd = fd,
						      .tasks_fd = -1,
						      .v2 = v2,
						      .v1_freezer = controllers & CG_FREEZER};
	cg.count++;
	host.count++;
	host.controllers |= controllers;
}

static void put(const char *path, const char *text)
{
	own_fd int fd = openat(test_dir(), path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), (intmax_t)strlen(text));
}

static void begin(void)
{
	host = (struct cgroup_host){.count = 0};
	cg = CGROUP_INIT;
	err = ERR_INIT;
}

static void use_v1(void)
{
	begin();
	add_group("cpu", false, CG_CPU);
	add_group("cpuacct", false, CG_CPUACCT);
	add_group("memory", false, CG_MEMORY);
	add_group("pids", false, CG_PIDS);
	add_group("blkio", false, CG_IO);
	add_group("freezer", false, CG_FREEZER);
	put("cpu/cgroup.procs", "");
}

static void use_v2(void)
{
	begin();
	add_group("v2", true, CG_CPU | CG_CPUACCT | CG_MEMORY | CG_PIDS | CG_IO | CG_FREEZER);
	put("v2/cgroup.procs", "");
}

static void read_stats(void)
{
	CHECK_OK(cgroup_stats(&host, &cg, &stats, &err));
	CHECK_INT(cgroup_oom_kills(&host, &cg), (intmax_t)stats.memory_oom_kills);
	cgroup_done(&cg);
}

TEST(v1_numbers)
{
	use_v1();
	put("cpuacct/cpuacct.usage", "65348060123\n");
	put("cpuacct/cpuacct.usage_user", "31013585000\n");
	put("cpuacct/cpuacct.usage_sys", "34334475123\n");
	put("cpu/cpu.stat", "nr_periods 100\nnr_throttled 40\nthrottled_time 123456789\n"
			    "nr_bursts 0\nburst_time 0\n");
	put("memory/memory.usage_in_bytes", "9773056\n");
	put("memory/memory.max_usage_in_bytes", "20000000\n");
	put("memory/memory.limit_in_bytes", "268435456\n");
	put("memory/memory.stat", "cache 1\nrss 2\nswap 3\ntotal_cache 232554496\n"
				  "total_rss 31903744\ntotal_rss_huge 7\ntotal_swap 4096\n");
	put("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	put("pids/pids.current", "5\n");
	put("pids/pids.max", "512\n");
	put("blkio/blkio.throttle.io_service_bytes_recursive",
	    "8:0 Read 4096\n8:0 Write 100\n8:0 Sync 1\n8:0 Async 2\n8:0 Discard 0\n8:0 Total 4196\n"
	    "8:16 Read 4\n8:16 Write 1\n8:16 Total 5\nTotal 4201\n");
	put("blkio/blkio.throttle.io_serviced_recursive",
	    "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n");
	put("freezer/freezer.state", "FROZEN\n");
	read_stats();
	CHECK_INT(stats.cpu_usage_ns, 65348060123);
	CHECK_INT(stats.cpu_user_ns, 31013585000);
	CHECK_INT(stats.cpu_system_ns, 34334475123);
	CHECK_INT(stats.cpu_periods, 100);
	CHECK_INT(stats.cpu_throttled_periods, 40);
	CHECK_INT(stats.cpu_throttled_ns, 123456789);
	CHECK_INT(stats.memory_usage, 9773056);
	CHECK_INT(stats.memory_peak, 20000000);
	CHECK_INT(stats.memory_limit, 268435456);
	CHECK_INT(stats.memory_file, 232554496);
	CHECK_INT(stats.memory_anon, 31903744);
	CHECK_INT(stats.swap_usage, 4096);
	CHECK_INT(stats.memory_oom_kills, 3);
	CHECK_INT(stats.pids, 5);
	CHECK_INT(stats.pids_limit, 512);
	CHECK_INT(stats.io_read_bytes, 4100);
	CHECK_INT(stats.io_write_bytes, 101);
	CHECK_INT(stats.io_reads, 10);
	CHECK_INT(stats.io_writes, 20);
	CHECK(stats.frozen);
}

TEST(v1_without_limits)
{
	use_v1();
	put("memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("pids/pids.max", "max\n");
	put("freezer/freezer.state", "THAWED\n");
	read_stats();
	CHECK(stats.memory_limit == UINT64_MAX);
	CHECK(stats.pids_limit == UINT64_MAX);
	CHECK(!stats.frozen);
}

TEST(v2_numbers)
{
	use_v2();
	put("v2/cpu.stat", "usage_usec 65348060\nuser_usec 31013585\nsystem_usec 34334475\n"
			   "nice_usec 0\ncore_sched.force_idle_usec 0\nnr_periods 9\n"
			   "nr_throttled 4\nthrottled_usec 1234\n");
	put("v2/memory.current", "9773056\n");
	put("v2/memory.peak", "20000000\n");
	put("v2/memory.max", "268435456\n");
	put("v2/memory.stat", "anon 31903744\nfile 232554496\nkernel 1\nfile_mapped 2\n"
			      "inactive_anon 3\n");
	put("v2/memory.swap.current", "8192\n");
	put("v2/memory.events", "low 0\nhigh 0\nmax 12\noom 5\noom_kill 3\noom_group_kill 1\n");
	put("v2/pids.current", "5\n");
	put("v2/pids.max", "max\n");
	put("v2/io.stat", "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
			  "8:0 rbytes=90 wbytes=8 rios=8 wios=1 dbytes=50 dios=3\n");
	put("v2/cgroup.events", "populated 1\nfrozen 1\n");
	read_stats();
	CHECK_INT(stats.cpu_usage_ns, 65348060000);
	CHECK_INT(stats.cpu_user_ns, 31013585000);
	CHECK_INT(stats.cpu_system_ns, 34334475000);
	CHECK_INT(stats.cpu_periods, 9);
	CHECK_INT(stats.cpu_throttled_periods, 4);
	CHECK_INT(stats.cpu_throttled_ns, 1234000);
	CHECK_INT(stats.memory_usage, 9773056);
	CHECK_INT(stats.memory_peak, 20000000);
	CHECK_INT(stats.memory_limit, 268435456);
	CHECK_INT(stats.memory_file, 232554496);
	CHECK_INT(stats.memory_anon, 31903744);
	CHECK_INT(stats.swap_usage, 8192);
	CHECK_INT(stats.memory_oom_kills, 3);
	CHECK_INT(stats.pids, 5);
	CHECK(stats.pids_limit == UINT64_MAX);
	CHECK_INT(stats.io_read_bytes, 1459290);
	CHECK_INT(stats.io_write_bytes, 314773512);
	CHECK_INT(stats.io_reads, 200);
	CHECK_INT(stats.io_writes, 354);
	CHECK(stats.frozen);
}

TEST(v2_without_controllers_still_has_the_time)
{
	use_v2();
	put("v2/cpu.stat", "usage_usec 1\nuser_usec 0\nsystem_usec 1\n");
	put("v2/cgroup.events", "populated 1\nfrozen 0\n");
	read_stats();
	CHECK_INT(stats.cpu_usage_ns, 1000);
	CHECK_INT(stats.memory_usage, 0);
	CHECK(stats.memory_limit == UINT64_MAX);
	CHECK(!stats.frozen);
}

TEST(a_group_that_is_gone)
{
	begin();
	add_group("v2", true, CG_CPUACCT);
	CHECK_ERR(cgroup_stats(&host, &cg, &stats, &err), ERR_NOT_FOUND, "is gone");
	cgroup_done(&cg);
}

TEST(words_of_events_match_whole_lines)
{
	CHECK(cgroup_events_has("populated 1\nfrozen 0\n", "frozen 0"));
	CHECK(cgroup_events_has("frozen 0", "frozen 0"));
	CHECK(!cgroup_events_has("populated 1\nfrozen 0\n", "frozen 1"));
	CHECK(!cgroup_events_has("unfrozen 1\n", "frozen 1"));
	CHECK(!cgroup_events_has("frozen 10\n", "frozen 1"));
}

TEST(pids_are_the_union_of_all_hierarchies_and_sub_groups)
{
	int pids[8];

	begin();
	add_group("one", false, CG_CPU);
	add_group("two", false, CG_MEMORY);
	put("one/cgroup.procs", "7\n123456\n0\n7\n");
	put("two/cgroup.procs", "99\n7\n");
	CHECK(mkdirat(test_dir(), "two/sub", 0755) == 0);
	CHECK(mkdirat(test_dir(), "two/sub/sub", 0755) == 0);
	put("two/sub/cgroup.procs", "");
	put("two/sub/sub/cgroup.procs", "31\n");
	CHECK_INT(cgroup_pids(&cg, pids, 8, &err), 4);
	CHECK_INT(pids[0], 7);
	CHECK_INT(pids[1], 31);
	CHECK_INT(pids[2], 99);
	CHECK_INT(pids[3], 123456);
	CHECK_INT(cgroup_pids(&cg, pids, 2, &err), 2);
	CHECK_INT(pids[1], 31);
	CHECK_INT(cgroup_pids(&cg, pids, 0, &err), 0);
	cgroup_done(&cg);
}

TEST_MAIN()
