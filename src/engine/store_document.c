/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of the store that describe a container: JSON objects, one a line, each with a checksum.
 *
 * A line is a document of its own, so a reader that wants the first one reads no further: this is how `ps`
 * can list a container by a record that holds its whole specification as well, without a second
 * file that could say something else.
 *
 * A flipped bit can leave JSON that is as valid as before and says another limit, so the last member of
 * each object is a checksum over what stands before it ("sum": Fletcher-64 of the text, as 16 hex
 * digits): found with no parser, and passed over by programs that only want to read. It guards against
 * disks and editors. Who may write here may compute it, too.
 *
 * The keeper writes exit.json this way, so nothing here knows a specification.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"

#define SUM_LENGTH 25u /* of "sum" with its value and the brace; a comma stands before it */
#define CHUNK 4096u

/* Fletcher-64: sums modulo 2^32 - 1 of the 32-bit words, and of those sums. */
static uint64_t checksum(const char *text, size_t size)
{
	enum { BLOCK = 92679 }; /* words until the sums of sums might overflow */
	uint64_t low = 0, high = 0;

	while (size >= 4) {
		size_t words = size / 4 < BLOCK ? size / 4 : BLOCK;

		for (size_t i = 0; i < words; i++, text += 4) {
			uint32_t value;

			memcpy(&value, text, 4);
			low += value;
			high += low;
		}
		size -= 4 * words;
		low %= UINT32_MAX;
		high %= UINT32_MAX;
	}
	uint32_t last = 0;
	memcpy(&last, text, size);
	low += last;
	high += low;
	return high % UINT32_MAX << 32 | low % UINT32_MAX;
}

/* "sum":"0123456789abcdef"} */
static void write_sum(uint64_t sum, char ret[static SUM_LENGTH + 1])
{
	char *end = stpcpy(ret, "\"sum\":\"");

	for (int shift = 60; shift >= 0; shift -= 4)
		*end++ = "0123456789abcdef"[sum >> shift & 15];
	stpcpy(end, "\"}");
}

void store_add_sum(struct str *text)
{
	const char *before = text->len ? memrchr(text->data, '\n', text->len) : NULL;
	const char *line = before ? before + 1 : text->data;
	char sum[SUM_LENGTH + 1];

	if (text->failed || text->data + text->len == line)
		return;
	text->data[text->len - 1] = ','; /* in place of '}' */
	write_sum(checksum(line, (size_t)(text->data + text->len - line)), sum);
	str_add(text, sum);
}

/* Is it an object with its sum? */
static bool is_whole(const char *text, size_t size)
{
	char sum[SUM_LENGTH + 1];

	if (size <= SUM_LENGTH)
		return false;
	write_sum(checksum(text, size - SUM_LENGTH), sum);
	return memcmp(sum, text + size - SUM_LENGTH, SUM_LENGTH) == 0;
}

int store_compose(const char *name, const struct store_part *parts, size_t count, struct str *ret,
		  struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct json_writer w;

		json_writer_init(&w, ret, 0);
		json_write_struct(&w, parts[i].fields, parts[i].data);
		store_add_sum(ret);
		str_add_char(ret, '\n');
	}
	return str_check(ret, name, err);
}

int store_write_document(int dir_fd, const char *name, const struct store_part *parts, size_t count,
			 size_t limit, bool sync, struct err *err)
{
	own(str) struct str text = STR_INIT(limit);

	if (store_compose(name, parts, count, &text, err) < 0)
		return -1;
	return file_write_atomic(dir_fd, name, text.data, text.len, 0600, sync, err);
}

/* Text until it has that many lines, or until the end. */
static int read_lines(int fd, unsigned int lines, struct str *text, struct err *err)
{
	char chunk[CHUNK];
	ssize_t n;

	do {
		n = read(fd, chunk, sizeof chunk);
		if (n < 0)
			return -1;
		for (const char *p = chunk; lines && (p = memchr(p, '\n', (size_t)(chunk + n - p)));
		     p++)
			lines--;
		str_add_len(text, chunk, (size_t)n);
	} while (lines && n > 0 && !text->failed);
	return 0;
}

static int damaged(const char *name, const char *why, struct err *err)
{
	return err_set(err, ERR_CORRUPT, 0, "%s: %s", name, why);
}

int store_bind_line(const char *line, size_t size, const char *name, const struct store_part *part,
		    struct err *err)
{
	if (!is_whole(line, size))
		return damaged(name, "it is cut short, or was changed: its checksum is wrong", err);
	own_json struct json *doc = json_parse(line, size, name, err);
	int status = doc ? json_bind(doc, 0, part->fields, JSON_UNKNOWN_ALLOW, part->data, err)
			 : -1;

	if (status < 0 && err->kind != ERR_LIMIT)
		err->kind = ERR_CORRUPT;
	return status;
}

static int bind_lines(const struct str *text, const char *name, unsigned int first,
		      const struct store_part *parts, size_t count, struct err *err)
{
	const char *line = text->data;

	for (size_t i = 0; i < first + count; i++) {
		const char *end = strchr(line, '\n');

		if (!end)
			return damaged(name, "it is cut short", err);
		if (i >= first &&
		    store_bind_line(line, (size_t)(end - line), name, &parts[i - first], err) < 0)
			return -1;
		line = end + 1;
	}
	return 0;
}

int store_read_open(int fd, const char *name, unsigned int first, const struct store_part *parts,
		    size_t count, size_t limit, struct err *err)
{
	own(str) struct str text = STR_INIT(limit);

	if (read_lines(fd, first + (unsigned int)count, &text, err) < 0)
		return err_errno(err, "cannot read '%s'", name);
	if (text.failed)
		return damaged(name, "it is too large", err);
	return bind_lines(&text, name, first, parts, count, err);
}

int store_read_document(int dir_fd, const char *name, unsigned int first,
			const struct store_part *parts, size_t count, size_t limit, struct err *err)
{
	own_fd int fd = openat(dir_fd, name,
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		return damaged(name, "it is a symbolic link", err);
	if (fd < 0)
		return err_errno(err, "cannot read '%s'", name);
	return store_read_open(fd, name, first, parts, count, limit, err);
}
