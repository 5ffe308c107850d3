/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tar streams: ustar headers, and an extended one (pax, POSIX.1-2001) where something does not fit. What is
 * read may have been written by anybody: numbers, lengths and names are checked, what is skipped is
 * bounded, and a path has no "..". What an entry's path then leads to is base/path's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/own.h"
#include "base/work.h"
#include "engine/transfer.h"

#define BLOCK 512u
#define EXTENDED_MAX ((size_t)1 << 20)
#define OCTAL_SIZE_MAX (UINT64_C(8) << 30) /* eleven octal digits */
#define OCTAL_ID_MAX 2097152u		   /* seven */
#define NS_PER_S 1000000000u
#define XATTRS_MAX 64
#define XATTR_PREFIX "SCHILY.xattr."

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100],
		magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static uint32_t header_sum(const struct header *h)
{
	const unsigned char *bytes = (const unsigned char *)h;
	size_t at = offsetof(struct header, sum);
	uint32_t sum = 8 * ' ';

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= at && i < at + sizeof h->sum ? 0 : bytes[i];
	return sum;
}

/* ---- writing ---- */

static void put_octal(char *field, size_t size, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%0*" PRIo64, (int)size - 1, value);
	memcpy(field, text, size - 1);
	field[size - 1] = '\0';
}

static char type_of(const struct transfer_entry *e)
{
	switch (e->mode & S_IFMT) {
	case S_IFDIR:
		return '5';
	case S_IFLNK:
		return '2';
	case S_IFIFO:
		return '6';
	default:
		return e->hard_link ? '1' : '0';
	}
}

static int write_header(int fd, struct header *h, struct err *err)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	snprintf(h->sum, sizeof h->sum, "%06o", header_sum(h));
	h->sum[7] = ' ';
	return fd_write_all(fd, h, BLOCK, "the archive", err);
}

static int pad(int fd, uint64_t size, struct err *err)
{
	static const char zeros[BLOCK];
	size_t rest = (size_t)(size % BLOCK);

	return rest ? fd_write_all(fd, zeros, BLOCK - rest, "the archive", err) : 0;
}

/* "LENGTH KEY=VALUE\n", where the length counts itself. */
static void add_record(struct str *out, const char *key, const void *value, size_t size)
{
	size_t rest = strlen(key) + size + 3, length = rest + 1;
	char digits[24];

	while (length != rest + (size_t)snprintf(digits, sizeof digits, "%zu", length))
		length = rest + strlen(digits);
	str_addf(out, "%zu %s=", length, key);
	str_add_len(out, value, size);
	str_add_char(out, '\n');
}

static void add_number(struct str *out, const char *key, uint64_t value)
{
	char text[24];

	add_record(out, key, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, value));
}

static bool has_plain_time(const struct transfer_entry *e)
{
	return !e->mtime_ns && e->mtime_s >= 0 && (uint64_t)e->mtime_s < OCTAL_SIZE_MAX;
}

/* Seconds and their fraction as one decimal number: -1.25 is 1.25 s before 1970, here -2 s and 0.75 s. */
static void add_time(struct str *out, const struct transfer_entry *e)
{
	bool before = e->mtime_s < 0 && e->mtime_ns;
	int64_t seconds = e->mtime_s + before;
	uint32_t ns = before ? NS_PER_S - e->mtime_ns : e->mtime_ns;
	char text[40];

	snprintf(text, sizeof text, "%s%" PRId64 ".%09" PRIu32, before && !seconds ? "-" : "",
		 seconds, ns);
	add_record(out, "mtime", text, strlen(text));
}

static void add_xattrs(struct str *out, const struct transfer_entry *e)
{
	for (size_t i = 0; i < e->xattr_count; i++) {
		char key[300];

		snprintf(key, sizeof key, XATTR_PREFIX "%s", e->xattrs[i].name);
		add_record(out, key, e->xattrs[i].value, e->xattrs[i].size);
	}
}

static int write_extended(int fd, const struct transfer_entry *e, const char *path, struct err *err)
{
	own(str) struct str text = STR_INIT(EXTENDED_MAX);
	struct header h = {.type = 'x'};

	if (strlen(path) > sizeof h.name)
		add_record(&text, "path", path, strlen(path));
	if (e->link && strlen(e->link) > sizeof h.link)
		add_record(&text, "linkpath", e->link, strlen(e->link));
	if (e->size >= OCTAL_SIZE_MAX)
		add_number(&text, "size", e->size);
	if (e->uid >= OCTAL_ID_MAX)
		add_number(&text, "uid", e->uid);
	if (e->gid >= OCTAL_ID_MAX)
		add_number(&text, "gid", e->gid);
	if (!has_plain_time(e))
		add_time(&text, e);
	add_xattrs(&text, e);
	if (str_check(&text, "the header of a file", err) < 0)
		return -1;
	if (!text.len)
		return 0;
	snprintf(h.name, sizeof h.name, "PaxHeaders/%.80s", path);
	put_octal(h.mode, sizeof h.mode, 0644);
	put_octal(h.size, sizeof h.size, text.len);
	put_octal(h.mtime, sizeof h.mtime, 0);
	if (write_header(fd, &h, err) < 0 ||
	    fd_write_all(fd, text.data, text.len, "the archive", err) < 0)
		return -1;
	return pad(fd, text.len, err);
}

/* Not a string where it fills the field. */
static void put_text(char *field, size_t size, const char *text)
{
	memcpy(field, text, strnlen(text, size));
}

int transfer_tar_put(void *target, const struct transfer_entry *e, struct err *err)
{
	struct transfer_tar *t = target;
	bool is_directory = S_ISDIR(e->mode), is_file = S_ISREG(e->mode) && !e->hard_link;
	struct header h = {.type = type_of(e)};
	char path[TRANSFER_PATH_MAX + 2];

	work_note(1, 0);
	int left_out = transfer_leave_out(&t->left_out, e, err);
	if (left_out)
		return left_out < 0 ? -1 : 0;
	snprintf(path, sizeof path, "%s%s", *e->path ? e->path : ".", is_directory ? "/" : "");
	if (write_extended(t->fd, e, path, err) < 0)
		return -1;
	put_text(h.name, sizeof h.name, path);
	if (e->link)
		put_text(h.link, sizeof h.link, e->link);
	put_octal(h.mode, sizeof h.mode, e->mode & (t->keep_set_id ? 07777 : 01777));
	put_octal(h.uid, sizeof h.uid, e->uid < OCTAL_ID_MAX ? e->uid : 0);
	put_octal(h.gid, sizeof h.gid, e->gid < OCTAL_ID_MAX ? e->gid : 0);
	put_octal(h.size, sizeof h.size, is_file && e->size < OCTAL_SIZE_MAX ? e->size : 0);
	put_octal(h.mtime, sizeof h.mtime,
		  e->mtime_s > 0 && (uint64_t)e->mtime_s < OCTAL_SIZE_MAX ? (uint64_t)e->mtime_s
									  : 0);
	if (write_header(t->fd, &h, err) < 0)
		return -1;
	if (!is_file)
		return 0;
	return transfer_data(e, t->fd, false, err) < 0 ? -1 : pad(t->fd, e->size, err);
}

int transfer_tar_end(struct transfer_tar *t, struct err *err)
{
	static const char zeros[2 * BLOCK];

	if (transfer_left_out_end(&t->left_out, err) < 0)
		return -1;
	return fd_write_all(t->fd, zeros, sizeof zeros, "the archive", err);
}

/* ---- reading ---- */

struct reading {
	int fd;
	/* of extended headers, for the next entry */
	char *path, *link;
	bool has_size, has_uid, has_gid, has_mtime;
	uint64_t size, uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	struct transfer_xattr xattrs[XATTRS_MAX];
	size_t xattr_count;
};

static void forget_extended(struct reading *r)
{
	free(r->path);
	free(r->link);
	for (size_t i = 0; i < r->xattr_count; i++) {
		free(r->xattrs[i].name);
		free(r->xattrs[i].value);
	}
	*r = (struct reading){.fd = r->fd};
}

static int damaged(struct err *err, const char *why)
{
	err_set(err, ERR_INVALID, 0, "the archive cannot be read: %s", why);
	return err_hint(err, "it is read as tar, not compressed");
}

/* Bytes read: all, or 0 at its end. */
static ssize_t read_block(int fd, void *data, size_t size, struct err *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot read the archive");
		if (n == 0)
			return done ? damaged(err, "it ends in the middle") : 0;
		done += (size_t)n;
	}
	return (ssize_t)size;
}

static int skip(int fd, uint64_t size, struct err *err)
{
	char block[4096];

	while (size) {
		size_t piece = size < sizeof block ? (size_t)size : sizeof block;
		ssize_t n = read_block(fd, block, piece, err);

		if (n <= 0)
			return n < 0 ? -1 : damaged(err, "it ends in the middle");
		size -= piece;
	}
	return 0;
}

static uint64_t padding(uint64_t size)
{
	return (BLOCK - size % BLOCK) % BLOCK;
}

/* Octal digits between blanks, or GNU's binary numbers with the first bit set. */
static int take_number(const char *field, size_t size, uint64_t *ret, struct err *err)
{
	const unsigned char *p = (const unsigned char *)field;
	uint64_t value = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		for (i = 0; i < size; i++) {
			if (value >> 56)
				return damaged(err, "a number in it is too large");
			value = value << 8 | (i ? p[i] : p[i] & 0x7f);
		}
		*ret = value;
		return 0;
	}
	while (i < size && p[i] == ' ')
		i++;
	for (; i < size && p[i] >= '0' && p[i] <= '7'; i++)
		value = value << 3 | (p[i] - '0');
	if (i < size && p[i] && p[i] != ' ')
		return damaged(err, "a number in it is none");
	*ret = value;
	return 0;
}

static int read_text(struct reading *r, uint64_t size, char **ret, struct err *err)
{
	own_free char *text = size <= EXTENDED_MAX ? malloc((size_t)size + 1) : NULL;

	if (!text)
		return damaged(err, "an extended header is too long");
	if (read_block(r->fd, text, (size_t)size, err) < (ssize_t)size)
		return err->kind ? -1 : damaged(err, "it ends in the middle");
	text[size] = '\0';
	if (skip(r->fd, padding(size), err) < 0)
		return -1;
	*ret = take(text);
	return 0;
}

static int take_text(char **slot, const char *text, size_t size, struct err *err)
{
	if (memchr(text, '\0', size) || size >= TRANSFER_PATH_MAX)
		return damaged(err, "a name in it is none");
	free(*slot);
	*slot = str_dup_len(text, size, err);
	return *slot ? 0 : -1;
}

static int take_xattr(struct reading *r, const char *name, const char *value, size_t size,
		      struct err *err)
{
	struct transfer_xattr *x = &r->xattrs[r->xattr_count];

	if (!transfer_keeps_xattr(name))
		return 0;
	if (r->xattr_count == XATTRS_MAX)
		return damaged(err, "a file in it has too many attributes");
	*x = (struct transfer_xattr){
		.name = str_dup(name, err), .value = malloc(size + 1), .size = size};
	r->xattr_count++;
	if (!x->name || !x->value)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the archive");
	memcpy(x->value, value, size);
	return 0;
}

/* "-1.25": digits beyond nanoseconds are cut off. */
static int take_time(struct reading *r, const char *value, size_t size, struct err *err)
{
	own_free char *text = str_dup_len(value, size, err);
	char *fraction = text ? strchr(text, '.') : NULL;
	uint32_t ns = 0, unit = NS_PER_S / 10;

	if (!text)
		return -1;
	if (fraction)
		*fraction++ = '\0';
	if (str_to_i64(text, INT64_MIN + 1, INT64_MAX, "mtime", &r->mtime_s, err) < 0)
		return -1;
	for (; fraction && *fraction; fraction++, unit /= 10) {
		if (*fraction < '0' || *fraction > '9')
			return damaged(err, "a time in it is none");
		ns += (uint32_t)(*fraction - '0') * unit;
	}
	if (*text == '-' && ns) {
		r->mtime_s--;
		ns = NS_PER_S - ns;
	}
	r->mtime_ns = ns;
	r->has_mtime = true;
	return 0;
}

static int take_record(struct reading *r, const char *key, const char *value, size_t size,
		       struct err *err)
{
	const struct {
		const char *key;
		uint64_t *slot;
		bool *has;
	} numbers[] = {{"size", &r->size, &r->has_size},
		       {"uid", &r->uid, &r->has_uid},
		       {"gid", &r->gid, &r->has_gid}};

	if (str_eq(key, "path"))
		return take_text(&r->path, value, size, err);
	if (str_eq(key, "linkpath"))
		return take_text(&r->link, value, size, err);
	if (str_eq(key, "mtime"))
		return take_time(r, value, size, err);
	if (str_starts(key, "GNU.sparse."))
		return damaged(err, "it has files in GNU's sparse form");
	if (str_starts(key, XATTR_PREFIX))
		return take_xattr(r, key + strlen(XATTR_PREFIX), value, size, err);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		own_free char *text = str_eq(key, numbers[i].key) ? str_dup_len(value, size, err)
								  : NULL;

		if (!text)
			continue;
		if (str_to_u64(text, 0, INT64_MAX, key, numbers[i].slot, err) < 0)
			return -1;
		*numbers[i].has = true;
	}
	return 0;
}

static int take_extended(struct reading *r, uint64_t size, struct err *err)
{
	own_free char *text = NULL;
	char *at, *end;

	if (read_text(r, size, &text, err) < 0)
		return -1;
	for (at = text, end = text + size; at < end;) {
		char *blank;
		unsigned long length = strtoul(at, &blank, 10);
		char *equals = *blank == ' ' && length > (size_t)(blank - at) &&
					       length <= (size_t)(end - at)
				       ? memchr(blank, '=', length - (size_t)(blank - at))
				       : NULL;

		if (!equals || length < 5 || at[length - 1] != '\n' || equals <= blank)
			return damaged(err, "an extended header is malformed");
		*equals = '\0';
		if (take_record(r, blank + 1, equals + 1, (size_t)(at + length - 1 - (equals + 1)),
				err) < 0)
			return -1;
		at += length;
	}
	return 0;
}

static int take_long_name(struct reading *r, uint64_t size, char **slot, struct err *err)
{
	own_free char *text = NULL;

	if (size > TRANSFER_PATH_MAX)
		return damaged(err, "a name in it is too long");
	if (read_text(r, size, &text, err) < 0)
		return -1;
	return take_text(slot, text, strlen(text), err);
}

/* "./a//b/" becomes "a/b". An absolute one begins at the target, as with tar. */
static int clean(const char *path, char *ret, struct err *err)
{
	size_t out = 0;

	while (*path) {
		size_t size = strcspn(path, "/");

		if (size == 2 && path[0] == '.' && path[1] == '.')
			return damaged(err, "a path in it has '..'");
		if (size && !(size == 1 && *path == '.')) {
			if (out + size + 2 > TRANSFER_PATH_MAX)
				return damaged(err, "a path in it is too long");
			if (out)
				ret[out++] = '/';
			memcpy(ret + out, path, size);
			out += size;
		}
		path += size + (path[size] == '/');
	}
	ret[out] = '\0';
	return 0;
}

static mode_t mode_of(char type)
{
	switch (type) {
	case '0':
	case '\0':
	case '7':
	case '1':
		return S_IFREG;
	case '2':
		return S_IFLNK;
	case '3':
		return S_IFCHR;
	case '4':
		return S_IFBLK;
	case '5':
		return S_IFDIR;
	case '6':
		return S_IFIFO;
	default:
		return 0;
	}
}

static int take_names(struct reading *r, const struct header *h, char *path, char *link,
		      struct err *err)
{
	char name[sizeof h->prefix + sizeof h->name + 2], target[sizeof h->link + 1];
	bool prefixed = memcmp(h->magic, "ustar\0", 6) == 0 && h->prefix[0];

	snprintf(name, sizeof name, "%.*s%s%.*s", prefixed ? (int)sizeof h->prefix : 0, h->prefix,
		 prefixed ? "/" : "", (int)sizeof h->name, h->name);
	snprintf(target, sizeof target, "%.*s", (int)sizeof h->link, h->link);
	if (clean(r->path ? r->path : name, path, err) < 0)
		return -1;
	if (h->type == '1')
		return clean(r->link ? r->link : target, link, err);
	snprintf(link, TRANSFER_PATH_MAX, "%s", r->link ? r->link : target);
	return 0;
}

static int tell(struct reading *r, const struct header *h, uint64_t size, transfer_put_fn *put,
		void *target, struct err *err)
{
	char path[TRANSFER_PATH_MAX], link[TRANSFER_PATH_MAX];
	uint64_t mode, uid, gid, mtime;

	if (take_number(h->mode, sizeof h->mode, &mode, err) < 0 ||
	    take_number(h->uid, sizeof h->uid, &uid, err) < 0 ||
	    take_number(h->gid, sizeof h->gid, &gid, err) < 0 ||
	    take_number(h->mtime, sizeof h->mtime, &mtime, err) < 0 ||
	    take_names(r, h, path, link, err) < 0)
		return -1;
	uid = r->has_uid ? r->uid : uid;
	gid = r->has_gid ? r->gid : gid;
	if (uid >= UINT32_MAX || gid >= UINT32_MAX)
		return damaged(err, "an owner in it is none");
	bool file = S_ISREG(mode_of(h->type)) && h->type != '1';
	const struct transfer_entry e = {.path = path,
					 .mode = mode_of(h->type) | (mode & 07777),
					 .uid = (uint32_t)uid,
					 .gid = (uint32_t)gid,
					 .mtime_s = r->has_mtime ? r->mtime_s
								 : (int64_t)(mtime & INT64_MAX),
					 .mtime_ns = r->mtime_ns,
					 .size = file ? size : 0,
					 .link = *link ? link : NULL,
					 .hard_link = h->type == '1',
					 .data_fd = r->fd,
					 .xattrs = r->xattrs,
					 .xattr_count = r->xattr_count};
	if (h->type == '1' || h->type == '2')
		if (!e.link)
			return damaged(err, "a link in it leads nowhere");
	if (put(target, &e, err) < 0)
		return -1;
	return skip(r->fd, file ? padding(size) : size + padding(size), err);
}

/* 1: an entry, or what belongs to the next one; 0: the end. */
static int read_entry(struct reading *r, transfer_put_fn *put, void *target, struct err *err)
{
	static const char zeros[BLOCK];
	struct header h;
	uint64_t sum, size;
	ssize_t n = read_block(r->fd, &h, sizeof h, err);

	if (n <= 0)
		return (int)n;
	if (memcmp(&h, zeros, sizeof h) == 0)
		return 0;
	if (take_number(h.sum, sizeof h.sum, &sum, err) < 0)
		return -1;
	if (sum != header_sum(&h))
		return damaged(err, "a header is damaged, or it is no tar archive");
	if (take_number(h.size, sizeof h.size, &size, err) < 0)
		return -1;
	switch (h.type) {
	case 'x':
		return take_extended(r, size, err) < 0 ? -1 : 1;
	case 'L':
		return take_long_name(r, size, &r->path, err) < 0 ? -1 : 1;
	case 'K':
		return take_long_name(r, size, &r->link, err) < 0 ? -1 : 1;
	case 'g':
		return skip(r->fd, size + padding(size), err) < 0 ? -1 : 1;
	}
	if (r->has_size)
		size = r->size;
	if (size > INT64_MAX - BLOCK)
		return damaged(err, "a size in it is none");
	if (!mode_of(h.type))
		return damaged(err, "an entry is of an unknown type");
	int status = tell(r, &h, size, put, target, err);
	forget_extended(r);
	return status < 0 ? -1 : 1;
}

int transfer_read_tar(int fd, transfer_put_fn *put, void *target, struct err *err)
{
	own_free struct reading *r = calloc(1, sizeof *r);
	char rest[16384];
	int more, blocks = 0;

	if (!r)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the archive");
	r->fd = fd;
	while ((more = read_entry(r, put, target, err)) > 0)
		;
	forget_extended(r);
	/* What follows its end is padding, which whoever writes it may still be writing. */
	while (more == 0 && blocks++ < 64 && read(fd, rest, sizeof rest) > 0)
		;
	return more;
}
