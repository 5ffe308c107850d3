/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper's life: be born from a state, wait, stop the container when told to, see it end, clear
 * up, and go when the last client has what it waits for.
 *
 * It is PID 1 of a pid namespace around the container's, so that its own death, however it comes,
 * is the container's: the kernel kills what is inside before the death is even reported. As PID 1
 * it reaps whatever is left behind in that namespace, and the kernel keeps signals without a handler
 * away from it, SIGKILL and SIGSTOP from outside excepted. Where the container shares its processes with
 * others there is no such namespace: keeper_guard.c.
 *
 *	running --- init ended ---> clear up ---> lingering --- clients served ---> gone
 *	   \--- KEEPER_REPLACE ---> (execve) running
 *
 * SIGTERM stops the container as KEEPER_STOP does, so a service manager that ends the keeper's scope
 * does the right thing.
 *
 * Replacement happens in keeper_settle(), when no callback is half way through anything. Clients are
 * handed on with what they have not read yet (keeper_handover.c), so a user who is attached does not
 * notice. What the container writes meanwhile stays in its pipes. An exit meanwhile stays with the
 * zombie, whose pidfd is handed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/keeper_private.h"

#define LINGER_MS (INT64_C(3600) * 1000)
#define INIT_DEATH_MS 10000
#define FDS_WANTED 1024
#define STOP_MS_MAX (INT64_C(100) * 365 * 86400 * 1000) /* as good as never */

int keeper_signal(struct keeper *k, int signal, struct err *err)
{
	if (pidfd_send_signal(k->state.init_fd, signal, NULL, 0) == 0)
		return 0;
	if (errno == ESRCH)
		return err_set(err, ERR_STATE, errno, "the container has ended");
	return err_errno(err, "cannot signal the container");
}

static void on_kill_time(void *data)
{
	struct keeper *k = data;
	struct err ignored;

	k->time_was_up = true;
	keeper_signal(k, SIGKILL, &ignored);
	keeper_settle(k);
}

/* SIGKILL at a CLOCK_BOOTTIME; an earlier one that was set before stays. */
static int kill_at(struct keeper *k, int64_t at_ms, struct err *err)
{
	int64_t delay_ms;

	if (k->state.kill_at_ms != 0 && k->state.kill_at_ms < at_ms)
		at_ms = k->state.kill_at_ms;
	k->state.kill_at_ms = at_ms;
	delay_ms = at_ms - clock_boot_ms();
	delay_ms = delay_ms < 0 ? 0 : delay_ms;
	if (!k->kill_timer)
		k->kill_timer = loop_add_timer(k->loop, delay_ms, on_kill_time, k, err);
	else
		loop_timer_set(k->kill_timer, delay_ms);
	return k->kill_timer ? 0 : -1;
}

int keeper_stop(struct keeper *k, int signal, int64_t timeout_ms, struct err *err)
{
	struct err ended = ERR_INIT;

	/* Ended already: then the loop is about to see it, and whoever waits gets the answer. */
	if (keeper_signal(k, signal, &ended) < 0 && ended.kind != ERR_STATE) {
		*err = ended;
		return -1;
	}
	if (signal == SIGKILL || k->phase != KEEPER_RUNNING)
		return 0;
	if (timeout_ms < 0 || timeout_ms > STOP_MS_MAX)
		timeout_ms = STOP_MS_MAX;
	return kill_at(k, clock_boot_ms() + timeout_ms, err);
}

/* ---- the end ---- */

static void note_exit(struct keeper *k, const siginfo_t *info)
{
	bool killed = info->si_code != CLD_EXITED;

	k->has_exited = true;
	k->finished_ns = clock_real_ns();
	k->exit_signal = killed ? info->si_status : 0;
	k->exit_code = killed ? 128 + info->si_status : info->si_status;
}

/* Reap init, and every orphan that the namespace left to us. */
static void reap(struct keeper *k)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == k->state.init_pid)
			note_exit(k, &info);
		else if (info.si_pid == k->guard.pid)
			keeper_guard_ended(k);
		else if (info.si_pid == k->dropper.pid)
			keeper_notify_dropped(k);
		else if (info.si_pid == k->check.pid)
			keeper_check_ended(k, info.si_code == CLD_EXITED ? info.si_status
									 : 128 + info.si_status);
	}
}

static void on_linger_end(void *data)
{
	struct keeper *k = data;

	loop_stop(k->loop, 0);
}

static void linger(struct keeper *k)
{
	struct err ignored;

	keeper_finish_removal(k);
	k->phase = KEEPER_LINGERING;
	if (!keeper_clients_behind(k))
		return;
	k->linger_timer = loop_add_timer(k->loop, LINGER_MS, on_linger_end, k, &ignored);
	if (!k->linger_timer)
		loop_stop(k->loop, 0);
}

static void end(struct keeper *k)
{
	loop_remove(k->kill_timer);
	k->kill_timer = NULL;
	keeper_health_done(k);
	keeper_notify_done(k);
	loop_remove(k->init_source); /* ready for ever now */
	k->init_source = NULL;
	keeper_end_processes(k);
	keeper_io_drain(k);
	k->restarting = keeper_wants_restart(k);
	keeper_clear_up(k);
	keeper_guard_done(k);
	reap(k);
	keeper_clients_exit(k);
	if (k->restarting)
		keeper_await_restart(k);
	else
		linger(k);
}

/* Nothing more will happen to it. */
static void stay_as_it_is(struct keeper *k)
{
	keeper_cancel_restart(k);
	keeper_clients_exit(k);
	linger(k);
}

static void on_init(void *data, int fd, uint32_t events)
{
	struct keeper *k = data;

	reap(k);
	keeper_settle(k);
}

static void on_signal(void *data, int signal, int32_t sender)
{
	struct keeper *k = data;
	struct err ignored;

	k->state.ending = k->state.ending || signal != SIGCHLD;
	if (signal == SIGCHLD)
		reap(k);
	else if (k->phase == KEEPER_RUNNING)
		keeper_stop(k, k->state.stop_signal, (int64_t)k->state.stop_timeout_ms, &ignored);
	else if (k->phase == KEEPER_RESTARTING)
		k->cancelled = true;
	else
		loop_stop(k->loop, 0);
	keeper_settle(k);
}

/* ---- replacement ---- */

/* Returns only where that failed: then all goes on as before. */
static void replace(struct keeper *k)
{
	own_free char *program = take(k->replacement);
	struct keeper_client *asker = take(k->replacement_client);
	struct keeper_state next = k->state;
	struct err err = ERR_INIT;

	next.replaced = true;
	next.client_fd = asker ? asker->fd : -1;
	next.client_attached = false;
	next.input_eof = k->input_eof;
	next.stdin_fd = k->state.terminal ? -1 : k->input_fd;
	next.stdout_fd = k->state.terminal ? -1 : k->streams[0].fd;
	next.stderr_fd = k->streams[1].fd;
	next.guard_pid = k->guard.pid;
	next.dropper_pid = k->dropper.pid;
	if (keeper_clients_pack(k, asker, &next.clients, &err) == 0)
		keeper_exec(program, &next, &err);
	keeper_clients_unpack(&next.clients);
	if (asker)
		keeper_client_error(asker, &err);
}

void keeper_settle(struct keeper *k)
{
	keeper_clients_sweep(k);
	if (k->has_exited && k->phase == KEEPER_RUNNING) {
		end(k);
		keeper_clients_sweep(k);
	}
	if (k->phase == KEEPER_RESTARTING && k->cancelled) {
		stay_as_it_is(k);
		keeper_clients_sweep(k);
	}
	if (k->phase == KEEPER_LINGERING && !keeper_clients_behind(k))
		loop_stop(k->loop, 0);
	if (k->replacement && k->phase == KEEPER_RUNNING)
		replace(k);
	keeper_io_update(k);
}

/* ---- birth ---- */

static int watch_signals(struct keeper *k, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would reap without us */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log that may not grow is like a full disk */
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	return loop_add_signals(k->loop, &set, on_signal, k, err) ? 0 : -1;
}

static int open_log(struct keeper *k, struct err *err)
{
	const struct keeper_state *s = &k->state;
	own_free char *path = str_printf(err, "%s/containers/%s", k->state.root, k->state.id);

	if (!path)
		return -1;
	k->log_dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->log_dir_fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	k->log = log_writer_new(k->log_dir_fd, k->state.log_max_size, k->state.log_max_files, err);
	if (!k->log || !s->log_journal)
		return k->log ? 0 : -1;
	k->journal = log_journal_new(log_journal_socket(), s->id, s->name ? s->name : s->id,
				     s->log_tag, &s->log_fields, err);
	return k->journal ? 0 : -1;
}

/* The terminal, directory and session of the command that started us are not ours to hold. */
static int leave_caller(struct err *err)
{
	own_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return err_errno(err, "cannot open '/dev/null'");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null_fd, fd) < 0)
			return err_errno(err, "cannot replace descriptor %d", fd);
	if (chdir("/") < 0)
		return err_errno(err, "cannot change to '/'");
	umask(077);
	setsid(); /* fails where we lead a session already */
	return 0;
}

/* The last to go when memory is short. Lowering it takes CAP_SYS_RESOURCE; without it nothing is
 * worse than before. */
static void lower_oom_score(void)
{
	own_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		return;
}

/* Enough for all clients, for a log, and for years, whatever limits the command that started us had. */
static void raise_limits(void)
{
	static const struct {
		int resource;
		rlim_t wanted;
	} wants[] = {{RLIMIT_NOFILE, FDS_WANTED},
		     {RLIMIT_FSIZE, RLIM_INFINITY},
		     {RLIMIT_CPU, RLIM_INFINITY}};

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		struct rlimit limit, raised;

		if (getrlimit(wants[i].resource, &limit) < 0 || limit.rlim_cur >= wants[i].wanted)
			continue;
		raised = limit;
		raised.rlim_cur = wants[i].wanted;
		if (raised.rlim_max < wants[i].wanted)
			raised.rlim_max = wants[i].wanted;
		if (setrlimit(wants[i].resource, &raised) == 0)
			continue;
		limit.rlim_cur = limit.rlim_max; /* not more, without CAP_SYS_RESOURCE */
		setrlimit(wants[i].resource, &limit);
	}
}

/* A container that shares the host's processes and ids has us among them, with no more capabilities than its
 * root may have: it must not trace us, nor reach what we hold by our /proc. Until here we had more. */
static void become_opaque(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

static int start(struct keeper *k, struct err *err)
{
	become_opaque();
	if (leave_caller(err) < 0 || fd_cloexec_from(3, err) < 0)
		return -1;
	k->loop = loop_new(err);
	if (!k->loop || watch_signals(k, err) < 0 || open_log(k, err) < 0 ||
	    keeper_io_init(k, err) < 0)
		return -1;
	k->init_source = loop_add_io(k->loop, k->state.init_fd, EPOLLIN, on_init, k, err);
	if (!k->init_source)
		return -1;
	if (k->state.kill_at_ms != 0 && kill_at(k, k->state.kill_at_ms, err) < 0)
		return -1;
	keeper_note_origin(&k->state);
	lower_oom_score();
	raise_limits();
	if (keeper_health_init(k, err) < 0 || keeper_notify_init(k, err) < 0)
		return -1;
	if (keeper_drop_privileges(&k->state, err) < 0 || keeper_guard_start(k, err) < 0 ||
	    fail_point("keeper.start", err) < 0)
		return -1;
	return keeper_clients_init(k, err);
}

static void tell_starter(const struct keeper_state *state, const struct err *err)
{
	struct keeper_error error = {.kind = (int32_t)err->kind, .errnum = err->errnum};
	struct err ignored;

	memcpy(error.message, err->message, sizeof(err->message));
	memcpy(error.hint, err->hint, sizeof(err->hint));
	if (state->client_fd >= 0)
		keeper_send(state->client_fd, KEEPER_ERROR, 0, 0, &error, sizeof(error), &ignored);
}

static void keeper_free(struct keeper *k)
{
	keeper_clients_done(k);
	keeper_io_done(k);
	log_writer_free(k->log);
	log_journal_free(k->journal);
	fd_close(k->log_dir_fd);
	loop_free(k->loop);
	munmap(k->buffer, KEEPER_PACKET_MAX);
	keeper_state_done(&k->state);
	free(k);
}

/* Nobody would watch the container: end it, and leave nothing. */
static void give_up(struct keeper *k)
{
	struct proc init = {.pid = k->state.init_pid, .pidfd = k->state.init_fd};
	struct proc_exit how = {.code = 128 + SIGKILL, .signal = SIGKILL};
	struct err ignored;

	keeper_signal(k, SIGKILL, &ignored);
	keeper_end_processes(k);
	keeper_guard_done(k);
	proc_wait(&init, INIT_DEATH_MS, &how, &ignored);
	k->exit_code = how.code;
	k->exit_signal = how.signal;
	keeper_clear_up(k);
	keeper_finish_removal(k);
}

static struct keeper *keeper_new(int state_fd, struct err *err)
{
	own_free struct keeper *k = calloc(1, sizeof(*k));

	if (!k) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot start the keeper");
		return NULL;
	}
	if (keeper_state_load(state_fd, &k->state, err) < 0)
		return NULL;
	k->guard = k->dropper = PROC_INIT;
	k->log_dir_fd = k->input_fd = k->slave_fd = k->retired_fd = -1;
	k->streams[0].fd = k->streams[1].fd = -1;
	return take(k);
}

/* Until the container's end; *ret_code is its exit code then. */
static int keep(int state_fd, int *ret_code, struct err *err)
{
	struct keeper *k = keeper_new(state_fd, err);
	int result;

	if (!k)
		return -1;
	fd_close(state_fd);
	result = start(k, err);
	if (result < 0) {
		tell_starter(&k->state, err);
		give_up(k);
	} else {
		keeper_settle(k);
		result = loop_run(k->loop, err);
	}
	*ret_code = k->exit_code;
	keeper_free(k);
	return result;
}

static int usage(FILE *out, int code)
{
	fputs("usage: insula-keeper --state FD [ID]\n"
	      "       insula-keeper --version\n"
	      "\n"
	      "Keeps one container. Started by insula run; see insula-keeper(8).\n",
	      out);
	return code;
}

int keeper_main(int argc, char *argv[])
{
	struct err err = ERR_INIT;
	uint64_t fd;
	int code;

	if (argc == 2 && str_eq(argv[1], "--version")) {
		printf("insula-keeper %s, protocol %d\n", INSULA_VERSION, keeper_protocol());
		return 0;
	}
	if (argc == 2 && (str_eq(argv[1], "--help") || str_eq(argv[1], "-h")))
		return usage(stdout, 0);
	if (argc < 3 || argc > 4 || !str_eq(argv[1], "--state"))
		return usage(stderr, err_exit_code(&(struct err){.kind = ERR_USAGE}));
	if (str_to_u64(argv[2], 3, INT32_MAX, "state descriptor", &fd, &err) == 0 &&
	    keep((int)fd, &code, &err) == 0)
		return code; /* for a service manager whose main process we are */
	fprintf(stderr, "insula-keeper: %s\n", err.message);
	return err_exit_code(&err);
}
