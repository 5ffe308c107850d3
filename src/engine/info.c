/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula info and version, as JSON: one document for programs, and for people the same one in another
 * dress, so that neither has what the other lacks.
 */
#include "engine/info.h"

#include <fcntl.h>

#include "base/own.h"
#include "engine/defaults.h"
#include "engine/keeper.h"
#include "json/json.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/facts.h"
#include "kernel/procattr.h"
#include "runtime/runtime.h"

#define INDENT 2

static void begin(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_object(w);
}

static void write_program(struct json_writer *w)
{
	json_write_member(w, "version", INSULA_VERSION);
	json_write_member_u64(w, "keeper_protocol", KEEPER_PROTOCOL);
	json_write_member(w, "oci_runtime_spec", SPEC_OCI_VERSION);
}

int engine_version(struct str *out, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out, INDENT);
	json_write_object(&w);
	write_program(&w);
	json_write_end(&w, '}');
	return str_check(out, "the version", err);
}

static void write_host(struct json_writer *w, const struct facts *facts)
{
	static const char *const modules[] = {
		[LSM_NONE] = "none", [LSM_APPARMOR] = "apparmor", [LSM_SELINUX] = "selinux"};

	begin(w, "host");
	json_write_member(w, "kernel", facts->release);
	json_write_member_u64(w, "cpus", facts->cpu_count);
	json_write_member(w, "cpus_online", facts->cpus_online.text);
	json_write_member_u64(w, "memory", facts->memory_total);
	json_write_member_bool(w, "root", facts->root);
	json_write_member_bool(w, "overlay", facts->overlay);
	json_write_member_bool(w, "device_programs", facts->cgroup_bpf);
	json_write_member(w, "security_module", modules[lsm_active()]);
	json_write_end(w, '}');
}

static void write_hierarchy(struct json_writer *w, const struct cgroup_hierarchy *h)
{
	own(str) struct str names = STR_INIT(1024);

	cgroup_controllers_text(h->controllers, h->v2, &names);
	json_write_object(w);
	json_write_member(w, "mount", h->mount);
	json_write_member_u64(w, "version", h->v2 ? 2 : 1);
	json_write_member(w, "controllers", names.data);
	json_write_end(w, '}');
}

static void write_cgroups(struct json_writer *w, const struct cgroup_host *host)
{
	static const char *const modes[] = {[CGROUP_NONE] = "none",
					    [CGROUP_V1] = "v1",
					    [CGROUP_HYBRID] = "hybrid",
					    [CGROUP_V2] = "v2"};

	begin(w, "cgroup");
	json_write_member(w, "mode", modes[host->mode]);
	json_write_key(w, "hierarchies");
	json_write_array(w);
	for (size_t i = 0; i < host->count; i++)
		write_hierarchy(w, &host->hierarchies[i]);
	json_write_end(w, ']');
	json_write_end(w, '}');
}

int engine_count(struct store *store, struct store_counts *ret, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	struct store_counts counts = {0};

	if (store_list(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err loading = ERR_INIT;

		if (store_summarize(store, ids.items[i], &ct, &loading) == 0)
			counts.by_status[ct.status]++;
		else if (loading.kind != ERR_NOT_FOUND)
			counts.damaged++;
	}
	*ret = counts;
	return 0;
}

static void write_ids(struct json_writer *w, const struct store_range *ids)
{
	begin(w, "ids");
	json_write_member_u64(w, "first", ids->start);
	json_write_member_u64(w, "ranges", ids->count / STORE_RANGE_SIZE);
	json_write_member(w, "from",
			  ids->is_configured ? "configuration"
			  : ids->is_entry    ? "/etc/subuid"
					     : "default");
	json_write_end(w, '}');
}

static int write_store(struct json_writer *w, struct store *store, struct err *err)
{
	struct store_counts counts;
	struct store_range ids;
	int pad = runtime_pad_present(store->run, err);

	if (pad < 0 || engine_count(store, &counts, err) < 0 ||
	    (!store->user && store_id_range(&ids, err) < 0))
		return -1;
	begin(w, "store");
	json_write_member(w, "root", store->root);
	json_write_member(w, "run", store->run);
	json_write_member_bool(w, "launch_pad", pad);
	begin(w, "containers");
	for (enum container_status status = 0; status < CT_STATUS_COUNT; status++)
		json_write_member_u64(w, container_status_name(status), counts.by_status[status]);
	json_write_member_u64(w, "damaged", counts.damaged);
	json_write_end(w, '}');
	if (!store->user) /* they are root's */
		write_ids(w, &ids);
	json_write_end(w, '}');
	return 0;
}

static void write_defaults(struct json_writer *w)
{
	begin(w, "defaults");
	json_write_member(w, "userns", "private");
	json_write_member(w, "network", "none");
	json_write_member(w, "seccomp", "built-in");
	json_write_key(w, "capabilities");
	json_write_array(w);
	for (int cap = 0; caps_name(cap); cap++)
		if (CAPS_DEFAULT >> cap & 1)
			json_write_string(w, caps_name(cap));
	json_write_end(w, ']');
	json_write_member_u64(w, "pids_limit", DEFAULT_PIDS);
	json_write_member_u64(w, "shm_size", DEFAULT_SHM_SIZE);
	json_write_member_u64(w, "stop_timeout_ms", DEFAULT_STOP_TIMEOUT_MS);
	json_write_member_u64(w, "log_size", DEFAULT_LOG_SIZE);
	json_write_member_u64(w, "log_files", DEFAULT_LOG_FILES);
	json_write_end(w, '}');
}

int engine_info(struct store *store, info_more_fn *more, const void *data, struct str *out,
		struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	struct facts facts;
	struct json_writer w;

	if (facts_probe(AT_FDCWD, &facts, err) < 0 || cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	json_writer_init(&w, out, INDENT);
	json_write_object(&w);
	write_program(&w);
	write_host(&w, &facts);
	write_cgroups(&w, &host);
	if (write_store(&w, store, err) < 0)
		return -1;
	write_defaults(&w);
	if (more(data, &w, err) < 0)
		return -1;
	json_write_end(&w, '}');
	return str_check(out, "the information", err);
}
