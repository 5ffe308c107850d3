/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula exec: a further process in a running container. The keeper has no part in it: the command is
 * the new process's parent, relays its terminal or its pipes, and takes its exit status. The process
 * never has a descriptor of the user's terminal, nor of a file that it is fed from: by /proc/self/fd it could
 * open that anew, to write to it, where it has the user's ids.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/event.h"
#include "engine/group.h"
#include "engine/launch.h"
#include "engine/lifecycle.h"
#include "runtime/relay.h"
#include "runtime/runtime.h"

static void spec_process_copy_done(struct spec_process *p)
{
	strv_done(&p->args);
	strv_done(&p->env);
	free(p->cwd);
	free(p->user.name);
	strv_done(&p->user.groups);
}

#define own_process __attribute__((cleanup(spec_process_copy_done)))

static int set_user(const struct exec_options *options, const struct spec_process *base,
		    struct spec_process *p, struct err *err)
{
	const char *user = options->user ? options->user : base->user.name;

	p->user = (struct spec_user){
		.uid = base->user.uid, .gid = base->user.gid, .umask = base->user.umask};
	if (strv_copy(&p->user.groups, &base->user.groups, err) < 0)
		return -1;
	if (!user)
		return 0;
	p->user.name = str_dup(user, err);
	if (!p->user.name)
		return -1;
	/* Capabilities go with root, in as in run. */
	p->caps.effective = p->caps.permitted = engine_is_root(user) ? p->caps.bounding : 0;
	return 0;
}

/* The container's own process as the pattern, changed by the options. */
static int make_process(const struct container *ct, const struct exec_options *options,
			const struct strv *command, struct spec_process *p, struct err *err)
{
	const struct spec_process *base = &ct->record.spec.process;

	p->terminal = options->tty;
	engine_set_console(p);
	p->caps = base->caps;
	p->no_new_privs = base->no_new_privs;
	p->rlimits = base->rlimits;
	p->rlimit_count = base->rlimit_count;
	p->apparmor_profile = base->apparmor_profile;
	p->selinux_label = base->selinux_label;
	if (path_clean(options->workdir ? options->workdir : base->cwd, &p->cwd, err) < 0)
		return err_wrap(err, "--workdir");
	if (strv_copy(&p->args, command, err) < 0 || strv_copy(&p->env, &base->env, err) < 0 ||
	    launch_add_secret_env(ct->store, &ct->record, &p->env, err) < 0 ||
	    set_user(options, base, p, err) < 0)
		return -1;
	if (options->tty && !strv_env_get(&p->env, "TERM") &&
	    strv_env_set(&p->env, "TERM", "xterm", err) < 0)
		return -1;
	return engine_add_envs(&options->env_files, &options->env, &p->env, err);
}

static int check_running(const struct container *ct, int init_fd, struct proc *init,
			 struct err *err)
{
	if (ct->status != CT_RUNNING)
		return engine_not_running(ct, err);
	if (init_fd >= 0) {
		*init = (struct proc){.pidfd = fcntl(init_fd, F_DUPFD_CLOEXEC, 3)};
		return init->pidfd < 0 ? err_errno(err, "cannot take a descriptor") : 0;
	}
	if (proc_open(init, ct->state.init_pid, ct->state.init_start, err) < 0)
		return err_wrap(err, "container '%s' has just ended", ct->record.name);
	return 0;
}

static int make_stdio(const struct exec_options *options, struct relay_ends *ours, int theirs[3],
		      struct err *err)
{
	if (options->detach || options->tty)
		return 0;
	if (options->interactive && fd_pipe(&theirs[0], &ours->in_fd, err) < 0)
		return -1;
	if (fd_pipe(&ours->out_fd, &theirs[1], err) < 0)
		return -1;
	return fd_pipe(&ours->err_fd, &theirs[2], err);
}

static int enter(const struct container *ct, const struct exec_options *options,
		 const struct spec_process *process, int init_fd, struct relay_ends *ours,
		 struct proc *ret, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own_free char *cgroup = NULL;
	own_free char *unit = ct->store->user ? group_unit(ct->id, err) : NULL;
	struct proc init = PROC_INIT;
	/* His group may be one that only his service manager can put us into. */
	const struct cgroup_place place = {
		.manager = CGROUP_MANAGER_SYSTEMD, .unit = unit, .user = true};
	struct runtime_exec request = {.spec = &ct->record.spec,
				       .process = process,
				       .init = &init,
				       .id = ct->id,
				       .place = unit ? &place : NULL,
				       .keyring = ct->state.keyring,
				       .stdio = {-1, -1, -1}};

	if ((ct->store->user && !unit) || check_running(ct, init_fd, &init, err) < 0)
		return -1;
	int status = make_stdio(options, ours, request.stdio, err);
	if (!status)
		status = cgroup_host_probe_groups(&host, err);
	if (!status) {
		status = group_name_of(&host, ct, &cgroup, err);
		request.cgroup_name = cgroup;
	}
	if (!status)
		status = runtime_exec(&request, &host, ret, &ours->console_fd, err);
	for (int i = 0; i < 3; i++)
		fd_close(request.stdio[i]);
	proc_forget(&init);
	return status;
}

int exec_begin(struct container *ct, const struct strv *command, int init_fd,
	       struct relay_ends *ret_ends, struct proc *ret, struct err *err)
{
	own_process struct spec_process process = {0};
	struct exec_options plain = {0};

	if (store_need_spec(ct, err) < 0 || make_process(ct, &plain, command, &process, err) < 0)
		return -1;
	return enter(ct, &plain, &process, init_fd, ret_ends, ret, err);
}

/* The host's own files are the container's lower layer: new ones appear below what it wrote. */
static void say_if_upgraded(const struct container *ct)
{
	struct err ignored = ERR_INIT;
	own_free char *now = NULL;

	if (!ct->record.image_stamp || !*ct->record.image_stamp)
		return;
	now = image_stamp(ct->record.image, &ignored);
	if (now && strcmp(now, ct->record.image_stamp) != 0)
		warn_emit("the host was upgraded since '%s' was made: restart it to be consistent",
			  ct->record.name);
}

int engine_exec(struct container *ct, const struct exec_options *options,
		const struct strv *command, int *ret_code, struct err *err)
{
	own_process struct spec_process process = {0};
	own(relay_ends) struct relay_ends ours = RELAY_ENDS_NONE;
	struct proc running = PROC_INIT;

	if (!command->count || !*command->items[0]) {
		err_set(err, ERR_USAGE, 0, "exec wants a command");
		return err_hint(err, "insula exec CONTAINER COMMAND [ARGUMENT...]");
	}
	if (options->tty && options->interactive && !isatty(STDIN_FILENO)) {
		err_set(err, ERR_USAGE, 0, "-i -t: the standard input is not a terminal");
		return err_hint(err, "leave out -t to feed a command from a file or pipe");
	}
	if (ct->status == CT_STARTING && engine_settle(ct, err) < 0)
		return -1;
	say_if_upgraded(ct);
	if (store_need_spec(ct, err) < 0)
		return -1;
	if (make_process(ct, options, command, &process, err) < 0 ||
	    enter(ct, options, &process, -1, &ours, &running, err) < 0)
		return -1;
	event_note(ct, "exec", "command", command->items[0]);
	*ret_code = 0;
	int status = 0;
	if (!options->detach)
		status = relay_process(&running, &ours, options->interactive, ret_code, err);
	if (!options->detach && status == 0)
		event_note_number(ct, "exec_died", "code", *ret_code);
	proc_forget(&running);
	return status;
}
