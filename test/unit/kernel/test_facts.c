/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/facts.h"
#include "test.h"

static void probe(const char *host, struct facts *ret)
{
	struct err err = ERR_INIT;
	own_fd int data_fd = open(TEST_DATA "/host", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int host_fd = openat(data_fd, host, O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(host_fd >= 0);
	CHECK_OK(facts_probe(host_fd, ret, &err));
}

TEST(hybrid_host_without_sys_resource)
{
	struct facts f;

	probe("dev-hybrid", &f);
	CHECK_INT(f.major, 6);
	CHECK_INT(f.minor, 18);
	CHECK_STR(f.cpus_online.text, "0-1");
	CHECK_STR(f.cpus_allowed.text, "0-1");
	CHECK_STR(f.mems_allowed.text, "0");
	CHECK_INT(f.cpu_count, 2);
	CHECK_INT(f.memory_total, UINT64_C(24684096) * 1024);
	CHECK_INT(f.nofile_hard, 20000);
	CHECK((f.caps_effective & UINT64_C(1) << CAP_SYS_RESOURCE) == 0);
	CHECK((f.caps_effective & UINT64_C(1) << CAP_SYS_ADMIN) != 0);
	CHECK(f.root && f.initial_userns && f.overlay && f.cgroup_bpf && f.own_pids);
	CHECK_INT(strlen(f.boot_id), 36);
}

TEST(debian_12)
{
	struct facts f;

	probe("debian12-v2", &f);
	CHECK_STR(f.release, "6.1.0-40-amd64");
	CHECK_INT(f.major, 6);
	CHECK_INT(f.minor, 1);
	CHECK_INT(f.cpu_count, 4);
	CHECK_INT(f.nofile_hard, 1048576);
	CHECK(f.root && f.initial_userns && f.cgroup_bpf);
	CHECK(f.overlay); /* a module that is loaded when asked for */
}

TEST(uid_0_of_another_namespace_is_not_root)
{
	struct facts f;

	probe("rootless", &f);
	CHECK(!f.root && !f.initial_userns && !f.overlay && !f.cgroup_bpf && !f.own_pids);
	CHECK_STR(f.cpus_allowed.text, "0-3,8");
	CHECK_INT(f.cpu_count, 5);
	CHECK_INT(f.signals_ignored, UINT64_C(1) << (SIGPIPE - 1));
	CHECK_STR(f.mems_allowed.text, "0-1");
	CHECK_INT(f.nofile_hard, UINT64_MAX);
}

TEST(a_start_reads_only_what_is_about_the_process)
{
	own_fd int data_fd = open(TEST_DATA "/host", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int host_fd = openat(data_fd, "rootless", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	struct facts whole, f;

	probe("rootless", &whole);
	CHECK_OK(facts_probe_process(host_fd, &f, &err));
	CHECK_STR(f.cpus_allowed.text, whole.cpus_allowed.text);
	CHECK_STR(f.mems_allowed.text, whole.mems_allowed.text);
	CHECK_INT(f.cpu_count, whole.cpu_count);
	CHECK_INT(f.caps_effective, whole.caps_effective);
	CHECK_INT(f.signals_ignored, whole.signals_ignored);
	CHECK(!f.root && !f.initial_userns);
	CHECK_STR(f.release, "");
	CHECK_INT(f.memory_total, 0);
}

TEST(the_live_host_agrees_with_its_system_calls)
{
	struct err err = ERR_INIT;
	struct rlimit nofile;
	struct utsname name;
	struct facts f;

	CHECK_OK(facts_probe(AT_FDCWD, &f, &err));
	CHECK(uname(&name) == 0);
	CHECK_STR(f.release, name.release);
	CHECK(getrlimit(RLIMIT_NOFILE, &nofile) == 0);
	CHECK_INT(f.nofile_hard, nofile.rlim_max);
	CHECK(f.cpu_count > 0 && f.memory_total > 1 << 20);
}

TEST(a_tree_without_the_files_is_one_clear_error)
{
	struct facts untouched = {.cpu_count = 77};
	struct err err = ERR_INIT;

	CHECK_ERR(facts_probe(test_dir(), &untouched, &err), ERR_NOT_FOUND,
		  "cannot learn about this host: cannot read /proc/sys/kernel/osrelease");
	CHECK_INT(untouched.cpu_count, 77);
}

static void put(const char *path, const char *text)
{
	own_fd int fd = openat(test_dir(), path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void make_parents(void)
{
	CHECK(mkdirat(test_dir(), "proc", 0755) == 0);
	CHECK(mkdirat(test_dir(), "proc/sys", 0755) == 0);
	CHECK(mkdirat(test_dir(), "proc/sys/kernel", 0755) == 0);
	CHECK(mkdirat(test_dir(), "proc/self", 0755) == 0);
	CHECK(mkdirat(test_dir(), "proc/self/ns", 0755) == 0);
	CHECK(symlinkat("user:[1]", test_dir(), "proc/self/ns/user") == 0);
}

TEST(strange_files_are_refused)
{
	struct err err = ERR_INIT;
	struct facts f;

	make_parents();
	put("proc/sys/kernel/osrelease", "experimental\n");
	CHECK_ERR(facts_probe(test_dir(), &f, &err), ERR_UNSUPPORTED, "'experimental'");
	put("proc/sys/kernel/osrelease",
	    "6.1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	CHECK_ERR(facts_probe(test_dir(), &f, &err), ERR_LIMIT, "osrelease is too long");
	put("proc/sys/kernel/osrelease", "6.1.2\n");
	put("proc/self/status", "Name:\tx\nUid:\t0\t0\t0\t0\nSigIgn:\t0\n");
	CHECK_ERR(facts_probe(test_dir(), &f, &err), ERR_UNSUPPORTED, "no line 'CapEff:'");
	put("proc/self/status",
	    "Uid:\t0\t0\t0\t0\nSigIgn:\t0\nCapEff:\t0\nCpus_allowed_list:\tall\n"
	    "Mems_allowed_list:\t0\n");
	CHECK_ERR(facts_probe(test_dir(), &f, &err), ERR_INVALID, "'all'");
}

TEST_MAIN()
