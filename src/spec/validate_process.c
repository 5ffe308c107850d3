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

static int check_args(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_process *p = &s->process;

	if (!p->args.count)
		return err_set(err, ERR_INVALID, 0, "process.args: must name a command");
	if (!p->args.items[0][0])
		return err_set(err, ERR_INVALID, 0, "process.args[0]: must not be empty");
	return 0;
}

/* A value may have any character but NUL; a key ends at the first '='. */
static int check_variable(const char *entry, size_t i, struct err *err)
{
	size_t key = strcspn(entry, "=");

	if (key == 0 || !entry[key])
		return err_set(err, ERR_INVALID, 0, "process.env[%zu]: '%.64s' is not KEY=VALUE", i,
			       entry);
	if (spec_key_has_control(entry, key))
		return err_set(err, ERR_INVALID, 0,
			       "process.env[%zu]: the key '%.*s' has control characters", i,
			       (int)(key < 64 ? key : 64), entry);
	return 0;
}

static int check_env(const struct spec *s, struct problems *found, struct err *err)
{
	const struct strv *env = &s->process.env;

	for (size_t i = 0; i < env->count; i++)
		if (check_variable(env->items[i], i, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

static int check_cwd(const struct spec *s, struct problems *found, struct err *err)
{
	if (!s->process.cwd)
		return err_set(err, ERR_INVALID, 0, "process.cwd: is missing");
	return spec_check_path(s->process.cwd, err) < 0 ? err_wrap(err, "process.cwd") : 0;
}

/* Where the container makes its own user namespace, the ids that it runs as must exist in it. In maps
 * that are wrong, which has been said, they cannot be looked up. */
static bool is_mapped(const struct spec_linux *l, const struct spec_idmaps *maps, uint32_t id)
{
	const struct spec_namespace *user = &l->namespaces[SPEC_NS_USER];
	struct err reason = ERR_INIT;

	if (!user->given || user->path)
		return true;
	for (size_t i = 0; i < maps->count; i++)
		if (id >= maps->items[i].container_id &&
		    id - maps->items[i].container_id < maps->items[i].size)
			return true;
	return !maps->count || spec_validate_idmaps(maps, "", NULL, &reason) < 0;
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

static int check_uid(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_user *u = &s->process.user;

	if (u->name) /* resolved inside, later */
		return spec_check_text(u->name, err) < 0 ? err_wrap(err, "insula.user") : 0;
	return check_id(s, false, u->uid, err) < 0 ? err_wrap(err, "process.user.uid") : 0;
}

static int check_gid(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_user *u = &s->process.user;

	if (u->name || check_id(s, true, u->gid, err) == 0)
		return 0;
	return err_wrap(err, "process.user.gid");
}

static int check_groups(const struct spec *s, struct problems *found, struct err *err)
{
	const struct spec_user *u = &s->process.user;

	for (size_t i = 0; !u->name && i < u->additional_gid_count; i++)
		if (check_id(s, true, u->additional_gids[i], err) < 0 &&
		    err_wrap(err, "process.user.additionalGids[%zu]", i) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
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

static int check_caps(const struct spec *s, struct problems *found, struct err *err)
{
	const struct caps *c = &s->process.caps;

	if (check_subset(c->effective, "effective", c->permitted, "permitted", err) < 0 &&
	    problems_add(found, err) < 0)
		return -1;
	/* What is ambient and not inheritable is the plan's to leave out. */
	return check_subset(c->ambient, "ambient", c->permitted, "permitted", err);
}

static int check_rlimit(const struct spec_process *p, size_t i, struct err *err)
{
	const struct rlimit_entry *r = &p->rlimits[i];

	for (size_t j = 0; j < i; j++)
		if (p->rlimits[j].resource == r->resource)
			return err_set(err, ERR_INVALID, 0,
				       "process.rlimits[%zu].type: %s is listed twice", i,
				       rlimit_name(r->resource));
	if (r->soft > r->hard)
		return err_set(err, ERR_INVALID, 0,
			       "process.rlimits[%zu]: the soft limit is above the hard one", i);
	return 0;
}

static int check_rlimits(const struct spec *s, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < s->process.rlimit_count; i++)
		if (check_rlimit(&s->process, i, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

/* AppArmor goes by a file's path in its mount namespace, and by what is left of it for one that is in none. */
static int check_apparmor(const struct spec *s, struct problems *found, struct err *err)
{
	const char *profile = s->process.apparmor_profile;

	if (spec_check_optional(profile, err) < 0)
		return err_wrap(err, "process.apparmorProfile");
	if (!profile || str_eq(profile, "unconfined") || !spec_shares_mounts(s))
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0,
		"process.apparmorProfile: its rules about paths would not hold without a mount "
		"namespace of the container's own");
	return err_hint(err, "add {\"type\": \"mount\"} without a path to linux.namespaces");
}

static int check_selinux(const struct spec *s, struct problems *found, struct err *err)
{
	if (spec_check_optional(s->process.selinux_label, err) < 0)
		return err_wrap(err, "process.selinuxLabel");
	return 0;
}

int spec_validate_process(const struct spec *s, struct problems *found, struct err *err)
{
	static spec_rule_fn *const rules[] = {
		check_uid,	check_gid,     check_groups,	     check_args,
		check_env,	check_cwd,     check_caps,	     check_rlimits,
		check_apparmor, check_selinux, spec_check_scheduler, spec_check_affinity,
		NULL,
	};

	return s->process_given ? spec_check_rules(rules, s, found, err) : 0;
}
