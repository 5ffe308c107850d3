/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A devpts in which somebody has covered the multiplexer; as root, in a mount namespace. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "kernel/tty.h"
#include "test.h"

static int new_devpts(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(mkdirat(test_dir(), "pts", 0755) == 0);
	CHECK(fchdir(test_dir()) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("devpts", "pts", "devpts", 0, "newinstance,ptmxmode=0666") == 0);
	return open("pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

TEST(a_new_instance_has_its_own_numbers)
{
	own_fd int devpts = new_devpts();
	own_fd int master = -1;
	own_fd int slave = -1;
	struct err err = ERR_INIT;
	struct stat mine, named;

	CHECK_OK(tty_open_pair(devpts, &master, &slave, &err));
	CHECK(fstat(slave, &mine) == 0 && stat("pts/0", &named) == 0);
	CHECK(mine.st_dev == named.st_dev && mine.st_ino == named.st_ino);
}

TEST(a_covered_multiplexer_is_refused)
{
	own_fd int devpts = new_devpts();
	struct err err = ERR_INIT;
	int master, slave;

	CHECK(mount("/dev/zero", "pts/ptmx", NULL, MS_BIND, NULL) == 0);
	CHECK(tty_open_pair(devpts, &master, &slave, &err) < 0);
	CHECK(strstr(err.message, "multiplexer"));
}

TEST_MAIN()
