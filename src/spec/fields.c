/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The document as tables: every member of runtime-spec 1.3 that has a meaning on Linux, in the order
 * of the specification, with its type and its range. The same rows parse (json_bind), print
 * (json_write_struct) and release (json_bind_done), so that the three cannot drift apart.
 *
 * Members that are unknown are ignored, as the specification asks of a runtime. Those that are known
 * and not executed are bound all the same, because spec_validate has to see them to refuse them.
 *
 * Ranges here are those that the kernel's interfaces have whatever else the document says; rules
 * that span two members are in validate*.c.
 */
#include "spec/fields.h"
#include "spec/names.h"

const struct json_field spec_idmap_fields[] = {
	FIELD("containerID", U32, spec_idmap, container_id, REQUIRED),
	FIELD("hostID", U32, spec_idmap, host_id, REQUIRED),
	FIELD("size", U32, spec_idmap, size, REQUIRED),
	{0},
};

/* ---- process ---- */

static const struct json_field user_fields[] = {
	FIELD("uid", U32, spec_user, uid),
	FIELD("gid", U32, spec_user, gid),
	FIELD("umask", I64, spec_user, umask, RANGE(0, 0777), UNSET(-1)),
	{.key = "additionalGids",
	 .kind = JSON_F_CUSTOM,
	 .custom = spec_bind_gids,
	 .custom_write = spec_write_gids,
	 .custom_done = spec_gids_done},
	{0},
};

static const struct json_field console_fields[] = {
	FIELD("height", U32, spec_process, console_rows, RANGE(0, UINT16_MAX), UNSET(0)),
	FIELD("width", U32, spec_process, console_cols, RANGE(0, UINT16_MAX), UNSET(0)),
	{0},
};

static const struct json_field capability_fields[] = {
	FIELD_OWN("bounding", capabilities, caps, bounding),
	FIELD_OWN("effective", capabilities, caps, effective),
	FIELD_OWN("inheritable", capabilities, caps, inheritable),
	FIELD_OWN("permitted", capabilities, caps, permitted),
	FIELD_OWN("ambient", capabilities, caps, ambient),
	{0},
};

static const struct json_field rlimit_fields[] = {
	FIELD_OWN("type", rlimit_type, rlimit_entry, resource, REQUIRED),
	FIELD("hard", U64, rlimit_entry, hard, REQUIRED),
	FIELD("soft", U64, rlimit_entry, soft, REQUIRED),
	{0},
};

static const struct json_field scheduler_fields[] = {
	FIELD("policy", ENUM, scheduler, policy, REQUIRED, UNSET(-1), .names = spec_sched_policies),
	FIELD("nice", INT, scheduler, nice, RANGE(-20, 19)),
	FIELD("priority", INT, scheduler, priority, RANGE(0, 99)),
	FIELD_OWN("flags", sched_flags, scheduler, flags),
	FIELD("runtime", U64, scheduler, runtime),
	FIELD("deadline", U64, scheduler, deadline),
	FIELD("period", U64, scheduler, period),
	{0},
};

static const struct json_field io_priority_fields[] = {
	FIELD("class", ENUM, io_priority, class, REQUIRED, .names = spec_io_classes),
	FIELD("priority", INT, io_priority, level, REQUIRED, RANGE(0, 7)),
	{0},
};

static const struct json_field affinity_fields[] = {
	FIELD("initial", STRING, spec_process, affinity_initial),
	FIELD("final", STRING, spec_process, affinity_final),
	{0},
};

const struct json_field spec_process_fields[] = {
	FIELD("terminal", BOOL, spec_process, terminal, UNSET(false)),
	FIELD_FLAT("consoleSize", console_fields),
	FIELD("user", OBJECT, spec_process, user, .fields = user_fields),
	FIELD("args", STRINGS, spec_process, args),
	FIELD("env", STRINGS, spec_process, env),
	FIELD("cwd", STRING, spec_process, cwd),
	FIELD("capabilities", OBJECT, spec_process, caps, GIVEN(spec_process, caps_given),
	      .fields = capability_fields),
	FIELD_ARRAY("rlimits", spec_process, rlimits, rlimit_fields),
	FIELD("noNewPrivileges", BOOL, spec_process, no_new_privs, UNSET(false)),
	FIELD("apparmorProfile", STRING, spec_process, apparmor_profile),
	FIELD("selinuxLabel", STRING, spec_process, selinux_label),
	FIELD("oomScoreAdj", INT, spec_process, oom_score_adj, GIVEN(spec_process, oom_given),
	      RANGE(-1000, 1000)),
	FIELD("scheduler", POINTER, spec_process, scheduler, .fields = scheduler_fields,
	      .item_size = sizeof(struct scheduler)),
	FIELD("ioPriority", POINTER, spec_process, io_priority, .fields = io_priority_fields,
	      .item_size = sizeof(struct io_priority)),
	FIELD_FLAT("execCPUAffinity", affinity_fields),
	{0},
};

/* ---- mounts and hooks ---- */

static const struct json_field mount_fields[] = {
	FIELD("destination", STRING, spec_mount, destination, REQUIRED),
	FIELD("type", STRING, spec_mount, type),
	FIELD("source", STRING, spec_mount, source),
	FIELD("options", STRINGS, spec_mount, options),
	FIELD_ARRAY("uidMappings", spec_mount, uid_maps.items, spec_idmap_fields),
	FIELD_ARRAY("gidMappings", spec_mount, gid_maps.items, spec_idmap_fields),
	{0},
};

static const struct json_field hook_fields[] = {
	FIELD("path", STRING, spec_hook, path, REQUIRED),
	FIELD("args", STRINGS, spec_hook, args),
	FIELD("env", STRINGS, spec_hook, env),
	FIELD("timeout", INT, spec_hook, timeout, RANGE(0, INT32_MAX), UNSET(0)),
	{0},
};

#define HOOKS(key_, kind_) FIELD_ARRAY(key_, spec, hooks[kind_].items, hook_fields)

static const struct json_field hooks_fields[] = {
	HOOKS("prestart", SPEC_HOOK_PRESTART),
	HOOKS("createRuntime", SPEC_HOOK_CREATE_RUNTIME),
	HOOKS("createContainer", SPEC_HOOK_CREATE_CONTAINER),
	HOOKS("startContainer", SPEC_HOOK_START_CONTAINER),
	HOOKS("poststart", SPEC_HOOK_POSTSTART),
	HOOKS("poststop", SPEC_HOOK_POSTSTOP),
	{0},
};

/* ---- the document ---- */

static const struct json_field root_fields[] = {
	FIELD("path", STRING, spec, root_path, REQUIRED),
	FIELD("readonly", BOOL, spec, root_readonly, UNSET(false)),
	{0},
};

/* What the engine adds: OCI has no member for these, and a record that is read again needs them. */
static const struct json_field own_fields[] = {
	FIELD("seccompDefault", BOOL, spec, seccomp_default, UNSET(false)),
	FIELD("init", BOOL, spec, init, UNSET(false)),
	FIELD("user", STRING, spec, process.user.name),
	{0},
};

const struct json_field spec_fields[] = {
	FIELD("ociVersion", STRING, spec, oci_version, REQUIRED),
	FIELD("process", OBJECT, spec, process, GIVEN(spec, process_given),
	      .fields = spec_process_fields),
	FIELD_FLAT("root", root_fields),
	FIELD("hostname", STRING, spec, hostname),
	FIELD("domainname", STRING, spec, domainname),
	FIELD_ARRAY("mounts", spec, mounts, mount_fields),
	FIELD_FLAT("hooks", hooks_fields),
	FIELD("annotations", MAP, spec, annotations),
	FIELD("linux", OBJECT, spec, linux_, .fields = spec_linux_fields),
	FIELD_FLAT("insula", own_fields),
	{0},
};

FIELD_ARRAY_LAYOUT(spec, mounts, mount_count);
FIELD_ARRAY_LAYOUT(spec_process, rlimits, rlimit_count);
FIELD_ARRAY_LAYOUT(spec_hooks, items, count);
FIELD_ARRAY_LAYOUT(spec_idmaps, items, count);
