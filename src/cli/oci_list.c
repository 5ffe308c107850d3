/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime state, list and ps: what there is, as documents that engines parse and as tables for
 * people. `state` prints the members of runtime.md "State" and three more that runc has: rootfs, created,
 * owner.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/oci_life.h"

#define MAX_PIDS 65536
#define PS_TIMEOUT_MS 10000
#define PS_OUTPUT (16u << 20)

enum list_format { FORMAT_TABLE, FORMAT_JSON };
static const char *const formats[] = {"table", "json", NULL};

struct list_options {
	int format;
	bool quiet;
};

static const struct opt no_options[] = {{0}};

static const struct opt list_table[] = {
	{"format", 'f', OPT_CHOICE, offsetof(struct list_options, format), .value_name = "FORMAT",
	 .help = "how it is printed: table or json", .choices = formats},
	{"quiet", 'q', OPT_BOOL, offsetof(struct list_options, quiet),
	 .help = "print the ids only"},
	{0},
};

static const struct opt ps_table[] = {
	{"format", 'f', OPT_CHOICE, offsetof(struct list_options, format), .value_name = "FORMAT",
	 .help = "how it is printed: table or json", .choices = formats},
	{0},
};

/* Whether it is paused takes a look at its group, which other verbs spare themselves. */
static void look_if_paused(struct state_dir *dir, const struct cgroup_host *host)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err ignored = ERR_INIT;

	if (dir->status == STATE_RUNNING && state_open_cgroup(dir, host, &cg, &ignored) == 0 &&
	    cgroup_is_frozen(&cg))
		dir->status = STATE_PAUSED;
}

static int32_t pid_now(const struct state_dir *dir)
{
	return dir->init.pidfd >= 0 ? dir->state.pid : 0;
}

static const char *owner_name(const struct state *state, char *buf, size_t size)
{
	if (state->owner == 0)
		snprintf(buf, size, "root");
	else
		snprintf(buf, size, "#%d", state->owner);
	return buf;
}

static void write_state(const struct state_dir *dir, struct json_writer *w)
{
	char created[CLOCK_TEXT_SIZE], owner[32];

	json_write_object(w);
	state_write_document(&dir->state, dir->status, pid_now(dir), w);
	json_write_member(w, "rootfs", dir->state.rootfs);
	json_write_member(w, "created", state_created_text(&dir->state, created, sizeof created));
	json_write_member(w, "owner", owner_name(&dir->state, owner, sizeof owner));
	json_write_end(w, '}');
}

static int run_state(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	own(cgroup_host) struct cgroup_host host = {0};
	own(str) struct str text = STR_INIT(8u << 20);
	struct json_writer w;

	if (life_find(oci, operands->items[0], &dir, err) < 0 ||
	    cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	look_if_paused(&dir, &host);
	json_writer_init(&w, &text, 2);
	write_state(&dir, &w);
	if (str_check(&text, "the state", err) < 0)
		return -1;
	puts(text.data);
	return 0;
}

/* ---- list ---- */

static void print_row(const struct state_dir *dir)
{
	char created[CLOCK_TEXT_SIZE], owner[32], bundle[256];

	printf("%-12s  %-7d  %-9s  %-30s  %-30s  %s\n", dir->state.id, pid_now(dir),
	       state_status_name(dir->status),
	       str_printable(dir->state.bundle, bundle, sizeof bundle),
	       state_created_text(&dir->state, created, sizeof created),
	       owner_name(&dir->state, owner, sizeof owner));
}

static void show(const struct list_options *options, const struct state_dir *dir,
		 struct json_writer *w)
{
	if (options->quiet)
		puts(dir->state.id);
	else if (options->format == FORMAT_JSON)
		write_state(dir, w);
	else
		print_row(dir);
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One that goes away while we look is not there; one that cannot be read is said and passed over. */
static int list_all(struct oci *oci, const struct list_options *options, int root_fd,
		    struct json_writer *w, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	own(cgroup_host) struct cgroup_host host = {0};

	if (state_list(root_fd, &ids, err) < 0 || cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (ids.count)
		qsort(ids.items, ids.count, sizeof *ids.items, compare_ids);
	for (size_t i = 0; i < ids.count; i++) {
		own(state_dir) struct state_dir dir = STATE_DIR_INIT;
		struct err loading = ERR_INIT;

		if (state_load(root_fd, ids.items[i], &dir, &loading) < 0) {
			if (loading.kind != ERR_NOT_FOUND)
				oci_log_line(oci, OCI_LOG_WARNING, loading.message);
			continue;
		}
		look_if_paused(&dir, &host);
		show(options, &dir, w);
	}
	return 0;
}

static int run_list(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct list_options *options = values;
	own(str) struct str text = STR_INIT(256u << 20);
	bool json = options->format == FORMAT_JSON && !options->quiet;
	struct err opening = ERR_INIT;
	struct json_writer w;

	own_fd int root_fd = life_open_root(oci, false, &opening);
	if (root_fd < 0 && opening.kind != ERR_NOT_FOUND) {
		*err = opening;
		return -1;
	}
	json_writer_init(&w, &text, 0);
	json_write_array(&w);
	if (!json && !options->quiet)
		printf("%-12s  %-7s  %-9s  %-30s  %-30s  %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");
	if (root_fd >= 0 && list_all(oci, options, root_fd, &w, err) < 0)
		return -1;
	json_write_end(&w, ']');
	if (str_check(&text, "the list", err) < 0)
		return -1;
	if (json)
		puts(text.data);
	return 0;
}

/* ---- ps ---- */

/* Of a container that has stopped there may be processes left, and there may be no group: then there are none. */
static int open_group(struct oci *oci, const char *id, struct cgroup_host *host, struct cgroup *ret,
		      struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;
	struct err opening = ERR_INIT;

	if (life_find(oci, id, &dir, err) < 0 || cgroup_host_probe_groups(host, err) < 0)
		return -1;
	if (state_open_cgroup(&dir, host, ret, &opening) == 0 || dir.init.pidfd < 0)
		return 0;
	*err = opening;
	return -1;
}

static void print_pids(const int *pids, size_t count)
{
	putchar('[');
	for (size_t i = 0; i < count; i++)
		printf("%s%d", i ? "," : "", pids[i]);
	puts("]");
}

static bool is_listed(const int *pids, size_t count, const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (end == text)
		return false;
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* The word at `column` of a line of words. */
static const char *word_at(const char *line, size_t column)
{
	line += strspn(line, " ");
	while (column-- > 0) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

static int pid_column(const char *heading, size_t *ret, struct err *err)
{
	for (size_t column = 0;; column++) {
		const char *word = word_at(heading, column);

		if (!*word)
			return err_set(err, ERR_USAGE, 0,
				       "ps prints no column PID with these options");
		if (strncmp(word, "PID", 3) == 0 && (word[3] == ' ' || !word[3])) {
			*ret = column;
			return 0;
		}
	}
}

/* The host's ps(1) shows all processes; of its lines those of the container are printed. */
static int print_ps(const struct strv *options, const int *pids, size_t count, struct err *err)
{
	own(str) struct str text = STR_INIT(PS_OUTPUT);
	own(strv) struct strv argv = STRV_INIT;
	char *save = NULL;
	size_t column = 0;
	int code;

	if (strv_add(&argv, "ps", err) < 0 ||
	    (!options->count && strv_add(&argv, "-ef", err) < 0) ||
	    strv_copy(&argv, options, err) < 0 ||
	    proc_run(argv.items, PS_TIMEOUT_MS, &text, &code, err) < 0)
		return -1;
	char *line = strtok_r(text.data, "\n", &save);
	if (code || !line)
		return err_set(err, ERR_IO, 0, "ps failed with exit code %d", code);
	if (pid_column(line, &column, err) < 0)
		return -1;
	puts(line);
	while ((line = strtok_r(NULL, "\n", &save)))
		if (is_listed(pids, count, word_at(line, column)))
			puts(line);
	return 0;
}

static int run_ps(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct list_options *options = values;
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own_free int *pids = calloc(MAX_PIDS, sizeof *pids);
	own(strv) struct strv ps_options = STRV_INIT;

	if (!pids)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list processes");
	if (open_group(oci, operands->items[0], &host, &cg, err) < 0)
		return -1;
	ssize_t count = cgroup_pids(&cg, pids, MAX_PIDS, err);
	if (count < 0)
		return -1;
	if (options->format == FORMAT_JSON) {
		print_pids(pids, (size_t)count);
		return 0;
	}
	for (size_t i = 1; i < operands->count; i++)
		if (strv_add(&ps_options, operands->items[i], err) < 0)
			return -1;
	return print_ps(&ps_options, pids, (size_t)count, err);
}

const struct oci_verb oci_verb_state = {
	.name = "state",
	.usage = "ID",
	.help = "print the state of a container as JSON",
	.table = no_options,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_state,
};

const struct oci_verb oci_verb_list = {
	.name = "list",
	.usage = "[OPTION...]",
	.help = "print what containers there are",
	.table = list_table,
	.options_size = sizeof(struct list_options),
	.run = run_list,
};

const struct oci_verb oci_verb_ps = {
	.name = "ps",
	.usage = "[OPTION...] ID [PS-OPTION...]",
	.help = "print the processes of a container",
	.table = ps_table,
	.options_size = sizeof(struct list_options),
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_ps,
};
