/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Defaults: the lists of what is covered in every container, and the document that
 * `insula-runtime spec` prints for a person to edit. It has the form that users of other runtimes
 * know: a shell as an unprivileged-looking root with three capabilities, its own namespaces except
 * the user namespace, no devices beyond the standard ones, and the usual seven mounts.
 */
#include <sys/resource.h>

#include "base/own.h"
#include "spec/spec.h"

/* What a container has no business reading: the kernel's memory, keys and timers of other
 * containers, firmware, and the host's hardware. */
const char *const spec_default_masked_paths[] = {
	"/proc/acpi",	     "/proc/asound",	"/proc/interrupts",
	"/proc/kcore",	     "/proc/keys",	"/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi",	"/proc/timer_list",
	"/proc/timer_stats", "/sys/dev/block",	"/sys/devices/virtual/powercap",
	"/sys/firmware",     "/sys/fs/selinux", NULL,
};

/* What programs need to read and only the host may change. */
const char *const spec_default_readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

#define CAP_BIT(number_) (UINT64_C(1) << (number_))
#define DEFAULT_CAPS \
	(CAP_BIT(5) | CAP_BIT(10) | CAP_BIT(29)) /* KILL, NET_BIND_SERVICE, AUDIT_WRITE */
#define DEFAULT_NOFILE 1024

struct default_mount {
	const char *destination, *type, *source;
	const char *options[8];
};

static const struct default_mount default_mounts[] = {
	{"/proc", "proc", "proc", {NULL}},
	{"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
	{"/dev/pts",
	 "devpts",
	 "devpts",
	 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
	{"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
	{"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
	{"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
};

static int add_all(struct strv *v, const char *const *texts, struct err *err)
{
	for (; *texts; texts++)
		if (strv_add(v, *texts, err) < 0)
			return -1;
	return 0;
}

static int default_process(struct spec_process *p, struct err *err)
{
	static const char *const args[] = {"sh", NULL};
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=xterm",
		NULL,
	};

	p->terminal = true;
	p->no_new_privs = true;
	p->caps_given = true;
	p->caps.bounding = p->caps.effective = p->caps.permitted = DEFAULT_CAPS;
	p->cwd = str_dup("/", err);
	if (!p->cwd || add_all(&p->args, args, err) < 0)
		return -1;
	return add_all(&p->env, env, err);
}

static int default_linux(struct spec_linux *l, struct err *err)
{
	static const enum spec_ns kinds[] = {SPEC_NS_PID, SPEC_NS_NET, SPEC_NS_IPC,
					     SPEC_NS_UTS, SPEC_NS_MNT, SPEC_NS_CGROUP};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		l->namespaces[kinds[i]].given = true;
	if (add_all(&l->masked_paths, spec_default_masked_paths, err) < 0)
		return -1;
	return add_all(&l->readonly_paths, spec_default_readonly_paths, err);
}

static int default_mounts_add(struct spec *s, struct err *err)
{
	for (size_t i = 0; i < sizeof(default_mounts) / sizeof(default_mounts[0]); i++) {
		const struct default_mount *d = &default_mounts[i];
		struct spec_mount *m = spec_add_mount(s, d->destination, d->type, d->source, err);

		if (!m || add_all(&m->options, d->options, err) < 0)
			return -1;
	}
	return 0;
}

int spec_default(struct spec *ret, struct err *err)
{
	const struct rlimit_entry nofile = {RLIMIT_NOFILE, DEFAULT_NOFILE, DEFAULT_NOFILE};
	own(spec) struct spec s = {0};

	spec_init(&s);
	s.process_given = true;
	s.root_readonly = true;
	s.oci_version = str_dup(SPEC_OCI_VERSION, err);
	s.root_path = str_dup("rootfs", err);
	s.hostname = str_dup("insula", err);
	if (!s.oci_version || !s.root_path || !s.hostname)
		return -1;
	if (default_process(&s.process, err) < 0 || default_linux(&s.linux_, err) < 0 ||
	    default_mounts_add(&s, err) < 0 || spec_add_rlimit(&s, &nofile, err) < 0 ||
	    !spec_add_device_rule(&s, false, 'a', -1, -1, "rwm", err))
		return -1;
	*ret = s;
	spec_init(&s);
	return 0;
}
