/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.freedesktop.systemd1(5), the part of it that scopes need.
 *
 * Jobs: starting and stopping are queued by the manager, and the answer to the call is the job's path.
 * JobRemoved tells that it is done, and how. The match for that signal is installed before the call, so
 * that none is missed; the manager sends it to whoever asked for the job without a subscription.
 *
 * The bus: the system bus or, where a minimal host has no D-Bus daemon, the manager's own socket, as
 * systemctl does; for a user the session bus that the environment names.
 */
#include "runtime/scope_bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <systemd/sd-bus.h>

#include "base/loop.h"
#include "base/own.h"

#define MANAGER \
	"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define PRIVATE_SOCKET "unix:path=/run/systemd/private"

static void message_done(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

static void slot_done(sd_bus_slot **slot)
{
	sd_bus_slot_unref(*slot);
}

#define own_message __attribute__((cleanup(message_done)))
#define own_slot __attribute__((cleanup(slot_done)))
#define own_bus_error __attribute__((cleanup(sd_bus_error_free)))

void scope_bus_done(struct scope_bus *bus)
{
	sd_bus_flush_close_unref(bus->bus);
	bus->bus = NULL;
}

/* ---- errors ---- */

static enum err_kind kind_of(const sd_bus_error *error, int rc)
{
	static const struct {
		const char *name;
		enum err_kind kind;
	} names[] = {
		{"org.freedesktop.systemd1.UnitExists", ERR_EXISTS},
		{"org.freedesktop.systemd1.NoSuchUnit", ERR_NOT_FOUND},
		{"org.freedesktop.systemd1.TransactionIsDestructive", ERR_BUSY},
		{"org.freedesktop.DBus.Error.AccessDenied", ERR_DENIED},
		{"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", ERR_DENIED},
		{"org.freedesktop.DBus.Error.InvalidArgs", ERR_INVALID},
		{"org.freedesktop.DBus.Error.PropertyReadOnly", ERR_INVALID},
		{"org.freedesktop.DBus.Error.UnknownProperty", ERR_INVALID},
		{"org.freedesktop.DBus.Error.NotSupported", ERR_UNSUPPORTED},
		{"org.freedesktop.DBus.Error.NoReply", ERR_TIMEOUT},
		{"org.freedesktop.DBus.Error.Timeout", ERR_TIMEOUT},
	};

	for (size_t i = 0; error->name && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(error->name, names[i].name) == 0)
			return names[i].kind;
	return rc == -ETIMEDOUT ? ERR_TIMEOUT : err_kind_of(-rc);
}

static int bus_error(struct err *err, const sd_bus_error *error, int rc, const char *what)
{
	if (error->message)
		return err_set(err, kind_of(error, rc), 0, "%s: systemd says: %s", what,
			       error->message);
	return err_set(err, kind_of(error, rc), -rc, "%s", what);
}

static int timed_out(const struct scope_bus *bus, const char *what, struct err *err)
{
	return err_set(err, ERR_TIMEOUT, 0, "%s: systemd did not finish within %llu ms", what,
		       (unsigned long long)bus->timeout_ms);
}

/* ---- connection ---- */

static int open_private(sd_bus **ret)
{
	sd_bus *bus = NULL;
	int rc = sd_bus_new(&bus);

	if (rc >= 0)
		rc = sd_bus_set_address(bus, PRIVATE_SOCKET);
	if (rc >= 0)
		rc = sd_bus_start(bus);
	if (rc < 0)
		sd_bus_unref(bus);
	else
		*ret = bus;
	return rc;
}

static int no_user_bus(int rc, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, -rc,
		"cannot reach the service manager of uid %u: there is no session bus",
		(unsigned int)getuid());
	return err_hint(err, "log in by a session of systemd (not su or sudo), or \"loginctl "
			     "enable-linger\", or use --cgroup-manager=cgroupfs");
}

int scope_bus_open(struct scope_bus *ret, bool user, uint64_t timeout_ms, struct err *err)
{
	struct scope_bus bus = {.deadline_ms = clock_boot_ms() + (int64_t)timeout_ms,
				.timeout_ms = timeout_ms};
	int rc = user ? sd_bus_open_user(&bus.bus) : sd_bus_open_system(&bus.bus);

	if (rc < 0 && user)
		return no_user_bus(rc, err);
	if (rc < 0 && open_private(&bus.bus) < 0) {
		err_set(err, ERR_UNSUPPORTED, -rc,
			"cannot reach the service manager: no system bus");
		return err_hint(err, "is systemd the init of this host? "
				     "--cgroup-manager=cgroupfs does without it");
	}
	*ret = bus;
	return 0;
}

void scope_bus_renew(struct scope_bus *bus)
{
	bus->deadline_ms = clock_boot_ms() + (int64_t)bus->timeout_ms;
}

static uint64_t remaining_us(const struct scope_bus *bus)
{
	int64_t left = bus->deadline_ms - clock_boot_ms();

	return left > 0 ? (uint64_t)left * 1000 : 1;
}

static int call(struct scope_bus *bus, sd_bus_message *m, sd_bus_message **ret_reply,
		const char *what, struct err *err)
{
	own_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
	int rc = sd_bus_call(bus->bus, m, remaining_us(bus), &error, ret_reply);

	return rc < 0 ? bus_error(err, &error, rc, what) : 0;
}

static int new_call(struct scope_bus *bus, const char *member, sd_bus_message **ret,
		    struct err *err)
{
	int rc = sd_bus_message_new_method_call(bus->bus, ret, MANAGER, member);

	return rc < 0 ? err_set(err, ERR_IO, -rc, "cannot call %s", member) : 0;
}

/* ---- properties ---- */

static int append_number(sd_bus_message *m, char type, const char *text)
{
	struct err ignored = ERR_INIT;
	uint64_t u = 0;
	int64_t i = 0;
	bool is_signed = type == 'i' || type == 'x';

	if ((is_signed ? str_to_i64(text, INT64_MIN, INT64_MAX, "", &i, &ignored)
		       : str_to_u64(text, 0, UINT64_MAX, "", &u, &ignored)) < 0)
		return -EINVAL;
	switch (type) {
	case 'y':
		return sd_bus_message_append(m, "y", (uint8_t)u);
	case 'u':
		return sd_bus_message_append(m, "u", (uint32_t)u);
	case 't':
		return sd_bus_message_append(m, "t", u);
	case 'i':
		return sd_bus_message_append(m, "i", (int32_t)i);
	case 'x':
		return sd_bus_message_append(m, "x", i);
	default:
		return -EINVAL;
	}
}

static int append_single(sd_bus_message *m, char type, const char *text)
{
	if (type == 's')
		return sd_bus_message_append(m, "s", text);
	if (type == 'b')
		return sd_bus_message_append(m, "b", strcmp(text, "true") == 0);
	if (type == 'd')
		return sd_bus_message_append(m, "d", strtod(text, NULL));
	return append_number(m, type, text);
}

static int append_value(sd_bus_message *m, const struct scope_property *p)
{
	const char *type = p->type;
	int rc;

	if (type[0] != 'a')
		return type[0] && !type[1] && p->values.count == 1
			       ? append_single(m, type[0], p->values.items[0])
			       : -EINVAL;
	if (!type[1] || type[2] || !strchr("syut", type[1]))
		return -EINVAL;
	rc = sd_bus_message_open_container(m, 'a', type + 1);
	for (size_t i = 0; rc >= 0 && i < p->values.count; i++)
		rc = append_single(m, type[1], p->values.items[i]);
	return rc < 0 ? rc : sd_bus_message_close_container(m);
}

static int append_property(sd_bus_message *m, const struct scope_property *p)
{
	int rc = sd_bus_message_open_container(m, 'r', "sv");

	if (rc >= 0)
		rc = sd_bus_message_append(m, "s", p->name);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'v', p->type);
	if (rc >= 0)
		rc = append_value(m, p);
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	return rc < 0 ? rc : sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct scope_properties *list,
			     struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		int rc = append_property(m, &list->items[i]);

		if (rc < 0)
			return err_set(err, ERR_INVALID, -rc, "property %s of type '%s'",
				       list->items[i].name, list->items[i].type);
	}
	return 0;
}

/* ---- jobs ---- */

struct job {
	char *path;   /* NULL while the answer to the call is awaited */
	char *result; /* "done", "failed", "canceled", ... */
	/* JobRemoved may overtake the answer: the last one is kept */
	char *early_path, *early_result;
};

static void job_done(struct job *job)
{
	free(job->path);
	free(job->result);
	free(job->early_path);
	free(job->early_result);
}

static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct job *job = data;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (job->path && strcmp(job->path, path) == 0 && !job->result) {
		job->result = strdup(result);
	} else if (!job->path) {
		free(job->early_path);
		free(job->early_result);
		job->early_path = strdup(path);
		job->early_result = strdup(result);
	}
	return 0;
}

static int watch_jobs(struct scope_bus *bus, struct job *job, sd_bus_slot **ret, struct err *err)
{
	int rc = sd_bus_match_signal_async(
		bus->bus, ret, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager", "JobRemoved", on_job_removed, NULL, job);

	return rc < 0 ? err_set(err, ERR_IO, -rc, "cannot watch the jobs of systemd") : 0;
}

static int wait_job(struct scope_bus *bus, struct job *job, const char *what, struct err *err)
{
	while (!job->result) {
		int rc = sd_bus_process(bus->bus, NULL);

		if (rc < 0)
			return err_set(err, ERR_IO, -rc, "%s: lost systemd's bus", what);
		if (rc > 0)
			continue;
		if (clock_boot_ms() >= bus->deadline_ms)
			return timed_out(bus, what, err);
		sd_bus_wait(bus->bus, remaining_us(bus));
	}
	if (strcmp(job->result, "done") == 0)
		return 0;
	return err_set(err, ERR_IO, 0, "%s: the job of systemd ended as '%s'", what, job->result);
}

/* Make the call, whose answer is a job, and wait for that. */
static int run_job(struct scope_bus *bus, sd_bus_message *m, const char *what, struct err *err)
{
	own(job) struct job job = {0};
	own_slot sd_bus_slot *slot = NULL;
	own_message sd_bus_message *reply = NULL;
	const char *path;

	if (watch_jobs(bus, &job, &slot, err) < 0 || call(bus, m, &reply, what, err) < 0)
		return -1;
	if (sd_bus_message_read(reply, "o", &path) < 0)
		return err_set(err, ERR_IO, 0, "%s: cannot read systemd's answer", what);
	job.path = strdup(path);
	if (!job.path)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	if (job.early_path && strcmp(job.early_path, path) == 0)
		job.result = take(job.early_result);
	return wait_job(bus, &job, what, err);
}

/* ---- units ---- */

static int unit_property(struct scope_bus *bus, const char *unit, const char *interface,
			 const char *name, char *buf, size_t size, struct err *err)
{
	own_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
	own_free char *path = NULL;
	own_free char *value = NULL;
	int rc = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);

	if (rc >= 0)
		rc = sd_bus_get_property_string(bus->bus, "org.freedesktop.systemd1", path,
						interface, name, &error, &value);
	if (rc < 0)
		return bus_error(err, &error, rc, "cannot ask for the state of the unit");
	if (snprintf(buf, size, "%s", value) >= (int)size)
		return err_set(err, ERR_LIMIT, 0, "the unit's %s is too long", name);
	return 0;
}

static int ask_path(struct scope_bus *bus, const char *unit, char ret[static SCOPE_PATH_MAX],
		    struct err *err)
{
	return unit_property(bus, unit, "org.freedesktop.systemd1.Scope", "ControlGroup", ret,
			     SCOPE_PATH_MAX, err);
}

/* Failed units stay in the manager's memory until somebody resets them. */
static void reset_failed(struct scope_bus *bus, const char *unit)
{
	own_message sd_bus_message *m = NULL;
	own_message sd_bus_message *reply = NULL;
	struct err ignored = ERR_INIT;

	if (new_call(bus, "ResetFailedUnit", &m, &ignored) == 0 &&
	    sd_bus_message_append(m, "s", unit) >= 0)
		call(bus, m, &reply, "reset", &ignored);
}

static int append_text(sd_bus_message *m, const char *name, const char *text)
{
	return text ? sd_bus_message_append(m, "(sv)", name, "s", text) : 0;
}

/* What every scope has. A limit of the manager's own for the number of tasks (DefaultTasksMax) would
 * bind a container that asked for none: it is lifted first, and set again by whoever asks. */
static int append_common(sd_bus_message *m, const struct scope_request *request, uint32_t pid)
{
	int rc = append_text(m, "Description", request->description);

	if (rc >= 0)
		rc = append_text(m, "Slice", request->slice);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Delegate", "b", 1,
					   "DefaultDependencies", "b", 0, "TasksMax", "t",
					   UINT64_MAX, "PIDs", "au", 1, pid);
	return rc;
}

static int start_call(struct scope_bus *bus, const struct scope_request *request, uint32_t pid,
		      sd_bus_message **ret, struct err *err)
{
	sd_bus_message *m;
	int rc;

	if (new_call(bus, "StartTransientUnit", ret, err) < 0)
		return -1;
	m = *ret;
	rc = sd_bus_message_append(m, "ss", request->unit, "fail");
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(sv)");
	if (rc >= 0)
		rc = append_common(m, request, pid);
	if (rc >= 0 && append_properties(m, &request->properties, err) < 0)
		return -1;
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "a(sa(sv))", 0);
	return rc < 0 ? err_set(err, ERR_IO, -rc, "cannot write to systemd") : 0;
}

static int try_start(struct scope_bus *bus, const struct scope_request *request, uint32_t pid,
		     struct err *err)
{
	own_message sd_bus_message *m = NULL;

	if (start_call(bus, request, pid, &m, err) < 0)
		return -1;
	return run_job(bus, m, "cannot start the scope", err);
}

/* A unit of that name may only be a memory of one that failed. */
static bool is_only_remembered(struct scope_bus *bus, const char *unit)
{
	struct err ignored = ERR_INIT;
	char state[64];

	return unit_property(bus, unit, "org.freedesktop.systemd1.Unit", "ActiveState", state,
			     sizeof(state), &ignored) == 0 &&
	       (strcmp(state, "failed") == 0 || strcmp(state, "inactive") == 0);
}

int scope_bus_start(struct scope_bus *bus, const struct scope_request *request, uint32_t pid,
		    char ret_path[static SCOPE_PATH_MAX], struct err *err)
{
	struct err ignored = ERR_INIT;
	int status = try_start(bus, request, pid, err);

	if (status < 0 && err->kind == ERR_EXISTS && is_only_remembered(bus, request->unit)) {
		reset_failed(bus, request->unit);
		*err = ERR_INIT;
		status = try_start(bus, request, pid, err);
	}
	if (status < 0 && err->kind == ERR_EXISTS)
		return err_hint(err, "it is active: \"systemctl status %s\" tells what runs there",
				request->unit);
	if (status == 0 && ask_path(bus, request->unit, ret_path, err) == 0)
		return 0;
	/* Started perhaps, in spite of a deadline that passed. */
	if (err->kind != ERR_DENIED && err->kind != ERR_INVALID) {
		bus->deadline_ms = clock_boot_ms() + 2000;
		scope_bus_stop(bus, request->unit, &ignored);
	}
	return -1;
}

int scope_bus_set(struct scope_bus *bus, const struct scope_request *request,
		  char ret_path[static SCOPE_PATH_MAX], struct err *err)
{
	own_message sd_bus_message *m = NULL;
	own_message sd_bus_message *reply = NULL;
	int rc;

	if (new_call(bus, "SetUnitProperties", &m, err) < 0)
		return -1;
	rc = sd_bus_message_append(m, "sb", request->unit, 1);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(sv)");
	if (rc >= 0 && append_properties(m, &request->properties, err) < 0)
		return -1;
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	if (rc < 0)
		return err_set(err, ERR_IO, -rc, "cannot write to systemd");
	if (call(bus, m, &reply, "cannot change the scope", err) < 0)
		return -1;
	return ask_path(bus, request->unit, ret_path, err);
}

int scope_bus_attach(struct scope_bus *bus, const struct scope_request *request, struct err *err)
{
	own_message sd_bus_message *m = NULL;
	own_message sd_bus_message *reply = NULL;
	own_free char *below = NULL;
	int rc;

	if (!request->pid) /* which is the sender to systemd */
		return err_set(err, ERR_NOT_FOUND, ESRCH, "the process has ended");
	if (request->subgroup && *request->subgroup) {
		below = str_printf(err, "/%s", request->subgroup);
		if (!below)
			return -1;
	}
	if (new_call(bus, "AttachProcessesToUnit", &m, err) < 0)
		return -1;
	rc = sd_bus_message_append(m, "ssau", request->unit, below ? below : "", 1,
				   (uint32_t)request->pid);
	if (rc < 0)
		return err_set(err, ERR_IO, -rc, "cannot write to systemd");
	return call(bus, m, &reply, "cannot move a process into the scope", err);
}

int scope_bus_stop(struct scope_bus *bus, const char *unit, struct err *err)
{
	own_message sd_bus_message *m = NULL;
	int rc;

	if (new_call(bus, "StopUnit", &m, err) < 0)
		return -1;
	rc = sd_bus_message_append(m, "ss", unit, "replace");
	if (rc < 0)
		return err_set(err, ERR_IO, -rc, "cannot write to systemd");
	if (run_job(bus, m, "cannot stop the scope", err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		*err = ERR_INIT;
	}
	reset_failed(bus, unit);
	return 0;
}
