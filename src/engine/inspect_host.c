/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What podman and docker show of a container's place on the host: "HostConfig", "NetworkSettings", and the
 * members of the top that belong to them. Keys, types and units are theirs (bytes, microseconds, thousand
 * millionths of a CPU), so that what is written for them reads ours.
 *
 * There is one source, the specification as the record has it; so a limit that was changed while the
 * container runs is shown as it is now. Zero stands for what was never asked for, as with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/inspect.h"
#include "engine/live.h"
#include "engine/request.h"
#include "engine/restart_policy.h"
#include "json/json.h"
#include "kernel/caps.h"
#include "kernel/limits.h"

#define PATH_OF_DISK "/dev/block/%lld:%lld"
#define PATH_OF_DEVICE "/dev/%s/%lld:%lld"
#define NS_PER_CPU INT64_C(1000000000)
#define TEXT_MAX 65536u

static void begin(struct json_writer *w, const char *key, bool array)
{
	json_write_key(w, key);
	if (array)
		json_write_array(w);
	else
		json_write_object(w);
}

static void write_strings(struct json_writer *w, const char *key, const struct strv *strings)
{
	json_write_key(w, key);
	json_write_strings(w, strings);
}

/* ---- capabilities ---- */

static void write_caps(struct json_writer *w, const char *key, uint64_t caps)
{
	begin(w, key, true);
	for (int i = 0; i < 64; i++)
		if (caps & (UINT64_C(1) << i) && caps_name(i))
			json_write_string(w, caps_name(i));
	json_write_end(w, ']');
}

/* ---- namespaces ---- */

/* "host", the word for one of its own, "container:ID", or "ns:PATH". */
static void write_mode(struct json_writer *w, const char *key, const struct spec *spec,
		       enum spec_ns kind, const char *own_word)
{
	const struct spec_namespace *ns = &spec->linux_.namespaces[kind];
	own(str) struct str text = STR_INIT(TEXT_MAX);

	if (ns->given && ns->path)
		str_addf(&text, "%s%s", str_starts(ns->path, "container:") ? "" : "ns:", ns->path);
	json_write_member(w, key, !ns->given ? "host" : ns->path ? text.data : own_word);
}

static void write_modes(struct json_writer *w, const struct record *r)
{
	const struct spec *spec = &r->spec;

	write_mode(w, "NetworkMode", spec, SPEC_NS_NET, "none");
	write_mode(w, "IpcMode", spec, SPEC_NS_IPC, "private");
	write_mode(w, "PidMode", spec, SPEC_NS_PID, "private");
	write_mode(w, "UTSMode", spec, SPEC_NS_UTS, "private");
	write_mode(w, "CgroupMode", spec, SPEC_NS_CGROUP, "private");
	write_mode(w, "CgroupnsMode", spec, SPEC_NS_CGROUP, "private"); /* docker's name */
	write_mode(w, "UsernsMode", spec, SPEC_NS_USER, r->userns ? r->userns : "private");
	json_write_member(w, "CgroupParent", r->cgroup_parent ? r->cgroup_parent : "");
}

/* ---- limits ---- */

#define OFFSET(field) offsetof(struct cgroup_resources, field)

static const struct {
	const char *key;
	size_t offset;
	int64_t unset, unlimited; /* what stands for them */
} numbers[] = {
	{"Memory", OFFSET(memory_limit), 0, 0},
	{"MemoryReservation", OFFSET(memory_reservation), 0, 0},
	{"MemorySwap", OFFSET(memory_swap), 0, -1},
	{"MemorySwappiness", OFFSET(memory_swappiness), -1, -1},
	{"CpuShares", OFFSET(cpu_shares), 0, 0},
	{"CpuPeriod", OFFSET(cpu_period), 0, 0},
	{"CpuQuota", OFFSET(cpu_quota), 0, -1},
	{"CpuRealtimePeriod", OFFSET(cpu_rt_period), 0, 0},
	{"CpuRealtimeRuntime", OFFSET(cpu_rt_runtime), 0, 0},
	{"PidsLimit", OFFSET(pids_limit), 0, -1},
	{"BlkioWeight", OFFSET(io_weight), 0, 0},
};

static const struct {
	const char *key, *unit;
	size_t offset;
} throttles[] = {
	{"BlkioWeightDevice", "Weight", OFFSET(io_weight_device)},
	{"BlkioDeviceReadBps", "Rate", OFFSET(io_read_bps)},
	{"BlkioDeviceWriteBps", "Rate", OFFSET(io_write_bps)},
	{"BlkioDeviceReadIOps", "Rate", OFFSET(io_read_iops)},
	{"BlkioDeviceWriteIOps", "Rate", OFFSET(io_write_iops)},
};

static void write_throttles(struct json_writer *w, const char *key, const char *unit,
			    const struct cgroup_throttles *list)
{
	char path[64];

	begin(w, key, true);
	for (size_t i = 0; i < list->count; i++) {
		snprintf(path, sizeof path, PATH_OF_DISK, (long long)list->items[i].major,
			 (long long)list->items[i].minor);
		json_write_object(w);
		json_write_member(w, "Path", path);
		json_write_member_u64(w, unit, list->items[i].rate);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void write_resources(struct json_writer *w, const struct cgroup_resources *r)
{
	bool whole = r->cpu_quota > 0 && r->cpu_period > 0;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		int64_t value = *(const int64_t *)((const char *)r + numbers[i].offset);

		json_write_member_i64(w, numbers[i].key,
				      value == CGROUP_UNSET ? numbers[i].unset
				      : value == -1	    ? numbers[i].unlimited
							    : value);
	}
	json_write_member_i64(w, "NanoCpus", whole ? r->cpu_quota * NS_PER_CPU / r->cpu_period : 0);
	json_write_member(w, "CpusetCpus", r->cpuset_cpus ? r->cpuset_cpus : "");
	json_write_member(w, "CpusetMems", r->cpuset_mems ? r->cpuset_mems : "");
	json_write_member_bool(w, "OomKillDisable", r->memory_disable_oom_killer);
	for (size_t i = 0; i < sizeof throttles / sizeof *throttles; i++)
		write_throttles(w, throttles[i].key, throttles[i].unit,
				(const void *)((const char *)r + throttles[i].offset));
}

/* docker has RLIM_INFINITY as -1, and so have we. */
static void write_ulimits(struct json_writer *w, const struct spec_process *process)
{
	begin(w, "Ulimits", true);
	for (size_t i = 0; i < process->rlimit_count; i++) {
		const struct rlimit_entry *limit = &process->rlimits[i];

		json_write_object(w);
		json_write_member(w, "Name", rlimit_name(limit->resource));
		json_write_member_i64(w, "Soft", (int64_t)limit->soft);
		json_write_member_i64(w, "Hard", (int64_t)limit->hard);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

/* ---- files ---- */

static int write_binds(struct json_writer *w, const struct spec *spec, struct err *err)
{
	begin(w, "Binds", true);
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		own(str) struct str text = STR_INIT(TEXT_MAX);

		if (request_is_base_mount(m->destination) || !str_eq(m->type, "bind"))
			continue;
		str_addf(&text, "%s:%s", m->source, m->destination);
		for (size_t k = 0; k < m->options.count; k++)
			str_addf(&text, "%c%s", k ? ',' : ':', m->options.items[k]);
		if (str_check(&text, "Binds", err) < 0)
			return -1;
		json_write_string(w, text.data);
	}
	json_write_end(w, ']');
	return 0;
}

static int write_tmpfs(struct json_writer *w, const struct spec *spec, struct err *err)
{
	begin(w, "Tmpfs", false);
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		own(str) struct str text = STR_INIT(TEXT_MAX);

		if (request_is_base_mount(m->destination) || !str_eq(m->type, "tmpfs"))
			continue;
		for (size_t k = 0; k < m->options.count; k++)
			str_addf(&text, "%s%s", k ? "," : "", m->options.items[k]);
		if (str_check(&text, "Tmpfs", err) < 0)
			return -1;
		json_write_member(w, m->destination, text.len ? text.data : "");
	}
	json_write_end(w, '}');
	return 0;
}

/* Of /dev/shm, where that is the container's. */
static uint64_t shm_size(const struct spec *spec)
{
	struct err ignored = ERR_INIT;
	uint64_t size = 0;

	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct strv *options = &spec->mounts[i].options;

		for (size_t k = 0;
		     str_eq(spec->mounts[i].destination, "/dev/shm") && k < options->count; k++)
			if (str_starts(options->items[k], "size="))
				str_to_bytes(options->items[k] + strlen("size="), "size", &size,
					     &ignored);
	}
	return size;
}

static void write_devices(struct json_writer *w, const struct spec *spec)
{
	char path[64];

	begin(w, "Devices", true);
	for (size_t i = 0; i < spec->linux_.device_count; i++) {
		const struct spec_device *d = &spec->linux_.devices[i];
		long rule = spec_device_rule(spec, i);

		snprintf(path, sizeof path, PATH_OF_DEVICE, d->type == 'b' ? "block" : "char",
			 (long long)d->major, (long long)d->minor);
		json_write_object(w);
		json_write_member(w, "PathOnHost", path);
		json_write_member(w, "PathInContainer", d->path);
		json_write_member(w, "CgroupPermissions",
				  rule < 0 ? "" : spec->linux_.resources.devices[rule].access);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

/* ---- names ---- */

/* What follows the word in lines of resolv.conf(5), a word each. */
static int write_resolv(struct json_writer *w, const char *key, const char *word,
			const struct strv *lines, struct err *err)
{
	size_t size = strlen(word);

	begin(w, key, true);
	for (size_t i = 0; i < lines->count; i++) {
		if (!str_starts(lines->items[i], word) || lines->items[i][size] != ' ')
			continue;
		own_free char *rest = str_dup(lines->items[i] + size + 1, err);
		char *next = rest;

		if (!rest)
			return -1;
		for (char *one = strsep(&next, " "); one; one = strsep(&next, " "))
			if (*one)
				json_write_string(w, one);
	}
	json_write_end(w, ']');
	return 0;
}

/* "ADDRESS\tNAME" as NAME:ADDRESS. */
static int write_hosts(struct json_writer *w, const struct strv *hosts, struct err *err)
{
	begin(w, "ExtraHosts", true);
	for (size_t i = 0; i < hosts->count; i++) {
		const char *name = strchr(hosts->items[i], '\t');
		own_free char *text = name ? str_printf(err, "%s:%.*s", name + 1,
							(int)(name - hosts->items[i]),
							hosts->items[i])
					   : str_dup(hosts->items[i], err);

		if (!text)
			return -1;
		json_write_string(w, text);
	}
	json_write_end(w, ']');
	return 0;
}

static int write_names(struct json_writer *w, const struct record *r, struct err *err)
{
	if (write_resolv(w, "Dns", "nameserver", &r->resolv, err) < 0 ||
	    write_resolv(w, "DnsOptions", "options", &r->resolv, err) < 0 ||
	    write_resolv(w, "DnsSearch", "search", &r->resolv, err) < 0)
		return -1;
	return write_hosts(w, &r->hosts, err);
}

/* ---- the rest ---- */

static void write_security_options(struct json_writer *w, const struct spec *spec)
{
	const struct spec_process *p = &spec->process;
	const struct {
		const char *word, *value;
	} labels[] = {{"apparmor", p->apparmor_profile}, {"label", p->selinux_label}};

	begin(w, "SecurityOpt", true);
	if (p->no_new_privs)
		json_write_string(w, "no-new-privileges");
	if (!spec->seccomp_default && !spec->linux_.seccomp)
		json_write_string(w, "seccomp=unconfined");
	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
		own(str) struct str text = STR_INIT(TEXT_MAX);

		if (!labels[i].value)
			continue;
		str_addf(&text, "%s=%s", labels[i].word, labels[i].value);
		json_write_string(w, text.data);
	}
	json_write_end(w, ']');
}

static int write_log(struct json_writer *w, const struct container *ct, struct err *err)
{
	const struct record *r = &ct->record;
	own_free char *path = str_printf(err, "%s/containers/%s/log", ct->store->root, ct->id);
	bool files = !r->log_driver;

	if (!path)
		return -1;
	begin(w, "LogConfig", false);
	json_write_member(w, "Type", files ? "file" : r->log_driver);
	json_write_member(w, "Path", files ? path : "");
	json_write_member(w, "Tag", r->log_tag ? r->log_tag : "");
	json_write_member_u64(w, "Size", r->log_max_size);
	json_write_end(w, '}');
	return 0;
}

static void write_restart(struct json_writer *w, const struct record *r)
{
	struct restart_policy policy = {.kind = RESTART_NO};
	struct err ignored = ERR_INIT;

	restart_policy_parse(r->restart, &policy, &ignored);
	begin(w, "RestartPolicy", false);
	json_write_member(w, "Name", restart_policy_name(policy.kind));
	json_write_member_i64(w, "MaximumRetryCount", policy.max);
	json_write_end(w, '}');
}

static void write_console(struct json_writer *w, const struct spec_process *p)
{
	begin(w, "ConsoleSize", true);
	json_write_u64(w, p->console_rows);
	json_write_u64(w, p->console_cols);
	json_write_end(w, ']');
}

int inspect_host_config(const struct container *ct, struct json_writer *w, struct err *err)
{
	const struct record *r = &ct->record;
	const struct spec *spec = &r->spec;

	begin(w, "HostConfig", false);
	if (write_binds(w, spec, err) < 0 || write_tmpfs(w, spec, err) < 0 ||
	    write_names(w, r, err) < 0 || write_log(w, ct, err) < 0)
		return -1;
	write_modes(w, r);
	write_restart(w, r);
	json_write_member_bool(w, "AutoRemove", r->remove);
	write_caps(w, "CapAdd", spec->process.caps.bounding & ~CAPS_DEFAULT);
	write_caps(w, "CapDrop", CAPS_DEFAULT & ~spec->process.caps.bounding);
	write_strings(w, "GroupAdd", &spec->process.user.groups);
	json_write_member_bool(w, "Init", spec->init);
	json_write_member_i64(w, "OomScoreAdj", spec->process.oom_score_adj);
	json_write_member_bool(w, "Privileged", false);
	json_write_member_bool(w, "PublishAllPorts", false);
	begin(w, "PortBindings", false);
	json_write_end(w, '}');
	json_write_member_bool(w, "ReadonlyRootfs", spec->root_readonly);
	write_security_options(w, spec);
	json_write_member_u64(w, "ShmSize", shm_size(spec));
	json_write_member(w, "Runtime", "insula");
	write_console(w, &spec->process);
	write_resources(w, &spec->linux_.resources);
	write_ulimits(w, &spec->process);
	write_devices(w, spec);
	json_write_end(w, '}');
	return 0;
}

/* No addresses: it has none of ours, or those of whoever's network it is in. */
int inspect_network(const struct container *ct, struct json_writer *w, struct err *err)
{
	static const char *const empty[] = {"Bridge",	   "Gateway",	 "IPAddress",
					    "IPv6Gateway", "MacAddress", "GlobalIPv6Address"};
	static const char *const lists[] = {"Ports", "Networks"};
	own_free char *key = ct->status == CT_RUNNING
				     ? str_printf(err, "/proc/%d/ns/net", ct->state.init_pid)
				     : str_dup("", err);

	if (!key)
		return -1;
	begin(w, "NetworkSettings", false);
	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
		json_write_member(w, empty[i], "");
	json_write_member_i64(w, "IPPrefixLen", 0);
	json_write_member_i64(w, "GlobalIPv6PrefixLen", 0);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		begin(w, lists[i], false);
		json_write_end(w, '}');
	}
	json_write_member(w, "SandboxKey", key);
	json_write_end(w, '}');
	return 0;
}

void inspect_process(const struct container *ct, struct json_writer *w)
{
	const struct record *r = &ct->record;
	const struct spec_process *p = &r->spec.process;

	json_write_member(w, "Path", r->command.count ? r->command.items[0] : "");
	begin(w, "Args", true);
	for (size_t i = 1; i < r->command.count; i++)
		json_write_string(w, r->command.items[i]);
	json_write_end(w, ']');
	json_write_member(w, "AppArmorProfile", p->apparmor_profile ? p->apparmor_profile : "");
	json_write_member(w, "ProcessLabel", p->selinux_label ? p->selinux_label : "");
	json_write_member(w, "MountLabel",
			  r->spec.linux_.mount_label ? r->spec.linux_.mount_label : "");
	write_caps(w, "EffectiveCaps", p->caps.effective);
	write_caps(w, "BoundingCaps", p->caps.bounding);
}
