/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files that say which machine this is. They are written into the container's own upper layer
 * before anything of it runs: the layer is ours and empty then, so no path of an image is resolved,
 * and whatever the image or the host has in their place is absent.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "engine/launch.h"

#define HOST_FILE_MAX (1u << 20)

static int write_file(int dir_fd, const char *name, const char *text, struct err *err)
{
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_errno(err, "cannot make '/etc/%s' of the container", name);
	return fd_write_all(fd, text, strlen(text), name, err);
}

/* With the host's network a container resolves names as the host does; absent there, absent here. */
static int copy_host_file(int dir_fd, const char *name, const char *path, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	own_free char *text = NULL;

	if (fd < 0)
		return write_file(dir_fd, name, "", err);
	if (fd_read_all(fd, HOST_FILE_MAX, path, &text, err) < 0)
		return -1;
	return write_file(dir_fd, name, text, err);
}

static int write_hosts(int dir_fd, const char *hostname, struct err *err)
{
	own(str) struct str text = STR_INIT(4096);

	str_addf(&text,
		 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
		 "127.0.1.1\t%s\n",
		 hostname);
	if (str_check(&text, "/etc/hosts", err) < 0)
		return -1;
	return write_file(dir_fd, "hosts", text.data, err);
}

int launch_write_identity(int upper_fd, const struct record *record, struct err *err)
{
	const struct spec *spec = &record->spec;
	bool own_network = spec->linux_.namespaces[SPEC_NS_NET].given;
	own(str) struct str line = STR_INIT(256);

	if (mkdirat(upper_fd, "etc", 0755) < 0)
		return err_errno(err, "cannot make '/etc' of the container");
	own_fd int etc_fd = openat(upper_fd, "etc",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (etc_fd < 0)
		return err_errno(err, "cannot open '/etc' of the container");
	str_addf(&line, "%s\n", spec->hostname);
	if (write_file(etc_fd, "hostname", line.data, err) < 0)
		return -1;
	str_reset(&line);
	str_addf(&line, "%.32s\n", record->id); /* machine-id(5): 32 hex digits */
	if (write_file(etc_fd, "machine-id", line.data, err) < 0)
		return -1;
	if (!own_network)
		return copy_host_file(etc_fd, "hosts", "/etc/hosts", err) < 0
			       ? -1
			       : copy_host_file(etc_fd, "resolv.conf", "/etc/resolv.conf", err);
	if (write_hosts(etc_fd, spec->hostname, err) < 0)
		return -1;
	return write_file(etc_fd, "resolv.conf", "", err);
}
