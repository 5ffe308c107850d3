/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules of `mounts`. The destination is only a text here: where it leads inside a root file system
 * that a stranger made is decided by descriptors when the mount is made. What is refused already is
 * what could only be a mistake or an attack: "..", control characters, a mount over the root itself,
 * a bind without a source, data options for a bind (no file system is there to take them), and id
 * maps that could not be applied.
 */
#include <string.h>

#include "base/own.h"
#include "spec/mount_options.h"
#include "spec/validate.h"

static bool is_bind(const struct spec_mount *m, const struct mount_options *o)
{
	return (o->flags & MOUNT_OPT_BIND) || str_eq(m->type, "bind") || str_eq(m->type, "rbind");
}

static int check_destination(const char *destination, struct err *err)
{
	if (spec_check_path(destination, err) < 0)
		return -1;
	if (strspn(destination, "/.") == strlen(destination))
		return err_set(err, ERR_INVALID, 0, "'%s' is the root itself", destination);
	return 0;
}

static int check_type(const struct spec_mount *m, const struct mount_options *o, struct err *err)
{
	if (is_bind(m, o)) {
		if (spec_check_text(m->source, err) < 0)
			return err_wrap(err, "source");
		if (o->data.count)
			return err_set(err, ERR_INVALID, 0,
				       "options: '%s' is not an option of a bind mount",
				       o->data.items[0]);
		return 0;
	}
	if (o->flags & MOUNT_OPT_REMOUNT)
		return err_set(err, ERR_INVALID, 0, "options: 'remount' is only for a bind mount");
	if (!m->type || str_eq(m->type, "none"))
		return err_set(err, ERR_INVALID, 0, "type: is missing, and no option says 'bind'");
	if (spec_check_text(m->type, err) < 0)
		return err_wrap(err, "type");
	if (strchr(m->type, '/'))
		return err_set(err, ERR_INVALID, 0, "type: '%s' is not a file system", m->type);
	if (m->source && m->source[0] && spec_check_text(m->source, err) < 0)
		return err_wrap(err, "source");
	if ((o->flags & MOUNT_OPT_TMPCOPYUP) && strcmp(m->type, "tmpfs") != 0)
		return err_set(err, ERR_INVALID, 0, "options: 'tmpcopyup' is only for a tmpfs");
	return 0;
}

static int check_maps(const struct spec *s, const struct spec_mount *m,
		      const struct mount_options *o, struct err *err)
{
	bool given = m->uid_maps.count || m->gid_maps.count;
	bool asked = o->flags & (MOUNT_OPT_IDMAP | MOUNT_OPT_RIDMAP);

	if (!given && !asked)
		return 0;
	if (!is_bind(m, o))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "%s: only bind mounts can be given id mappings",
			       given ? "uidMappings" : "options");
	if (given && (!m->uid_maps.count || !m->gid_maps.count))
		return err_set(err, ERR_INVALID, 0, "%s: is missing beside %s",
			       m->uid_maps.count ? "gidMappings" : "uidMappings",
			       m->uid_maps.count ? "uidMappings" : "gidMappings");
	if (!given && !s->linux_.namespaces[SPEC_NS_USER].given)
		return err_set(err, ERR_INVALID, 0,
			       "options: idmap needs uidMappings or a user namespace");
	if (spec_validate_idmaps(&m->uid_maps, "uidMappings", err) < 0)
		return -1;
	return spec_validate_idmaps(&m->gid_maps, "gidMappings", err);
}

/* One problem of one mount. */
static int mount_note(size_t i, struct problems *found, struct err *err)
{
	spec_within(err, "mounts[%zu]", i);
	return problems_add(found, err);
}

/* Where there is something wrong with the options, what else they say cannot be known. */
static int check_mount(const struct spec *s, size_t i, struct problems *found, struct err *err)
{
	own(mount_options) struct mount_options o = {0};
	const struct spec_mount *m = &s->mounts[i];

	if (check_destination(m->destination, err) < 0) {
		err_wrap(err, "destination");
		if (mount_note(i, found, err) < 0)
			return -1;
	}
	if (mount_options_parse(&m->options, &o, err) < 0) {
		err_wrap(err, "options");
		return mount_note(i, found, err);
	}
	if (check_type(m, &o, err) < 0 && mount_note(i, found, err) < 0)
		return -1;
	return check_maps(s, m, &o, err) < 0 ? mount_note(i, found, err) : 0;
}

int spec_validate_mounts(const struct spec *s, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if (check_mount(s, i, found, err) < 0)
			return -1;
	return 0;
}
