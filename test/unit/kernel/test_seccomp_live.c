/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters at work: each test installs one in its own process, which the harness made for it, and
 * makes the calls. no_new_privs takes the place of privilege, so that nobody needs root.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/caps.h"
#include "kernel/seccomp.h"
#include "test.h"

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

static void install(const struct seccomp_filter *f)
{
	struct err err = ERR_INIT;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_INT(seccomp_install(f, &err), 0);
}

static void install_default(uint64_t bounding)
{
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(seccomp_default_filter(bounding, &f, &err));
	install(&f);
}

/* errno of a system call, 0 where it succeeded. */
#define RESULT(...) (syscall(__VA_ARGS__) < 0 ? errno : 0)

TEST(default_filter_lets_a_program_work)
{
	install_default(CAPS_DEFAULT);
	own_fd int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char text[16];

	CHECK(fd >= 0);
	CHECK_INT(read(fd, text, sizeof(text)), sizeof(text));

	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(23);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 23);
	CHECK_INT(RESULT(SYS_unshare, CLONE_FILES), 0);
}

TEST(default_filter_refuses_mounts_and_namespaces)
{
	install_default(CAPS_DEFAULT);
	CHECK_INT(RESULT(SYS_mount, "none", "/proc/nothing", "tmpfs", 0, NULL), EPERM);
	CHECK_INT(RESULT(SYS_umount2, "/proc/nothing", 0), EPERM);
	CHECK_INT(RESULT(SYS_fsopen, "tmpfs", 0), EPERM);
	CHECK_INT(RESULT(SYS_unshare, CLONE_NEWUSER), EPERM);
	CHECK_INT(RESULT(SYS_unshare, CLONE_NEWTIME), EPERM);
	CHECK_INT(RESULT(SYS_setns, -1, 0), EPERM);
#if defined(__x86_64__) || defined(__aarch64__)
	CHECK_INT(RESULT(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
#endif
}

/* Garbage above the 32 bits that the kernel looks at must not open a way. */
TEST(default_filter_looks_at_what_the_kernel_looks_at)
{
	install_default(CAPS_DEFAULT);
	char c = 'x';
	long high = 1L << 40;

	CHECK_INT(RESULT(SYS_ioctl, -1, TIOCSTI, &c), EPERM);
	CHECK_INT(RESULT(SYS_ioctl, -1, high | TIOCSTI, &c), EPERM);
	CHECK_INT(RESULT(SYS_ioctl, -1, high | TIOCLINUX, &c), EPERM);
	CHECK_INT(RESULT(SYS_ioctl, -1, TIOCGWINSZ, &c), EBADF);
	CHECK_INT(RESULT(SYS_socket, AF_VSOCK, SOCK_STREAM, 0), EPERM);
	CHECK_INT(RESULT(SYS_socket, high | AF_VSOCK, SOCK_STREAM, 0), EPERM);
	CHECK(syscall(SYS_personality, 0xffffffff) >= 0);
	CHECK_INT(RESULT(SYS_personality, ADDR_NO_RANDOMIZE), ENOSYS);
}

TEST(default_filter_denies_what_does_not_exist)
{
	install_default(CAPS_DEFAULT);
	CHECK_INT(RESULT(9999), ENOSYS);
	CHECK_INT(RESULT(SYS_clone3, NULL, 0), ENOSYS);
	CHECK_INT(RESULT(SYS_add_key, NULL, NULL, NULL, 0, 0), ENOSYS);
	CHECK_INT(RESULT(425 /* io_uring_setup */, 1, NULL), ENOSYS);
}

TEST(capabilities_open_their_calls)
{
	uint64_t with_admin = CAPS_DEFAULT | UINT64_C(1) << 21;

	install_default(with_admin);
	/* Past the filter the kernel itself answers. */
	CHECK_INT(RESULT(SYS_clone3, NULL, 0), EINVAL);
	CHECK_INT(RESULT(SYS_setns, -1, 0), EBADF);
	CHECK_INT(RESULT(SYS_settimeofday, NULL, NULL), EPERM);
	CHECK_INT(RESULT(SYS_ioctl, -1, TIOCSTI, NULL), EPERM);
}

TEST(an_audit_socket_needs_its_capability)
{
	install_default(0);
	CHECK_INT(RESULT(SYS_socket, AF_NETLINK, SOCK_RAW, 9), EINVAL);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	close(fd);
	CHECK_INT(RESULT(SYS_chroot, "/proc/nothing"), EPERM);
}

TEST(a_listener_is_returned)
{
	char *names[] = {(char *)(uintptr_t) "getsid", NULL};
	struct seccomp_rule rule = {.names = {.items = names, .count = 1},
				    .action = SECCOMP_RET_USER_NOTIF};
	struct seccomp_profile profile = {.default_action = SECCOMP_RET_ALLOW,
					  .flags = SECCOMP_FILTER_FLAG_TSYNC,
					  .rules = &rule,
					  .rule_count = 1};
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(seccomp_compile(&profile, &f, NULL, &err));
	CHECK(f.notify);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	int listener = seccomp_install(&f, &err);
	CHECK(listener > 0);
	CHECK(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	/* A second one in the same chain is refused, and said so. */
	CHECK_ERR(seccomp_install(&f, &err), ERR_IO, "cannot install the seccomp filter");
	CHECK(strstr(err.hint, "listener"));
	close(listener);
}

TEST(without_privilege_the_kernel_refuses)
{
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	CHECK_OK(caps_set_effective(0, &err));
	CHECK_OK(seccomp_default_filter(CAPS_DEFAULT, &f, &err));
	CHECK_ERR(seccomp_install(&f, &err), ERR_DENIED, "cannot install the seccomp filter");
}

#if defined(__x86_64__)
/* With int $0x80 the i386 numbers count; a profile without that architecture kills. */
static long call_i386(long number)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(number) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* What a 64-bit program leaves in the upper half of a register is not part of an i386 argument. */
TEST(upper_halves_do_not_hide_i386_arguments)
{
	uint32_t i386 = AUDIT_ARCH_I386;
	char *names[] = {(char *)(uintptr_t) "close", NULL};
	struct seccomp_arg arg = {.index = 0, .value = 77, .op = SECCOMP_OP_EQ};
	struct seccomp_rule rule = {.names = {.items = names, .count = 1},
				    .action = SECCOMP_RET_ERRNO,
				    .errno_ret = EXDEV,
				    .errno_given = true,
				    .args = &arg,
				    .arg_count = 1};
	struct seccomp_profile profile = {.default_action = SECCOMP_RET_ALLOW,
					  .archs = &i386,
					  .arch_count = 1,
					  .rules = &rule,
					  .rule_count = 1};
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;
	long r;

	CHECK_OK(seccomp_compile(&profile, &f, NULL, &err));
	install(&f);
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(6), "b"(0x100000000L | 77)
			 : "memory", "r8", "r9", "r10", "r11");
	CHECK_INT(r, -EXDEV);
	CHECK_INT(RESULT(SYS_close, 77), EXDEV);
	CHECK_INT(RESULT(SYS_close, 0x100000000L | 77), EBADF);
}

TEST(the_default_filter_knows_i386)
{
	install_default(CAPS_DEFAULT);
	CHECK_INT(call_i386(20 /* getpid */), getpid());
	CHECK_INT(call_i386(21 /* mount */), -EPERM);
	CHECK_INT(call_i386(9999), -ENOSYS);
	/* x32: getpid with bit 30. Refused by the kernel where it has no x32. */
	long r = syscall(0x40000000 | SYS_getpid);
	CHECK(r == getpid() || errno == ENOSYS);
}

TEST(a_foreign_architecture_is_killed)
{
	struct seccomp_profile profile = {.default_action = SECCOMP_RET_ALLOW};
	own(seccomp_filter) struct seccomp_filter f = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;
	int status;

	CHECK_OK(seccomp_compile(&profile, &f, NULL, &err));
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && seccomp_install(&f, &err) == 0)
			call_i386(20);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGSYS);
}
#endif

TEST_MAIN()
