/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clocks.
 *
 * Deadlines use CLOCK_BOOTTIME: nobody sets it and it runs while the machine is suspended. Times
 * that people read are CLOCK_REALTIME in UTC, written by our own arithmetic: gmtime_r(3) first
 * loads the time zone of the file system that the process stands in, which may be a container's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/loop.h"
#include "base/str.h"

#define NS_PER_S 1000000000
#define S_PER_DAY 86400

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_boot_ms(void)
{
	return clock_boot_ns() / 1000000;
}

/* A build with failpoints can have a clock that is set wrong: INSULA_TEST_CLOCK, in seconds. */
static int64_t set_wrong_ns(void)
{
#ifdef INSULA_FAILPOINTS
	const char *text = getenv("INSULA_TEST_CLOCK");
	struct err ignored;
	int64_t seconds;

	if (text && str_to_i64(text, INT32_MIN, INT32_MAX, "clock", &seconds, &ignored) == 0)
		return seconds * NS_PER_S;
#endif
	return 0;
}

int64_t clock_real_ns(void)
{
	return read_clock(CLOCK_REALTIME) + set_wrong_ns();
}

/* Quotient rounded down, so that times before 1970 come out right. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
	return a % b + (a % b < 0 ? b : 0);
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

static int days_of_year(int year)
{
	return 365 + is_leap(year);
}

/* Nanoseconds in 64 bits reach from 1677 to 2262: a few hundred steps at the most. */
static void date_of(int64_t days_since_1970, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t days = days_since_1970;
	int year = 1970, month = 1;

	while (days < 0)
		days += days_of_year(--year);
	while (days >= days_of_year(year))
		days -= days_of_year(year++);
	while (days >= days_of_month(year, month))
		days -= days_of_month(year, month++);
	*ret_year = year;
	*ret_month = month;
	*ret_day = (int)days + 1;
}

const char *clock_text(int64_t realtime_ns, char buf[static CLOCK_TEXT_SIZE])
{
	int64_t seconds = floor_div(realtime_ns, NS_PER_S), days = floor_div(seconds, S_PER_DAY);
	int64_t ns = floor_mod(realtime_ns, NS_PER_S);
	int second = (int)floor_mod(seconds, S_PER_DAY), year, month, day;

	date_of(days, &year, &month, &day);
	snprintf(buf, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%09" PRId64 "Z", year, month,
		 day, second / 3600, second / 60 % 60, second % 60, ns);
	return buf;
}
