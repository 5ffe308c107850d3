/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run from a sealed copy of ourselves.
 *
 * While the runtime is inside a container, /proc/PID/exe is a door to our executable. A container
 * root that is also host root can open it for writing as soon as we have gone on to another program,
 * or make us execute it again as somebody's interpreter (CVE-2019-5736). A memfd whose contents are
 * sealed is the copy that such a write would have to hit, and every write to it is EPERM; the file
 * on disk is never reached because no process of ours in the container runs from it.
 *
 * In a user namespace the file on disk mostly belongs to nobody the container could be, so the copy
 * (about a millisecond and the size of the program) is made only where the owner of the file is
 * somebody there: where container root is host root, where a user has installed the program himself
 * (runtime/rootless_ids.c), or where the id maps hold it under another number.
 *
 * Whether we are sealed is asked of the kernel (F_GET_SEALS; or that the file is on a tmpfs that is
 * read-only as a whole), never of the environment. The environment only carries the guard against running for ever: a process that was already started
 * from a copy and still does not look sealed stops with an error. A user who sets that variable gets
 * the error, nothing else.
 */
#include "kernel/seal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/proc.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020 /* Linux 6.3: the execute bits may not change */
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define GUARD "INSULA_SEALED"

extern char **environ;

/* Of a tmpfs that is read-only as a whole: see runtime/sealed.c. */
static bool on_frozen_tmpfs(int fd)
{
	struct statfs fs;

	return getenv(GUARD) && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
	       fs.f_flags & ST_RDONLY;
}

bool seal_active(void)
{
	own_fd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && (fd_is_sealed(fd) || on_frozen_tmpfs(fd));
}

bool seal_is_needed(const struct id_map *uids, size_t count)
{
	struct stat st;

	return !count || stat("/proc/self/exe", &st) < 0 || id_map_has(uids, count, st.st_uid);
}

/* From Linux 6.3 a memfd says at birth whether it may be executed; before, the flag is EINVAL. */
static int new_memfd(struct err *err)
{
	int fd = memfd_create("insula", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("insula", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0)
		return fd;
	if (errno == EACCES) {
		err_errno(err, "cannot make an executable memory file");
		return err_hint(err, "sysctl vm.memfd_noexec forbids it; use a user namespace, "
				     "whose root does not own the program");
	}
	return err_errno(err, "cannot make a memory file");
}

static int copy_into(int memfd, int exe_fd, struct err *err)
{
	struct stat st;
	off_t offset = 0;

	if (fstat(exe_fd, &st) < 0)
		return err_errno(err, "cannot examine the program");
	while (offset < st.st_size) {
		ssize_t sent = sendfile(memfd, exe_fd, &offset, (size_t)(st.st_size - offset));

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return err_errno(err, "cannot copy the program");
		if (sent == 0)
			return err_set(err, ERR_IO, 0, "the program became shorter meanwhile");
	}
	return 0;
}

int seal_copy(int program_fd, struct err *err)
{
	own_fd int memfd = new_memfd(err);

	if (memfd < 0 || copy_into(memfd, program_fd, err) < 0)
		return -1;
	if (fcntl(memfd, F_ADD_SEALS, SEALS | F_SEAL_EXEC) < 0 &&
	    fcntl(memfd, F_ADD_SEALS, SEALS) < 0)
		return err_errno(err, "cannot seal the copy of the program");
	if (!fd_is_sealed(memfd))
		return err_set(err, ERR_UNSUPPORTED, 0, "the copy of the program is not sealed");
	return take_fd(memfd);
}

static int copy_ourselves(struct err *err)
{
	own_fd int exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (exe_fd < 0)
		return err_errno(err, "cannot open our executable");
	return seal_copy(exe_fd, err);
}

/* A program started from a descriptor is called by its number in /proc/PID/comm; give it its own
 * name back. */
static void restore_name(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	if (argv0)
		prctl(PR_SET_NAME, slash ? slash + 1 : argv0, 0, 0, 0);
}

int seal_begun(char *const argv[], struct err *err)
{
	bool again = getenv(GUARD) != NULL;

	if (seal_active()) {
		if (again) {
			proc_set_program(getenv(GUARD));
			unsetenv(GUARD);
			restore_name(argv[0]);
		}
		return 1;
	}
	if (again)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"cannot run from a sealed copy: started from one, and it is not sealed");
	return 0;
}

int seal_execute(int program_fd, char *const argv[], struct err *err)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	/* Programs of ours are looked for beside it, and the copy is nowhere. */
	if (length < 0)
		return err_errno(err, "cannot find our own program");
	path[length] = '\0';
	if (setenv(GUARD, path, 1) < 0)
		return err_errno(err, "cannot mark the environment");
	execveat(program_fd, "", argv, environ, AT_EMPTY_PATH);
	err_errno(err, "cannot execute the sealed copy of ourselves");
	unsetenv(GUARD);
	return -1;
}

int seal_reexec(char *const argv[], struct err *err)
{
	int begun = seal_begun(argv, err);
	own_fd int copy = -1;

	if (begun)
		return begun < 0 ? -1 : 0;
	copy = copy_ourselves(err);
	return copy < 0 ? -1 : seal_execute(copy, argv, err);
}
