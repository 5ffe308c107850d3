/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime exec: a further process in a container.
 *
 * The process is the container's own with another command, or the object of --process; options change
 * one or the other. Nothing of the container is locked meanwhile: its first process is known by a pidfd,
 * and where that ends, so does the exec.
 *
 * Where container root could write our executable, everything after the look for the container is done by
 * the sealed copy. It is started anew, so nothing is read from a pipe before.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "cli/oci_foreground.h"
#include "cli/oci_life.h"
#include "cli/oci_socket.h"
#include "kernel/caps.h"
#include "kernel/procattr.h"
#include "kernel/seal.h"
#include "runtime/runtime.h"

#define MAX_ID (UINT32_MAX - 1) /* the last one means "unchanged" */

struct exec_options {
	char *console_socket, *pidfd_socket, *pid_file;
	char *process, *cwd, *user, *process_label, *apparmor;
	struct strv env, additional_gids, caps, cgroup;
	uint64_t preserve_fds;
	bool tty, tty_given, no_new_privs, no_new_privs_given;
	bool detach, ignore_paused, no_subreaper;
};

#define OPTION(name_, letter_, type_, field_, ...) \
	{ \
		.name = name_, .letter = letter_, .type = type_, \
		.offset = offsetof(struct exec_options, field_), __VA_ARGS__ \
	}

static const struct opt exec_table[] = {
	OPTION("console-socket", 0, OPT_STRING, console_socket, .value_name = "SOCKET",
	       .help = "unix socket that the terminal is sent to", .complete = "file"),
	OPTION("pidfd-socket", 0, OPT_STRING, pidfd_socket, .value_name = "SOCKET",
	       .help = "unix socket that a pidfd of the process is sent to", .complete = "file"),
	OPTION("pid-file", 0, OPT_STRING, pid_file, .value_name = "FILE",
	       .help = "file that the number of the process is written to", .complete = "file"),
	OPTION("process", 'p', OPT_STRING, process, .value_name = "FILE",
	       .help = "process as in config.json, instead of a command", .complete = "file"),
	OPTION("cwd", 0, OPT_STRING, cwd, .value_name = "DIR",
	       .help = "working directory in the container"),
	OPTION("env", 'e', OPT_STRINGS, env, .value_name = "KEY=VALUE",
	       .help = "add to the environment"),
	OPTION("tty", 't', OPT_BOOL, tty, .given_offset = offsetof(struct exec_options, tty_given),
	       .help = "give it a terminal"),
	OPTION("user", 'u', OPT_STRING, user, .value_name = "UID[:GID]",
	       .help = "user and group in the container, by number"),
	OPTION("additional-gids", 'g', OPT_STRINGS, additional_gids, .value_name = "GID",
	       .help = "a further group in the container, by number"),
	OPTION("cap", 'c', OPT_STRINGS, caps, .value_name = "CAP",
	       .help = "add a capability to those of the container"),
	OPTION("no-new-privs", 0, OPT_BOOL, no_new_privs,
	       .given_offset = offsetof(struct exec_options, no_new_privs_given),
	       .help = "no program that it executes gains privileges"),
	OPTION("apparmor", 0, OPT_STRING, apparmor, .value_name = "PROFILE",
	       .help = "profile of AppArmor"),
	OPTION("process-label", 0, OPT_STRING, process_label, .value_name = "LABEL",
	       .help = "label of SELinux"),
	OPTION("cgroup", 0, OPT_STRINGS, cgroup, .value_name = "PATH",
	       .help = "control group below the container's, also CONTROLLER,...:PATH"),
	OPTION("preserve-fds", 0, OPT_U64, preserve_fds, .value_name = "N", .max = 50,
	       .help = "pass on descriptors 3 to 2 + N"),
	OPTION("detach", 'd', OPT_BOOL, detach, .help = "do not wait for the process to end"),
	OPTION("ignore-paused", 0, OPT_BOOL, ignore_paused,
	       .help = "in a paused container: wait until it is resumed"),
	OPTION("no-subreaper", 0, OPT_BOOL, no_subreaper,
	       .help = "leave orphans of the process to others, as is always done"),
	{0},
};

/* What is held while a process enters. */
struct entering {
	const struct exec_options *options;
	struct oci_passed passed;
	struct state_dir dir;
	struct spec spec;
	struct strv warnings;
	bool wrote_pid_file;
};

static void entering_done(struct entering *e)
{
	state_dir_done(&e->dir);
	spec_done(&e->spec);
	strv_done(&e->warnings);
}

/* ---- the container ---- */

static int find_running(struct entering *e, const struct oci *oci, const char *id, struct err *err)
{
	if (life_find(oci, id, &e->dir, err) < 0)
		return -1;
	if (e->dir.init.pidfd >= 0)
		return 0;
	return life_not_running(&e->dir, err);
}

/* "/dev/fd/63", as shells write <(COMMAND): the copy needs that descriptor, too. */
static int keep_process_file(const char *path, struct err *err)
{
	static const char *const dirs[] = {"/dev/fd/", "/proc/self/fd/"};
	uint64_t fd;

	for (size_t i = 0; path && i < sizeof dirs / sizeof *dirs; i++)
		if (str_starts(path, dirs[i]) &&
		    str_to_u64(path + strlen(dirs[i]), 0, INT32_MAX, "--process", &fd, err) == 0)
			return fd_set_cloexec((int)fd, false, err);
	return 0;
}

static int seal(const struct entering *e, const struct oci *oci, struct err *err)
{
	struct id_map uids[NS_MAP_MAX];
	own_fd int proc_fd = procfs_open(err);
	ssize_t count = proc_fd < 0 ? -1 : ns_read_map(proc_fd, e->dir.init.pid, false, uids, err);

	if (count < 0)
		return -1;
	if (!seal_is_needed(uids, (size_t)count))
		return 0;
	if (keep_process_file(e->options->process, err) < 0)
		return -1;
	return life_seal(oci, e->passed.count, err);
}

/* ---- the process ---- */

static int replace_process(struct entering *e, struct err *err)
{
	const char *path = e->options->process;
	own_free char *text = NULL;
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_errno(err, "--process: cannot open '%s'", path);
	ssize_t size = fd_read_all(fd, SPEC_MAX_SIZE, path, &text, err);
	if (size < 0)
		return err_wrap(err, "--process");
	return spec_replace_process(&e->spec, text, (size_t)size, path, err);
}

static int parse_id(const char *text, size_t len, const char *option, uint32_t *ret,
		    struct err *err)
{
	char digits[16];
	uint64_t value;

	if (!len || len >= sizeof digits || strspn(text, "0123456789") < len)
		return err_set(err, ERR_USAGE, 0, "%s: '%s' is not a number from 0 to %u", option,
			       text, MAX_ID);
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (str_to_u64(digits, 0, MAX_ID, option, &value, err) < 0)
		return -1;
	*ret = (uint32_t)value;
	return 0;
}

static int set_user(const char *text, struct spec_user *user, struct err *err)
{
	const char *colon = strchr(text, ':');

	if (parse_id(text, colon ? (size_t)(colon - text) : strlen(text), "--user", &user->uid,
		     err) < 0)
		return err_hint(err, "give UID or UID:GID");
	if (colon && parse_id(colon + 1, strlen(colon + 1), "--user", &user->gid, err) < 0)
		return err_hint(err, "give UID or UID:GID");
	return 0;
}

static int add_groups(const struct strv *texts, struct spec_user *user, struct err *err)
{
	uint32_t *gids;

	if (!texts->count)
		return 0;
	gids = reallocarray(user->additional_gids, user->additional_gid_count + texts->count,
			    sizeof *gids);
	if (!gids)
		return err_set(err, ERR_LIMIT, ENOMEM, "--additional-gids");
	user->additional_gids = gids;
	for (size_t i = 0; i < texts->count; i++)
		if (parse_id(texts->items[i], strlen(texts->items[i]), "--additional-gids",
			     &gids[user->additional_gid_count++], err) < 0)
			return -1;
	return 0;
}

/* Into the sets that bound what the process has. Inheritable is left alone: a capability there outlives
 * execve of programs that have it in their file; and ambient needs it (capabilities(7)). */
static int add_caps(const struct strv *names, struct caps *caps, struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		int cap = caps_parse(names->items[i], err);

		if (cap < 0)
			return err_wrap(err, "--cap");
		caps->bounding |= UINT64_C(1) << cap;
		caps->permitted |= UINT64_C(1) << cap;
		caps->effective |= UINT64_C(1) << cap;
		caps->ambient |= caps->inheritable & UINT64_C(1) << cap;
	}
	return 0;
}

static int add_env(const struct strv *entries, struct strv *env, struct err *err)
{
	for (size_t i = 0; i < entries->count; i++) {
		const char *entry = entries->items[i], *value = strchr(entry, '=');

		if (!value || value == entry)
			return err_set(err, ERR_USAGE, 0, "--env: '%s' is not KEY=VALUE", entry);
		own_free char *key = str_dup_len(entry, (size_t)(value - entry), err);
		if (!key || strv_env_set(env, key, value + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int set_text(char **slot, const char *text, struct err *err)
{
	char *copy;

	if (!text)
		return 0;
	copy = str_dup(text, err);
	if (!copy)
		return -1;
	free(*slot);
	*slot = copy;
	return 0;
}

static int set_args(const struct strv *operands, struct spec_process *p, struct err *err)
{
	if (operands->count < 2)
		return 0;
	strv_done(&p->args);
	for (size_t i = 1; i < operands->count; i++)
		if (strv_add(&p->args, operands->items[i], err) < 0)
			return -1;
	return 0;
}

static int change_process(const struct exec_options *o, const struct strv *operands,
			  struct spec_process *p, struct err *err)
{
	if (o->tty_given)
		p->terminal = o->tty;
	if (o->no_new_privs_given)
		p->no_new_privs = o->no_new_privs;
	if (set_args(operands, p, err) < 0 || set_text(&p->cwd, o->cwd, err) < 0 ||
	    set_text(&p->apparmor_profile, o->apparmor, err) < 0 ||
	    set_text(&p->selinux_label, o->process_label, err) < 0)
		return -1;
	if (o->user && set_user(o->user, &p->user, err) < 0)
		return -1;
	if (add_groups(&o->additional_gids, &p->user, err) < 0 ||
	    add_caps(&o->caps, &p->caps, err) < 0)
		return -1;
	return add_env(&o->env, &p->env, err);
}

static int decide_process(struct entering *e, const struct strv *operands, struct err *err)
{
	const struct exec_options *o = e->options;

	if (life_read_spec(&e->dir, &e->spec, err) < 0)
		return -1;
	e->spec.process.terminal = false; /* what the container has is no example */
	if (!e->spec.process_given && set_text(&e->spec.process.cwd, "/", err) < 0)
		return -1;
	e->spec.process_given = true;
	if (o->process && replace_process(e, err) < 0)
		return -1;
	if (!o->process && operands->count < 2) {
		err_set(err, ERR_USAGE, 0, "exec: a command is missing");
		return err_hint(err, "insula-runtime exec ID COMMAND [ARGUMENT...], or --process");
	}
	if (change_process(o, operands, &e->spec.process, err) < 0 ||
	    spec_check_process(&e->spec, err) < 0)
		return -1;
	return life_check_terminal(o->console_socket, e->spec.process.terminal, o->detach, err);
}

/* ---- in ---- */

/* Before it executes anything: so what cannot be handed out has done nothing. */
static int hand_out(void *data, const struct proc *process, int console_fd, struct err *err)
{
	struct entering *e = data;
	const struct exec_options *o = e->options;

	if (o->console_socket &&
	    oci_send_descriptor(o->console_socket, "/dev/ptmx", console_fd, err) < 0)
		return err_wrap(err, "--console-socket");
	if (o->pidfd_socket &&
	    oci_send_descriptor(o->pidfd_socket, e->dir.state.id, process->pidfd, err) < 0)
		return err_wrap(err, "--pidfd-socket");
	if (o->pid_file && oci_write_pid_file(o->pid_file, process->pid, err) < 0)
		return err_wrap(err, "--pid-file");
	e->wrote_pid_file = o->pid_file;
	return 0;
}

static int enter(struct entering *e, struct proc *ret, int *ret_console_fd, struct err *err)
{
	const struct exec_options *o = e->options;
	own(cgroup_host) struct cgroup_host host = {0};
	const struct runtime_exec request = {
		.spec = &e->spec,
		.process = &e->spec.process,
		.init = &e->dir.init,
		.cgroup_name = e->dir.state.place.path,
		.place = &e->dir.state.place,
		.cgroup_below = &o->cgroup,
		.even_frozen = o->ignore_paused,
		.stdio = {0, 1, 2},
		.preserve_fds = e->passed.count,
		.listen = e->passed.listen,
		.keep_keyring = e->dir.state.keep_keyring,
		.keyring = e->dir.state.keyring,
		.warnings = o->process ? &e->warnings : NULL, /* else said at the start */
		.born = hand_out,
		.born_data = e,
		.id = e->dir.state.id,
		.state = &e->dir.state,
	};

	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (runtime_exec(&request, &host, ret, ret_console_fd, err) < 0) {
		if (e->wrote_pid_file)
			unlink(o->pid_file);
		return -1;
	}
	for (size_t i = 0; i < e->warnings.count; i++)
		warn_emit("%s", e->warnings.items[i]);
	return 0;
}

static int run_exec(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct exec_options *o = values;
	own(entering) struct entering e = {.options = o, .dir = STATE_DIR_INIT};
	struct proc process = PROC_INIT;
	own_fd int console_fd = -1;
	int status = 0;

	spec_init(&e.spec);
	if (oci_find_passed(oci, o->preserve_fds, &e.passed, err) < 0 ||
	    find_running(&e, oci, operands->items[0], err) < 0 || seal(&e, oci, err) < 0 ||
	    decide_process(&e, operands, err) < 0 ||
	    (!o->detach && oci_foreground_prepare(err) < 0) ||
	    enter(&e, &process, &console_fd, err) < 0)
		return -1;
	if (o->console_socket)
		fd_close(take_fd(console_fd)); /* who got it relays it */
	if (!o->detach)
		status = oci_foreground(&process, console_fd, &oci->exit_code, err);
	proc_forget(&process);
	return status;
}

const struct oci_verb oci_verb_exec = {
	.name = "exec",
	.usage = "[OPTION...] ID [COMMAND [ARGUMENT...]]",
	.help = "run a further process in a container",
	.table = exec_table,
	.options_size = sizeof(struct exec_options),
	.stop_at_operand = true,
	.runc_error = 255,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_exec,
};
