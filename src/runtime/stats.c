/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's statistics in the form of `runc events --stats`: its names, its units (nanoseconds, bytes)
 * and its omissions, because shims parse it into structs of their own. Where v1 and v2 count differently,
 * v2's numbers are given v1's meaning, as runc does: swap includes memory. What runc leaves at 0 on v2
 * although the kernel tells it (CPUs of the cpuset, PSI) is filled in at the same place.
 *
 * Files are read one after the other, so the numbers are of about the same moment, no more.
 */
#include "runtime/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/procattr.h"
#include "runtime/events.h"

#define STATS_MAX (4u << 20)

/* ---- cpu ---- */

/* "123 456 789": a number for each CPU. */
static void put_percpu(struct stats *s)
{
	const char *p = s->text;

	json_write_key(s->w, "percpu");
	json_write_array(s->w);
	while (*p >= '0' && *p <= '9') {
		char *end;

		json_write_u64(s->w, strtoull(p, &end, 10));
		p = end + strspn(end, " \n");
	}
	json_write_end(s->w, ']');
}

/* cpuacct.usage_all: a head, then "CPU USER SYSTEM" for each. */
static void put_percpu_column(struct stats *s, const char *key, int column)
{
	json_write_key(s->w, key);
	json_write_array(s->w);
	for (const char *line = strchr(s->text, '\n'); line; line = strchr(line, '\n')) {
		unsigned long long values[3];

		line++;
		if (sscanf(line, "%llu %llu %llu", &values[0], &values[1], &values[2]) == 3)
			json_write_u64(s->w, values[column]);
	}
	json_write_end(s->w, ']');
}

static void put_cpu_usage_v1(struct stats *s)
{
	uint64_t user = 0, kernel = 0;

	stats_put_file(s, CG_CPUACCT, "total", "cpuacct.usage", NULL);
	if (stats_read(s, CG_CPUACCT, "cpuacct.usage_percpu", NULL))
		put_percpu(s);
	if (stats_read(s, CG_CPUACCT, "cpuacct.usage_all", NULL)) {
		put_percpu_column(s, "percpu_kernel", 2);
		put_percpu_column(s, "percpu_user", 1);
	}
	if (stats_read(s, CG_CPUACCT, "cpuacct.usage_sys", NULL))
		kernel = stats_single(s);
	if (stats_read(s, CG_CPUACCT, "cpuacct.usage_user", NULL))
		user = stats_single(s);
	stats_put(s, "kernel", kernel);
	stats_put(s, "user", user);
}

static void put_cpu_usage(struct stats *s)
{
	json_write_key(s->w, "usage");
	json_write_object(s->w);
	if (stats_use(s, CG_CPUACCT) && !s->v2) {
		put_cpu_usage_v1(s);
	} else {
		stats_read(s, CG_CPUACCT, NULL, "cpu.stat");
		stats_put_some(s, "total", stats_keyed(s, "usage_usec") * 1000);
		stats_put(s, "kernel", stats_keyed(s, "system_usec") * 1000);
		stats_put(s, "user", stats_keyed(s, "user_usec") * 1000);
	}
	json_write_end(s->w, '}');
}

static void put_cpu(struct stats *s)
{
	json_write_key(s->w, "cpu");
	json_write_object(s->w);
	put_cpu_usage(s);
	json_write_key(s->w, "throttling");
	json_write_object(s->w);
	stats_read(s, CG_CPU, "cpu.stat", "cpu.stat");
	stats_put_some(s, "periods", stats_keyed(s, "nr_periods"));
	stats_put_some(s, "throttledPeriods", stats_keyed(s, "nr_throttled"));
	stats_put_some(s, "throttledTime",
		       stats_keyed(s, "throttled_time") + stats_keyed(s, "throttled_usec") * 1000);
	json_write_end(s->w, '}');
	stats_put_pressure(s, CG_CPUACCT, "cpu.pressure");
	json_write_end(s->w, '}');
}

static void put_cpuset(struct stats *s)
{
	static const char *const flags[][2] = {
		{"mem_hardwall", "cpuset.mem_hardwall"},
		{"mem_exclusive", "cpuset.mem_exclusive"},
		{"memory_migrate", "cpuset.memory_migrate"},
		{"memory_spread_page", "cpuset.memory_spread_page"},
		{"memory_spread_slab", "cpuset.memory_spread_slab"},
		{"memory_pressure", "cpuset.memory_pressure"},
		{"sched_load_balance", "cpuset.sched_load_balance"},
	};
	long long level = 0;

	json_write_key(s->w, "cpuset");
	json_write_object(s->w);
	if (stats_read(s, CG_CPUSET, "cpuset.cpus", "cpuset.cpus.effective"))
		stats_put_list(s, "cpus");
	stats_read(s, CG_CPUSET, "cpuset.cpu_exclusive", NULL);
	stats_put(s, "cpu_exclusive", stats_single(s));
	if (stats_read(s, CG_CPUSET, "cpuset.mems", "cpuset.mems.effective"))
		stats_put_list(s, "mems");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		stats_read(s, CG_CPUSET, flags[i][1], NULL);
		stats_put(s, flags[i][0], stats_single(s));
	}
	if (stats_read(s, CG_CPUSET, "cpuset.sched_relax_domain_level", NULL))
		level = strtoll(s->text, NULL, 10);
	json_write_key(s->w, "sched_relax_domain_level");
	json_write_i64(s->w, level);
	json_write_end(s->w, '}');
}

/* ---- memory ---- */

struct entry {
	uint64_t limit, usage, max, failcnt;
};

static uint64_t read_one(struct stats *s, const char *v1, const char *v2)
{
	return stats_read(s, CG_MEMORY, v1, v2) ? stats_single(s) : 0;
}

static void put_entry(struct stats *s, const char *key, const struct entry *e)
{
	json_write_key(s->w, key);
	json_write_object(s->w);
	stats_put(s, "limit", e->limit);
	stats_put_some(s, "usage", e->usage);
	stats_put_some(s, "max", e->max);
	stats_put(s, "failcnt", e->failcnt);
	json_write_end(s->w, '}');
}

static struct entry read_entry_v1(struct stats *s, const char *prefix)
{
	static const char *const names[] = {"limit_in_bytes", "usage_in_bytes",
					    "max_usage_in_bytes", "failcnt"};
	uint64_t values[4];

	for (int i = 0; i < 4; i++) {
		char file[64];

		snprintf(file, sizeof(file), "%s.%s", prefix, names[i]);
		values[i] = read_one(s, file, NULL);
	}
	return (struct entry){values[0], values[1], values[2], values[3]};
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b == UINT64_MAX ? UINT64_MAX : a + b;
}

static void put_memory_v1(struct stats *s)
{
	static const char *const entries[][2] = {{"usage", "memory"},
						 {"swap", "memory.memsw"},
						 {"kernel", "memory.kmem"},
						 {"kernelTCP", "memory.kmem.tcp"}};

	stats_read(s, CG_MEMORY, "memory.stat", NULL);
	stats_put_some(s, "cache", stats_keyed(s, "cache"));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct entry e = read_entry_v1(s, entries[i][1]);

		put_entry(s, entries[i][0], &e);
	}
	if (stats_read(s, CG_MEMORY, "memory.stat", NULL))
		stats_put_map(s, "raw");
}

static void put_memory_v2(struct stats *s)
{
	const struct entry usage = {.limit = read_one(s, NULL, "memory.max"),
				    .usage = read_one(s, NULL, "memory.current"),
				    .max = read_one(s, NULL, "memory.peak")};
	struct entry swap = {.limit = sum(read_one(s, NULL, "memory.swap.max"), usage.limit),
			     .usage = sum(read_one(s, NULL, "memory.swap.current"), usage.usage)};
	struct entry kernel = {0};

	stats_read(s, CG_MEMORY, NULL, "memory.stat");
	kernel.usage = stats_keyed(s, "kernel");
	stats_put_some(s, "cache", stats_keyed(s, "file"));
	put_entry(s, "usage", &usage);
	put_entry(s, "swap", &swap);
	put_entry(s, "kernel", &kernel);
	put_entry(s, "kernelTCP", &(struct entry){0});
	if (*s->text)
		stats_put_map(s, "raw");
	stats_put_pressure(s, CG_MEMORY, "memory.pressure");
	if (stats_read(s, CG_MEMORY, NULL, "memory.events"))
		stats_put_map(s, "event_count");
}

static void put_memory(struct stats *s)
{
	json_write_key(s->w, "memory");
	json_write_object(s->w);
	if (stats_use(s, CG_MEMORY)) {
		if (s->v2)
			put_memory_v2(s);
		else
			put_memory_v1(s);
	}
	json_write_end(s->w, '}');
}

/* ---- pids, blkio, hugetlb ---- */

static void put_pids(struct stats *s)
{
	uint64_t limit = 0;

	json_write_key(s->w, "pids");
	json_write_object(s->w);
	stats_put_file(s, CG_PIDS, "current", "pids.current", "pids.current");
	if (stats_read(s, CG_PIDS, "pids.max", "pids.max"))
		limit = stats_single(s);
	stats_put_some(s, "limit", limit == UINT64_MAX ? 0 : limit);
	json_write_end(s->w, '}');
}

/* BFQ's files count what BFQ schedules; without it they are empty, and the throttling layer's tell all. */
static void put_blkio_v1(struct stats *s)
{
	static const struct {
		const char *key, *files[2];
	} rows[] = {
		{"ioServiceBytesRecursive",
		 {"blkio.bfq.io_service_bytes_recursive",
		  "blkio.throttle.io_service_bytes_recursive"}},
		{"ioServicedRecursive",
		 {"blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive"}},
		{"ioQueueRecursive", {"blkio.bfq.io_queued_recursive", NULL}},
		{"ioServiceTimeRecursive", {"blkio.bfq.io_service_time_recursive", NULL}},
		{"ioWaitTimeRecursive", {"blkio.bfq.io_wait_time_recursive", NULL}},
		{"ioMergedRecursive", {"blkio.bfq.io_merged_recursive", NULL}},
		{"ioTimeRecursive", {"blkio.bfq.time_recursive", NULL}},
		{"sectorsRecursive", {"blkio.bfq.sectors_recursive", NULL}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 2 && rows[i].files[k]; k++)
			if (stats_read(s, CG_IO, rows[i].files[k], NULL) &&
			    stats_put_io_v1(s, rows[i].key))
				break;
}

static void put_blkio(struct stats *s)
{
	static const char *const bytes[] = {"rbytes", "wbytes", "dbytes"};
	static const char *const counts[] = {"rios", "wios", "dios"};

	json_write_key(s->w, "blkio");
	json_write_object(s->w);
	if (stats_use(s, CG_IO) && !s->v2) {
		put_blkio_v1(s);
	} else {
		if (stats_read(s, CG_IO, NULL, "io.stat"))
			stats_put_io_v2(s, "ioServiceBytesRecursive", bytes);
		if (stats_read(s, CG_IO, NULL, "io.stat"))
			stats_put_io_v2(s, "ioServicedRecursive", counts);
		stats_put_pressure(s, CG_IO, "io.pressure");
	}
	json_write_end(s->w, '}');
}

static uint64_t read_hugetlb(struct stats *s, const char *size, const char *v1, const char *v2,
			     const char *key)
{
	char files[2][64];

	snprintf(files[0], sizeof(files[0]), "hugetlb.%s.%s", size, v1 ? v1 : "");
	snprintf(files[1], sizeof(files[1]), "hugetlb.%s.%s", size, v2 ? v2 : "");
	if (!stats_read(s, CG_HUGETLB, v1 ? files[0] : NULL, v2 ? files[1] : NULL))
		return 0;
	return key && s->v2 ? stats_keyed(s, key) : stats_single(s);
}

static int put_hugetlb(struct stats *s, struct err *err)
{
	own(strv) struct strv sizes = STRV_INIT;

	if (cgroup_hugetlb_sizes(s->host, s->cg, &sizes, err) < 0)
		return -1;
	json_write_key(s->w, "hugetlb");
	json_write_object(s->w);
	stats_use(s, CG_HUGETLB);
	for (size_t i = 0; i < sizes.count; i++) {
		const char *size = sizes.items[i];

		json_write_key(s->w, size);
		json_write_object(s->w);
		stats_put_some(s, "usage",
			       read_hugetlb(s, size, "usage_in_bytes", "current", NULL));
		stats_put_some(s, "max", read_hugetlb(s, size, "max_usage_in_bytes", NULL, NULL));
		stats_put(s, "failcnt", read_hugetlb(s, size, "failcnt", "events", "max"));
		json_write_end(s->w, '}');
	}
	json_write_end(s->w, '}');
	return 0;
}

/* ---- network ---- */

static void put_interface(struct stats *s, const char *name, const unsigned long long v[16])
{
	static const struct {
		const char *key;
		int column;
	} rows[] = {
		{"RxBytes", 0}, {"RxPackets", 1}, {"RxErrors", 2},  {"RxDropped", 3},
		{"TxBytes", 8}, {"TxPackets", 9}, {"TxErrors", 10}, {"TxDropped", 11},
	};

	json_write_object(s->w);
	json_write_member(s->w, "Name", name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		stats_put(s, rows[i].key, v[rows[i].column]);
	json_write_end(s->w, '}');
}

/* Columns of /proc/PID/net/dev, proc_pid_net(5). */
static void put_net_line(struct stats *s, char *line)
{
	char *colon = strchr(line, ':');
	unsigned long long v[16];
	char *p = colon ? colon + 1 : line;

	if (!colon)
		return;
	*colon = '\0';
	for (int i = 0; i < 16; i++)
		v[i] = strtoull(p, &p, 10);
	line += strspn(line, " ");
	if (strcmp(line, "lo") != 0)
		put_interface(s, line, v);
}

/* The process may be gone by now, or live in the host's namespace like everybody: then there are none. */
static int put_network(struct stats *s, pid_t init_pid, struct err *err)
{
	struct err ignored = ERR_INIT;
	own_free char *text = init_pid ? procfs_read_net(init_pid, &ignored) : NULL;
	char *rest = text;

	json_write_key(s->w, "network_interfaces");
	if (!text) {
		json_write_string(s->w, NULL);
		return 0;
	}
	json_write_array(s->w);
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		put_net_line(s, line);
	json_write_end(s->w, ']');
	return 0;
}

/* ---- all of it ---- */

/* An empty object where the container has no such group, as runc prints it. */
static void put_resctrl(struct stats *s, const struct events_source *source)
{
	struct err ignored = ERR_INIT;
	const char *place = source->resctrl ? source->resctrl : RESCTRL_PLACE;
	own_fd int fd = source->rdt ? resctrl_open(place, source->resctrl, &ignored) : -1;

	json_write_key(s->w, "intel_rdt");
	json_write_object(s->w);
	if (fd >= 0)
		resctrl_write_stats(fd, source->rdt, source->id, s->w);
	json_write_end(s->w, '}');
}

static int put_data(struct stats *s, const struct events_source *source, struct err *err)
{
	json_write_key(s->w, "data");
	json_write_object(s->w);
	put_cpu(s);
	put_cpuset(s);
	put_memory(s);
	put_pids(s);
	put_blkio(s);
	if (put_hugetlb(s, err) < 0)
		return -1;
	put_resctrl(s, source);
	if (put_network(s, source->init->pid, err) < 0)
		return -1;
	json_write_end(s->w, '}');
	return 0;
}

int runtime_stats_print(const struct events_source *source, struct str *out, struct err *err)
{
	own_free char *text = malloc(STATS_FILE_MAX);
	struct json_writer w;
	struct stats s = {.host = source->host, .cg = source->cg, .w = &w, .text = text};
	int status;

	if (!text)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	json_writer_init(&w, out, 0);
	json_write_object(&w);
	json_write_member(&w, "type", "stats");
	json_write_member(&w, "id", source->id);
	status = put_data(&s, source, err);
	json_write_end(&w, '}');
	str_add_char(out, '\n');
	return status < 0 ? -1 : str_check(out, "the statistics", err);
}
