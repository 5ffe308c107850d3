/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The format of log entries: that of the Kubernetes container runtime interface, so that what
 * collects logs there collects ours. Both directions stand here, side by side.
 *
 * Times are UTC with nine decimals, so they have one length, and sort as text. The reader checks
 * every byte of the prefix: a log may be torn by a crash or edited by hand, and a line that is no
 * entry is skipped, never guessed at.
 */
#include "engine/log_format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"

#define NS_PER_S INT64_C(1000000000)

static const char stream_names[][7] = {[LOG_STDOUT] = "stdout", [LOG_STDERR] = "stderr"};

const char *log_file_name(int index, char buf[static LOG_NAME_SIZE])
{
	if (index == 0)
		snprintf(buf, LOG_NAME_SIZE, "%s", LOG_NAME);
	else
		snprintf(buf, LOG_NAME_SIZE, "%s.%d", LOG_NAME, index);
	return buf;
}

int log_file_index(const char *name)
{
	char same[LOG_NAME_SIZE];
	int index = 0;

	if (strcmp(name, LOG_NAME) != 0 && sscanf(name, LOG_NAME ".%3d", &index) != 1)
		return -1;
	return index >= 0 && strcmp(log_file_name(index, same), name) == 0 ? index : -1;
}

void log_prefix(char buf[static LOG_PREFIX_SIZE + 1], int64_t realtime_ns, enum log_stream stream)
{
	char time[CLOCK_TEXT_SIZE];

	snprintf(buf, LOG_PREFIX_SIZE + 1, "%s %s F ", clock_text(realtime_ns, time),
		 stream_names[stream]);
}

/* Decimal digits only; -1 where one is not. */
static int64_t number(const char *text, size_t length)
{
	int64_t value = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* "2026-11-22T17:32:14.123456789Z" */
static bool parse_time(const char *t, int64_t *ret_ns)
{
	int64_t year = number(t, 4), month = number(t + 5, 2), day = number(t + 8, 2);
	int64_t hour = number(t + 11, 2), minute = number(t + 14, 2), second = number(t + 17, 2);
	int64_t ns = number(t + 20, 9);
	struct tm tm = {.tm_year = (int)year - 1900,
			.tm_mon = (int)month - 1,
			.tm_mday = (int)day,
			.tm_hour = (int)hour,
			.tm_min = (int)minute,
			.tm_sec = (int)second};

	if (t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' ||
	    t[19] != '.' || t[29] != 'Z')
		return false;
	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 ||
	    hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 ||
	    ns < 0)
		return false;
	*ret_ns = (int64_t)timegm(&tm) * NS_PER_S + ns;
	return true;
}

bool log_parse(const char *line, size_t size, struct log_entry *ret)
{
	const char *stream = line + LOG_STREAM_OFFSET;
	struct log_entry entry = {
		.time = line, .text = line + LOG_PREFIX_SIZE, .size = size - LOG_PREFIX_SIZE};

	if (size < LOG_PREFIX_SIZE || line[LOG_TIME_SIZE] != ' ' ||
	    line[LOG_TAG_OFFSET - 1] != ' ' || line[LOG_TAG_OFFSET + 1] != ' ')
		return false;
	entry.stream = memcmp(stream, stream_names[LOG_STDERR], 6) == 0 ? LOG_STDERR : LOG_STDOUT;
	if (memcmp(stream, stream_names[entry.stream], 6) != 0)
		return false;
	entry.partial = line[LOG_TAG_OFFSET] == 'P';
	if ((!entry.partial && line[LOG_TAG_OFFSET] != 'F') || !parse_time(line, &entry.time_ns))
		return false;
	*ret = entry;
	return true;
}
