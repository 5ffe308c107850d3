/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket of the service manager is not the container's to write to: a message may name any process
 * as the service's main one, or extend timeouts. So the container has a socket of its own, and of what it
 * says only READY=1 is heard, and said on in our words.
 */
#include "cli/oci_notify.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/notify.h"
#include "base/own.h"

#define VARIABLE NOTIFY_VARIABLE
#define DIRECTORY "notify"
#define NAME "notify.sock"
#define INSIDE "/run/notify"
#define MESSAGE_MAX 4096

int notify_prepare(const struct state_dir *dir, struct spec *spec, struct err *err)
{
	own_free char *source = NULL;
	struct spec_mount *mount;

	if (!notify_socket())
		return 0;
	if (mkdirat(dir->fd, DIRECTORY, 0755) < 0)
		return err_errno(err, "cannot make the directory of " VARIABLE);
	source = str_printf(err, "/proc/self/fd/%d/" DIRECTORY, dir->fd);
	if (!source)
		return -1;
	mount = spec_add_mount(spec, INSIDE, "bind", source, err);
	if (!mount || strv_add(&mount->options, "bind", err) < 0 ||
	    strv_add(&mount->options, "nosuid", err) < 0 ||
	    strv_add(&mount->options, "noexec", err) < 0 ||
	    strv_add(&mount->options, "nodev", err) < 0)
		return -1;
	return strv_env_set(&spec->process.env, VARIABLE, INSIDE "/" NAME, err);
}

int notify_listen(const struct state_dir *dir, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	own_fd int dir_fd = openat(dir->fd, DIRECTORY,
				   O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir_fd < 0)
		return errno == ENOENT ? -1
				       : err_errno(err, "cannot open the directory of " VARIABLE);
	own_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" NAME, dir_fd);
	/* Whatever has that name by now was made in the container. */
	if (fd < 0 || (unlinkat(dir_fd, NAME, 0) < 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    fchmodat(dir_fd, NAME, 0777, 0) < 0)
		return err_errno(err, "cannot listen for the readiness of container '%s'",
				 dir->state.id);
	return take_fd(fd);
}

static bool says_ready(char *message)
{
	char *save = NULL;

	for (char *line = strtok_r(message, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strcmp(line, "READY=1"))
			return true;
	return false;
}

static int hand_on(const struct state_dir *dir, struct err *err)
{
	const char *to = notify_socket();
	char text[64];

	if (!to)
		return 0; /* whoever started it does not want to know */
	snprintf(text, sizeof text, "MAINPID=%d\nREADY=1", dir->state.pid);
	return notify_send(to, text, err) < 0
		       ? err_wrap(err, "container '%s' is ready", dir->state.id)
		       : 0;
}

int notify_relay(int socket_fd, const struct state_dir *dir, struct err *err)
{
	struct pollfd wait[2] = {{.fd = socket_fd, .events = POLLIN},
				 {.fd = dir->init.pidfd, .events = POLLIN}};
	char message[MESSAGE_MAX + 1];

	for (;;) {
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for the readiness of container '%s'",
					 dir->state.id);
		ssize_t n = recv(socket_fd, message, MESSAGE_MAX, 0);
		if (n < 0 && wait[1].revents)
			return 0;
		message[n > 0 ? n : 0] = '\0';
		if (n > 0 && says_ready(message))
			return hand_on(dir, err);
	}
}
