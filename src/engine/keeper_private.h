/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of the keeper share. One single-threaded loop, so no locks; every callback of the
 * loop ends with keeper_settle(), which is where descriptors and clients that the callback gave up
 * are released, and where it is decided who is listened to next.
 */
#ifndef INSULA_ENGINE_KEEPER_PRIVATE_H
#define INSULA_ENGINE_KEEPER_PRIVATE_H

#include "base/loop.h"
#include "base/proc.h"
#include "engine/keeper.h"
#include "engine/log.h"

#define KEEPER_CLIENTS_MAX 64
#define KEEPER_HELLO_MS 5000
#define KEEPER_PACKET_MAX (sizeof(struct keeper_header) + KEEPER_DATA_MAX)

enum keeper_phase {
	KEEPER_RUNNING,
	KEEPER_RESTARTING, /* it has ended, and is started again when the wait is over */
	KEEPER_LINGERING,  /* cleared up; a client has not yet read all that is for it */
};

struct keeper;

/* A message on its way; clients that are behind share it. */
struct keeper_packet {
	unsigned int refs;
	size_t size;
	char data[]; /* as it goes over the socket: the header, then its data */
};

struct keeper_queued {
	struct keeper_queued *next;
	struct keeper_packet *packet;
};

struct keeper_client {
	struct keeper *keeper;
	struct keeper_client *next;
	int fd;
	struct loop_source *source, *hello_timer;
	struct keeper_queued *queue; /* what its socket had no room for, oldest first */
	unsigned int queue_length;
	char *input; /* of KEEPER_STDIN, not yet taken by the container */
	size_t input_size, input_done;
	bool greeted, attached, waiting;
	bool noticing; /* is told what the container says of itself */
	bool outdated; /* and was not told of all of it, as it reads nothing */
	bool starter;  /* the command that started the container */
	bool dead;     /* released by keeper_settle() */
};

struct keeper_stream {
	struct keeper *keeper;
	int fd; /* -1: none, or at its end */
	enum log_stream log;
	enum keeper_message message;
	struct loop_source *source;
};

struct keeper {
	struct keeper_state state;
	enum keeper_phase phase;
	struct loop *loop;
	int log_dir_fd;
	struct log_writer *log;
	struct log_journal *journal; /* NULL: none */
	struct keeper_stream streams[2];
	int input_fd;	/* the pipe, or a duplicate of the terminal's master; -1: closed */
	int slave_fd;	/* of the terminal: it never hangs up while somebody may open it again */
	bool input_eof; /* close the pipe once the clients' input is taken */
	struct loop_source *input_source;
	char *buffer; /* KEEPER_PACKET_MAX, mapped: for the packet or the output in hand */
	bool buffer_used;
	struct proc guard; /* where the container has no pid namespace of its own; pid 0: none */
	struct loop_source *guard_timer; /* one could not be made */
	bool unguarded;			 /* so that was told */
	struct proc check;		 /* the health check that runs; pid 0: none */
	int64_t check_begun_ns;
	bool check_reported;
	struct loop_source *health_timer, *check_timer;
	struct proc dropper; /* of a notice with descriptors; pid 0: none */
	struct loop_source *notify_source, *notify_timer, *retry_timer;
	struct loop_source *restart_timer;
	bool restarting; /* its end is not the last */
	bool cancelled;	 /* nor is it to be started again, as of late */
	int64_t finished_ns;
	struct loop_source *init_source, *listen_source, *idle_timer, *kill_timer, *linger_timer;
	struct keeper_client *clients;
	unsigned int client_count;
	char *replacement; /* execute this at the next settling */
	struct keeper_client *replacement_client;
	int retired_fd; /* of the container's files, which are to be removed; -1: none */
	int exit_code, exit_signal;
	bool oom_killed;
	bool time_was_up;   /* it was killed, as it did not end when it was told to */
	bool was_unhealthy; /* its health check has ended it */
	bool has_exited;
};

/* keeper_main.c */
void keeper_settle(struct keeper *k);
/* Send a signal to init, and SIGKILL after timeout_ms; the earliest deadline counts. */
int keeper_stop(struct keeper *k, int signal, int64_t timeout_ms, struct err *err);
int keeper_signal(struct keeper *k, int signal, struct err *err);

/* keeper_duty.c: give up every capability that no duty needs. */
int keeper_drop_privileges(const struct keeper_state *state, struct err *err);

/* keeper_io.c */
int keeper_io_init(struct keeper *k, struct err *err);
void keeper_io_done(struct keeper *k);
/* Watch output only while every attached client keeps up. */
void keeper_io_update(struct keeper *k);
/* Everything that is left in the pipes or the terminal, once nobody can write any more. */
void keeper_io_drain(struct keeper *k);
/* What a client sent for the container's input; takes a copy of what does not fit now. */
void keeper_input(struct keeper_client *c, const char *data, size_t size);
void keeper_input_eof(struct keeper *k);
/* After a change of what waits. */
void keeper_input_update(struct keeper *k);
/* To a client that attaches: the last lines of the log, at most so many bytes. Nothing of them can be
 * missing or come twice, as each piece of output is in the log before anything else is done. */
void keeper_replay(struct keeper_client *c, size_t size);
int keeper_resize(struct keeper *k, int64_t rows_cols, struct err *err);
/* The shared buffer was used: give its memory back when all has been quiet for a while. */
void keeper_touch(struct keeper *k);

/* keeper_clients.c */
int keeper_clients_init(struct keeper *k, struct err *err);
void keeper_clients_done(struct keeper *k);
struct keeper_client *keeper_client_add(struct keeper *k, int fd, struct err *err);
/* Queued where the socket is full; marks the client dead where it is gone. */
void keeper_client_send(struct keeper_client *c, enum keeper_message type, int64_t value,
			int64_t value2, const void *data, size_t size);
void keeper_client_error(struct keeper_client *c, const struct err *err);
/* To every attached client. */
void keeper_clients_output(struct keeper *k, enum keeper_message type, const void *data,
			   size_t size);
bool keeper_clients_behind(const struct keeper *k);
/* A copy for one client's queue; -1 where that is full or memory is short. */
int keeper_client_queue(struct keeper_client *c, const struct keeper_header *header,
			const void *data);
/* Its greeting is due in KEEPER_HELLO_MS. */
int keeper_client_expect(struct keeper_client *c, struct err *err);
/* How it ended, to one, and to all who wait for it. */
void keeper_client_exit(struct keeper_client *c);
void keeper_clients_exit(struct keeper *k);
void keeper_clients_sweep(struct keeper *k);

/* keeper_requests.c: one packet from a client. */
void keeper_request_handle(struct keeper_client *c, const char *packet, size_t size);

/* keeper_handover.c: all clients but one, as the next keeper's state; and back. */
int keeper_clients_pack(const struct keeper *k, const struct keeper_client *except,
			struct json_array *ret, struct err *err);
void keeper_clients_unpack(struct json_array *clients);
int keeper_clients_take_over(struct keeper *k, struct err *err);

/* keeper_exit.c: record, clear up, release. Steps that fail are left to the next command. */
void keeper_clear_up(struct keeper *k);
/* The same after a restart that does not come: the record once more, and the files. */
/* What programs that it executes get: nothing but for test builds, whose failpoints are variables. */
char *const *keeper_environment(void);
void keeper_let_go(struct keeper *k);
/* And at the very end remove what nobody sees any more. */
void keeper_finish_removal(struct keeper *k);

/* keeper_guard.c: where pids are shared, a process that ends the container should this one die. One that replaces
 * another keeper takes over the guard that it has. */
int keeper_guard_start(struct keeper *k, struct err *err);
/* Another in its place, now or as soon as one can be made. */
void keeper_guard_renew(struct keeper *k);
void keeper_guard_ended(struct keeper *k);
void keeper_guard_done(struct keeper *k);
/* What the end of the first process does not end there. */
void keeper_end_processes(struct keeper *k);

/* keeper_restart.c: is it to be started again; the wait; and what ends that. */
bool keeper_wants_restart(const struct keeper *k);
void keeper_await_restart(struct keeper *k);
void keeper_cancel_restart(struct keeper *k);
/* Limits and score as this process had them before it became a keeper. */
void keeper_note_origin(struct keeper_state *state);
void keeper_restore_origin(const struct keeper_origin *origin);

/* keeper_notify.c */
int keeper_notify_init(struct keeper *k, struct err *err);
void keeper_notify_done(struct keeper *k);
/* The process that drops a message with descriptors has ended. */
void keeper_notify_dropped(struct keeper *k);
/* To everybody who wants to know. */
void keeper_notify_tell(struct keeper *k, const char *text);
/* To one who has read all that he was sent: what counts of what he was not told meanwhile. */
void keeper_notify_catch_up(struct keeper_client *c);
/* What there is to be told of now; "" for nothing. */
void keeper_notify_now(const struct keeper *k, char *buf, size_t size);
/* Its health check says that it is well. */
void keeper_notify_healthy(struct keeper *k);

/* keeper_health.c */
/* The container's run directory, or -1. */
int keeper_open_run(const struct keeper *k);
/* An event of the container; key NULL: without an attribute. */
void keeper_note_event(const struct keeper *k, const char *event, const char *key,
		       const char *value);
int keeper_health_init(struct keeper *k, struct err *err);
void keeper_health_done(struct keeper *k);
/* A check has a result. */
void keeper_health_result(struct keeper *k, int code, int64_t begun_ns, const char *output,
			  size_t size);
/* The process of one was reaped. */
void keeper_check_ended(struct keeper *k, int code);

#endif
