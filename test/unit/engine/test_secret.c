/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of secrets: what is written is read, and what is not what was written is told to be so. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/own.h"
#include "engine/secret_format.h"
#include "engine/store_private.h"
#include "test.h"

#define HEAD "{\"version\":1,\"id\":\"0123\",\"name\":\"db\",\"size\":%s}"

static struct err err;

static void open_store(struct store *ret)
{
	own_free char *root = str_printf(&err, "%s/lib", test_dir_path());
	own_free char *run = str_printf(&err, "%s/run", test_dir_path());

	CHECK_OK(store_open(root, run, ret, &err));
}

static void create(struct store *store, const char *name, const char *text, size_t size)
{
	const struct secret_value value = {.data = (char *)text, .size = size};
	const struct strv none = STRV_INIT;
	own(secret) struct secret made = {0};

	CHECK_OK(secret_create(store, name, &none, &value, SECRET_REPLACE, &made, &err));
	CHECK_STR(made.name, name);
	CHECK_INT(made.size, size);
}

TEST(a_value_comes_back_whatever_its_bytes)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	char all[256];

	open_store(&store);
	for (int i = 0; i < 256; i++)
		all[i] = (char)(255 - i);
	for (size_t size = 1; size <= 256; size += 51) {
		own(secret_value) struct secret_value value = {0};

		create(&store, "db", all, size);
		CHECK_OK(secret_load(&store, "db", &value, &err));
		CHECK_INT(value.size, size);
		CHECK(memcmp(value.data, all, size) == 0 && value.data[size] == '\0');
	}
}

TEST(the_largest_value_and_one_that_is_larger)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own_free char *bytes = calloc(1, SECRET_SIZE_MAX + 1);
	const struct secret_value more = {.data = bytes, .size = SECRET_SIZE_MAX + 1};
	const struct strv none = STRV_INIT;
	own(secret_value) struct secret_value value = {0};
	struct secret made;

	open_store(&store);
	create(&store, "db", bytes, SECRET_SIZE_MAX);
	CHECK_OK(secret_load(&store, "db", &value, &err));
	CHECK_INT(value.size, SECRET_SIZE_MAX);
	CHECK_ERR(secret_create(&store, "x", &none, &more, SECRET_NEW, &made, &err), ERR_LIMIT,
		  "has more");
}

/* A file of that head and value, with right sums. */
static void plant(const struct store *store, const char *size, const char *second)
{
	own(str) struct str text = STR_INIT(4096);
	char path[] = SECRETS_DIRECTORY "/db";

	str_addf(&text, HEAD, size);
	store_add_sum(&text);
	str_addf(&text, "\n%s", second);
	store_add_sum(&text);
	str_add_char(&text, '\n');
	CHECK_OK(file_unlink(store->root_fd, path, &err));
	own_fd int fd = openat(store->root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, text.data, text.len, path, &err));
}

TEST(what_no_secret_has_is_refused_although_its_sums_are_right)
{
	static const struct {
		const char *size, *second, *says; /* NULL: it is taken */
	} rows[] = {
		{"2", "{\"value\":\"6162\"}", NULL},
		{"2", "{\"value\":\"61626\"}", "not the size"},
		{"2", "{\"value\":\"61\"}", "not the size"},
		{"1", "{\"value\":\"6162\"}", "not the size"},
		{"0", "{\"value\":\"\"}", "not the size"},
		{"9223372036854775809", "{\"value\":\"61\"}", "not the size"},
		{"1", "{\"value\":\"6G\"}", "no sequence of bytes"},
		{"1", "{\"value\":\"6A\"}", "no sequence of bytes"},
		{"1", "{\"other\":\"61\"}", "db"},
		{"1", "{\"value\":61}", "db"},
	};
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};

	open_store(&store);
	create(&store, "db", "x", 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		own(secret_value) struct secret_value value = {0};

		plant(&store, rows[i].size, rows[i].second);
		if (!rows[i].says) {
			CHECK_OK(secret_load(&store, "db", &value, &err));
			CHECK_STR(value.data, "ab");
			continue;
		}
		CHECK_ERR(secret_load(&store, "db", &value, &err), ERR_CORRUPT, rows[i].says);
		CHECK(!value.data);
	}
}

/* Each byte of the file in turn, and each length of it. */
TEST(a_file_that_is_damaged_or_cut_anywhere_gives_no_value)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own_free char *text = NULL;
	char path[] = SECRETS_DIRECTORY "/db";

	open_store(&store);
	create(&store, "db", "sesame", 6);
	ssize_t size = file_read(store.root_fd, path, 4096, &text, &err);
	CHECK(size > 100);
	for (ssize_t i = 0; i < 2 * size - 1; i++) {
		own(secret_value) struct secret_value value = {0};
		own_fd int fd = openat(store.root_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		ssize_t length = i < size ? size : i - size;

		CHECK(fd >= 0);
		if (i < size)
			text[i] ^= 1;
		CHECK_OK(fd_write_all(fd, text, (size_t)length, path, &err));
		if (i < size)
			text[i] ^= 1;
		CHECK_ERR(secret_load(&store, "db", &value, &err), ERR_CORRUPT, "secret 'db'");
		CHECK(!strstr(err.message, "sesame") && !strstr(err.message, "736573"));
	}
}

TEST(names)
{
	static const char *const good[] = {"a", "A.b_c-1", "0"};
	static const char *const bad[] = {"", ".a", "-a", "_a", "a/b", "a b", "a\n", "\303\244"};
	char longest[202];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK_OK(secret_check_name(good[i], &err));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_ERR(secret_check_name(bad[i], &err), ERR_USAGE, "not the name of a secret");
	memset(longest, 'a', sizeof longest);
	longest[201] = '\0';
	CHECK_ERR(secret_check_name(longest, &err), ERR_USAGE, "not the name");
	longest[200] = '\0';
	CHECK_OK(secret_check_name(longest, &err));
}

TEST_MAIN()
