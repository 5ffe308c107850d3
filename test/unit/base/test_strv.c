/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arrays of owned strings, as argument vectors and environments.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "base/str.h"
#include "test.h"

TEST(an_empty_array_has_no_items)
{
	own(strv) struct strv v = STRV_INIT;

	CHECK(v.items == NULL);
	CHECK_INT(v.count, 0);
	CHECK(!strv_contains(&v, "x"));
	CHECK(strv_env_get(&v, "x") == NULL);
	strv_done(&v);
	strv_done(&v);
}

TEST(items_are_kept_in_order_and_null_terminated)
{
	own(strv) struct strv v = STRV_INIT;
	struct err err = ERR_INIT;

	for (int i = 0; i < 1000; i++) {
		CHECK_OK(strv_addf(&v, &err, "item %d", i));
		CHECK_INT(v.count, i + 1);
		CHECK(v.items[v.count] == NULL);
	}
	CHECK_STR(v.items[0], "item 0");
	CHECK_STR(v.items[999], "item 999");
	CHECK(strv_contains(&v, "item 500"));
	CHECK(!strv_contains(&v, "item 1000"));
}

TEST(add_copies_and_take_does_not)
{
	own(strv) struct strv v = STRV_INIT;
	struct err err = ERR_INIT;
	char local[] = "local";
	char *heap = str_dup("heap", &err);

	CHECK_OK(strv_add(&v, local, &err));
	CHECK_OK(strv_take(&v, heap, &err));
	CHECK(v.items[0] != local);
	CHECK(v.items[1] == heap);
	local[0] = 'x';
	CHECK_STR(v.items[0], "local");
}

TEST(taking_null_is_out_of_memory)
{
	own(strv) struct strv v = STRV_INIT;
	struct err err = ERR_INIT;

	CHECK_ERR(strv_take(&v, NULL, &err), ERR_LIMIT, "out of memory");
	CHECK_INT(v.count, 0);
}

TEST(the_bound_holds)
{
	own(strv) struct strv v = STRV_INIT;
	struct err err = ERR_INIT;

	for (int i = 0; i < STRV_MAX; i++)
		CHECK_OK(strv_add(&v, "", &err));
	CHECK_ERR(strv_add(&v, "", &err), ERR_LIMIT, "65536");
	CHECK_INT(v.count, STRV_MAX);
	CHECK(v.items[STRV_MAX] == NULL);
}

TEST(copy_appends_all_or_nothing)
{
	own(strv) struct strv from = STRV_INIT, to = STRV_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(strv_add(&to, "first", &err));
	CHECK_OK(strv_copy(&to, &from, &err));
	CHECK_INT(to.count, 1);
	CHECK_OK(strv_add(&from, "a", &err));
	CHECK_OK(strv_add(&from, "b", &err));
	CHECK_OK(strv_copy(&to, &from, &err));
	CHECK_INT(to.count, 3);
	CHECK_STR(to.items[2], "b");
	while (to.count < STRV_MAX - 1)
		CHECK_OK(strv_add(&to, "", &err));
	CHECK_ERR(strv_copy(&to, &from, &err), ERR_LIMIT, NULL);
	CHECK_INT(to.count, STRV_MAX - 1);
	CHECK(to.items[to.count] == NULL);
}

TEST(environment_get_finds_the_last_exact_key)
{
	own(strv) struct strv v = STRV_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(strv_add(&v, "PATH=/bin", &err));
	CHECK_OK(strv_add(&v, "PATHS=no", &err));
	CHECK_OK(strv_add(&v, "PATH=/usr/bin", &err));
	CHECK_OK(strv_add(&v, "EMPTY=", &err));
	CHECK_OK(strv_add(&v, "BARE", &err));
	CHECK_STR(strv_env_get(&v, "PATH"), "/usr/bin");
	CHECK_STR(strv_env_get(&v, "EMPTY"), "");
	CHECK(strv_env_get(&v, "PAT") == NULL);
	CHECK(strv_env_get(&v, "BARE") == NULL);
}

TEST(environment_set_replaces_or_appends)
{
	own(strv) struct strv v = STRV_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(strv_env_set(&v, "A", "1", &err));
	CHECK_OK(strv_env_set(&v, "B", "2=3", &err));
	CHECK_OK(strv_env_set(&v, "A", "", &err));
	CHECK_INT(v.count, 2);
	CHECK_STR(v.items[0], "A=");
	CHECK_STR(strv_env_get(&v, "B"), "2=3");
}

TEST_MAIN()
