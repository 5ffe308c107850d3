/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One value of the statistics: see stats.h. */
#include "runtime/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* v1's limits count pages; what is above this is "no limit". */
#define V1_NO_LIMIT (UINT64_C(1) << 62)
#define LIST_MAX 8192

bool stats_use(struct stats *s, unsigned int controller)
{
	for (size_t i = 0; i < s->host->count; i++)
		if (s->host->hierarchies[i].controllers & controller) {
			s->v2 = s->host->hierarchies[i].v2;
			return true;
		}
	return false;
}

bool stats_read(struct stats *s, unsigned int controller, const char *v1, const char *v2)
{
	if (cgroup_read(s->host, s->cg, controller, v1, v2, s->text, STATS_FILE_MAX) >= 0)
		return true;
	*s->text = '\0';
	return false;
}

static uint64_t number(const char *text)
{
	uint64_t value = str_starts(text, "max") ? UINT64_MAX : strtoull(text, NULL, 10);

	return value > V1_NO_LIMIT ? UINT64_MAX : value;
}

uint64_t stats_single(const struct stats *s)
{
	return number(s->text);
}

uint64_t stats_keyed(const struct stats *s, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = s->text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return number(line + len + 1);
	}
	return 0;
}

void stats_put(struct stats *s, const char *key, uint64_t value)
{
	json_write_key(s->w, key);
	json_write_u64(s->w, value);
}

void stats_put_some(struct stats *s, const char *key, uint64_t value)
{
	if (value)
		stats_put(s, key, value);
}

void stats_put_file(struct stats *s, unsigned int controller, const char *key, const char *v1,
		    const char *v2)
{
	if (stats_read(s, controller, v1, v2))
		stats_put_some(s, key, stats_single(s));
}

void stats_put_map(struct stats *s, const char *key)
{
	char *rest = s->text;

	json_write_key(s->w, key);
	json_write_object(s->w);
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value++ = '\0';
		stats_put(s, line, strtoull(value, NULL, 10));
	}
	json_write_end(s->w, '}');
}

void stats_put_list(struct stats *s, const char *key)
{
	const char *p = s->text;

	if (*p < '0' || *p > '9')
		return;
	json_write_key(s->w, key);
	json_write_array(s->w);
	while (*p >= '0' && *p <= '9') {
		char *end;
		unsigned long first = strtoul(p, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		for (; first <= last && first < LIST_MAX; first++)
			json_write_u64(s->w, first);
		p = end + (*end == ',');
	}
	json_write_end(s->w, ']');
}

/* "some avg10=0.00 avg60=0.12 avg300=0.00 total=123": decimals go out as they came in. */
static void put_pressure_line(struct stats *s, const char *line)
{
	double averages[3];
	unsigned long long total;
	char kind[8];

	if (sscanf(line, "%7s avg10=%lf avg60=%lf avg300=%lf total=%llu", kind, &averages[0],
		   &averages[1], &averages[2], &total) != 5)
		return;
	json_write_key(s->w, kind);
	json_write_object(s->w);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"avg10", "avg60", "avg300"};

		json_write_key(s->w, names[i]);
		json_write_decimal(s->w, averages[i]);
	}
	stats_put(s, "total", total);
	json_write_end(s->w, '}');
}

void stats_put_pressure(struct stats *s, unsigned int controller, const char *file)
{
	char *rest = s->text;

	/* Where the kernel was started without it, the file can be opened, not read. */
	if (!stats_read(s, controller, NULL, file) || !*s->text)
		return;
	json_write_key(s->w, "psi");
	json_write_object(s->w);
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		put_pressure_line(s, line);
	json_write_end(s->w, '}');
}

static void put_io_entry(struct stats *s, unsigned long major, unsigned long minor, const char *op,
			 uint64_t value)
{
	json_write_object(s->w);
	stats_put_some(s, "major", major);
	stats_put_some(s, "minor", minor);
	json_write_member(s->w, "op", op);
	stats_put_some(s, "value", value);
	json_write_end(s->w, '}');
}

bool stats_put_io_v1(struct stats *s, const char *key)
{
	char *rest = s->text;
	bool any = false;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		unsigned long major, minor;
		unsigned long long value;
		char op[16];

		/* The last line is "Total 123", of no device. */
		if (sscanf(line, "%lu:%lu %15s %llu", &major, &minor, op, &value) != 4)
			continue;
		if (!any) {
			json_write_key(s->w, key);
			json_write_array(s->w);
		}
		any = true;
		put_io_entry(s, major, minor, op, value);
	}
	if (any)
		json_write_end(s->w, ']');
	return any;
}

static void put_io_line(struct stats *s, char *line, const char *const keys[3])
{
	static const char *const ops[] = {"Read", "Write", "Discard"};
	unsigned long major, minor;

	if (sscanf(line, "%lu:%lu", &major, &minor) != 2)
		return;
	for (int i = 0; i < 3; i++) {
		char word[24];
		const char *at;

		snprintf(word, sizeof(word), " %s=", keys[i]);
		at = strstr(line, word);
		if (at)
			put_io_entry(s, major, minor, ops[i],
				     strtoull(at + strlen(word), NULL, 10));
	}
}

void stats_put_io_v2(struct stats *s, const char *key, const char *const keys[3])
{
	char *rest = s->text;

	if (!strchr(s->text, ':'))
		return;
	json_write_key(s->w, key);
	json_write_array(s->w);
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		put_io_line(s, line, keys);
	json_write_end(s->w, ']');
}
