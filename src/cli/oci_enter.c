/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create and run of an ordinary user, who becomes root of a user namespace first (runtime/rootless.h): there
 * the program is executed anew.
 *
 * Whether a process may be looked at is decided by the user namespace that its memory was made in, by
 * execve(2), if it is opaque. A process that waits for its start has the memory of who bore it: made in the
 * host's, an opaque one could not be entered by its own user (exec), and we could not write its id maps or enter
 * its namespaces; so it would have to be open to other processes of its user namespace for as long. Made in
 * the namespace around that one, it is open to us and to nobody inside.
 *
 * The configuration goes along in a sealed memory file: it is the one that the namespace was made for, whatever
 * the bundle has by now. Which file that is says a variable: who sets it himself is asked for the seals. The
 * program is a sealed copy where somebody inside could write the file (kernel/seal.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/oci_bundle.h"
#include "cli/oci_life.h"
#include "kernel/seal.h"
#include "runtime/rootless.h"

#define MARK "INSULA_ENTERED"

int oci_entered(int *ret_config_fd, struct err *err)
{
	const char *text = getenv(MARK);
	uint64_t fd;

	if (!text)
		return 0;
	if (str_to_u64(text, 3, INT32_MAX, MARK, &fd, err) < 0)
		return -1;
	unsetenv(MARK);
	if (!fd_is_sealed((int)fd))
		return err_set(err, ERR_INVALID, 0, MARK ": descriptor %llu is not ours",
			       (unsigned long long)fd);
	*ret_config_fd = (int)fd;
	return 1;
}

/* May somebody in the container write our file: its owner, or others? Of a namespace that is joined we do
 * not ask. */
static bool is_ours_inside(const struct spec *spec)
{
	const struct spec_idmaps *maps = &spec->linux_.uid_maps;
	bool found = spec->linux_.namespaces[SPEC_NS_USER].path;
	struct stat st;

	if (stat("/proc/self/exe", &st) < 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return true;
	for (size_t i = 0; i < maps->count && !found; i++)
		found = st.st_uid >= maps->items[i].host_id &&
			st.st_uid - maps->items[i].host_id < maps->items[i].size;
	return found;
}

/* Where we keep what as who we are: root would look elsewhere. */
static int make_argv(const struct oci *oci, struct strv *argv, struct err *err)
{
	own_free char *root = life_root_path(oci, err);
	own_free char *run_root = life_run_root(oci, err);

	if (!root || !run_root || strv_add(argv, oci->argv[0], err) < 0 ||
	    strv_addf(argv, err, "--root=%s", root) < 0 ||
	    strv_addf(argv, err, "--runroot=%s", run_root) < 0)
		return -1;
	for (size_t i = 1; oci->argv[i]; i++)
		if (strv_add(argv, oci->argv[i], err) < 0)
			return -1;
	return 0;
}

int oci_enter(const struct oci *oci, struct bundle *bundle, int passed, struct err *err)
{
	own(strv) struct strv argv = STRV_INIT;
	bool seal = is_ours_inside(&bundle->spec); /* by the host's ids */
	char number[16];

	if (make_argv(oci, &argv, err) < 0 || rootless_enter(&bundle->spec, err) < 0)
		return -1;
	own_fd int config_fd = fd_sealed_memfd("config.json", bundle->text, bundle->text_size, err);
	if (config_fd < 0)
		return -1;
	snprintf(number, sizeof number, "%d", config_fd);
	if (setenv(MARK, number, 1) < 0)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot mark the environment");
	for (int fd = 3; fd < 3 + passed; fd++)
		if (fd_set_cloexec(fd, false, err) < 0)
			return -1;
	if (fd_set_cloexec(config_fd, false, err) < 0)
		return -1;
	if (seal)
		return seal_reexec(argv.items, err);
	execv("/proc/self/exe", argv.items);
	return err_errno(err, "cannot execute our own program in the user namespace");
}
