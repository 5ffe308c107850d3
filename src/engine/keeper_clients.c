/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control socket: who may connect, and how output and answers get to them. What they may ask is
 * keeper_requests.c.
 *
 * A client costs a descriptor and a small struct. What it is sent goes straight into its socket;
 * only what that has no room for is queued, as packets that clients share by reference. Output is
 * not read while an attached client has a queue (keeper_io.c), so one piece of output is the most
 * that waits while the container runs; a client that asks and never reads its answers is dropped
 * after QUEUE_MAX of them.
 *
 * Requests are always read, whatever else is blocked: input for the container is acknowledged piece
 * by piece (KEEPER_STDIN_TAKEN), so a client never has more than one piece under way, and its next
 * request is not stuck behind data that the container does not read.
 *
 * Those who connect are root or the keeper's own user. All the same the first message is due within
 * seconds, and the number of clients is bounded: a mistake in one of our own programs must not end a
 * container.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/keeper_private.h"

#define ACCEPT_PAUSE_MS 10
#define READ_BATCH 16	/* messages of one client before others get their turn */
#define QUEUE_MAX 4096u /* at the end, all that the pipes held is queued for a slow client */

static struct keeper_packet *packet_new(const struct keeper_header *header, const void *data)
{
	struct keeper_packet *packet = malloc(sizeof(*packet) + sizeof(*header) + header->length);

	if (!packet)
		return NULL;
	packet->refs = 0;
	packet->size = sizeof(*header) + header->length;
	memcpy(packet->data, header, sizeof(*header));
	if (header->length > 0)
		memcpy(packet->data + sizeof(*header), data, header->length);
	return packet;
}

static void packet_unref(struct keeper_packet *packet)
{
	if (--packet->refs == 0)
		free(packet);
}

static void queue_pop(struct keeper_client *c)
{
	struct keeper_queued *first = c->queue;

	c->queue = first->next;
	c->queue_length--;
	packet_unref(first->packet);
	free(first);
}

static int queue_push(struct keeper_client *c, struct keeper_packet *packet)
{
	struct keeper_queued *last = calloc(1, sizeof(*last)), **link = &c->queue;

	if (!last || c->queue_length >= QUEUE_MAX) {
		free(last);
		return -1;
	}
	while (*link)
		link = &(*link)->next;
	packet->refs++;
	last->packet = packet;
	*link = last;
	c->queue_length++;
	return 0;
}

int keeper_client_queue(struct keeper_client *c, const struct keeper_header *header,
			const void *data)
{
	struct keeper_packet *packet = packet_new(header, data);

	if (!packet)
		return -1;
	if (queue_push(c, packet) == 0)
		return 0;
	free(packet);
	return -1;
}

/* 1 sent, 0 no room now, -1 the client is gone. */
static int send_now(const struct keeper_client *c, struct iovec *parts, size_t count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t n;

	do
		n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
}

/* Send, or queue; *packet is made by the first client that needs it queued. */
static void deliver(struct keeper_client *c, const struct keeper_header *header, const void *data,
		    struct keeper_packet **packet)
{
	struct iovec parts[] = {{(void *)header, sizeof(*header)}, {(void *)data, header->length}};
	int sent = c->queue ? 0 : send_now(c, parts, header->length > 0 ? 2 : 1);

	if (sent == 0 && !*packet)
		*packet = packet_new(header, data);
	if (sent < 0 || (sent == 0 && (!*packet || queue_push(c, *packet) < 0)))
		c->dead = true;
}

static struct keeper_header header_of(enum keeper_message type, int64_t value, int64_t value2,
				      size_t size)
{
	return (struct keeper_header){.version = KEEPER_FRAME,
				      .type = (uint16_t)type,
				      .length = (uint32_t)size,
				      .value = value,
				      .value2 = value2};
}

void keeper_client_send(struct keeper_client *c, enum keeper_message type, int64_t value,
			int64_t value2, const void *data, size_t size)
{
	struct keeper_header header = header_of(type, value, value2, size);
	struct keeper_packet *packet = NULL;

	deliver(c, &header, data, &packet);
	if (packet && packet->refs == 0)
		free(packet);
}

void keeper_client_error(struct keeper_client *c, const struct err *err)
{
	struct keeper_error error = {.kind = (int32_t)err->kind, .errnum = err->errnum};

	_Static_assert(sizeof(error.message) >= sizeof(err->message) &&
			       sizeof(error.hint) >= sizeof(err->hint),
		       "an error fits its message");
	memcpy(error.message, err->message, sizeof(err->message));
	memcpy(error.hint, err->hint, sizeof(err->hint));
	keeper_client_send(c, KEEPER_ERROR, 0, 0, &error, sizeof(error));
}

void keeper_clients_output(struct keeper *k, enum keeper_message type, const void *data,
			   size_t size)
{
	struct keeper_header header = header_of(type, 0, 0, size);
	struct keeper_packet *packet = NULL;

	for (struct keeper_client *c = k->clients; c; c = c->next)
		if (c->attached && !c->dead)
			deliver(c, &header, data, &packet);
	if (packet && packet->refs == 0)
		free(packet);
}

bool keeper_clients_behind(const struct keeper *k)
{
	for (const struct keeper_client *c = k->clients; c; c = c->next)
		if (!c->dead && c->queue && (c->attached || k->phase == KEEPER_LINGERING))
			return true;
	return false;
}

void keeper_client_exit(struct keeper_client *c)
{
	const struct keeper *k = c->keeper;
	int64_t how = k->exit_signal | (k->oom_killed ? 1 << 8 : 0);

	keeper_client_send(c, KEEPER_EXIT, k->exit_code, how, NULL, 0);
}

void keeper_clients_exit(struct keeper *k)
{
	for (struct keeper_client *c = k->clients; c; c = c->next)
		if (!c->dead && (c->attached || c->waiting)) {
			keeper_client_exit(c);
			c->attached = c->waiting = false; /* of what comes later it is not told */
		}
}

/* ---- connections ---- */

static void read_messages(struct keeper_client *c)
{
	char *buffer = c->keeper->buffer;

	keeper_touch(c->keeper);
	for (int i = 0; i < READ_BATCH && !c->dead; i++) {
		/* MSG_TRUNC: the true length, also of a packet that is too long. */
		ssize_t n = recv(c->fd, buffer, KEEPER_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n <= 0)
			c->dead = true;
		else
			keeper_request_handle(c, buffer, (size_t)n);
	}
}

static void write_queue(struct keeper_client *c)
{
	while (c->queue && !c->dead) {
		struct iovec part = {c->queue->packet->data, c->queue->packet->size};
		int sent = send_now(c, &part, 1);

		if (sent < 0)
			c->dead = true;
		if (sent <= 0)
			return;
		queue_pop(c);
	}
	keeper_notify_catch_up(c);
}

static void on_client(void *data, int fd, uint32_t events)
{
	struct keeper_client *c = data;

	if (events & EPOLLOUT)
		write_queue(c);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_messages(c);
	keeper_settle(c->keeper);
}

static void on_hello_late(void *data)
{
	struct keeper_client *c = data;

	c->dead = true;
	keeper_settle(c->keeper);
}

struct keeper_client *keeper_client_add(struct keeper *k, int fd, struct err *err)
{
	own_free struct keeper_client *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot serve a client");
		return NULL;
	}
	c->keeper = k;
	c->fd = fd;
	c->source = loop_add_io(k->loop, fd, EPOLLIN, on_client, c, err);
	if (!c->source)
		return NULL;
	c->next = k->clients;
	k->clients = c;
	k->client_count++;
	return take(c);
}

int keeper_client_expect(struct keeper_client *c, struct err *err)
{
	c->hello_timer = loop_add_timer(c->keeper->loop, KEEPER_HELLO_MS, on_hello_late, c, err);
	return c->hello_timer ? 0 : -1;
}

static bool is_ours(int fd)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* Either its greeting is awaited, or it is told why not. */
static int welcome(struct keeper_client *c, struct err *err)
{
	if (c->keeper->client_count > KEEPER_CLIENTS_MAX)
		return err_set(err, ERR_BUSY, 0, "the keeper has %d clients already",
			       KEEPER_CLIENTS_MAX);
	return keeper_client_expect(c, err);
}

static void on_connect(void *data, int listen_fd, uint32_t events)
{
	struct keeper *k = data;
	own_fd int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct keeper_client *c;
	struct err err = ERR_INIT;

	/* Out of descriptors or memory: it stays in the backlog, and is asked for again at once. */
	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		poll(NULL, 0, ACCEPT_PAUSE_MS);
	if (fd < 0 || !is_ours(fd))
		return;
	c = keeper_client_add(k, fd, &err);
	if (!c)
		return;
	fd = -1; /* the client's */
	if (welcome(c, &err) < 0) {
		keeper_client_error(c, &err);
		c->dead = true;
	}
	keeper_settle(k);
}

int keeper_clients_init(struct keeper *k, struct err *err)
{
	struct keeper_client *c;

	if (k->state.listen_fd >= 0) {
		k->listen_source = loop_add_io(k->loop, k->state.listen_fd, EPOLLIN, on_connect, k,
					       err);
		if (!k->listen_source || fd_set_nonblock(k->state.listen_fd, true, err) < 0)
			return -1;
	}
	if (keeper_clients_take_over(k, err) < 0)
		return -1;
	if (k->state.client_fd < 0)
		return 0;
	c = keeper_client_add(k, k->state.client_fd, err);
	if (!c)
		return -1;
	c->greeted = true;
	c->starter = !k->state.replaced;
	c->attached = k->state.client_attached;
	keeper_client_send(c, k->state.replaced ? KEEPER_OK : KEEPER_STARTED, 0, 0, NULL, 0);
	return 0;
}

/* Its input goes with it: a program that reads the pipe of a command that was killed would wait for
 * ever. Not so for a terminal, and not where others may still attach and type. */
static void client_free(struct keeper_client *c)
{
	if (c->starter && c->attached)
		keeper_input_eof(c->keeper);
	if (c == c->keeper->replacement_client)
		c->keeper->replacement_client = NULL;
	while (c->queue)
		queue_pop(c);
	loop_remove(c->source);
	loop_remove(c->hello_timer);
	fd_close(c->fd);
	free(c->input);
	free(c);
}

void keeper_clients_sweep(struct keeper *k)
{
	struct keeper_client **link = &k->clients;
	struct err ignored;

	while (*link) {
		struct keeper_client *c = *link;

		if (!c->dead && loop_set_events(c->source, c->queue ? EPOLLIN | EPOLLOUT : EPOLLIN,
						&ignored) < 0)
			c->dead = true;
		if (!c->dead) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		k->client_count--;
		client_free(c);
	}
}

void keeper_clients_done(struct keeper *k)
{
	for (struct keeper_client *c = k->clients; c; c = c->next)
		c->dead = true;
	keeper_clients_sweep(k);
	loop_remove(k->listen_source);
	fd_close(k->state.listen_fd);
	k->listen_source = NULL;
	k->state.listen_fd = -1;
}
