/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `linux.resources` as a table over struct cgroup_resources; see fields.c for how the tables work.
 * The document's groups (memory, cpu, ...) are flat in the struct. Every number has CGROUP_UNSET for
 * "not asked for", because 0 and -1 mean something. Ranges are those of the kernel's files where one
 * value decides; what depends on two, or on the host, is the cgroup layer's to say.
 */
#include "spec/fields.h"

#define AMOUNT(key_, member_, ...) \
	FIELD(key_, I64, cgroup_resources, member_, UNSET(CGROUP_UNSET), __VA_ARGS__)
#define BYTES(key_, member_) AMOUNT(key_, member_, RANGE(-1, INT64_MAX))
#define SWITCH(key_, member_) FIELD(key_, BOOL, cgroup_resources, member_, UNSET(false))

static const struct json_field rule_fields[] = {
	FIELD("allow", BOOL, cgroup_device, allow),
	FIELD_OWN("type", rule_type, cgroup_device, type),
	FIELD("major", I64, cgroup_device, major, RANGE(-1, UINT32_MAX), UNSET(-1)),
	FIELD("minor", I64, cgroup_device, minor, RANGE(-1, UINT32_MAX), UNSET(-1)),
	FIELD_OWN("access", access, cgroup_device, access),
	{0},
};

static const struct json_field memory_fields[] = {
	BYTES("limit", memory_limit),
	BYTES("reservation", memory_reservation),
	BYTES("swap", memory_swap),
	BYTES("kernel", memory_kernel),
	BYTES("kernelTCP", memory_kernel_tcp),
	AMOUNT("swappiness", memory_swappiness, RANGE(0, 100)),
	SWITCH("disableOOMKiller", memory_disable_oom_killer),
	{.key = "useHierarchy", .kind = JSON_F_IGNORE},
	SWITCH("checkBeforeUpdate", memory_check_before_update),
	{0},
};

static const struct json_field cpu_fields[] = {
	AMOUNT("shares", cpu_shares, RANGE(0, INT64_MAX)),
	AMOUNT("quota", cpu_quota, RANGE(-1, INT64_MAX)),
	AMOUNT("burst", cpu_burst, RANGE(0, INT64_MAX)),
	AMOUNT("period", cpu_period, RANGE(0, INT64_MAX)),
	AMOUNT("realtimeRuntime", cpu_rt_runtime, RANGE(-1, INT64_MAX)),
	AMOUNT("realtimePeriod", cpu_rt_period, RANGE(0, INT64_MAX)),
	FIELD("cpus", STRING, cgroup_resources, cpuset_cpus),
	FIELD("mems", STRING, cgroup_resources, cpuset_mems),
	AMOUNT("idle", cpu_idle, RANGE(0, 1)),
	{0},
};

static const struct json_field pids_fields[] = {
	AMOUNT("limit", pids_limit, RANGE(-1, INT64_MAX)),
	{0},
};

static const struct json_field throttle_fields[] = {
	FIELD("major", I64, cgroup_throttle, major, REQUIRED, RANGE(0, UINT32_MAX)),
	FIELD("minor", I64, cgroup_throttle, minor, REQUIRED, RANGE(0, UINT32_MAX)),
	FIELD("rate", U64, cgroup_throttle, rate, REQUIRED),
	{0},
};

#define THROTTLES(key_, member_) FIELD_ARRAY(key_, cgroup_resources, member_.items, throttle_fields)

static const struct json_field io_fields[] = {
	AMOUNT("weight", io_weight, RANGE(0, 1000)),
	AMOUNT("leafWeight", io_leaf_weight, RANGE(0, 1000)),
	{.key = "weightDevice",
	 .kind = JSON_F_CUSTOM,
	 .custom = spec_bind_weight_devices,
	 .custom_write = spec_write_weight_devices,
	 .custom_done = spec_weight_devices_done},
	THROTTLES("throttleReadBpsDevice", io_read_bps),
	THROTTLES("throttleWriteBpsDevice", io_write_bps),
	THROTTLES("throttleReadIOPSDevice", io_read_iops),
	THROTTLES("throttleWriteIOPSDevice", io_write_iops),
	{0},
};

static const struct json_field hugetlb_fields[] = {
	FIELD("pageSize", STRING, cgroup_hugetlb, page_size, REQUIRED),
	FIELD("limit", U64, cgroup_hugetlb, limit, REQUIRED),
	{0},
};

static const struct json_field network_fields[] = {
	AMOUNT("classID", net_cls_classid, RANGE(0, UINT32_MAX)),
	FIELD_OWN("priorities", net_priorities, cgroup_resources, net_prio,
		  .custom_done = spec_strv_done),
	{0},
};

const struct json_field spec_resources_fields[] = {
	FIELD_ARRAY("devices", cgroup_resources, devices, rule_fields),
	FIELD_FLAT("memory", memory_fields),
	FIELD_FLAT("cpu", cpu_fields),
	FIELD_FLAT("pids", pids_fields),
	FIELD_FLAT("blockIO", io_fields),
	FIELD_ARRAY("hugepageLimits", cgroup_resources, hugetlb, hugetlb_fields),
	FIELD_FLAT("network", network_fields),
	FIELD_OWN("rdma", rdma, cgroup_resources, rdma, .custom_done = spec_strv_done),
	FIELD("unified", MAP, cgroup_resources, unified),
	{0},
};

FIELD_ARRAY_LAYOUT(cgroup_resources, devices, device_count);
FIELD_ARRAY_LAYOUT(cgroup_resources, hugetlb, hugetlb_count);
FIELD_ARRAY_LAYOUT(cgroup_throttles, items, count);
