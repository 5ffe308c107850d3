/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names each system call that the kernel itself answers although a container has no business making
 * it. Arguments are impossible ones, so that nothing happens where it gets through: a filter answers
 * EPERM or ENOSYS, the kernel EFAULT, EINVAL, EBADF and the like. (It answers EPERM too where a
 * capability is missing, so run it with as many as there are.)
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	long number;
} calls[] = {
	{"add_key", SYS_add_key},
	{"bpf", SYS_bpf},
	{"lookup_dcookie", SYS_lookup_dcookie},
	{"move_pages", SYS_move_pages},
	{"perf_event_open", SYS_perf_event_open},
	{"request_key", SYS_request_key},
	{"userfaultfd", SYS_userfaultfd},
};

int main(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);
		if (errno != EPERM && errno != ENOSYS)
			printf("%s\n", calls[i].name);
		errno = 0;
	}
	return 0;
}
