/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the ends have in common: which entries and attributes are passed on, and the bytes of a file. Those are
 * moved by the kernel where it can: copy_file_range(2) between files, sendfile(2) into a pipe, splice(2) out
 * of one, and read and write otherwise. Holes are looked for (SEEK_DATA) and stay holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/work.h"
#include "engine/transfer.h"

#define PIECE (UINT64_C(32) << 20) /* some tenths of a second of a slow disk */
#define BUFFER ((size_t)256 << 10)
#define LEFT_OUT_MAX 100

bool transfer_keeps_xattr(const char *name)
{
	return str_starts(name, "user.") || str_eq(name, "security.capability") ||
	       str_starts(name, "system.posix_acl_");
}

int transfer_leave_out(struct transfer_left_out *l, const struct transfer_entry *e, struct err *err)
{
	bool is_socket = S_ISSOCK(e->mode);

	if (!is_socket && !S_ISCHR(e->mode) && !S_ISBLK(e->mode))
		return 0;
	if (l->lines.count >= LEFT_OUT_MAX) {
		l->more++;
		return 1;
	}
	return strv_addf(&l->lines, err, "'%s' is a %s, and is left out", e->path,
			 is_socket ? "socket" : "device") < 0
		       ? -1
		       : 1;
}

int transfer_left_out_end(struct transfer_left_out *l, struct err *err)
{
	return l->more ? strv_addf(&l->lines, err, "%zu more are left out", l->more) : 0;
}

enum way { BY_RANGE, BY_SENDFILE, BY_SPLICE, BY_HAND };

static ssize_t move_some(enum way way, int from_fd, int to_fd, size_t size, char *buffer)
{
	ssize_t n;

	switch (way) {
	case BY_RANGE:
		return copy_file_range(from_fd, NULL, to_fd, NULL, size, 0);
	case BY_SENDFILE:
		return sendfile(to_fd, from_fd, NULL, size);
	case BY_SPLICE:
		return splice(from_fd, NULL, to_fd, NULL, size, SPLICE_F_MOVE);
	case BY_HAND:
		break;
	}
	n = read(from_fd, buffer, size < BUFFER ? size : BUFFER);
	for (ssize_t done = 0, more; n > 0 && done < n; done += more) {
		more = write(to_fd, buffer + done, (size_t)(n - done));
		if (more < 0 && errno == EINTR)
			more = 0;
		else if (more < 0)
			return -1;
	}
	return n;
}

static bool is_other_way_needed(int errnum)
{
	return errnum == EXDEV || errnum == EINVAL || errnum == EOPNOTSUPP || errnum == ENOSYS ||
	       errnum == EBADF || errnum == EPERM || errnum == ETXTBSY;
}

/* 1: all of it; 0: the source has ended before. */
static int move_all(const struct transfer_entry *e, int to_fd, bool to_file, uint64_t size,
		    struct err *err)
{
	enum way way = !e->is_seekable ? BY_SPLICE : to_file ? BY_RANGE : BY_SENDFILE;
	own_free char *buffer = malloc(BUFFER);

	if (!buffer)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot copy '%s'", e->path);
	while (size) {
		ssize_t n = move_some(way, e->data_fd, to_fd, size < PIECE ? size : PIECE, buffer);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && way != BY_HAND && is_other_way_needed(errno)) {
			way = way == BY_RANGE ? BY_SENDFILE : BY_HAND;
			continue;
		}
		if (n < 0)
			return err_errno(err, "cannot copy '%s'", e->path);
		/* Some file systems say so where they only cannot be copied from in this way. */
		if (n == 0 && way == BY_RANGE)
			way = BY_SENDFILE;
		else if (n == 0)
			return 0;
		size -= (uint64_t)n;
		work_note(0, (uint64_t)n);
	}
	return 1;
}

static int fill_up(int to_fd, uint64_t size, struct err *err)
{
	static const char zeros[4096];

	for (; size; size -= size < sizeof zeros ? size : sizeof zeros)
		if (fd_write_all(to_fd, zeros, size < sizeof zeros ? (size_t)size : sizeof zeros,
				 "the archive", err) < 0)
			return -1;
	return 0;
}

/* Data by data, and the size at the end: what is between them are holes. */
static int copy_sparse(const struct transfer_entry *e, int to_fd, struct err *err)
{
	off_t at = 0, end;

	while ((uint64_t)at < e->size && (at = lseek(e->data_fd, at, SEEK_DATA)) >= 0) {
		end = lseek(e->data_fd, at, SEEK_HOLE);
		if (end < 0 || (uint64_t)end > e->size)
			end = (off_t)e->size;
		if (end <= at)
			break;
		if (lseek(e->data_fd, at, SEEK_SET) < 0 || lseek(to_fd, at, SEEK_SET) < 0)
			return err_errno(err, "cannot copy '%s'", e->path);
		if (move_all(e, to_fd, true, (uint64_t)(end - at), err) < 0)
			return -1;
		at = end;
	}
	if (at < 0 && errno != ENXIO) /* which is that the rest is a hole */
		return err_errno(err, "cannot copy '%s'", e->path);
	return ftruncate(to_fd, (off_t)e->size) < 0 ? err_errno(err, "cannot copy '%s'", e->path)
						    : 0;
}

static int copy_plain(const struct transfer_entry *e, int to_fd, bool to_file, struct err *err)
{
	off_t before = e->is_seekable ? lseek(e->data_fd, 0, SEEK_CUR) : 0;
	int moved = move_all(e, to_fd, to_file, e->size, err);
	uint64_t done;

	if (moved)
		return moved < 0 ? -1 : 0;
	if (!e->is_seekable)
		return err_set(err, ERR_INVALID, 0, "the archive ends in the middle of '%s'",
			       e->path);
	done = (uint64_t)(lseek(e->data_fd, 0, SEEK_CUR) - before);
	return fill_up(to_fd, e->size - done, err);
}

int transfer_data(const struct transfer_entry *e, int to_fd, bool to_file, struct err *err)
{
	if (to_file && e->is_seekable && lseek(e->data_fd, 0, SEEK_DATA) >= 0)
		return copy_sparse(e, to_fd, err);
	if (to_file && e->is_seekable && errno == ENXIO) /* nothing but a hole */
		return ftruncate(to_fd, (off_t)e->size) < 0
			       ? err_errno(err, "cannot copy '%s'", e->path)
			       : 0;
	return copy_plain(e, to_fd, to_file, err);
}
