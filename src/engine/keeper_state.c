/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper's state as a document, and the step from one program to the next.
 *
 * The state is JSON in a sealed memfd, descriptors are numbers that execve(2) keeps. The first
 * keeper of a container is born the same way as every later replacement, so the upgrade path is
 * exercised by each start and cannot rot. A newer keeper may write members that an older one does
 * not know (they are ignored), and an older one lacks some (they have defaults): going back to an
 * older version works as well.
 *
 * Whatever is not named in the state does not reach the new program: everything is marked
 * close-on-exec first, then the named descriptors are let through. The environment is left behind
 * too: a keeper lives for years, and somebody's secrets should not live with it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "engine/defaults.h"
#include "engine/keeper_private.h"
#include "json/json.h"

/* The fields of the journal are 64 KiB at most (log_fields.c), and JSON may make that six times as long. */
#define STATE_MAX (1u << 20)
#define LAYERS_MAX 256

#define CLIENT_FIELD(name, type, ...) \
	{ \
		.key = #name, .kind = type, .offset = offsetof(struct keeper_client_state, name), \
		__VA_ARGS__ \
	}

static const struct json_field client_fields[] = {
	CLIENT_FIELD(fd, JSON_F_INT, .min = 0, .max = INT32_MAX, .required = true),
	CLIENT_FIELD(greeted, JSON_F_BOOL),
	CLIENT_FIELD(attached, JSON_F_BOOL),
	CLIENT_FIELD(waiting, JSON_F_BOOL),
	CLIENT_FIELD(starter, JSON_F_BOOL),
	CLIENT_FIELD(noticing, JSON_F_BOOL),
	CLIENT_FIELD(queue_fd, JSON_F_INT, .has_unset = true, .unset = -1),
	CLIENT_FIELD(input_fd, JSON_F_INT, .has_unset = true, .unset = -1),
	{0},
};

static const struct json_field layer_fields[] = {
	{.key = "fd",
	 .kind = JSON_F_INT,
	 .offset = offsetof(struct keeper_layer_state, fd),
	 .min = 0,
	 .max = INT32_MAX,
	 .required = true},
	{0},
};

#define ORIGIN_FIELD(name, type) \
	{ \
		.key = #name, .kind = type, .offset = offsetof(struct keeper_origin, name) \
	}

static const struct json_field origin_fields[] = {
	ORIGIN_FIELD(known, JSON_F_BOOL),
	ORIGIN_FIELD(oom_score_adj, JSON_F_INT),
	ORIGIN_FIELD(nofile, JSON_F_U64),
	ORIGIN_FIELD(nofile_max, JSON_F_U64),
	ORIGIN_FIELD(fsize, JSON_F_U64),
	ORIGIN_FIELD(fsize_max, JSON_F_U64),
	ORIGIN_FIELD(cpu, JSON_F_U64),
	ORIGIN_FIELD(cpu_max, JSON_F_U64),
	{0},
};

#define FIELD(name, type, ...) \
	{ \
		.key = #name, .kind = type, .offset = offsetof(struct keeper_state, name), \
		__VA_ARGS__ \
	}

static const struct json_field state_fields[] = {
	FIELD(version, JSON_F_INT, .min = 1, .max = INT32_MAX),
	FIELD(id, JSON_F_STRING, .required = true),
	FIELD(root, JSON_F_STRING),
	FIELD(run, JSON_F_STRING),
	FIELD(name, JSON_F_STRING),
	FIELD(cgroup_name, JSON_F_STRING),
	FIELD(usual_group, JSON_F_BOOL),
	FIELD(remove, JSON_F_BOOL),
	FIELD(terminal, JSON_F_BOOL),
	FIELD(user, JSON_F_BOOL),
	FIELD(shared_pids, JSON_F_BOOL),
	FIELD(replaced, JSON_F_BOOL),
	FIELD(stop_signal, JSON_F_INT, .min = 1, .max = 64),
	FIELD(started_ns, JSON_F_I64),
	FIELD(stop_timeout_ms, JSON_F_U64),
	FIELD(input_eof, JSON_F_BOOL),
	FIELD(restart, JSON_F_STRING),
	FIELD(program, JSON_F_STRING),
	FIELD(health_config, JSON_F_OBJECT, .fields = health_config_fields),
	FIELD(health, JSON_F_OBJECT, .fields = health_fields),
	FIELD(readiness, JSON_F_OBJECT, .fields = readiness_fields),
	FIELD(notify_healthy, JSON_F_BOOL),
	FIELD(notify_to, JSON_F_STRING),
	FIELD(notify_due, JSON_F_BOOL),
	FIELD(restart_once, JSON_F_BOOL),
	FIELD(restarts, JSON_F_INT, .min = 0, .max = INT32_MAX),
	FIELD(delay_ms, JSON_F_I64),
	FIELD(begun_ms, JSON_F_I64),
	FIELD(stopped, JSON_F_BOOL),
	FIELD(ending, JSON_F_BOOL),
	FIELD(origin, JSON_F_OBJECT, .fields = origin_fields),
	FIELD(kill_at_ms, JSON_F_I64),
	FIELD(id_slot, JSON_F_INT),
	FIELD(log_max_size, JSON_F_U64),
	FIELD(log_none, JSON_F_BOOL),
	FIELD(log_journal, JSON_F_BOOL),
	FIELD(log_tag, JSON_F_STRING),
	FIELD(log_fields, JSON_F_STRINGS),
	FIELD(log_max_files, JSON_F_INT, .min = 1, .max = 1000),
	FIELD(init_pid, JSON_F_INT, .min = 1, .max = INT32_MAX, .required = true),
	FIELD(guard_pid, JSON_F_INT, .min = 0, .max = INT32_MAX),
	FIELD(dropper_pid, JSON_F_INT, .min = 0, .max = INT32_MAX),
	FIELD(init_fd, JSON_F_INT),
	FIELD(alive_fd, JSON_F_INT),
	FIELD(listen_fd, JSON_F_INT),
	FIELD(console_fd, JSON_F_INT),
	FIELD(stdin_fd, JSON_F_INT),
	FIELD(stdout_fd, JSON_F_INT),
	FIELD(stderr_fd, JSON_F_INT),
	FIELD(notify_fd, JSON_F_INT),
	FIELD(pin_fd, JSON_F_INT),
	FIELD(client_fd, JSON_F_INT),
	FIELD(client_attached, JSON_F_BOOL),
	FIELD(clients, JSON_F_ARRAY, .fields = client_fields,
	      .item_size = sizeof(struct keeper_client_state), .max_count = KEEPER_CLIENTS_MAX),
	FIELD(layers, JSON_F_ARRAY, .fields = layer_fields,
	      .item_size = sizeof(struct keeper_layer_state), .max_count = LAYERS_MAX),
	{0},
};

static const size_t fd_offsets[] = {
	offsetof(struct keeper_state, init_fd),	  offsetof(struct keeper_state, alive_fd),
	offsetof(struct keeper_state, listen_fd), offsetof(struct keeper_state, console_fd),
	offsetof(struct keeper_state, stdin_fd),  offsetof(struct keeper_state, stdout_fd),
	offsetof(struct keeper_state, stderr_fd), offsetof(struct keeper_state, pin_fd),
	offsetof(struct keeper_state, client_fd), offsetof(struct keeper_state, notify_fd),
};

#define FD_COUNT (sizeof(fd_offsets) / sizeof(fd_offsets[0]))

/* Every descriptor of the state by number: the named ones, the clients', then the layers'. -1: none. */
static size_t fd_count(const struct keeper_state *state)
{
	return FD_COUNT + 3 * state->clients.count + state->layers.count;
}

static int fd_at(const struct keeper_state *state, size_t i)
{
	const struct keeper_client_state *clients = state->clients.items;
	const struct keeper_layer_state *layers = state->layers.items;

	if (i >= FD_COUNT + 3 * state->clients.count)
		return layers[i - FD_COUNT - 3 * state->clients.count].fd;
	if (i >= FD_COUNT) {
		const struct keeper_client_state *c = &clients[(i - FD_COUNT) / 3];

		return (const int[]){c->fd, c->queue_fd, c->input_fd}[(i - FD_COUNT) % 3];
	}
	return *(const int *)((const char *)state + fd_offsets[i]);
}

void keeper_state_init(struct keeper_state *state)
{
	*state = (struct keeper_state){
		.version = 1,
		.stop_signal = SIGTERM,
		.stop_timeout_ms = DEFAULT_STOP_TIMEOUT_MS,
		.id_slot = -1,
		.log_max_size = DEFAULT_LOG_SIZE,
		.log_max_files = DEFAULT_LOG_FILES,
	};
	for (size_t i = 0; i < FD_COUNT; i++)
		*(int *)((char *)state + fd_offsets[i]) = -1;
}

void keeper_state_done(struct keeper_state *state)
{
	json_bind_done(state_fields, state);
}

static int check_fds(const struct keeper_state *state, struct err *err)
{
	if (state->init_fd < 0)
		return err_set(err, ERR_INVALID, 0, "keeper state: no init_fd");
	for (size_t i = 0; i < fd_count(state); i++)
		if (fd_at(state, i) >= 0 && fcntl(fd_at(state, i), F_GETFD) < 0)
			return err_errno(err, "keeper state: descriptor %d", fd_at(state, i));
	return 0;
}

int keeper_state_load(int fd, struct keeper_state *ret, struct err *err)
{
	own_free char *text = NULL;
	lseek(fd, 0, SEEK_SET); /* it may have been read before, by a copy of ourselves */
	ssize_t size = fd_read_all(fd, STATE_MAX, "keeper state", &text, err);
	struct keeper_state state;
	struct json *doc;
	int result;

	if (size < 0)
		return -1;
	doc = json_parse(text, (size_t)size, "keeper state", err);
	if (!doc)
		return -1;
	keeper_state_init(&state);
	result = json_bind(doc, 0, state_fields, JSON_UNKNOWN_ALLOW, &state, err);
	json_free(doc);
	if (result < 0)
		return -1;
	if (check_fds(&state, err) < 0) {
		keeper_state_done(&state);
		return -1;
	}
	*ret = state;
	return 0;
}

static int pack(const struct keeper_state *state, struct err *err)
{
	own(str) struct str text = STR_INIT(STATE_MAX);
	struct json_writer w;

	json_writer_init(&w, &text, 0);
	json_write_struct(&w, state_fields, state);
	if (str_check(&text, "keeper state", err) < 0)
		return -1;
	return fd_sealed_memfd("insula-keeper-state", text.data, text.len, err);
}

/* Only the named descriptors, and nothing else, go through execve. */
int keeper_state_pass(const struct keeper_state *state, int state_fd, struct err *err)
{
	if (fd_cloexec_from(3, err) < 0 || fd_set_cloexec(state_fd, false, err) < 0)
		return -1;
	for (size_t i = 0; i < fd_count(state); i++)
		if (fd_at(state, i) >= 0 && fd_set_cloexec(fd_at(state, i), false, err) < 0)
			return -1;
	return 0;
}

char *const *keeper_environment(void)
{
#ifdef INSULA_FAILPOINTS
	return environ;
#else
	static char *const none[] = {NULL};

	return none;
#endif
}

/* Returns only where that failed. */
static int execute(const char *program, char *argv[], const struct keeper_state *state,
		   int state_fd, struct err *err)
{
	struct err ignored;

	if (keeper_state_pass(state, state_fd, err) == 0) {
		execve(program, argv, keeper_environment());
		err_errno(err, "cannot execute '%s'", program);
	}
	fd_cloexec_from(3, &ignored);
	return -1;
}

int keeper_exec(const char *program, const struct keeper_state *state, struct err *err)
{
	own_fd int state_fd = pack(state, err);
	char number[16];
	char *argv[] = {(char *)"insula-keeper", (char *)"--state", number, state->id, NULL};

	if (state_fd < 0 || fail_point("keeper.exec", err) < 0)
		return -1;
	snprintf(number, sizeof(number), "%d", state_fd);
	return execute(program, argv, state, state_fd, err);
}

int keeper_exec_again(const struct keeper_state *state, struct err *err)
{
	own_fd int state_fd = pack(state, err);
	char number[16];
	char *argv[] = {(char *)"insula", (char *)"--root",  state->root, (char *)"--runroot",
			state->run,	  (char *)"__again", number,	  NULL};

	if (state_fd < 0 || fail_point("keeper.again", err) < 0)
		return -1;
	snprintf(number, sizeof(number), "%d", state_fd);
	return execute(state->program, argv, state, state_fd, err);
}
