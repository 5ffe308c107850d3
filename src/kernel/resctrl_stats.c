/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a resctrl group has and uses, as the member intel_rdt of runc's statistics: the schemata of the
 * group and of the root, what the processor can divide (info/L3, info/MB), and what is monitored
 * (mon_data/mon_L3_00 and its like, one directory for each cache). What this machine does not have is left
 * out, as runc does. A monitoring group of the container's own is counted where it has one, else the group
 * that it shares.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "kernel/resctrl.h"

#define FILE_MAX 16384

/* One file without its last line feed; NULL where it is not there. */
static char *read_text(int dir_fd, const char *name)
{
	own_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	own_free char *text = malloc(FILE_MAX);
	struct err ignored = ERR_INIT;
	ssize_t n = fd >= 0 && text ? fd_read_buf(fd, text, FILE_MAX, name, &ignored) : -1;

	if (n < 0)
		return NULL;
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return take(text);
}

/* "Unavailable", "Error" and "Unassigned" are what the kernel says where it has no number. */
static void write_number(struct json_writer *w, const char *key, int dir_fd, const char *name)
{
	own_free char *text = read_text(dir_fd, name);
	struct err no_number = ERR_INIT;
	uint64_t value;

	if (text && str_to_u64(text, 0, UINT64_MAX, name, &value, &no_number) == 0)
		json_write_member_u64(w, key, value);
}

/* ---- what the processor can divide ---- */

static const struct info_file {
	const char *name;
	bool is_text;
} l3_files[] = {{"cbm_mask", true}, {"min_cbm_bits", false}, {"num_closids", false}, {0}},
  mb_files[] = {{"bandwidth_gran", false},
		{"delay_linear", false},
		{"min_bandwidth", false},
		{"num_closids", false},
		{0}};

static void write_info(struct json_writer *w, int root_fd, const char *path, const char *key,
		       const struct info_file *files)
{
	own_fd int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	json_write_key(w, key);
	json_write_object(w);
	for (; files->name; files++) {
		own_free char *text = files->is_text ? read_text(fd, files->name) : NULL;

		if (text)
			json_write_member(w, files->name, text);
		else if (!files->is_text)
			write_number(w, files->name, fd, files->name);
	}
	json_write_end(w, '}');
}

/* ---- schemata ---- */

/* The line of a resource ("L3:", "MB:"), which is indented to stand under the others. */
static void write_line(struct json_writer *w, const char *key, const char *schemata,
		       const char *resource)
{
	for (const char *line = schemata; line; line = strchr(line, '\n')) {
		line += strspn(line, "\n ");
		if (!str_starts(line, resource))
			continue;
		own_free char *one = strndup(line, strcspn(line, "\n"));
		if (one)
			json_write_member(w, key, one);
		return;
	}
}

static void write_lines(struct json_writer *w, const char *schemata)
{
	json_write_key(w, "schemata");
	json_write_array(w);
	for (const char *line = schemata; line && *line; line = strchr(line, '\n')) {
		line += strspn(line, "\n");
		own_free char *one = strndup(line, strcspn(line, "\n"));
		if (one)
			json_write_string(w, one);
	}
	json_write_end(w, ']');
}

/* ---- what is used ---- */

struct domains {
	struct dirent **items;
	int count;
};

static int is_domain(const struct dirent *entry)
{
	return str_starts(entry->d_name, "mon_L3_");
}

static bool has_file(int mon_fd, const struct domains *d, const char *name)
{
	char path[NAME_MAX + 32];

	if (d->count < 1)
		return false;
	snprintf(path, sizeof path, "%s/%s", d->items[0]->d_name, name);
	return faccessat(mon_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void write_domains(struct json_writer *w, int mon_fd, const struct domains *d,
			  const char *key, const char *const *names, size_t count)
{
	bool any = false;

	for (size_t k = 0; k < count; k++)
		any |= has_file(mon_fd, d, names[k]);
	if (!any)
		return;
	json_write_key(w, key);
	json_write_array(w);
	for (int i = 0; i < d->count; i++) {
		own_fd int fd = openat(mon_fd, d->items[i]->d_name,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		json_write_object(w);
		for (size_t k = 0; fd >= 0 && k < count; k++)
			write_number(w, names[k], fd, names[k]);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void write_monitored(struct json_writer *w, int group_fd, const char *id)
{
	static const char *const bandwidth[] = {"mbm_total_bytes", "mbm_local_bytes"};
	static const char *const occupancy[] = {"llc_occupancy"};
	char path[300];
	struct domains d = {0};

	snprintf(path, sizeof path, "mon_groups/%s/mon_data", id);
	own_fd int mon_fd = openat(group_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mon_fd < 0)
		mon_fd = openat(group_fd, "mon_data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mon_fd < 0)
		return;
	d.count = scandirat(mon_fd, ".", &d.items, is_domain, alphasort);
	write_domains(w, mon_fd, &d, "mbm_stats", bandwidth, 2);
	write_domains(w, mon_fd, &d, "cmt_stats", occupancy, 1);
	for (int i = 0; i < d.count; i++)
		free(d.items[i]);
	free(d.items);
}

void resctrl_write_stats(int root_fd, const struct resctrl *config, const char *id,
			 struct json_writer *w)
{
	own_fd int group_fd = openat(root_fd, resctrl_group_name(config, id),
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own_free char *of_root = read_text(root_fd, "schemata");
	own_free char *of_group = group_fd < 0 ? NULL : read_text(group_fd, "schemata");

	if (!of_group)
		return; /* it has just ended */
	write_info(w, root_fd, "info/L3", "l3_cache_info", l3_files);
	write_line(w, "l3_cache_schema_root", of_root, "L3");
	write_line(w, "l3_cache_schema", of_group, "L3");
	write_info(w, root_fd, "info/MB", "mem_bw_info", mb_files);
	write_line(w, "mem_bw_schema_root", of_root, "MB:");
	write_line(w, "mem_bw_schema", of_group, "MB:");
	write_lines(w, of_group);
	write_monitored(w, group_fd, id);
}
