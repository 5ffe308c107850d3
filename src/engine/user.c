/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers of an ordinary user. Nothing here takes a privilege: the keeper is root of a user namespace
 * that the command makes for it, in which the user's own id is 0 and, where /etc/subuid gives him some,
 * others follow. The container's namespace is nested in that one (runtime/rootless.c).
 *
 * His directories are those of the XDG specification, and where there are none (a batch job has no session)
 * one in /tmp; it must be his alone. He and root never see each other's containers: they are in other
 * directories, closed to others.
 *
 * A home directory may lie where overlay cannot write, on NFS for example. Then what containers write goes
 * to RUN, and with it after a reboot.
 */
#include "engine/user.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "image/image.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "runtime/rootless.h"

#define DEVPTS_GID 5

/* ---- directories ---- */

static const char *absolute_variable(const char *name)
{
	const char *value = getenv(name);

	/* "all paths must be absolute; a relative one is invalid and is ignored" (XDG Base Directory) */
	return value && *value == '/' ? value : NULL;
}

char *user_root_directory(struct err *err)
{
	const char *data = absolute_variable("XDG_DATA_HOME");
	const char *home = absolute_variable("HOME");

	if (data)
		return str_printf(err, "%s/insula", data);
	if (home)
		return str_printf(err, "%s/.local/share/insula", home);
	err_set(err, ERR_USAGE, 0, "there is no place for your containers: HOME is not set");
	err_hint(err, "set HOME, or name a directory with --root or INSULA_ROOT");
	return NULL;
}

/* /tmp is everybody's, and XDG_RUNTIME_DIR may be such a place: what is not ours alone is somebody's trap. */
static int check_own(const char *path, struct err *err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make '%s'", path);
	if (lstat(path, &st) < 0)
		return err_errno(err, "cannot look at '%s'", path);
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return 0;
	err_set(err, ERR_DENIED, 0, "'%s' is not a directory of yours alone", path);
	return err_hint(err, "set XDG_RUNTIME_DIR to a directory of yours, or name one with "
			     "--runroot");
}

char *user_run_directory(struct err *err)
{
	const char *runtime = absolute_variable("XDG_RUNTIME_DIR");
	own_free char *path = NULL;

	if (runtime && access(runtime, W_OK | X_OK) == 0)
		path = str_printf(err, "%s/insula", runtime);
	else
		path = str_printf(err, "/tmp/insula-run-%u", geteuid());
	if (!path || check_own(path, err) < 0)
		return NULL;
	return take(path);
}

static bool can_write_layers(int dir_fd)
{
	static const unsigned long cannot[] = {
		NFS_SUPER_MAGIC,
		SMB_SUPER_MAGIC,
		SMB2_SUPER_MAGIC,
		CIFS_SUPER_MAGIC,
		FUSE_SUPER_MAGIC,
		OVERLAYFS_SUPER_MAGIC,
		V9FS_MAGIC,
		AFS_SUPER_MAGIC,
		AFS_FS_MAGIC,
		CEPH_SUPER_MAGIC,
		ECRYPTFS_SUPER_MAGIC,
		0x0bd00bd0 /* lustre */,
		0x47504653 /* gpfs */,
		0x19830326 /* beegfs */,
		0x7461636f /* ocfs2 */,
	};

	return !fd_is_on(dir_fd, cannot, sizeof cannot / sizeof *cannot, false);
}

bool user_layers_in_run(const struct store *store)
{
	return store->user && !can_write_layers(store->root_fd);
}

char *user_image_cache(const struct store *store, struct err *err)
{
	return str_printf(err, "%s/images/host",
			  user_layers_in_run(store) ? store->run : store->root);
}

void user_go_on(struct store *store)
{
	store->user = true;
	image_set_user();
}

/* ---- ids ---- */

/* In his namespace already: its ids from our own map, as they are called here. *ret_own is what he is called
 * outside. */
static int ids_here(bool groups, struct spec_idmaps *ret, uint32_t *ret_own, struct err *err)
{
	struct id_map map[NS_MAP_MAX];
	own_fd int proc_fd = procfs_open(err);
	ssize_t count = proc_fd < 0 ? -1 : ns_read_map(proc_fd, 0, groups, map, err);

	if (count < 0)
		return -1;
	for (ssize_t i = 0; i < count; i++) {
		if (map[i].inside == 0)
			*ret_own = map[i].outside;
		if (spec_add_idmap(ret, map[i].inside, map[i].inside, map[i].size, err) < 0)
			return -1;
	}
	return 0;
}

struct own_ids {
	struct spec_idmaps uids, gids;
	uint32_t uid, gid;
};

static void own_ids_done(struct own_ids *ids)
{
	free(ids->uids.items);
	free(ids->gids.items);
}

static int find_own_ids(struct own_ids *ret, struct err *err)
{
	ret->uid = geteuid();
	ret->gid = getegid();
	if (ret->uid != 0)
		return rootless_own_ids(&ret->uids, &ret->gids, err);
	return ids_here(false, &ret->uids, &ret->uid, err) < 0
		       ? -1
		       : ids_here(true, &ret->gids, &ret->gid, err);
}

static int add_maps(const struct spec_idmaps *from, uint32_t skip, struct spec_idmaps *to,
		    struct err *err)
{
	uint32_t next = 0;

	for (size_t i = skip; i < from->count; i++) {
		if (spec_add_idmap(to, next, from->items[i].host_id, from->items[i].size, err) < 0)
			return -1;
		next += from->items[i].size;
	}
	return 0;
}

static uint32_t size_of(const struct spec_idmaps *maps)
{
	uint32_t size = 0;

	for (size_t i = 0; i < maps->count; i++)
		size += maps->items[i].size;
	return size;
}

/* His own id keeps its number; those that he was given fill what is below, and then what is above. */
static int keep_id(const struct spec_idmaps *mine, uint32_t own, struct spec_idmaps *to,
		   struct err *err)
{
	uint32_t next = 0;

	for (size_t i = 1; i < mine->count; i++) {
		const struct spec_idmap *m = &mine->items[i];
		uint32_t below = next < own ? own - next : 0;
		uint32_t first = m->size < below ? m->size : below;

		if (first && spec_add_idmap(to, next, m->host_id, first, err) < 0)
			return -1;
		next += first;
		if (first < m->size) {
			next = next == own ? own + 1 : next;
			if (spec_add_idmap(to, next, m->host_id + first, m->size - first, err) < 0)
				return -1;
			next += m->size - first;
		}
	}
	return spec_add_idmap(to, own, mine->items[0].host_id, 1, err);
}

static int make_maps(const char *mode, const struct spec_idmaps *mine, uint32_t own,
		     struct spec_idmaps *to, struct err *err)
{
	if (mode && mine->count < 2) {
		err_set(err, ERR_UNSUPPORTED, 0, "--userns %s: there is no id range of yours",
			mode);
		return err_hint(err, "it takes lines of yours in /etc/subuid and /etc/subgid, and "
				     "newuidmap(1)");
	}
	if (str_eq(mode, "keep-id"))
		return keep_id(mine, own, to, err);
	return add_maps(mine, mode ? 1 : 0, to, err);
}

static void drop_option(struct strv *options, const char *prefix)
{
	for (size_t i = 0; i < options->count; i++) {
		if (!str_starts(options->items[i], prefix))
			continue;
		free(options->items[i]);
		memmove(&options->items[i], &options->items[i + 1],
			(options->count - i) * sizeof *options->items);
		options->count--;
		i--;
	}
}

int user_prepare(const char *mode, struct spec *spec, struct err *err)
{
	own(own_ids) struct own_ids mine = {0};
	struct spec_linux *l = &spec->linux_;

	if (find_own_ids(&mine, err) < 0 ||
	    make_maps(mode, &mine.uids, mine.uid, &l->uid_maps, err) < 0 ||
	    make_maps(mode, &mine.gids, mine.gid, &l->gid_maps, err) < 0)
		return -1;
	if (size_of(&l->gid_maps) > DEVPTS_GID)
		return 0;
	for (size_t i = 0; i < spec->mount_count; i++)
		if (str_eq(spec->mounts[i].type, "devpts"))
			drop_option(&spec->mounts[i].options, "gid=");
	return 0;
}

/* ---- removal ---- */

struct removal {
	int dir_fd;
	const char *name;
};

static int remove_inside(void *data, struct err *err)
{
	const struct removal *r = data;

	return path_remove_tree(r->dir_fd, r->name, err);
}

int user_remove_tree(int dir_fd, const char *name, struct err *err)
{
	struct removal removal = {.dir_fd = dir_fd, .name = name};
	int status = path_remove_tree(dir_fd, name, err);

	if (status == 0 || err->kind != ERR_DENIED)
		return status;
	*err = ERR_INIT;
	return rootless_call(remove_inside, &removal, err);
}
