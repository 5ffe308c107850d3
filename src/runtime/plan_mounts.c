/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that make a root file system: which sources are taken from the host while its mount
 * namespace is still ours, and what is attached where, in which order. Sources come first because the
 * launch pad has nothing of the host in it.
 *
 * Decided here as well, from the configuration alone: what each mount is to be (a bind, a new file
 * system, a change of an earlier entry's), whose mount events it takes part in, who makes the nodes in
 * /dev, and what has to be written to before it becomes read-only.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/own.h"
#include "base/path.h"
#include "runtime/plan.h"

static const char *const own_places[] = {"/dev", "/proc", "/sys"};

/* 0: neither, 1: the place itself, 2: below it */
static int place_of(const char *path, const char *place)
{
	size_t n = strlen(place);

	if (strncmp(path, place, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return 0;
	return path[n] ? 2 : 1;
}

bool plan_is_own_place(const char *destination)
{
	for (size_t i = 0; i < sizeof own_places / sizeof *own_places; i++)
		if (place_of(destination, own_places[i]))
			return true;
	return false;
}

void plan_mounts_done(struct plan *plan)
{
	for (size_t i = 0; plan->mounts && i < plan->spec->mount_count; i++) {
		mount_options_done(&plan->mounts[i].options);
		mount_maps_done(&plan->mounts[i].maps);
		free(plan->mounts[i].target);
	}
	free(plan->mounts);
}

static bool is_cgroup(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

/* File systems that are made of nothing, or of the container's namespaces. Any other may name a path of the
 * host's (a block device, the layers of an overlay), so it is mounted where those are. */
static bool is_from_host(const struct spec_mount *m)
{
	static const char *const here[] = {"tmpfs",  "ramfs",  "proc",	 "sysfs",
					   "mqueue", "devpts", "cgroup", "cgroup2"};

	for (size_t i = 0; i < sizeof here / sizeof *here; i++)
		if (str_eq(m->type, here[i]))
			return false;
	return true;
}

/* Who is in a user namespace may make a procfs only of pid namespaces below it. The host's own shows the same. */
static bool is_hosts_proc(const struct plan *plan, const struct spec_mount *m)
{
	return plan->nested && !plan->spec->linux_.namespaces[SPEC_NS_PID].given &&
	       str_eq(m->type, "proc");
}

/* ---- propagation ---- */

static const struct {
	const char *name;
	unsigned long value;
} propagations[] = {
	{"private", 0},
	{"rprivate", 0},
	{"slave", MS_SLAVE},
	{"rslave", MS_SLAVE | MS_REC},
	{"shared", MS_SHARED},
	{"rshared", MS_SHARED | MS_REC},
	{"unbindable", MS_UNBINDABLE},
	{"runbindable", MS_UNBINDABLE | MS_REC},
};

static unsigned long propagation_of(const char *name)
{
	for (size_t i = 0; i < sizeof propagations / sizeof *propagations; i++)
		if (str_eq(propagations[i].name, name))
			return propagations[i].value;
	return 0;
}

/* A bind that says nothing follows the root only in receiving: to send to the host has to be asked for,
 * mount by mount. */
static unsigned long mount_propagation(const struct plan *plan, const struct planned_mount *m)
{
	const struct mount_options *o = &m->options;

	if (!o->propagation)
		return m->bind && plan->root_propagation == (MS_SLAVE | MS_REC) ? MS_SLAVE | MS_REC
										: 0;
	if (o->propagation == MS_PRIVATE)
		return 0;
	return o->propagation | (o->propagation_recursive ? MS_REC : 0);
}

/* The copy of a mount namespace that a user namespace gets has slaves where the original has peers. */
static int check_shared(struct plan *plan, size_t i, struct err *err)
{
	const struct planned_mount *m = &plan->mounts[i];

	if (!m->bind || !(m->propagation & MS_SHARED) ||
	    !plan->spec->linux_.namespaces[SPEC_NS_USER].given)
		return 0;
	if (plan->request.strict) {
		err_set(err, ERR_UNSUPPORTED, 0,
			"what a container with a user namespace mounts cannot reach the host");
		return err_hint(err, "'rslave' is possible, or no user namespace");
	}
	return strv_addf(&plan->warnings, err,
			 "mount on '%s': shared in one direction only: what is mounted inside does "
			 "not reach the host, because the container has a user namespace",
			 m->target);
}

/* What is mounted below a shared mount is mounted in all its peers. */
static int warn_below_shared(struct plan *plan, size_t i, struct err *err)
{
	if (plan->spec->linux_.namespaces[SPEC_NS_USER].given)
		return 0; /* slaves, until the container shares them again */
	for (size_t k = 0; k < i; k++)
		if (plan->mounts[k].bind && plan->mounts[k].propagation & MS_SHARED &&
		    place_of(plan->mounts[i].target, plan->mounts[k].target) == 2)
			return strv_addf(&plan->warnings, err,
					 "mount on '%s': it is below '%s', which is shared with "
					 "the host, and shows up there too",
					 plan->mounts[i].target, plan->mounts[k].target);
	return 0;
}

/* ---- each mount ---- */

/* The entry before this one that mounts something on its target; -1: none. */
static long earlier(const struct plan *plan, size_t i)
{
	for (long k = (long)i - 1; k >= 0; k--)
		if (!plan->mounts[k].remount &&
		    str_eq(plan->mounts[k].target, plan->mounts[i].target))
			return k;
	return -1;
}

/* "remount" where an earlier entry has mounted something; runc's "remount,bind" on a fresh place is a
 * bind. The superblock of a bind is the host's: its options are not ours to change. */
static int plan_remount(struct plan *plan, size_t i, struct err *err)
{
	struct planned_mount *m = &plan->mounts[i];
	const struct mount_options *o = &m->options;
	long base = earlier(plan, i);

	if (!(o->flags & MOUNT_OPT_REMOUNT))
		return 0;
	m->remount = base >= 0;
	if (base < 0 && m->bind && plan->spec->mounts[i].source)
		return 0;
	if (base < 0) {
		err_set(err, ERR_INVALID, 0, "'remount': nothing is mounted there before");
		return err_hint(err, "the entry that mounts it must come first in 'mounts'");
	}
	if (plan->mounts[base].bind && (o->data.count || o->sb_flags || o->sb_clear))
		return err_set(err, ERR_INVALID, 0,
			       "'remount': options of the file system would change the host's "
			       "own mount of it");
	if (o->attr_clear & MOUNT_ATTR_RDONLY)
		plan->mounts[base].readonly_later = false;
	m->bind = false;
	return 0;
}

static int plan_target(struct plan *plan, size_t i, struct err *err)
{
	const struct spec_mount *m = &plan->spec->mounts[i];

	if (path_clean(m->destination, &plan->mounts[i].target, err) < 0)
		return -1;
	if (!m->was_relative)
		return 0;
	return strv_addf(&plan->warnings, err,
			 "mounts[%zu]: the destination '%s' is not absolute, and is taken as '%s'",
			 i, m->destination + 1, plan->mounts[i].target);
}

/* No file system is made that could be told: mount(2) and other runtimes take such options and forget them. */
static int warn_unheard(struct plan *plan, size_t i, struct err *err)
{
	const struct strv *data = &plan->mounts[i].options.data;

	if (!plan->mounts[i].bind || !data->count)
		return 0;
	if (plan->request.strict)
		return err_set(err, ERR_INVALID, 0, "'%s' is not an option of a bind mount",
			       data->items[0]);
	for (size_t k = 0; k < data->count; k++)
		if (strv_addf(&plan->warnings, err,
			      "mount on '%s': '%s' is not an option of a bind mount, and has no "
			      "effect",
			      plan->mounts[i].target, data->items[k]) < 0)
			return -1;
	return 0;
}

static int plan_mount(struct plan *plan, size_t i, struct err *err)
{
	const struct spec_mount *spec = &plan->spec->mounts[i];
	struct planned_mount *m = &plan->mounts[i];

	if (plan_target(plan, i, err) < 0 || mount_options_of(spec, &m->options, err) < 0)
		return -1;
	m->bind = mount_options_bind(&m->options);
	if (mount_maps_of(&plan->spec->linux_, spec, &m->options, &m->maps, err) < 0 ||
	    plan_remount(plan, i, err) < 0)
		return -1;
	if (warn_unheard(plan, i, err) < 0)
		return -1;
	m->propagation = mount_propagation(plan, m);
	m->readonly_later = !m->bind && !m->remount && str_eq(spec->type, "tmpfs") &&
			    m->options.attr_set & MOUNT_ATTR_RDONLY;
	m->from_host = !m->bind && !m->remount && (is_from_host(spec) || is_hosts_proc(plan, spec));
	return check_shared(plan, i, err) < 0 ? -1 : warn_below_shared(plan, i, err);
}

static void plan_dev(struct plan *plan, size_t i)
{
	const struct spec_mount *spec = &plan->spec->mounts[i];
	const struct planned_mount *m = &plan->mounts[i];

	if (m->remount)
		return;
	if (str_eq(m->target, "/dev"))
		plan->dev = m->bind || str_eq(spec->type, "devtmpfs") ? DEV_BOUND
			    : str_eq(spec->type, "tmpfs")	      ? DEV_OURS
								      : DEV_IMAGE;
	if (str_eq(m->target, "/dev/pts") && str_eq(spec->type, "devpts"))
		plan->devpts_mount = (long)i;
}

/* crun's annotation; the four are those of mount(8). */
static int plan_label(struct plan *plan, struct err *err)
{
	static const char *const kinds[] = {"context", "fscontext", "defcontext", "rootcontext"};
	const char *kind = strv_env_get(&plan->spec->annotations, "run.oci.mount_context_type");

	plan->label_option = kinds[0];
	for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
		if (str_eq(kind, kinds[i])) {
			plan->label_option = kinds[i];
			return 0;
		}
	if (!kind)
		return 0;
	err_set(err, ERR_INVALID, 0,
		"annotations.run.oci.mount_context_type: '%s' is not a kind of label", kind);
	return err_hint(err, "context, fscontext, defcontext or rootcontext");
}

static int plan_all(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;

	plan->dev = DEV_IMAGE;
	plan->root_propagation = propagation_of(spec->linux_.rootfs_propagation);
	if (plan_label(plan, err) < 0)
		return -1;
	plan->mounts = calloc(spec->mount_count + 1, sizeof *plan->mounts);
	if (!plan->mounts)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan mounts");
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (plan_mount(plan, i, err) < 0)
			return err_wrap(err, "mounts[%zu] '%s'", i, spec->mounts[i].destination);
		plan_dev(plan, i);
	}
	return 0;
}

/* ---- steps ---- */

static int add_layer_sources(struct plan *plan, struct err *err)
{
	const struct runtime_request *request = &plan->request;

	for (size_t i = 0; i < request->layer_count; i++)
		if (plan_add(plan, STEP_LAYER_SOURCE, (unsigned int)i, request->layers[i].target,
			     err) < 0)
			return -1;
	if (request->root_dir)
		return plan_add(plan, STEP_ROOT_SOURCE, 0, request->root_dir, err);
	return 0;
}

static int add_cgroup_view(struct plan *plan, unsigned int i, struct err *err)
{
	const struct planned_mount *m = &plan->mounts[i];

	/* Of two in one place the last is the one that is seen. */
	if (str_eq(m->target, "/sys/fs/cgroup"))
		plan->cgroup_writable = !((m->options.attr_set | m->options.rec_set) &
					  MOUNT_ATTR_RDONLY);
	return plan_add(plan, STEP_CGROUP_VIEW, i, m->target, err);
}

int plan_add_sources(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;

	if (plan_all(plan, err) < 0 || add_layer_sources(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (plan->mounts[i].bind && plan_add(plan, STEP_BIND_SOURCE, (unsigned int)i,
						     spec->mounts[i].source, err) < 0)
			return -1;
		if (plan->mounts[i].from_host &&
		    plan_add(plan, STEP_FS_SOURCE, (unsigned int)i, spec->mounts[i].type, err) < 0)
			return -1;
		if (is_cgroup(&spec->mounts[i]) && plan->has_cgroup &&
		    add_cgroup_view(plan, (unsigned int)i, err) < 0)
			return -1;
	}
	if (plan->bind_nodes && plan->dev != DEV_BOUND &&
	    plan_add(plan, STEP_NODE_SOURCE, 0, "/dev", err) < 0)
		return -1;
	if (plan->request.init_program)
		return plan_add(plan, STEP_OWN_INIT, 0, plan->request.init_program, err);
	return 0;
}

static int add_paths(struct plan *plan, enum step_op op, const struct strv *paths, struct err *err)
{
	for (size_t i = 0; i < paths->count; i++)
		if (plan_add(plan, op, (unsigned int)i, paths->items[i], err) < 0)
			return -1;
	return 0;
}

static int add_root(struct plan *plan, struct err *err)
{
	const struct runtime_request *request = &plan->request;

	for (size_t i = 0; i < request->layer_count; i++)
		if (plan_add(plan, STEP_LAYER, (unsigned int)i, request->layers[i].target, err) < 0)
			return -1;
	if (request->root_dir)
		return plan_add(plan, STEP_ROOT_DIR, 0, request->root_dir, err);
	return 0;
}

/* Nodes, and the terminal. One in a /dev that is bound needs the devpts that is bound with it. */
static int add_devices(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;
	bool none = plan->dev == DEV_BOUND && !spec->linux_.device_count;

	if (!none && plan_add(plan, STEP_DEVICES, 0, "/dev", err) < 0)
		return -1;
	if (!spec->process.terminal)
		return 0;
	if (plan->devpts_mount < 0 && plan->dev == DEV_OURS)
		return err_set(err, ERR_INVALID, 0,
			       "process.terminal needs a mount of type devpts on /dev/pts");
	return plan_add(plan, STEP_CONSOLE, 0, "/dev/console", err);
}

static int add_readonly_mounts(struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->spec->mount_count; i++)
		if (plan->mounts[i].readonly_later &&
		    plan_add(plan, STEP_MOUNT_READONLY, (unsigned int)i, plan->mounts[i].target,
			     err) < 0)
			return -1;
	return 0;
}

/* Which mounts are the same whatever network their mounter is in. */
static bool needs_no_network(const struct plan *plan, size_t i)
{
	static const char *const types[] = {"proc",   "tmpfs",	"devpts",
					    "mqueue", "cgroup", "cgroup2"};
	const char *type = plan->spec->mounts[i].type;

	if (plan->mounts[i].bind || plan->mounts[i].remount)
		return true;
	for (size_t k = 0; type && k < sizeof types / sizeof *types; k++)
		if (str_eq(type, types[k]))
			return true;
	return false;
}

/* A network namespace takes the kernel longer to make than all the others. C makes it, and P enters it at the last
 * moment: before the first mount that is another in another network. */
static int add_mounts(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;
	size_t entry = spec->linux_.net_devices.count ? 0 : spec->mount_count;

	for (size_t i = 0; i < entry; i++)
		if (!needs_no_network(plan, i))
			entry = i;
	for (size_t i = 0; i <= spec->mount_count; i++) {
		if (i == entry && plan->late_network &&
		    plan_add(plan, STEP_JOIN_NETWORK, 0, "", err) < 0)
			return -1;
		if (i == 0 && plan_add_net_devices(plan, err) < 0)
			return -1;
		if (i < spec->mount_count &&
		    plan_add(plan, STEP_MOUNT, (unsigned int)i, plan->mounts[i].target, err) < 0)
			return -1;
	}
	return 0;
}

int plan_add_mounts(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;

	if (add_root(plan, err) < 0 || plan_add(plan, STEP_JOIN, 0, "", err) < 0 ||
	    add_mounts(plan, err) < 0)
		return -1;
	if (plan->request.file_count && plan_add(plan, STEP_FILES, 0, RUNTIME_FILES_DIR, err) < 0)
		return -1;
	if (add_devices(plan, err) < 0 ||
	    plan_add(plan, STEP_USER, 0, spec->process.user.name, err) < 0 ||
	    (spec->process_given && plan_add(plan, STEP_CWD, 0, spec->process.cwd, err) < 0) ||
	    add_readonly_mounts(plan, err) < 0)
		return -1;
	if (add_paths(plan, STEP_READONLY, &spec->linux_.readonly_paths, err) < 0 ||
	    add_paths(plan, STEP_MASK, &spec->linux_.masked_paths, err) < 0)
		return -1;
	if (spec->root_readonly && plan_add(plan, STEP_ROOT_READONLY, 0, "/", err) < 0)
		return -1;
	return 0;
}

bool plan_has_shared(const struct plan *plan)
{
	for (size_t i = 0; i < plan->spec->mount_count; i++)
		if (plan->mounts[i].propagation & MS_SHARED)
			return true;
	return false;
}

bool plan_needs_share(const struct plan *plan)
{
	if (plan->root_propagation & (MS_SHARED | MS_UNBINDABLE))
		return true;
	return plan->spec->linux_.namespaces[SPEC_NS_USER].given && plan_has_shared(plan);
}
