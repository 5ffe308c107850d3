/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clocks and the text of a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "test.h"

#define S 1000000000LL

static void check_text(int64_t ns, const char *want)
{
	char buf[CLOCK_TEXT_SIZE];

	CHECK_STR(clock_text(ns, buf), want);
}

TEST(known_times)
{
	check_text(0, "1970-01-01T00:00:00.000000000Z");
	check_text(1, "1970-01-01T00:00:00.000000001Z");
	check_text(-1, "1969-12-31T23:59:59.999999999Z");
	check_text(951782400 * S, "2000-02-29T00:00:00.000000000Z");
	check_text(951868799 * S, "2000-02-29T23:59:59.000000000Z");
	check_text(951868800 * S, "2000-03-01T00:00:00.000000000Z");
	check_text(4107542400 * S, "2100-03-01T00:00:00.000000000Z");
	check_text(4107542399 * S, "2100-02-28T23:59:59.000000000Z");
	check_text(1795368734 * S + 123456789, "2026-11-22T17:32:14.123456789Z");
	check_text(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
	check_text(INT64_MIN, "1677-09-21T00:12:43.145224192Z");
}

TEST(every_day_agrees_with_libc)
{
	for (int64_t day = -100000; day < 100000; day += 1) {
		time_t seconds = day * 86400 + 86399;
		char want[64], buf[CLOCK_TEXT_SIZE];
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000000Z", &tm);
		CHECK_STR(clock_text(seconds * S, buf), want);
	}
}

TEST(the_zone_of_the_caller_does_not_matter)
{
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	check_text(0, "1970-01-01T00:00:00.000000000Z");
}

TEST(clocks_run)
{
	int64_t boot = clock_boot_ns(), real = clock_real_ns(), ms = clock_boot_ms();

	usleep(2000);
	CHECK(clock_boot_ns() - boot >= 2000000);
	CHECK(clock_real_ns() > real);
	CHECK(clock_boot_ms() - ms >= 1);
	CHECK(ms / 1000 <= clock_boot_ns() / S);
}

TEST_MAIN()
