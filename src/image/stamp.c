/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stamps: has the host changed since?
 *
 * Walking the host's trees takes a good part of a second, a start takes milliseconds; so the mask is
 * kept, and named by a hash of what shows that it may be out of date: the package database (time,
 * size and inode of its status file), the times of the directories at the top of the shown trees,
 * the file systems they lie on, and the names in the root directory. Changes deeper down that no
 * package manager made (a file put into /usr/local/bin) do not change it: such a file is shown or
 * refused by its mode, which is the guard's work.
 *
 * Everything that is hashed is the same in whatever mount namespace we run: device numbers and the
 * fact of being a mount point, not mount ids. FNV-1a in 64 bits: nobody gains by a collision but
 * the administrator, against himself.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "image/host.h"

#define FORMAT_VERSION 1 /* of masks: another number makes all of them be built again */
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
	return hash_bytes(hash, &number, sizeof(number));
}

static uint64_t hash_time(uint64_t hash, const struct statx_timestamp *t)
{
	return hash_number(hash_number(hash, (uint64_t)t->tv_sec), t->tv_nsec);
}

static int statx_below(int root_fd, const char *name, struct statx *ret)
{
	return statx(root_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, ret);
}

/* Where a package manager keeps what is installed: relative, any of them may be absent. */
static const char *const package_files[] = {
	"lib/apk/db/installed",
	"usr/lib/sysimage/rpm/rpmdb.sqlite",
	"var/lib/dpkg/status",
	"var/lib/pacman/local",
	"var/lib/rpm/Packages",
	"var/lib/rpm/rpmdb.sqlite",
	NULL,
};

static uint64_t hash_packages(int root_fd, uint64_t hash, bool *ret_any)
{
	struct statx st;

	*ret_any = false;
	for (size_t i = 0; package_files[i]; i++) {
		if (statx_below(root_fd, package_files[i], &st) < 0)
			continue;
		*ret_any = true;
		hash = hash_number(hash, i);
		hash = hash_time(hash, &st.stx_mtime);
		hash = hash_number(hash, st.stx_size);
		hash = hash_number(hash, st.stx_ino);
	}
	return hash;
}

static uint64_t hash_dir(int root_fd, uint64_t hash, const char *name, bool with_time)
{
	struct statx st;

	if (statx_below(root_fd, name, &st) < 0)
		return hash_number(hash, 0);
	hash = hash_number(hash, (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor);
	hash = hash_number(hash, st.stx_ino);
	hash = hash_number(hash, st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	return with_time ? hash_time(hash, &st.stx_ctime) : hash;
}

/* The names in the root directory, in whatever order they come. */
static int sum_names(int root_fd, uint64_t *ret, struct err *err)
{
	own_dir DIR *dir = fd_open_list(root_fd, ".");
	const struct dirent *entry;
	uint64_t sum = 0;

	if (!dir)
		return err_errno(err, "cannot read the root directory");
	while ((errno = 0, entry = readdir(dir)))
		sum += hash_bytes(FNV_START, entry->d_name, strlen(entry->d_name));
	if (errno)
		return err_errno(err, "cannot read the root directory");
	*ret = sum;
	return 0;
}

static void print_stamp(uint64_t hash, char ret[static STAMP_SIZE])
{
	snprintf(ret, STAMP_SIZE, "%016" PRIx64, hash);
}

void stamp_packages(int root_fd, char ret[static STAMP_SIZE])
{
	bool any;
	uint64_t hash = hash_packages(root_fd, FNV_START, &any);

	if (any)
		print_stamp(hash, ret);
	else
		ret[0] = '\0';
}

int stamp_mask(int root_fd, char ret[static STAMP_SIZE], struct err *err)
{
	static const char *const trees[] = {".", "etc", "usr", "usr/local", "opt"};
	uint64_t hash = hash_number(FNV_START, FORMAT_VERSION), names = 0;
	bool any;

	if (sum_names(root_fd, &names, err) < 0)
		return -1;
	hash = hash_number(hash_packages(root_fd, hash, &any), names);
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		hash = hash_dir(root_fd, hash, trees[i], true);
	for (size_t i = 0; host_shown[i]; i++)
		hash = hash_dir(root_fd, hash, host_shown[i], false);
	/* In /var only the file system matters: its directories change all the time. */
	hash = hash_dir(root_fd, hash, "var", false);
	for (size_t i = 0; host_databases[i]; i++)
		hash = hash_dir(root_fd, hash, host_databases[i] + 1, false);
	print_stamp(hash, ret);
	return 0;
}
