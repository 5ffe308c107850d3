/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The `linux` object as a table; see fields.c for how the tables work, and fields_resources.c for
 * `linux.resources`.
 */
#include "spec/fields.h"
#include "spec/names.h"
#include "spec/seccomp.h"

static const struct json_field device_fields[] = {
	FIELD("path", STRING, spec_device, path, REQUIRED),
	FIELD_OWN("type", device_type, spec_device, type, REQUIRED),
	FIELD("major", I64, spec_device, major, RANGE(0, UINT32_MAX), UNSET(-1)),
	FIELD("minor", I64, spec_device, minor, RANGE(0, UINT32_MAX), UNSET(-1)),
	FIELD("fileMode", I64, spec_device, file_mode, RANGE(0, 0177777), UNSET(-1)),
	FIELD("uid", I64, spec_device, uid, RANGE(0, UINT32_MAX - 1), UNSET(-1)),
	FIELD("gid", I64, spec_device, gid, RANGE(0, UINT32_MAX - 1), UNSET(-1)),
	{0},
};

static const struct json_field personality_fields[] = {
	FIELD("domain", ENUM, spec_linux, personality, REQUIRED, .names = spec_personality_domains),
	{.key = "flags", .kind = JSON_F_CUSTOM, .custom = spec_bind_no_flags},
	{0},
};

static const struct json_field rdt_fields[] = {
	FIELD("closID", STRING, resctrl, group),
	FIELD("schemata", STRINGS, resctrl, lines),
	FIELD("l3CacheSchema", STRING, resctrl, l3_cache),
	FIELD("memBwSchema", STRING, resctrl, mem_bw),
	FIELD("enableMonitoring", BOOL, resctrl, monitoring, UNSET(false)),
	{0},
};

static const struct json_field memory_policy_fields[] = {
	FIELD("mode", ENUM, mempolicy, mode, REQUIRED, UNSET(-1), .names = spec_mempolicy_modes),
	FIELD("nodes", STRING, mempolicy, nodes),
	FIELD_OWN("flags", mempolicy_flags, mempolicy, flags),
	{0},
};

static const struct json_field time_offset_fields[] = {
	FIELD("secs", I64, spec_time_offset, secs),
	FIELD("nanosecs", U32, spec_time_offset, nanosecs, RANGE(0, 999999999)),
	{0},
};

static const struct json_field time_offsets_fields[] = {
	FIELD("monotonic", OBJECT, spec_linux, time_monotonic, .fields = time_offset_fields,
	      GIVEN(spec_linux, time_monotonic.given)),
	FIELD("boottime", OBJECT, spec_linux, time_boottime, .fields = time_offset_fields,
	      GIVEN(spec_linux, time_boottime.given)),
	{0},
};

const struct json_field spec_linux_fields[] = {
	FIELD_ARRAY("uidMappings", spec_linux, uid_maps.items, spec_idmap_fields),
	FIELD_ARRAY("gidMappings", spec_linux, gid_maps.items, spec_idmap_fields),
	FIELD("sysctl", MAP, spec_linux, sysctl),
	FIELD("resources", OBJECT, spec_linux, resources, .fields = spec_resources_fields),
	FIELD("cgroupsPath", STRING, spec_linux, cgroups_path),
	FIELD_OWN("namespaces", namespaces, spec_linux, namespaces,
		  .custom_done = spec_namespaces_done),
	FIELD_ARRAY("devices", spec_linux, devices, device_fields),
	FIELD_OWN("netDevices", net_devices, spec_linux, net_devices,
		  .custom_done = spec_strv_done),
	FIELD("seccomp", POINTER, spec_linux, seccomp, .fields = spec_seccomp_fields,
	      .item_size = sizeof(struct seccomp_profile)),
	FIELD("rootfsPropagation", STRING, spec_linux, rootfs_propagation),
	FIELD("maskedPaths", STRINGS, spec_linux, masked_paths),
	FIELD("readonlyPaths", STRINGS, spec_linux, readonly_paths),
	FIELD("mountLabel", STRING, spec_linux, mount_label),
	FIELD_FLAT("timeOffsets", time_offsets_fields),
	{.key = "personality",
	 .kind = JSON_F_OBJECT,
	 .fields = personality_fields,
	 GIVEN(spec_linux, personality_given)},
	FIELD("intelRdt", POINTER, spec_linux, intel_rdt, .fields = rdt_fields,
	      .item_size = sizeof(struct resctrl)),
	FIELD("memoryPolicy", POINTER, spec_linux, memory_policy, .fields = memory_policy_fields,
	      .item_size = sizeof(struct mempolicy)),
	{0},
};

FIELD_ARRAY_LAYOUT(spec_linux, devices, device_count);
