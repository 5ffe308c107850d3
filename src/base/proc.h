/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes by pidfd, never by bare pid: a pid may have been reused by the time it is signalled.
 */
#ifndef INSULA_BASE_PROC_H
#define INSULA_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct proc {
	pid_t pid; /* in our pid namespace; 0: none */
	int pidfd; /* owned; -1: none */
};

#define PROC_INIT ((struct proc){.pidfd = -1})

/* Kill and reap a child that is still ours; close the pidfd. For own(proc): a half-built child
 * never outlives its builder. */
void proc_done(struct proc *p);
/* Close without killing. */
void proc_forget(struct proc *p);

/* clone3(2) with CLONE_PIDFD and SIGCHLD; `flags` CLONE_NEW*, or CLONE_PARENT; cgroup_fd >= 0: CLONE_INTO_CGROUP
 * (Linux 5.7). Returns 0 in the child (proc untouched), the pid in the parent, -1 with errno kept
 * in *err. The child must end by _exit() or execve. */
pid_t proc_clone(struct proc *ret, uint64_t flags, int cgroup_fd, struct err *err);

/* A process by pid and start time (field 22 of /proc/PID/stat, clock ticks since boot), so that a
 * reused pid is ERR_NOT_FOUND. start_time 0: any. */
int proc_open(struct proc *ret, pid_t pid, uint64_t start_time, struct err *err);
int proc_start_time(pid_t pid, uint64_t *ret, struct err *err);
/* Is it there, and the one that started then? One tick is no difference: time namespaces. */
bool proc_started_at(pid_t pid, uint64_t start_time);

/* pid of a pidfd as the namespace of a procfs has it (fdinfo "Pid:"); 0 if the process has ended.
 * proc_fd: a procfs that shows ourselves, or -1 for /proc. */
pid_t proc_pid_of_fd(int proc_fd, int pidfd);

int proc_signal(const struct proc *p, int signal, struct err *err);

struct proc_exit {
	int code;   /* exit code, or 128 + signal */
	int signal; /* 0 where it exited */
	bool core;
};

/* Wait for our child; timeout_ms < 0: without limit. Returns 1 when reaped, 0 at the deadline. */
int proc_wait(struct proc *p, int timeout_ms, struct proc_exit *ret, struct err *err);
/* Wait until any process (a child or not) has ended: poll(2) on the pidfd. 1 ended, 0 deadline. */
int proc_wait_end(const struct proc *p, int timeout_ms, struct err *err);

/* Run a host program with a deadline, stdin from /dev/null, stdout (at most limit bytes) to *out
 * (NULL: inherited). argv[0] is looked up in a fixed PATH. Its exit code in *ret_code. */
int proc_run(char *const argv[], int timeout_ms, struct str *out, int *ret_code, struct err *err);
/* The same, left running: what it prints comes from *ret_out_fd, its stderr goes to err_fd (-1: inherited). It
 * dies with us. */
int proc_pipe(char *const argv[], int err_fd, struct proc *ret, int *ret_out_fd, struct err *err);
/* Is one of that name there, in that PATH? */
bool proc_has_program(const char *name);

/* A program of ours: the path that the environment variable holds, or NAME beside our own executable,
 * or in ../libexec/insula/ from there. */
/* Where our own executable is, for one that runs from a copy in memory (kernel/seal). */
void proc_set_program(const char *path);
int proc_find_ours(const char *name, const char *variable, char *buf, size_t size, struct err *err);

/* Every signal at its default and nothing blocked: what a new program expects. */
void proc_reset_signals(void);
/* The same where it is known which ones are ignored (signal n is bit n - 1, "SigIgn" of proc_pid_status(5)):
 * what is caught becomes the default at execve(2) anyway. */
void proc_reset_signals_of(uint64_t ignored);

/* Signal number of "9", "KILL", "SIGKILL", "RTMIN+3", any case; and the name ("SIGKILL") back. */
int proc_signal_parse(const char *text, struct err *err);
const char *proc_signal_name(int signal, char *buf, size_t size);

#endif
