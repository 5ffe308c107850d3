/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Planning a start: what the image, the record and the host make together. Used by engine_start, in
 * the process that becomes the keeper, and by --dry-run, where nothing is made.
 */
#include "engine/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "engine/user.h"
#include "kernel/facts.h"

#define ID_RANGE_SIZE 65536

void launch_done(struct launch *l)
{
	runtime_plan_free(l->plan);
	free(l->layers);
	launch_files_done(&l->files);
	strv_done(&l->writable);
	cgroup_host_done(&l->host);
}

/* The first layer's "upper" and "work" are the container's own, a further one's in "layer-N". */
static int name_writable(struct launch *l, const struct store *store, const struct record *record,
			 size_t count, struct err *err)
{
	const char *place = store_layers_place(store, record);

	for (size_t i = 0; i < count; i++) {
		char layer[32] = "";

		if (i)
			snprintf(layer, sizeof layer, "/layer-%zu", i);
		if (strv_addf(&l->writable, err, "%s/containers/%s%s", place, record->id, layer) <
		    0)
			return -1;
	}
	return 0;
}

static int plan_layers(struct launch *l, const struct record *record, const struct image *image,
		       struct err *err)
{
	l->layers = calloc(image->count, sizeof *l->layers);
	if (!l->layers)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan the root file system");
	for (size_t i = 0; i < image->count; i++)
		l->layers[i] = (struct runtime_layer){
			.target = image->mounts[i].target,
			.lowers = (const char *const *)image->mounts[i].lowers.items,
			.lower_count = image->mounts[i].lowers.count,
			.writable = l->writable.items[i],
			.guard = image->mounts[i].guard,
			.is_volatile = record->remove,
		};
	return 0;
}

/* The maps of single mounts were written relative to the range. */
static void shift_mounts(struct spec *spec, uint32_t base)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		struct spec_mount *m = &spec->mounts[i];

		for (size_t k = 0; k < m->uid_maps.count; k++)
			m->uid_maps.items[k].host_id += base;
		for (size_t k = 0; k < m->gid_maps.count; k++)
			m->gid_maps.items[k].host_id += base;
	}
}

static void forget_maps(struct spec_idmaps *maps)
{
	free(maps->items);
	*maps = (struct spec_idmaps){0};
}

/* Container ids become host ids of the range that this start has. */
static int map_ids(struct spec *spec, uint32_t base, struct err *err)
{
	const struct spec_namespace *user = &spec->linux_.namespaces[SPEC_NS_USER];

	if (!user->given)
		return 0;
	/* One that is joined has its own. */
	if (user->path) {
		forget_maps(&spec->linux_.uid_maps);
		forget_maps(&spec->linux_.gid_maps);
		shift_mounts(spec, base);
		return 0;
	}
	/* An ordinary user's are there already: user_prepare(). */
	if (spec->linux_.uid_maps.count)
		return 0;
	if (spec_add_idmap(&spec->linux_.uid_maps, 0, base, ID_RANGE_SIZE, err) < 0 ||
	    spec_add_idmap(&spec->linux_.gid_maps, 0, base, ID_RANGE_SIZE, err) < 0)
		return -1;
	shift_mounts(spec, base);
	return 0;
}

bool launch_shares_pids(const struct record *record)
{
	const struct spec_namespace *pid = &record->spec.linux_.namespaces[SPEC_NS_PID];

	return !pid->given || pid->path;
}

int launch_plan(struct launch *l, struct store *store, struct record *record,
		const struct image *image, uint32_t id_base, const int stdio[3],
		const struct group_place *group, const struct launch_others *others,
		struct err *err)
{
	struct facts facts;

	if (facts_probe_process(AT_FDCWD, &facts, err) < 0 ||
	    cgroup_host_probe(AT_FDCWD, &l->host, err) < 0)
		return -1;
	if (store->user) /* also before there is a namespace of his: a dry run */
		facts.initial_userns = false;
	if (name_writable(l, store, record, image->count, err) < 0 ||
	    plan_layers(l, record, image, err) < 0 || map_ids(&record->spec, id_base, err) < 0 ||
	    spec_validate(&record->spec, err) < 0)
		return -1;
	bool init = record->spec.init;
	if (init && proc_find_ours("insula-init", "INSULA_INIT", l->init_program,
				   sizeof l->init_program, err) < 0)
		return -1;
	/* No others: nothing is started. */
	if (launch_take_files(store, record, others != NULL, &l->files, err) < 0)
		return -1;
	if (others && others->shm_fd >= 0)
		l->sources[l->source_count++] = (struct runtime_source){"/dev/shm", others->shm_fd};
	if (others && others->notify_fd >= 0)
		l->sources[l->source_count++] = (struct runtime_source){LAUNCH_NOTIFY_DIR,
									others->notify_fd};
	struct runtime_request request = {.id = record->id,
					  .spec = &record->spec,
					  .layers = l->layers,
					  .layer_count = image->count,
					  .cgroup_name = group->name,
					  .cgroup_foreign = group->foreign,
					  .sources = l->sources,
					  .source_count = l->source_count,
					  .files = l->files.items,
					  .file_count = l->files.count,
					  .canonical_sources = true,
					  .run_root = store->run,
					  .init_program = init ? l->init_program : NULL,
					  .entered = store->user,
					  .tied = launch_shares_pids(record),
					  .needs_group = record->cgroup_parent,
					  .strict = record->strict,
					  .strict_limits = record->strict_limits,
					  .stdio = {stdio[0], stdio[1], stdio[2]}};
	l->plan = runtime_plan(&request, &facts, &l->host, err);
	return l->plan ? 0 : -1;
}

int engine_dry_run(struct store *store, struct record *record, const struct image *image,
		   struct str *out, struct err *err)
{
	own(group_place) struct group_place group = GROUP_PLACE_INIT;
	own(cgroup_host) struct cgroup_host host = {0};
	own(launch) struct launch l = {0};
	static const int no_stdio[3] = {-1, -1, -1};

	if ((store->user && user_prepare(record->userns, &record->spec, err) < 0) ||
	    launch_name_others(store, &record->spec, err) < 0)
		return -1;
	/* The first id of the default range: which one a start gets is decided when it starts. */
	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0 ||
	    group_expect(record->id, record->cgroup_parent, store->user, &host, &group, err) < 0 ||
	    launch_plan(&l, store, record, image, STORE_FIRST_ID, no_stdio, &group, NULL, err) < 0)
		return -1;
	const struct strv *warnings = runtime_plan_warnings(l.plan);
	for (size_t i = 0; i < warnings->count; i++)
		str_addf(out, "warning %s\n", warnings->items[i]);
	return runtime_plan_print(l.plan, out, err);
}

/* Volatile overlays refuse what an earlier one wrote, because the host may have gone down in between. One
 * with --rm is removed then, so here it has not. */
static int allow_again(int layer_fd, struct err *err)
{
	own_fd int work_fd = openat(layer_fd, "work/work",
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (work_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot open the container's layer");
	return path_remove_tree(work_fd, "incompat", err);
}

static int keep_layer(const struct container *ct, int layer_fd, struct err *err)
{
	return ct->record.remove ? allow_again(layer_fd, err) : 0;
}

/* One beyond the first, which is there with the record: made where it is not. */
static int further_layer(int place_fd, size_t index, struct err *err)
{
	char name[32];

	snprintf(name, sizeof name, "layer-%zu", index);
	own_fd int fd = path_mkdirs(place_fd, name, PATH_BENEATH, 0700, err);
	return fd < 0 || store_make_layer(fd, err) < 0 ? -1 : take_fd(fd);
}

/* What is to be /etc of the container: a directory of the first layer, or a layer of its own. */
static int open_etc(int place_fd, size_t layer, struct err *err)
{
	char name[40];

	if (layer) {
		snprintf(name, sizeof name, "layer-%zu/upper", layer);
		return path_open(place_fd, name, PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	}
	own_fd int fd = path_mkdirs(place_fd, "upper/etc", PATH_BENEATH, 0755, err);
	return fd < 0 ? -1 : path_reopen(fd, S_IFDIR, O_RDONLY, err);
}

/* Did the container put something else in the place of its /etc? */
static bool has_other_etc(int place_fd, size_t layer)
{
	struct stat st;

	return !layer && fstatat(place_fd, "upper/etc", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       !S_ISDIR(st.st_mode);
}

/* What never came to the disk is made again; what the container has made of it since is its own. */
static int keep_identity(const struct container *ct, int place_fd, size_t layer, struct err *err)
{
	if (has_other_etc(place_fd, layer))
		return 0;
	own_fd int etc_fd = open_etc(place_fd, layer, err);
	if (etc_fd < 0)
		return err_wrap(err, "the container's writable layer");
	return launch_mend_identity(etc_fd, &ct->record, err);
}

int launch_keep_writable(const struct container *ct, const struct image *image, struct err *err)
{
	int place_fd = container_layers_fd(ct);
	size_t etc = 0;

	if (store_make_layer(place_fd, err) < 0 || keep_layer(ct, place_fd, err) < 0)
		return -1;
	for (size_t i = 1; i < image->count; i++) {
		own_fd int fd = further_layer(place_fd, i, err);

		if (fd < 0 || keep_layer(ct, fd, err) < 0)
			return -1;
		if (str_eq(image->mounts[i].target, "/etc"))
			etc = i;
	}
	return keep_identity(ct, place_fd, etc, err);
}

int launch_make_writable(const struct container *ct, const struct image *image, struct err *err)
{
	int place_fd = container_layers_fd(ct);
	size_t etc = 0;

	if (store_make_layer(place_fd, err) < 0)
		return -1;
	for (size_t i = 1; i < image->count; i++) {
		own_fd int fd = further_layer(place_fd, i, err);

		if (fd < 0)
			return -1;
		if (str_eq(image->mounts[i].target, "/etc"))
			etc = i;
	}
	own_fd int etc_fd = open_etc(place_fd, etc, err);
	if (etc_fd < 0)
		return err_wrap(err, "the container's writable layer");
	return launch_write_identity(etc_fd, &ct->record, err);
}
