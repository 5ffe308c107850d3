/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members whose answer only the kernel has: scheduling and memory policies. A child with our privileges
 * asks for them, as the start would, and ends; its error is the problem. Whether a device or resctrl is
 * there is looked up.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "base/proc.h"
#include "kernel/netdev.h"
#include "kernel/netlink.h"
#include "kernel/resctrl.h"
#include "runtime/check.h"

typedef int try_fn(const struct spec *spec, struct err *err);

static int try_scheduler(const struct spec *spec, struct err *err)
{
	return scheduler_apply(0, spec->process.scheduler, err);
}

static int try_io_priority(const struct spec *spec, struct err *err)
{
	return io_priority_apply(0, spec->process.io_priority, err);
}

static int try_memory_policy(const struct spec *spec, struct err *err)
{
	return mempolicy_apply(spec->linux_.memory_policy, err);
}

/* The child's *err by a pipe; nothing comes where it succeeded. */
static int try_in_child(const struct spec *spec, try_fn *try, struct err *err)
{
	own(proc) struct proc child = PROC_INIT;
	struct err reason = ERR_INIT;
	struct proc_exit how;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	own_fd int read_fd = ends[0];
	own_fd int write_fd = ends[1];
	pid = proc_clone(&child, 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0) {
		if (try(spec, &reason) < 0 &&
		    write(write_fd, &reason, sizeof(reason)) != sizeof(reason))
			_exit(1);
		_exit(0);
	}
	fd_close(take_fd(write_fd));
	if (read(read_fd, &reason, sizeof(reason)) == sizeof(reason))
		*err = reason;
	else
		reason.kind = ERR_NONE;
	proc_wait(&child, -1, &how, &(struct err){.kind = ERR_NONE});
	return reason.kind == ERR_NONE ? 0 : -1;
}

int check_policies(const struct check *c, struct problems *found, struct err *err)
{
	const struct {
		bool given;
		const char *member;
		try_fn *try;
	} members[] = {
		{c->spec->process.scheduler, "process.scheduler", try_scheduler},
		{c->spec->process.io_priority, "process.ioPriority", try_io_priority},
		{c->spec->linux_.memory_policy, "linux.memoryPolicy", try_memory_policy},
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].given && try_in_child(c->spec, members[i].try, err) < 0 &&
		    err_wrap(err, "%s", members[i].member) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

int check_net_devices(const struct check *c, struct problems *found, struct err *err)
{
	const struct strv *devices = &c->spec->linux_.net_devices;
	own_fd int sock = devices->count ? netlink_open(err) : -1;

	if (devices->count && sock < 0)
		return err_wrap(err, "linux.netDevices");
	for (size_t i = 0; i < devices->count; i++) {
		own(netdev) struct netdev device = {0};
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(devices->items[i], "="),
			 devices->items[i]);
		if (netdev_find(sock, name, &device, err) < 0 &&
		    err_wrap(err, "linux.netDevices[\"%s\"]", name) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
	}
	return 0;
}

int check_resctrl(const struct check *c, struct problems *found, struct err *err)
{
	if (!c->spec->linux_.intel_rdt || c->support->resctrl)
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0,
		"linux.intelRdt: resctrl is not mounted on /sys/fs/resctrl");
	return err_hint(
		err, "this takes a CPU with RDT, QoS or MPAM, CONFIG_X86_CPU_RESCTRL or its like, "
		     "and mount -t resctrl resctrl /sys/fs/resctrl");
}
