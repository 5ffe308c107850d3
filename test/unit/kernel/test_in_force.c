/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel enforces on a process: of ourselves, and from a recorded status. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/in_force.h"
#include "kernel/procattr.h"
#include "test.h"

static struct err err;

static void of_ourselves(int proc_fd, struct in_force *ret)
{
	struct proc self = PROC_INIT;

	CHECK_OK(proc_open(&self, getpid(), 0, &err));
	CHECK_OK(in_force_read(proc_fd, &self, ret, &err));
	proc_forget(&self);
}

TEST(our_own)
{
	own(in_force) struct in_force f = {0};
	own_fd int proc_fd = procfs_open(&err);
	struct rlimit files = {.rlim_cur = 111};
	struct caps caps;
	struct stat st;

	CHECK(proc_fd >= 0);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = 111;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &files), 0);
	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	of_ourselves(proc_fd, &f);
	CHECK_OK(caps_get(&caps, &err));
	CHECK_INT(f.uid, geteuid());
	CHECK_INT(f.caps.effective, caps.effective);
	CHECK(f.no_new_privs);
	CHECK_INT(f.limits[RLIMIT_NOFILE].soft, 111);
	CHECK_INT(f.limits[RLIMIT_NOFILE].hard, files.rlim_max);
	CHECK(f.uid_map.count >= 1);
	CHECK_INT(stat("/proc/self/ns/mnt", &st), 0);
	CHECK_INT(f.namespaces[NS_MNT].inode, st.st_ino);
	CHECK(!f.namespaces[NS_MNT].own);
}

static void put(const char *name, const char *text)
{
	int fd = openat(test_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A procfs of files: every field comes from the line of its name, and from no other. */
TEST(recorded)
{
	own(in_force) struct in_force f = {0};
	char name[64];

	snprintf(name, sizeof(name), "%d", getpid());
	CHECK_INT(mkdirat(test_dir(), name, 0700), 0);
	snprintf(name, sizeof(name), "%d/status", getpid());
	put(name, "Name:\tCapEff: 7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
		  "CapInh:\t0000000000000001\nCapPrm:\t00000000000000ff\n"
		  "CapEff:\t000000ffffffffff\nCapBnd:\t8000000000000000\n"
		  "CapAmb:\t0000000000000010\nNoNewPrivs:\t1\nSeccomp:\t2\n"
		  "Seccomp_filters:\t3\n");
	snprintf(name, sizeof(name), "%d/uid_map", getpid());
	put(name, "         0     100000      65536\n     65536          1          1\n");
	snprintf(name, sizeof(name), "%d/gid_map", getpid());
	put(name, "");
	snprintf(name, sizeof(name), "%d/oom_score_adj", getpid());
	put(name, "-997\n");
	of_ourselves(test_dir(), &f);
	CHECK_INT(f.uid, 2);
	CHECK_INT(f.gid, 6);
	CHECK_INT(f.caps.inheritable, 1);
	CHECK_INT(f.caps.permitted, 0xff);
	CHECK_INT(f.caps.effective, 0xffffffffff);
	CHECK(f.caps.bounding == UINT64_C(1) << 63);
	CHECK_INT(f.caps.ambient, 0x10);
	CHECK(f.no_new_privs);
	CHECK_INT(f.seccomp_mode, 2);
	CHECK_INT(f.seccomp_filters, 3);
	CHECK_INT(f.uid_map.count, 2);
	CHECK_STR(f.uid_map.items[0], "0 100000 65536");
	CHECK_STR(f.uid_map.items[1], "65536 1 1");
	CHECK_INT(f.gid_map.count, 0);
	CHECK_INT(f.oom_score_adj, -997);
	CHECK_STR(f.label, "");
}

TEST(a_process_that_ended_is_not_found)
{
	struct in_force f = {0};
	struct proc child = PROC_INIT;
	own_fd int proc_fd = procfs_open(&err);
	pid_t pid = proc_clone(&child, 0, -1, &err);

	if (pid == 0)
		_exit(0);
	CHECK(pid > 0 && proc_fd >= 0);
	CHECK_INT(proc_wait_end(&child, 10000, &err), 1);
	CHECK_ERR(in_force_read(proc_fd, &child, &f, &err), ERR_NOT_FOUND, "has ended");
	proc_done(&child);
}

TEST_MAIN()
