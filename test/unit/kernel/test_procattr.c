/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/procattr.h"
#include "test.h"

static const struct sysctl_ns all_own = {true, true, true, true};
static const struct sysctl_ns none_own;

TEST(the_handle_is_the_root_of_a_procfs)
{
	struct err err = ERR_INIT;
	own_fd int fd = procfs_open(&err);
	struct statfs fs;

	CHECK(fd >= 0);
	CHECK(fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
}

TEST(namespaced_sysctls_are_accepted_with_both_separators)
{
	static const char *const good[] = {
		"net.core.somaxconn",
		"net/ipv4/ip_unprivileged_port_start",
		"net.ipv4.conf.eth0.forwarding",
		"kernel.shmmax",
		"kernel/sem",
		"kernel.shm_rmid_forced",
		"fs.mqueue.msg_max",
		"user.max_user_namespaces",
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_OK(sysctl_check(good[i], "1", &all_own, &err));
	CHECK_OK(sysctl_check("kernel.sem", "250 32000 32 128", &all_own, &err));
	CHECK_OK(
		sysctl_check("net.ipv4.ip_local_reserved_ports", "8080,9148-9150", &all_own, &err));
	CHECK_OK(sysctl_check("net.ipv6.conf.all.stable_secret", "2001:db8::1", &all_own, &err));
}

TEST(what_would_change_the_host_is_refused)
{
	static const char *const bad[] = {
		"kernel.core_pattern",
		"kernel.panic",
		"vm.swappiness",
		"fs.file-max",
		"kernel.shmmax2",
		"kernel.semantic",
		"dev.cdrom.lock",
		"kernel",
		"net",
		"fs.mqueue",
		"netx.core.somaxconn",
		"kernel.sem.x",
		"abi.vsyscall32",
		"sunrpc.tcp_slot_table_entries",
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(sysctl_check(bad[i], "1", &all_own, &err), ERR_INVALID,
			  "would change the host");
}

TEST(a_namespace_shared_with_the_host_is_the_hosts)
{
	struct err err = ERR_INIT;

	CHECK_ERR(sysctl_check("net.core.somaxconn", "1", &none_own, &err), ERR_INVALID,
		  "'net.core.somaxconn' would change the host");
	CHECK(strstr(err.hint, "a network namespace"));
	CHECK_ERR(sysctl_check("kernel.msgmax", "1", &none_own, &err), ERR_INVALID, "the host");
	CHECK(strstr(err.hint, "an IPC namespace"));
	CHECK_ERR(sysctl_check("user.max_pid_namespaces", "1", &none_own, &err), ERR_INVALID,
		  "host");
	CHECK(strstr(err.hint, "a user namespace"));
}

TEST(host_names_have_an_option_of_their_own)
{
	struct err err = ERR_INIT;

	CHECK_ERR(sysctl_check("kernel.hostname", "x", &all_own, &err), ERR_INVALID, "hostname");
	CHECK(strstr(err.hint, "host name"));
	CHECK_ERR(sysctl_check("kernel/domainname", "x", &all_own, &err), ERR_INVALID,
		  "domainname");
}

TEST(names_that_are_no_names)
{
	static const char *const bad[] = {
		"",
		"net..core",
		".net.core",
		"net.core.",
		"/net/core/x",
		"net/../vm/swappiness",
		"net/core//x",
		"net.Core.x",
		"net.core.x y",
		"net.core.x\n",
		"net.core.x=1",
		"net.core.*",
	};
	struct err err = ERR_INIT;
	char longest[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(sysctl_check(bad[i], "1", &all_own, &err), ERR_INVALID, "name");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "net.", 4);
	CHECK_ERR(sysctl_check(longest, "1", &all_own, &err), ERR_INVALID, "characters");
}

TEST(values_that_are_no_values)
{
	static const char *const bad[] = {"",	 "1\n2", "1\t2",     "1+kernel.core_pattern=x",
					  "a;b", "|/x",	 "\x1b[31m", "\xc3\xa9"};
	struct err err = ERR_INIT;
	char longest[2000];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(sysctl_check("net.core.somaxconn", bad[i], &all_own, &err), ERR_INVALID,
			  "value of sysctl");
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK_ERR(sysctl_check("net.core.somaxconn", longest, &all_own, &err), ERR_LIMIT, "longer");
}

static void make_dirs(void)
{
	static const char *const dirs[] = {"proc",
					   "proc/sys",
					   "proc/sys/net",
					   "proc/thread-self",
					   "proc/thread-self/attr",
					   "proc/thread-self/attr/apparmor"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		CHECK(mkdirat(test_dir(), dirs[i], 0755) == 0);
}

static void make_file(const char *path)
{
	own_fd int fd = openat(test_dir(), path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
}

static const char *contents(const char *path)
{
	static char text[256];
	own_fd int fd = openat(test_dir(), path, O_RDONLY | O_CLOEXEC);
	ssize_t length = read(fd, text, sizeof(text) - 1);

	CHECK(length >= 0);
	text[length] = '\0';
	return text;
}

TEST(a_sysctl_is_written_below_the_handle)
{
	struct err err = ERR_INIT;
	own_fd int proc_fd = -1;

	make_dirs();
	make_file("proc/sys/net/x");
	proc_fd = openat(test_dir(), "proc", O_PATH | O_CLOEXEC);
	CHECK_OK(sysctl_write(proc_fd, "net.x", "17", &err));
	CHECK_STR(contents("proc/sys/net/x"), "17");
	CHECK_ERR(sysctl_write(proc_fd, "net.y", "17", &err), ERR_NOT_FOUND,
		  "cannot set sysctl 'net.y'");
	CHECK_ERR(sysctl_write(proc_fd, "../x", "17", &err), ERR_INVALID, "valid name");
}

TEST(a_sysctl_is_read_up_to_its_first_newline)
{
	struct err err = ERR_INIT;
	char value[8];
	int fd;

	CHECK(mkdirat(test_dir(), "sys", 0700) == 0 && mkdirat(test_dir(), "sys/net", 0700) == 0);
	fd = openat(test_dir(), "sys/net/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(write(fd, "4096\n", 5) == 5);
	close(fd);
	CHECK_OK(sysctl_read(test_dir(), "net.x", value, sizeof(value), &err));
	CHECK_STR(value, "4096");
	CHECK_ERR(sysctl_read(test_dir(), "net.y", value, sizeof(value), &err), ERR_NOT_FOUND,
		  "sysctl 'net.y'");
	CHECK_ERR(sysctl_read(test_dir(), "net.x", value, 3, &err), ERR_LIMIT, "sysctl 'net.x'");
	CHECK_ERR(sysctl_read(test_dir(), "../x", value, sizeof(value), &err), ERR_INVALID,
		  "not a valid name");
}

TEST(a_sysctl_behind_a_link_is_not_written)
{
	struct err err = ERR_INIT;
	own_fd int proc_fd = -1;

	make_dirs();
	make_file("proc/canary");
	CHECK(symlinkat("../../canary", test_dir(), "proc/sys/net/x") == 0);
	CHECK(symlinkat("net", test_dir(), "proc/sys/link") == 0);
	proc_fd = openat(test_dir(), "proc", O_PATH | O_CLOEXEC);
	CHECK(sysctl_write(proc_fd, "net.x", "17", &err) < 0);
	CHECK(sysctl_write(proc_fd, "link.x", "17", &err) < 0);
	CHECK_STR(contents("proc/canary"), "");
}

static int apply_label(int proc_fd, enum lsm_kind kind, const char *label, struct err *err)
{
	own_fd int fd = -1;

	if (lsm_open_exec_label(proc_fd, kind, label, &fd, err) < 0)
		return -1;
	return fd < 0 ? 0 : lsm_write_exec_label(fd, kind, label, err);
}

TEST(labels_go_to_the_file_of_their_module)
{
	struct err err = ERR_INIT;
	own_fd int proc_fd = -1;

	make_dirs();
	make_file("proc/thread-self/attr/exec");
	proc_fd = openat(test_dir(), "proc", O_PATH | O_CLOEXEC);
	CHECK_OK(apply_label(proc_fd, LSM_SELINUX, "system_u:object_r:x_t:s0", &err));
	CHECK_STR(contents("proc/thread-self/attr/exec"), "system_u:object_r:x_t:s0");
	make_file("proc/thread-self/attr/apparmor/exec");
	CHECK_OK(apply_label(proc_fd, LSM_APPARMOR, "a-profile", &err));
	CHECK_STR(contents("proc/thread-self/attr/apparmor/exec"), "exec a-profile");
	CHECK_OK(apply_label(proc_fd, LSM_APPARMOR, "unconfined", &err));
	CHECK(unlinkat(test_dir(), "proc/thread-self/attr/apparmor/exec", 0) == 0);
	CHECK_OK(apply_label(proc_fd, LSM_APPARMOR, "an-old-kernels-file-is-the-common-one", &err));
	CHECK_STR(contents("proc/thread-self/attr/exec"),
		  "exec an-old-kernels-file-is-the-common-one");
}

TEST(a_label_that_nobody_would_enforce_is_refused)
{
	struct err err = ERR_INIT;
	static const enum lsm_kind other[] = {LSM_NONE, LSM_SELINUX, LSM_APPARMOR};
	bool apparmor;

	for (size_t i = 0; i < 2; i++) {
		CHECK_ERR(lsm_check_labels(other[i], "a-profile", NULL, &apparmor, &err),
			  ERR_UNSUPPORTED, "process.apparmorProfile: 'a-profile'");
		CHECK_OK(lsm_check_labels(other[i], "unconfined", "", &apparmor, &err));
		CHECK(!apparmor);
		CHECK_OK(lsm_check_labels(other[i], "", NULL, &apparmor, &err));
		CHECK(!apparmor);
	}
	for (size_t i = 0; i < 3; i += 2)
		CHECK_ERR(lsm_check_labels(other[i], NULL, "a:b:c:s0", &apparmor, &err),
			  ERR_UNSUPPORTED, "process.selinuxLabel: 'a:b:c:s0'");
	CHECK_OK(lsm_check_labels(LSM_SELINUX, NULL, "a:b:c:s0", &apparmor, &err));
	CHECK(!apparmor);
	CHECK_OK(lsm_check_labels(LSM_APPARMOR, "unconfined", NULL, &apparmor, &err));
	CHECK(apparmor);
}

TEST(a_label_that_is_no_text_is_refused)
{
	struct err err = ERR_INIT;
	int no_proc = -1;

	CHECK_ERR(apply_label(no_proc, LSM_SELINUX, "a\nb", &err), ERR_INVALID, "security label");
	CHECK_OK(apply_label(no_proc, LSM_SELINUX, "", &err));
	CHECK_OK(apply_label(no_proc, LSM_SELINUX, NULL, &err));
	CHECK_OK(apply_label(no_proc, LSM_SELINUX, "unconfined", &err));
}

static long session_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

TEST(each_session_keyring_is_a_new_one)
{
	struct err err = ERR_INIT;
	long first, second;

	if (session_keyring() < 0 && errno == ENOSYS)
		SKIP("this kernel has no keyrings");
	CHECK_OK(keyring_new_session(NULL, &err));
	first = session_keyring();
	CHECK_OK(keyring_new_session(NULL, &err));
	second = session_keyring();
	CHECK(first > 0 && second > 0 && first != second);
}

TEST(a_session_keyring_with_a_name_can_be_joined)
{
	struct err err = ERR_INIT;
	char name[48];
	long first;
	int status;

	if (session_keyring() < 0 && errno == ENOSYS)
		SKIP("this kernel has no keyrings");
	snprintf(name, sizeof name, "_ses.test.%d", (int)getpid());
	CHECK_OK(keyring_new_session(name, &err));
	first = session_keyring();
	CHECK(first > 0);
	pid_t pid = fork();
	if (pid == 0) {
		/* As a process from outside has another one, and not this. */
		bool left = keyring_new_session(NULL, &err) == 0 && session_keyring() != first;

		_exit(left && keyring_join_session(name, &err) == 0 && session_keyring() == first
			      ? 0
			      : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST_MAIN()
