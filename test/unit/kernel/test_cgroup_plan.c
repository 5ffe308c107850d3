/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written for which resources, on each kind of recorded host.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"
#include "test.h"

static struct cgroup_host host;
static struct cgroup_resources r;
static struct cgroup_plan plan;
static struct err err;

static void use(const char *name)
{
	char path[512];
	own_fd int fd = -1;

	snprintf(path, sizeof(path), TEST_DATA "/cgroup/%s", name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = ERR_INIT;
	CHECK_OK(cgroup_host_probe(fd, &host, &err));
	cgroup_resources_init(&r);
}

/* The plan as lines "FILE VALUE"; '?' where not required, '^' inherited, '|' an alternative. */
static const char *lines(bool strict)
{
	static char text[8192];
	size_t used = 0;

	err = ERR_INIT;
	CHECK_OK(cgroup_plan_make(&host, "box", &r, strict, &plan, &err));
	text[0] = '\0';
	for (size_t i = 0; i < plan.count; i++) {
		const struct cgroup_write *w = &plan.writes[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s%s %s\n",
					 w->required ? "" : "?", w->inherit ? "^" : "",
					 w->alternative ? "|" : "", w->file, w->value);
		CHECK(used < sizeof(text));
	}
	return text;
}

static struct cgroup_throttle one_device[] = {{8, 16, 1048576}};

static struct cgroup_throttles device(uint64_t rate)
{
	one_device[0].rate = rate;
	return (struct cgroup_throttles){.items = one_device, .count = 1};
}

/* ---- v1 ---- */

TEST(v1_nothing_asked_copies_the_cpuset_only)
{
	use("hybrid");
	CHECK_STR(lines(true), "^cpuset.cpus 0-1\n^cpuset.mems 0\n");
	CHECK_INT(plan.missing.count, 0);
	CHECK(!plan.device_bpf);
}

TEST(v1_numbers_in_the_order_the_kernel_wants)
{
	use("hybrid");
	r.memory_limit = 268435456;
	r.memory_swap = 536870912;
	r.memory_reservation = 134217728;
	r.memory_swappiness = 0;
	r.cpu_shares = 512;
	r.cpu_quota = 150000;
	r.cpu_period = 100000;
	r.cpu_burst = 1000;
	r.pids_limit = 100;
	r.cpuset_cpus = (char[]){"1"};
	CHECK_STR(lines(false), "cpuset.cpus 1\n"
				"^cpuset.mems 0\n"
				"memory.limit_in_bytes 268435456\n"
				"?memory.memsw.limit_in_bytes 536870912\n"
				"?memory.soft_limit_in_bytes 134217728\n"
				"?memory.swappiness 0\n"
				"cpu.shares 512\n"
				"cpu.cfs_period_us 100000\n"
				"cpu.cfs_quota_us 150000\n"
				"?cpu.cfs_burst_us 1000\n"
				"pids.max 100\n");
}

TEST(strict_makes_every_write_required)
{
	use("hybrid");
	r.memory_limit = 268435456;
	r.memory_swap = 268435456;
	CHECK_STR(lines(true), "^cpuset.cpus 0-1\n"
			       "^cpuset.mems 0\n"
			       "memory.limit_in_bytes 268435456\n"
			       "memory.memsw.limit_in_bytes 268435456\n");
}

TEST(v1_unlimited)
{
	use("hybrid");
	r.memory_limit = -1;
	r.cpu_quota = -1;
	r.pids_limit = -1;
	CHECK_STR(lines(false), "^cpuset.cpus 0-1\n"
				"^cpuset.mems 0\n"
				"memory.limit_in_bytes -1\n"
				"?memory.memsw.limit_in_bytes -1\n"
				"cpu.cfs_quota_us -1\n"
				"pids.max max\n");
}

TEST(v1_idle_leaves_the_shares)
{
	use("hybrid");
	r.cpu_idle = 1;
	r.cpu_shares = 512;
	CHECK_STR(lines(false), "^cpuset.cpus 0-1\n^cpuset.mems 0\n?cpu.idle 1\n");
	cgroup_plan_done(&plan);
	r.cpu_idle = 0;
	CHECK_STR(lines(false), "^cpuset.cpus 0-1\n^cpuset.mems 0\n?cpu.idle 0\ncpu.shares 512\n");
}

TEST(zero_is_not_asked_for_where_engines_write_it)
{
	use("hybrid");
	r.memory_limit = r.memory_swap = r.memory_reservation = r.memory_kernel = 0;
	r.cpu_shares = r.cpu_quota = r.cpu_period = r.cpu_rt_period = 0;
	r.io_weight = r.io_leaf_weight = 0;
	CHECK_STR(lines(true), "^cpuset.cpus 0-1\n^cpuset.mems 0\n");
	cgroup_plan_done(&plan);
	r.pids_limit = 0;
	CHECK_STR(lines(true), "^cpuset.cpus 0-1\n^cpuset.mems 0\npids.max 0\n");
	CHECK(!plan.writes[2].late); /* who is moved in is not counted against it */
}

TEST(v1_block_io)
{
	use("hybrid");
	r.io_weight = 500;
	r.io_weight_device = device(300);
	CHECK_STR(lines(false), "^cpuset.cpus 0-1\n^cpuset.mems 0\n"
				"?blkio.bfq.weight 500\n"
				"?blkio.bfq.weight_device 8:16 300\n");
	cgroup_plan_done(&plan);
	cgroup_resources_init(&r);
	r.io_read_bps = r.io_write_bps = r.io_read_iops = r.io_write_iops = device(1000);
	CHECK_STR(lines(false), "^cpuset.cpus 0-1\n^cpuset.mems 0\n"
				"blkio.throttle.read_bps_device 8:16 1000\n"
				"blkio.throttle.write_bps_device 8:16 1000\n"
				"blkio.throttle.read_iops_device 8:16 1000\n"
				"blkio.throttle.write_iops_device 8:16 1000\n");
}

TEST(v1_systemd_has_the_rarer_controllers)
{
	struct cgroup_hugetlb huge = {.page_size = (char[]){"2MB"}, .limit = 4194304};

	use("v1-systemd");
	CHECK_OK(strv_add(&r.net_prio, "eth0=5", &err));
	CHECK_OK(strv_add(&r.rdma, "mlx4_0 hca_handle=2 hca_object=10", &err));
	r.net_cls_classid = 0x100001;
	r.hugetlb = &huge;
	r.hugetlb_count = 1;
	r.memory_disable_oom_killer = true;
	r.memory_kernel_tcp = 8192;
	r.cpu_rt_period = 1000000;
	r.cpu_rt_runtime = 950000;
	CHECK_STR(lines(false), "^cpuset.cpus 0-3\n^cpuset.mems 0-1\n"
				"?memory.kmem.tcp.limit_in_bytes 8192\n"
				"?cpu.rt_period_us 1000000\n"
				"?cpu.rt_runtime_us 950000\n"
				"net_cls.classid 1048577\n"
				"memory.oom_control 1\n"
				"hugetlb.2MB.limit_in_bytes 4194304\n"
				"?hugetlb.2MB.rsvd.limit_in_bytes 4194304\n"
				"net_prio.ifpriomap eth0 5\n"
				"rdma.max mlx4_0 hca_handle=2 hca_object=10\n");
	CHECK_INT(plan.missing.count, 0);
}

TEST(merged_hierarchy_gets_everything)
{
	use("legacy-merged");
	r.memory_limit = 1048576;
	r.pids_limit = 7;
	CHECK_STR(lines(true), "^cpuset.cpus 0\n^cpuset.mems 0\nmemory.limit_in_bytes 1048576\n"
			       "pids.max 7\n");
	CHECK_INT(plan.writes[3].hierarchy, 0);
}

/* ---- v2 ---- */

TEST(v2_numbers)
{
	use("v2-systemd");
	r.memory_limit = 268435456;
	r.memory_swap = 402653184;
	r.memory_reservation = 134217728;
	r.cpu_shares = 1024;
	r.cpu_quota = 150000;
	r.cpu_period = 100000;
	r.cpu_burst = 500;
	r.pids_limit = 100;
	r.cpuset_cpus = (char[]){"2-3,7"};
	r.cpuset_mems = (char[]){"0"};
	CHECK_STR(lines(false), "cpuset.cpus 2-3,7\n"
				"cpuset.mems 0\n"
				"memory.max 268435456\n"
				"?memory.low 134217728\n"
				"cpu.weight 100\n"
				"pids.max 100\n"
				"?memory.swap.max 134217728\n"
				"cpu.max 150000 100000\n"
				"?cpu.max.burst 500\n");
	CHECK_INT(plan.missing.count, 0);
}

TEST(v2_unlimited)
{
	use("v2-systemd");
	r.memory_limit = -1;
	r.cpu_quota = -1;
	r.pids_limit = -1;
	r.memory_reservation = -1;
	CHECK_STR(lines(false),
		  "memory.max max\n?memory.low 0\npids.max max\n?memory.swap.max max\n"
		  "cpu.max max\n");
	cgroup_plan_done(&plan);
	cgroup_resources_init(&r);
	r.memory_limit = 8388608;
	r.memory_swap = -1;
	CHECK_STR(lines(false), "memory.max 8388608\n?memory.swap.max max\n");
	cgroup_plan_done(&plan);
	r.memory_swap = 8388608;
	CHECK_STR(lines(false), "memory.max 8388608\n?memory.swap.max 0\n");
}

TEST(v2_quota_and_period_alone)
{
	use("v2-systemd");
	r.cpu_quota = 50000;
	CHECK_STR(lines(false), "cpu.max 50000\n");
	cgroup_plan_done(&plan);
	cgroup_resources_init(&r);
	r.cpu_period = 20000;
	CHECK_STR(lines(false), "cpu.max max 20000\n");
}

/* The fixed points of the published formula, and that it never falls. */
TEST(shares_become_weights_by_the_published_formula)
{
	uint64_t last = 0;

	CHECK_INT(cgroup_shares_to_weight(2), 1);
	CHECK_INT(cgroup_shares_to_weight(1024), 100);
	CHECK_INT(cgroup_shares_to_weight(262144), 10000);
	CHECK_INT(cgroup_shares_to_weight(512), 59);
	CHECK_INT(cgroup_shares_to_weight(2048), 174);
	CHECK_INT(cgroup_shares_to_weight(100), 17);
	for (uint64_t shares = 2; shares <= 262144; shares += 37) {
		uint64_t weight = cgroup_shares_to_weight(shares);

		CHECK(weight >= last && weight >= 1 && weight <= 10000);
		last = weight;
	}
}

TEST(v2_block_io)
{
	use("v2-systemd");
	r.io_weight = 500;
	r.io_weight_device = device(10);
	CHECK_STR(lines(false), "?io.bfq.weight 500\n"
				"?|io.weight default 4950\n"
				"?io.bfq.weight 8:16 10\n"
				"?|io.weight 8:16 1\n");
	cgroup_plan_done(&plan);
	cgroup_resources_init(&r);
	r.io_read_bps = r.io_write_iops = device(1000);
	CHECK_STR(lines(false), "io.max 8:16 rbps=1000\nio.max 8:16 wiops=1000\n");
	cgroup_plan_done(&plan);
	r.io_read_bps = r.io_write_iops = device(0);
	CHECK_STR(lines(false), "io.max 8:16 rbps=max\nio.max 8:16 wiops=max\n");
}

TEST(v2_reports_what_it_has_no_file_for)
{
	use("v2-systemd");
	r.memory_limit = 8388608;
	r.memory_swappiness = 10;
	r.memory_disable_oom_killer = true;
	r.cpu_rt_runtime = 10;
	r.net_cls_classid = 1;
	r.memory_kernel = 1048576;
	r.io_leaf_weight = 10;
	CHECK_STR(lines(false), "memory.max 8388608\n");
	CHECK_INT(plan.missing.count, 6);
	CHECK_STR(plan.missing.items[0],
		  "linux.resources.network.classID: this host has no net_cls controller");
	CHECK(strv_contains(&plan.missing,
			    "linux.resources.memory.swappiness: cgroup v2 has no such file"));
}

TEST(strict_refuses_what_is_missing)
{
	use("v2-systemd");
	r.memory_swappiness = 10;
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, true, &plan, &err), ERR_UNSUPPORTED,
		  "linux.resources.memory.swappiness");
	use("none");
	r.pids_limit = 5;
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, true, &plan, &err), ERR_UNSUPPORTED,
		  "linux.resources.pids: this host has no pids controller");
	use("v2-plain");
	r.io_weight = 100;
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, true, &plan, &err), ERR_UNSUPPORTED,
		  "linux.resources.blockIO: this host has no blkio controller");
}

/* "No limit" is what a host without the controller gives anyway. */
TEST(lifting_a_limit_is_never_missing)
{
	use("none");
	r.memory_limit = r.memory_swap = r.cpu_quota = r.pids_limit = -1;
	CHECK_STR(lines(true), "");
	CHECK_INT(plan.missing.count, 0);
}

TEST(a_limit_of_no_process_at_all_comes_after_the_first)
{
	use("v2-systemd");
	r.pids_limit = 0;
	r.memory_limit = 8388608;
	CHECK_STR(lines(true), "memory.max 8388608\npids.max 0\n");
	CHECK(!plan.writes[0].late && plan.writes[1].late);
	cgroup_plan_done(&plan);
	r.pids_limit = 1;
	CHECK_STR(lines(true), "memory.max 8388608\npids.max 1\n");
	CHECK(!plan.writes[1].late);
}

TEST(a_host_without_cgroups_reports_each_controller)
{
	struct cgroup_device all = {.allow = false, .type = 'a', -1, -1, "rwm"};

	use("none");
	r.memory_limit = 8388608;
	r.cpu_quota = 5000;
	r.pids_limit = 5;
	r.cpuset_cpus = (char[]){"0"};
	r.devices = &all;
	r.device_count = 1;
	CHECK_STR(lines(false), "");
	CHECK_INT(plan.missing.count, 5);
	CHECK(!plan.device_bpf);
}

/* ---- hybrid: by controller ---- */

TEST(hybrid_writes_each_where_it_lives)
{
	struct cgroup_hugetlb huge = {.page_size = (char[]){"1GB"}, .limit = 0};

	use("hybrid");
	r.pids_limit = 9;
	r.hugetlb = &huge;
	r.hugetlb_count = 1;
	CHECK_STR(lines(false), "^cpuset.cpus 0-1\n^cpuset.mems 0\npids.max 9\n"
				"hugetlb.1GB.max 0\n?hugetlb.1GB.rsvd.max 0\n");
	CHECK_STR(host.hierarchies[plan.writes[2].hierarchy].name, "pids");
	CHECK_STR(host.hierarchies[plan.writes[3].hierarchy].name, "unified");
}

/* ---- unified ---- */

TEST(unified_keys_are_written_last_and_line_by_line)
{
	use("v2-systemd");
	r.memory_limit = 8388608;
	CHECK_OK(strv_add(&r.unified, "memory.high=4194304", &err));
	CHECK_OK(strv_add(&r.unified, "io.max=8:0 rbps=1\n8:16 wbps=2\n", &err));
	CHECK_OK(strv_add(&r.unified, "cgroup.max.depth=3", &err));
	CHECK_STR(lines(false), "memory.max 8388608\nmemory.high 4194304\nio.max 8:0 rbps=1\n"
				"io.max 8:16 wbps=2\ncgroup.max.depth 3\n");
}

static void refuse_unified(const char *tree, const char *pair, enum err_kind kind, const char *part)
{
	use(tree);
	CHECK_OK(strv_add(&r.unified, pair, &err));
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, false, &plan, &err), kind, part);
	cgroup_resources_done(&r);
}

TEST(unified_keys_that_are_refused)
{
	refuse_unified("v2-plain", "io.max=8:0 rbps=1", ERR_UNSUPPORTED, "io.max");
	refuse_unified("v2-systemd", "bogus.max=1", ERR_UNSUPPORTED, "bogus.max");
	refuse_unified("v1-systemd", "memory.high=1", ERR_UNSUPPORTED, "no cgroup v2");
	/* memory is v1's there. */
	refuse_unified("hybrid", "memory.high=1", ERR_UNSUPPORTED, "memory.high");
	refuse_unified("v2-systemd", "cgroup.procs=1", ERR_INVALID, "not a resource");
	refuse_unified("v2-systemd", "cgroup.freeze=1", ERR_INVALID, "not a resource");
	refuse_unified("v2-systemd", "../memory.max=1", ERR_INVALID, "not a cgroup file");
	refuse_unified("v2-systemd", "memory.max/../x=1", ERR_INVALID, "not a cgroup file");
	refuse_unified("v2-systemd", "memory=1", ERR_INVALID, "not a cgroup file");
	refuse_unified("v2-systemd", "memory.high", ERR_INVALID, "NAME=VALUE");
	refuse_unified("v2-systemd", "memory.high=1\x1b[2J", ERR_INVALID, "control characters");
}

/* ---- cpusets ---- */

static void refuse_cpus(const char *cpus, const char *part, const char *hint)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", cpus);
	r.cpuset_cpus = text;
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, false, &plan, &err), ERR_INVALID, part);
	CHECK(strstr(err.hint, hint));
}

TEST(cpus_that_the_host_does_not_have)
{
	use("hybrid");
	refuse_cpus("0-3", "linux.resources.cpu.cpus asks for '0-3'", "available: 0-1");
	refuse_cpus("zero", "linux.resources.cpu.cpus", "0-3,8");
	refuse_cpus("", "linux.resources.cpu.cpus is empty", "");
	use("v2-systemd");
	refuse_cpus("7-8", "'7-8'", "available: 0-7");
	r.cpuset_cpus = NULL;
	r.cpuset_mems = (char[]){"1"};
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, false, &plan, &err), ERR_INVALID,
		  "linux.resources.cpu.mems asks for '1'");
}

/* ---- names ---- */

static void name_is(const char *name, const char *clean)
{
	use("v2-systemd");
	CHECK_OK(cgroup_plan_make(&host, name, &r, false, &plan, &err));
	CHECK_STR(plan.name, clean);
	cgroup_plan_done(&plan);
}

static void name_is_refused(const char *name, const char *part)
{
	use("v2-systemd");
	CHECK_ERR(cgroup_plan_make(&host, name, &r, false, &plan, &err), ERR_INVALID, part);
}

TEST(names)
{
	char at_most[256], too_long[257];

	memset(at_most, 'n', 255);
	at_most[255] = '\0';
	memset(too_long, 'n', 256);
	too_long[256] = '\0';
	name_is("box", "box");
	name_is("/a//b/c/", "a/b/c");
	name_is("a/..b/.c/...", "a/..b/.c/...");
	name_is(at_most, at_most);
	name_is_refused("", "empty");
	name_is_refused("///", "empty");
	name_is_refused("..", "must not contain");
	name_is_refused("a/../b", "must not contain");
	name_is_refused("a/./b", "must not contain");
	name_is_refused("a\nb", "control characters");
	name_is_refused("a\x7f", "control characters");
	name_is_refused("a\xff", "control characters");
	name_is_refused(too_long, "too long");
	memset(too_long, 'n', 256);
	too_long[100] = too_long[200] = '/';
	name_is_refused(too_long, "too long");
}

TEST(parts_of_a_name)
{
	char part[256];

	CHECK_INT(cgroup_name_depth("a"), 1);
	CHECK_INT(cgroup_name_depth("a/bc/d"), 3);
	CHECK_STR(cgroup_name_part("a/bc/d", 0, part), "a");
	CHECK_STR(cgroup_name_part("a/bc/d", 1, part), "bc");
	CHECK_STR(cgroup_name_part("a/bc/d", 2, part), "d");
}

/* ---- the rest of the plan ---- */

TEST(check_before_update_is_carried)
{
	use("hybrid");
	r.memory_limit = 8388608;
	lines(false);
	CHECK(plan.memory_check == CGROUP_UNSET);
	cgroup_plan_done(&plan);
	r.memory_check_before_update = true;
	lines(false);
	CHECK_INT(plan.memory_check, 8388608);
}

TEST(a_plan_prints)
{
	struct cgroup_device rules[] = {{false, 'a', -1, -1, "rwm"}, {true, 'c', 1, 3, "rw"}};
	own(str) struct str out = STR_INIT(4096);

	use("v2-plain");
	r.memory_limit = 8388608;
	r.memory_swap = -1;
	r.cpuset_cpus = (char[]){"0"};
	r.devices = rules;
	r.device_count = 2;
	lines(false);
	cgroup_plan_print(&host, &plan, &out);
	CHECK_STR(out.data, "mkdir /sys/fs/cgroup/box\n"
			    "write /sys/fs/cgroup/box/memory.max '8388608'\n"
			    "write /sys/fs/cgroup/box/memory.swap.max 'max' (where present)\n"
			    "attach a device program of 2 rules\n"
			    "missing: linux.resources.cpu.cpus: this host has no cpuset "
			    "controller\n");
}

TEST(a_failed_plan_leaves_the_result_alone)
{
	use("hybrid");
	memset(&plan, 0x5a, sizeof(plan));
	r.cpu_shares = 1;
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, false, &plan, &err), ERR_INVALID,
		  "cpu.shares");
	CHECK_INT((unsigned char)plan.name[0], 0x5a);
}

TEST(many_writes_are_bounded)
{
	use("v2-systemd");
	for (int i = 0; i < 4097; i++)
		CHECK_OK(strv_add(&r.unified, "memory.high=1", &err));
	CHECK_ERR(cgroup_plan_make(&host, "box", &r, false, &plan, &err), ERR_LIMIT,
		  "4096 cgroup writes");
}

TEST_MAIN()
