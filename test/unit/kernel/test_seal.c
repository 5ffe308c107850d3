/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test program seals itself: started with the argument "sealed", it does what a runtime's main()
 * does and reports what it then is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "kernel/seal.h"
#include "test.h"

/* Exit code: 0 sealed and not writable, with the same argument and environment; else which check. */
static int sealed_main(char **argv)
{
	struct err err = ERR_INIT;
	char comm[32] = "";
	int fd;

	if (seal_reexec(argv, &err) < 0) {
		fprintf(stderr, "# %s\n", err.message);
		return 10;
	}
	if (!seal_active())
		return 11;
	fd = open("/proc/self/exe", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "x", 1) == 1)
		return 12;
	fd_close(fd);
	if (truncate("/proc/self/exe", 0) == 0)
		return 13;
	if (getenv("INSULA_SEALED") || !getenv("CANARY"))
		return 14;
	fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	if (fd_read_buf(fd, comm, sizeof(comm), "comm", &err) < 0 ||
	    strcmp(comm, "sealtest\n") != 0)
		return 15;
	/* Already sealed: nothing to do, and no way back into execve. */
	return seal_reexec(argv, &err) == 0 ? 0 : 16;
}

static int run_self(const char *variable)
{
	char name[] = "/somewhere/sealtest", argument[] = "sealed";
	char *const argv[] = {name, argument, NULL};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("CANARY", "1", 1);
		if (variable)
			setenv(variable, "1", 1);
		execv("/proc/self/exe", argv);
		_exit(99);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(a_file_on_disk_is_not_sealed)
{
	CHECK(!seal_active());
}

TEST(who_has_the_owner_of_the_file_could_write_it)
{
	struct stat st;
	const struct id_map all = {0, 0, UINT32_MAX}, other = {0, 300000, 65536};

	CHECK(stat("/proc/self/exe", &st) == 0);
	const struct id_map renamed[] = {other, {65536, st.st_uid, 1}};
	CHECK(seal_is_needed(NULL, 0));
	CHECK(seal_is_needed(&all, 1));
	CHECK(!seal_is_needed(&other, 1));
	CHECK(seal_is_needed(renamed, 2));
}

TEST(the_copy_is_sealed_and_is_the_same_program)
{
	CHECK_INT(run_self(NULL), 0);
}

TEST(a_guard_set_from_outside_is_an_error_and_no_loop)
{
	CHECK_INT(run_self("INSULA_SEALED"), 10);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "sealed") == 0)
		return sealed_main(argv);
	return test_main(argc, argv);
}
