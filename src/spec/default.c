/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Defaults: the lists of what is covered in every container, and the document that
 * `insula-runtime spec` prints for a person to edit. It has the form that users of other runtimes
 * know: a shell as an unprivileged-looking root with three capabilities, its own namespaces except
 * the user namespace, no devices beyond the standard ones, and the usual seven mounts.
 */
#include <stdlib.h>
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

/* ---- for who is not root ---- */

/* "gid=5" is nobody where only one group is mapped. */
static void drop_owners(struct strv *options)
{
	size_t kept = 0;

	for (size_t i = 0; i < options->count; i++) {
		if (str_starts(options->items[i], "uid=") || str_starts(options->items[i], "gid="))
			free(options->items[i]);
		else
			options->items[kept++] = options->items[i];
	}
	options->count = kept;
	if (options->items)
		options->items[kept] = NULL;
}

/* A new sysfs shows a network namespace, and only its owner may mount one: the host's is bound. */
static int bind_sys(struct spec_mount *m, struct err *err)
{
	static const char *const options[] = {"rbind", "nosuid", "noexec", "nodev", "ro", NULL};

	free(m->type);
	free(m->source);
	strv_done(&m->options);
	m->options = STRV_INIT;
	m->type = str_dup("none", err);
	m->source = str_dup("/sys", err);
	return m->type && m->source ? add_all(&m->options, options, err) : -1;
}

int spec_default_rootless(struct spec *s, uint32_t uid, uint32_t gid, struct err *err)
{
	struct spec_linux *l = &s->linux_;

	l->namespaces[SPEC_NS_NET].given = false;
	l->namespaces[SPEC_NS_USER].given = true;
	cgroup_resources_done(&l->resources);
	cgroup_resources_init(&l->resources);
	for (size_t i = 0; i < s->mount_count; i++) {
		drop_owners(&s->mounts[i].options);
		if (str_eq(s->mounts[i].destination, "/sys") && bind_sys(&s->mounts[i], err) < 0)
			return -1;
	}
	if (spec_add_idmap(&l->uid_maps, 0, uid, 1, err) < 0)
		return -1;
	return spec_add_idmap(&l->gid_maps, 0, gid, 1, err);
}
