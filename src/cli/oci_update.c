/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime update: new limits for a container, from a linux.resources object (--resources, as
 * containerd and Docker call it) or from single flags. Both at once are refused: runc ignores the flags
 * then, and nobody is told.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/oci_life.h"
#include "kernel/resctrl.h"
#include "runtime/update.h"

#define RESOURCES_MAX (1u << 20)

struct update_options {
	char *resources;
	int64_t blkio_weight, cpu_period, cpu_quota, cpu_burst, cpu_share, cpu_rt_period,
		cpu_rt_runtime, cpu_idle, pids_limit;
	bool blkio_weight_given, cpu_period_given, cpu_quota_given, cpu_burst_given,
		cpu_share_given, cpu_rt_period_given, cpu_rt_runtime_given, cpu_idle_given,
		pids_limit_given;
	char *cpuset_cpus, *cpuset_mems, *memory, *memory_reservation, *memory_swap, *kernel_memory,
		*kernel_memory_tcp, *l3_cache_schema, *mem_bw_schema;
};

#define AT(member_) offsetof(struct update_options, member_)
#define NUMBER(name_, member_, value_, help_, ...) \
	{ \
		name_, 0, OPT_I64, AT(member_), AT(member_##_given), .value_name = (value_), \
								     .help = (help_), __VA_ARGS__ \
	}
#define TEXT(name_, member_, value_, help_) \
	{ \
		name_, 0, OPT_STRING, AT(member_), .value_name = (value_), .help = (help_) \
	}

static const struct opt update_table[] = {
	{"resources", 'r', OPT_STRING, AT(resources), .value_name = "FILE",
	 .help = "take a linux.resources object from a file, - for the standard input",
	 .complete = "file"},
	NUMBER("blkio-weight", blkio_weight, "N", "weight of block I/O, 10 to 1000", .min = 0,
	       .max = 1000),
	NUMBER("cpu-period", cpu_period, "USEC", "period of the CPU quota", .min = 0,
	       .max = 1000000),
	NUMBER("cpu-quota", cpu_quota, "USEC", "time on the CPU in each period, -1 without limit",
	       .min = -1, .max = INT64_MAX),
	NUMBER("cpu-burst", cpu_burst, "USEC", "unused quota that may be saved", .min = 0,
	       .max = INT64_MAX),
	NUMBER("cpu-share", cpu_share, "N", "share of the CPU against others, 2 to 262144",
	       .min = 0, .max = INT64_MAX),
	NUMBER("cpu-rt-period", cpu_rt_period, "USEC", "period of real-time CPU time", .min = 0,
	       .max = INT64_MAX),
	NUMBER("cpu-rt-runtime", cpu_rt_runtime, "USEC", "real-time CPU time in each period",
	       .min = -1, .max = INT64_MAX),
	NUMBER("cpu-idle", cpu_idle, "N", "1: run only when nobody else wants the CPU", .min = 0,
	       .max = 1),
	TEXT("cpuset-cpus", cpuset_cpus, "LIST", "list of CPUs to run on, for example 0-2,8"),
	TEXT("cpuset-mems", cpuset_mems, "LIST", "memory nodes to take memory from"),
	TEXT("memory", memory, "BYTES", "limit of memory, -1 without"),
	TEXT("memory-reservation", memory_reservation, "BYTES", "memory that is taken back last"),
	TEXT("memory-swap", memory_swap, "BYTES", "limit of memory and swap together, -1 without"),
	TEXT("kernel-memory", kernel_memory, "BYTES", "without effect: kernels have no such limit"),
	TEXT("kernel-memory-tcp", kernel_memory_tcp, "BYTES",
	     "limit of memory for TCP buffers, on cgroup v1"),
	NUMBER("pids-limit", pids_limit, "N", "limit of processes, -1 without", .min = -1,
	       .max = INT64_MAX),
	TEXT("l3-cache-schema", l3_cache_schema, "TEXT",
	     "line for the schemata of resctrl, caches"),
	TEXT("mem-bw-schema", mem_bw_schema, "TEXT", "line for the schemata of resctrl, bandwidth"),
	{0},
};

/* ---- from flags ---- */

static int take_bytes(const char *text, const char *name, int64_t *ret, struct err *err)
{
	uint64_t bytes;

	if (!text)
		return 0;
	if (str_eq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	if (str_to_bytes(text, name, &bytes, err) < 0)
		return -1;
	*ret = (int64_t)bytes;
	return 0;
}

static void take_numbers(const struct update_options *o, struct cgroup_resources *r)
{
	const struct {
		bool given;
		int64_t value, *to;
	} rows[] = {
		{o->blkio_weight_given, o->blkio_weight, &r->io_weight},
		{o->cpu_period_given, o->cpu_period, &r->cpu_period},
		{o->cpu_quota_given, o->cpu_quota, &r->cpu_quota},
		{o->cpu_burst_given, o->cpu_burst, &r->cpu_burst},
		{o->cpu_share_given, o->cpu_share, &r->cpu_shares},
		{o->cpu_rt_period_given, o->cpu_rt_period, &r->cpu_rt_period},
		{o->cpu_rt_runtime_given, o->cpu_rt_runtime, &r->cpu_rt_runtime},
		{o->cpu_idle_given, o->cpu_idle, &r->cpu_idle},
		{o->pids_limit_given, o->pids_limit, &r->pids_limit},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].given)
			*rows[i].to = rows[i].value;
}

static int from_flags(const struct update_options *o, struct cgroup_resources *r, struct err *err)
{
	take_numbers(o, r);
	if (take_bytes(o->memory, "--memory", &r->memory_limit, err) < 0 ||
	    take_bytes(o->memory_reservation, "--memory-reservation", &r->memory_reservation, err) <
		    0 ||
	    take_bytes(o->memory_swap, "--memory-swap", &r->memory_swap, err) < 0 ||
	    take_bytes(o->kernel_memory, "--kernel-memory", &r->memory_kernel, err) < 0 ||
	    take_bytes(o->kernel_memory_tcp, "--kernel-memory-tcp", &r->memory_kernel_tcp, err) < 0)
		return -1;
	if ((o->cpuset_cpus && !(r->cpuset_cpus = str_dup(o->cpuset_cpus, err))) ||
	    (o->cpuset_mems && !(r->cpuset_mems = str_dup(o->cpuset_mems, err))))
		return -1;
	return 0;
}

static bool has_flag(const struct update_options *o)
{
	for (const struct opt *row = update_table + 1; row->name; row++) {
		const char *base = (const char *)o;

		if (row->type == OPT_STRING ? *(char *const *)(base + row->offset) != NULL
					    : *(const bool *)(base + row->given_offset))
			return true;
	}
	return false;
}

/* ---- from a document ---- */

static int from_file(const char *name, struct cgroup_resources *r, struct err *err)
{
	bool standard = str_eq(name, "-");
	own_fd int fd = standard ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(name, O_RDONLY | O_CLOEXEC);
	const char *what = standard ? "the standard input" : name;
	own_free char *text = NULL;

	if (fd < 0)
		return err_errno(err, "cannot open '%s'", name);
	ssize_t size = fd_read_all(fd, RESOURCES_MAX, what, &text, err);
	if (size < 0)
		return -1;
	return spec_parse_resources(text, (size_t)size, what, r, err);
}

static int collect(const struct update_options *o, struct cgroup_resources *r, struct err *err)
{
	if (!o->resources)
		return from_flags(o, r, err);
	if (has_flag(o))
		return err_set(err, ERR_USAGE, 0,
			       "--resources has all limits in it: no other flag goes with it");
	return from_file(o->resources, r, err);
}

/* ---- resctrl ---- */

static int update_resctrl(const struct update_options *o, const struct state_dir *dir,
			  const struct spec *spec, int root_fd, char **ret_before, struct err *err)
{
	const struct resctrl wanted = {.l3_cache = o->l3_cache_schema, .mem_bw = o->mem_bw_schema};

	if (spec->linux_.intel_rdt)
		return resctrl_update(root_fd, spec->linux_.intel_rdt, dir->state.id, &wanted,
				      ret_before, err);
	return err_set(err, ERR_STATE, 0,
		       "container '%s' is in no group of resctrl: its configuration has no "
		       "linux.intelRdt",
		       dir->state.id);
}

/* ---- the verb ---- */

static int update_group(const struct state_dir *dir, const struct cgroup_resources *r,
			struct strv *warnings, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	return runtime_update(&dir->state.place, &host, r, true, warnings, err);
}

/* The schemata first, as they can be written back: half an update is none. */
static int update_both(const struct update_options *o, const struct state_dir *dir,
		       const struct cgroup_resources *r, struct strv *warnings, struct err *err)
{
	own_fd int root_fd = resctrl_open(RESCTRL_PLACE, false, err);
	own_free char *before = NULL;
	struct err undoing = ERR_INIT;
	struct spec spec;

	if (root_fd < 0)
		return err_wrap(err, "cannot update the schemata");
	spec_init(&spec);
	int status = life_read_spec(dir, &spec, err);
	if (status == 0)
		status = update_resctrl(o, dir, &spec, root_fd, &before, err);
	if (status == 0) {
		status = update_group(dir, r, warnings, err);
		if (status < 0 && resctrl_restore(root_fd, spec.linux_.intel_rdt, dir->state.id,
						  before, &undoing) < 0)
			err_hint(err, "the schemata are the new ones: %s", undoing.message);
	}
	spec_done(&spec);
	return status;
}

static int update(struct oci *oci, const struct update_options *o, struct state_dir *dir,
		  const struct cgroup_resources *r, struct err *err)
{
	own(strv) struct strv warnings = STRV_INIT;
	bool schemata = o->l3_cache_schema || o->mem_bw_schema;

	if (dir->status != STATE_RUNNING && dir->status != STATE_CREATED)
		return life_not_running(dir, err);
	if (schemata ? update_both(o, dir, r, &warnings, err) < 0
		     : update_group(dir, r, &warnings, err) < 0)
		return -1;
	for (size_t i = 0; i < warnings.count; i++)
		oci_log_line(oci, OCI_LOG_WARNING, warnings.items[i]);
	return 0;
}

static int run_update(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	const struct update_options *o = options;
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	own(cgroup_resources) struct cgroup_resources r = {0};
	const char *id = operands->items[0];

	cgroup_resources_init(&r);
	if (life_find(oci, id, &dir, err) < 0 || collect(o, &r, err) < 0 ||
	    state_lock(&dir, LIFE_LOCK_MS, err) < 0)
		return -1;
	if (update(oci, o, &dir, &r, err) < 0)
		return err_wrap(err, "cannot update container '%s'", id);
	return 0;
}

const struct oci_verb oci_verb_update = {
	.name = "update",
	.usage = "ID",
	.help = "change the limits of a container",
	.table = update_table,
	.options_size = sizeof(struct update_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_update,
};
