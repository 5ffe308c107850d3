/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tar streams: extended headers of a stranger's, and what is written of modes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/transfer.h"
#include "test.h"

#define BLOCK 512

static int new_archive(void)
{
	int fd = openat(test_dir(), "archive", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	return fd;
}

static void put_header(int fd, char type, const char *name, size_t size)
{
	char block[BLOCK] = "";
	unsigned int sum = 0;

	snprintf(block, 100, "%s", name);
	snprintf(block + 100, 24, "%07o", 0644);
	snprintf(block + 124, 12, "%011o", (unsigned int)size);
	memset(block + 148, ' ', 8);
	block[156] = type;
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	CHECK_INT(write(fd, block, BLOCK), BLOCK);
}

/* The same with one field as it is. */
static void put_field(int fd, size_t at, const void *field, size_t size)
{
	char block[BLOCK];
	unsigned int sum = 0;

	CHECK_INT(pread(fd, block, BLOCK, 0), BLOCK);
	memcpy(block + at, field, size);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	CHECK_INT(pwrite(fd, block, BLOCK, 0), BLOCK);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
}

/* An extended header of these records, and the file that it is of. */
static int archive_of(const char *records)
{
	char block[BLOCK] = "";
	int fd = new_archive();
	size_t size = strlen(records);

	CHECK(size < BLOCK);
	memcpy(block, records, size);
	put_header(fd, 'x', "PaxHeaders/x", size);
	CHECK_INT(write(fd, block, BLOCK), BLOCK);
	put_header(fd, '0', "file", 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static int note_path(void *target, const struct transfer_entry *e, struct err *err)
{
	snprintf(target, TRANSFER_PATH_MAX, "%s", e->path);
	return 0;
}

TEST(a_record_names_the_file)
{
	char path[TRANSFER_PATH_MAX] = "";
	struct err err = ERR_INIT;
	own_fd int fd = archive_of("13 path=long\n12 uid=1000\n");

	CHECK_OK(transfer_read_tar(fd, note_path, path, &err));
	CHECK_STR(path, "long");
}

TEST(a_record_that_is_shorter_than_its_number_is_refused)
{
	static const char *const records[] = {
		"    \n     5 path=xxxxxxxxxxxxxxxxx\n", /* ends before its number */
		"   5\n 5 path=x\n",
		"0000000000000000000005 path=xxxxx\n",
		"5 path=long\n",
		"4 p=\n",
		"0 path=x\n",
		"-1 path=x\n",
		"18446744073709551615 path=x\n",
		"200 path=x\n",
		"12 path",
		"path=x\n",
	};

	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		char path[TRANSFER_PATH_MAX] = "";
		struct err err = ERR_INIT;
		own_fd int fd = archive_of(records[i]);

		CHECK_ERR(transfer_read_tar(fd, note_path, path, &err), ERR_INVALID, "malformed");
		CHECK_STR(path, "");
	}
}

/* memchr(3) would search all of the memory behind it otherwise, and finds this. */
static int note_time(void *target, const struct transfer_entry *e, struct err *err)
{
	*(struct timespec *)target = (struct timespec){.tv_sec = (time_t)e->mtime_s,
						       .tv_nsec = e->mtime_ns};
	return 0;
}

TEST(times_are_exact_and_may_be_before_1970)
{
	static const struct {
		const char *record;
		struct timespec time;
	} times[] = {{"14 mtime=1.25\n", {1, 250000000}},
		     {"15 mtime=-1.25\n", {-2, 750000000}},
		     {"14 mtime=-0.5\n", {-1, 500000000}},
		     {"23 mtime=20000000000.5\n", {20000000000, 500000000}},
		     {"25 mtime=7.0123456789123\n", {7, 12345678}},
		     {"12 mtime=-3\n", {-3, 0}}};

	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		own_fd int fd = archive_of(times[i].record);
		struct timespec time = {0};
		struct err err = ERR_INIT;

		CHECK_OK(transfer_read_tar(fd, note_time, &time, &err));
		CHECK_INT(time.tv_sec, times[i].time.tv_sec);
		CHECK_INT(time.tv_nsec, times[i].time.tv_nsec);
	}
}

TEST(a_time_that_is_none_is_refused)
{
	static const char *const records[] = {"13 mtime=1.x\n", "12 mtime=1e\n", "9 mtime=\n",
					      "30 mtime=99999999999999999999\n"};

	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		own_fd int fd = archive_of(records[i]);
		struct timespec time = {0};
		struct err err = ERR_INIT;

		CHECK(transfer_read_tar(fd, note_time, &time, &err) < 0);
		CHECK(*err.message);
	}
}

TEST(nothing_is_looked_for_behind_a_header)
{
	char path[TRANSFER_PATH_MAX] = "";
	struct err err = ERR_INIT;
	own_fd int fd = archive_of("    \n5 ");

	CHECK_ERR(transfer_read_tar(fd, note_path, path, &err), ERR_INVALID, "malformed");
}

static void check_mode(bool keep_set_id, const char *mode)
{
	const struct transfer_entry e = {.path = "su", .mode = S_IFREG | 06755, .data_fd = -1};
	struct err err = ERR_INIT;
	own_fd int fd = new_archive();
	struct transfer_tar t = {.fd = fd, .keep_set_id = keep_set_id};
	char block[BLOCK];

	CHECK_OK(transfer_tar_put(&t, &e, &err));
	CHECK_INT(pread(fd, block, BLOCK, 0), BLOCK);
	CHECK_STR(block + 100, mode);
}

TEST(set_id_bits_are_written_where_they_shall_be_kept)
{
	check_mode(true, "0006755");
	check_mode(false, "0000755");
}

TEST(what_no_stream_has_is_counted_and_not_written)
{
	static const mode_t kinds[] = {S_IFSOCK, S_IFCHR, S_IFBLK};
	struct transfer_entry e = {.path = "x", .data_fd = -1};
	struct err err = ERR_INIT;
	own_fd int fd = new_archive();
	struct transfer_tar t = {.fd = fd};

	for (size_t i = 0; i < 105; i++) {
		e.mode = kinds[i % 3] | 0600;
		CHECK_OK(transfer_tar_put(&t, &e, &err));
	}
	CHECK_INT(lseek(fd, 0, SEEK_END), 0);
	CHECK_OK(transfer_tar_end(&t, &err));
	CHECK_INT(t.left_out.lines.count, 101);
	CHECK_STR(t.left_out.lines.items[0], "'x' is a socket, and is left out");
	CHECK_STR(t.left_out.lines.items[1], "'x' is a device, and is left out");
	CHECK_STR(t.left_out.lines.items[100], "5 more are left out");
	strv_done(&t.left_out.lines);
}

TEST(attributes_that_mean_something_elsewhere_are_kept)
{
	CHECK(transfer_keeps_xattr("user.note"));
	CHECK(transfer_keeps_xattr("security.capability"));
	CHECK(transfer_keeps_xattr("system.posix_acl_access"));
	CHECK(!transfer_keeps_xattr("security.selinux"));
	CHECK(!transfer_keeps_xattr("trusted.overlay.opaque"));
}

static int note_owner(void *target, const struct transfer_entry *e, struct err *err)
{
	((uint32_t *)target)[0] = e->uid;
	((uint32_t *)target)[1] = e->gid;
	return 0;
}

/* GNU's binary numbers: eight bytes of a size, three of an owner, and no more than what they are kept in. */
TEST(numbers_that_do_not_fit_are_refused)
{
	static const unsigned char large[12] = {0x80, 0, 0, 1},
				   most[8] = {0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
	struct err err = ERR_INIT;
	uint32_t owner[2] = {0};
	own_fd int sized_fd = new_archive();

	put_header(sized_fd, '0', "file", 0);
	put_field(sized_fd, 124, large, sizeof large);
	CHECK_ERR(transfer_read_tar(sized_fd, note_owner, owner, &err), ERR_INVALID, "too large");

	own_fd int owned_fd = new_archive();
	put_header(owned_fd, '0', "file", 0);
	put_field(owned_fd, 108, most, sizeof most);
	err = ERR_INIT;
	CHECK_ERR(transfer_read_tar(owned_fd, note_owner, owner, &err), ERR_INVALID, "owner");

	own_fd int record_fd = archive_of("18 uid=4294967295\n");
	err = ERR_INIT;
	CHECK_ERR(transfer_read_tar(record_fd, note_owner, owner, &err), ERR_INVALID, "owner");
	own_fd int last_fd = archive_of("18 uid=4294967294\n");
	err = ERR_INIT;
	CHECK_OK(transfer_read_tar(last_fd, note_owner, owner, &err));
	CHECK_INT(owner[0], 4294967294);
}

/* In the tree of a container whose range begins there. */
static void check_owner(uint32_t id_base, uint32_t uid, uint32_t gid)
{
	struct transfer_tree tree = {.fd = test_dir(), .name = "", .id_base = id_base};
	struct err err = ERR_INIT;
	uint32_t owner[2] = {7, 7};

	CHECK_OK(transfer_read_tree(&tree, note_owner, owner, &err));
	CHECK_INT(owner[0], uid);
	CHECK_INT(owner[1], gid);
}

TEST(owners_are_as_the_container_has_them_and_others_are_nobody)
{
	uint32_t uid = geteuid(), gid = getegid();

	check_owner(0, uid, gid);
	check_owner(uid + 1, 65534, gid - (uid + 1) < 65536 ? gid - (uid + 1) : 65534);
	check_owner(uid ? uid : 65536, uid ? 0 : 65534, uid && gid >= uid ? gid - uid : 65534);
}

TEST_MAIN()
