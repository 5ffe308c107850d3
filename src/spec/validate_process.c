/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules of the `process` object. What the kernel would refuse in the middle of a start (a capability
 * in ambient that is not in permitted, a user id that the id maps do not have, a soft limit above
 * the hard one) is refused here, where the message can still name the member.
 */
#include <string.h>

#include "kernel/caps.h"
#include "spec/validate.h"

#define INVALID_ID UINT32_MAX /* (uid_t)-1 means "unchanged" to the kernel */

static int check_args(const struct spec_process *p, struct err *err)
{
	if (!p->args.count)
		return err_set(err, ERR_INVALID, 0, "process.args: must name a command");
	if (!p->args.items[0][0])
		return err_set(err, ERR_INVALID, 0, "process.args[0]: must not be empty");
	return 0;
}

/* A value may have any character but NUL; a key ends at the first '='. */
static int check_env(const struct strv *env, struct err *err)
{
	for (size_t i = 0; i < env->count; i++) {
		const char *entry = env->items[i];
		size_t key = strcspn(entry, "=");

		if (key == 0 || !entry[key])
			return err_set(err, ERR_INVALID, 0,
				       "process.env[%zu]: '%.64s' is not KEY=VALUE", i, entry);
		if (spec_key_has_control(entry, key))
			return err_set(err, ERR_INVALID, 0,
				       "process.env[%zu]: the key '%.*s' has control characters", i,
				       (int)(key < 64 ? key : 64), entry);
	}
	return 0;
}

/* Where the container makes its own user namespace, the ids that it runs as must exist in it. */
static bool is_mapped(const struct spec_linux *l, const struct spec_idmaps *maps, uint32_t id)
{
	const struct spec_namespace *user = &l->namespaces[SPEC_NS_USER];

	if (!user->given || user->path)
		return true;
	for (size_t i = 0; i < maps->count; i++)
		if (id >= maps->items[i].container_id &&
		    id - maps->items[i].container_id < maps->items[i].size)
			return true;
	return false;
}

static int check_id(const struct spec *s, bool group, uint32_t id, struct err *err)
{
	const struct spec_linux *l = &s->linux_;

	if (id == INVALID_ID)
		return err_set(err, ERR_INVALID, 0, "%u is not an id", id);
	if (!is_mapped(l, group ? &l->gid_maps : &l->uid_maps, id))
		return err_set(err, ERR_INVALID, 0, "%u is not in linux.%sMappings", id,
			       group ? "gid" : "uid");
	return 0;
}

static int check_user(const struct spec *s, struct err *err)
{
	const struct spec_user *u = &s->process.user;

	if (u->name) /* resolved inside, later */
		return spec_check_text(u->name, err) < 0 ? err_wrap(err, "insula.user") : 0;
	if (check_id(s, false, u->uid, err) < 0)
		return err_wrap(err, "process.user.uid");
	if (check_id(s, true, u->gid, err) < 0)
		return err_wrap(err, "process.user.gid");
	for (size_t i = 0; i < u->additional_gid_count; i++)
		if (check_id(s, true, u->additional_gids[i], err) < 0)
			return err_wrap(err, "process.user.additionalGids[%zu]", i);
	return 0;
}

static int check_subset(uint64_t inner, const char *inner_name, uint64_t outer,
			const char *outer_name, struct err *err)
{
	uint64_t beyond = inner & ~outer;

	if (!beyond)
		return 0;
	return err_set(err, ERR_INVALID, 0, "process.capabilities.%s: %s is not in %s", inner_name,
		       caps_name(__builtin_ctzll(beyond)), outer_name);
}

static int check_caps(const struct caps *c, struct err *err)
{
	if (check_subset(c->effective, "effective", c->permitted, "permitted", err) < 0 ||
	    check_subset(c->ambient, "ambient", c->permitted, "permitted", err) < 0)
		return -1;
	return check_subset(c->ambient, "ambient", c->inheritable, "inheritable", err);
}

static int check_rlimits(const struct spec_process *p, struct err *err)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < p->rlimit_count; i++) {
		const struct rlimit_entry *r = &p->rlimits[i];

		if (seen >> r->resource & 1)
			return err_set(err, ERR_INVALID, 0,
				       "process.rlimits[%zu].type: %s is listed twice", i,
				       rlimit_name(r->resource));
		seen |= UINT64_C(1) << r->resource;
		if (r->soft > r->hard)
			return err_set(err, ERR_INVALID, 0,
				       "process.rlimits[%zu].soft: is above the hard limit", i);
	}
	return 0;
}

static int check_not_yet(const struct spec_process *p, struct err *err)
{
	if (p->scheduler)
		return spec_unsupported("process.scheduler", err);
	if (p->io_priority)
		return spec_unsupported("process.ioPriority", err);
	if (p->affinity_initial)
		return spec_unsupported("process.execCPUAffinity.initial", err);
	if (p->affinity_final)
		return spec_unsupported("process.execCPUAffinity.final", err);
	return 0;
}

int spec_validate_process(const struct spec *s, struct err *err)
{
	const struct spec_process *p = &s->process;

	if (check_user(s, err) < 0 || check_args(p, err) < 0 || check_env(&p->env, err) < 0)
		return -1;
	if (!p->cwd)
		return err_set(err, ERR_INVALID, 0, "process.cwd: is missing");
	if (spec_check_path(p->cwd, err) < 0)
		return err_wrap(err, "process.cwd");
	if (check_caps(&p->caps, err) < 0 || check_rlimits(p, err) < 0)
		return -1;
	if (spec_check_optional(p->apparmor_profile, err) < 0)
		return err_wrap(err, "process.apparmorProfile");
	if (spec_check_optional(p->selinux_label, err) < 0)
		return err_wrap(err, "process.selinuxLabel");
	return check_not_yet(p, err);
}
