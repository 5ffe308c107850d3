/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that make a root file system: which sources are taken from the host while its mount
 * namespace is still ours, and what is attached where, in which order. Sources come first because the
 * launch pad has nothing of the host in it.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/plan.h"

static const char *const own_places[] = {"/dev", "/proc", "/sys"};

bool plan_is_own_place(const char *destination)
{
	for (size_t i = 0; i < sizeof own_places / sizeof *own_places; i++) {
		size_t n = strlen(own_places[i]);

		if (!strncmp(destination, own_places[i], n) &&
		    (destination[n] == '/' || destination[n] == '\0'))
			return true;
	}
	return false;
}

static bool is_bind(const struct plan *plan, size_t i)
{
	return plan->options[i].flags & MOUNT_OPT_BIND ||
	       str_eq(plan->spec->mounts[i].type, "bind");
}

static bool is_cgroup(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

#define UNSUPPORTED_FLAGS (MOUNT_OPT_TMPCOPYUP | MOUNT_OPT_REMOUNT | MOUNT_OPT_COPY_SYMLINK)

static int parse_options(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;

	plan->options = calloc(spec->mount_count + 1, sizeof *plan->options);
	if (!plan->options)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan mounts");
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (mount_options_parse(&m->options, &plan->options[i], err) < 0)
			return err_wrap(err, "mounts[%zu] '%s'", i, m->destination);
		if (plan->options[i].flags & UNSUPPORTED_FLAGS)
			return err_set(err, ERR_UNSUPPORTED, 0,
				       "mounts[%zu] '%s': an option (tmpcopyup, remount or "
				       "copy-symlink) is not supported yet",
				       i, m->destination);
		if (str_eq(m->type, "tmpfs") && str_eq(m->destination, "/dev"))
			plan->dev_mount = (long)i;
		if (str_eq(m->type, "devpts") && str_eq(m->destination, "/dev/pts"))
			plan->devpts_mount = (long)i;
	}
	return 0;
}

int plan_add_sources(struct plan *plan, struct err *err)
{
	const struct runtime_request *request = &plan->request;
	const struct spec *spec = plan->spec;

	if (parse_options(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < request->layer_count; i++)
		if (plan_add(plan, STEP_LAYER_SOURCE, (unsigned int)i, request->layers[i].target,
			     err) < 0)
			return -1;
	if (request->root_dir && plan_add(plan, STEP_ROOT_SOURCE, 0, request->root_dir, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (is_bind(plan, i) && plan_add(plan, STEP_BIND_SOURCE, (unsigned int)i,
						 spec->mounts[i].source, err) < 0)
			return -1;
		if (is_cgroup(&spec->mounts[i]) && plan->has_cgroup &&
		    plan_add(plan, STEP_CGROUP_VIEW, (unsigned int)i, spec->mounts[i].destination,
			     err) < 0)
			return -1;
	}
	if (request->init_program)
		return plan_add(plan, STEP_OWN_INIT, 0, request->init_program, err);
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

int plan_add_mounts(struct plan *plan, struct err *err)
{
	const struct spec *spec = plan->spec;

	if (add_root(plan, err) < 0 || plan_add(plan, STEP_JOIN, 0, "", err) < 0 ||
	    plan_add_net_devices(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->mount_count; i++)
		if (plan_add(plan, STEP_MOUNT, (unsigned int)i, spec->mounts[i].destination, err) <
		    0)
			return -1;
	if (plan->dev_mount >= 0 && plan_add(plan, STEP_DEVICES, 0, "/dev", err) < 0)
		return -1;
	if (plan->dev_mount < 0 && spec->linux_.device_count)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "linux.devices: devices need a mount of type tmpfs on /dev");
	if (spec->process.terminal && plan->devpts_mount < 0)
		return err_set(err, ERR_INVALID, 0,
			       "process.terminal needs a mount of type devpts on /dev/pts");
	if (spec->process.terminal && plan_add(plan, STEP_CONSOLE, 0, "/dev/console", err) < 0)
		return -1;
	if (plan_add(plan, STEP_USER, 0, spec->process.user.name, err) < 0 ||
	    plan_add(plan, STEP_CWD, 0, spec->process.cwd, err) < 0)
		return -1;
	if (add_paths(plan, STEP_READONLY, &spec->linux_.readonly_paths, err) < 0 ||
	    add_paths(plan, STEP_MASK, &spec->linux_.masked_paths, err) < 0)
		return -1;
	if (spec->root_readonly && plan_add(plan, STEP_ROOT_READONLY, 0, "/", err) < 0)
		return -1;
	return 0;
}
