/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding, starting and destroying containers of insula-runtime.
 *
 * Nothing here waits without a deadline. A process that cannot be killed (it hangs in the kernel, state D)
 * is named with its state, and the container stays known, so that a later `delete` can do the rest.
 */
#include "cli/oci_life.h"
#include "cli/oci_notify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/own.h"
#include "kernel/facts.h"
#include "kernel/processes.h"
#include "runtime/hooks.h"
#include "runtime/runtime.h"
#include "runtime/place.h"
#include "runtime/sealed.h"

/* Below /run where that is ours: not for an ordinary user, and not for root of a user namespace. */
static char *runtime_dir(const char *below, struct err *err)
{
	const char *own = secure_getenv("XDG_RUNTIME_DIR");

	if (facts_is_root())
		return str_printf(err, "/run/insula%s", below);
	if (own && *own == '/')
		return str_printf(err, "%s/insula%s", own, below);
	return str_printf(err, "/tmp/insula-%u%s", (unsigned int)geteuid(), below);
}

bool life_rootless_for(const struct oci *oci, bool root)
{
	return oci->rootless == OCI_ROOTLESS_YES || (oci->rootless == OCI_ROOTLESS_AUTO && !root);
}

bool life_is_rootless(const struct oci *oci)
{
	return life_rootless_for(oci, facts_is_root());
}

char *life_run_root(const struct oci *oci, struct err *err)
{
	const char *given = oci->run_root ? oci->run_root : secure_getenv("INSULA_RUNROOT");

	return given && *given ? str_dup(given, err) : runtime_dir("", err);
}

char *life_root_path(const struct oci *oci, struct err *err)
{
	return oci->root ? str_dup(oci->root, err) : runtime_dir("/oci", err);
}

int life_open_root(const struct oci *oci, bool make, struct err *err)
{
	own_free char *root = life_root_path(oci, err);

	return root ? state_open_root(root, make, err) : -1;
}

int life_seal(const struct oci *oci, int passed, struct err *err)
{
	own_free char *run_root = life_run_root(oci, err);

	if (!run_root)
		return -1;
	for (int fd = 3; fd < 3 + passed; fd++)
		if (fd_set_cloexec(fd, false, err) < 0)
			return -1;
	return runtime_seal(run_root, oci->argv, err);
}

int life_check_terminal(const char *console_socket, bool terminal, bool detached, struct err *err)
{
	if (terminal && detached && !console_socket) {
		err_set(err, ERR_USAGE, 0,
			"process.terminal: nobody would hold the terminal of a detached process");
		return err_hint(err, "give --console-socket, or no terminal");
	}
	if (!terminal && console_socket)
		return err_set(err, ERR_USAGE, 0, "--console-socket: the process has no terminal");
	return 0;
}

int life_find(const struct oci *oci, const char *id, struct state_dir *ret, struct err *err)
{
	struct err opening = ERR_INIT;

	if (oci_check_id(id, err) < 0)
		return -1;
	own_fd int root_fd = life_open_root(oci, false, &opening);
	if (root_fd < 0 && opening.kind == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, 0, "container '%s' does not exist", id);
	if (root_fd < 0) {
		*err = opening;
		return -1;
	}
	return state_load(root_fd, id, ret, err);
}

int life_not_running(const struct state_dir *dir, struct err *err)
{
	return err_set(err, ERR_STATE, 0, "container not running: '%s' is %s", dir->state.id,
		       state_status_name(dir->status));
}

int life_read_spec(const struct state_dir *dir, struct spec *ret, struct err *err)
{
	if (state_read_config(dir, ret, err) < 0)
		return err_wrap(err, "container '%s'", dir->state.id);
	return 0;
}

/* ---- the end ---- */

static int kill_init(struct state_dir *dir, struct err *err)
{
	if (dir->init.pidfd < 0)
		return 0;
	if (proc_signal(&dir->init, SIGKILL, err) < 0)
		return err->errnum == ESRCH ? 0 : -1;
	return 0;
}

/* Its process is gone, or an error that says what it hangs in. */
static int await_end(struct state_dir *dir, int within_ms, struct err *err)
{
	int ended = dir->init.pidfd < 0 ? 1 : proc_wait_end(&dir->init, within_ms, err);

	if (ended)
		return ended < 0 ? -1 : 0;
	err_set(err, ERR_TIMEOUT, 0, "process %d of container '%s' cannot be killed (state %c)",
		dir->init.pid, dir->state.id, process_state(dir->init.pid));
	return err_hint(err,
			"it hangs in the kernel: see /proc/%d/stack; delete again when it is gone",
			dir->init.pid);
}

/* In the caller's namespaces, when the container is there, and when it is gone. */
static int run_hooks(const struct state_dir *dir, const struct spec *spec, enum spec_hook_kind kind,
		     enum state_status status, struct err *err)
{
	struct hook_place place = HOOK_PLACE_INIT;

	if (!spec->hooks[kind].count)
		return 0;
	if (hooks_open_output(&dir->state, &place.out_fd, &place.err_fd, err) < 0)
		return -1;
	int result = hooks_run(spec, kind, &dir->state, status,
			       status == STATE_STOPPED ? 0 : dir->state.pid, &place, err);
	fd_close(place.out_fd);
	fd_close(place.err_fd);
	return result;
}

/* What only the configuration tells of: groups of resctrl, and the last hooks. One that fails stops nobody:
 * there is nothing left that could be undone. */
static void end_by_spec(const struct state_dir *dir)
{
	struct err err = ERR_INIT;
	struct spec spec;

	if (!dir->state.ends_by_config)
		return;
	spec_init(&spec);
	/* Of one that was half made there is no configuration, and its hooks have nothing to end. */
	if (life_read_spec(dir, &spec, &err) == 0) {
		struct err removing = ERR_INIT;

		if (runtime_resctrl_remove(&spec, dir->state.id, NULL, &removing) < 0)
			warn_emit("%s", removing.message);
		run_hooks(dir, &spec, SPEC_HOOK_POSTSTOP, STATE_STOPPED, &err);
	}
	if (err.kind != ERR_NONE)
		warn_emit("%s", err.message);
	spec_done(&spec);
}

static bool same_group(const struct cgroup_place *a, const struct cgroup_place *b)
{
	return str_eq(a->path, b->path) || str_eq(a->unit, b->unit);
}

/* One that was killed before its process was born may have been about to find out that the group is another
 * container's. */
static bool is_of_another(const struct state_dir *dir)
{
	own(strv) struct strv ids = STRV_INIT;
	struct err ignored = ERR_INIT;
	bool found = false;

	if (dir->state.pid || state_list(dir->parent_fd, &ids, &ignored) < 0)
		return false;
	for (size_t i = 0; i < ids.count && !found; i++) {
		own(state_dir) struct state_dir other = STATE_DIR_INIT;

		found = !str_eq(ids.items[i], dir->state.id) &&
			state_load(dir->parent_fd, ids.items[i], &other, &ignored) == 0 &&
			other.init.pidfd >= 0 && same_group(&other.state.place, &dir->state.place);
	}
	return found;
}

static int remove_group(struct state_dir *dir, struct err *err)
{
	const struct cgroup_place *place = &dir->state.place;
	own(cgroup_host) struct cgroup_host host = {0};

	if ((!place->path && !place->unit) || is_of_another(dir))
		return 0;
	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	return cgroup_place_remove(place, &host, LIFE_KILL_MS, err);
}

int life_destroy(struct state_dir *dir, struct err *err)
{
	if (kill_init(dir, err) < 0 || fail_point("delete.killed", err) < 0)
		return -1;
	/* A frozen process dies when its group is killed, not before. */
	if (remove_group(dir, err) < 0) /* which has waited */
		return await_end(dir, 0, err) < 0 ? -1
						  : err_wrap(err, "container '%s'", dir->state.id);
	if (await_end(dir, LIFE_KILL_MS, err) < 0 || fail_point("delete.group", err) < 0)
		return -1;
	end_by_spec(dir);
	return fail_point("delete.hooks", err) < 0 ? -1 : state_remove(dir, err);
}

void life_give_up(struct state_dir *dir, bool group_left, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	struct err removing = ERR_INIT;

	/* A group of that name that we have not made is somebody else's, with his processes in it. */
	if (!group_left ||
	    (cgroup_host_probe_groups(&host, &removing) == 0 &&
	     cgroup_place_remove(&dir->state.place, &host, LIFE_GIVE_UP_MS, &removing) == 0))
		state_remove(dir, &removing);
	if (removing.kind == ERR_NONE)
		return;
	warn_emit("%s", removing.message);
	err_hint(err, "something of it is left: insula-runtime delete --force %s, when it can go",
		 dir->state.id);
}

int life_clear(struct state_dir *dir, struct err *err)
{
	return life_destroy(dir, err);
}

/* ---- the start ---- */

/* One that is paused would be waited for in vain. */
static int check_thawed(const struct state_dir *dir, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err opening = ERR_INIT;

	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (state_open_cgroup(dir, &host, &cg, &opening) < 0 || !cgroup_is_frozen(&cg))
		return 0;
	err_set(err, ERR_STATE, 0, "cannot start container '%s': it is paused", dir->state.id);
	return err_hint(err, "insula-runtime resume %s", dir->state.id);
}

/* The command runs, and poststart hooks have run. */
static int start_it(struct state_dir *dir, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct spec spec;

	if (check_thawed(dir, err) < 0)
		return -1;
	spec_init(&spec);
	int status = life_read_spec(dir, &spec, err);
	if (status == 0)
		status = state_start(
			dir, LIFE_START_MS + hooks_timeout_ms(&spec, SPEC_HOOK_START_CONTAINER),
			err);
	bool kill = status < 0 && err->kind == ERR_TIMEOUT;
	if (kill)
		err_hint(err, "process %d is in state %c; it is killed now", dir->init.pid,
			 process_state(dir->init.pid));
	if (status == 0 && run_hooks(dir, &spec, SPEC_HOOK_POSTSTART, STATE_RUNNING, err) < 0)
		kill = true;
	if (kill) {
		proc_signal(&dir->init, SIGKILL, &ignored);
		status = -1;
	}
	spec_done(&spec);
	return status;
}

int life_start(struct state_dir *dir, struct err *err)
{
	if (dir->status != STATE_CREATED) {
		err_set(err, ERR_STATE, 0, "cannot start container '%s': it is %s", dir->state.id,
			state_status_name(dir->status));
		return err_hint(err, "only one that was created can be started");
	}
	own_fd int notify_fd = notify_listen(dir, err);
	if ((notify_fd < 0 && err->kind != ERR_NONE) || start_it(dir, err) < 0)
		return -1;
	return notify_fd < 0 ? 0 : notify_relay(notify_fd, dir, err);
}
