/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper of one container: parent of its init, PID 1 of a small pid namespace around it (so that
 * the kernel ends the container for certain when the keeper dies). It holds the terminal or pipes,
 * writes the log, serves the control socket, records the exit and clears up.
 *
 * It is born by its own upgrade path: the process that executed the plan hands its state over in a
 * memfd (struct keeper_state as JSON, descriptors by number) and executes insula-keeper; a later
 * KEEPER_REPLACE does exactly the same. Old keepers live for years: unknown members are ignored,
 * missing ones have defaults, and the protocol has a version in every message.
 */
#ifndef INSULA_ENGINE_KEEPER_H
#define INSULA_ENGINE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/health.h"
#include "engine/ready.h"
#include "json/json.h"

/* What a keeper has changed of itself, for what it starts again. */
struct keeper_origin {
	bool known;
	int oom_score_adj;
	uint64_t nofile, nofile_max, fsize, fsize_max, cpu, cpu_max; /* limits, soft and hard */
};

struct keeper_state {
	int version;	       /* 1 */
	char *id, *root, *run; /* container id; store roots */
	char *name;	       /* for keepers of older versions: what is freed with --rm */
	char *cgroup_name;     /* NULL: none to remove */
	bool usual_group;      /* and nothing above it: there is no --cgroup-parent */
	bool remove, terminal;
	bool user;     /* an ordinary user's: root here is he */
	bool replaced; /* handed over by a keeper, not by the command that started it */
	int stop_signal;
	int64_t started_ns;
	uint64_t stop_timeout_ms;
	bool input_eof;	  /* close stdin_fd once the clients' input is taken */
	char *restart;	  /* policy, see restart_policy.h; NULL: no */
	char *program;	  /* insula, which starts it again; NULL where there is no policy */
	int restarts;	  /* so often it was, since somebody started it */
	int64_t delay_ms; /* the wait before this run; 0: none */
	int64_t begun_ms; /* this run, CLOCK_BOOTTIME */
	struct health_config health_config;
	struct health health;
	struct readiness readiness;
	bool notify_healthy; /* it is ready when it is healthy */
	char *notify_to;     /* the service manager is to be told by us: its socket; NULL */
	bool notify_due;     /* and is still to hear that it is ready, as it was too busy */
	bool restart_once;   /* it is to be started again, policy or not */
	bool stopped;	     /* somebody asked for its end */
	bool ending;	     /* the host did: there is no restart, and nobody's will in it */
	struct keeper_origin origin;
	int64_t kill_at_ms; /* a stop is under way: SIGKILL at this CLOCK_BOOTTIME; 0: none */
	int id_slot;
	uint64_t log_max_size;	/* bytes per file, default 10 MiB */
	int log_max_files;	/* default 3 */
	bool log_none;		/* what it prints is for those who listen */
	bool log_journal;	/* the system's journal gets it, and no file */
	char *log_tag;		/* there; NULL: the name */
	struct strv log_fields; /* there, NAME=value */
	bool shared_pids; /* the container has no pid namespace of its own, and the keeper none */
	int init_pid;	  /* in the keeper's own pid namespace */
	int guard_pid;	  /* of the last keeper's guard; 0: none */
	int dropper_pid;  /* who takes a notice with descriptors out of the socket; 0: nobody */
	/* descriptors, -1: none */
	int init_fd;	/* pidfd */
	int alive_fd;	/* the lock */
	int listen_fd;	/* ctl */
	int console_fd; /* terminal master; else the three pipes: */
	int stdin_fd, stdout_fd, stderr_fd;
	int notify_fd;	      /* what the container says of itself comes here */
	int pin_fd;	      /* keeps the image's directories from being swept; only held */
	int client_fd;	      /* the connection of the command that started it, or replaced it */
	bool client_attached; /* that command wants the output */
	struct json_array clients; /* of struct keeper_client_state: handed over by a keeper */
	struct json_array layers;  /* of struct keeper_layer_state */
};

/* A writable layer's mount: held, so that it is the keeper who writes it back when it is unmounted, and not the
 * container's last process, which its limits on disks may slow down (or, on some kernels, stop). */
struct keeper_layer_state {
	int fd;
};

struct keeper_client_state {
	int fd;
	bool greeted, attached, waiting, starter, noticing;
	int queue_fd; /* memfd: messages that it has not read yet; -1: none */
	int input_fd; /* memfd: input that the container has not taken yet; -1: none */
};

/* Defaults: no descriptor, no slot, SIGTERM, 10 s, logs of 3 x 10 MiB. */
void keeper_state_init(struct keeper_state *state);
/* Frees the strings; closes nothing. */
void keeper_state_done(struct keeper_state *state);

/* Pack the state, clear CLOEXEC on its descriptors, execve the keeper program
 * (`insula-keeper --state FD`). Returns only on failure. */
int keeper_exec(const char *program, const struct keeper_state *state, struct err *err);
/* Execute `insula __again FD`, to start the container again in this process: engine_again(). Only on failure
 * it returns. */
int keeper_exec_again(const struct keeper_state *state, struct err *err);
/* What a state says, from a descriptor that stays open. */
int keeper_state_load(int fd, struct keeper_state *ret, struct err *err);
/* For an execve to come: all descriptors of the state and the state itself stay open, and no others. */
int keeper_state_pass(const struct keeper_state *state, int state_fd, struct err *err);
/* main() of insula-keeper. */
int keeper_main(int argc, char *argv[]);
/* Where insula-keeper is: INSULA_KEEPER, beside our own executable, ../libexec/insula/. */
int keeper_find_program(char *buf, size_t size, struct err *err);

/* ---- protocol: SOCK_SEQPACKET, one message a packet, host byte order (same machine) ----
 *
 * A keeper lives as long as its container, so either side may be years older than the other. What never
 * changes is the frame: the header below, with KEEPER_FRAME in it, HELLO, WELCOME and ERROR. Which
 * messages a side knows beyond the first ones is its protocol, a number that grows with each message that is
 * added; HELLO and WELCOME tell it. A keeper of an older protocol refuses what it does not know, and
 * the command says that an upgrade of the keeper (KEEPER_REPLACE, which all know) is what is missing.
 */
#define KEEPER_FRAME 1
#define KEEPER_PROTOCOL 4
#define KEEPER_DATA_MAX 32768

/* KEEPER_PROTOCOL; a build with failpoints takes that of INSULA_TEST_PROTOCOL, to be an older one. */
int keeper_protocol(void);

enum keeper_message {
	/* to the keeper */
	KEEPER_HELLO = 1, /* first message of a client: its version */
	KEEPER_ATTACH, /* start sending output; value: first so many bytes of the log's last lines */
	KEEPER_STDIN,  /* data; the next one only after KEEPER_STDIN_TAKEN */
	KEEPER_STDIN_EOF,
	KEEPER_RESIZE, /* value: rows << 16 | cols */
	KEEPER_SIGNAL, /* value: signal for init */
	KEEPER_STOP, /* value: signal (0: the container's), value2: ms before SIGKILL (< 0: its) */
	KEEPER_WAIT, /* send KEEPER_EXIT when it has ended and is cleared up */
	KEEPER_PING,
	KEEPER_REPLACE, /* data: path of the new program */
	/* since 2: */
	KEEPER_KEEP, /* it is started again after its end: nothing is removed, --rm or not */
	KEEPER_HEALTH, /* a health check has ended: value: its exit code, value2: when it began, CLOCK_REALTIME
			 * in ns; data: its output */
	/* since 3: */
	KEEPER_POLICY, /* data: another restart policy; ERR_UNSUPPORTED where it cannot start anything */
	/* since 4: */
	KEEPER_WATCH, /* send KEEPER_NOTICE: what is known now, and what comes */
	KEEPER_MANAGER, /* data: the socket of a service manager, which is told the same from now on */
	/* from the keeper */
	KEEPER_WELCOME = 100, /* value: its version */
	KEEPER_STARTED,	      /* to the starting command: the payload runs */
	KEEPER_STDOUT,
	KEEPER_STDERR, /* data */
	KEEPER_EXIT,   /* value: exit code, value2: signal | oom << 8 */
	KEEPER_OK,
	KEEPER_ERROR,	    /* data: struct keeper_error */
	KEEPER_STDIN_TAKEN, /* the container has the data of the last KEEPER_STDIN */
	KEEPER_NOTICE,	    /* data: assignments as of sd_notify(3) */
};

struct keeper_header {
	uint16_t version, type; /* KEEPER_FRAME; enum keeper_message */
	uint32_t length;	/* of the data that follows */
	int64_t value, value2;
};

struct keeper_error {
	int32_t kind, errnum;
	char message[768], hint[384];
};

/* The listening socket "ctl" in a container's run directory, for keeper_state.listen_fd. */
int keeper_listen(int run_fd, struct err *err);

/* Client side. Connect through the container's run directory; sends HELLO. */
int keeper_connect(int run_fd, int timeout_ms, struct err *err);
int keeper_send(int fd, enum keeper_message type, int64_t value, int64_t value2, const void *data,
		size_t size, struct err *err);
/* Next message; data buffer of KEEPER_DATA_MAX bytes. 1 message, 0 end of connection. timeout_ms < 0: none. */
int keeper_receive(int fd, struct keeper_header *ret, void *data, int timeout_ms, struct err *err);
/* A whole request: send and wait for OK or EXIT, ERROR (becomes *err) or the deadline. */
int keeper_request(int run_fd, enum keeper_message type, int64_t value, int64_t value2,
		   int timeout_ms, struct err *err);

/* The same with data. */
int keeper_tell(int run_fd, enum keeper_message type, const char *text, int timeout_ms,
		struct err *err);

/* The keeper executes this program (an absolute path) in its place; returns when that one answers. */
int keeper_replace(int run_fd, const char *program, int timeout_ms, struct err *err);
/* The error that a KEEPER_ERROR message carries, as *err. Returns -1. */
int keeper_error_take(const struct keeper_header *header, const void *data, struct err *err);

/* What is typed to detach: none where length is 0. */
#define KEEPER_KEYS_MAX 8
struct detach_keys {
	unsigned char keys[KEEPER_KEYS_MAX];
	size_t length;
};

#define DETACH_KEYS_DEFAULT ((struct detach_keys){.keys = {0x10, 0x11}, .length = 2})

/* "ctrl-p,ctrl-q": single characters and ctrl- with a letter or one of @[\]^_, separated by commas; "" is
 * none. NULL: the default, ctrl-p ctrl-q. */
int detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err);

/* Relay between the user's stdin/stdout/stderr and a keeper connection until EXIT: raw terminal,
 * SIGWINCH, signals forwarded (sig_proxy), detach keys. *ret_code: exit code; returns 1 where the user
 * detached. */
struct attach_options {
	bool terminal, interactive, sig_proxy;
	struct detach_keys keys;
	/* Begin with as much of what it printed before, from the beginning of a line on; in bytes. */
	size_t replay;
	bool notice; /* what the container says of itself goes to the service manager that started us */
};
int keeper_attach(int fd, const struct attach_options *options, int *ret_code, struct err *err);

#endif
