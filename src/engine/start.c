/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a container: the command forks what becomes its keeper.
 *
 * The child is PID 1 of a pid namespace of its own, and the container's is nested in it: when the
 * keeper dies, however it dies, the kernel kills everything in there, so no container outlives the
 * process that holds its terminal, its limits and its exit status. Where the container shares the processes
 * of the host or of another container, there is none (keeper_guard.c). The child takes the "alive" lock
 * and an id range, executes the plan, writes the state and then executes insula-keeper, handing over
 * what it holds: the same road as an upgrade in place. Until then an error goes to the command, and
 * everything is undone.
 *
 * Order against kill -9: the lock comes first (the id slot or cgroup of a container whose lock is free
 * is debris, and known as its by the id), the state is written once the command runs, and only then is
 * anybody told.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/event.h"
#include "engine/group_parent.h"
#include "engine/interrupt.h"
#include "engine/keeper.h"
#include "engine/launch.h"
#include "engine/log_fields.h"
#include "engine/store_private.h"
#include "engine/user.h"
#include "kernel/facts.h"
#include "kernel/procattr.h"
#include "runtime/rootless.h"

#define START_TIMEOUT_MS 150000
#define KEEPER_END_MS 10000
#define PATH_SIZE 4096

/* What the keeper-to-be holds until it is one. */
struct birth {
	struct container *ct;
	const struct image *image;
	struct runtime_container running;
	struct keeper_state keeper;
	struct strv warnings; /* what was degraded */
	uint64_t keyring;
	struct group_place group;
	struct launch_others others;
	int stdio[3]; /* the container's ends of its pipes */
	uint32_t id_base;
	int proc_fd;
	char program[PATH_SIZE];
	bool again; /* by a keeper, in its own process: lock, socket and clients are there */
};

static int make_stdio(struct birth *b, struct err *err)
{
	const struct record *record = &b->ct->record;

	if (record->terminal)
		return 0;
	if (record->interactive && fd_pipe(&b->stdio[0], &b->keeper.stdin_fd, err) < 0)
		return -1;
	if (fd_pipe(&b->keeper.stdout_fd, &b->stdio[1], err) < 0)
		return -1;
	return fd_pipe(&b->keeper.stderr_fd, &b->stdio[2], err);
}

/* Said now, and kept for `inspect`. */
static int note_warnings(struct birth *b, const struct strv *warnings, struct err *err)
{
	for (size_t i = 0; i < warnings->count; i++)
		if (!b->ct->store->user) /* a batch of jobs would hear of nothing else */
			warn_emit("%s", warnings->items[i]);
	return strv_copy(&b->warnings, warnings, err);
}

/* The keeper's own pid as the host has it: getpid() says 1 here. */
static pid_t own_host_pid(int proc_fd)
{
	char text[16];
	ssize_t n = readlinkat(proc_fd, "self", text, sizeof text - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

static int use_parent(struct birth *b, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	return group_parent_use(b->ct->store->run_fd, &host, b->ct->id, b->group.name,
				b->group.foreign, err);
}

static int enter_scope(struct birth *b, struct err *err)
{
	own(strv) struct strv warnings = STRV_INIT;
	const struct group_asker asker = {.host_pid = own_host_pid(b->proc_fd),
					  .parent = b->ct->record.cgroup_parent,
					  .user = b->ct->store->user,
					  .again = b->again,
					  .store = b->ct->store->root,
					  .stop_timeout_ms = b->ct->record.stop_timeout_ms};

	if (group_enter_scope(b->ct->id, &asker, &b->group, &warnings, err) < 0 ||
	    (asker.parent && use_parent(b, err) < 0))
		return -1;
	return note_warnings(b, &warnings, err);
}

static int execute_plan(struct birth *b, struct err *err)
{
	own(launch) struct launch l = {0};

	int joined = launch_join_others(b->ct, &b->others, err);

	if (b->others.id_slot >= 0) {
		b->id_base = b->others.id_base;
		b->keeper.id_slot = b->others.id_slot;
	}
	if (joined < 0 ||
	    launch_notify(&b->ct->record, &b->others.notify_fd, &b->keeper.notify_fd, err) < 0 ||
	    launch_add_secret_env(b->ct->store, &b->ct->record, &b->ct->record.spec.process.env,
				  err) < 0)
		return -1;
	if (launch_plan(&l, b->ct->store, &b->ct->record, b->image, b->id_base, b->stdio, &b->group,
			&b->others, err) < 0)
		return -1;
	if (runtime_create(l.plan, &b->running, err) < 0)
		return launch_explain_ended(&b->others, err);
	if (note_warnings(b, runtime_plan_warnings(l.plan), err) < 0 ||
	    note_warnings(b, &b->running.cgroup.skipped, err) < 0)
		return -1;
	b->keyring = runtime_plan_keyring(l.plan);
	if (b->running.cgroup.count)
		b->keeper.cgroup_name = take(b->group.name);
	for (int i = 0; i < 3; i++) {
		fd_close(b->stdio[i]);
		b->stdio[i] = -1;
	}
	return 0;
}

static int write_state(struct birth *b, struct err *err)
{
	struct run_state state = {.version = 1,
				  .init_pid = b->running.host_pid,
				  .keeper_pid = own_host_pid(b->proc_fd),
				  .started_ns = b->keeper.started_ns,
				  .id_base = b->id_base,
				  .id_slot = b->keeper.id_slot,
				  .keyring = b->keyring,
				  .restarts = b->keeper.restarts,
				  .warnings = b->warnings};
	int status = -1;

	b->warnings = STRV_INIT;
	/* One that has ended already is still there, as nobody has reaped it. */
	proc_start_time(state.init_pid, &state.init_start, err);
	if ((b->ct->store->user || b->ct->record.cgroup_parent) && b->keeper.cgroup_name)
		state.cgroup = str_dup(b->keeper.cgroup_name, err);
	state.boot_id = boot_id_read(err);
	if (state.boot_id && proc_start_time(state.keeper_pid, &state.keeper_start, err) == 0)
		status = store_write_state(b->ct, &state, err);
	if (status == 0 && b->ct->record.pidfile)
		status = launch_write_pidfile(b->ct->record.pidfile, state.init_pid, err);
	run_state_done(&state);
	return status;
}

/* What a keeper needs to start it again, and to look after its health: the policy, and us. */
static int fill_program(const struct record *record, struct keeper_state *k, struct err *err)
{
	char program[PATH_SIZE];

	if (proc_find_ours("insula", "INSULA_SELF", program, sizeof program, err) < 0)
		return err_wrap(err, "--restart and --health-cmd");
	k->program = str_dup(program, err);
	if (record->restart)
		k->restart = str_dup(record->restart, err);
	return k->program && (k->restart || !record->restart) ? 0 : -1;
}

static int fill_duties(const struct record *record, struct keeper_state *k, struct err *err)
{
	if (!record->restart && !record->health.command.count)
		return 0;
	k->health_config = record->health;
	k->health_config.command = STRV_INIT;
	if (strv_copy(&k->health_config.command, &record->health.command, err) < 0)
		return -1;
	return fill_program(record, k, err);
}

static int fill_log(const struct record *record, struct keeper_state *k, struct err *err)
{
	k->log_none = str_eq(record->log_driver, "none");
	k->log_journal = str_eq(record->log_driver, "journald");
	if (record->log_max_size)
		k->log_max_size = record->log_max_size;
	if (record->log_max_files)
		k->log_max_files = record->log_max_files;
	if (!k->log_journal)
		return 0;
	if (strv_copy(&k->log_fields, &record->log_fields, err) < 0 ||
	    strv_addf(&k->log_fields, err, "IMAGE_NAME=%s", record->image) < 0)
		return -1;
	if (!record->log_tag)
		return 0;
	k->log_tag = log_tag_expand(record->log_tag, record, err);
	return k->log_tag ? 0 : -1;
}

static int fill_keeper(struct birth *b, int client_fd, bool attach, struct err *err)
{
	const struct record *record = &b->ct->record;
	struct keeper_state *k = &b->keeper;

	k->id = str_dup(record->id, err);
	k->name = str_dup(record->name, err);
	k->root = str_dup(b->ct->store->root, err);
	k->run = str_dup(b->ct->store->run, err);
	k->remove = record->remove;
	k->user = b->ct->store->user;
	k->usual_group = !record->cgroup_parent;
	k->shared_pids = launch_shares_pids(record);
	k->terminal = record->terminal;
	if (fill_log(record, k, err) < 0)
		return -1;
	k->notify_healthy = str_eq(record->sdnotify, READY_BY_HEALTH);
	k->stop_signal = record->stop_signal;
	k->stop_timeout_ms = record->stop_timeout_ms;
	k->started_ns = clock_real_ns();
	k->client_fd = client_fd;
	k->client_attached = attach;
	k->pin_fd = b->image->pin_fd;
	k->begun_ms = clock_boot_ms();
	if (!k->id || !k->name || !k->root || !k->run)
		return -1;
	return fill_duties(record, k, err);
}

static int claim_ids(struct birth *b, struct err *err)
{
	const struct record *record = &b->ct->record;

	const struct spec_namespace *user = &record->spec.linux_.namespaces[SPEC_NS_USER];

	if (!user->given || user->path || b->ct->store->user)
		return 0;
	return store_claim_ids(b->ct->store, record->id, &b->id_base, &b->keeper.id_slot, err);
}

static int claim(struct birth *b, struct err *err)
{
	const struct record *record = &b->ct->record;

	if (b->again)
		return store_note_starter(b->keeper.alive_fd, own_host_pid(b->proc_fd), err) < 0
			       ? -1
			       : claim_ids(b, err);
	b->keeper.alive_fd = file_lock(b->ct->run_fd, STORE_ALIVE, LOCK_EXCLUSIVE, 0, err);
	if (b->keeper.alive_fd < 0 ||
	    store_note_starter(b->keeper.alive_fd, own_host_pid(b->proc_fd), err) < 0)
		return err_wrap(err, "container '%s'", record->name);
	b->keeper.listen_fd = keeper_listen(b->ct->run_fd, err);
	return b->keeper.listen_fd < 0 ? -1 : claim_ids(b, err);
}

_Static_assert(sizeof(struct keeper_layer_state) == sizeof(int),
	       "descriptors, one after the other");

/* The user's terminal and pipes are not the keeper's: whoever reads them would wait for it. */
static int let_go_of_stdio(struct err *err)
{
	own_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if (null_fd < 0 || dup2(null_fd, i) < 0)
			return err_errno(err, "cannot let go of descriptor %d", i);
	return 0;
}

/* Where it has not been done by who made us, who was in another user namespace than we are. */
static int prepare_user(struct birth *b, struct err *err)
{
	struct record *record = &b->ct->record;

	if (rootless_check_rights(err) < 0)
		return -1;
	return record->spec.linux_.uid_maps.count
		       ? 0
		       : user_prepare(record->userns, &record->spec, err);
}

static int be_born(struct birth *b, int client_fd, bool attach, struct err *err)
{
	if ((!b->again && setsid() < 0) || chdir("/") < 0)
		return err_errno(err, "cannot become a keeper");
	/* In a namespace of our own we are that anyway. */
	if (launch_shares_pids(&b->ct->record) && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_errno(err, "cannot become a subreaper");
	signal(SIGCHLD, SIG_DFL); /* where our caller ignores it, waiting would find nobody */
	b->proc_fd = procfs_open(err);
	if (b->ct->store->user && !b->again && prepare_user(b, err) < 0)
		return -1;
	if (b->proc_fd < 0 || fill_keeper(b, client_fd, attach, err) < 0 ||
	    keeper_find_program(b->program, sizeof b->program, err) < 0)
		return -1;
	if (!b->ct->record.remove && store_reserve_exit(b->ct->root_fd, err) < 0)
		return -1;
	if (claim(b, err) < 0 || fail_point("keeper.claimed", err) < 0 || make_stdio(b, err) < 0 ||
	    enter_scope(b, err) < 0 || fail_point("keeper.scope", err) < 0)
		return -1;
	if (execute_plan(b, err) < 0 || fail_point("keeper.running", err) < 0 ||
	    write_state(b, err) < 0 || fail_point("keeper.state", err) < 0)
		return -1;
	event_note(b->ct, "start", NULL, NULL);
	b->keeper.init_fd = b->running.init.pidfd;
	b->keeper.init_pid = b->running.init.pid;
	b->keeper.console_fd = b->running.console_fd;
	if (let_go_of_stdio(err) < 0)
		return -1;
	/* An array of descriptors both; ours still, if this fails. */
	b->keeper.layers = (struct json_array){b->running.layers.fds, b->running.layers.count};
	keeper_exec(b->program, &b->keeper, err);
	b->keeper.layers = (struct json_array){0};
	return -1;
}

static void birth_init(struct birth *b, struct container *ct, const struct image *image)
{
	*b = (struct birth){.ct = ct,
			    .image = image,
			    .running = RUNTIME_CONTAINER_INIT,
			    .stdio = {-1, -1, -1},
			    .others = LAUNCH_OTHERS_INIT,
			    .proc_fd = -1};
	keeper_state_init(&b->keeper);
}

static void drop_parent(struct birth *b)
{
	own(cgroup_host) struct cgroup_host host = {0};
	const char *name = b->group.name ? b->group.name : b->keeper.cgroup_name;
	struct err ignored = ERR_INIT;

	if (name && cgroup_host_probe_groups(&host, &ignored) == 0)
		group_parent_drop(b->ct->store->run_fd, &host, b->ct->id, name);
}

static void undo(struct birth *b)
{
	runtime_container_done(&b->running);
	if (b->ct->record.cgroup_parent)
		drop_parent(b);
	group_place_done(&b->group);
	launch_others_done(&b->others);
	store_release_ids(b->ct->store, b->ct->id, b->keeper.id_slot);
}

static _Noreturn void keeper_to_be(struct container *ct, const struct image *image, int client_fd,
				   bool attach)
{
	struct birth b;
	struct err err = ERR_INIT, ignored = ERR_INIT;
	struct keeper_error message;

	birth_init(&b, ct, image);
	be_born(&b, client_fd, attach, &err);
	undo(&b);
	file_unlink(ct->run_fd, "ctl", &ignored);
	file_unlink(ct->run_fd, STORE_STATE, &ignored);
	memset(&message, 0, sizeof message);
	message.kind = (int32_t)err.kind;
	message.errnum = err.errnum;
	memcpy(message.message, err.message, sizeof message.message);
	memcpy(message.hint, err.hint, sizeof message.hint);
	keeper_send(client_fd, KEEPER_ERROR, 0, 0, &message, sizeof message, &ignored);
	_exit(EXIT_FAILURE);
}

/* What the keeper had goes on; what is told of the start is told by the store alone. */
static void inherit(struct birth *b, struct keeper_state *from)
{
	struct keeper_state *k = &b->keeper;

	b->again = true;
	k->alive_fd = from->alive_fd;
	k->listen_fd = from->listen_fd;
	k->restarts = from->restarts;
	k->delay_ms = from->delay_ms;
	k->origin = from->origin;
	k->replaced = true;
	k->notify_to = take(from->notify_to);
	k->clients = from->clients;
	from->clients = (struct json_array){0};
}

int engine_start_in_place(struct container *ct, const struct image *image,
			  struct keeper_state *from, struct err *err)
{
	struct birth b;

	birth_init(&b, ct, image);
	inherit(&b, from);
	be_born(&b, -1, false, err);
	undo(&b);
	from->clients = b.keeper.clients;
	return -1;
}

/* The keeper speaks first: it runs, or why not. */
static int hear_of_start(int client_fd, struct err *err)
{
	struct keeper_header header;
	own_free char *data = malloc(KEEPER_DATA_MAX);

	if (!data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot start the container");
	int got = keeper_receive(client_fd, &header, data, START_TIMEOUT_MS, err);
	if (got < 0)
		return -1;
	if (got == 0) {
		err_set(err, ERR_IO, 0, "the keeper died while the container was started");
		return err_hint(err, "somebody killed it, or memory ran out: dmesg may tell");
	}
	if (header.type == KEEPER_STARTED)
		return 0;
	if (header.type == KEEPER_ERROR)
		return keeper_error_take(&header, data, err);
	return err_set(err, ERR_INTERNAL, 0, "the keeper answered with message %u", header.type);
}

static int await_start(int client_fd, struct err *err)
{
	struct interrupt interrupt;

	if (interrupt_begin(&interrupt, err) < 0)
		return -1;
	int result = interrupt_wait(&interrupt, client_fd, START_TIMEOUT_MS, err);
	interrupt_end(&interrupt);
	return result < 0 ? -1 : hear_of_start(client_fd, err);
}

/* An ordinary user's is root of a user namespace from the start: of another container's, if it shares something with
 * that, and then it is prepared in there. */
static pid_t clone_users(struct container *ct, bool own_pids, struct proc *ret, struct err *err)
{
	struct spec_linux *linux_ = &ct->record.spec.linux_;
	const char *paths[SPEC_NS_COUNT];
	own_fd int outer_fd = -1;

	for (size_t i = 0; i < SPEC_NS_COUNT; i++)
		paths[i] = linux_->namespaces[i].path;
	if (launch_find_outer(ct->store, paths, &outer_fd, err) < 0)
		return -1;
	if (outer_fd >= 0)
		return rootless_clone_into(outer_fd, own_pids, ret, err);
	if (user_prepare(ct->record.userns, &ct->record.spec, err) < 0)
		return -1;
	return rootless_clone(&linux_->uid_maps, &linux_->gid_maps, own_pids, ret, err);
}

static pid_t clone_keeper(struct container *ct, struct proc *ret, struct err *err)
{
	bool own_pids = !launch_shares_pids(&ct->record);

	if (ct->store->user)
		return clone_users(ct, own_pids, ret, err);
	return proc_clone(ret, own_pids ? CLONE_NEWPID : 0, -1, err);
}

struct made {
	pid_t pid; /* -1: it could not be */
	struct err err;
};

/* In the keeper 0; elsewhere it ends. It is there until it was looked at, so that the number stays the keeper's. */
static pid_t make_and_end(struct container *ct, int tell_fd, int wait_fd)
{
	struct proc keeper = PROC_INIT;
	struct made made = {.err = ERR_INIT};
	struct err ignored = ERR_INIT;
	char none;

	made.pid = clone_keeper(ct, &keeper, &made.err);
	if (made.pid == 0)
		return 0;
	fd_write_all(tell_fd, &made, sizeof made, "what was made", &ignored);
	while (read(wait_fd, &none, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/*
 * A service manager sees the end of its own children alone. The keeper, which is to be the service's main process,
 * becomes its child before it hears of it, if who made it has ended by then.
 */
static pid_t clone_apart(struct container *ct, struct proc *ret, struct err *err)
{
	own_fd int told_fd = -1, tell_fd = -1, wait_fd = -1, go_fd = -1;
	own(proc) struct proc between = PROC_INIT;
	struct err ignored = ERR_INIT;
	struct made made;

	if (fd_pipe(&told_fd, &tell_fd, err) < 0 || fd_pipe(&wait_fd, &go_fd, err) < 0)
		return -1;
	pid_t pid = proc_clone(&between, 0, -1, err);
	if (pid == 0) {
		fd_close(take_fd(told_fd));
		fd_close(take_fd(go_fd));
		return make_and_end(ct, tell_fd, wait_fd);
	}
	fd_close(take_fd(tell_fd));
	if (pid < 0)
		return -1;
	if (read(told_fd, &made, sizeof made) != sizeof made)
		return err_set(err, ERR_IO, 0, "the process that makes it was killed");
	if (made.pid > 0)
		proc_open(ret, made.pid, 0, &ignored); /* one that has ended has said why */
	else
		*err = made.err;
	fd_close(take_fd(go_fd));
	proc_wait_end(&between, KEEPER_END_MS, &ignored);
	return made.pid;
}

/* With it goes whatever it has made so far and not undone. */
static void end_keeper(struct proc *keeper)
{
	struct err ignored = ERR_INIT;

	if (keeper->pidfd >= 0 && pidfd_send_signal(keeper->pidfd, SIGKILL, NULL, 0) == 0 &&
	    proc_wait_end(keeper, KEEPER_END_MS, &ignored) == 0)
		proc_forget(keeper); /* it hangs in the kernel: no use in waiting once more */
	proc_done(keeper);	     /* where it is our child */
}

/* What the manager is told names it. */
static bool is_main_process(const struct container *ct, bool attach)
{
	return !attach && notify_socket() && ct->record.sdnotify;
}

int engine_start(struct container *ct, const struct image *image, bool attach, int *ret_client_fd,
		 struct err *err)
{
	struct proc keeper = PROC_INIT;
	own_fd int mine = -1, theirs = -1;

	if (fd_socket_pair(&mine, &theirs, err) < 0)
		return -1;
	pid_t pid = is_main_process(ct, attach) ? clone_apart(ct, &keeper, err)
						: clone_keeper(ct, &keeper, err);
	if (pid < 0)
		return err_wrap(err, "cannot make a keeper");
	if (pid == 0) {
		fd_close(take_fd(mine));
		keeper_to_be(ct, image, take_fd(theirs), attach);
	}
	fd_close(take_fd(theirs));
	if (await_start(mine, err) < 0) {
		end_keeper(&keeper);
		return -1;
	}
	proc_forget(&keeper);
	*ret_client_fd = take_fd(mine);
	return 0;
}
