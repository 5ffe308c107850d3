/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/facts.h"
#include "test.h"

TEST(lists_are_counted)
{
	struct err err = ERR_INIT;

	CHECK_INT(cpu_list_count("0", &err), 1);
	CHECK_INT(cpu_list_count("0-3", &err), 4);
	CHECK_INT(cpu_list_count("0-3,8", &err), 5);
	CHECK_INT(cpu_list_count("8,0-3", &err), 5);
	CHECK_INT(cpu_list_count("1,1,0-2", &err), 3);
	CHECK_INT(cpu_list_count("8191", &err), 1);
	CHECK_INT(cpu_list_count("0-8191", &err), 8192);
	CHECK_INT(cpu_list_count("", &err), 0);
}

TEST(malformed_lists_are_refused)
{
	static const char *const bad[] = {
		",",   "0,",   ",0",   "-",	 "-1",
		"1-",  "3-1",  "a",    "0-3;5",	 "0 1",
		"0\n", "0,,1", "8192", "0-8192", "99999999999999999999",
		"0x1", "+1",   "1.5",  "0-1-2",
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(cpu_list_count(bad[i], &err), ERR_INVALID, "is not a list of CPUs");
}

TEST(subsets)
{
	struct err err = ERR_INIT;

	CHECK_INT(cpu_list_subset("1-2", "0-3", &err), 1);
	CHECK_INT(cpu_list_subset("0-3", "0-3", &err), 1);
	CHECK_INT(cpu_list_subset("", "0", &err), 1);
	CHECK_INT(cpu_list_subset("3-4", "0-3", &err), 0);
	CHECK_INT(cpu_list_subset("64", "0-63", &err), 0);
	CHECK_INT(cpu_list_subset("64", "0-64", &err), 1);
	CHECK_ERR(cpu_list_subset("x", "0", &err), ERR_INVALID, "'x'");
	CHECK_ERR(cpu_list_subset("0", "y", &err), ERR_INVALID, "'y'");
}

static const char *pick(const char *list, unsigned int count, unsigned int start)
{
	static struct cpu_set_text picked;
	struct err err = ERR_INIT;

	CHECK_OK(cpu_list_pick(list, count, start, &picked, &err));
	return picked.text;
}

TEST(the_first_cpus_are_picked)
{
	CHECK_STR(pick("0-3", 1, 0), "0");
	CHECK_STR(pick("0-3", 2, 0), "0-1");
	CHECK_STR(pick("0-3,8", 5, 0), "0-3,8");
	CHECK_STR(pick("4,6,8", 2, 0), "4,6");
	CHECK_STR(pick("8,6,4", 2, 0), "4,6");
}

TEST(the_start_rotates)
{
	CHECK_STR(pick("0-3", 1, 3), "3");
	CHECK_STR(pick("0-3", 2, 1), "1-2");
	CHECK_STR(pick("0-3", 2, 3), "0,3");
	CHECK_STR(pick("0-3", 2, 7), "0,3");
	CHECK_STR(pick("0-3,8", 3, 3), "0,3,8");
	CHECK_STR(pick("0-3", 4, 2), "0-3");
	CHECK_STR(pick("5", 1, 4000000000U), "5");
}

TEST(more_than_there_are_is_refused)
{
	struct cpu_set_text untouched = {.text = "as it was"};
	struct err err = ERR_INIT;

	CHECK_ERR(cpu_list_pick("0-1", 3, 0, &untouched, &err), ERR_INVALID, "it has 2");
	CHECK_ERR(cpu_list_pick("0-1", 0, 0, &untouched, &err), ERR_INVALID, "0 CPUs");
	CHECK_ERR(cpu_list_pick("", 1, 0, &untouched, &err), ERR_INVALID, "it has 0");
	CHECK_STR(untouched.text, "as it was");
}

TEST(a_result_that_does_not_fit_is_an_error)
{
	struct cpu_set_text picked;
	struct err err = ERR_INIT;
	char list[1024] = "0";

	for (unsigned int cpu = 2; cpu < 400; cpu += 2) {
		char item[8];

		item[0] = ',';
		item[1] = (char)('0' + cpu / 100);
		item[2] = (char)('0' + cpu / 10 % 10);
		item[3] = (char)('0' + cpu % 10);
		item[4] = '\0';
		strcat(list, item);
	}
	CHECK_ERR(cpu_list_pick(list, 200, 0, &picked, &err), ERR_LIMIT, "too long");
	CHECK_OK(cpu_list_pick(list, 60, 0, &picked, &err));
}

TEST_MAIN()
