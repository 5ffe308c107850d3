/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as people type them: see moment.h. */
#include "cli/moment.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"
#include "base/str.h"

#define NS INT64_C(1000000000)
#define SINCE_1970_MIN 100000000 /* smaller numbers are durations: "10" */
#define SECONDS_MAX (INT64_MAX / NS - 86400)

/* ".5": nanoseconds; *end goes behind it. */
static int64_t fraction(const char **end)
{
	int64_t unit = NS / 10, ns = 0;

	if (**end != '.')
		return 0;
	for (++*end; isdigit((unsigned char)**end); ++*end, unit /= 10)
		ns += (**end - '0') * unit;
	return ns;
}

/* "Z", "+01:00" or nothing: seconds east of Greenwich. */
static bool zone(const char **end, int64_t *ret)
{
	const char *p = *end;
	int sign = *p == '-' ? -1 : 1;

	*ret = 0;
	if (*p == 'Z')
		++*end;
	if (*p != '+' && *p != '-')
		return true;
	for (int i = 1; i <= 5; i++)
		if (i == 3 ? p[i] != ':' : !isdigit((unsigned char)p[i]))
			return false;
	*ret = sign *
	       (((p[1] - '0') * 10 + p[2] - '0') * 3600 + ((p[4] - '0') * 10 + p[5] - '0') * 60);
	*end += 6;
	return true;
}

static bool parse_date(const char *text, int64_t *ret_ns)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					    "%Y-%m-%dT%H:%M", "%Y-%m-%d"};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm date = {0};
		const char *end = strptime(text, forms[i], &date);
		int64_t ns = end ? fraction(&end) : 0, east, seconds;

		if (!end || !zone(&end, &east) || *end)
			continue;
		seconds = timegm(&date) - east;
		if (seconds < -SECONDS_MAX || seconds > SECONDS_MAX)
			return false;
		*ret_ns = seconds * NS + ns;
		return true;
	}
	return false;
}

static bool parse_unix(const char *text, int64_t *ret_ns)
{
	bool marked = *text == '@';
	const char *end = text + marked;
	int64_t seconds = 0;

	if (!isdigit((unsigned char)*end))
		return false;
	for (; isdigit((unsigned char)*end) && seconds <= SECONDS_MAX / 10; end++)
		seconds = seconds * 10 + (*end - '0');
	if (!marked && seconds < SINCE_1970_MIN)
		return false;
	int64_t ns = fraction(&end);
	if (*end || seconds > SECONDS_MAX)
		return false;
	*ret_ns = seconds * NS + ns;
	return true;
}

int parse_moment(const char *flag, const char *text, int64_t *ret_ns, struct err *err)
{
	bool ahead = *text == '+';
	uint64_t ms;

	if (parse_date(text, ret_ns) || parse_unix(text, ret_ns))
		return 0;
	if (str_to_ms(text + ahead, flag, &ms, err) == 0 && ms < INT64_MAX / 4000000) {
		int64_t ns = (int64_t)ms * 1000000;

		*ret_ns = clock_real_ns() + (ahead ? ns : -ns);
		return 0;
	}
	err_set(err, ERR_USAGE, 0, "%s: '%s' is neither a time nor a duration", flag, text);
	err->hint[0] = '\0';
	return err_hint(err, "2026-01-31T12:00:00Z, seconds since 1970, or how long ago: 90s, 10m, "
			     "1h30m");
}
