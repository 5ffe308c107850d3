/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket by which a container says that it is ready (keeper_notify.c). It is bound in a tmpfs that is made for
 * it and mounted nowhere but in the container, so the host has no file of that, and the container none to write to;
 * who connects needs the right to write to the socket alone, which everybody there has.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/notify.h"
#include "base/own.h"
#include "engine/launch.h"
#include "engine/ready.h"
#include "kernel/mount.h"

#define NAME "notify.sock"

static int make_directory(struct err *err)
{
	own(strv) struct strv options = STRV_INIT;

	if (strv_add(&options, "mode=755", err) < 0 || strv_add(&options, "size=4k", err) < 0)
		return -1;
	return mount_new("tmpfs", "notify", &options, 0,
			 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
}

static int listen_in(int dir_fd, struct err *err)
{
	own_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const int on = 1;

	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" NAME, dir_fd);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    fchmodat(dir_fd, NAME, 0666, 0) < 0)
		return err_errno(err, "cannot listen for the container's readiness");
	return take_fd(fd);
}

static int add_mount(struct spec *spec, struct err *err)
{
	static const char *const options[] = {"bind", "ro", "nosuid", "nodev", "noexec"};
	/* A source that leads nowhere: it comes as a descriptor. */
	struct spec_mount *m = spec_add_mount(spec, LAUNCH_NOTIFY_DIR, "bind", "/dev/null/notify",
					      err);

	for (size_t i = 0; m && i < sizeof options / sizeof *options; i++)
		if (strv_add(&m->options, options[i], err) < 0)
			return -1;
	if (!m)
		return -1;
	return strv_env_set(&spec->process.env, NOTIFY_VARIABLE, LAUNCH_NOTIFY_DIR "/" NAME, err);
}

int launch_notify(struct record *record, int *ret_mount_fd, int *ret_socket_fd, struct err *err)
{
	if (!str_eq(record->sdnotify, READY_BY_CONTAINER))
		return 0;
	own_fd int dir_fd = make_directory(err);
	own_fd int socket_fd = dir_fd < 0 ? -1 : listen_in(dir_fd, err);
	if (socket_fd < 0 || mount_set(dir_fd, MOUNT_ATTR_RDONLY, 0, false, err) < 0 ||
	    add_mount(&record->spec, err) < 0)
		return err_wrap(err, "--sdnotify");
	*ret_mount_fd = take_fd(dir_fd);
	*ret_socket_fd = take_fd(socket_fd);
	return 0;
}
