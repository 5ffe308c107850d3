/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula rename and update: another name, other limits. */
#include "cli/cli.h"
#include "engine/change.h"

#include "base/own.h"

static int run_rename(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_find(&cli->store, operands->items[0], &ct, err) < 0)
		return -1;
	if (engine_rename(&ct, operands->items[1], err) < 0)
		return err_wrap(err, "cannot rename '%s'", operands->items[0]);
	return 0;
}

static const struct opt no_table[] = {{0}};

const struct verb cli_verb_rename = {
	.name = "rename",
	.usage = "CONTAINER NAME",
	.help = "give a container another name",
	.table = no_table,
	.flags = VERB_STORE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_rename,
	.complete = "container",
};

struct update_command {
	struct choice choice; /* first */
	char *restart;
	struct update_options how;
};

#define UPDATE(field) offsetof(struct update_command, how.field)
#define LIMIT(field) UPDATE(limits.field)

static const struct opt update_table[] = {
	{"memory", 'm', OPT_STRING, UPDATE(memory), .value_name = "BYTES",
	 .help = "limit of memory, -1: none"},
	{"memory-swap", 0, OPT_STRING, UPDATE(memory_swap), .value_name = "BYTES",
	 .help = "limit of memory and swap together, -1: none"},
	{"memory-reservation", 0, OPT_STRING, UPDATE(memory_reservation), .value_name = "BYTES",
	 .help = "memory that is taken back last, -1: none"},
	{"memory-swappiness", 0, OPT_I64, LIMIT(memory_swappiness), LIMIT(memory_swappiness_given),
	 .value_name = "N", .help = "how readily memory is swapped out, 0 to 100", .max = 100},
	{"cpus", 0, OPT_STRING, UPDATE(cpus), .value_name = "N",
	 .help = "how many CPUs it may use, 0.01 and more, 0: all"},
	{"cpuset-cpus", 0, OPT_STRING, LIMIT(cpuset_cpus), .value_name = "LIST",
	 .help = "the CPUs it may use, as in 0-2,7", .complete = "none"},
	{"cpuset-mems", 0, OPT_STRING, LIMIT(cpuset_mems), .value_name = "LIST",
	 .help = "the memory nodes it may use", .complete = "none"},
	{"cpu-shares", 'c', OPT_U64, LIMIT(cpu_shares), .value_name = "N",
	 .help = "weight against others, 1024 by default", .min = 1, .max = 262144},
	{"cpu-period", 0, OPT_U64, LIMIT(cpu_period), .value_name = "MICROSECONDS",
	 .help = "length of a period of --cpu-quota", .min = 1000, .max = 1000000},
	{"cpu-quota", 0, OPT_STRING, UPDATE(cpu_quota), .value_name = "MICROSECONDS",
	 .help = "what it may run in each period, -1: no limit"},
	{"pids-limit", 0, OPT_I64, UPDATE(pids_limit), UPDATE(pids_limit_given), .value_name = "N",
	 .help = "processes and threads, -1: no limit", .min = -1, .max = 4194304},
	{"blkio-weight", 0, OPT_U64, LIMIT(blkio_weight), .value_name = "N",
	 .help = "weight against others on disks, 10 to 1000", .min = 10, .max = 1000},
	{"blkio-weight-device", 0, OPT_STRINGS, LIMIT(blkio_weight_devices),
	 .value_name = "DEVICE:N", .help = "the same on one disk"},
	{"device-read-bps", 0, OPT_STRINGS, LIMIT(read_bps), .value_name = "DEVICE:BYTES",
	 .help = "bytes a second that may be read from a disk"},
	{"device-write-bps", 0, OPT_STRINGS, LIMIT(write_bps), .value_name = "DEVICE:BYTES",
	 .help = "bytes a second that may be written to a disk"},
	{"device-read-iops", 0, OPT_STRINGS, LIMIT(read_iops), .value_name = "DEVICE:N",
	 .help = "reads a second from a disk"},
	{"restart", 0, OPT_STRING, offsetof(struct update_command, restart), .value_name = "POLICY",
	 .help = "no, on-failure[:N], always or unless-stopped", .complete = "none"},
	{"device-write-iops", 0, OPT_STRINGS, LIMIT(write_iops), .value_name = "DEVICE:N",
	 .help = "writes a second to a disk"},
	CHOICE_LATEST,
	{0},
};

static bool has_limit(const struct update_options *o)
{
	const struct run_options *l = &o->limits;

	return o->memory || o->memory_swap || o->memory_reservation || o->cpus || o->cpu_quota ||
	       o->pids_limit_given || l->memory_swappiness_given || l->cpuset_cpus ||
	       l->cpuset_mems || l->cpu_shares || l->cpu_period || l->blkio_weight ||
	       l->blkio_weight_devices.count || l->read_bps.count || l->write_bps.count ||
	       l->read_iops.count || l->write_iops.count;
}

static int update_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct update_command *options = data;

	if ((options->restart && engine_check_policy(ct, options->restart, err) < 0) ||
	    (has_limit(&options->how) && engine_update(ct, &options->how, err) < 0) ||
	    (options->restart && engine_set_policy(ct, options->restart, err) < 0))
		return err_wrap(err, "cannot update '%s'", ct->record.name);
	return cli_said(ct);
}

static int run_update(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct update_command *options = data;

	if (!options->restart && !has_limit(&options->how)) {
		err_set(err, ERR_USAGE, 0, "update: no limit is given");
		return err_hint(err, "insula update --help lists them");
	}
	return cli_each_container(cli, operands, data, update_one, err);
}

const struct verb cli_verb_update = {
	.name = "update",
	.usage = "CONTAINER...",
	.help = "change the limits and the restart policy of containers, at once where they run",
	.table = update_table,
	.options_size = sizeof(struct update_command),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_update,
	.complete = "container",
};
