/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What results of health checks make of a container. */
#include "engine/health.h"

#include <string.h>

#include "test.h"

static struct health_result result(int code)
{
	return (struct health_result){.code = code, .output = strdup("x")};
}

TEST(one_that_could_not_be_run_is_in_the_log_alone)
{
	const struct health_config config = {.retries = 2};
	struct health h = {.status = HEALTH_STARTING};

	health_add(&h, &config, result(0), false);
	health_add(&h, &config, result(1), false);
	health_note(&h, result(125));
	health_note(&h, result(125));
	CHECK_INT(h.status, HEALTH_HEALTHY);
	CHECK_INT(h.streak, 1);
	CHECK_INT(h.log.count, 4);
	health_done(&h);
}

TEST(so_many_failures_in_a_row_make_it_unhealthy)
{
	const struct health_config config = {.retries = 3};
	struct health h = {.status = HEALTH_STARTING};

	CHECK(!health_add(&h, &config, result(1), false));
	CHECK(!health_add(&h, &config, result(2), false));
	CHECK(health_add(&h, &config, result(0), false));
	CHECK_INT(h.status, HEALTH_HEALTHY);
	CHECK_INT(h.streak, 0);
	CHECK(!health_add(&h, &config, result(1), false));
	CHECK(!health_add(&h, &config, result(1), false));
	CHECK_INT(h.status, HEALTH_HEALTHY);
	CHECK(health_add(&h, &config, result(1), false));
	CHECK_INT(h.status, HEALTH_UNHEALTHY);
	CHECK(!health_add(&h, &config, result(1), false));
	CHECK_INT(h.streak, 4);
	CHECK(health_add(&h, &config, result(0), false));
	health_done(&h);
}

TEST(failures_at_the_start_do_not_count_until_it_was_healthy)
{
	const struct health_config config = {.retries = 1};
	struct health h = {.status = HEALTH_STARTING};

	CHECK(!health_add(&h, &config, result(1), true));
	CHECK(!health_add(&h, &config, result(1), true));
	CHECK_INT(h.streak, 0);
	CHECK(health_add(&h, &config, result(0), true));
	CHECK(health_add(&h, &config, result(1), true));
	CHECK_INT(h.status, HEALTH_UNHEALTHY);
	health_done(&h);
}

TEST(the_last_five_results_are_kept)
{
	const struct health_config config = {.retries = 100};
	struct health h = {.status = HEALTH_STARTING};
	const struct health_result *log;

	for (int code = 1; code <= 12; code++) {
		health_add(&h, &config, result(code), false);
		CHECK_INT(h.log.count, code < 5 ? code : 5);
	}
	log = h.log.items;
	for (int i = 0; i < 5; i++)
		CHECK_INT(log[i].code, 8 + i);
	health_done(&h);
	CHECK(!h.log.items);
}

TEST_MAIN()
