/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula top and stats: what running containers do, and what they use. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/template.h"
#include "engine/lifecycle.h"
#include "engine/observe.h"

#define DOCUMENT_MAX ((size_t)64 << 20)

/* ---- top ---- */

struct top_options {
	struct choice choice; /* first */
	char *format, *columns;
};

/* What a descriptor of top is called, and what stands above its column: as podman-top(1) has them. */
static const struct template_field top_fields[] = {
	{"user", "user", "USER"},
	{"huser", "huser", "HUSER"},
	{"group", "group", "GROUP"},
	{"hgroup", "hgroup", "HGROUP"},
	{"pid", "pid", "PID"},
	{"hpid", "hpid", "HPID"},
	{"ppid", "ppid", "PPID"},
	{"pcpu", "pcpu", "%CPU"},
	{"etime", "etime", "ELAPSED"},
	{"time", "time", "TIME"},
	{"tty", "tty", "TTY"},
	{"state", "state", "STATE"},
	{"nice", "nice", "NI"},
	{"threads", "threads", "THREADS"},
	{"rss", "rss", "RSS"},
	{"vsz", "vsz", "VSZ"},
	{"capeff", "capeff", "EFFECTIVE CAPS"},
	{"seccomp", "seccomp", "SECCOMP"},
	{"comm", "comm", "COMMAND"},
	{"args", "args", "COMMAND"},
	{0},
};

#define TOP_DEFAULT \
	"table " \
	"{{.user}}\\t{{.pid}}\\t{{.ppid}}\\t{{.pcpu}}\\t{{.etime}}\\t{{.tty}}\\t{{.time}}\\t{{." \
	"args}}"

/* What ps(1) calls some of them. */
static const struct {
	const char *name, *is;
} top_aliases[] = {
	{"%cpu", "pcpu"},    {"cmd", "args"},	  {"command", "args"},	  {"euser", "user"},
	{"uname", "user"},   {"egroup", "group"}, {"s", "state"},	  {"stat", "state"},
	{"ni", "nice"},	     {"nlwp", "threads"}, {"thcount", "threads"}, {"tt", "tty"},
	{"cputime", "time"}, {"vsize", "vsz"},	  {"rssize", "rss"},	  {"ucmd", "comm"},
};

static const struct template_field *find_descriptor(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof top_aliases / sizeof *top_aliases; i++)
		if (strlen(top_aliases[i].name) == size &&
		    strncmp(top_aliases[i].name, name, size) == 0) {
			name = top_aliases[i].is;
			size = strlen(name);
			break;
		}
	for (const struct template_field *f = top_fields; f->name; f++)
		if (strlen(f->name) == size && strncmp(f->name, name, size) == 0)
			return f;
	return NULL;
}

static int unknown_descriptor(const char *name, size_t size, struct err *err)
{
	own(str) struct str all = STR_INIT(300);

	err_set(err, ERR_USAGE, 0, "top: there is no column '%.*s'", (int)size, name);
	for (const struct template_field *f = top_fields; f->name; f++)
		str_addf(&all, "%s%s", f == top_fields ? "" : ", ", f->name);
	return err_hint(err, "columns: %s", all.data);
}

/* "pid,user", "%cpu" is pcpu. */
static int add_columns(const char *text, struct str *format, struct err *err)
{
	while (*text) {
		size_t size = strcspn(text, ", ");
		const struct template_field *f = find_descriptor(text, size);

		if (!f)
			return unknown_descriptor(text, size, err);
		str_addf(format, "%s{{.%s}}", str_ends(format->data, "}}") ? "\\t" : "", f->name);
		text += size + (text[size] != '\0');
	}
	return 0;
}

/* -o and words say the same. *ret_given: there are any. */
static int make_format(const struct top_options *options, const struct strv *operands,
		       struct str *format, bool *ret_given, struct err *err)
{
	*ret_given = options->columns || operands->count > 1;
	str_add(format, "table ");
	if (options->columns && add_columns(options->columns, format, err) < 0)
		return -1;
	for (size_t i = 1; i < operands->count; i++)
		if (add_columns(operands->items[i], format, err) < 0)
			return -1;
	if (*ret_given && !str_ends(format->data, "}}"))
		return unknown_descriptor("", 0, err);
	return str_check(format, "the columns", err);
}

static int run_top(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct top_options *options = data;
	own(container) struct container ct = CONTAINER_INIT;
	own(str) struct str text = STR_INIT(DOCUMENT_MAX), format = STR_INIT(4096);
	struct json_writer w;
	bool given;

	if (template_check(options->format, top_fields, err) < 0 ||
	    make_format(options, operands, &format, &given, err) < 0)
		return -1;
	if (options->format && given)
		return err_set(err, ERR_USAGE, 0, "top: columns and --format exclude each other");
	if (store_find(&cli->store, operands->items[0], &ct, err) < 0)
		return -1;
	json_writer_init(&w, &text, 2);
	if (engine_top(&ct, &w, err) < 0 || str_check(&text, "the list", err) < 0)
		return -1;
	return print_rows(options->format, given ? format.data : TOP_DEFAULT, top_fields, &text,
			  err);
}

static const struct opt top_table[] = {
	{"format", 0, OPT_STRING, offsetof(struct top_options, format), .value_name = "FORMAT",
	 .help = "json, or a template: {{.pid}} {{.user}} {{.args}}"},
	{"columns", 'o', OPT_STRING, offsetof(struct top_options, columns), .value_name = "COLUMNS",
	 .help = "as the words after the container: pid,user,args", .complete = "none"},
	{"every", 'e', OPT_REFUSED, .help = "every process is listed; columns are given by -o"},
	{"full", 'f', OPT_REFUSED, .help = "the columns are given by -o, or as words"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_top = {
	.name = "top",
	.usage = "CONTAINER [COLUMN...]",
	.help = "list the processes of a running container",
	.table = top_table,
	.options_size = sizeof(struct top_options),
	.flags = VERB_STORE | VERB_LATEST,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_top,
	.complete = "container",
};

/* ---- stats ---- */

#define SAMPLE_MS 250 /* between the two looks of --no-stream */
#define INTERVAL_MS 1000
#define CLEAR "\033[H\033[J"

struct stats_options {
	struct choice choice; /* first */
	bool all, no_stream, no_trunc, no_reset;
	char *format;
	uint64_t interval_ms;
	bool interval_given;
};

#define STATS(field) offsetof(struct stats_options, field)

static const struct template_field stats_fields[] = {
	{"ID", "id", "ID"},
	{"ContainerID", "id", "ID"},
	{"Container", "id", "ID"},
	{"Name", "name", "NAME"},
	{"CPUPerc", "cpu_percent", "CPU %"},
	{"CPU", "cpu_ns", "CPU"},
	{"MemUsage", "memory_text", "MEM USAGE / LIMIT"},
	{"MemPerc", "memory_percent", "MEM %"},
	{"NetIO", "network_text", "NET I/O"},
	{"BlockIO", "block_text", "BLOCK I/O"},
	{"PIDs", "pids", "PIDS"},
	{"Pressure", "pressure_text", "PRESSURE C/M/IO"},
	{"Memory", "memory", "MEMORY"},
	{"MemLimit", "memory_limit", "LIMIT"},
	{"MemPeak", "memory_peak", "PEAK"},
	{"Swap", "swap", "SWAP"},
	{0},
};

#define STATS_DEFAULT \
	"table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t" \
	"{{.BlockIO}}\\t{{.PIDs}}\\t{{.Pressure}}"

struct watched {
	struct container ct;
	struct usage usage;
	bool seen; /* there is a usage of before */
};

struct watching {
	struct watched *items;
	size_t count;
	struct cgroup_host host;
	uint64_t host_memory;
};

static void watching_done(struct watching *w)
{
	for (size_t i = 0; i < w->count; i++)
		container_done(&w->items[i].ct);
	free(w->items);
	cgroup_host_done(&w->host);
}

static void write_pair(struct json_writer *w, const char *key, bool there, uint64_t a, uint64_t b)
{
	char one[24], two[24], text[64];

	snprintf(text, sizeof text, "%s / %s", cli_size_text(a, one, sizeof one),
		 cli_size_text(b, two, sizeof two));
	json_write_member(w, key, there ? text : "--");
}

static void write_memory(struct json_writer *w, const struct usage *u, uint64_t host_memory)
{
	bool limited = u->group.memory_limit < host_memory;
	uint64_t limit = limited ? u->group.memory_limit : host_memory;

	json_write_member_u64(w, "memory", u->group.memory_usage);
	json_write_member_u64(w, "memory_limit", limit);
	json_write_member_u64(w, "memory_peak", u->group.memory_peak);
	json_write_member_u64(w, "swap", u->group.swap_usage);
	json_write_member_decimal(w, "memory_percent",
				  limit ? 100.0 * (double)u->group.memory_usage / (double)limit
					: 0);
	write_pair(w, "memory_text", true, u->group.memory_usage, limit);
}

static void write_pressure(struct json_writer *w, const struct usage *u)
{
	char text[64];

	snprintf(text, sizeof text, "%.2f / %.2f / %.2f", u->cpu_pressure, u->memory_pressure,
		 u->io_pressure);
	json_write_member(w, "pressure_text", u->has_pressure ? text : "--");
	if (!u->has_pressure)
		return;
	json_write_member_decimal(w, "cpu_pressure", u->cpu_pressure);
	json_write_member_decimal(w, "memory_pressure", u->memory_pressure);
	json_write_member_decimal(w, "io_pressure", u->io_pressure);
}

static void write_stats(struct json_writer *w, const struct watched *item, double cpu,
			uint64_t host_memory, bool whole)
{
	const struct usage *u = &item->usage;
	char id[STORE_ID_LENGTH + 1];

	snprintf(id, sizeof id, "%.*s", whole ? STORE_ID_LENGTH : STORE_SHORT_ID, item->ct.id);
	json_write_object(w);
	json_write_member(w, "id", id);
	json_write_member(w, "name", item->ct.record.name);
	json_write_member_decimal(w, "cpu_percent", cpu);
	json_write_member_u64(w, "cpu_ns", u->group.cpu_usage_ns);
	write_memory(w, u, host_memory);
	json_write_member_u64(w, "received", u->received);
	json_write_member_u64(w, "sent", u->sent);
	write_pair(w, "network_text", u->has_network, u->received, u->sent);
	json_write_member_u64(w, "block_read", u->group.io_read_bytes);
	json_write_member_u64(w, "block_written", u->group.io_write_bytes);
	write_pair(w, "block_text", true, u->group.io_read_bytes, u->group.io_write_bytes);
	json_write_member_u64(w, "pids", u->group.pids);
	json_write_member_u64(w, "pids_limit", u->group.pids_limit);
	write_pressure(w, u);
	json_write_end(w, '}');
}

/* Of those that are named, or of all that run: whoever has ended is passed over. */
static int add_watched(struct watching *w, struct container *ct, struct err *err)
{
	struct watched *grown = reallocarray(w->items, w->count + 1, sizeof *grown);

	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot watch containers");
	w->items = grown;
	w->items[w->count++] = (struct watched){.ct = *ct};
	*ct = CONTAINER_INIT;
	return 0;
}

static int watch_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	if (ct->status == CT_STARTING && engine_settle(ct, err) < 0)
		return -1;
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	return add_watched(data, ct, err);
}

/* What is wrong with one is told at the end, beside the others' numbers. */
static int find_named(struct cli *cli, const struct strv *refs, struct watching *w, struct err *err)
{
	struct err one = ERR_INIT;

	if (cli_each_container(cli, refs, w, watch_one, &one) == 0)
		return 0;
	if (!w->count) {
		*err = one;
		return -1;
	}
	cli->passed_over = one;
	return 0;
}

static bool is_watched(const struct watching *w, const char *id)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->items[i].ct.id, id) == 0)
			return true;
	return false;
}

/* Those that have come since are watched too. */
static int find_running(struct cli *cli, struct watching *w, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (store_list(&cli->store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err loading = ERR_INIT;

		if (is_watched(w, ids.items[i]) ||
		    store_load(&cli->store, ids.items[i], &ct, &loading) < 0)
			continue;
		if (ct.status == CT_RUNNING && add_watched(w, &ct, err) < 0)
			return -1;
	}
	return 0;
}

static void forget(struct watching *w, size_t at)
{
	container_done(&w->items[at].ct);
	memmove(&w->items[at], &w->items[at + 1], (--w->count - at) * sizeof *w->items);
}

/* One look at all of them; out NULL: nothing is written. */
static int look(struct watching *w, struct json_writer *out, bool whole, struct err *err)
{
	for (size_t i = 0; i < w->count;) {
		struct watched *item = &w->items[i];
		struct usage now;
		struct err looking = ERR_INIT;

		if (engine_usage(&w->host, &item->ct, &now, &looking) < 0) {
			if (looking.kind != ERR_STATE && looking.kind != ERR_NOT_FOUND) {
				*err = looking;
				return -1;
			}
			forget(w, i);
			continue;
		}
		double cpu = item->seen ? usage_cpu_percent(&item->usage, &now) : 0;
		item->usage = now;
		item->seen = true;
		if (out)
			write_stats(out, item, cpu, w->host_memory, whole);
		i++;
	}
	return 0;
}

static int print_once(struct watching *w, const struct stats_options *options, struct err *err)
{
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);
	struct json_writer out;

	json_writer_init(&out, &text, 2);
	json_write_array(&out);
	if (look(w, &out, options->no_trunc, err) < 0)
		return -1;
	json_write_end(&out, ']');
	if (str_check(&text, "the statistics", err) < 0)
		return -1;
	if (!options->no_stream && !options->no_reset && isatty(STDOUT_FILENO))
		fputs(CLEAR, stdout);
	if (print_rows(options->format, STATS_DEFAULT, stats_fields, &text, err) < 0)
		return -1;
	return fflush(stdout) != 0 ? err_errno(err, "cannot write to the standard output") : 0;
}

/* False: nobody reads us any more. */
static bool pause_for(int64_t ms)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};

	return poll(&reader, 1, (int)ms) <= 0;
}

static uint64_t host_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int run_stats(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct stats_options *options = data;
	own(watching) struct watching w = {.host_memory = host_memory()};
	int64_t interval = options->interval_given ? (int64_t)options->interval_ms : INTERVAL_MS;
	bool every = operands->count == 0;

	if (options->all && operands->count)
		return err_set(err, ERR_USAGE, 0, "--all and names exclude each other");
	if (interval > INT32_MAX)
		return err_set(err, ERR_USAGE, 0, "--interval: from a millisecond to some days");
	if (template_check(options->format, stats_fields, err) < 0 ||
	    cgroup_host_probe_groups(&w.host, err) < 0)
		return -1;
	if ((every ? find_running(cli, &w, err) : find_named(cli, operands, &w, err)) < 0 ||
	    look(&w, NULL, false, err) < 0)
		return -1;
	bool more = pause_for(options->no_stream && !options->interval_given ? SAMPLE_MS
									     : interval);
	while (more) {
		if (print_once(&w, options, err) < 0)
			return -1;
		if (options->no_stream || (!every && w.count == 0))
			break;
		more = pause_for(interval);
		if (every && find_running(cli, &w, err) < 0)
			return -1;
	}
	return 0;
}

static const struct opt stats_table[] = {
	{"all", 'a', OPT_BOOL, STATS(all), .help = "every container that runs, as without names"},
	{"format", 0, OPT_STRING, STATS(format), .value_name = "FORMAT",
	 .help = "json, or a template: {{.Name}} {{.CPUPerc}} {{.MemUsage}}"},
	{"interval", 'i', OPT_MS, STATS(interval_ms), STATS(interval_given),
	 .value_name = "SECONDS", .help = "time between two lines (default: 1)", .min = 1},
	{"no-reset", 0, OPT_BOOL, STATS(no_reset), .help = "do not clear the terminal in between"},
	{"no-stream", 0, OPT_BOOL, STATS(no_stream), .help = "once only"},
	{"no-trunc", 0, OPT_BOOL, STATS(no_trunc), .help = "whole ids"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_stats = {
	.name = "stats",
	.usage = "[CONTAINER...]",
	.help = "show what running containers use: CPU, memory, network, disks",
	.table = stats_table,
	.options_size = sizeof(struct stats_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.max_operands = SIZE_MAX,
	.run = run_stats,
	.complete = "container",
};
