/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients may ask of a keeper: one row a message in a table, one short function a row.
 *
 * A request that cannot be met is answered with the reason. A message that is malformed, of another
 * version of the protocol, or out of turn is answered too, but then the connection ends: nothing that
 * follows on it can be trusted to mean what it says. Every field is checked, although those who
 * connect are root or our own user: a mistake in one of our programs must not end a container.
 */
#include <limits.h>
#include <string.h>

#include "base/own.h"
#include "engine/keeper_private.h"
#include "engine/restart_policy.h"

#define REPLAY_MAX 65536

/* Now, where it has ended already. */
static void await_exit(struct keeper_client *c)
{
	c->waiting = true;
	if (c->keeper->phase == KEEPER_LINGERING)
		keeper_client_exit(c);
}

static int on_hello(struct keeper_client *c, const struct keeper_header *m, const char *data,
		    struct err *err)
{
	loop_remove(c->hello_timer);
	c->hello_timer = NULL;
	c->greeted = true;
	keeper_client_send(c, KEEPER_WELCOME, keeper_protocol(), 0, NULL, 0);
	return 0;
}

static int on_attach(struct keeper_client *c, const struct keeper_header *m, const char *data,
		     struct err *err)
{
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	if (m->value > 0 && !c->attached)
		keeper_replay(c, m->value < REPLAY_MAX ? (size_t)m->value : REPLAY_MAX);
	c->attached = true;
	if (c->keeper->phase == KEEPER_LINGERING)
		keeper_client_exit(c);
	return 0;
}

static int on_stdin(struct keeper_client *c, const struct keeper_header *m, const char *data,
		    struct err *err)
{
	if (c->input)
		return err_set(err, ERR_INVALID, 0, "input was sent before the last was taken");
	keeper_input(c, data, m->length);
	return 0;
}

static int on_stdin_eof(struct keeper_client *c, const struct keeper_header *m, const char *data,
			struct err *err)
{
	keeper_input_eof(c->keeper);
	return 0;
}

static int on_resize(struct keeper_client *c, const struct keeper_header *m, const char *data,
		     struct err *err)
{
	if (keeper_resize(c->keeper, m->value, err) < 0)
		return -1;
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	return 0;
}

static int on_signal(struct keeper_client *c, const struct keeper_header *m, const char *data,
		     struct err *err)
{
	if (m->value < 1 || m->value > SIGRTMAX)
		return err_set(err, ERR_INVALID, 0, "%lld is not a signal", (long long)m->value);
	if (keeper_signal(c->keeper, (int)m->value, err) < 0)
		return -1;
	if (m->value == SIGKILL)
		c->keeper->state.stopped = true;
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	return 0;
}

static int on_stop(struct keeper_client *c, const struct keeper_header *m, const char *data,
		   struct err *err)
{
	const struct keeper_state *state = &c->keeper->state;
	int64_t timeout_ms = m->value2 < 0 ? (int64_t)state->stop_timeout_ms : m->value2;

	if (m->value < 0 || m->value > SIGRTMAX)
		return err_set(err, ERR_INVALID, 0, "%lld is not a signal", (long long)m->value);
	await_exit(c);
	c->keeper->state.stopped = true;
	c->keeper->cancelled = true;
	return keeper_stop(c->keeper, m->value ? (int)m->value : state->stop_signal, timeout_ms,
			   err);
}

static int on_wait(struct keeper_client *c, const struct keeper_header *m, const char *data,
		   struct err *err)
{
	await_exit(c);
	return 0;
}

static int on_ping(struct keeper_client *c, const struct keeper_header *m, const char *data,
		   struct err *err)
{
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	return 0;
}

static int on_replace(struct keeper_client *c, const struct keeper_header *m, const char *data,
		      struct err *err)
{
	struct keeper *k = c->keeper;

	if (m->length == 0 || m->length >= PATH_MAX || data[0] != '/' ||
	    memchr(data, '\0', m->length))
		return err_set(err, ERR_INVALID, 0, "the new keeper needs an absolute path");
	if (k->phase != KEEPER_RUNNING)
		return err_set(err, ERR_STATE, 0, "the container has ended");
	if (k->replacement)
		return err_set(err, ERR_BUSY, 0, "the keeper is being replaced already");
	k->replacement = str_dup_len(data, m->length, err);
	k->replacement_client = c;
	return k->replacement ? 0 : -1;
}

static int on_keep(struct keeper_client *c, const struct keeper_header *m, const char *data,
		   struct err *err)
{
	if (c->keeper->phase != KEEPER_RUNNING)
		return err_set(err, ERR_STATE, 0, "the container has ended");
	c->keeper->state.remove = false;
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	return 0;
}

static int on_health(struct keeper_client *c, const struct keeper_header *m, const char *data,
		     struct err *err)
{
	struct keeper *k = c->keeper;
	size_t size = m->length < HEALTH_OUTPUT_MAX ? m->length : HEALTH_OUTPUT_MAX;

	if (k->phase != KEEPER_RUNNING)
		return err_set(err, ERR_STATE, 0, "the container has ended");
	if (!k->state.health_config.command.count || m->value < 0 || m->value > 255)
		return err_set(err, ERR_INVALID, 0, "this is no result of a health check here");
	k->check_reported = true;
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	keeper_health_result(k, (int)m->value, m->value2, data, size);
	return 0;
}

/* Who was born without one has given up the right to start anything (keeper_duty.c). */
static int on_policy(struct keeper_client *c, const struct keeper_header *m, const char *data,
		     struct err *err)
{
	struct keeper *k = c->keeper;
	struct restart_policy policy;
	own_free char *text = str_dup_len(data, m->length, err);

	if (!text || restart_policy_parse(text, &policy, err) < 0)
		return -1;
	if (k->phase != KEEPER_RUNNING && k->phase != KEEPER_RESTARTING)
		return err_set(err, ERR_STATE, 0, "the container has ended");
	if (!k->state.program && policy.kind != RESTART_NO)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "its keeper was not born to start it again");
	free(k->state.restart);
	k->state.restart = take(text);
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	if (k->phase == KEEPER_RESTARTING && !keeper_wants_restart(k))
		k->cancelled = true;
	return 0;
}

static int on_watch(struct keeper_client *c, const struct keeper_header *m, const char *data,
		    struct err *err)
{
	char now[READY_TEXT_MAX];

	c->noticing = true;
	keeper_notify_now(c->keeper, now, sizeof now);
	keeper_client_send(c, KEEPER_NOTICE, 0, 0, now, strlen(now));
	return 0;
}

static int on_manager(struct keeper_client *c, const struct keeper_header *m, const char *data,
		      struct err *err)
{
	struct keeper *k = c->keeper;
	char now[READY_TEXT_MAX];
	char *to;

	if (!m->length || (data[0] != '/' && data[0] != '@') || memchr(data, '\0', m->length))
		return err_set(err, ERR_INVALID, 0, "this is no address of a service manager");
	to = str_dup_len(data, m->length, err);
	if (!to)
		return -1;
	free(k->state.notify_to);
	k->state.notify_to = to;
	keeper_client_send(c, KEEPER_OK, 0, 0, NULL, 0);
	keeper_notify_now(k, now, sizeof now);
	if (*now)
		keeper_notify_tell(k, now);
	return 0;
}

typedef int request_fn(struct keeper_client *c, const struct keeper_header *m, const char *data,
		       struct err *err);

static const struct request {
	request_fn *fn;
	bool has_data;
	int since; /* protocol */
} requests[] = {
	[KEEPER_HELLO] = {on_hello},
	[KEEPER_ATTACH] = {on_attach},
	[KEEPER_STDIN] = {on_stdin, true},
	[KEEPER_STDIN_EOF] = {on_stdin_eof},
	[KEEPER_RESIZE] = {on_resize},
	[KEEPER_SIGNAL] = {on_signal},
	[KEEPER_STOP] = {on_stop},
	[KEEPER_WAIT] = {on_wait},
	[KEEPER_PING] = {on_ping},
	[KEEPER_REPLACE] = {on_replace, true},
	[KEEPER_KEEP] = {on_keep, .since = 2},
	[KEEPER_HEALTH] = {on_health, true, 2},
	[KEEPER_POLICY] = {on_policy, true, 3},
	[KEEPER_WATCH] = {on_watch, .since = 4},
	[KEEPER_MANAGER] = {on_manager, true, 4},
};

static int check_message(const struct keeper_client *c, const struct keeper_header *m, size_t size,
			 struct err *err)
{
	size_t known = sizeof(requests) / sizeof(requests[0]);

	if (size < sizeof(*m) || size > KEEPER_PACKET_MAX || m->length != size - sizeof(*m))
		return err_set(err, ERR_INVALID, 0, "the message is malformed");
	if (m->version != KEEPER_FRAME)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "the keeper takes messages of frame %d, not %d", KEEPER_FRAME,
			       m->version);
	if (m->type >= known || !requests[m->type].fn ||
	    requests[m->type].since > keeper_protocol())
		return err_set(err, ERR_UNSUPPORTED, 0, "the keeper does not know message %d",
			       m->type);
	if (m->length > 0 && !requests[m->type].has_data)
		return err_set(err, ERR_INVALID, 0, "message %d takes no data", m->type);
	if (c->greeted == (m->type == KEEPER_HELLO))
		return err_set(err, ERR_INVALID, 0,
			       "the first message, and no other, is a greeting");
	return 0;
}

/* A refused request is answered. After a malformed one nothing that follows can be trusted. */
void keeper_request_handle(struct keeper_client *c, const char *packet, size_t size)
{
	struct keeper_header m = {0};
	struct err err = ERR_INIT;

	memcpy(&m, packet, size < sizeof(m) ? size : sizeof(m));
	if (check_message(c, &m, size, &err) < 0) {
		keeper_client_error(c, &err);
		c->dead = true;
	} else if (requests[m.type].fn(c, &m, packet + sizeof(m), &err) < 0) {
		keeper_client_error(c, &err);
	}
}
