/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime create and run: from a bundle to a process that waits, or runs.
 *
 * `create` ends when everything of the container stands; its process waits for `start` (runtime/state.h).
 * Its descriptors 0, 1 and 2 are ours, or, with process.terminal, a terminal whose other end goes over the
 * socket that the engine listens on. `run` is the same without the wait; in the foreground it stays, hands
 * signals on, joins a terminal to ours, and in the end removes everything.
 *
 * The state is written before anything is made, and again, with the process's number, before the process
 * is released: whoever is killed in between, `delete` finds what there is.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "cli/oci_bundle.h"
#include "cli/oci_foreground.h"
#include "cli/oci_life.h"
#include "cli/oci_notify.h"
#include "cli/oci_socket.h"
#include "kernel/facts.h"
#include "kernel/seal.h"
#include "runtime/place.h"
#include "runtime/rootless.h"
#include "runtime/runtime.h"

#define PIDFD_RECEIVER "run.oci.pidfd_receiver" /* crun's --pidfd-socket for engines */

struct create_options {
	char *bundle, *config;
	char *console_socket, *pidfd_socket, *pid_file;
	uint64_t preserve_fds;
	bool no_pivot, no_new_keyring;
	bool strict, dry_run;
	bool no_subreaper;
	/* run */
	bool detach, keep;
};

#define OPTION(name_, letter_, type_, field_, ...) \
	{ \
		.name = name_, .letter = letter_, .type = type_, \
		.offset = offsetof(struct create_options, field_), __VA_ARGS__ \
	}
#define CREATE_ROWS \
	OPTION("bundle", 'b', OPT_STRING, bundle, .value_name = "DIR", \
	       .help = "directory of config.json and the root file system (default: .)", \
	       .complete = "dir"), \
		OPTION("config", 'f', OPT_STRING, config, .value_name = "FILE", \
		       .help = "configuration to use instead of config.json", .complete = "file"), \
		OPTION("console-socket", 0, OPT_STRING, console_socket, .value_name = "SOCKET", \
		       .help = "unix socket that the terminal is sent to", .complete = "file"), \
		OPTION("pidfd-socket", 0, OPT_STRING, pidfd_socket, .value_name = "SOCKET", \
		       .help = "unix socket that a pidfd of the process is sent to", \
		       .complete = "file"), \
		OPTION("pid-file", 0, OPT_STRING, pid_file, .value_name = "FILE", \
		       .help = "file that the number of the process is written to", \
		       .complete = "file"), \
		OPTION("preserve-fds", 0, OPT_U64, preserve_fds, .value_name = "N", .max = 50, \
		       .help = "pass on descriptors 3 to 2 + N"), \
		OPTION("no-pivot", 0, OPT_BOOL, no_pivot, \
		       .help = "move the root into place instead of pivot_root(2)"), \
		OPTION("no-new-keyring", 0, OPT_BOOL, no_new_keyring, \
		       .help = "keep the session keyring of the caller"), \
		OPTION("strict", 0, OPT_BOOL, strict, \
		       .help = "fail where a limit cannot be enforced, instead of warning"), \
		OPTION("dry-run", 0, OPT_BOOL, dry_run, \
		       .help = "print the plan of the start, make nothing")

static const struct opt create_table[] = {
	CREATE_ROWS,
	OPTION("no-subreaper", 0, OPT_BOOL, no_subreaper,
	       .help = "leave orphans of the container to others, as create always does"),
	{0},
};

static const struct opt run_table[] = {
	CREATE_ROWS,
	OPTION("detach", 'd', OPT_BOOL, detach, .help = "do not wait for the process to end"),
	OPTION("keep", 0, OPT_BOOL, keep, .help = "keep the container when its process has ended"),
	OPTION("no-subreaper", 0, OPT_BOOL, no_subreaper,
	       .help = "leave orphans of the container to others"),
	{0},
};

/* What is held while a container is made. */
struct making {
	const struct create_options *options;
	struct oci_passed passed;
	struct bundle bundle;
	struct facts
		facts; /* of this process, once it is in the user namespace of its containers */
	struct cgroup_host host;
	struct cgroup_place place;
	struct state_dir dir;
	struct plan *plan;
	struct runtime_container running;
	char *run_root;
	int root_fd; /* of the state directories */
	int32_t owner;
	bool entered; /* the user namespace of an ordinary user's containers: oci_enter.c */
	int start_fd, answer_fd;
};

static void making_done(struct making *m)
{
	if (own_until_the_end()) /* it is held by a verb, after which we end */
		return;
	runtime_plan_free(m->plan);
	bundle_done(&m->bundle);
	cgroup_host_done(&m->host);
	cgroup_place_done(&m->place);
	state_dir_done(&m->dir);
	free(m->run_root);
	fd_close(m->root_fd);
	fd_close(m->start_fd);
	fd_close(m->answer_fd);
	fd_close(m->running.console_fd);
	cgroup_done(&m->running.cgroup);
	proc_forget(&m->running.init);
}

#define MAKING_INIT \
	((struct making){.dir = STATE_DIR_INIT, \
			 .place = CGROUP_PLACE_INIT, \
			 .running = RUNTIME_CONTAINER_INIT, \
			 .root_fd = -1, \
			 .start_fd = -1, \
			 .answer_fd = -1})

/* ---- what is asked for ---- */

static int load(struct making *m, const struct oci *oci, const char *id, bool detached, bool starts,
		struct err *err)
{
	const struct create_options *options = m->options;

	own_fd int config_fd = -1;
	int entered = oci_entered(&config_fd, err);

	m->entered = entered > 0;
	if (entered < 0 || oci_check_id(id, err) < 0 ||
	    oci_find_passed(oci, options->preserve_fds, &m->passed, err) < 0 ||
	    bundle_load(&m->bundle, options->bundle ? options->bundle : ".", options->config,
			config_fd, err) < 0)
		return -1;
	/* "REQUIRED when start is called". */
	if (starts && !m->bundle.spec.process_given)
		return err_set(err, ERR_INVALID, 0, "process: is missing: there is nothing to run");
	if (life_check_terminal(options->console_socket, m->bundle.spec.process.terminal, detached,
				err) < 0)
		return -1;
	if (m->entered || options->dry_run || !rootless_is_needed())
		return 0;
	return oci_enter(oci, &m->bundle, m->passed.count, err);
}

/* ---- the state ---- */

static int fill_state(struct making *m, const char *id, struct state *state, struct err *err)
{
	const struct spec *spec = &m->bundle.spec;

	state_init(state);
	state->id = str_dup(id, err);
	state->bundle = str_dup(m->bundle.path, err);
	state->rootfs = str_dup(m->bundle.root, err);
	state->created_ns = clock_real_ns();
	state->owner = m->owner;
	state->keep_keyring = m->options->no_new_keyring;
	state->ends_by_config = spec->hooks[SPEC_HOOK_POSTSTOP].count || spec->linux_.intel_rdt;
	state->own_userns = spec->linux_.namespaces[SPEC_NS_USER].given;
	state->place.manager = m->place.manager;
	state->place.user = m->place.user;
	if (m->place.unit && !(state->place.unit = str_dup(m->place.unit, err)))
		return -1;
	state->place.path = cgroup_place_name(&m->place, &m->host, err);
	if (!state->id || !state->bundle || !state->rootfs)
		return -1;
	return strv_copy(&state->annotations, &spec->annotations, err);
}

/* The process is there, and waits to be released. */
static int note_birth(void *data, pid_t pid, const struct cgroup *cgroup, struct err *err)
{
	struct making *m = data;
	struct state *state = &m->dir.state;

	state->pid = pid;
	state->keyring = runtime_plan_keyring(m->plan);
	state->boot_id = boot_id_read(err);
	if (!state->boot_id || proc_start_time(pid, &state->pid_start, err) < 0)
		return -1;
	if (cgroup_place_note(&state->place, &m->host, cgroup, err) < 0)
		return -1;
	return state_write(&m->dir, err);
}

static int claim(struct making *m, const char *id, bool wait, struct err *err)
{
	struct state state;
	struct err ignored = ERR_INIT;
	int status = fill_state(m, id, &state, err);

	if (!status)
		status = state_create(m->root_fd, &state, m->bundle.text, m->bundle.text_size,
				      life_clear, &m->dir, err);
	state_done(&state);
	if (status < 0 || !wait)
		return status;
	status = state_make_fifos(&m->dir, &m->start_fd, &m->answer_fd, err);
	if (status < 0)
		state_remove(&m->dir, &ignored);
	return status;
}

/* ---- the plan ---- */

static int plan(struct making *m, const struct oci *oci, const char *id, bool wait, struct err *err)
{
	const struct create_options *options = m->options;
	struct runtime_request request = {
		.id = id,
		.spec = &m->bundle.spec,
		.root_dir = m->bundle.root,
		.bundle = m->bundle.path,
		.no_pivot = options->no_pivot,
		.place = &m->place,
		.run_root = m->run_root,
		.strict = options->strict,
		.stdio = {0, 1, 2},
		.preserve_fds = m->passed.count,
		.listen = m->passed.listen,
		.keep_keyring = options->no_new_keyring,
		.filter_later = !options->dry_run,
		.wait = wait,
		.start_fd = m->start_fd,
		.answer_fd = m->answer_fd,
		.lock_fd = m->dir.lock_fd,
		.state = &m->dir.state,
		.born = note_birth,
		.born_data = m,
	};

	m->plan = runtime_plan(&request, &m->facts, &m->host, err);
	return m->plan ? 0 : -1;
}

static int decide_place(struct making *m, const struct oci *oci, const char *id, struct err *err)
{
	if (facts_probe_process(AT_FDCWD, &m->facts, err) < 0 ||
	    cgroup_host_probe(AT_FDCWD, &m->host, err) < 0)
		return -1;
	bool rootless = life_rootless_for(oci, m->facts.root);
	return cgroup_place_decide((enum cgroup_manager)oci->cgroup_manager, rootless, id,
				   &m->bundle.spec, &m->host, &m->place, err);
}

static void print_warnings(const struct making *m)
{
	const struct strv *planned = runtime_plan_warnings(m->plan);
	const struct strv *skipped = &m->running.cgroup.skipped;

	for (size_t i = 0; i < planned->count; i++)
		warn_emit("%s", planned->items[i]);
	for (size_t i = 0; i < skipped->count; i++)
		warn_emit("%s", skipped->items[i]);
}

static int print_plan(const struct making *m, struct err *err)
{
	own(str) struct str text = STR_INIT(1u << 20);

	if (runtime_plan_print(m->plan, &text, err) < 0)
		return -1;
	fputs(text.data, stdout);
	return 0;
}

/* ---- making ---- */

/* What the engine asked to be told: the terminal, the process, its number. */
static int hand_out(struct making *m, struct err *err)
{
	const char *receiver = strv_env_get(&m->bundle.spec.annotations, PIDFD_RECEIVER);
	const struct create_options *options = m->options;

	if (options->console_socket && oci_send_descriptor(options->console_socket, "/dev/ptmx",
							   m->running.console_fd, err) < 0)
		return err_wrap(err, "--console-socket");
	if (options->pidfd_socket && oci_send_descriptor(options->pidfd_socket, m->dir.state.id,
							 m->running.init.pidfd, err) < 0)
		return err_wrap(err, "--pidfd-socket");
	if (receiver &&
	    oci_send_descriptor(receiver, m->dir.state.id, m->running.init.pidfd, err) < 0)
		return err_wrap(err, "annotations[\"%s\"]", PIDFD_RECEIVER);
	if (options->pid_file &&
	    oci_write_pid_file(options->pid_file, m->running.host_pid, err) < 0)
		return err_wrap(err, "--pid-file");
	return 0;
}

static int find_ourselves(struct making *m, const struct oci *oci, struct err *err)
{
	uint32_t owner = geteuid();

	if (m->entered && rootless_entered(&m->bundle.spec, &owner, err) < 0)
		return -1;
	m->owner = (int32_t)owner;
	m->run_root = life_run_root(oci, err);
	if (!m->run_root || m->options->dry_run)
		return m->run_root ? 0 : -1;
	m->root_fd = life_open_root(oci, true, err);
	return m->root_fd < 0 ? -1 : 0;
}

/* After this the container exists, or nothing of it does. */
static int make(struct making *m, const struct oci *oci, const char *id, bool wait, struct err *err)
{
	struct err ignored = ERR_INIT;

	if (find_ourselves(m, oci, err) < 0 || decide_place(m, oci, id, err) < 0)
		return -1;
	if (m->options->dry_run)
		return plan(m, oci, id, false, err) < 0 ? -1 : print_plan(m, err);
	if (claim(m, id, wait, err) < 0)
		return -1;
	if (notify_prepare(&m->dir, &m->bundle.spec, err) < 0 || plan(m, oci, id, wait, err) < 0 ||
	    fail_point("create.planned", err) < 0 ||
	    runtime_create(m->plan, &m->running, err) < 0) {
		life_give_up(&m->dir, m->plan && runtime_plan_left_group(m->plan), err);
		return -1;
	}
	/* They are the process's alone: who starts it hears its end of file. */
	fd_close(take_fd(m->start_fd));
	fd_close(take_fd(m->answer_fd));
	print_warnings(m);
	if (hand_out(m, err) == 0 && fail_point("create.done", err) == 0)
		return 0;
	if (state_refresh(&m->dir, &ignored) == 0)
		life_destroy(&m->dir, &ignored);
	return -1;
}

/* Container root is host root here: it must not reach the file that we were started from. */
static int seal(const struct making *m, const struct oci *oci, struct err *err)
{
	if (m->entered)
		return seal_begun(oci->argv, err) < 0 ? -1 : 0;
	if (m->options->dry_run || !spec_root_is_hosts(&m->bundle.spec))
		return 0;
	return life_seal(oci, m->passed.count, err);
}

static int run_create(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	own(making) struct making m = MAKING_INIT;
	const char *id = operands->items[0];

	m.options = options;
	bundle_init(&m.bundle);
	if (load(&m, oci, id, true, false, err) < 0 || seal(&m, oci, err) < 0)
		return -1;
	return make(&m, oci, id, true, err);
}

/* It is everybody's while it runs: another verb may pause, kill or delete it. */
static int run_foreground(struct making *m, struct oci *oci, struct err *err)
{
	struct err removing = ERR_INIT;
	/* A terminal that went over the socket is relayed by who got it. */
	int console_fd = m->options->console_socket ? -1 : m->running.console_fd;

	fd_close(take_fd(m->dir.lock_fd));
	int status = oci_foreground(&m->running.init, console_fd, &oci->exit_code, err);
	if (m->options->keep)
		return status;
	if (state_lock(&m->dir, LIFE_LOCK_MS, &removing) == 0) {
		/* The group that we hold needs no look for it, if it is empty. */
		if (!m->place.unit && cgroup_remove_empty(&m->running.cgroup))
			free(take(m->dir.state.place.path));
		if (life_destroy(&m->dir, &removing) == 0)
			return status;
	}
	if (removing.kind == ERR_NOT_FOUND)
		return status; /* deleted meanwhile */
	if (status == 0)
		*err = removing;
	return -1;
}

static int run_run(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct create_options *options = values;
	own(making) struct making m = MAKING_INIT;
	const char *id = operands->items[0];
	bool detached = options->detach;

	m.options = options;
	bundle_init(&m.bundle);
	if (load(&m, oci, id, detached, true, err) < 0 || seal(&m, oci, err) < 0)
		return -1;
	if (!detached && !options->no_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!detached && oci_foreground_prepare(err) < 0)
		return -1;
	/* Poststart hooks and a service manager want a container that is running: as `create` and `start`. */
	bool wait = m.bundle.spec.hooks[SPEC_HOOK_POSTSTART].count > 0 || getenv("NOTIFY_SOCKET");
	if (make(&m, oci, id, wait, err) < 0 || options->dry_run)
		return options->dry_run && err->kind == ERR_NONE ? 0 : -1;
	if (wait && (state_refresh(&m.dir, err) < 0 || life_start(&m.dir, err) < 0)) {
		struct err ignored = ERR_INIT;

		life_destroy(&m.dir, &ignored);
		return -1;
	}
	return detached ? 0 : run_foreground(&m, oci, err);
}

const struct oci_verb oci_verb_create = {
	.name = "create",
	.usage = "[OPTION...] ID",
	.help = "make a container whose process waits to be started",
	.table = create_table,
	.options_size = sizeof(struct create_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_create,
};

const struct oci_verb oci_verb_run = {
	.name = "run",
	.usage = "[OPTION...] ID",
	.help = "make a container and start it",
	.table = run_table,
	.options_size = sizeof(struct create_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_run,
};
