/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of ours in the container that are in memory alone: secrets.
 *
 * They are on a tmpfs of their own, which is made in the launch pad and is read-only before the container has
 * it. Those of one directory (RUNTIME_FILES_DIR) come as that directory, so that only its name is made in the
 * root file system; any other is mounted on a file of its name. Nothing of what is in them is ever written
 * anywhere else: not to the writable layer, not to a file of the host's, and where the kernel can be told so
 * (Linux 6.4, and only host root may) not to swap.
 *
 * A target is found as that of any mount: once, inside the root, and whatever an image has there instead of a
 * file or a directory is refused.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "runtime/start.h"

#define PAGE 4096u
#define SHARED "shared" /* becomes RUNTIME_FILES_DIR */

static bool is_shared(const struct runtime_file *f)
{
	return str_starts(f->path, RUNTIME_FILES_DIR "/");
}

static int make_memory(const struct runtime_request *r, bool with_swap, struct err *err)
{
	own(strv) struct strv options = STRV_INIT;
	size_t size = 64u << 10;

	for (size_t i = 0; i < r->file_count; i++)
		size += r->files[i].size + PAGE;
	if (strv_add(&options, "mode=755", err) < 0 ||
	    strv_addf(&options, err, "size=%zu", size) < 0 ||
	    (!with_swap && strv_add(&options, "noswap", err) < 0))
		return -1;
	return mount_new("tmpfs", "secrets", &options, 0,
			 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
}

static int new_memory(const struct start *s, struct err *err)
{
	struct err refused = ERR_INIT;
	int fd = s->plan->nested ? -1 : make_memory(&s->plan->request, false, &refused);

	return fd >= 0 ? fd : make_memory(&s->plan->request, true, err);
}

static int write_file(struct start *s, int dir_fd, const char *name, const struct runtime_file *f,
		      struct err *err)
{
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint32_t uid, gid;

	if (start_host_id(s, false, f->uid, &uid, err) < 0 ||
	    start_host_id(s, true, f->gid, &gid, err) < 0)
		return -1;
	if (fd < 0 || fd_write_all(fd, f->data, f->size, "the file", err) < 0)
		return fd < 0 ? err_errno(err, "cannot make the file") : -1;
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, f->mode) < 0)
		return err_errno(err, "cannot give it to %u:%u", f->uid, f->gid);
	return 0;
}

static int fill(struct start *s, int memory_fd, struct err *err)
{
	const struct runtime_request *r = &s->plan->request;

	if (mkdirat(memory_fd, SHARED, 0755) < 0 || fchmodat(memory_fd, SHARED, 0755, 0) < 0)
		return err_errno(err, "cannot make a directory in memory");
	own_fd int shared_fd = openat(memory_fd, SHARED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int i = 0; i < r->file_count; i++) {
		const struct runtime_file *f = &r->files[i];
		bool shared = is_shared(f);
		char number[16];

		snprintf(number, sizeof number, "%u", i);
		if (write_file(s, shared ? shared_fd : memory_fd,
			       shared ? f->path + strlen(RUNTIME_FILES_DIR "/") : number, f,
			       err) < 0)
			return err_wrap(err, "'%s'", f->path);
	}
	return mount_set(memory_fd, MOUNT_ATTR_RDONLY, 0, false, err);
}

static int put(struct start *s, int memory_fd, const char *name, const char *path, bool directory,
	       struct err *err)
{
	const struct planned_mount m = {.target = (char *)path};
	bool made;
	own_fd int target_fd = start_target(s, &m, directory, &made, err);

	if (target_fd < 0)
		return err_wrap(err, "'%s'", path);
	own_fd int fd = mount_clone_own(memory_fd, name, err);
	return fd < 0 ? -1 : mount_attach(fd, target_fd, path, err);
}

int start_files(struct start *s, const struct step *step, struct err *err)
{
	const struct runtime_request *r = &s->plan->request;
	own_fd int fd = new_memory(s, err);
	bool any_shared = false;

	if (fd < 0 || start_stage(s, fd, true, err) < 0 || fill(s, fd, err) < 0)
		return err_wrap(err, "secrets");
	for (unsigned int i = 0; i < r->file_count; i++) {
		char number[16];

		any_shared = any_shared || is_shared(&r->files[i]);
		snprintf(number, sizeof number, "%u", i);
		if (!is_shared(&r->files[i]) &&
		    put(s, fd, number, r->files[i].path, false, err) < 0)
			return err_wrap(err, "secrets");
	}
	if (any_shared && put(s, fd, SHARED, RUNTIME_FILES_DIR, true, err) < 0)
		return err_wrap(err, "secrets");
	return 0;
}
