/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values that are refused, by the name that the user wrote, before anything is made.
 */
#include <stdlib.h>

#include "kernel/cgroup_internal.h"
#include "test.h"

static struct err err;

/* A row: one field with a value, and the answer. NULL: accepted. */
static const struct {
	size_t offset;
	int64_t value;
	const char *refused;
} rows[] = {
#define ROW(field, value, refused) \
	{ \
		offsetof(struct cgroup_resources, field), value, refused \
	}
	ROW(memory_limit, -1, NULL),
	ROW(memory_limit, 0, NULL),
	ROW(memory_limit, 4096, NULL),
	ROW(memory_limit, INT64_MAX, NULL),
	ROW(memory_limit, -2, "linux.resources.memory.limit is -2: the least is 4096"),
	ROW(memory_limit, 4095, "linux.resources.memory.limit is 4095"),
	ROW(memory_reservation, -5, "linux.resources.memory.reservation"),
	ROW(memory_swap, -2, "linux.resources.memory.swap"),
	ROW(memory_kernel, 1, "linux.resources.memory.kernel is 1"),
	ROW(memory_kernel_tcp, -3, "linux.resources.memory.kernelTCP"),
	ROW(memory_swappiness, 0, NULL),
	ROW(memory_swappiness, 100, NULL),
	ROW(memory_swappiness, 101, "linux.resources.memory.swappiness is 101: the most is 100"),
	ROW(memory_swappiness, -1, "linux.resources.memory.swappiness"),
	ROW(cpu_shares, 0, NULL),
	ROW(cpu_shares, 2, NULL),
	ROW(cpu_shares, 262144, NULL),
	ROW(cpu_shares, 1, "linux.resources.cpu.shares is 1: the least is 2"),
	ROW(cpu_shares, 262145, "linux.resources.cpu.shares is 262145: the most is 262144"),
	ROW(cpu_shares, -1, "linux.resources.cpu.shares"),
	ROW(cpu_quota, -1, NULL),
	ROW(cpu_quota, 1000, NULL),
	ROW(cpu_quota, 999, "linux.resources.cpu.quota is 999"),
	ROW(cpu_quota, -2, "linux.resources.cpu.quota"),
	ROW(cpu_period, 1000000, NULL),
	ROW(cpu_period, 999, "linux.resources.cpu.period"),
	ROW(cpu_period, 1000001, "linux.resources.cpu.period"),
	ROW(cpu_burst, -1, "linux.resources.cpu.burst"),
	ROW(cpu_rt_runtime, -1, NULL),
	ROW(cpu_rt_runtime, -2, "linux.resources.cpu.realtimeRuntime"),
	ROW(cpu_rt_period, -1, "linux.resources.cpu.realtimePeriod"),
	ROW(cpu_idle, 1, NULL),
	ROW(cpu_idle, 2, "linux.resources.cpu.idle"),
	ROW(pids_limit, -1, NULL),
	ROW(pids_limit, 0, NULL),
	ROW(pids_limit, 4194304, NULL),
	ROW(pids_limit, -2, "linux.resources.pids.limit"),
	ROW(pids_limit, 4194305, "linux.resources.pids.limit"),
	ROW(io_weight, 10, NULL),
	ROW(io_weight, 9, "linux.resources.blockIO.weight is 9"),
	ROW(io_weight, 1001, "linux.resources.blockIO.weight is 1001"),
	ROW(io_leaf_weight, 5, "linux.resources.blockIO.leafWeight"),
	ROW(net_cls_classid, 0xffffffff, NULL),
	ROW(net_cls_classid, -1, "linux.resources.network.classID"),
	ROW(net_cls_classid, 0x100000000, "linux.resources.network.classID"),
};

TEST(each_bound_of_each_field)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cgroup_resources r;

		cgroup_resources_init(&r);
		*(int64_t *)((char *)&r + rows[i].offset) = rows[i].value;
		err = ERR_INIT;
		if (rows[i].refused)
			CHECK_ERR(cgroup_resources_check(&r, &err), ERR_INVALID, rows[i].refused);
		else
			CHECK_OK(cgroup_resources_check(&r, &err));
	}
}

TEST(nothing_asked_is_fine)
{
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	CHECK_OK(cgroup_resources_check(&r, &err));
	CHECK_INT(cgroup_resources_controllers(&r), 0);
}

static void refuse(const struct cgroup_resources *r, const char *part)
{
	CHECK_ERR(cgroup_resources_check(r, &err), ERR_INVALID, part);
}

TEST(fields_that_contradict_each_other)
{
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	r.memory_swap = 8388608;
	refuse(&r, "memory.swap needs a linux.resources.memory.limit");
	r.memory_limit = -1;
	refuse(&r, "memory.swap needs a");
	r.memory_limit = 8388609;
	refuse(&r, "less than linux.resources.memory.limit (8388609)");
	CHECK_STR(err.hint, "it is the sum of memory and swap, and -1 lifts the limit");
	r.memory_limit = 8388608;
	CHECK_OK(cgroup_resources_check(&r, &err));
	r.memory_reservation = 8388609;
	refuse(&r, "linux.resources.memory.reservation is 8388609, more than");
	cgroup_resources_init(&r);
	r.cpu_quota = 5000;
	r.cpu_burst = 5001;
	refuse(&r, "linux.resources.cpu.burst is 5001, more than");
}

TEST(throttles)
{
	struct cgroup_throttle item = {8, 0, 100};
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	r.io_read_bps = (struct cgroup_throttles){&item, 1};
	CHECK_OK(cgroup_resources_check(&r, &err));
	item.major = -1;
	refuse(&r, "linux.resources.blockIO.throttleReadBpsDevice has no such device: -1:0");
	item.major = 4096;
	refuse(&r, "4096:0");
	item = (struct cgroup_throttle){8, 1048576, 1};
	refuse(&r, "8:1048576");
	cgroup_resources_init(&r);
	item = (struct cgroup_throttle){8, 0, UINT64_C(1) << 32};
	r.io_write_iops = (struct cgroup_throttles){&item, 1};
	refuse(&r, "throttleWriteIOPSDevice for device 8:0 is 4294967296");
	cgroup_resources_init(&r);
	item.rate = 1001;
	r.io_weight_device = (struct cgroup_throttles){&item, 1};
	refuse(&r, "weightDevice for device 8:0 is 1001: it is from 10 to 1000");
}

TEST(devices)
{
	struct cgroup_device d = {true, 'c', 1, 3, "rwm"};
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	r.devices = &d;
	r.device_count = 1;
	CHECK_OK(cgroup_resources_check(&r, &err));
	d.type = 'u';
	refuse(&r, "linux.resources.devices: type 'u'");
	d = (struct cgroup_device){true, 'c', -2, 3, "rwm"};
	refuse(&r, "-2:3");
	d = (struct cgroup_device){true, 'c', 1, 1048576, "rwm"};
	refuse(&r, "1:1048576");
	d = (struct cgroup_device){true, 'c', 1, 3, ""};
	refuse(&r, "access ''");
	d = (struct cgroup_device){true, 'c', 1, 3, "rx"};
	refuse(&r, "access 'rx'");
	memcpy(d.access, "rwmr", 4);
	refuse(&r, "access 'rwmr'");
}

TEST(page_sizes)
{
	static const char *const good[] = {"2MB", "64KB", "1GB", "16384KB"};
	static const char *const bad[] = {"",	    "2",     "MB",	    "2MiB", "2mb",
					  "../2MB", "2MB/x", "123456789MB", "2B"};
	struct cgroup_hugetlb huge = {.limit = 1};
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	r.hugetlb = &huge;
	r.hugetlb_count = 1;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		huge.page_size = (char *)(uintptr_t)good[i];
		CHECK_OK(cgroup_resources_check(&r, &err));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		huge.page_size = (char *)(uintptr_t)bad[i];
		refuse(&r, "linux.resources.hugepageLimits");
	}
	huge.page_size = NULL;
	refuse(&r, "linux.resources.hugepageLimits");
}

TEST(texts_with_a_second_line)
{
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	CHECK_OK(strv_add(&r.net_prio, "eth0=1\nlo=2", &err));
	refuse(&r, "linux.resources.network.priorities");
	cgroup_resources_done(&r);
	CHECK_OK(strv_add(&r.rdma, "mlx\n", &err));
	refuse(&r, "linux.resources.rdma");
	cgroup_resources_done(&r);
}

TEST(what_is_asked_names_its_controllers)
{
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	r.memory_limit = -1;
	r.cpu_shares = 0;
	r.pids_limit = -1;
	CHECK_INT(cgroup_resources_controllers(&r), 0);
	r.pids_limit = 0; /* no process at all: a limit since runtime-spec 1.3 */
	CHECK_INT(cgroup_resources_controllers(&r), CG_PIDS);
	r.memory_swappiness = 0;
	r.cpu_shares = 2;
	r.pids_limit = 1;
	CHECK_INT(cgroup_resources_controllers(&r), CG_MEMORY | CG_CPU | CG_PIDS);
	cgroup_resources_init(&r);
	r.cpuset_mems = strdup("0");
	CHECK_OK(strv_add(&r.net_prio, "lo=1", &err));
	CHECK_INT(cgroup_resources_controllers(&r), CG_CPUSET | CG_NET_PRIO);
	cgroup_resources_done(&r);
	CHECK(!r.cpuset_mems);
	CHECK_INT(r.net_prio.count, 0);
	CHECK(r.memory_limit == CGROUP_UNSET);
}

static void refused(struct cgroup_resources *r, const char *field)
{
	CHECK_ERR(cgroup_resources_refuse(r, "nobody can", &err), ERR_UNSUPPORTED, field);
	CHECK(strstr(err.message, "nobody can"));
	cgroup_resources_done(r);
}

TEST(without_a_group_a_limit_is_refused_by_its_name)
{
	struct cgroup_device rule = {.allow = false, .type = 'a', -1, -1, "rwm"};
	struct cgroup_resources r;

	cgroup_resources_init(&r);
	r.devices = &rule; /* in every configuration */
	r.device_count = 1;
	r.memory_limit = r.pids_limit = -1;
	CHECK_OK(cgroup_resources_refuse(&r, "nobody can", &err));
	r.devices = NULL;
	r.pids_limit = 0;
	refused(&r, "linux.resources.pids.limit");
	r.cpu_idle = 1;
	refused(&r, "linux.resources.cpu.idle");
	r.cpuset_mems = strdup("0");
	refused(&r, "linux.resources.cpu.mems");
	CHECK_OK(strv_add(&r.unified, "memory.high=1", &err));
	refused(&r, "linux.resources.unified");
	r.memory_disable_oom_killer = true;
	refused(&r, "linux.resources.memory.disableOOMKiller");
	r.io_read_bps.items = calloc(1, sizeof(*r.io_read_bps.items));
	r.io_read_bps.count = 1;
	refused(&r, "linux.resources.blockIO.throttleReadBpsDevice");
}

TEST_MAIN()
