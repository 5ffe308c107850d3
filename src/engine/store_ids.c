/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Id ranges: 65536 host ids for each start with a user namespace of its own, so that containers are
 * strangers to one another and to the host's users.
 *
 * They come from the "insula" lines of /etc/subuid and /etc/subgid where there are any (the same in
 * both, as one range serves for both), else from 1879048192 to 2147483647, which login.defs(5) gives to
 * nobody and systemd keeps free. A range that overlaps anybody's line is passed over.
 *
 * A range is taken by making RUN/ids/N exclusively, where N is its first id / 65536, and is free again when that file
 * is gone. So it is known by where it is, and not by its place among those that are configured: these may change
 * while it is taken, and begin anywhere. The file says where the range begins; one that begins below the next N, or
 * ends above the one before, overlaps that. Who takes a range makes his file and then looks at both: of two at once, at
 * least the second sees the other and passes on.
 *
 * A container that joins the user namespace of another shares its range, and may outlive it. So it makes a
 * file of its own, RUN/ids/N.d/ID, and then looks whether the other still has the range; who takes a range
 * makes RUN/ids/N and then looks for such a directory. Whichever is second sees the first.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"

#define DEFAULT_LAST 2147483647u
#define SUBID_MAX_SIZE (4u << 20)
#define OUR_NAME "insula"
#define SHARE_TRIES 100
#define CLAIM_MAX (STORE_ID_LENGTH + 16)

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

/* ---- what is taken ---- */

/* What a file of ids/ says: "ID FIRST\n". */
struct claim {
	char id[STORE_ID_LENGTH + 1];
	uint64_t base; /* 0: it does not say */
};

static int write_claim(const char *id, uint32_t base, char ret[static CLAIM_MAX])
{
	return snprintf(ret, CLAIM_MAX, "%s %u\n", id, base);
}

/* ERR_NOT_FOUND: there is none. */
static int read_claim(int ids_fd, const char *path, struct claim *ret, struct err *err)
{
	own_free char *text = NULL;
	unsigned int base = 0;

	if (file_read(ids_fd, path, CLAIM_MAX, &text, err) < 0)
		return -1;
	*ret = (struct claim){{0}, 0};
	snprintf(ret->id, sizeof ret->id, "%s", text);
	if (!store_is_id(ret->id))
		return err_set(err, ERR_CORRUPT, 0, "'%s' names no container", path);
	if (sscanf(text + STORE_ID_LENGTH, " %u", &base) == 1)
		ret->base = base;
	return 0;
}

/* What does not say where it begins may be anywhere near. */
static bool is_in_the_way(int ids_fd, const char *path, uint64_t base, struct err *err)
{
	struct claim claim;

	if (read_claim(ids_fd, path, &claim, err) < 0)
		return err->kind != ERR_NOT_FOUND;
	return !claim.base ||
	       (base < claim.base + STORE_RANGE_SIZE && claim.base < base + STORE_RANGE_SIZE);
}

/* All who share a range have the same one, so that any of them tells. They come and go, but not the directory. */
static bool shares_are_in_the_way(int ids_fd, int slot, uint64_t base)
{
	char directory[STORE_SHARE_SIZE], path[STORE_SHARE_SIZE + NAME_MAX + 1];

	snprintf(directory, sizeof directory, STORE_SHARE_FORMAT, slot);
	for (int tries = 0; tries < SHARE_TRIES; tries++) {
		own(strv) struct strv ids = STRV_INIT;
		struct err reading = ERR_INIT;

		if (unlinkat(ids_fd, directory, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return false;
		if (file_list(ids_fd, directory, &ids, &reading) < 0 || !ids.count)
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, ids.items[0]);
		if (is_in_the_way(ids_fd, path, base, &reading))
			return true;
		if (reading.kind == ERR_NONE)
			return false;
	}
	return true;
}

/* The file before the shares: whoever shares a range has made sure that it was taken after his own file was there. */
static bool slot_is_in_the_way(int ids_fd, int slot, uint64_t base)
{
	struct err reading = ERR_INIT;
	char name[STORE_SHARE_SIZE];

	snprintf(name, sizeof name, "%d", slot);
	if (slot < 0 || slot > STORE_SLOT_MAX)
		return false;
	if (is_in_the_way(ids_fd, name, base, &reading))
		return true;
	return shares_are_in_the_way(ids_fd, slot, base);
}

/* 1: it is ours; 0: somebody else's, or shared by one that outlives him. A directory with nobody in it was left by one
 * who was killed beside it; one who is about to make his file in it makes it anew, and then sees us. */
static int take_range(int ids_fd, uint32_t base, const char *id, struct err *err)
{
	int slot = (int)(base / STORE_RANGE_SIZE);
	char name[STORE_SHARE_SIZE], shared[STORE_SHARE_SIZE], text[CLAIM_MAX];
	size_t size = (size_t)write_claim(id, base, text);

	snprintf(name, sizeof name, "%d", slot);
	snprintf(shared, sizeof shared, STORE_SHARE_FORMAT, slot);
	if (file_create_excl(ids_fd, name, text, size, 0600, false, err) < 0)
		return err->kind == ERR_EXISTS ? 0 : -1;
	if ((unlinkat(ids_fd, shared, AT_REMOVEDIR) == 0 || errno == ENOENT) &&
	    !slot_is_in_the_way(ids_fd, slot - 1, base) &&
	    !slot_is_in_the_way(ids_fd, slot + 1, base))
		return 1;
	return file_unlink(ids_fd, name, err) < 0 ? -1 : 0;
}

int store_claim_ids(struct store *store, const char *id, uint32_t *ret_base, int *ret_slot,
		    struct err *err)
{
	own(ranges) struct ranges ranges = {0};
	own_fd int creators_fd = store_lock_creation(store, LOCK_SHARED, err);
	own_fd int ids_fd = openat(store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int first = 0;

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
		int taken = take_range(ids_fd, (uint32_t)base, id, err);

		if (taken < 0)
			return -1;
		if (!taken)
			continue;
		*ret_base = (uint32_t)base;
		*ret_slot = (int)(base / STORE_RANGE_SIZE);
		return 0;
	}
	err_set(err, ERR_LIMIT, 0, "no id range is free (%u in all)", slots);
	return err_hint(err,
			"insula doctor --repair frees those of containers that died; a longer line "
			"of '%s' in /etc/subuid and /etc/subgid gives more",
			OUR_NAME);
}

static int write_share(int ids_fd, const char *path, const char *id, uint32_t base)
{
	own_fd int fd = openat(ids_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char text[CLAIM_MAX];
	ssize_t size = write_claim(id, base, text);

	return fd >= 0 && write(fd, text, (size_t)size) == size ? 0 : -1;
}

static int make_share(int ids_fd, uint32_t base, const char *id, struct err *err)
{
	int slot = (int)(base / STORE_RANGE_SIZE);
	char directory[STORE_SHARE_SIZE], name[STORE_SHARE_SIZE + STORE_ID_LENGTH + 1];

	snprintf(directory, sizeof directory, STORE_SHARE_FORMAT, slot);
	snprintf(name, sizeof name, "%s/%s", directory, id);
	for (int tries = 0; tries < SHARE_TRIES; tries++) {
		if (mkdirat(ids_fd, directory, 0700) < 0 && errno != EEXIST)
			break;
		if (write_share(ids_fd, name, id, base) == 0)
			return 0;
		if (errno != ENOENT) /* whoever shared it last has just taken the directory along */
			break;
	}
	return err_errno(err, "cannot share id range %d", slot);
}

bool store_shares_slot(int ids_fd, int slot, const char *id)
{
	char name[STORE_SHARE_SIZE + STORE_ID_LENGTH + 1];

	snprintf(name, sizeof name, STORE_SHARE_FORMAT "/%s", slot, id);
	return faccessat(ids_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_share_ids(struct store *store, const char *id, const char *other, uint32_t base,
		    struct err *err)
{
	int slot = (int)(base / STORE_RANGE_SIZE);
	own_fd int creators_fd = store_lock_creation(store, LOCK_SHARED, err);
	own_fd int ids_fd = openat(store->run_fd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[STORE_SHARE_SIZE];

	if (creators_fd < 0)
		return -1;
	if (ids_fd < 0)
		return err_errno(err, "cannot open '%s/ids'", store->run);
	if (make_share(ids_fd, base, id, err) < 0)
		return -1;
	snprintf(name, sizeof name, "%d", slot);
	own_free char *owner = store_slot_owner(ids_fd, name);
	if (str_eq(owner, other) || store_shares_slot(ids_fd, slot, other))
		return 0;
	store_drop_share(ids_fd, slot, id);
	return err_set(err, ERR_STATE, 0, "the container has ended");
}

/* Is it the name of an id range? */
static bool is_slot(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && digits < 6 && !name[digits];
}

int store_shared_slot(const char *name)
{
	int slot = -1, length = 0;

	return sscanf(name, "%5d.d%n", &slot, &length) == 1 && length > 0 && !name[length] ? slot
											   : -1;
}

char *store_slot_owner(int ids_fd, const char *name)
{
	struct err ignored = ERR_INIT;
	struct claim claim;

	if (!is_slot(name) || read_claim(ids_fd, name, &claim, &ignored) < 0)
		return NULL;
	return str_dup(claim.id, &ignored);
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
		int shared = store_shared_slot(slots.items[i]);

		if (shared >= 0)
			store_drop_share(ids_fd, shared, id);
		if (str_eq(owner, id) && file_unlink(ids_fd, slots.items[i], err) < 0)
			return -1;
	}
	return 0;
}
