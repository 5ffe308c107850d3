/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inspect --security: what holds, as the kernel tells it of the running container.
 *
 * The subject is its first process and its control group; a command of exec has the same filter and
 * bounds, and may have fewer capabilities. Limits are values of files, as they stand there, under the
 * hierarchy they are in.
 */
#include <string.h>

#include "base/own.h"
#include "engine/inspect.h"
#include "engine/group.h"
#include "json/json.h"
#include "kernel/in_force.h"
#include "kernel/procattr.h"

static void begin(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_object(w);
}

static void write_caps(struct json_writer *w, const struct caps *caps)
{
	const struct {
		const char *key;
		uint64_t set;
	} sets[] = {{"Bounding", caps->bounding},
		    {"Effective", caps->effective},
		    {"Permitted", caps->permitted},
		    {"Inheritable", caps->inheritable},
		    {"Ambient", caps->ambient}};

	begin(w, "Capabilities");
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		json_write_key(w, sets[i].key);
		json_write_array(w);
		for (int cap = 0; caps_name(cap); cap++)
			if (sets[i].set >> cap & 1)
				json_write_string(w, caps_name(cap));
		json_write_end(w, ']');
	}
	json_write_end(w, '}');
}

static void write_seccomp(struct json_writer *w, const struct in_force *f)
{
	static const char *const modes[] = {"disabled", "strict", "filter"};

	json_write_member_bool(w, "NoNewPrivileges", f->no_new_privs);
	begin(w, "Seccomp");
	json_write_member(w, "Mode", f->seccomp_mode < 3 ? modes[f->seccomp_mode] : "unknown");
	json_write_member_u64(w, "Filters", f->seccomp_filters);
	json_write_end(w, '}');
}

static void write_namespaces(struct json_writer *w, const struct in_force *f)
{
	begin(w, "Namespaces");
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		if (!f->namespaces[kind].inode)
			continue;
		begin(w, ns_name(kind));
		json_write_member_u64(w, "Inode", f->namespaces[kind].inode);
		json_write_member_bool(w, "Own", f->namespaces[kind].own);
		json_write_end(w, '}');
	}
	json_write_end(w, '}');
	json_write_key(w, "UidMap");
	json_write_strings(w, &f->uid_map);
	json_write_key(w, "GidMap");
	json_write_strings(w, &f->gid_map);
}

static void write_limit(struct json_writer *w, const char *key, uint64_t value)
{
	if (value == UINT64_MAX)
		json_write_member(w, key, "unlimited");
	else
		json_write_member_u64(w, key, value);
}

static void write_limits(struct json_writer *w, const struct in_force *f)
{
	begin(w, "Rlimits");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		begin(w, rlimit_name(i));
		write_limit(w, "Soft", f->limits[i].soft);
		write_limit(w, "Hard", f->limits[i].hard);
		json_write_end(w, '}');
	}
	json_write_end(w, '}');
	json_write_member_i64(w, "OomScoreAdj", f->oom_score_adj);
	json_write_member(w, "Label", f->label);
}

static int write_cgroup(struct json_writer *w, const struct container *ct, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own(strv) struct strv values = STRV_INIT;

	if (cgroup_host_probe_groups(&host, err) < 0 || group_open_of(&host, ct, &cg, err) < 0 ||
	    (cg.count && cgroup_values(&host, &cg, &values, err) < 0))
		return -1;
	begin(w, "Cgroup");
	for (size_t i = 0; i < values.count; i++) {
		char *equals = strchr(values.items[i], '=');

		*equals = '\0';
		json_write_member(w, values.items[i], equals + 1);
	}
	json_write_end(w, '}');
	return 0;
}

static int read_process(const struct container *ct, struct in_force *ret, struct err *err)
{
	own_fd int proc_fd = procfs_open(err);
	struct proc process = PROC_INIT;
	int status;

	if (proc_fd < 0 || proc_open(&process, ct->state.init_pid, ct->state.init_start, err) < 0)
		return -1;
	status = in_force_read(proc_fd, &process, ret, err);
	proc_forget(&process);
	return status;
}

int inspect_security(const struct container *ct, struct json_writer *w, struct err *err)
{
	own(in_force) struct in_force f = {0};

	if (ct->status != CT_RUNNING) {
		err_set(err, ERR_STATE, 0, "container '%s' is not running", ct->record.name);
		return err_hint(err, "--security shows what the kernel enforces just now");
	}
	if (read_process(ct, &f, err) < 0)
		return err_wrap(err, "container '%s'", ct->record.name);
	begin(w, "Security");
	json_write_member_u64(w, "HostUid", f.uid);
	json_write_member_u64(w, "HostGid", f.gid);
	write_caps(w, &f.caps);
	write_seccomp(w, &f);
	write_namespaces(w, &f);
	write_limits(w, &f);
	if (write_cgroup(w, ct, err) < 0)
		return -1;
	json_write_end(w, '}');
	return 0;
}
