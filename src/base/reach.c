/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths that lead to a file server which does not answer.
 *
 * Whoever walks into a dead NFS, FUSE or SMB server waits in the kernel, and once the question has been sent not even
 * SIGKILL ends that (state D): a command of ours would hang with all that it holds, and leave to its user what it has
 * half made. Nothing can be done for a process that hangs so; but it need not be the one that has work to do.
 *
 * So before a path that may lead to one is used, it is looked at without any question: openat2(2) with RESOLVE_CACHED
 * (Linux 5.12) answers from memory or says EAGAIN, for a server as for a disk. That is the ordinary case, and costs a
 * microsecond. Only what is not in memory, where the walk itself takes longer than a fork, is walked by a child first,
 * which holds nothing but the directory that the path begins at, and has a deadline. When it comes back the answers
 * are in memory, and the caller walks the path himself. A child that does not come back is killed and left to the
 * kernel, which lets it go when the server answers or is given up.
 *
 * A name in memory is not enough where the caller then asks for more: whoever looks at the root of a mount meets the
 * server for the first time. So the kind of file system is looked at, too, by statmount(2) (Linux 6.8), which asks
 * nobody. Before that the name counts alone.
 *
 * Whoever has met a file system that may not answer goes on so in trees of containers, too: path.c asks here before
 * every walk. Where there is none, as nearly always, that is a comparison.
 *
 * A server that dies between the two, or answers about names and not about contents, is not noticed here.
 */
#include "base/reach.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"

#define ANSWER_MS 30000 /* a disk that slept, a server that is asked over an automounter */
#define DEATH_MS 200	/* of a child that was killed where that can be */

/* Tests do not want to wait so long. */
static int answer_ms(void)
{
#ifdef INSULA_FAILPOINTS
	const char *text = getenv("INSULA_ANSWER_MS");

	if (text)
		return (int)strtol(text, NULL, 10);
#endif
	return ANSWER_MS;
}

/* ---- without a question ---- */

#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#define MOUNT_ID_UNIQUE 0x4000u /* STATX_MNT_ID_UNIQUE, Linux 6.8 */
#define SUPERBLOCK_BASIC 1u	/* STATMOUNT_SB_BASIC */

/* What statmount(2) is asked, and the beginning of its answer; the headers of older kernels have neither. */
struct mount_question {
	uint32_t size, spare;
	uint64_t mount_id, wanted;
};
struct mount_answer {
	uint32_t size, options;
	uint64_t known;
	uint32_t major, minor;
	uint64_t magic;
	uint64_t rest[64]; /* the kernel wants room for all of it */
};

/* File systems that have no device number, and need nobody's answer. */
static bool is_local_kind(uint64_t magic)
{
	static const uint64_t kinds[] = {
		TMPFS_MAGIC,	      RAMFS_MAGIC,
		BTRFS_SUPER_MAGIC,    OVERLAYFS_SUPER_MAGIC,
		PROC_SUPER_MAGIC,     SYSFS_MAGIC,
		CGROUP_SUPER_MAGIC,   CGROUP2_SUPER_MAGIC,
		DEVPTS_SUPER_MAGIC,   HUGETLBFS_MAGIC,
		0x2fc12fc1 /* zfs */, 0xca451a4e /* bcachefs */,
		NSFS_MAGIC,	      0x19800202 /* mqueue */,
		BPF_FS_MAGIC,	      SECURITYFS_MAGIC,
		DEBUGFS_MAGIC,	      TRACEFS_MAGIC,
		BINFMTFS_MAGIC,	      EFIVARFS_MAGIC,
		EROFS_SUPER_MAGIC_V1,
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i] == magic)
			return true;
	return false;
}

/* Only cached attributes are looked at. Unknown is local: see above. */
static bool is_local(int fd)
{
	struct mount_question question = {.size = sizeof question, .wanted = SUPERBLOCK_BASIC};
	struct mount_answer answer = {0};
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, MOUNT_ID_UNIQUE, &st) < 0 ||
	    st.stx_dev_major != 0 || !(st.stx_mask & MOUNT_ID_UNIQUE))
		return true;
	question.mount_id = st.stx_mnt_id;
	return syscall(SYS_statmount, &question, &answer, sizeof answer, 0) < 0 ||
	       !(answer.known & SUPERBLOCK_BASIC) || is_local_kind(answer.magic);
}

static bool met_one; /* a file system that may not answer */

static bool needs_no_answer(int dir_fd, const char *path, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED | resolve};
	own_fd int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);

	if (fd >= 0 && !is_local(fd)) {
		met_one = true;
		return false;
	}
	/* Any other error the caller will get himself. EINVAL: Linux before 5.12. */
	return fd >= 0 || (errno != EAGAIN && errno != EINVAL && errno != ENOSYS);
}

/* ---- by a child ---- */

static _Noreturn void ask(int dir_fd, const char *path, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve};
	struct err ignored = ERR_INIT;
	struct stat st;

	proc_reset_signals();
	fd_close_others(&dir_fd, 1, &ignored);
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
	fstat(fd, &st);
	_exit(fd >= 0 && !is_local(fd));
}

static int say_unanswered(struct proc *child, const char *path, struct err *err)
{
	struct proc_exit how;
	struct err ignored = ERR_INIT;

	err_set(err, ERR_TIMEOUT, 0, "cannot reach '%s': it has not answered for %d s", path,
		answer_ms() / 1000);
	err->errnum = ETIMEDOUT;
	proc_signal(child, SIGKILL, &ignored);
	if (proc_wait(child, DEATH_MS, &how, &ignored) == 1)
		err_hint(err, "the file server or disk that it is on hangs");
	else
		err_hint(err,
			 "the file server or disk that it is on hangs; process %d, which asked it, "
			 "is in state D until it answers, and ends then",
			 (int)child->pid);
	proc_forget(child);
	return -1;
}

static int reach(int dir_fd, const char *path, uint64_t resolve, struct err *err)
{
	struct proc child = PROC_INIT;
	struct proc_exit how = {0};
	int ended;

	if (needs_no_answer(dir_fd, path, resolve))
		return 0;
	pid_t pid = proc_clone(&child, 0, -1, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		ask(dir_fd, path, resolve);
	ended = proc_wait(&child, answer_ms(), &how, err);
	if (ended == 0)
		return say_unanswered(&child, path, err);
	proc_forget(&child);
	met_one = met_one || how.code == 1;
	return ended < 0 ? -1 : 0;
}

int path_reach(int dir_fd, const char *path, struct err *err)
{
	return reach(dir_fd, path, 0, err);
}

int reach_first(int root_fd, const char *path, uint64_t resolve, struct err *err)
{
	return met_one ? reach(root_fd, path, resolve, err) : 0;
}
