/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of problems: taking messages apart, what silences what, and the bound. */
#include "base/problems.h"

#include <stdio.h>

#include "base/own.h"
#include "test.h"

static int add(struct problems *found, const char *message)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_INVALID, 0, "%s", message);
	return problems_add(found, &err);
}

static void check_split(const char *message, const char *path, const char *text)
{
	own(problems) struct problems found = {.document = "config.json"};

	CHECK_INT(add(&found, message), 0);
	CHECK_INT(found.count, 1);
	CHECK_STR(found.items[0].path, path);
	CHECK_STR(found.items[0].message, text);
}

TEST(a_message_is_a_path_and_a_text)
{
	check_split("root.path: is missing", "root.path", "is missing");
	check_split("config.json: mounts[3].options[0]: 'a: b' is bad", "mounts[3].options[0]",
		    "'a: b' is bad");
	check_split("linux.sysctl[\"net: x\"]: no", "linux.sysctl[\"net: x\"]", "no");
	check_split("annotations[\"a\"b\"].c: no", "annotations[\"a\"b\"].c", "no");
	check_split("config.json: line 3, column 2: expected ','", "",
		    "line 3, column 2: expected ','");
	check_split("config.json: expected an object", "", "expected an object");
	check_split("x..y: no", "", "x..y: no");
	check_split("x[: no", "", "x[: no");
	check_split("", "", "");
}

TEST(without_a_list_the_error_stays)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_STATE, 0, "a: b");
	CHECK_INT(problems_add(NULL, &err), -1);
	CHECK_STR(err.message, "a: b");
	CHECK_INT(err.kind, ERR_STATE);
}

TEST(what_is_noted_keeps_kind_hint_and_severity)
{
	own(problems) struct problems found = {0};
	struct err err = ERR_INIT;

	err_set(&err, ERR_UNSUPPORTED, 0, "linux.netDevices: no");
	err_hint(&err, "do without");
	CHECK_INT(problems_add_warning(&found, &err), 0);
	CHECK_INT(err.kind, ERR_NONE);
	CHECK_STR(err.message, "");
	CHECK(!problems_has_errors(&found));
	CHECK_INT(found.items[0].kind, ERR_UNSUPPORTED);
	CHECK_STR(found.items[0].hint, "do without");
	/* Noted already: nothing is added, and the check goes on. */
	CHECK_INT(problems_add(&found, &err), 0);
	CHECK_INT(found.count, 1);
	CHECK_INT(add(&found, "x: no"), 0);
	CHECK(problems_has_errors(&found));
}

TEST(a_settled_problem_silences_what_is_around_it_and_in_it)
{
	own(problems) struct problems found = {0};

	CHECK_INT(add(&found, "linux.namespaces[2].type: a"), 0);
	CHECK_INT(add(&found, "linux.namespaces[2].type: b"), 0);
	CHECK_INT(found.count, 2);
	problems_settle(&found);
	CHECK_INT(add(&found, "linux.namespaces[2]: c"), 0);
	CHECK_INT(add(&found, "linux.namespaces: c"), 0);
	CHECK_INT(add(&found, "linux.namespaces[2].type.x: c"), 0);
	CHECK_INT(found.count, 2);
	CHECK_INT(found.noted, 5);
	CHECK_INT(add(&found, "linux.namespaces[21].type: c"), 0);
	CHECK_INT(add(&found, "linux.namespaces[2].path: c"), 0);
	CHECK_INT(add(&found, "the whole document"), 0);
	CHECK_INT(found.count, 5);
	CHECK_INT(add(&found, "linux.namespaces[2].path: d"), 0);
	CHECK_INT(found.count, 6);
}

TEST(a_full_list_ends_the_check)
{
	own(problems) struct problems found = {0};

	for (int i = 0; i < PROBLEMS_MAX; i++) {
		char message[32];

		snprintf(message, sizeof(message), "a[%d]: b", i);
		CHECK_INT(add(&found, message), 0);
		CHECK_INT(add(&found, message), 0); /* the same again */
	}
	CHECK(!found.full);
	CHECK_INT(add(&found, "a: b"), -1);
	CHECK(found.full);
	CHECK_INT(found.count, PROBLEMS_MAX);
	CHECK_INT(add(&found, "a: b"), -1);
}

TEST(memory_that_ran_out_is_no_problem_of_the_document)
{
	own(problems) struct problems found = {0};
	struct err err = ERR_INIT;

	err_set(&err, ERR_LIMIT, 0, "out of memory");
	CHECK_INT(problems_add(&found, &err), -1);
	CHECK_INT(found.count, 0);
	CHECK_STR(err.message, "out of memory");
}

TEST_MAIN()
