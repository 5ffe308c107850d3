/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which ids an ordinary user may use: lines NAME:START:COUNT of /etc/subuid and /etc/subgid, by his name in
 * /etc/passwd or by his number, as subuid(5) has it. No NSS: who is known only to a directory has lines by
 * number, or none, and then his own id is all that he has, as in a batch job on a cluster.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/str.h"
#include "runtime/rootless.h"

#define FILE_MAX (4u << 20)
#define IDS_MAX 65536u
#define LINES_MAX 8

static int read_lines(const char *path, char **ret, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd_read_all(fd, FILE_MAX, path, ret, err) < 0 ? -1 : 0;
	*ret = str_dup("", err);
	return *ret ? 0 : -1;
}

static bool is_number(const char *text, uint64_t wanted)
{
	struct err ignored = ERR_INIT;
	uint64_t value;

	return str_to_u64(text, 0, UINT32_MAX, "id", &value, &ignored) == 0 && value == wanted;
}

/* His name, or "" where /etc/passwd has none. */
static char *own_name(struct err *err)
{
	own_free char *text = NULL;
	char *save = NULL;

	if (read_lines("/etc/passwd", &text, err) < 0)
		return NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = strsep(&line, ":");
		char *uid = strsep(&line, ":") ? strsep(&line, ":") : NULL;

		if (uid && is_number(uid, geteuid()))
			return str_dup(name, err);
	}
	return str_dup("", err);
}

static int add_range(struct spec_idmaps *maps, const char *start, const char *count,
		     struct err *err)
{
	struct err ignored = ERR_INIT;
	uint64_t first, size;
	uint32_t next = 0;

	for (size_t i = 0; i < maps->count; i++)
		next += maps->items[i].size;
	if (!start || !count || maps->count > LINES_MAX || next > IDS_MAX ||
	    str_to_u64(start, 1, UINT32_MAX - 1, "start", &first, &ignored) < 0 ||
	    str_to_u64(count, 1, UINT32_MAX - first, "count", &size, &ignored) < 0)
		return 0;
	if (size > IDS_MAX - next + 1)
		size = IDS_MAX - next + 1;
	return spec_add_idmap(maps, next, (uint32_t)first, (uint32_t)size, err);
}

static int add_ranges(const char *path, const char *name, struct spec_idmaps *maps, struct err *err)
{
	own_free char *text = NULL;
	char *save = NULL;

	if (read_lines(path, &text, err) < 0)
		return -1;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *who = strsep(&line, ":");
		const char *start = strsep(&line, ":"), *count = strsep(&line, ":");

		if ((*name && !strcmp(who, name)) || is_number(who, geteuid()))
			if (add_range(maps, start, count, err) < 0)
				return -1;
	}
	return 0;
}

int rootless_own_ids(struct spec_idmaps *ret_uids, struct spec_idmaps *ret_gids, struct err *err)
{
	own_free char *name = own_name(err);

	if (!name || spec_add_idmap(ret_uids, 0, geteuid(), 1, err) < 0 ||
	    spec_add_idmap(ret_gids, 0, getegid(), 1, err) < 0)
		return -1;
	if (!proc_has_program("newuidmap") || !proc_has_program("newgidmap"))
		return 0;
	if (add_ranges("/etc/subuid", name, ret_uids, err) < 0 ||
	    add_ranges("/etc/subgid", name, ret_gids, err) < 0)
		return -1;
	/* Users without groups, or the other way round, are of no use. */
	if (ret_uids->count == 1 || ret_gids->count == 1)
		ret_uids->count = ret_gids->count = 1;
	return 0;
}

static bool is_own_id(uint32_t uid)
{
	struct spec_idmaps uids = {0}, gids = {0};
	struct err ignored = ERR_INIT;
	bool found = rootless_own_ids(&uids, &gids, &ignored) < 0;

	for (size_t i = 0; i < uids.count && !found; i++)
		found = uid >= uids.items[i].host_id &&
			uid - uids.items[i].host_id < uids.items[i].size;
	free(uids.items);
	free(gids.items);
	return found;
}

bool rootless_reaches_program(void)
{
	struct stat st;

	if (stat("/proc/self/exe", &st) < 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return true;
	/* In his namespace already, where its root has a right over what belongs to his ids. */
	if (geteuid() == 0)
		return faccessat(AT_FDCWD, "/proc/self/exe", W_OK, AT_EACCESS) == 0;
	return st.st_uid == geteuid() || (st.st_uid != 0 && is_own_id(st.st_uid));
}
