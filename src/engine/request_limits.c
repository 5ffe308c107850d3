/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much a container may use. --cpus N is a quota and, beside it, a real cpuset of N CPUs rounded
 * up: a program that counts its CPUs by sched_getaffinity(2), as musl, Go and OpenMP do, then counts
 * what it has. Which CPUs is a matter of the container's id, so that they spread over the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/request.h"
#include "kernel/procattr.h"

#define CPU_PERIOD_US 100000
#define CPU_QUOTA_MINIMUM_US 1000 /* the kernel's */
#define CPUS_MINIMUM_MILLI 10	  /* a quota of one millisecond, the least that the kernel takes */

static int limit_memory(const struct run_options *options, struct cgroup_resources *r,
			struct err *err)
{
	uint64_t swap;

	if (options->memory && options->memory < REQUEST_MEMORY_MINIMUM) {
		err_set(err, ERR_USAGE, 0, "--memory: %llu bytes are too few",
			(unsigned long long)options->memory);
		return err_hint(err, "at least 6m");
	}
	if (options->memory)
		r->memory_limit = r->memory_swap = (int64_t)options->memory;
	if (!options->memory_swap)
		return 0;
	if (!strcmp(options->memory_swap, "-1")) {
		r->memory_swap = -1;
		return 0;
	}
	if (str_to_bytes(options->memory_swap, "--memory-swap", &swap, err) < 0)
		return -1;
	if (!options->memory || swap < options->memory) {
		err_set(err, ERR_USAGE, 0, "--memory-swap is memory and swap together");
		return err_hint(err, "give --memory too, and not less than it");
	}
	r->memory_swap = (int64_t)swap;
	return 0;
}

static int limit_reservation(const struct run_options *options, struct cgroup_resources *r,
			     struct err *err)
{
	if (options->memory_swappiness_given)
		r->memory_swappiness = options->memory_swappiness;
	if (!options->memory_reservation)
		return 0;
	if (options->memory && options->memory_reservation > options->memory) {
		err_set(err, ERR_USAGE, 0, "--memory-reservation is above --memory");
		return err_hint(err,
				"it is what is left to the container, of what --memory allows it");
	}
	r->memory_reservation = (int64_t)options->memory_reservation;
	return 0;
}

/* --cpu-quota in --cpu-period is what --cpus says in one word, without the set of CPUs. */
static int limit_quota(const struct run_options *options, struct cgroup_resources *r,
		       struct err *err)
{
	if (options->cpu_shares == 1)
		return err_set(err, ERR_USAGE, 0, "--cpu-shares: 2 at the least");
	if (options->cpu_shares)
		r->cpu_shares = (int64_t)options->cpu_shares;
	if (!options->cpu_period && !options->cpu_quota)
		return 0;
	if (options->cpus_milli)
		return err_set(err, ERR_USAGE, 0,
			       "--cpus excludes --cpu-period and --cpu-quota: it is both of them");
	if (options->cpu_quota > 0 && options->cpu_quota < CPU_QUOTA_MINIMUM_US)
		return err_set(err, ERR_USAGE, 0, "--cpu-quota: %d microseconds at the least",
			       CPU_QUOTA_MINIMUM_US);
	r->cpu_period = options->cpu_period ? (int64_t)options->cpu_period : CPU_PERIOD_US;
	if (options->cpu_quota)
		r->cpu_quota = options->cpu_quota;
	return 0;
}

int request_mems(const struct run_options *options, const struct facts *facts,
		 struct cgroup_resources *r, struct err *err)
{
	if (!options->cpuset_mems)
		return 0;
	int inside = *options->cpuset_mems
			     ? cpu_list_subset(options->cpuset_mems, facts->mems_allowed.text, err)
			     : 0;
	if (inside < 0)
		return err_wrap(err, "--cpuset-mems");
	if (!inside)
		return err_set(err, ERR_USAGE, 0, "--cpuset-mems: '%s' is not within '%s'",
			       options->cpuset_mems, facts->mems_allowed.text);
	r->cpuset_mems = str_dup(options->cpuset_mems, err);
	return r->cpuset_mems ? 0 : -1;
}

/* A number that spreads: the low bits of the id. */
static unsigned int spread(const char *id)
{
	unsigned int value = 0;

	sscanf(id, "%6x", &value);
	return value;
}

int request_cpus(const struct run_options *options, const struct facts *facts, const char *id,
		 struct cgroup_resources *r, struct err *err)
{
	struct cpu_set_text picked;
	uint64_t wanted = (options->cpus_milli + 999) / 1000;
	const char *from = options->cpuset_cpus ? options->cpuset_cpus : facts->cpus_allowed.text;

	if (options->cpuset_cpus && !*options->cpuset_cpus)
		return err_set(err, ERR_USAGE, 0, "--cpuset-cpus: '' is not a list of CPUs");
	if (options->cpuset_cpus) {
		int inside = cpu_list_subset(options->cpuset_cpus, facts->cpus_allowed.text, err);

		if (inside < 0)
			return err_wrap(err, "--cpuset-cpus");
		if (!inside)
			return err_set(err, ERR_USAGE, 0, "--cpuset-cpus: '%s' is not within '%s'",
				       options->cpuset_cpus, facts->cpus_allowed.text);
		r->cpuset_cpus = str_dup(options->cpuset_cpus, err);
		if (!r->cpuset_cpus)
			return -1;
	}
	if (!options->cpus_milli)
		return 0;
	if (options->cpus_milli < CPUS_MINIMUM_MILLI || wanted > facts->cpu_count) {
		err_set(err, ERR_USAGE, 0,
			wanted > facts->cpu_count ? "--cpus: more than the %u CPUs there are"
						  : "--cpus: too little of the %u CPUs there are",
			facts->cpu_count);
		return err_hint(err, "the range is 0.01 to %u", facts->cpu_count);
	}
	r->cpu_period = CPU_PERIOD_US;
	r->cpu_quota = (int64_t)(options->cpus_milli * CPU_PERIOD_US / 1000);
	if (cpu_list_count(from, err) <= (int)wanted)
		return 0;
	if (cpu_list_pick(from, (unsigned int)wanted, spread(id), &picked, err) < 0)
		return -1;
	free(r->cpuset_cpus);
	r->cpuset_cpus = str_dup(picked.text, err);
	return r->cpuset_cpus ? 0 : -1;
}

static int set_ulimits(const struct run_options *options, struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < options->ulimits.count; i++) {
		struct rlimit_entry limit;

		if (rlimit_parse_option(options->ulimits.items[i], &limit, err) < 0)
			return err_wrap(err, "--ulimit");
		if (spec_add_rlimit(spec, &limit, err) < 0)
			return -1;
	}
	return 0;
}

static int set_sysctls(const struct request *r, struct spec *spec, struct err *err)
{
	const struct run_options *options = r->options;
	struct sysctl_ns own = {.net = r->ns->of[SPEC_NS_NET].mode == NS_MODE_PRIVATE,
				.ipc = r->ns->of[SPEC_NS_IPC].mode == NS_MODE_PRIVATE,
				.uts = r->ns->of[SPEC_NS_UTS].mode == NS_MODE_PRIVATE};

	for (size_t i = 0; i < options->sysctls.count; i++) {
		const char *item = options->sysctls.items[i];
		const char *equals = strchr(item, '=');
		own_free char *name = str_dup_len(item, equals ? (size_t)(equals - item) : 0, err);

		if (!name)
			return -1;
		if (!equals || equals == item)
			return err_set(err, ERR_USAGE, 0, "--sysctl: '%s' is not NAME=VALUE", item);
		if (sysctl_check(name, equals + 1, &own, err) < 0)
			return err_wrap(err, "--sysctl");
		if (strv_add(&spec->linux_.sysctl, item, err) < 0)
			return -1;
	}
	return 0;
}

int request_limits(const struct request *request, struct spec *spec, struct err *err)
{
	const struct run_options *options = request->options;
	struct cgroup_resources *r = &spec->linux_.resources;

	if (limit_memory(options, r, err) < 0 || limit_reservation(options, r, err) < 0 ||
	    request_cpus(options, request->facts, request->record->id, r, err) < 0 ||
	    limit_quota(options, r, err) < 0 || request_mems(options, request->facts, r, err) < 0 ||
	    request_io(options, false, r, err) < 0)
		return -1;
	/* An ordinary user has a group to write it to only where one was delegated to him. */
	if (options->pids_limit_given || !request->user)
		r->pids_limit = options->pids_limit_given ? options->pids_limit : DEFAULT_PIDS;
	if (r->pids_limit == 0)
		r->pids_limit = -1;
	if (set_ulimits(options, spec, err) < 0)
		return -1;
	return set_sysctls(request, spec, err);
}

bool request_is_strict(const struct run_options *options)
{
	return options->memory_reservation || options->memory_swappiness_given ||
	       options->cpu_shares || options->cpu_period || options->cpu_quota ||
	       options->cpuset_mems || options->blkio_weight ||
	       options->blkio_weight_devices.count || options->read_bps.count ||
	       options->write_bps.count || options->read_iops.count || options->write_iops.count;
}
