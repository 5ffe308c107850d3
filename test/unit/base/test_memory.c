/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that runs out: every allocation of every function of this layer fails once. Each failure
 * is one clear error, loses nothing and leaves nothing behind.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "heap.h"
#include "test.h"

/* Rounds: the n-th allocation fails, until there is no n-th. */
static bool sweep(size_t n)
{
	bool more = n == 1 || heap_has_failed();

	heap_fail_at(more ? n : 0);
	return more;
}

/* One round's result: an error about memory in rounds that had a failure, else success. */
static void check_round(bool success, const struct err *err)
{
	if (!heap_has_failed()) {
		if (!success)
			test_fail(__FILE__, __LINE__, "failed: %s", err->message);
		return;
	}
	CHECK(!success);
	CHECK_INT(err->kind, ERR_LIMIT);
	if (!strstr(err->message, "out of memory"))
		test_fail(__FILE__, __LINE__, "'%s' does not name the memory", err->message);
}

TEST(builders)
{
	size_t before = heap_blocks(), n;

	for (n = 1; sweep(n); n++) {
		struct str s = STR_INIT(100000);
		struct err err = ERR_INIT;

		for (int i = 0; i < 1000; i++)
			str_addf(&s, "line %d\n", i);
		check_round(str_check(&s, "the text", &err) == 0, &err);
		str_done(&s);
		CHECK_INT(heap_blocks(), before);
	}
	CHECK(n > 5);
}

TEST(taking_an_empty_string)
{
	struct err err = ERR_INIT;
	size_t n;

	for (n = 1; sweep(n); n++) {
		struct str s = STR_INIT(10);
		own_free char *text = str_take(&s);

		CHECK(heap_has_failed() == (text == NULL));
	}
	CHECK_INT(n, 3); /* one round that failed, one that did not */
	for (n = 1; sweep(n); n++) {
		own_free char *a = str_dup("x", &err);

		check_round(a != NULL, &err);
	}
	for (n = 1; sweep(n); n++) {
		own_free char *a = str_printf(&err, "%s", "x");

		check_round(a != NULL, &err);
	}
}

static int fill_array(struct strv *v, const struct strv *from, struct err *err)
{
	for (int i = 0; i < 40; i++)
		if (strv_addf(v, err, "KEY%d=%d", i, i) < 0)
			return -1;
	if (strv_copy(v, from, err) < 0 || strv_env_set(v, "KEY3", "new", err) < 0)
		return -1;
	return strv_add(v, "last", err);
}

TEST(arrays)
{
	own(strv) struct strv from = STRV_INIT;
	struct err err = ERR_INIT;
	size_t before, n;

	CHECK_OK(strv_add(&from, "a", &err));
	CHECK_OK(strv_add(&from, "b", &err));
	before = heap_blocks();
	for (n = 1; sweep(n); n++) {
		struct strv v = STRV_INIT;

		check_round(fill_array(&v, &from, &err) == 0, &err);
		if (v.count > 0)
			CHECK(v.items[v.count] == NULL);
		strv_done(&v);
		CHECK_INT(heap_blocks(), before);
	}
	CHECK(n > 40);
}

TEST(reading)
{
	size_t before = heap_blocks(), n;

	for (n = 1; sweep(n); n++) {
		own_fd int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		struct err err = ERR_INIT;
		char *data = NULL;

		fd_read_all(fd, 1 << 20, "zeroes", &data, &err);
		CHECK(data == NULL);
		CHECK_INT(err.kind, ERR_LIMIT);
		CHECK(strstr(err.message, heap_has_failed() ? "out of memory" : "1048576"));
		CHECK_INT(heap_blocks(), before);
	}
	CHECK(n > 5);
}

TEST(paths)
{
	size_t before = heap_blocks();

	for (size_t n = 1; sweep(n); n++) {
		struct err err = ERR_INIT;
		char *clean = NULL;

		check_round(path_clean("/a//b/./c", &clean, &err) == 0, &err);
		free(clean);
		CHECK_INT(heap_blocks(), before);
	}
	for (size_t n = 1; sweep(n); n++) {
		struct err err = ERR_INIT;

		mkdirat(test_dir(), "tree", 0755);
		mkdirat(test_dir(), "tree/a", 0755);
		mkdirat(test_dir(), "tree/a/b", 0755);
		check_round(path_remove_tree(test_dir(), "tree", &err) == 0, &err);
		CHECK_INT(heap_blocks(), before);
	}
}

static void nothing(void *data)
{
	(void)data;
}

TEST(loops)
{
	size_t before = heap_blocks(), n;
	int fds = fd_count_open();

	for (n = 1; sweep(n); n++) {
		struct err err = ERR_INIT;
		struct loop *loop = loop_new(&err);
		bool success = loop && loop_add_timer(loop, 5, nothing, NULL, &err) &&
			       loop_add_timer(loop, -1, nothing, NULL, &err);

		check_round(success, &err);
		loop_free(loop);
		CHECK_INT(heap_blocks(), before);
	}
	CHECK_INT(n, 5);
	CHECK_INT(fd_count_open(), fds);
}

TEST(programs)
{
	size_t before = heap_blocks();
	int fds = fd_count_open();

	for (size_t n = 1; sweep(n); n++) {
		char *argv[] = {(char[]){"true"}, NULL};
		struct str out = STR_INIT(1000);
		struct err err = ERR_INIT;
		int code;

		check_round(proc_run(argv, 30000, &out, &code, &err) == 0, &err);
		str_done(&out);
		CHECK_INT(heap_blocks(), before);
		CHECK_INT(fd_count_open(), fds);
	}
}

TEST(files)
{
	size_t before = heap_blocks();

	for (size_t n = 1; sweep(n); n++) {
		struct err err = ERR_INIT;
		char *data = NULL;

		CHECK_OK(file_write_atomic(test_dir(), "f", "content", 7, 0600, false, &err));
		check_round(file_read(test_dir(), "f", 100, &data, &err) == 7, &err);
		free(data);
		CHECK_INT(heap_blocks(), before);
	}
}

TEST_MAIN()
