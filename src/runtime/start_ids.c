/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ids of the container on the host. With a user namespace of its own they stand in the specification;
 * one that is joined is asked. An id that no line of the map has cannot own anything in the container,
 * and the kernel would say EINVAL of it without a word on why.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "base/own.h"
#include "runtime/start.h"

static int take_map(const struct id_map *map, size_t count, struct spec_idmaps *ret,
		    struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (spec_add_idmap(ret, map[i].inside, map[i].outside, map[i].size, err) < 0)
			return -1;
	return 0;
}

static int find(const struct spec_idmaps *maps, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct spec_idmap *line = &maps->items[i];

		if (id < line->container_id || id - line->container_id >= line->size)
			continue;
		*ret = line->host_id + (id - line->container_id);
		return 0;
	}
	return -1;
}

static bool has_line(const struct spec_idmaps *maps, const struct spec_idmap *line)
{
	for (size_t i = 0; i < maps->count; i++)
		if (maps->items[i].container_id == line->container_id &&
		    maps->items[i].host_id == line->host_id && maps->items[i].size == line->size)
			return true;
	return false;
}

/* A specification that has maps as well must have the same ones. */
static int compare(const struct spec_idmaps *wanted, const struct spec_idmaps *found,
		   const char *member, struct err *err)
{
	bool same = !wanted->count || wanted->count == found->count;

	for (size_t i = 0; same && i < wanted->count; i++)
		same = has_line(found, &wanted->items[i]);
	if (same)
		return 0;
	err_set(err, ERR_INVALID, 0, "%s: the user namespace that is joined has others", member);
	return err_hint(err, "leave the maps out: it keeps those that it has");
}

static int ask_joined(struct start *s, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;
	struct id_map uids[NS_MAP_MAX], gids[NS_MAP_MAX];
	size_t uid_count, gid_count;

	if (ns_read_maps(s->proc_fd, s->joined_ns[NS_USER], uids, &uid_count, gids, &gid_count,
			 err) < 0 ||
	    take_map(uids, uid_count, &s->joined_uids, err) < 0 ||
	    take_map(gids, gid_count, &s->joined_gids, err) < 0)
		return -1;
	s->uid_maps = &s->joined_uids;
	s->gid_maps = &s->joined_gids;
	if (compare(&linux_->uid_maps, s->uid_maps, "linux.uidMappings", err) < 0 ||
	    compare(&linux_->gid_maps, s->gid_maps, "linux.gidMappings", err) < 0)
		return -1;
	if (find(s->uid_maps, 0, &s->plan->root_uid) < 0 ||
	    find(s->gid_maps, 0, &s->plan->root_gid) < 0)
		return err_set(err, ERR_INVALID, 0, "the user namespace to be joined has no root");
	s->userns_fd = fcntl(s->joined_ns[NS_USER], F_DUPFD_CLOEXEC, 3);
	return s->userns_fd < 0 ? err_errno(err, "cannot keep the user namespace") : 0;
}

int start_ids(struct start *s, struct err *err)
{
	const struct spec_linux *linux_ = &s->plan->spec->linux_;

	if (s->joined_ns[NS_USER] >= 0)
		return ask_joined(s, err);
	if (!s->plan->own[NS_USER])
		return 0;
	s->uid_maps = &linux_->uid_maps;
	s->gid_maps = &linux_->gid_maps;
	return 0;
}

void start_ids_done(struct start *s)
{
	free(s->joined_uids.items);
	free(s->joined_gids.items);
}

int start_host_id(const struct start *s, bool group, uint32_t id, uint32_t *ret, struct err *err)
{
	const struct spec_idmaps *maps = group ? s->gid_maps : s->uid_maps;

	if (!maps) {
		*ret = id;
		return 0;
	}
	if (find(maps, id, ret) == 0)
		return 0;
	err_set(err, ERR_INVALID, 0, "the container's user namespace has no %s %u",
		group ? "gid" : "uid", id);
	return err_hint(err, "its linux.%s must cover it", group ? "gidMappings" : "uidMappings");
}

bool start_has_id(const struct start *s, bool group, uint32_t host_id)
{
	const struct spec_idmaps *maps = group ? s->gid_maps : s->uid_maps;

	for (size_t i = 0; maps && i < maps->count; i++)
		if (host_id >= maps->items[i].host_id &&
		    host_id - maps->items[i].host_id < maps->items[i].size)
			return true;
	return !maps;
}
