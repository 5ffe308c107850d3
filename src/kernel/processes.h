/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes by the program they execute, or the namespace they are in, and what they hold open. */
#ifndef INSULA_KERNEL_PROCESSES_H
#define INSULA_KERNEL_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct process_info {
	pid_t pid;
	uint64_t start_time; /* for proc_open */
	struct strv args;
	/* What its descriptors stand for: paths, "... (deleted)" where removed. A container's file may be called as
	 * one of the host's is: process_file_is() tells. */
	struct strv files;
	struct strv numbers; /* of these descriptors */
	int files_fd;	     /* the directory that has them, during the walk */
};

/* Is files.items[i] a regular file of this owner on this device? False where it cannot be told. */
bool process_file_is(const struct process_info *process, size_t i, dev_t device, uid_t owner);

/* -1 with *err ends the walk. */
typedef int process_fn(void *data, const struct process_info *process, struct err *err);

/* Call fn for every process whose executable file has this name (without a directory). proc_fd: a
 * procfs, or a recorded tree. What ends during the walk, or may not be looked at, is passed over. */
int processes_of_program(int proc_fd, const char *program, process_fn *fn, void *data,
			 struct err *err);

/* The processes of the pid namespace that process `pid` is in, and of those below it; at most max. Who may not be
 * looked at is passed over. Their number, -1. */
ssize_t processes_of_namespace(int proc_fd, pid_t pid, int *ret_pids, size_t max, struct err *err);

/* Does it have this device open, the block device or the other? False where it may not be asked. */
bool process_holds_device(int proc_fd, pid_t pid, bool block, dev_t number);

/* R, S, D, T, Z ... of proc_pid_stat(5); '?' where there is no such process. */
char process_state(pid_t pid);

#endif
