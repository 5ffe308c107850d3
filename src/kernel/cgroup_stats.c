/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a group uses. The table below says, for each number of struct cgroup_stats, in which file it
 * stands on v1 and on v2, under which key, and by what it is multiplied. Rows of one file stand
 * together, so that each file is read once.
 *
 * A file has one of three shapes: a single number, lines of "KEY NUMBER", or lines for devices that
 * are summed up ("8:0 rbytes=1 wbytes=2" on v2, "8:0 Read 1" on v1). A file or key that is not
 * there leaves the number at 0: kernels differ (memory.peak is of 5.19), and a controller that was
 * not enabled for the group has no files in it. A limit that is not set reads "max" on v2 and an
 * absurdly high number on v1; both are UINT64_MAX here.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/cgroup_internal.h"

#define FILE_SIZE 65536
#define FIELD(name) offsetof(struct cgroup_stats, name)

/* v1's limits count pages; what is above this is "no limit". */
#define V1_NO_LIMIT (UINT64_C(1) << 62)

enum shape { SINGLE, KEYED, DEVICES };

static const struct row {
	bool v2;
	unsigned int controller;
	const char *file, *key;
	enum shape shape;
	size_t field;
	uint64_t scale;
} rows[] = {
	{false, CG_CPUACCT, "cpuacct.usage", NULL, SINGLE, FIELD(cpu_usage_ns), 1},
	{false, CG_CPUACCT, "cpuacct.usage_user", NULL, SINGLE, FIELD(cpu_user_ns), 1},
	{false, CG_CPUACCT, "cpuacct.usage_sys", NULL, SINGLE, FIELD(cpu_system_ns), 1},
	{false, CG_CPU, "cpu.stat", "nr_periods", KEYED, FIELD(cpu_periods), 1},
	{false, CG_CPU, "cpu.stat", "nr_throttled", KEYED, FIELD(cpu_throttled_periods), 1},
	{false, CG_CPU, "cpu.stat", "throttled_time", KEYED, FIELD(cpu_throttled_ns), 1},
	{false, CG_MEMORY, "memory.usage_in_bytes", NULL, SINGLE, FIELD(memory_usage), 1},
	{false, CG_MEMORY, "memory.max_usage_in_bytes", NULL, SINGLE, FIELD(memory_peak), 1},
	{false, CG_MEMORY, "memory.limit_in_bytes", NULL, SINGLE, FIELD(memory_limit), 1},
	{false, CG_MEMORY, "memory.stat", "total_cache", KEYED, FIELD(memory_file), 1},
	{false, CG_MEMORY, "memory.stat", "total_rss", KEYED, FIELD(memory_anon), 1},
	{false, CG_MEMORY, "memory.stat", "total_swap", KEYED, FIELD(swap_usage), 1},
	{false, CG_MEMORY, "memory.oom_control", "oom_kill", KEYED, FIELD(memory_oom_kills), 1},
	{false, CG_PIDS, "pids.current", NULL, SINGLE, FIELD(pids), 1},
	{false, CG_PIDS, "pids.max", NULL, SINGLE, FIELD(pids_limit), 1},
	{false, CG_IO, "blkio.throttle.io_service_bytes_recursive", "Read", DEVICES,
	 FIELD(io_read_bytes), 1},
	{false, CG_IO, "blkio.throttle.io_service_bytes_recursive", "Write", DEVICES,
	 FIELD(io_write_bytes), 1},
	{false, CG_IO, "blkio.throttle.io_serviced_recursive", "Read", DEVICES, FIELD(io_reads), 1},
	{false, CG_IO, "blkio.throttle.io_serviced_recursive", "Write", DEVICES, FIELD(io_writes),
	 1},
	{true, CG_CPUACCT, "cpu.stat", "usage_usec", KEYED, FIELD(cpu_usage_ns), 1000},
	{true, CG_CPUACCT, "cpu.stat", "user_usec", KEYED, FIELD(cpu_user_ns), 1000},
	{true, CG_CPUACCT, "cpu.stat", "system_usec", KEYED, FIELD(cpu_system_ns), 1000},
	{true, CG_CPU, "cpu.stat", "nr_periods", KEYED, FIELD(cpu_periods), 1},
	{true, CG_CPU, "cpu.stat", "nr_throttled", KEYED, FIELD(cpu_throttled_periods), 1},
	{true, CG_CPU, "cpu.stat", "throttled_usec", KEYED, FIELD(cpu_throttled_ns), 1000},
	{true, CG_MEMORY, "memory.current", NULL, SINGLE, FIELD(memory_usage), 1},
	{true, CG_MEMORY, "memory.peak", NULL, SINGLE, FIELD(memory_peak), 1},
	{true, CG_MEMORY, "memory.max", NULL, SINGLE, FIELD(memory_limit), 1},
	{true, CG_MEMORY, "memory.stat", "file", KEYED, FIELD(memory_file), 1},
	{true, CG_MEMORY, "memory.stat", "anon", KEYED, FIELD(memory_anon), 1},
	{true, CG_MEMORY, "memory.swap.current", NULL, SINGLE, FIELD(swap_usage), 1},
	{true, CG_MEMORY, "memory.events", "oom_kill", KEYED, FIELD(memory_oom_kills), 1},
	{true, CG_PIDS, "pids.current", NULL, SINGLE, FIELD(pids), 1},
	{true, CG_PIDS, "pids.max", NULL, SINGLE, FIELD(pids_limit), 1},
	{true, CG_IO, "io.stat", "rbytes=", DEVICES, FIELD(io_read_bytes), 1},
	{true, CG_IO, "io.stat", "wbytes=", DEVICES, FIELD(io_write_bytes), 1},
	{true, CG_IO, "io.stat", "rios=", DEVICES, FIELD(io_reads), 1},
	{true, CG_IO, "io.stat", "wios=", DEVICES, FIELD(io_writes), 1},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static uint64_t parse_number(const char *text)
{
	return str_starts(text, "max") ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* The number behind KEY and a space, at the beginning of a line. */
static uint64_t find_keyed(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return parse_number(line + len + 1);
	}
	return 0;
}

/* The sum over all lines of the number behind " KEY" or " KEY ". v1 ends with a "Total" line, which
 * has no device and another key. */
static uint64_t sum_devices(const char *text, const char *key)
{
	size_t len = strlen(key);
	uint64_t sum = 0;

	for (const char *at = strstr(text, key); at; at = strstr(at + len, key))
		if (at > text && at[-1] == ' ')
			sum += strtoull(at + len, NULL, 10);
	return sum;
}

static uint64_t row_value(const struct row *row, const char *text)
{
	uint64_t value = row->shape == SINGLE  ? parse_number(text)
			 : row->shape == KEYED ? find_keyed(text, row->key)
					       : sum_devices(text, row->key);

	return value == UINT64_MAX ? value : value * row->scale;
}

/* ---- the file of the row before is often that of this row ---- */

struct reader {
	const struct cgroup_host *host;
	const struct cgroup *cg;
	char *text;
	const struct row *last;
};

/* The group in the hierarchy that has the row's controller; NULL where that is of the other version. */
static const struct cgroup_member *row_member(const struct cgroup_host *host,
					      const struct cgroup *cg, const struct row *row)
{
	int h = cgroup_host_find(host, row->controller);

	if (h < 0 || host->hierarchies[h].v2 != row->v2)
		return NULL;
	return cgroup_member_at(cg, (unsigned int)h);
}

static int read_row(struct reader *reader, const struct row *row)
{
	const struct cgroup_member *member = row_member(reader->host, reader->cg, row);
	const struct row *last = reader->last;

	if (!member)
		return -1;
	if (last && last->v2 == row->v2 && strcmp(last->file, row->file) == 0)
		return 0;
	reader->last = NULL;
	if (cgroup_get(member->dir_fd, row->file, reader->text, FILE_SIZE) < 0)
		return -1;
	reader->last = row;
	return 0;
}

int cgroup_stats(const struct cgroup_host *host, const struct cgroup *cg, struct cgroup_stats *ret,
		 struct err *err)
{
	struct cgroup_stats stats = {.memory_limit = UINT64_MAX, .pids_limit = UINT64_MAX};
	own_free char *text = malloc(FILE_SIZE);
	struct reader reader = {.host = host, .cg = cg, .text = text};

	if (!text)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	/* Every group has this file: without it, the group is gone, and nothing below would tell. */
	if (cg->count && faccessat(cg->members[0].dir_fd, "cgroup.procs", F_OK, 0) < 0)
		return err_set(err, ERR_NOT_FOUND, 0, "cgroup '%s' is gone", cg->name);
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (read_row(&reader, &rows[i]) == 0)
			*(uint64_t *)((char *)&stats + rows[i].field) = row_value(&rows[i], text);
	if (stats.memory_limit >= V1_NO_LIMIT)
		stats.memory_limit = UINT64_MAX;
	stats.frozen = cgroup_is_frozen(cg);
	*ret = stats;
	return 0;
}

uint64_t cgroup_oom_kills(const struct cgroup_host *host, const struct cgroup *cg)
{
	char text[1024];

	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct cgroup_member *member;

		if (rows[i].field != FIELD(memory_oom_kills))
			continue;
		member = row_member(host, cg, &rows[i]);
		if (member && cgroup_get(member->dir_fd, rows[i].file, text, sizeof(text)) >= 0)
			return row_value(&rows[i], text);
	}
	return 0;
}
