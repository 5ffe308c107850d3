/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: bytes as the file of a secret. Where the first byte is odd, the checksums of its lines are made right, so
 * that what lies behind them is reached.
 *
 * What must hold: what is read has a name, an id and a value of a size that a secret can have; written, it is read
 * as the same. A refusal has a message of one line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/secret_format.h"
#include "engine/store_private.h"
#include "must.h"

static char directory[] = "/tmp/insula-fuzz.XXXXXX";

static void remove_directory(void)
{
	rmdir(directory);
}

static int open_directory(void)
{
	static int fd = -1;

	if (fd >= 0)
		return fd;
	MUST(mkdtemp(directory));
	MUST(atexit(remove_directory) == 0);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

static void right_sums(const char *data, size_t size, struct str *ret)
{
	for (const char *end; size && (end = memchr(data, '\n', size));) {
		size_t length = (size_t)(end - data);

		str_add_len(ret, data, length);
		if (length)
			store_add_sum(ret);
		str_add_char(ret, '\n');
		data = end + 1;
		size -= length + 1;
	}
	str_add_len(ret, data, size);
}

static int read_text(const struct str *text, struct secret *head, struct secret_value *value,
		     struct err *err)
{
	int dir_fd = open_directory();
	struct err ignored = ERR_INIT;
	int status;

	MUST(file_write_atomic(dir_fd, "s", text->data ? text->data : "", text->len, 0600, false,
			       &ignored) == 0);
	status = secret_read_head(dir_fd, "s", head, err);
	if (status == 0)
		status = secret_read_value(dir_fd, "s", value, err);
	MUST(unlinkat(dir_fd, "s", 0) == 0);
	return status;
}

static void compare(const struct secret *head, const struct secret_value *value)
{
	own(str) struct str text = STR_INIT(SECRET_DOCUMENT_MAX);
	own(secret) struct secret head2 = {0};
	own(secret_value) struct secret_value value2 = {0};
	struct err err = ERR_INIT;

	MUST(secret_compose(head, value, &text, &err) == 0);
	MUST(read_text(&text, &head2, &value2, &err) == 0);
	MUST(str_eq(head->id, head2.id) && str_eq(head->name, head2.name));
	MUST(value->size == value2.size && memcmp(value->data, value2.data, value->size) == 0);
	MUST(head->labels.count == head2.labels.count && head->created_ns == head2.created_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(str) struct str text = STR_INIT(SECRET_DOCUMENT_MAX);
	own(secret) struct secret head = {0};
	own(secret_value) struct secret_value value = {0};
	struct err err = ERR_INIT;

	if (size < 1 || size > SECRET_DOCUMENT_MAX / 2)
		return 0;
	if (data[0] & 1)
		right_sums((const char *)data + 1, size - 1, &text);
	else
		str_add_len(&text, (const char *)data + 1, size - 1);
	if (text.failed)
		return 0;
	if (read_text(&text, &head, &value, &err) < 0) {
		MUST(*err.message && !str_has_control(err.message));
		return 0;
	}
	MUST(head.id && head.name && head.version == 1);
	MUST(value.size > 0 && value.size <= SECRET_SIZE_MAX && value.size == head.size);
	MUST(value.data[value.size] == '\0');
	compare(&head, &value);
	return 0;
}
