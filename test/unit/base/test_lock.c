/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks between processes: exclusion, deadlines, holders that die, files that vanish.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "test.h"

/* A process that holds the lock until killed. */
static pid_t start_holder(enum lock_how how)
{
	int ends[2];
	char byte;
	pid_t pid;

	test_dir();
	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		if (file_lock(test_dir(), "lock", how, 0, &err) >= 0 && write(ends[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ends[1]);
	CHECK_INT(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static void stop_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(a_lock_is_taken_and_ends_with_its_descriptor)
{
	struct err err = ERR_INIT;
	own_fd int again = -1;
	struct stat st;
	int fd = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err);

	CHECK_OK(fd);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(fstat(fd, &st) == 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	/* Also within one process: the lock belongs to the descriptor. */
	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err), ERR_BUSY, "lock 'lock'");
	close(fd);
	again = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err);
	CHECK_OK(again);
}

TEST(an_exclusive_holder_is_named)
{
	pid_t pid = start_holder(LOCK_EXCLUSIVE);
	struct err err = ERR_INIT;
	char want[64];

	snprintf(want, sizeof(want), "cannot lock 'lock': held by process %d", (int)pid);
	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err), ERR_BUSY, want);
	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_SHARED, 0, &err), ERR_BUSY, want);
	stop_holder(pid);
}

TEST(a_dead_holder_is_never_named)
{
	pid_t exclusive = start_holder(LOCK_EXCLUSIVE), shared;
	struct err err = ERR_INIT;

	stop_holder(exclusive);
	shared = start_holder(LOCK_SHARED);
	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err), ERR_BUSY,
		  "somebody else holds it");
	stop_holder(shared);
}

TEST(shared_locks_share)
{
	pid_t pid = start_holder(LOCK_SHARED);
	struct err err = ERR_INIT;
	own_fd int fd = file_lock(test_dir(), "lock", LOCK_SHARED, 0, &err);

	CHECK_OK(fd);
	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err), ERR_BUSY, NULL);
	stop_holder(pid);
}

TEST(waiting_ends_at_the_deadline)
{
	pid_t pid = start_holder(LOCK_EXCLUSIVE);
	struct err err = ERR_INIT;
	int64_t start = clock_boot_ms();

	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 150, &err), ERR_BUSY, NULL);
	CHECK(clock_boot_ms() - start >= 150);
	CHECK(clock_boot_ms() - start < 5000);
	stop_holder(pid);
}

TEST(waiting_succeeds_when_the_holder_dies)
{
	pid_t pid = start_holder(LOCK_EXCLUSIVE), killer = fork();
	struct err err = ERR_INIT;
	own_fd int fd = -1;

	if (killer == 0) {
		usleep(50000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	fd = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 30000, &err);
	CHECK_OK(fd);
	waitpid(pid, NULL, 0);
	waitpid(killer, NULL, 0);
}

TEST(held_tells_without_taking)
{
	struct err err = ERR_INIT;
	pid_t pid;

	CHECK_INT(file_lock_held(test_dir(), "lock", &err), 0);
	CHECK(faccessat(test_dir(), "lock", F_OK, 0) < 0);
	pid = start_holder(LOCK_SHARED);
	CHECK_INT(file_lock_held(test_dir(), "lock", &err), 1);
	stop_holder(pid);
	CHECK_INT(file_lock_held(test_dir(), "lock", &err), 0);
	pid = start_holder(LOCK_EXCLUSIVE);
	CHECK_INT(file_lock_held(test_dir(), "lock", &err), 1);
	stop_holder(pid);
}

TEST(held_refuses_a_link)
{
	struct err err = ERR_INIT;

	CHECK(symlinkat("/etc/passwd", test_dir(), "lock") == 0);
	CHECK_ERR(file_lock_held(test_dir(), "lock", &err), ERR_IO, "symbolic links");
	CHECK_ERR(file_lock(test_dir(), "lock", LOCK_SHARED, 0, &err), ERR_IO, "symbolic links");
}

static bool has_open(pid_t pid, const char *name)
{
	char path[64], target[PATH_MAX];
	bool found = false;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

		target[n < 0 ? 0 : n] = '\0';
		found = strrchr(target, '/') && strcmp(strrchr(target, '/') + 1, name) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

TEST(a_lock_on_a_removed_file_is_not_a_lock)
{
	struct err err = ERR_INIT;
	own_fd int old = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err), fresh = -1;
	int status, closed[2];
	pid_t waiter;
	char byte;

	CHECK_OK(old);
	CHECK(pipe2(closed, O_CLOEXEC) == 0);
	waiter = fork();
	if (waiter == 0) {
		own_fd int fd = -1;
		struct stat held, named;

		close(take_fd(old));
		close(closed[0]);
		close(closed[1]);
		fd = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 30000, &err);
		_exit(fd < 0 || fstat(fd, &held) < 0 ||
		      fstatat(test_dir(), "lock", &named, 0) < 0 || held.st_ino != named.st_ino);
	}
	close(closed[1]);
	CHECK_INT(read(closed[0], &byte, 1), 0); /* the waiter has closed what it inherited */
	close(closed[0]);
	for (int i = 0; i < 10000 && !has_open(waiter, "lock"); i++)
		usleep(1000);
	/* At once, as the waiter may look at any moment whether the name is still that of its file. */
	fresh = file_lock(test_dir(), "next", LOCK_SHARED, 0, &err);
	CHECK_OK(fresh);
	CHECK(renameat(test_dir(), "next", test_dir(), "lock") == 0);
	close(take_fd(old)); /* now the waiter gets the old file, and must not be content */
	usleep(60000);
	CHECK_INT(waitpid(waiter, &status, WNOHANG), 0);
	close(take_fd(fresh));
	CHECK_INT(waitpid(waiter, &status, 0), waiter);
	CHECK_INT(status, 0);
}

TEST(an_object_that_is_removed_gets_no_second_lock)
{
	enum { WAITERS = 4 };
	struct err err = ERR_INIT;
	own_fd int remover = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err);
	int status;

	CHECK_OK(remover);
	for (int i = 0; i < WAITERS; i++)
		if (fork() == 0) {
			close(take_fd(remover));
			_exit(file_lock_existing(test_dir(), "lock", LOCK_EXCLUSIVE, 30000, &err) >=
				      0 ||
			      err.kind != ERR_NOT_FOUND);
		}
	usleep(30000);
	/* The lock goes first; the rest of the object is still being removed. */
	CHECK(unlinkat(test_dir(), "lock", 0) == 0);
	CHECK_ERR(file_lock_existing(test_dir(), "lock", LOCK_EXCLUSIVE, 0, &err), ERR_NOT_FOUND,
		  "'lock'");
	close(take_fd(remover));
	for (int i = 0; i < WAITERS; i++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK(faccessat(test_dir(), "lock", F_OK, 0) < 0);
}

TEST(contention_never_lets_two_in)
{
	enum { WORKERS = 6, ROUNDS = 40 };
	struct err err = ERR_INIT;
	own_free char *total = NULL;
	int status;

	/* Each round reads a number and writes it back one larger: a race would lose some. */
	CHECK_OK(file_write_atomic(test_dir(), "counter", "0", 1, 0600, false, &err));
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0) {
			for (int round = 0; round < ROUNDS; round++) {
				own_fd int fd = file_lock(test_dir(), "lock", LOCK_EXCLUSIVE, 30000,
							  &err);
				own_free char *text = NULL;
				char next[24];

				if (fd < 0 || file_read(test_dir(), "counter", 16, &text, &err) < 0)
					_exit(1);
				snprintf(next, sizeof(next), "%ld", strtol(text, NULL, 10) + 1);
				if (file_write_atomic(test_dir(), "counter", next, strlen(next),
						      0600, false, &err) < 0)
					_exit(1);
			}
			_exit(0);
		}
	for (int i = 0; i < WORKERS; i++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK_OK(file_read(test_dir(), "counter", 16, &total, &err));
	CHECK_INT(strtol(total, NULL, 10), WORKERS * ROUNDS);
}

TEST_MAIN()
