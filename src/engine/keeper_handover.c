/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients go from one keeper to the next with what is under way in both directions.
 *
 * A connection is a descriptor, and what is to be remembered of it are a few flags. What the client
 * has not read yet, and what the container has not taken of its input, goes into a memfd each: the
 * messages as they are on the wire, which tell their own length; the input as it is. So a replacement
 * waits for nobody: not for a user who has stopped the terminal with ctrl-S, and not for a program
 * that does not read.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/keeper_private.h"

#define QUEUE_BYTES_MAX (16u << 20)

/* ---- to the next ---- */

static int pack_queue(const struct keeper_client *c, struct err *err)
{
	own_fd int fd = memfd_create("insula-keeper-queue", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot hand a client over");
	for (const struct keeper_queued *q = c->queue; q; q = q->next)
		if (fd_write_all(fd, q->packet->data, q->packet->size, "queue", err) < 0)
			return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(err, "cannot hand a client over");
	return take_fd(fd);
}

static int pack_client(const struct keeper_client *c, struct keeper_client_state *state,
		       struct err *err)
{
	*state = (struct keeper_client_state){
		.fd = c->fd,
		.greeted = c->greeted,
		.attached = c->attached,
		.waiting = c->waiting,
		.starter = c->starter,
		.noticing = c->noticing,
		.queue_fd = -1,
		.input_fd = -1,
	};
	if (c->queue) {
		state->queue_fd = pack_queue(c, err);
		if (state->queue_fd < 0)
			return -1;
	}
	if (c->input) {
		state->input_fd = fd_sealed_memfd("insula-keeper-input", c->input + c->input_done,
						  c->input_size - c->input_done, err);
		if (state->input_fd < 0)
			return -1;
	}
	return 0;
}

int keeper_clients_pack(const struct keeper *k, const struct keeper_client *except,
			struct json_array *ret, struct err *err)
{
	struct keeper_client_state *states = calloc(k->client_count + 1, sizeof(*states));

	if (!states)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot hand the clients over");
	*ret = (struct json_array){.items = states};
	for (const struct keeper_client *c = k->clients; c; c = c->next)
		if (c != except && pack_client(c, &states[ret->count++], err) < 0)
			return -1;
	return 0;
}

void keeper_clients_unpack(struct json_array *clients)
{
	struct keeper_client_state *states = clients->items;

	for (size_t i = 0; i < clients->count; i++) {
		fd_close(states[i].queue_fd);
		fd_close(states[i].input_fd);
	}
	free(states);
	*clients = (struct json_array){0};
}

/* ---- from the one before ---- */

static int take_queue(struct keeper_client *c, int queue_fd, struct err *err)
{
	own_free char *data = NULL;
	ssize_t size = fd_read_all(queue_fd, QUEUE_BYTES_MAX, "queue", &data, err);
	struct keeper_header header;

	if (size < 0)
		return -1;
	for (size_t at = 0; at < (size_t)size; at += sizeof(header) + header.length) {
		size_t left = (size_t)size - at;

		if (left < sizeof(header))
			return err_set(err, ERR_CORRUPT, 0, "a client's queue is cut off");
		memcpy(&header, data + at, sizeof(header));
		if (header.length > left - sizeof(header))
			return err_set(err, ERR_CORRUPT, 0, "a client's queue is cut off");
		if (keeper_client_queue(c, &header, data + at + sizeof(header)) < 0)
			return err_set(err, ERR_LIMIT, ENOMEM, "cannot take a client over");
	}
	return 0;
}

static int take_input(struct keeper_client *c, int input_fd, struct err *err)
{
	ssize_t size = fd_read_all(input_fd, KEEPER_DATA_MAX, "input", &c->input, err);

	if (size < 0)
		return -1;
	c->input_size = (size_t)size;
	c->input_done = 0;
	return 0;
}

static int take_client(struct keeper *k, const struct keeper_client_state *state, struct err *err)
{
	struct keeper_client *c = keeper_client_add(k, state->fd, err);

	if (!c)
		return -1;
	c->greeted = state->greeted;
	c->attached = state->attached;
	c->waiting = state->waiting;
	c->starter = state->starter;
	c->noticing = state->noticing;
	c->outdated = c->noticing && state->queue_fd >= 0; /* or may be */
	if (!c->greeted && keeper_client_expect(c, err) < 0)
		return -1;
	if (state->queue_fd >= 0 && take_queue(c, state->queue_fd, err) < 0)
		return -1;
	return state->input_fd >= 0 ? take_input(c, state->input_fd, err) : 0;
}

int keeper_clients_take_over(struct keeper *k, struct err *err)
{
	const struct keeper_client_state *states = k->state.clients.items;

	for (size_t i = 0; i < k->state.clients.count; i++)
		if (take_client(k, &states[i], err) < 0)
			return -1;
	keeper_clients_unpack(&k->state.clients);
	keeper_input_update(k);
	return 0;
}
