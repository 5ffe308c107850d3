/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service manager for tests, on hosts whose init is another one: the part of org.freedesktop.systemd1
 * that insula-systemd uses, on a bus of the test's own (DBUS_SYSTEM_BUS_ADDRESS). It makes and removes the
 * directories of scopes in the hierarchies that the real one has (name=systemd and the unified one), moves
 * processes there, sends JobRemoved, and writes down what it was asked, a line for each property.
 *
 * usage: fake_systemd MODE LOG
 *	ok		as the real one
 *	silent		jobs never end
 *	failed		jobs end as "failed"
 *	remembered	a scope of every name exists and has failed, until it is reset
 *	active		a scope of every name is active
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <systemd/sd-bus.h>

#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"

static const char *const tops[] = {"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"};

static const char *mode;
static FILE *log_file;
static char group[512]; /* of the scope that was made last */
static char slice[128] = "system.slice";
static bool forgotten;
static volatile sig_atomic_t stopped;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(log_file, format, ap);
	va_end(ap);
	fflush(log_file);
}

static bool is_mode(const char *name)
{
	return strcmp(mode, name) == 0;
}

/* ---- directories ---- */

static bool move_process(const char *top, const char *below, uint32_t pid)
{
	char path[1024], text[16];

	snprintf(path, sizeof(path), "%s%s/%s/cgroup.procs", top, group, below);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	int len = snprintf(text, sizeof(text), "%u", pid);
	bool moved = write(fd, text, (size_t)len) == len;
	if (!moved)
		note("cannot move %u: %s\n", pid, strerror(errno));
	close(fd);
	return moved;
}

static void make_directories(const char *top, uint32_t pid)
{
	char path[1024];

	for (const char *p = strchr(group + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(path, sizeof(path), "%s%.*s", top, (int)(p - group), group);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s%s", top, group);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return;
	move_process(top, "", pid);
}

static void remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char below[2048];

	while (dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		remove_directory(below);
	}
	if (dir)
		closedir(dir);
	for (int i = 0; i < 200 && rmdir(path) < 0 && errno == EBUSY; i++)
		usleep(10000);
}

static void kill_all(const char *path)
{
	char file[1200];

	snprintf(file, sizeof(file), "%s/cgroup.kill", path);
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			note("cannot kill %s\n", path);
		close(fd);
	}
}

/* The scope and, at the end, the slices that were made for it. */
static void remove_group(bool slices)
{
	char path[1024];

	for (size_t i = 0; i < 2 && *group; i++) {
		snprintf(path, sizeof(path), "%s%s", tops[i], group);
		kill_all(path);
		remove_directory(path);
		while (slices && strlen(path) > strlen(tops[i]) + 1) {
			*strrchr(path, '/') = '\0';
			if (strcmp(path, tops[i]) == 0 || rmdir(path) < 0)
				break;
		}
	}
}

/* "a-b.slice" is below "a.slice". */
static void set_group(const char *unit)
{
	size_t used = 0;

	for (const char *dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
		used += (size_t)snprintf(group + used, sizeof(group) - used, "/%.*s.slice",
					 (int)(dash - slice), slice);
	snprintf(group + used, sizeof(group) - used, "/%s/%s", slice, unit);
}

/* ---- messages ---- */

static void note_value(sd_bus_message *m, char type)
{
	union {
		uint8_t y;
		int b, i;
		uint32_t u;
		uint64_t t;
		int64_t x;
		double d;
		const char *s;
	} v;

	if (sd_bus_message_read_basic(m, type, &v) < 0)
		return;
	switch (type) {
	case 's':
		note(" '%s'", v.s);
		return;
	case 'y':
		note(" %u", v.y);
		return;
	case 'b':
		note(" %s", v.b ? "true" : "false");
		return;
	case 'i':
		note(" %d", v.i);
		return;
	case 'u':
		note(" %u", v.u);
		return;
	case 't':
		note(" %llu", (unsigned long long)v.t);
		return;
	case 'x':
		note(" %lld", (long long)v.x);
		return;
	default:
		note(" %g", v.d);
	}
}

/* The value of one property; of PIDs the first is returned. */
static void read_property(sd_bus_message *m, uint32_t *pid)
{
	const char *name, *type;

	sd_bus_message_read(m, "s", &name);
	sd_bus_message_peek_type(m, NULL, &type);
	sd_bus_message_enter_container(m, 'v', type);
	if (strcmp(name, "PIDs") == 0) {
		const uint32_t *pids;
		size_t size;

		sd_bus_message_read_array(m, 'u', (const void **)&pids, &size);
		*pid = size ? pids[0] : 0;
		note("\tPIDs au [%zu]\n", size / 4);
	} else if (strcmp(name, "Slice") == 0) {
		const char *text;

		sd_bus_message_read(m, "s", &text);
		snprintf(slice, sizeof(slice), "%s", text);
		note("\tSlice s '%s'\n", text);
	} else {
		note("\t%s %s", name, type);
		if (type[0] == 'a') {
			sd_bus_message_enter_container(m, 'a', type + 1);
			while (!sd_bus_message_at_end(m, 0))
				note_value(m, type[1]);
			sd_bus_message_exit_container(m);
		} else {
			note_value(m, type[0]);
		}
		note("\n");
	}
	sd_bus_message_exit_container(m);
}

static uint32_t read_properties(sd_bus_message *m)
{
	uint32_t pid = 0;

	sd_bus_message_enter_container(m, 'a', "(sv)");
	while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		read_property(m, &pid);
		sd_bus_message_exit_container(m);
	}
	sd_bus_message_exit_container(m);
	return pid;
}

static int reply_job(sd_bus_message *m, const char *unit)
{
	static uint32_t id;
	char path[64];

	snprintf(path, sizeof(path), MANAGER_PATH "/job/%u", ++id);
	/* The signal first, now and then: both orders happen. */
	if (!is_mode("silent") && id % 2)
		sd_bus_emit_signal(sd_bus_message_get_bus(m), MANAGER_PATH, MANAGER, "JobRemoved",
				   "uoss", id, path, unit, is_mode("failed") ? "failed" : "done");
	sd_bus_reply_method_return(m, "o", path);
	if (!is_mode("silent") && id % 2 == 0)
		sd_bus_emit_signal(sd_bus_message_get_bus(m), MANAGER_PATH, MANAGER, "JobRemoved",
				   "uoss", id, path, unit, is_mode("failed") ? "failed" : "done");
	return 1;
}

static int start_unit(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *unit, *how;

	(void)data;
	sd_bus_message_read(m, "ss", &unit, &how);
	note("StartTransientUnit %s %s\n", unit, how);
	if (is_mode("active") || (is_mode("remembered") && !forgotten))
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.UnitExists",
					 "Unit %s already exists.", unit);
	uint32_t pid = read_properties(m);
	set_group(unit);
	for (size_t i = 0; i < 2; i++)
		make_directories(tops[i], pid);
	return reply_job(m, unit);
}

/* Late, as one may be that has much to do. */
static int attach_processes(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *unit, *below;
	uint32_t pid = 0;

	(void)data;
	sd_bus_message_read(m, "ssau", &unit, &below, 1, &pid);
	note("AttachProcessesToUnit %s %s\n", unit, below);
	usleep(300000);
	for (size_t i = 0; i < 2; i++)
		if (!move_process(tops[i], below, pid))
			return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "cannot move %u", pid);
	return sd_bus_reply_method_return(m, "");
}

static int set_unit(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *unit;
	int runtime;

	(void)data;
	(void)error;
	sd_bus_message_read(m, "sb", &unit, &runtime);
	note("SetUnitProperties %s %s\n", unit, runtime ? "runtime" : "persistent");
	read_properties(m);
	return sd_bus_reply_method_return(m, "");
}

static int stop_unit(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *unit, *how;

	(void)data;
	sd_bus_message_read(m, "ss", &unit, &how);
	note("StopUnit %s %s\n", unit, how);
	if (!strstr(group, unit))
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.NoSuchUnit",
					 "Unit %s not loaded.", unit);
	remove_group(false);
	return reply_job(m, unit);
}

static int reset_unit(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *unit;

	(void)data;
	(void)error;
	sd_bus_message_read(m, "s", &unit);
	note("ResetFailedUnit %s\n", unit);
	forgotten = true;
	return sd_bus_reply_method_return(m, "");
}

static int get_group(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", group);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", is_mode("remembered") ? "failed" : "active");
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", start_unit,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", set_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("AttachProcessesToUnit", "ssau", "", attach_processes,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StopUnit", "ss", "o", stop_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ResetFailedUnit", "s", "", reset_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable scope[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("ControlGroup", "s", get_group, 0, 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable unit[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("ActiveState", "s", get_state, 0, 0),
	SD_BUS_VTABLE_END,
};

static int find_unit(sd_bus *bus, const char *path, const char *interface, void *data, void **ret,
		     sd_bus_error *error)
{
	*ret = NULL;
	return 1;
}

static int serve(sd_bus *bus)
{
	int rc = sd_bus_add_object_vtable(bus, NULL, MANAGER_PATH, MANAGER, manager, NULL);

	if (rc >= 0)
		rc = sd_bus_add_fallback_vtable(bus, NULL, MANAGER_PATH "/unit",
						"org.freedesktop.systemd1.Scope", scope, find_unit,
						NULL);
	if (rc >= 0)
		rc = sd_bus_add_fallback_vtable(bus, NULL, MANAGER_PATH "/unit",
						"org.freedesktop.systemd1.Unit", unit, find_unit,
						NULL);
	if (rc >= 0)
		rc = sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
	if (rc < 0)
		return rc;
	note("ready\n");
	while (!stopped && rc >= 0) {
		rc = sd_bus_process(bus, NULL);
		if (rc == 0)
			rc = sd_bus_wait(bus, 200000);
	}
	return 0;
}

static void on_signal(int signal)
{
	stopped = signal;
}

int main(int argc, char **argv)
{
	sd_bus *bus = NULL;
	int rc;

	if (argc != 3)
		return 2;
	mode = argv[1];
	log_file = fopen(argv[2], "we");
	signal(SIGTERM, on_signal);
	rc = log_file ? sd_bus_open_system(&bus) : -errno;
	if (rc >= 0)
		rc = serve(bus);
	if (rc < 0)
		fprintf(stderr, "fake_systemd: %s\n", strerror(-rc));
	remove_group(true);
	sd_bus_flush_close_unref(bus);
	return rc < 0;
}
