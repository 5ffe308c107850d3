/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What proc_pid_stat(5), proc_pid_status(5) and proc_pid_cmdline(5) say of one process. */
#ifndef INSULA_KERNEL_PROCESS_STAT_H
#define INSULA_KERNEL_PROCESS_STAT_H

#include <stdint.h>
#include <sys/types.h>

#define PROCESS_ARGS_SIZE 4096

struct process_stat {
	pid_t pid, ppid;   /* as the procfs has them */
	pid_t inner_pid;   /* in its own pid namespace, the innermost */
	uint32_t uid, gid; /* effective, as the reader's user namespace has them */
	char state;
	unsigned int tty; /* device number; 0: none */
	uint64_t cpu_ms;  /* that it has used, with its threads */
	uint64_t age_ms;  /* since it was started */
	long nice, threads;
	uint64_t virtual_bytes, resident_bytes;
	uint64_t effective_caps;
	int seccomp;		      /* 0 none, 1 strict, 2 filter */
	char name[64];		      /* comm */
	char args[PROCESS_ARGS_SIZE]; /* with blanks between; "[name]" where it has none */
};

/* proc_fd: a procfs. 0, or -1 where there is no such process any more. */
int process_stat_read(int proc_fd, pid_t pid, struct process_stat *ret);

#endif
