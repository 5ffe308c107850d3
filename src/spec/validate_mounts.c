/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules of `mounts`. The destination is only a text here: where it leads inside a root file system
 * that a stranger made is decided by descriptors when the mount is made. What is refused already is
 * what could only be a mistake or an attack: "..", control characters, a mount over the root itself,
 * a bind without a source, an option that belongs to another kind of mount, and id maps that could not
 * be applied. A destination without
 * a leading "/" is below the root all the same ("relative paths are deprecated"), and a bind's source
 * without one is below the bundle.
 */
#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "base/own.h"
#include "base/path.h"
#include "spec/mount_options.h"
#include "spec/validate.h"

static int check_destination(const char *destination, struct err *err)
{
	own_free char *absolute = NULL;

	if (spec_check_text(destination, err) < 0)
		return -1;
	if (strspn(destination, "/.") == strlen(destination) && !strstr(destination, ".."))
		return err_set(err, ERR_INVALID, 0, "'%s' is the root itself", destination);
	if (destination[0] == '/')
		return spec_check_path(destination, err);
	absolute = str_printf(err, "/%s", destination);
	return absolute ? spec_check_path(absolute, err) : -1;
}

/* Options that only one kind of mount has. */
static const struct {
	unsigned int flag;
	const char *name;
	const char *type; /* NULL: a bind */
} only_for[] = {
	{MOUNT_OPT_TMPCOPYUP, "tmpcopyup", "tmpfs"},
	{MOUNT_OPT_COPY_SYMLINK, "copy-symlink", NULL},
	{MOUNT_OPT_SRC_NOFOLLOW, "src-nofollow", NULL},
	{MOUNT_OPT_DEST_NOFOLLOW, "dest-nofollow", NULL},
};

static int check_flags(const struct spec_mount *m, const struct mount_options *o, struct err *err)
{
	for (size_t i = 0; i < sizeof(only_for) / sizeof(only_for[0]); i++) {
		const char *type = only_for[i].type;
		bool fits = type ? !mount_options_bind(o) && str_eq(m->type, type)
				 : mount_options_bind(o);

		if (o->flags & only_for[i].flag && !fits)
			return err_set(err, ERR_INVALID, 0, "options: '%s' is only for a %s",
				       only_for[i].name, type ? type : "bind mount");
	}
	if (o->flags & MOUNT_OPT_COPY_SYMLINK &&
	    o->flags & (MOUNT_OPT_SRC_NOFOLLOW | MOUNT_OPT_DEST_NOFOLLOW))
		return err_set(err, ERR_INVALID, 0,
			       "options: 'copy-symlink' excludes 'src-nofollow' and "
			       "'dest-nofollow'");
	return 0;
}

static int check_propagation(const struct spec *s, const struct mount_options *o, struct err *err)
{
	if (!spec_shares_mounts(s) || !o->propagation || o->propagation == MS_PRIVATE)
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0,
		"options: propagation needs a mount namespace of the container's own");
	return err_hint(err, "add {\"type\": \"mount\"} without a path to linux.namespaces");
}

static int check_bind(const struct spec_mount *m, const struct mount_options *o, struct err *err)
{
	/* "remount,bind" changes what is there: its source says nothing. */
	if (!(o->flags & MOUNT_OPT_REMOUNT) && spec_check_text(m->source, err) < 0)
		return err_wrap(err, "source");
	return 0;
}

static int check_type(const struct spec_mount *m, const struct mount_options *o, struct err *err)
{
	if (m->source && m->source[0] && spec_check_text(m->source, err) < 0)
		return err_wrap(err, "source");
	if (mount_options_bind(o))
		return check_bind(m, o, err);
	if (o->flags & MOUNT_OPT_REMOUNT)
		return 0;
	if (!m->type || !m->type[0] || str_eq(m->type, "none"))
		return err_set(err, ERR_INVALID, 0, "type: is missing, and no option says 'bind'");
	if (spec_check_text(m->type, err) < 0)
		return err_wrap(err, "type");
	if (strchr(m->type, '/'))
		return err_set(err, ERR_INVALID, 0, "type: '%s' is not a file system", m->type);
	if ((str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2")) && o->data.count)
		return err_set(err, ERR_INVALID, 0,
			       "options: '%s' is not an option of a view of control groups",
			       o->data.items[0]);
	return 0;
}

static int check_maps(const struct spec *s, const struct spec_mount *m,
		      const struct mount_options *o, struct err *err)
{
	bool given = m->uid_maps.count || m->gid_maps.count;
	own(mount_maps) struct mount_maps maps = {0};

	if (!given && !(o->flags & (MOUNT_OPT_IDMAP | MOUNT_OPT_RIDMAP)))
		return 0;
	if (!mount_options_bind(o) || o->flags & MOUNT_OPT_REMOUNT)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "%s: only bind mounts can be given id mappings",
			       given ? "uidMappings" : "options");
	if (given && (!m->uid_maps.count || !m->gid_maps.count))
		return err_set(err, ERR_INVALID, 0, "%s: is missing beside %s",
			       m->uid_maps.count ? "gidMappings" : "uidMappings",
			       m->uid_maps.count ? "uidMappings" : "gidMappings");
	if (mount_maps_of(&s->linux_, m, o, &maps, err) < 0)
		return err_wrap(err, "options");
	if (maps.kind == MOUNT_MAP_USERNS && !s->linux_.namespaces[SPEC_NS_USER].given)
		return err_set(err, ERR_INVALID, 0,
			       "options: idmap needs uidMappings or a user namespace");
	if (spec_validate_idmaps(&maps.uids, given ? "uidMappings" : "options: idmap uids", NULL,
				 err) < 0)
		return -1;
	return spec_validate_idmaps(&maps.gids, given ? "gidMappings" : "options: idmap gids", NULL,
				    err);
}

/* One problem of one mount. */
static int mount_note(size_t i, struct problems *found, struct err *err)
{
	spec_within(err, "mounts[%zu]", i);
	return problems_add(found, err);
}

/* The parser has stopped at the first bad option: without a list that is the error, with one each option
 * is asked about by itself. */
static int note_options(const struct spec_mount *m, size_t i, struct problems *found,
			struct err *err)
{
	struct err first = *err;
	size_t noted = found ? found->noted : 0;

	for (size_t n = 0; found && n < m->options.count; n++) {
		struct spec_mount one = *m;
		own(mount_options) struct mount_options o = {0};

		one.options = (struct strv){.items = m->options.items + n, .count = 1};
		if (mount_options_of(&one, &o, err) < 0 && err_wrap(err, "options") < 0 &&
		    mount_note(i, found, err) < 0)
			return -1;
	}
	if (found && found->noted != noted)
		return 0;
	*err = first;
	err_wrap(err, "options");
	return mount_note(i, found, err);
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
	if (mount_options_of(m, &o, err) < 0)
		return note_options(m, i, found, err);
	if ((check_flags(m, &o, err) < 0 || check_type(m, &o, err) < 0 ||
	     check_propagation(s, &o, err) < 0) &&
	    mount_note(i, found, err) < 0)
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
