/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula inspect: the record, the state, the end, and where things are on the host.
 *
 * What docker and podman show under a name is under the same name here, so that scripts and habits
 * carry over; what only Insula has is beside it ("Warnings", "IdMap", "Directories"). "Spec" is the
 * configuration as the record has it, printed along the same tables that read it.
 */
#include "engine/inspect.h"
#include "engine/group.h"
#include "engine/live.h"
#include "engine/ready.h"
#include "engine/restart_policy.h"
#include "engine/space.h"

#include <fcntl.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "image/image.h"
#include "json/json.h"

#define NEVER "0001-01-01T00:00:00Z" /* as docker has it */

static void write_time(struct json_writer *w, const char *key, int64_t realtime_ns)
{
	char text[CLOCK_TEXT_SIZE];

	json_write_member(w, key, realtime_ns ? clock_text(realtime_ns, text) : NEVER);
}

static void begin(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_object(w);
}

static void write_end(struct json_writer *w, const struct container *ct)
{
	const struct exit_record *end = &ct->exit;
	bool exited = ct->status == CT_EXITED || ct->status == CT_RESTARTING;
	char name[32];

	json_write_member_bool(w, "OOMKilled", exited && end->oom_killed);
	json_write_member_i64(w, "ExitCode", exited ? end->code : 0);
	if (exited && end->signal)
		json_write_member(w, "Signal", proc_signal_name(end->signal, name, sizeof name));
	if (exited && end->reason)
		json_write_member(w, "Reason", end->reason);
	json_write_member(w, "Error",
			  exited && end->reason && str_starts(end->reason, "failed to start")
				  ? end->reason
				  : "");
}

static void write_results(struct json_writer *w, const struct json_array *log)
{
	const struct health_result *results = log->items;

	json_write_key(w, "Log");
	json_write_array(w);
	for (size_t i = 0; i < log->count; i++) {
		json_write_object(w);
		write_time(w, "Start", results[i].begun_ns);
		write_time(w, "End", results[i].ended_ns);
		json_write_member_i64(w, "ExitCode", results[i].code);
		json_write_member(w, "Output", results[i].output ? results[i].output : "");
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void write_health(struct json_writer *w, const struct container *ct)
{
	struct health health = {0};
	struct err ignored = ERR_INIT;

	if (!ct->record.health.command.count || ct->run_fd < 0 ||
	    health_read(ct->run_fd, ".", &health, &ignored) < 0)
		return;
	begin(w, "Health");
	json_write_member(w, "Status", health_status_names[health.status]);
	json_write_member_i64(w, "FailingStreak", health.streak);
	write_results(w, &health.log);
	json_write_end(w, '}');
	health_done(&health);
}

static void write_readiness(struct json_writer *w, const struct container *ct)
{
	struct readiness r = {0};
	struct err ignored = ERR_INIT;

	if (!ct->ready)
		return;
	json_write_member_bool(w, "Ready", ct->ready == READY_YES);
	if (str_eq(ct->record.sdnotify, READY_BY_CONTAINER) && ct->run_fd >= 0 &&
	    readiness_read(ct->run_fd, ".", &r, &ignored) == 0)
		json_write_member(w, "StatusText", r.status ? r.status : "");
	readiness_done(&r);
}

static void write_healthcheck(struct json_writer *w, const struct health_config *config)
{
	if (!config->command.count)
		return;
	begin(w, "Healthcheck");
	json_write_key(w, "Test");
	json_write_strings(w, &config->command);
	json_write_member_i64(w, "Interval", config->interval_ms * 1000000);
	json_write_member_i64(w, "Timeout", config->timeout_ms * 1000000);
	json_write_member_i64(w, "StartPeriod", config->start_period_ms * 1000000);
	json_write_member_i64(w, "Retries", config->retries);
	json_write_member(w, "OnFailure", health_action_names[config->action]);
	json_write_end(w, '}');
}

static void write_state(struct json_writer *w, const struct container *ct)
{
	bool running = ct->status == CT_RUNNING,
	     exited = ct->status == CT_EXITED || ct->status == CT_RESTARTING;

	begin(w, "State");
	json_write_member(w, "OciVersion", SPEC_OCI_VERSION);
	json_write_member(w, "Status", container_shown_status(ct));
	json_write_member_bool(w, "Running", running);
	json_write_member_bool(w, "Paused", ct->paused);
	json_write_member_bool(w, "Restarting", ct->status == CT_RESTARTING);
	json_write_member_bool(w, "Dead", ct->status == CT_DEAD);
	json_write_member_i64(w, "Pid", running ? ct->state.init_pid : 0);
	json_write_member_i64(w, "KeeperPid", container_is_kept(ct) ? ct->state.keeper_pid : 0);
	write_end(w, ct);
	write_health(w, ct);
	write_readiness(w, ct);
	write_time(w, "StartedAt", exited ? ct->exit.started_ns : ct->state.started_ns);
	write_time(w, "FinishedAt", exited ? ct->exit.finished_ns : 0);
	json_write_end(w, '}');
}

/* "key=value" as an object. */
static void write_pairs(struct json_writer *w, const char *key, const struct strv *pairs)
{
	begin(w, key);
	for (size_t i = 0; i < pairs->count; i++) {
		own(str) struct str name = STR_INIT(1u << 20);
		const char *equals = strchrnul(pairs->items[i], '=');

		str_add_len(&name, pairs->items[i], (size_t)(equals - pairs->items[i]));
		json_write_member(w, name.data, *equals ? equals + 1 : "");
	}
	json_write_end(w, '}');
}

/* What makes another one like it; nothing of one that an older version made. */
static void write_create_command(struct json_writer *w, const struct record *r)
{
	json_write_key(w, "CreateCommand");
	json_write_array(w);
	if (r->given.count) {
		json_write_string(w, "insula");
		json_write_string(w, "run"); /* whose options are those of create, and more */
	}
	for (size_t i = 1; i < r->given.count; i++)
		json_write_string(w, r->given.items[i]);
	if (r->given.count)
		json_write_string(w, r->image);
	for (size_t i = 0; r->given.count && i < r->operands.count; i++)
		json_write_string(w, r->operands.items[i]);
	json_write_end(w, ']');
}

/* Never what they are. */
static void write_secrets(struct json_writer *w, const struct record *r)
{
	const struct record_secret *secrets = r->secrets.items;
	char mode[8];

	json_write_key(w, "Secrets");
	json_write_array(w);
	for (size_t i = 0; i < r->secrets.count; i++) {
		const struct record_secret *s = &secrets[i];

		json_write_object(w);
		json_write_member(w, "Name", s->name);
		json_write_member(w, "Type", s->env ? "env" : "mount");
		json_write_member(w, "Target", s->target);
		if (!s->env) {
			snprintf(mode, sizeof mode, "%04o", (unsigned int)s->mode);
			json_write_member_i64(w, "UID", s->uid);
			json_write_member_i64(w, "GID", s->gid);
			json_write_member(w, "Mode", mode);
		}
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void write_config(struct json_writer *w, const struct record *r)
{
	const struct spec_user *user = &r->spec.process.user;
	char ids[32], name[32], umask[8];

	snprintf(ids, sizeof ids, "%u:%u", user->uid, user->gid);
	snprintf(umask, sizeof umask, "%04o", user->umask < 0 ? 0022 : (unsigned int)user->umask);
	begin(w, "Config");
	json_write_key(w, "Cmd");
	json_write_strings(w, &r->command);
	json_write_key(w, "Env");
	json_write_strings(w, &r->spec.process.env);
	json_write_member(w, "Hostname", record_hostname(r));
	json_write_member(w, "Domainname", r->spec.domainname ? r->spec.domainname : "");
	json_write_member(w, "Image", r->image);
	write_pairs(w, "Annotations", &r->spec.annotations);
	json_write_member(w, "Umask", umask);
	write_create_command(w, r);
	write_pairs(w, "Labels", &r->labels);
	json_write_member_bool(w, "OpenStdin", r->interactive);
	json_write_member(w, "StopSignal", proc_signal_name(r->stop_signal, name, sizeof name));
	json_write_member_i64(w, "StopTimeout", (int64_t)(r->stop_timeout_ms / 1000));
	json_write_member_bool(w, "Tty", r->terminal);
	json_write_member(w, "User", user->name ? user->name : ids);
	json_write_key(w, "Groups");
	json_write_strings(w, &user->groups);
	json_write_member(w, "WorkingDir", r->spec.process.cwd ? r->spec.process.cwd : "");
	write_healthcheck(w, &r->health);
	json_write_member(w, "SdNotify", r->sdnotify ? r->sdnotify : "ignore");
	json_write_key(w, "Requires");
	json_write_strings(w, &r->requires);
	write_secrets(w, r);
	json_write_member_bool(w, "AutoRemove", r->remove);
	json_write_member_bool(w, "Strict", r->strict);
	json_write_key(w, "ExtraHosts");
	json_write_strings(w, &r->hosts);
	json_write_key(w, "Resolv");
	json_write_strings(w, &r->resolv);
	json_write_member(w, "LogDriver", r->log_driver ? r->log_driver : "file");
	json_write_member(w, "LogTag", r->log_tag ? r->log_tag : "");
	json_write_key(w, "LogFields");
	json_write_strings(w, &r->log_fields);
	json_write_member(w, "Timezone", r->timezone ? r->timezone : "");
	json_write_member(w, "PidFile", r->pidfile ? r->pidfile : "");
	json_write_end(w, '}');
}

static void write_restart(struct json_writer *w, const struct container *ct)
{
	struct restart_policy policy = {.kind = RESTART_NO};
	struct err ignored = ERR_INIT;

	restart_policy_parse(ct->record.restart, &policy, &ignored);
	json_write_member_i64(w, "RestartCount",
			      ct->status == CT_EXITED ? ct->exit.restarts : ct->state.restarts);
	begin(w, "RestartPolicy");
	json_write_member(w, "Name", restart_policy_name(policy.kind));
	json_write_member_i64(w, "MaximumRetryCount", policy.max);
	json_write_end(w, '}');
}

static int write_path(struct json_writer *w, const char *key, const char *store, const char *id,
		      const char *below, struct err *err)
{
	own_free char *path = str_printf(err, "%s/containers/%s%s", store, id, below);

	if (!path)
		return -1;
	json_write_member(w, key, path);
	return 0;
}

/* Where the whole of it can be seen from the host, while it runs. */
static int write_merged(struct json_writer *w, const struct container *ct, struct err *err)
{
	own_free char *path = ct->status == CT_RUNNING
				      ? str_printf(err, "/proc/%d/root", ct->state.init_pid)
				      : str_dup("", err);

	if (!path)
		return -1;
	json_write_member(w, "MergedDir", path);
	return 0;
}

static int write_places(struct json_writer *w, const struct container *ct, struct err *err)
{
	const struct store *store = ct->store;
	const char *layers = store_layers_place(store, &ct->record);

	if (write_path(w, "LogPath", store->root, ct->id, "/log", err) < 0)
		return -1;
	begin(w, "GraphDriver");
	json_write_member(w, "Name", "overlay");
	begin(w, "Data");
	if (write_path(w, "UpperDir", layers, ct->id, "/upper", err) < 0 ||
	    write_path(w, "WorkDir", layers, ct->id, "/work", err) < 0 ||
	    write_merged(w, ct, err) < 0)
		return -1;
	json_write_end(w, '}');
	json_write_end(w, '}');
	begin(w, "Directories");
	if (write_path(w, "Root", store->root, ct->id, "", err) < 0 ||
	    write_path(w, "Run", store->run, ct->id, "", err) < 0)
		return -1;
	json_write_end(w, '}');
	return 0;
}

/* Which host ids stand for the container's 0 to 65535 while it runs. */
static void write_ids(struct json_writer *w, const struct container *ct)
{
	if (ct->status != CT_RUNNING || !ct->state.id_base)
		return;
	begin(w, "IdMap");
	json_write_member_i64(w, "HostId", ct->state.id_base);
	json_write_member_i64(w, "Size", STORE_RANGE_SIZE);
	json_write_member_i64(w, "Slot", ct->state.id_slot);
	json_write_end(w, '}');
}

/* Was the host upgraded since? Where its image cannot be asked, nothing is said. */
static void write_image(struct json_writer *w, const struct record *r)
{
	struct err ignored = ERR_INIT;
	own_free char *now = r->image_stamp && *r->image_stamp ? image_stamp(r->image, &ignored)
							       : NULL;

	json_write_member(w, "Image", r->image);
	json_write_member(w, "ImageName", r->image);
	json_write_member(w, "ImageStamp", r->image_stamp ? r->image_stamp : "");
	if (now)
		json_write_member_bool(w, "ImageChanged", strcmp(now, r->image_stamp) != 0);
}

static void write_warnings(struct json_writer *w, const struct container *ct)
{
	const struct strv *lists[] = {&ct->record.warnings, &ct->state.warnings};

	json_write_key(w, "Warnings");
	json_write_array(w);
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < lists[i]->count; k++)
			json_write_string(w, lists[i]->items[k]);
	json_write_end(w, ']');
}

/* What was asked for, and what of it is there while it runs. */
static int write_live(struct json_writer *w, struct container *ct, struct err *err)
{
	json_write_key(w, "Mounts");
	json_write_array(w);
	if (inspect_mounts(ct, w, err) < 0)
		return -1;
	json_write_end(w, ']');
	json_write_key(w, "Devices");
	json_write_array(w);
	if (engine_write_devices(ct, w, err) < 0)
		return -1;
	json_write_end(w, ']');
	return 0;
}

static int write_size(struct json_writer *w, const struct container *ct, struct err *err)
{
	struct container_space space;
	uint64_t image;

	space_of_container(ct->store, ct->id, &space);
	if (space_of_image(ct->store, ct->record.image, &image, err) < 0)
		return err_wrap(err, "container '%s'", ct->record.name);
	json_write_member_u64(w, "SizeRw", space.writes);
	json_write_member_u64(w, "SizeRootFs", space.writes + image);
	return 0;
}

int engine_inspect(struct container *ct, unsigned int more, struct json_writer *w, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own_free char *cgroup = NULL;

	if (store_load_spec(ct, err) < 0 || cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	if (group_name_of(&host, ct, &cgroup, err) < 0)
		return -1;
	json_write_object(w);
	json_write_member(w, "Id", ct->id);
	json_write_member(w, "Name", ct->record.name);
	write_time(w, "Created", ct->record.created_ns);
	write_image(w, &ct->record);
	write_state(w, ct);
	write_restart(w, ct);
	write_config(w, &ct->record);
	inspect_process(ct, w);
	if (inspect_host_config(ct, w, err) < 0 || inspect_network(ct, w, err) < 0)
		return -1;
	write_warnings(w, ct);
	if (write_places(w, ct, err) < 0)
		return -1;
	json_write_member(w, "CgroupName", cgroup ? cgroup : "");
	json_write_member(w, "Driver", "overlay");
	json_write_member(w, "OCIRuntime", "insula");
	json_write_key(w, "Dependencies");
	json_write_strings(w, &ct->record.requires);
	write_ids(w, ct);
	if ((more & INSPECT_SECURITY && inspect_security(ct, w, err) < 0) ||
	    (more & INSPECT_SIZE && write_size(w, ct, err) < 0))
		return -1;
	if (write_live(w, ct, err) < 0)
		return -1;
	json_write_key(w, "Spec");
	json_write_struct(w, spec_fields, &ct->record.spec);
	json_write_end(w, '}');
	return 0;
}
