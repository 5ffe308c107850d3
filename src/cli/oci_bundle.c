/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a bundle: see oci_bundle.h. */
#include "cli/oci_bundle.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"

#define ID_MAX 255

int oci_check_id(const char *id, struct err *err)
{
	size_t n = strlen(id);
	char shown[64];

	if (n > 0 && n <= ID_MAX && id[0] != '-' && id[0] != '.' &&
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") == n)
		return 0;
	err_set(err, ERR_USAGE, 0, "'%s' is not a container id",
		str_printable(id, shown, sizeof shown));
	return err_hint(err, "1 to %d of a-z A-Z 0-9 _ + - . and no leading '-' or '.'", ID_MAX);
}

void bundle_init(struct bundle *bundle)
{
	*bundle = (struct bundle){.path = NULL};
	spec_init(&bundle->spec);
}

void bundle_done(struct bundle *bundle)
{
	spec_done(&bundle->spec);
	free(bundle->path);
	free(bundle->root);
	free(bundle->text);
}

static int locate(struct bundle *bundle, const char *path, struct err *err)
{
	if (path_reach(AT_FDCWD, path, err) < 0)
		return -1;
	bundle->path = realpath(path, NULL);
	return bundle->path ? 0 : err_errno(err, "cannot open bundle '%s'", path);
}

/* A name that was given begins where the caller is, as of any other option. */
static int read_config(struct bundle *bundle, int bundle_fd, const char *given, int config_fd,
		       struct err *err)
{
	const char *name = given ? given : "config.json";
	ssize_t size = config_fd >= 0
			       ? fd_read_all(config_fd, SPEC_MAX_SIZE, name, &bundle->text, err)
			       : file_read(given ? AT_FDCWD : bundle_fd, name, SPEC_MAX_SIZE,
					   &bundle->text, err);

	if (size < 0)
		return err_wrap(err, "bundle '%s'", bundle->path);
	bundle->text_size = (size_t)size;
	return spec_parse(bundle->text, bundle->text_size, name, &bundle->spec, err);
}

int bundle_load(struct bundle *ret, const char *path, const char *config, int config_fd,
		struct err *err)
{
	bundle_init(ret);
	if (locate(ret, path, err) < 0)
		return -1;
	own_fd int bundle_fd = open(ret->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bundle_fd < 0)
		return err_errno(err, "cannot open bundle '%s'", path);
	if (config_fd < 0 &&
	    path_reach(config ? AT_FDCWD : bundle_fd, config ? config : "config.json", err) < 0)
		return -1;
	if (read_config(ret, bundle_fd, config, config_fd, err) < 0 ||
	    spec_validate(&ret->spec, err) < 0)
		return -1;
	ret->root = ret->spec.root_path[0] == '/'
			    ? str_dup(ret->spec.root_path, err)
			    : str_printf(err, "%s/%s", ret->path, ret->spec.root_path);
	return ret->root ? 0 : -1;
}

int oci_write_pid_file(const char *path, int pid, struct err *err)
{
	const char *slash = strrchr(path, '/');
	own_free char *parent = slash ? str_dup_len(path, (size_t)(slash - path + 1), err)
				      : str_dup(".", err);
	char text[16];
	int n = snprintf(text, sizeof text, "%d", pid);

	if (!parent)
		return -1;
	own_fd int dir_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_errno(err, "cannot write the pid file '%s'", path);
	return file_write_atomic(dir_fd, slash ? slash + 1 : path, text, (size_t)n, 0644, false,
				 err);
}
