/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a container is started again, and after how long. */
#include "engine/restart_policy.h"

#include "test.h"

TEST(policies_are_read)
{
	struct restart_policy policy = {.kind = RESTART_ALWAYS};
	struct err err = ERR_INIT;

	CHECK_OK(restart_policy_parse(NULL, &policy, &err));
	CHECK_INT(policy.kind, RESTART_NO);
	CHECK_OK(restart_policy_parse("always", &policy, &err));
	CHECK_INT(policy.kind, RESTART_ALWAYS);
	CHECK_OK(restart_policy_parse("unless-stopped", &policy, &err));
	CHECK_INT(policy.kind, RESTART_UNLESS_STOPPED);
	CHECK_OK(restart_policy_parse("on-failure", &policy, &err));
	CHECK(policy.kind == RESTART_ON_FAILURE && policy.max == 0);
	CHECK_OK(restart_policy_parse("on-failure:7", &policy, &err));
	CHECK(policy.kind == RESTART_ON_FAILURE && policy.max == 7);
}

TEST(what_is_no_policy_is_refused)
{
	static const char *const bad[] = {"",	  "yes",	 "on",		 "always:3",
					  "no:1", "on-failure:", "on-failure:0", "on-failure:x",
					  ":3"};
	struct restart_policy policy;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_INIT;

		CHECK_ERR(restart_policy_parse(bad[i], &policy, &err), ERR_USAGE, "--restart");
	}
}

TEST(a_policy_wants_what_it_says)
{
	static const struct {
		struct restart_policy policy;
		int code, restarts;
		bool stopped, wanted;
	} cases[] = {
		{{RESTART_NO, 0}, 1, 0, false, false},
		{{RESTART_ALWAYS, 0}, 0, 9, false, true},
		{{RESTART_ALWAYS, 0}, 1, 9, true, false},
		{{RESTART_UNLESS_STOPPED, 0}, 0, 9, false, true},
		{{RESTART_UNLESS_STOPPED, 0}, 0, 9, true, false},
		{{RESTART_ON_FAILURE, 0}, 0, 0, false, false},
		{{RESTART_ON_FAILURE, 0}, 1, 1000, false, true},
		{{RESTART_ON_FAILURE, 3}, 1, 2, false, true},
		{{RESTART_ON_FAILURE, 3}, 1, 3, false, false},
		{{RESTART_ON_FAILURE, 3}, 1, 0, true, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		CHECK_INT(restart_policy_wants(&cases[i].policy, cases[i].code, cases[i].stopped,
					       cases[i].restarts),
			  cases[i].wanted);
}

TEST(waits_double_to_a_minute_and_begin_again_after_a_good_run)
{
	int64_t delay = 0, all = 0;

	for (int i = 0; i < 10; i++) {
		delay = restart_policy_delay_ms(delay, 50);
		all += delay;
	}
	CHECK_INT(delay, 51200);
	CHECK_INT(all, 102300);
	CHECK_INT(restart_policy_delay_ms(delay, 9999), 60000);
	CHECK_INT(restart_policy_delay_ms(60000, 0), 60000);
	CHECK_INT(restart_policy_delay_ms(60000, 10000), 100);
}

TEST_MAIN()
