/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits of a group as its files have them now: what inspect shows beside what was asked for. A
 * file that is not there (another version, a controller that is not enabled for the group) is left
 * out, and so says what cannot be in force.
 */
#include <string.h>

#include "kernel/cgroup_internal.h"

#define VALUE_SIZE 4096

static const char *const files[] = {
	/* v1 */
	"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes",
	"memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.swappiness",
	"devices.list", "blkio.weight",
	/* v2 */
	"cpu.weight", "cpu.max", "memory.max", "memory.high", "memory.low", "memory.swap.max",
	"io.weight", "io.max",
	/* both */
	"cpuset.cpus", "cpuset.mems", "pids.max"};

static int add_values(const struct cgroup_hierarchy *h, int dir_fd, struct strv *ret,
		      struct err *err)
{
	char value[VALUE_SIZE];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (cgroup_get(dir_fd, files[i], value, sizeof(value)) >= 0 &&
		    strv_addf(ret, err, "%s/%s=%s", h->name, files[i], value) < 0)
			return -1;
	return 0;
}

int cgroup_values(const struct cgroup_host *host, const struct cgroup *cg, struct strv *ret,
		  struct err *err)
{
	for (size_t i = 0; i < cg->count; i++)
		if (add_values(&host->hierarchies[cg->members[i].hierarchy], cg->members[i].dir_fd,
			       ret, err) < 0)
			return -1;
	return 0;
}

void cgroup_controllers_text(unsigned int controllers, bool v2, struct str *out)
{
	for (unsigned int bit = 1; bit < CG_NAMED; bit <<= 1)
		if (controllers & bit)
			str_addf(out, "%s%s", out->len ? " " : "", cgroup_controller_name(bit, v2));
}
