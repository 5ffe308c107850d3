/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A keeper that keeps a plain child process instead of a container: no namespaces, no cgroup, no
 * privilege. The fixture's process forks what will be the keeper, which makes pipes or a terminal,
 * starts the payload ("sh -c SCRIPT") and executes the built program, as the engine does.
 */
#ifndef INSULA_TEST_KEEPER_FIXTURE_H
#define INSULA_TEST_KEEPER_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "engine/keeper.h"
#include "test.h"

#define KEPT_WAIT_MS test_slowed(20000)

struct kept_options {
	const char *script;
	const char *fail; /* INSULA_FAIL of the keeper; NULL: none */
	bool terminal, interactive, attached, remove;
	int stop_signal;	  /* 0: SIGTERM */
	uint64_t stop_timeout_ms; /* 0: 10 s */
	uint64_t log_max_size;	  /* 0: 10 MiB */
	/* For root: the keeper is PID 1, the payload PID 1 of a namespace nested in that. */
	bool namespaces;
	char *cgroup_name;	  /* NULL: none */
	void (*in_payload)(void); /* before the script; NULL: nothing */
	int id_slot;		  /* 0: none */
};

struct kept {
	char id[65], root[4200], run[4200];
	int run_fd;    /* of the container */
	int dir_fd;    /* of the container in the root */
	int client_fd; /* the starting command's connection; STARTED was received */
	pid_t pid;     /* of the keeper */
};

#define KEPT_INIT ((struct kept){.run_fd = -1, .dir_fd = -1, .client_fd = -1})

/* Without waiting for it. */
void kept_launch(struct kept *k, const struct kept_options *options);
/* Fails the test where the keeper does not start. */
void kept_start(struct kept *k, const struct kept_options *options);
/* Wait for the keeper's own end; its exit code. Fails the test after KEPT_WAIT_MS. */
int kept_join(struct kept *k);
void kept_done(struct kept *k);

/* A further connection; greeted. */
int kept_connect(struct kept *k);
void kept_send(int fd, enum keeper_message type, int64_t value, int64_t value2, const void *data,
	       size_t size);
/* Messages until one of `type` (which may carry data for `data`); STDOUT and STDERR on the way are
 * appended to `out` and `errors` (NULL: thrown away). Fails the test where the connection ends first
 * or after KEPT_WAIT_MS. */
struct keeper_header kept_until(int fd, enum keeper_message type, struct str *out,
				struct str *errors);
/* Output so far has `text`; fails after KEPT_WAIT_MS. */
void kept_until_output(int fd, struct str *out, const char *text);
/* The whole log as `insula logs` prints it. */
char *kept_log(struct kept *k, int streams);
/* In KiB, all, and (ret_alone) what can never be shared with other keepers. (Not the private
 * dirty memory: right after a build, the program's own file counts as that.) Skips the test
 * under a sanitizer, which has memory of its own. */
void kept_memory(pid_t pid, unsigned long *ret_pss, unsigned long *ret_alone);
/* The time that a process has used, in clock ticks. */
long kept_cpu_ticks(pid_t pid);

#endif
