/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "kernel/tty.h"
#include "test.h"

static void open_pair(int *ret_master, int *ret_slave)
{
	struct err err = ERR_INIT;
	own_fd int devpts = open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (devpts < 0)
		SKIP("no /dev/pts here");
	if (tty_open_pair(devpts, ret_master, ret_slave, &err) == 0)
		return;
	/* Only root may open the ptmx of a host whose /dev/ptmx is a device of its own. */
	if (err.kind == ERR_DENIED && geteuid() != 0)
		SKIP("%s", err.message);
	test_fail(__FILE__, __LINE__, "%s", err.message);
}

static const char *read_some(int fd)
{
	static char text[256];
	ssize_t length = read(fd, text, sizeof(text) - 1);

	CHECK(length > 0);
	text[length] = '\0';
	return text;
}

TEST(a_line_arrives_unchanged)
{
	own_fd int master = -1;
	own_fd int slave = -1;

	open_pair(&master, &slave);
	CHECK(isatty(slave) && fcntl(slave, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(master, F_GETFD) == FD_CLOEXEC);
	CHECK(write(slave, "one\ntwo\n", 8) == 8);
	CHECK_STR(read_some(master), "one\ntwo\n");
	CHECK(write(master, "typed\r", 6) == 6);
	CHECK_STR(read_some(slave), "typed\n");
}

TEST(only_a_devpts_will_do)
{
	struct err err = ERR_INIT;
	int master = -7, slave = -7;

	CHECK(mkfifoat(test_dir(), "ptmx", 0600) == 0);
	CHECK_ERR(tty_open_pair(test_dir(), &master, &slave, &err), ERR_INVALID,
		  "not a devpts file system");
	CHECK(master == -7 && slave == -7);
}

static int in_session(int slave, int as_fd)
{
	struct err err = ERR_INIT;
	struct stat tty, st;

	if (as_fd >= 0) {
		dup3(slave, as_fd, O_CLOEXEC);
		slave = as_fd;
	}
	if (fstat(slave, &st) < 0 || tty_take_control(slave, &err) < 0)
		return 10;
	if (getsid(0) != getpid() || tcgetsid(0) != getpid() || tcgetpgrp(2) != getpid())
		return 11;
	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &tty) < 0 || tty.st_rdev != st.st_rdev || fcntl(fd, F_GETFD) != 0)
			return 12 + fd;
	return open("/dev/tty", O_RDWR | O_CLOEXEC) < 0 ? 15 : 0;
}

static void check_control(int as_fd)
{
	own_fd int master = -1;
	own_fd int slave = -1;
	int status;
	pid_t pid;

	open_pair(&master, &slave);
	pid = fork();
	if (pid == 0)
		_exit(in_session(slave, as_fd));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(control_is_taken)
{
	check_control(-1);
}

TEST(control_is_taken_from_a_standard_descriptor)
{
	check_control(0);
	check_control(1);
	check_control(2);
}

TEST(control_needs_a_terminal)
{
	struct err err = ERR_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		own_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		_exit(tty_take_control(null, &err) < 0 && strstr(err.message, "controlling") ? 0
											     : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(sizes)
{
	own_fd int master = -1;
	own_fd int slave = -1;
	struct err err = ERR_INIT;
	struct winsize size;

	open_pair(&master, &slave);
	CHECK_OK(tty_set_size(master, 50, 132, &err));
	CHECK(ioctl(slave, TIOCGWINSZ, &size) == 0);
	CHECK(size.ws_row == 50 && size.ws_col == 132);
	CHECK_ERR(tty_set_size(test_dir(), 50, 132, &err), ERR_IO, "132x50");
}

TEST(raw_keeps_output_processing_and_is_undone)
{
	own_fd int master = -1;
	own_fd int slave = -1;
	struct err err = ERR_INIT;
	struct termios saved, now;

	open_pair(&master, &slave);
	CHECK(tcgetattr(slave, &now) == 0);
	now.c_oflag |= ONLCR | OPOST;
	CHECK(tcsetattr(slave, TCSANOW, &now) == 0);
	CHECK_OK(tty_make_raw(slave, &saved, &err));
	CHECK(tcgetattr(slave, &now) == 0);
	CHECK((now.c_lflag & (ICANON | ECHO | ISIG)) == 0 && (now.c_iflag & ICRNL) == 0);
	CHECK((now.c_oflag & (OPOST | ONLCR)) == (OPOST | ONLCR));
	tty_restore(slave, &saved);
	CHECK(tcgetattr(slave, &now) == 0);
	CHECK((now.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
	CHECK_ERR(tty_make_raw(test_dir(), &saved, &err), ERR_IO, "terminal settings");
}

TEST_MAIN()
