/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking the kernel what it has.
 *
 * Files first: /proc/self/ns has a link for each kind of namespace, /proc/filesystems the file systems
 * (those that are modules and not loaded are in modules.alias as fs-NAME, which is how mount(2) finds
 * them), /sys what is switched on. What has no file is tried with arguments that the kernel refuses
 * only after it has understood the question: an idmapped mount by a descriptor that is not open is EBADF
 * where idmapped mounts are known and EINVAL where they are not; a seccomp filter at address 0 is EFAULT
 * where the flags are known and EINVAL where they are not. Nothing is changed by any of them.
 */
#include "kernel/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "kernel/seccomp.h"

#define TEXT_MAX (8u << 20)   /* modules.alias of a distribution's kernel has 2 MiB */
#define NO_DESCRIPTOR 1000000 /* beyond what a process can have open */
#define MAPS_MAX 340

static const char *below(int prefix_fd, const char *path)
{
	return prefix_fd == AT_FDCWD ? path : path + 1;
}

static bool exists(int prefix_fd, const char *path)
{
	return faccessat(prefix_fd, below(prefix_fd, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool recorded(int prefix_fd, const char *probe)
{
	return faccessat(prefix_fd, probe, F_OK, 0) == 0;
}

/* The text of a file, "" where there is none or it may not be read; NULL where memory ran out. */
static char *read_all(int prefix_fd, const char *path, bool *ret_there, struct err *err)
{
	own_fd int fd = openat(prefix_fd, below(prefix_fd, path), O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	char *text = NULL;

	*ret_there = fd >= 0 && fd_read_all(fd, TEXT_MAX, path, &text, &ignored) >= 0;
	return *ret_there ? text : str_dup("", err);
}

/* ---- file systems ---- */

/* "nodev	proc" and "	ext4" */
static int add_known(struct strv *list, char *text, struct err *err)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *tab = strchr(line, '\t');

		if (tab && tab[1] && strv_add(list, tab + 1, err) < 0)
			return -1;
	}
	return 0;
}

/* "alias fs-xfs xfs" */
static int add_modules(struct strv *list, char *text, struct err *err)
{
	static const char mark[] = "alias fs-";
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!str_starts(line, mark))
			continue;
		line += strlen(mark);
		line[strcspn(line, " ")] = '\0';
		if (*line && strv_add(list, line, err) < 0)
			return -1;
	}
	return 0;
}

static int probe_filesystems(int prefix_fd, const char *release, struct support *s, struct err *err)
{
	own_free char *path = str_printf(err, "/lib/modules/%s/modules.alias", release);
	own_free char *known = NULL, *modules = NULL;
	bool there;

	if (!path)
		return -1;
	known = read_all(prefix_fd, "/proc/filesystems", &there, err);
	modules = known ? read_all(prefix_fd, path, &there, err) : NULL;
	if (!modules || add_known(&s->filesystems, known, err) < 0)
		return -1;
	return add_modules(&s->filesystems, modules, err);
}

bool support_has_filesystem(const struct support *s, const char *type)
{
	/* "fuse.sshfs": what is after the dot is for a helper of mount(8). */
	size_t len = strcspn(type, ".");

	for (size_t i = 0; i < s->filesystems.count; i++)
		if (strncmp(s->filesystems.items[i], type, len) == 0 &&
		    !s->filesystems.items[i][len])
			return true;
	return false;
}

/* ---- security modules ---- */

/* "docker-default (enforce)" */
static int add_profiles(struct strv *list, char *text, struct err *err)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *mode = strstr(line, " (");

		if (mode)
			*mode = '\0';
		if (*line && strv_add(list, line, err) < 0)
			return -1;
	}
	return 0;
}

static int probe_lsm(int prefix_fd, struct support *s, struct err *err)
{
	own_free char *enabled = NULL, *profiles = NULL;
	bool there;

	enabled = read_all(prefix_fd, "/sys/module/apparmor/parameters/enabled", &there, err);
	if (!enabled)
		return -1;
	s->apparmor = enabled[0] == 'Y';
	s->selinux = exists(prefix_fd, "/sys/fs/selinux/enforce");
	profiles = read_all(prefix_fd, "/sys/kernel/security/apparmor/profiles",
			    &s->apparmor_listed, err);
	return profiles ? add_profiles(&s->apparmor_profiles, profiles, err) : -1;
}

/* ---- user namespaces ---- */

static int probe_map(int prefix_fd, const char *path, struct id_map **ret, size_t *ret_count,
		     struct err *err)
{
	own_free char *text = NULL;
	struct id_map *maps = calloc(MAPS_MAX, sizeof(*maps));
	size_t count = 0;
	char *line, *rest;
	bool there;

	if (!maps)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	*ret = maps;
	text = rest = read_all(prefix_fd, path, &there, err);
	if (!text)
		return -1;
	while (count < MAPS_MAX && (line = strsep(&rest, "\n")))
		if (sscanf(line, "%u %u %u", &maps[count].inside, &maps[count].outside,
			   &maps[count].size) == 3)
			count++;
	*ret_count = count;
	return 0;
}

static int probe_userns(int prefix_fd, struct support *s, struct err *err)
{
	own_free char *most = NULL, *unprivileged = NULL;
	bool there;

	most = read_all(prefix_fd, "/proc/sys/user/max_user_namespaces", &there, err);
	if (!most)
		return -1;
	s->user_namespaces = there ? strtoull(most, NULL, 10) : 0;
	/* A Debian kernel's own switch, for who is not root. */
	unprivileged = read_all(prefix_fd, "/proc/sys/kernel/unprivileged_userns_clone", &there,
				err);
	if (!unprivileged)
		return -1;
	if (there && unprivileged[0] == '0' && geteuid() != 0)
		s->user_namespaces = 0;
	if (probe_map(prefix_fd, "/proc/self/uid_map", &s->uids, &s->uid_count, err) < 0)
		return -1;
	return probe_map(prefix_fd, "/proc/self/gid_map", &s->gids, &s->gid_count, err);
}

static void probe_namespaces(int prefix_fd, struct support *s)
{
	char path[64];

	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", ns_name(kind));
		s->namespaces[kind] = exists(prefix_fd, path);
	}
}

/* ---- huge pages ---- */

/* "hugepages-2048kB" */
static int add_page_size(struct strv *list, const char *name, struct err *err)
{
	static const char *const units[] = {"KB", "MB", "GB"};
	unsigned long size;
	size_t unit = 0;

	if (sscanf(name, "hugepages-%lukB", &size) != 1)
		return 0;
	for (; unit < 2 && size >= 1024 && size % 1024 == 0; unit++)
		size /= 1024;
	return strv_addf(list, err, "%lu%s", size, units[unit]);
}

static int probe_pages(int prefix_fd, struct support *s, struct err *err)
{
	static const char path[] = "/sys/kernel/mm/hugepages";
	own_dir DIR *dir = fd_open_list(prefix_fd, below(prefix_fd, path));
	const struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (add_page_size(&s->page_sizes, entry->d_name, err) < 0)
			return -1;
	return 0;
}

/* ---- what can only be tried ---- */

static bool probe_idmap(int prefix_fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = NO_DESCRIPTOR};

	if (prefix_fd != AT_FDCWD)
		return recorded(prefix_fd, "probe/idmap");
	if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr)) == 0)
		return true;
	/* EPERM comes first for who may not mount: such a one cannot use it either way, and is told so. */
	return errno == EBADF || errno == EPERM;
}

static bool probe_memory_policy(int prefix_fd)
{
	int mode;

	if (prefix_fd != AT_FDCWD)
		return recorded(prefix_fd, "probe/memory_policy");
	return syscall(SYS_get_mempolicy, &mode, NULL, 0UL, NULL, 0UL) == 0 || errno != ENOSYS;
}

bool support_seccomp_action(uint32_t action)
{
	return seccomp_has_action(action);
}

unsigned int support_seccomp_flags(unsigned int of)
{
	unsigned int known = 0;

	for (unsigned int flag = 1; flag && flag <= of; flag <<= 1)
		if (of & flag && seccomp_has_flag(flag))
			known |= flag;
	return known;
}

static unsigned int all_seccomp_flags(void)
{
	unsigned int all = 0;

	for (const struct seccomp_name *flag = seccomp_flags; flag->name; flag++)
		all |= flag->value;
	return all;
}

int support_probe(int prefix_fd, const char *release, struct support *ret, struct err *err)
{
	own(support) struct support s = {0};

	probe_namespaces(prefix_fd, &s);
	if (probe_filesystems(prefix_fd, release, &s, err) < 0 ||
	    probe_lsm(prefix_fd, &s, err) < 0 || probe_userns(prefix_fd, &s, err) < 0 ||
	    probe_pages(prefix_fd, &s, err) < 0)
		return err_wrap(err, "cannot learn what this kernel has");
	s.idmap = probe_idmap(prefix_fd);
	s.memory_policy = probe_memory_policy(prefix_fd);
	s.resctrl = exists(prefix_fd, "/sys/fs/resctrl/schemata");
	s.seccomp_flags = support_seccomp_flags(all_seccomp_flags());
	*ret = s;
	s = (struct support){0};
	return 0;
}

void support_done(struct support *s)
{
	strv_done(&s->filesystems);
	strv_done(&s->apparmor_profiles);
	strv_done(&s->page_sizes);
	free(s->uids);
	free(s->gids);
	*s = (struct support){0};
}
