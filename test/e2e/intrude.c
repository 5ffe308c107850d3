/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process of a container that shares its pid namespace, trying to get at the others in it. Runs inside,
 * statically linked.
 *
 *	intrude at PID...	every road to each of them
 *	intrude watch SECONDS	whoever appears meanwhile, as often and as early as it goes
 *
 * A road is one that leads to what a process holds: its memory, descriptors, root, namespaces. None that it takes
 * changes anything. `at` prints what was reached and ends with 1, or "nothing reached". `watch` knows who is
 * not one of the container yet by its executable, which is not in /bin; it prints how many it saw and was kept
 * from, and ends with 1 where it reached one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX 4194304

static bool reads_link(int pid, const char *name)
{
	char path[64], text[256];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	return readlink(path, text, sizeof text) >= 0;
}

static bool opens(int pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool by_ptrace(int pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return false;
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, NULL, __WALL);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return true;
}

/* Before Linux 6.17 these open of a process that ends and has no memory any more; then there is nothing to read. */
static bool reads(int pid, const char *name, int flags, off_t at)
{
	char path[64], byte;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, flags | O_CLOEXEC);
	bool has = fd >= 0 && pread(fd, &byte, 1, at) != 0;
	close(fd);
	return has;
}

static bool by_memory(int pid)
{
	return reads(pid, "mem", O_RDWR, 4096) || reads(pid, "maps", O_RDONLY, 0);
}

/* An address that everybody may not have: what counts is the error. */
static bool by_process_vm(int pid)
{
	char byte;
	struct iovec mine = {&byte, 1}, theirs = {(void *)4096, 1};

	return process_vm_readv(pid, &mine, 1, &theirs, 1, 0) >= 0 || errno == EFAULT;
}

static bool by_environ(int pid)
{
	return opens(pid, "environ", O_RDONLY);
}

static bool by_exe(int pid)
{
	return reads_link(pid, "exe") || opens(pid, "exe", O_RDONLY);
}

static bool by_root(int pid)
{
	return opens(pid, "root/", O_RDONLY) || opens(pid, "cwd/", O_RDONLY);
}

static bool by_fd(int pid)
{
	char name[16];

	for (int fd = 0; fd < 64; fd++) {
		snprintf(name, sizeof name, "fd/%d", fd);
		if (reads_link(pid, name))
			return true;
	}
	return false;
}

static bool by_getfd(int pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int fd = 0; pidfd >= 0 && fd < 64; fd++)
		if (syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0)
			return true;
	close(pidfd);
	return false;
}

static bool by_setns(int pid)
{
	static const char *const names[] = {"ns/mnt", "ns/user", "ns/net", "ns/pid"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (opens(pid, names[i], O_RDONLY))
			return true;
	return false;
}

static const struct {
	const char *name;
	bool (*reaches)(int pid);
} roads[] = {
	{"ptrace", by_ptrace},	 {"memory", by_memory},	    {"process_vm_readv", by_process_vm},
	{"environ", by_environ}, {"exe", by_exe},	    {"root", by_root},
	{"fd", by_fd},		 {"pidfd_getfd", by_getfd}, {"namespaces", by_setns},
};

static int at(int count, char *pids[])
{
	int reached = 0;

	for (int i = 0; i < count; i++)
		for (size_t k = 0; k < sizeof roads / sizeof *roads; k++)
			if (roads[k].reaches(atoi(pids[i]))) {
				printf("process %s: reached by %s\n", pids[i], roads[k].name);
				reached = 1;
			}
	if (!reached)
		puts("nothing reached");
	return reached;
}

/* 1: reached before it was one of ours, 0: kept away, -1: one of ours, or gone. */
static int look(int pid)
{
	char path[64], exe[256];

	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	ssize_t n = readlink(path, exe, sizeof exe - 1);
	if (n < 0 && errno != EACCES && errno != EPERM)
		return -1;
	if (n < 0 && !by_memory(pid) && !by_fd(pid))
		return 0;
	if (n < 0) /* It has become one of ours meanwhile, or there is a road past the first. */
		n = readlink(path, exe, sizeof exe - 1);
	if (n < 0)
		return errno == ENOENT || errno == ESRCH ? -1 : 1;
	exe[n] = '\0';
	if (strncmp(exe, "/bin/", 5) == 0)
		return -1;
	printf("process %d: reached %s\n", pid, exe);
	return 1;
}

static int watch(int seconds)
{
	static unsigned char seen[PIDS_MAX];
	int reached = 0, kept = 0;

	for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
		DIR *proc = opendir("/proc");

		for (struct dirent *e; proc && (e = readdir(proc));) {
			int pid = atoi(e->d_name);
			int found = pid > 1 && pid < PIDS_MAX && pid != getpid() ? look(pid) : -1;

			reached += found == 1;
			kept += found == 0 && !seen[pid]++;
		}
		if (proc)
			closedir(proc);
	}
	printf("reached %d, kept from %d\n", reached, kept);
	return reached != 0;
}

int main(int argc, char *argv[])
{
	if (argc > 2 && strcmp(argv[1], "at") == 0)
		return at(argc - 2, argv + 2);
	if (argc == 3 && strcmp(argv[1], "watch") == 0)
		return watch(atoi(argv[2]));
	fputs("usage: intrude at PID... | watch SECONDS\n", stderr);
	return 2;
}
