/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime kill and delete.
 *
 * A signal goes to the container's process by pidfd, or, with --all, to every process of its group. One
 * that is frozen gets SIGKILL only when it thaws, so it is thawed for it. Of a container that is not
 * running, `kill` says "container not running": the words by which shims know that case.
 */
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "cli/oci_life.h"

#define MAX_PIDS 65536
#define THAW_MS 2000

struct end_options {
	bool all, regex, force;
};

static const struct opt kill_table[] = {
	{"all", 'a', OPT_BOOL, offsetof(struct end_options, all),
	 .help = "signal every process of the container"},
	{"regex", 'r', OPT_BOOL, offsetof(struct end_options, regex),
	 .help = "the id is a regular expression: signal every container that matches"},
	{0},
};

static const struct opt delete_table[] = {
	{"force", 'f', OPT_BOOL, offsetof(struct end_options, force),
	 .help = "kill it first, and succeed where there is none"},
	{"regex", 'r', OPT_BOOL, offsetof(struct end_options, regex),
	 .help = "the id is a regular expression: delete every container that matches"},
	{0},
};

/* ---- by id, or by expression ---- */

typedef int end_fn(struct oci *oci, const struct end_options *options, const char *id, int signal,
		   struct err *err);

static int compile(const char *text, regex_t *ret, struct err *err)
{
	int code = regcomp(ret, text, REG_EXTENDED | REG_NOSUB);
	char reason[128];

	if (!code)
		return 0;
	regerror(code, ret, reason, sizeof reason);
	return err_set(err, ERR_USAGE, 0, "'%s' is not a regular expression: %s", text, reason);
}

/* Every failure is said; the last one is the verb's. */
static int each_match(struct oci *oci, const struct end_options *options, const char *expression,
		      int signal, end_fn *fn, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	own_fd int root_fd = life_open_root(oci, true, err);
	regex_t regex;
	int status = 0;

	if (root_fd < 0 || state_list(root_fd, &ids, err) < 0 ||
	    compile(expression, &regex, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		if (regexec(&regex, ids.items[i], 0, NULL, 0) != 0)
			continue;
		if (status < 0)
			oci_log_error(oci, err);
		struct err each = ERR_INIT;
		if (fn(oci, options, ids.items[i], signal, &each) < 0) {
			*err = each;
			status = -1;
		}
	}
	regfree(&regex);
	return status;
}

/* ---- kill ---- */

static int signal_group(const struct cgroup *cg, int signal, struct err *err)
{
	own_free int *pids = calloc(MAX_PIDS, sizeof *pids);
	ssize_t count = pids ? cgroup_pids(cg, pids, MAX_PIDS, err) : -1;

	if (!pids)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list processes");
	for (ssize_t i = 0; i < count; i++) {
		own(proc) struct proc process = PROC_INIT;
		struct err ended = ERR_INIT;

		if (proc_open(&process, pids[i], 0, &ended) == 0)
			proc_signal(&process, signal, &ended);
		proc_forget(&process);
	}
	return count < 0 ? -1 : 0;
}

static int kill_all(const struct state_dir *dir, int signal, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;

	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (state_open_cgroup(dir, &host, &cg, &opening) < 0) {
		if (dir->init.pidfd >= 0)
			return proc_signal(&dir->init, signal, err);
		/* As in a group that is empty, everybody is nobody. */
		return dir->status == STATE_STOPPED ? 0 : life_not_running(dir, err);
	}
	if (signal == SIGKILL)
		return cgroup_kill(&cg, LIFE_KILL_MS, err);
	return signal_group(&cg, signal, err);
}

/* SIGKILL waits for the thaw of a frozen process. */
static int thaw_if_frozen(const struct state_dir *dir, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;

	if (!dir->state.place.path)
		return 0;
	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (state_open_cgroup(dir, &host, &cg, &opening) < 0 || !cgroup_is_frozen(&cg))
		return 0;
	return cgroup_freeze(&cg, false, THAW_MS, err);
}

static int kill_one(struct oci *oci, const struct end_options *options, const char *id, int signal,
		    struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;

	if (life_find(oci, id, &dir, err) < 0)
		return -1;
	if (options->all)
		return kill_all(&dir, signal, err);
	if (dir.init.pidfd < 0)
		return life_not_running(&dir, err);
	if (proc_signal(&dir.init, signal, err) < 0)
		return err->errnum == ESRCH ? life_not_running(&dir, err) : -1;
	return signal == SIGKILL ? thaw_if_frozen(&dir, err) : 0;
}

/* 0 asks whether there is anybody, as in kill(2). */
static int parse_signal(const char *text, struct err *err)
{
	return str_eq(text, "0") ? 0 : proc_signal_parse(text, err);
}

static int run_kill(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct end_options *options = values;
	const char *id = operands->items[0];
	int signal = operands->count > 1 ? parse_signal(operands->items[1], err) : SIGTERM;

	if (signal < 0)
		return -1;
	return options->regex ? each_match(oci, options, id, signal, kill_one, err)
			      : kill_one(oci, options, id, signal, err);
}

/* ---- delete ---- */

static int may_delete(const struct oci *oci, const struct state_dir *dir, bool force,
		      struct err *err)
{
	bool created = dir->status == STATE_CREATED && oci->persona != OCI_INSULA;

	if (force || created || dir->status == STATE_STOPPED || dir->status == STATE_CREATING)
		return 0;
	err_set(err, ERR_STATE, 0, "cannot delete container '%s' that is not stopped: %s",
		dir->state.id, state_status_name(dir->status));
	return err_hint(err, "stop it with kill, or give --force");
}

/* The group that a container of this name and configuration has, where nobody wrote down another. */
static int remove_group(const struct oci *oci, struct state_dir *dir, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup_place) struct cgroup_place place = CGROUP_PLACE_INIT;
	struct err reading = ERR_INIT;
	struct spec spec;
	int status = -1;

	spec_init(&spec);
	if (spec_read(dir->fd, "config.json", &spec, &reading) < 0)
		warn_emit("%s", reading.message); /* then the default place */
	if (cgroup_host_probe_groups(&host, err) == 0 &&
	    cgroup_place_decide((enum cgroup_manager)oci->cgroup_manager, life_is_rootless(oci),
				dir->state.id, &spec, &host, &place, err) == 0) {
		place.path = place.path ? place.path : cgroup_place_name(&place, &host, err);
		status = cgroup_place_remove(&place, &host, LIFE_KILL_MS, err);
	}
	spec_done(&spec);
	return status;
}

/* What was recorded of it is damaged, and not believed: its name and its configuration say where its
 * processes should be. */
static int delete_damaged(const struct oci *oci, const char *id, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;

	dir.parent_fd = life_open_root(oci, false, err);
	if (dir.parent_fd < 0)
		return -1;
	dir.fd = openat(dir.parent_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	dir.state.id = str_dup(id, err);
	if (dir.fd < 0 || !dir.state.id)
		return err_errno(err, "cannot open container '%s'", id);
	warn_emit("container '%s' is damaged: what is not in its control group is not found", id);
	return remove_group(oci, &dir, err) < 0 ? err_wrap(err, "container '%s'", id)
						: state_remove(&dir, err);
}

static int delete_one(struct oci *oci, const struct end_options *options, const char *id,
		      int signal, struct err *err)
{
	own(state_dir) struct state_dir dir = STATE_DIR_INIT;

	if (life_find(oci, id, &dir, err) < 0) {
		if (err->kind == ERR_CORRUPT && options->force)
			return delete_damaged(oci, id, err);
		return err->kind == ERR_NOT_FOUND && options->force ? 0 : -1;
	}
	if (state_lock(&dir, LIFE_LOCK_MS, err) < 0)
		return err->kind == ERR_NOT_FOUND && options->force ? 0 : -1;
	if (may_delete(oci, &dir, options->force, err) < 0)
		return -1;
	return life_destroy(&dir, err);
}

static int run_delete(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct end_options *options = values;
	const char *id = operands->items[0];

	return options->regex ? each_match(oci, options, id, 0, delete_one, err)
			      : delete_one(oci, options, id, 0, err);
}

const struct oci_verb oci_verb_kill = {
	.name = "kill",
	.usage = "[OPTION...] ID [SIGNAL]",
	.help = "send a signal to a container, SIGTERM by default",
	.table = kill_table,
	.options_size = sizeof(struct end_options),
	.min_operands = 1,
	.max_operands = 2,
	.run = run_kill,
};

const struct oci_verb oci_verb_delete = {
	.name = "delete",
	.usage = "[OPTION...] ID",
	.help = "remove a container that has stopped, and all that it held",
	.table = delete_table,
	.options_size = sizeof(struct end_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_delete,
};
