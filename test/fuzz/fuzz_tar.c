/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: bytes as a tar stream that a stranger wrote. Where the first byte is odd, the sums of the headers
 * are made right, so that what lies behind them is reached.
 *
 * What must hold: every path is below the target and has no ".."; types are those that a tree can have; a
 * link has a destination; owners and times are within what the kernel takes; attributes have names. What
 * was read can be written, and what was written is read as the same. A refusal has a message of one line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/transfer.h"
#include "must.h"

#define BLOCK 512
#define SUM_AT 148
#define SUM_SIZE 8
#define MAGIC_AT 257

/* What was told of entries, as one number and their count. */
struct told {
	struct transfer_tar copy;
	uint64_t sum;
	size_t count;
};

static int new_file(void)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);

	MUST(fd >= 0);
	return fd;
}

static void mix(struct told *t, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		t->sum = (t->sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static bool goes_up(const char *path)
{
	for (const char *at = path; *at;) {
		size_t length = strcspn(at, "/");

		if (length == 2 && memcmp(at, "..", 2) == 0)
			return true;
		at += length + (at[length] == '/');
	}
	return false;
}

static void check_entry(const struct transfer_entry *e)
{
	mode_t type = e->mode & S_IFMT;

	MUST(e->path && e->path[0] != '/' && !goes_up(e->path));
	MUST(strlen(e->path) < TRANSFER_PATH_MAX);
	MUST(e->hard_link || type == S_IFREG || type == S_IFDIR || type == S_IFLNK ||
	     type == S_IFIFO || type == S_IFCHR || type == S_IFBLK);
	MUST((e->hard_link || type == S_IFLNK) ? e->link && *e->link : true);
	MUST(e->mtime_ns < 1000000000u);
	MUST(!e->hard_link || (e->link[0] != '/' && !goes_up(e->link)));
	for (size_t i = 0; i < e->xattr_count; i++)
		MUST(e->xattrs[i].name && *e->xattrs[i].name);
}

/* What nobody copies is read all the same: it stands before the next header. */
static int pass_over(const struct transfer_entry *e, struct err *err)
{
	own_fd int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	MUST(fd >= 0);
	return S_ISREG(e->mode) && !e->hard_link ? transfer_data(e, fd, false, err) : 0;
}

static int note(void *target, const struct transfer_entry *e, struct err *err)
{
	struct told *t = target;

	check_entry(e);
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		return 0; /* not written */
	t->count++;
	mix(t, e->path, strlen(e->path));
	mix(t, &e->mode, sizeof e->mode);
	mix(t, &e->uid, sizeof e->uid);
	mix(t, &e->gid, sizeof e->gid);
	mix(t, &e->mtime_s, sizeof e->mtime_s);
	mix(t, &e->mtime_ns, sizeof e->mtime_ns);
	mix(t, &e->size, sizeof e->size);
	if (e->link)
		mix(t, e->link, strlen(e->link));
	for (size_t i = 0; i < e->xattr_count; i++) {
		mix(t, e->xattrs[i].name, strlen(e->xattrs[i].name));
		mix(t, e->xattrs[i].value, e->xattrs[i].size);
	}
	return t->copy.fd >= 0 ? transfer_tar_put(&t->copy, e, err) : pass_over(e, err);
}

static void right_sums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		uint8_t *header = data + at;
		unsigned int sum = SUM_SIZE * ' ';
		char text[SUM_SIZE];

		if (memcmp(header + MAGIC_AT, "ustar", 5) != 0)
			continue;
		for (size_t i = 0; i < BLOCK; i++)
			sum += i >= SUM_AT && i < SUM_AT + SUM_SIZE ? 0 : header[i];
		snprintf(text, sizeof text, "%06o", sum);
		memcpy(header + SUM_AT, text, sizeof text);
	}
}

/* A stream that was read is written and read again. */
static void compare(struct told *first)
{
	struct told second = {.copy = {.fd = -1}};
	struct err err = ERR_INIT;

	MUST(transfer_tar_end(&first->copy, &err) == 0);
	MUST(lseek(first->copy.fd, 0, SEEK_SET) == 0);
	MUST(transfer_read_tar(first->copy.fd, note, &second, &err) == 0);
	MUST(first->count == second.count && first->sum == second.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_fd int fd = new_file(), copy_fd = new_file();
	struct told told = {.copy = {.fd = copy_fd, .keep_set_id = true}};
	struct err err = ERR_INIT;
	own_free uint8_t *bytes = NULL;

	if (size < 1)
		return 0;
	bytes = malloc(size);
	MUST(bytes);
	memcpy(bytes, data + 1, size - 1);
	if (data[0] & 1)
		right_sums(bytes, size - 1);
	MUST(write(fd, bytes, size - 1) == (ssize_t)size - 1);
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	if (transfer_read_tar(fd, note, &told, &err) == 0)
		compare(&told);
	else
		MUST(*err.message && !str_has_control(err.message));
	return 0;
}
