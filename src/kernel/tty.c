/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pseudo-terminals without paths (pty(7), ioctl_tty(2)).
 *
 * The classic way to open the other end of a pair is to ask the master for a number and open
 * /dev/pts/NUMBER. In a container that is a path which the container may have prepared: a link or a
 * mount there made runtimes open, and bind, whatever the guest wanted (CVE-2025-52565). Here the
 * pair comes from a descriptor of the devpts directory, both ends are descriptors from birth
 * (TIOCGPTPEER, Linux 4.13), and each is checked to be what it should: a devpts file system, the
 * device 5:2 on that very file system.
 *
 * ONLCR is cleared on the pair, so that a program's "\n" arrives as "\n" in logs and pipes; the
 * user's own terminal does the translation, which is why tty_make_raw leaves its output processing
 * alone. The setting lives in the pair, not in an end: the guest may turn it on again.
 */
#include "kernel/tty.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"

static int check_devpts(int fd, struct err *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_errno(err, "cannot examine the devpts directory");
	if (fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, ERR_INVALID, 0,
			       "the terminal directory is not a devpts file "
			       "system");
	return 0;
}

/* The multiplexer of this devpts: not a link, not on another file system, and device 5:2. */
static int open_ptmx(int devpts_fd, struct err *err)
{
	own_fd int fd = path_open(devpts_fd, "ptmx", PATH_BENEATH | PATH_NO_XDEV, O_RDWR | O_NOCTTY,
				  0, err);
	struct stat st;

	if (fd < 0)
		return err_wrap(err, "cannot open the terminal multiplexer");
	if (fstat(fd, &st) < 0)
		return err_errno(err, "cannot examine the terminal multiplexer");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return err_set(err, ERR_INVALID, 0, "'ptmx' is not the terminal multiplexer");
	return take_fd(fd);
}

static int clear_onlcr(int fd, struct err *err)
{
	struct termios settings;

	if (tcgetattr(fd, &settings) < 0)
		return err_errno(err, "cannot read the terminal settings");
	settings.c_oflag &= ~(tcflag_t)ONLCR;
	if (tcsetattr(fd, TCSANOW, &settings) < 0)
		return err_errno(err, "cannot change the terminal settings");
	return 0;
}

int tty_open_pair(int devpts_fd, int *ret_master_fd, int *ret_slave_fd, struct err *err)
{
	own_fd int master = -1;
	own_fd int slave = -1;
	int unlocked = 0;

	if (check_devpts(devpts_fd, err) < 0)
		return -1;
	master = open_ptmx(devpts_fd, err);
	if (master < 0)
		return -1;
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return err_errno(err, "cannot unlock the terminal pair");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_errno(err, "cannot open the other end of the terminal pair");
	if (clear_onlcr(slave, err) < 0)
		return -1;
	*ret_master_fd = take_fd(master);
	*ret_slave_fd = take_fd(slave);
	return 0;
}

int tty_take_control(int slave_fd, struct err *err)
{
	if (setsid() < 0)
		return err_errno(err, "cannot start a session");
	if (ioctl(slave_fd, TIOCSCTTY, 0) < 0)
		return err_errno(err, "cannot make the terminal the controlling one");
	for (int fd = 0; fd <= 2; fd++) {
		/* dup2 onto itself would leave close-on-exec set. */
		if (fd == slave_fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(slave_fd, fd) < 0)
			return err_errno(err, "cannot make the terminal descriptor %d", fd);
	}
	return 0;
}

bool tty_own_size(unsigned short *ret_rows, unsigned short *ret_cols)
{
	struct winsize size;

	for (int fd = 0; fd <= 2; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
			continue;
		*ret_rows = size.ws_row;
		*ret_cols = size.ws_col;
		return true;
	}
	return false;
}

int tty_set_size(int fd, unsigned short rows, unsigned short cols, struct err *err)
{
	struct winsize size = {.ws_row = rows, .ws_col = cols};

	if (ioctl(fd, TIOCSWINSZ, &size) < 0)
		return err_errno(err, "cannot set the terminal size to %ux%u", cols, rows);
	return 0;
}

int tty_make_raw(int fd, struct termios *ret_saved, struct err *err)
{
	struct termios saved, raw;

	if (tcgetattr(fd, &saved) < 0)
		return err_errno(err, "cannot read the terminal settings");
	raw = saved;
	cfmakeraw(&raw);
	raw.c_oflag = saved.c_oflag;
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return err_errno(err, "cannot make the terminal raw");
	*ret_saved = saved;
	return 0;
}

void tty_restore(int fd, const struct termios *saved)
{
	/* TCSADRAIN would wait for ever on a terminal that was stopped with ^S. */
	tcsetattr(fd, TCSANOW, saved);
}
