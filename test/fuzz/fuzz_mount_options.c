/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: lines of text as the options of one mount.
 *
 * What must hold: an attribute is asked to be set or cleared, never both (the access-time field is
 * cleared before it is set); data for the file system is exactly the options that the table does not
 * know and that are neither id maps nor fstab(5)'s, unchanged and in order; id maps are read whole or
 * refused; a refusal has a message of one printable line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/own.h"
#include "spec/mount_options.h"
#include "must.h"

static void split_lines(const uint8_t *data, size_t size, struct strv *ret)
{
	struct err err = ERR_INIT;
	own_free char *text = str_dup_len((const char *)data, size, &err);
	char *rest = text, *line;

	while (text && (line = strsep(&rest, "\n")))
		MUST(strv_add(ret, line, &err) == 0);
}

static bool in_table(const char *option)
{
	static const char *const whole[] = {"auto", "noauto", "nofail", "_netdev"};
	static const char *const parts[] = {"x-", "X-", "comment=", "idmap=", "ridmap="};

	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (str_eq(whole[i], option))
			return true;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (str_starts(option, parts[i]))
			return true;
	for (size_t i = 0; mount_option_name_at(i); i++)
		if (str_eq(mount_option_name_at(i), option))
			return true;
	return false;
}

static void check_data(const struct strv *options, const struct strv *data)
{
	size_t next = 0;

	for (size_t i = 0; i < options->count; i++)
		if (!in_table(options->items[i]))
			MUST(next < data->count && str_eq(data->items[next++], options->items[i]));
	MUST(next == data->count);
}

static void check_attributes(uint64_t set, uint64_t clear)
{
	MUST(!(set & clear & ~(uint64_t)MOUNT_ATTR__ATIME));
	MUST(!(set & MOUNT_ATTR__ATIME) || (clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
}

static void check_maps(const struct mount_options *o)
{
	static struct spec_idmap line = {0, 100000, 65536};
	const struct spec_linux linux_ = {.uid_maps = {&line, 1}, .gid_maps = {&line, 1}};
	const struct spec_mount m = {0};
	own(mount_maps) struct mount_maps maps = {0};
	struct err err = ERR_INIT;

	if (mount_maps_of(&linux_, &m, o, &maps, &err) < 0) {
		MUST(*err.message && !str_has_control(err.message));
		MUST(!maps.uids.items && !maps.gids.items);
		return;
	}
	MUST((maps.kind == MOUNT_MAP_OWN) == (o->idmap != NULL));
	MUST(!o->idmap || (maps.uids.count && maps.gids.count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mount_options) struct mount_options o = {0};
	own(strv) struct strv options = STRV_INIT;
	struct err err = ERR_INIT;

	if (size > 65536)
		return 0;
	split_lines(data, size, &options);
	if (mount_options_parse(&options, &o, &err) < 0) {
		MUST(*err.message && !str_has_control(err.message) && !str_has_control(err.hint));
		MUST(!o.data.items && !o.flags && !o.attr_set);
		return 0;
	}
	check_data(&options, &o.data);
	check_attributes(o.attr_set, o.attr_clear);
	check_attributes(o.rec_set, o.rec_clear);
	check_maps(&o);
	return 0;
}
