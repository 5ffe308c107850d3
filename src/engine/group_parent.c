/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is above a container's control group, where --cgroup-parent names something that is not there.
 *
 * One that an administrator made, perhaps with limits, is not ours to remove. So what we are about to make is noted
 * first: RUN/parents/HIERARCHY:PATH is a directory with a file, by its id, for each container that is below it; with
 * the last one both go.
 *
 * Another store may have containers below the same one, and be the last to leave: it finds a mark on it
 * (cgroup_parent_is_marked). The kernel removes none that somebody has a group in; who was about to make one makes
 * the directory again. The note is what tells of one whose maker was killed before he had marked it.
 *
 * A lock makes a look and what follows from it one. Whoever is killed in between leaves a note of a directory that
 * is not there, or a directory with its note: the container that it was for is dead or half made then, and
 * its repair comes by here.
 */
#include "engine/group_parent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "base/str.h"
#include "engine/store.h"

#define PARENTS "parents"
#define LOCK ".lock"
#define LOCK_TIMEOUT_MS 10000

/* A note is to say nothing but the directory's path, so '/' and '%' are written otherwise. ENAMETOOLONG. */
static int note_name(const struct cgroup_hierarchy *h, const char *path,
		     char ret[static NAME_MAX + 1])
{
	int used = snprintf(ret, NAME_MAX + 1, "%s:", h->name);

	for (; *path && used >= 0 && used <= NAME_MAX; path++)
		used += *path == '/' || *path == '%'
				? snprintf(ret + used, (size_t)(NAME_MAX + 1 - used), "%%%02x",
					   (unsigned int)*path)
				: snprintf(ret + used, (size_t)(NAME_MAX + 1 - used), "%c", *path);
	if (used <= NAME_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* The first `depth` directories of a name; 0 where it has no more than that, and is the group itself. */
static size_t above(const char *name, unsigned int depth)
{
	const char *at = name;

	while (depth-- > 0 && (at = strchr(at, '/')))
		at++;
	return at ? (size_t)(at - name) - 1 : 0;
}

static unsigned int depth_of(const char *name)
{
	unsigned int depth = 0;

	for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/'))
		depth++;
	return depth;
}

static int open_notes(int run_fd, int *ret_lock_fd, struct err *err)
{
	if (mkdirat(run_fd, PARENTS, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make '" PARENTS "' in the store");
	own_fd int fd = openat(run_fd, PARENTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '" PARENTS "' of the store");
	*ret_lock_fd = file_lock(fd, LOCK, LOCK_EXCLUSIVE, LOCK_TIMEOUT_MS, err);
	return *ret_lock_fd < 0 ? -1 : take_fd(fd);
}

static bool exists(int dir_fd, const char *path)
{
	return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* In one hierarchy, one directory. */
static int use_one(int notes_fd, const struct cgroup_hierarchy *h, const char *id, const char *path,
		   struct err *err)
{
	char note[NAME_MAX + 1], file[NAME_MAX + 2 + NAME_MAX];

	if (note_name(h, path, note) < 0)
		return err_errno(err, "cannot note that cgroup '%s' is ours", path);
	if (!exists(notes_fd, note)) {
		if (exists(h->dir_fd, path))
			return 0; /* somebody else's */
		if (mkdirat(notes_fd, note, 0700) < 0)
			return err_errno(err, "cannot note that cgroup '%s' is ours", path);
	}
	snprintf(file, sizeof file, "%s/%s", note, id);
	own_fd int fd = openat(notes_fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? err_errno(err, "cannot note that cgroup '%s' is ours", path) : 0;
}

/* Nobody of this store has it any more. */
static bool is_last(int notes_fd, const char *note, const char *id)
{
	char file[NAME_MAX + 2 + NAME_MAX];

	snprintf(file, sizeof file, "%s/%s", note, id);
	unlinkat(notes_fd, file, 0);
	return unlinkat(notes_fd, note, AT_REMOVEDIR) == 0;
}

static void drop_one(int notes_fd, const struct cgroup_hierarchy *h, const char *id,
		     const char *path)
{
	char note[NAME_MAX + 1];

	if (note_name(h, path, note) < 0)
		return;
	if (exists(notes_fd, note) ? is_last(notes_fd, note, id)
				   : cgroup_parent_is_marked(h->dir_fd, path))
		unlinkat(h->dir_fd, path, AT_REMOVEDIR);
}

int group_parent_use(int run_fd, const struct cgroup_host *host, const char *id, const char *name,
		     unsigned int foreign, struct err *err)
{
	own_fd int lock_fd = -1;
	own_fd int notes_fd = open_notes(run_fd, &lock_fd, err);
	unsigned int depth = depth_of(name);

	if (notes_fd < 0)
		return -1;
	for (size_t i = 0; i < host->count; i++)
		for (unsigned int k = foreign + 1; k <= depth; k++) {
			own_free char *path = str_dup_len(name, above(name, k), err);

			if (!path || use_one(notes_fd, &host->hierarchies[i], id, path, err) < 0)
				return -1;
		}
	return 0;
}

void group_parent_drop(int run_fd, const struct cgroup_host *host, const char *id, const char *name)
{
	struct err ignored = ERR_INIT;
	own_fd int lock_fd = -1;
	own_fd int notes_fd = open_notes(run_fd, &lock_fd, &ignored);

	for (size_t i = 0; notes_fd >= 0 && i < host->count; i++)
		for (unsigned int k = depth_of(name); k > 0; k--) {
			own_free char *path = str_dup_len(name, above(name, k), &ignored);

			if (path)
				drop_one(notes_fd, &host->hierarchies[i], id, path);
		}
}

/* ---- what is left of them ---- */

int group_parent_list(int run_fd, struct strv *ret, struct err *err)
{
	own(strv) struct strv notes = STRV_INIT;
	own_fd int notes_fd = openat(run_fd, PARENTS,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (notes_fd < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, "cannot open '" PARENTS "' of the store");
	if (file_list(notes_fd, ".", &notes, err) < 0)
		return -1;
	for (size_t i = 0; i < notes.count; i++) {
		const char *note = notes.items[i];
		own(strv) struct strv ids = STRV_INIT;

		if (!strchr(note, ':'))
			continue;
		if (file_list(notes_fd, note, &ids, err) < 0 ||
		    (!ids.count && strv_add(ret, note, err) < 0))
			return -1;
		for (size_t k = 0; k < ids.count; k++)
			if (strv_addf(ret, err, "%s/%s", note, ids.items[k]) < 0)
				return -1;
	}
	return 0;
}

/* The note's hierarchy, if this host has it, and the path. */
static const struct cgroup_hierarchy *read_note(const struct cgroup_host *host, const char *note,
						struct str *ret_path)
{
	for (size_t i = 0; i < host->count; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies[i];
		const char *at = note + strlen(h->name);
		unsigned int coded;

		if (!str_starts(note, h->name) || *at != ':')
			continue;
		for (at++; *at && *at != '/'; at++) {
			bool is_coded = sscanf(at, "%%%2x", &coded) == 1;

			str_add_char(ret_path, is_coded ? (char)coded : *at);
			at += is_coded ? 2 : 0;
		}
		return ret_path->failed || !ret_path->len ? NULL : h;
	}
	return NULL;
}

char *group_parent_group(const struct cgroup_host *host, const char *noted, const char *id,
			 struct err *err)
{
	own(str) struct str path = STR_INIT(NAME_MAX);

	if (!read_note(host, noted, &path))
		return str_dup("", err);
	return str_printf(err, "%s/" STORE_CGROUP_PREFIX "%s", path.data, id);
}

int group_parent_forget(int run_fd, const struct cgroup_host *host, const char *noted,
			struct err *err)
{
	own(str) struct str path = STR_INIT(NAME_MAX);
	own_fd int lock_fd = -1;
	own_fd int notes_fd = open_notes(run_fd, &lock_fd, err);
	const struct cgroup_hierarchy *h = read_note(host, noted, &path);
	own_free char *note = str_dup_len(noted, strcspn(noted, "/"), err);

	if (notes_fd < 0 || !note)
		return -1;
	if (strchr(noted, '/') && file_unlink(notes_fd, noted, err) < 0)
		return -1;
	if (unlinkat(notes_fd, note, AT_REMOVEDIR) < 0)
		return errno == ENOTEMPTY || errno == ENOENT
			       ? 0
			       : err_errno(err, "cannot remove the note of '%s'", note);
	if (h)
		unlinkat(h->dir_fd, path.data, AT_REMOVEDIR);
	return 0;
}
