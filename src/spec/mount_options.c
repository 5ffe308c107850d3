/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount options, by one table. Each row says what an option does to a mount: set or clear
 * attributes of the mount itself, of its whole tree (the "r" forms, mount_setattr(2) with
 * AT_RECURSIVE), flags of the super block, the propagation, or one of our own flags. The
 * specification says that options which are not in the table belong to the file system, so those
 * are kept as they are and are given to fsconfig(2) one at a time: no string is ever joined, and a
 * comma or backslash in a value has no meaning.
 *
 * Options take effect in order and the later one wins, as with mount(8): "ro,rw" is writable. An
 * attribute that was named is therefore in exactly one of the sets "set" and "clear"; one that was
 * not named is in neither and stays as the source has it. The access-time modes are the exception,
 * because mount_setattr(2) treats them as one field: naming any of them puts the whole field
 * MOUNT_ATTR__ATIME into "clear" and the value into "set" (relatime is the value 0).
 *
 * What mount(8) takes from fstab(5) for itself ("nofail", "x-systemd.automount") has no effect on a
 * mount and is neither an attribute nor the file system's; mount(8) drops it, and so do we.
 *
 * What can go wrong: a text with control characters, or an empty one, both refused by name; more data
 * than a file system takes is left to the kernel.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/own.h"
#include "spec/mount_options.h"

#define OPTION_MAX 4096 /* bytes of one option with its NUL: the page that mount(2) has for all */

enum effect {
	EFFECT_NONE, /* known, and nothing to do: "defaults" */
	EFFECT_ATTR,
	EFFECT_REC,
	EFFECT_ATIME,
	EFFECT_REC_ATIME,
	EFFECT_SB,
	EFFECT_PROPAGATION,
	EFFECT_FLAG,
};

struct option {
	const char *name;
	enum effect effect;
	bool clear; /* attributes and super block flags: take away instead of set */
	unsigned long value;
};

static const struct option options[] = {
	{"defaults", EFFECT_NONE, false, 0},
	{"ro", EFFECT_ATTR, false, MOUNT_ATTR_RDONLY},
	{"rw", EFFECT_ATTR, true, MOUNT_ATTR_RDONLY},
	{"nosuid", EFFECT_ATTR, false, MOUNT_ATTR_NOSUID},
	{"suid", EFFECT_ATTR, true, MOUNT_ATTR_NOSUID},
	{"nodev", EFFECT_ATTR, false, MOUNT_ATTR_NODEV},
	{"dev", EFFECT_ATTR, true, MOUNT_ATTR_NODEV},
	{"noexec", EFFECT_ATTR, false, MOUNT_ATTR_NOEXEC},
	{"exec", EFFECT_ATTR, true, MOUNT_ATTR_NOEXEC},
	{"nosymfollow", EFFECT_ATTR, false, MOUNT_ATTR_NOSYMFOLLOW},
	{"symfollow", EFFECT_ATTR, true, MOUNT_ATTR_NOSYMFOLLOW},
	{"nodiratime", EFFECT_ATTR, false, MOUNT_ATTR_NODIRATIME},
	{"diratime", EFFECT_ATTR, true, MOUNT_ATTR_NODIRATIME},
	{"noatime", EFFECT_ATIME, false, MOUNT_ATTR_NOATIME},
	{"atime", EFFECT_ATIME, false, MOUNT_ATTR_RELATIME},
	{"relatime", EFFECT_ATIME, false, MOUNT_ATTR_RELATIME},
	{"norelatime", EFFECT_ATIME, false, MOUNT_ATTR_STRICTATIME},
	{"strictatime", EFFECT_ATIME, false, MOUNT_ATTR_STRICTATIME},
	{"nostrictatime", EFFECT_ATIME, false, MOUNT_ATTR_RELATIME},

	{"rro", EFFECT_REC, false, MOUNT_ATTR_RDONLY},
	{"rrw", EFFECT_REC, true, MOUNT_ATTR_RDONLY},
	{"rnosuid", EFFECT_REC, false, MOUNT_ATTR_NOSUID},
	{"rsuid", EFFECT_REC, true, MOUNT_ATTR_NOSUID},
	{"rnodev", EFFECT_REC, false, MOUNT_ATTR_NODEV},
	{"rdev", EFFECT_REC, true, MOUNT_ATTR_NODEV},
	{"rnoexec", EFFECT_REC, false, MOUNT_ATTR_NOEXEC},
	{"rexec", EFFECT_REC, true, MOUNT_ATTR_NOEXEC},
	{"rnosymfollow", EFFECT_REC, false, MOUNT_ATTR_NOSYMFOLLOW},
	{"rsymfollow", EFFECT_REC, true, MOUNT_ATTR_NOSYMFOLLOW},
	{"rnodiratime", EFFECT_REC, false, MOUNT_ATTR_NODIRATIME},
	{"rdiratime", EFFECT_REC, true, MOUNT_ATTR_NODIRATIME},
	{"rnoatime", EFFECT_REC_ATIME, false, MOUNT_ATTR_NOATIME},
	{"ratime", EFFECT_REC_ATIME, false, MOUNT_ATTR_RELATIME},
	{"rrelatime", EFFECT_REC_ATIME, false, MOUNT_ATTR_RELATIME},
	{"rnorelatime", EFFECT_REC_ATIME, false, MOUNT_ATTR_STRICTATIME},
	{"rstrictatime", EFFECT_REC_ATIME, false, MOUNT_ATTR_STRICTATIME},
	{"rnostrictatime", EFFECT_REC_ATIME, false, MOUNT_ATTR_RELATIME},

	{"sync", EFFECT_SB, false, MS_SYNCHRONOUS},
	{"async", EFFECT_SB, true, MS_SYNCHRONOUS},
	{"dirsync", EFFECT_SB, false, MS_DIRSYNC},
	{"lazytime", EFFECT_SB, false, MS_LAZYTIME},
	{"nolazytime", EFFECT_SB, true, MS_LAZYTIME},
	{"mand", EFFECT_SB, false, MS_MANDLOCK},
	{"nomand", EFFECT_SB, true, MS_MANDLOCK},
	{"iversion", EFFECT_SB, false, MS_I_VERSION},
	{"noiversion", EFFECT_SB, true, MS_I_VERSION},
	{"silent", EFFECT_SB, false, MS_SILENT},
	{"loud", EFFECT_SB, true, MS_SILENT},

	{"private", EFFECT_PROPAGATION, false, MS_PRIVATE},
	{"rprivate", EFFECT_PROPAGATION, false, MS_PRIVATE | MS_REC},
	{"slave", EFFECT_PROPAGATION, false, MS_SLAVE},
	{"rslave", EFFECT_PROPAGATION, false, MS_SLAVE | MS_REC},
	{"shared", EFFECT_PROPAGATION, false, MS_SHARED},
	{"rshared", EFFECT_PROPAGATION, false, MS_SHARED | MS_REC},
	{"unbindable", EFFECT_PROPAGATION, false, MS_UNBINDABLE},
	{"runbindable", EFFECT_PROPAGATION, false, MS_UNBINDABLE | MS_REC},

	{"bind", EFFECT_FLAG, false, MOUNT_OPT_BIND},
	{"rbind", EFFECT_FLAG, false, MOUNT_OPT_BIND | MOUNT_OPT_RECURSIVE},
	{"remount", EFFECT_FLAG, false, MOUNT_OPT_REMOUNT},
	{"idmap", EFFECT_FLAG, false, MOUNT_OPT_IDMAP},
	{"ridmap", EFFECT_FLAG, false, MOUNT_OPT_RIDMAP},
	{"tmpcopyup", EFFECT_FLAG, false, MOUNT_OPT_TMPCOPYUP},
	{"copy-symlink", EFFECT_FLAG, false, MOUNT_OPT_COPY_SYMLINK},
	{"src-nofollow", EFFECT_FLAG, false, MOUNT_OPT_SRC_NOFOLLOW},
	{"dest-nofollow", EFFECT_FLAG, false, MOUNT_OPT_DEST_NOFOLLOW},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

const char *mount_option_name_at(size_t i)
{
	return i < OPTION_COUNT ? options[i].name : NULL;
}

void mount_options_done(struct mount_options *o)
{
	strv_done(&o->data);
	free(o->idmap);
	*o = (struct mount_options){0};
}

static const struct option *option_find(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].name[0] == name[0] && str_eq(options[i].name, name))
			return &options[i];
	return NULL;
}

static void attr_change(uint64_t *set, uint64_t *clear, uint64_t value, bool take_away)
{
	*(take_away ? clear : set) |= value;
	*(take_away ? set : clear) &= ~value;
}

static void atime_change(uint64_t *set, uint64_t *clear, uint64_t value)
{
	*clear |= MOUNT_ATTR__ATIME;
	*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | value;
}

static void option_apply(const struct option *opt, struct mount_options *o)
{
	switch (opt->effect) {
	case EFFECT_NONE:
		break;
	case EFFECT_ATTR:
		attr_change(&o->attr_set, &o->attr_clear, opt->value, opt->clear);
		break;
	case EFFECT_REC:
		attr_change(&o->rec_set, &o->rec_clear, opt->value, opt->clear);
		break;
	case EFFECT_ATIME:
		atime_change(&o->attr_set, &o->attr_clear, opt->value);
		break;
	case EFFECT_REC_ATIME:
		atime_change(&o->rec_set, &o->rec_clear, opt->value);
		break;
	case EFFECT_SB:
		*(opt->clear ? &o->sb_clear : &o->sb_flags) |= opt->value;
		*(opt->clear ? &o->sb_flags : &o->sb_clear) &= ~opt->value;
		break;
	case EFFECT_PROPAGATION:
		o->propagation = opt->value & ~(unsigned long)MS_REC;
		o->propagation_recursive = opt->value & MS_REC;
		break;
	case EFFECT_FLAG:
		o->flags |= opt->value;
		break;
	}
}

/* What the table does not know is the file system's, if it can be a "key" or "key=value" at all. */
static int data_check(const char *text, struct err *err)
{
	if (!text[0])
		return err_set(err, ERR_INVALID, 0, "a mount option is empty");
	if (str_has_control(text))
		return err_set(err, ERR_INVALID, 0, "mount option '%s' has control characters",
			       text);
	if (text[0] == '=')
		return err_set(err, ERR_INVALID, 0, "mount option '%s' has no name", text);
	if (strlen(text) >= OPTION_MAX)
		return err_set(err, ERR_LIMIT, 0, "mount option '%.32s...' is longer than %d bytes",
			       text, OPTION_MAX - 1);
	return 0;
}

/* mount(8) reads these itself, and tells neither the kernel nor the file system. */
static bool is_fstab_only(const char *text)
{
	static const char *const names[] = {"auto", "noauto", "nofail", "_netdev"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(names[i], text))
			return true;
	return str_starts(text, "x-") || str_starts(text, "X-") || str_starts(text, "comment=");
}

static int option_take(const char *text, struct mount_options *o, struct err *err)
{
	const struct option *opt = option_find(text);
	bool whole = str_starts(text, "ridmap=");

	if (opt) {
		option_apply(opt, o);
		return 0;
	}
	if (data_check(text, err) < 0)
		return -1;
	if (is_fstab_only(text))
		return 0;
	if (!whole && !str_starts(text, "idmap="))
		return strv_add(&o->data, text, err);
	o->flags |= whole ? MOUNT_OPT_RIDMAP : MOUNT_OPT_IDMAP;
	free(o->idmap);
	o->idmap = str_dup(strchr(text, '=') + 1, err);
	return o->idmap ? 0 : -1;
}

int mount_options_parse(const struct strv *texts, struct mount_options *ret, struct err *err)
{
	own(mount_options) struct mount_options o = {0};

	for (size_t i = 0; i < texts->count; i++)
		if (option_take(texts->items[i], &o, err) < 0)
			return -1;
	*ret = o;
	o = (struct mount_options){0};
	return 0;
}

int mount_options_of(const struct spec_mount *m, struct mount_options *ret, struct err *err)
{
	if (mount_options_parse(&m->options, ret, err) < 0)
		return -1;
	if (str_eq(m->type, "bind"))
		ret->flags |= MOUNT_OPT_BIND;
	if (str_eq(m->type, "rbind"))
		ret->flags |= MOUNT_OPT_BIND | MOUNT_OPT_RECURSIVE;
	return 0;
}
