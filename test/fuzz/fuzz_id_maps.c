/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as the id maps of a user namespace and of a mount.
 *
 * The first byte says how many of the entries that follow (three numbers of a form that makes overlaps
 * and ends of the range likely) are for users; the rest are for groups. What must hold: validation says
 * yes exactly if the kernel would take the maps, which is decided here the slow way, by comparing every
 * pair of ranges; a refusal names a member that is there; and with a list of problems the verdict is the
 * same. What is left of the input is the text of a mount's "idmap=" option: it is refused with one
 * printable line, or its ranges are all that the text has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "spec/mount_options.h"
#include "spec/spec.h"
#include "spec/validate.h"
#include "must.h"

#define ENTRIES_MAX 400
#define KERNEL_MAX 340

struct input {
	const uint8_t *data;
	size_t size;
};

static unsigned int byte(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* Small, around a power of two, or near the end of all ids. */
static uint32_t number(struct input *in)
{
	unsigned int kind = byte(in), low = byte(in);

	switch (kind & 3) {
	case 0:
		return low;
	case 1:
		return (UINT32_C(1) << (kind >> 3)) + low - 128;
	case 2:
		return UINT32_MAX - low;
	default:
		return low << 8 | byte(in);
	}
}

static void read_maps(struct input *in, size_t count, struct spec_idmap *items,
		      struct spec_idmaps *ret)
{
	*ret = (struct spec_idmaps){.items = items};
	for (; ret->count < count && ret->count < ENTRIES_MAX && in->size; ret->count++)
		items[ret->count] = (struct spec_idmap){number(in), number(in), number(in)};
}

static bool overlap(uint64_t a, uint64_t b, uint64_t a_size, uint64_t b_size)
{
	uint64_t start = a > b ? a : b;
	uint64_t end = a + a_size < b + b_size ? a + a_size : b + b_size;

	return start < end;
}

/* user_namespaces(7): no empty range, none that holds (uid_t)-1 or goes beyond, no two that overlap. */
static bool kernel_takes(const struct spec_idmaps *maps)
{
	if (maps->count > KERNEL_MAX)
		return false;
	for (size_t i = 0; i < maps->count; i++) {
		const struct spec_idmap *m = &maps->items[i];

		if (!m->size || (uint64_t)m->container_id + m->size > UINT32_MAX ||
		    (uint64_t)m->host_id + m->size > UINT32_MAX)
			return false;
		for (size_t j = i + 1; j < maps->count; j++)
			if (overlap(m->container_id, maps->items[j].container_id, m->size,
				    maps->items[j].size) ||
			    overlap(m->host_id, maps->items[j].host_id, m->size,
				    maps->items[j].size))
				return false;
	}
	return true;
}

static void check_error(const struct err *err)
{
	MUST(*err->message && !str_has_control(err->message) && !str_has_control(err->hint));
}

static void check_maps(const struct spec_idmaps *maps)
{
	own(problems) struct problems found = {0};
	struct err err = ERR_INIT;
	bool taken = spec_validate_idmaps(maps, "m", NULL, &err) == 0;

	MUST(taken == kernel_takes(maps));
	if (!taken)
		check_error(&err);
	err = ERR_INIT;
	if (spec_validate_idmaps(maps, "m", &found, &err) < 0)
		MUST(err.kind == ERR_INVALID && maps->count > KERNEL_MAX);
	else
		MUST(taken == (found.count == 0));
	for (size_t i = 0; i < found.count; i++)
		MUST(strncmp(found.items[i].path, "m[", 2) == 0 &&
		     strtoul(found.items[i].path + 2, NULL, 10) < maps->count);
}

static size_t count_char(const char *text, char c)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == c;
	return count;
}

static void check_option(const struct spec_linux *l, const char *text)
{
	own(mount_options) struct mount_options o = {0};
	own(mount_maps) struct mount_maps maps = {0};
	own(strv) struct strv options = STRV_INIT;
	struct spec_mount m = {0};
	struct err err = ERR_INIT;

	if (strv_addf(&options, &err, "idmap=%s", text) < 0)
		return;
	if (mount_options_parse(&options, &o, &err) < 0 ||
	    mount_maps_of(l, &m, &o, &maps, &err) < 0) {
		check_error(&err);
		return;
	}
	MUST(maps.kind == MOUNT_MAP_OWN);
	/* Each range has two dashes between its three numbers. */
	MUST(count_char(text, '-') == 2 * (maps.uids.count + maps.gids.count));
	check_maps(&maps.uids);
	check_maps(&maps.gids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spec_idmap uids[ENTRIES_MAX], gids[ENTRIES_MAX];
	struct input in = {data, size};
	struct spec_linux l = {0};
	struct err err = ERR_INIT;
	unsigned int head = byte(&in), user_count = byte(&in) * 2, group_count = byte(&in) * 2;

	if (head & 1)
		user_count = group_count = 2;
	read_maps(&in, user_count, uids, &l.uid_maps);
	read_maps(&in, group_count, gids, &l.gid_maps);
	check_maps(&l.uid_maps);
	check_maps(&l.gid_maps);
	own_free char *text = str_dup_len((const char *)in.data, in.size, &err);
	if (text)
		check_option(&l, text);
	return 0;
}
