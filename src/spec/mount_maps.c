/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose ids a mount shows: its uidMappings and gidMappings, the maps inside crun's option
 * "idmap=uids=0-100000-1000#1000-200000-1;gids=0-100000-1000", or those of the container's user
 * namespace. A triplet is FIRST-SECOND-COUNT: the file system's first id, the id on the host that it is
 * shown as, and how many. With an "@" before it, SECOND is an id of the container, and is looked up in
 * linux.uidMappings; a range that no single line of them covers has no one meaning and is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "spec/mount_options.h"
#include "spec/validate.h"

void mount_maps_done(struct mount_maps *maps)
{
	free(maps->uids.items);
	free(maps->gids.items);
	*maps = (struct mount_maps){0};
}

/* The host's id of an id of the container, for a range that is mapped in one piece. */
static int make_absolute(const struct spec_idmaps *userns, struct spec_idmap *triplet,
			 struct err *err)
{
	for (size_t i = 0; i < userns->count; i++) {
		const struct spec_idmap *line = &userns->items[i];
		uint64_t offset = (uint64_t)triplet->host_id - line->container_id;

		if (triplet->host_id < line->container_id || offset + triplet->size > line->size)
			continue;
		triplet->host_id = line->host_id + (uint32_t)offset;
		return 0;
	}
	return err_set(
		err, ERR_INVALID, 0,
		"'@' with the ids from %u to %llu, which no one line of linux.uidMappings or "
		"linux.gidMappings has",
		triplet->host_id, (unsigned long long)triplet->host_id + triplet->size - 1);
}

/* "0-100000-1000" or "@0-0-1000" */
static int parse_triplet(char *text, const struct spec_idmaps *userns, struct spec_idmaps *ret,
			 struct err *err)
{
	bool relative = text[0] == '@';
	char *rest = text + relative;
	uint64_t numbers[3] = {0};

	for (size_t i = 0; i < 3; i++) {
		const char *number = strsep(&rest, "-");

		if (!number)
			return err_set(err, ERR_INVALID, 0, "'%s' is not FIRST-SECOND-COUNT", text);
		if (str_to_u64(number, 0, UINT32_MAX, "an id", &numbers[i], err) < 0)
			return -1;
	}
	if (rest)
		return err_set(err, ERR_INVALID, 0, "'-%s' is behind FIRST-SECOND-COUNT", rest);
	struct spec_idmap triplet = {(uint32_t)numbers[0], (uint32_t)numbers[1],
				     (uint32_t)numbers[2]};
	if (relative && make_absolute(userns, &triplet, err) < 0)
		return -1;
	return spec_add_idmap(ret, triplet.container_id, triplet.host_id, triplet.size, err);
}

static int parse_triplets(char *text, const struct spec_idmaps *userns, struct spec_idmaps *ret,
			  struct err *err)
{
	while (text) {
		char *triplet = strsep(&text, "#");

		if (parse_triplet(triplet, userns, ret, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_option(const char *option, const struct spec_linux *l, struct mount_maps *maps,
			struct err *err)
{
	own_free char *copy = str_dup(option, err);
	char *rest = copy;

	if (!copy)
		return -1;
	while (rest) {
		char *part = strsep(&rest, ";");
		int status = 0;

		if (str_starts(part, "uids="))
			status = parse_triplets(part + 5, &l->uid_maps, &maps->uids, err);
		else if (str_starts(part, "gids="))
			status = parse_triplets(part + 5, &l->gid_maps, &maps->gids, err);
		else
			status = err_set(err, ERR_INVALID, 0, "'%s' is neither 'uids=' nor 'gids='",
					 part);
		if (status < 0)
			return err_wrap(err, "idmap");
	}
	if (!maps->uids.count || !maps->gids.count)
		return err_set(err, ERR_INVALID, 0, "idmap: '%s=' is missing",
			       maps->uids.count ? "gids" : "uids");
	return 0;
}

static int copy_maps(const struct spec_idmaps *from, struct spec_idmaps *to, struct err *err)
{
	for (size_t i = 0; i < from->count; i++)
		if (spec_add_idmap(to, from->items[i].container_id, from->items[i].host_id,
				   from->items[i].size, err) < 0)
			return -1;
	return 0;
}

int mount_maps_of(const struct spec_linux *linux_, const struct spec_mount *m,
		  const struct mount_options *o, struct mount_maps *ret, struct err *err)
{
	own(mount_maps) struct mount_maps maps = {.recursive = o->flags & MOUNT_OPT_RIDMAP};

	if (m->uid_maps.count || m->gid_maps.count) {
		maps.kind = MOUNT_MAP_OWN;
		if (copy_maps(&m->uid_maps, &maps.uids, err) < 0 ||
		    copy_maps(&m->gid_maps, &maps.gids, err) < 0)
			return -1;
	} else if (o->idmap) {
		maps.kind = MOUNT_MAP_OWN;
		if (parse_option(o->idmap, linux_, &maps, err) < 0)
			return -1;
	} else if (o->flags & (MOUNT_OPT_IDMAP | MOUNT_OPT_RIDMAP)) {
		maps.kind = MOUNT_MAP_USERNS;
	}
	*ret = maps;
	maps = (struct mount_maps){0};
	return 0;
}
