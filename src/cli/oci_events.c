/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime events: statistics of a container, once or again and again, and notices. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/oci_life.h"
#include "runtime/events.h"

#define STATS_MAX (4u << 20)

struct events_options {
	bool stats;
	uint64_t interval;
	bool interval_given;
};

static const struct opt events_table[] = {
	{"interval", 0, OPT_MS, offsetof(struct events_options, interval),
	 offsetof(struct events_options, interval_given), .value_name = "TIME",
	 .help = "time between two statistics (default: 5s)"},
	{"stats", 0, OPT_BOOL, offsetof(struct events_options, stats),
	 .help = "print the statistics once"},
	{0},
};

static int print_once(const struct events_source *source, struct err *err)
{
	own(str) struct str line = STR_INIT(STATS_MAX);

	if (runtime_stats_print(source, &line, err) < 0)
		return -1;
	fputs(line.data, stdout);
	return 0;
}

static int run_events(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	const struct events_options *o = options;
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own(spec) struct spec spec = {0};
	const char *id = operands->items[0];
	uint64_t interval = o->interval_given ? o->interval : 5000;

	spec_init(&spec);
	if (interval == 0 || interval > INT32_MAX)
		return err_set(err, ERR_USAGE, 0, "--interval is from 1ms to 24 days");
	if (life_find(oci, id, &dir, err) < 0)
		return -1;
	if (dir.status != STATE_RUNNING && dir.status != STATE_CREATED)
		return life_not_running(&dir, err);
	if (cgroup_host_probe_groups(&host, err) < 0 ||
	    state_open_cgroup(&dir, &host, &cg, err) < 0)
		return err_wrap(err, "events of container '%s'", id);
	/* Only the configuration tells of groups of resctrl. */
	if (dir.state.ends_by_config && life_read_spec(&dir, &spec, err) < 0)
		return -1;
	const struct events_source source = {.host = &host,
					     .cg = &cg,
					     .id = id,
					     .init = &dir.init,
					     .rdt = spec.linux_.intel_rdt};
	if (o->stats)
		return print_once(&source, err);
	/* A reader that went away is an end, not a death. */
	signal(SIGPIPE, SIG_IGN);
	return runtime_events_follow(&source, (int)interval, STDOUT_FILENO, err);
}

const struct oci_verb oci_verb_events = {
	.name = "events",
	.usage = "ID",
	.help = "print statistics and out-of-memory notices of a container",
	.table = events_table,
	.options_size = sizeof(struct events_options),
	.max_operands = 1,
	.min_operands = 1,
	.run = run_events,
};
