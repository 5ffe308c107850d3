/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict numbers: what is taken, and the long list of what is not.
 */
#include <stdio.h>

#include "base/str.h"
#include "test.h"

TEST(u64_takes_the_whole_range)
{
	struct err err = ERR_INIT;
	uint64_t n = 1;

	CHECK_OK(str_to_u64("0", 0, UINT64_MAX, "n", &n, &err));
	CHECK_INT(n, 0);
	CHECK_OK(str_to_u64("18446744073709551615", 0, UINT64_MAX, "n", &n, &err));
	CHECK(n == UINT64_MAX);
	CHECK_OK(str_to_u64("0042", 0, 42, "n", &n, &err));
	CHECK_INT(n, 42);
}

TEST(u64_refuses_what_is_not_exactly_a_number)
{
	static const char *const bad[] = {"",
					  " ",
					  "-1",
					  "+1",
					  "1 ",
					  " 1",
					  "1\n",
					  "0x10",
					  "1e3",
					  "1.0",
					  "1,0",
					  "abc",
					  "1a",
					  "--1",
					  "18446744073709551616",
					  "99999999999999999999999",
					  "\xd9\xa1",
					  "1:",
					  "NaN",
					  "inf"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n = 7;

		CHECK_ERR(str_to_u64(bad[i], 0, UINT64_MAX, "the uid", &n, &err), ERR_INVALID,
			  "the uid must be a whole number from 0 to 18446744073709551615");
		CHECK_INT(n, 7);
	}
}

TEST(u64_checks_bounds_inclusively)
{
	struct err err = ERR_INIT;
	uint64_t n;

	CHECK_OK(str_to_u64("5", 5, 10, "n", &n, &err));
	CHECK_OK(str_to_u64("10", 5, 10, "n", &n, &err));
	CHECK_ERR(str_to_u64("4", 5, 10, "n", &n, &err), ERR_INVALID, "from 5 to 10, not '4'");
	CHECK_ERR(str_to_u64("11", 5, 10, "n", &n, &err), ERR_INVALID, "not '11'");
}

TEST(i64_takes_the_whole_range)
{
	struct err err = ERR_INIT;
	int64_t n;

	CHECK_OK(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, "n", &n, &err));
	CHECK(n == INT64_MIN);
	CHECK_OK(str_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, "n", &n, &err));
	CHECK(n == INT64_MAX);
	CHECK_OK(str_to_i64("-0", INT64_MIN, INT64_MAX, "n", &n, &err));
	CHECK_INT(n, 0);
	CHECK_OK(str_to_i64("-1000", -1000, 1000, "n", &n, &err));
	CHECK_INT(n, -1000);
}

TEST(i64_refuses_overflow_and_noise)
{
	static const char *const bad[] = {"-9223372036854775809",
					  "9223372036854775808",
					  "-",
					  "",
					  "--1",
					  "+1",
					  "- 1",
					  "1-",
					  "-1x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		int64_t n = 7;

		CHECK_ERR(str_to_i64(bad[i], INT64_MIN, INT64_MAX, "n", &n, &err), ERR_INVALID,
			  bad[i]);
		CHECK_INT(n, 7);
	}
}

TEST(bytes_with_every_suffix)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"4096", 4096},
		{"1b", 1},
		{"1B", 1},
		{"1k", 1024},
		{"1K", 1024},
		{"2kb", 2048},
		{"2KiB", 2048},
		{"512m", 536870912},
		{"1g", 1073741824},
		{"1GiB", 1073741824},
		{"1.5g", 1610612736},
		{"0.5k", 512},
		{"1t", 1099511627776},
		{"1.25t", 1374389534720},
		{"8388607t", 9223370937343148032ULL},
		{"9223372036854775807", INT64_MAX},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n;

		CHECK_OK(str_to_bytes(good[i].text, "memory", &n, &err));
		CHECK_INT((intmax_t)n, (intmax_t)good[i].bytes);
	}
}

TEST(bytes_refuses_nonsense_and_overflow)
{
	static const char *const bad[] = {"",
					  "m",
					  "-1m",
					  "1.5",
					  "1.b",
					  "1.5b",
					  "1kk",
					  "1 k",
					  "1kbb",
					  "1x",
					  "1kix",
					  "1.m",
					  ".5m",
					  "1e3",
					  "8388608t",
					  "9223372036854775808",
					  "18446744073709551615",
					  "16777216t",
					  "18446744073709551616",
					  "1.0000000001g",
					  "0x10",
					  "1bb",
					  "1ib"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n = 7;

		CHECK_ERR(str_to_bytes(bad[i], "--memory", &n, &err), ERR_INVALID, "--memory");
		CHECK_INT(n, 7);
	}
}

TEST(thousandths)
{
	static const struct {
		const char *text;
		uint64_t milli;
	} good[] = {{"0", 0},	      {"2", 2000},
		    {"1.5", 1500},    {"0.125", 125},
		    {"0.001", 1},     {"3.000", 3000},
		    {"10.05", 10050}, {"18446744073709550", 18446744073709550000ULL}};
	static const char *const bad[] = {"",	  "1.",	 ".5",	  "1.2345",	      "-1",
					  "1.5x", "1,5", "1.5.5", "18446744073709552"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n;

		CHECK_OK(str_to_milli(good[i].text, "cpus", &n, &err));
		CHECK_INT((intmax_t)n, (intmax_t)good[i].milli);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n;

		CHECK_ERR(str_to_milli(bad[i], "--cpus", &n, &err), ERR_INVALID, "--cpus");
	}
}

TEST(durations)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"0", 0},
		    {"10", 10000},
		    {"10s", 10000},
		    {"500ms", 500},
		    {"1m30s", 90000},
		    {"2h", 7200000},
		    {"1d1ms", 86400001},
		    {"1h1m1s1ms", 3661001},
		    {"9223372036854775807ms", INT64_MAX}};
	static const char *const bad[] = {"",
					  "s",
					  "1x",
					  "1s1m",
					  "1s1s",
					  "1m30",
					  "-1",
					  "1.5s",
					  "1 s",
					  "99999999999999999999",
					  "18446744073709551615d",
					  "18446744073709551615",
					  "9223372036854775808ms",
					  "106751991167d26000s",
					  "9223372036854776"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n;

		CHECK_OK(str_to_ms(good[i].text, "timeout", &n, &err));
		CHECK_INT((intmax_t)n, (intmax_t)good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t n = 7;

		CHECK_ERR(str_to_ms(bad[i], "--time", &n, &err), ERR_INVALID, "--time");
		CHECK_INT(n, 7);
	}
}

TEST_MAIN()
