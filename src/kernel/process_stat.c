/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One process as procfs shows it: see process_stat.h. A process may call itself anything, so its name is
 * found by the last parenthesis of the line, and whoever prints it replaces control characters.
 */
#include "kernel/process_stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"

#define TEXT_SIZE 8192

static ssize_t read_text(int proc_fd, pid_t pid, const char *name, char *buf, size_t size)
{
	char path[48];

	snprintf(path, sizeof path, "%d/%s", pid, name);
	own_fd int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* Fields 3 and on, after the name. */
static int take_stat(const char *text, struct process_stat *p)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	long long utime, stime, threads, nice, rss;
	unsigned long long start, vsize;
	int64_t ticks = sysconf(_SC_CLK_TCK);
	int tty;

	if (!open || !close || close < open)
		return -1;
	snprintf(p->name, sizeof p->name, "%.*s", (int)(close - open - 1), open + 1);
	if (sscanf(close + 1,
		   " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %lld %lld %*d %*d %*d %lld %lld "
		   "%*d %llu %llu %lld",
		   &p->state, &p->ppid, &tty, &utime, &stime, &nice, &threads, &start, &vsize,
		   &rss) != 10)
		return -1;
	p->tty = (unsigned int)tty;
	p->nice = (long)nice;
	p->threads = (long)threads;
	p->cpu_ms = (uint64_t)((utime + stime) * 1000 / ticks);
	p->age_ms = (uint64_t)(clock_boot_ms() - (int64_t)start * 1000 / ticks);
	p->virtual_bytes = vsize;
	p->resident_bytes = (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* The value of "KEY:\t..." as a number; of several, the one at `index`, or with -1 the last. */
static uint64_t status_value(const char *text, const char *key, int index, int base)
{
	const char *at = strstr(text, key);
	uint64_t value = 0;

	if (!at)
		return 0;
	at += strlen(key);
	for (int i = 0; index < 0 || i <= index; i++) {
		char *end;
		uint64_t next;

		at += strspn(at, "\t ");
		next = strtoull(at, &end, base);
		if (end == at)
			break;
		value = next;
		at = end;
	}
	return value;
}

static void take_status(const char *text, struct process_stat *p)
{
	p->uid = (uint32_t)status_value(text, "\nUid:", 1, 10);
	p->gid = (uint32_t)status_value(text, "\nGid:", 1, 10);
	p->inner_pid = (pid_t)status_value(text, "\nNSpid:", -1, 10);
	p->effective_caps = status_value(text, "\nCapEff:", 0, 16);
	p->seccomp = (int)status_value(text, "\nSeccomp:", 0, 10);
}

int process_stat_read(int proc_fd, pid_t pid, struct process_stat *ret)
{
	char text[TEXT_SIZE];
	ssize_t n;

	*ret = (struct process_stat){.pid = pid};
	if (read_text(proc_fd, pid, "stat", text, sizeof text) < 0 || take_stat(text, ret) < 0 ||
	    read_text(proc_fd, pid, "status", text, sizeof text) < 0)
		return -1;
	take_status(text, ret);
	n = read_text(proc_fd, pid, "cmdline", ret->args, sizeof ret->args);
	while (n > 0 && !ret->args[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!ret->args[i])
			ret->args[i] = ' ';
	if (n <= 0)
		snprintf(ret->args, sizeof ret->args, "[%s]", ret->name);
	return 0;
}
