/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the container says of itself by sd_notify(3): the socket on /run/notify of the container is the keeper's.
 *
 * It is bound in a tmpfs that is nowhere but in the container, read-only there, so nobody inside can put another
 * one in its place. The kernel says who sends: only processes below our own are heard, which are those of the
 * container; to it everybody else has no number here. Where the container has no pid namespace of its own, everybody
 * has one; then it is the way to the socket that nobody else has, as /proc/PID/root is only for who may trace the
 * container's processes, and could make one say it. What is heard is a few assignments that a service may make
 * about itself, each checked; the rest (MAINPID, descriptors to be stored, lines of nobody's) is dropped, and
 * descriptors are closed, which is what sd_notify_barrier(3) waits for. To close what a container made may take as
 * long as it likes (a connection that lingers, a file of its own file system), so another process does it, by its
 * end, where nothing lingers; one at a time, and nothing is read meanwhile.
 *
 * A container that floods the socket is heard so often and not more: then nothing is read for a while, and its
 * own writes wait. Whoever wants to know is told: the file that others read, the clients that asked, and the
 * service manager whose socket was handed to us. A client that reads nothing, as it was stopped, is told what counts
 * when it goes on: what it misses would otherwise be kept for as long as the container talks.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/notify.h"
#include "base/own.h"
#include "engine/keeper_private.h"

#define MESSAGE_MAX 4096u
#define FDS_MAX 253 /* SCM_MAX_FD */
#define BURST 32
#define NOTICES_MAX 64 /* in the queue of a client */
#define PAUSE_MS 100
#define RETRY_MS 1000
#define LAST_MS 200 /* for what comes with the last notices to be dropped */
#define EXTEND_MOST_US (INT64_C(86400) * 1000000)

/* ---- telling ---- */

static void publish(const struct keeper *k)
{
	own_fd int run_fd = keeper_open_run(k);
	struct err ignored;

	if (run_fd >= 0 && k->state.notify_fd >= 0)
		readiness_write(run_fd, &k->state.readiness, &ignored);
}

static void on_retry_time(void *data)
{
	struct keeper *k = data;

	keeper_notify_tell(k, "READY=1");
	keeper_settle(k);
}

/* One who is too busy for the one thing that must not be lost is told again. */
static void tell_manager(struct keeper *k, const char *text)
{
	struct err ignored = ERR_INIT;

	if (!k->state.notify_to || !strstr(text, "READY=1")) {
		if (k->state.notify_to)
			notify_send(k->state.notify_to, text, &ignored);
		return;
	}
	k->state.notify_due = notify_send(k->state.notify_to, text, &ignored) < 0 &&
			      ignored.errnum == EAGAIN;
	if (!k->state.notify_due)
		return;
	if (k->retry_timer)
		loop_timer_set(k->retry_timer, RETRY_MS);
	else
		k->retry_timer = loop_add_timer(k->loop, RETRY_MS, on_retry_time, k, &ignored);
}

static void tell_client(struct keeper_client *c, const char *text)
{
	if (c->queue_length >= NOTICES_MAX)
		c->outdated = true;
	else
		keeper_client_send(c, KEEPER_NOTICE, 0, 0, text, strlen(text));
}

void keeper_notify_tell(struct keeper *k, const char *text)
{
	tell_manager(k, text);
	for (struct keeper_client *c = k->clients; c; c = c->next)
		if (c->noticing && !c->dead)
			tell_client(c, text);
}

void keeper_notify_catch_up(struct keeper_client *c)
{
	char now[READY_TEXT_MAX];

	if (!c->outdated || c->dead)
		return;
	c->outdated = false;
	keeper_notify_now(c->keeper, now, sizeof now);
	if (*now)
		tell_client(c, now);
}

void keeper_notify_now(const struct keeper *k, char *buf, size_t size)
{
	const struct readiness *r = &k->state.readiness;

	snprintf(buf, size, "%s%s%s%s", r->ready ? "READY=1" : "",
		 r->ready && r->status ? "\n" : "", r->status ? "STATUS=" : "",
		 r->status ? r->status : "");
}

static void become_ready(struct keeper *k)
{
	if (k->state.readiness.ready)
		return;
	k->state.readiness.ready = true;
	keeper_note_event(k, "ready", NULL, NULL);
}

void keeper_notify_healthy(struct keeper *k)
{
	if (!k->state.notify_healthy || k->state.readiness.ready)
		return;
	become_ready(k);
	keeper_notify_tell(k, "READY=1");
}

/* ---- hearing ---- */

static bool is_one(const char *value)
{
	return str_eq(value, "1");
}

static bool is_number(const char *value)
{
	uint64_t number;
	struct err ignored;

	return str_to_u64(value, 0, INT64_MAX, "number", &number, &ignored) == 0;
}

static bool is_ping(const char *value)
{
	return is_one(value) || str_eq(value, "trigger");
}

static bool is_any(const char *value)
{
	return true;
}

static void on_ready(struct keeper *k, const char *value)
{
	become_ready(k);
}

static void on_status(struct keeper *k, const char *value)
{
	struct err ignored;

	free(k->state.readiness.status);
	k->state.readiness.status = str_dup(value, &ignored);
}

static void on_extend(struct keeper *k, const char *value)
{
	int64_t us = strtoll(value, NULL, 10);

	us = us > EXTEND_MOST_US ? EXTEND_MOST_US : us;
	k->state.readiness.extended_ms = clock_boot_ms() + us / 1000;
}

/* What a service may say of itself. */
static const struct {
	const char *name;
	bool (*check)(const char *value);
	void (*heard)(struct keeper *k, const char *value); /* NULL: only told on */
} assignments[] = {
	{"READY", is_one, on_ready},
	{"STATUS", is_any, on_status},
	{"EXTEND_TIMEOUT_USEC", is_number, on_extend},
	{"RELOADING", is_one, NULL},
	{"STOPPING", is_one, NULL},
	{"MONOTONIC_USEC", is_number, NULL},
	{"ERRNO", is_number, NULL},
	{"WATCHDOG", is_ping, NULL},
};

/* True: others are to know. */
static bool hear_line(struct keeper *k, char *line, struct str *out)
{
	char *value = strchr(line, '=');
	char shown[READY_STATUS_MAX];

	if (!value)
		return false;
	*value++ = '\0';
	value = (char *)str_printable(value, shown, sizeof shown);
	for (size_t i = 0; i < sizeof assignments / sizeof *assignments; i++) {
		if (!str_eq(assignments[i].name, line) || !assignments[i].check(value))
			continue;
		if (assignments[i].heard)
			assignments[i].heard(k, value);
		str_addf(out, "%s%s=%s", out->len ? "\n" : "", line, value);
		return assignments[i].heard != NULL;
	}
	return false;
}

static bool hear(struct keeper *k, char *message)
{
	own(str) struct str out = STR_INIT(READY_TEXT_MAX);
	char now[READY_TEXT_MAX] = "", *rest = message;
	bool changed = false;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		changed = hear_line(k, line, &out) || changed;
	if (out.failed) /* more than is told at once: what counts of it */
		keeper_notify_now(k, now, sizeof now);
	const char *told = out.failed ? now : out.data;
	if (out.failed || out.len)
		keeper_notify_tell(k, told);
	return changed;
}

/* ---- what comes with it ---- */

/* Who has descriptors in his message has more than his credentials in it. */
static bool has_descriptors(const struct msghdr *message)
{
	return message->msg_flags & MSG_CTRUNC;
}

static pid_t sender_of(struct msghdr *message)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);
	struct ucred from;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
		return 0;
	memcpy(&from, CMSG_DATA(c), sizeof from);
	return from.pid;
}

/* With all that is in it, and nothing of ours. */
static _Noreturn void be_dropper(int fd)
{
	char control[CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
	struct err ignored = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd_close_others(&fd, 1, &ignored);
	fail_point("notify.drop", &ignored);
	recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	_exit(0);
}

/* False: not now. */
static bool drop(struct keeper *k, const struct msghdr *message)
{
	struct err ignored = ERR_INIT;

	if (!has_descriptors(message)) {
		recv(k->state.notify_fd, NULL, 0, MSG_DONTWAIT);
		return true;
	}
	pid_t pid = proc_clone(&k->dropper, 0, -1, &ignored);
	if (pid == 0)
		be_dropper(k->state.notify_fd);
	return pid > 0;
}

/* 1: one was read; 0: there is none. */
static int receive(struct keeper *k, bool *changed)
{
	char text[MESSAGE_MAX + 1];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = {text, MESSAGE_MAX};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof control};

	if (k->dropper.pid)
		return 0;
	ssize_t n = recvmsg(k->state.notify_fd, &message,
			    MSG_DONTWAIT | MSG_PEEK | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR;
	if (!drop(k, &message))
		return 0;
	text[n] = '\0';
	if (sender_of(&message) > 0 && !(message.msg_flags & MSG_TRUNC) && n > 0 &&
	    strlen(text) == (size_t)n)
		*changed = hear(k, text) || *changed;
	return 1;
}

static void on_pause_end(void *data)
{
	struct keeper *k = data;
	struct err ignored;

	if (k->notify_source && !k->dropper.pid)
		loop_set_events(k->notify_source, EPOLLIN, &ignored);
	keeper_settle(k);
}

static void rest(struct keeper *k)
{
	struct err ignored;

	if (k->notify_timer)
		loop_timer_set(k->notify_timer, PAUSE_MS);
	else
		k->notify_timer = loop_add_timer(k->loop, PAUSE_MS, on_pause_end, k, &ignored);
	if (k->notify_timer)
		loop_set_events(k->notify_source, 0, &ignored);
}

void keeper_notify_dropped(struct keeper *k)
{
	proc_forget(&k->dropper);
	k->dropper = PROC_INIT;
	if (k->notify_source)
		rest(k);
}

/* What is said most often, nothing new, is written to no file. */
static void on_message(void *data, int fd, uint32_t events)
{
	struct keeper *k = data;
	bool changed = false;
	int count = 0;

	while (count < BURST && receive(k, &changed))
		count++;
	if (changed)
		publish(k);
	rest(k);
	keeper_settle(k);
}

/* ---- birth and end ---- */

/* The last keeper's: until it is done, the first message in the socket is one that was heard already. */
static void take_dropper(struct keeper *k)
{
	siginfo_t info = {0};
	pid_t pid = k->state.dropper_pid;

	k->state.dropper_pid = 0;
	if (pid <= 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid)
		return;
	int pidfd = pidfd_open(pid, 0);
	if (pidfd >= 0)
		k->dropper = (struct proc){.pid = pid, .pidfd = pidfd};
}

int keeper_notify_init(struct keeper *k, struct err *err)
{
	if (k->state.notify_due)
		tell_manager(k, "READY=1");
	if (k->state.notify_fd < 0)
		return 0;
	take_dropper(k);
	publish(k);
	k->notify_source = loop_add_io(k->loop, k->state.notify_fd, k->dropper.pid ? 0 : EPOLLIN,
				       on_message, k, err);
	return k->notify_source ? 0 : -1;
}

static _Noreturn void be_last(int fd, int wait_fd)
{
	const int kept[] = {fd, wait_fd};
	struct err ignored = ERR_INIT;
	char none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd_close_others(kept, 2, &ignored);
	while (read(wait_fd, &none, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* What is in it and was not read goes with its last descriptor, which is not ours therefore. */
static void close_socket(struct keeper *k)
{
	own_fd int wait_fd = -1, tell_fd = -1;
	struct proc last = PROC_INIT;
	struct err ignored = ERR_INIT;

	if (k->state.notify_fd >= 0 && fd_pipe(&wait_fd, &tell_fd, &ignored) == 0 &&
	    proc_clone(&last, 0, -1, &ignored) == 0)
		be_last(k->state.notify_fd, wait_fd);
	proc_forget(&last);
	fd_close(k->state.notify_fd);
	k->state.notify_fd = -1;
}

/* True: nobody takes anything out of the socket any more, as far as that may be waited for. */
static bool is_dropped(struct keeper *k, int64_t until_ms)
{
	struct err ignored = ERR_INIT;
	struct proc_exit how;
	int64_t left_ms = until_ms - clock_boot_ms();

	if (!k->dropper.pid)
		return true;
	if (proc_wait(&k->dropper, left_ms < 0 ? 0 : (int)left_ms, &how, &ignored) != 1)
		return false;
	proc_forget(&k->dropper);
	k->dropper = PROC_INIT;
	return true;
}

/* What it said last is heard: a short-lived one may have said it just before. */
void keeper_notify_done(struct keeper *k)
{
	int64_t until_ms = clock_boot_ms() + LAST_MS;
	bool changed = false;

	for (int i = 0;
	     k->notify_source && i < BURST && is_dropped(k, until_ms) && receive(k, &changed); i++)
		;
	k->state.notify_due = false;
	loop_remove(k->notify_source);
	loop_remove(k->notify_timer);
	loop_remove(k->retry_timer);
	k->notify_source = k->notify_timer = k->retry_timer = NULL;
	proc_forget(&k->dropper);
	k->dropper = PROC_INIT;
	close_socket(k);
}
