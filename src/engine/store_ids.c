/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Id ranges: 65536 host ids for each start with a user namespace of its own, so that containers are
 * strangers to one another and to the host's users.
 *
 * They come from the "insula" lines of /etc/subuid and /etc/subgid where there are any (the same in
 * both, as one range serves for both), else from 1879048192 to 2147483647, which login.defs(5) gives to
 * nobody and systemd keeps free. A range that overlaps anybody's line is passed over. A range is taken
 * by making RUN/ids/N exclusively; it is free again when that file is gone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"

#define DEFAULT_LAST 2147483647u
#define SUBID_MAX_SIZE (4u << 20)
#define OUR_NAME "insula"

struct ranges {
	struct store_range ours;    /* count 0: no line of ours */
	struct store_range *others; /* heap */
	size_t count;
};

static void ranges_done(struct ranges *r)
{
	free(r->others);
}

/* name:start:count */
static bool parse_line(char *line, const char **ret_name, struct store_range *ret)
{
	struct err ignored = ERR_INIT;
	char *start = strchr(line, ':');
	char *count = start ? strchr(start + 1, ':') : NULL;

	if (!count)
		return false;
	*start++ = '\0';
	*count++ = '\0';
	*ret_name = line;
	return str_to_u64(start, 0, UINT32_MAX, "start", &ret->start, &ignored) == 0 &&
	       str_to_u64(count, 1, UINT32_MAX, "count", &ret->count, &ignored) == 0;
}

static int add_other(struct ranges *r, struct store_range other, struct err *err)
{
	struct store_range *grown = reallocarray(r->others, r->count + 1, sizeof *grown);

	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read id ranges");
	r->others = grown;
	r->others[r->count++] = other;
	return 0;
}

static int read_ranges(const char *path, struct ranges *r, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	own_free char *text = NULL;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot read '%s'", path);
	if (fd_read_all(fd, SUBID_MAX_SIZE, path, &text, err) < 0)
		return -1;
	for (char *line = text, *next; line && *line; line = next) {
		struct store_range found = {0};
		const char *name;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!parse_line(line, &name, &found))
			continue;
		if (!strcmp(name, OUR_NAME))
			r->ours = found;
		else if (add_other(r, found, err) < 0)
			return -1;
	}
	return 0;
}

static bool overlaps(const struct ranges *r, uint64_t base)
{
	for (size_t i = 0; i < r->count; i++)
		if (base < r->others[i].start + r->others[i].count &&
		    r->others[i].start < base + STORE_RANGE_SIZE)
			return true;
	return false;
}

/* Container root must never be host root, and the last id, (uid_t)-1, is nobody's. */
static int check_range(const struct store_range *r, struct err *err)
{
	if (!r->count || (r->start > 0 && r->start + r->count <= UINT32_MAX))
		return 0;
	err_set(err, ERR_INVALID, 0,
		"the line of '%s' in /etc/subuid and /etc/subgid is not between 1 and 4294967294",
		OUR_NAME);
	return err_hint(err, "a range that useradd(8) would give out, for example");
}

static struct store_range configured; /* count 0: not */

void store_use_ids(const struct store_range *range)
{
	configured = *range;
}

static int load_ranges(struct ranges *r, struct err *err)
{
	struct store_range uids;

	if (read_ranges("/etc/subuid", r, err) < 0)
		return -1;
	uids = r->ours;
	r->ours = (struct store_range){0};
	if (read_ranges("/etc/subgid", r, err) < 0)
		return -1;
	if (configured.count) {
		r->ours = configured;
		return 0;
	}
	if (uids.start != r->ours.start || uids.count != r->ours.count) {
		err_set(err, ERR_INVALID, 0,
			"the lines of '%s' in /etc/subuid and /etc/subgid differ", OUR_NAME);
		return err_hint(err, "give both the same start and count");
	}
	if (check_range(&r->ours, err) < 0)
		return -1;
	r->ours.is_entry = r->ours.count != 0;
	if (!r->ours.is_entry)
		r->ours = (struct store_range){STORE_FIRST_ID, DEFAULT_LAST - STORE_FIRST_ID + 1,
					       false};
	return 0;
}

int store_id_range(struct store_range *ret, struct err *err)
{
	own(ranges) struct ranges ranges = {0};

	if (load_ranges(&ranges, err) < 0)
		return -1;
	*ret = ranges.ours;
	return 0;
}

int store_claim_ids(struct store *store, const char *id, uint32_t *ret_base, int *ret_slot,
		    struct err *err)
{
	own(ranges) struct ranges ranges = {0};
	own_fd int creators_fd = store_lock_creation(store, LOCK_SHARED, err);
	own_fd int ids_fd = openat(store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int first = 0;
	char name[16];

	if (creators_fd < 0)
		return -1;
	if (ids_fd < 0)
		return err_errno(err, "cannot open '%s/ids'", store->run);
	if (load_ranges(&ranges, err) < 0)
		return -1;
	unsigned int slots = (unsigned int)(ranges.ours.count / STORE_RANGE_SIZE);
	sscanf(id, "%6x", &first); /* anywhere: two starts at once seldom meet */
	for (unsigned int i = 0; i < slots; i++) {
		unsigned int slot = (first + i) % slots;
		uint64_t base = ranges.ours.start + (uint64_t)slot * STORE_RANGE_SIZE;

		if (overlaps(&ranges, base))
			continue;
		snprintf(name, sizeof name, "%u", slot);
		if (file_create_excl(ids_fd, name, id, STORE_ID_LENGTH, 0600, false, err) == 0) {
			*ret_base = (uint32_t)base;
			*ret_slot = (int)slot;
			return 0;
		}
		if (err->kind != ERR_EXISTS)
			return -1;
	}
	err_set(err, ERR_LIMIT, 0, "no id range is free (%u in all)", slots);
	return err_hint(err,
			"insula doctor --repair frees those of containers that died; a longer line "
			"of '%s' in /etc/subuid and /etc/subgid gives more",
			OUR_NAME);
}

/* Is it the name of an id range? */
static bool is_slot(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && digits < 6 && !name[digits];
}

char *store_slot_owner(int ids_fd, const char *name)
{
	own_free char *owner = NULL;
	struct err ignored = ERR_INIT;

	if (!is_slot(name) || file_read(ids_fd, name, STORE_ID_LENGTH, &owner, &ignored) < 0 ||
	    !store_is_id(owner))
		return NULL;
	return take(owner);
}

int store_release_ids_of(struct store *store, const char *id, struct err *err)
{
	own_fd int ids_fd = openat(store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(strv) struct strv slots = STRV_INIT;

	if (ids_fd < 0)
		return err_errno(err, "cannot open '%s/ids'", store->run);
	if (file_list(ids_fd, ".", &slots, err) < 0)
		return -1;
	for (size_t i = 0; i < slots.count; i++) {
		own_free char *owner = store_slot_owner(ids_fd, slots.items[i]);

		if (str_eq(owner, id) && file_unlink(ids_fd, slots.items[i], err) < 0)
			return -1;
	}
	return 0;
}
