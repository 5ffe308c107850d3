/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resctrl by descriptors of its mounted tree (Documentation/filesystems/resctrl.rst). A directory is a
 * group: mkdir(2) makes it with all of its files, rmdir(2) removes it with them and puts its tasks back
 * into the parent.
 *
 * What is specified comes first, and where it is silent the kernel's documentation: a group that exists
 * already must have what is asked for, one that is named and not described must be there, the schemata
 * are written in the order l3CacheSchema, memBwSchema, schemata, and only groups named after the
 * container are ever removed.
 *
 * The kernel's errors are EINVAL and ENOSPC; its own words about the last one are in
 * info/last_cmd_status, and end up in the message.
 */
#include "kernel/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"

#ifndef RDTGROUP_SUPER_MAGIC
#define RDTGROUP_SUPER_MAGIC 0x7655821
#endif

#define FILE_MAX 16384

/* ---- what is asked for ---- */

static int check_line(const char *member, const char *line, const char *prefix, struct err *err)
{
	if (prefix && !str_starts(line, prefix))
		return err_set(err, ERR_INVALID, 0, "%s: '%s' does not begin with '%s'", member,
			       line, prefix);
	if (str_has_control(line))
		return err_set(err, ERR_INVALID, 0, "%s: '%s' is more than one line", member, line);
	if (!strchr(line, ':') || !strchr(line, '='))
		return err_set(err, ERR_INVALID, 0, "%s: '%s' is not RESOURCE:ID=VALUE;...", member,
			       line);
	return 0;
}

static int check_group(const char *group, struct err *err)
{
	static const char *const kept[] = {".", "..", "info", "mon_data", "mon_groups"};

	if (strcmp(group, "/") == 0)
		return 0;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (strcmp(group, kept[i]) == 0)
			return err_set(err, ERR_INVALID, 0, "closID: '%s' is not a group", group);
	if (!*group || strchr(group, '/') || str_has_control(group) || strlen(group) > 255)
		return err_set(err, ERR_INVALID, 0,
			       "closID: '%.100s' is neither the name of a directory nor '/'",
			       group);
	return 0;
}

int resctrl_check(const struct resctrl *config, struct err *err)
{
	char member[32];

	if (config->group && check_group(config->group, err) < 0)
		return -1;
	/* L3, L3CODE and L3DATA */
	if (config->l3_cache && check_line("l3CacheSchema", config->l3_cache, "L3", err) < 0)
		return -1;
	if (config->mem_bw && check_line("memBwSchema", config->mem_bw, "MB:", err) < 0)
		return -1;
	for (size_t i = 0; i < config->lines.count; i++) {
		snprintf(member, sizeof member, "schemata[%zu]", i);
		if (check_line(member, config->lines.items[i], NULL, err) < 0)
			return -1;
	}
	return 0;
}

static bool has_schemata(const struct resctrl *config)
{
	return config->l3_cache || config->mem_bw || config->lines.count;
}

/* ---- the tree ---- */

int resctrl_open(const char *place, bool recorded, struct err *err)
{
	own_fd int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd >= 0 && (recorded || (fstatfs(fd, &fs) == 0 && fs.f_type == RDTGROUP_SUPER_MAGIC)))
		return take_fd(fd);
	err_set(err, ERR_UNSUPPORTED, 0, "no resctrl file system is mounted on '%s'", place);
	return err_hint(err,
			"it needs a processor with Intel RDT or AMD QoS, a kernel with "
			"CONFIG_X86_CPU_RESCTRL, and: mount -t resctrl resctrl %s",
			place);
}

const char *resctrl_group_name(const struct resctrl *config, const char *id)
{
	if (!config->group)
		return id;
	return strcmp(config->group, "/") == 0 ? "." : config->group;
}

static int open_group(int root_fd, const struct resctrl *config, const char *id, struct err *err)
{
	const char *name = resctrl_group_name(config, id);
	int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot open the resctrl group '%s'", name);
	return fd;
}

/* Why the kernel refused, in its own words: "ok\n" where it has none. */
static int explain(int root_fd, struct err *err)
{
	own_fd int fd = openat(root_fd, "info/last_cmd_status", O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	char text[256];

	if (fd < 0 || fd_read_buf(fd, text, sizeof text, "last_cmd_status", &ignored) <= 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "ok") != 0)
		err_hint(err, "the kernel says: %s", text);
	return -1;
}

static int write_file(int root_fd, int group_fd, const char *name, const char *text,
		      struct err *err)
{
	own_fd int fd = openat(group_fd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot open '%s' of the resctrl group", name);
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return 0;
	err_errno(err, "cannot write '%.*s' to '%s' of the resctrl group", (int)strcspn(text, "\n"),
		  text, name);
	return explain(root_fd, err);
}

/* ---- a group that is there ---- */

/* Value of domain `id` in "0=7ff;1= 20", or -1. Both bitmaps and percentages are compared as numbers of
 * base 16: equal digits, whatever zeros and spaces stand before them. */
static long long domain_value(const char *line, unsigned long id)
{
	for (const char *at = line; at && *at; at = strchr(at, ';')) {
		char *end;

		at += *at == ';';
		if (strtoul(at, &end, 10) == id && end > at && *end == '=')
			return (long long)strtoull(end + 1, NULL, 16);
	}
	return -1;
}

static bool same_domains(const char *wanted, const char *found)
{
	for (const char *at = wanted; at && *at; at = strchr(at, ';')) {
		char *end;

		at += *at == ';';
		unsigned long id = strtoul(at, &end, 10);
		if (domain_value(found, id) != domain_value(wanted, id))
			return false;
	}
	return true;
}

/* The line of the resource that `wanted` is about. The lines of a schemata file are indented to stand under each
 * other. */
static const char *find_line(const char *wanted, const char *schemata)
{
	size_t resource = strcspn(wanted, ":") + 1;

	for (const char *line = schemata; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		line += strspn(line, " ");
		if (strncmp(line, wanted, resource) == 0)
			return line;
	}
	return NULL;
}

/* "L3:0=7ff;1=7ff" against the lines of a schemata file. */
static bool matches(const char *wanted, const char *schemata)
{
	const char *line = find_line(wanted, schemata);
	size_t resource = strcspn(wanted, ":") + 1;
	char text[1024];

	if (!line)
		return false;
	snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
	return same_domains(wanted + resource, text + resource);
}

/* The caller's to free. */
static char *read_schemata(int group_fd, const char *name, struct err *err)
{
	own_fd int fd = openat(group_fd, "schemata", O_RDONLY | O_CLOEXEC);
	own_free char *text = malloc(FILE_MAX);

	if (!text)
		err_set(err, ERR_LIMIT, ENOMEM, "cannot read the schemata of '%s'", name);
	else if (fd < 0 || fd_read_buf(fd, text, FILE_MAX, "schemata", err) < 0)
		err_errno(err, "cannot read the schemata of the resctrl group '%s'", name);
	else
		return take(text);
	return NULL;
}

static int compare(int group_fd, const struct resctrl *config, const char *name, struct err *err)
{
	const char *const wanted[] = {config->l3_cache, config->mem_bw};
	own_free char *text = read_schemata(group_fd, name, err);

	if (!text)
		return -1;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		if (!wanted[i] || matches(wanted[i], text))
			continue;
		err_set(err, ERR_INVALID, 0,
			"the resctrl group '%s' is there already and has not '%s'", name,
			wanted[i]);
		return err_hint(err, "a group that is shared keeps what it has: ask for that, or "
				     "leave the schema out");
	}
	return 0;
}

/* ---- making ---- */

static int make_directory(int parent_fd, const char *path, const char *what, struct err *err)
{
	if (mkdirat(parent_fd, path, 0755) == 0)
		return 0;
	err_errno(err, "cannot make the resctrl %s '%s'", what, path);
	if (errno == ENOSPC)
		err_hint(err, "the processor has no more of them: see info/*/num_closids and "
			      "info/L3_MON/num_rmids in the file system");
	if (errno == ENOENT)
		err_hint(err, "this processor cannot monitor");
	return -1;
}

static int write_schemata(int root_fd, int group_fd, const struct resctrl *config, struct err *err)
{
	own(str) struct str text = STR_INIT(FILE_MAX);

	if (config->l3_cache)
		str_addf(&text, "%s\n", config->l3_cache);
	if (config->mem_bw)
		str_addf(&text, "%s\n", config->mem_bw);
	for (size_t i = 0; i < config->lines.count; i++)
		str_addf(&text, "%s\n", config->lines.items[i]);
	if (str_check(&text, "the schemata", err) < 0)
		return -1;
	return text.len ? write_file(root_fd, group_fd, "schemata", text.data, err) : 0;
}

static int fill(int root_fd, const struct resctrl *config, const char *id, bool made,
		struct err *err)
{
	own_fd int group_fd = open_group(root_fd, config, id, err);
	char name[300];

	if (group_fd < 0)
		return -1;
	if (!made && compare(group_fd, config, resctrl_group_name(config, id), err) < 0)
		return -1;
	if (write_schemata(root_fd, group_fd, config, err) < 0)
		return -1;
	if (!config->monitoring)
		return 0;
	snprintf(name, sizeof name, "mon_groups/%s", id);
	return make_directory(group_fd, name, "monitoring group", err);
}

int resctrl_prepare(int root_fd, const struct resctrl *config, const char *id, bool *ret_made,
		    struct err *err)
{
	const char *name = resctrl_group_name(config, id);
	bool there = faccessat(root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	if (!config->group && there) {
		err_set(err, ERR_EXISTS, 0, "the resctrl group '%s' exists already", id);
		return err_hint(err, "remove it, or give the container another id");
	}
	if (!there && config->group && !has_schemata(config)) {
		err_set(err, ERR_NOT_FOUND, 0, "there is no resctrl group '%s'", name);
		return err_hint(err, "make it beforehand, or give linux.intelRdt.schemata");
	}
	if (!there && make_directory(root_fd, name, "group", err) < 0)
		return -1;
	if (fill(root_fd, config, id, !there, err) == 0) {
		*ret_made = !there;
		return 0;
	}
	if (!there)
		unlinkat(root_fd, name, AT_REMOVEDIR);
	return -1;
}

int resctrl_assign(int root_fd, const struct resctrl *config, const char *id, pid_t pid,
		   struct err *err)
{
	own_fd int group_fd = open_group(root_fd, config, id, err);
	char name[300], number[16];

	if (group_fd < 0)
		return -1;
	snprintf(number, sizeof number, "%d", pid);
	if (write_file(root_fd, group_fd, "tasks", number, err) < 0)
		return -1;
	if (!config->monitoring)
		return 0;
	snprintf(name, sizeof name, "mon_groups/%s/tasks", id);
	return write_file(root_fd, group_fd, name, number, err);
}

static char *lines_before(int group_fd, const struct resctrl *wanted, const char *name,
			  struct err *err)
{
	const char *const lines[] = {wanted->l3_cache, wanted->mem_bw};
	own_free char *text = read_schemata(group_fd, name, err);
	own(str) struct str before = STR_INIT(FILE_MAX);

	if (!text)
		return NULL;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		const char *line = lines[i] ? find_line(lines[i], text) : NULL;

		if (line)
			str_addf(&before, "%.*s\n", (int)strcspn(line, "\n"), line);
	}
	return str_check(&before, "the schemata", err) < 0 ? NULL : str_take(&before);
}

int resctrl_update(int root_fd, const struct resctrl *config, const char *id,
		   const struct resctrl *wanted, char **ret_before, struct err *err)
{
	own_fd int group_fd = open_group(root_fd, config, id, err);
	own_free char *before = NULL;

	if (group_fd < 0)
		return -1;
	before = lines_before(group_fd, wanted, resctrl_group_name(config, id), err);
	if (!before || write_schemata(root_fd, group_fd, wanted, err) < 0)
		return -1;
	*ret_before = take(before);
	return 0;
}

int resctrl_restore(int root_fd, const struct resctrl *config, const char *id, const char *before,
		    struct err *err)
{
	own_fd int group_fd = open_group(root_fd, config, id, err);

	if (group_fd < 0)
		return -1;
	return *before ? write_file(root_fd, group_fd, "schemata", before, err) : 0;
}

int resctrl_remove(int root_fd, const struct resctrl *config, const char *id, struct err *err)
{
	struct err absent = ERR_INIT;
	own_fd int group_fd = open_group(root_fd, config, id, &absent);
	char name[300];

	if (group_fd < 0)
		return absent.errnum == ENOENT ? 0 : (*err = absent, -1);
	snprintf(name, sizeof name, "mon_groups/%s", id);
	if (config->monitoring && unlinkat(group_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove the resctrl monitoring group '%s'", id);
	if (!config->group && unlinkat(root_fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove the resctrl group '%s'", id);
	return 0;
}

int resctrl_undo(int root_fd, const struct resctrl *config, const char *id, bool made,
		 struct err *err)
{
	const char *name = resctrl_group_name(config, id);

	if (resctrl_remove(root_fd, config, id, err) < 0)
		return -1;
	if (made && unlinkat(root_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove the resctrl group '%s'", name);
	return 0;
}
