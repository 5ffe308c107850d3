/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of a secret: two lines, as records have, each with its checksum: what may be shown, and the value, as hex
 * digits, since a value is bytes and JSON is text. A list reads no further than the first; a value is read with it, from
 * the same file, and has the size that it says.
 *
 * What we make of a value is overwritten before it is released; what the parser of the file held is not.
 */
#include "engine/secret_format.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/store_private.h"

#define HEAD_MAX (256u << 10)

struct secret_part {
	char *value;
};

static const struct json_field head_fields[] = {
	{.key = "version",
	 .kind = JSON_F_INT,
	 .offset = offsetof(struct secret, version),
	 .required = true,
	 .min = 1,
	 .max = 1},
	{.key = "id",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct secret, id),
	 .required = true},
	{.key = "name",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct secret, name),
	 .required = true},
	{.key = "created_ns", .kind = JSON_F_I64, .offset = offsetof(struct secret, created_ns)},
	{.key = "updated_ns", .kind = JSON_F_I64, .offset = offsetof(struct secret, updated_ns)},
	{.key = "labels", .kind = JSON_F_STRINGS, .offset = offsetof(struct secret, labels)},
	{.key = "size", .kind = JSON_F_U64, .offset = offsetof(struct secret, size)},
	{0},
};

static const struct json_field value_fields[] = {
	{.key = "value",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct secret_part, value),
	 .required = true},
	{0},
};

void secret_done(struct secret *s)
{
	json_bind_done(head_fields, s);
}

static void forget(char *data, size_t size)
{
	if (data)
		explicit_bzero(data, size);
	free(data);
}

void secret_value_done(struct secret_value *v)
{
	forget(v->data, v->size);
	*v = (struct secret_value){0};
}

static char *to_hex(const struct secret_value *value, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * value->size + 1);

	if (!text) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot keep the secret");
		return NULL;
	}
	for (size_t i = 0; i < value->size; i++) {
		text[2 * i] = digits[(unsigned char)value->data[i] >> 4];
		text[2 * i + 1] = digits[value->data[i] & 15];
	}
	text[2 * value->size] = '\0';
	return text;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(const char *text, size_t size, struct secret_value *ret, struct err *err)
{
	if (strlen(text) != 2 * size || !size || size > SECRET_SIZE_MAX)
		return err_set(err, ERR_CORRUPT, 0,
			       "its value has not the size that it should have");
	struct secret_value value = {.data = malloc(size + 1), .size = size};

	for (size_t i = 0; value.data && i < size; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			secret_value_done(&value);
			return err_set(err, ERR_CORRUPT, 0, "its value is no sequence of bytes");
		}
		value.data[i] = (char)(high << 4 | low);
	}
	if (!value.data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the secret");
	value.data[size] = '\0';
	*ret = value;
	return 0;
}

int secret_compose(const struct secret *s, const struct secret_value *value, struct str *text,
		   struct err *err)
{
	struct secret_part part = {.value = to_hex(value, err)};
	const struct store_part parts[] = {{head_fields, (void *)s}, {value_fields, &part}};
	int status = part.value ? store_compose("the secret", parts, 2, text, err) : -1;

	forget(part.value, 2 * value->size);
	return status;
}

int secret_read_head(int dir_fd, const char *name, struct secret *ret, struct err *err)
{
	struct secret s = {0};
	const struct store_part part = {head_fields, &s};

	if (store_read_document(dir_fd, name, 0, &part, 1, HEAD_MAX, err) == 0) {
		*ret = s;
		return 0;
	}
	secret_done(&s);
	return -1;
}

int secret_read_value(int dir_fd, const char *name, struct secret_value *ret, struct err *err)
{
	struct secret_part read = {0};
	own(secret) struct secret head = {0};
	const struct store_part parts[] = {{head_fields, &head}, {value_fields, &read}};
	int status = store_read_document(dir_fd, name, 0, parts, 2, SECRET_DOCUMENT_MAX, err);

	if (status == 0)
		status = from_hex(read.value, head.size, ret, err);
	forget(read.value, read.value ? strlen(read.value) : 0);
	return status;
}
