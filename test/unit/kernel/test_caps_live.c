/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All five sets, as the kernel reports them in /proc/self/status, before and after an execve(2), in
 * every way a container's first process is made. Each case runs in a child of its own; as root.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "kernel/caps.h"
#include "test.h"

#define BIT(cap) (UINT64_C(1) << (cap))
#define FEW (BIT(CAP_CHOWN) | BIT(CAP_SETUID) | BIT(CAP_KILL))

struct mode {
	struct caps sets;
	uid_t uid;
	bool own_userns;
	bool exec; /* look after an execve(2) */
};

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
}

static int write_map(pid_t pid, const char *name)
{
	static const char map[] = "0 0 2000";
	char path[64];
	own_fd int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map) ? 0 : -1;
}

/* A range is mapped by a process outside: a child that stays behind. */
static int enter_userns(void)
{
	pid_t us = getpid();
	int pipe_fds[2], status;
	char byte;
	pid_t helper;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -1;
	helper = fork();
	if (helper == 0) {
		close(pipe_fds[1]);
		if (read(pipe_fds[0], &byte, 1) != 0)
			_exit(1);
		_exit(write_map(us, "uid_map") < 0 || write_map(us, "gid_map") < 0);
	}
	close(pipe_fds[0]);
	if (unshare(CLONE_NEWUSER) < 0)
		return -1;
	close(pipe_fds[1]);
	return waitpid(helper, &status, 0) == helper && status == 0 ? 0 : -1;
}

/* What the runtime does in the container's first process. */
static int become(const struct mode *mode, struct err *err)
{
	if (mode->own_userns && enter_userns() < 0)
		return err_errno(err, "cannot make a user namespace");
	if (caps_limit(&mode->sets, err) < 0)
		return -1;
	if (setgroups(0, NULL) < 0 || setresgid(mode->uid, mode->uid, mode->uid) < 0 ||
	    setresuid(mode->uid, mode->uid, mode->uid) < 0)
		return err_errno(err, "cannot change the user");
	return caps_apply(&mode->sets, err);
}

static void child(const struct mode *mode, int out_fd)
{
	char name[] = "cat", path[] = "/proc/self/status";
	char *const argv[] = {name, path, NULL};
	struct err err = ERR_INIT;
	char text[8192];
	int fd;

	if (become(mode, &err) < 0) {
		dprintf(out_fd, "error: %s\n", err.message);
		_exit(1);
	}
	if (mode->exec) {
		dup2(out_fd, 1);
		execv("/bin/cat", argv);
		_exit(1);
	}
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd_read_buf(fd, text, sizeof(text), "status", &err) > 0)
		dprintf(out_fd, "%s", text);
	_exit(0);
}

static void run_mode(const struct mode *mode, char *ret_text, size_t size)
{
	struct err err = ERR_INIT;
	int pipe_fds[2], status;
	pid_t pid;

	CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0)
		child(mode, pipe_fds[1]);
	close(pipe_fds[1]);
	CHECK_OK(fd_read_buf(pipe_fds[0], ret_text, size, "the child's report", &err));
	close(pipe_fds[0]);
	CHECK(waitpid(pid, &status, 0) == pid);
}

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		test_fail(__FILE__, __LINE__, "no %s in: %.200s", name, text);
	return strtoull(at + strlen(name), NULL, 16);
}

static void check_mode(const struct mode *mode)
{
	char text[8192];

	run_mode(mode, text, sizeof(text));
	CHECK_INT(field(text, "CapBnd:"), mode->sets.bounding);
	CHECK_INT(field(text, "CapPrm:"), mode->sets.permitted);
	CHECK_INT(field(text, "CapEff:"), mode->sets.effective);
	CHECK_INT(field(text, "CapInh:"), mode->sets.inheritable);
	CHECK_INT(field(text, "CapAmb:"), mode->sets.ambient);
}

static void check_before_and_after_exec(struct mode mode)
{
	mode.exec = false;
	check_mode(&mode);
	mode.exec = true;
	check_mode(&mode);
}

TEST(root_with_fewer)
{
	need_root();
	check_before_and_after_exec((struct mode){
		.sets = {.bounding = FEW, .permitted = FEW, .effective = FEW},
	});
	check_before_and_after_exec((struct mode){
		.sets = {.bounding = CAPS_DEFAULT,
			 .permitted = CAPS_DEFAULT,
			 .effective = CAPS_DEFAULT},
	});
}

TEST(root_with_none)
{
	need_root();
	check_before_and_after_exec((struct mode){.uid = 0});
}

TEST(root_with_an_effective_set_below_the_permitted_one)
{
	need_root();
	check_mode(&(struct mode){
		.sets = {.bounding = FEW, .permitted = FEW, .effective = BIT(CAP_KILL)},
	});
}

TEST(user_with_none_keeps_the_bounding_set)
{
	need_root();
	check_before_and_after_exec((struct mode){
		.sets = {.bounding = CAPS_DEFAULT},
		.uid = 1000,
	});
}

TEST(user_with_ambient)
{
	need_root();
	check_before_and_after_exec((struct mode){
		.sets = {FEW, FEW, FEW, FEW, FEW},
		.uid = 1000,
	});
}

TEST(user_with_inheritable_alone_loses_all_at_exec)
{
	struct mode mode = {
		.sets = {.bounding = FEW, .permitted = FEW, .effective = FEW, .inheritable = FEW},
		.uid = 1000,
	};
	char text[8192];

	need_root();
	check_mode(&mode);
	mode.exec = true;
	run_mode(&mode, text, sizeof(text));
	CHECK_INT(field(text, "CapPrm:"), 0);
	CHECK_INT(field(text, "CapInh:"), FEW);
}

TEST(inside_a_user_namespace)
{
	need_root();
	check_before_and_after_exec((struct mode){
		.sets = {.bounding = CAPS_DEFAULT,
			 .permitted = CAPS_DEFAULT,
			 .effective = CAPS_DEFAULT},
		.own_userns = true,
	});
	check_before_and_after_exec((struct mode){
		.sets = {FEW, FEW, FEW, FEW, FEW},
		.uid = 1000,
		.own_userns = true,
	});
	check_before_and_after_exec((struct mode){.uid = 1000, .own_userns = true});
}

TEST(what_we_do_not_hold_is_named)
{
	struct err err = ERR_INIT;
	struct caps now, wanted;

	need_root();
	if (prctl(PR_CAPBSET_READ, CAP_SYS_TIME, 0, 0, 0) == 1)
		CHECK(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0) == 0);
	wanted = (struct caps){.bounding = FEW | BIT(CAP_SYS_TIME)};
	CHECK_ERR(caps_limit(&wanted, &err), ERR_DENIED, "CAP_SYS_TIME");

	CHECK_OK(caps_get(&now, &err));
	now.permitted &= ~BIT(CAP_SYS_CHROOT);
	now.effective &= ~BIT(CAP_SYS_CHROOT);
	CHECK_OK(caps_apply(&now, &err));
	wanted = (struct caps){.permitted = BIT(CAP_SYS_CHROOT)};
	CHECK_ERR(caps_apply(&wanted, &err), ERR_DENIED, "CAP_SYS_CHROOT");
}

TEST(ambient_needs_permitted_and_inheritable)
{
	struct err err = ERR_INIT;
	struct caps wanted = {.permitted = FEW, .effective = FEW, .ambient = FEW};

	need_root();
	CHECK_ERR(caps_apply(&wanted, &err), ERR_DENIED, "ambient");
}

TEST(the_effective_set_can_be_lowered_and_raised_again)
{
	uint64_t without = BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH);
	struct err err = ERR_INIT;
	struct caps now;
	int fd;

	need_root();
	CHECK(setgroups(0, NULL) == 0);
	fd = openat(test_dir(), "canary", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(fchown(fd, 4711, 4711) == 0);
	close(fd);
	CHECK_OK(caps_get(&now, &err));
	CHECK_OK(caps_set_effective(now.effective & ~without, &err));
	CHECK(openat(test_dir(), "canary", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	CHECK_OK(caps_set_effective(now.effective, &err));
	fd = openat(test_dir(), "canary", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	close(fd);
}

TEST_MAIN()
